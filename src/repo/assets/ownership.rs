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
    /// What admins did to it, newest first; the latest 200.
    pub actions: Vec<Line>,
}

/// The whole picture of an asset, in four queries at most, however long its life is.
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
    let filter = LineFilter { target: Some(format!("asset:{id}")), ..LineFilter::default() };
    let actions = audit::page(conn, &filter, &PageRequest::first(PageRequest::MOST))?.items;
    Ok(Ownership { view, transaction, recreated_as, actions })
}
