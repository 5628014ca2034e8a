//! The audit log: who did what to which, why and from where. It only grows.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Text, Timestamptz};

use super::statement::statement;
use super::{Page, PageRequest};
use crate::domain::{Period, UserId};
use crate::error::Result;
use crate::schema::{audit_log, users};

/// What the log is called in its cursors.
const LIST: &str = "audit-log";

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
pub(crate) fn record(conn: &mut PgConnection, actor: &Actor, now: DateTime<Utc>, acts: &[Act<'_>]) -> QueryResult<()> {
    let lines: Vec<(&Actor, &Act<'_>)> = acts.iter().map(|act| (actor, act)).collect();
    record_each(conn, now, &lines)
}

/// As [`record`], with an actor for each line.
pub(crate) fn record_each(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    lines: &[(&Actor, &Act<'_>)],
) -> QueryResult<()> {
    macro_rules! column {
        ($line:pat => $value:expr) => {
            lines.iter().map(|$line| $value).collect::<Vec<_>>()
        };
    }
    statement::<()>(
        "insert into audit_log (created_at, actor_id, request_id, ip_address, action, target, reason, before, after)
         select $, line.* from unnest($::bigint[], $::text[], $::text[], $::text[], $::text[], $::text[], $::jsonb[],
                                      $::jsonb[]) line",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Array<Nullable<BigInt>>, _>(column!((actor, _) => actor.user))
    .bind::<Array<Text>, _>(column!((actor, _) => &actor.request_id))
    .bind::<Array<Text>, _>(column!((actor, _) => &actor.ip_address))
    .bind::<Array<Text>, _>(column!((_, act) => act.action))
    .bind::<Array<Text>, _>(column!((_, act) => &act.target))
    .bind::<Array<Text>, _>(column!((_, act) => act.reason))
    .bind::<Array<Nullable<Jsonb>>, _>(column!((_, act) => act.before.as_ref()))
    .bind::<Array<Nullable<Jsonb>>, _>(column!((_, act) => act.after.as_ref()))
    .execute(conn)?;
    Ok(())
}

/// A line of the log, as admins read it.
#[derive(Debug, Clone, PartialEq, Queryable)]
pub struct Line {
    /// Its number, from 1.
    pub id: i64,
    /// Who; nobody where a job or the command line acted.
    pub actor: Option<String>,
    /// What was done, `noun.verb`.
    pub action: String,
    /// To what, `noun:id`.
    pub target: String,
    /// Why, in the actor's words; empty for nothing.
    pub reason: String,
    /// What it was before.
    pub before: Option<serde_json::Value>,
    /// What it was afterwards.
    pub after: Option<serde_json::Value>,
    /// The request, as its log lines name it.
    pub request_id: String,
    /// Where the request came from.
    pub ip_address: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What a list of lines shows; each part that is given narrows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineFilter {
    /// Who acted, by its public name.
    pub actor: Option<String>,
    /// What was done, `noun.verb`.
    pub action: Option<String>,
    /// To what, `noun:id`.
    pub target: Option<String>,
    /// When.
    pub period: Period,
}

/// A page of the log, newest first.
///
/// # Errors
/// [`Error::InvalidCursor`](crate::error::Error::InvalidCursor).
pub fn page(conn: &mut PgConnection, filter: &LineFilter, request: &PageRequest) -> Result<Page<Line>> {
    let mut query = audit_log::table
        .left_join(users::table)
        .select((
            audit_log::id,
            users::external_id.nullable(),
            audit_log::action,
            audit_log::target,
            audit_log::reason,
            audit_log::before,
            audit_log::after,
            audit_log::request_id,
            audit_log::ip_address,
            audit_log::created_at,
        ))
        .order(audit_log::id.desc())
        .limit(request.look_ahead())
        .into_boxed();
    if let Some(after) = request.after::<i64>(LIST)? {
        query = query.filter(audit_log::id.lt(after));
    }
    if let Some(actor) = &filter.actor {
        // By the actor's row, so that the index on it applies.
        let named = diesel::alias!(users as named);
        let row = named.filter(named.field(users::external_id).eq(actor)).select(named.field(users::id));
        query = query.filter(audit_log::actor_id.eq(row.single_value()));
    }
    if let Some(action) = &filter.action {
        query = query.filter(audit_log::action.eq(action));
    }
    if let Some(target) = &filter.target {
        query = query.filter(audit_log::target.eq(target));
    }
    if let Some(from) = filter.period.from {
        query = query.filter(audit_log::created_at.ge(from));
    }
    if let Some(before) = filter.period.before {
        query = query.filter(audit_log::created_at.lt(before));
    }
    Ok(Page::from_rows(query.load(conn)?, request, LIST, |line: &Line| line.id))
}

/// What somebody did in one go: neighbouring lines of one actor, action and request.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Deed {
    /// Who; nobody where a job or the command line acted.
    pub actor: Option<String>,
    /// What was done, `noun.verb`.
    pub action: String,
    /// To what; the newest of the lines.
    pub target: String,
    /// The title of what it was done to, where it has one; the newest of the lines.
    pub title: Option<String>,
    /// Whether all lines have that title; not said of more than 1,000.
    pub one_title: bool,
    /// How many lines these are.
    pub lines: i64,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The latest deeds, newest first. Reads the lines of these deeds and no others.
///
/// # Errors
/// The database's.
pub fn latest(conn: &mut PgConnection, limit: i64) -> Result<Vec<Deed>> {
    Ok(statement::<(Nullable<Text>, Text, Text, Nullable<Text>, Bool, BigInt, Timestamptz)>(
        "with recursive newest as (
             (select id, actor_id, action, request_id, created_at from audit_log order by id desc limit 1)
             union all
             select older.* from newest cross join lateral (
                 select l.id, l.actor_id, l.action, l.request_id, l.created_at from audit_log l
                 where l.id < newest.id and (l.actor_id, l.action, l.request_id, l.created_at)
                     is distinct from (newest.actor_id, newest.action, newest.request_id, newest.created_at)
                 order by l.id desc limit 1
             ) older
         ),
         -- One more than is wanted tells where the last one begins.
         deeds as (select *, lead(id) over (order by id desc) as before_id from (select * from newest limit $ + 1) n)
         select u.external_id, d.action, l.target, coalesce(l.after, l.before) ->> 'title', titles.one_title,
                lines.count, d.created_at
         from deeds d
         join audit_log l on l.id = d.id
         left join users u on u.id = d.actor_id
         cross join lateral (
             select count(*) from audit_log where id <= d.id and id > coalesce(d.before_id, 0)
         ) lines
         cross join lateral (
             select lines.count <= 1000 and count(distinct coalesce(after, before) ->> 'title') = 1 as one_title
             from (
                 select before, after from audit_log where id <= d.id and id > coalesce(d.before_id, 0)
                 order by id desc limit 1000
             ) newest
         ) titles
         order by d.id desc limit $",
    )
    .bind::<BigInt, _>(limit)
    .bind::<BigInt, _>(limit)
    .load(conn)?)
}
