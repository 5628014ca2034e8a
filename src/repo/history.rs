//! The history of one wallet: its rows, and the totals of a period.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Numeric, Text, Timestamptz, Uuid};

use super::assets::Viewer;
use super::statement::statement;
use super::wallets::{self, WalletView};
use super::{Page, PageRequest};
use crate::domain::{AssetId, Balance, Period, TransactionId, TransactionType, WalletId};
use crate::error::{Refusal, Result};

/// In which order a wallet's rows come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// As people look at it.
    #[default]
    NewestFirst,
    /// As it happened.
    OldestFirst,
}

/// What of a wallet's history is shown, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// The rows and the totals of this period.
    pub period: Period,
    /// The rows of this reason; the totals are of all.
    pub transaction_type: Option<TransactionType>,
    /// The order of the rows.
    pub order: Order,
}

/// What one transaction did to the wallet.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct HistoryRow {
    /// The transaction.
    pub transaction: TransactionId,
    /// Why value moved.
    pub transaction_type: TransactionType,
    /// What the wallet gained, or gave where negative.
    pub amount: Balance,
    /// What it held before.
    pub balance_before: Balance,
    /// What it held after.
    pub balance_after: Balance,
    /// The wallet's version after this: 1, 2, 3 … without gaps.
    pub version: i64,
    /// The other user's public name; none where it is the treasury.
    pub counterparty: Option<String>,
    /// What it was for.
    pub description: String,
    /// The asset, if this is its claim.
    pub asset: Option<AssetId>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What a wallet held at both ends of a period, and what came and went between:
/// `opening_balance + credit - debit = closing_balance`.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Totals {
    /// All that came.
    pub credit: Balance,
    /// All that went.
    pub debit: Balance,
    /// What was there before the period.
    pub opening_balance: Balance,
    /// What was there at its end, or is there now.
    pub closing_balance: Balance,
}

/// A page of a wallet's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The wallet.
    pub wallet: WalletView,
    /// The rows.
    pub page: Page<HistoryRow>,
    /// The totals of the whole period, on every page.
    pub totals: Totals,
}

/// The statement behind [`Totals`]: the last entry before the period and the last one before its
/// end, each by one look into the index, for they carry the wallet's running sums. The binds are
/// the start, the end and the wallet.
pub const TOTALS: &str = "
    select coalesce(l.credit_total, 0) - coalesce(o.credit_total, 0),
           coalesce(l.credit_total, 0) - coalesce(o.credit_total, 0)
               - coalesce(l.balance_after, 0) + coalesce(o.balance_after, 0),
           coalesce(o.balance_after, 0),
           coalesce(l.balance_after, 0)
    from wallets w
    left join lateral (
        select balance_after, credit_total from entries
        where wallet_id = w.id and created_at < coalesce($, '-infinity'::timestamptz)
        order by created_at desc, version desc limit 1
    ) o on true
    left join lateral (
        select balance_after, credit_total from entries
        where wallet_id = w.id and created_at < coalesce($, 'infinity'::timestamptz)
        order by created_at desc, version desc limit 1
    ) l on true
    where w.id = $";

/// The text of the statement behind the rows, in one of both directions of time.
macro_rules! rows {
    ($behind:literal, $open_end:literal, $order:literal) => {
        concat!(
            "select e.transaction_id, t.type, e.amount, e.balance_before, e.balance_after, e.version, o.external_id,
                    t.description, t.asset_id, e.created_at
             from entries e
             join transactions t on t.id = e.transaction_id
             join wallets ow on ow.id = case when e.amount > 0 then t.debit_wallet_id else t.credit_wallet_id end
             left join users o on o.id = ow.user_id
             where e.wallet_id = $
                 and e.created_at >= coalesce($, '-infinity'::timestamptz)
                 and e.created_at < coalesce($, 'infinity'::timestamptz)
                 and (e.created_at, e.version) ",
            $behind,
            " (coalesce($, '",
            $open_end,
            "'::timestamptz), coalesce($, 0))
                 and t.type = coalesce($, t.type)
             order by e.created_at ",
            $order,
            ", e.version ",
            $order,
            " limit $"
        )
    };
}

