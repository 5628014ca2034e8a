//! Claimable credits: who sees which, how they come into the world, how they change, and how they
//! run out.

mod creation;
mod edit;
mod find;
mod import;
mod lives;
mod ownership;

pub use creation::{NewAssets, create, create_coded, create_once};
pub(super) use creation::{random_code, texts_of_codes};
pub use edit::{AssetChange, edit};
pub use find::{Alternatives, Missed, USUAL, alternatives, by_code, claimable_first, claimed_by, count, one, page};
pub use import::{COLUMNS, ImportPlan, Imported, forget_old, import, import_kept, keep, kept, read};
pub use lives::{AssetOutcome, Chosen, Fate, MOST, Preview, Recreation, apply, expire_due, preview};
pub use ownership::{Ownership, ownership};

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::domain::{
    Asset, AssetKind, AssetStatus, AssetTypeCode, Balance, CampaignId, Period, Scale, TransactionId, UserId,
};
use crate::error::Result;
use crate::schema::assets;

/// Who looks at assets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// A user sees what can be claimed and what it owns.
    User(UserId),
    /// An admin sees everything.
    Admin,
}

/// What a list of assets shows; each part that is given narrows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssetFilter {
    /// Where the asset is in its life.
    pub status: Option<AssetStatus>,
    /// Why it is given.
    pub kind: Option<AssetKind>,
    /// The unit of its amount.
    pub asset_type: Option<AssetTypeCode>,
    /// The campaign it was released with.
    pub campaign_id: Option<CampaignId>,
    /// Whether it was released with none.
    pub is_single: bool,
    /// Words of its title or description.
    pub text: Option<String>,
    /// Who owns it, by its public name.
    pub owner: Option<String>,
    /// When it was created.
    pub period: Period,
}

text_enum! {
    /// What a list of assets is sorted by.
    pub enum AssetColumn {
        /// When they came into the world, which is the order of their ids.
        Created = "created",
        /// When they run out; last those that never do.
        Expires = "expires",
        /// What their owners get, whatever the unit.
        Amount = "amount",
        /// What they are called.
        Title = "title",
    }
}

/// An asset, and its claim where the viewer may know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetView {
    /// The asset. One that ran out is shown as expired whether or not the job has seen it.
    pub asset: Asset,
    /// The decimals of its asset type.
    pub scale: Scale,
    /// Who took it, and when.
    pub claim: Option<ClaimView>,
}

/// A claim as its owner and admins see it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct ClaimView {
    /// The owner's public name.
    pub user: String,
    /// When it was claimed.
    pub claimed_at: DateTime<Utc>,
    /// The movement that it caused.
    pub transaction: TransactionId,
}

type Row = (Asset, Scale, Option<(String, DateTime<Utc>, TransactionId)>);

impl AssetView {
    fn from_row((mut asset, scale, claim): Row, now: DateTime<Utc>) -> Self {
        if asset.has_expired(now) {
            asset.status = AssetStatus::Expired;
        }
        let claim = claim.map(|(user, claimed_at, transaction)| ClaimView { user, claimed_at, transaction });
        Self { asset, scale, claim }
    }
}

/// Every query of assets starts with this join of an asset, its unit and its claim.
macro_rules! assets_with_claims {
    () => {
        assets::table
            .inner_join(asset_types::table)
            .left_join(
                claims::table
                    .on(claims::asset_id.eq(assets::id))
                    .inner_join(users::table.on(users::id.eq(claims::user_id))),
            )
            .select((
                Asset::as_select(),
                asset_types::scale,
                (users::external_id, claims::claimed_at, claims::transaction_id).nullable(),
            ))
    };
}

use assets_with_claims;

/// How many assets of one unit, and what they are worth together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// The unit.
    pub asset_type: AssetTypeCode,
    /// Its decimals.
    pub scale: Scale,
    /// How many.
    pub assets: usize,
    /// What they are worth.
    pub value: Balance,
}

/// Whether an asset is called so.
///
/// # Errors
/// The database's.
pub fn title_exists(conn: &mut PgConnection, title: &str) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(assets::table.filter(assets::title.eq(title)))).get_result(conn)?)
}
