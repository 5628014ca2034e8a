//! Proofs of the books that are kept: one at a time, with how far it has come, so that whoever asked
//! can look on.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Jsonb, Nullable, Text, Timestamptz};

use super::Clock;
use super::verify::{Verdict, promises, verify, verify_within};
use crate::domain::UserId;
use crate::error::{Error, Result};
use crate::repo::statement::statement;
use crate::repo::{Db, locks};

/// The number of the advisory lock that lets one instance prove at a time.
const LOCK: i64 = 0x0C0F_FE23;

/// The number of the advisory lock of whoever proves small books on a look.
const LIVE_LOCK: i64 = 0x0C0F_FE2F;

/// A proof that has not ended in this time never will: its process has gone.
const LONGEST: TimeDelta = TimeDelta::minutes(30);

/// A proof that took less than this is made anew on every look.
const QUICK: TimeDelta = TimeDelta::milliseconds(1_000);

/// How long whoever looks waits for a proof at most.
const LONGEST_LOOK: Duration = Duration::from_secs(3);

/// A proof of the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Who asked for it; nobody where the job did.
    pub asked_by: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How many promises are checked, and how many there are.
    pub progress: (i32, i32),
    /// When it ended; none where it runs, or its process ended before it.
    pub finished_at: Option<DateTime<Utc>>,
    /// What it says; none where it did not come to its end.
    pub verdict: Option<Verdict>,
}

impl Proof {
    /// Whether it is being made at `now`.
    pub fn is_running(&self, now: DateTime<Utc>) -> bool {
        self.finished_at.is_none() && now - self.started_at < LONGEST
    }
}

/// Proves the books and keeps the proof; none where another proof is being made. Blocks as long as
/// that takes, and holds up nobody who posts.
///
/// # Errors
/// The database's; the proof is kept as one that did not come to its end.
pub fn prove(db: &Db, asked_by: Option<UserId>, clock: &Clock) -> Result<Option<Verdict>> {
    locks::run_alone(db, LOCK, || {
        let total = i32::try_from(promises()).map_err(Error::broken)?;
        let id = db.run_here(|conn| {
            let begun = statement::<BigInt>(
                "insert into proofs (asked_by, started_at, promises) values ($, $, $) returning id",
            );
            Ok(begun
                .bind::<Nullable<BigInt>, _>(asked_by)
                .bind::<Timestamptz, _>(clock())
                .bind::<Integer, _>(total)
                .get_result::<i64>(conn)?)
        })?;
        let note = |checked: usize, _: usize| {
            let checked = i32::try_from(checked).unwrap_or_default();
            // Nobody is harmed where the progress is not shown.
            let _ = db.run_here(|conn| {
                let noted = statement::<()>("update proofs set checked = $ where id = $");
                Ok(noted.bind::<Integer, _>(checked).bind::<BigInt, _>(id).execute(conn)?)
            });
        };
        let verdict = db.run_here(|conn| verify(conn, note));
        let kept = verdict.as_ref().ok().map(serde_json::to_value).transpose().map_err(Error::broken)?;
        db.run_here(|conn| {
            let ended = statement::<()>("update proofs set finished_at = $, verdict = $ where id = $");
            Ok(ended
                .bind::<Timestamptz, _>(clock())
                .bind::<Nullable<Jsonb>, _>(kept)
                .bind::<BigInt, _>(id)
                .execute(conn)?)
        })?;
        verdict
    })
}

/// The text of a query for proofs, without its conditions.
macro_rules! proofs {
    () => {
        "select u.external_id, p.started_at, p.checked, p.promises, p.finished_at, p.verdict
         from proofs p left join users u on u.id = p.asked_by"
    };
}

/// The latest proofs, newest first.
///
/// # Errors
/// The database's.
pub fn latest(conn: &mut PgConnection, limit: i64) -> Result<Vec<Proof>> {
    let rows = statement::<Columns>(concat!(proofs!(), " order by p.id desc limit $"));
    rows.bind::<BigInt, _>(limit).load::<Row>(conn)?.into_iter().map(proof).collect()
}

/// The last proof that came to its end.
///
/// # Errors
/// The database's.
pub fn last(conn: &mut PgConnection) -> Result<Option<Proof>> {
    let rows = statement::<Columns>(concat!(proofs!(), " where p.verdict is not null order by p.id desc limit 1"));
    rows.get_result::<Row>(conn).optional()?.map(proof).transpose()
}

type Row = (Option<String>, DateTime<Utc>, i32, i32, Option<DateTime<Utc>>, Option<serde_json::Value>);
type Columns = (Nullable<Text>, Timestamptz, Integer, Integer, Nullable<Timestamptz>, Nullable<Jsonb>);

fn proof((asked_by, started_at, checked, promises, finished_at, verdict): Row) -> Result<Proof> {
    let verdict = verdict.map(serde_json::from_value).transpose().map_err(Error::broken)?;
    Ok(Proof { asked_by, started_at, progress: (checked, promises), finished_at, verdict })
}

/// What the books say, and when that was looked at: now, or where that takes long, by the last proof
/// that came to its end.
///
/// # Errors
/// The database's; [`Error::Overloaded`] where the first proof of large books has not been made yet, and
/// where others have been looking for longer than a statement waits for a lock.
pub fn current(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<(Verdict, DateTime<Utc>)> {
    let ended = last(conn)?.and_then(|proof| {
        let finished_at = proof.finished_at?;
        Some((proof.verdict?, finished_at, finished_at - proof.started_at))
    });
    match ended {
        Some((verdict, finished_at, took)) if took > QUICK => Ok((verdict, finished_at)),
        None if latest(conn, 1)?.iter().any(|proof| proof.is_running(now) && now - proof.started_at > QUICK) => {
            Err(Error::Overloaded)
        }
        _ => {
            // One at a time: many at once would keep every connection busy.
            statement::<()>("select pg_advisory_lock($)").bind::<BigInt, _>(LIVE_LOCK).execute(conn)?;
            let verdict = verify_within(conn, LONGEST_LOOK);
            statement::<()>("select pg_advisory_unlock($)").bind::<BigInt, _>(LIVE_LOCK).execute(conn)?;
            match (verdict, ended) {
                (Err(Error::Overloaded), Some((verdict, finished_at, _))) => Ok((verdict, finished_at)),
                (verdict, _) => Ok((verdict?, now)),
            }
        }
    }
}
