//! Every credit that was ever released.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use serde::Deserialize;

use crate::domain::{AssetKind, AssetStatus, AssetType};
use crate::error::Result;
use crate::repo::assets::{self, AssetFilter, AssetView, Viewer};
use crate::repo::{Db, asset_types};
use crate::web::auth::Admin;
use crate::web::extract::{Now, QueryOf};
use crate::web::pages::list::{self, Address, Chip, Choice, Pager};
use crate::web::pages::parts::{kind_word, name_of, status_word};
use crate::web::view::{self, Chrome, Moment, grouped};

#[derive(Template)]
#[template(path = "admin/assets.html")]
struct AssetsPage {
    chrome: Chrome,
    filter: AssetsFilter,
    assets: Vec<AssetRow>,
    pager: Pager,
}

struct AssetsFilter {
    q: String,
    statuses: Vec<Choice>,
    kinds: Vec<Choice>,
    asset_types: Vec<Choice>,
    chips: Vec<Chip>,
}

struct AssetRow {
    /// The credit's page, once there is one.
    href: Option<String>,
    title: String,
    code: String,
    status: &'static str,
    status_tone: &'static str,
    kind: &'static str,
    amount: String,
    asset_type: String,
    expires_at: Option<Moment>,
    owner: Option<String>,
    created_at: Moment,
}

impl From<AssetView> for AssetRow {
    fn from(view: AssetView) -> Self {
        let AssetView { asset, scale, claim } = view;
        Self {
            href: None,
            title: asset.title,
            code: asset.code,
            status: status_word(asset.status),
            status_tone: match asset.status {
                AssetStatus::Available => "accent",
                AssetStatus::Claimed => "good",
                AssetStatus::Expired => "neutral",
            },
            kind: kind_word(asset.kind),
            amount: grouped(&asset.amount.at_scale(scale.0)),
            asset_type: asset.asset_type.to_string(),
            expires_at: asset.expires_at.map(Moment::from),
            owner: claim.map(|claim| claim.user),
            created_at: asset.created_at.into(),
        }
    }
}

/// What the list is narrowed to.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct AssetsQuery {
    q: String,
    status: String,
    kind: String,
    asset_type: String,
    cursor: String,
}

impl AssetsQuery {
    fn filter(&self) -> AssetFilter {
        AssetFilter {
            status: list::chosen(&self.status),
            kind: list::chosen(&self.kind),
            asset_type: list::chosen_asset_type(&self.asset_type),
            campaign_id: None,
            text: list::search(&self.q),
            ..AssetFilter::default()
        }
    }
}

impl AssetsFilter {
    fn new(filter: AssetFilter, asset_types: &[AssetType], chips: Vec<Chip>) -> Self {
        let status = filter.status.map(AssetStatus::as_str).unwrap_or_default();
        let kind = filter.kind.map(AssetKind::as_str).unwrap_or_default();
        let code = filter.asset_type.map(|code| code.to_string()).unwrap_or_default();
        let statuses = AssetStatus::ALL.iter().map(|&status| (status, status_word(status).to_owned()));
        let kinds = AssetKind::ALL.iter().map(|&kind| (kind, kind_word(kind).to_owned()));
        Self {
            q: filter.text.unwrap_or_default(),
            statuses: list::choices("All", statuses, status),
            kinds: list::choices("All kinds", kinds, kind),
            asset_types: list::asset_type_choices("All asset types", asset_types, &code),
            chips,
        }
    }
}

fn address(filter: &AssetFilter, asset_types: &[AssetType]) -> Address {
    let quoted = filter.text.as_ref().map(|text| format!("“{text}”")).unwrap_or_default();
    let unit = filter.asset_type.as_ref().map(|code| name_of(code, asset_types)).unwrap_or_default();
    Address::new("/admin/assets")
        .with("q", filter.text.as_ref(), quoted)
        .with("status", filter.status, filter.status.map(status_word).unwrap_or_default())
        .with("kind", filter.kind, filter.kind.map(kind_word).unwrap_or_default())
        .with("asset_type", filter.asset_type.as_ref(), unit)
}

/// `GET /admin/assets`
///
/// # Errors
/// [`crate::error::Error::InvalidCursor`] and those of the database.
pub async fn list(
    _: Admin,
    query: QueryOf<AssetsQuery>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (request, filter) = (list::request(&query.0.cursor)?, query.0.filter());
    let (filter, page, asset_types) = db
        .run(move |conn| {
            let page = assets::page(conn, Viewer::Admin, &filter, assets::USUAL, &request, now.0)?;
            Ok((filter, page, asset_types::all(conn)?))
        })
        .await?;
    let address = address(&filter, &asset_types);
    view::page(&AssetsPage {
        chrome,
        pager: address.pager(&query.0.cursor, page.next_cursor.as_deref()),
        filter: AssetsFilter::new(filter, &asset_types, address.chips()),
        assets: page.items.into_iter().map(AssetRow::from).collect(),
    })
}
