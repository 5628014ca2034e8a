//! All limits and throttles of an installation, shared between its instances where there is Redis.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::limit::Limit;
use super::rate::{Rate, Standing};
use super::redis::{Mode, Redis};
use super::throttle::Throttle;
use super::{Turns, shared_key};
use crate::error::{Error, Result};
use crate::ledger::Clock;
use crate::meters;

/// What a request is, as far as its limit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Proves by a password or a refresh token who one is.
    SignIn,
    /// Makes a user.
    Register,
    /// Claims.
    Claims,
    /// Changes something by the API.
    ApiWrites,
    /// Reads by the API.
    ApiReads,
    /// Looks at a page, or sends a form.
    Pages,
}

/// How often what may happen, per user or, where nobody is signed in, per network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Requests that sign in.
    pub sign_in: Rate,
    /// Registrations.
    pub register: Rate,
    /// Wrong passwords per login and network.
    pub passwords: Rate,
    /// Claims.
    pub claims: Rate,
    /// Voucher codes that nobody has made.
    pub codes: Rate,
    /// Changes by the API.
    pub api_writes: Rate,
    /// Reads by the API.
    pub api_reads: Rate,
    /// Pages and forms.
    pub pages: Rate,
}

const MINUTE: Duration = Duration::from_secs(60);

/// What leaves people and busy scripts alone, and bounds what one caller can take from the others.
impl Default for Rates {
    fn default() -> Self {
        Self {
            sign_in: Rate::new(600, 10 * MINUTE),
            register: Rate::new(500, 10 * MINUTE),
            passwords: Rate::new(10, 5 * MINUTE),
            claims: Rate::new(6_000, MINUTE),
            codes: Rate::new(20, 10 * MINUTE),
            api_writes: Rate::new(20_000, MINUTE),
            api_reads: Rate::new(30_000, MINUTE),
            pages: Rate::new(3_000, MINUTE),
        }
    }
}

/// The limits and throttles, and the turns that keep them from being overrun.
pub struct Throttles {
    /// Whose turn it is to try a password, per login.
    pub password_turns: Turns,
    /// Whose turn it is to try a voucher code, per user.
    pub code_turns: Turns,
    /// Whose turn it is to look up a name that nobody has been sent to before, per user.
    pub receiver_turns: Turns,
    /// Wrong passwords per login and network, whether the login exists or not: whoever guesses
    /// shuts the owner out of no other network.
    pub logins: Throttle,
    /// Wrong passwords per login from all networks together.
    pub logins_anywhere: Throttle,
    /// Wrong passwords per network.
    pub networks: Throttle,
    /// Wrong voucher codes per user.
    pub voucher_codes: Throttle,
    /// Names per user that nobody has, in search of somebody to send to.
    pub receivers: Throttle,
    limits: Limits,
    redis: Option<Redis>,
    is_on: bool,
}

struct Limits {
    sign_in: Limit,
    register: Limit,
    /// Passwords per login that are hashed, right or wrong, so that no account can keep the hashing
    /// threads busy.
    hashes: Limit,
    claims: Limit,
    api_writes: Limit,
    api_reads: Limit,
    pages: Limit,
}

impl Throttles {
    /// Throttles without debts. Where there are no rates they pass everybody.
    pub fn new(rates: Option<Rates>, clock: &Clock, redis: Option<Redis>) -> Self {
        let is_on = rates.is_some();
        let rates = rates.unwrap_or_default();
        let limit = |name, rate| Limit::new(name, rate, clock);
        Self {
            password_turns: Turns::default(),
            code_turns: Turns::default(),
            receiver_turns: Turns::default(),
            logins: Throttle::new("passwords", rates.passwords),
            logins_anywhere: Throttle::new("passwords_anywhere", Rate::new(100, 16 * MINUTE)),
            networks: Throttle::new("passwords_of_network", Rate::new(100, 5 * MINUTE)),
            voucher_codes: Throttle::new("codes", rates.codes),
            receivers: Throttle::new("receivers", Rate::new(30, 10 * MINUTE)),
            limits: Limits {
                sign_in: limit("sign_in", rates.sign_in),
                register: limit("register", rates.register),
                hashes: limit("hashes", Rate::new(120, 2 * MINUTE)),
                claims: limit("claims", rates.claims),
                api_writes: limit("api_writes", rates.api_writes),
                api_reads: limit("api_reads", rates.api_reads),
                pages: limit("pages", rates.pages),
            },
            redis,
            is_on,
        }
    }

