//! Limits of how often somebody may ask: so many requests of one key pass at once, and then evenly,
//! by the governor of this process and, where there is Redis, by all instances together.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actix_governor::governor::clock::Clock as TimeSource;
use actix_governor::governor::middleware::StateInformationMiddleware;
use actix_governor::governor::state::keyed::DashMapStateStore;
use actix_governor::governor::{Quota, RateLimiter};

use super::rate::{Rate, Standing};
use super::redis::{Mode, Redis};
use super::shared_key;
use crate::ledger::Clock;
use crate::meters;

/// After how many requests the governor forgets who owes nothing any more.
const SWEEP: u32 = 4096;

/// One limit.
pub(super) struct Limit {
    name: &'static str,
    rate: Rate,
    governor: RateLimiter<u64, DashMapStateStore<u64>, Time, StateInformationMiddleware>,
    hasher: RandomState,
    asked: AtomicU32,
}

/// The application's clock, as the governor reads it.
#[derive(Clone)]
struct Time(Clock);

impl TimeSource for Time {
    type Instant = Duration;

    fn now(&self) -> Duration {
        let since_1970 = (self.0)().timestamp_micros();
        Duration::from_micros(u64::try_from(since_1970).unwrap_or_default())
    }
}

impl Limit {
    pub(super) fn new(name: &'static str, rate: Rate, clock: &Clock) -> Self {
        let at_once = NonZeroU32::new(rate.at_once()).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(rate.interval()).unwrap_or(Quota::per_second(at_once)).allow_burst(at_once);
        let governor = RateLimiter::dashmap_with_clock(quota, Time(clock.clone())).with_middleware();
        meters::has_limit(name);
        Self { name, rate, governor, hasher: RandomState::new(), asked: AtomicU32::new(0) }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Counts a request of a key if it may pass, and says where the key stands then. The governor
    /// counts it in any case, so that it knows enough where Redis falls silent.
    pub(super) async fn take(&self, key: &str, redis: Option<&Redis>) -> Standing {
        let here = self.take_here(key);
        let Some(redis) = redis else { return here };
        let shared = redis.owe(Mode::Take, &[(self.name, self.rate, shared_key(key))]).await;
        shared.map_or(here, |(standing, _)| standing)
    }

    fn take_here(&self, key: &str) -> Standing {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.governor.retain_recent();
        }
        let owed = |free: u32| self.rate.interval() * self.rate.at_once().saturating_sub(free);
        match self.governor.check_key(&self.hasher.hash_one(key)) {
            Ok(passed) => Standing { wait: Duration::ZERO, debt: owed(passed.remaining_burst_capacity()) },
            Err(refused) => {
                let wait = refused.wait_time_from(self.governor.clock().now());
                // Less than a tick of the clock is still to wait.
                Standing { wait: wait.max(Duration::from_micros(1)), debt: owed(0).max(wait) }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;

    use chrono::DateTime;

    use super::*;

    #[test]
    fn requests_pass_at_once_and_then_evenly_and_keys_do_not_share() {
        let seconds = Arc::new(AtomicI64::new(1_000_000_000));
        let read = Arc::clone(&seconds);
        let clock: Clock = Arc::new(move || DateTime::from_timestamp(read.load(Ordering::Relaxed), 0).unwrap());
        let limit = Limit::new("test", "3/90s".parse().unwrap(), &clock);
        let take = |key| {
            let standing = limit.take_here(key);
            (standing.wait.as_secs(), limit.rate.free(standing.debt))
        };
        assert_eq!([take("alice"), take("alice"), take("alice")], [(0, 2), (0, 1), (0, 0)]);
        assert_eq!([take("alice"), take("bob")], [(30, 0), (0, 2)]);
        seconds.fetch_add(29, Ordering::Relaxed);
        assert_eq!(take("alice"), (1, 0));
        seconds.fetch_add(1, Ordering::Relaxed);
        assert_eq!([take("alice"), take("alice")], [(0, 0), (30, 0)]);
    }

    #[test]
    fn keys_that_owe_nothing_are_forgotten() {
        let seconds = Arc::new(AtomicI64::new(1_000_000_000));
        let read = Arc::clone(&seconds);
        let clock: Clock = Arc::new(move || DateTime::from_timestamp(read.load(Ordering::Relaxed), 0).unwrap());
        let limit = Limit::new("test", "3/s".parse().unwrap(), &clock);
        for number in 0..10 * SWEEP {
            limit.take_here(&number.to_string());
            seconds.fetch_add(i64::from(number % 16 == 0), Ordering::Relaxed);
        }
        assert!(limit.governor.len() < 2 * SWEEP as usize, "{}", limit.governor.len());
    }
}
