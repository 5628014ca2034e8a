//! One campaign.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;

use super::{Part, parts, tone, word};
use crate::domain::{AssetStatus, CampaignId, CampaignStatus};
use crate::error::Result;
use crate::repo::assets::{self, AssetFilter, AssetView, Viewer};
use crate::repo::audit::{self, LineFilter};
use crate::repo::{Db, PageRequest, campaigns};
use crate::web::auth::Admin;
use crate::web::extract::{Now, PathOf};
use crate::web::pages::admin::deeds::Deed;
use crate::web::pages::parts::{Coin, kind_word};
use crate::web::view::{self, Chrome, Moment, grouped};

/// How many claims and how many actions are listed.
const LATEST: i64 = 8;

#[derive(Template)]
#[template(path = "admin/campaign.html")]
struct CampaignPage {
    chrome: Chrome,
    id: i64,
    title: String,
    description: String,
    status: &'static str,
    status_tone: &'static str,
    amount: String,
    asset_type: String,
    initial: String,
    hue: u32,
    kind: &'static str,
    starts_at: Option<Moment>,
    ends_at: Option<Moment>,
    per_user_limit: String,
    created_at: Moment,
    version: i64,
    parts: Vec<Part>,
    paused: bool,
    ended: bool,
    deletable: bool,
    claims: Vec<Claim>,
    life: Vec<Deed>,
}

struct Claim {
    asset: i64,
    title: String,
    user: String,
    claimed_at: Moment,
    amount: String,
    asset_type: String,
}

impl Claim {
    fn of(view: AssetView) -> Option<Self> {
        let claim = view.claim?;
        Some(Self {
            asset: view.asset.id.0,
            amount: grouped(&view.asset.amount.at_scale(view.scale.0)),
            asset_type: view.asset.asset_type.to_string(),
            title: view.asset.title,
            user: claim.user,
            claimed_at: claim.claimed_at.into(),
        })
    }
}

/// `GET /admin/campaigns/{id}`
///
/// # Errors
/// [`crate::error::Error::NotFound`] and those of the database.
pub async fn show(
    admin: Admin,
    id: PathOf<CampaignId>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (found, claims, life) = db
        .run(move |conn| {
            let found = campaigns::one(conn, &admin.0.user, id.0, now.0)?;
            let claimed =
                AssetFilter { status: Some(AssetStatus::Claimed), campaign_id: Some(id.0), ..AssetFilter::default() };
            let latest = PageRequest::first(LATEST);
            let claims = assets::page(conn, Viewer::Admin, &claimed, assets::USUAL, &latest, now.0)?.items;
            let of_it = LineFilter { target: Some(format!("campaign:{}", id.0)), ..LineFilter::default() };
            Ok((found, claims, audit::page(conn, &of_it, &latest)?.items))
        })
        .await?;
    let parts = parts(&found);
    let campaign = found.campaign;
    let Coin { initial, hue } = Coin::of(&campaign.asset_type);
    view::page(&CampaignPage {
        chrome,
        id: campaign.id.0,
        title: campaign.title,
        description: campaign.description,
        status: word(found.status),
        status_tone: tone(found.status),
        amount: grouped(&campaign.amount.at_scale(found.scale.0)),
        asset_type: campaign.asset_type.to_string(),
        initial,
        hue,
        kind: kind_word(campaign.kind),
        starts_at: campaign.starts_at.map(Moment::from),
        ends_at: campaign.ends_at.map(Moment::from),
        per_user_limit: grouped(&campaign.per_user_limit.to_string()),
        created_at: campaign.created_at.into(),
        version: campaign.version,
        parts,
        paused: campaign.paused,
        ended: found.status == CampaignStatus::Ended,
        deletable: found.counts.claimed == 0,
        claims: claims.into_iter().filter_map(Claim::of).collect(),
        life: life.into_iter().map(|line| Deed { href: None, ..Deed::from(line) }).collect(),
    })
}
