//! The campaigns of a batch: which of their assets it may give away, and what each claimant has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Array, BigInt, Integer, Text, Timestamptz};

use super::lock::{AssetColumns, AssetRow, Locks, asset, sql};
use crate::domain::posting::{Action, Book, CampaignOffer, Command};
use crate::domain::{AssetId, AssetStatus, Campaign, CampaignId, CampaignStatus, UserId};
use crate::repo::statement::statement;
use crate::schema::campaigns;

/// Reads the campaigns of all assets that are claimed, without locks (who changes or deletes one
/// locks its assets, and so what is paid is what stands in an asset), and locks as many available assets as the
/// commands that take any may need: none for campaigns that do not run and users who have all that
/// they may. Assets that another batch holds are passed over.
///
/// A kept plan may have been made when there was hardly anything on offer. So the status is a parameter, here and
/// below, by which no index of all that is on offer serves; and the bounds and the order are those of the one
/// index that leads to what a campaign has, so that nothing needs to be sorted, and no other index is in that order.
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
    count_claims(conn, book, commands)?;
    let wanted: BTreeMap<CampaignId, i64> =
        claimants.iter().filter_map(|(id, users)| Some((*id, wanted(book, *id, users)?))).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let offered = statement::<AssetColumns>(sql!(
        locks,
        "select a.* from (select $ as status, * from unnest($::bigint[], $::bigint[]) n (campaign_id, number)) wanted
         cross join lateral (
             select id, status, expires_at, asset_type, amount, title, campaign_id from assets
             where campaign_id is not null and (campaign_id, status) >= (wanted.campaign_id, wanted.status)
                 and (campaign_id, status) <= (wanted.campaign_id, wanted.status)
                 and (expires_at is null or expires_at > $)
             order by campaign_id, status, id limit wanted.number " ["for update skip locked"] "
         ) a"
    ))
    .bind::<Text, _>(AssetStatus::Available)
    .bind::<Array<BigInt>, _>(wanted.keys().collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(wanted.values().collect::<Vec<_>>())
    .bind::<Timestamptz, _>(book.now)
    .load::<AssetRow>(conn)?;
    for row in offered {
        let (id, state) = asset(row);
        if let Some(offer) = state.campaign.and_then(|campaign| book.campaigns.get_mut(&campaign)) {
            offer.assets.insert(id);
        }
        book.assets.insert(id, state);
    }
    let offers = |id: &CampaignId| book.campaigns.get(id).map_or(0, |offer| offer.assets.len());
    let short = wanted.iter().filter(|(id, number)| i64::try_from(offers(id)).is_ok_and(|offers| offers < **number));
    let short: Vec<CampaignId> = short.map(|(id, _)| *id).collect();
    look_for_more(conn, book, short)
}

/// How many assets of a campaign its claimants may need; none where nobody may have any.
fn wanted(book: &Book, id: CampaignId, claimants: &HashMap<UserId, i64>) -> Option<i64> {
    let CampaignOffer { campaign, .. } = book.campaigns.get(&id)?;
    if campaign.status(book.now) != CampaignStatus::Running {
        return None;
    }
    let left = |user: &UserId| {
        let claims = book.campaign_claims.get(&(id, *user)).copied().unwrap_or_default();
        i64::from(campaign.per_user_limit.saturating_sub(claims).max(0))
    };
    let any: i64 = claimants.iter().map(|(user, commands)| left(user).min(*commands)).sum();
    // Those that others in the batch name may be gone by the time they are offered.
    let named = book.assets.values().filter(|asset| asset.campaign == Some(id)).count();
    (any > 0).then(|| any.saturating_add(i64::try_from(named).unwrap_or_default()))
}

fn read(conn: &mut PgConnection, book: &mut Book, ids: BTreeSet<CampaignId>) -> Result<(), DieselError> {
    if ids.is_empty() {
        return Ok(());
    }
    let found = campaigns::table.filter(campaigns::id.eq_any(ids)).select(Campaign::as_select()).load(conn)?;
    book.campaigns.extend(
        found
            .into_iter()
            .map(|campaign| (campaign.id, CampaignOffer { campaign, assets: BTreeSet::new(), contended: false })),
    );
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
        "select wanted.id from (select $ as status, * from unnest($::bigint[]) n (id)) wanted
         cross join lateral (
             select from assets
             where campaign_id is not null and (campaign_id, status) >= (wanted.id, wanted.status)
                 and (campaign_id, status) <= (wanted.id, wanted.status)
                 and (expires_at is null or expires_at > $) and id <> all($)
             order by campaign_id, status, id limit 1
         ) one",
    )
    .bind::<Text, _>(AssetStatus::Available)
    .bind::<Array<BigInt>, _>(short)
    .bind::<Timestamptz, _>(book.now)
    .bind::<Array<BigInt>, _>(locked)
    .load::<CampaignId>(conn)?;
    for id in contended {
        if let Some(offer) = book.campaigns.get_mut(&id) {
            offer.contended = true;
        }
    }
    Ok(())
}

/// Counts what the claimants have of the campaigns that they claim from. It only grows.
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
        "select wanted.campaign_id, wanted.user_id, own.claims
         from unnest($::bigint[], $::bigint[]) wanted (campaign_id, user_id)
         cross join lateral (
             select max(campaign_claim) as claims from claims
             where campaign_id = wanted.campaign_id and user_id = wanted.user_id
         ) own
         where own.claims is not null",
    )
    .bind::<Array<BigInt>, _>(campaigns)
    .bind::<Array<BigInt>, _>(users)
    .load::<(CampaignId, UserId, i32)>(conn)?;
    book.campaign_claims.extend(counted.into_iter().map(|(campaign, user, claims)| ((campaign, user), claims)));
    Ok(())
}
