//! The ways in beside the sign-in: login and password with each request, personal API keys; what
//! holds back those who guess; and ending what has been opened.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

#[path = "credentials/guessing.rs"]
mod guessing;
mod support;

use chrono::{DateTime, TimeDelta, Utc};
use coffer::domain::{Login, Role};
use coffer::passwords::hash_here;
use coffer::repo::users::{self, NewUser};
use diesel::connection::SimpleConnection;
use futures::future::join_all;
use futures::{StreamExt, stream};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use support::api::{Caller, caller, code, count_in, text, web_with_admin};
use support::web::{PASSWORD, Web, browser, is, post, problem, send, sign_in, submit, texts};

const WRONG: &str = "not this password";

async fn status(caller: &Caller, method: Method, path: &str) -> u16 {
    send(caller.request(method, path)).await.status().as_u16()
}

async fn sign_in_with(web: &Web, login: &str, password: &str) -> Response {
    post(web, "/api/v1/auth/login", json!({"login": login, "password": password})).await
}

fn change(web: &Web, sql: &str) {
    web.db.run_here(|conn| Ok(conn.batch_execute(sql)?)).unwrap();
}

#[actix_web::test]
async fn a_user_comes_in_by_token_by_password_and_by_api_key_and_is_the_same() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let me = alice.read("/me").await;
    assert_eq!(alice.by_password("ALICE", PASSWORD).read("/me").await, me);
    assert_eq!(alice.by_api_key(&json!({"name": "nightly"})).await.read("/me").await, me);
    let bearer = alice.by_api_key(&json!({"name": "another"})).await;
    assert_eq!(bearer.read("/me").await["username"], "alice");
}

#[actix_web::test]
async fn an_authorization_that_proves_nothing_is_told_both_ways_in() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    for nothing in [
        "",
        "Basic",
        "Basic ",
        "Basic %%%",
        "Basic YWxpY2U=",
        "Basic /////w==",
        "Digest YWxpY2U=",
        "Bearer cof_",
        "Bearer cof_1_aaaa",
        "Bearer cof_1_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "Bearer cof_99999999999999999999_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let answer = send(alice.by(nothing.to_owned()).get("/me")).await;
        let challenges = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(challenges.starts_with("Bearer, Basic realm=\"coffer\""), "{challenges}");
        assert_eq!(problem(answer).await, is(401, "unauthenticated"), "{nothing}");
    }
    for (login, password) in [("alice", WRONG), ("nobody", PASSWORD), ("not a login", PASSWORD), ("", "")] {
        let answer = send(alice.by_password(login, password).get("/me")).await;
        assert!(answer.headers().contains_key("www-authenticate"));
        assert_eq!(problem(answer).await, is(401, "invalid_credentials"), "{login}");
    }
}

#[actix_web::test]
async fn a_password_may_hold_colons_and_letters_of_any_script() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let password = "тише: едешь: дальше";
    let body = json!({"username": "bob", "password": password});
    assert_eq!(post(&web, "/api/v1/auth/register", body).await.status(), 201);
    assert_eq!(alice.by_password("bob", password).read("/me").await["username"], "bob");
}

#[actix_web::test]
async fn the_pages_take_neither_password_nor_api_key() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let key = send(alice.post("/me/api-keys").json(&json!({"name": "k"}))).await.json::<Value>().await.unwrap();
    let wallet = || browser().get(web.url("/wallet"));
    for request in [wallet().basic_auth("alice", Some(PASSWORD)), wallet().bearer_auth(text(&key["secret"]))] {
        let answer = send(request).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["location"]),
            (303, &"/login?next=%2Fwallet".parse().unwrap())
        );
    }
}

