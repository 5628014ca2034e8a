//! Accounts by HTTP: registering, signing in by form and by token.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use coffer::domain::{Login, Role};
use coffer::repo::users;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use futures::future::join_all;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use support::api::count_in;
use support::web::{PASSWORD, Web, browser, is, page, post, problem, send, sign_in, submit, texts, value};

/// The ways in that a 401 names.
const CHALLENGES: &str = r#"Bearer, Basic realm="coffer", charset="UTF-8""#;

async fn me(web: &Web, tokens: &Value) -> Response {
    send(Client::new().get(web.url("/api/v1/me")).bearer_auth(tokens["access_token"].as_str().unwrap())).await
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
async fn a_hash_of_another_cost_is_made_anew_by_the_next_sign_in() {
    let web = Web::start();
    web.have_user_since("harriet", Role::User, 5);
    let cost = || {
        let login = Login::username("harriet").unwrap();
        let (_, hash) = web.db.run_here(|conn| users::by_login(conn, &login)).unwrap().unwrap();
        hash[4..6].to_owned()
    };
    let wrong = post(&web, "/api/v1/auth/login", json!({"login": "harriet", "password": "not this one"})).await;
    assert_eq!((problem(wrong).await, cost().as_str()), (is(401, "invalid_credentials"), "05"));
    sign_in(&web, "harriet").await;
    assert_eq!(cost(), "04");
    sign_in(&web, "harriet").await;
}

#[actix_web::test]
async fn a_wrong_password_and_an_unknown_login_are_answered_alike() {
    let web = Web::start();
    web.have_user("ivan", Role::User);
    let mut answers = Vec::new();
    for (login, password) in [("ivan", "wrong password"), ("nobody", PASSWORD), ("not a login", PASSWORD)] {
        let answer = post(&web, "/api/v1/auth/login", json!({"login": login, "password": password})).await;
        assert_eq!(
            (answer.status(), &answer.headers()["www-authenticate"]),
            (StatusCode::UNAUTHORIZED, &CHALLENGES.parse().unwrap())
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
    web.have_user("judy", Role::User);
    let tokens = sign_in(&web, "judy").await;
    web.wait_seconds(880);
    assert_eq!(me(&web, &tokens).await.status(), 200);
    web.wait_seconds(60);
    let answer = me(&web, &tokens).await;
    assert_eq!(answer.headers()["www-authenticate"], CHALLENGES);
    assert_eq!(problem(answer).await, is(401, "unauthenticated"));
    for token in ["", "x", "a.b.c", tokens["refresh_token"].as_str().unwrap()] {
        let answer = me(&web, &json!({"access_token": token})).await;
        assert_eq!(problem(answer).await, is(401, "unauthenticated"));
    }
}

#[actix_web::test]
async fn a_refresh_token_works_once_and_its_second_use_ends_the_session() {
    let web = Web::start();
    web.have_user("kate", Role::User);
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
    web.have_user("leo", Role::User);
    let tokens = sign_in(&web, "leo").await;
    let body = json!({"refresh_token": tokens["refresh_token"]});
    let answers = join_all((0..8).map(|_| post(&web, "/api/v1/auth/refresh", body.clone()))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status() == 200).count(), 1);
    assert_eq!(me(&web, &tokens).await.status(), 401);
}

#[actix_web::test]
async fn signing_out_ends_the_session_at_once() {
    let web = Web::start();
    web.have_user("mia", Role::User);
    let (one, other) = (sign_in(&web, "mia").await, sign_in(&web, "mia").await);
    let logout = Client::new().post(web.url("/api/v1/auth/logout")).bearer_auth(one["access_token"].as_str().unwrap());
    assert_eq!(send(logout).await.status(), 204);
    assert_eq!(me(&web, &one).await.status(), 401);
    assert_eq!(me(&web, &other).await.status(), 200, "another session is another matter");
}

#[actix_web::test]
async fn an_array_is_not_taken_for_an_object() {
    let web = Web::start();
    web.have_user("ivan", Role::User);
    let answer = post(&web, "/api/v1/auth/login", json!(["ivan", PASSWORD])).await;
    assert_eq!(problem(answer).await, is(400, "malformed"));
}

#[actix_web::test]
async fn nobody_gets_a_name_that_passes_for_the_house() {
    let web = Web::start();
    for name in ["treasury", "coffer", "..."] {
        let body = json!({"username": "judy", "external_id": name, "password": PASSWORD});
        assert_eq!(problem(post(&web, "/api/v1/auth/register", body).await).await, is(422, "invalid"), "{name}");
    }
    let answer = post(&web, "/api/v1/auth/register", json!({"username": "treasury", "password": PASSWORD})).await;
    let id = answer.json::<Value>().await.unwrap()["user"]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("user_"), "{id}");
}

#[actix_web::test]
async fn a_sign_in_ends_the_session_that_the_browser_had() {
    let web = Web::start();
    web.have_user("karl", Role::User);
    web.have_user("lena", Role::User);
    let browser = browser();
    let first = submit(&web, &browser, "/login", &[("login", "karl"), ("password", PASSWORD)]).await;
    let cookie = first.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let old = support::web::browser();
    let wallet = || old.get(web.url("/wallet")).header("cookie", &cookie);
    assert_eq!(send(wallet()).await.status(), 200);
    let html = page(&web, &browser, "/wallet").await;
    let token = scraper::Html::parse_document(&html);
    let token = token.select(&scraper::Selector::parse("input[name=csrf_token]").unwrap()).next().unwrap();
    let fields = [("login", "lena"), ("password", PASSWORD), ("csrf_token", token.attr("value").unwrap())];
    assert_eq!(send(browser.post(web.url("/login")).form(&fields)).await.status(), 303);
    assert_eq!(send(wallet()).await.status(), 303, "the session of before leads to the sign-in");
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
    web.have_user("olga", Role::User);
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
    web.have_user("paul", Role::User);
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
    web.have_user("rosa", Role::User);
    let browser = browser();
    page(&web, &browser, "/login").await;
    let form = [("login", "rosa"), ("password", PASSWORD)];
    for token in [None, Some(""), Some("00000000000000000000000000000000")] {
        let fields: Vec<_> = form.into_iter().chain(token.map(|token| ("csrf_token", token))).collect();
        let answer = send(browser.post(web.url("/login")).form(&fields)).await;
        assert_eq!(answer.status(), 403);
        assert!(answer.text().await.unwrap().contains("This form has grown old"));
        assert_eq!(send(browser.get(web.url("/"))).await.status(), 200, "still nobody");
    }
    let stranger = Client::new();
    assert_eq!(send(stranger.post(web.url("/login")).form(&form)).await.status(), 403);
}

#[actix_web::test]
async fn a_sign_in_never_leads_to_another_site() {
    let web = Web::start();
    web.have_user("sam", Role::User);
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
    web.have_user("tina", Role::User);
    let browser = browser();
    submit(&web, &browser, "/login", &[("login", "tina"), ("password", PASSWORD)]).await;
    assert_eq!(send(browser.get(web.url("/api/v1/me"))).await.status(), 401);
    let token = sign_in(&web, "tina").await["access_token"].as_str().unwrap().to_owned();
    assert_eq!(send(Client::new().get(web.url("/")).bearer_auth(token)).await.status(), 200, "the landing page");
}

#[actix_web::test]
async fn a_lost_connection_hides_nobodys_session() {
    let web = Web::start();
    web.have_user("vera", Role::User);
    let tokens = sign_in(&web, "vera").await;
    assert_eq!(me(&web, &tokens).await.status(), 200);
    let others = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'coffer' and pid <> pg_backend_pid()";
    web.db.run_here(|conn| Ok(conn.batch_execute(others)?)).unwrap();
    assert_eq!(me(&web, &tokens).await.status(), 200);
}

#[actix_web::test]
async fn each_of_many_requests_at_once_learns_who_it_is_from_and_the_end_of_a_session_bites_at_once() {
    let web = Web::start();
    let mut all = Vec::new();
    for name in ["vera", "walt", "yuri"] {
        web.have_user(name, Role::User);
        all.push((name, sign_in(&web, name).await));
    }
    let ended = "update sessions set ended_at = now()
        where user_id = (select id from users where username = 'walt')";
    web.db.run_here(|conn| Ok(conn.batch_execute(ended)?)).unwrap();
    let asked = all.iter().cycle().take(90);
    let answers = join_all(asked.map(async |(name, tokens)| (*name, me(&web, tokens).await))).await;
    for (name, answer) in answers {
        if name == "walt" {
            assert_eq!(problem(answer).await, is(401, "unauthenticated"));
        } else {
            assert_eq!(answer.json::<Value>().await.unwrap()["username"], name);
        }
    }
}

#[actix_web::test]
async fn who_has_been_seen_a_moment_ago_is_known_until_what_changes_that_is_committed() {
    let web = Web::start();
    web.have_user("yuri", Role::User);
    let tokens = sign_in(&web, "yuri").await;
    for (change, expected) in [("users set time_zone = 'Asia/Tokyo'", 200), ("sessions set ended_at = now()", 401)] {
        assert_eq!(me(&web, &tokens).await.status(), 200);
        let mut changer = PgConnection::establish(web.conninfo()).unwrap();
        changer.batch_execute(&format!("begin; update {change}")).unwrap();
        assert_eq!(me(&web, &tokens).await.status(), 200, "nothing has changed yet: {change}");
        changer.batch_execute("commit").unwrap();
        assert_eq!(me(&web, &tokens).await.status(), expected, "{change}");
    }
}

#[actix_web::test]
async fn the_use_of_a_session_is_noted_and_nobody_waits_for_whoever_changes_the_row() {
    let web = Web::start();
    web.have_user("vera", Role::User);
    let tokens = sign_in(&web, "vera").await;
    let noted = || count_in(&web, "sessions where last_used_at > created_at + interval '1 minute'");
    assert_eq!(me(&web, &tokens).await.status(), 200);
    web.wait_seconds(61);
    let mut holder = PgConnection::establish(web.conninfo()).unwrap();
    holder.batch_execute("begin; select from sessions for update").unwrap();
    for _ in 0..2 {
        assert_eq!(me(&web, &tokens).await.status(), 200);
    }
    assert_eq!(noted(), 0);
    holder.batch_execute("rollback").unwrap();
    for _ in 0..2 {
        assert_eq!(me(&web, &tokens).await.status(), 200);
    }
    // The second was answered after the first had been noted.
    assert_eq!(noted(), 1);
}
