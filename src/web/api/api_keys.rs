//! Personal API keys: listing, making and revoking them. A key cannot do any of this itself.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ListBody, PageQuery};
use crate::domain::{ApiKeyId, ApiKeySecret, Scope};
use crate::error::Result;
use crate::repo::api_keys::{self, ApiKey};
use crate::repo::{Db, PageRequest};
use crate::web::auth::{ApiKeyWish, SignedIn};
use crate::web::extract::{JsonBody, Now, PathOf, QueryOf};

/// A personal API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeyBody {
    /// What revokes it.
    id: ApiKeyId,
    /// What its owner calls it.
    #[schema(examples("nightly export"))]
    name: String,
    /// How the key begins, to know it by.
    #[schema(examples("cof_17"))]
    prefix: String,
    /// What it may do.
    scopes: Vec<Scope>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was used last, a minute more or less; null where it never was.
    #[schema(required = true)]
    last_used_at: Option<DateTime<Utc>>,
    /// From when on it opens nothing; null where it has no end of its own.
    #[schema(required = true)]
    expires_at: Option<DateTime<Utc>>,
}

impl From<ApiKey> for ApiKeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            prefix: ApiKeySecret::prefix(key.id),
            id: key.id,
            name: key.name,
            scopes: key.scopes.list(),
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
        }
    }
}

/// A key that has just been made.
#[derive(Serialize, ToSchema)]
pub struct NewApiKeyBody {
    #[serde(flatten)]
    key: ApiKeyBody,
    /// The whole key, for `Authorization: Bearer`. It is shown this once and kept nowhere.
    #[schema(examples("cof_17_k3jq5vzt2n7dhw4bmxg6yfpcae5rsu2l"))]
    secret: String,
}

/// The body that asks for a key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKeyBody {
    /// What to call it, 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100, examples("nightly export"))]
    name: String,
    /// What it may do, at least one; `["read"]` where nothing is said. `read` opens GET, `write` all
    /// other methods, and `admin`, which only an admin's key can have, keeps the role.
    #[schema(min_items = 1)]
    scopes: Option<Vec<Scope>>,
    /// From when on it opens nothing, later than now; without it the key has no end of its own.
    #[schema(examples("2035-12-31T23:00:00Z"))]
    expires_at: Option<DateTime<Utc>>,
}

/// Lists the caller's API keys
///
/// Without their secrets. An API key cannot do this.
///
/// # Errors
/// `forbidden` for an API key.
#[utoipa::path(
    get,
    path = "/api/v1/me/api-keys",
    params(PageQuery),
    responses((status = 200, description = "A page of API keys.", body = ListBody<ApiKeyBody>))
)]
pub async fn list(caller: SignedIn, query: QueryOf<PageQuery>, db: Data<Db>) -> Result<HttpResponse> {
    let request = PageRequest::new(query.0.limit, query.0.cursor.as_deref())?;
    let user = caller.0.user.id;
    let page = db.run(move |conn| api_keys::page(conn, user, &request)).await?;
    Ok(HttpResponse::Ok().json(ListBody::of(page, ApiKeyBody::from)))
}

/// Makes an API key
///
/// The whole key is shown in this answer and never again. An API key cannot do this.
///
/// # Errors
/// `invalid`, `too_many_api_keys`; `forbidden` for an API key.
#[utoipa::path(
    post,
    path = "/api/v1/me/api-keys",
    request_body = CreateApiKeyBody,
    responses((status = 201, description = "The key, with its secret.", body = NewApiKeyBody))
)]
pub async fn create(
    caller: SignedIn,
    body: JsonBody<CreateApiKeyBody>,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let body = body.0;
    let wish = ApiKeyWish {
        name: &body.name,
        scopes: body.scopes.as_deref().unwrap_or(&[Scope::Read]),
        expires_at: body.expires_at,
        form: None,
    };
    let (key, secret) = wish.grant(&caller.0, now.0, &db).await?;
    Ok(HttpResponse::Created().json(NewApiKeyBody { secret, key: key.into() }))
}

/// Revokes an API key
///
/// It opens nothing from now on. An API key cannot do this.
///
/// # Errors
/// `not_found` where the caller has no such key; `forbidden` for an API key.
#[utoipa::path(
    delete,
    path = "/api/v1/me/api-keys/{id}",
    params(("id" = ApiKeyId, Path)),
    responses((status = 204, description = "The key is gone."))
)]
pub async fn revoke(caller: SignedIn, id: PathOf<ApiKeyId>, db: Data<Db>) -> Result<HttpResponse> {
    let user = caller.0.user.id;
    db.run(move |conn| api_keys::revoke(conn, user, id.0)).await?;
    Ok(HttpResponse::NoContent().finish())
}
