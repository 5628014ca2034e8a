//! How campaigns come into the world, with their assets.

use chrono::{DateTime, Datelike, Utc};
use diesel::prelude::*;

use super::{CampaignView, one, view};
use crate::domain::posting::Idempotency;
use crate::domain::{Amount, AssetKind, AssetTypeCode, Campaign, CampaignId, Scale, User, VoucherCode};
use crate::error::{Error, FieldError, Result};
use crate::repo::assets::{self, NewAssets, random_code, texts_of_codes};
use crate::repo::audit::{self, Act, Actor};
use crate::repo::{asset_types, keys};
use crate::schema::{assets as asset_rows, campaigns};

/// What an admin gives to create a campaign and its assets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCampaign {
    /// What it and its assets are called, 1 to 200 characters.
    pub title: String,
    /// What it is for, at most 2,000 characters.
    pub description: String,
    /// Why its assets are given.
    pub kind: AssetKind,
    /// The unit of its amount.
    pub asset_type: AssetTypeCode,
    /// What the owner of each asset gets, at most with the decimals of the asset type.
    pub amount: Amount,
    /// How many assets, 1 to 10,000.
    pub quantity: usize,
    /// From when on they can be claimed; at once where there is none.
    pub starts_at: Option<DateTime<Utc>>,
    /// From when on they can no longer be claimed.
    pub ends_at: Option<DateTime<Utc>>,
    /// How many one user may claim, 1 to 10,000.
    pub per_user_limit: i32,
}

impl NewCampaign {
    /// The highest limit per user.
    pub const MOST_PER_USER: i32 = 10_000;

    /// What is wrong with the parts that are not checked by their types; `times` are start and end.
    pub fn faults(
        title: &str,
        description: &str,
        quantity: usize,
        times: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
        per_user_limit: i32,
        now: DateTime<Utc>,
    ) -> Vec<FieldError> {
        let mut errors = NewAssets::faults(title, description, quantity, None, now);
        let (starts_at, ends_at) = times;
        for (field, time) in [("starts_at", starts_at), ("ends_at", ends_at)] {
            if time.is_some_and(|time| !(1..=9999).contains(&time.year())) {
                errors.push(FieldError::new(field, "Choose a time between the years 1 and 9999."));
            }
        }
        if ends_at.is_some_and(|ends_at| ends_at <= now) {
            errors.push(FieldError::new("ends_at", "Choose a time in the future."));
        } else if ends_at.zip(starts_at).is_some_and(|(ends_at, starts_at)| ends_at <= starts_at) {
            errors.push(FieldError::new("ends_at", "Choose a time after the start."));
        }
        if !(1..=Self::MOST_PER_USER).contains(&per_user_limit) {
            errors.push(FieldError::new("per_user_limit", "Choose a whole number from 1 to 10,000."));
        }
        errors
    }
}

/// Creates a campaign and its assets, all or none.
///
/// # Errors
/// [`Error::Invalid`] with every field that needs another value; those of [`assets::create`].
pub fn create(conn: &mut PgConnection, actor: &Actor, new: &NewCampaign, now: DateTime<Utc>) -> Result<CampaignView> {
    create_coded(conn, actor, new, |_| random_code(), now)
}

