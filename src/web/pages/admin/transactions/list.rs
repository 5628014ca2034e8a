//! All transactions, which filters narrow.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{AssetId, AssetType, TransactionId, TransactionType};
use crate::error::Result;
use crate::repo::transactions::{self, TransactionFilter, TransactionView};
use crate::repo::{Db, asset_types, users};
use crate::web::auth::Admin;
use crate::web::csv;
use crate::web::extract::QueryOf;
use crate::web::pages::list::{self, Address, Chip, Choice, Days, Pager};
use crate::web::pages::parts::{name_of, type_word};
use crate::web::view::{self, Chrome, Field, Moment, grouped};

#[derive(Template)]
#[template(path = "admin/transactions.html")]
struct TransactionsPage {
    chrome: Chrome,
    filter: Filter,
    transactions: Vec<Row>,
    file_href: String,
    pager: Pager,
}

struct Filter {
    user: String,
    types: Vec<Choice>,
    asset_types: Vec<Choice>,
    from: Field,
    to: Field,
    chips: Vec<Chip>,
}

struct Row {
    id: TransactionId,
    word: &'static str,
    user: String,
    counterparty: Option<String>,
    /// Whether the user gave.
    gave: bool,
    description: String,
    amount: String,
    asset_type: String,
    at: Moment,
}

impl From<TransactionView> for Row {
    fn from(view: TransactionView) -> Self {
        let TransactionView { transaction, user, counterparty } = view;
        Self {
            id: transaction.id,
            word: type_word(transaction.transaction_type),
            user,
            counterparty,
            gave: transaction.sides().0.amount.is_negative(),
            amount: grouped(&transaction.amount.at_scale(transaction.scale.0)),
            asset_type: transaction.asset_type.to_string(),
            at: transaction.created_at.into(),
            description: transaction.description,
        }
    }
}

/// A line of the file; the amount is what the user gained, or gave where negative.
#[derive(Serialize)]
struct FileLine {
    id: TransactionId,
    r#type: TransactionType,
    user: String,
    counterparty: Option<String>,
    asset_type: String,
    amount: String,
    description: String,
    reason: Option<String>,
    asset_id: Option<AssetId>,
    reverses: Option<TransactionId>,
    created_at: DateTime<Utc>,
}

const NAMES: &[&str] = &[
    "id",
    "type",
    "user",
    "counterparty",
    "asset_type",
    "amount",
    "description",
    "reason",
    "asset_id",
    "reverses",
    "created_at",
];

impl From<TransactionView> for FileLine {
    fn from(view: TransactionView) -> Self {
        let TransactionView { transaction, user, counterparty } = view;
        Self {
            id: transaction.id,
            r#type: transaction.transaction_type,
            user: csv::harmless(user),
            counterparty: counterparty.map(csv::harmless),
            amount: transaction.sides().0.amount.at_scale(transaction.scale.0),
            asset_type: transaction.asset_type.to_string(),
            description: csv::harmless(transaction.description),
            reason: transaction.reason.map(csv::harmless),
            asset_id: transaction.asset,
            reverses: transaction.reverses,
            created_at: transaction.created_at,
        }
    }
}

/// What the list is narrowed to, and how it is shown.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct TransactionsQuery {
    user: String,
    r#type: String,
    asset_type: String,
    from: String,
    to: String,
    cursor: String,
    format: String,
}

impl TransactionsQuery {
    fn filter(&self, days: &Days) -> TransactionFilter {
        TransactionFilter {
            user: None,
            transaction_type: list::chosen(&self.r#type),
            asset_type: list::chosen_asset_type(&self.asset_type),
            period: days.period,
        }
    }
}

fn address(user: Option<&str>, filter: &TransactionFilter, known: &[AssetType], days: &Days) -> Address {
    let unit = filter.asset_type.as_ref().map(|code| name_of(code, known)).unwrap_or_default();
    let address = Address::new("/admin/transactions")
        .with("user", user, format!("User {}", user.unwrap_or_default()))
        .with("type", filter.transaction_type, filter.transaction_type.map(type_word).unwrap_or_default())
        .with("asset_type", filter.asset_type.as_ref(), unit);
    days.narrow(address)
}

impl Filter {
    fn new(
        user: Option<String>,
        filter: &TransactionFilter,
        known: &[AssetType],
        days: Days,
        address: &Address,
    ) -> Self {
        let code = filter.asset_type.as_ref().map(ToString::to_string).unwrap_or_default();
        Self {
            user: user.unwrap_or_default(),
            types: list::type_choices(filter.transaction_type),
            asset_types: list::asset_type_choices("All asset types", known, &code),
            from: days.from,
            to: days.to,
            chips: address.chips(),
        }
    }
}

/// `GET /admin/transactions`
///
/// # Errors
/// [`crate::error::Error::InvalidCursor`] and those of the database.
pub async fn show(_: Admin, query: QueryOf<TransactionsQuery>, chrome: Chrome, db: Data<Db>) -> Result<HttpResponse> {
    let query = query.0;
    let days = Days::read(&query.from, &query.to)?;
    let filter = query.filter(&days);
    let user = list::search(&query.user).map(|name| name.to_lowercase());
    if query.format == "csv" && !days.are_wrong() {
        return csv::file("transactions", NAMES, move |request| {
            let (db, user, filter) = (db.clone(), user.clone(), filter.clone());
            async move {
                let page = db.run(move |conn| {
                    users::page_of(conn, user.as_deref(), |conn, user| {
                        transactions::page(conn, &TransactionFilter { user, ..filter }, &request)
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
                transactions::page(conn, &TransactionFilter { user, ..narrowed }, &request)
            })?;
            Ok((page, asset_types::all(conn)?))
        })
        .await?;
    let status = if days.are_wrong() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let address = address(user.as_deref(), &filter, &known, &days);
    let page = TransactionsPage {
        chrome,
        file_href: address.file_href(),
        pager: address.pager(&query.cursor, page.next_cursor.as_deref()),
        filter: Filter::new(user, &filter, &known, days, &address),
        transactions: page.items.into_iter().map(Row::from).collect(),
    };
    view::page_with(status, &page)
}
