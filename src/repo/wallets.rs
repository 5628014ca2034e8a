//! Wallets and the units they are in.

use diesel::prelude::*;

use crate::domain::{AssetType, AssetTypeCode, Balance, UserId};
use crate::error::{Refusal, Result};
use crate::schema::{asset_types, wallets};

/// What a user holds of one asset type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The unit.
    pub asset_type: AssetType,
    /// How much; zero where there is no wallet yet.
    pub balance: Balance,
}

/// All asset types, by code.
///
/// # Errors
/// The database's.
pub fn asset_types(conn: &mut PgConnection) -> Result<Vec<AssetType>> {
    Ok(asset_types::table.select(AssetType::as_select()).order(asset_types::code).load(conn)?)
}

/// One asset type.
///
/// # Errors
/// [`Refusal::AssetTypeNotFound`].
pub fn asset_type(conn: &mut PgConnection, code: &AssetTypeCode) -> Result<AssetType> {
    let found = asset_types::table.find(code).select(AssetType::as_select()).first(conn).optional()?;
    found.ok_or_else(|| Refusal::AssetTypeNotFound(code.clone()).into())
}

/// Creates an asset type unless there is one with its code.
///
/// # Errors
/// The database's.
pub fn ensure_asset_type(conn: &mut PgConnection, new: &AssetType) -> Result<()> {
    diesel::insert_into(asset_types::table).values(new).on_conflict_do_nothing().execute(conn)?;
    Ok(())
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

/// What a user holds of one asset type.
///
/// # Errors
/// [`Refusal::AssetTypeNotFound`].
pub fn holding(conn: &mut PgConnection, user: UserId, code: &AssetTypeCode) -> Result<Holding> {
    let asset_type = asset_type(conn, code)?;
    let balance = wallets::table
        .filter(wallets::user_id.eq(user).and(wallets::asset_type.eq(code)))
        .select(wallets::balance)
        .first(conn)
        .optional()?;
    Ok(Holding { asset_type, balance: balance.unwrap_or_else(Balance::zero) })
}
