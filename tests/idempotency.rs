//! Keys that make repetitions harmless: of every movement, in the header or in the body.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use coffer::repo::keys;
use futures::future::join_all;
use reqwest::Response;
use serde_json::{Value, json};
use support::api::{Caller, id, text};
use support::bank::{Bank, ask, ask_under, posted, problem_of, refused, seen, spend, transfer, with};
use support::web::{is, problem, send};

/// Posts a body to a path as it is written.
async fn ask_raw(caller: &Caller, path: &str, key: &str, body: impl Into<String>) -> Response {
    let request = caller.post(path).header("content-type", "application/json").header("idempotency-key", key);
    send(request.body(body.into())).await
}

#[actix_web::test]
async fn a_repetition_gets_the_first_answer_to_the_last_byte_whatever_happened_since() {
    let bank = Bank::with_cash("100").await;
    let Bank { admin, anna, .. } = &bank;
    let of_anna = |kind: &str| json!({"type": kind, "user": "anna", "asset_type": "CASH", "amount": 12.5});
    let adjusted = json!({"direction": "debit", "reason": "Counted wrongly", "description": "By hand"});
    let requests = [
        (admin, with(&of_anna("top_up"), &json!({"metadata": {"b": 1, "a": {"é": [null, "😀"]}}}))),
        (admin, of_anna("bonus")),
        (admin, with(&of_anna("adjustment"), &adjusted)),
        (anna, spend("10")),
        (anna, with(&transfer("ben", "0.1"), &json!({"minimum_balance": "5"}))),
    ];
    let mut answers = Vec::new();
    for (number, (caller, body)) in requests.iter().enumerate() {
        let (status, replayed, answer) = seen(ask_under(caller, &number.to_string(), body).await).await;
        assert_eq!((status, replayed), (201, false), "{body}");
        answers.push(answer);
    }
    let before = bank.written();
    posted(anna, &spend("50")).await;
    bank.freeze("anna");
    for (number, (caller, body)) in requests.iter().enumerate() {
        for _ in 0..2 {
            let again = seen(ask_under(caller, &number.to_string(), body).await).await;
            assert_eq!(again, (201, true, answers[number].clone()), "{body}");
        }
    }
    let after = bank.written();
    assert_eq!((after[0], after[3]), (before[0] + 1, before[3]));
}

