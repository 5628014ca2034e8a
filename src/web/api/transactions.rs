//! Transactions: what moved, between whom, and what it left.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::amount::Decimal;
use super::{ListBody, range, viewer};
use crate::domain::{AssetId, AssetTypeCode, Entry, Owner, Transaction, TransactionId, TransactionType, WalletId};
use crate::error::Result;
use crate::repo::assets::Viewer;
use crate::repo::transactions::{self, TransactionFilter, TransactionView};
use crate::repo::{Db, PageRequest, asset_types, users};
use crate::web::auth::CurrentUser;
use crate::web::extract::{PathOf, QueryOf};

/// A transaction as its viewer may see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransactionBody {
    /// A UUIDv7.
    id: TransactionId,
    #[serde(flatten)]
    movement: MovementBody,
}

/// What a transaction moves, or would move.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "type": "transfer", "user": "user_alice", "counterparty": "user_bob", "asset_type": "GOLD", "amount": "12.50",
    "description": "Thank you", "metadata": {"order": "4711"}, "asset_id": null, "reverses": null,
    "created_at": "2026-03-01T09:30:00Z",
    "entries": [
        {"wallet_id": 1, "amount": "-12.50", "balance_before": "100.00", "balance_after": "87.50"},
        {"wallet_id": 2, "amount": "12.50", "balance_before": null, "balance_after": null},
    ],
})))]
pub struct MovementBody {
    /// Why value moved.
    #[serde(rename = "type")]
    transaction_type: TransactionType,
    /// Whom it is about; of a transfer and its reversal the user who sent.
    user: String,
    /// The other user; null where the other side is the treasury.
    #[schema(required = true)]
    counterparty: Option<String>,
    /// The unit.
    asset_type: AssetTypeCode,
    /// How much moved.
    #[schema(value_type = Decimal)]
    amount: String,
    /// What it was for.
    description: String,
    /// What the request attached, an object.
    #[schema(value_type = Object)]
    metadata: serde_json::Value,
    /// The asset, if this is its claim; else null.
    #[schema(required = true)]
    asset_id: Option<AssetId>,
    /// The transaction that this one takes back; null where it takes none back.
    #[schema(required = true)]
    reverses: Option<TransactionId>,
    /// Why an admin did this; only for admins, and only where a reason was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// When it was posted.
    created_at: DateTime<Utc>,
    /// The two lines, which sum to zero: what the first wallet gives, the second gains.
    entries: [EntryBody; 2],
}

/// One line of a transaction.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryBody {
    /// The wallet; null in a dry run of what would open it.
    #[schema(required = true)]
    wallet_id: Option<WalletId>,
    /// What it gained, or gave where negative.
    #[schema(value_type = Decimal)]
    amount: String,
    /// What it held before; null where the wallet is not the viewer's.
    #[schema(required = true, value_type = Option<Decimal>)]
    balance_before: Option<String>,
    /// What it holds after; null where the wallet is not the viewer's.
    #[schema(required = true, value_type = Option<Decimal>)]
    balance_after: Option<String>,
}

impl TransactionBody {
    /// The transaction without what the viewer may not know: balances of others, and reasons.
    pub fn new(view: TransactionView, viewer: Viewer) -> Self {
        Self { id: view.transaction.id, movement: MovementBody::new(view, viewer) }
    }
}

impl MovementBody {
    /// As [`TransactionBody::new`].
    pub fn new(view: TransactionView, viewer: Viewer) -> Self {
        let TransactionView { transaction, user, counterparty } = view;
        let Transaction { debit, credit, scale, .. } = &transaction;
        let entries = [EntryBody::new(debit, scale.0, viewer), EntryBody::new(credit, scale.0, viewer)];
        Self {
            transaction_type: transaction.transaction_type,
            user,
            counterparty,
            amount: transaction.amount.at_scale(scale.0),
            asset_type: transaction.asset_type,
            description: transaction.description,
            metadata: transaction.metadata.unwrap_or_else(|| serde_json::json!({})),
            asset_id: transaction.asset,
            reverses: transaction.reverses,
            reason: transaction.reason.filter(|_| viewer == Viewer::Admin),
            created_at: transaction.created_at,
            entries,
        }
    }
}

