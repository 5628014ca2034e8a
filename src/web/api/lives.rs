//! What admins do to assets: change them, let them expire, delete and recreate them, one or many.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpResponse, HttpResponseBuilder};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::amount::AmountInput;
use super::assets::AssetBody;
use crate::domain::{Amount, AssetId, AssetKind, AssetStatus, AssetTypeCode, CampaignId, Reason};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::assets::{self, AssetChange, AssetFilter, AssetOutcome, Chosen, Fate, Recreation, Viewer};
use crate::repo::{Db, asset_types};
use crate::web::auth::{Admin, By};
use crate::web::extract::{IfMatch, JsonBody, Now, OptionalBody, PathOf};
use crate::web::json;
use crate::web::problem::{Problem, kind};

/// What is to change about an asset; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"title": "Festive Cashback", "expires_at": "2035-12-31T23:00:00Z"})))]
pub struct AssetPatch {
    /// One line.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    title: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(max_length = 2_000, nullable = false)]
    description: Option<String>,
    /// Why it is given: signup, referral or promotional.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(value_type = Option<AssetKind>, nullable = false)]
    kind: Option<String>,
    /// The unit of its amount, by its code.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(value_type = Option<AssetTypeCode>, nullable = false)]
    asset_type: Option<String>,
    /// What its owner gets.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    amount: Option<AmountInput>,
    /// From when on it can no longer be claimed, later than now; never where it is null.
    #[serde(default, deserialize_with = "json::given_or_null")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Option<Option<DateTime<Utc>>>,
    /// The campaign it belongs to; none where it is null.
    #[serde(default, deserialize_with = "json::given_or_null")]
    #[schema(value_type = Option<CampaignId>)]
    campaign_id: Option<Option<CampaignId>>,
}

impl AssetPatch {
    /// What is asked for, as far as each field can be read by itself.
    fn parse(self) -> Result<AssetChange> {
        let kind = self.kind.as_deref().map(str::parse::<AssetKind>).transpose();
        let kind = kind.map_err(|words| Error::Invalid(vec![FieldError::new("kind", format!("The kind {words}."))]))?;
        Ok(AssetChange {
            title: self.title,
            description: self.description,
            kind,
            asset_type: self.asset_type.as_deref().map(AssetTypeCode::parse).transpose()?,
            amount: self.amount.map(|amount| Amount::parse(amount.as_str())).transpose()?,
            expires_at: self.expires_at,
            campaign_id: self.campaign_id,
        })
    }
}

/// Changes an asset
///
/// While nobody has claimed it. `If-Match` says which `version` is meant, in quotes.
///
/// # Errors
/// `precondition_required` without `If-Match`; `precondition_failed` where the asset has another
/// version by now; `asset_immutable` where it has been claimed; `invalid_amount`,
/// `asset_type_not_found`.
#[utoipa::path(
    patch,
    path = "/api/v1/admin/assets/{id}",
    params(
        ("id" = AssetId, Path),
        ("If-Match" = String, Header, description = "The `version` that is to change, in quotes.",
            pattern = "^\"[1-9][0-9]{0,17}\"$", example = "\"1\""),
    ),
    request_body = AssetPatch,
    responses((status = 200, description = "The asset as it is now.", body = AssetBody))
)]
pub async fn edit(
    _: Admin,
    by: By,
    id: PathOf<AssetId>,
    version: IfMatch,
    now: Now,
    body: JsonBody<AssetPatch>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let version = version.0.ok_or(Error::VersionMissing)?;
    let change = body.0.parse()?;
    let view = db.run(move |conn| assets::edit(conn, &by.0, id.0, version, &change, now.0)).await?;
    let mut response = tagged(HttpResponse::Ok(), view.asset.version);
    Ok(response.json(AssetBody::new(view, Viewer::Admin)))
}

/// A response with the version of what it shows.
pub(super) fn tagged(mut response: HttpResponseBuilder, version: i64) -> HttpResponseBuilder {
    response.insert_header((header::ETAG, format!("\"{version}\"")));
    response
}

/// Why something is done.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonBody {
    /// Kept in the audit log.
    #[schema(min_length = 1, max_length = 500, examples("Printed with a wrong date"))]
    reason: Option<String>,
}

