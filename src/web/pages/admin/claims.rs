//! Who owns which credit.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{AssetId, AssetKind, AssetType, CampaignId, TransactionId};
use crate::error::Result;
use crate::repo::claims::{self, ClaimColumn, ClaimFilter, ClaimRow, NEWEST_FIRST};
use crate::repo::{Db, Sort, asset_types};
use crate::web::auth::Admin;
use crate::web::csv;
use crate::web::extract::QueryOf;
use crate::web::pages::list::{self, Address, Chip, Choice, Column, Days, Header, Pager};
use crate::web::pages::parts::{kind_word, name_of};
use crate::web::view::{self, Chrome, Field, Moment, grouped};

const COLUMNS: [Column<ClaimColumn>; 5] = [
    Column::plain("Credit"),
    Column::plain("Owner"),
    Column::by("Claimed", ClaimColumn::Claimed),
    Column::plain("Transaction"),
    Column::by("Amount", ClaimColumn::Amount).numeric(),
];

#[derive(Template)]
#[template(path = "admin/claims.html")]
struct ClaimsPage {
    chrome: Chrome,
    filter: ClaimsFilter,
    headers: Vec<Header>,
    claims: Vec<OwnedCredit>,
    file_href: String,
    pager: Pager,
}

struct ClaimsFilter {
    q: String,
    user: String,
    kinds: Vec<Choice>,
    asset_types: Vec<Choice>,
    campaigns: Vec<Choice>,
    from: Field,
    to: Field,
    sort: String,
    chips: Vec<Chip>,
}

/// A claim as it stands in a list.
pub(super) struct OwnedCredit {
    pub asset: AssetId,
    pub title: String,
    pub kind: &'static str,
    pub code: String,
    pub user: String,
    pub claimed_at: Moment,
    pub transaction: TransactionId,
    pub amount: String,
    pub asset_type: String,
}

impl From<ClaimRow> for OwnedCredit {
    fn from(row: ClaimRow) -> Self {
        Self {
            asset: row.asset,
            title: row.title,
            kind: kind_word(row.kind),
            code: row.code,
            user: row.user,
            claimed_at: row.claimed_at.into(),
            transaction: row.transaction,
            amount: grouped(&row.amount.at_scale(row.scale.0)),
            asset_type: row.asset_type.to_string(),
        }
    }
}

/// A line of the file.
#[derive(Serialize)]
struct FileLine {
    asset_id: AssetId,
    code: String,
    title: String,
    kind: AssetKind,
    campaign_id: Option<CampaignId>,
    user: String,
    amount: String,
    asset_type: String,
    claimed_at: DateTime<Utc>,
    transaction_id: TransactionId,
}

const NAMES: &[&str] = &[
    "asset_id",
    "code",
    "title",
    "kind",
    "campaign_id",
    "user",
    "amount",
    "asset_type",
    "claimed_at",
    "transaction_id",
];

impl From<ClaimRow> for FileLine {
    fn from(row: ClaimRow) -> Self {
        Self {
            asset_id: row.asset,
            code: row.code,
            title: csv::harmless(row.title),
            kind: row.kind,
            campaign_id: row.campaign,
            user: csv::harmless(row.user),
            amount: row.amount.at_scale(row.scale.0),
            asset_type: row.asset_type.to_string(),
            claimed_at: row.claimed_at,
            transaction_id: row.transaction,
        }
    }
}

/// What the list is narrowed to, and how it is shown.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct ClaimsQuery {
    q: String,
    user: String,
    kind: String,
    asset_type: String,
    campaign: String,
    from: String,
    to: String,
    sort: String,
    cursor: String,
    format: String,
}

impl ClaimsQuery {
    fn filter(&self, days: &Days) -> ClaimFilter {
        ClaimFilter {
            user: list::search(&self.user).map(|name| name.to_lowercase()),
            kind: list::chosen(&self.kind),
            asset_type: list::chosen_asset_type(&self.asset_type),
            campaign: list::chosen(&self.campaign),
            text: list::search(&self.q),
            period: days.period,
        }
    }
}

