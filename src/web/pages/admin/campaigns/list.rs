//! All campaigns.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use serde::{Deserialize, Serialize};

use super::{Part, parts, tone, word};
use crate::domain::{AssetKind, AssetType, CampaignStatus, User};
use crate::error::Result;
use crate::repo::campaigns::{self, CampaignColumn, CampaignFilter, CampaignView, USUAL};
use crate::repo::{Db, PageRequest, Sort, asset_types};
use crate::web::auth::Admin;
use crate::web::csv::{self, harmless};
use crate::web::extract::{Now, QueryOf};
use crate::web::pages::list::{self, Address, Chip, Choice, Column, Header, Pager};
use crate::web::pages::parts::{kind_word, name_of};
use crate::web::view::{self, Chrome, Moment, grouped};

/// The table's columns.
const COLUMNS: [Column<CampaignColumn>; 6] = [
    Column::by("Campaign", CampaignColumn::Title),
    Column::plain("Status"),
    Column::plain("Credits"),
    Column::by("Ends", CampaignColumn::Ends),
    Column::by("Created", CampaignColumn::Created),
    Column::plain("Amount of each").numeric(),
];

/// The columns of the file.
const NAMES: [&str; 17] = [
    "id",
    "title",
    "description",
    "status",
    "kind",
    "asset_type",
    "amount",
    "starts_at",
    "ends_at",
    "per_user_limit",
    "available",
    "claimed",
    "expired",
    "available_value",
    "claimed_value",
    "expired_value",
    "created_at",
];

#[derive(Template)]
#[template(path = "admin/campaigns.html")]
struct CampaignsPage {
    chrome: Chrome,
    q: String,
    statuses: Vec<Choice>,
    kinds: Vec<Choice>,
    asset_types: Vec<Choice>,
    sort: String,
    chips: Vec<Chip>,
    headers: Vec<Header>,
    campaigns: Vec<CampaignRow>,
    pager: Pager,
    file_href: String,
}

struct CampaignRow {
    id: i64,
    title: String,
    kind: &'static str,
    status: &'static str,
    status_tone: &'static str,
    parts: Vec<Part>,
    ends_at: Option<Moment>,
    created_at: Moment,
    amount: String,
    asset_type: String,
}

impl From<CampaignView> for CampaignRow {
    fn from(view: CampaignView) -> Self {
        let parts = parts(&view);
        let campaign = view.campaign;
        Self {
            id: campaign.id.0,
            title: campaign.title,
            kind: kind_word(campaign.kind),
            status: word(view.status),
            status_tone: tone(view.status),
            parts,
            ends_at: campaign.ends_at.map(Moment::from),
            created_at: campaign.created_at.into(),
            amount: grouped(&campaign.amount.at_scale(view.scale.0)),
            asset_type: campaign.asset_type.to_string(),
        }
    }
}

/// What the list is narrowed to.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(default)]
pub struct CampaignsQuery {
    q: String,
    status: String,
    kind: String,
    asset_type: String,
    sort: String,
    format: String,
    cursor: String,
}

impl CampaignsQuery {
    fn filter(&self) -> CampaignFilter {
        CampaignFilter {
            text: list::search(&self.q),
            status: list::chosen(&self.status),
            kind: list::chosen(&self.kind),
            asset_type: list::chosen_asset_type(&self.asset_type),
        }
    }
}

fn address(filter: &CampaignFilter, sort: Sort<CampaignColumn>, known: &[AssetType]) -> Address {
    let quoted = filter.text.as_ref().map(|text| format!("“{text}”")).unwrap_or_default();
    let unit = filter.asset_type.as_ref().map(|code| name_of(code, known)).unwrap_or_default();
    Address::new("/admin/campaigns")
        .with("q", filter.text.as_ref(), quoted)
        .with("status", filter.status, filter.status.map(word).unwrap_or_default())
        .with("kind", filter.kind, filter.kind.map(kind_word).unwrap_or_default())
        .with("asset_type", filter.asset_type.as_ref(), unit)
        .sorted(&sort, &USUAL)
}

