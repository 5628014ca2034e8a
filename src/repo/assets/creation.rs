//! How assets come into the world.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Numeric, Text, Timestamptz};

use super::{AssetView, find};
use crate::domain::posting::Idempotency;
use crate::domain::{Amount, Asset, AssetId, AssetKind, AssetTypeCode, CampaignId, Scale, UserId, VoucherCode};
use crate::error::{Error, FieldError, Result};
use crate::repo::audit::{self, Act, Actor};
use crate::repo::statement::statement;
use crate::repo::{asset_types, campaigns, keys};
use crate::schema::assets;

/// What an admin gives to create assets, all alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAssets {
    /// What they are called, 1 to 200 characters.
    pub title: String,
    /// What they are for, at most 2,000 characters.
    pub description: String,
    /// Why they are given.
    pub kind: AssetKind,
    /// The unit of their amount.
    pub asset_type: AssetTypeCode,
    /// What the owner of each gets, at most with the decimals of the asset type.
    pub amount: Amount,
    /// From when on they can no longer be claimed.
    pub expires_at: Option<DateTime<Utc>>,
    /// The campaign they are released with.
    pub campaign_id: Option<CampaignId>,
    /// How many, 1 to 10,000.
    pub quantity: usize,
}

impl NewAssets {
    /// The most assets that one call creates.
    pub const MOST: usize = 10_000;

    fn check(&self, now: DateTime<Utc>) -> std::result::Result<(), Vec<FieldError>> {
        let errors = Self::faults(&self.title, &self.description, self.quantity, self.expires_at, now);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// What is wrong with the parts that are not checked by their types.
    pub fn faults(
        title: &str,
        description: &str,
        quantity: usize,
        expires_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if title.trim().is_empty() || title.chars().count() > 200 {
            errors.push(FieldError::new("title", "Give a title of 1 to 200 characters."));
        } else if title.chars().any(char::is_control) {
            errors.push(FieldError::new("title", "Use one line of letters, digits and signs."));
        }
        if description.chars().count() > 2_000 {
            errors.push(FieldError::new("description", "Use at most 2,000 characters."));
        } else if description.contains('\0') {
            errors.push(FieldError::new("description", "Use letters, digits and signs."));
        }
        if !(1..=Self::MOST).contains(&quantity) {
            errors.push(FieldError::new("quantity", "Choose a whole number from 1 to 10,000."));
        }
        if expires_at.is_some_and(|expires_at| expires_at <= now) {
            errors.push(FieldError::new("expires_at", "Choose a time in the future."));
        }
        // RFC 3339 has four digits for the year.
        if expires_at.is_some_and(|expires_at| expires_at.year() > 9999) {
            errors.push(FieldError::new("expires_at", "Choose a time before the year 10000."));
        }
        errors
    }
}

/// Creates assets, all or none, and returns them in the order of their ids.
///
/// # Errors
/// [`Error::Invalid`] with every field that needs another value;
/// [`Refusal::AssetTypeNotFound`]; [`Refusal::InvalidAmount`] for more decimals than the asset type
/// has.
pub fn create(conn: &mut PgConnection, actor: &Actor, new: &NewAssets, now: DateTime<Utc>) -> Result<Vec<AssetView>> {
    create_coded(conn, actor, new, |_| random_code(), now)
}

/// As [`create`], with voucher codes that the caller makes, one for each number from 0. The same
/// codes never create assets twice, however many calls come at once.
///
/// # Errors
/// As [`create`]; [`Refusal::AlreadyCreated`] where a code is in use, which leaves all as it was.
pub fn create_coded(
    conn: &mut PgConnection,
    actor: &Actor,
    new: &NewAssets,
    code: impl FnMut(usize) -> Result<VoucherCode>,
    now: DateTime<Utc>,
) -> Result<Vec<AssetView>> {
    new.check(now).map_err(Error::Invalid)?;
    let codes = (0..new.quantity).map(code).collect::<Result<Vec<_>>>()?;
    conn.transaction(|conn| {
        let scale = asset_types::held(conn, &new.asset_type)?.scale;
        new.amount.check_scale(scale.0)?;
        if let Some(campaign) = new.campaign_id {
            campaigns::check_joins(conn, campaign, &new.asset_type, now)?;
        }
        let rows: Vec<_> = codes.iter().map(|code| NewRow { code, like: new, recreated_from: None }).collect();
        let created = insert(conn, &rows, now)?;
        let acts: Vec<_> = created.iter().map(|asset| created_act(asset, scale)).collect();
        audit::record(conn, actor, now, &acts)?;
        Ok(created.into_iter().map(|asset| AssetView { asset, scale, claim: None }).collect())
    })
}

/// As [`create_coded`], once under a key of the caller's. Says whether they had been created before, and
/// then gives those that are there, as they are now.
///
/// # Errors
/// As [`create_coded`]; [`Refusal::IdempotencyKeyReused`].
pub fn create_once(
    conn: &mut PgConnection,
    (caller, actor): (UserId, &Actor),
    new: &NewAssets,
    key: &Idempotency,
    code: impl Fn(usize) -> Result<VoucherCode>,
    now: DateTime<Utc>,
) -> Result<(Vec<AssetView>, bool)> {
    conn.transaction(|conn| {
        if keys::take(conn, caller, key, now)? {
            return Ok((create_coded(conn, actor, new, &code, now)?, false));
        }
        Ok((find::with_codes(conn, &texts_of_codes(new.quantity, code)?, now)?, true))
    })
}

/// The first voucher codes that a caller makes, as they are kept.
pub(in crate::repo) fn texts_of_codes(
    quantity: usize,
    code: impl Fn(usize) -> Result<VoucherCode>,
) -> Result<Vec<String>> {
    (0..quantity).map(|number| Ok(code(number)?.as_str().to_owned())).collect()
}

/// Creates assets of many kinds at once, all or none: of each line as many as it says. The lines
/// have been checked, their scales held and their campaigns looked up.
///
/// # Errors
/// The database's.
pub(super) fn create_rows(
    conn: &mut PgConnection,
    actor: &Actor,
    lines: &[(NewAssets, Scale)],
    now: DateTime<Utc>,
) -> Result<Vec<AssetView>> {
    let mut codes = Vec::new();
    for (new, scale) in lines {
        for _ in 0..new.quantity {
            codes.push((random_code()?, new, *scale));
        }
    }
    let rows: Vec<_> = codes.iter().map(|(code, like, _)| NewRow { code, like, recreated_from: None }).collect();
    let created = insert(conn, &rows, now)?;
    let scales: HashMap<&str, Scale> = codes.iter().map(|(code, _, scale)| (code.as_str(), *scale)).collect();
    let views: Vec<AssetView> = created
        .into_iter()
        .map(|asset| {
            let scale = scales.get(asset.code.as_str()).copied().unwrap_or(Scale(0));
            AssetView { asset, scale, claim: None }
        })
        .collect();
    let acts: Vec<_> = views.iter().map(|view| created_act(&view.asset, view.scale)).collect();
    audit::record(conn, actor, now, &acts)?;
    Ok(views)
}

pub(in crate::repo) fn random_code() -> Result<VoucherCode> {
    let mut bytes = [0_u8; 13];
    getrandom::fill(&mut bytes).map_err(Error::broken)?;
    Ok(VoucherCode::from_random(bytes))
}

/// One asset to be written.
pub(super) struct NewRow<'a> {
    pub(super) code: &'a VoucherCode,
    /// What it is like, whatever its quantity.
    pub(super) like: &'a NewAssets,
    pub(super) recreated_from: Option<AssetId>,
}

