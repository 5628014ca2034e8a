//! Assets from and into files of comma-separated values.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::amount::Decimal;
use super::assets::CreatedBody;
use crate::domain::{AssetKind, AssetStatus, AssetTypeCode, CampaignId};
use crate::error::{Error, Result};
use crate::repo::assets::{self, AssetFilter};
use crate::repo::{Db, asset_types};
use crate::web::auth::{Admin, By};
use crate::web::extract::{CsvBody, Now, QueryOf};
use crate::web::files;

/// A file that can be imported.
const EXAMPLE: &str = "\
title,kind,asset_type,amount,description,expires_at,campaign_id,quantity\r
Festive Cashback,promotional,GOLD,12.50,Only during the festival,2035-12-31T23:00:00Z,,20\r
";

/// Whether to look only.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ImportQuery {
    /// Whether only to check the file and tell what it would create.
    dry_run: Option<bool>,
}

/// What a file would create.
#[derive(Debug, Serialize, ToSchema)]
struct PlanBody {
    /// Always true.
    dry_run: bool,
    /// How many assets.
    count: usize,
    /// The same by asset type.
    sums: Vec<SumBody>,
}

/// Assets of one unit.
#[derive(Debug, Serialize, ToSchema)]
struct SumBody {
    asset_type: AssetTypeCode,
    /// How many.
    assets: usize,
    /// What they are worth together.
    #[schema(value_type = Decimal)]
    value: String,
}

impl From<assets::Sum> for SumBody {
    fn from(sum: assets::Sum) -> Self {
        Self { value: sum.value.at_scale(sum.scale.0), asset_type: sum.asset_type, assets: sum.assets }
    }
}

/// Creates assets from a file
///
/// Of comma-separated values (RFC 4180): all that it says, or nothing. The first line names the
/// columns: `title`, `kind`, `asset_type` and `amount`, and if wanted `description`, `expires_at`,
/// `campaign_id` and `quantity`. It may have 1 MiB and create 10,000 assets. What is wrong is told by
/// row, counted from 1 below the names.
///
/// # Errors
/// `precondition_failed` where an asset type or a campaign was changed meanwhile: send it again.
#[utoipa::path(
    post,
    path = "/api/v1/admin/assets/import",
    params(ImportQuery),
    request_body(content = String, content_type = "text/csv", example = json!(EXAMPLE)),
    responses(
        (status = 201, description = "The new assets.", body = CreatedBody),
        (status = 200, description = "What a dry run would have created.", body = PlanBody),
    )
)]
pub async fn import(
    _: Admin,
    by: By,
    query: QueryOf<ImportQuery>,
    now: Now,
    body: CsvBody,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let text = body.0;
    if query.0.dry_run == Some(true) {
        let plan = db.run(move |conn| assets::read(conn, &text, now.0)).await?;
        if !plan.errors.is_empty() {
            return Err(Error::Invalid(plan.errors));
        }
        let sums = plan.sums().into_iter().map(SumBody::from).collect();
        return Ok(HttpResponse::Ok().json(PlanBody { dry_run: true, count: plan.count(), sums }));
    }
    let created = db.run(move |conn| assets::import(conn, &by.0, &text, now.0)).await?;
    Ok(HttpResponse::Created().json(CreatedBody::of(created)))
}

/// What the file is narrowed to.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
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
}

/// Writes assets into a file
///
/// As comma-separated values (RFC 4180), newest first. The first eight columns are those that an
/// import takes. A text that a spreadsheet could take for a formula begins with an apostrophe.
///
/// # Errors
/// `asset_type_not_found`.
#[utoipa::path(
    get,
    path = "/api/v1/admin/assets/export",
    params(ExportQuery),
    responses((status = 200, description = "The file.", body = String, content_type = "text/csv", example = json!(EXAMPLE)))
)]
pub async fn export(_: Admin, query: QueryOf<ExportQuery>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let query = query.0;
    let filter = AssetFilter {
        status: query.status,
        kind: query.kind,
        asset_type: query.asset_type.as_deref().map(AssetTypeCode::parse).transpose()?,
        campaign_id: query.campaign_id,
        text: query.q.filter(|text| !text.trim().is_empty()),
        ..AssetFilter::default()
    };
    if let Some(code) = filter.asset_type {
        db.run(move |conn| asset_types::one(conn, &code)).await?;
    }
    files::assets(db, filter, assets::USUAL, now).await
}
