//! Receipts: one for each user whose wallet a transaction touched. What is asked for is made by a job
//! ([`take`], [`keep`], [`fail`]) and kept for a while; the code that confirms it is kept for ever.

mod work;

pub use work::{ATTEMPTS, Key, Task, discover, fail, forget_old, keep, take};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Bytea, Nullable, Numeric, SmallInt, Text, Timestamptz, Uuid};

use super::assets::Viewer;
use super::audit::{self, Act, Actor};
use super::statement::statement;
use super::transactions::{self, TransactionView};
use crate::domain::{
    Amount, AssetTypeCode, Owner, ReceiptCode, ReceiptStatus, Scale, TransactionId, TransactionType, UserId,
};
use crate::error::{Error, Result};

/// How many failed receipts an admin is shown.
const MOST_SHOWN: i64 = 50;

/// A receipt as whoever asks for it gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// A job will make it.
    Pending,
    /// The file.
    Ready {
        /// What confirms it.
        code: String,
        /// The PDF.
        pdf: Vec<u8>,
    },
    /// It could not be made.
    Failed,
}

type Row = (String, ReceiptStatus, Option<Vec<u8>>);

/// The receipt of a transaction, which is asked for by this if it is not there. It is the reader's
/// own where the reader is a side of the transaction; an admin who is none gets that of the user
/// whom the transaction is about.
///
/// # Errors
/// [`Refusal::TransactionNotFound`](crate::error::Refusal::TransactionNotFound).
pub fn ask(
    conn: &mut PgConnection,
    viewer: Viewer,
    reader: UserId,
    id: TransactionId,
    now: DateTime<Utc>,
) -> Result<Receipt> {
    let view = transactions::one(conn, viewer, id)?;
    let user = side_of(&view, reader)?;
    let found = statement::<(Text, Text, Nullable<Bytea>)>(
        "select code, status, pdf from receipts where transaction_id = $ and user_id = $",
    )
    .bind::<Uuid, _>(id)
    .bind::<BigInt, _>(user)
    .get_result::<Row>(conn)
    .optional()?;
    match found {
        Some((code, ReceiptStatus::Ready, Some(pdf))) => return Ok(Receipt::Ready { code, pdf }),
        Some((_, ReceiptStatus::Failed, _)) => return Ok(Receipt::Failed),
        Some((_, ReceiptStatus::Pending, _)) => return Ok(Receipt::Pending),
        Some(_) | None => {}
    }
    statement::<()>(
        "insert into receipts as kept (transaction_id, user_id, code, next_attempt_at, created_at)
         values ($, $, $, $, $)
         on conflict (transaction_id, user_id) do update
         set status = 'pending', attempts = 0, next_attempt_at = excluded.next_attempt_at
         where kept.status = 'cleared'",
    )
    .bind::<Uuid, _>(id)
    .bind::<BigInt, _>(user)
    .bind::<Text, _>(random_code()?.as_str().to_owned())
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now)
    .execute(conn)?;
    Ok(Receipt::Pending)
}

/// Where the receipt of a transaction is in its life, as [`ask`] would find it; none where nobody has
/// asked for it and the job has not come to it.
///
/// # Errors
/// The database's; [`Error::Broken`] where the transaction has no user.
pub fn status(conn: &mut PgConnection, view: &TransactionView, reader: UserId) -> Result<Option<ReceiptStatus>> {
    let found = statement::<Text>("select status from receipts where transaction_id = $ and user_id = $")
        .bind::<Uuid, _>(view.transaction.id)
        .bind::<BigInt, _>(side_of(view, reader)?)
        .get_result(conn);
    Ok(found.optional()?)
}

/// The users, by their public names, whose receipts of a transaction could not be made.
///
/// # Errors
/// The database's.
pub fn not_made(conn: &mut PgConnection, id: TransactionId) -> Result<Vec<String>> {
    let found = statement::<Text>(
        "select u.external_id from receipts r join users u on u.id = r.user_id
         where r.transaction_id = $ and r.status = 'failed' order by u.external_id",
    );
    Ok(found.bind::<Uuid, _>(id).load(conn)?)
}

/// The user whose receipt a reader gets.
fn side_of(view: &TransactionView, reader: UserId) -> Result<UserId> {
    let (about, other) = view.transaction.sides();
    match (about.owner, other.owner) {
        (_, Owner::User(user)) if user == reader => Ok(user),
        (Owner::User(user), _) => Ok(user),
        _ => Err(Error::broken("a transaction without a user")),
    }
}

