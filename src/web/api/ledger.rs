//! The ledger as admins look through it: transactions and their entries.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::amount::Decimal;
use super::transactions::{TransactionBody, TransactionsQuery};
use super::{ListBody, range};
use crate::domain::{AssetTypeCode, TransactionId, TransactionType, User, WalletId};
use crate::error::Result;
use crate::repo::assets::Viewer;
use crate::repo::entries::{self, EntryFilter, EntryLine};
use crate::repo::transactions::{self, TransactionView};
use crate::repo::{Db, PageRequest, asset_types, users};
use crate::web::auth::Admin;
use crate::web::extract::QueryOf;

/// A transaction as admins find it in the ledger.
#[derive(Debug, Serialize, ToSchema)]
struct FoundBody {
    #[serde(flatten)]
    transaction: TransactionBody,
    /// Who asked for it.
    #[schema(examples("user_alice"))]
    requested_by: String,
}

/// Lists the transactions of all users
///
/// Newest first; with a user, those of its wallets.
///
/// # Errors
/// `user_not_found`, `asset_type_not_found`; `invalid` where an end of the range is no time, or it ends
/// before it starts.
#[utoipa::path(
    get,
    path = "/api/v1/admin/ledger/transactions",
    params(TransactionsQuery),
    responses((status = 200, description = "A page of transactions.", body = ListBody<FoundBody>))
)]
pub async fn transactions(admin: Admin, query: QueryOf<TransactionsQuery>, db: Data<Db>) -> Result<HttpResponse> {
    let (mut filter, request, user) = query.0.parse()?;
    let (page, names) = db
        .run(move |conn| {
            filter.user = users::shown_to(conn, admin.0.user, user.as_deref())?;
            let page = transactions::page(conn, &filter, &request)?;
            let page = asset_types::of_known_type(conn, page, filter.asset_type.as_ref())?;
            let callers: Vec<_> = page.items.iter().map(|view| view.transaction.requested_by).collect();
            let names = users::names_of(conn, &callers)?;
            Ok((page, names))
        })
        .await?;
    let body = |view: TransactionView| FoundBody {
        requested_by: names.get(&view.transaction.requested_by).cloned().unwrap_or_default(),
        transaction: TransactionBody::new(view, Viewer::Admin),
    };
    Ok(HttpResponse::Ok().json(ListBody::of(page, body)))
}

/// A line of the ledger.
#[derive(Debug, Serialize, ToSchema)]
struct EntryLineBody {
    transaction_id: TransactionId,
    /// Why value moved.
    #[serde(rename = "type")]
    transaction_type: TransactionType,
    wallet_id: WalletId,
    /// Whose wallet it is; null where it is the treasury's.
    #[schema(required = true, examples("user_alice"))]
    user: Option<String>,
    asset_type: AssetTypeCode,
    /// What the wallet gained, or gave where negative.
    #[schema(value_type = Decimal)]
    amount: String,
    #[schema(value_type = Decimal)]
    balance_before: String,
    #[schema(value_type = Decimal)]
    balance_after: String,
    /// The wallet's: 1, 2, 3 … without gaps.
    version: i64,
    /// What it was for.
    #[schema(examples("Coffee beans"))]
    description: String,
    created_at: DateTime<Utc>,
}

impl From<EntryLine> for EntryLineBody {
    fn from(line: EntryLine) -> Self {
        let scale = line.scale.0;
        Self {
            transaction_id: line.transaction,
            transaction_type: line.transaction_type,
            wallet_id: line.wallet,
            user: line.user,
            asset_type: line.asset_type,
            amount: line.amount.at_scale(scale),
            balance_before: line.balance_before.at_scale(scale),
            balance_after: line.balance_after.at_scale(scale),
            version: line.version,
            description: line.description,
            created_at: line.created_at,
        }
    }
}

/// What a list of entries can be narrowed to.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EntriesQuery {
    /// Only those on this wallet.
    wallet_id: Option<WalletId>,
    /// Only those on this user's wallets.
    user: Option<String>,
    /// Only those in this asset type.
    asset_type: Option<String>,
    /// Only those of transactions of this type.
    #[serde(rename = "type")]
    transaction_type: Option<TransactionType>,
    /// Only those from this instant or day on.
    #[param(example = "2024-01-01")]
    start_date: Option<String>,
    /// Only those up to this instant or day.
    #[param(example = "2024-01-31")]
    end_date: Option<String>,
    /// How many rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists the entries of all wallets
///
/// Newest first, the two of a transaction next to each other; with a wallet or a user, those of its
/// wallets in the order of their times.
///
/// # Errors
/// `user_not_found`, `asset_type_not_found`; `invalid` where an end of the range is no time, or it ends
/// before it starts.
#[utoipa::path(
    get,
    path = "/api/v1/admin/ledger/entries",
    params(EntriesQuery),
    responses((status = 200, description = "A page of entries.", body = ListBody<EntryLineBody>))
)]
pub async fn entries(admin: Admin, query: QueryOf<EntriesQuery>, db: Data<Db>) -> Result<HttpResponse> {
    let query = query.0;
    let request = PageRequest::new(query.limit, query.cursor.as_deref())?;
    let mut filter = EntryFilter {
        wallet: query.wallet_id,
        user: None,
        asset_type: query.asset_type.as_deref().map(AssetTypeCode::parse).transpose()?,
        transaction_type: query.transaction_type,
        period: range::period(("start_date", query.start_date.as_deref()), ("end_date", query.end_date.as_deref()))?,
    };
    let caller: User = admin.0.user;
    let page = db
        .run(move |conn| {
            filter.user = users::shown_to(conn, caller, query.user.as_deref())?;
            let page = entries::page(conn, &filter, &request)?;
            asset_types::of_known_type(conn, page, filter.asset_type.as_ref())
        })
        .await?;
    Ok(HttpResponse::Ok().json(ListBody::of(page, EntryLineBody::from)))
}
