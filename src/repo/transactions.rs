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