#[actix_web::test]
async fn the_secret_of_a_key_is_shown_once_and_kept_nowhere() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let body =
        json!({"name": " nightly export ", "scopes": ["write", "read"], "expires_at": "2126-01-01T01:00:00+01:00"});
    let made: Value = send(alice.post("/me/api-keys").json(&body)).await.json().await.unwrap();
    let key = text(&made["secret"]);
    let prefix = text(&made["prefix"]);
    assert!(key.starts_with(&format!("{prefix}_")) && key.len() >= prefix.len() + 33, "{key}");
    assert_eq!(
        (&made["name"], &made["scopes"], &made["expires_at"], &made["last_used_at"]),
        (&json!("nightly export"), &json!(["read", "write"]), &json!("2126-01-01T00:00:00Z"), &Value::Null)
    );
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(alice.read("/me/api-keys").await, json!({"data": [shown], "next_cursor": null}));
    let secret = key.rsplit('_').next().unwrap();
    assert_eq!(count_in(&web, "api_keys"), 1);
    assert_eq!(count_in(&web, &format!("api_keys where api_keys::text like '%{secret}%'")), 0);
    assert_eq!(count_in(&web, &format!("api_keys where secret_hash = sha256('{secret}')")), 1);
}

#[actix_web::test]
async fn what_a_key_cannot_be_is_named_by_field() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let long = "ä".repeat(101);
    for (body, field) in [
        (json!({"name": ""}), "name"),
        (json!({"name": "  "}), "name"),
        (json!({"name": "a\u{0}b"}), "name"),
        (json!({ "name": long }), "name"),
        (json!({"name": "k", "scopes": []}), "scopes"),
        (json!({"name": "k", "scopes": ["read", "admin"]}), "scopes"),
        (json!({"name": "k", "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
    ] {
        let answer = send(alice.post("/me/api-keys").json(&body)).await;
        assert_eq!(answer.status(), 422, "{body}");
        assert_eq!(answer.json::<Value>().await.unwrap()["errors"][0]["field"], field, "{body}");
    }
    for body in [json!({}), json!({"name": "k", "scopes": ["all"]}), json!({"name": "k", "secret": "mine"})] {
        assert_eq!(problem(send(alice.post("/me/api-keys").json(&body)).await).await, is(400, "malformed"), "{body}");
    }
    assert_eq!(count_in(&web, "api_keys"), 0);
    assert_eq!(send(alice.post("/me/api-keys").json(&json!({"name": "ä".repeat(100)}))).await.status(), 201);
}

#[actix_web::test]
async fn a_user_has_at_most_fifty_keys_however_many_are_made_at_once() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let make = || async { send(alice.post("/me/api-keys").json(&json!({"name": "k"}))).await };
    for _ in 0..45 {
        assert_eq!(make().await.status(), 201);
    }
    let answers = join_all((0..10).map(|_| make())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status() == 201).count(), 5);
    assert_eq!(problem(make().await).await, is(409, "too_many_api_keys"));
    let all = alice.walk("/me/api-keys?limit=20").await;
    let ids: Vec<i64> = all.iter().map(|key| key["id"].as_i64().unwrap()).collect();
    assert!(ids.len() == 50 && ids.is_sorted_by(|one, other| one > other), "newest first, none twice: {ids:?}");
    change(
        &web,
        "update api_keys set created_at = now() - interval '2 days', expires_at = now() - interval '1 day'
                  where id = (select min(id) from api_keys)",
    );
    assert_eq!(make().await.status(), 201, "one that has expired does not count");
    let bob = caller(&web, "bob", Role::User).await;
    assert_eq!(send(bob.post("/me/api-keys").json(&json!({"name": "k"}))).await.status(), 201);
}

#[actix_web::test]
async fn a_revoked_key_opens_nothing_from_that_moment_and_only_its_owner_revokes_it() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let bob = caller(&web, "bob", Role::User).await;
    let key = alice.by_api_key(&json!({"name": "k"})).await;
    let id = alice.read("/me/api-keys").await["data"][0]["id"].as_i64().unwrap();
    let path = format!("/me/api-keys/{id}");
    for (caller, path) in [(&bob, path.as_str()), (&alice, "/me/api-keys/0"), (&alice, "/me/api-keys/x")] {
        assert_eq!(problem(send(caller.delete(path)).await).await, is(404, "not_found"));
    }
    assert_eq!(status(&key, Method::GET, "/me").await, 200);
    assert_eq!(status(&alice, Method::DELETE, &path).await, 204);
    assert_eq!(problem(send(key.get("/me")).await).await, is(401, "unauthenticated"));
    assert_eq!(status(&alice, Method::DELETE, &path).await, 404);
}

