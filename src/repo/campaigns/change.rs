//! How campaigns change and go, and what becomes of their assets then.
//!
//! Locks, so that nothing deadlocks: the campaign's row, the key of the one asset type that it has,
//! then its assets by ascending id. The ledger reads campaigns and never locks them; it locks assets in the same order
//! and waits for none while it holds a wallet. So a claim that began before a change of the terms
//! (the window, the limit, a pause) may still end by the old ones, as if it had come a moment
//! earlier; what it pays stands in the locked asset alone.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Numeric, Text, Timestamptz};
use serde_json::{Map, Value, json};

use super::creation::released;
use super::{CampaignView, HAS_ENDED, NewCampaign, view};
use crate::domain::{Amount, AssetKind, AssetTypeCode, Campaign, CampaignId, Reason, Scale, VoucherCode};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::asset_types;
use crate::repo::assets::{self, NewAssets, random_code};
use crate::repo::audit::{self, Act, Actor};
use crate::repo::statement::statement;
use crate::schema::campaigns;

/// What an admin changes about a campaign; what is not given stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CampaignChange {
    /// What it and its assets are called, 1 to 200 characters.
    pub title: Option<String>,
    /// What it is for, at most 2,000 characters.
    pub description: Option<String>,
    /// Why its assets are given.
    pub kind: Option<AssetKind>,
    /// The unit of its amount.
    pub asset_type: Option<AssetTypeCode>,
    /// What the owner of each asset gets.
    pub amount: Option<Amount>,
    /// From when on its assets can be claimed; within, none for at once.
    pub starts_at: Option<Option<DateTime<Utc>>>,
    /// From when on they can no longer be claimed; within, none for never.
    pub ends_at: Option<Option<DateTime<Utc>>>,
    /// How many one user may claim, 1 to 10,000.
    pub per_user_limit: Option<i32>,
    /// Whether it is held.
    pub paused: Option<bool>,
    /// How many assets it has in all, claimed and expired ones among them. It only grows.
    pub quantity: Option<i64>,
}

impl CampaignChange {
    /// A campaign as it would be.
    fn applied_to(&self, before: &Campaign) -> Campaign {
        let trimmed = |new: &Option<String>, old: &str| new.as_deref().map_or(old, str::trim).to_owned();
        Campaign {
            title: trimmed(&self.title, &before.title),
            description: trimmed(&self.description, &before.description),
            kind: self.kind.unwrap_or(before.kind),
            asset_type: self.asset_type.unwrap_or(before.asset_type),
            amount: self.amount.as_ref().unwrap_or(&before.amount).clone(),
            starts_at: self.starts_at.unwrap_or(before.starts_at),
            ends_at: self.ends_at.unwrap_or(before.ends_at),
            per_user_limit: self.per_user_limit.unwrap_or(before.per_user_limit),
            paused: self.paused.unwrap_or(before.paused),
            ..before.clone()
        }
    }
}

/// What is wrong with the times and texts of a campaign that was another one before. What stays may
/// be what no new campaign could have, as an end that has passed.
fn faults(before: &Campaign, after: &Campaign, now: DateTime<Utc>) -> Vec<FieldError> {
    let new_end = after.ends_at.filter(|_| after.ends_at != before.ends_at);
    let times = (after.starts_at, new_end);
    let mut errors = NewCampaign::faults(&after.title, &after.description, 1, times, after.per_user_limit, now);
    if new_end.is_none() && after.starts_at.zip(after.ends_at).is_some_and(|(start, end)| end <= start) {
        errors.push(FieldError::new("starts_at", "Choose a time before the end."));
    }
    errors
}

/// Pauses a campaign, so that nobody can claim from it, or resumes it, and says why.
///
/// # Errors
/// [`Refusal::CampaignNotFound`].
pub fn hold(
    conn: &mut PgConnection,
    actor: &Actor,
    id: CampaignId,
    paused: bool,
    reason: &Reason,
    now: DateTime<Utc>,
) -> Result<CampaignView> {
    let change = CampaignChange { paused: Some(paused), ..CampaignChange::default() };
    edit_for(conn, actor, id, None, &change, reason.as_str(), now)
}

