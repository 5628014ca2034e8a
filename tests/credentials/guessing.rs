//! What holds back those who guess, many at once and from many networks, and harms nobody else.

use std::cell::Cell;

use futures::future::join_all;
use reqwest::{Client, RequestBuilder};
use serde_json::json;

use super::support::api::caller;
use super::support::web::{PASSWORD, Web, is, problem, send, sign_in};
use super::{WRONG, sign_in_with};
use coffer::domain::Role;

/// The status of a sign-in from another address of this machine.
async fn sign_in_from(web: &Web, address: [u8; 4], login: &str, password: &str) -> u16 {
    let client = Client::builder().local_address(std::net::IpAddr::from(address)).build().unwrap();
    let body = json!({"login": login, "password": password});
    send(client.post(web.url("/api/v1/auth/login")).json(&body)).await.status().as_u16()
}

/// How many of the answers have a status.
fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|found| **found == status).count()
}

#[actix_web::test]
async fn of_many_wrong_passwords_at_once_few_more_than_ten_are_tried_and_the_login_is_back_soon() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let wrong = alice.by_password("alice", WRONG);
    let guesses = (0..120).map(async |number: usize| match number % 2 {
        0 => sign_in_with(&web, "alice", WRONG).await.status().as_u16(),
        _ => send(wrong.get("/me")).await.status().as_u16(),
    });
    let statuses = join_all(guesses).await;
    let tried = count(&statuses, 401);
    assert!((10..=12).contains(&tried), "{statuses:?}");
    assert_eq!(count(&statuses, 429), statuses.len() - tried);
    assert_eq!(sign_in_with(&web, "alice", PASSWORD).await.status(), 429);
    web.wait_seconds(90);
    sign_in(&web, "alice").await;
}

#[actix_web::test]
async fn many_right_passwords_at_once_all_succeed() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let sign_ins = join_all((0..64).map(|_| sign_in_with(&web, "alice", PASSWORD))).await;
    assert!(sign_ins.iter().all(|answer| answer.status() == 200), "{sign_ins:?}");
    let by_password = alice.by_password("alice", PASSWORD);
    let answers = join_all((0..200).map(|_| send(by_password.get("/me")))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200), "one of them proves it for the others");
}

#[actix_web::test]
async fn who_guesses_from_one_network_shuts_nobody_out_of_another() {
    let web = Web::start();
    web.have_user("alice", Role::User);
    for _ in 0..10 {
        assert_eq!(sign_in_from(&web, [127, 0, 0, 2], "alice", WRONG).await, 401);
    }
    assert_eq!(sign_in_from(&web, [127, 0, 0, 2], "alice", PASSWORD).await, 429);
    assert_eq!(sign_in_from(&web, [127, 0, 0, 3], "alice", PASSWORD).await, 200);
}

#[actix_web::test]
async fn a_login_waits_after_a_hundred_wrong_passwords_from_many_networks() {
    let web = Web::start();
    web.have_user("alice", Role::User);
    let mut tried = 0;
    'all: for network in 2..16 {
        for _ in 0..10 {
            match sign_in_from(&web, [127, 0, 0, network], "alice", WRONG).await {
                401 => tried += 1,
                429 => break 'all,
                other => panic!("{other}"),
            }
        }
    }
    // Each ten seconds let one more in, so a slow machine tries a few more.
    assert!((100..120).contains(&tried), "{tried}");
    assert_eq!(sign_in_from(&web, [127, 0, 0, 99], "alice", PASSWORD).await, 429);
    web.wait_seconds(10);
    assert_eq!(sign_in_from(&web, [127, 0, 0, 99], "alice", PASSWORD).await, 200);
}

#[actix_web::test]
async fn right_passwords_cost_nothing_until_there_are_more_than_anyone_needs() {
    let web = Web::start();
    let alice = caller(&web, "alice", Role::User).await;
    let bob = caller(&web, "bob", Role::User).await;
    let by_password = alice.by_password("alice", PASSWORD);
    assert_eq!(send(by_password.get("/me")).await.status(), 200);
    // Each second lets one more in, so a slow machine hashes a few more.
    let until_refused = async |ask: &dyn Fn() -> RequestBuilder, done: u16| {
        for number in 0..300 {
            let answer = send(ask()).await;
            if answer.status() != done {
                assert_eq!(answer.headers()["retry-after"], "1");
                assert_eq!(problem(answer).await, is(429, "rate_limited"));
                return number;
            }
        }
        panic!("nobody is made to wait");
    };
    let login = json!({"login": "alice", "password": PASSWORD});
    let sign_in = || Client::new().post(web.url("/api/v1/auth/login")).json(&login);
    assert!(until_refused(&sign_in, 200).await >= 118);
    for caller in [&by_password, &alice, &bob.by_password("bob", PASSWORD)] {
        assert_eq!(send(caller.get("/me")).await.status(), 200, "a proved password is not hashed again");
    }
    let passwords = Cell::new([PASSWORD, "four quiet walruses"]);
    let change = || {
        let [current, new] = passwords.get();
        passwords.set([new, current]);
        alice.post("/me/password").json(&json!({"current_password": current, "new_password": new}))
    };
    assert!(until_refused(&change, 204).await < 20, "they count together");
}