#[actix_web::test]
async fn a_key_opens_nothing_from_its_expiry_on() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let expires_at = (Utc::now() + TimeDelta::seconds(600)).to_rfc3339();
    let key = alice.by_api_key(&json!({"name": "k", "expires_at": expires_at})).await;
    web.wait_seconds(590);
    assert_eq!(status(&key, Method::GET, "/me").await, 200);
    web.wait_seconds(11);
    assert_eq!(problem(send(key.get("/me")).await).await, is(401, "unauthenticated"));
    assert_eq!(alice.read("/me/api-keys").await["data"].as_array().unwrap().len(), 1, "its owner still sees why");
}

#[actix_web::test]
async fn another_secret_under_a_keys_id_opens_nothing_and_is_not_its_use() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let made: Value = send(alice.post("/me/api-keys").json(&json!({"name": "k"}))).await.json().await.unwrap();
    let key = text(&made["secret"]);
    let last = if key.ends_with('a') { "b" } else { "a" };
    let forged = alice.by(format!("Bearer {}{last}", &key[..key.len() - 1]));
    assert_eq!(problem(send(forged.get("/me")).await).await, is(401, "unauthenticated"));
    assert_eq!(status(&alice, Method::GET, "/me").await, 200);
    assert_eq!(count_in(&web, "api_keys where last_used_at is not null"), 0);
}

#[actix_web::test]
async fn the_use_of_a_key_is_noted_at_most_once_a_minute() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let key = alice.by_api_key(&json!({"name": "k"})).await;
    let used = async || {
        // The second is answered after the first has been noted.
        for _ in 0..2 {
            assert_eq!(status(&key, Method::GET, "/me").await, 200);
        }
        text(&alice.read("/me/api-keys").await["data"][0]["last_used_at"]).parse::<DateTime<Utc>>().unwrap()
    };
    let first = used().await;
    web.wait_seconds(30);
    assert_eq!(used().await, first);
    web.wait_seconds(31);
    assert!(used().await > first);
}

#[actix_web::test]
async fn each_scope_opens_its_methods_and_no_others() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let key = async |scopes: &[&str]| alice.by_api_key(&json!({"name": "k", "scopes": scopes})).await;
    let (reading, writing, both) = (key(&["read"]).await, key(&["write"]).await, key(&["read", "write"]).await);
    for (key, may_read, may_write) in [(&reading, true, false), (&writing, false, true), (&both, true, true)] {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(status(key, method, "/me").await, if may_read { 200 } else { 403 });
        }
        // There is no such credit; whoever may not write is told so first.
        let answer = send(key.claim(1).header("idempotency-key", "k")).await;
        assert_eq!(problem(answer).await, if may_write { is(404, "not_found") } else { is(403, "forbidden") });
        let answer = send(key.claim(1).header("idempotency-key", "not\u{e4}ascii")).await;
        assert_eq!(answer.status(), if may_write { 400 } else { 403 }, "before what is wrong with the request");
    }
}

