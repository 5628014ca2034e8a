//! Redis, where there is one: what several instances share that may be lost at any moment. Nobody
//! waits for it longer than 50 ms, and whoever asks while it is away learns that at once and
//! goes on without.

use std::cell::Cell;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Weak, mpsc};
use std::time::{Duration, Instant};

use deadpool_redis::redis::{FromRedisValue, IntoConnectionInfo, Script, ScriptInvocation};
use deadpool_redis::{Config, Pool, PoolConfig, Runtime, Timeouts};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::rate::{Rate, Standing};
use crate::error::Fatal;
use crate::meters;

/// How long one request may wait for Redis, with all that it asks of it.
const BUDGET: Duration = Duration::from_millis(50);

tokio::task_local! {
    /// What is left of the request's budget.
    static LEFT: Cell<Duration>;
}

/// Works on one request: all that it asks of Redis takes 50 ms together at most.
pub fn within_budget<F: Future>(request: F) -> impl Future<Output = F::Output> {
    LEFT.scope(Cell::new(BUDGET), request)
}

/// How long a command goes on that nobody waits for any more, since it may bring a connection.
const LONGEST: Duration = Duration::from_secs(1);

/// How many connections there are at most.
const CONNECTIONS: usize = 16;

/// How often it is asked whether it is still there.
const LOOK: Duration = Duration::from_millis(500);

/// How often it is asked whether it is back.
const LOOK_FOR: Duration = Duration::from_millis(100);

/// How many answers in a row make it count as back, so that one that flaps is left alone.
const ANSWERS: u32 = 3;

/// How many answers in a row may come too late, since a machine that is busy is slow to hear them.
const MISSES: u32 = 3;

/// How long a lock outlives a holder that was killed.
const LOCK_TIME: Duration = Duration::from_secs(10);

/// The generic cell rate algorithm for some keys at once, by Redis's own clock: `check` asks whether
/// all of them may pass, `count` counts one event more for each, `take` does so if they may pass.
/// Each key holds until when it is in debt, in microseconds. Answers with the longest wait, the
/// largest debt, and which key has to wait that long.
static OWE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local mode = ARGV[1]
        local debts, wait, debt, longest = {}, 0, 0, 0
        for i, key in ipairs(KEYS) do
            local interval, at_once = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
            local owed = math.max((tonumber(redis.call('GET', key)) or now) - now, 0)
            local this_wait = owed - interval * (at_once - 1)
            if this_wait > wait then wait, longest = this_wait, i - 1 end
            debt = math.max(debt, owed)
            debts[i] = owed + interval
        end
        if mode == 'count' or (mode == 'take' and wait <= 0) then
            for i, key in ipairs(KEYS) do
                local until_when = string.format('%.0f', now + debts[i])
                redis.call('SET', key, until_when, 'PX', math.ceil(debts[i] / 1000))
                debt = math.max(debt, debts[i])
            end
        end
        return {wait, debt, longest}",
    )
});

/// Takes a lock that nobody holds.
static ACQUIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
        return 0",
    )
});

/// Holds a lock for longer, if it is still its holder's.
static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
        return 0",
    )
});

/// Gives a lock back, if it is still its holder's.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
        return 0",
    )
});

/// What is done to the debts of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Check,
    Count,
    Take,
}

/// A Redis server. Clones share its connections.
#[derive(Clone)]
pub struct Redis(Arc<Shared>);

struct Shared {
    /// The thread that all commands run on, so that a slow one holds up no thread of the requests.
    thread: Handle,
    pool: Pool,
    answers: AtomicBool,
    /// How many answers in a row came too late.
    misses: AtomicU32,
}

/// What became of asking for a lock.
pub enum Lock {
    /// It is the caller's.
    Held(Held),
    /// Somebody else has it.
    Elsewhere,
    /// Redis does not answer.
    Unavailable,
}

impl Redis {
    /// Whether a text is the address of a Redis, so far as that can be seen.
    pub fn is_address(url: &str) -> bool {
        url.into_connection_info().is_ok()
    }

