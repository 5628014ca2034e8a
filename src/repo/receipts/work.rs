//! What the job does with receipts.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bytea, SmallInt, Text, Timestamptz, Uuid};

use super::random_code;
use crate::domain::{ReceiptCode, TransactionId, UserId};
use crate::error::Result;
use crate::repo::statement::statement;
use crate::repo::transactions::{self, TransactionView};

/// How often a receipt is tried before it counts as failed.
pub const ATTEMPTS: i16 = 3;

/// How long after its making an id may still be committed: much longer than any posting waits.
const LAG: TimeDelta = TimeDelta::minutes(1);

/// How far back the job looks for transactions that it has not come to; older ones get their
/// receipts when somebody asks.
const REACH: TimeDelta = TimeDelta::days(1);

/// How long a file is kept.
const KEPT: TimeDelta = TimeDelta::days(7);

/// Which receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The transaction.
    pub transaction: TransactionId,
    /// The user whose receipt it is.
    pub user: UserId,
}

/// A receipt to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Which.
    pub key: Key,
    /// What confirms it.
    pub code: ReceiptCode,
    /// What it tells of.
    pub view: TransactionView,
}

/// Writes down the receipts of up to `at_most` transactions that came since the last time, so that
/// they are made; says how many receipts that were. Ids are in the order of time, and are made
/// before their postings: so it stays a minute behind, and then has missed none.
///
/// # Errors
/// The database's.
pub fn discover(conn: &mut PgConnection, now: DateTime<Utc>, at_most: i64) -> Result<usize> {
    conn.transaction(|conn| {
        // Another instance that is at it does the same.
        let mark = statement::<Uuid>("select transaction_id from receipt_marks for update skip locked")
            .get_result::<TransactionId>(conn)
            .optional()?;
        let Some(mark) = mark else { return Ok(0) };
        let (end, start) = (TransactionId::first_at(now - LAG), mark.max(TransactionId::first_at(now - REACH)));
        let found = statement::<(Uuid, BigInt)>(
            "select t.id, w.user_id
             from (
                 select id, debit_wallet_id, credit_wallet_id from transactions
                 where id > $ and id < $ order by id limit $
             ) t
             join wallets w on w.id in (t.debit_wallet_id, t.credit_wallet_id)
             where w.user_id is not null
             order by t.id",
        )
        .bind::<Uuid, _>(start)
        .bind::<Uuid, _>(end)
        .bind::<BigInt, _>(at_most)
        .load::<(TransactionId, UserId)>(conn)?;
        let codes = found.iter().map(|_| Ok(random_code()?.as_str().to_owned())).collect::<Result<Vec<_>>>()?;
        statement::<()>(
            "insert into receipts (transaction_id, user_id, code, next_attempt_at, created_at)
             select new.*, $, $ from unnest($::uuid[], $::bigint[], $::text[]) new
             on conflict (transaction_id, user_id) do nothing",
        )
        .bind::<Timestamptz, _>(now)
        .bind::<Timestamptz, _>(now)
        .bind::<Array<Uuid>, _>(found.iter().map(|(transaction, _)| *transaction).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(found.iter().map(|(_, user)| *user).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(codes)
        .execute(conn)?;
        let mark = found.last().map_or(start, |(transaction, _)| *transaction);
        statement::<()>("update receipt_marks set transaction_id = $").bind::<Uuid, _>(mark).execute(conn)?;
        Ok(found.len())
    })
}

/// Takes up to `at_most` receipts that are due, so that nobody else takes them for a while: longer
/// after each attempt, since this is also the wait before the next one. Those of which the last
/// attempt did not come to an end count as failed.
///
/// # Errors
/// The database's.
pub fn take(conn: &mut PgConnection, now: DateTime<Utc>, at_most: i64) -> Result<Vec<Task>> {
    let taken = conn.transaction(|conn| {
        statement::<()>(
            "update receipts set status = 'failed', error = coalesce(error, 'The attempt did not come to an end.')
             where (transaction_id, user_id) in (
                 select transaction_id, user_id from receipts
                 where status = 'pending' and attempts >= $ and next_attempt_at <= $
                 limit $ for update skip locked
             )",
        )
        .bind::<SmallInt, _>(ATTEMPTS)
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(at_most)
        .execute(conn)?;
        statement::<(Uuid, BigInt, Text)>(
            "update receipts set attempts = attempts + 1, next_attempt_at = $::timestamptz
                 + case attempts when 0 then interval '10 seconds' when 1 then interval '30 seconds'
                   else interval '60 seconds' end
             where (transaction_id, user_id) in (
                 select transaction_id, user_id from receipts
                 where status = 'pending' and attempts < $ and next_attempt_at <= $
                 order by next_attempt_at limit $ for update skip locked
             )
             returning transaction_id, user_id, code",
        )
        .bind::<Timestamptz, _>(now)
        .bind::<SmallInt, _>(ATTEMPTS)
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(at_most)
        .load::<(TransactionId, UserId, String)>(conn)
    })?;
    let ids: Vec<TransactionId> = taken.iter().map(|(transaction, _, _)| *transaction).collect();
    let views = transactions::views(conn, &ids)?;
    let task = |(transaction, user, code): (TransactionId, UserId, String)| {
        let view = views.iter().find(|view| view.transaction.id == transaction)?.clone();
        Some(Task { key: Key { transaction, user }, code: ReceiptCode::parse(&code)?, view })
    };
    Ok(taken.into_iter().filter_map(task).collect())
}

/// Keeps the files of receipts that have been made: of all or, where one cannot be kept, of none.
///
/// # Errors
/// The database's.
pub fn keep(conn: &mut PgConnection, made: &[(Key, Vec<u8>)], now: DateTime<Utc>) -> Result<()> {
    statement::<()>(
        "update receipts r set status = 'ready', pdf = made.pdf, made_at = $, error = null
         from unnest($::uuid[], $::bigint[], $::bytea[]) made (transaction_id, user_id, pdf)
         where r.transaction_id = made.transaction_id and r.user_id = made.user_id and r.status = 'pending'",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Array<Uuid>, _>(made.iter().map(|(key, _)| key.transaction).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(made.iter().map(|(key, _)| key.user).collect::<Vec<_>>())
    .bind::<Array<Bytea>, _>(made.iter().map(|(_, pdf)| pdf).collect::<Vec<_>>())
    .execute(conn)?;
    Ok(())
}

/// Notes why a receipt could not be made; after the last attempt it counts as failed.
///
/// # Errors
/// The database's.
pub fn fail(conn: &mut PgConnection, key: Key, reason: &str, now: DateTime<Utc>) -> Result<()> {
    statement::<()>(
        "update receipts set error = $, status = case when attempts >= $ then 'failed' else status end,
             next_attempt_at = case when attempts >= $ then $ else next_attempt_at end
         where transaction_id = $ and user_id = $ and status = 'pending'",
    )
    .bind::<Text, _>(reason)
    .bind::<SmallInt, _>(ATTEMPTS)
    .bind::<SmallInt, _>(ATTEMPTS)
    .bind::<Timestamptz, _>(now)
    .bind::<Uuid, _>(key.transaction)
    .bind::<BigInt, _>(key.user)
    .execute(conn)?;
    Ok(())
}

/// Clears away up to `at_most` files that were made a week ago; says how many. To be called until it
/// says zero.
///
/// # Errors
/// The database's.
pub fn forget_old(conn: &mut PgConnection, now: DateTime<Utc>, at_most: i64) -> Result<usize> {
    Ok(statement::<()>(
        "update receipts set status = 'cleared', pdf = null
         where (transaction_id, user_id) in (
             select transaction_id, user_id from receipts where status = 'ready' and made_at < $ limit $
         )",
    )
    .bind::<Timestamptz, _>(now - KEPT)
    .bind::<BigInt, _>(at_most)
    .execute(conn)?)
}
