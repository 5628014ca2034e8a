//! What was filled in is kept, where a form meets no session any more or comes from a page of an
//! earlier one: not by the server, but in the address of the form's own page, which shows it again
//! for its reader to send. Nothing is done by that address alone.

use actix_web::http::{Method, Uri, header};
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev};
use serde::de::DeserializeOwned;

use super::auth::Extraction;
use super::extract::QueryOf;
use super::view::{LONGEST_PATH, local_path};
use super::{Access, ROUTES};
use crate::error::Error;

/// Parts of the names of fields that never come back: what proves who one is, and what makes a form
/// one deed, since the page makes a new one.
const NEVER: [&str; 5] = ["password", "secret", "csrf", "idempotency", "form_id"];

/// The address of a form's page with what was filled in, noted with its request.
#[derive(Debug, Clone)]
struct Kept(String);

/// Notes what a form of our own pages holds; a form from elsewhere, and one whose page cannot be
/// opened again, leaves nothing.
pub fn keep(req: &HttpRequest, body: &[u8]) {
    if let Some(address) = address(req, body) {
        req.extensions_mut().insert(Kept(address));
    }
}

/// The address of the form's page, if anything was kept.
pub fn address_of(req: &HttpRequest) -> Option<String> {
    req.extensions().get::<Kept>().map(|kept| kept.0.clone())
}

fn address(req: &HttpRequest, body: &[u8]) -> Option<String> {
    let pattern = req.match_pattern()?;
    let has_page = ROUTES
        .iter()
        .any(|route| route.method == Method::GET && route.path == pattern && route.access != Access::Public);
    if !has_page || !is_own(req) {
        return None;
    }
    let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(body).ok()?;
    let mut address = req.path().to_owned();
    for (name, value) in fields.iter().filter(|(name, value)| may_come_back(name, value)) {
        let field = serde_urlencoded::to_string([(name, value)]).ok()?;
        // What does not fit is left out as a whole: half a text would be worse than none.
        if address.len() + 1 + field.len() <= LONGEST_PATH {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(&field);
        }
    }
    local_path(&address).map(str::to_owned)
}

fn may_come_back(name: &str, value: &str) -> bool {
    !value.is_empty() && !value.contains('\0') && !NEVER.iter().any(|part| name.contains(part))
}

/// Whether a form was sent from one of our pages, by what the browser says of it. Other sites can
/// send what they like, and must not fill in our forms under their reader's eyes.
fn is_own(req: &HttpRequest) -> bool {
    let text = |name: header::HeaderName| req.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin";
    }
    let origin = text(header::ORIGIN).or_else(|| text(header::REFERER)).and_then(|origin| origin.parse::<Uri>().ok());
    let from = origin.as_ref().and_then(Uri::authority).map(actix_web::http::uri::Authority::as_str);
    from.is_some() && from == text(header::HOST)
}

/// What a form's page is to show again, from its address; none where the address says nothing.
#[derive(Debug)]
pub struct KeptForm<T>(pub Option<T>);

impl<T: DeserializeOwned + 'static> FromRequest for KeptForm<T> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let is_blank = req.query_string().is_empty();
        let query = QueryOf::<T>::from_request(req, payload);
        Box::pin(async move {
            // A blank address need not make a form.
            match query.await {
                Ok(query) => Ok(Self(Some(query.0).filter(|_| !is_blank))),
                Err(_) if is_blank => Ok(Self(None)),
                Err(error) => Err(error),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proves_who_one_is_never_comes_back() {
        for name in ["password", "new_password", "secret", "csrf_token", "idempotency_key", "form_id"] {
            assert!(!may_come_back(name, "x"), "{name}");
        }
        assert!(may_come_back("amount", "1") && !may_come_back("amount", "") && !may_come_back("amount", "\0"));
    }
}
