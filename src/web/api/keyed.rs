//! Bodies of requests that move value, and the key that makes their repetitions harmless.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::domain::posting::Idempotency;
use crate::error::{Error, Result};
use crate::web::auth::Extraction;
use crate::web::extract;

/// The header that holds the key, or else the field `idempotency_key` of the body does.
const HEADER: &str = "Idempotency-Key";
const FIELD: &str = "idempotency_key";

/// The header that tells a replayed answer from a first one.
pub(super) const REPLAYED: (&str, &str) = ("Idempotent-Replayed", "true");

/// A JSON body, which may be missing where `T` has only optional fields, and its idempotency key.
#[derive(Debug)]
pub struct Keyed<T> {
    /// The body without the key. Let `T` deny unknown fields.
    pub body: T,
    /// The key, with what tells this request from another one under the same key.
    pub idempotency: Option<Idempotency>,
}

impl<T: DeserializeOwned + 'static> FromRequest for Keyed<T> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, body) = (req.clone(), extract::body(req, payload));
        Box::pin(extract::after_visitor(req.clone(), async move {
            let bytes = body.await?;
            let mut fields = if bytes.is_empty() { Map::new() } else { object(&req, &bytes)? };
            let key = key(&req, fields.remove(FIELD))?;
            let request_hash = request_hash(&req, &fields);
            let body =
                serde_json::from_value(Value::Object(fields)).map_err(|error| extract::unreadable_json(&error))?;
            Ok(Self { body, idempotency: key.map(|key| Idempotency { key, item: 0, request_hash }) })
        }))
    }
}

fn object(req: &HttpRequest, bytes: &[u8]) -> Result<Map<String, Value>> {
    if !extract::is_json(req) {
        return Err(Error::UnsupportedMediaType);
    }
    serde_json::from_slice(bytes).map_err(|error| extract::unreadable_json(&error))
}

fn key(req: &HttpRequest, field: Option<Value>) -> Result<Option<String>> {
    let mut headers = req.headers().get_all(HEADER);
    let header = match (headers.next(), headers.next()) {
        (None, _) => None,
        (Some(value), None) => Some(value.to_str().map_err(|_| bad_key())?.to_owned()),
        (Some(_), Some(_)) => return Err(Error::Malformed("Send one idempotency key.".into())),
    };
    let field = match field {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(_) => return Err(bad_key()),
    };
    let key = match (header, field) {
        (Some(header), Some(field)) if header != field => {
            return Err(Error::Malformed("The header and the body name different idempotency keys.".into()));
        }
        (header, field) => header.or(field),
    };
    match key {
        Some(key) if !(1..=255).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(bad_key())
        }
        key => Ok(key),
    }
}

fn bad_key() -> Error {
    Error::Malformed("An idempotency key is 1 to 255 visible ASCII characters.".into())
}

/// SHA-256 of method, path, query and body. A JSON object sorts its fields here, so that the same
/// request written differently is the same.
fn request_hash(req: &HttpRequest, fields: &Map<String, Value>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [req.method().as_str(), req.path(), req.query_string(), &Value::Object(fields.clone()).to_string()] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
