//! How Coffer is doing, for load balancers and monitors.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use crate::ephemeral::Redis;
use crate::error::{Error, Result};
use crate::jobs::{Run, RunStatus, Runs};
use crate::repo::Db;
use crate::web::{Drain, Site};

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(3);

/// For how long what it has said is told to all who ask.
const FRESH: Duration = Duration::from_millis(500);

/// How the database is doing. However many ask, it is asked by one at a time, and not more often than
/// something can have changed: everybody may ask for health, and must not keep the connections busy.
#[derive(Default)]
pub struct Pulse(Arc<Mutex<Option<Felt>>>);

/// What the database said, and when.
#[derive(Clone, Copy)]
struct Felt {
    at: Instant,
    /// How long it took; none where it did not answer.
    latency: Option<Duration>,
}

impl Pulse {
    /// How long the database takes to answer.
    async fn latency(&self, db: &Db) -> Result<Duration> {
        let mut felt = Arc::clone(&self.0).lock_owned().await;
        let latency = match *felt {
            Some(Felt { at, latency }) if at.elapsed() < FRESH => latency,
            _ => {
                let db = db.clone();
                // By itself, since whoever hangs up would leave it to the next one to begin another.
                let asked = async move {
                    let latency = ask(&db).await.ok();
                    *felt = Some(Felt { at: Instant::now(), latency });
                    latency
                };
                actix_web::rt::spawn(asked).await.map_err(Error::broken)?
            }
        };
        latency.ok_or(Error::DatabaseUnavailable)
    }
}

#[derive(Serialize, ToSchema)]
struct StatusBody {
    #[schema(examples("ok"))]
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
struct DatabaseBody {
    #[schema(examples("ok"))]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    latency_ms: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct HealthBody {
    /// `ok`, `degraded` or `down`.
    #[schema(examples("ok"))]
    status: &'static str,
    #[schema(examples("0.1.0"))]
    version: &'static str,
    uptime_seconds: u64,
    database: DatabaseBody,
    redis: StatusBody,
    jobs: BTreeMap<&'static str, Run>,
}

/// Says that the process runs
#[utoipa::path(get, path = "/health/live", responses((status = 200, description = "It does.", body = StatusBody)))]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(StatusBody { status: "ok" })
}

/// Says whether requests can be served
///
/// # Errors
/// `database_unavailable` where the database does not answer, `overloaded` where the server is about to
/// stop.
#[utoipa::path(get, path = "/health/ready", responses((status = 200, description = "They can.", body = StatusBody)))]
pub async fn ready(db: Data<Db>, pulse: Data<Pulse>, drain: Data<Drain>) -> Result<HttpResponse> {
    if drain.has_begun() {
        return Err(Error::Overloaded);
    }
    pulse.latency(&db).await?;
    Ok(HttpResponse::Ok().json(StatusBody { status: "ok" }))
}

/// Says how the parts are doing
#[utoipa::path(
    get,
    path = "/health",
    responses(
        (status = 200, description = "Well enough to serve.", body = HealthBody),
        (status = 503, description = "The database does not answer.", body = HealthBody),
    )
)]
pub async fn health(
    db: Data<Db>,
    pulse: Data<Pulse>,
    site: Data<Site>,
    jobs: Data<Runs>,
    redis: Data<Option<Redis>>,
) -> HttpResponse {
    let latency = pulse.latency(&db).await;
    let jobs = jobs.all();
    let status = match &latency {
        Err(_) => "down",
        Ok(_) if jobs.values().any(|run| run.status == RunStatus::Failed) => "degraded",
        Ok(_) => "ok",
    };
    let mut response = if latency.is_ok() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(HealthBody {
        status,
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: site.started.elapsed().as_secs(),
        database: DatabaseBody {
            status: if latency.is_ok() { "ok" } else { "down" },
            latency_ms: latency.ok().and_then(|latency| u64::try_from(latency.as_millis()).ok()),
        },
        redis: StatusBody {
            status: match redis.get_ref() {
                None => "off",
                Some(redis) if redis.answers() => "ok",
                Some(_) => "fallback",
            },
        },
        jobs,
    })
}

async fn ask(db: &Db) -> Result<Duration> {
    let started = Instant::now();
    tokio::time::timeout(PATIENCE, db.run(crate::repo::ping)).await.map_err(|_| Error::DatabaseUnavailable)??;
    Ok(started.elapsed())
}
