//! One asset's whole picture.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::{AssetView, Viewer, find};
use crate::domain::AssetId;
use crate::error::Result;
use crate::repo::PageRequest;
use crate::repo::audit::{self, Line, LineFilter};
use crate::repo::transactions::{self, TransactionView};
use crate::schema::assets;

/// Who owns an asset and how that came, and every admin action on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ownership {
    /// The asset, and its claim if there is one.
    pub view: AssetView,
    /// The movement of its claim.
    pub transaction: Option<TransactionView>,
    /// The asset that replaces it.
    pub recreated_as: Option<AssetId>,
    /// What admins did to it, and to its campaign where that changed it, too; newest first, the latest
    /// 200 of each.
    pub actions: Vec<Line>,
}

/// The whole picture of an asset, in five queries at most, however long its life is.
///
/// # Errors
/// [`crate::error::Refusal::AssetNotFound`].
pub fn ownership(conn: &mut PgConnection, id: AssetId, now: DateTime<Utc>) -> Result<Ownership> {
    let view = find::one(conn, Viewer::Admin, id, now)?;
    let transaction = match &view.claim {
        Some(claim) => transactions::views(conn, &[claim.transaction])?.pop(),
        None => None,
    };
    let recreated_as = assets::table.filter(assets::recreated_from.eq(id)).select(assets::id).first(conn).optional()?;
    let latest = PageRequest::first(PageRequest::MOST);
    let filter = LineFilter { target: Some(format!("asset:{id}")), ..LineFilter::default() };
    let mut actions = audit::page(conn, &filter, &latest)?.items;
    if let Some(campaign) = view.asset.campaign_id {
        let filter = LineFilter {
            target: Some(format!("campaign:{campaign}")),
            action: Some("campaign.edit".to_owned()),
            ..LineFilter::default()
        };
        let edits = audit::page(conn, &filter, &latest)?.items;
        actions.extend(edits.into_iter().filter(|line| has_reached(line, &view)));
        actions.sort_by_key(|line| std::cmp::Reverse(line.id));
    }
    Ok(Ownership { view, transaction, recreated_as, actions })
}

/// Whether a change of its campaign changed the asset: it was there, and could still be claimed.
fn has_reached(line: &Line, view: &AssetView) -> bool {
    let carried = line.after.as_ref().is_some_and(|after| after.get("credits_changed").is_some());
    let ended_at = view.claim.as_ref().map(|claim| claim.claimed_at).or(view.asset.expires_at);
    carried && view.asset.created_at < line.created_at && ended_at.is_none_or(|ended_at| line.created_at < ended_at)
}
