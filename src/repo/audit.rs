//! The audit log: who did what to which, why and from where. It only grows.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::domain::UserId;
use crate::error::Result;
use crate::schema::{audit_log, users};

/// Who acts, and by which request: what every line of the audit log says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// The user; none where a job or the command line acts.
    pub user: Option<UserId>,
    /// The request, as its log lines name it.
    pub request_id: String,
    /// Where the request came from.
    pub ip_address: String,
}

/// One line to be written.
pub(crate) struct Act<'a> {
    /// What was done, `noun.verb`.
    pub action: &'static str,
    /// To what, `noun:id`.
    pub target: String,
    /// Why, in the actor's words.
    pub reason: &'a str,
    /// What it was before.
    pub before: Option<serde_json::Value>,
    /// What it is now.
    pub after: Option<serde_json::Value>,
}

/// Writes lines, in the database transaction of what they tell about.
pub(crate) fn record(
    conn: &mut PgConnection,
    actor: &Actor,
    now: DateTime<Utc>,
    acts: Vec<Act<'_>>,
) -> QueryResult<()> {
    // Below the protocol's limit of 65,535 parameters for one statement.
    const ROWS_AT_ONCE: usize = 5_000;
    let rows: Vec<_> = acts
        .into_iter()
        .map(|act| {
            (
                audit_log::actor_id.eq(actor.user),
                audit_log::action.eq(act.action),
                audit_log::target.eq(act.target),
                audit_log::reason.eq(act.reason.to_owned()),
                audit_log::before.eq(act.before),
                audit_log::after.eq(act.after),
                audit_log::request_id.eq(&actor.request_id),
                audit_log::ip_address.eq(&actor.ip_address),
                audit_log::created_at.eq(now),
            )
        })
        .collect();
    for chunk in rows.chunks(ROWS_AT_ONCE) {
        diesel::insert_into(audit_log::table).values(chunk).execute(conn)?;
    }
    Ok(())
}

/// A line as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct AuditLine {
    /// Its number.
    pub id: i64,
    /// Who; nobody where a job or the command line acted.
    pub actor: Option<String>,
    /// What was done.
    pub action: String,
    /// To what.
    pub target: String,
    /// Why.
    pub reason: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The latest lines, newest first.
///
/// # Errors
/// The database's.
pub fn latest(conn: &mut PgConnection, limit: i64) -> Result<Vec<AuditLine>> {
    let lines = audit_log::table
        .left_join(users::table)
        .select((
            audit_log::id,
            users::external_id.nullable(),
            audit_log::action,
            audit_log::target,
            audit_log::reason,
            audit_log::created_at,
        ))
        .order(audit_log::id.desc())
        .limit(limit)
        .load(conn)?;
    Ok(lines)
}
