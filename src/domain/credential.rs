//! What proves who somebody is, beside login and password: sessions and personal API keys.

use sha2::{Digest, Sha256};

use super::ApiKeyId;

/// A state of who may do what, by its number: what was true of who was there then holds while that number
/// is the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessState(pub i64);

/// The letters of base32 (RFC 4648, section 6) in lower case.
pub const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

text_enum! {
    /// Which door a session opens; it never opens the other.
    pub enum SessionKind {
        /// The pages, by cookie.
        Browser = "browser",
        /// The JSON API, by token.
        Api = "api",
    }
}

text_enum! {
    /// What an API key may do, never more than its owner.
    pub enum Scope {
        /// Look: GET and HEAD.
        Read = "read",
        /// Act: all other methods.
        Write = "write",
        /// Keep the owner's admin role; without it the key of an admin acts as a user.
        Admin = "admin",
    }
}

/// The scopes of one API key, as its row has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, diesel::Queryable, diesel::Selectable, diesel::Insertable)]
#[diesel(table_name = crate::schema::api_keys)]
pub struct Scopes {
    /// Whether the key opens GET and HEAD.
    pub may_read: bool,
    /// Whether the key opens all other methods.
    pub may_write: bool,
    /// Whether the key keeps its owner's admin role.
    pub may_administer: bool,
}

impl Scopes {
    /// The scopes of a list, in any order.
    pub fn of(list: &[Scope]) -> Self {
        let has = |scope| list.contains(&scope);
        Self { may_read: has(Scope::Read), may_write: has(Scope::Write), may_administer: has(Scope::Admin) }
    }

    /// The scopes as a list.
    pub fn list(self) -> Vec<Scope> {
        let all = [(self.may_read, Scope::Read), (self.may_write, Scope::Write), (self.may_administer, Scope::Admin)];
        all.into_iter().filter(|(has, _)| *has).map(|(_, scope)| scope).collect()
    }
}

/// The secret of an API key: 32 letters and digits, 160 random bits. Shown once, when it is made.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeySecret(String);

impl ApiKeySecret {
    /// What every API key begins with, so that people and scanners know one when they see it.
    pub const MARK: &'static str = "cof_";

    const LENGTH: usize = 32;

    /// Makes a secret from random bytes, one for each of its characters.
    pub fn from_random(bytes: [u8; Self::LENGTH]) -> Self {
        let characters = bytes.iter().filter_map(|byte| BASE32.get(usize::from(byte % 32)));
        Self(characters.map(|&character| char::from(character)).collect())
    }

    /// What is kept of the secret. So many random bits need no slow hash.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The part of a key that may be shown for ever: `cof_` and its id.
    pub fn prefix(id: ApiKeyId) -> String {
        format!("{}{id}", Self::MARK)
    }

    /// The whole key, as a request presents it: prefix, `_`, secret.
    pub fn key(&self, id: ApiKeyId) -> String {
        format!("{}_{}", Self::prefix(id), self.0)
    }

    /// Reads a whole key; none where the text cannot be one.
    pub fn parse_key(text: &str) -> Option<(ApiKeyId, Self)> {
        let (id, secret) = text.strip_prefix(Self::MARK)?.split_once('_')?;
        let shaped = secret.len() == Self::LENGTH && secret.bytes().all(|byte| BASE32.contains(&byte));
        Some((id.parse().ok()?, Self(secret.to_owned()))).filter(|_| shaped)
    }
}

/// SHA-256 of an API key's secret.
#[derive(Debug, Clone, Copy)]
pub struct SecretHash(pub [u8; 32]);

impl SecretHash {
    /// Whether this is the hash that a row has, in a time that does not tell where they differ.
    pub fn is(&self, stored: &[u8]) -> bool {
        stored.len() == self.0.len() && self.0.iter().zip(stored).fold(0, |sum, (one, other)| sum | (one ^ other)) == 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_as_it_was_made() {
        let secret = ApiKeySecret::from_random(std::array::from_fn(|index| index as u8 * 7));
        let key = secret.key(ApiKeyId(17));
        assert!(key.starts_with("cof_17_") && key.len() == 39, "{key}");
        let (id, read) = ApiKeySecret::parse_key(&key).unwrap();
        assert_eq!(id, ApiKeyId(17));
        assert!(read == secret && read.hash().is(&secret.hash().0));
        for bad in ["", "cof_", "cof_17", "cof_17_", "cof_x_aaaa", &key.to_uppercase(), &format!("{key}a")] {
            assert!(ApiKeySecret::parse_key(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_hash_is_like_itself_and_no_other() {
        let one = ApiKeySecret::from_random([1; 32]).hash();
        let other = ApiKeySecret::from_random([2; 32]).hash();
        assert!(one.is(&one.0) && !one.is(&other.0) && !one.is(&one.0[..31]) && !one.is(&[]));
    }

    #[test]
    fn scopes_are_those_that_were_listed() {
        assert_eq!(Scopes::of(&[Scope::Admin, Scope::Read, Scope::Read]).list(), [Scope::Read, Scope::Admin]);
        assert!(Scopes::of(&[]).list().is_empty());
    }
}
