//! Campaigns: finding and creating them.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ListBody;
use super::amount::AmountInput;
use crate::domain::{Amount, AssetKind, AssetTypeCode, CampaignId, CampaignStatus};
use crate::error::{Error, FieldError, Result};
use crate::repo::campaigns::{self, CampaignView, NewCampaign};
use crate::repo::{Db, PageRequest};
use crate::web::auth::{Admin, By, CurrentUser};
use crate::web::extract::{JsonBody, Now, PathOf, QueryOf};

/// A campaign, and where its assets are at this moment.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CampaignBody {
    id: CampaignId,
    title: String,
    description: String,
    kind: AssetKind,
    asset_type: AssetTypeCode,
    /// What the owner of each asset gets, with as many decimals as the asset type's scale.
    amount: String,
    status: CampaignStatus,
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
}

impl From<CampaignView> for CampaignBody {
    fn from(view: CampaignView) -> Self {
        let CampaignView { campaign, status, scale, counts } = view;
        Self {
            id: campaign.id,
            title: campaign.title,
            description: campaign.description,
            kind: campaign.kind,
            asset_type: campaign.asset_type,
            amount: campaign.amount.at_scale(scale.0),
            status,
            starts_at: campaign.starts_at,
            ends_at: campaign.ends_at,
            per_user_limit: campaign.per_user_limit,
            available: counts.available,
            claimed: counts.claimed,
            expired: counts.expired,
            claimed_by_me: counts.claimed_by_viewer,
            created_at: campaign.created_at,
        }
    }
}

/// Which page of the campaigns.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CampaignsQuery {
    /// How many rows the page has at most, 1 to 200; 50 where nobody says.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// `GET /api/v1/campaigns`
///
/// # Errors
/// [`Error::Malformed`], [`Error::InvalidCursor`].
pub async fn list(
    current: CurrentUser,
    query: QueryOf<CampaignsQuery>,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let request = PageRequest::new(query.0.limit, query.0.cursor.as_deref())?;
    let page = db.run(move |conn| campaigns::page(conn, &current.user, &request, now.0)).await?;
    Ok(HttpResponse::Ok().json(ListBody::of(page, CampaignBody::from)))
}

/// `GET /api/v1/campaigns/{id}`
///
/// # Errors
/// [`Error::NotFound`] where there is none that the caller may know of.
pub async fn show(current: CurrentUser, id: PathOf<CampaignId>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let view = db.run(move |conn| campaigns::one(conn, &current.user, id.0, now.0)).await?;
    Ok(HttpResponse::Ok().json(CampaignBody::from(view)))
}

/// The body of a creation.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCampaignBody {
    /// What the campaign and its assets are called.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 2000)]
    description: String,
    /// Why its assets are given: signup, referral or promotional.
    #[schema(value_type = AssetKind)]
    kind: String,
    /// The unit of the amount, by its code.
    #[schema(value_type = AssetTypeCode)]
    asset_type: String,
    /// What the owner of each asset gets.
    #[schema(value_type = String)]
    amount: AmountInput,
    /// How many assets.
    #[schema(minimum = 1, maximum = 10_000)]
    quantity: i64,
    /// From when on they can be claimed; at once where there is none.
    starts_at: Option<DateTime<Utc>>,
    /// From when on they can no longer be claimed.
    ends_at: Option<DateTime<Utc>>,
    /// How many one user may claim; one where nobody says.
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

/// `POST /api/v1/admin/campaigns`
///
/// # Errors
/// [`Error::Invalid`], `invalid_amount`, `asset_type_not_found`.
pub async fn create(_: Admin, by: By, now: Now, body: JsonBody<NewCampaignBody>, db: Data<Db>) -> Result<HttpResponse> {
    let new = body.0.parse(now.0)?;
    let view = db.run(move |conn| campaigns::create(conn, &by.0, &new, now.0)).await?;
    Ok(HttpResponse::Created().json(CampaignBody::from(view)))
}