/// What a receipt confirms to anyone.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Confirmed {
    /// The transaction.
    pub transaction: TransactionId,
    /// Why value moved.
    pub transaction_type: TransactionType,
    /// How much.
    pub amount: Amount,
    /// The unit.
    pub asset_type: AssetTypeCode,
    /// Its decimals.
    pub scale: Scale,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Whether it has been taken back since, and that not in its turn.
    pub is_reversed: bool,
}

/// What the receipt with this code confirms; none where there is no such receipt.
///
/// # Errors
/// The database's.
pub fn confirm(conn: &mut PgConnection, code: &ReceiptCode) -> Result<Option<Confirmed>> {
    let found = statement::<(Uuid, Text, Numeric, Text, SmallInt, Timestamptz, Bool)>(
        "with recursive chain (id, reversals) as (
             select transaction_id, 0 from receipts where code = $
             union all
             select r.id, chain.reversals + 1 from chain join transactions r on r.reverses = chain.id
         )
         select t.id, t.type, t.amount, t.asset_type, y.scale, t.created_at,
                (select max(reversals) % 2 = 1 from chain)
         from chain
         join transactions t on t.id = chain.id
         join asset_types y on y.code = t.asset_type
         where chain.reversals = 0",
    )
    .bind::<Text, _>(code.as_str())
    .get_result(conn);
    Ok(found.optional()?)
}

/// A receipt that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct FailedReceipt {
    /// What confirms it, once it is made.
    pub code: String,
    /// The transaction.
    pub transaction: TransactionId,
    /// The public name of the user whose receipt it is.
    pub user: String,
    /// Why the last attempt failed.
    pub error: String,
    /// When the last attempt failed.
    pub failed_at: DateTime<Utc>,
}

/// How many receipts wait, how many could not be made, and the latest of these.
///
/// # Errors
/// The database's.
pub fn backlog(conn: &mut PgConnection) -> Result<(i64, i64, Vec<FailedReceipt>)> {
    let (waiting, failed) = statement::<(BigInt, BigInt)>(
        "select (select count(*) from receipts where status = 'pending'),
                (select count(*) from receipts where status = 'failed')",
    )
    .get_result(conn)?;
    let latest = statement::<(Text, Uuid, Text, Text, Timestamptz)>(
        "select r.code, r.transaction_id, u.external_id, r.error, r.next_attempt_at
         from receipts r join users u on u.id = r.user_id
         where r.status = 'failed' order by r.next_attempt_at desc limit $",
    )
    .bind::<BigInt, _>(MOST_SHOWN)
    .load(conn)?;
    Ok((waiting, failed, latest))
}

/// Has a receipt that could not be made tried again, and records who wanted that; says whether there
/// was such a one.
///
/// # Errors
/// The database's.
pub fn retry(conn: &mut PgConnection, actor: &Actor, code: &ReceiptCode, now: DateTime<Utc>) -> Result<bool> {
    conn.transaction(|conn| {
        let found = statement::<(Uuid, SmallInt, Nullable<Text>)>(
            "select transaction_id, attempts, error from receipts where code = $ and status = 'failed' for update",
        )
        .bind::<Text, _>(code.as_str())
        .get_result::<(TransactionId, i16, Option<String>)>(conn)
        .optional()?;
        let Some((transaction, attempts, error)) = found else { return Ok(false) };
        statement::<()>("update receipts set status = 'pending', attempts = 0, next_attempt_at = $ where code = $")
            .bind::<Timestamptz, _>(now)
            .bind::<Text, _>(code.as_str())
            .execute(conn)?;
        let act = Act {
            action: "receipt.retry",
            target: format!("transaction:{transaction}"),
            reason: "",
            before: Some(serde_json::json!({ "receipt": "failed", "attempts": attempts, "error": error })),
            after: Some(serde_json::json!({ "receipt": "pending", "attempts": 0, "error": null })),
        };
        audit::record(conn, actor, now, &[act])?;
        Ok(true)
    })
}

fn random_code() -> Result<ReceiptCode> {
    let mut bytes = [0_u8; ReceiptCode::LENGTH];
    getrandom::fill(&mut bytes).map_err(Error::broken)?;
    Ok(ReceiptCode::from_random(bytes))
}
