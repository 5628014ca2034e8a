//! Claimable assets: finding, claiming and creating them.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::amount::{AmountInput, Decimal};
use super::keyed::{self, Keyed};
use super::lives::tagged;
use super::{ListBody, viewer};
use crate::domain::{Amount, AssetId, AssetKind, AssetStatus, AssetTypeCode, CampaignId, TransactionId};
use crate::error::{Error, FieldError, Result};
use crate::repo::assets::{self, AssetFilter, AssetView, NewAssets, Viewer};
use crate::repo::{Db, PageRequest, asset_types};
use crate::web::auth::{Admin, By, CurrentUser, Keys};
use crate::web::extract::{Now, PathOf, QueryOf};

/// An asset as its viewer may see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AssetBody {
    id: AssetId,
    /// The voucher code.
    #[schema(examples("7KQ2MX9D4TRWA"))]
    code: String,
    #[schema(examples("Festive Cashback"))]
    title: String,
    #[schema(examples("Thank you for shopping with us."))]
    description: String,
    kind: AssetKind,
    asset_type: AssetTypeCode,
    #[schema(value_type = Decimal)]
    amount: String,
    status: AssetStatus,
    #[schema(required = true)]
    expires_at: Option<DateTime<Utc>>,
    #[schema(required = true)]
    campaign_id: Option<CampaignId>,
    created_at: DateTime<Utc>,
    /// Grows with every change.
    version: i64,
    /// Only for its owner and admins.
    #[serde(flatten)]
    ownership: Option<OwnershipBody>,
}

/// Who has claimed an asset; only its owner and admins see it.
#[derive(Debug, Serialize, ToSchema)]
struct OwnershipBody {
    #[schema(examples("user_alice"))]
    claimed_by: Option<String>,
    claimed_at: Option<DateTime<Utc>>,
    transaction_id: Option<TransactionId>,
    recreated_from: Option<AssetId>,
}

impl AssetBody {
    pub(super) fn new(view: AssetView, viewer: Viewer) -> Self {
        let AssetView { asset, scale, claim } = view;
        // A user sees no claim but its own.
        let shows_ownership = viewer == Viewer::Admin || claim.is_some();
        let ownership = shows_ownership.then(|| OwnershipBody {
            claimed_by: claim.as_ref().map(|claim| claim.user.clone()),
            claimed_at: claim.as_ref().map(|claim| claim.claimed_at),
            transaction_id: claim.as_ref().map(|claim| claim.transaction),
            recreated_from: asset.recreated_from,
        });
        Self {
            id: asset.id,
            code: asset.code,
            title: asset.title,
            description: asset.description,
            kind: asset.kind,
            asset_type: asset.asset_type,
            amount: asset.amount.at_scale(scale.0),
            status: asset.status,
            expires_at: asset.expires_at,
            campaign_id: asset.campaign_id,
            created_at: asset.created_at,
            version: asset.version,
            ownership,
        }
    }
}

/// What a list of assets can be narrowed to.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AssetsQuery {
    /// Only those in this state.
    status: Option<AssetStatus>,
    /// Only those given for this reason.
    kind: Option<AssetKind>,
    /// Only those in this asset type.
    asset_type: Option<String>,
    /// Only those of this campaign.
    campaign_id: Option<CampaignId>,
    /// Only those with these words in their title or description.
    q: Option<String>,
    /// How many rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl AssetsQuery {
    /// What the list shows, and which page of it.
    pub(super) fn parse(self) -> Result<(AssetFilter, PageRequest)> {
        let request = PageRequest::new(self.limit, self.cursor.as_deref())?;
        let filter = AssetFilter {
            status: self.status,
            kind: self.kind,
            asset_type: self.asset_type.as_deref().map(AssetTypeCode::parse).transpose()?,
            campaign_id: self.campaign_id,
            text: self.q.filter(|text| !text.trim().is_empty()),
            ..AssetFilter::default()
        };
        Ok((filter, request))
    }
}

