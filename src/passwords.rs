//! Passwords: which ones are good enough, and their hashes.
//!
//! bcrypt reads 72 bytes and stops, so what it gets is base64(HMAC-SHA-256(label, password)), 44
//! bytes whatever the length and script of the password. It takes a third of a second on purpose,
//! so it runs on two threads of its own behind a short queue: a rush of sign-ins delays sign-ins
//! and nothing else.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::sync::oneshot;

use crate::error::{Error, FieldError, Result};

/// The fewest characters (Unicode scalar values) of a password.
const LEAST_CHARACTERS: usize = 10;

/// The most bytes of a password, so that a hash stays cheap to begin.
const MOST_BYTES: usize = 1024;

/// The fewest characters of a password that do not follow from the one before.
const LEAST_OWN: usize = 3;

/// The fewest characters of a password beside a name of its owner.
const LEAST_BESIDE_NAME: usize = 4;

/// Says what the pre-hash is for; changing it makes every stored hash useless.
const LABEL: &[u8] = b"coffer password v1";

/// Hashing threads.
const THREADS: usize = 2;

/// How many hashes may wait; at the default cost the last of them waits ten seconds.
const QUEUE: usize = 64;

/// Known-common passwords.
static COMMON: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("passwords/common.txt").lines().filter(|line| !line.starts_with('#')).collect());

/// Checks a new password against the rules; `names` are those that its owner is known by. Case
/// and blanks make no password better.
///
/// # Errors
/// A field error for `password` that says what to do.
pub fn check(password: &str, names: &[&str]) -> std::result::Result<(), FieldError> {
    let refuse = |message: &'static str| Err(FieldError::new("password", message));
    if password.chars().count() < LEAST_CHARACTERS {
        return refuse("Use at least 10 characters. A few words make a good password.");
    }
    if password.len() > MOST_BYTES {
        return refuse("Use at most 1024 bytes.");
    }
    let lower = password.to_lowercase();
    if COMMON.contains(&lower.as_str()) {
        return refuse("This password is on the list of common ones that attackers try first. Use another.");
    }
    let plain: String = lower.split_whitespace().collect();
    if own_characters(&plain) < LEAST_OWN || is_repetition(&plain) {
        return refuse("The password must not be a repetition or a sequence, such as 1234. Use a few words.");
    }
    let is_little_beside = |name: &str| {
        !name.is_empty() && plain.contains(name) && plain.replace(name, "").chars().count() < LEAST_BESIDE_NAME
    };
    let names = names.iter().map(|name| name.to_lowercase());
    let mut parts = names.flat_map(|name| {
        let local = name.split_once('@').map(|(local, _)| local.to_owned());
        let digits = name.strip_prefix('+').map(str::to_owned);
        [Some(name), local, digits].into_iter().flatten()
    });
    if parts.any(|part| is_little_beside(&part)) {
        return refuse("The password must have at least 4 characters beside a name of yours.");
    }
    Ok(())
}

/// How many characters are neither blank nor follow from the one before, as in `aaa`, `abc` and
/// `321`.
fn own_characters(text: &str) -> usize {
    let mut before = None;
    let is_own = |character: &char| {
        let follows = match before.replace(*character) {
            Some('9') if *character == '0' => true,
            Some('0') if *character == '9' => true,
            Some(before) => u32::from(before).abs_diff(u32::from(*character)) <= 1,
            None => false,
        };
        !follows && !character.is_whitespace()
    };
    text.chars().filter(is_own).count()
}

/// Whether the text is a piece shorter than a password, again and again.
fn is_repetition(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let longest = (characters.len() / 2).min(LEAST_CHARACTERS - 1);
    (1..=longest).any(|length| characters.iter().zip(characters.iter().skip(length)).all(|(one, next)| one == next))
}

/// Hashes a password on the calling thread; for the command line, which may block.
///
/// # Errors
/// [`Error::Broken`] where the system has no randomness to give.
pub fn hash_here(password: &str, cost: u32) -> Result<String> {
    bcrypt::hash(prehash(password)?, cost).map_err(Error::broken)
}

fn verify_here(password: &str, hash: &str) -> Result<bool> {
    bcrypt::verify(prehash(password)?, hash).map_err(Error::broken)
}