    /// Redis at an address such as `redis://host:6379/0`. Whether it is there shows later, since
    /// Coffer starts without it, too.
    ///
    /// # Errors
    /// The address is none, or the system has no threads left.
    pub fn start(url: &str) -> Result<Self, Fatal> {
        let mut config = Config::from_url(url);
        let timeouts = Timeouts { wait: Some(LONGEST), create: Some(LONGEST), recycle: Some(LONGEST) };
        config.pool = Some(PoolConfig { timeouts, ..PoolConfig::new(CONNECTIONS) });
        // The error would repeat the address, which may hold a password.
        let bad = |_| Fatal::new("the address of Redis cannot be used");
        let pool = config.create_pool(Some(Runtime::Tokio1)).map_err(bad)?;
        let no_thread = |error: std::io::Error| Fatal::new(format!("cannot start a thread: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
        let shared = Arc::new(Shared {
            thread: runtime.handle().clone(),
            pool,
            answers: AtomicBool::new(false),
            misses: AtomicU32::new(0),
        });
        meters::redis_answers(false);
        let watched = Arc::downgrade(&shared);
        let watch = move || runtime.block_on(watch(&watched));
        std::thread::Builder::new().name("redis".to_owned()).spawn(watch).map_err(no_thread)?;
        Ok(Self(shared))
    }

    /// Whether it answers; where it does not, what is in this process serves.
    pub fn answers(&self) -> bool {
        self.0.answers.load(Ordering::Relaxed)
    }

    /// Does something to the debts of keys, each of a throttle of this name and rate; tells which of them
    /// has to wait longest, too, and none where Redis does not answer.
    pub(super) async fn owe(&self, mode: Mode, debts: &[(&str, Rate, String)]) -> Option<(Standing, usize)> {
        let mut call = OWE.prepare_invoke();
        call.arg(match mode {
            Mode::Check => "check",
            Mode::Count => "count",
            Mode::Take => "take",
        });
        for (name, rate, key) in debts {
            let interval = u64::try_from(rate.interval().as_micros()).unwrap_or(u64::MAX);
            call.key(format!("coffer:{name}:{key}")).arg(interval).arg(rate.at_once());
        }
        let (wait, debt, longest) = self.run(call).await?;
        Some((Standing { wait: Duration::from_micros(wait), debt: Duration::from_micros(debt) }, longest))
    }

    /// Asks for a lock, for a thread that may block. It is held until what is returned is dropped, and
    /// ten seconds longer where its process is killed before.
    pub fn lock(&self, name: &str) -> Lock {
        let (key, token) = (format!("coffer:lock:{name}"), Uuid::new_v4().to_string());
        match self.run_here(lock_call(&ACQUIRE, &key, &token)) {
            Some(1) => {}
            Some(_) => return Lock::Elsewhere,
            None => return Lock::Unavailable,
        }
        let release = lock_call(&RELEASE, &key, &token);
        let (redis, call) = (self.clone(), lock_call(&RENEW, &key, &token));
        let renewal = self.0.thread.spawn(async move {
            loop {
                sleep(LOCK_TIME / 4).await;
                if let Ok(0) = redis.0.ask::<u8>(&call).await {
                    tracing::warn!(key, "a lock was lost while its holder was at work");
                    return;
                }
            }
        });
        Lock::Held(Held { redis: self.clone(), renewal, release: Some(release) })
    }

    async fn run<T: FromRedisValue + Send + 'static>(&self, call: ScriptInvocation<'static>) -> Option<T> {
        if !self.answers() {
            meters::redis_missed();
            return None;
        }
        let (left, started) = (LEFT.try_with(Cell::get).unwrap_or(BUDGET), Instant::now());
        let shared = Arc::clone(&self.0);
        let task = self.0.thread.spawn(async move { timeout(LONGEST, shared.ask::<T>(&call)).await });
        let answer = match timeout(left, task).await {
            Ok(Ok(Ok(Ok(answer)))) => Some(answer),
            Ok(Ok(Ok(Err(error)))) => {
                self.0.falls_silent(&error);
                None
            }
            _ => None,
        };
        self.0.heard(answer.is_some());
        if answer.is_none() {
            meters::redis_missed();
        }
        // Outside of a request there is no budget to keep.
        let _ = LEFT.try_with(|budget| budget.set(left.saturating_sub(started.elapsed())));
        answer
    }

    fn run_here<T: FromRedisValue + Send + 'static>(&self, call: ScriptInvocation<'static>) -> Option<T> {
        let redis = self.clone();
        let (tell, told) = mpsc::sync_channel(1);
        // Nobody may wait any more when the answer comes.
        self.0.thread.spawn(async move { tell.send(redis.run(call).await) });
        told.recv_timeout(LONGEST).ok().flatten()
    }
}