/// Changes a campaign. What its available assets have from it changes with it; those that are
/// claimed or expired stay as they are. Where nothing changes, nothing is written.
///
/// # Errors
/// [`Refusal::CampaignNotFound`]; [`Refusal::Changed`] where it has another version than the one
/// expected; [`Refusal::CampaignImmutable`] for another asset type once any has been claimed;
/// [`Error::Invalid`] with every field that needs another value; [`Refusal::AssetTypeNotFound`];
/// [`Refusal::InvalidAmount`] for more decimals than the asset type has.
pub fn edit(
    conn: &mut PgConnection,
    actor: &Actor,
    id: CampaignId,
    expected_version: Option<i64>,
    change: &CampaignChange,
    now: DateTime<Utc>,
) -> Result<CampaignView> {
    edit_for(conn, actor, id, expected_version, change, "", now)
}

fn edit_for(
    conn: &mut PgConnection,
    actor: &Actor,
    id: CampaignId,
    expected_version: Option<i64>,
    change: &CampaignChange,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<CampaignView> {
    conn.transaction(|conn| {
        let before = locked(conn, id)?;
        if expected_version.is_some_and(|expected| expected != before.version) {
            return Err(Refusal::Changed.into());
        }
        let after = change.applied_to(&before);
        let errors = faults(&before, &after, now);
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        let scale = asset_types::held(conn, &after.asset_type)?.scale;
        after.amount.check_scale(scale.0)?;
        let growth = growth(conn, &after, change.quantity, now)?;
        if after == before && growth.is_none() {
            return view(conn, actor, before, scale, now);
        }
        let carried = carry_over(conn, &before, &after, now)?;
        let written = write(conn, &after)?;
        let act = Act { reason, ..edited(&before, &written, scale, growth, carried) };
        audit::record(conn, actor, now, &[act])?;
        if let Some(Growth { more, .. }) = growth {
            let new = released(&written, more);
            assets::create_coded(conn, actor, &new, |_| random_code(), now)?;
        }
        view(conn, actor, written, scale, now)
    })
}

/// Adds assets to a campaign, all like it is now, with voucher codes that the caller makes, one for
/// each number from 0. The same codes never add twice, however many calls come at once.
///
/// # Errors
/// [`Refusal::CampaignNotFound`]; [`Error::Invalid`] for more than 10,000 or none, and where the
/// campaign has ended; [`Refusal::AlreadyCreated`] where a code is in use, which leaves all as it was.
pub fn add(
    conn: &mut PgConnection,
    actor: &Actor,
    id: CampaignId,
    quantity: usize,
    code: impl FnMut(usize) -> Result<VoucherCode>,
    now: DateTime<Utc>,
) -> Result<CampaignView> {
    if !(1..=NewAssets::MOST).contains(&quantity) {
        return Err(invalid("quantity", "Choose a whole number from 1 to 10,000."));
    }
    conn.transaction(|conn| {
        let campaign = locked(conn, id)?;
        let has = total(conn, id)?;
        let wanted = has.saturating_add(i64::try_from(quantity).map_err(Error::broken)?);
        let growth = growth(conn, &campaign, Some(wanted), now)?;
        let scale = asset_types::held(conn, &campaign.asset_type)?.scale;
        let written = write(conn, &campaign)?;
        let act = edited(&campaign, &written, scale, growth, 0);
        audit::record(conn, actor, now, &[act])?;
        assets::create_coded(conn, actor, &released(&written, quantity), code, now)?;
        view(conn, actor, written, scale, now)
    })
}

/// Deletes a campaign and all of its assets, of which none may have been claimed.
///
/// # Errors
/// [`Refusal::CampaignNotFound`]; [`Refusal::CampaignImmutable`]; [`Refusal::AlreadyRecreated`]
/// where an asset elsewhere replaces one of them.
pub fn delete(
    conn: &mut PgConnection,
    actor: &Actor,
    id: CampaignId,
    reason: Option<&Reason>,
    now: DateTime<Utc>,
) -> Result<()> {
    conn.transaction(|conn| {
        let campaign = locked(conn, id)?;
        let scale = asset_types::one(conn, &campaign.asset_type)?.scale;
        lock_assets(conn, id)?;
        if has_claims(conn, id)? {
            return Err(Refusal::CampaignImmutable.into());
        }
        let deleted =
            statement::<()>("delete from assets where campaign_id = $").bind::<BigInt, _>(id).execute(conn)?;
        diesel::delete(campaigns::table.find(id)).execute(conn)?;
        let act = Act {
            action: "campaign.delete",
            target: target(id),
            reason: reason.map_or("", Reason::as_str),
            before: Some(json!({
                "title": campaign.title,
                "description": campaign.description,
                "kind": campaign.kind,
                "asset_type": campaign.asset_type,
                "amount": campaign.amount.at_scale(scale.0),
                "starts_at": campaign.starts_at,
                "ends_at": campaign.ends_at,
                "per_user_limit": campaign.per_user_limit,
                "quantity": deleted,
            })),
            after: None,
        };
        audit::record(conn, actor, now, &[act])?;
        Ok(())
    })
}

/// How the audit log names a campaign.
fn target(id: CampaignId) -> String {
    format!("campaign:{id}")
}

fn invalid(field: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::Invalid(vec![FieldError::new(field, message)])
}

/// The campaign, which nobody else changes, deletes or adds to until the end of the database
/// transaction.
fn locked(conn: &mut PgConnection, id: CampaignId) -> Result<Campaign> {
    let found = campaigns::table.find(id).select(Campaign::as_select()).for_update().first(conn).optional()?;
    found.ok_or_else(|| Refusal::CampaignNotFound.into())
}

/// Locks all assets of a campaign that may still be claimed or go. What is claimed meanwhile is seen
/// by the next statement.
fn lock_assets(conn: &mut PgConnection, id: CampaignId) -> QueryResult<()> {
    statement::<()>(
        "select count(*) from (
             select from assets where campaign_id = $ and status <> 'claimed' order by id for update
         ) locked",
    )
    .bind::<BigInt, _>(id)
    .execute(conn)
    .map(|_| ())
}

