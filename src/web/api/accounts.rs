//! Registering, signing in by token, and who one is.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Role, SessionId, SessionKind, User, UserStatus};
use crate::error::Result;
use crate::repo::Db;
use crate::repo::sessions::{self, NewSession};
use crate::web::auth::keys::ACCESS_SECONDS;
use crate::web::auth::{CurrentUser, InSession, Keys, Proven, Reception, Registration, SignedIn};
use crate::web::client::Client;
use crate::web::extract::{JsonBody, Now};

/// A user, as only itself and admins see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserBody {
    /// The public name.
    #[schema(examples("user_alice"))]
    id: String,
    #[schema(required = true, examples("alice"))]
    username: Option<String>,
    #[schema(required = true, examples("alice@example.org"))]
    email: Option<String>,
    #[schema(required = true, examples("+4915112345678"))]
    phone_number: Option<String>,
    role: Role,
    status: UserStatus,
    created_at: DateTime<Utc>,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.external_id,
            username: user.username,
            email: user.email,
            phone_number: user.phone_number,
            role: user.role,
            status: user.status,
            created_at: user.created_at,
        }
    }
}

/// The body of a registration.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    /// At least ten characters: no repetition or sequence, no common password, and at least four
    /// characters beside a name of the user. Case and blanks do not matter for this.
    #[schema(min_length = 10, max_length = 1024, examples("three quiet walruses"))]
    password: String,
    /// 3 to 32 letters, digits, dots, dashes or underscores. One of username, email and phone number
    /// is needed.
    #[schema(examples("alice"))]
    username: Option<String>,
    #[schema(examples("alice@example.org"))]
    email: Option<String>,
    /// With its country code.
    #[schema(examples("+4915112345678"))]
    phone_number: Option<String>,
    /// The public name: 3 to 64 lower-case letters, digits, dots, dashes or underscores.
    #[schema(examples("user_alice"))]
    external_id: Option<String>,
}

/// The body of a change of the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    /// The password until now.
    #[schema(examples("three quiet walruses"))]
    current_password: String,
    /// The password from now on, by the same rules as for a registration.
    #[schema(min_length = 10, max_length = 1024, examples("four noisy penguins"))]
    new_password: String,
}

/// The answer to a registration.
#[derive(Debug, Serialize, ToSchema)]
struct RegisteredBody {
    user: UserBody,
}

/// The body of a sign-in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    /// A username, an e-mail address or a phone number.
    #[schema(examples("alice"))]
    login: String,
    #[schema(examples("three quiet walruses"))]
    password: String,
}

/// The body of a refresh.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    /// The one that came with the last pair.
    #[schema(examples("eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"))]
    refresh_token: String,
}

/// A pair of tokens.
#[derive(Serialize, ToSchema)]
struct TokensBody {
    /// For `Authorization: Bearer`.
    #[schema(examples("eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"))]
    access_token: String,
    /// Good for one refresh.
    #[schema(examples("eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"))]
    refresh_token: String,
    #[schema(examples("Bearer"))]
    token_type: &'static str,
    /// Seconds that the access token lives.
    #[schema(examples(900))]
    expires_in: i64,
    user: UserBody,
}

/// Registers a user
///
/// At least one of `username`, `email` and `phone_number` is needed.
///
/// # Errors
/// `invalid`, `already_registered`, `rate_limited` where too many come from one address, `overloaded`.
#[utoipa::path(
    post,
    path = "/api/v1/auth/register",
    request_body = RegisterBody,
    responses((status = 201, description = "The new user.", body = RegisteredBody))
)]
pub async fn register(body: JsonBody<RegisterBody>, reception: Reception) -> Result<HttpResponse> {
    let body = body.0;
    let registration = Registration {
        username: body.username.as_deref().unwrap_or_default(),
        email: body.email.as_deref().unwrap_or_default(),
        phone_number: body.phone_number.as_deref().unwrap_or_default(),
        external_id: body.external_id.as_deref().unwrap_or_default(),
        password: &body.password,
    };
    let user = reception.register(&registration).await?.user;
    Ok(HttpResponse::Created().json(RegisteredBody { user: user.into() }))
}

/// Signs in
///
/// # Errors
/// `invalid_credentials`, `rate_limited` after too many wrong passwords, `overloaded`.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    request_body = LoginBody,
    responses((status = 200, description = "A pair of tokens.", body = TokensBody))
)]
pub async fn login(
    body: JsonBody<LoginBody>,
    reception: Reception,
    client: Client,
    now: Now,
    db: Data<Db>,
    keys: Data<Keys>,
) -> Result<HttpResponse> {
    let Proven { user, password_hash } = reception.check_credentials(&body.0.login, &body.0.password).await?;
    let Client { user_agent, ip_address, .. } = client;
    let new = NewSession { user: user.id, password_hash, kind: SessionKind::Api, user_agent, ip_address };
    let session = db.run(move |conn| sessions::open(conn, &new, now.0)).await?;
    tokens(&keys, session, 0, user, now.0)
}

/// Exchanges a refresh token for a new pair
///
/// The old token dies. Used once more, it ends the whole session.
///
/// # Errors
/// `unauthenticated` for a token that was not issued here or has run out, `refresh_reused`.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    request_body = RefreshBody,
    responses((status = 200, description = "A new pair of tokens.", body = TokensBody))
)]
pub async fn refresh(body: JsonBody<RefreshBody>, now: Now, db: Data<Db>, keys: Data<Keys>) -> Result<HttpResponse> {
    let (session, generation) = keys.read_refresh_token(&body.0.refresh_token)?;
    let (user, generation) = db.run(move |conn| sessions::rotate_refresh(conn, session, generation, now.0)).await?;
    tokens(&keys, session, generation, user, now.0)
}

fn tokens(keys: &Keys, session: SessionId, generation: i32, user: User, now: DateTime<Utc>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(TokensBody {
        access_token: keys.access_token(session, &user.external_id, now)?,
        refresh_token: keys.refresh_token(session, generation)?,
        token_type: "Bearer",
        expires_in: ACCESS_SECONDS,
        user: user.into(),
    }))
}

/// Ends the session with its tokens
///
/// Whoever came by password or API key has no session, and may not.
///
/// # Errors
/// `forbidden` for whoever came without a session.
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    responses((status = 204, description = "The session has ended."))
)]
pub async fn logout(session: InSession, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    db.run(move |conn| sessions::end(conn, session.0, now.0)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Shows who one is
///
/// # Errors
/// None of its own.
#[utoipa::path(get, path = "/api/v1/me", responses((status = 200, description = "The caller.", body = UserBody)))]
pub async fn me(current: CurrentUser) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(UserBody::from(current.user)))
}

/// Changes the password
///
/// All other sessions end, API keys stay. An API key cannot do this.
///
/// # Errors
/// `invalid` where the new password is not good enough or the current one is wrong; `rate_limited`
/// after too many wrong ones; `forbidden` for an API key.
#[utoipa::path(
    post,
    path = "/api/v1/me/password",
    request_body = PasswordBody,
    responses((status = 204, description = "The password has changed."))
)]
pub async fn change_password(
    caller: SignedIn,
    body: JsonBody<PasswordBody>,
    reception: Reception,
) -> Result<HttpResponse> {
    reception.change_password(&caller.0, body.0.current_password, body.0.new_password).await?;
    Ok(HttpResponse::NoContent().finish())
}
