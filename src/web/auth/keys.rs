//! Every key, derived from the one secret, and the two kinds of token that they sign.

use std::sync::Arc;

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
use crate::memory::Memory;

/// How long an access token is good, in seconds.
pub const ACCESS_SECONDS: i64 = 900;

/// How far other clocks may be off, in seconds.
const LEEWAY_SECONDS: i64 = 5;

/// How many tokens are remembered to have been signed here.
const MOST_READ: usize = 1 << 14;

/// The shortest secret that keys are derived from, in bytes.
const LEAST_SECRET: usize = 32;

const ISSUER: &str = "coffer";
const AUDIENCE: &str = "coffer-api";
const TYPE: &str = "access";

/// The keys of an installation. Each is HMAC-SHA-256(secret, label), so that none tells of another.
///
/// A secret can be replaced: tokens that were signed under the previous one are read until they
/// expire, and everything new is signed under the current one. The cookie has the current one only.
pub struct Keys {
    current: TokenKeys,
    previous: Option<TokenKeys>,
    jwt_rules: Validation,
    cookie: [u8; 64],
    voucher: [u8; 32],
    /// What tokens say that were signed here: a signature that was good stays so.
    read: Memory<Box<str>, Arc<TokenContents>>,
}

/// The keys of one secret for tokens.
struct TokenKeys {
    /// What access tokens call the key that signs them (`kid`). It follows from the secret.
    id: String,
    jwt_signing: EncodingKey,
    jwt_checking: DecodingKey,
    refresh: [u8; 32],
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct TokenContents {
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

impl TokenKeys {
    fn derive(secret: &str) -> Result<Self> {
        if secret.len() < LEAST_SECRET {
            return Err(Error::broken("a secret key is shorter than 32 bytes"));
        }
        let jwt = derived(secret, "coffer access token v1")?;
        let id = derived(secret, "coffer access token key id v1")?;
        Ok(Self {
            id: URL_SAFE_NO_PAD.encode(id.first_chunk::<9>().ok_or_else(|| Error::broken("a short tag"))?),
            jwt_signing: EncodingKey::from_secret(&jwt),
            jwt_checking: DecodingKey::from_secret(&jwt),
            refresh: derived(secret, "coffer refresh token v1")?,
        })
    }
}

fn derived(secret: &str, label: &str) -> Result<[u8; 32]> {
    mac(secret.as_bytes(), &[label.as_bytes()])
}

impl Keys {
    /// Derives all keys from the secret, and those that read tokens of before from the previous
    /// one.
    ///
    /// # Errors
    /// [`Error::Broken`] where a secret is shorter than 32 bytes.
    pub fn derive(secret: &str, previous_secret: Option<&str>) -> Result<Self> {
        let mut cookie = [0; 64];
        let (first, second) = cookie.split_at_mut(32);
        first.copy_from_slice(&derived(secret, "coffer cookie v1, first half")?);
        second.copy_from_slice(&derived(secret, "coffer cookie v1, second half")?);
        Ok(Self {
            current: TokenKeys::derive(secret)?,
            previous: previous_secret.map(TokenKeys::derive).transpose()?,
            jwt_rules: jwt_rules(),
            voucher: derived(secret, "coffer voucher code v1")?,
            cookie,
            read: Memory::of_at_most(MOST_READ),
        })
    }

    fn token_keys(&self) -> impl Iterator<Item = &TokenKeys> {
        std::iter::once(&self.current).chain(&self.previous)
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
        let contents = TokenContents {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: subject.to_owned(),
            sid: session.0,
            typ: TYPE.to_owned(),
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: (now + TimeDelta::seconds(ACCESS_SECONDS)).timestamp(),
        };
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.current.id.clone());
        jsonwebtoken::encode(&header, &contents, &self.current.jwt_signing).map_err(Error::broken)
    }

    /// Reads an access token that is good at `now`, five seconds more or less.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for every other text.
    pub fn read_access_token(&self, token: &str, now: DateTime<Utc>) -> Result<Bearer> {
        let contents = match self.read.get(token) {
            Some(contents) => contents,
            None => {
                let contents = Arc::new(self.contents(token)?);
                self.read.insert(token.into(), Arc::clone(&contents));
                contents
            }
        };
        let now = now.timestamp();
        let good = contents.typ == TYPE
            && contents.nbf <= now.saturating_add(LEEWAY_SECONDS)
            && contents.exp > now.saturating_sub(LEEWAY_SECONDS);
        if !good {
            return Err(Error::Unauthenticated);
        }
        Ok(Bearer { session: SessionId(contents.sid), subject: contents.sub.clone() })
    }

    /// What a token says that was signed here, whenever it is good.
    fn contents(&self, token: &str) -> Result<TokenContents> {
        let key_id = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid);
        let keys = key_id.and_then(|id| self.token_keys().find(|keys| keys.id == id)).ok_or(Error::Unauthenticated)?;
        let decoded = jsonwebtoken::decode::<TokenContents>(token, &keys.jwt_checking, &self.jwt_rules);
        decoded.map(|decoded| decoded.claims).map_err(|_| Error::Unauthenticated)
    }

