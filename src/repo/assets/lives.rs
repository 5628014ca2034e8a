//! How assets run out, vanish and come back. One verb serves a single asset and ten thousand: it
//! locks them in the ledger's order, decides each by itself, and writes what may happen.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Timestamptz};

use super::creation::{NewRow, insert, random_code, told};
use super::{AssetFilter, AssetView, NewAssets, Sum, find};
use crate::domain::{
    Amount, Asset, AssetId, AssetStatus, AssetTypeCode, Balance, CampaignId, Reason, Scale, VoucherCode,
};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::asset_types;
use crate::repo::audit::{self, Act, Actor};
use crate::repo::statement::statement;
use crate::schema::{assets, campaigns};

/// The most assets that are dealt with at once.
pub const MOST: usize = 10_000;

/// What is to become of assets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// They can no longer be claimed from now on.
    Expire,
    /// They are gone, but for what the audit log says.
    Delete,
    /// Each that has expired gets a successor that can be claimed, in the same campaign unless that
    /// has ended.
    Recreate(Recreation),
}

/// In what a successor differs from the asset that it replaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recreation {
    /// From when on it can no longer be claimed; never where there is none.
    pub expires_at: Option<DateTime<Utc>>,
    /// What it is called, where that changes.
    pub title: Option<String>,
    /// What its owner gets, where that changes.
    pub amount: Option<Amount>,
}

/// Which assets are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// Those with these ids.
    Ids(Vec<AssetId>),
    /// All that a list shows.
    Matching(AssetFilter),
}

/// What became of one asset.
#[derive(Debug, Clone, PartialEq)]
pub struct AssetOutcome {
    /// Which.
    pub asset: AssetId,
    /// How it is now, or its successor; none where it is gone. Or why nothing became of it.
    pub result: std::result::Result<Option<AssetView>, Refusal>,
}

/// What would become of assets.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Those to which it would happen.
    pub ids: Vec<AssetId>,
    /// The same, by unit.
    pub done: Vec<Sum>,
    /// How many would stay as they are, and why.
    pub kept: Vec<(Refusal, usize)>,
}

impl Preview {
    /// How many assets it would happen to.
    pub fn count(&self) -> usize {
        self.ids.len()
    }
}

/// What is to be done to an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// What was asked for.
    Change,
    /// Nothing: it is so already.
    Stay,
}

impl Fate {
    fn faults(&self, now: DateTime<Utc>) -> Vec<FieldError> {
        match self {
            Self::Recreate(Recreation { expires_at, title, .. }) => {
                NewAssets::faults(title.as_deref().unwrap_or("as before"), "", 1, *expires_at, now)
            }
            Self::Expire | Self::Delete => Vec::new(),
        }
    }

    /// Decides about one asset, which has a successor or none.
    fn decide(
        &self,
        asset: &Asset,
        scale: Scale,
        has_successor: bool,
        now: DateTime<Utc>,
    ) -> std::result::Result<Step, Refusal> {
        if asset.status == AssetStatus::Claimed {
            return Err(Refusal::AssetImmutable);
        }
        let has_expired = asset.has_expired(now);
        match self {
            Self::Expire if has_expired => Ok(Step::Stay),
            Self::Expire => Ok(Step::Change),
            _ if has_successor => Err(Refusal::AlreadyRecreated),
            Self::Delete => Ok(Step::Change),
            Self::Recreate(_) if !has_expired => Err(Refusal::AssetNotExpired),
            Self::Recreate(recreation) => {
                recreation.amount.as_ref().map_or(Ok(()), |amount| amount.check_scale(scale.0))?;
                Ok(Step::Change)
            }
        }
    }
}

