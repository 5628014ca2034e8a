//! Transactions as the ledger holds them, and what happened in a user's wallets.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Numeric, SmallInt, Text, Timestamptz, Uuid};

use super::statement::statement;
use crate::domain::{
    Amount, AssetId, AssetTypeCode, Balance, Entry, Owner, Scale, Transaction, TransactionId, TransactionType, UserId,
    WalletId,
};

type Head = (TransactionId, TransactionType, AssetTypeCode, Scale, Amount, Option<AssetId>, Option<TransactionId>);
type Tail = (String, Option<serde_json::Value>, Option<String>, UserId, DateTime<Utc>);
type Line = (WalletId, Option<UserId>, i64, Balance, Balance, Balance);

type LineColumns = (BigInt, Nullable<BigInt>, BigInt, Numeric, Numeric, Numeric);

/// The transactions with these ids, in no particular order; unknown ids are left out.
///
/// # Errors
/// The database's.
pub fn by_ids(conn: &mut PgConnection, ids: &[TransactionId]) -> QueryResult<Vec<Transaction>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = statement::<(
        (Uuid, Text, Text, SmallInt, Numeric, Nullable<BigInt>, Nullable<Uuid>),
        (Text, Nullable<Jsonb>, Nullable<Text>, BigInt, Timestamptz),
        LineColumns,
        LineColumns,
    )>(
        "select t.id, t.type, t.asset_type, y.scale, t.amount, t.asset_id, t.reverses,
                t.description, t.metadata, t.reason, t.requested_by, t.created_at,
                d.wallet_id, dw.user_id, d.version, d.amount, d.balance_before, d.balance_after,
                c.wallet_id, cw.user_id, c.version, c.amount, c.balance_before, c.balance_after
         from transactions t
         join asset_types y on y.code = t.asset_type
         join entries d on (d.wallet_id, d.created_at, d.version) = (t.debit_wallet_id, t.created_at, t.debit_version)
         join entries c on (c.wallet_id, c.created_at, c.version) = (t.credit_wallet_id, t.created_at, t.credit_version)
         join wallets dw on dw.id = d.wallet_id
         join wallets cw on cw.id = c.wallet_id
         where t.id = any($)",
    )
    .bind::<Array<Uuid>, _>(ids)
    .load::<(Head, Tail, Line, Line)>(conn)?;
    Ok(rows.into_iter().map(|(head, tail, debit, credit)| transaction(head, tail, debit, credit)).collect())
}

fn transaction(head: Head, tail: Tail, debit: Line, credit: Line) -> Transaction {
    let (id, transaction_type, asset_type, scale, amount, asset, reverses) = head;
    let (description, metadata, reason, requested_by, created_at) = tail;
    Transaction {
        id,
        transaction_type,
        asset_type,
        scale,
        amount,
        debit: entry(debit),
        credit: entry(credit),
        asset,
        reverses,
        description,
        metadata,
        reason,
        requested_by,
        created_at,
    }
}

fn entry((wallet_id, user, version, amount, balance_before, balance_after): Line) -> Entry {
    let owner = user.map_or(Owner::Treasury, Owner::User);
    Entry { wallet_id, owner, version, amount, balance_before, balance_after }
}

/// A line of a user's own history: what one transaction did to one of the user's wallets.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Activity {
    /// The transaction.
    pub transaction: TransactionId,
    /// Why value moved.
    pub transaction_type: TransactionType,
    /// The unit.
    pub asset_type: AssetTypeCode,
    /// Its decimals.
    pub scale: Scale,
    /// What the wallet gained, or gave where negative.
    pub amount: Balance,
    /// What it held afterwards.
    pub balance_after: Balance,
    /// What it was for.
    pub description: String,
    /// The other user's public name; none where it is the treasury.
    pub counterparty: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The latest lines of all wallets of a user, newest first. Reads `limit` lines of each wallet's
/// index, however long their histories are.
///
/// # Errors
/// The database's.
pub fn recent_of(conn: &mut PgConnection, user: UserId, limit: i64) -> QueryResult<Vec<Activity>> {
    statement::<(Uuid, Text, Text, SmallInt, Numeric, Numeric, Text, Nullable<Text>, Timestamptz)>(
        "select t.id, t.type, t.asset_type, y.scale, e.amount, e.balance_after, t.description, o.external_id,
                e.created_at
         from (
             select e.* from wallets w
             cross join lateral (
                 select * from entries where wallet_id = w.id order by created_at desc, version desc limit $
             ) e
             where w.user_id = $
             order by e.created_at desc, e.version desc limit $
         ) e
         join transactions t on t.id = e.transaction_id
         join asset_types y on y.code = t.asset_type
         join wallets ow on ow.id = case when e.amount > 0 then t.debit_wallet_id else t.credit_wallet_id end
         left join users o on o.id = ow.user_id
         order by e.created_at desc, e.version desc",
    )
    .bind::<BigInt, _>(limit)
    .bind::<BigInt, _>(user)
    .bind::<BigInt, _>(limit)
    .load(conn)
}
