//! Passwords that have been checked a moment ago, so that a script which sends its password with
//! every request does not wait for bcrypt every time.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::error::{Error, Result};
use crate::memory::Memory;

/// How many proofs are kept.
const MOST: usize = 1024;

type Tag = [u8; 32];

/// Proofs that a password has a hash. Of each only HMAC-SHA-256(key, login, password, hash) is
/// kept, under a key that dies with the process; another password has another hash, so a change
/// misses at once.
pub struct PasswordProofs {
    key: [u8; 32],
    proved: Memory<Tag, ()>,
}

impl PasswordProofs {
    /// No proofs yet.
    ///
    /// # Errors
    /// [`Error::Broken`] where the system has no randomness to give.
    pub fn new() -> Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| Error::broken(error.to_string()))?;
        Ok(Self { key, proved: Memory::of_at_most(MOST) })
    }

    /// Whether this login's password was found to have this hash.
    ///
    /// # Errors
    /// [`Error::Broken`] where hashing fails.
    pub fn has(&self, login: &str, password: &str, hash: &str) -> Result<bool> {
        Ok(self.proved.get(&self.tag(login, password, hash)?).is_some())
    }

    /// Remembers that this login's password has this hash.
    ///
    /// # Errors
    /// As [`PasswordProofs::has`].
    pub fn remember(&self, login: &str, password: &str, hash: &str) -> Result<()> {
        self.proved.insert(self.tag(login, password, hash)?, ());
        Ok(())
    }

    fn tag(&self, login: &str, password: &str, hash: &str) -> Result<Tag> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(Error::broken)?;
        for part in [login, password, hash] {
            // With its length, so that no other parts give the same bytes.
            mac.update(&part.len().to_be_bytes());
            mac.update(part.as_bytes());
        }
        Ok(mac.finalize().into_bytes().into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_its_login_password_and_hash_only() {
        let proofs = PasswordProofs::new().unwrap();
        proofs.remember("alice", "walrus", "$2b$1").unwrap();
        assert!(proofs.has("alice", "walrus", "$2b$1").unwrap());
        for (login, password, hash) in [
            ("bob", "walrus", "$2b$1"),
            ("alice", "walru", "$2b$1"),
            ("alice", "walrus", "$2b$2"),
            ("alicew", "alrus", "$2b$1"),
        ] {
            assert!(!proofs.has(login, password, hash).unwrap(), "{login} {password} {hash}");
        }
    }
}
