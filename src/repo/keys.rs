//! Idempotency keys, when they are old.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz};

use super::statement::statement;
use crate::error::Result;

/// Forgets up to `at_most` keys that have not been used for a day, which is as long as they are promised
/// to live, each with all of its items: where some were refused at first and posted later, they live as
/// long as the last. Says how many items. To be called until it says zero.
///
/// # Errors
/// The database's.
pub fn forget_old(conn: &mut PgConnection, now: DateTime<Utc>, at_most: i64) -> Result<usize> {
    let forgotten = statement::<()>(
        "delete from idempotency_keys where (user_id, key) in (
             select old.user_id, old.key from idempotency_keys old
             where old.created_at < $ and not exists (
                 select from idempotency_keys later
                 where later.user_id = old.user_id and later.key = old.key and later.created_at >= $)
             limit $)",
    )
    .bind::<Timestamptz, _>(now - TimeDelta::days(1))
    .bind::<Timestamptz, _>(now - TimeDelta::days(1))
    .bind::<BigInt, _>(at_most)
    .execute(conn)?;
    Ok(forgotten)
}
