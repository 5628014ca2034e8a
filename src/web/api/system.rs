//! How Coffer is doing, for load balancers and monitors.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::jobs::{Run, RunStatus, Runs};
use crate::repo::Db;
use crate::web::Site;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Serialize)]
struct StatusBody {
    status: &'static str,
}

#[derive(Serialize)]
struct DatabaseBody {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u64>,
}

#[derive(Serialize)]
struct HealthBody {
    status: &'static str,
    version: &'static str,
    uptime_seconds: u64,
    database: DatabaseBody,
    redis: StatusBody,
    jobs: BTreeMap<&'static str, Run>,
}

/// `GET /health/live`
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(StatusBody { status: "ok" })
}

/// `GET /health/ready`
///
/// # Errors
/// [`Error::DatabaseUnavailable`] where the database does not answer.
pub async fn ready(db: Data<Db>) -> Result<HttpResponse> {
    ask(&db).await?;
    Ok(HttpResponse::Ok().json(StatusBody { status: "ok" }))
}

/// `GET /health`
pub async fn health(db: Data<Db>, site: Data<Site>, jobs: Data<Runs>) -> HttpResponse {
    let latency = ask(&db).await;
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
        redis: StatusBody { status: "off" },
        jobs,
    })
}

/// How long the database takes to answer.
async fn ask(db: &Db) -> Result<Duration> {
    let started = Instant::now();
    tokio::time::timeout(PATIENCE, db.run(crate::repo::ping)).await.map_err(|_| Error::DatabaseUnavailable)??;
    Ok(started.elapsed())
}
