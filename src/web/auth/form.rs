//! Forms of pages: each carries the token of the cookie it belongs to.

use std::future::ready;

use actix_multipart::Multipart;
use actix_session::{Session, SessionExt};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpRequest};
use futures::{TryStreamExt, stream};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Extraction;
use super::keys::{is_shape_of, masked, random_token};
use crate::error::{Error, FieldError, Result};
use crate::web::extract::{after_visitor, body, has_content_type};
use crate::web::kept;

/// The cookie's name for the token.
const CSRF: &str = "csrf";

/// A form that was sent from one of our own pages.
///
/// Browsers leave fields out or send them empty: give the fields of `T` `#[serde(default)]` and
/// take them as text, so that the form can come back as it was filled in.
#[derive(Debug)]
pub struct CsrfForm<T>(pub T);

/// Browsers end the lines of a text with two characters, and everything else that writes texts into
/// the database with one: without this a form that nobody touched would change them.
fn line_ends(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    text.replace("%0D%0A", "%0A").into_bytes()
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    csrf_token: String,
}

impl<T: DeserializeOwned + 'static> FromRequest for CsrfForm<T> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (cookie, page) = (req.get_session(), req.clone());
        let urlencoded = has_content_type(req, |kind| kind == "application/x-www-form-urlencoded");
        let body = body(req, payload);
        Box::pin(after_visitor(req.clone(), async move {
            if !urlencoded {
                return Err(Error::UnsupportedMediaType);
            }
            let body = line_ends(&body.await?);
            let token: Token = serde_urlencoded::from_bytes(&body).map_err(|_| Error::StaleForm)?;
            let expected: Option<String> = cookie.get(CSRF).ok().flatten();
            if !expected.is_some_and(|expected| is_shape_of(&token.csrf_token, &expected)) {
                kept::keep(&page, &body);
                return Err(Error::StaleForm);
            }
            serde_urlencoded::from_bytes(&body).map(Self).map_err(|error| Error::Malformed(error.to_string().into()))
        }))
    }
}

/// A form with one file, sent from one of our own pages: the file's text.
#[derive(Debug)]
pub struct CsrfUpload(pub String);

impl FromRequest for CsrfUpload {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let cookie = req.get_session();
        let is_multipart = has_content_type(req, |kind| kind == "multipart/form-data");
        let (headers, body) = (req.headers().clone(), body(req, payload));
        Box::pin(after_visitor(req.clone(), async move {
            if !is_multipart {
                return Err(Error::UnsupportedMediaType);
            }
            let body = body.await?;
            let parts = Multipart::new(&headers, stream::once(ready(Ok::<_, PayloadError>(body))));
            let (token, file) = read_parts(parts).await?;
            let expected: String = cookie.get(CSRF).ok().flatten().ok_or(Error::StaleForm)?;
            if !is_shape_of(&token, &expected) {
                return Err(Error::StaleForm);
            }
            let not_text = |_| Error::Invalid(vec![FieldError::new("file", "Save the file as text in UTF-8.")]);
            String::from_utf8(file).map(Self).map_err(not_text)
        }))
    }
}

/// The token and the file of a form.
async fn read_parts(mut parts: Multipart) -> Result<(String, Vec<u8>)> {
    let unreadable =
        |error: &dyn std::fmt::Display| Error::Malformed(format!("The form cannot be read: {error}.").into());
    let (mut token, mut file) = (Vec::new(), Vec::new());
    while let Some(mut part) = parts.try_next().await.map_err(|error| unreadable(&error))? {
        let is_token = part.name() == Some("csrf_token");
        while let Some(bytes) = part.try_next().await.map_err(|error| unreadable(&error))? {
            if is_token { token.extend_from_slice(&bytes) } else { file.extend_from_slice(&bytes) }
        }
    }
    Ok((String::from_utf8(token).unwrap_or_default(), file))
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
