//! Units of account: which there are, what users hold of each, and how they come into the world.
//!
//! Whoever counts in a unit for the first time (opens a wallet, creates an asset or a campaign) has
//! to know its decimals until that is written: [`held`] keeps them as they are so long. [`edit`]
//! waits for all who do, and those after it see what it has written.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Numeric, SmallInt, Text};

use super::audit::{self, Act, Actor};
use super::statement::statement;
use super::{Page, PageRequest, figures};
use crate::domain::{AssetType, AssetTypeCode, Balance, Scale};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::schema::asset_types;

/// What the list is called in its cursors.
const LIST: &str = "asset-types";

/// All asset types, by code.
///
/// # Errors
/// The database's.
pub fn all(conn: &mut PgConnection) -> Result<Vec<AssetType>> {
    Ok(asset_types::table.select(AssetType::as_select()).order(asset_types::code).load(conn)?)
}

/// One page of the asset types, by code.
///
/// # Errors
/// [`Error::InvalidCursor`].
pub fn page(conn: &mut PgConnection, request: &PageRequest) -> Result<Page<AssetType>> {
    Page::from_all(all(conn)?, request, LIST, |asset_type| asset_type.code)
}

/// One asset type.
///
/// # Errors
/// [`Refusal::AssetTypeNotFound`].
pub fn one(conn: &mut PgConnection, code: &AssetTypeCode) -> Result<AssetType> {
    let found = asset_types::table.find(code).select(AssetType::as_select()).first(conn).optional()?;
    found.ok_or_else(|| not_found(code))
}

/// One asset type whose decimals stay as they are until the end of the database transaction: for
/// those who are about to count in it.
///
/// # Errors
/// [`Refusal::AssetTypeNotFound`].
pub(super) fn held(conn: &mut PgConnection, code: &AssetTypeCode) -> Result<AssetType> {
    let query = asset_types::table.find(code).select(AssetType::as_select()).for_key_share();
    query.first(conn).optional()?.ok_or_else(|| not_found(code))
}

fn not_found(code: &AssetTypeCode) -> Error {
    Refusal::AssetTypeNotFound(code.to_string()).into()
}

/// A page that was narrowed to an asset type, if there is such a type. Only an empty page leaves a doubt.
///
/// # Errors
/// [`Refusal::AssetTypeNotFound`].
pub fn of_known_type<T>(conn: &mut PgConnection, page: Page<T>, code: Option<&AssetTypeCode>) -> Result<Page<T>> {
    if let Some(code) = code.filter(|_| page.items.is_empty()) {
        one(conn, code)?;
    }
    Ok(page)
}

/// Creates an asset type unless there is one with its code.
///
/// # Errors
/// The database's.
pub fn ensure(conn: &mut PgConnection, new: &AssetType) -> Result<()> {
    diesel::insert_into(asset_types::table).values(new).on_conflict_do_nothing().execute(conn)?;
    Ok(())
}

/// An asset type and what users hold of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circulation {
    /// The unit.
    pub asset_type: AssetType,
    /// What all users hold together.
    pub outstanding: Balance,
}

/// What users hold of every asset type, by code. Read off the treasury's few wallets.
///
/// # Errors
/// The database's.
pub fn circulations(conn: &mut PgConnection) -> Result<Vec<Circulation>> {
    let outstanding = figures::outstanding(conn)?;
    let known = all(conn)?;
    let held = |code: &AssetTypeCode| outstanding.iter().find(|held| held.asset_type == *code);
    let circulation = |asset_type: AssetType| {
        let outstanding = held(&asset_type.code).map_or_else(Balance::zero, |held| held.value.clone());
        Circulation { asset_type, outstanding }
    };
    Ok(known.into_iter().map(circulation).collect())
}

/// Whether anything is counted in an asset type, so that its decimals are fixed.
///
/// # Errors
/// The database's.
pub fn is_used(conn: &mut PgConnection, code: &AssetTypeCode) -> Result<bool> {
    let used = statement::<Bool>(
        "select exists (select from wallets where asset_type = code)
             or exists (select from assets where asset_type = code)
             or exists (select from campaigns where asset_type = code)
         from (values ($::text)) wanted (code)",
    )
    .bind::<Text, _>(code)
    .get_result(conn)?;
    Ok(used)
}