/// Writes assets in one statement and returns them in the order of their ids, which is that of the
/// rows.
pub(super) fn insert(conn: &mut PgConnection, rows: &[NewRow<'_>], now: DateTime<Utc>) -> QueryResult<Vec<Asset>> {
    macro_rules! column {
        ($row:ident => $value:expr) => {
            rows.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    let ids = statement::<BigInt>(
        "insert into assets (code, title, description, kind, asset_type, amount, expires_at, campaign_id,
                             recreated_from, created_at)
         select n.*, $ from unnest($::text[], $::text[], $::text[], $::text[], $::text[], $::numeric[],
                                   $::timestamptz[], $::bigint[], $::bigint[]) n
         returning id",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Array<Text>, _>(column!(row => row.code.as_str()))
    .bind::<Array<Text>, _>(column!(row => row.like.title.trim()))
    .bind::<Array<Text>, _>(column!(row => row.like.description.trim()))
    .bind::<Array<Text>, _>(column!(row => row.like.kind))
    .bind::<Array<Text>, _>(column!(row => row.like.asset_type.as_str()))
    .bind::<Array<Numeric>, _>(column!(row => &row.like.amount))
    .bind::<Array<Nullable<Timestamptz>>, _>(column!(row => row.like.expires_at))
    .bind::<Array<Nullable<BigInt>>, _>(column!(row => row.like.campaign_id))
    .bind::<Array<Nullable<BigInt>>, _>(column!(row => row.recreated_from))
    .load::<AssetId>(conn)?;
    assets::table.filter(assets::id.eq_any(ids)).select(Asset::as_select()).order(assets::id).load(conn)
}

fn created_act(asset: &Asset, scale: Scale) -> Act<'static> {
    Act {
        action: "asset.create",
        target: format!("asset:{}", asset.id),
        reason: "",
        before: None,
        after: Some(told(asset, scale)),
    }
}

/// What the audit log says of an asset.
pub(super) fn told(asset: &Asset, scale: Scale) -> serde_json::Value {
    serde_json::json!({
        "code": asset.code,
        "title": asset.title,
        "description": asset.description,
        "kind": asset.kind,
        "asset_type": asset.asset_type,
        "amount": asset.amount.at_scale(scale.0),
        "expires_at": asset.expires_at,
        "campaign_id": asset.campaign_id,
        "recreated_from": asset.recreated_from,
    })
}