fn has_claims(conn: &mut PgConnection, id: CampaignId) -> QueryResult<bool> {
    statement::<Bool>("select exists (select from assets where campaign_id = $ and status = 'claimed')")
        .bind::<BigInt, _>(id)
        .get_result(conn)
}

/// Whether any has expired: it keeps its unit, and its successor comes back to the campaign.
fn has_expired_some(conn: &mut PgConnection, id: CampaignId, now: DateTime<Utc>) -> QueryResult<bool> {
    statement::<Bool>(
        "select exists (select from assets where campaign_id = $ and (status = 'expired' or expires_at <= $))",
    )
    .bind::<BigInt, _>(id)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
}

/// How many assets a campaign has, whatever became of them.
fn total(conn: &mut PgConnection, id: CampaignId) -> QueryResult<i64> {
    statement::<BigInt>("select count(*) from assets where campaign_id = $").bind::<BigInt, _>(id).get_result(conn)
}

/// By how much a campaign grows.
#[derive(Debug, Clone, Copy)]
struct Growth {
    /// How many assets it has.
    from: i64,
    /// How many come to them.
    more: usize,
}

/// What is to be added, so that a campaign has as many assets as are wanted; none where it has.
fn growth(
    conn: &mut PgConnection,
    after: &Campaign,
    wanted: Option<i64>,
    now: DateTime<Utc>,
) -> Result<Option<Growth>> {
    let Some(wanted) = wanted else { return Ok(None) };
    let from = total(conn, after.id)?;
    let most = NewAssets::MOST;
    match usize::try_from(wanted.saturating_sub(from)) {
        Ok(0) => Ok(None),
        Ok(_) if after.ends_at.is_some_and(|ends_at| ends_at <= now) => Err(invalid("quantity", HAS_ENDED)),
        Ok(more) if more <= most => Ok(Some(Growth { from, more })),
        Ok(_) => Err(invalid("quantity", "Add at most 10,000 credits at a time.")),
        Err(_) => Err(invalid("quantity", format!("There are {from} credits already, and none are taken away here."))),
    }
}

