//! Every credit that was ever released.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use serde::Deserialize;

use crate::domain::{AssetKind, AssetStatus, AssetType, Campaign, CampaignId};
use crate::error::{Error, Result};
use crate::repo::assets::{self, AssetColumn, AssetFilter, AssetView, Viewer};
use crate::repo::{Db, Sort, asset_types, campaigns};
use crate::web::auth::Admin;
use crate::web::extract::{Now, QueryOf};
use crate::web::files;
use crate::web::pages::list::{self, Address, Chip, Choice, Column, Days, Header, Pager};
use crate::web::pages::parts::{counted, kind_word, name_of, status_tone, status_word};
use crate::web::view::{self, Chrome, Moment, grouped};

/// The table's columns, behind the one of the checkboxes.
const COLUMNS: [Column<AssetColumn>; 6] = [
    Column::by("Credit", AssetColumn::Title),
    Column::plain("Status"),
    Column::plain("Owner"),
    Column::by("Expires", AssetColumn::Expires),
    Column::by("Created", AssetColumn::Created),
    Column::by("Amount", AssetColumn::Amount).numeric(),
];

#[derive(Template)]
#[template(path = "admin/assets.html")]
struct AssetsPage {
    chrome: Chrome,
    filter: AssetsFilter,
    days: Days,
    headers: Vec<Header>,
    assets: Vec<AssetRow>,
    pager: Pager,
    file_href: String,
    /// This list, for what is done to its credits to come back to.
    here: String,
    /// How many match, where that is more than are shown.
    matching: Option<String>,
}

struct AssetsFilter {
    q: String,
    statuses: Vec<Choice>,
    kinds: Vec<Choice>,
    asset_types: Vec<Choice>,
    owner: String,
    campaigns: Vec<Choice>,
    sort: String,
    chips: Vec<Chip>,
}

struct AssetRow {
    id: i64,
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
            id: asset.id.0,
            title: asset.title,
            code: asset.code,
            status: status_word(asset.status),
            status_tone: status_tone(asset.status),
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
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(default)]
pub struct AssetsQuery {
    q: String,
    status: String,
    kind: String,
    asset_type: String,
    campaign_id: String,
    owner: String,
    from: String,
    to: String,
    sort: String,
    format: String,
    cursor: String,
}

impl AssetsQuery {
    /// The list behind an address of it.
    ///
    /// # Errors
    /// [`Error::Malformed`] where it is none: it must not be taken for the list of everything.
    pub fn of(address: &str) -> Result<Self> {
        let malformed = || Error::Malformed("This is no list of credits.".into());
        let query = address.strip_prefix("/admin/assets").ok_or_else(malformed)?;
        serde_urlencoded::from_str(query.strip_prefix('?').unwrap_or_default()).map_err(|_| malformed())
    }

    /// What the list shows, as far as its days can be read.
    ///
    /// # Errors
    /// None of what was filled in.
    pub fn filter(&self) -> Result<AssetFilter> {
        let Days { period, .. } = self.days()?;
        Ok(AssetFilter {
            status: list::chosen(&self.status),
            kind: list::chosen(&self.kind),
            asset_type: list::chosen_asset_type(&self.asset_type),
            campaign_id: list::chosen::<CampaignId>(self.campaign_id.trim()),
            owner: list::search(&self.owner),
            period,
            text: list::search(&self.q),
            is_single: false,
        })
    }

    /// The address of the list, however it was written before.
    ///
    /// # Errors
    /// As [`filter`](Self::filter).
    pub fn href(&self) -> Result<String> {
        Ok(self.address(&self.filter()?, &self.days()?, &Known::default()).href())
    }

    fn days(&self) -> Result<Days> {
        Days::read(&self.from, &self.to)
    }

    fn sort(&self) -> Sort<AssetColumn> {
        list::chosen(&self.sort).unwrap_or(assets::USUAL)
    }