/// Lists claimable assets
///
/// Users see what is available and what they own, admins see all.
///
/// # Errors
/// `asset_type_not_found`.
#[utoipa::path(
    get,
    path = "/api/v1/assets",
    params(AssetsQuery),
    responses((status = 200, description = "A page of assets.", body = ListBody<AssetBody>))
)]
pub async fn list(current: CurrentUser, query: QueryOf<AssetsQuery>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let (filter, request) = query.0.parse()?;
    let viewer = viewer(&current);
    let page = db
        .run(move |conn| {
            let page = assets::page(conn, viewer, &filter, assets::USUAL, &request, now.0)?;
            asset_types::of_known_type(conn, page, filter.asset_type.as_ref())
        })
        .await?;
    Ok(HttpResponse::Ok().json(ListBody::of(page, |view| AssetBody::new(view, viewer))))
}

/// Shows a claimable asset
///
/// # Errors
/// `not_found` where there is none that the caller may know of.
#[utoipa::path(
    get,
    path = "/api/v1/assets/{id}",
    params(("id" = AssetId, Path)),
    responses((status = 200, description = "The asset.", body = AssetBody))
)]
pub async fn show(current: CurrentUser, id: PathOf<AssetId>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let viewer = viewer(&current);
    let view = db.run(move |conn| assets::one(conn, viewer, id.0, now.0)).await?;
    let mut response = tagged(HttpResponse::Ok(), view.asset.version);
    Ok(response.json(AssetBody::new(view, viewer)))
}

/// The credits to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({
    "title": "Festive Cashback", "description": "Thank you for shopping with us.", "kind": "promotional",
    "asset_type": "GOLD", "amount": "12.50", "expires_at": "2035-12-31T23:00:00Z", "quantity": 20,
})))]
pub struct NewAssetsBody {
    /// One line.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    #[serde(default)]
    #[schema(max_length = 2_000)]
    description: String,
    #[schema(value_type = AssetKind)]
    kind: String,
    #[schema(value_type = AssetTypeCode)]
    asset_type: String,
    amount: AmountInput,
    /// Later than now.
    expires_at: Option<DateTime<Utc>>,
    campaign_id: Option<CampaignId>,
    /// How many assets of this kind; one where nothing is said.
    #[schema(minimum = 1, maximum = 10_000)]
    quantity: Option<i64>,
}

impl NewAssetsBody {
    fn parse(self) -> Result<NewAssets> {
        let kind = self
            .kind
            .parse()
            .map_err(|words: String| Error::Invalid(vec![FieldError::new("kind", format!("The kind {words}."))]))?;
        Ok(NewAssets {
            title: self.title,
            description: self.description,
            kind,
            asset_type: AssetTypeCode::parse(&self.asset_type)?,
            amount: Amount::parse(self.amount.as_str())?,
            expires_at: self.expires_at,
            campaign_id: self.campaign_id,
            // None that is out of range is in it: zero is refused with the other fields.
            quantity: usize::try_from(self.quantity.unwrap_or(1)).unwrap_or_default(),
        })
    }
}

/// Creates claimable assets
///
/// All that are asked for, or none. A repetition under the same idempotency key shows them as they are.
///
/// # Errors
/// `invalid`, `invalid_amount`, `asset_type_not_found`, `already_created`, `idempotency_key_reused`.
#[utoipa::path(
    post,
    path = "/api/v1/admin/assets",
    request_body = NewAssetsBody,
    responses((status = 201, description = "The new assets.", body = CreatedBody))
)]
pub async fn create(
    admin: Admin,
    by: By,
    now: Now,
    request: Keyed<NewAssetsBody>,
    keys: Data<Keys>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (new, caller) = (request.body.parse()?, admin.0.user.id);
    let create = db.run(move |conn| match request.idempotency {
        None => Ok((assets::create(conn, &by.0, &new, now.0)?, false)),
        Some(key) => {
            let codes = keyed::codes(&keys, caller, &key)?;
            assets::create_once(conn, (caller, &by.0), &new, &key, codes, now.0)
        }
    });
    let (created, is_repeated) = create.await?;
    Ok(keyed::made(is_repeated).json(CreatedBody::of(created)))
}

/// Assets that have come into the world.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedBody {
    data: Vec<AssetBody>,
}

impl CreatedBody {
    pub(super) fn of(created: Vec<AssetView>) -> Self {
        Self { data: created.into_iter().map(|view| AssetBody::new(view, Viewer::Admin)).collect() }
    }
}
