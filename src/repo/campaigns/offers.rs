//! Campaigns as those see them who may claim from them: the ones that run, and what is left of each.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, SmallInt, Timestamptz};

use super::list::rows;
use super::{CampaignColumn, CampaignFilter};
use crate::domain::{Campaign, CampaignId, CampaignStatus, Scale, User};
use crate::error::Result;
use crate::repo::statement::statement;
use crate::repo::{Page, PageRequest, Sort};
use crate::schema::campaigns;

/// Those that end first, and last those that never do.
const ENDING_FIRST: Sort<CampaignColumn> = Sort::ascending(CampaignColumn::Ends);

/// A campaign that runs, as one user may claim from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The campaign.
    pub campaign: Campaign,
    /// The decimals of its asset type.
    pub scale: Scale,
    /// How many of its assets wait for their claim; more than [`COUNTED`](Self::COUNTED) are not
    /// counted out.
    pub left: i64,
    /// How many of them the user has claimed.
    pub claimed_by_viewer: i64,
}

impl Offer {
    /// Up to how many assets are counted.
    pub const COUNTED: i64 = 99;

    /// Whether the user has as many of its assets as one user may have.
    pub fn is_used_up(&self) -> bool {
        self.claimed_by_viewer >= i64::from(self.campaign.per_user_limit)
    }
}

/// A page of the campaigns that run, those that end first.
///
/// # Errors
/// [`Error::InvalidCursor`](crate::error::Error::InvalidCursor).
pub fn offers(
    conn: &mut PgConnection,
    viewer: &User,
    filter: &CampaignFilter,
    request: &PageRequest,
    now: DateTime<Utc>,
) -> Result<Page<Offer>> {
    let filter = CampaignFilter { status: Some(CampaignStatus::Running), ..filter.clone() };
    let page = rows(conn, viewer, &filter, ENDING_FIRST, request, now)?;
    Ok(Page { items: offered(conn, page.items, viewer, now)?, next_cursor: page.next_cursor })
}

/// The campaigns that a user can claim from now, those that end first: at most three. Planned once, as few
/// others are, since it is looked for at every sight of a wallet.
///
/// # Errors
/// The database's.
pub fn claimable_first(conn: &mut PgConnection, viewer: &User, now: DateTime<Utc>) -> QueryResult<Vec<Offer>> {
    // What is left is looked for campaign by campaign: a join, which `exists` may become, would go through all assets.
    let found = statement::<(campaigns::SqlType, SmallInt)>(
        "select p.id, p.title, p.description, p.kind, p.asset_type, p.amount, p.starts_at, p.ends_at,
                p.per_user_limit, p.paused, p.created_at, p.version, y.scale
         from campaigns p
         join asset_types y on y.code = p.asset_type
         where not p.paused and (p.starts_at is null or p.starts_at <= $) and (p.ends_at is null or p.ends_at > $)
             and (select true from assets a
                  where a.campaign_id = p.id and a.status = 'available' and (a.expires_at is null or a.expires_at > $)
                  limit 1)
             and (select count(*) from claims c where c.campaign_id = p.id and c.user_id = $) < p.per_user_limit
         order by coalesce(p.ends_at, 'infinity'), p.id
         limit 3",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(viewer.id)
    .load(conn)?;
    offered(conn, found, viewer, now)
}

/// Counts, of some campaigns at once, what is left and what the user has.
fn offered(
    conn: &mut PgConnection,
    found: Vec<(Campaign, Scale)>,
    viewer: &User,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Offer>> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<CampaignId> = found.iter().map(|(campaign, _)| campaign.id).collect();
    let counts = statement::<(BigInt, BigInt)>(
        "select here.count, own.count
         from unnest($::bigint[]) with ordinality n (id, place)
         cross join lateral (
             select count(*) from (
                 select from assets
                 where campaign_id = n.id and status = 'available' and (expires_at is null or expires_at > $)
                 limit $
             ) few
         ) here
         cross join lateral (select count(*) from claims where campaign_id = n.id and user_id = $) own
         order by n.place",
    )
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(Offer::COUNTED + 1)
    .bind::<BigInt, _>(viewer.id)
    .load::<(i64, i64)>(conn)?;
    let offers = found.into_iter().zip(counts);
    Ok(offers
        .map(|((campaign, scale), (left, claimed_by_viewer))| Offer { campaign, scale, left, claimed_by_viewer })
        .collect())
}
