//! Redis that goes away while requests come, in every way that it can.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use coffer::domain::Role;
use reqwest::Client;
use serde_json::json;
use tokio::task::JoinSet;

use super::Pair;
use super::support::api::Caller;
use super::support::redis::{RedisServer, SlowWay};
use super::support::web::{PASSWORD, send};

/// Callers who read and write at both instances as long as it is wanted.
struct Load {
    goes_on: Arc<AtomicBool>,
    /// The time of the longest request since somebody asked, in milliseconds.
    longest_ms: Arc<AtomicU64>,
    callers: JoinSet<usize>,
}

impl Load {
    async fn start(pair: &Pair) -> Self {
        let client = Client::new();
        let goes_on = Arc::new(AtomicBool::new(true));
        let longest_ms = Arc::new(AtomicU64::new(0));
        let mut callers = JoinSet::new();
        for number in 0..8 {
            let base = pair.installations[number % 2].url();
            let caller = Caller::sign_in(&client, &base, "root", PASSWORD).await;
            let (goes_on, longest_ms) = (Arc::clone(&goes_on), Arc::clone(&longest_ms));
            let took = move |started: Instant| {
                longest_ms.fetch_max(u64::try_from(started.elapsed().as_millis()).unwrap(), Ordering::Relaxed);
            };
            callers.spawn(async move {
                let mut answered = 0;
                let gift = json!({"type": "bonus", "asset_type": "GOLD", "amount": "1"});
                while goes_on.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    let read = send(caller.get("/me")).await;
                    assert_eq!(read.status(), 200, "{:?}", read.text().await);
                    took(started);
                    let started = Instant::now();
                    let written = send(caller.post("/transactions").json(&gift)).await;
                    assert_eq!(written.status(), 201, "{:?}", written.text().await);
                    took(started);
                    answered += 2;
                }
                answered
            });
        }
        Self { goes_on, longest_ms, callers }
    }

    /// How long the longest request took that was answered since this was asked before.
    fn longest(&self) -> Duration {
        Duration::from_millis(self.longest_ms.swap(0, Ordering::Relaxed))
    }

    /// Ends the load; no request has failed, or this panics. None has hung, either: a frozen Redis
    /// that somebody waits for would hold a request for as long as it is frozen.
    async fn end(self, frozen: Duration) {
        self.goes_on.store(false, Ordering::Relaxed);
        for answered in self.callers.join_all().await {
            assert!(answered > 0);
        }
        let longest = Duration::from_millis(self.longest_ms.load(Ordering::Relaxed));
        assert!(longest < frozen, "a request took {longest:?}");
    }
}

/// Two instances that know a Redis at this address.
async fn pair_with_admin(url: &str) -> Pair {
    let limits = [("RATE_LIMIT_API_WRITES", "1000000/s"), ("RATE_LIMIT_API_READS", "1000000/s")];
    let pair = Pair::new(&[limits[0], limits[1], ("REDIS_URL", url)]);
    pair.have_user("root", Role::Admin);
    pair.have_asset_type("GOLD");
    pair
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_crashes_under_load_is_missed_by_nobody_and_used_again_when_it_is_back() {
    let mut redis = RedisServer::start();
    let pair = pair_with_admin(&redis.url()).await;
    let _running = pair.serve();
    pair.until_redis("ok").await;
    assert_eq!(pair.metric(0, "coffer_redis_up").await, 1.0);
    let load = Load::start(&pair).await;
    for _ in 0..3 {
        redis.stop();
        pair.until_redis("fallback").await;
        assert_eq!(pair.health(0).await["status"], "ok");
        redis.restart();
        pair.until_redis("ok").await;
    }
    load.end(Duration::from_secs(10)).await;
    assert_eq!(pair.metric(0, "coffer_redis_up").await, 1.0);
    assert!(pair.metric(0, "coffer_redis_fallbacks_total").await >= 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_freezes_under_load_holds_up_nobody() {
    let frozen = Duration::from_secs(6);
    let redis = RedisServer::start();
    let pair = pair_with_admin(&redis.url()).await;
    let _running = pair.serve();
    pair.until_redis("ok").await;
    let load = Load::start(&pair).await;
    redis.freeze();
    pair.until_redis("fallback").await;
    tokio::time::sleep(frozen).await;
    redis.thaw();
    pair.until_redis("ok").await;
    load.end(frozen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_slow_is_waited_for_a_moment_and_then_left_alone_until_it_is_not() {
    let redis = RedisServer::start();
    let way = SlowWay::to(&redis);
    let pair = pair_with_admin(&way.url()).await;
    let _running = pair.serve();
    pair.until_redis("ok").await;
    let load = Load::start(&pair).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let usual = load.longest();
    // More than any request may wait for it: that is 50 ms. The connection's check and the answer
    // together take twice as long.
    way.delay(Duration::from_secs(4));
    pair.until_redis("fallback").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let longest = load.longest();
    assert!(longest < usual + Duration::from_secs(2), "a request took {longest:?}, and {usual:?} before");
    way.delay(Duration::ZERO);
    pair.until_redis("ok").await;
    load.end(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_to_which_connecting_takes_long_is_used() {
    let redis = RedisServer::start();
    let way = SlowWay::to(&redis);
    way.delay_connecting(Duration::from_millis(200));
    let pair = pair_with_admin(&way.url()).await;
    let _running = pair.serve();
    pair.until_redis("ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_start_without_their_redis_and_find_it_later() {
    let mut redis = RedisServer::start();
    redis.stop();
    let pair = pair_with_admin(&redis.url()).await;
    let _running = pair.serve();
    pair.until_redis("fallback").await;
    let load = Load::start(&pair).await;
    redis.restart();
    pair.until_redis("ok").await;
    load.end(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_go_on_in_each_instance_while_redis_is_away() {
    let mut redis = RedisServer::start();
    let pair = Pair::with_redis(&redis, &[("RATE_LIMIT_API_READS", "6/h")]);
    pair.have_user("alice", Role::User);
    let _running = pair.serve();
    pair.until_redis("ok").await;
    let alice = Caller::sign_in(&Client::new(), &pair.installations[0].url(), "alice", PASSWORD).await;
    for _ in 0..3 {
        assert_eq!(send(alice.get("/me")).await.status(), 200);
    }
    redis.stop();
    pair.until_redis("fallback").await;
    // What this instance let pass before is not forgotten.
    for _ in 0..3 {
        assert_eq!(send(alice.get("/me")).await.status(), 200);
    }
    assert_eq!(send(alice.get("/me")).await.status(), 429);
}
