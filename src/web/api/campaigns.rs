//! Campaigns: finding, creating, changing and deleting them.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::amount::{AmountInput, Decimal};
use super::keyed::{self, Keyed};
use super::{ListBody, PageQuery};
use crate::domain::{Amount, AssetKind, AssetTypeCode, CampaignId, CampaignStatus};
use crate::error::{Error, FieldError, Result};
use crate::repo::campaigns::{self, CampaignChange, CampaignFilter, CampaignView, NewCampaign, USUAL};
use crate::repo::{Db, PageRequest};
use crate::web::auth::{Admin, By, CurrentUser, Keys};
use crate::web::extract::{IfMatch, JsonBody, Now, PathOf, QueryOf};
use crate::web::json;

/// A campaign, and where its assets are at this moment.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignBody {
    id: CampaignId,
    #[schema(examples("Festive Cashback"))]
    title: String,
    #[schema(examples("Thank you for shopping with us."))]
    description: String,
    kind: AssetKind,
    asset_type: AssetTypeCode,
    /// What the owner of each asset gets.
    #[schema(value_type = Decimal)]
    amount: String,
    status: CampaignStatus,
    /// Whether an admin holds it.
    paused: bool,
    /// From when on its assets can be claimed; null where that was from the beginning.
    #[schema(required = true)]
    starts_at: Option<DateTime<Utc>>,
    /// From when on they can no longer be claimed.
    #[schema(required = true)]
    ends_at: Option<DateTime<Utc>>,
    /// How many of its assets one user may claim.
    per_user_limit: i32,
    /// How many of its assets wait for their claim.
    available: i64,
    /// How many have their owner.
    claimed: i64,
    /// How many ran out.
    expired: i64,
    /// How many the caller has claimed.
    claimed_by_me: i64,
    created_at: DateTime<Utc>,
    /// Grows with every change.
    version: i64,
}

impl From<CampaignView> for CampaignBody {
    fn from(view: CampaignView) -> Self {
        let CampaignView { campaign, status, scale, counts, .. } = view;
        Self {
            id: campaign.id,
            title: campaign.title,
            description: campaign.description,
            kind: campaign.kind,
            asset_type: campaign.asset_type,
            amount: campaign.amount.at_scale(scale.0),
            status,
            paused: campaign.paused,
            starts_at: campaign.starts_at,
            ends_at: campaign.ends_at,
            per_user_limit: campaign.per_user_limit,
            available: counts.available,
            claimed: counts.claimed,
            expired: counts.expired,
            claimed_by_me: counts.claimed_by_viewer,
            created_at: campaign.created_at,
            version: campaign.version,
        }
    }
}

/// Lists campaigns
///
/// Users see those that are running and those that they have claimed from, admins see all.
///
/// # Errors
/// `invalid_cursor`.
#[utoipa::path(
    get,
    path = "/api/v1/campaigns",
    params(PageQuery),
    responses((status = 200, description = "A page of campaigns.", body = ListBody<CampaignBody>))
)]
pub async fn list(current: CurrentUser, query: QueryOf<PageQuery>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let request = PageRequest::new(query.0.limit, query.0.cursor.as_deref())?;
    let filter = CampaignFilter::default();
    let page = db.run(move |conn| campaigns::page(conn, &current.user, &filter, USUAL, &request, now.0)).await?;
    Ok(HttpResponse::Ok().json(ListBody::of(page, CampaignBody::from)))
}

/// Shows a campaign
///
/// # Errors
/// `not_found` where there is none that the caller may know of.
#[utoipa::path(
    get,
    path = "/api/v1/campaigns/{id}",
    params(("id" = CampaignId, Path)),
    responses((status = 200, description = "The campaign.", body = CampaignBody))
)]
pub async fn show(current: CurrentUser, id: PathOf<CampaignId>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let view = db.run(move |conn| campaigns::one(conn, &current.user, id.0, now.0)).await?;
    Ok(HttpResponse::Ok().json(CampaignBody::from(view)))
}

