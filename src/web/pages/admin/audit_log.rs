//! The audit log: what admins did, to what and why.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::deeds::{self, Change, changes};
use crate::error::Result;
use crate::repo::Db;
use crate::repo::audit::{self, Line, LineFilter};
use crate::web::auth::Admin;
use crate::web::csv;
use crate::web::extract::QueryOf;
use crate::web::pages::list::{self, Address, Chip, Choice, Days, Pager};
use crate::web::view::{self, Chrome, Field, Moment};

#[derive(Template)]
#[template(path = "admin/audit_log.html")]
struct AuditLogPage {
    chrome: Chrome,
    actor: String,
    target: String,
    actions: Vec<Choice>,
    from: Field,
    to: Field,
    chips: Vec<Chip>,
    lines: Vec<LineRow>,
    file_href: String,
    pager: Pager,
}

struct LineRow {
    text: String,
    href: Option<String>,
    actor: Option<String>,
    at: Moment,
    reason: String,
    changes: Vec<Change>,
    /// What all the fields of something that came or went are called; none where they are changes.
    whole: Option<&'static str>,
    request_id: String,
    ip_address: String,
}

impl From<Line> for LineRow {
    fn from(line: Line) -> Self {
        Self {
            text: deeds::sentence(&line.action, &line.target, title(&line).map(|title| (title, true)), 1),
            href: deeds::href(&line.action, &line.target),
            whole: whole(&line),
            changes: changes(line.before.as_ref(), line.after.as_ref()),
            actor: line.actor,
            at: line.created_at.into(),
            reason: line.reason,
            request_id: line.request_id,
            ip_address: line.ip_address,
        }
    }
}

/// What the thing was called.
fn title(line: &Line) -> Option<&str> {
    line.after.as_ref().or(line.before.as_ref()).and_then(|told| told.get("title")).and_then(Value::as_str)
}

fn whole(line: &Line) -> Option<&'static str> {
    match (&line.before, &line.after) {
        (None, Some(_)) => Some("What it was created with"),
        (Some(_), None) => Some("What it was"),
        _ => None,
    }
}

/// A line of the file.
#[derive(Serialize)]
struct FileLine {
    id: i64,
    created_at: DateTime<Utc>,
    actor: Option<String>,
    action: String,
    target: String,
    reason: String,
    before: String,
    after: String,
    request_id: String,
    ip_address: String,
}

const NAMES: &[&str] =
    &["id", "created_at", "actor", "action", "target", "reason", "before", "after", "request_id", "ip_address"];

impl From<Line> for FileLine {
    fn from(line: Line) -> Self {
        let json = |fields: Option<Value>| fields.map(|fields| fields.to_string()).unwrap_or_default();
        Self {
            id: line.id,
            created_at: line.created_at,
            actor: line.actor.map(csv::harmless),
            action: line.action,
            target: line.target,
            reason: csv::harmless(line.reason),
            before: json(line.before),
            after: json(line.after),
            request_id: csv::harmless(line.request_id),
            ip_address: line.ip_address,
        }
    }
}

/// What the log is narrowed to, and how it is shown.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct AuditLogQuery {
    actor: String,
    action: String,
    target: String,
    from: String,
    to: String,
    cursor: String,
    format: String,
}

impl AuditLogQuery {
    fn filter(&self, days: &Days) -> LineFilter {
        LineFilter {
            actor: list::search(&self.actor).map(|name| name.to_lowercase()),
            action: deeds::ACTIONS.iter().find(|(action, _)| *action == self.action).map(|(a, _)| (*a).to_owned()),
            target: list::search(&self.target),
            period: days.period,
        }
    }
}

fn address(filter: &LineFilter, days: &Days) -> Address {
    let by = filter.actor.as_ref().map(|actor| format!("By {actor}")).unwrap_or_default();
    let action = deeds::ACTIONS.iter().find(|(action, _)| Some(*action) == filter.action.as_deref());
    let target = filter.target.clone().unwrap_or_default();
    let address = Address::new("/admin/audit-log")
        .with("actor", filter.actor.as_ref(), by)
        .with("action", filter.action.as_ref(), action.map_or("", |(_, words)| words))
        .with("target", filter.target.as_ref(), target);
    days.narrow(address)
}

/// `GET /admin/audit-log`
///
/// # Errors
/// [`crate::error::Error::InvalidCursor`] and those of the database.
pub async fn list(_: Admin, query: QueryOf<AuditLogQuery>, chrome: Chrome, db: Data<Db>) -> Result<HttpResponse> {
    let query = query.0;
    let days = Days::read(&query.from, &query.to)?;
    let filter = query.filter(&days);
    if query.format == "csv" && !days.are_wrong() {
        return csv::file("audit-log", NAMES, move |request| {
            let (db, filter) = (db.clone(), filter.clone());
            async move { Ok(db.run(move |conn| audit::page(conn, &filter, &request)).await?.map(FileLine::from)) }
        })
        .await;
    }
    let (request, address) = (list::request(&query.cursor)?, address(&filter, &days));
    let actions = deeds::ACTIONS.iter().map(|(action, words)| (*action, (*words).to_owned()));
    let actions = list::choices("All actions", actions, filter.action.as_deref().unwrap_or_default());
    let (actor, target) = (filter.actor.clone().unwrap_or_default(), filter.target.clone().unwrap_or_default());
    let page = db.run(move |conn| audit::page(conn, &filter, &request)).await?;
    let status = if days.are_wrong() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = AuditLogPage {
        chrome,
        actor,
        target,
        actions,
        chips: address.chips(),
        file_href: address.file_href(),
        pager: address.pager(&query.cursor, page.next_cursor.as_deref()),
        from: days.from,
        to: days.to,
        lines: page.items.into_iter().map(LineRow::from).collect(),
    };
    view::page_with(status, &page)
}
