//! The change of one asset that nobody has claimed.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::creation::told;
use super::{AssetView, NewAssets};
use crate::domain::{Amount, Asset, AssetId, AssetKind, AssetStatus, AssetTypeCode, CampaignId, Scale};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::audit::{self, Act, Actor};
use crate::repo::{asset_types, campaigns};
use crate::schema::assets;

/// What is to change; what is none stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssetChange {
    /// What it is called, 1 to 200 characters.
    pub title: Option<String>,
    /// What it is for, at most 2,000 characters.
    pub description: Option<String>,
    /// Why it is given.
    pub kind: Option<AssetKind>,
    /// The unit of its amount.
    pub asset_type: Option<AssetTypeCode>,
    /// What its owner gets.
    pub amount: Option<Amount>,
    /// From when on it can no longer be claimed; or that it always can.
    pub expires_at: Option<Option<DateTime<Utc>>>,
    /// The campaign that it belongs to; or that it belongs to none.
    pub campaign_id: Option<Option<CampaignId>>,
}

impl AssetChange {
    fn applied_to(&self, before: &Asset) -> Asset {
        Asset {
            title: self.title.as_deref().map_or_else(|| before.title.clone(), |title| title.trim().to_owned()),
            description: self
                .description
                .as_deref()
                .map_or_else(|| before.description.clone(), |description| description.trim().to_owned()),
            kind: self.kind.unwrap_or(before.kind),
            asset_type: self.asset_type.unwrap_or(before.asset_type),
            amount: self.amount.clone().unwrap_or_else(|| before.amount.clone()),
            expires_at: self.expires_at.unwrap_or(before.expires_at),
            campaign_id: self.campaign_id.unwrap_or(before.campaign_id),
            ..before.clone()
        }
    }
}

/// What is wrong with an asset after its change.
fn faults(before: &Asset, after: &Asset, now: DateTime<Utc>) -> Vec<FieldError> {
    let expiry = after.expires_at.filter(|_| after.expires_at != before.expires_at);
    let mut errors = NewAssets::faults(&after.title, &after.description, 1, expiry, now);
    if before.has_expired(now) {
        let words = "This credit has expired. Recreate it with another one.";
        let changes = [
            ("expires_at", after.expires_at != before.expires_at),
            ("amount", after.amount != before.amount),
            ("asset_type", after.asset_type != before.asset_type),
        ];
        errors.extend(changes.iter().filter(|(_, changed)| *changed).map(|(field, _)| FieldError::new(*field, words)));
    }
    errors
}

/// Changes an asset that has the version `expected`. Where nothing changes, nothing is written.
///
/// # Errors
/// [`Refusal::AssetNotFound`]; [`Refusal::AssetImmutable`] where it has been claimed;
/// [`Refusal::Changed`] where it has another version; [`Error::Invalid`] with every field that needs
/// another value; [`Refusal::AssetTypeNotFound`]; [`Refusal::InvalidAmount`] for more decimals than
/// the asset type has.
pub fn edit(
    conn: &mut PgConnection,
    actor: &Actor,
    id: AssetId,
    expected: i64,
    change: &AssetChange,
    now: DateTime<Utc>,
) -> Result<AssetView> {
    conn.transaction(|conn| {
        // Whoever changes a campaign locks it before its assets.
        let campaign_type = match change.campaign_id {
            Some(Some(campaign)) => Some(campaigns::type_held(conn, campaign, now)?),
            _ => None,
        };
        let before: Asset = assets::table
            .find(id)
            .select(Asset::as_select())
            .for_update()
            .first(conn)
            .optional()?
            .ok_or(Refusal::AssetNotFound)?;
        if before.status == AssetStatus::Claimed {
            return Err(Refusal::AssetImmutable.into());
        }
        if before.version != expected {
            return Err(Refusal::Changed.into());
        }
        let after = change.applied_to(&before);
        let mut errors = faults(&before, &after, now);
        if after.campaign_id.is_some() {
            // Where it stays in its campaign, all assets are of the unit that it has.
            let wanted = campaign_type.unwrap_or(before.asset_type);
            if wanted != after.asset_type {
                let words = format!("Choose {wanted}, the asset type of the campaign.");
                errors.push(FieldError::new("asset_type", words));
            }
        }
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        let scale = asset_types::held(conn, &after.asset_type)?.scale;
        after.amount.check_scale(scale.0)?;
        let asset = if after == before { before } else { write(conn, actor, &before, &after, scale, now)? };
        Ok(AssetView::from_row((asset, scale, None), now))
    })
}

fn write(
    conn: &mut PgConnection,
    actor: &Actor,
    before: &Asset,
    after: &Asset,
    scale: Scale,
    now: DateTime<Utc>,
) -> Result<Asset> {
    let written: Asset = diesel::update(assets::table.find(before.id))
        .set((
            assets::title.eq(&after.title),
            assets::description.eq(&after.description),
            assets::kind.eq(after.kind),
            assets::asset_type.eq(&after.asset_type),
            assets::amount.eq(&after.amount),
            assets::expires_at.eq(after.expires_at),
            assets::campaign_id.eq(after.campaign_id),
            assets::version.eq(assets::version + 1),
        ))
        .returning(Asset::as_returning())
        .get_result(conn)?;
    let old_scale = asset_types::one(conn, &before.asset_type)?.scale;
    let act = Act {
        action: "asset.edit",
        target: format!("asset:{}", before.id),
        reason: "",
        before: Some(told(before, old_scale)),
        after: Some(told(&written, scale)),
    };
    audit::record(conn, actor, now, &[act])?;
    Ok(written)
}