fn lock_call(script: &'static LazyLock<Script>, key: &str, token: &str) -> ScriptInvocation<'static> {
    let mut call = script.prepare_invoke();
    call.key(key).arg(token).arg(u64::try_from(LOCK_TIME.as_millis()).unwrap_or(u64::MAX));
    call
}

impl Shared {
    async fn ask<T: FromRedisValue>(&self, call: &ScriptInvocation<'static>) -> Result<T, String> {
        let mut connection = self.pool.get().await.map_err(|error| error.to_string())?;
        call.invoke_async(&mut connection).await.map_err(|error| error.to_string())
    }

    /// Whether a script that writes is answered in time; a ping would also be answered by a server
    /// that takes no writes. To connect may take longer, since that is done once.
    async fn is_there(&self) -> bool {
        let connected = timeout(LONGEST, self.pool.get()).await;
        if !matches!(connected, Ok(Ok(_))) {
            return false;
        }
        drop(connected);
        let mut call = OWE.prepare_invoke();
        call.arg("count").key("coffer:there").arg(1).arg(1);
        matches!(timeout(BUDGET, self.ask::<(u64, u64, usize)>(&call)).await, Ok(Ok(_)))
    }

    /// Notes whether an answer came in time.
    fn heard(&self, in_time: bool) {
        if in_time {
            self.misses.store(0, Ordering::Relaxed);
            return;
        }
        if self.misses.fetch_add(1, Ordering::Relaxed) + 1 >= MISSES {
            self.falls_silent(&"it does not answer in time");
        }
    }

    fn falls_silent(&self, why: &dyn Display) {
        if self.answers.swap(false, Ordering::Relaxed) {
            tracing::warn!(%why, "Redis does not answer: what is in this process serves");
            meters::redis_answers(false);
            meters::redis_fell_silent();
        }
    }
}

/// How many answers in a row came while it was not used.
struct Comeback(u32);

impl Comeback {
    /// At the start one answer will do.
    fn of_new_one() -> Self {
        Self(ANSWERS - 1)
    }

    /// Counts an answer, or one that did not come; whether these are enough. Then it begins anew.
    fn is_complete(&mut self, answered: bool) -> bool {
        self.0 = if answered { self.0 + 1 } else { 0 };
        let complete = self.0 >= ANSWERS;
        if complete {
            self.0 = 0;
        }
        complete
    }
}

/// Asks Redis whether it is there, as long as anybody uses it.
async fn watch(redis: &Weak<Shared>) {
    let mut comeback = Comeback::of_new_one();
    while let Some(redis) = redis.upgrade() {
        let is_there = redis.is_there().await;
        redis.heard(is_there);
        let is_used = redis.answers.load(Ordering::Relaxed);
        if comeback.is_complete(is_there && !is_used) {
            tracing::info!("Redis answers");
            meters::redis_answers(true);
            redis.answers.store(true, Ordering::Relaxed);
        }
        drop(redis);
        sleep(if is_used { LOOK } else { LOOK_FOR }).await;
    }
}

/// A lock that is held; dropping this gives it back.
pub struct Held {
    redis: Redis,
    renewal: JoinHandle<()>,
    release: Option<ScriptInvocation<'static>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewal.abort();
        if let Some(release) = self.release.take() {
            // Where it fails, the lock ends by itself.
            let _ = self.redis.run_here::<u8>(release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_falls_silent_as_soon_as_it_is_used_again_comes_back_again() {
        let mut comeback = Comeback::of_new_one();
        assert!(comeback.is_complete(true));
        // It fell silent before it was looked at again, so that no look saw it in use.
        for _ in 0..3 {
            assert!(!comeback.is_complete(true));
            assert!(!comeback.is_complete(true));
            assert!(comeback.is_complete(true));
        }
        assert!(!comeback.is_complete(true));
        assert!(!comeback.is_complete(false));
        assert_eq!([true; 3].map(|answered| comeback.is_complete(answered)), [false, false, true]);
    }
}
