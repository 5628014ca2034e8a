//! Passwords that have been checked a moment ago, so that a script which sends its password with
//! every request does not wait for bcrypt every time.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::error::{Error, Result};

/// How many proofs each of the two halves holds.
const HALF: usize = 512;

type Tag = [u8; 32];

/// Proofs that a password has a hash. Of each only HMAC-SHA-256(key, login, password, hash) is
/// kept, under a key that dies with the process; another password has another hash, so a change
/// misses at once.
pub struct PasswordProofs {
    key: [u8; 32],
    halves: Mutex<Halves>,
}

/// What was proved lately, and what was before that; the older half goes when the newer is full.
#[derive(Default)]
struct Halves {
    newer: HashSet<Tag>,
    older: HashSet<Tag>,
}

impl PasswordProofs {
    /// No proofs yet.
    ///
    /// # Errors
    /// [`Error::Broken`] where the system has no randomness to give.
    pub fn new() -> Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| Error::broken(error.to_string()))?;
        Ok(Self { key, halves: Mutex::default() })
    }

    /// Whether this login's password was found to have this hash.
    ///
    /// # Errors
    /// [`Error::Broken`] where hashing fails.
    pub fn has(&self, login: &str, password: &str, hash: &str) -> Result<bool> {
        let tag = self.tag(login, password, hash)?;
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        if halves.newer.contains(&tag) {
            return Ok(true);
        }
        let was_used = halves.older.remove(&tag);
        if was_used {
            halves.insert(tag);
        }
        Ok(was_used)
    }

    /// Remembers that this login's password has this hash.
    ///
    /// # Errors
    /// As [`PasswordProofs::has`].
    pub fn remember(&self, login: &str, password: &str, hash: &str) -> Result<()> {
        let tag = self.tag(login, password, hash)?;
        self.halves.lock().unwrap_or_else(PoisonError::into_inner).insert(tag);
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

impl Halves {
    fn insert(&mut self, tag: Tag) {
        if self.newer.len() >= HALF {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(tag);
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

    #[test]
    fn proofs_are_bounded_and_those_in_use_stay() {
        let proofs = PasswordProofs::new().unwrap();
        for number in 0..5 * HALF {
            proofs.remember("alice", &number.to_string(), "").unwrap();
            assert!(proofs.has("alice", "0", "").unwrap());
        }
        assert!(!proofs.has("alice", "1", "").unwrap());
        let halves = proofs.halves.lock().unwrap();
        assert!(halves.newer.len() + halves.older.len() <= 2 * HALF);
    }
}