/// In what a successor differs from the asset that it replaces.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"expires_at": "2035-12-31T23:00:00Z", "reason": "Second round"})))]
pub struct RecreationBody {
    /// From when on it can no longer be claimed, later than now; never where nothing is said.
    expires_at: Option<DateTime<Utc>>,
    /// What it is called, where that changes.
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    /// What its owner gets, where that changes.
    amount: Option<AmountInput>,
    /// Kept in the audit log.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

fn reason(text: Option<String>) -> Result<Option<Reason>> {
    text.map(|text| Reason::parse(&text)).transpose().map_err(|error| Error::Invalid(vec![error]))
}

/// Does it to one asset; gives how it is now, or its successor.
async fn one(
    db: &Db,
    by: By,
    id: AssetId,
    fate: Fate,
    reason: Option<Reason>,
    now: Now,
) -> Result<Option<assets::AssetView>> {
    let chosen = Chosen::Ids(vec![id]);
    let outcomes = db.run(move |conn| assets::apply(conn, &by.0, &chosen, &fate, reason.as_ref(), now.0)).await?;
    let outcome = outcomes.into_iter().next().ok_or(Refusal::AssetNotFound)?;
    Ok(outcome.result?)
}

/// Deletes an asset
///
/// While nobody has claimed it, and unless another one was recreated from it. The audit log keeps
/// what it was.
///
/// # Errors
/// `asset_immutable`, `already_recreated`.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/assets/{id}",
    params(("id" = AssetId, Path)),
    responses((status = 204, description = "It is gone."))
)]
pub async fn delete(_: Admin, by: By, id: PathOf<AssetId>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    one(&db, by, id.0, Fate::Delete, None, now).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lets an asset expire
///
/// At once, whatever its expiry was. One that has expired already stays as it is.
///
/// # Errors
/// `asset_immutable` where it has been claimed.
#[utoipa::path(
    post,
    path = "/api/v1/admin/assets/{id}/expire",
    params(("id" = AssetId, Path)),
    request_body = Option<ReasonBody>,
    responses((status = 200, description = "The asset as it is now.", body = AssetBody))
)]
pub async fn expire(
    _: Admin,
    by: By,
    id: PathOf<AssetId>,
    now: Now,
    body: OptionalBody<ReasonBody>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let reason = reason(body.0.reason)?;
    let view = one(&db, by, id.0, Fate::Expire, reason, now).await?.ok_or(Refusal::AssetNotFound)?;
    Ok(HttpResponse::Ok().json(AssetBody::new(view, Viewer::Admin)))
}

/// Recreates an asset that has expired
///
/// Its successor has a new voucher code, and names it as `recreated_from`. An asset has one successor
/// at most.
///
/// # Errors
/// `asset_not_expired`, `already_recreated`, `asset_immutable` where it has been claimed;
/// `invalid_amount`.
#[utoipa::path(
    post,
    path = "/api/v1/admin/assets/{id}/recreate",
    params(("id" = AssetId, Path)),
    request_body = Option<RecreationBody>,
    responses((status = 201, description = "The new asset.", body = AssetBody))
)]
pub async fn recreate(
    _: Admin,
    by: By,
    id: PathOf<AssetId>,
    now: Now,
    body: OptionalBody<RecreationBody>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let RecreationBody { expires_at, title, amount, reason: why } = body.0;
    let amount = amount.map(|amount| Amount::parse(amount.as_str())).transpose()?;
    let (fate, reason) = (Fate::Recreate(Recreation { expires_at, title, amount }), reason(why)?);
    let view = one(&db, by, id.0, fate, reason, now).await?.ok_or(Refusal::AssetNotFound)?;
    Ok(HttpResponse::Created().json(AssetBody::new(view, Viewer::Admin)))
}

/// What is to be done to many assets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"action": "expire", "ids": [1, 2, 3], "reason": "The shop is closed"})))]
pub struct BulkBody {
    /// `expire`, `delete` or `recreate`.
    #[schema(pattern = "^(expire|delete|recreate)$")]
    action: String,
    /// Which assets, at most 10,000; or else `filter`.
    #[schema(min_items = 1, max_items = 10_000)]
    ids: Option<Vec<AssetId>>,
    /// All assets that a list with this filter shows, at most 10,000; or else `ids`.
    filter: Option<FilterBody>,
    /// Kept in the audit log.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// Of `recreate`: from when on the successors can no longer be claimed.
    expires_at: Option<DateTime<Utc>>,
    /// Of `recreate`: what they are called, where that changes.
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    /// Of `recreate`: what their owners get, where that changes.
    amount: Option<AmountInput>,
}