/// Does it to all that are chosen and may have it so; says of each what became of it, by id.
///
/// # Errors
/// [`Error::Invalid`] for more than 10,000 assets, and for a bad recreation.
pub fn apply(
    conn: &mut PgConnection,
    actor: &Actor,
    chosen: &Chosen,
    fate: &Fate,
    reason: Option<&Reason>,
    now: DateTime<Utc>,
) -> Result<Vec<AssetOutcome>> {
    let faults = fate.faults(now);
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    conn.transaction(|conn| {
        let ids = ids(conn, chosen, now)?;
        if matches!(fate, Fate::Recreate(_)) {
            hold_campaigns(conn, &ids)?;
        }
        let locked: Vec<Asset> = assets::table
            .filter(assets::id.eq_any(&ids))
            .order(assets::id)
            .select(Asset::as_select())
            .for_update()
            .load(conn)?;
        let decided = decide_all(conn, locked, fate, now)?;
        let changing: Vec<(&Asset, Scale)> =
            decided.iter().filter(|one| one.step == Ok(Step::Change)).map(|one| (&one.asset, one.scale)).collect();
        let reason = reason.map_or("", Reason::as_str);
        let mut after: HashMap<AssetId, AssetView> = match fate {
            Fate::Expire => expire(conn, actor, &changing, reason, now)?,
            Fate::Delete => delete(conn, actor, &changing, reason, now)?,
            Fate::Recreate(recreation) => recreate(conn, actor, &changing, recreation, reason, now)?,
        };
        let mut outcomes: BTreeMap<AssetId, AssetOutcome> =
            ids.iter().map(|&asset| (asset, AssetOutcome { asset, result: Err(Refusal::AssetNotFound) })).collect();
        for Decided { asset, scale, step } in decided {
            let id = asset.id;
            let result = step.map(|step| match step {
                Step::Stay => Some(AssetView::from_row((asset, scale, None), now)),
                Step::Change => after.remove(&id),
            });
            outcomes.insert(id, AssetOutcome { asset: id, result });
        }
        Ok(outcomes.into_values().collect())
    })
}

/// What [`apply`] would do now.
///
/// # Errors
/// As [`apply`].
pub fn preview(conn: &mut PgConnection, chosen: &Chosen, fate: &Fate, now: DateTime<Utc>) -> Result<Preview> {
    let faults = fate.faults(now);
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    conn.build_transaction().read_only().repeatable_read().run(|conn| {
        let ids = ids(conn, chosen, now)?;
        let found: Vec<Asset> =
            assets::table.filter(assets::id.eq_any(&ids)).order(assets::id).select(Asset::as_select()).load(conn)?;
        let missing = ids.len().saturating_sub(found.len());
        let mut kept: Vec<(Refusal, usize)> = Vec::new();
        let mut keep = |refusal: Refusal, count: usize| match kept.iter_mut().find(|(known, _)| *known == refusal) {
            Some((_, number)) => *number += count,
            None if count > 0 => kept.push((refusal, count)),
            None => {}
        };
        keep(Refusal::AssetNotFound, missing);
        let mut changing = Vec::new();
        for Decided { asset, scale, step } in decide_all(conn, found, fate, now)? {
            match step {
                Ok(Step::Change) => changing.push((asset, scale)),
                // Only what expires can have expired already.
                Ok(Step::Stay) => keep(Refusal::AssetExpired, 1),
                Err(refusal) => keep(refusal, 1),
            }
        }
        Ok(Preview {
            ids: changing.iter().map(|(asset, _)| asset.id).collect(),
            done: sums(changing.iter().map(|(asset, scale)| (&asset.asset_type, *scale, &asset.amount))),
            kept,
        })
    })
}

/// How many assets of each unit there are, and what they are worth together.
pub(super) fn sums<'a>(parts: impl Iterator<Item = (&'a AssetTypeCode, Scale, &'a Amount)>) -> Vec<Sum> {
    let mut sums: BTreeMap<&AssetTypeCode, Sum> = BTreeMap::new();
    for (code, scale, amount) in parts {
        let sum =
            sums.entry(code).or_insert_with(|| Sum { asset_type: *code, scale, assets: 0, value: Balance::zero() });
        sum.assets += 1;
        sum.value = sum.value.credited(amount);
    }
    sums.into_values().collect()
}

