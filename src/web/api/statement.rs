//! A wallet's history as a file.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Deserialize;

use super::{range, viewer};
use crate::domain::WalletId;
use crate::error::Result;
use crate::repo::Db;
use crate::web::auth::CurrentUser;
use crate::web::extract::{PathOf, QueryOf};
use crate::web::statements::{self, Format, Pdf, Press};

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
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// Writes a wallet's history into a file
///
/// The oldest row first: as comma-separated values (RFC 4180), where a text that a spreadsheet could
/// take for a formula begins with an apostrophe, or as a PDF, with the totals of the range.
///
/// # Errors
/// `not_found` where there is no wallet that the caller may know of; `invalid` where the start or the
/// end is no time, or the end is before the start; `statement_too_long` where a PDF would have more
/// than 10,000 rows.
#[utoipa::path(
    get,
    path = "/api/v1/wallets/{id}/statement",
    params(("id" = WalletId, Path), StatementQuery),
    responses((
        status = 200,
        description = "The file.",
        content(
            (String = "text/csv", example = json!(EXAMPLE)),
            (Pdf = "application/pdf"),
        ),
    ))
)]
pub async fn show(
    current: CurrentUser,
    id: PathOf<WalletId>,
    query: QueryOf<StatementQuery>,
    db: Data<Db>,
    press: Data<Press>,
) -> Result<HttpResponse> {
    let query = query.0;
    let viewer = viewer(&current);
    let period = range::dates(query.start_date.as_deref(), query.end_date.as_deref())?;
    statements::file(&db, &press, query.format, viewer, id.0, period).await
}
