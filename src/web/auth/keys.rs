//! Every key, derived from the one secret, and the two kinds of token that they sign.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::domain::{SessionId, VoucherCode};
use crate::error::{Error, Result};

/// How long an access token is good, in seconds.
pub const ACCESS_SECONDS: i64 = 900;

/// How far other clocks may be off, in seconds.
const LEEWAY_SECONDS: i64 = 5;

/// The shortest secret that keys are derived from, in bytes.
const LEAST_SECRET: usize = 32;

const ISSUER: &str = "coffer";
const AUDIENCE: &str = "coffer-api";
const TYPE: &str = "access";

/// The keys of an installation. Each is HMAC-SHA-256(secret, label), so that none tells of another.
pub struct Keys {
    jwt_signing: EncodingKey,
    jwt_checking: DecodingKey,
    jwt_rules: Validation,
    refresh: [u8; 32],
    cookie: [u8; 64],
    voucher: [u8; 32],
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: Uuid,
    typ: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// Whom an access token names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The session, which must still be alive.
    pub session: SessionId,
    /// The external id of the user.
    pub subject: String,
}

impl Keys {
    /// Derives all keys from the secret.
    ///
    /// # Errors
    /// [`Error::Broken`] where the secret is shorter than 32 bytes.
    pub fn derive(secret: &str) -> Result<Self> {
        if secret.len() < LEAST_SECRET {
            return Err(Error::broken("the secret key is shorter than 32 bytes"));
        }
        let key = |label: &str| mac(secret.as_bytes(), &[label.as_bytes()]);
        let jwt = key("coffer access token v1")?;
        let mut cookie = [0; 64];
        let (first, second) = cookie.split_at_mut(32);
        first.copy_from_slice(&key("coffer cookie v1, first half")?);
        second.copy_from_slice(&key("coffer cookie v1, second half")?);
        Ok(Self {
            jwt_signing: EncodingKey::from_secret(&jwt),
            jwt_checking: DecodingKey::from_secret(&jwt),
            jwt_rules: jwt_rules(),
            refresh: key("coffer refresh token v1")?,
            voucher: key("coffer voucher code v1")?,
            cookie,
        })
    }

    /// The key that the browser's cookie is encrypted with.
    pub fn cookie(&self) -> actix_web::cookie::Key {
        actix_web::cookie::Key::from(&self.cookie)
    }

    /// The voucher code of one of the assets that a request asks for: always the same for the same
    /// request and number, 65 bits that nobody without the secret can foresee.
    ///
    /// # Errors
    /// [`Error::Broken`] where the code cannot be made.
    pub fn voucher_code(&self, request: &[u8], number: usize) -> Result<VoucherCode> {
        let tag = mac(&self.voucher, &[&number.to_be_bytes(), request])?;
        tag.first_chunk().map(|bytes| VoucherCode::from_random(*bytes)).ok_or_else(|| Error::broken("a short tag"))
    }

    /// A JWT (HS256) that is good for [`ACCESS_SECONDS`] from `now`.
    ///
    /// # Errors
    /// [`Error::Broken`] where signing fails.
    pub fn access_token(&self, session: SessionId, subject: &str, now: DateTime<Utc>) -> Result<String> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: subject.to_owned(),
            sid: session.0,
            typ: TYPE.to_owned(),
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: (now + TimeDelta::seconds(ACCESS_SECONDS)).timestamp(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.jwt_signing).map_err(Error::broken)
    }

    /// Reads an access token that is good at `now`, five seconds more or less.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for every other text.
    pub fn read_access_token(&self, token: &str, now: DateTime<Utc>) -> Result<Bearer> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.jwt_checking, &self.jwt_rules)
            .map_err(|_| Error::Unauthenticated)?
            .claims;
        let now = now.timestamp();
        let good = claims.typ == TYPE
            && claims.nbf <= now.saturating_add(LEEWAY_SECONDS)
            && claims.exp > now.saturating_sub(LEEWAY_SECONDS);
        if !good {
            return Err(Error::Unauthenticated);
        }
        Ok(Bearer { session: SessionId(claims.sid), subject: claims.sub })
    }

    /// The refresh token number `generation` of a session. It proves itself: nothing about it is
    /// stored but the number, and one that was not issued here can end no session.
    ///
    /// # Errors
    /// [`Error::Broken`] where signing fails.
    pub fn refresh_token(&self, session: SessionId, generation: i32) -> Result<String> {
        let parts = [session.0.as_bytes().as_slice(), &generation.to_be_bytes()];
        let proof = mac(&self.refresh, &parts)?;
        Ok(URL_SAFE_NO_PAD.encode([parts.concat().as_slice(), &proof].concat()))
    }

    /// Reads a refresh token that was issued here: its session and its number.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for every other text.
    pub fn read_refresh_token(&self, token: &str) -> Result<(SessionId, i32)> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Error::Unauthenticated)?;
        let (session, rest) = bytes.split_first_chunk::<16>().ok_or(Error::Unauthenticated)?;
        let (generation, proof) = rest.split_first_chunk::<4>().ok_or(Error::Unauthenticated)?;
        let mut expected = Hmac::<Sha256>::new_from_slice(&self.refresh).map_err(Error::broken)?;
        expected.update(session);
        expected.update(generation);
        expected.verify_slice(proof).map_err(|_| Error::Unauthenticated)?;
        Ok((SessionId(Uuid::from_bytes(*session)), i32::from_be_bytes(*generation)))
    }
}