    fn address(&self, filter: &AssetFilter, days: &Days, known: &Known) -> Address {
        let quoted = filter.text.as_ref().map(|text| format!("“{text}”")).unwrap_or_default();
        let unit = filter.asset_type.as_ref().map(|code| name_of(code, &known.asset_types)).unwrap_or_default();
        let owner = filter.owner.as_ref().map(|owner| format!("Owned by {owner}")).unwrap_or_default();
        let campaign = filter.campaign_id.map(|id| known.title(id)).unwrap_or_default();
        let address = Address::new("/admin/assets")
            .with("q", filter.text.as_ref(), quoted)
            .with("status", filter.status, filter.status.map(status_word).unwrap_or_default())
            .with("kind", filter.kind, filter.kind.map(kind_word).unwrap_or_default())
            .with("asset_type", filter.asset_type.as_ref(), unit)
            .with("campaign_id", filter.campaign_id, campaign)
            .with("owner", filter.owner.as_ref(), owner);
        days.narrow(address).sorted(&self.sort(), &assets::USUAL)
    }
}

/// What the filters can choose by name.
#[derive(Default)]
struct Known {
    asset_types: Vec<AssetType>,
    campaigns: Vec<Campaign>,
}

impl Known {
    fn title(&self, id: CampaignId) -> String {
        let found = self.campaigns.iter().find(|known| known.id == id);
        found.map_or_else(|| format!("Campaign {id}"), |known| known.title.clone())
    }
}

impl AssetsFilter {
    fn new(filter: AssetFilter, known: &Known, address: &Address) -> Self {
        let status = filter.status.map(AssetStatus::as_str).unwrap_or_default();
        let kind = filter.kind.map(AssetKind::as_str).unwrap_or_default();
        let code = filter.asset_type.map(|code| code.to_string()).unwrap_or_default();
        let campaign = filter.campaign_id.map(|id| id.to_string()).unwrap_or_default();
        let statuses = AssetStatus::ALL.iter().map(|&status| (status, status_word(status).to_owned()));
        let kinds = AssetKind::ALL.iter().map(|&kind| (kind, kind_word(kind).to_owned()));
        Self {
            q: filter.text.unwrap_or_default(),
            statuses: list::choices("All", statuses, status),
            kinds: list::choices("All kinds", kinds, kind),
            asset_types: list::asset_type_choices("All asset types", &known.asset_types, &code),
            owner: filter.owner.unwrap_or_default(),
            campaigns: list::campaign_choices("All campaigns", &known.campaigns, &campaign),
            sort: address.sort(),
            chips: address.chips(),
        }
    }
}

/// `GET /admin/assets`
///
/// # Errors
/// [`Error::InvalidCursor`] and those of the database.
pub async fn show(
    _: Admin,
    query: QueryOf<AssetsQuery>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let query = query.0;
    let (filter, days, sort) = (query.filter()?, query.days()?, query.sort());
    if query.format == "csv" && !days.are_wrong() {
        return files::assets(db, filter, sort, now).await;
    }
    let (request, query_is_first) = (list::request(&query.cursor)?, query.cursor.is_empty());
    let (filter, page, count, known) = db
        .run(move |conn| {
            let page = assets::page(conn, Viewer::Admin, &filter, sort, &request, now.0)?;
            let is_all = page.next_cursor.is_none() && query_is_first;
            let count = if is_all { None } else { Some(assets::count(conn, &filter, now.0)?) };
            let campaigns = campaigns::newest(conn, list::CAMPAIGNS)?;
            Ok((filter, page, count, Known { asset_types: asset_types::all(conn)?, campaigns }))
        })
        .await?;
    let address = query.address(&filter, &days, &known);
    let status = if days.are_wrong() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = AssetsPage {
        chrome,
        headers: address.headers(sort, assets::USUAL, &COLUMNS),
        pager: address.pager(&query.cursor, page.next_cursor.as_deref()),
        file_href: address.file_href(),
        here: address.href(),
        matching: count.map(matching),
        filter: AssetsFilter::new(filter, &known, &address),
        assets: page.items.into_iter().map(AssetRow::from).collect(),
        days,
    };
    view::page_with(status, &page)
}

/// What the tick box for all of a list says.
fn matching(count: Option<usize>) -> String {
    match count {
        Some(count) => format!("All {} that match", credits(count)),
        None => format!("All that match, more than {}", credits(assets::MOST)),
    }
}

/// The words for what a list's credits are, in flashes and reviews.
pub fn credits(count: usize) -> String {
    counted(i64::try_from(count).unwrap_or(i64::MAX), "credit", "credits")
}