/// The ids that are meant, each once.
fn ids(conn: &mut PgConnection, chosen: &Chosen, now: DateTime<Utc>) -> Result<Vec<AssetId>> {
    let mut ids = match chosen {
        Chosen::Ids(ids) => ids.clone(),
        Chosen::Matching(filter) => find::ids(conn, filter, now)?,
    };
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > MOST {
        let field = if matches!(chosen, Chosen::Ids(_)) { "ids" } else { "filter" };
        return Err(Error::Invalid(vec![FieldError::new(field, "These are more than 10,000. Do it in parts.")]));
    }
    Ok(ids)
}

/// Whoever changes a campaign locks it before its assets, and so does who adds assets to it.
fn hold_campaigns(conn: &mut PgConnection, ids: &[AssetId]) -> QueryResult<()> {
    statement::<BigInt>(
        "select id from campaigns where id in (select campaign_id from assets where id = any($))
         order by id for key share",
    )
    .bind::<Array<BigInt>, _>(ids)
    .load::<i64>(conn)
    .map(|_| ())
}

/// An asset and what is to be done to it.
struct Decided {
    asset: Asset,
    scale: Scale,
    step: std::result::Result<Step, Refusal>,
}

fn decide_all(conn: &mut PgConnection, found: Vec<Asset>, fate: &Fate, now: DateTime<Utc>) -> Result<Vec<Decided>> {
    let ids: Vec<AssetId> = found.iter().map(|asset| asset.id).collect();
    let with_successor: HashSet<AssetId> = assets::table
        .filter(assets::recreated_from.eq_any(ids))
        .select(assets::recreated_from.assume_not_null())
        .load(conn)?
        .into_iter()
        .collect();
    let scales: HashMap<AssetTypeCode, Scale> =
        asset_types::all(conn)?.into_iter().map(|asset_type| (asset_type.code, asset_type.scale)).collect();
    let decided = found.into_iter().map(|asset| {
        let scale = scales.get(&asset.asset_type).copied().unwrap_or(Scale(0));
        let step = fate.decide(&asset, scale, with_successor.contains(&asset.id), now);
        Decided { asset, scale, step }
    });
    Ok(decided.collect())
}

fn expire(
    conn: &mut PgConnection,
    actor: &Actor,
    changing: &[(&Asset, Scale)],
    reason: &str,
    now: DateTime<Utc>,
) -> Result<HashMap<AssetId, AssetView>> {
    let ids: Vec<AssetId> = changing.iter().map(|(asset, _)| asset.id).collect();
    let expired: Vec<Asset> = diesel::update(assets::table.filter(assets::id.eq_any(ids)))
        .set((
            assets::status.eq(AssetStatus::Expired),
            assets::expires_at.eq(now),
            assets::version.eq(assets::version + 1),
        ))
        .returning(Asset::as_returning())
        .get_results(conn)?;
    let acts: Vec<_> = changing
        .iter()
        .map(|(asset, _)| Act {
            action: "asset.expire",
            target: format!("asset:{}", asset.id),
            reason,
            before: Some(serde_json::json!({ "expires_at": asset.expires_at })),
            after: Some(serde_json::json!({ "title": asset.title, "expires_at": now })),
        })
        .collect();
    audit::record(conn, actor, now, &acts)?;
    let scales: HashMap<AssetId, Scale> = changing.iter().map(|(asset, scale)| (asset.id, *scale)).collect();
    let view = |asset: Asset| {
        let scale = scales.get(&asset.id).copied().unwrap_or(Scale(0));
        (asset.id, AssetView { asset, scale, claim: None })
    };
    Ok(expired.into_iter().map(view).collect())
}

