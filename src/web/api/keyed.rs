//! Bodies of requests that move value or make credits, and the key that makes their repetitions harmless.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::domain::posting::Idempotency;
use crate::domain::{UserId, VoucherCode};
use crate::error::{Error, Result};
use crate::web::auth::{Extraction, Keys};
use crate::web::extract;
use crate::web::json::Fields;

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

impl<T: DeserializeOwned> Keyed<T> {
    /// A request with these method, path and query, from the fields of its body and the key of its
    /// header. It may stand inside of another request.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a bad key, for two keys, and for fields that are not those of `T`.
    pub(super) fn read(target: [&str; 3], mut fields: Fields<'_>, header: Option<String>) -> Result<Self> {
        let key = key(header, fields.take(FIELD))?;
        let idempotency = key.map(|key| Idempotency { key, item: 0, request_hash: request_hash(target, &fields) });
        Ok(Self { body: fields.parse()?, idempotency })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Keyed<T> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, body) = (req.clone(), extract::body(req, payload));
        Box::pin(extract::after_visitor(req.clone(), async move {
            let body = body.await?;
            if !body.is_empty() && !extract::is_json(&req) {
                return Err(Error::UnsupportedMediaType);
            }
            let fields = if body.is_empty() { Fields::default() } else { Fields::read(&body)? };
            Self::read([req.method().as_str(), req.path(), req.query_string()], fields, header(&req)?)
        }))
    }
}

/// The voucher codes of what a caller makes under a key, one for each number from 0: the same for each
/// repetition.
pub(super) fn codes<'a>(
    keys: &'a Keys,
    caller: UserId,
    key: &Idempotency,
) -> Result<impl Fn(usize) -> Result<VoucherCode> + use<'a>> {
    let request = serde_json::to_vec(&("by key", caller, &key.key, key.request_hash)).map_err(Error::broken)?;
    Ok(move |number| keys.voucher_code(&request, number))
}

/// 201 for what has been made, by this request or by the one that it repeats.
pub(super) fn made(is_repeated: bool) -> HttpResponseBuilder {
    let mut response = HttpResponse::Created();
    if is_repeated {
        response.insert_header(REPLAYED);
    }
    response
}

fn header(req: &HttpRequest) -> Result<Option<String>> {
    let mut headers = req.headers().get_all(HEADER);
    match (headers.next(), headers.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Ok(Some(value.to_str().map_err(|_| bad_key())?.to_owned())),
        (Some(_), Some(_)) => Err(Error::Malformed("Send one idempotency key.".into())),
    }
}

fn key(header: Option<String>, field: Option<&RawValue>) -> Result<Option<String>> {
    let field: Option<String> =
        field.map_or(Ok(None), |value| serde_json::from_str(value.get())).map_err(|_| bad_key())?;
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

/// SHA-256 of method, path, query and fields, so that the same request written differently is the
/// same.
fn request_hash([method, path, query]: [&str; 3], fields: &Fields<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [method, path, query, &fields.canonical()] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_request_is_what_it_was_in_every_release() {
        let target = ["POST", "/api/v1/assets/7/claim", ""];
        let hex = |fields: &Fields<'_>| request_hash(target, fields).map(|byte| format!("{byte:02x}")).concat();
        let fields = Fields::read(br#"{"b": "x", "a": {"d": [1.50, null], "c": true}}"#).unwrap();
        assert_eq!(hex(&fields), "3d0232708eaa6468e6d6d98f4014f4b58aa3fc462d403ae192ddb6743f0112ba");
        assert_eq!(hex(&Fields::default()), "89bb948b7e3c599ef35477cee0e267760445055360980d82311af9c87ece954d");
        assert_eq!(hex(&Fields::read(b"{}").unwrap()), hex(&Fields::default()));
    }
}
