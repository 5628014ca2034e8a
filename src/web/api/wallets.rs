//! What users hold, and the units that it is in.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;

use super::ListBody;
use crate::domain::{AssetType, AssetTypeCode, User};
use crate::error::Result;
use crate::repo::wallets::{self, Holding};
use crate::repo::{Db, users};
use crate::web::auth::CurrentUser;
use crate::web::extract::PathOf;

#[derive(Debug, Serialize)]
struct AssetTypeBody {
    code: AssetTypeCode,
    name: String,
    scale: u8,
    minimum_balance: String,
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

#[derive(Debug, Serialize)]
struct BalanceBody {
    user: String,
    asset_type: AssetTypeCode,
    name: String,
    balance: String,
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

/// `GET /api/v1/asset-types`
///
/// # Errors
/// Those of the database.
pub async fn asset_types(db: Data<Db>) -> Result<HttpResponse> {
    let types = db.run(wallets::asset_types).await?;
    Ok(HttpResponse::Ok().json(ListBody::whole(types.into_iter().map(AssetTypeBody::from).collect())))
}

/// `GET /api/v1/users/{user}/balances`
///
/// # Errors
/// As [`users::meant_by`].
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

/// `GET /api/v1/users/{user}/balances/{code}`
///
/// # Errors
/// As [`users::meant_by`] and [`wallets::holding`].
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
