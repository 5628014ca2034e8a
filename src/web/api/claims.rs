//! Claiming assets: by number, by voucher code, or any one of a campaign; and what one has claimed.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::amount::Decimal;
use super::assets::AssetBody;
use super::keyed::{Keyed, REPLAYED};
use super::{ListBody, PageQuery, range};
use crate::domain::posting::{Action, Command};
use crate::domain::{
    AssetId, AssetKind, AssetTypeCode, Balance, CampaignId, Transaction, TransactionId, UserId, VoucherCode,
};
use crate::ephemeral::Throttles;
use crate::error::{Error, FieldError, Refusal, Result};
use crate::ledger::{Ledger, Outcome};
use crate::repo::assets::{self, AssetView, Viewer};
use crate::repo::claims::{self, ClaimFilter, ClaimRow};
use crate::repo::{Db, PageRequest, users};
use crate::web::auth::{Admin, CurrentUser, Requester};
use crate::web::extract::{Now, PathOf, QueryOf};

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

/// The body of a claim: nothing, or an object with the idempotency key alone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoFields {}

/// The body of a claim by voucher code or campaign: one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"code": "7KQ2M-X9D4T-RWA"})))]
pub struct ClaimRequest {
    /// The voucher code of an asset; case, blanks and dashes do not matter.
    code: Option<String>,
    /// The campaign to take any available asset of.
    campaign_id: Option<CampaignId>,
}

/// Claims an asset
///
/// Exactly one caller gets it. The winner asking again gets its own claim once more.
///
/// # Errors
/// `not_found`, `already_claimed`, `asset_expired`, `campaign_not_running`, `claim_limit_reached`,
/// `wallet_frozen`, `balance_limit`, `idempotency_key_reused`.
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
    requester: Requester,
    id: PathOf<AssetId>,
    request: Keyed<NoFields>,
    ledger: Data<Ledger>,
) -> Result<HttpResponse> {
    let command = async |current: &CurrentUser| {
        let user = current.user.id;
        let command = Command::new(user, Action::Claim { user, asset: id.0 });
        Ok((Command { idempotency: request.idempotency.clone(), ..command }, ()))
    };
    let (current, (), outcome) = requester.submit(&ledger, command).await?;
    answer(&outcome, current.user.external_id)
}

/// Claims by voucher code, or any asset of a campaign
///
/// Give either `code` or `campaign_id`.
///
/// # Errors
/// `not_found`, `already_claimed`, `asset_expired`, `campaign_not_running`, `claim_limit_reached`,
/// `sold_out`, `wallet_frozen`, `balance_limit`, `idempotency_key_reused`; `invalid` where neither
/// or both of code and campaign are given; `rate_limited` for whoever guesses codes.
#[utoipa::path(
    post,
    path = "/api/v1/claims",
    request_body = ClaimRequest,
    responses(
        (status = 201, description = "The caller's from now on.", body = ClaimedBody),
        (status = 200, description = "The caller had claimed it before.", body = ClaimedBody),
    )
)]
pub async fn redeem(
    current: CurrentUser,
    request: Keyed<ClaimRequest>,
    now: Now,
    db: Data<Db>,
    throttles: Data<Throttles>,
    ledger: Data<Ledger>,
) -> Result<HttpResponse> {
    let user = current.user.id;
    let action = match request.body {
        ClaimRequest { code: Some(code), campaign_id: None } => {
            Action::Claim { user, asset: asset_of_code(user, &code, now.0, &db, &throttles).await? }
        }
        ClaimRequest { code: None, campaign_id: Some(campaign) } => Action::ClaimAny { user, campaign },
        _ => {
            let message = "Give the code of a voucher or the number of a campaign, and not both.";
            return Err(Error::Invalid(vec![FieldError::new("code", message)]));
        }
    };
    let command = Command { idempotency: request.idempotency, ..Command::new(user, action) };
    answer(&ledger.submit(command).await?, current.user.external_id)
}

/// The asset with a voucher code. Whoever guesses codes has to wait.
///
/// # Errors
/// [`Refusal::AssetNotFound`], [`Error::RateLimited`].
pub(in crate::web) async fn asset_of_code(
    user: UserId,
    code: &str,
    now: DateTime<Utc>,
    db: &Db,
    throttles: &Throttles,
) -> Result<AssetId> {
    let look = async {
        match VoucherCode::parse(code) {
            Ok(code) => db.read(move |conn| assets::by_code(conn, &code)).await,
            Err(_) => Ok(None),
        }
    };
    let guessed = (&throttles.code_turns, &throttles.voucher_codes);
    let asset = throttles.guess(guessed, &user.to_string(), now, look).await?;
    asset.ok_or_else(|| Refusal::AssetNotFound.into())
}