    /// The refresh token number `generation` of a session. It proves itself: nothing about it is
    /// stored but the number, and one that was not issued here can end no session.
    ///
    /// # Errors
    /// [`Error::Broken`] where signing fails.
    pub fn refresh_token(&self, session: SessionId, generation: i32) -> Result<String> {
        let parts = [session.0.as_bytes().as_slice(), &generation.to_be_bytes()];
        let proof = mac(&self.current.refresh, &parts)?;
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
        for keys in self.token_keys() {
            let mut expected = Hmac::<Sha256>::new_from_slice(&keys.refresh).map_err(Error::broken)?;
            expected.update(session);
            expected.update(generation);
            if expected.verify_slice(proof).is_ok() {
                return Ok((SessionId(Uuid::from_bytes(*session)), i32::from_be_bytes(*generation)));
            }
        }
        Err(Error::Unauthenticated)
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
        Keys::derive(&letter.repeat(32), None).unwrap()
    }

    fn noon() -> DateTime<Utc> {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    fn signed(keys: &Keys, algorithm: Algorithm, change: impl Fn(&mut serde_json::Value)) -> String {
        let now = noon().timestamp();
        let mut contents = serde_json::json!({
            "iss": "coffer", "aud": "coffer-api", "sub": "user_alice", "sid": Uuid::nil(), "typ": "access",
            "iat": now, "nbf": now, "exp": now + 900,
        });
        change(&mut contents);
        let header = Header { kid: Some(keys.current.id.clone()), ..Header::new(algorithm) };
        jsonwebtoken::encode(&header, &contents, &keys.current.jwt_signing).unwrap()
    }

    #[test]
    fn a_short_secret_makes_no_keys() {
        let (short, long) = ("x".repeat(31), "x".repeat(32));
        assert!(Keys::derive("", None).is_err() && Keys::derive(&short, None).is_err());
        assert!(Keys::derive(&long, Some(&short)).is_err() && Keys::derive(&long, Some(&long)).is_ok());
    }

    #[test]
    fn an_access_token_is_read_back_until_it_expires() {
        let session = SessionId::random();
        let (issuer, ours) = (keys("k"), keys("k"));
        let token = issuer.access_token(session, "user_alice", noon()).unwrap();
        // What is read again is remembered, and not good for any longer.
        let read = |seconds| ours.read_access_token(&token, noon() + TimeDelta::seconds(seconds));
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
    fn a_token_of_the_previous_secret_is_read_and_new_ones_are_signed_by_the_current_one() {
        let (old, new) = (keys("o"), keys("n"));
        let between = Keys::derive(&"n".repeat(32), Some(&"o".repeat(32))).unwrap();
        let session = SessionId::random();
        let before = old.access_token(session, "user_alice", noon()).unwrap();
        assert!(between.read_access_token(&before, noon()).is_ok());
        assert!(new.read_access_token(&before, noon()).is_err(), "an unknown key id");
        let after = between.access_token(session, "user_alice", noon()).unwrap();
        assert!(new.read_access_token(&after, noon()).is_ok() && old.read_access_token(&after, noon()).is_err());
        let before = old.refresh_token(session, 7).unwrap();
        assert_eq!(between.read_refresh_token(&before).unwrap(), (session, 7));
        assert!(new.read_refresh_token(&before).is_err());
        assert_eq!(new.read_refresh_token(&between.refresh_token(session, 8).unwrap()).unwrap(), (session, 8));
    }

    #[test]
    fn an_access_token_names_the_key_that_signed_it() {
        let ours = keys("k");
        let token = ours.access_token(SessionId::random(), "user_alice", noon()).unwrap();
        assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid.unwrap(), ours.current.id);
        assert!(ours.current.id != keys("x").current.id && ours.current.id == keys("k").current.id);
        let contents =
            jsonwebtoken::decode::<TokenContents>(&token, &ours.current.jwt_checking, &ours.jwt_rules).unwrap().claims;
        for kid in [None, Some(String::new()), Some(keys("x").current.id)] {
            let header = Header { kid: kid.clone(), ..Header::new(Algorithm::HS256) };
            let signed = jsonwebtoken::encode(&header, &contents, &ours.current.jwt_signing).unwrap();
            assert!(ours.read_access_token(&signed, noon()).is_err(), "{kid:?}");
        }
        let confused = Header { kid: Some(keys("x").current.id), ..Header::new(Algorithm::HS256) };
        let signed = jsonwebtoken::encode(&confused, &contents, &keys("x").current.jwt_signing).unwrap();
        assert!(ours.read_access_token(&signed, noon()).is_err());
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
