//! Throttles of what can be guessed. Each counts events per key by the generic cell rate algorithm:
//! a key is in debt until a time, each event moves that time on by one interval, and whoever is as
//! many intervals in debt as the throttle allows at once has to wait. One time per key is all that
//! is kept.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::Turns;
use crate::error::{Error, Result};

/// How many keys one throttle remembers; then it forgets those that owe least.
const MOST_KEYS: usize = 1 << 16;

/// One throttle: `at_once` events per key, and then one per interval.
pub struct Throttle {
    interval: TimeDelta,
    at_once: i32,
    is_on: bool,
    hasher: RandomState,
    /// Until when each key is in debt, by the key's hash: what people type is not kept.
    debts: Mutex<HashMap<u64, DateTime<Utc>>>,
}

impl Throttle {
    fn new(at_once: i32, interval_seconds: i64, is_on: bool) -> Self {
        Self {
            interval: TimeDelta::seconds(interval_seconds),
            at_once,
            is_on,
            hasher: RandomState::new(),
            debts: Mutex::default(),
        }
    }

    /// Passes a key that has not used up its events; counts nothing.
    ///
    /// # Errors
    /// [`Error::RateLimited`] with the time until one more is free.
    pub fn check(&self, key: impl Hash, now: DateTime<Utc>) -> Result<()> {
        let debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        self.pass(debts.get(&self.hasher.hash_one(key)), now)
    }

    /// Counts an event of a key, one that was not passed too: those that were on their way at once
    /// are paid for afterwards.
    pub fn count(&self, key: impl Hash, now: DateTime<Utc>) {
        if self.is_on {
            let mut debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
            self.owe(&mut debts, self.hasher.hash_one(key), now);
        }
    }

    /// Passes a key that has not used up its events, and counts this one.
    ///
    /// # Errors
    /// As [`Throttle::check`]; then nothing is counted.
    pub fn take(&self, key: impl Hash, now: DateTime<Utc>) -> Result<()> {
        let mut debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.hasher.hash_one(key);
        self.pass(debts.get(&key), now)?;
        if self.is_on {
            self.owe(&mut debts, key, now);
        }
        Ok(())
    }

    fn pass(&self, debt: Option<&DateTime<Utc>>, now: DateTime<Utc>) -> Result<()> {
        let allowed = self.interval * (self.at_once - 1);
        let wait = debt.map_or(TimeDelta::zero(), |until| *until - now - allowed);
        match wait.to_std() {
            Ok(retry_after) if !retry_after.is_zero() => Err(Error::RateLimited { retry_after }),
            _ => Ok(()),
        }
    }

    fn owe(&self, debts: &mut HashMap<u64, DateTime<Utc>>, key: u64, now: DateTime<Utc>) {
        if debts.len() >= MOST_KEYS && !debts.contains_key(&key) {
            forget(debts, now);
        }
        let until = debts.entry(key).or_insert(now);
        *until = now.max(*until) + self.interval;
    }
}

/// Forgets who owes nothing any more, and at least the half that owes least.
fn forget(debts: &mut HashMap<u64, DateTime<Utc>>, now: DateTime<Utc>) {
    let mut times: Vec<_> = debts.values().copied().collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let least = now.max(*median);
    debts.retain(|_, until| *until > least);
}

/// The throttles of one process, and the turns that keep them from being overrun.
pub struct Throttles {
    /// Wrong passwords per login and network, whether the login exists or not: whoever guesses
    /// shuts the owner out of no other network.
    pub logins: Throttle,
    /// Wrong passwords per login from all networks together.
    pub logins_anywhere: Throttle,
    /// Passwords per login that are hashed, right or wrong, so that no account can keep the
    /// hashing threads busy.
    pub hashes: Throttle,
    /// Wrong passwords per network address.
    pub addresses: Throttle,
    /// Registrations per network address.
    pub registrations: Throttle,
    /// Wrong voucher codes per user.
    pub voucher_codes: Throttle,
    /// Names per user that nobody has, in search of somebody to send to.
    pub receivers: Throttle,
    /// Whose turn it is to try a password, per login.
    pub password_turns: Turns,
    /// Whose turn it is to try a voucher code, per user.
    pub code_turns: Turns,
}

impl Throttles {
    /// Throttles without debts; where `is_on` is false they pass everybody.
    pub fn new(is_on: bool) -> Self {
        Self {
            logins: Throttle::new(10, 30, is_on),
            logins_anywhere: Throttle::new(100, 10, is_on),
            hashes: Throttle::new(120, 1, is_on),
            addresses: Throttle::new(100, 3, is_on),
            registrations: Throttle::new(500, 1, is_on),
            voucher_codes: Throttle::new(20, 30, is_on),
            receivers: Throttle::new(30, 20, is_on),
            password_turns: Turns::default(),
            code_turns: Turns::default(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    fn wait_seconds(passed: Result<()>) -> Option<u64> {
        match passed {
            Ok(()) => None,
            Err(Error::RateLimited { retry_after }) => Some(retry_after.as_secs()),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn the_events_allowed_at_once_pass_and_then_one_per_interval() {
        let throttle = Throttle::new(3, 30, true);
        for _ in 0..3 {
            throttle.check("alice", noon()).unwrap();
            throttle.count("alice", noon());
        }
        let after = |seconds| wait_seconds(throttle.check("alice", noon() + TimeDelta::seconds(seconds)));
        assert_eq!((after(0), after(10), after(29), after(30)), (Some(30), Some(20), Some(1), None));
        throttle.check("bob", noon()).unwrap();
        throttle.count("alice", noon() + TimeDelta::seconds(30));
        assert_eq!((after(30), after(60)), (Some(30), None));
        assert_eq!(after(10_000), None);
        for _ in 0..3 {
            throttle.take("alice", noon() + TimeDelta::seconds(10_000)).unwrap();
        }
        assert_eq!(wait_seconds(throttle.take("alice", noon() + TimeDelta::seconds(10_000))), Some(30));
    }

    #[test]
    fn what_was_counted_over_the_limit_is_paid_for() {
        let throttle = Throttle::new(3, 30, true);
        for _ in 0..10 {
            throttle.count(1, noon());
        }
        assert_eq!(wait_seconds(throttle.check(1, noon())), Some(8 * 30));
    }

    #[test]
    fn a_throttle_that_is_off_passes_everybody() {
        let throttle = Throttle::new(1, 30, false);
        for _ in 0..3 {
            throttle.count(1, noon());
            throttle.take(1, noon()).unwrap();
            throttle.check(1, noon()).unwrap();
        }
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_hides_nobody_who_owes_more() {
        let throttle = Throttle::new(3, 30, true);
        for _ in 0..5 {
            throttle.count("guesser", noon());
        }
        for key in 0..3 * MOST_KEYS {
            throttle.count(key, noon());
        }
        assert!(throttle.debts.lock().unwrap().len() <= MOST_KEYS);
        assert!(throttle.check("guesser", noon()).is_err());
    }
}