#[actix_web::test]
async fn an_admins_key_is_an_admins_only_with_the_scope_and_while_its_owner_is_one() {
    let (web, root) = web_with_admin().await;
    let plain = root.by_api_key(&json!({"name": "plain", "scopes": ["read", "write"]})).await;
    let full = root.by_api_key(&json!({"name": "full", "scopes": ["read", "write", "admin"]})).await;
    caller(&web, "bob", Role::User).await;
    let assets = json!({"title": "T", "kind": "promotional", "asset_type": "GOLD", "amount": "1"});
    let create = async |key: &Caller| send(key.post("/admin/assets").json(&assets)).await.status().as_u16();
    assert_eq!((create(&plain).await, create(&full).await), (403, 201));
    assert_eq!(plain.read("/me").await["role"], "user");
    assert_eq!(problem(send(plain.get("/users/bob/balances")).await).await, is(404, "user_not_found"));
    assert_eq!(status(&full, Method::GET, "/users/bob/balances").await, 200);
    let by_password = root.by_password("root", PASSWORD);
    assert_eq!(create(&by_password).await, 201);
    change(&web, "update users set role = 'user' where username = 'root'");
    assert_eq!((create(&full).await, create(&by_password).await, create(&root).await), (403, 403, 403));
}

#[actix_web::test]
async fn a_freeze_and_the_loss_of_the_user_bite_at_once_for_key_and_password() {
    let (web, root) = web_with_admin().await;
    let alice = caller(&web, "alice", Role::User).await;
    let assets = root.issue(3, "GOLD", "5").await;
    let callers = [
        alice.by_api_key(&json!({"name": "k", "scopes": ["read", "write"]})).await,
        alice.by_password("alice", PASSWORD),
    ];
    for (caller, asset) in callers.iter().zip(&assets) {
        assert_eq!(send(caller.claim(*asset)).await.status(), 201);
    }
    change(&web, "update users set status = 'frozen' where username = 'alice'");
    for caller in &callers {
        assert_eq!(caller.read("/me").await["status"], "frozen");
        assert_eq!(problem(send(caller.claim(assets[2])).await).await, is(403, "wallet_frozen"));
    }
    let bob = caller(&web, "bob", Role::User).await;
    let callers = [bob.by_api_key(&json!({"name": "k"})).await, bob.by_password("bob", PASSWORD)];
    for caller in &callers {
        assert_eq!(status(caller, Method::GET, "/me").await, 200);
    }
    change(&web, "delete from users where username = 'bob'");
    for caller in &callers {
        assert_eq!(status(caller, Method::GET, "/me").await, 401);
    }
}

#[actix_web::test]
async fn an_api_key_manages_no_credentials_whatever_its_scopes() {
    let (_web, root) = web_with_admin().await;
    let key = root.by_api_key(&json!({"name": "k", "scopes": ["read", "write", "admin"]})).await;
    let session = text(&root.read("/me/sessions").await["data"][0]["id"]);
    for (method, path) in [
        (Method::GET, "/me/api-keys"),
        (Method::POST, "/me/api-keys"),
        (Method::DELETE, "/me/api-keys/1"),
        (Method::GET, "/me/sessions"),
        (Method::DELETE, &format!("/me/sessions/{session}")),
        (Method::POST, "/me/password"),
        (Method::POST, "/auth/logout"),
    ] {
        let answer = send(key.request(method.clone(), path).json(&json!({}))).await;
        assert_eq!(problem(answer).await, is(403, "forbidden"), "{method} {path}");
    }
    assert_eq!(status(&key, Method::GET, "/me").await, 200);
    assert_eq!(status(&root, Method::GET, "/me").await, 200, "its session goes on");
    let by_password = root.by_password("root", PASSWORD);
    assert_eq!(problem(send(by_password.post("/auth/logout")).await).await, is(403, "forbidden"));
    assert_eq!(status(&by_password, Method::GET, "/me/api-keys").await, 200);
}

#[actix_web::test]
async fn after_ten_wrong_passwords_a_login_waits_even_with_the_right_one() {
    let web = Web::start();
    web.have_user("alice", Role::User);
    web.have_user("bob", Role::User);
    for (login, same) in [("alice", " ALICE"), ("nobody", "Nobody "), ("not a login", "not a login")] {
        for _ in 0..10 {
            assert_eq!(problem(sign_in_with(&web, login, WRONG).await).await, is(401, "invalid_credentials"));
        }
        for password in [WRONG, PASSWORD] {
            let answer = sign_in_with(&web, same, password).await;
            let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=30).contains(&wait), "{wait}");
            assert_eq!(problem(answer).await, is(429, "rate_limited"), "{login}");
        }
    }
    sign_in(&web, "bob").await;
    web.wait_seconds(30);
    sign_in(&web, "alice").await;
    assert_eq!(sign_in_with(&web, "alice", WRONG).await.status(), 401);
    assert_eq!(sign_in_with(&web, "alice", PASSWORD).await.status(), 429, "one more per half a minute");
}

