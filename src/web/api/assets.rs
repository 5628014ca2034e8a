//! Claimable assets: finding, claiming and creating them.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ListBody;
use super::amount::{AmountInput, Decimal};
use super::keyed::{Keyed, REPLAYED};
use crate::domain::posting::{Action, Command};
use crate::domain::{
    Amount, AssetId, AssetKind, AssetStatus, AssetTypeCode, Balance, CampaignId, Role, Transaction, TransactionId,
};
use crate::error::{Error, FieldError, Result};
use crate::ledger::{Ledger, Outcome};
use crate::repo::assets::{self, AssetFilter, AssetView, NewAssets, Viewer};
use crate::repo::{Db, PageRequest};
use crate::web::auth::{Admin, By, CurrentUser};
use crate::web::extract::{JsonBody, Now, PathOf, QueryOf};

/// An asset as its viewer may see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AssetBody {
    id: AssetId,
    /// The voucher code.
    #[schema(examples("7KQ2-MX9D-4TRW"))]
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
    claimed_by: Option<String>,
    claimed_at: Option<DateTime<Utc>>,
    transaction_id: Option<TransactionId>,
    recreated_from: Option<AssetId>,
}

impl AssetBody {
    fn new(view: AssetView, viewer: Viewer) -> Self {
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

/// A claim as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
struct ClaimBody {
    asset_id: AssetId,
    #[schema(examples("user_alice"))]
    user_id: String,
    #[schema(value_type = Decimal)]
    amount: String,
    asset_type: AssetTypeCode,
    claimed_at: DateTime<Utc>,
    transaction_id: TransactionId,
    /// Only in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    asset: Option<AssetBody>,
}

/// The answer to a claim.
#[derive(Debug, Serialize, ToSchema)]
struct ClaimedBody {
    claim: ClaimBody,
    /// Of the caller, afterwards.
    #[schema(value_type = Decimal)]
    balance: String,
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

/// Which page of a list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

fn viewer(current: &CurrentUser) -> Viewer {
    match current.user.role {
        Role::Admin => Viewer::Admin,
        Role::User => Viewer::User(current.user.id),
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
    let query = query.0;
    let request = PageRequest::new(query.limit, query.cursor.as_deref())?;
    let filter = AssetFilter {
        status: query.status,
        kind: query.kind,
        asset_type: query.asset_type.as_deref().map(AssetTypeCode::parse).transpose()?,
        campaign_id: query.campaign_id,
        text: query.q.filter(|text| !text.trim().is_empty()),
    };
    let viewer = viewer(&current);
    let page = db.run(move |conn| assets::page(conn, viewer, &filter, &request, now.0)).await?;
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
    Ok(HttpResponse::Ok().json(AssetBody::new(view, viewer)))
}

/// The body of a claim: nothing, or an object with the idempotency key alone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoFields {}

/// Claims an asset
///
/// Exactly one caller gets it. The winner asking again gets its own claim once more.
///
/// # Errors
/// `not_found`, `already_claimed`, `asset_expired`, `wallet_frozen`, `balance_limit`,
/// `idempotency_key_reused`.
#[utoipa::path(
    post,
    path = "/api/v1/assets/{id}/claim",
    params(("id" = AssetId, Path)),
    request_body = Option<NoFields>,
    responses(
        (status = 201, description = "The caller's from now on.", body = ClaimedBody),
        (status = 200, description = "The caller had claimed it before.", body = ClaimedBody),
    )
)]
pub async fn claim(
    current: CurrentUser,
    id: PathOf<AssetId>,
    request: Keyed<NoFields>,
    ledger: Data<Ledger>,
) -> Result<HttpResponse> {
    let user = current.user;
    let command = Command {
        idempotency: request.idempotency,
        ..Command::new(user.id, Action::Claim { user: user.id, asset: id.0 })
    };
    let (mut response, transaction, balance) = match ledger.submit(command).await? {
        Outcome::Posted(transaction) => {
            let balance = transaction.credit.balance_after.clone();
            (HttpResponse::Created(), transaction, balance)
        }
        Outcome::Replayed(transaction) => {
            let balance = transaction.credit.balance_after.clone();
            let mut response = HttpResponse::Created();
            response.insert_header(REPLAYED);
            (response, transaction, balance)
        }
        Outcome::Again(transaction, balance) => (HttpResponse::Ok(), transaction, balance),
    };
    Ok(response.json(claimed(&transaction, user.external_id, &balance)?))
}

fn claimed(transaction: &Transaction, user_id: String, balance: &Balance) -> Result<ClaimedBody> {
    let scale = transaction.scale.0;
    Ok(ClaimedBody {
        claim: ClaimBody {
            asset_id: transaction.asset.ok_or_else(|| Error::broken("the transaction of a claim names no asset"))?,
            user_id,
            amount: transaction.amount.at_scale(scale),
            asset_type: transaction.asset_type.clone(),
            claimed_at: transaction.created_at,
            transaction_id: transaction.id,
            asset: None,
        },
        balance: balance.at_scale(scale),
    })
}

/// Lists the caller's claims with their assets
///
/// # Errors
/// None of its own.
#[utoipa::path(
    get,
    path = "/api/v1/claims",
    params(PageQuery),
    responses((status = 200, description = "A page of claims.", body = ListBody<ClaimBody>))
)]
pub async fn claims(current: CurrentUser, query: QueryOf<PageQuery>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let request = PageRequest::new(query.0.limit, query.0.cursor.as_deref())?;
    let user = current.user.id;
    let page = db.run(move |conn| assets::claimed_by(conn, user, &request, now.0)).await?;
    let data = page.items.into_iter().map(|view| own_claim(view, Viewer::User(user))).collect::<Result<_>>()?;
    Ok(HttpResponse::Ok().json(ListBody { data, next_cursor: page.next_cursor }))
}

