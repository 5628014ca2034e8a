//! Campaigns: who sees which, how many of their assets are left, and how they come into the world.

use chrono::{DateTime, Datelike, Utc};
use diesel::helper_types::InnerJoinQuerySource;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Timestamptz};

use super::assets::{NewAssets, create as create_assets};
use super::audit::{self, Act, Actor};
use super::statement::statement;
use super::{Page, PageRequest, wallets};
use crate::domain::{
    Amount, AssetKind, AssetTypeCode, Campaign, CampaignId, CampaignStatus, Role, Scale, User, UserId,
};
use crate::error::{Error, FieldError, Result};
use crate::schema::{asset_types, campaigns, claims};

/// What the list is called in its cursors.
const LIST: &str = "campaigns";

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

type CampaignsWithTypes = InnerJoinQuerySource<campaigns::table, asset_types::table>;

/// Every query of campaigns starts with this join of a campaign and its unit.
macro_rules! campaigns_with_types {
    () => {
        campaigns::table.inner_join(asset_types::table).select((Campaign::as_select(), asset_types::scale))
    };
}

/// A page of campaigns, newest first. Users see those that run and those they have claimed from,
/// admins all.
///
/// # Errors
/// [`Error::InvalidCursor`].
pub fn page(
    conn: &mut PgConnection,
    viewer: &User,
    request: &PageRequest,
    now: DateTime<Utc>,
) -> Result<Page<CampaignView>> {
    let mut query = campaigns_with_types!()
        .filter(seen_by(viewer, now))
        .order(campaigns::id.desc())
        .limit(request.look_ahead())
        .into_boxed();
    if let Some(after) = request.after::<i64>(LIST)? {
        query = query.filter(campaigns::id.lt(after));
    }
    let rows: Vec<(Campaign, Scale)> = query.load(conn)?;
    let page = Page::from_rows(rows, request, LIST, |(campaign, _)| campaign.id.0);
    let items = counted(conn, page.items, viewer.id, now)?;
    Ok(Page { items, next_cursor: page.next_cursor })
}

/// One campaign, if the viewer may know of it.
///
/// # Errors
/// [`Error::NotFound`].
pub fn one(conn: &mut PgConnection, viewer: &User, id: CampaignId, now: DateTime<Utc>) -> Result<CampaignView> {
    let found = campaigns_with_types!().filter(campaigns::id.eq(id)).filter(seen_by(viewer, now)).load(conn)?;
    counted(conn, found, viewer.id, now)?.into_iter().next().ok_or(Error::NotFound)
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

/// Counts the assets of some campaigns at once.
fn counted(
    conn: &mut PgConnection,
    rows: Vec<(Campaign, Scale)>,
    viewer: UserId,
    now: DateTime<Utc>,
) -> Result<Vec<CampaignView>> {
    let ids: Vec<CampaignId> = rows.iter().map(|(campaign, _)| campaign.id).collect();
    let counts: Vec<Counts> = statement::<(BigInt, BigInt, BigInt, BigInt)>(
        "select lives.available, lives.claimed, lives.expired, own.count
         from unnest($::bigint[]) with ordinality n (id, place)
         cross join lateral (
             select count(*) filter (where status = 'available' and (expires_at is null or expires_at > $)) as available,
                 count(*) filter (where status = 'claimed') as claimed,
                 count(*) filter (where status = 'expired' or status = 'available' and expires_at <= $) as expired
             from assets where campaign_id = n.id
         ) lives
         cross join lateral (select count(*) from claims where campaign_id = n.id and user_id = $) own
         order by n.place",
    )
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(viewer)
    .load(conn)?;
    let views = rows.into_iter().zip(counts).map(|((campaign, scale), counts)| CampaignView {
        status: campaign.status(now),
        campaign,
        scale,
        counts,
    });
    Ok(views.collect())
}

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
/// [`Error::Invalid`] with every field that needs another value; those of [`create_assets`].
pub fn create(conn: &mut PgConnection, actor: &Actor, new: &NewCampaign, now: DateTime<Utc>) -> Result<CampaignView> {
    let times = (new.starts_at, new.ends_at);
    let faults = NewCampaign::faults(&new.title, &new.description, new.quantity, times, new.per_user_limit, now);
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    conn.transaction(|conn| {
        let scale = wallets::asset_type(conn, &new.asset_type)?.scale;
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
        let released = NewAssets {
            title: new.title.clone(),
            description: new.description.clone(),
            kind: new.kind,
            asset_type: new.asset_type.clone(),
            amount: new.amount.clone(),
            expires_at: new.ends_at,
            campaign_id: Some(campaign.id),
            quantity: new.quantity,
        };
        let available = i64::try_from(create_assets(conn, actor, &released, now)?.len()).map_err(Error::broken)?;
        let counts = Counts { available, ..Counts::default() };
        Ok(CampaignView { status: campaign.status(now), campaign, scale, counts })
    })
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

/// Refuses assets of another unit than their campaign's. That there is such a campaign is for the
/// database to say.
pub(super) fn check_asset_type(conn: &mut PgConnection, id: CampaignId, asset_type: &AssetTypeCode) -> Result<()> {
    let wanted: Option<AssetTypeCode> =
        campaigns::table.find(id).select(campaigns::asset_type).first(conn).optional()?;
    match wanted {
        Some(wanted) if wanted != *asset_type => {
            let message = format!("Choose {wanted}, the asset type of the campaign.");
            Err(Error::Invalid(vec![FieldError::new("asset_type", message)]))
        }
        _ => Ok(()),
    }
}
