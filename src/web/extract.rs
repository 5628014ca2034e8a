//! What handlers take from a request beside who is asking: bodies, queries, path ids, the time.
//! All that cannot be read becomes one of our errors.
//!
//! actix polls a handler's extractors side by side and takes the first error. Let `CurrentUser`,
//! `Requester` or `Admin` stand first: then whoever may not call a route learns that, and nothing else.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use super::auth::{self, Extraction};
use super::json::{self, Fields};
use super::{gate, problem};
use crate::config::Bounds;
use crate::error::{Error, FieldError, Result};
use crate::ledger::Clock;

/// The two doors: each has its own proof of who is asking and its own looks of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Scripts: `Authorization` in, JSON out.
    Api,
    /// People: cookie in, HTML out.
    Pages,
}

impl Door {
    /// The door that a path lies behind, whether or not there is anything.
    pub fn of(path: &str) -> Self {
        let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if below("/api") || below("/health") || below("/metrics") { Self::Api } else { Self::Pages }
    }
}

/// A part of the application that `serve` has put in.
///
/// # Errors
/// [`Error::Broken`] where it has not.
pub fn data<T: 'static>(req: &HttpRequest) -> Result<Data<T>> {
    req.app_data::<Data<T>>().cloned().ok_or_else(|| Error::broken(std::any::type_name::<T>()))
}

/// The time, by the application's clock.
///
/// # Errors
/// [`Error::Broken`] where the application has no clock.
pub fn now(req: &HttpRequest) -> Result<DateTime<Utc>> {
    data::<Clock>(req).map(|clock| clock())
}

/// When the request came, by the application's clock.
#[derive(Debug, Clone, Copy)]
pub struct Now(pub DateTime<Utc>);

impl FromRequest for Now {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(now(req).map(Self))
    }
}

/// What was read, or why it cannot be, which is said only once it is known who is asking.
pub(super) async fn after_visitor<T>(req: HttpRequest, read: impl Future<Output = Result<T>>) -> Result<T> {
    let result = read.await;
    if result.is_err() {
        // Should that fail, the extractor that needs it says so, but for one that presumes who it is.
        let signed_in = auth::signed_in(&req).await;
        if auth::is_presumed(&req) {
            signed_in?;
        }
    }
    result
}

/// The whole body, at most as long as the route's `PayloadConfig` allows, in the time for it.
pub(super) fn body(req: &HttpRequest, payload: &mut Payload) -> Extraction<Bytes> {
    // To gather nothing takes eight kilobytes.
    if matches!(payload, Payload::None) {
        return Box::pin(ready(Ok(Bytes::new())));
    }
    let (bytes, bounds, req) = (Bytes::from_request(req, payload), data::<Bounds>(req), req.clone());
    Box::pin(async move {
        let arriving = async {
            let arrived = tokio::time::timeout(bounds?.body, bytes).await;
            arrived.map_err(|_| Error::TooSlow)?.map_err(|error| problem::from_actix(&error))
        };
        gate::outside(&req, arriving).await
    })
}

/// Whether the body's media type, in lower case and without parameters, is one that is wanted.
pub(super) fn has_content_type(req: &HttpRequest, wanted: impl Fn(&str) -> bool) -> bool {
    wanted(&req.content_type().to_ascii_lowercase())
}

/// Whether the body says that it is JSON.
pub(super) fn is_json(req: &HttpRequest) -> bool {
    has_content_type(req, |kind| {
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
    })
}

/// A JSON object. Let `T` deny unknown fields.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let says_json = is_json(req);
        let body = body(req, payload);
        Box::pin(after_visitor(req.clone(), async move {
            if !says_json {
                return Err(Error::UnsupportedMediaType);
            }
            let body = body.await?;
            Fields::read(&body)?;
            serde_json::from_slice(&body).map(Self).map_err(|error| json::unreadable(&error))
        }))
    }
}

/// A JSON object that may be left out where nothing in it is needed. Let `T` deny unknown fields.
#[derive(Debug)]
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalBody<T> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let says_json = is_json(req);
        let body = body(req, payload);
        Box::pin(after_visitor(req.clone(), async move {
            let body = body.await?;
            if body.is_empty() {
                return Ok(Self(T::default()));
            }
            if !says_json {
                return Err(Error::UnsupportedMediaType);
            }
            Fields::read(&body)?;
            serde_json::from_slice(&body).map(Self).map_err(|error| json::unreadable(&error))
        }))
    }
}

/// A file of comma-separated values, as text.
#[derive(Debug)]
pub struct CsvBody(pub String);

