//! Idempotency keys, when they are old.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Bytea, Integer, Text, Timestamptz};

use super::statement::statement;
use crate::domain::UserId;
use crate::domain::posting::Idempotency;
use crate::error::{Refusal, Result};

/// Takes a key for what a caller makes by one request, in the transaction that makes it. Says false
/// where the same request has had it: then that has been made.
///
/// # Errors
/// [`Refusal::IdempotencyKeyReused`] where another request has had it; the database's.
pub fn take(conn: &mut PgConnection, caller: UserId, key: &Idempotency, now: DateTime<Utc>) -> Result<bool> {
    // Where another transaction is at it, this waits for its end.
    let taken = statement::<()>(
        "insert into idempotency_keys (user_id, key, item, request_hash, created_at) values ($, $, $, $, $)
         on conflict do nothing",
    );
    let taken = taken
        .bind::<BigInt, _>(caller)
        .bind::<Text, _>(&key.key)
        .bind::<Integer, _>(key.item)
        .bind::<Bytea, _>(key.request_hash.as_slice())
        .bind::<Timestamptz, _>(now)
        .execute(conn)?;
    if taken == 1 {
        return Ok(true);
    }
    let same = statement::<Bool>(
        "select request_hash = $ and transaction_id is null from idempotency_keys where user_id = $ and key = $ and item = $",
    );
    let same = same
        .bind::<Bytea, _>(key.request_hash.as_slice())
        .bind::<BigInt, _>(caller)
        .bind::<Text, _>(&key.key)
        .bind::<Integer, _>(key.item)
        .get_result::<bool>(conn)?;
    if same { Ok(false) } else { Err(Refusal::IdempotencyKeyReused.into()) }
}

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
