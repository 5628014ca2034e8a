//! Wallets: what users hold.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::assets::Viewer;
use super::{Page, PageRequest};
use crate::domain::{AssetType, AssetTypeCode, Balance, UserId, WalletId};
use crate::error::{Error, Refusal, Result};
use crate::schema::{asset_types, users, wallets};

/// What the list of wallets is called in its cursors.
const WALLETS: &str = "wallets";

/// What the list of a user's balances is called in its cursors.
const HOLDINGS: &str = "balances";

/// What a user holds of one asset type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The unit.
    pub asset_type: AssetType,
    /// How much; zero where there is no wallet yet.
    pub balance: Balance,
}

impl Holding {
    /// Whether any of it can be spent or sent: more than what must stay.
    pub fn can_give(&self) -> bool {
        self.balance > self.asset_type.minimum_balance
    }
}

/// What a user holds, of every asset type, by code.
///
/// # Errors
/// The database's.
pub fn holdings(conn: &mut PgConnection, user: UserId) -> Result<Vec<Holding>> {
    let rows: Vec<(AssetType, Option<Balance>)> = asset_types::table
        .left_join(wallets::table.on(wallets::asset_type.eq(asset_types::code).and(wallets::user_id.eq(user))))
        .select((AssetType::as_select(), wallets::balance.nullable()))
        .order(asset_types::code)
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(asset_type, balance)| Holding { asset_type, balance: balance.unwrap_or_else(Balance::zero) })
        .collect())
}

/// One page of what a user holds, by code.
///
/// # Errors
/// [`Error::InvalidCursor`].
pub fn page_of_holdings(conn: &mut PgConnection, user: UserId, request: &PageRequest) -> Result<Page<Holding>> {
    Page::from_all(holdings(conn, user)?, request, HOLDINGS, |holding| holding.asset_type.code)
}

/// What a user holds of one asset type.
///
/// # Errors
/// [`Refusal::AssetTypeNotFound`].
pub fn holding(conn: &mut PgConnection, user: UserId, code: &AssetTypeCode) -> Result<Holding> {
    let asset_type = super::asset_types::one(conn, code)?;
    let balance = wallets::table
        .filter(wallets::user_id.eq(user).and(wallets::asset_type.eq(code)))
        .select(wallets::balance)
        .first(conn)
        .optional()?;
    Ok(Holding { asset_type, balance: balance.unwrap_or_else(Balance::zero) })
}

/// One account, with the name of its owner.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = wallets)]
pub struct WalletView {
    /// The wallet.
    pub id: WalletId,
    /// The owner's public name; none where it is the treasury.
    #[diesel(select_expression = users::external_id.nullable())]
    pub user: Option<String>,
    /// The unit.
    #[diesel(embed)]
    pub asset_type: AssetType,
    /// What it holds.
    pub balance: Balance,
    /// The number of its entries.
    pub version: i64,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
}

/// What a list of wallets shows; each part that is given narrows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalletFilter {
    /// Those of this user.
    pub user: Option<UserId>,
    /// Those of this unit.
    pub asset_type: Option<AssetTypeCode>,
}

/// Opens a user's wallet in one asset type, without waiting for the first credit to do it.
///
/// # Errors
/// [`Refusal::AssetTypeNotFound`], [`Refusal::WalletExists`].
pub fn open(conn: &mut PgConnection, user: UserId, code: &AssetTypeCode, now: DateTime<Utc>) -> Result<WalletView> {
    let asset_type = super::asset_types::one(conn, code)?;
    let opened = diesel::insert_into(wallets::table)
        .values((wallets::user_id.eq(user), wallets::asset_type.eq(&asset_type.code), wallets::created_at.eq(now)))
        .on_conflict((wallets::user_id, wallets::asset_type))
        .do_nothing()
        .returning(wallets::id)
        .get_result(conn)
        .optional()?;
    match opened {
        Some(id) => one(conn, Viewer::Admin, id),
        None => {
            let of_user = wallets::table.filter(wallets::user_id.eq(user).and(wallets::asset_type.eq(code)));
            Err(Refusal::WalletExists(of_user.select(wallets::id).first(conn)?).into())
        }
    }
}

/// One wallet that the viewer may know of: an admin any, a user its own.
///
/// # Errors
/// [`Error::NotFound`].
pub fn one(conn: &mut PgConnection, viewer: Viewer, id: WalletId) -> Result<WalletView> {
    let mut query = wallets::table
        .inner_join(asset_types::table)
        .left_join(users::table)
        .filter(wallets::id.eq(id))
        .select(WalletView::as_select())
        .into_boxed();
    if let Viewer::User(user) = viewer {
        query = query.filter(wallets::user_id.eq(user));
    }
    query.first(conn).optional()?.ok_or(Error::NotFound)
}

/// A user's wallet in one asset type; none where there is none yet.
///
/// # Errors
/// The database's.
pub fn of_user(conn: &mut PgConnection, user: UserId, code: &AssetTypeCode) -> QueryResult<Option<WalletView>> {
    let query = wallets::table
        .inner_join(asset_types::table)
        .left_join(users::table)
        .filter(wallets::user_id.eq(user).and(wallets::asset_type.eq(code)))
        .select(WalletView::as_select());
    query.first(conn).optional()
}

/// One page of wallets, newest first.
///
/// # Errors
/// [`Error::InvalidCursor`].
pub fn page(conn: &mut PgConnection, filter: &WalletFilter, request: &PageRequest) -> Result<Page<WalletView>> {
    let mut query = wallets::table
        .inner_join(asset_types::table)
        .left_join(users::table)
        .select(WalletView::as_select())
        .order(wallets::id.desc())
        .limit(request.look_ahead())
        .into_boxed();
    if let Some(after) = request.after::<i64>(WALLETS)? {
        query = query.filter(wallets::id.lt(after));
    }
    if let Some(user) = filter.user {
        query = query.filter(wallets::user_id.eq(user));
    }
    if let Some(asset_type) = &filter.asset_type {
        query = query.filter(wallets::asset_type.eq(asset_type));
    }
    Ok(Page::from_rows(query.load(conn)?, request, WALLETS, |wallet| wallet.id.0))
}
