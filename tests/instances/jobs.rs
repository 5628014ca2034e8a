//! Jobs that run once, however many instances there are, and go on when the one at work is killed.

use std::time::{Duration, Instant};

use coffer::ephemeral::{Lock, Redis};
use diesel::connection::SimpleConnection;

use super::Pair;
use super::support::program::eventually;
use super::support::redis::RedisServer;

/// Makes the expiry job take some seconds, so that two instances meet in it, and keeps what it did.
const SLOW_EXPIRY: &str = "
    create table expiries (at timestamptz not null default clock_timestamp());
    create function expire_slowly() returns trigger language plpgsql as $$
    begin
        insert into expiries default values;
        perform pg_sleep(4);
        return null;
    end $$;
    create trigger expire_slowly after update on assets for each statement execute function expire_slowly();";

async fn status(pair: &Pair, number: usize) -> String {
    pair.health(number).await["jobs"]["expiry"]["status"].as_str().unwrap().to_owned()
}

/// Waits until an instance says this of the job.
async fn until_status(pair: &Pair, number: usize, wanted: &str) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while status(pair, number).await != wanted {
        assert!(Instant::now() < deadline, "the job of instance {number} is never {wanted}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Both begin with the job; one is at it, and the other says so. Then the one at work is killed, and
/// the other does it at its next turn.
async fn one_works_and_the_other_takes_over(pair: &Pair, meanwhile: impl AsyncFnOnce()) {
    pair.database.connect().batch_execute(SLOW_EXPIRY).unwrap();
    let [first, second] = pair.serve();
    let deadline = Instant::now() + Duration::from_secs(30);
    let idle = loop {
        let statuses = [status(pair, 0).await, status(pair, 1).await];
        if let Some(idle) = statuses.iter().position(|status| status == "elsewhere_running") {
            assert_ne!(statuses[1 - idle], "elsewhere_running", "the other one is at work");
            break idle;
        }
        assert!(Instant::now() < deadline, "they do not meet in the job: {statuses:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    meanwhile().await;
    let (survivor, holder) = if idle == 0 { (first, second) } else { (second, first) };
    holder.kill();
    pair.database.connect().batch_execute("drop trigger expire_slowly on assets").unwrap();
    until_status(pair, idle, "ok").await;
    drop(survivor);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_a_job_runs_once_and_goes_on_when_its_holder_is_killed() {
    let redis = RedisServer::start();
    let pair = Pair::with_redis(&redis, &[]);
    one_works_and_the_other_takes_over(&pair, async || {
        eventually("the lock is held", || redis.ask("EXISTS coffer:lock:expiry").as_deref() == Some(":1"));
    })
    .await;
    assert_eq!(redis.ask("EXISTS coffer:lock:expiry").as_deref(), Some(":0"), "the lock was given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_job_runs_once_and_goes_on_when_its_holder_is_killed() {
    let pair = Pair::new(&[]);
    one_works_and_the_other_takes_over(&pair, async || {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_renewed_while_its_holder_works_and_nobody_gives_back_anothers() {
    let redis = RedisServer::start();
    let (one, other) = (Redis::start(&redis.url()).unwrap(), Redis::start(&redis.url()).unwrap());
    eventually("both see Redis", || one.answers() && other.answers());
    let locks = tokio::task::spawn_blocking(move || {
        let Lock::Held(held) = one.lock("work") else { panic!("nobody holds it") };
        assert!(matches!(other.lock("work"), Lock::Elsewhere));
        // Longer than a lock lives without being renewed.
        std::thread::sleep(Duration::from_secs(12));
        assert!(matches!(other.lock("work"), Lock::Elsewhere));
        redis.ask("SET coffer:lock:work somebody");
        drop(held);
        assert_eq!(redis.ask("GET coffer:lock:work").as_deref(), Some("somebody"));
        redis.ask("DEL coffer:lock:work");
        let Lock::Held(held) = other.lock("work") else { panic!("nobody holds it") };
        drop(held);
        assert!(matches!(one.lock("work"), Lock::Held(_)));
    });
    locks.await.unwrap();
}
