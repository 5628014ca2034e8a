//! A wallet's history as a file.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{range, viewer};
use crate::domain::{AssetId, TransactionId, WalletId};
use crate::error::Result;
use crate::repo::history::{self, HistoryFilter, HistoryRow, Order};
use crate::repo::{Db, wallets};
use crate::web::auth::CurrentUser;
use crate::web::csv::{self, harmless};
use crate::web::extract::{PathOf, QueryOf};

/// The names in the first line, which an empty history has, too.
const NAMES: [&str; 10] = [
    "created_at",
    "transaction_id",
    "type",
    "counterparty",
    "description",
    "asset_id",
    "amount",
    "balance_before",
    "balance_after",
    "version",
];

/// A file with one row.
const EXAMPLE: &str = "\
created_at,transaction_id,type,counterparty,description,asset_id,amount,balance_before,balance_after,version\r
2026-03-01T09:30:00.000000Z,01950f2e-7a40-7000-8000-000000000001,transfer,user_bob,Thank you,,-12.50,100.00,87.50,2\r
";

/// Which rows the file has, and what it looks like.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StatementQuery {
    /// The first instant, or the first day in UTC.
    #[param(example = "2024-01-01")]
    start_date: Option<String>,
    /// The last instant, or the last day in UTC.
    #[param(example = "2024-01-31")]
    end_date: Option<String>,
    /// The kind of file.
    #[serde(default, rename = "format")]
    #[param(inline)]
    _format: Format,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Csv,
}

/// A line of the file, under the names of its fields.
#[derive(Serialize)]
struct Line {
    created_at: String,
    transaction_id: TransactionId,
    #[serde(rename = "type")]
    transaction_type: &'static str,
    counterparty: String,
    description: String,
    asset_id: Option<AssetId>,
    amount: String,
    balance_before: String,
    balance_after: String,
    version: i64,
}

impl Line {
    fn new(row: HistoryRow, scale: u8) -> Self {
        Self {
            created_at: row.created_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            transaction_id: row.transaction,
            transaction_type: row.transaction_type.as_str(),
            counterparty: harmless(row.counterparty.unwrap_or_default()),
            description: harmless(row.description),
            asset_id: row.asset,
            amount: row.amount.at_scale(scale),
            balance_before: row.balance_before.at_scale(scale),
            balance_after: row.balance_after.at_scale(scale),
            version: row.version,
        }
    }
}

/// Writes a wallet's history into a file
///
/// As comma-separated values (RFC 4180), the oldest row first. A text that a spreadsheet could take
/// for a formula begins with an apostrophe.
///
/// # Errors
/// `not_found` where there is no wallet that the caller may know of; `invalid` where the start or the
/// end is no time, or the end is before the start.
#[utoipa::path(
    get,
    path = "/api/v1/wallets/{id}/statement",
    params(("id" = WalletId, Path), StatementQuery),
    responses((
        status = 200,
        description = "The file.",
        body = String,
        content_type = "text/csv",
        example = json!(EXAMPLE),
    ))
)]
pub async fn show(
    current: CurrentUser,
    id: PathOf<WalletId>,
    query: QueryOf<StatementQuery>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let query = query.0;
    let viewer = viewer(&current);
    let period = range::dates(query.start_date.as_deref(), query.end_date.as_deref())?;
    let wallet = db.run(move |conn| wallets::one(conn, viewer, id.0)).await?;
    let file = format!("{}-wallet-{}", wallet.asset_type.code, wallet.id);
    let filter = HistoryFilter { period, transaction_type: None, order: Order::OldestFirst };
    let (id, scale) = (wallet.id, wallet.asset_type.scale.0);
    csv::file(&file, &NAMES, move |request| {
        let (db, filter) = (db.clone(), filter.clone());
        async move {
            let page = db.run(move |conn| history::rows(conn, id, &filter, &request)).await?;
            Ok(page.map(|row| Line::new(row, scale)))
        }
    })
    .await
}
