//! What users hold.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::amount::Decimal;
use super::{ListBody, PageQuery, viewer};
use crate::domain::{AssetTypeCode, User, WalletId};
use crate::error::Result;
use crate::repo::wallets::{self, Holding, WalletFilter, WalletView};
use crate::repo::{Db, PageRequest, asset_types, users};
use crate::web::auth::CurrentUser;
use crate::web::extract::{JsonBody, Now, PathOf, QueryOf};

/// What a user holds in one asset type.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "user": "user_alice", "asset_type": "GOLD", "name": "Gold Coins", "balance": "100.00", "minimum_balance": "0.00",
})))]
struct BalanceBody {
    user: String,
    asset_type: AssetTypeCode,
    /// That of the asset type.
    name: String,
    #[schema(value_type = Decimal)]
    balance: String,
    /// What must be left after a debit.
    #[schema(value_type = Decimal)]
    minimum_balance: String,
}

impl BalanceBody {
    fn new(user: &User, holding: Holding) -> Self {
        let scale = holding.asset_type.scale.0;
        Self {
            user: user.external_id.clone(),
            name: holding.asset_type.name,
            balance: holding.balance.at_scale(scale),
            minimum_balance: holding.asset_type.minimum_balance.at_scale(scale),
            asset_type: holding.asset_type.code,
        }
    }
}

/// Lists what a user holds
///
/// By the codes of all asset types.
///
/// # Errors
/// `user_not_found`, also where the caller may not know of the user.
#[utoipa::path(
    get,
    path = "/api/v1/users/{user}/balances",
    params(("user" = String, Path), PageQuery),
    responses((status = 200, description = "A page of balances, one per asset type.", body = ListBody<BalanceBody>))
)]
pub async fn balances(
    current: CurrentUser,
    name: PathOf<String>,
    query: QueryOf<PageQuery>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let request = PageRequest::new(query.0.limit, query.0.cursor.as_deref())?;
    let (user, page) = db
        .run(move |conn| {
            let user = users::meant_by(conn, current.user, &name.0)?;
            let page = wallets::page_of_holdings(conn, user.id, &request)?;
            Ok((user, page))
        })
        .await?;
    Ok(HttpResponse::Ok().json(ListBody::of(page, |holding| BalanceBody::new(&user, holding))))
}

/// Shows what a user holds in one asset type
///
/// # Errors
/// `user_not_found`, also where the caller may not know of the user, `asset_type_not_found`.
#[utoipa::path(
    get,
    path = "/api/v1/users/{user}/balances/{code}",
    params(("user" = String, Path), ("code" = AssetTypeCode, Path)),
    responses((status = 200, description = "The balance, zero where there is no wallet.", body = BalanceBody))
)]
pub async fn balance(current: CurrentUser, path: PathOf<(String, String)>, db: Data<Db>) -> Result<HttpResponse> {
    let (name, code) = path.0;
    let (user, holding) = db
        .run(move |conn| {
            let user = users::meant_by(conn, current.user, &name)?;
            let holding = wallets::holding(conn, user.id, &AssetTypeCode::parse(&code)?)?;
            Ok((user, holding))
        })
        .await?;
    Ok(HttpResponse::Ok().json(BalanceBody::new(&user, holding)))
}

/// A wallet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": 1, "user": "user_alice", "asset_type": "GOLD", "balance": "100.00", "minimum_balance": "0.00", "version": 1,
    "created_at": "2026-03-01T09:30:00Z",
})))]
pub struct WalletBody {
    /// The wallet's number.
    id: WalletId,
    /// The owner; `treasury` for the system's own, which only admins see.
    user: String,
    /// The unit.
    asset_type: AssetTypeCode,
    /// What it holds.
    #[schema(value_type = Decimal)]
    balance: String,
    /// The least that it may hold after a debit.
    #[schema(value_type = Decimal)]
    minimum_balance: String,
    /// The number of its entries.
    version: i64,
    /// When it was opened.
    created_at: DateTime<Utc>,
}

impl From<WalletView> for WalletBody {
    fn from(wallet: WalletView) -> Self {
        let scale = wallet.asset_type.scale.0;
        Self {
            id: wallet.id,
            user: wallet.user.unwrap_or_else(|| "treasury".to_owned()),
            asset_type: wallet.asset_type.code,
            balance: wallet.balance.at_scale(scale),
            minimum_balance: wallet.asset_type.minimum_balance.at_scale(scale),
            version: wallet.version,
            created_at: wallet.created_at,
        }
    }
}

/// The wallet to be opened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWalletBody {
    /// The owner: the caller where nobody is named. Only admins may name another.
    #[schema(examples("user_alice"))]
    user: Option<String>,
    /// The unit.
    #[schema(value_type = AssetTypeCode)]
    asset_type: String,
}

/// Opens a wallet
///
/// The first credit opens one, too.
///
/// # Errors
/// `user_not_found`, also where the caller may not know of the user, `asset_type_not_found`,
/// `wallet_exists`.
#[utoipa::path(
    post,
    path = "/api/v1/wallets",
    request_body = NewWalletBody,
    responses((status = 201, description = "The new wallet, which is empty.", body = WalletBody))
)]
pub async fn open(current: CurrentUser, body: JsonBody<NewWalletBody>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let wallet = db
        .run(move |conn| {
            let user = users::meant_by(conn, current.user, body.0.user.as_deref().unwrap_or("me"))?;
            wallets::open(conn, user.id, &AssetTypeCode::parse(&body.0.asset_type)?, now.0)
        })
        .await?;
    Ok(HttpResponse::Created().json(WalletBody::from(wallet)))
}

/// What a list of wallets can be narrowed to.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct WalletsQuery {
    /// Those of this user; `me` is the caller. Users may name themselves only.
    user: Option<String>,
    /// Those of this unit.
    #[param(example = "GOLD")]
    asset_type: Option<String>,
    /// How many rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists wallets
///
/// Users see their own, admins see all.
///
/// # Errors
/// `user_not_found`, also where the caller may not know of the user, `asset_type_not_found`.
#[utoipa::path(
    get,
    path = "/api/v1/wallets",
    params(WalletsQuery),
    responses((status = 200, description = "A page of wallets.", body = ListBody<WalletBody>))
)]
pub async fn list(current: CurrentUser, query: QueryOf<WalletsQuery>, db: Data<Db>) -> Result<HttpResponse> {
    let query = query.0;
    let request = PageRequest::new(query.limit, query.cursor.as_deref())?;
    let asset_type = query.asset_type.as_deref().map(AssetTypeCode::parse).transpose()?;
    let page = db
        .run(move |conn| {
            let user = users::shown_to(conn, current.user, query.user.as_deref())?;
            let filter = WalletFilter { user, asset_type };
            let page = wallets::page(conn, &filter, &request)?;
            asset_types::of_known_type(conn, page, filter.asset_type.as_ref())
        })
        .await?;
    Ok(HttpResponse::Ok().json(ListBody::of(page, WalletBody::from)))
}

/// Shows a wallet
///
/// # Errors
/// `not_found` where there is none that the caller may know of.
#[utoipa::path(
    get,
    path = "/api/v1/wallets/{id}",
    params(("id" = WalletId, Path)),
    responses((status = 200, description = "The wallet.", body = WalletBody))
)]
pub async fn show(current: CurrentUser, id: PathOf<WalletId>, db: Data<Db>) -> Result<HttpResponse> {
    let viewer = viewer(&current);
    let wallet = db.run(move |conn| wallets::one(conn, viewer, id.0)).await?;
    Ok(HttpResponse::Ok().json(WalletBody::from(wallet)))
}
