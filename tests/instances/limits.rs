//! Limits that two instances share through Redis, or keep for themselves.

use coffer::domain::Role;
use reqwest::Client;
use serde_json::json;

use super::Pair;
use super::support::api::Caller;
use super::support::redis::RedisServer;
use super::support::web::{PASSWORD, send};

/// How often a caller is answered 200 before it is told to wait, asking the two instances by turns.
async fn reads_before_429(pair: &Pair, login: &str) -> usize {
    pair.have_user(login, Role::User);
    let client = Client::new();
    let mut callers = Vec::new();
    for installation in &pair.installations {
        callers.push(Caller::sign_in(&client, &installation.url(), login, PASSWORD).await);
    }
    let mut passed = 0;
    for caller in callers.iter().cycle().take(40) {
        match send(caller.get("/me")).await.status().as_u16() {
            200 => passed += 1,
            429 => return passed,
            other => panic!("{other}"),
        }
    }
    passed
}

/// What is found when Redis has answered all that was asked meanwhile, with a user for each try. On a
/// machine that is very busy an answer may come too late, and then an instance goes on by itself.
async fn while_redis_answers<T>(pair: &Pair, mut find: impl AsyncFnMut(&str) -> T) -> T {
    for number in 0..20 {
        pair.until_redis("ok").await;
        let before =
            (pair.metric(0, "coffer_redis_misses_total").await, pair.metric(1, "coffer_redis_misses_total").await);
        let found = find(&format!("user_{number}")).await;
        let after =
            (pair.metric(0, "coffer_redis_misses_total").await, pair.metric(1, "coffer_redis_misses_total").await);
        if before == after {
            return found;
        }
    }
    panic!("Redis never answers in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_a_limit_is_one_for_all_instances() {
    let redis = RedisServer::start();
    let pair = Pair::with_redis(&redis, &[("RATE_LIMIT_API_READS", "8/h")]);
    let _running = pair.serve();
    assert_eq!(while_redis_answers(&pair, async |login: &str| reads_before_429(&pair, login).await).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_instance_has_its_own() {
    let pair = Pair::new(&[("RATE_LIMIT_API_READS", "8/h")]);
    let _running = pair.serve();
    assert_eq!(pair.health(0).await["redis"]["status"], "off");
    assert_eq!(reads_before_429(&pair, "alice").await, 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_wrong_passwords_count_wherever_they_are_tried() {
    let redis = RedisServer::start();
    let pair = Pair::with_redis(&redis, &[("RATE_LIMIT_PASSWORDS", "4/h")]);
    let _running = pair.serve();
    let client = Client::new();
    let attempt = async |login: &str, number: usize, password: &str| {
        let body = json!({"login": login, "password": password});
        send(client.post(pair.url(number, "/api/v1/auth/login")).json(&body)).await.status().as_u16()
    };
    let statuses = while_redis_answers(&pair, async |login: &str| {
        pair.have_user(login, Role::User);
        let mut statuses = Vec::new();
        for number in [0, 1, 0, 1] {
            statuses.push(attempt(login, number, "two quiet walruses").await);
        }
        // The right one, too, since otherwise one could go on guessing.
        statuses.extend([attempt(login, 0, PASSWORD).await, attempt(login, 1, PASSWORD).await]);
        statuses
    });
    assert_eq!(statuses.await, [401, 401, 401, 401, 429, 429]);
}
