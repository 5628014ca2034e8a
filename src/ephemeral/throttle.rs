//! Throttles of what can be guessed. Each counts wrong guesses per key by the generic cell rate
//! algorithm: a key is in debt until a time, each guess moves that time on by one interval, and
//! whoever is as many intervals in debt as the throttle allows at once has to wait. One time per key
//! is all that is kept.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::rate::Rate;
use crate::meters;

/// How many keys one throttle remembers; then it forgets those that owe least.
const MOST_KEYS: usize = 1 << 16;

/// One throttle.
pub struct Throttle {
    name: &'static str,
    rate: Rate,
    hasher: RandomState,
    /// Until when each key is in debt, by the key's hash: what people type is not kept.
    debts: Mutex<HashMap<u64, DateTime<Utc>>>,
}

impl Throttle {
    pub(super) fn new(name: &'static str, rate: Rate) -> Self {
        meters::has_limit(name);
        Self { name, rate, hasher: RandomState::new(), debts: Mutex::default() }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// How long a key has to wait until one more guess is free; counts nothing.
    pub(super) fn wait(&self, key: &str, now: DateTime<Utc>) -> Duration {
        let debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        let owed = debts.get(&self.hasher.hash_one(key)).map_or(TimeDelta::zero(), |until| *until - now);
        owed.to_std().unwrap_or_default().saturating_sub(self.rate.interval() * (self.rate.at_once() - 1))
    }

    /// Counts a wrong guess of a key, one that should not have been let through, too: those that were
    /// on their way at once are paid for afterwards.
    pub(super) fn count(&self, key: &str, now: DateTime<Utc>) {
        let key = self.hasher.hash_one(key);
        let mut debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        if debts.len() >= MOST_KEYS && !debts.contains_key(&key) {
            forget(&mut debts, now);
        }
        let until = debts.entry(key).or_insert(now);
        *until = now.max(*until) + self.rate.interval();
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    fn three_in_ninety_seconds() -> Throttle {
        Throttle::new("test", "3/90s".parse().unwrap())
    }

    #[test]
    fn the_guesses_allowed_at_once_pass_and_then_one_per_interval() {
        let throttle = three_in_ninety_seconds();
        for _ in 0..3 {
            assert_eq!(throttle.wait("alice", noon()), Duration::ZERO);
            throttle.count("alice", noon());
        }
        let after = |seconds| throttle.wait("alice", noon() + TimeDelta::seconds(seconds)).as_secs();
        assert_eq!((after(0), after(10), after(29), after(30)), (30, 20, 1, 0));
        assert_eq!(throttle.wait("bob", noon()), Duration::ZERO);
        throttle.count("alice", noon() + TimeDelta::seconds(30));
        assert_eq!((after(30), after(60), after(10_000)), (30, 0, 0));
    }

    #[test]
    fn what_was_counted_over_the_limit_is_paid_for() {
        let throttle = three_in_ninety_seconds();
        for _ in 0..10 {
            throttle.count("alice", noon());
        }
        assert_eq!(throttle.wait("alice", noon()).as_secs(), 8 * 30);
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_hides_nobody_who_owes_more() {
        let throttle = three_in_ninety_seconds();
        for _ in 0..5 {
            throttle.count("guesser", noon());
        }
        for key in 0..3 * MOST_KEYS {
            throttle.count(&key.to_string(), noon());
        }
        assert!(throttle.debts.lock().unwrap().len() <= MOST_KEYS);
        assert!(!throttle.wait("guesser", noon()).is_zero());
    }
}