/// What can be chosen from.
struct Choices {
    asset_types: Vec<AssetType>,
    campaigns: Vec<(CampaignId, String)>,
}

impl Choices {
    fn title_of(&self, campaign: CampaignId) -> String {
        let known = self.campaigns.iter().find(|(id, _)| *id == campaign);
        known.map_or_else(|| format!("Campaign {campaign}"), |(_, title)| title.clone())
    }
}

fn address(filter: &ClaimFilter, choices: &Choices, days: &Days, sort: &Sort<ClaimColumn>) -> Address {
    let quoted = filter.text.as_ref().map(|text| format!("“{text}”")).unwrap_or_default();
    let owner = filter.user.as_ref().map(|user| format!("Owner {user}")).unwrap_or_default();
    let unit = filter.asset_type.as_ref().map(|code| name_of(code, &choices.asset_types)).unwrap_or_default();
    let campaign = filter.campaign.map(|campaign| choices.title_of(campaign)).unwrap_or_default();
    let address = Address::new("/admin/claims")
        .with("q", filter.text.as_ref(), quoted)
        .with("user", filter.user.as_ref(), owner)
        .with("kind", filter.kind, filter.kind.map(kind_word).unwrap_or_default())
        .with("asset_type", filter.asset_type.as_ref(), unit)
        .with("campaign", filter.campaign, campaign);
    days.narrow(address).sorted(sort, &NEWEST_FIRST)
}

impl ClaimsFilter {
    fn new(filter: ClaimFilter, choices: &Choices, days: Days, address: &Address) -> Self {
        let kind = filter.kind.map(AssetKind::as_str).unwrap_or_default();
        let code = filter.asset_type.map(|code| code.to_string()).unwrap_or_default();
        let campaign = filter.campaign.map(|campaign| campaign.to_string()).unwrap_or_default();
        let kinds = AssetKind::ALL.iter().map(|&kind| (kind, kind_word(kind).to_owned()));
        Self {
            q: filter.text.unwrap_or_default(),
            user: filter.user.unwrap_or_default(),
            kinds: list::choices("All kinds", kinds, kind),
            asset_types: list::asset_type_choices("All asset types", &choices.asset_types, &code),
            campaigns: list::choices("All campaigns", choices.campaigns.iter().cloned(), &campaign),
            from: days.from,
            to: days.to,
            sort: address.sort(),
            chips: address.chips(),
        }
    }
}

/// `GET /admin/claims`
///
/// # Errors
/// [`crate::error::Error::InvalidCursor`] and those of the database.
pub async fn list(_: Admin, query: QueryOf<ClaimsQuery>, chrome: Chrome, db: Data<Db>) -> Result<HttpResponse> {
    let query = query.0;
    let days = Days::read(&query.from, &query.to)?;
    let filter = query.filter(&days);
    let sort = list::chosen(&query.sort).unwrap_or(NEWEST_FIRST);
    if query.format == "csv" && !days.are_wrong() {
        return csv::file("claims", NAMES, move |request| {
            let (db, filter) = (db.clone(), filter.clone());
            async move { Ok(db.run(move |conn| claims::page(conn, &filter, sort, &request)).await?.map(FileLine::from)) }
        })
        .await;
    }
    let request = list::request(&query.cursor)?;
    let (filter, page, choices) = db
        .run(move |conn| {
            let page = claims::page(conn, &filter, sort, &request)?;
            let choices = Choices { asset_types: asset_types::all(conn)?, campaigns: claims::campaigns(conn)? };
            Ok((filter, page, choices))
        })
        .await?;
    let status = if days.are_wrong() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let address = address(&filter, &choices, &days, &sort);
    let page = ClaimsPage {
        chrome,
        headers: address.headers(sort, NEWEST_FIRST, &COLUMNS),
        file_href: address.file_href(),
        pager: address.pager(&query.cursor, page.next_cursor.as_deref()),
        filter: ClaimsFilter::new(filter, &choices, days, &address),
        claims: page.items.into_iter().map(OwnedCredit::from).collect(),
    };
    view::page_with(status, &page)
}
