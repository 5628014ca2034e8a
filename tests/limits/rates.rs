//! Limits of how often somebody may ask, as scripts and people meet them.

use coffer::domain::Role;
use coffer::ephemeral::Rates;
use diesel::RunQueryDsl;
use reqwest::header::HeaderValue;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use super::support::api::Caller;
use super::support::program::{Installation, Running};
use super::support::web::{PASSWORD, Web, browser, is, post, problem, send, submit};

fn web_with(set: impl FnOnce(&mut Rates)) -> Web {
    let mut rates = Rates::default();
    set(&mut rates);
    let web = Web::start_with("http://localhost", Some(rates));
    web.have_user("alice", Role::User);
    web.have_user("bob", Role::User);
    web
}

async fn caller(web: &Web, login: &str) -> Caller {
    Caller::sign_in(&Client::new(), &web.url(""), login, PASSWORD).await
}

/// Limit, what is left of it, and seconds until all of it is free again.
fn told(answer: &Response) -> (u64, u64, u64) {
    let number = |name: &str| answer.headers()[name].to_str().unwrap().parse().unwrap();
    (number("ratelimit-limit"), number("ratelimit-remaining"), number("ratelimit-reset"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_told_where_it_stands_and_when_to_come_back() {
    let web = web_with(|rates| rates.api_reads = "3/90s".parse().unwrap());
    let alice = caller(&web, "alice").await;
    for (left, reset) in [(2, 30), (1, 60), (0, 90)] {
        let answer = send(alice.get("/me")).await;
        let (limit, told_left, told_reset) = told(&answer);
        assert_eq!((answer.status().as_u16(), limit, told_left), (200, 3, left));
        assert!((reset - 20..=reset).contains(&told_reset), "{told_reset} of {reset}, less what has passed since");
    }
    let refused = send(alice.get("/me")).await;
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((10..=30).contains(&wait), "{wait}");
    assert_eq!(told(&refused).1, 0);
    assert_eq!(problem(refused).await, is(429, "rate_limited"));
    web.wait_seconds(30);
    assert_eq!(send(alice.get("/me")).await.status(), 200);
    assert_eq!(send(alice.get("/me")).await.status(), 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_do_not_share_a_limit_and_reads_leave_writes_alone() {
    let web = web_with(|rates| rates.api_reads = "1/h".parse().unwrap());
    let (alice, bob) = (caller(&web, "alice").await, caller(&web, "bob").await);
    assert_eq!(send(alice.get("/me")).await.status(), 200);
    assert_eq!(send(alice.get("/me")).await.status(), 429);
    assert_eq!(send(bob.get("/me")).await.status(), 200);
    let spend = json!({"type": "spend", "asset_type": "GOLD", "amount": "1"});
    assert_eq!(problem(send(alice.post("/transactions").json(&spend)).await).await, is(404, "asset_type_not_found"));
    // Who is not signed in counts for the network, however many tokens are made up.
    for (token, status) in [("one", 401), ("other", 429)] {
        assert_eq!(send(alice.by(format!("Bearer {token}")).get("/me")).await.status(), status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_come_in_any_more_learns_nothing_of_the_users_limit() {
    let web = web_with(|rates| rates.api_reads = "1/h".parse().unwrap());
    let alice = caller(&web, "alice").await;
    assert_eq!(send(alice.get("/me")).await.status(), 200);
    assert_eq!(send(alice.get("/me")).await.status(), 429);
    let end = diesel::sql_query("update sessions set ended_at = now()");
    web.db.run_here(|conn| Ok(end.execute(conn)?)).unwrap();
    let answer = send(alice.get("/me")).await;
    assert!(!answer.headers().contains_key("ratelimit-limit"));
    assert_eq!(problem(answer).await, is(401, "unauthenticated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_registrations_and_sign_ins_have_limits_of_their_own() {
    let web = web_with(|rates| {
        rates.claims = "2/h".parse().unwrap();
        rates.register = "1/h".parse().unwrap();
        rates.sign_in = "3/h".parse().unwrap();
    });
    let alice = caller(&web, "alice").await;
    for status in [404, 404, 429] {
        assert_eq!(send(alice.post("/assets/4711/claim")).await.status(), status);
    }
    assert_eq!(send(alice.get("/assets/4711")).await.status(), 404);
    let register = async |name: &str| {
        let body = json!({"username": name, "password": "quiet walruses sing"});
        post(&web, "/api/v1/auth/register", body).await.status().as_u16()
    };
    assert_eq!((register("carol").await, register("dave").await), (201, 429));
    let sign_in = async || {
        post(&web, "/api/v1/auth/login", json!({"login": "alice", "password": PASSWORD})).await.status().as_u16()
    };
    // One has been used above.
    assert_eq!((sign_in().await, sign_in().await, sign_in().await), (200, 200, 429));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_a_page_that_says_when_to_come_back() {
    let web = web_with(|rates| rates.pages = "4/2m".parse().unwrap());
    let browser = browser();
    for _ in 0..4 {
        assert_eq!(send(browser.get(web.url("/login"))).await.status(), 200);
    }
    let refused = send(browser.get(web.url("/login"))).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(refused.headers().contains_key("retry-after"));
    assert!(refused.text().await.unwrap().contains("That was a lot in a short time"));
    // What they look like is no page.
    assert_eq!(send(browser.get(web.url("/health"))).await.status(), 200);
    let answer = send(Client::new().get(web.url("/api/v1/asset-types"))).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_has_the_limit_of_pages() {
    let web = web_with(|rates| rates.pages = "4/2m".parse().unwrap());
    let browser = browser();
    for path in ["/nothing", "/api/v1/nothing", "/docs/too/deep", "/health/nothing"] {
        assert_eq!(send(browser.get(web.url(path))).await.status(), 404, "{path}");
    }
    for path in ["/nothing", "/api/v1/nothing", "/login"] {
        assert_eq!(send(browser.get(web.url(path))).await.status(), 429, "{path}");
    }
    assert_eq!(send(browser.delete(web.url("/login"))).await.status(), 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_sign_ins_holds_for_the_form_too() {
    let web = web_with(|rates| rates.sign_in = "1/h".parse().unwrap());
    let browser = browser();
    let wrong = [("login", "alice"), ("password", "two quiet walruses")];
    assert_eq!(submit(&web, &browser, "/login", &wrong).await.status(), 422);
    assert_eq!(submit(&web, &browser, "/login", &wrong).await.status(), 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_limits_nothing_is_told_of_them() {
    let web = Web::start_unthrottled();
    web.have_user("alice", Role::User);
    let answer = send(caller(&web, "alice").await.get("/me")).await;
    assert!(!answer.headers().contains_key("ratelimit-limit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_the_client_counts_and_is_remembered() {
    let trusting =
        Installation::new().with("TRUSTED_PROXIES", "127.0.0.0/8, 192.0.2.1").with("RATE_LIMIT_API_READS", "1/h");
    let wary = Installation::new().with("RATE_LIMIT_API_READS", "1/h");
    let running = [&trusting, &wary].map(|installation| installation.serve(&["serve", "--no-demo"]));
    let client = Client::new();
    let read = async |installation: &Installation, path: &[&str]| {
        let request = client.get(format!("{}/api/v1/asset-types", installation.url()));
        send(request.header("x-forwarded-for", path.join(", "))).await.status().as_u16()
    };
    assert_eq!(read(&trusting, &["198.51.100.7"]).await, 200);
    assert_eq!(read(&trusting, &["198.51.100.7"]).await, 429);
    assert_eq!(read(&trusting, &["198.51.100.8"]).await, 200);
    assert_eq!(read(&trusting, &["203.0.113.1", "198.51.100.8", "192.0.2.1"]).await, 429);
    assert_eq!(read(&trusting, &["2001:db8::1"]).await, 200);
    assert_eq!(read(&trusting, &["2001:db8::2"]).await, 429, "one network");
    let not_text = HeaderValue::from_bytes(b"\xE4, 198.51.100.10").unwrap();
    let not_text = client.get(format!("{}/api/v1/asset-types", trusting.url())).header("x-forwarded-for", not_text);
    assert_eq!(send(not_text).await.status().as_u16(), 200, "what cannot be read hides nobody");
    assert_eq!(read(&trusting, &["198.51.100.10"]).await, 429);
    assert_eq!((read(&wary, &["198.51.100.7"]).await, read(&wary, &["198.51.100.8"]).await), (200, 429));

    let address = |path: &str| format!("{}/api/v1{path}", trusting.url());
    let from = |request: reqwest::RequestBuilder| request.header("x-forwarded-for", "198.51.100.9");
    let body = json!({"username": "carol", "password": "quiet walruses sing"});
    assert_eq!(send(from(client.post(address("/auth/register"))).json(&body)).await.status(), 201);
    let body = json!({"login": "carol", "password": "quiet walruses sing"});
    let tokens: Value = send(from(client.post(address("/auth/login"))).json(&body)).await.json().await.unwrap();
    let token = tokens["access_token"].as_str().unwrap();
    let sessions: Value = send(client.get(address("/me/sessions")).bearer_auth(token)).await.json().await.unwrap();
    assert_eq!(sessions["data"][0]["ip_address"], "198.51.100.9");
    running.into_iter().for_each(Running::stop);
}
