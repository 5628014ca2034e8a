//! The lines of the ledger, as admins look through them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Numeric, SmallInt, Text, Timestamptz, Uuid};

use super::statement::statement;
use super::transactions::ids_in;
use super::{Page, PageRequest};
use crate::domain::{AssetTypeCode, Balance, Period, Scale, TransactionId, TransactionType, UserId, WalletId};
use crate::error::Result;
use crate::schema::wallets;

/// What the list of all entries is called in its cursors.
const ALL: &str = "entries";

/// What the list of some wallets' entries is called in its cursors.
const OF_WALLETS: &str = "entries-of-wallets";

/// What a list of entries shows; each part that is given narrows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Those on this wallet.
    pub wallet: Option<WalletId>,
    /// Those on this user's wallets.
    pub user: Option<UserId>,
    /// Those of this unit.
    pub asset_type: Option<AssetTypeCode>,
    /// Those of transactions for this reason.
    pub transaction_type: Option<TransactionType>,
    /// Those that were posted in this period.
    pub period: Period,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryLine {
    /// The transaction that it is a side of.
    pub transaction: TransactionId,
    /// Why value moved.
    pub transaction_type: TransactionType,
    /// What it was for.
    pub description: String,
    /// On which wallet.
    pub wallet: WalletId,
    /// Whose wallet that is; nobody's where it is the treasury's.
    pub user: Option<String>,
    /// The unit.
    pub asset_type: AssetTypeCode,
    /// Its decimals.
    pub scale: Scale,
    /// What the wallet gained, or gave where negative.
    pub amount: Balance,
    /// What it held before.
    pub balance_before: Balance,
    /// What it held after.
    pub balance_after: Balance,
    /// The wallet's version after it: 1, 2, 3 … without gaps.
    pub version: i64,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Which of the transaction's lines it is: 1 the one that gives, 0 the one that gains.
    side: i64,
}

type Row = (
    (TransactionId, TransactionType, String, DateTime<Utc>),
    (WalletId, Option<String>, AssetTypeCode, Scale),
    (Balance, Balance, Balance, i64, i64),
);
type Columns = (
    (Uuid, Text, Text, Timestamptz),
    (BigInt, Nullable<Text>, Text, SmallInt),
    (Numeric, Numeric, Numeric, BigInt, BigInt),
);

fn line((of, on, moved): Row) -> EntryLine {
    let (transaction, transaction_type, description, created_at) = of;
    let (wallet, user, asset_type, scale) = on;
    let (amount, balance_before, balance_after, version, side) = moved;
    EntryLine {
        transaction,
        transaction_type,
        description,
        wallet,
        user,
        asset_type,
        scale,
        amount,
        balance_before,
        balance_after,
        version,
        created_at,
        side,
    }
}

/// A page of entries, newest first. Those of some wallets are in the order of their times, merged
/// from the wallets' indexes; all together come with their transactions, in the order in which these
/// were asked for.
///
/// # Errors
/// [`crate::error::Error::InvalidCursor`].
pub fn page(conn: &mut PgConnection, filter: &EntryFilter, request: &PageRequest) -> Result<Page<EntryLine>> {
    if filter.wallet.is_some() || filter.user.is_some() {
        page_of_wallets(conn, filter, request)
    } else {
        page_of_all(conn, filter, request)
    }
}