/// Gives available assets what has changed about their campaign, and says how many. An asset that
/// has something of its own keeps what has not changed.
fn carry_over(conn: &mut PgConnection, before: &Campaign, after: &Campaign, now: DateTime<Utc>) -> Result<usize> {
    let ends_otherwise = after.ends_at != before.ends_at;
    let is_carried = after.title != before.title
        || after.description != before.description
        || after.kind != before.kind
        || after.asset_type != before.asset_type
        || after.amount != before.amount
        || ends_otherwise;
    if !is_carried {
        return Ok(0);
    }
    lock_assets(conn, after.id)?;
    let is_of_another_unit = after.asset_type != before.asset_type;
    if is_of_another_unit && has_claims(conn, after.id)? {
        return Err(Refusal::CampaignImmutable.into());
    }
    if is_of_another_unit && has_expired_some(conn, after.id, now)? {
        return Err(invalid("asset_type", "Credits of this campaign have expired in the old one, so it stays."));
    }
    fn changed<'a, T: PartialEq>(before: &'a T, after: &'a T) -> Option<&'a T> {
        (after != before).then_some(after)
    }
    let carried = statement::<()>(
        "update assets
         set title = coalesce($, title), description = coalesce($, description), kind = coalesce($, kind),
             asset_type = coalesce($, asset_type), amount = coalesce($, amount),
             expires_at = case when $ and expires_at is not distinct from $ then $ else expires_at end,
             version = version + 1
         where campaign_id = $ and status = 'available' and (expires_at is null or expires_at > $)",
    )
    .bind::<Nullable<Text>, _>(changed(&before.title, &after.title))
    .bind::<Nullable<Text>, _>(changed(&before.description, &after.description))
    .bind::<Nullable<Text>, _>(changed(&before.kind, &after.kind))
    .bind::<Nullable<Text>, _>(changed(&before.asset_type, &after.asset_type))
    // What was an asset's own amount means nothing in another unit.
    .bind::<Nullable<Numeric>, _>(
        changed(&before.amount, &after.amount).or(is_of_another_unit.then_some(&after.amount)),
    )
    .bind::<Bool, _>(ends_otherwise)
    .bind::<Nullable<Timestamptz>, _>(before.ends_at)
    .bind::<Nullable<Timestamptz>, _>(after.ends_at)
    .bind::<BigInt, _>(after.id)
    .bind::<Timestamptz, _>(now)
    .execute(conn)?;
    Ok(carried)
}

/// Writes a campaign's row, and counts its version on.
fn write(conn: &mut PgConnection, after: &Campaign) -> QueryResult<Campaign> {
    diesel::update(campaigns::table.find(after.id))
        .set((
            campaigns::title.eq(&after.title),
            campaigns::description.eq(&after.description),
            campaigns::kind.eq(after.kind),
            campaigns::asset_type.eq(&after.asset_type),
            campaigns::amount.eq(&after.amount),
            campaigns::starts_at.eq(after.starts_at),
            campaigns::ends_at.eq(after.ends_at),
            campaigns::per_user_limit.eq(after.per_user_limit),
            campaigns::paused.eq(after.paused),
            campaigns::version.eq(campaigns::version + 1),
        ))
        .returning(Campaign::as_returning())
        .get_result(conn)
}

/// The line of a change: what differs, and how many assets changed with it.
fn edited(before: &Campaign, after: &Campaign, scale: Scale, growth: Option<Growth>, carried: usize) -> Act<'static> {
    // In the decimals of its own unit, which are known of the one that it has now.
    let amount = |campaign: &Campaign| match campaign.asset_type == after.asset_type {
        true => campaign.amount.at_scale(scale.0),
        false => campaign.amount.to_string(),
    };
    let told = |campaign: &Campaign| {
        json!({
            "title": campaign.title,
            "description": campaign.description,
            "kind": campaign.kind,
            "asset_type": campaign.asset_type,
            "amount": amount(campaign),
            "starts_at": campaign.starts_at,
            "ends_at": campaign.ends_at,
            "per_user_limit": campaign.per_user_limit,
            "paused": campaign.paused,
        })
    };
    let (old, new) = (told(before), told(after));
    let (mut old_part, mut new_part) = (Map::new(), Map::new());
    for (field, value) in new.as_object().into_iter().flatten() {
        if old.get(field) != Some(value) {
            old_part.insert(field.clone(), old.get(field).cloned().unwrap_or_default());
            new_part.insert(field.clone(), value.clone());
        }
    }
    if let Some(Growth { from, more }) = growth {
        old_part.insert("quantity".to_owned(), from.into());
        new_part.insert("quantity".to_owned(), from.saturating_add(i64::try_from(more).unwrap_or(i64::MAX)).into());
    }
    if carried > 0 {
        new_part.insert("credits_changed".to_owned(), carried.into());
    }
    Act {
        action: "campaign.edit",
        target: target(after.id),
        reason: "",
        before: Some(Value::Object(old_part)),
        after: Some(Value::Object(new_part)),
    }
}
