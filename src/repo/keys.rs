//! Idempotency keys, when they are old.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz};

use super::statement::statement;
use crate::error::Result;

/// Forgets up to `at_most` keys that are older than a day, which is as long as they are promised to
/// live; says how many. To be called until it says zero.
///
/// # Errors
/// The database's.
pub fn forget_old(conn: &mut PgConnection, now: DateTime<Utc>, at_most: i64) -> Result<usize> {
    let forgotten = statement::<()>(
        "delete from idempotency_keys
         where (user_id, key, item) in (select user_id, key, item from idempotency_keys where created_at < $ limit $)",
    )
    .bind::<Timestamptz, _>(now - TimeDelta::days(1))
    .bind::<BigInt, _>(at_most)
    .execute(conn)?;
    Ok(forgotten)
}
