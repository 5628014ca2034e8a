//! Campaigns: who sees which, how many of their assets are left, how they come into the world, and
//! how they change.

mod change;
mod creation;
mod list;
mod offers;

pub use change::{CampaignChange, add, delete, edit, hold};
pub use creation::{NewCampaign, create, create_coded, create_once, of_code};
pub use list::{CampaignColumn, CampaignFilter, USUAL, newest, open, page};
pub use offers::{Offer, claimable_first, offers};

use chrono::{DateTime, Utc};
use diesel::helper_types::InnerJoinQuerySource;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Numeric, Timestamptz};

use super::audit::Actor;
use super::statement::statement;
use crate::domain::{AssetTypeCode, Balance, Campaign, CampaignId, CampaignStatus, Role, Scale, User, UserId};
use crate::error::{Error, FieldError, Result};
use crate::schema::{asset_types, campaigns, claims};

/// A campaign at a moment, as one user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignView {
    /// The campaign.
    pub campaign: Campaign,
    /// What it does now.
    pub status: CampaignStatus,
    /// The decimals of its asset type.
    pub scale: Scale,
    /// Where its assets are.
    pub counts: Counts,
    /// What they are worth.
    pub values: Values,
}

/// How many assets of a campaign are where in their lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Queryable)]
pub struct Counts {
    /// Wait for their claim.
    pub available: i64,
    /// Have their owner.
    pub claimed: i64,
    /// Ran out, whether or not the job has seen it.
    pub expired: i64,
    /// Belong to the user who looks.
    pub claimed_by_viewer: i64,
}

/// What the assets of a campaign sum to, by where they are in their lives. Single ones may have
/// another amount than their campaign.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Values {
    /// Wait for their claim.
    pub available: Balance,
    /// Have their owner.
    pub claimed: Balance,
    /// Ran out.
    pub expired: Balance,
}

type CampaignsWithTypes = InnerJoinQuerySource<campaigns::table, asset_types::table>;

/// Every query of campaigns starts with this join of a campaign and its unit.
macro_rules! campaigns_with_types {
    () => {
        campaigns::table.inner_join(asset_types::table).select((Campaign::as_select(), asset_types::scale))
    };
}
use campaigns_with_types;

/// One campaign, if the viewer may know of it.
///
/// # Errors
/// [`Error::NotFound`].
pub fn one(conn: &mut PgConnection, viewer: &User, id: CampaignId, now: DateTime<Utc>) -> Result<CampaignView> {
    let found = campaigns_with_types!().filter(campaigns::id.eq(id)).filter(seen_by(viewer, now)).load(conn)?;
    counted(conn, found, Some(viewer.id), now)?.into_iter().next().ok_or(Error::NotFound)
}

fn seen_by(viewer: &User, now: DateTime<Utc>) -> Box<dyn BoxableExpression<CampaignsWithTypes, Pg, SqlType = Bool>> {
    if viewer.role == Role::Admin {
        return Box::new(true.into_sql::<Bool>());
    }
    let claimed_from = claims::table
        .filter(claims::user_id.eq(viewer.id).and(claims::campaign_id.is_not_null()))
        .select(claims::campaign_id.assume_not_null());
    Box::new(runs(now).or(campaigns::id.eq_any(claimed_from)))
}

/// The campaigns that run.
#[diesel::dsl::auto_type]
pub(super) fn running(now: DateTime<Utc>) -> _ {
    let condition: runs = runs(now);
    campaigns::table.filter(condition).select(campaigns::id.nullable())
}

/// Whether a campaign runs, as [`Campaign::status`] says it.
#[diesel::dsl::auto_type]
fn runs(now: DateTime<Utc>) -> _ {
    let has_begun = campaigns::starts_at.is_null().or(campaigns::starts_at.le(now).assume_not_null());
    let goes_on = campaigns::ends_at.is_null().or(campaigns::ends_at.gt(now).assume_not_null());
    campaigns::paused.eq(false).and(has_begun).and(goes_on)
}