#[actix_web::test]
async fn all_places_that_take_a_password_count_together() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let wrong = alice.by_password("alice", WRONG);
    let right = alice.by_password("alice", PASSWORD);
    let change = |current: &str| {
        alice.post("/me/password").json(&json!({"current_password": current, "new_password": "four loud walruses"}))
    };
    assert_eq!(status(&right, Method::GET, "/me").await, 200);
    for _ in 0..3 {
        assert_eq!(status(&wrong, Method::GET, "/me").await, 401);
        assert_eq!(sign_in_with(&web, "alice", WRONG).await.status(), 401);
        assert_eq!(send(change(WRONG)).await.status(), 422);
    }
    let fields = [("login", "alice"), ("password", WRONG)];
    assert_eq!(submit(&web, &browser(), "/login", &fields).await.status(), 422);
    for caller in [&wrong, &right] {
        let answer = send(caller.get("/me")).await;
        assert!(answer.headers().contains_key("retry-after"));
        assert_eq!(problem(answer).await, is(429, "rate_limited"), "a password that was right a moment ago, too");
    }
    assert_eq!(problem(send(change(PASSWORD)).await).await, is(429, "rate_limited"));
    let page = submit(&web, &browser(), "/login", &[("login", "alice"), ("password", PASSWORD)]).await;
    assert_eq!((page.status().as_u16(), page.headers().contains_key("retry-after")), (429, true));
    assert_eq!(texts(&page.text().await.unwrap(), "h1"), ["That was a lot in a short time"]);
    assert_eq!(status(&alice, Method::GET, "/me").await, 200, "who is signed in stays so");
}

#[actix_web::test]
async fn who_guesses_many_logins_from_one_address_waits_for_all_of_them() {
    let web = Web::start();
    web.have_user("alice", Role::User);
    for number in 0..100 {
        assert_eq!(sign_in_with(&web, &format!("user_{number}"), WRONG).await.status(), 401);
    }
    assert_eq!(problem(sign_in_with(&web, "alice", PASSWORD).await).await, is(429, "rate_limited"));
    web.wait_seconds(3);
    sign_in(&web, "alice").await;
}

#[actix_web::test]
async fn who_registers_in_masses_from_one_address_waits() {
    let web = Web::start();
    let register = async |number: usize| {
        let body = json!({"username": format!("user_{number}"), "password": PASSWORD});
        post(&web, "/api/v1/auth/register", body).await
    };
    let statuses: Vec<u16> =
        stream::iter(0..500).map(async |number| register(number).await.status().as_u16()).buffered(16).collect().await;
    // Time lets more in, so a slow machine refuses none of these either.
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    let mut next = 500;
    let refused = loop {
        let answer = register(next).await;
        if answer.status() != 201 {
            break answer;
        }
        next += 1;
        assert!(next < 600, "nobody was made to wait");
    };
    let wait: i64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(problem(refused).await, is(429, "rate_limited"));
    web.wait_seconds(wait);
    assert_eq!(register(next).await.status(), 201);
}

