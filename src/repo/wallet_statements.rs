//! The statement of what a user holds of one asset type: rows, totals, and how the balance went.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Numeric, Timestamptz};

use super::history::{self, HistoryFilter, HistoryRow, Totals};
use super::statement::statement;
use super::wallets::{self, WalletView};
use super::{Page, PageRequest, asset_types};
use crate::domain::{AssetType, AssetTypeCode, Balance, Period, UserId, WalletId};
use crate::error::Result;

/// What a user holds of an asset type, and how it came to that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The unit.
    pub asset_type: AssetType,
    /// What is there now.
    pub balance: Balance,
    /// The rest; none where the user has no wallet in it yet.
    pub past: Option<Past>,
}

/// What happened in a wallet in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The rows.
    pub page: Page<HistoryRow>,
    /// The totals of the whole period.
    pub totals: Totals,
    /// What the wallet held at some moments, in their order.
    pub curve: Vec<(DateTime<Utc>, Balance)>,
}

/// The statement behind a curve: for each moment the last entry before it, by one look into the
/// index, however many lie between. The binds are the moments and the wallet.
pub const CURVE: &str = "
    select m.moment, coalesce(e.balance_after, 0)
    from unnest($::timestamptz[]) with ordinality m (moment, place)
    left join lateral (
        select balance_after from entries
        where wallet_id = $ and created_at < m.moment
        order by created_at desc, version desc limit 1
    ) e on true
    order by m.place";

/// The statement of a period. The curve has the moments that `moments` gives for the time since which
/// the wallet held something in the period; all of it is as it was at one moment.
///
/// # Errors
/// [`Refusal::AssetTypeNotFound`](crate::error::Refusal::AssetTypeNotFound),
/// [`Error::InvalidCursor`](crate::error::Error::InvalidCursor).
pub fn of_user(
    conn: &mut PgConnection,
    user: UserId,
    code: &AssetTypeCode,
    filter: &HistoryFilter,
    request: &PageRequest,
    moments: impl FnOnce(DateTime<Utc>) -> Vec<DateTime<Utc>>,
) -> Result<Statement> {
    conn.build_transaction().read_only().repeatable_read().run(|conn| {
        let Some(view) = wallets::of_user(conn, user, code)? else {
            let asset_type = asset_types::one(conn, code)?;
            return Ok(Statement { asset_type, balance: Balance::zero(), past: None });
        };
        let WalletView { id: wallet, asset_type, balance, .. } = view;
        let totals = history::totals(conn, wallet, filter.period)?;
        let page = history::rows(conn, wallet, filter, request)?;
        let held_before = totals.opening_balance != Balance::zero();
        let curve = match (first_in(conn, wallet, filter.period)?, filter.period.from) {
            (Some(_), Some(from)) if held_before => curve(conn, wallet, moments(from))?,
            (Some(first), _) => curve(conn, wallet, moments(first))?,
            (None, _) => Vec::new(),
        };
        Ok(Statement { asset_type, balance, past: Some(Past { page, totals, curve }) })
    })
}

/// When a wallet's first entry in a period was made.
fn first_in(conn: &mut PgConnection, wallet: WalletId, period: Period) -> QueryResult<Option<DateTime<Utc>>> {
    statement::<Timestamptz>(
        "select created_at from entries
         where wallet_id = $
             and created_at >= coalesce($, '-infinity'::timestamptz)
             and created_at < coalesce($, 'infinity'::timestamptz)
         order by created_at, version limit 1",
    )
    .bind::<BigInt, _>(wallet)
    .bind::<Nullable<Timestamptz>, _>(period.from)
    .bind::<Nullable<Timestamptz>, _>(period.before)
    .get_result(conn)
    .optional()
}

/// What a wallet held at these moments.
fn curve(
    conn: &mut PgConnection,
    wallet: WalletId,
    moments: Vec<DateTime<Utc>>,
) -> QueryResult<Vec<(DateTime<Utc>, Balance)>> {
    statement::<(Timestamptz, Numeric)>(CURVE)
        .bind::<Array<Timestamptz>, _>(moments)
        .bind::<BigInt, _>(wallet)
        .load(conn)
}
