//! Forms of pages: each carries the token of the cookie it belongs to.

use actix_session::{Session, SessionExt};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Extraction;
use super::keys::{is_shape_of, masked, random_token};
use crate::error::{Error, Result};
use crate::web::extract::{after_visitor, body, has_content_type};

/// The cookie's name for the token.
const CSRF: &str = "csrf";

/// A form that was sent from one of our own pages.
///
/// Browsers leave fields out or send them empty: give the fields of `T` `#[serde(default)]` and
/// take them as text, so that the form can come back as it was filled in.
#[derive(Debug)]
pub struct CsrfForm<T>(pub T);

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    csrf_token: String,
}

impl<T: DeserializeOwned + 'static> FromRequest for CsrfForm<T> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let cookie = req.get_session();
        let urlencoded = has_content_type(req, |kind| kind == "application/x-www-form-urlencoded");
        let body = body(req, payload);
        Box::pin(after_visitor(req.clone(), async move {
            if !urlencoded {
                return Err(Error::UnsupportedMediaType);
            }
            let body = body.await?;
            let token: Token = serde_urlencoded::from_bytes(&body).map_err(|_| Error::StaleForm)?;
            let expected: String = cookie.get(CSRF).ok().flatten().ok_or(Error::StaleForm)?;
            if !is_shape_of(&token.csrf_token, &expected) {
                return Err(Error::StaleForm);
            }
            serde_urlencoded::from_bytes(&body).map(Self).map_err(|error| Error::Malformed(error.to_string().into()))
        }))
    }
}

/// The token that the forms of this browser carry; made where there is none yet.
///
/// # Errors
/// [`Error::Broken`] where the cookie cannot be written.
pub fn csrf_token(cookie: &Session) -> Result<String> {
    if let Ok(Some(token)) = cookie.get::<String>(CSRF) {
        return masked(&token);
    }
    let token = random_token();
    cookie.insert(CSRF, &token).map_err(|error| Error::broken(error.to_string()))?;
    masked(&token)
}