fn page_of_wallets(conn: &mut PgConnection, filter: &EntryFilter, request: &PageRequest) -> Result<Page<EntryLine>> {
    let mut wanted = wallets::table.select(wallets::id).into_boxed();
    if let Some(wallet) = filter.wallet {
        wanted = wanted.filter(wallets::id.eq(wallet));
    }
    if let Some(user) = filter.user {
        wanted = wanted.filter(wallets::user_id.eq(user));
    }
    if let Some(asset_type) = &filter.asset_type {
        wanted = wanted.filter(wallets::asset_type.eq(asset_type.as_str()));
    }
    let wanted: Vec<WalletId> = wanted.load(conn)?;
    let after = request.after::<(DateTime<Utc>, i64, i64)>(OF_WALLETS)?;
    let rows = statement::<Columns>(
        "select t.id, t.type, t.description, e.created_at, e.wallet_id, u.external_id, w.asset_type, y.scale,
                e.amount, e.balance_before, e.balance_after, e.version, (e.amount < 0)::int::bigint
         from (
             select e.* from unnest($::bigint[]) wanted (id)
             cross join lateral (
                 select e.* from entries e
                 join transactions t on t.id = e.transaction_id and t.type = coalesce($, t.type)
                 where e.wallet_id = wanted.id
                     and e.created_at >= coalesce($, '-infinity'::timestamptz)
                     and e.created_at < coalesce($, 'infinity'::timestamptz)
                     and (e.created_at, e.version, e.wallet_id)
                         < (coalesce($, 'infinity'::timestamptz), coalesce($, 0), coalesce($, 0))
                 order by e.created_at desc, e.version desc
                 limit $
             ) e
             order by e.created_at desc, e.version desc, e.wallet_id desc
             limit $
         ) e
         join transactions t on t.id = e.transaction_id
         join wallets w on w.id = e.wallet_id
         join asset_types y on y.code = w.asset_type
         left join users u on u.id = w.user_id
         order by e.created_at desc, e.version desc, e.wallet_id desc",
    )
    .bind::<Array<BigInt>, _>(wanted)
    .bind::<Nullable<Text>, _>(filter.transaction_type)
    .bind::<Nullable<Timestamptz>, _>(filter.period.from)
    .bind::<Nullable<Timestamptz>, _>(filter.period.before)
    .bind::<Nullable<Timestamptz>, _>(after.map(|(time, _, _)| time))
    .bind::<Nullable<BigInt>, _>(after.map(|(_, version, _)| version))
    .bind::<Nullable<BigInt>, _>(after.map(|(_, _, wallet)| wallet))
    .bind::<BigInt, _>(request.look_ahead())
    .bind::<BigInt, _>(request.look_ahead())
    .load::<Row>(conn)?;
    let lines = rows.into_iter().map(line).collect();
    Ok(Page::from_rows(lines, request, OF_WALLETS, |line: &EntryLine| (line.created_at, line.version, line.wallet.0)))
}

fn page_of_all(conn: &mut PgConnection, filter: &EntryFilter, request: &PageRequest) -> Result<Page<EntryLine>> {
    let after = request.after::<(TransactionId, i64)>(ALL)?;
    let (first, last) = ids_in(conn, filter.period)?;
    let rows = statement::<Columns>(
        "select t.id, t.type, t.description, e.created_at, e.wallet_id, u.external_id, w.asset_type, y.scale,
                e.amount, e.balance_before, e.balance_after, e.version, side.gives
         from (
             select * from transactions
             where id <= coalesce($, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
                 and id between $ and $
                 and type = coalesce($, type)
                 and asset_type = coalesce($, asset_type)
                 and created_at >= coalesce($, '-infinity'::timestamptz)
                 and created_at < coalesce($, 'infinity'::timestamptz)
             order by id desc
             limit $
         ) t
         cross join lateral (values
             (t.debit_wallet_id, t.debit_version, 1::bigint), (t.credit_wallet_id, t.credit_version, 0::bigint)
         ) side (wallet_id, version, gives)
         join entries e on (e.wallet_id, e.created_at, e.version) = (side.wallet_id, t.created_at, side.version)
         join wallets w on w.id = e.wallet_id
         join asset_types y on y.code = w.asset_type
         left join users u on u.id = w.user_id
         where (t.id, side.gives) < (coalesce($, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid), coalesce($, 2))
         order by t.id desc, side.gives desc
         limit $",
    )
    .bind::<Nullable<Uuid>, _>(after.map(|(transaction, _)| transaction))
    .bind::<Uuid, _>(first)
    .bind::<Uuid, _>(last)
    .bind::<Nullable<Text>, _>(filter.transaction_type)
    .bind::<Nullable<Text>, _>(filter.asset_type.as_ref())
    .bind::<Nullable<Timestamptz>, _>(filter.period.from)
    .bind::<Nullable<Timestamptz>, _>(filter.period.before)
    .bind::<BigInt, _>(request.look_ahead())
    .bind::<Nullable<Uuid>, _>(after.map(|(transaction, _)| transaction))
    .bind::<Nullable<BigInt>, _>(after.map(|(_, side)| side))
    .bind::<BigInt, _>(request.look_ahead())
    .load::<Row>(conn)?;
    let lines = rows.into_iter().map(line).collect();
    Ok(Page::from_rows(lines, request, ALL, |line: &EntryLine| (line.transaction, line.side)))
}