fn prehash(password: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(LABEL).map_err(Error::broken)?;
    mac.update(password.as_bytes());
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

/// What a hashing thread does next.
enum Job {
    Hash(String, oneshot::Sender<Result<String>>),
    Verify(String, String, oneshot::Sender<Result<bool>>),
}

/// The hashing threads, as handlers see them. They end when this is dropped.
pub struct Passwords {
    jobs: SyncSender<Job>,
    /// A hash that no password has, of the same cost as real ones.
    dummy: String,
}

impl Passwords {
    /// Starts the threads; `cost` is bcrypt's, each step doubles the time of a hash.
    ///
    /// # Errors
    /// Where the system has no threads left.
    pub fn start(cost: u32) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..THREADS {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name(format!("passwords-{number}")).spawn(move || work(&queue, cost))?;
        }
        // 22 characters of salt and 31 of hash; that any password has this one is as likely as
        // guessing a password's.
        let dummy = format!("$2b${cost:02}$CofferUnknownLoginSalOCofferUnknownLoginHashOfNobodyO");
        Ok(Self { jobs, dummy })
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`Error::Overloaded`] where too many wait.
    pub async fn hash(&self, password: String) -> Result<String> {
        let (answer, hash) = oneshot::channel();
        self.enqueue(Job::Hash(password, answer))?;
        hash.await.map_err(Error::broken)?
    }

    /// Whether a password has this hash. Without a hash, since nobody has the login, it takes as
    /// long and is false.
    ///
    /// # Errors
    /// [`Error::Overloaded`] where too many wait.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some();
        let (answer, verdict) = oneshot::channel();
        self.enqueue(Job::Verify(password, hash.unwrap_or_else(|| self.dummy.clone()), answer))?;
        Ok(verdict.await.map_err(Error::broken)?? && known)
    }

    /// Whether a hash was made with another cost than new ones are: such a one takes another time
    /// than that of an unknown login, until it is made anew.
    pub fn is_outdated(&self, hash: &str) -> bool {
        // "$2b$12$" and then salt and hash.
        hash.get(..7) != self.dummy.get(..7)
    }

    fn enqueue(&self, job: Job) -> Result<()> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => Error::Overloaded,
        })
    }
}

fn work(queue: &Mutex<Receiver<Job>>, cost: u32) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        // Whoever asked may have gone; then nobody hears the answer.
        match job {
            Ok(Job::Hash(password, answer)) => drop(answer.send(hash_here(&password, cost))),
            Ok(Job::Verify(password, hash, answer)) => drop(answer.send(verify_here(&password, &hash))),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn short_long_common_and_own_names_are_refused() {
        for bad in ["short", "ninechars", "password123", "PASSWORD123", "1234567890", "user_alice", "Alice@Example.org"]
        {
            assert!(check(bad, &["user_alice", "alice@example.org"]).is_err(), "{bad}");
        }
        assert!(check(&"ä".repeat(513), &[]).is_err(), "more than 1024 bytes");
        assert!(check("user_aliceuser_alice", &["user_alice"]).is_err(), "the login doubled");
        assert!(check("user_alice12", &["user_alice"]).is_err(), "the login with little around it");
    }

    #[test]
    fn a_name_needs_four_more_characters_beside_it_and_a_common_password_is_none() {
        let names = ["johnny77", "johnny77@example.org", "+442079460018"];
        for bad in [
            "johnny77123",
            "I am johnny77",
            "Johnny77!?#",
            "+442079460018",
            "442079460018abc",
            "password1234",
            "Password123!",
        ] {
            assert!(check(bad, &names).is_err(), "{bad}");
        }
        for good in ["johnny77 walrus", "johnny rows a boat", "password123 walrus", "test123456!"] {
            assert!(check(good, &names).is_ok(), "{good}");
        }
        assert!(check("three quiet walruses", &["al", "wal", "s"]).is_ok(), "a short name in a longer word");
    }

    #[test]
    fn repetitions_and_sequences_are_refused() {
        for bad in [
            "          ",
            "0123456789012",
            "9876543210987",
            "abcdefghijklmn",
            "coffercoffer",
            "Coffer coffer COFFER",
            "aaaaaaaaaaaa",
            "1212121212121",
            "aaaabbbbccccdddd",
            "abcabcabcabc",
        ] {
            assert!(check(bad, &[]).is_err(), "{bad}");
        }
        for good in
            ["coffer coffin coffee", "four loud walruses", "kH7&pQ2#xZ", "correct horse battery staple", "test123456!"]
        {
            assert!(check(good, &[]).is_ok(), "{good}");
        }
    }

    #[test]
    fn characters_are_counted_not_bytes() {
        assert!(check("пароль-дом", &[]).is_ok(), "ten characters");
        assert!(check("ääääää", &[]).is_err(), "six characters in twelve bytes");
        assert!(check("correct staple battery", &["bob"]).is_ok());
        assert!(check(&"long and winding ".repeat(60), &[]).is_ok());
    }

    #[test]
    fn all_of_a_long_password_counts() {
        let long = "x".repeat(100);
        let hash = hash_here(&format!("{long}a"), 4).unwrap();
        assert!(verify_here(&format!("{long}a"), &hash).unwrap());
        assert!(!verify_here(&format!("{long}b"), &hash).unwrap());
    }

    #[tokio::test]
    async fn an_unknown_login_costs_a_whole_hash_and_fails() {
        let passwords = Passwords::start(4).unwrap();
        bcrypt::verify("anything", &passwords.dummy).unwrap();
        assert!(!passwords.verify("anything at all".to_owned(), None).await.unwrap());
        let hash = passwords.hash("anything at all".to_owned()).await.unwrap();
        assert!(!passwords.is_outdated(&hash));
        assert!(passwords.is_outdated(&hash_here("anything at all", 5).unwrap()));
        assert!(passwords.verify("anything at all".to_owned(), Some(hash)).await.unwrap());
    }
}