impl EntryBody {
    fn new(entry: &Entry, scale: u8, viewer: Viewer) -> Self {
        let shows_balance = match viewer {
            Viewer::Admin => true,
            Viewer::User(user) => entry.owner == Owner::User(user),
        };
        Self {
            wallet_id: entry.wallet_id,
            amount: entry.amount.at_scale(scale),
            balance_before: shows_balance.then(|| entry.balance_before.at_scale(scale)),
            balance_after: shows_balance.then(|| entry.balance_after.at_scale(scale)),
        }
    }
}

/// What a list of transactions can be narrowed to.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TransactionsQuery {
    /// Those in this user's wallets; `me` is the caller. Users may name themselves only.
    user: Option<String>,
    /// Those of this type.
    #[serde(rename = "type")]
    transaction_type: Option<TransactionType>,
    /// Those of this unit.
    #[param(example = "GOLD")]
    asset_type: Option<String>,
    /// The first instant, or the first day in UTC.
    #[param(example = "2024-01-01")]
    start_date: Option<String>,
    /// The last instant, or the last day in UTC.
    #[param(example = "2024-01-31T23:59:59Z")]
    end_date: Option<String>,
    /// How many rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl TransactionsQuery {
    /// What the list shows but for its user, which page of it, and the user's name.
    pub(super) fn parse(self) -> Result<(TransactionFilter, PageRequest, Option<String>)> {
        let request = PageRequest::new(self.limit, self.cursor.as_deref())?;
        let dates = (("start_date", self.start_date.as_deref()), ("end_date", self.end_date.as_deref()));
        let filter = TransactionFilter {
            user: None,
            transaction_type: self.transaction_type,
            asset_type: self.asset_type.as_deref().map(AssetTypeCode::parse).transpose()?,
            period: range::period(dates.0, dates.1)?,
        };
        Ok((filter, request, self.user))
    }
}

/// Lists transactions
///
/// Users see those of their own wallets, admins see all.
///
/// # Errors
/// `user_not_found`, also where the caller may not know of the user, `asset_type_not_found`;
/// `invalid` where an end of the range is no time, or it ends before it starts.
#[utoipa::path(
    get,
    path = "/api/v1/transactions",
    params(TransactionsQuery),
    responses((status = 200, description = "A page of transactions.", body = ListBody<TransactionBody>))
)]
pub async fn list(current: CurrentUser, query: QueryOf<TransactionsQuery>, db: Data<Db>) -> Result<HttpResponse> {
    let viewer = viewer(&current);
    let (mut filter, request, user) = query.0.parse()?;
    let page = db
        .run(move |conn| {
            filter.user = users::shown_to(conn, current.user, user.as_deref())?;
            let page = transactions::page(conn, &filter, &request)?;
            asset_types::of_known_type(conn, page, filter.asset_type.as_ref())
        })
        .await?;
    Ok(HttpResponse::Ok().json(ListBody::of(page, |view| TransactionBody::new(view, viewer))))
}

/// Shows a transaction
///
/// # Errors
/// `not_found` where there is none that the caller may know of.
#[utoipa::path(
    get,
    path = "/api/v1/transactions/{id}",
    params(("id" = TransactionId, Path)),
    responses((status = 200, description = "The transaction.", body = TransactionBody))
)]
pub async fn show(current: CurrentUser, id: PathOf<TransactionId>, db: Data<Db>) -> Result<HttpResponse> {
    let viewer = viewer(&current);
    let view = db.run(move |conn| transactions::one(conn, viewer, id.0)).await?;
    Ok(HttpResponse::Ok().json(TransactionBody::new(view, viewer)))
}