#[actix_web::test]
async fn a_changed_password_ends_all_other_sessions_and_leaves_api_keys() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let other = caller_again(&web, "alice").await;
    let bob = caller(&web, "bob", Role::User).await;
    let browser = browser();
    submit(&web, &browser, "/login", &[("login", "alice"), ("password", PASSWORD)]).await;
    let refresh = sign_in(&web, "alice").await["refresh_token"].clone();
    let by_password = alice.by_password("alice", PASSWORD);
    let key = alice.by_api_key(&json!({"name": "k"})).await;
    assert_eq!(status(&by_password, Method::GET, "/me").await, 200);

    let new = "four loud walruses";
    let body = json!({"current_password": PASSWORD, "new_password": new});
    assert_eq!(send(alice.post("/me/password").json(&body)).await.status(), 204);
    assert_eq!(status(&alice, Method::GET, "/me").await, 200);
    assert_eq!(status(&key, Method::GET, "/me").await, 200);
    assert_eq!(status(&bob, Method::GET, "/me").await, 200);
    assert_eq!(problem(send(other.get("/me")).await).await, is(401, "unauthenticated"));
    assert_eq!(send(browser.get(web.url("/wallet"))).await.status(), 303, "to the sign-in");
    let answer = post(&web, "/api/v1/auth/refresh", json!({"refresh_token": refresh})).await;
    assert_eq!(problem(answer).await, is(401, "unauthenticated"));
    assert_eq!(problem(send(by_password.get("/me")).await).await, is(401, "invalid_credentials"));
    assert_eq!(problem(sign_in_with(&web, "alice", PASSWORD).await).await, is(401, "invalid_credentials"));
    assert_eq!(sign_in_with(&web, "alice", new).await.status(), 200);

    let by_password = alice.by_password("alice", new);
    let body = json!({"current_password": new, "new_password": PASSWORD});
    assert_eq!(send(by_password.post("/me/password").json(&body)).await.status(), 204);
    assert_eq!(status(&alice, Method::GET, "/me").await, 401, "changed outside of a session, all sessions end");
}

#[actix_web::test]
async fn an_account_that_the_command_line_makes_an_admin_keeps_nothing_of_whoever_had_it() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let bob = caller(&web, "bob", Role::User).await;
    let all = json!({"name": "k", "scopes": ["read", "write", "admin"]});
    change(&web, "update users set role = 'admin' where username = 'alice'");
    let key = alice.by_api_key(&all).await;
    let bobs = bob.by_api_key(&json!({"name": "k"})).await;
    assert_eq!(status(&key, Method::GET, "/me").await, 200);
    let new = NewUser {
        external_id: None,
        logins: vec![Login::username("alice").unwrap()],
        password_hash: hash_here("four loud walruses", 4).unwrap(),
        role: Role::Admin,
    };
    web.db.run_here(|conn| users::make_admin(conn, &new, Utc::now())).unwrap();
    for caller in [&key, &alice] {
        assert_eq!(problem(send(caller.get("/me")).await).await, is(401, "unauthenticated"));
    }
    assert_eq!(status(&bobs, Method::GET, "/me").await, 200, "others keep their keys");
    let again = alice.by_password("alice", "four loud walruses");
    assert_eq!(again.read("/me").await["role"], "admin");
    assert_eq!(again.read("/me/api-keys").await["data"], json!([]));
}

async fn caller_again(web: &Web, login: &str) -> Caller {
    Caller::sign_in(&Client::new(), &web.url(""), login, PASSWORD).await
}

#[actix_web::test]
async fn a_password_is_not_changed_by_who_does_not_know_it_nor_to_a_bad_one() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let other = caller_again(&web, "alice").await;
    for (current, new, field) in [
        (WRONG, "four loud walruses", "current_password"),
        (PASSWORD, "short", "new_password"),
        (PASSWORD, "password123", "new_password"),
        (PASSWORD, "alicealice", "new_password"),
    ] {
        let body = json!({"current_password": current, "new_password": new});
        let answer = send(alice.post("/me/password").json(&body)).await;
        assert_eq!(answer.status(), 422, "{body}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!((&answer["code"], &answer["errors"][0]["field"]), (&json!("invalid"), &json!(field)), "{answer}");
    }
    assert_eq!(status(&other, Method::GET, "/me").await, 200, "no session ended");
    sign_in(&web, "alice").await;
}