#[actix_web::test]
async fn metadata_comes_back_the_same_in_the_first_answer_in_its_repetition_and_later() {
    let bank = Bank::open().await;
    let metadata = [
        r#"{"n":1.50}"#,
        r#"{"n":1e2}"#,
        r#"{"n":[1E+2,1.50e1,1.5e3,12e-3,-0,-0.00,0e5,0e-5,-1.0E-2,100,0.10]}"#,
        r#"{"large":[1e400,1.7976931348623157e308,5E-324,123456789012345678901234567890.123456789]}"#,
        r#"{"z":1,"aa":{"b":[{"y":2.0,"x":{}}],"a":null},"é":"\u00e9\ud83d\ude00","Z":"\/\u0001"}"#,
        "{}",
    ];
    for (number, metadata) in metadata.iter().enumerate() {
        let body =
            format!(r#"{{"type":"top_up","user":"anna","asset_type":"CASH","amount":"1","metadata":{metadata}}}"#);
        let told = ask_raw(&bank.admin, "/transactions?dry_run=true", "unused", body.clone()).await;
        let told: Value = told.json().await.unwrap();
        let path = "/transactions";
        let (status, _, first) = seen(ask_raw(&bank.admin, path, &number.to_string(), body.clone()).await).await;
        assert_eq!(status, 201, "{first}");
        assert_eq!(
            seen(ask_raw(&bank.admin, path, &number.to_string(), body).await).await,
            (201, true, first.clone()),
            "{metadata}"
        );
        let first: Value = serde_json::from_str(&first).unwrap();
        let shown = bank.admin.read(&format!("/transactions/{}", text(&first["id"]))).await;
        assert_eq!((&shown["metadata"], &told["metadata"]), (&first["metadata"], &first["metadata"]), "{metadata}");
    }
}

#[actix_web::test]
async fn a_key_stands_in_the_header_or_in_the_body() {
    let bank = Bank::with_cash("100").await;
    let in_body = with(&spend("1"), &json!({"idempotency_key": "k"}));
    let first = seen(ask(&bank.anna, &in_body).await).await;
    assert_eq!((first.0, first.1), (201, false));
    for again in [
        ask(&bank.anna, &in_body).await,
        ask_under(&bank.anna, "k", &spend("1")).await,
        ask_under(&bank.anna, "k", &in_body).await,
    ] {
        assert_eq!(seen(again).await, (201, true, first.2.clone()));
    }
    let before = bank.written();
    assert_eq!(problem(ask_under(&bank.anna, "other", &in_body).await).await, is(400, "malformed"));
    for bad in ["", " ", "a b", "k\u{e9}", "\t", "k\n", "k\u{7f}", &"x".repeat(256)] {
        let body = with(&spend("1"), &json!({"idempotency_key": bad}));
        assert_eq!(refused(&bank.anna, &body).await, is(400, "malformed"), "{bad:?}");
    }
    for bad in [json!(7), json!(["k"]), json!({}), json!(true)] {
        let body = with(&spend("1"), &json!({"idempotency_key": bad}));
        assert_eq!(refused(&bank.anna, &body).await, is(400, "malformed"), "{bad}");
    }
    for bad in ["", "a b", &"x".repeat(256)] {
        let answer = ask_under(&bank.anna, bad, &spend("1")).await;
        assert_eq!(problem(answer).await, is(400, "malformed"), "{bad:?}");
    }
    let twice = bank.anna.post("/transactions").header("idempotency-key", "k").header("idempotency-key", "k");
    assert_eq!(problem(send(twice.json(&spend("1"))).await).await, is(400, "malformed"));
    assert_eq!(bank.written(), before);
    let every = (b'!'..=b'~').map(char::from).collect::<String>();
    for good in ["!", &every, &"x".repeat(255)] {
        let first = ask_under(&bank.anna, good, &spend("1")).await;
        assert_eq!(seen(first).await.0, 201, "{good}");
        let body = with(&spend("1"), &json!({"idempotency_key": good}));
        assert!(seen(ask(&bank.anna, &body).await).await.1, "{good}");
    }
}

#[actix_web::test]
async fn a_key_belongs_to_one_request() {
    let bank = Bank::with_cash("100").await;
    bank.top_up("ben", "CASH", "100").await;
    let credits = bank.admin.issue(1, "CASH", "1").await;
    let first = text(&posted(&bank.anna, &with(&spend("1"), &json!({"idempotency_key": "k"}))).await["id"]);
    let before = bank.written();
    for other in [
        spend("2"),
        json!({"type": "spend", "asset_type": "CASH", "amount": 1}),
        spend("1.00"),
        with(&spend("1"), &json!({"asset_type": "PTS"})),
        with(&spend("1"), &json!({"description": "Tea"})),
        with(&spend("1"), &json!({"metadata": {}})),
        with(&spend("1"), &json!({"user": "anna"})),
        with(&spend("1"), &json!({"minimum_balance": "0"})),
        transfer("ben", "1"),
        spend("1000"),
    ] {
        let answer = ask_under(&bank.anna, "k", &other).await;
        assert_eq!(problem(answer).await, is(422, "idempotency_key_reused"), "{other}");
    }
    let claim = bank.anna.claim(credits[0]).header("idempotency-key", "k");
    assert_eq!(problem(send(claim).await).await, is(422, "idempotency_key_reused"));
    assert_eq!(bank.written(), before);
    // The same fields in another order and with other blanks are the same request.
    let other_order = r#" { "amount" : "\u0031", "type":"spend" , "asset_type":"CASH" }"#;
    assert!(seen(ask_raw(&bank.anna, "/transactions", "k", other_order).await).await.1);
    // Of somebody else it is another key.
    let theirs = ask_under(&bank.ben, "k", &spend("1")).await;
    let (status, replayed, body) = seen(theirs).await;
    assert_eq!((status, replayed), (201, false));
    assert_ne!(text(&serde_json::from_str::<Value>(&body).unwrap()["id"]), first);
    let reverse = bank.admin.post(&format!("/transactions/{first}/reverse")).json(&json!({"reason": "Wrong"}));
    let (status, replayed, _) = seen(send(reverse.header("idempotency-key", "k")).await).await;
    assert_eq!((status, replayed), (201, false));
    let top_up = json!({"type": "top_up", "user": "anna", "asset_type": "CASH", "amount": "1"});
    let answer = ask_under(&bank.admin, "k", &top_up).await;
    assert_eq!(problem(answer).await, is(422, "idempotency_key_reused"), "another path");
}

#[actix_web::test]
async fn thirty_two_copies_at_once_move_value_once_and_all_are_told_the_same() {
    let bank = Bank::with_cash("100").await;
    let Bank { admin, anna, .. } = &bank;
    let top_up = json!({"type": "top_up", "user": "ben", "asset_type": "CASH", "amount": "1", "metadata": {"n": 1e2}});
    for (number, (caller, body)) in
        [(anna, spend("60")), (anna, transfer("ben", "40")), (admin, top_up)].iter().enumerate()
    {
        let before = bank.written();
        let key = number.to_string();
        let answers = join_all((0..32).map(|_| ask_under(caller, &key, body))).await;
        let answers = join_all(answers.into_iter().map(seen)).await;
        let bodies: BTreeSet<&String> = answers.iter().map(|(_, _, body)| body).collect();
        assert!(answers.iter().all(|(status, _, _)| *status == 201), "{answers:?}");
        assert_eq!((bodies.len(), answers.iter().filter(|(_, replayed, _)| !replayed).count()), (1, 1));
        let after = bank.written();
        assert_eq!((after[0], after[1], after[3]), (before[0] + 1, before[1] + 2, before[3] + 1));
    }
    assert_eq!(bank.cash().await, ["0.00", "41.00"]);
}

#[actix_web::test]
async fn of_many_requests_that_want_one_key_at_once_one_has_it() {
    let bank = Bank::with_cash("1000").await;
    let bodies: Vec<Value> = (1..=16).map(|amount| spend(&amount.to_string())).collect();
    let answers = join_all(bodies.iter().map(|body| ask_under(&bank.anna, "k", body))).await;
    let mut posted = 0;
    for answer in answers {
        match answer.status().as_u16() {
            201 => posted += 1,
            _ => assert_eq!(problem(answer).await, is(422, "idempotency_key_reused")),
        }
    }
    assert_eq!((posted, bank.written()[3]), (1, 1));
}

#[actix_web::test]
async fn a_refusal_that_depends_on_the_state_is_not_remembered() {
    let bank = Bank::with_cash("10").await;
    let before = bank.written();
    for _ in 0..2 {
        let answer = ask_under(&bank.anna, "k", &spend("15")).await;
        assert_eq!(problem_of(answer, 409, "insufficient_funds").await["available"], "10.00");
    }
    assert_eq!(bank.written(), before);
    bank.top_up("anna", "CASH", "10").await;
    let (status, replayed, first) = seen(ask_under(&bank.anna, "k", &spend("15")).await).await;
    assert_eq!((status, replayed, bank.anna.balance("CASH").await.as_str()), (201, false, "5.00"));
    // Which would be refused now, were it another one.
    assert_eq!(seen(ask_under(&bank.anna, "k", &spend("15")).await).await, (201, true, first));
    for (caller, body, status, code) in [
        (&bank.anna, transfer("nobody-yet", "1"), 404, "user_not_found"),
        (&bank.anna, spend("0.001"), 422, "invalid_amount"),
        (&bank.anna, with(&spend("1"), &json!({"reason": "Why"})), 422, "invalid"),
    ] {
        assert_eq!(problem(ask_under(caller, "free", &body).await).await, is(status, code));
    }
    let (status, replayed, _) = seen(ask_under(&bank.anna, "free", &spend("1")).await).await;
    assert_eq!((status, replayed), (201, false), "a refused request does not use its key up");
}

#[actix_web::test]
async fn a_claim_of_what_one_owns_already_is_remembered_too() {
    let bank = Bank::open().await;
    let made = bank.admin.create(&support::api::credit(2, "CASH", "5")).await;
    let credits: Vec<i64> = made.iter().map(id).collect();
    assert_eq!(send(bank.anna.claim(credits[0])).await.status(), 201);
    let keyed = |credit: i64| bank.anna.claim(credit).header("idempotency-key", "k");
    let (status, replayed, first) = seen(send(keyed(credits[0])).await).await;
    assert_eq!((status, replayed), (200, false));
    assert_eq!(serde_json::from_str::<Value>(&first).unwrap()["balance"], "5.00");
    bank.top_up("anna", "CASH", "7").await;
    assert_eq!(seen(send(keyed(credits[0])).await).await, (200, true, first.clone()), "with the balance of then");
    assert_eq!(problem(send(keyed(credits[1])).await).await, is(422, "idempotency_key_reused"));
    assert_eq!(problem(ask_under(&bank.anna, "k", &spend("1")).await).await, is(422, "idempotency_key_reused"));
    let by_code = bank.anna.post("/claims").header("idempotency-key", "c");
    let code = made[0]["code"].clone();
    let (status, replayed, body) = seen(send(by_code.json(&json!({"code": code}))).await).await;
    assert_eq!(
        (status, replayed, serde_json::from_str::<Value>(&body).unwrap()["balance"].clone()),
        (200, false, json!("12.00"))
    );
    assert_eq!(bank.written()[2], 1);
}

#[actix_web::test]
async fn a_key_lives_for_a_day_and_not_much_longer() {
    let bank = Bank::with_cash("100").await;
    let first = seen(ask_under(&bank.anna, "k", &spend("10")).await).await;
    assert_eq!((first.0, first.1), (201, false));
    let day = TimeDelta::hours(24).num_seconds();
    // As the job does from time to time.
    let forget = |seconds: i64| {
        let now = Utc::now() + TimeDelta::seconds(seconds);
        bank.web.db.run_here(|conn| keys::forget_old(conn, now, 100)).unwrap();
        bank.written()[3]
    };
    assert_eq!(forget(day - 60), 1);
    bank.web.wait_seconds(day - 60);
    let caller = Caller::sign_in(&reqwest::Client::new(), &bank.web.url(""), "anna", support::web::PASSWORD).await;
    assert_eq!(seen(ask_under(&caller, "k", &spend("10")).await).await, (201, true, first.2.clone()));
    bank.web.wait_seconds(120);
    assert_eq!(forget(day + 60), 0);
    let late = seen(ask_under(&caller, "k", &spend("10")).await).await;
    assert_eq!((late.0, late.1), (201, false), "a new request by now");
    assert_ne!(late.2, first.2);
    assert_eq!(caller.balance("CASH").await, "80.00");
}

#[actix_web::test]
async fn a_key_of_which_some_was_posted_later_lives_as_long_as_the_last() {
    let bank = Bank::with_cash("1").await;
    let batch = json!({"mode": "independent", "transactions": [
        with(&spend("1"), &json!({"user": "anna"})),
        with(&spend("10"), &json!({"user": "anna"})),
    ]});
    let send_batch = async |admin: &Caller| {
        let answer = send(admin.post("/transactions/batch").header("idempotency-key", "k").json(&batch)).await;
        let body: Value = answer.json().await.unwrap();
        [0, 1].map(|place| {
            (body["data"][place]["status"].as_i64().unwrap(), body["data"][place]["transaction"]["id"].clone())
        })
    };
    let forget = |hours: i64| {
        let now = Utc::now() + TimeDelta::hours(hours);
        bank.web.db.run_here(|conn| keys::forget_old(conn, now, 1)).unwrap()
    };
    let [first, second] = send_batch(&bank.admin).await;
    assert_eq!((first.0, second.0), (201, 409));
    bank.web.wait_seconds(TimeDelta::hours(23).num_seconds());
    let admin = Caller::sign_in(&reqwest::Client::new(), &bank.web.url(""), "root", support::web::PASSWORD).await;
    posted(&admin, &json!({"type": "top_up", "user": "anna", "asset_type": "CASH", "amount": "10"})).await;
    let [again, second] = send_batch(&admin).await;
    assert_eq!((again, second.0), (first.clone(), 201));
    bank.web.wait_seconds(TimeDelta::hours(2).num_seconds());
    assert_eq!(forget(25), 0);
    let admin = Caller::sign_in(&reqwest::Client::new(), &bank.web.url(""), "root", support::web::PASSWORD).await;
    assert_eq!(send_batch(&admin).await, [first, second]);
    bank.web.wait_seconds(TimeDelta::hours(23).num_seconds());
    assert_eq!((forget(48), forget(48)), (3, 0), "the batch and both items, although it was asked for one");
}
