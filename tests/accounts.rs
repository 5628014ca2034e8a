//! Accounts by HTTP: registering, signing in by form and by token, and who may call what.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use coffer::domain::Role;
use coffer::web::{Access, ROUTES};
use reqwest::{Client, Method, Response, StatusCode};
use scraper::{Html, Selector};
use serde_json::{Value, json};
use support::web::{Web, browser, send};

const PASSWORD: &str = "three quiet walruses";

async fn post(web: &Web, path: &str, body: Value) -> Response {
    send(Client::new().post(web.url(path)).json(&body)).await
}

async fn sign_in(web: &Web, login: &str) -> Value {
    let answer = post(web, "/api/v1/auth/login", json!({"login": login, "password": PASSWORD})).await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

async fn me(web: &Web, tokens: &Value) -> Response {
    send(Client::new().get(web.url("/api/v1/me")).bearer_auth(tokens["access_token"].as_str().unwrap())).await
}

/// Status and code of a problem, which must be a well-formed one.
async fn problem(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let body: Value = answer.json().await.unwrap();
    assert_eq!((&body["status"], &body["request_id"]), (&json!(status), &json!(id)), "{body}");
    assert!(body["title"].is_string() && body["detail"].is_string() && body["type"] == "about:blank", "{body}");
    (status, body["code"].as_str().unwrap().to_owned())
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn texts(html: &str, selector: &str) -> Vec<String> {
    let texts = Html::parse_document(html);
    let chosen = Selector::parse(selector).unwrap();
    texts.select(&chosen).map(|element| element.text().collect::<String>().trim().to_owned()).collect()
}

fn value(html: &str, name: &str) -> Option<String> {
    let page = Html::parse_document(html);
    let field = Selector::parse(&format!("main input[name={name}]")).unwrap();
    page.select(&field).next().and_then(|element| element.attr("value").map(str::to_owned))
}

async fn page(web: &Web, browser: &Client, path: &str) -> String {
    send(browser.get(web.url(path))).await.text().await.unwrap()
}

async fn submit(web: &Web, browser: &Client, path: &str, fields: &[(&str, &str)]) -> Response {
    let html = page(web, browser, "/login").await;
    let html = if html.is_empty() { page(web, browser, "/nowhere").await } else { html };
    let document = Html::parse_document(&html);
    let token = Selector::parse("input[name=csrf_token]").unwrap();
    let token = document.select(&token).next().and_then(|input| input.attr("value")).unwrap().to_owned();
    let fields: Vec<_> = fields.iter().copied().chain([("csrf_token", token.as_str())]).collect();
    send(browser.post(web.url(path)).form(&fields)).await
}

#[actix_web::test]
async fn a_registered_user_signs_in_by_any_of_its_logins_and_learns_who_it_is() {
    let web = Web::start();
    let body = json!({
        "username": "Carol", "email": "Carol@Example.org", "phone_number": "+44 20 7946 0018",
        "external_id": "user_carol", "password": PASSWORD,
    });
    let answer = post(&web, "/api/v1/auth/register", body).await;
    assert_eq!(answer.status(), 201);
    let user = answer.json::<Value>().await.unwrap()["user"].take();
    assert_eq!((&user["id"], &user["role"], &user["status"]), (&json!("user_carol"), &json!("user"), &json!("active")));
    for login in ["carol", "CAROL@example.org", "+442079460018"] {
        let tokens = sign_in(&web, login).await;
        assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
        assert_eq!(tokens["user"], user);
        assert_eq!(me(&web, &tokens).await.json::<Value>().await.unwrap(), user);
    }
}

#[actix_web::test]
async fn without_a_chosen_external_id_the_username_is_it_and_else_one_is_made() {
    let web = Web::start();
    let register = async |body: Value| -> String {
        let answer: Value = post(&web, "/api/v1/auth/register", body).await.json().await.unwrap();
        answer["user"]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(register(json!({"username": "dave", "password": PASSWORD})).await, "dave");
    let made = register(json!({"email": "erin@example.org", "password": PASSWORD})).await;
    assert!(made.starts_with("user_") && made.len() == 17, "{made}");
    assert_eq!(
        register(json!({"email": "f@example.org", "external_id": "frank", "password": PASSWORD})).await,
        "frank"
    );
    let evaded = register(json!({"username": "frank", "password": PASSWORD})).await;
    assert!(evaded.starts_with("user_"), "the external id is taken, the username is not: {evaded}");
}

#[actix_web::test]
async fn what_somebody_has_is_refused_without_saying_who() {
    let web = Web::start();
    let first = json!({"username": "gina", "email": "gina@example.org", "external_id": "g_1", "password": PASSWORD});
    assert_eq!(post(&web, "/api/v1/auth/register", first).await.status(), 201);
    for again in [
        json!({"username": "GINA", "password": PASSWORD}),
        json!({"email": "gina@example.org", "password": PASSWORD}),
        json!({"username": "other", "external_id": "g_1", "password": PASSWORD}),
    ] {
        let answer = post(&web, "/api/v1/auth/register", again).await;
        assert_eq!(problem(answer).await, is(409, "already_registered"));
    }
}

#[actix_web::test]
async fn fields_that_cannot_be_are_named() {
    let web = Web::start();
    for (body, field) in [
        (json!({"password": PASSWORD}), "username"),
        (json!({"username": "x", "password": PASSWORD}), "username"),
        (json!({"email": "no", "password": PASSWORD}), "email"),
        (json!({"phone_number": "12", "password": PASSWORD}), "phone_number"),
        (json!({"username": "heidi", "external_id": "Me!", "password": PASSWORD}), "external_id"),
        (json!({"username": "heidi", "password": "short"}), "password"),
        (json!({"username": "heidi", "password": "Password123"}), "password"),
        (json!({"username": "heidi_heidi", "password": "heidi_heidi"}), "password"),
    ] {
        let answer = post(&web, "/api/v1/auth/register", body.clone()).await;
        assert_eq!(answer.status(), 422, "{body}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!((&answer["code"], &answer["errors"][0]["field"]), (&json!("invalid"), &json!(field)), "{answer}");
    }
}

#[actix_web::test]
async fn bodies_that_cannot_be_read_are_refused_in_our_words() {
    let web = Web::start();
    let send_body = async |kind: &str, body: String| {
        let login = Client::new().post(web.url("/api/v1/auth/login"));
        problem(send(login.header("content-type", kind).body(body)).await).await
    };
    let json = "application/json";
    for body in [
        "",
        "{",
        "[]",
        r#"{"login":"a"}"#,
        r#"{"login":"a","password":1}"#,
        r#"{"login":"a","password":"b","admin":true}"#,
        r#"{"login":"a","login":"b","password":"b"}"#,
    ] {
        assert_eq!(send_body(json, body.to_owned()).await, is(400, "malformed"), "{body}");
    }
    assert_eq!(send_body("text/plain", "{}".to_owned()).await, is(415, "unsupported_media_type"));
    assert_eq!(send_body(json, " ".repeat(65 * 1024)).await, is(413, "too_large"));
}

#[actix_web::test]
async fn a_wrong_password_and_an_unknown_login_are_answered_alike() {
    let web = Web::start();
    web.have_user("ivan", PASSWORD, Role::User);
    let mut answers = Vec::new();
    for (login, password) in [("ivan", "wrong password"), ("nobody", PASSWORD), ("not a login", PASSWORD)] {
        let answer = post(&web, "/api/v1/auth/login", json!({"login": login, "password": password})).await;
        assert_eq!(
            (answer.status(), &answer.headers()["www-authenticate"]),
            (StatusCode::UNAUTHORIZED, &"Bearer".parse().unwrap())
        );
        let mut body: Value = answer.json().await.unwrap();
        body["request_id"].take();
        answers.push(body);
    }
    assert_eq!(answers[0]["code"], "invalid_credentials");
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[actix_web::test]
async fn an_access_token_lasts_fifteen_minutes_and_no_other_is_taken() {
    let web = Web::start();
    web.have_user("judy", PASSWORD, Role::User);
    let tokens = sign_in(&web, "judy").await;
    web.wait_seconds(880);
    assert_eq!(me(&web, &tokens).await.status(), 200);
    web.wait_seconds(60);
    let answer = me(&web, &tokens).await;
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    assert_eq!(problem(answer).await, is(401, "unauthenticated"));
    for token in ["", "x", "a.b.c", tokens["refresh_token"].as_str().unwrap()] {
        let answer = me(&web, &json!({"access_token": token})).await;
        assert_eq!(problem(answer).await, is(401, "unauthenticated"));
    }
}

#[actix_web::test]
async fn a_refresh_token_works_once_and_its_second_use_ends_the_session() {
    let web = Web::start();
    web.have_user("kate", PASSWORD, Role::User);
    let refresh = async |tokens: &Value| {
        post(&web, "/api/v1/auth/refresh", json!({"refresh_token": tokens["refresh_token"]})).await
    };
    let first = sign_in(&web, "kate").await;
    let second: Value = refresh(&first).await.json().await.unwrap();
    assert_eq!(me(&web, &second).await.status(), 200);
    let third: Value = refresh(&second).await.json().await.unwrap();
    assert_eq!(problem(refresh(&first).await).await, is(401, "refresh_reused"));
    assert_eq!(problem(me(&web, &third).await).await, is(401, "unauthenticated"));
    assert_eq!(problem(refresh(&third).await).await, is(401, "unauthenticated"));
    assert_eq!(problem(refresh(&json!({"refresh_token": "forged"})).await).await, is(401, "unauthenticated"));
}

#[actix_web::test]
async fn of_many_simultaneous_refreshes_one_succeeds_and_the_session_ends() {
    let web = Web::start();
    web.have_user("leo", PASSWORD, Role::User);
    let tokens = sign_in(&web, "leo").await;
    let body = json!({"refresh_token": tokens["refresh_token"]});
    let answers = futures::future::join_all((0..8).map(|_| post(&web, "/api/v1/auth/refresh", body.clone()))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status() == 200).count(), 1);
    assert_eq!(me(&web, &tokens).await.status(), 401);
}

#[actix_web::test]
async fn signing_out_ends_the_session_at_once() {
    let web = Web::start();
    web.have_user("mia", PASSWORD, Role::User);
    let (one, other) = (sign_in(&web, "mia").await, sign_in(&web, "mia").await);
    let logout = Client::new().post(web.url("/api/v1/auth/logout")).bearer_auth(one["access_token"].as_str().unwrap());
    assert_eq!(send(logout).await.status(), 204);
    assert_eq!(me(&web, &one).await.status(), 401);
    assert_eq!(me(&web, &other).await.status(), 200, "another session is another matter");
}

#[actix_web::test]
async fn a_browser_registers_signs_out_and_signs_in() {
    let web = Web::start();
    let browser = browser();
    let fields = [("username", "nina"), ("email", ""), ("phone_number", ""), ("password", PASSWORD)];
    let answer = submit(&web, &browser, "/register", &fields).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/wallet".parse().unwrap()));
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("Secure"), "{cookie}");
    assert_eq!(send(browser.get(web.url("/"))).await.headers()["location"], "/wallet");
    let answer = submit(&web, &browser, "/logout", &[]).await;
    assert_eq!(answer.headers()["location"], "/");
    let start = send(browser.get(web.url("/"))).await;
    assert_eq!(start.status(), 200);
    assert_eq!(texts(&start.text().await.unwrap(), "[role=status] p"), ["You are signed out."]);
    let answer =
        submit(&web, &browser, "/login", &[("login", "nina"), ("password", PASSWORD), ("next", "/claims")]).await;
    assert_eq!(answer.headers()["location"], "/claims");
}

#[actix_web::test]
async fn a_cookie_from_before_the_sign_out_opens_nothing() {
    let web = Web::start();
    web.have_user("olga", PASSWORD, Role::User);
    let browser = browser();
    let answer = submit(&web, &browser, "/login", &[("login", "olga"), ("password", PASSWORD)]).await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let start = async || {
        let request = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        send(request.get(web.url("/")).header("cookie", cookie.clone())).await.status()
    };
    assert_eq!(start().await, 303);
    submit(&web, &browser, "/logout", &[]).await;
    assert_eq!(start().await, 200, "the old cookie is nobody's");
}

#[actix_web::test]
async fn a_session_ends_after_thirty_days() {
    let web = Web::start();
    web.have_user("paul", PASSWORD, Role::User);
    let browser = browser();
    submit(&web, &browser, "/login", &[("login", "paul"), ("password", PASSWORD)]).await;
    web.wait_seconds(29 * 86_400);
    assert_eq!(send(browser.get(web.url("/"))).await.status(), 303);
    web.wait_seconds(86_401);
    assert_eq!(send(browser.get(web.url("/"))).await.status(), 200);
}

#[actix_web::test]
async fn a_failed_form_comes_back_filled_in_but_for_the_password() {
    let web = Web::start();
    let browser = browser();
    let fields = [("username", "q"), ("email", "quinn@example.org"), ("password", "short")];
    let answer = submit(&web, &browser, "/register", &fields).await;
    assert_eq!(answer.status(), 422);
    let html = answer.text().await.unwrap();
    assert_eq!(value(&html, "username").as_deref(), Some("q"));
    assert_eq!(value(&html, "email").as_deref(), Some("quinn@example.org"));
    assert_eq!(value(&html, "password"), None);
    assert_eq!(texts(&html, "#username-error, #password-error").len(), 2);
    assert!(!html.contains("short\""));
    let answer =
        submit(&web, &browser, "/login", &[("login", "quinn"), ("password", "wrong wrong"), ("next", "/claims")]).await;
    assert_eq!(answer.status(), 422);
    let html = answer.text().await.unwrap();
    assert_eq!(texts(&html, "[role=alert]"), ["Login or password is wrong."]);
    assert_eq!((value(&html, "login").as_deref(), value(&html, "next").as_deref()), (Some("quinn"), Some("/claims")));
}

#[actix_web::test]
async fn a_form_without_its_token_does_nothing() {
    let web = Web::start();
    web.have_user("rosa", PASSWORD, Role::User);
    let browser = browser();
    page(&web, &browser, "/login").await;
    let form = [("login", "rosa"), ("password", PASSWORD)];
    for token in [None, Some(""), Some("00000000000000000000000000000000")] {
        let fields: Vec<_> = form.into_iter().chain(token.map(|token| ("csrf_token", token))).collect();
        let answer = send(browser.post(web.url("/login")).form(&fields)).await;
        assert_eq!(answer.status(), 403);
        assert!(answer.text().await.unwrap().contains("Please send it again"));
        assert_eq!(send(browser.get(web.url("/"))).await.status(), 200, "still nobody");
    }
    let stranger = Client::new();
    assert_eq!(send(stranger.post(web.url("/login")).form(&form)).await.status(), 403);
}

#[actix_web::test]
async fn a_sign_in_never_leads_to_another_site() {
    let web = Web::start();
    web.have_user("sam", PASSWORD, Role::User);
    for next in ["//evil.example", "https://evil.example", "/\\evil.example"] {
        let browser = browser();
        let answer =
            submit(&web, &browser, "/login", &[("login", "sam"), ("password", PASSWORD), ("next", next)]).await;
        assert_eq!(answer.headers()["location"], "/wallet", "{next}");
    }
}

#[actix_web::test]
async fn the_api_takes_no_cookie_and_the_pages_take_no_token() {
    let web = Web::start();
    web.have_user("tina", PASSWORD, Role::User);
    let browser = browser();
    submit(&web, &browser, "/login", &[("login", "tina"), ("password", PASSWORD)]).await;
    assert_eq!(send(browser.get(web.url("/api/v1/me"))).await.status(), 401);
    let token = sign_in(&web, "tina").await["access_token"].as_str().unwrap().to_owned();
    assert_eq!(send(Client::new().get(web.url("/")).bearer_auth(token)).await.status(), 200, "the landing page");
}

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
fn is_let_in(path: &str, answer: &Response) -> bool {
    let to_sign_in =
        answer.headers().get("location").is_some_and(|to| to.to_str().unwrap().starts_with("/login?next="));
    // A form without its token is refused by a page that does not ask who one is.
    let stale_form = answer.status() == 403 && !path.starts_with("/api") && !path.starts_with("/admin");
    !(answer.status() == 401 || to_sign_in || (answer.status() == 403 && !stale_form))
}

#[actix_web::test]
async fn every_route_lets_in_whom_the_table_says() {
    let web = Web::start();
    web.have_user("uma", PASSWORD, Role::User);
    web.have_user("root", PASSWORD, Role::Admin);
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
            let request = browser.request(route.method.as_str().parse().unwrap(), web.url(&path));
            let request = match token.as_ref().filter(|_| path.starts_with("/api")) {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let answer = send(request).await;
            // The sign-in itself says 401 to a wrong password; with no body it does not get there.
            let least = match route.access {
                Access::Public => 0,
                Access::User => 1,
                Access::Admin => 2,
            };
            assert_eq!(
                is_let_in(&path, &answer),
                rank >= least,
                "{} {} as {login:?}: {}",
                route.method,
                route.path,
                answer.status()
            );
        }
    }
}
