//! What an `Authorization` header proves at the API's door: a session by an access token, a user by
//! login and password, or a user by a personal API key.

use actix_web::HttpRequest;
use actix_web::http::{Method, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::keys::Bearer;
use super::requester::Presumed;
use super::{CurrentUser, Keys, Proof, Proven, Reception};
use crate::domain::{ApiKeySecret, Role, Scopes, SessionKind, User};
use crate::ephemeral::PasswordProofs;
use crate::error::{Error, Result};
use crate::repo::doorkeeper::Doorkeeper;
use crate::web::extract;

/// Who is asking by the request's `Authorization`; nobody where there is none or it proves nothing.
///
/// # Errors
/// [`Error::Forbidden`] where an API key lacks the scope; those of
/// [`Reception::check_credentials`]; those of the database.
pub async fn visitor(req: &HttpRequest) -> Result<Option<CurrentUser>> {
    let Some((scheme, credentials)) = shown(req) else { return Ok(None) };
    if scheme.eq_ignore_ascii_case("basic") {
        by_password(req, credentials).await
    } else if !scheme.eq_ignore_ascii_case("bearer") {
        Ok(None)
    } else if credentials.starts_with(ApiKeySecret::MARK) {
        by_api_key(req, credentials).await
    } else {
        by_token(req, credentials).await
    }
}

/// Who is asking by the request's `Authorization`, as far as that is remembered.
pub fn presumed(req: &HttpRequest) -> Option<Presumed> {
    let (scheme, credentials) = shown(req)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (doorkeeper, now) = (extract::data::<Doorkeeper>(req).ok()?, extract::now(req).ok()?);
    let (mut current, state) = if credentials.starts_with(ApiKeySecret::MARK) {
        let (id, secret) = ApiKeySecret::parse_key(credentials)?;
        let (user, scopes, state) = doorkeeper.presumed_by_api_key(id, &secret.hash(), now)?;
        (opened(req, user, scopes).ok()?, state)
    } else {
        let bearer = extract::data::<Keys>(req).ok()?.read_access_token(credentials, now).ok()?;
        let (user, state) = doorkeeper.presumed_by_session(bearer.session, SessionKind::Api, now)?;
        (in_session(user, &bearer)?, state)
    };
    current.act();
    Some(Presumed::new(current, state))
}

/// The scheme and the credentials of the header.
fn shown(req: &HttpRequest) -> Option<(&str, &str)> {
    let header = req.headers().get(header::AUTHORIZATION)?;
    let (scheme, credentials) = std::str::from_utf8(header.as_bytes()).ok()?.split_once(' ')?;
    Some((scheme, credentials.trim()))
}

async fn by_token(req: &HttpRequest, token: &str) -> Result<Option<CurrentUser>> {
    let now = extract::now(req)?;
    let Ok(bearer) = extract::data::<Keys>(req)?.read_access_token(token, now) else { return Ok(None) };
    let user = extract::data::<Doorkeeper>(req)?.by_session(bearer.session, SessionKind::Api, now).await?;
    Ok(user.and_then(|user| in_session(user, &bearer)))
}

/// The user of a session, if the token names that one.
fn in_session(user: User, bearer: &Bearer) -> Option<CurrentUser> {
    (user.external_id == bearer.subject).then_some(CurrentUser {
        user,
        proof: Proof::Session(bearer.session),
        password_hash: None,
    })
}

/// Reads `base64(login ":" password)` (RFC 7617); the password may hold colons.
async fn by_password(req: &HttpRequest, credentials: &str) -> Result<Option<CurrentUser>> {
    let decoded = STANDARD.decode(credentials).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((login, password)) = decoded.as_deref().and_then(|text| text.split_once(':')) else { return Ok(None) };
    let proofs = extract::data::<PasswordProofs>(req)?;
    let Proven { user, password_hash } = Reception::of(req)?.check_again(login, password, &proofs).await?;
    Ok(Some(CurrentUser { user, proof: Proof::Password, password_hash: Some(password_hash) }))
}

async fn by_api_key(req: &HttpRequest, key: &str) -> Result<Option<CurrentUser>> {
    let Some((id, secret)) = ApiKeySecret::parse_key(key) else { return Ok(None) };
    let found = extract::data::<Doorkeeper>(req)?.by_api_key(id, secret.hash(), extract::now(req)?).await?;
    found.map(|(user, scopes)| opened(req, user, scopes)).transpose()
}

/// The user of an API key, as far as its scopes go.
fn opened(req: &HttpRequest, mut user: User, scopes: Scopes) -> Result<CurrentUser> {
    let is_open = match *req.method() {
        Method::GET | Method::HEAD => scopes.may_read,
        _ => scopes.may_write,
    };
    if !is_open {
        return Err(Error::Forbidden);
    }
    if !scopes.may_administer {
        user.role = Role::User;
    }
    Ok(CurrentUser { user, proof: Proof::ApiKey, password_hash: None })
}