/// Why nothing joins a campaign whose end has passed.
pub(super) const HAS_ENDED: &str = "This campaign has ended. Choose a later end for it first.";

/// Counts the assets of some campaigns at once.
fn counted(
    conn: &mut PgConnection,
    rows: Vec<(Campaign, Scale)>,
    viewer: Option<UserId>,
    now: DateTime<Utc>,
) -> Result<Vec<CampaignView>> {
    let ids: Vec<CampaignId> = rows.iter().map(|(campaign, _)| campaign.id).collect();
    let counted = statement::<((BigInt, BigInt, BigInt, BigInt), (Numeric, Numeric, Numeric))>(
        "select coalesce(lives.available, 0), coalesce(lives.claimed, 0), coalesce(lives.expired, 0), own.count,
                coalesce(lives.available_value, 0), coalesce(lives.claimed_value, 0), coalesce(lives.expired_value, 0)
         from unnest($::bigint[]) with ordinality n (id, place)
         cross join lateral (
             select sum(count) filter (where life = 'available')::bigint as available,
                 sum(count) filter (where life = 'claimed')::bigint as claimed,
                 sum(count) filter (where life = 'expired')::bigint as expired,
                 sum(count * amount) filter (where life = 'available') as available_value,
                 sum(count * amount) filter (where life = 'claimed') as claimed_value,
                 sum(count * amount) filter (where life = 'expired') as expired_value
             from (
                 select case when status = 'available' and expires_at <= $ then 'expired' else status end as life,
                     amount, count(*)
                 from assets where campaign_id = n.id group by 1, 2
             ) alike
         ) lives
         cross join lateral (select count(*) from claims where campaign_id = n.id and user_id = $) own
         order by n.place",
    )
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<BigInt>, _>(viewer)
    .load::<(Counts, Values)>(conn)?;
    let views = rows.into_iter().zip(counted).map(|((campaign, scale), (counts, values))| CampaignView {
        status: campaign.status(now),
        campaign,
        scale,
        counts,
        values,
    });
    Ok(views.collect())
}

/// One campaign that has just been written, as the actor sees it.
fn view(
    conn: &mut PgConnection,
    actor: &Actor,
    campaign: Campaign,
    scale: Scale,
    now: DateTime<Utc>,
) -> Result<CampaignView> {
    counted(conn, vec![(campaign, scale)], actor.user, now)?.into_iter().next().ok_or(Error::NotFound)
}

/// The unit of a campaign that assets can join, which stays as it is until the end of the database
/// transaction.
///
/// # Errors
/// [`Error::Invalid`] for `campaign_id` where there is no such campaign, and where it has ended, since
/// nobody could claim from it.
pub(super) fn type_held(conn: &mut PgConnection, id: CampaignId, now: DateTime<Utc>) -> Result<AssetTypeCode> {
    let found: Option<(AssetTypeCode, Option<DateTime<Utc>>)> = campaigns::table
        .find(id)
        .select((campaigns::asset_type, campaigns::ends_at))
        .for_key_share()
        .first(conn)
        .optional()?;
    let refused = |words| Error::Invalid(vec![FieldError::new("campaign_id", words)]);
    match found {
        None => Err(refused("There is no such campaign.")),
        Some((_, Some(ends_at))) if ends_at <= now => Err(refused(HAS_ENDED)),
        Some((asset_type, _)) => Ok(asset_type),
    }
}

/// Refuses assets of another unit than their campaign's, and new ones for one that has ended.
pub(super) fn check_joins(
    conn: &mut PgConnection,
    id: CampaignId,
    asset_type: &AssetTypeCode,
    now: DateTime<Utc>,
) -> Result<()> {
    let wanted = type_held(conn, id, now)?;
    if wanted != *asset_type {
        let message = format!("Choose {wanted}, the asset type of the campaign.");
        return Err(Error::Invalid(vec![FieldError::new("asset_type", message)]));
    }
    Ok(())
}