impl FromRequest for CsvBody {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let says_csv = has_content_type(req, |kind| kind == "text/csv");
        let body = body(req, payload);
        Box::pin(after_visitor(req.clone(), async move {
            if !says_csv {
                return Err(Error::UnsupportedMediaType);
            }
            let text = String::from_utf8(body.await?.to_vec());
            text.map(Self).map_err(|_| Error::Invalid(vec![FieldError::new("file", "Send text in UTF-8.")]))
        }))
    }
}

/// The parameters behind the question mark.
#[derive(Debug)]
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for QueryOf<T> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = read_query(req.query_string()).map(Self);
        Box::pin(after_visitor(req.clone(), ready(query)))
    }
}

fn read_query<T: DeserializeOwned>(query: &str) -> Result<T> {
    let unreadable = |error| Error::Malformed(format!("The query cannot be read: {error}.").into());
    let parameters: Vec<(String, String)> = serde_urlencoded::from_str(query).map_err(unreadable)?;
    // A search leaves the character out, and to a cursor it is as any other that cannot be there.
    let unkept = parameters.iter().find(|(name, value)| value.contains('\0') && name != "q" && name != "cursor");
    if let Some((name, _)) = unkept {
        return Err(Error::Invalid(vec![FieldError::new(name.clone(), "Leave out the character U+0000.")]));
    }
    serde_urlencoded::from_str(query).map_err(unreadable)
}

/// The variable parts of the path. One that cannot be read names nothing: 404.
#[derive(Debug)]
pub struct PathOf<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for PathOf<T> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let sound = req.match_info().get("id").is_none_or(is_id);
        let path = Path::<T>::from_request(req, payload).into_inner();
        let path = path.ok().filter(|_| sound).map(|path| Self(path.into_inner())).ok_or(Error::NotFound);
        Box::pin(after_visitor(req.clone(), ready(path)))
    }
}

/// Which version a change is meant for, by the header `If-Match: "7"`; none where nobody says.
#[derive(Debug, Clone, Copy)]
pub struct IfMatch(pub Option<i64>);

impl FromRequest for IfMatch {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut headers = req.headers().get_all(header::IF_MATCH);
        let version = match (headers.next(), headers.next()) {
            (None, _) => Ok(Self(None)),
            // An empty header says nothing.
            (Some(value), None) if value.is_empty() => Ok(Self(None)),
            (Some(value), None) => value.to_str().ok().and_then(version).map(|version| Self(Some(version))).ok_or(()),
            (Some(_), Some(_)) => Err(()),
        };
        let unreadable = |()| Error::Malformed("If-Match is one version in quotes, for example \"7\".".into());
        Box::pin(after_visitor(req.clone(), ready(version.map_err(unreadable))))
    }
}

/// A version as it is written in a header: a number in quotes.
fn version(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('"')?.strip_suffix('"')?;
    digits.parse().ok().filter(|_| is_id(digits))
}

/// Whether an id is written as Coffer writes it: a number without sign and leading zeros, or a UUID
/// with its hyphens. So nothing has two addresses.
fn is_id(text: &str) -> bool {
    let is_number =
        (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    is_number || (text.len() == 36 && uuid::Uuid::try_parse(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_is_in_the_path() {
        for path in ["/api", "/api/v1/me", "/api/nothing", "/health", "/health/live"] {
            assert_eq!(Door::of(path), Door::Api, "{path}");
        }
        for path in ["/", "/apiary", "/healthy", "/wallet", "/static/api"] {
            assert_eq!(Door::of(path), Door::Pages, "{path}");
        }
    }

    #[test]
    fn an_id_is_written_in_one_way() {
        for id in ["1", "10", "9223372036854775807", "01890a5d-ac96-774b-bcce-b302099a8057"] {
            assert!(is_id(id) && is_id(&id.to_uppercase()), "{id}");
        }
        let uuid = "01890a5dac96774bbcceb302099a8057";
        let braced = format!("{{{uuid}}}");
        let digits = "1".repeat(32);
        for id in ["", "0", "01", "+1", "-1", " 1", "1 ", "1.0", "1e1", "0x1", "\u{661}", uuid, &braced, &digits] {
            assert!(!is_id(id), "{id}");
        }
    }

    #[test]
    fn a_version_is_a_number_in_quotes() {
        assert_eq!(version("\"7\""), Some(7));
        for other in ["", "7", "\"\"", "\"07\"", "\"+7\"", "W/\"7\"", "*", "\"7\", \"8\"", "\"9223372036854775808\""] {
            assert_eq!(version(other), None, "{other}");
        }
    }
}