/// The campaign to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCampaignBody {
    /// What the campaign and its assets are called.
    #[schema(min_length = 1, max_length = 200, examples("Festive Cashback"))]
    title: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 2_000, examples("Thank you for shopping with us."))]
    description: String,
    /// Why its assets are given: signup, referral or promotional.
    #[schema(value_type = AssetKind)]
    kind: String,
    /// The unit of the amount, by its code.
    #[schema(value_type = AssetTypeCode)]
    asset_type: String,
    /// What the owner of each asset gets.
    amount: AmountInput,
    /// How many assets.
    #[schema(minimum = 1, maximum = 10_000, examples(100))]
    quantity: i64,
    /// From when on they can be claimed; at once where nothing is said.
    #[schema(examples("2035-12-01T00:00:00Z"))]
    starts_at: Option<DateTime<Utc>>,
    /// From when on they can no longer be claimed, later than now and than `starts_at`.
    #[schema(examples("2035-12-31T23:00:00Z"))]
    ends_at: Option<DateTime<Utc>>,
    /// How many one user may claim; one where nothing is said.
    #[schema(minimum = 1, maximum = 10_000)]
    per_user_limit: Option<i64>,
}

impl NewCampaignBody {
    /// What is asked for, or everything that is wrong with it.
    fn parse(self, now: DateTime<Utc>) -> Result<NewCampaign> {
        // None that is out of range is in it: zero is refused with the other fields.
        let quantity = usize::try_from(self.quantity).unwrap_or_default();
        let per_user_limit = i32::try_from(self.per_user_limit.unwrap_or(1)).unwrap_or_default();
        let times = (self.starts_at, self.ends_at);
        let mut errors = NewCampaign::faults(&self.title, &self.description, quantity, times, per_user_limit, now);
        // Of the times alone whoever creates it judges, since for a repetition they may have passed.
        if errors.iter().all(|error| matches!(error.field.as_ref(), "starts_at" | "ends_at")) {
            errors.clear();
        }
        let kind = self.kind.parse::<AssetKind>();
        if let Err(words) = &kind {
            errors.push(FieldError::new("kind", format!("The kind {words}.")));
        }
        let amount = Amount::parse(self.amount.as_str());
        match (kind, amount) {
            (Ok(kind), Ok(amount)) if errors.is_empty() => Ok(NewCampaign {
                title: self.title,
                description: self.description,
                kind,
                asset_type: AssetTypeCode::parse(&self.asset_type)?,
                amount,
                quantity,
                starts_at: self.starts_at,
                ends_at: self.ends_at,
                per_user_limit,
            }),
            (Ok(_), Err(refusal)) if errors.is_empty() => Err(refusal.into()),
            (_, amount) => {
                errors.extend(amount.err().map(|refusal| FieldError::new("amount", refusal.to_string())));
                Err(Error::Invalid(errors))
            }
        }
    }
}

/// Creates a campaign
///
/// With all of its assets, or nothing at all. A repetition under the same idempotency key shows it as it
/// is.
///
/// # Errors
/// `invalid`, `invalid_amount`, `asset_type_not_found`, `idempotency_key_reused`; `not_found` for a
/// repetition where it has been deleted since; `already_created` for one after more than a day.
#[utoipa::path(
    post,
    path = "/api/v1/admin/campaigns",
    request_body = NewCampaignBody,
    responses((status = 201, description = "The new campaign.", body = CampaignBody))
)]
pub async fn create(
    admin: Admin,
    by: By,
    now: Now,
    request: Keyed<NewCampaignBody>,
    keys: Data<Keys>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (new, caller) = (request.body.parse(now.0)?, admin.0.user);
    let create = db.run(move |conn| match request.idempotency {
        None => Ok((campaigns::create(conn, &by.0, &new, now.0)?, false)),
        Some(key) => {
            let codes = keyed::codes(&keys, caller.id, &key)?;
            campaigns::create_once(conn, (&caller, &by.0), &new, &key, codes, now.0)
        }
    });
    let (view, is_repeated) = create.await?;
    Ok(keyed::made(is_repeated).json(CampaignBody::from(view)))
}