/// One page of a wallet's history, with the totals of the period: both as they were at one moment,
/// however much is posted meanwhile.
///
/// # Errors
/// [`Error::NotFound`](crate::error::Error::NotFound) where there is no such wallet that the viewer
/// may know of, [`Error::InvalidCursor`](crate::error::Error::InvalidCursor).
pub fn of_wallet(
    conn: &mut PgConnection,
    viewer: Viewer,
    wallet: WalletId,
    filter: &HistoryFilter,
    request: &PageRequest,
) -> Result<History> {
    conn.build_transaction().read_only().repeatable_read().run(|conn| {
        let wallet = wallets::one(conn, viewer, wallet)?;
        let totals = totals(conn, wallet.id, filter.period)?;
        let page = rows(conn, wallet.id, filter, request)?;
        Ok(History { wallet, page, totals })
    })
}

/// The whole history of a wallet in a period, the oldest row first, with its totals: both as they
/// were at one moment. Of at most `most` rows.
///
/// # Errors
/// [`Error::NotFound`](crate::error::Error::NotFound) where there is no such wallet that the viewer
/// may know of, [`Refusal::StatementTooLong`].
pub fn whole(
    conn: &mut PgConnection,
    viewer: Viewer,
    wallet: WalletId,
    period: Period,
    most: usize,
) -> Result<(WalletView, Totals, Vec<HistoryRow>)> {
    let filter = HistoryFilter { period, transaction_type: None, order: Order::OldestFirst };
    let request = PageRequest::first(i64::try_from(most).unwrap_or(i64::MAX));
    let History { wallet, page, totals } = of_wallet(conn, viewer, wallet, &filter, &request)?;
    match page.next_cursor {
        Some(_) => Err(Refusal::StatementTooLong(most).into()),
        None => Ok((wallet, totals, page.items)),
    }
}

/// The totals of a period in a wallet.
///
/// # Errors
/// The database's.
pub fn totals(conn: &mut PgConnection, wallet: WalletId, period: Period) -> QueryResult<Totals> {
    statement::<(Numeric, Numeric, Numeric, Numeric)>(TOTALS)
        .bind::<Nullable<Timestamptz>, _>(period.from)
        .bind::<Nullable<Timestamptz>, _>(period.before)
        .bind::<BigInt, _>(wallet)
        .get_result(conn)
}

/// One page of a wallet's rows.
///
/// # Errors
/// [`Error::InvalidCursor`](crate::error::Error::InvalidCursor).
pub fn rows(
    conn: &mut PgConnection,
    wallet: WalletId,
    filter: &HistoryFilter,
    request: &PageRequest,
) -> Result<Page<HistoryRow>> {
    let (text, order) = match filter.order {
        Order::NewestFirst => (rows!("<", "infinity", "desc"), "desc"),
        Order::OldestFirst => (rows!(">", "-infinity", "asc"), "asc"),
    };
    let list = format!("wallet-{wallet}-{order}");
    let after = request.after::<(DateTime<Utc>, i64)>(&list)?;
    let rows = statement::<(
        Uuid,
        Text,
        Numeric,
        Numeric,
        Numeric,
        BigInt,
        Nullable<Text>,
        Text,
        Nullable<BigInt>,
        Timestamptz,
    )>(text)
    .bind::<BigInt, _>(wallet)
    .bind::<Nullable<Timestamptz>, _>(filter.period.from)
    .bind::<Nullable<Timestamptz>, _>(filter.period.before)
    .bind::<Nullable<Timestamptz>, _>(after.map(|(time, _)| time))
    .bind::<Nullable<BigInt>, _>(after.map(|(_, version)| version))
    .bind::<Nullable<Text>, _>(filter.transaction_type)
    .bind::<BigInt, _>(request.look_ahead())
    .load(conn)?;
    Ok(Page::from_rows(rows, request, &list, |row: &HistoryRow| (row.created_at, row.version)))
}
