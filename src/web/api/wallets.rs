//! What users hold, and the units that it is in.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use super::ListBody;
use super::amount::Decimal;
use crate::domain::{AssetType, AssetTypeCode, User};
use crate::error::Result;
use crate::repo::wallets::{self, Holding};
use crate::repo::{Db, users};
use crate::web::auth::CurrentUser;
use crate::web::extract::PathOf;

#[derive(Debug, Serialize, ToSchema)]
struct AssetTypeBody {
    code: AssetTypeCode,
    #[schema(examples("Gold Coins"))]
    name: String,
    /// How many decimals its amounts have.
    #[schema(minimum = 0, maximum = 4, examples(2))]
    scale: u8,
    /// What a wallet must keep.
    #[schema(value_type = Decimal)]
    minimum_balance: String,
    /// Whether users can give it to each other.
    transferable: bool,
}

impl From<AssetType> for AssetTypeBody {
    fn from(asset_type: AssetType) -> Self {
        Self {
            code: asset_type.code,
            name: asset_type.name,
            scale: asset_type.scale.0,
            minimum_balance: asset_type.minimum_balance.at_scale(asset_type.scale.0),
            transferable: asset_type.transferable,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct BalanceBody {
    #[schema(examples("user_alice"))]
    user: String,
    asset_type: AssetTypeCode,
    /// That of the asset type.
    #[schema(examples("Gold Coins"))]
    name: String,
    #[schema(value_type = Decimal)]
    balance: String,
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

/// Lists the asset types
///
/// # Errors
/// Those of the database.
#[utoipa::path(
    get,
    path = "/api/v1/asset-types",
    responses((status = 200, description = "All of them.", body = ListBody<AssetTypeBody>))
)]
pub async fn asset_types(db: Data<Db>) -> Result<HttpResponse> {
    let types = db.run(wallets::asset_types).await?;
    Ok(HttpResponse::Ok().json(ListBody::whole(types.into_iter().map(AssetTypeBody::from).collect())))
}

/// Lists what a user holds
///
/// # Errors
/// `user_not_found`, also where the caller may not know of the user.
#[utoipa::path(
    get,
    path = "/api/v1/users/{user}/balances",
    params(("user" = String, Path)),
    responses((status = 200, description = "One balance per asset type.", body = ListBody<BalanceBody>))
)]
pub async fn balances(current: CurrentUser, name: PathOf<String>, db: Data<Db>) -> Result<HttpResponse> {
    let (user, holdings) = db
        .run(move |conn| {
            let user = users::meant_by(conn, current.user, &name.0)?;
            let holdings = wallets::holdings(conn, user.id)?;
            Ok((user, holdings))
        })
        .await?;
    let data = holdings.into_iter().map(|holding| BalanceBody::new(&user, holding)).collect();
    Ok(HttpResponse::Ok().json(ListBody::whole(data)))
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
