//! Asset types: listing, creating and changing them.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::amount::{AmountInput, Decimal, MinimumInput};
use super::{ListBody, PageQuery};
use crate::domain::{AssetType, AssetTypeCode, Balance, Scale};
use crate::error::{Error, FieldError, Result};
use crate::repo::asset_types::{self, AssetTypeChange};
use crate::repo::{Db, PageRequest};
use crate::web::auth::{Admin, By};
use crate::web::extract::{JsonBody, Now, PathOf, QueryOf};
use crate::web::json;

/// A unit of account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "code": "GOLD", "name": "Gold Coins", "scale": 2, "minimum_balance": "0.00", "transferable": true,
})))]
struct AssetTypeBody {
    code: AssetTypeCode,
    name: String,
    /// How many decimals its amounts have.
    #[schema(minimum = 0, maximum = 4)]
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

/// Lists the asset types
///
/// By their codes.
///
/// # Errors
/// `invalid_cursor`.
#[utoipa::path(
    get,
    path = "/api/v1/asset-types",
    params(PageQuery),
    responses((status = 200, description = "A page of asset types.", body = ListBody<AssetTypeBody>))
)]
pub async fn list(query: QueryOf<PageQuery>, db: Data<Db>) -> Result<HttpResponse> {
    let request = PageRequest::new(query.0.limit, query.0.cursor.as_deref())?;
    let page = db.run(move |conn| asset_types::page(conn, &request)).await?;
    Ok(HttpResponse::Ok().json(ListBody::of(page, AssetTypeBody::from)))
}

/// The asset type to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"code": "MILES", "name": "Air Miles", "scale": 0, "transferable": true})))]
pub struct NewAssetTypeBody {
    /// What it is called in addresses and requests, for ever.
    #[schema(value_type = AssetTypeCode)]
    code: String,
    /// What people call it, one line.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// How many decimals its amounts have.
    #[schema(minimum = 0, maximum = 4)]
    scale: i64,
    /// What every user's wallet must keep; nothing where nothing is said.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(value_type = Option<MinimumInput>, nullable = false)]
    minimum_balance: Option<AmountInput>,
    /// Whether users can give it to each other; not where nothing is said.
    #[serde(default)]
    transferable: bool,
}

impl NewAssetTypeBody {
    fn parse(self, now: Now) -> Result<AssetType> {
        let mut errors = Vec::new();
        let code = AssetTypeCode::parse(&self.code);
        if code.is_err() {
            errors.push(FieldError::new("code", "Use a capital letter and 1 to 11 more capital letters or digits."));
        }
        let minimum = minimum(self.minimum_balance.as_ref()).map_err(|error| errors.push(error));
        match (code, minimum) {
            (Ok(code), Ok(minimum_balance)) => Ok(AssetType {
                code,
                name: self.name,
                scale: Scale(scale(self.scale)),
                minimum_balance: minimum_balance.unwrap_or_else(Balance::zero),
                transferable: self.transferable,
                created_at: now.0,
            }),
            _ => Err(Error::Invalid(errors)),
        }
    }
}

/// None that is out of range is in it: what is too large is refused with the other fields.
fn scale(number: i64) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

fn minimum(text: Option<&AmountInput>) -> std::result::Result<Option<Balance>, FieldError> {
    let read = |text: &AmountInput| {
        Balance::parse_minimum(text.as_str()).map_err(|refusal| FieldError::new("minimum_balance", refusal.to_string()))
    };
    text.map(read).transpose()
}

/// Creates an asset type
///
/// # Errors
/// `invalid`, `asset_type_exists`.
#[utoipa::path(
    post,
    path = "/api/v1/admin/asset-types",
    request_body = NewAssetTypeBody,
    responses((status = 201, description = "The new asset type.", body = AssetTypeBody))
)]
pub async fn create(
    _: Admin,
    by: By,
    now: Now,
    body: JsonBody<NewAssetTypeBody>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let new = body.0.parse(now)?;
    let created = db.run(move |conn| asset_types::create(conn, &by.0, &new, now.0)).await?;
    Ok(HttpResponse::Created().json(AssetTypeBody::from(created)))
}

/// What is to change about an asset type; what is not given stays, and so does its code.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"name": "Gold Coins", "transferable": true})))]
pub struct AssetTypePatch {
    /// What people call it, one line.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(min_length = 1, max_length = 100, nullable = false)]
    name: Option<String>,
    /// How many decimals its amounts have; stays once anything is counted in it.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(minimum = 0, maximum = 4, nullable = false)]
    scale: Option<i64>,
    /// What every user's wallet must keep.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(value_type = Option<MinimumInput>, nullable = false)]
    minimum_balance: Option<AmountInput>,
    /// Whether users can give it to each other.
    #[serde(default, deserialize_with = "json::given")]
    #[schema(nullable = false)]
    transferable: Option<bool>,
}

/// Changes an asset type
///
/// # Errors
/// `invalid`, `asset_type_not_found`, `scale_fixed`.
#[utoipa::path(
    patch,
    path = "/api/v1/admin/asset-types/{code}",
    params(("code" = AssetTypeCode, Path)),
    request_body = AssetTypePatch,
    responses((status = 200, description = "The asset type as it is now.", body = AssetTypeBody))
)]
pub async fn edit(
    _: Admin,
    by: By,
    code: PathOf<String>,
    now: Now,
    body: JsonBody<AssetTypePatch>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let code = AssetTypeCode::parse(&code.0)?;
    let minimum_balance = minimum(body.0.minimum_balance.as_ref()).map_err(|error| Error::Invalid(vec![error]))?;
    let AssetTypePatch { name, transferable, .. } = body.0;
    let change = AssetTypeChange { name, scale: body.0.scale.map(scale), minimum_balance, transferable };
    let changed = db.run(move |conn| asset_types::edit(conn, &by.0, &code, &change, now.0)).await?;
    Ok(HttpResponse::Ok().json(AssetTypeBody::from(changed)))
}
