//! The manners of the web: looks of errors, headers, static files, health, and who may call what.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use coffer::domain::Role;
use coffer::web::{Access, ROUTES};
use reqwest::{Client, Method, Response};
use scraper::{Html, Selector};
use serde_json::{Value, json};
use support::web::{PASSWORD, Web, browser, is, page, problem, send, sign_in, submit, texts};

#[actix_web::test]
async fn over_https_cookies_are_secure_and_transport_stays_so() {
    let web = Web::start_at("https://wallet.example.org");
    let answer = send(Client::new().get(web.url("/login"))).await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-coffer=") && cookie.contains("Secure"), "{cookie}");
    assert!(answer.headers().contains_key("strict-transport-security"));
}

#[actix_web::test]
async fn every_answer_names_its_request_and_protects_its_reader() {
    let web = Web::start();
    for (path, status) in
        [("/", 200), ("/nowhere", 404), ("/api/v1/nowhere", 404), ("/api/v1/me", 401), ("/health/live", 200)]
    {
        let answer = send(Client::new().get(web.url(path)).header("x-request-id", "from_the-caller.1")).await;
        let headers = answer.headers();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(headers["x-request-id"], "from_the-caller.1");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'self';"));
        assert!(!headers.contains_key("strict-transport-security"));
    }
    let answer = send(Client::new().get(web.url("/")).header("x-request-id", "not sane")).await;
    assert_eq!(answer.headers()["x-request-id"].len(), 36);
}

#[actix_web::test]
async fn unknown_addresses_and_methods_have_the_looks_of_their_door() {
    let web = Web::start();
    let ask = async |method: Method, path: &str| send(Client::new().request(method, web.url(path))).await;
    assert_eq!(problem(ask(Method::GET, "/api/v1/nowhere").await).await, is(404, "not_found"));
    assert_eq!(problem(ask(Method::GET, "/api").await).await, is(404, "not_found"));
    let answer = ask(Method::DELETE, "/api/v1/me").await;
    assert_eq!(answer.headers()["allow"], "GET, HEAD");
    assert_eq!(problem(answer).await, is(405, "method_not_allowed"));
    let answer = ask(Method::GET, "/api/v1/transactions/batch").await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["allow"]), (405, &"POST".parse().unwrap()));
    let answer = ask(Method::PUT, "/login").await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["allow"]), (405, &"GET, HEAD, POST".parse().unwrap()));
    let answer = ask(Method::GET, "/nowhere").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (404, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert_eq!(texts(&answer.text().await.unwrap(), "h1"), ["There is nothing here"]);
    let answer = ask(Method::HEAD, "/login").await;
    assert_eq!(answer.status(), 200);
}

