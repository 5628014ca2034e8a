//! The history of a wallet: its rows, and the totals of a range of dates.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::amount::Decimal;
use super::{ListBody, range, viewer};
use crate::domain::{AssetId, TransactionId, TransactionType, WalletId};
use crate::error::Result;
use crate::repo::history::{self, History, HistoryFilter, HistoryRow, Order, Totals};
use crate::repo::{Db, PageRequest};
use crate::web::auth::CurrentUser;
use crate::web::extract::{PathOf, QueryOf};

/// What one transaction did to the wallet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "transaction_id": "01950f2e-7a40-7000-8000-000000000001", "type": "transfer", "amount": "-12.50",
    "balance_before": "100.00", "balance_after": "87.50", "version": 2, "counterparty": "user_bob",
    "description": "Thank you", "asset_id": null, "created_at": "2026-03-01T09:30:00Z",
})))]
pub struct HistoryRowBody {
    /// The transaction.
    transaction_id: TransactionId,
    /// Why value moved.
    #[serde(rename = "type")]
    transaction_type: TransactionType,
    /// What the wallet gained, or gave where negative.
    #[schema(value_type = Decimal)]
    amount: String,
    /// What it held before.
    #[schema(value_type = Decimal)]
    balance_before: String,
    /// What it held after.
    #[schema(value_type = Decimal)]
    balance_after: String,
    /// The wallet's version after this: 1, 2, 3 … without gaps.
    version: i64,
    /// The other user; null where the other side is the treasury.
    #[schema(required = true)]
    counterparty: Option<String>,
    /// What it was for.
    description: String,
    /// The asset, if this is its claim; else null.
    #[schema(required = true)]
    asset_id: Option<AssetId>,
    /// When.
    created_at: DateTime<Utc>,
}

impl HistoryRowBody {
    fn new(row: HistoryRow, scale: u8) -> Self {
        Self {
            transaction_id: row.transaction,
            transaction_type: row.transaction_type,
            amount: row.amount.at_scale(scale),
            balance_before: row.balance_before.at_scale(scale),
            balance_after: row.balance_after.at_scale(scale),
            version: row.version,
            counterparty: row.counterparty,
            description: row.description,
            asset_id: row.asset,
            created_at: row.created_at,
        }
    }
}

/// What the wallet held at both ends of the range, and what came and went between:
/// `opening_balance` + `credit` - `debit` = `closing_balance`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "credit": "100.00", "debit": "12.50", "opening_balance": "0.00", "closing_balance": "87.50",
})))]
pub struct TotalsBody {
    /// All that came.
    #[schema(value_type = Decimal)]
    credit: String,
    /// All that went.
    #[schema(value_type = Decimal)]
    debit: String,
    /// What was there before the range.
    #[schema(value_type = Decimal)]
    opening_balance: String,
    /// What was there at its end.
    #[schema(value_type = Decimal)]
    closing_balance: String,
}

impl TotalsBody {
    fn new(totals: &Totals, scale: u8) -> Self {
        Self {
            credit: totals.credit.at_scale(scale),
            debit: totals.debit.at_scale(scale),
            opening_balance: totals.opening_balance.at_scale(scale),
            closing_balance: totals.closing_balance.at_scale(scale),
        }
    }
}

/// A page of a wallet's history.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryBody {
    /// The rows.
    data: Vec<HistoryRowBody>,
    /// What `cursor` takes for the next page; null on the last.
    #[schema(required = true, examples(json!(null)))]
    next_cursor: Option<String>,
    /// The totals of the whole range of dates, on every page; a `type` does not narrow them.
    totals: TotalsBody,
}

/// What of a wallet's history is shown, and in which order.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// The first instant, or the first day in UTC.
    #[param(example = "2024-01-01")]
    start_date: Option<String>,
    /// The last instant, or the last day in UTC.
    #[param(example = "2024-01-31T23:59:59Z")]
    end_date: Option<String>,
    /// Only the rows of this type. The totals are those of the whole range all the same.
    #[serde(rename = "type")]
    transaction_type: Option<TransactionType>,
    /// `desc`, the newest first, or `asc`.
    #[serde(default)]
    #[param(inline)]
    order: OrderInput,
    /// How many rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The order of rows.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OrderInput {
    #[default]
    Desc,
    Asc,
}

/// Shows a wallet's history
///
/// Each row has the balances before and after it, and each page has the totals of the whole range.
///
/// # Errors
/// `not_found` where there is no wallet that the caller may know of; `invalid` where an end of the range is no
/// time, or it ends before it starts.
#[utoipa::path(
    get,
    path = "/api/v1/wallets/{id}/transactions",
    params(("id" = WalletId, Path), HistoryQuery),
    responses((status = 200, description = "A page of rows, and the totals.", body = HistoryBody))
)]
pub async fn show(
    current: CurrentUser,
    id: PathOf<WalletId>,
    query: QueryOf<HistoryQuery>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let query = query.0;
    let viewer = viewer(&current);
    let request = PageRequest::new(query.limit, query.cursor.as_deref())?;
    let filter = HistoryFilter {
        period: range::dates(query.start_date.as_deref(), query.end_date.as_deref())?,
        transaction_type: query.transaction_type,
        order: match query.order {
            OrderInput::Desc => Order::NewestFirst,
            OrderInput::Asc => Order::OldestFirst,
        },
    };
    let History { wallet, page, totals } =
        db.run(move |conn| history::of_wallet(conn, viewer, id.0, &filter, &request)).await?;
    let scale = wallet.asset_type.scale.0;
    let ListBody { data, next_cursor } = ListBody::of(page, |row| HistoryRowBody::new(row, scale));
    Ok(HttpResponse::Ok().json(HistoryBody { data, next_cursor, totals: TotalsBody::new(&totals, scale) }))
}
