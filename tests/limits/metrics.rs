//! What is measured, and who may see it.

use reqwest::{Client, RequestBuilder};

use super::support::program::Installation;
use super::support::web::send;

const TOKEN: &str = "a token of some length";

async fn status(request: RequestBuilder) -> u16 {
    send(request).await.status().as_u16()
}

/// The value of a series, by its name and labels.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is missing in {text}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_counted_by_route_and_outcome() {
    let installation = Installation::new().with("DEMO_PASSWORD", "three-quiet-walruses");
    let running = installation.serve(&["serve"]);
    let client = Client::new();
    let url = |path: &str| format!("{}{path}", installation.url());
    let as_user = |request: RequestBuilder, login: &str| request.basic_auth(login, Some("three-quiet-walruses"));
    let found = send(as_user(client.get(url("/api/v1/assets?q=Signup")), "user_alice")).await;
    let found: serde_json::Value = found.json().await.unwrap();
    let claim = url(&format!("/api/v1/assets/{}/claim", found["data"][0]["id"]));
    assert_eq!(status(as_user(client.post(&claim), "user_alice")).await, 201);
    assert_eq!(status(as_user(client.post(&claim), "user_alice")).await, 200);
    assert_eq!(status(as_user(client.post(&claim), "user_bob")).await, 409);
    assert_eq!(status(client.get(url("/nobody/has/been/here"))).await, 404);
    let other_methods = ["/wallet", "/health", "/api/v1/assets/{id}/claim"];
    for path in other_methods {
        assert_eq!(status(client.delete(url(&path.replace("{id}", "7")))).await, 405, "{path}");
    }

    let answer = send(client.get(url("/metrics"))).await;
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().await.unwrap();
    // The demo data was posted before anything was counted.
    for outcome in ["claimed", "repeated", "already_claimed"] {
        assert_eq!(value(&text, &format!("coffer_claims_total{{outcome=\"{outcome}\"}}")), 1.0, "{outcome}");
    }
    let claims = |status: u16| {
        let labels = format!("method=\"POST\",route=\"/api/v1/assets/{{id}}/claim\",status=\"{status}\"");
        value(&text, &format!("coffer_http_requests_total{{{labels}}}"))
    };
    assert_eq!((claims(201), claims(200), claims(409)), (1.0, 1.0, 1.0));
    assert_eq!(value(&text, "coffer_http_requests_total{method=\"GET\",route=\"-\",status=\"404\"}"), 1.0);
    for path in other_methods {
        let labels = format!("method=\"DELETE\",route=\"{path}\",status=\"405\"");
        assert_eq!(value(&text, &format!("coffer_http_requests_total{{{labels}}}")), 1.0, "{path}");
    }
    assert!(!text.contains("nobody"), "addresses that are made up are no labels");
    assert!(
        value(&text, "coffer_http_request_duration_seconds_count{method=\"POST\",route=\"/api/v1/assets/{id}/claim\"}")
            == 3.0
    );
    assert!(value(&text, "coffer_posting_commits_total") >= 1.0);
    assert!(value(&text, "coffer_posting_batch_commands_count") >= 2.0);
    assert!(value(&text, "coffer_posting_queue_wait_seconds_count") >= 2.0);
    assert_eq!(value(&text, &format!("coffer_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))), 1.0);
    assert!(value(&text, "coffer_database_pool_connections{state=\"idle\"}") >= 1.0);
    assert!(value(&text, "process_resident_memory_bytes") > 0.0);
    assert!(!text.contains("coffer_redis_up"), "there is no Redis");
    running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_whoever_may_see_what_is_measured() {
    let default = Installation::new();
    let closed = Installation::new().with("METRICS_FROM", "off").with("METRICS_TOKEN", TOKEN);
    let proxied = Installation::new().with("METRICS_FROM", "198.51.100.0/24").with("TRUSTED_PROXIES", "127.0.0.1");
    let serve = |installation: &Installation| installation.serve(&["serve", "--no-demo"]);
    let running = [serve(&default), serve(&closed), serve(&proxied)];
    let metrics = |installation: &Installation| Client::new().get(format!("{}/metrics", installation.url()));

    assert_eq!(status(metrics(&default)).await, 200);
    // What comes through a proxy on this machine comes from anywhere.
    assert_eq!(status(metrics(&default).header("x-forwarded-for", "127.0.0.1")).await, 404);
    assert_eq!(status(metrics(&default).header("via", "1.1 proxy")).await, 404);

    assert_eq!(status(metrics(&closed)).await, 404);
    assert_eq!(status(metrics(&closed).bearer_auth(TOKEN)).await, 200);
    assert_eq!(status(metrics(&closed).bearer_auth("another token that is long")).await, 404);

    assert_eq!(status(metrics(&proxied)).await, 404);
    assert_eq!(status(metrics(&proxied).header("x-forwarded-for", "198.51.100.7")).await, 200);
    assert_eq!(status(metrics(&proxied).header("x-forwarded-for", "203.0.113.7")).await, 404);
    assert_eq!(status(metrics(&proxied).header("x-forwarded-for", "198.51.100.7, 203.0.113.7")).await, 404);
    running.into_iter().for_each(super::support::program::Running::stop);
}