fn delete(
    conn: &mut PgConnection,
    actor: &Actor,
    changing: &[(&Asset, Scale)],
    reason: &str,
    now: DateTime<Utc>,
) -> Result<HashMap<AssetId, AssetView>> {
    let ids: Vec<AssetId> = changing.iter().map(|(asset, _)| asset.id).collect();
    diesel::delete(assets::table.filter(assets::id.eq_any(ids))).execute(conn)?;
    let acts: Vec<_> = changing
        .iter()
        .map(|(asset, scale)| Act {
            action: "asset.delete",
            target: format!("asset:{}", asset.id),
            reason,
            before: Some(told(asset, *scale)),
            after: None,
        })
        .collect();
    audit::record(conn, actor, now, &acts)?;
    Ok(HashMap::new())
}

fn recreate(
    conn: &mut PgConnection,
    actor: &Actor,
    changing: &[(&Asset, Scale)],
    recreation: &Recreation,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<HashMap<AssetId, AssetView>> {
    // Those whose time has passed without the job having seen it.
    let due: Vec<AssetId> = changing
        .iter()
        .filter(|(asset, _)| asset.status == AssetStatus::Available)
        .map(|(asset, _)| asset.id)
        .collect();
    diesel::update(assets::table.filter(assets::id.eq_any(due)))
        .set((assets::status.eq(AssetStatus::Expired), assets::version.eq(assets::version + 1)))
        .execute(conn)?;
    let open: HashSet<CampaignId> = campaigns::table
        .filter(campaigns::id.eq_any(changing.iter().filter_map(|(asset, _)| asset.campaign_id)))
        .filter(campaigns::ends_at.is_null().or(campaigns::ends_at.gt(now).assume_not_null()))
        .select(campaigns::id)
        .load(conn)?
        .into_iter()
        .collect();
    let codes = changing.iter().map(|_| random_code()).collect::<Result<Vec<VoucherCode>>>()?;
    let successors: Vec<NewAssets> = changing
        .iter()
        .map(|(asset, _)| NewAssets {
            title: recreation.title.clone().unwrap_or_else(|| asset.title.clone()),
            description: asset.description.clone(),
            kind: asset.kind,
            asset_type: asset.asset_type,
            amount: recreation.amount.clone().unwrap_or_else(|| asset.amount.clone()),
            expires_at: recreation.expires_at,
            campaign_id: asset.campaign_id.filter(|campaign| open.contains(campaign)),
            quantity: 1,
        })
        .collect();
    let rows: Vec<NewRow<'_>> = changing
        .iter()
        .zip(&successors)
        .zip(&codes)
        .map(|(((asset, _), like), code)| NewRow { code, like, recreated_from: Some(asset.id) })
        .collect();
    let created = insert(conn, &rows, now)?;
    let scales: HashMap<AssetId, Scale> = changing.iter().map(|(asset, scale)| (asset.id, *scale)).collect();
    let mut views = HashMap::new();
    let mut acts = Vec::with_capacity(created.len());
    for asset in created {
        let Some(origin) = asset.recreated_from else { continue };
        let scale = scales.get(&origin).copied().unwrap_or(Scale(0));
        acts.push(Act {
            action: "asset.recreate",
            target: format!("asset:{}", asset.id),
            reason,
            before: None,
            after: Some(told(&asset, scale)),
        });
        views.insert(origin, AssetView { asset, scale, claim: None });
    }
    audit::record(conn, actor, now, &acts)?;
    Ok(views)
}

/// Marks as expired up to `at_most` assets whose time has passed, leaving out those that somebody
/// is claiming right now; says how many. To be called until it says zero.
///
/// # Errors
/// The database's.
pub fn expire_due(conn: &mut PgConnection, now: DateTime<Utc>, at_most: i64) -> Result<usize> {
    let expired = statement::<()>(
        "update assets set status = 'expired', version = version + 1
         where id in (
             select id from assets
             where status = 'available' and expires_at is not null and expires_at <= $
             order by expires_at limit $ for update skip locked
         )",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(at_most)
    .execute(conn)?;
    Ok(expired)
}