/// What the library checks: algorithm, signature, issuer and audience. It has no clock but the
/// system's, and it cannot read times while serde_json keeps numbers as text
/// (`arbitrary_precision`), so the times are checked here.
fn jwt_rules() -> Validation {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["iss", "aud", "sub"]);
    rules.validate_exp = false;
    rules
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(Error::broken)?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().into())
}

/// A token that nobody can guess, 122 random bits.
pub fn random_token() -> String {
    Uuid::new_v4().simple().to_string()
}

/// A token in a shape that differs each time, so that the length of a compressed page that shows
/// it says nothing about it (BREACH).
///
/// # Errors
/// [`Error::Broken`] where the system has no randomness to give.
pub fn masked(token: &str) -> Result<String> {
    let mut mask = vec![0; token.len()];
    getrandom::fill(&mut mask).map_err(|error| Error::broken(error.to_string()))?;
    let covered: Vec<u8> = mask.iter().zip(token.bytes()).map(|(mask, byte)| mask ^ byte).collect();
    Ok(URL_SAFE_NO_PAD.encode([mask, covered].concat()))
}

/// Whether this is one of the shapes of a token, in a time that does not tell where it differs.
pub fn is_shape_of(shape: &str, token: &str) -> bool {
    let bytes = URL_SAFE_NO_PAD.decode(shape).unwrap_or_default();
    let (mask, covered) = bytes.split_at(bytes.len() / 2);
    mask.len() == token.len()
        && covered.len() == token.len()
        && mask.iter().zip(covered).zip(token.bytes()).fold(0, |sum, ((mask, byte), own)| sum | (mask ^ byte ^ own))
            == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn keys(letter: &str) -> Keys {
        Keys::derive(&letter.repeat(32)).unwrap()
    }

    fn noon() -> DateTime<Utc> {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    fn signed(keys: &Keys, algorithm: Algorithm, change: impl Fn(&mut serde_json::Value)) -> String {
        let now = noon().timestamp();
        let mut claims = serde_json::json!({
            "iss": "coffer", "aud": "coffer-api", "sub": "user_alice", "sid": Uuid::nil(), "typ": "access",
            "iat": now, "nbf": now, "exp": now + 900,
        });
        change(&mut claims);
        jsonwebtoken::encode(&Header::new(algorithm), &claims, &keys.jwt_signing).unwrap()
    }

    #[test]
    fn a_short_secret_makes_no_keys() {
        assert!(Keys::derive("").is_err() && Keys::derive(&"x".repeat(31)).is_err());
    }

    #[test]
    fn an_access_token_is_read_back_until_it_expires() {
        let session = SessionId::random();
        let token = keys("k").access_token(session, "user_alice", noon()).unwrap();
        let read = |seconds| keys("k").read_access_token(&token, noon() + TimeDelta::seconds(seconds));
        assert_eq!(read(0).unwrap(), Bearer { session, subject: "user_alice".to_owned() });
        assert!(read(-5).is_ok() && read(904).is_ok(), "the clocks may differ by five seconds");
        assert!(read(-6).is_err() && read(905).is_err());
    }

    #[test]
    fn a_token_that_was_not_issued_here_is_refused() {
        let ours = keys("k");
        let read = |token: &str| ours.read_access_token(token, noon());
        assert!(read(&signed(&ours, Algorithm::HS256, |_| {})).is_ok(), "the others differ in one thing each");
        assert!(read(&signed(&keys("x"), Algorithm::HS256, |_| {})).is_err(), "another key");
        assert!(read(&signed(&ours, Algorithm::HS384, |_| {})).is_err(), "another algorithm");
        assert!(read("eyJhbGciOiJub25lIn0.e30.").is_err(), "no algorithm");
        assert!(read("").is_err());
        for (claim, value) in [("iss", "other"), ("aud", "other"), ("typ", "refresh"), ("sid", "1")] {
            assert!(read(&signed(&ours, Algorithm::HS256, |c| c[claim] = value.into())).is_err(), "{claim}");
        }
        for claim in ["iss", "aud", "sub", "sid", "typ", "nbf", "exp"] {
            let without = signed(&ours, Algorithm::HS256, |c| {
                c.as_object_mut().unwrap().remove(claim);
            });
            assert!(read(&without).is_err(), "without {claim}");
        }
    }

    #[test]
    fn a_refresh_token_proves_itself() {
        let session = SessionId::random();
        let token = keys("k").refresh_token(session, 7).unwrap();
        assert_eq!(keys("k").read_refresh_token(&token).unwrap(), (session, 7));
        assert!(keys("x").read_refresh_token(&token).is_err());
        assert!(keys("k").read_refresh_token("").is_err());
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        bytes[19] = 0;
        assert!(keys("k").read_refresh_token(&URL_SAFE_NO_PAD.encode(bytes)).is_err(), "another number");
    }

    #[test]
    fn a_token_has_many_shapes_and_no_other_has_them() {
        let (token, other) = (random_token(), random_token());
        let (one, two) = (masked(&token).unwrap(), masked(&token).unwrap());
        assert!(one != two && is_shape_of(&one, &token) && is_shape_of(&two, &token));
        assert!(!is_shape_of(&one, &other) && !is_shape_of(&token, &token) && !is_shape_of("", &token));
    }
}