fn own_claim(view: AssetView, viewer: Viewer) -> Result<ClaimBody> {
    let claim = view.claim.clone().ok_or_else(|| Error::broken("a claim without its claim"))?;
    Ok(ClaimBody {
        asset_id: view.asset.id,
        user_id: claim.user,
        amount: view.asset.amount.at_scale(view.scale.0),
        asset_type: view.asset.asset_type.clone(),
        claimed_at: claim.claimed_at,
        transaction_id: claim.transaction,
        asset: Some(AssetBody::new(view, viewer)),
    })
}

/// The body of a creation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAssetsBody {
    /// One line.
    #[schema(min_length = 1, max_length = 200, examples("Festive Cashback"))]
    title: String,
    #[serde(default)]
    #[schema(max_length = 2_000, examples("Thank you for shopping with us."))]
    description: String,
    #[schema(value_type = AssetKind)]
    kind: String,
    #[schema(value_type = AssetTypeCode)]
    asset_type: String,
    amount: AmountInput,
    /// Later than now.
    #[schema(examples("2035-12-31T23:00:00Z"))]
    expires_at: Option<DateTime<Utc>>,
    #[schema(examples(json!(null)))]
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

/// Creates claimable assets, all or none
///
/// # Errors
/// `invalid`, `invalid_amount`, `asset_type_not_found`, `already_created`.
#[utoipa::path(
    post,
    path = "/api/v1/admin/assets",
    request_body = NewAssetsBody,
    responses((status = 201, description = "The new assets.", body = CreatedBody))
)]
pub async fn create(_: Admin, by: By, now: Now, body: JsonBody<NewAssetsBody>, db: Data<Db>) -> Result<HttpResponse> {
    let new = body.0.parse()?;
    let created = db.run(move |conn| assets::create(conn, &by.0, &new, now.0)).await?;
    let data = created.into_iter().map(|view| AssetBody::new(view, Viewer::Admin)).collect();
    Ok(HttpResponse::Created().json(CreatedBody { data }))
}

#[derive(Debug, Serialize, ToSchema)]
struct CreatedBody {
    data: Vec<AssetBody>,
}