/// What a claim led to, as the API tells it.
fn answer(outcome: &Outcome, user_id: String) -> Result<HttpResponse> {
    let (mut response, balance) = match outcome {
        Outcome::Posted(transaction) | Outcome::Replayed(transaction) => {
            (HttpResponse::Created(), &transaction.credit.balance_after)
        }
        Outcome::Again { balance, .. } => (HttpResponse::Ok(), balance),
    };
    if outcome.is_replayed() {
        response.insert_header(REPLAYED);
    }
    Ok(response.json(claimed(outcome.transaction(), user_id, balance)?))
}

fn claimed(transaction: &Transaction, user_id: String, balance: &Balance) -> Result<ClaimedBody> {
    let scale = transaction.scale.0;
    Ok(ClaimedBody {
        claim: ClaimBody {
            asset_id: transaction.asset.ok_or_else(|| Error::broken("the transaction of a claim names no asset"))?,
            user_id,
            amount: transaction.amount.at_scale(scale),
            asset_type: transaction.asset_type,
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
pub async fn list(current: CurrentUser, query: QueryOf<PageQuery>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let request = PageRequest::new(query.0.limit, query.0.cursor.as_deref())?;
    let user = current.user.id;
    let page = db.run(move |conn| assets::claimed_by(conn, user, &request, now.0)).await?;
    let data = page.items.into_iter().map(|view| listed(view, Viewer::User(user))).collect::<Result<_>>()?;
    Ok(HttpResponse::Ok().json(ListBody { data, next_cursor: page.next_cursor }))
}

/// A claim as admins see it.
#[derive(Debug, Serialize, ToSchema)]
struct OwnedBody {
    asset_id: AssetId,
    /// The voucher code.
    #[schema(examples("7KQ2MX9D4TRWA"))]
    code: String,
    #[schema(examples("Festive Cashback"))]
    title: String,
    kind: AssetKind,
    /// The owner.
    #[schema(examples("user_alice"))]
    user: String,
    #[schema(value_type = Decimal)]
    amount: String,
    asset_type: AssetTypeCode,
    claimed_at: DateTime<Utc>,
    transaction_id: TransactionId,
}

impl From<ClaimRow> for OwnedBody {
    fn from(row: ClaimRow) -> Self {
        Self {
            asset_id: row.asset,
            code: row.code,
            title: row.title,
            kind: row.kind,
            user: row.user,
            amount: row.amount.at_scale(row.scale.0),
            asset_type: row.asset_type,
            claimed_at: row.claimed_at,
            transaction_id: row.transaction,
        }
    }
}

/// What the list of all claims can be narrowed to.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OwnershipQuery {
    /// Those of this user; `me` is the caller.
    user: Option<String>,
    /// The first instant, or the first day in UTC.
    #[param(example = "2024-01-01")]
    from: Option<String>,
    /// The last instant, or the last day in UTC.
    #[param(example = "2024-01-31T23:59:59Z")]
    to: Option<String>,
    /// Only those of assets that are given for this reason.
    kind: Option<AssetKind>,
    /// How many rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists who owns what
///
/// All claims with their assets and owners, newest first.
///
/// # Errors
/// `user_not_found`; `invalid` where an end of the range is no time, or it ends before it starts.
#[utoipa::path(
    get,
    path = "/api/v1/admin/claims",
    params(OwnershipQuery),
    responses((status = 200, description = "A page of claims.", body = ListBody<OwnedBody>))
)]
pub async fn ownership(admin: Admin, query: QueryOf<OwnershipQuery>, db: Data<Db>) -> Result<HttpResponse> {
    let query = query.0;
    let request = PageRequest::new(query.limit, query.cursor.as_deref())?;
    let period = range::period(("from", query.from.as_deref()), ("to", query.to.as_deref()))?;
    let mut filter = ClaimFilter { kind: query.kind, period, ..ClaimFilter::default() };
    let page = db
        .run(move |conn| {
            if let Some(user) = query.user {
                filter.user = Some(users::meant_by(conn, admin.0.user, &user)?.external_id);
            }
            claims::page(conn, &filter, claims::NEWEST_FIRST, &request)
        })
        .await?;
    Ok(HttpResponse::Ok().json(ListBody::of(page, OwnedBody::from)))
}

fn listed(view: AssetView, viewer: Viewer) -> Result<ClaimBody> {
    let claim = view.claim.clone().ok_or_else(|| Error::broken("a claim without its claim"))?;
    Ok(ClaimBody {
        asset_id: view.asset.id,
        user_id: claim.user,
        amount: view.asset.amount.at_scale(view.scale.0),
        asset_type: view.asset.asset_type,
        claimed_at: claim.claimed_at,
        transaction_id: claim.transaction,
        asset: Some(AssetBody::new(view, viewer)),
    })
}
