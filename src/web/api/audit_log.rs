//! The audit log: what admins did.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{ListBody, range};
use crate::error::Result;
use crate::repo::audit::{self, Line, LineFilter};
use crate::repo::{Db, PageRequest, users};
use crate::web::auth::Admin;
use crate::web::extract::QueryOf;

/// A line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": 12, "actor": "user_root", "action": "user.freeze", "target": "user:user_bob", "reason": "Lost phone",
    "before": {"status": "active"}, "after": {"status": "frozen"},
    "request_id": "5e0a4b8c-8a1d-4f6e-9c1b-0d5f6a7b8c9d", "ip_address": "192.0.2.7",
    "created_at": "2026-03-01T09:30:00Z",
})))]
struct LineBody {
    id: i64,
    /// Who; null where a job or the command line acted.
    #[schema(required = true)]
    actor: Option<String>,
    /// What was done, `noun.verb`.
    action: String,
    /// To what, `noun:id`.
    target: String,
    /// Why, in the actor's words; empty for nothing.
    reason: String,
    /// The fields that matter as they were; null for nothing.
    #[schema(required = true, value_type = Option<Object>)]
    before: Option<Value>,
    /// The fields that matter as they were afterwards; null for nothing.
    #[schema(required = true, value_type = Option<Object>)]
    after: Option<Value>,
    /// The `X-Request-Id` of the request that did it.
    request_id: String,
    /// Where the request came from.
    ip_address: String,
    created_at: DateTime<Utc>,
}

impl From<Line> for LineBody {
    fn from(line: Line) -> Self {
        Self {
            id: line.id,
            actor: line.actor,
            action: line.action,
            target: line.target,
            reason: line.reason,
            before: line.before,
            after: line.after,
            request_id: line.request_id,
            ip_address: line.ip_address,
            created_at: line.created_at,
        }
    }
}

/// What the audit log can be narrowed to.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LinesQuery {
    /// What this user did; `me` is the caller.
    actor: Option<String>,
    /// Only this action.
    #[param(example = "user.freeze")]
    action: Option<String>,
    /// What was done to this thing, `noun:id`.
    #[param(example = "user:user_bob")]
    target: Option<String>,
    /// The first instant, or the first day in UTC.
    #[param(example = "2024-01-01")]
    from: Option<String>,
    /// The last instant, or the last day in UTC.
    #[param(example = "2024-01-31T23:59:59Z")]
    to: Option<String>,
    /// How many rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Shows the audit log
///
/// What admins did to what, why, from where, and what it changed, newest first.
///
/// # Errors
/// `user_not_found` for the actor; `invalid` where an end of the range is no time, or it ends before
/// it starts.
#[utoipa::path(
    get,
    path = "/api/v1/admin/audit-log",
    params(LinesQuery),
    responses((status = 200, description = "A page of lines.", body = ListBody<LineBody>))
)]
pub async fn list(admin: Admin, query: QueryOf<LinesQuery>, db: Data<Db>) -> Result<HttpResponse> {
    let query = query.0;
    let request = PageRequest::new(query.limit, query.cursor.as_deref())?;
    let period = range::period(("from", query.from.as_deref()), ("to", query.to.as_deref()))?;
    let mut filter = LineFilter { actor: None, action: query.action, target: query.target, period };
    let page = db
        .run(move |conn| {
            if let Some(actor) = query.actor {
                filter.actor = Some(users::meant_by(conn, admin.0.user, &actor)?.external_id);
            }
            audit::page(conn, &filter, &request)
        })
        .await?;
    Ok(HttpResponse::Ok().json(ListBody::of(page, LineBody::from)))
}