/// What is to change about a campaign; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"title": "Festive Cashback", "ends_at": "2035-12-31T23:00:00Z", "paused": false})))]
pub struct CampaignPatch {
    /// What the campaign and its assets are called.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    title: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(max_length = 2_000, nullable = false)]
    description: Option<String>,
    /// Why its assets are given: signup, referral or promotional.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(value_type = Option<AssetKind>, nullable = false)]
    kind: Option<String>,
    /// The unit of the amount, by its code; stays once any asset has been claimed.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(value_type = Option<AssetTypeCode>, nullable = false)]
    asset_type: Option<String>,
    /// What the owner of each asset gets.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    amount: Option<AmountInput>,
    /// How many assets it has in all, claimed and expired ones among them. It can only grow, by at most
    /// 10,000 at a time.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(minimum = 0, nullable = false, examples(100))]
    quantity: Option<i64>,
    /// From when on they can be claimed; at once where it is null.
    #[serde(default, deserialize_with = "json::given_or_null")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    starts_at: Option<Option<DateTime<Utc>>>,
    /// From when on they can no longer be claimed, later than now and than `starts_at`; never where it
    /// is null.
    #[serde(default, deserialize_with = "json::given_or_null")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    ends_at: Option<Option<DateTime<Utc>>>,
    /// How many one user may claim.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(minimum = 1, maximum = 10_000, nullable = false)]
    per_user_limit: Option<i64>,
    /// Whether it is held: nothing of it can be claimed meanwhile.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    paused: Option<bool>,
}

impl CampaignPatch {
    /// What is asked for, as far as each field can be read by itself.
    fn parse(self) -> Result<CampaignChange> {
        let kind = self.kind.as_deref().map(str::parse::<AssetKind>).transpose();
        let kind = kind.map_err(|words| Error::Invalid(vec![FieldError::new("kind", format!("The kind {words}."))]))?;
        Ok(CampaignChange {
            title: self.title,
            description: self.description,
            kind,
            asset_type: self.asset_type.as_deref().map(AssetTypeCode::parse).transpose()?,
            amount: self.amount.map(|amount| Amount::parse(amount.as_str())).transpose()?,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            // None that is out of range is in it: zero is refused with the other fields.
            per_user_limit: self.per_user_limit.map(|limit| i32::try_from(limit).unwrap_or_default()),
            paused: self.paused,
            quantity: self.quantity,
        })
    }
}

/// Changes a campaign
///
/// Its available assets change with it: title, description, kind, asset type and amount, and the end of
/// those that end with it. Claimed and expired ones stay as they are. With `If-Match`, the `version` in
/// quotes, only while it has that version.
///
/// # Errors
/// `invalid_amount`, `asset_type_not_found`, `campaign_immutable` for another asset type once any asset
/// has been claimed, `precondition_failed`, `overloaded`.
#[utoipa::path(
    patch,
    path = "/api/v1/admin/campaigns/{id}",
    params(("id" = CampaignId, Path)),
    request_body = CampaignPatch,
    responses((status = 200, description = "The campaign as it is now.", body = CampaignBody))
)]
pub async fn edit(
    _: Admin,
    by: By,
    id: PathOf<CampaignId>,
    version: IfMatch,
    now: Now,
    body: JsonBody<CampaignPatch>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let change = body.0.parse()?;
    let view = db.run(move |conn| campaigns::edit(conn, &by.0, id.0, version.0, &change, now.0)).await?;
    Ok(HttpResponse::Ok().json(CampaignBody::from(view)))
}

/// Deletes a campaign
///
/// With all of its assets, of which none may have been claimed.
///
/// # Errors
/// `campaign_immutable`, `already_recreated` where an asset elsewhere replaces one of them, `overloaded`.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/campaigns/{id}",
    params(("id" = CampaignId, Path)),
    responses((status = 204, description = "The campaign and its assets are gone."))
)]
pub async fn delete(_: Admin, by: By, id: PathOf<CampaignId>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    db.run(move |conn| campaigns::delete(conn, &by.0, id.0, None, now.0)).await?;
    Ok(HttpResponse::NoContent().finish())
}