/// `GET /admin/campaigns`
///
/// # Errors
/// [`crate::error::Error::InvalidCursor`] and those of the database.
pub async fn show(
    admin: Admin,
    query: QueryOf<CampaignsQuery>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (query, viewer) = (query.0, admin.0.user);
    let (filter, sort) = (query.filter(), list::chosen(&query.sort).unwrap_or(USUAL));
    if query.format == "csv" {
        return file(db, viewer, filter, sort, now).await;
    }
    let request = list::request(&query.cursor)?;
    let (filter, page, known) = db
        .run(move |conn| {
            let page = campaigns::page(conn, &viewer, &filter, sort, &request, now.0)?;
            Ok((filter, page, asset_types::all(conn)?))
        })
        .await?;
    let address = address(&filter, sort, &known);
    let statuses = CampaignStatus::ALL.iter().map(|&status| (status, word(status).to_owned()));
    let kinds = AssetKind::ALL.iter().map(|&kind| (kind, kind_word(kind).to_owned()));
    let code = filter.asset_type.as_ref().map(ToString::to_string).unwrap_or_default();
    view::page(&CampaignsPage {
        chrome,
        statuses: list::choices("All", statuses, filter.status.map(CampaignStatus::as_str).unwrap_or_default()),
        kinds: list::choices("All kinds", kinds, filter.kind.map(AssetKind::as_str).unwrap_or_default()),
        asset_types: list::asset_type_choices("All asset types", &known, &code),
        q: filter.text.unwrap_or_default(),
        sort: address.sort(),
        chips: address.chips(),
        headers: address.headers(sort, USUAL, &COLUMNS),
        campaigns: page.items.into_iter().map(CampaignRow::from).collect(),
        pager: address.pager(&query.cursor, page.next_cursor.as_deref()),
        file_href: address.file_href(),
    })
}

/// The list as a file.
async fn file(
    db: Data<Db>,
    viewer: User,
    filter: CampaignFilter,
    sort: Sort<CampaignColumn>,
    now: Now,
) -> Result<HttpResponse> {
    let fetch = move |request: PageRequest| {
        let (db, viewer, filter) = (db.clone(), viewer.clone(), filter.clone());
        async move {
            let page = db.run(move |conn| campaigns::page(conn, &viewer, &filter, sort, &request, now.0)).await?;
            Ok(page.map(Line::from))
        }
    };
    csv::file("campaigns", &NAMES, fetch).await
}

/// A line of the file, in the order of its names.
#[derive(Serialize)]
struct Line {
    id: i64,
    title: String,
    description: String,
    status: CampaignStatus,
    kind: AssetKind,
    asset_type: String,
    amount: String,
    starts_at: Option<String>,
    ends_at: Option<String>,
    per_user_limit: i32,
    available: i64,
    claimed: i64,
    expired: i64,
    available_value: String,
    claimed_value: String,
    expired_value: String,
    created_at: String,
}

impl From<CampaignView> for Line {
    fn from(view: CampaignView) -> Self {
        let CampaignView { campaign, status, scale, counts, values } = view;
        let time = |time: chrono::DateTime<chrono::Utc>| Moment::from(time).iso;
        Self {
            id: campaign.id.0,
            title: harmless(campaign.title),
            description: harmless(campaign.description),
            status,
            kind: campaign.kind,
            asset_type: campaign.asset_type.to_string(),
            amount: campaign.amount.at_scale(scale.0),
            starts_at: campaign.starts_at.map(time),
            ends_at: campaign.ends_at.map(time),
            per_user_limit: campaign.per_user_limit,
            available: counts.available,
            claimed: counts.claimed,
            expired: counts.expired,
            available_value: values.available.at_scale(scale.0),
            claimed_value: values.claimed.at_scale(scale.0),
            expired_value: values.expired.at_scale(scale.0),
            created_at: time(campaign.created_at),
        }
    }
}
