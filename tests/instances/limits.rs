//! Limits that two instances share through Redis, or keep for themselves.

use coffer::domain::Role;
use reqwest::Client;
use serde_json::json;

use super::Pair;
use super::support::api::Caller;
use super::support::redis::RedisServer;
use super::support::web::{PASSWORD, send};

/// How often a caller is answered 200 before it is told to wait, asking the two instances by turns.
async fn reads_before_429(pair: &Pair) -> usize {
    let client = Client::new();
    let mut callers = Vec::new();
    for installation in &pair.installations {
        callers.push(Caller::sign_in(&client, &installation.url(), "alice", PASSWORD).await);
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

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_a_limit_is_one_for_all_instances() {
    let redis = RedisServer::start();
    let pair = Pair::with_redis(&redis, &[("RATE_LIMIT_API_READS", "8/h")]);
    pair.have_user("alice", Role::User);
    let _running = pair.serve();
    pair.until_redis("ok").await;
    assert_eq!(reads_before_429(&pair).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_instance_has_its_own() {
    let pair = Pair::new(&[("RATE_LIMIT_API_READS", "8/h")]);
    pair.have_user("alice", Role::User);
    let _running = pair.serve();
    assert_eq!(pair.health(0).await["redis"]["status"], "off");
    assert_eq!(reads_before_429(&pair).await, 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_wrong_passwords_count_wherever_they_are_tried() {
    let redis = RedisServer::start();
    let pair = Pair::with_redis(&redis, &[("RATE_LIMIT_PASSWORDS", "4/h")]);
    pair.have_user("alice", Role::User);
    let _running = pair.serve();
    pair.until_redis("ok").await;
    let client = Client::new();
    let attempt = async |number: usize, password: &str| {
        let body = json!({"login": "alice", "password": password});
        send(client.post(pair.url(number, "/api/v1/auth/login")).json(&body)).await.status().as_u16()
    };
    for number in [0, 1, 0, 1] {
        assert_eq!(attempt(number, "two quiet walruses").await, 401);
    }
    // The right one, too, since otherwise one could go on guessing.
    assert_eq!((attempt(0, PASSWORD).await, attempt(1, PASSWORD).await), (429, 429));
}
