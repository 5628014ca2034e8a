//! Lists as files that more than one door gives out.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::csv::{self, harmless};
use super::extract::Now;
use super::view::Moment;
use crate::domain::{AssetKind, AssetStatus, CampaignId};
use crate::error::Result;
use crate::repo::assets::{self, AssetColumn, AssetFilter, AssetView, Viewer};
use crate::repo::{Db, Page, PageRequest, Sort};

/// The columns of the file; the first eight are those that an import takes.
const NAMES: [&str; 15] = [
    "title",
    "kind",
    "asset_type",
    "amount",
    "description",
    "expires_at",
    "campaign_id",
    "quantity",
    "id",
    "code",
    "status",
    "owner",
    "claimed_at",
    "transaction_id",
    "created_at",
];

/// Assets as a file, which a page and the API give out alike.
///
/// # Errors
/// Those of the database.
pub async fn assets(db: Data<Db>, filter: AssetFilter, sort: Sort<AssetColumn>, now: Now) -> Result<HttpResponse> {
    let fetch = move |request: PageRequest| {
        let (db, filter) = (db.clone(), filter.clone());
        async move {
            let page: Page<AssetView> =
                db.run(move |conn| assets::page(conn, Viewer::Admin, &filter, sort, &request, now.0)).await?;
            Ok(page.map(Line::from))
        }
    };
    csv::file("credits", &NAMES, fetch).await
}

/// A line of the file, in the order of its names.
#[derive(Serialize)]
struct Line {
    title: String,
    kind: AssetKind,
    asset_type: String,
    amount: String,
    description: String,
    expires_at: Option<String>,
    campaign_id: Option<CampaignId>,
    quantity: u8,
    id: i64,
    code: String,
    status: AssetStatus,
    owner: Option<String>,
    claimed_at: Option<String>,
    transaction_id: Option<String>,
    created_at: String,
}

impl From<AssetView> for Line {
    fn from(view: AssetView) -> Self {
        let AssetView { asset, scale, claim } = view;
        let time = |time: DateTime<Utc>| Moment::from(time).iso;
        Self {
            title: harmless(asset.title),
            kind: asset.kind,
            asset_type: asset.asset_type.to_string(),
            amount: asset.amount.at_scale(scale.0),
            description: harmless(asset.description),
            expires_at: asset.expires_at.map(time),
            campaign_id: asset.campaign_id,
            quantity: 1,
            id: asset.id.0,
            code: asset.code,
            status: asset.status,
            owner: claim.as_ref().map(|claim| harmless(claim.user.clone())),
            claimed_at: claim.as_ref().map(|claim| time(claim.claimed_at)),
            transaction_id: claim.as_ref().map(|claim| claim.transaction.to_string()),
            created_at: time(asset.created_at),
        }
    }
}
