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
use crate::web::auth::{CurrentUser, InSession, Keys, Reception, Registration, SignedIn};
use crate::web::extract::{Client, JsonBody, Now};

/// A user, as only itself and admins see it.
#[derive(Debug, Serialize)]
pub struct UserBody {
    id: String,
    username: Option<String>,
    email: Option<String>,
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    password: String,
    username: Option<String>,
    email: Option<String>,
    phone_number: Option<String>,
    external_id: Option<String>,
}

/// The body of a change of the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    /// The password until now.
    current_password: String,
    /// The password from now on.
    new_password: String,
}

/// The answer to a registration.
#[derive(Debug, Serialize)]
struct RegisteredBody {
    user: UserBody,
}

/// The body of a sign-in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    login: String,
    password: String,
}

/// The body of a refresh.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    refresh_token: String,
}

/// A pair of tokens.
#[derive(Serialize)]
struct TokensBody {
    access_token: String,
    refresh_token: String,
    token_type: &'static str,
    expires_in: i64,
    user: UserBody,
}

/// `POST /api/v1/auth/register`
///
/// # Errors
/// As [`Reception::register`].
pub async fn register(body: JsonBody<RegisterBody>, reception: Reception) -> Result<HttpResponse> {
    let body = body.0;
    let registration = Registration {
        username: body.username.as_deref().unwrap_or_default(),
        email: body.email.as_deref().unwrap_or_default(),
        phone_number: body.phone_number.as_deref().unwrap_or_default(),
        external_id: body.external_id.as_deref().unwrap_or_default(),
        password: &body.password,
    };
    let user = reception.register(&registration).await?;
    Ok(HttpResponse::Created().json(RegisteredBody { user: user.into() }))
}

/// `POST /api/v1/auth/login`
///
/// # Errors
/// As [`Reception::check_credentials`].
pub async fn login(
    body: JsonBody<LoginBody>,
    reception: Reception,
    client: Client,
    now: Now,
    db: Data<Db>,
    keys: Data<Keys>,
) -> Result<HttpResponse> {
    let user = reception.check_credentials(&body.0.login, &body.0.password).await?;
    let Client { user_agent, ip_address } = client;
    let new = NewSession { user: user.id, kind: SessionKind::Api, user_agent, ip_address };
    let session = db.run(move |conn| sessions::open(conn, &new, now.0)).await?;
    tokens(&keys, session, 0, user, now.0)
}

/// `POST /api/v1/auth/refresh`
///
/// # Errors
/// As [`sessions::rotate_refresh`]; [`crate::error::Error::Unauthenticated`] for a token that was
/// not issued here.
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

/// `POST /api/v1/auth/logout`
///
/// # Errors
/// Whoever came without a session is told `forbidden`.
pub async fn logout(session: InSession, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    db.run(move |conn| sessions::end(conn, session.0, now.0)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /api/v1/me`
///
/// # Errors
/// None of its own.
pub async fn me(current: CurrentUser) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(UserBody::from(current.user)))
}

/// `POST /api/v1/me/password`: all other sessions end, API keys stay.
///
/// # Errors
/// As [`Reception::change_password`]; an API key is told `forbidden`.
pub async fn change_password(
    caller: SignedIn,
    body: JsonBody<PasswordBody>,
    reception: Reception,
) -> Result<HttpResponse> {
    reception.change_password(&caller.0, body.0.current_password, body.0.new_password).await?;
    Ok(HttpResponse::NoContent().finish())
}
