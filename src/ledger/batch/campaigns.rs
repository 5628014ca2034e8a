//! The campaigns of a batch: which of their assets it may give away, and what each claimant has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz};

use super::lock::{AssetColumns, AssetRow, Locks, asset, sql};
use crate::domain::posting::{Action, Book, CampaignState, Command};
use crate::domain::{AssetId, AssetTypeCode, CampaignId, UserId};
use crate::repo::statement::statement;

/// Reads the campaigns of all assets that are claimed, and locks as many available assets as the
/// commands that take any may need. Those that another batch holds are passed over.
pub(super) fn lock_offers(
    conn: &mut PgConnection,
    book: &mut Book,
    commands: &[&Command],
    locks: Locks,
) -> Result<(), DieselError> {
    let mut claimants: BTreeMap<CampaignId, HashMap<UserId, i64>> = BTreeMap::new();
    for command in commands {
        if let Action::ClaimAny { user, campaign } = command.action {
            *claimants.entry(campaign).or_default().entry(user).or_default() += 1;
        }
    }
    let named = book.assets.values().filter_map(|asset| asset.campaign);
    read(conn, book, named.chain(claimants.keys().copied()).collect())?;
    let wanted: BTreeMap<CampaignId, i64> = claimants
        .iter()
        .filter_map(|(id, users)| {
            let limit = i64::from(book.campaigns.get(id)?.per_user_limit);
            // Those that others in the batch name may be gone by the time they are offered.
            let named = book.assets.values().filter(|asset| asset.campaign == Some(*id)).count();
            let any: i64 = users.values().map(|commands| limit.min(*commands)).sum();
            Some((*id, any.saturating_add(i64::try_from(named).ok()?)))
        })
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let offered = statement::<AssetColumns>(sql!(
        locks,
        "select a.* from unnest($::bigint[], $::bigint[]) wanted (campaign_id, number)
         cross join lateral (
             select id, status, expires_at, asset_type, amount, title, campaign_id from assets
             where campaign_id = wanted.campaign_id and status = 'available'
                 and (expires_at is null or expires_at > $)
             order by id limit wanted.number " ["for update skip locked"] "
         ) a"
    ))
    .bind::<Array<BigInt>, _>(wanted.keys().collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(wanted.values().collect::<Vec<_>>())
    .bind::<Timestamptz, _>(book.now)
    .load::<AssetRow>(conn)?;
    for row in offered {
        let (id, state) = asset(row);
        if let Some(campaign) = state.campaign.and_then(|campaign| book.campaigns.get_mut(&campaign)) {
            campaign.on_offer.insert(id);
        }
        book.assets.insert(id, state);
    }
    let offers = |id: &CampaignId| book.campaigns.get(id).map_or(0, |campaign| campaign.on_offer.len());
    let short = wanted.iter().filter(|(id, number)| i64::try_from(offers(id)).is_ok_and(|offers| offers < **number));
    let short: Vec<CampaignId> = short.map(|(id, _)| *id).collect();
    look_for_more(conn, book, short)
}

type CampaignRow = (CampaignId, AssetTypeCode, Option<DateTime<Utc>>, Option<DateTime<Utc>>, bool, i32);

fn read(conn: &mut PgConnection, book: &mut Book, ids: BTreeSet<CampaignId>) -> Result<(), DieselError> {
    if ids.is_empty() {
        return Ok(());
    }
    let found = statement::<(BigInt, Text, Nullable<Timestamptz>, Nullable<Timestamptz>, Bool, Integer)>(
        "select id, asset_type, starts_at, ends_at, paused, per_user_limit from campaigns where id = any($)",
    )
    .bind::<Array<BigInt>, _>(ids.into_iter().collect::<Vec<_>>())
    .load::<CampaignRow>(conn)?;
    for (id, asset_type, starts_at, ends_at, paused, per_user_limit) in found {
        let (on_offer, contended) = (BTreeSet::new(), false);
        let state = CampaignState { asset_type, starts_at, ends_at, paused, per_user_limit, on_offer, contended };
        book.campaigns.insert(id, state);
    }
    Ok(())
}

/// Where fewer assets could be locked than were wanted: whether the others are gone, or held by
/// another batch that may yet leave them.
fn look_for_more(conn: &mut PgConnection, book: &mut Book, short: Vec<CampaignId>) -> Result<(), DieselError> {
    if short.is_empty() {
        return Ok(());
    }
    let locked: Vec<AssetId> = book.assets.keys().copied().collect();
    let contended = statement::<BigInt>(
        "select wanted.id from unnest($::bigint[]) wanted (id)
         where exists (
             select from assets
             where campaign_id = wanted.id and status = 'available' and (expires_at is null or expires_at > $)
                 and id <> all($)
         )",
    )
    .bind::<Array<BigInt>, _>(short)
    .bind::<Timestamptz, _>(book.now)
    .bind::<Array<BigInt>, _>(locked)
    .load::<CampaignId>(conn)?;
    for id in contended {
        if let Some(campaign) = book.campaigns.get_mut(&id) {
            campaign.contended = true;
        }
    }
    Ok(())
}

/// Counts what the claimants have of the campaigns that they claim from.
pub(super) fn count_claims(conn: &mut PgConnection, book: &mut Book, commands: &[&Command]) -> Result<(), DieselError> {
    let claimants: BTreeSet<(CampaignId, UserId)> = commands
        .iter()
        .filter_map(|command| match &command.action {
            Action::Claim { user, asset } => Some((book.assets.get(asset)?.campaign?, *user)),
            Action::ClaimAny { user, campaign } => Some((*campaign, *user)),
            _ => None,
        })
        .collect();
    if claimants.is_empty() {
        return Ok(());
    }
    let (campaigns, users): (Vec<CampaignId>, Vec<UserId>) = claimants.into_iter().unzip();
    let counted = statement::<(BigInt, BigInt, Integer)>(
        "select c.campaign_id, c.user_id, max(c.campaign_claim)
         from unnest($::bigint[], $::bigint[]) wanted (campaign_id, user_id)
         join claims c on c.campaign_id = wanted.campaign_id and c.user_id = wanted.user_id
         group by c.campaign_id, c.user_id",
    )
    .bind::<Array<BigInt>, _>(campaigns)
    .bind::<Array<BigInt>, _>(users)
    .load::<(CampaignId, UserId, i32)>(conn)?;
    book.campaign_claims.extend(counted.into_iter().map(|(campaign, user, claims)| ((campaign, user), claims)));
    Ok(())
}
