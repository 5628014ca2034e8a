//! All lines of the ledger, which filters narrow.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{AssetType, TransactionId, TransactionType, WalletId};
use crate::error::Result;
use crate::repo::entries::{self, EntryFilter, EntryLine};
use crate::repo::{Db, asset_types, users};
use crate::web::auth::Admin;
use crate::web::csv;
use crate::web::extract::QueryOf;
use crate::web::pages::list::{self, Address, Chip, Choice, Days, Pager};
use crate::web::pages::parts::{name_of, type_word};
use crate::web::view::{self, Chrome, Field, Moment, grouped};

#[derive(Template)]
#[template(path = "admin/entries.html")]
struct EntriesPage {
    chrome: Chrome,
    filter: Filter,
    entries: Vec<Row>,
    file_href: String,
    pager: Pager,
}

struct Filter {
    wallet: String,
    user: String,
    types: Vec<Choice>,
    asset_types: Vec<Choice>,
    from: Field,
    to: Field,
    chips: Vec<Chip>,
}

struct Row {
    transaction: TransactionId,
    word: &'static str,
    description: String,
    wallet: WalletId,
    /// None where it is the treasury.
    user: Option<String>,
    /// Which entry of its wallet it is.
    number: String,
    gained: bool,
    amount: String,
    before: String,
    after: String,
    asset_type: String,
    at: Moment,
}

impl From<EntryLine> for Row {
    fn from(line: EntryLine) -> Self {
        let text = |balance: &crate::domain::Balance| grouped(&balance.at_scale(line.scale.0));
        let gained = !line.amount.is_negative();
        Self {
            transaction: line.transaction,
            word: type_word(line.transaction_type),
            wallet: line.wallet,
            number: grouped(&line.version.to_string()),
            gained,
            amount: text(&if gained { line.amount.clone() } else { line.amount.negated() }),
            before: text(&line.balance_before),
            after: text(&line.balance_after),
            asset_type: line.asset_type.to_string(),
            at: line.created_at.into(),
            description: line.description,
            user: line.user,
        }
    }
}

/// A line of the file.
#[derive(Serialize)]
struct FileLine {
    transaction_id: TransactionId,
    r#type: TransactionType,
    wallet_id: WalletId,
    user: Option<String>,
    asset_type: String,
    amount: String,
    balance_before: String,
    balance_after: String,
    version: i64,
    description: String,
    created_at: DateTime<Utc>,
}

const NAMES: &[&str] = &[
    "transaction_id",
    "type",
    "wallet_id",
    "user",
    "asset_type",
    "amount",
    "balance_before",
    "balance_after",
    "version",
    "description",
    "created_at",
];

impl From<EntryLine> for FileLine {
    fn from(line: EntryLine) -> Self {
        Self {
            transaction_id: line.transaction,
            r#type: line.transaction_type,
            wallet_id: line.wallet,
            user: line.user.map(csv::harmless),
            asset_type: line.asset_type.to_string(),
            amount: line.amount.at_scale(line.scale.0),
            balance_before: line.balance_before.at_scale(line.scale.0),
            balance_after: line.balance_after.at_scale(line.scale.0),
            version: line.version,
            description: csv::harmless(line.description),
            created_at: line.created_at,
        }
    }
}

/// What the list is narrowed to, and how it is shown.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct EntriesQuery {
    wallet: String,
    user: String,
    r#type: String,
    asset_type: String,
    from: String,
    to: String,
    cursor: String,
    format: String,
}

impl EntriesQuery {
    fn filter(&self, days: &Days) -> EntryFilter {
        EntryFilter {
            // A number that no wallet has finds none.
            wallet: list::search(&self.wallet).map(|number| number.parse().unwrap_or(WalletId(0))),
            user: None,
            transaction_type: list::chosen(&self.r#type),
            asset_type: list::chosen_asset_type(&self.asset_type),
            period: days.period,
        }
    }
}

fn address(
    (wallet, user): (Option<&str>, Option<&str>),
    filter: &EntryFilter,
    known: &[AssetType],
    days: &Days,
) -> Address {
    let unit = filter.asset_type.as_ref().map(|code| name_of(code, known)).unwrap_or_default();
    let address = Address::new("/admin/entries")
        .with("wallet", wallet, format!("Wallet {}", wallet.unwrap_or_default()))
        .with("user", user, format!("User {}", user.unwrap_or_default()))
        .with("type", filter.transaction_type, filter.transaction_type.map(type_word).unwrap_or_default())
        .with("asset_type", filter.asset_type.as_ref(), unit);
    days.narrow(address)
}

impl Filter {
    fn new(
        (wallet, user): (Option<String>, Option<String>),
        filter: &EntryFilter,
        known: &[AssetType],
        days: Days,
        address: &Address,
    ) -> Self {
        let code = filter.asset_type.as_ref().map(ToString::to_string).unwrap_or_default();
        Self {
            wallet: wallet.unwrap_or_default(),
            user: user.unwrap_or_default(),
            types: list::type_choices(filter.transaction_type),
            asset_types: list::asset_type_choices("All asset types", known, &code),
            from: days.from,
            to: days.to,
            chips: address.chips(),
        }
    }
}

/// `GET /admin/entries`
///
/// # Errors
/// [`crate::error::Error::InvalidCursor`] and those of the database.
pub async fn show(_: Admin, query: QueryOf<EntriesQuery>, chrome: Chrome, db: Data<Db>) -> Result<HttpResponse> {
    let query = query.0;
    let days = Days::read(&query.from, &query.to)?;
    let filter = query.filter(&days);
    let user = list::search(&query.user).map(|name| name.to_lowercase());
    if query.format == "csv" && !days.are_wrong() {
        return csv::file("entries", NAMES, move |request| {
            let (db, user, filter) = (db.clone(), user.clone(), filter.clone());
            async move {
                let page = db.run(move |conn| {
                    users::page_of(conn, user.as_deref(), |conn, user| {
                        entries::page(conn, &EntryFilter { user, ..filter }, &request)
                    })
                });
                Ok(page.await?.map(FileLine::from))
            }
        })
        .await;
    }
    let request = list::request(&query.cursor)?;
    let (name, narrowed) = (user.clone(), filter.clone());
    let (page, known) = db
        .run(move |conn| {
            let page = users::page_of(conn, name.as_deref(), |conn, user| {
                entries::page(conn, &EntryFilter { user, ..narrowed }, &request)
            })?;
            Ok((page, asset_types::all(conn)?))
        })
        .await?;
    let status = if days.are_wrong() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let wallet = list::search(&query.wallet);
    let address = address((wallet.as_deref(), user.as_deref()), &filter, &known, &days);
    let page = EntriesPage {
        chrome,
        file_href: address.file_href(),
        pager: address.pager(&query.cursor, page.next_cursor.as_deref()),
        filter: Filter::new((wallet, user), &filter, &known, days, &address),
        entries: page.items.into_iter().map(Row::from).collect(),
    };
    view::page_with(status, &page)
}