/// The filter of a list of assets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FilterBody {
    /// Only those in this state.
    status: Option<AssetStatus>,
    /// Only those given for this reason.
    kind: Option<AssetKind>,
    /// Only those in this asset type.
    #[schema(value_type = Option<AssetTypeCode>)]
    asset_type: Option<String>,
    /// Only those of this campaign.
    campaign_id: Option<CampaignId>,
    /// Only those with these words in their title or description.
    q: Option<String>,
}

impl BulkBody {
    fn parse(self) -> Result<(Chosen, Fate, Option<Reason>)> {
        let mut errors = Vec::new();
        let changes_successors = self.expires_at.is_some() || self.title.is_some() || self.amount.is_some();
        let amount = self.amount.map(|amount| Amount::parse(amount.as_str())).transpose()?;
        let recreation = Recreation { expires_at: self.expires_at, title: self.title, amount };
        let fate = match self.action.as_str() {
            "expire" => Fate::Expire,
            "delete" => Fate::Delete,
            "recreate" => Fate::Recreate(recreation),
            _ => {
                errors.push(FieldError::new("action", "Choose expire, delete or recreate."));
                Fate::Expire
            }
        };
        if changes_successors && matches!(fate, Fate::Expire | Fate::Delete) {
            errors.push(FieldError::new("action", "Only recreate takes expires_at, title and amount."));
        }
        let chosen = match (self.ids, self.filter) {
            (Some(ids), None) if !ids.is_empty() => Chosen::Ids(ids),
            (None, Some(filter)) => Chosen::Matching(AssetFilter {
                status: filter.status,
                kind: filter.kind,
                asset_type: filter.asset_type.as_deref().map(AssetTypeCode::parse).transpose()?,
                campaign_id: filter.campaign_id,
                text: filter.q.filter(|text| !text.trim().is_empty()),
                ..AssetFilter::default()
            }),
            _ => {
                errors.push(FieldError::new("ids", "Say which assets: either by ids or by a filter."));
                Chosen::Ids(Vec::new())
            }
        };
        if errors.is_empty() { Ok((chosen, fate, reason(self.reason)?)) } else { Err(Error::Invalid(errors)) }
    }
}

/// What became of each asset.
#[derive(Debug, Serialize, ToSchema)]
struct BulkOutcomeBody {
    data: Vec<OutcomeBody>,
}

/// What became of one asset.
#[derive(Debug, Serialize, ToSchema)]
struct OutcomeBody {
    /// The asset that was meant.
    id: AssetId,
    /// The status that a request for this asset alone would have had.
    #[schema(examples(200))]
    status: u16,
    /// How it is now, or its successor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    asset: Option<AssetBody>,
    /// Why nothing became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<Problem>,
}

impl OutcomeBody {
    fn new(outcome: AssetOutcome, done: u16) -> Self {
        let id = outcome.asset;
        match outcome.result {
            Ok(view) => {
                let asset = view.map(|view| AssetBody::new(view, Viewer::Admin));
                Self { id, status: done, asset, problem: None }
            }
            Err(refusal) => {
                let error = Error::from(refusal);
                let status = kind(&error).0.as_u16();
                Self { id, status, asset: None, problem: Some(Problem::new(&error, None)) }
            }
        }
    }
}

/// Expires, deletes or recreates many assets
///
/// At once, and of each that may have it so; the others stay as they are, with the reason. The body may
/// have 1 MiB.
///
/// # Errors
/// `invalid_amount`, `asset_type_not_found`.
#[utoipa::path(
    post,
    path = "/api/v1/admin/assets/bulk",
    request_body = BulkBody,
    responses((status = 200, description = "What became of each.", body = BulkOutcomeBody))
)]
pub async fn bulk(_: Admin, by: By, now: Now, body: JsonBody<BulkBody>, db: Data<Db>) -> Result<HttpResponse> {
    let (chosen, fate, reason) = body.0.parse()?;
    let done = match fate {
        Fate::Expire => 200,
        Fate::Delete => 204,
        Fate::Recreate(_) => 201,
    };
    let outcomes = db
        .run(move |conn| {
            if let Chosen::Matching(AssetFilter { asset_type: Some(code), .. }) = &chosen {
                asset_types::one(conn, code)?;
            }
            assets::apply(conn, &by.0, &chosen, &fate, reason.as_ref(), now.0)
        })
        .await?;
    let data = outcomes.into_iter().map(|outcome| OutcomeBody::new(outcome, done)).collect();
    Ok(HttpResponse::Ok().json(BulkOutcomeBody { data }))
}