/// As [`create`], with the voucher codes of its assets that the caller makes, one for each number
/// from 0. The same codes never create a campaign twice, however many calls come at once.
///
/// # Errors
/// As [`create`]; [`Refusal::AlreadyCreated`](crate::error::Refusal::AlreadyCreated) where a code is
/// in use, which leaves all as it was.
pub fn create_coded(
    conn: &mut PgConnection,
    actor: &Actor,
    new: &NewCampaign,
    code: impl FnMut(usize) -> Result<VoucherCode>,
    now: DateTime<Utc>,
) -> Result<CampaignView> {
    let times = (new.starts_at, new.ends_at);
    let faults = NewCampaign::faults(&new.title, &new.description, new.quantity, times, new.per_user_limit, now);
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    conn.transaction(|conn| {
        let scale = asset_types::held(conn, &new.asset_type)?.scale;
        let campaign: Campaign = diesel::insert_into(campaigns::table)
            .values((
                campaigns::title.eq(new.title.trim()),
                campaigns::description.eq(new.description.trim()),
                campaigns::kind.eq(new.kind),
                campaigns::asset_type.eq(&new.asset_type),
                campaigns::amount.eq(&new.amount),
                campaigns::starts_at.eq(new.starts_at),
                campaigns::ends_at.eq(new.ends_at),
                campaigns::per_user_limit.eq(new.per_user_limit),
                campaigns::created_at.eq(now),
            ))
            .returning(Campaign::as_returning())
            .get_result(conn)?;
        audit::record(conn, actor, now, &[created_act(&campaign, scale, new.quantity)])?;
        assets::create_coded(conn, actor, &released(&campaign, new.quantity), code, now)?;
        view(conn, actor, campaign, scale, now)
    })
}

/// As [`create_coded`], once under a key of the caller's. Says whether it had been created before, and
/// then gives it as it is now.
///
/// # Errors
/// As [`create_coded`]; [`Refusal::IdempotencyKeyReused`](crate::error::Refusal::IdempotencyKeyReused);
/// [`Error::NotFound`] where it has been deleted since.
pub fn create_once(
    conn: &mut PgConnection,
    (caller, actor): (&User, &Actor),
    new: &NewCampaign,
    key: &Idempotency,
    code: impl Fn(usize) -> Result<VoucherCode>,
    now: DateTime<Utc>,
) -> Result<(CampaignView, bool)> {
    conn.transaction(|conn| {
        if keys::take(conn, caller.id, key, now)? {
            return Ok((create_coded(conn, actor, new, &code, now)?, false));
        }
        // Single ones may have been deleted or moved since.
        let of_codes = asset_rows::table
            .filter(asset_rows::code.eq_any(texts_of_codes(new.quantity, code)?))
            .filter(asset_rows::campaign_id.is_not_null())
            .group_by(asset_rows::campaign_id)
            .order(diesel::dsl::count_star().desc())
            .select(asset_rows::campaign_id.assume_not_null());
        let id: CampaignId = of_codes.first(conn)?;
        Ok((one(conn, caller, id, now)?, true))
    })
}

/// Assets of a campaign as it is now.
pub(super) fn released(campaign: &Campaign, quantity: usize) -> NewAssets {
    NewAssets {
        title: campaign.title.clone(),
        description: campaign.description.clone(),
        kind: campaign.kind,
        asset_type: campaign.asset_type,
        amount: campaign.amount.clone(),
        expires_at: campaign.ends_at,
        campaign_id: Some(campaign.id),
        quantity,
    }
}

/// The campaign that came with this voucher code.
///
/// # Errors
/// The database's.
pub fn of_code(conn: &mut PgConnection, code: &VoucherCode) -> Result<Option<CampaignId>> {
    let found = asset_rows::table.filter(asset_rows::code.eq(code.as_str())).select(asset_rows::campaign_id);
    Ok(found.first::<Option<CampaignId>>(conn).optional()?.flatten())
}

fn created_act(campaign: &Campaign, scale: Scale, quantity: usize) -> Act<'static> {
    Act {
        action: "campaign.create",
        target: format!("campaign:{}", campaign.id),
        reason: "",
        before: None,
        after: Some(serde_json::json!({
            "title": campaign.title,
            "description": campaign.description,
            "kind": campaign.kind,
            "asset_type": campaign.asset_type,
            "amount": campaign.amount.at_scale(scale.0),
            "quantity": quantity,
            "starts_at": campaign.starts_at,
            "ends_at": campaign.ends_at,
            "per_user_limit": campaign.per_user_limit,
        })),
    }
}