    /// Counts a request of a class, if it may pass, and tells where `who` stands; none where there are
    /// no limits.
    pub async fn take(&self, class: Class, who: impl FnOnce() -> String) -> Option<(Rate, Standing)> {
        if !self.is_on {
            return None;
        }
        let limit = match class {
            Class::SignIn => &self.limits.sign_in,
            Class::Register => &self.limits.register,
            Class::Claims => &self.limits.claims,
            Class::ApiWrites => &self.limits.api_writes,
            Class::ApiReads => &self.limits.api_reads,
            Class::Pages => &self.limits.pages,
        };
        let standing = limit.take(&who(), self.redis.as_ref()).await;
        if !standing.wait.is_zero() {
            meters::rate_limited(limit.name());
        }
        Some((limit.rate(), standing))
    }

    /// Counts a password of a login that is about to be hashed.
    ///
    /// # Errors
    /// [`Error::RateLimited`] where there have been too many.
    pub async fn take_hash(&self, login: &str) -> Result<()> {
        if !self.is_on {
            return Ok(());
        }
        let limit = &self.limits.hashes;
        pass(limit.name(), limit.take(login, self.redis.as_ref()).await.wait)
    }

    /// Passes whoever has guesses left in each of these throttles; counts nothing.
    ///
    /// # Errors
    /// [`Error::RateLimited`] with the time until there is one.
    pub async fn check(&self, guesses: &[(&Throttle, &str)], now: DateTime<Utc>) -> Result<()> {
        if !self.is_on {
            return Ok(());
        }
        let shared = self.owe(Mode::Check, guesses).await.map(|(standing, longest)| (standing.wait, longest));
        let here = || guesses.iter().map(|(throttle, key)| throttle.wait(key, now)).zip(0..).max().unwrap_or_default();
        let (wait, longest) = shared.unwrap_or_else(here);
        pass(guesses.get(longest).map_or("", |(throttle, _)| throttle.name()), wait)
    }

    /// Passes whoever has guesses left in a throttle as far as this instance has counted them, where a
    /// question to the others would cost as much as what it guards.
    ///
    /// # Errors
    /// As [`Throttles::check`].
    pub fn check_here(&self, (throttle, key): (&Throttle, &str), now: DateTime<Utc>) -> Result<()> {
        if self.is_on { pass(throttle.name(), throttle.wait(key, now)) } else { Ok(()) }
    }

    /// Counts a wrong guess in each of these throttles, here in any case, so that enough is known
    /// where Redis falls silent.
    pub async fn count(&self, guesses: &[(&Throttle, &str)], now: DateTime<Utc>) {
        if self.is_on {
            guesses.iter().for_each(|(throttle, key)| throttle.count(key, now));
            self.owe(Mode::Count, guesses).await;
        }
    }

    /// Looks up what can be guessed, in the turn of whoever guesses; counts a guess that finds nothing.
    ///
    /// # Errors
    /// As [`Throttles::check`]; [`Error::Overloaded`] where its turn does not come; those of the look.
    pub async fn guess<T>(
        &self,
        (turns, throttle): (&Turns, &Throttle),
        who: &str,
        now: DateTime<Utc>,
        look: impl Future<Output = Result<Option<T>>>,
    ) -> Result<Option<T>> {
        let _turn = turns.wait(&[who]).await?;
        self.check(&[(throttle, who)], now).await?;
        let found = look.await?;
        if found.is_none() {
            self.count(&[(throttle, who)], now).await;
        }
        Ok(found)
    }

    async fn owe(&self, mode: Mode, guesses: &[(&Throttle, &str)]) -> Option<(Standing, usize)> {
        let debt = |(throttle, key): &(&Throttle, &str)| (throttle.name(), throttle.rate(), shared_key(key));
        self.redis.as_ref()?.owe(mode, &guesses.iter().map(debt).collect::<Vec<_>>()).await
    }
}

fn pass(name: &'static str, wait: Duration) -> Result<()> {
    if wait.is_zero() {
        return Ok(());
    }
    meters::rate_limited(name);
    Err(Error::RateLimited { retry_after: wait })
}