#[actix_web::test]
async fn of_two_simultaneous_changes_of_a_password_one_happens() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let passwords = ["four loud walruses", "five loud walruses"];
    let statuses = join_all(passwords.map(async |new| {
        let body = json!({"current_password": PASSWORD, "new_password": new});
        send(alice.post("/me/password").json(&body)).await.status().as_u16()
    }))
    .await;
    let taken: Vec<&str> =
        passwords.iter().zip(&statuses).filter(|(_, status)| **status == 204).map(|(new, _)| *new).collect();
    let [taken] = taken[..] else { panic!("{statuses:?}") };
    assert!(statuses.contains(&422), "{statuses:?}");
    assert_eq!(sign_in_with(&web, "alice", taken).await.status(), 200);
}

#[actix_web::test]
async fn living_sessions_are_listed_newest_first_and_the_own_one_is_marked() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    caller(&web, "bob", Role::User).await;
    let ended = caller_again(&web, "alice").await;
    assert_eq!(status(&ended, Method::POST, "/auth/logout").await, 204);
    web.wait_seconds(60);
    let agent = browser();
    submit(&web, &agent, "/login", &[("login", "alice"), ("password", PASSWORD)]).await;
    let sessions = alice.walk("/me/sessions?limit=1").await;
    let shape: Vec<_> =
        sessions.iter().map(|session| (text(&session["kind"]), session["current"].as_bool().unwrap())).collect();
    assert_eq!(shape, [("browser".to_owned(), false), ("api".to_owned(), true)]);
    for session in &sessions {
        assert_eq!((&session["ip_address"], &session["device"]), (&json!("127.0.0.1"), &json!("")));
        let time = |name: &str| text(&session[name]).parse::<DateTime<Utc>>().unwrap();
        assert_eq!(time("expires_at") - time("created_at"), TimeDelta::days(30));
        assert!(time("last_used_at") >= time("created_at"));
    }
    assert!(
        alice.by_password("alice", PASSWORD).walk("/me/sessions?limit=1").await.iter().all(|s| s["current"] == false)
    );
    assert_eq!(code(send(alice.get("/me/sessions?cursor=eA")).await).await, "invalid_cursor");
    web.wait_seconds(30 * 86_400);
    let later = caller_again(&web, "alice").await;
    assert_eq!(later.walk("/me/sessions?limit=9").await.len(), 1, "those before have expired");
}

#[actix_web::test]
async fn a_session_ended_from_afar_opens_nothing_from_that_moment() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let other = caller_again(&web, "alice").await;
    let bob = caller(&web, "bob", Role::User).await;
    let sessions = other.walk("/me/sessions?limit=9").await;
    let id = text(&sessions.iter().find(|session| session["current"] == true).unwrap()["id"]);
    let path = format!("/me/sessions/{id}");
    for (caller, path) in [
        (&bob, path.as_str()),
        (&alice, "/me/sessions/7"),
        (&alice, "/me/sessions/00000000-0000-4000-8000-000000000000"),
    ] {
        assert_eq!(problem(send(caller.delete(path)).await).await, is(404, "not_found"));
    }
    assert_eq!(status(&other, Method::GET, "/me").await, 200);
    assert_eq!(status(&alice, Method::DELETE, &path).await, 204);
    assert_eq!(problem(send(other.get("/me")).await).await, is(401, "unauthenticated"));
    assert_eq!(status(&alice, Method::DELETE, &path).await, 404, "it has ended");
    assert_eq!(status(&alice, Method::GET, "/me").await, 200);
}

#[actix_web::test]
async fn each_of_many_requests_at_once_is_its_own_callers_by_token_and_by_key() {
    let web = Web::start();
    let mut callers = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let caller = caller(&web, name, Role::User).await;
        callers.push(caller.by_api_key(&json!({"name": "k"})).await);
        callers.push(caller.by_password(name, PASSWORD));
        callers.push(caller);
    }
    let asked = callers.iter().cycle().take(90);
    for (name, username) in
        join_all(asked.map(async |who| (&who.name, who.read("/me").await["username"].clone()))).await
    {
        assert_eq!(username, *name);
    }
}
