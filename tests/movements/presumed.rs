//! Whoever moves value again is not looked up again, since the posting finds out whether what is
//! remembered still holds. So whatever is taken from somebody bites at the next movement, and what is
//! given can be used.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use futures::future::join_all;
use reqwest::RequestBuilder;
use serde_json::json;

use crate::support::api::Caller;
use crate::support::bank::{Bank, posted, refused, spend};
use crate::support::web::{is, problem, send};

fn change(bank: &Bank, sql: &str) {
    PgConnection::establish(bank.web.conninfo()).unwrap().batch_execute(sql).unwrap();
}

/// After this the caller is remembered.
async fn is_known(caller: &Caller) {
    for _ in 0..2 {
        posted(caller, &spend("0.01")).await;
    }
}

/// Takes something from a known caller of a bank, which must bite at the next movement, be it a claim or a spend.
async fn bites(bank: &Bank, caller: &Caller, sql: &str, claims_first: bool, expected: (u16, String)) {
    let credit = bank.admin.issue(1, "CASH", "1.00").await[0];
    is_known(caller).await;
    let written = bank.written();
    change(bank, sql);
    let (claim, spend) = (caller.claim(credit), caller.post("/transactions").json(&spend("1.00")));
    let (first, second) = if claims_first { (claim, spend) } else { (spend, claim) };
    for request in [first, second] {
        assert_eq!(problem(send(request).await).await, expected, "{sql}, claims first: {claims_first}");
    }
    assert_eq!(bank.written(), written, "{sql}");
}

#[actix_web::test]
async fn what_is_taken_from_a_known_user_bites_at_the_next_movement() {
    for (sql, status, code) in [
        ("update sessions set ended_at = now()", 401, "unauthenticated"),
        ("update sessions set expires_at = created_at + interval '1 microsecond'", 401, "unauthenticated"),
        ("delete from sessions", 401, "unauthenticated"),
        ("update users set status = 'frozen' where external_id = 'anna'", 403, "wallet_frozen"),
    ] {
        for claims_first in [false, true] {
            let bank = Bank::with_cash("10.00").await;
            bites(&bank, &bank.anna, sql, claims_first, is(status, code)).await;
        }
    }
}

#[actix_web::test]
async fn nothing_else_shows_to_whoever_may_not_come_in_any_more() {
    const ASKED: usize = 9;
    for number in 0..ASKED {
        let bank = Bank::with_cash("10.00").await;
        let credits = bank.admin.issue(2, "CASH", "1.00").await;
        assert_eq!(send(bank.ben.claim(credits[0])).await.status(), 201);
        is_known(&bank.anna).await;
        let written = bank.written();
        change(&bank, "update sessions set ended_at = now()");
        // One of these, so that it is the first request since.
        let post = |path: &str| bank.anna.post(path);
        let asked: [RequestBuilder; ASKED] = [
            bank.anna.claim(credits[0]),
            bank.anna.claim(credits[1]),
            bank.anna.claim(credits[1]).body("{"),
            bank.anna.claim(0),
            post("/transactions").json(&spend("11.00")),
            post("/transactions").json(&spend("0")),
            post("/transactions").json(&json!({"type": "spend"})),
            post("/transactions?dry_run=perhaps").json(&spend("1.00")),
            post("/transactions?dry_run=true").json(&spend("1.00")),
        ];
        let answer = send(asked.into_iter().nth(number).unwrap()).await;
        assert_eq!(problem(answer).await, is(401, "unauthenticated"), "request {number}");
        assert_eq!(bank.written(), written, "request {number}");
    }
}

#[actix_web::test]
async fn what_is_taken_from_a_known_key_bites_at_the_next_movement() {
    for (sql, status, code) in [
        ("update api_keys set may_read = true, may_write = false", 403, "forbidden"),
        ("update api_keys set expires_at = created_at + interval '1 microsecond'", 401, "unauthenticated"),
        ("delete from api_keys", 401, "unauthenticated"),
    ] {
        for claims_first in [false, true] {
            let bank = Bank::with_cash("10.00").await;
            let script = bank.anna.by_api_key(&json!({"name": "till", "scopes": ["write"]})).await;
            bites(&bank, &script, sql, claims_first, is(status, code)).await;
        }
    }
}

#[actix_web::test]
async fn a_role_is_lost_and_gained_at_the_next_movement() {
    let bank = Bank::with_cash("10.00").await;
    let gift = json!({"type": "bonus", "user": "ben", "asset_type": "CASH", "amount": "1.00"});
    is_known(&bank.anna).await;
    assert_eq!(refused(&bank.anna, &gift).await, is(403, "forbidden"));
    change(&bank, "update users set role = 'admin' where external_id = 'anna'");
    posted(&bank.anna, &gift).await;
    posted(&bank.anna, &gift).await;
    change(&bank, "update users set role = 'user' where external_id = 'anna'");
    assert_eq!(refused(&bank.anna, &gift).await, is(403, "forbidden"));
    assert_eq!(bank.cash().await, ["9.98", "2.00"]);
}

#[actix_web::test]
async fn of_many_who_ask_at_once_nobody_is_let_in_once_the_end_of_the_session_is_committed() {
    let bank = Bank::with_cash("1000.00").await;
    let taken = bank.admin.issue(1, "CASH", "1.00").await[0];
    assert_eq!(send(bank.ben.claim(taken)).await.status(), 201);
    is_known(&bank.anna).await;
    let (ended, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    // Some spend, some are refused from memory, some read.
    let askers = join_all((0..48).map(|asker| {
        let (ended, answered, anna) = (&ended, &answered, &bank.anna);
        async move {
            for _ in 0..500 {
                let was_ended = ended.load(Ordering::SeqCst);
                let (request, expected) = match asker % 3 {
                    0 => (anna.post("/transactions").json(&spend("0.01")), 201),
                    1 => (anna.claim(taken), 409),
                    _ => (anna.get("/me"), 200),
                };
                let status = send(request).await.status();
                if status != expected {
                    return assert_eq!(status, 401);
                }
                assert!(!was_ended, "{expected} after the end of the session");
                answered.fetch_add(1, Ordering::SeqCst);
            }
            panic!("the session did not end");
        }
    }));
    let end = async {
        while answered.load(Ordering::SeqCst) < 96 {
            tokio::task::yield_now().await;
        }
        let conninfo = bank.web.conninfo().to_owned();
        let end = move || {
            let mut conn = PgConnection::establish(&conninfo).unwrap();
            conn.batch_execute("update sessions set ended_at = now()").unwrap();
        };
        tokio::task::spawn_blocking(end).await.unwrap();
        ended.store(true, Ordering::SeqCst);
    };
    futures::join!(askers, end);
}