/// What an admin changes about an asset type; what is not given stays. Its code always does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssetTypeChange {
    /// The name for people, 1 to 100 characters.
    pub name: Option<String>,
    /// How many decimals, 0 to 4.
    pub scale: Option<u8>,
    /// What a user's wallet must keep, 0 to 10^15, with no more decimals than the asset type has.
    pub minimum_balance: Option<Balance>,
    /// Whether users may transfer it to each other.
    pub transferable: Option<bool>,
}

/// What is wrong with an asset type that has this name, scale and minimum balance.
pub fn faults(name: &str, scale: Scale, minimum_balance: &Balance) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        errors.push(FieldError::new("name", "Give a name of 1 to 100 characters, in one line."));
    }
    if scale.0 > Scale::MOST {
        errors.push(FieldError::new("scale", "Choose a whole number from 0 to 4."));
    } else if !minimum_balance.fits(scale.0) {
        errors.push(FieldError::new("minimum_balance", "Write it with no more decimals than the asset type has."));
    }
    if minimum_balance.is_negative() || *minimum_balance > Balance::limit() {
        errors.push(FieldError::new("minimum_balance", "Choose a number from 0 to 1,000,000,000,000,000."));
    }
    errors
}

fn check(asset_type: &AssetType) -> Result<()> {
    let faults = faults(&asset_type.name, asset_type.scale, &asset_type.minimum_balance);
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

/// Creates an asset type.
///
/// # Errors
/// [`Error::Invalid`] with every field that needs another value; [`Refusal::AssetTypeExists`].
pub fn create(conn: &mut PgConnection, actor: &Actor, new: &AssetType, now: DateTime<Utc>) -> Result<AssetType> {
    let new = AssetType { name: new.name.trim().to_owned(), created_at: now, ..new.clone() };
    check(&new)?;
    conn.transaction(|conn| {
        diesel::insert_into(asset_types::table).values(&new).execute(conn)?;
        let act = Act {
            action: "asset_type.create",
            target: target(&new.code),
            reason: "",
            before: None,
            after: Some(told(&new)),
        };
        audit::record(conn, actor, now, &[act])?;
        Ok(new)
    })
}

/// Changes an asset type. Where that changes nothing, nothing is written.
///
/// # Errors
/// [`Refusal::AssetTypeNotFound`]; [`Error::Invalid`] with every field that needs another value;
/// [`Refusal::ScaleFixed`] for other decimals of one in which anything is counted.
pub fn edit(
    conn: &mut PgConnection,
    actor: &Actor,
    code: &AssetTypeCode,
    change: &AssetTypeChange,
    now: DateTime<Utc>,
) -> Result<AssetType> {
    conn.transaction(|conn| {
        // The strongest lock, which waits for all who hold the key, as an update of no key does not.
        let query = asset_types::table.find(code).select(AssetType::as_select()).for_update();
        let before: AssetType = query.first(conn).optional()?.ok_or_else(|| not_found(code))?;
        let after = AssetType {
            name: change.name.as_ref().map_or_else(|| before.name.clone(), |name| name.trim().to_owned()),
            scale: change.scale.map_or(before.scale, Scale),
            minimum_balance: change.minimum_balance.clone().unwrap_or_else(|| before.minimum_balance.clone()),
            transferable: change.transferable.unwrap_or(before.transferable),
            ..before.clone()
        };
        check(&after)?;
        if after == before {
            return Ok(before);
        }
        if after.scale != before.scale && is_used(conn, code)? {
            return Err(Refusal::ScaleFixed.into());
        }
        statement::<()>(
            "update asset_types set name = $, scale = $, minimum_balance = $, transferable = $ where code = $",
        )
        .bind::<Text, _>(&after.name)
        .bind::<SmallInt, _>(after.scale)
        .bind::<Numeric, _>(&after.minimum_balance)
        .bind::<Bool, _>(after.transferable)
        .bind::<Text, _>(code)
        .execute(conn)?;
        let act = Act {
            action: "asset_type.edit",
            target: target(code),
            reason: "",
            before: Some(told(&before)),
            after: Some(told(&after)),
        };
        audit::record(conn, actor, now, &[act])?;
        Ok(after)
    })
}

/// How the audit log names an asset type.
pub fn target(code: &AssetTypeCode) -> String {
    format!("asset_type:{code}")
}

/// An asset type as the audit log tells it.
fn told(asset_type: &AssetType) -> serde_json::Value {
    serde_json::json!({
        "name": asset_type.name,
        "scale": asset_type.scale.0,
        "minimum_balance": asset_type.minimum_balance.at_scale(asset_type.scale.0),
        "transferable": asset_type.transferable,
    })
}