#[actix_web::test]
async fn static_files_may_be_kept_for_ever_under_their_hash_and_are_nowhere_else() {
    let web = Web::start();
    let html = page(&web, &Client::new(), "/").await;
    let document = Html::parse_document(&html);
    let style = Selector::parse("link[rel=stylesheet]").unwrap();
    let path = document.select(&style).next().unwrap().attr("href").unwrap().to_owned();
    let answer = send(Client::new().get(web.url(&path))).await;
    assert_eq!(answer.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(answer.headers()["content-type"], "text/css; charset=utf-8");
    assert!(answer.text().await.unwrap().contains("@layer"));
    let base = path.trim_end_matches("/app.css");
    for bad in [
        "/static/0000000000000000/app.css".to_owned(),
        format!("{base}/../../Cargo.toml"),
        format!("{base}/%2e%2e/%2e%2e/Cargo.toml"),
        format!("{base}/css/tokens.css"),
        format!("{base}/"),
        "/static".to_owned(),
    ] {
        assert_eq!(send(Client::new().get(web.url(&bad))).await.status(), 404, "{bad}");
    }
}

#[actix_web::test]
async fn health_says_how_the_parts_are() {
    let web = Web::start();
    assert_eq!(page(&web, &Client::new(), "/health/live").await, r#"{"status":"ok"}"#);
    assert_eq!(send(Client::new().get(web.url("/health/ready"))).await.status(), 200);
    let health: Value = send(Client::new().get(web.url("/health"))).await.json().await.unwrap();
    assert_eq!(health["status"], "ok");
    assert!(health["database"]["latency_ms"].is_u64() && health["jobs"]["expiry"]["status"].is_string(), "{health}");
    assert_eq!((&health["version"], &health["redis"]["status"]), (&json!("0.1.0"), &json!("off")));
}

#[actix_web::test]
async fn the_theme_is_remembered_and_leads_back() {
    let web = Web::start();
    let browser = browser();
    let answer = submit(&web, &browser, "/theme", &[("theme", "dark"), ("back", "/register")]).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/register".parse().unwrap()));
    assert!(page(&web, &browser, "/register").await.contains(r#"data-theme="dark""#));
    submit(&web, &browser, "/theme", &[("theme", "system"), ("back", "//evil.example")]).await;
    assert!(!page(&web, &browser, "/register").await.contains("data-theme"));
}

/// Whether an answer lets the caller in, as far as sign-in and role go.
async fn is_let_in(path: &str, answer: Response) -> bool {
    assert!(answer.status().as_u16() < 500, "{path}: {}", answer.status());
    let to_sign_in = answer.headers().get("location").is_some_and(|to| to.to_str().unwrap().starts_with("/login"));
    match answer.status().as_u16() {
        401 => false,
        303 => !to_sign_in,
        // Whoever may call a page's route gets as far as its form, which carries no token here.
        403 if !path.starts_with("/api") => answer.text().await.unwrap().contains("This form has grown old"),
        403 => false,
        _ => true,
    }
}

#[actix_web::test]
async fn every_route_lets_in_whom_the_table_says() {
    let web = Web::start();
    web.have_user("uma", Role::User);
    web.have_user("root", Role::Admin);
    let mut callers = Vec::new();
    for login in ["", "uma", "root"] {
        let browser = browser();
        let token = if login.is_empty() {
            None
        } else {
            submit(&web, &browser, "/login", &[("login", login), ("password", PASSWORD)]).await;
            Some(sign_in(&web, login).await["access_token"].as_str().unwrap().to_owned())
        };
        callers.push((login, browser, token));
    }
    // Signing out comes last, since it ends what the others need.
    let (last, first): (Vec<_>, Vec<_>) = ROUTES.iter().partition(|route| route.path.ends_with("/logout"));
    for route in first.into_iter().chain(last) {
        for (rank, (login, browser, token)) in callers.iter().enumerate() {
            let path = route.path.replace("{hash}", "0").replace("{path:.*}", "0").replace("{id}", "0");
            // The rest stands for the caller and what it may see.
            let path = path
                .replace("{user}", "me")
                .replace("{code}", "GOLD")
                .replace("{file}", "swagger-ui.css")
                .replace("{deed}", "freeze");
            assert!(!path.contains('{'), "{path}: say what stands for its variable parts");
            let request = browser.request(route.method.as_str().parse().unwrap(), web.url(&path));
            let request = match token.as_ref().filter(|_| path.starts_with("/api")) {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let answer = send(request).await;
            let least = match route.access {
                Access::Public => 0,
                Access::User => 1,
                Access::Admin => 2,
            };
            let status = answer.status();
            assert_eq!(is_let_in(&path, answer).await, rank >= least, "{} {path} as {login:?}: {status}", route.method);
        }
    }
}

#[actix_web::test]
async fn without_its_database_coffer_says_so_in_both_looks() {
    let web = Web::start();
    web.have_user("vera", Role::User);
    let browser = browser();
    submit(&web, &browser, "/login", &[("login", "vera"), ("password", PASSWORD)]).await;
    let tokens = sign_in(&web, "vera").await;
    web.lose_database();
    let me = Client::new().get(web.url("/api/v1/me")).bearer_auth(tokens["access_token"].as_str().unwrap());
    let answer = send(me).await;
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(problem(answer).await, is(503, "database_unavailable"));
    let answer = send(browser.get(web.url("/"))).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(texts(&answer.text().await.unwrap(), "h1"), ["Coffer is busy right now"]);
    assert_eq!(send(Client::new().get(web.url("/health/live"))).await.status(), 200);
    assert_eq!(problem(send(Client::new().get(web.url("/health/ready"))).await).await, is(503, "database_unavailable"));
    let answer = send(Client::new().get(web.url("/health"))).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], "down");
}

#[actix_web::test]
async fn whoever_may_not_call_a_route_learns_that_first() {
    let web = Web::start();
    let logout = Client::new().post(web.url("/api/v1/auth/logout")).header("content-type", "text/plain").body("x");
    assert_eq!(problem(send(logout).await).await, is(401, "unauthenticated"));
}
