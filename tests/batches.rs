//! Many movements in one request: all or none, or each on its own; and keys for all or for each.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use std::collections::BTreeSet;

use futures::future::join_all;
use reqwest::Response;
use serde_json::{Value, json};
use support::api::{Caller, text};
use support::bank::{Bank, ask, ask_under, fields_of, posted, problem_of, seen, spend, transfer, with};
use support::web::{is, problem, send};

fn batch(mode: &str, transactions: impl IntoIterator<Item = Value>) -> Value {
    json!({"mode": mode, "transactions": transactions.into_iter().collect::<Vec<_>>()})
}

async fn ask_all(caller: &Caller, body: &Value) -> Response {
    send(caller.post("/transactions/batch").json(body)).await
}

fn top_up(user: &str, amount: &str) -> Value {
    json!({"type": "top_up", "user": user, "asset_type": "CASH", "amount": amount})
}

fn by(user: &str, body: &Value) -> Value {
    with(body, &json!({"user": user}))
}

/// The outcomes of a batch that was answered with this status.
async fn outcomes(answer: Response, expected: u16) -> Vec<Value> {
    let status = answer.status();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(status, expected, "{answer}");
    let outcomes = answer["data"].as_array().unwrap().clone();
    for (index, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome["index"], index);
        assert_ne!(outcome.get("transaction").is_some(), outcome.get("problem").is_some(), "{outcome}");
    }
    outcomes
}

/// Status and code of each.
fn fates(outcomes: &[Value]) -> Vec<(u64, &str)> {
    let fate = |outcome: &Value| outcome["problem"]["code"].as_str().map(str::to_owned).unwrap_or_default();
    let known = [
        "",
        "insufficient_funds",
        "user_not_found",
        "malformed",
        "invalid",
        "idempotency_key_reused",
        "invalid_amount",
        "asset_type_not_found",
        "self_transfer",
        "asset_type_not_transferable",
        "wallet_frozen",
    ];
    outcomes
        .iter()
        .map(|outcome| {
            let code = known.into_iter().find(|code| *code == fate(outcome)).unwrap_or("another");
            (outcome["status"].as_u64().unwrap(), code)
        })
        .collect()
}

#[actix_web::test]
async fn an_atomic_batch_posts_all_in_their_order() {
    let bank = Bank::open().await;
    // Each but the first needs what those before it bring.
    let items = [
        with(&top_up("anna", "100"), &json!({"description": "At the till", "metadata": {"till": 7}})),
        by("anna", &transfer("ben", "100")),
        by("ben", &transfer("anna", "60")),
        by("ben", &spend("40")),
        json!({"type": "bonus", "user": "ben", "asset_type": "PTS", "amount": 3}),
        json!({"type": "adjustment", "user": "anna", "asset_type": "CASH", "amount": "10", "direction": "debit",
            "reason": "Counted wrongly"}),
        json!({"type": "top_up", "asset_type": "CASH", "amount": "1"}),
    ];
    let answer = ask_all(&bank.admin, &batch("atomic", items)).await;
    assert!(!answer.headers().contains_key("idempotent-replayed"));
    let outcomes = outcomes(answer, 201).await;
    assert!(fates(&outcomes).iter().all(|fate| *fate == (201, "")), "{outcomes:?}");
    let balances: Vec<String> = outcomes.iter().map(|outcome| text(&outcome["transaction"]["balance"])).collect();
    assert_eq!(balances, ["100.00", "0.00", "40.00", "0.00", "3", "50.00", "1.00"]);
    let users: Vec<String> = outcomes.iter().map(|outcome| text(&outcome["transaction"]["user"])).collect();
    assert_eq!(users, ["anna", "anna", "ben", "ben", "ben", "anna", "root"]);
    for outcome in &outcomes {
        let transaction = &outcome["transaction"];
        let shown = bank.admin.read(&format!("/transactions/{}", text(&transaction["id"]))).await;
        assert_eq!(shown, with(transaction, &json!({"balance": null})));
    }
    assert_eq!(bank.cash().await, ["50.00", "0.00"]);
    assert_eq!(bank.written()[..2], [7, 14]);
}

#[actix_web::test]
async fn of_an_atomic_batch_with_a_refusal_nothing_is_posted() {
    let bank = Bank::with_cash("10").await;
    let before = bank.written();
    let items = [
        top_up("ben", "5"),
        by("anna", &spend("11")),
        by("anna", &spend("10")),
        by("anna", &transfer("ben", "1")),
        by("ben", &transfer("ben", "1")),
    ];
    let problem = problem_of(ask_all(&bank.admin, &batch("atomic", items)).await, 409, "batch_refused").await;
    let named: Vec<_> = problem["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["index"].as_u64().unwrap(),
                text(&item["code"]),
                item["status"].as_u64().unwrap(),
                item["available"].clone(),
            )
        })
        .collect();
    let named_as = |index, code: &str, status, available: Value| (index, code.to_owned(), status, available);
    assert_eq!(
        named,
        [
            named_as(1, "insufficient_funds", 409, json!("10.00")),
            named_as(3, "insufficient_funds", 409, json!("0.00")),
            named_as(4, "self_transfer", 422, json!(null)),
        ]
    );
    assert!(problem["items"].as_array().unwrap().iter().all(|item| item["detail"].is_string()));
    assert!(problem["request_id"].is_string());
    assert_eq!(bank.written(), before);
    assert_eq!(bank.cash().await, ["10.00", "0.00"]);
}

/// Movements that cannot be asked for like that, and what each is refused with.
fn unsound() -> Vec<(Value, u64, &'static str)> {
    vec![
        (json!({}), 400, "malformed"),
        (json!(7), 400, "malformed"),
        (json!([]), 400, "malformed"),
        (with(&top_up("anna", "1"), &json!({"unknown": 1})), 400, "malformed"),
        (with(&top_up("anna", "1"), &json!({"idempotency_key": "a b"})), 400, "malformed"),
        (with(&top_up("anna", "1"), &json!({"type": "gift"})), 422, "invalid"),
        (with(&top_up("anna", "1"), &json!({"receiver": "ben"})), 422, "invalid"),
        (with(&top_up("anna", "1"), &json!({"metadata": {"a": "x".repeat(4_096)}})), 422, "invalid"),
        (top_up("anna", "0"), 422, "invalid_amount"),
        (top_up("anna", "0.001"), 422, "invalid_amount"),
        (top_up("unknown", "1"), 404, "user_not_found"),
        (by("anna", &transfer("unknown", "1")), 404, "user_not_found"),
        (with(&top_up("anna", "1"), &json!({"asset_type": "SILVER"})), 404, "asset_type_not_found"),
        (with(&top_up("anna", "1"), &json!({"asset_type": "silver"})), 404, "asset_type_not_found"),
        (by("anna", &transfer("me", "1000")), 409, "insufficient_funds"),
        (by("anna", &with(&transfer("ben", "1"), &json!({"asset_type": "GOLD"}))), 409, "asset_type_not_transferable"),
    ]
}

#[actix_web::test]
async fn what_cannot_be_read_spoils_an_atomic_batch_and_of_an_independent_one_itself_only() {
    let bank = Bank::with_cash("10").await;
    for (item, status, code) in unsound() {
        let before = bank.written();
        let items = || [top_up("ben", "1"), item.clone(), top_up("ben", "2")];
        let problem = problem_of(ask_all(&bank.admin, &batch("atomic", items())).await, 409, "batch_refused").await;
        let [named] = &problem["items"].as_array().unwrap()[..] else { panic!("{problem}") };
        assert_eq!((&named["index"], &named["status"], &named["code"]), (&json!(1), &json!(status), &json!(code)));
        assert_eq!(bank.written(), before, "{item}");

        let each = outcomes(ask_all(&bank.admin, &batch("independent", items())).await, 200).await;
        assert_eq!(fates(&each), [(201, ""), (status, code), (201, "")], "{item}");
        assert_eq!(bank.written()[0], before[0] + 2);
    }
    let all_bad =
        batch("independent", unsound().into_iter().filter(|(_, status, _)| *status == 400).map(|(item, ..)| item));
    let before = bank.written();
    let each = outcomes(ask_all(&bank.admin, &all_bad).await, 200).await;
    assert!(fates(&each).iter().all(|fate| *fate == (400, "malformed")), "{each:?}");
    assert_eq!(bank.written(), before);
}

#[actix_web::test]
async fn of_an_independent_batch_each_sees_what_those_before_it_did() {
    let bank = Bank::open().await;
    bank.freeze("ben");
    let items = [
        by("anna", &spend("5")),
        top_up("anna", "5"),
        by("anna", &spend("3")),
        by("anna", &spend("3")),
        by("anna", &transfer("ben", "2")),
        by("ben", &spend("1")),
        by("anna", &spend("0.01")),
    ];
    let each = outcomes(ask_all(&bank.admin, &batch("independent", items)).await, 200).await;
    let poor = (409, "insufficient_funds");
    let done = (201, "");
    assert_eq!(fates(&each), [poor, done, done, poor, done, (403, "wallet_frozen"), poor]);
    let available = |index: usize| each[index]["problem"]["available"].clone();
    assert_eq!([available(0), available(3), available(6)], [json!("0.00"), json!("2.00"), json!("0.00")]);
    assert_eq!(bank.cash().await, ["0.00", "2.00"]);
}

#[actix_web::test]
async fn a_batch_has_one_to_a_thousand_transactions_and_a_mode() {
    let bank = Bank::open().await;
    let item = |number: usize| {
        with(
            &top_up(if number.is_multiple_of(2) { "anna" } else { "ben" }, "1.25"),
            &json!({
                "description": format!("Cashback for the order {number:06} of last month, with our thanks for your loyalty"),
                "metadata": {"order": format!("ORDER-2026-{number:08}"), "shop": "Corner shop, 12 Long Street", "line": number,
                    "campaign": "festive-season-cashback", "paid": {"by": "card", "at": "2026-11-21T12:00:00Z"}},
                "idempotency_key": format!("payout-2026-11-{number:08}-a2f6c1d0"),
            }),
        )
    };
    let before = bank.written();
    for (body, fields) in [
        (batch("atomic", []), ["transactions"].as_slice()),
        (batch("independent", (0..1_001).map(|_| top_up("anna", "1"))), &["transactions"]),
        (batch("both", [top_up("anna", "1")]), &["mode"]),
        (batch("", []), &["mode", "transactions"]),
    ] {
        let problem = problem_of(ask_all(&bank.admin, &body).await, 422, "invalid").await;
        assert_eq!(fields_of(&problem), fields);
    }
    for body in [
        json!({}),
        json!({"mode": "atomic"}),
        json!({"transactions": []}),
        json!({"mode": "atomic", "transactions": {}}),
        with(&batch("atomic", [top_up("anna", "1")]), &json!({"dry_run": true})),
    ] {
        assert_eq!(problem(ask_all(&bank.admin, &body).await).await, is(400, "malformed"), "{body}");
    }
    let huge = batch("atomic", [with(&top_up("anna", "1"), &json!({"description": "x".repeat(1_100_000)}))]);
    assert_eq!(problem(ask_all(&bank.admin, &huge).await).await, is(413, "too_large"));
    assert_eq!(bank.written(), before);

    let body = batch("atomic", (0..1_000).map(item));
    assert!((300_000..1_000_000).contains(&body.to_string().len()), "{}", body.to_string().len());
    let all = outcomes(ask_all(&bank.admin, &body).await, 201).await;
    let balance = |index: usize| text(&all[index]["transaction"]["balance"]);
    assert_eq!((all.len(), balance(0), balance(999)), (1_000, "1.25".to_owned(), "625.00".to_owned()));
    assert_eq!(bank.written(), [1_000, 2_000, 0, 1_000, 3, 2_000]);
    let again = ask_all(&bank.admin, &body).await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    let again = outcomes(again, 201).await;
    assert_eq!(again, all);
    assert_eq!(bank.cash().await, ["625.00", "625.00"]);
}

#[actix_web::test]
async fn only_admins_send_batches() {
    let bank = Bank::with_cash("10").await;
    let before = bank.written();
    let plain = bank.admin.by_api_key(&json!({"name": "script", "scopes": ["read", "write"]})).await;
    for caller in [&bank.anna, &plain] {
        for body in [batch("independent", [spend("1")]), batch("atomic", []), json!({"unknown": 1})] {
            assert_eq!(problem(ask_all(caller, &body).await).await, is(403, "forbidden"));
        }
    }
    let nobody = bank.anna.by(String::new());
    assert_eq!(problem(ask_all(&nobody, &batch("atomic", [])).await).await, is(401, "unauthenticated"));
    assert_eq!(bank.written(), before);
}

#[actix_web::test]
async fn a_batch_under_one_key_is_repeated_without_harm() {
    for (mode, status) in [("atomic", 201), ("independent", 200)] {
        let bank = Bank::with_cash("10").await;
        let items = [top_up("ben", "1"), by("anna", &spend("2")), top_up("ben", "1")];
        let body = with(&batch(mode, items.clone()), &json!({"idempotency_key": "k"}));
        let first = ask_all(&bank.admin, &body).await;
        assert!(!first.headers().contains_key("idempotent-replayed"));
        let first = outcomes(first, status).await;
        let before = bank.written();
        let in_header = bank.admin.post("/transactions/batch").header("idempotency-key", "k");
        for again in [ask_all(&bank.admin, &body).await, send(in_header.json(&batch(mode, items.clone()))).await] {
            assert_eq!(again.headers()["idempotent-replayed"], "true");
            let again = outcomes(again, status).await;
            assert_eq!(again, first);
        }
        let other_mode = if mode == "atomic" { "independent" } else { "atomic" };
        for other in [
            batch(mode, items[..2].to_vec()),
            batch(other_mode, items.clone()),
            batch(mode, [items[1].clone(), items[0].clone(), items[2].clone()]),
            batch(mode, items.iter().chain(&items).cloned()),
        ] {
            let other = with(&other, &json!({"idempotency_key": "k"}));
            assert_eq!(problem(ask_all(&bank.admin, &other).await).await, is(422, "idempotency_key_reused"), "{other}");
        }
        let single = ask_under(&bank.admin, "k", &items[0]).await;
        assert_eq!(problem(single).await, is(422, "idempotency_key_reused"));
        assert_eq!((bank.written(), bank.cash().await), (before, ["8.00".to_owned(), "2.00".to_owned()]));
    }
}

#[actix_web::test]
async fn what_was_refused_is_posted_when_the_same_independent_batch_is_sent_later() {
    let bank = Bank::open().await;
    let items = [top_up("ben", "1"), by("anna", &spend("5")), top_up("unknown", "1"), top_up("ben", "2")];
    let body = with(&batch("independent", items), &json!({"idempotency_key": "k"}));
    let first = outcomes(ask_all(&bank.admin, &body).await, 200).await;
    let (poor, unknown) = ((409, "insufficient_funds"), (404, "user_not_found"));
    let done = (201, "");
    assert_eq!(fates(&first), [done, poor, unknown, done]);
    bank.top_up("anna", "CASH", "6").await;
    let answer = ask_all(&bank.admin, &body).await;
    assert!(!answer.headers().contains_key("idempotent-replayed"), "some of it is new");
    let second = outcomes(answer, 200).await;
    assert_eq!(fates(&second), [done, done, unknown, done]);
    assert_eq!(
        (&second[0]["transaction"], &second[3]["transaction"]),
        (&first[0]["transaction"], &first[3]["transaction"])
    );
    let third = ask_all(&bank.admin, &body).await;
    assert_eq!(third.headers()["idempotent-replayed"], "true", "what is refused once more is not new");
    assert_eq!(outcomes(third, 200).await, second);
    assert_eq!(bank.cash().await, ["1.00", "3.00"]);
}

#[actix_web::test]
async fn a_refused_atomic_batch_does_not_use_its_keys_up() {
    let bank = Bank::open().await;
    let items = || [with(&top_up("ben", "1"), &json!({"idempotency_key": "own"})), by("anna", &spend("5"))];
    let body = with(&batch("atomic", [top_up("ben", "1"), by("anna", &spend("5"))]), &json!({"idempotency_key": "k"}));
    for body in [&body, &batch("atomic", items())] {
        problem_of(ask_all(&bank.admin, body).await, 409, "batch_refused").await;
    }
    assert_eq!(bank.written()[3], 0);
    bank.top_up("anna", "CASH", "10").await;
    for body in [&body, &batch("atomic", items())] {
        assert_eq!(fates(&outcomes(ask_all(&bank.admin, body).await, 201).await), [(201, ""), (201, "")]);
    }
    assert_eq!(bank.cash().await, ["0.00", "2.00"]);
}

#[actix_web::test]
async fn the_key_of_an_item_means_the_same_on_its_own() {
    let bank = Bank::open().await;
    let keyed = |key: &str, amount: &str| with(&top_up("anna", amount), &json!({"idempotency_key": key}));
    let single = posted(&bank.admin, &keyed("a", "1")).await;
    let items = [keyed("a", "1"), keyed("b", "2"), keyed("b", "2"), top_up("anna", "4")];
    let answer = ask_all(&bank.admin, &batch("atomic", items.clone())).await;
    assert!(!answer.headers().contains_key("idempotent-replayed"));
    let all = outcomes(answer, 201).await;
    assert_eq!(fates(&all), [(201, ""), (201, ""), (201, ""), (201, "")]);
    assert_eq!((&all[0]["transaction"], &all[2]["transaction"]), (&single, &all[1]["transaction"]));
    let (status, replayed, body) = seen(ask(&bank.admin, &keyed("b", "2")).await).await;
    assert_eq!((status, replayed), (201, true));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), all[1]["transaction"]);
    let under_header = seen(ask_under(&bank.admin, "b", &top_up("anna", "2")).await).await;
    assert_eq!(under_header, (201, true, body));
    assert_eq!(bank.anna.balance("CASH").await, "7.00");

    let clash = [keyed("a", "9"), keyed("c", "1")];
    let each = outcomes(ask_all(&bank.admin, &batch("independent", clash.clone())).await, 200).await;
    assert_eq!(fates(&each), [(422, "idempotency_key_reused"), (201, "")]);
    let problem = problem_of(ask_all(&bank.admin, &batch("atomic", clash)).await, 409, "batch_refused").await;
    let named = &problem["items"][0];
    assert_eq!((&named["index"], &named["code"]), (&json!(0), &json!("idempotency_key_reused")));
    assert_eq!(bank.anna.balance("CASH").await, "8.00");
}

#[actix_web::test]
async fn a_batch_and_its_items_do_not_both_have_keys() {
    let bank = Bank::open().await;
    let items = [with(&top_up("anna", "1"), &json!({"idempotency_key": "own"})), top_up("anna", "2")];
    let both = |mode: &str| with(&batch(mode, items.clone()), &json!({"idempotency_key": "k"}));
    let problem = problem_of(ask_all(&bank.admin, &both("atomic")).await, 409, "batch_refused").await;
    assert_eq!((&problem["items"][0]["index"], &problem["items"][0]["code"]), (&json!(0), &json!("malformed")));
    assert_eq!(bank.written()[0], 0);
    let each = outcomes(ask_all(&bank.admin, &both("independent")).await, 200).await;
    assert_eq!(fates(&each), [(400, "malformed"), (201, "")]);
}

#[actix_web::test]
async fn sixteen_copies_of_a_batch_at_once_post_once() {
    for (mode, status) in [("atomic", 201), ("independent", 200)] {
        let bank = Bank::with_cash("10").await;
        let items = [top_up("ben", "1"), by("anna", &spend("10")), by("ben", &transfer("anna", "1"))];
        let body = with(&batch(mode, items), &json!({"idempotency_key": "k"}));
        let answers = join_all((0..16).map(|_| ask_all(&bank.admin, &body))).await;
        let firsts = answers.iter().filter(|answer| !answer.headers().contains_key("idempotent-replayed")).count();
        let mut told = BTreeSet::new();
        for answer in answers {
            let transactions =
                outcomes(answer, status).await.into_iter().map(|outcome| outcome["transaction"].to_string());
            told.insert(transactions.collect::<Vec<_>>());
        }
        assert_eq!((firsts, told.len()), (1, 1), "{mode}");
        assert_eq!((bank.written()[0], bank.cash().await), (4, ["1.00".to_owned(), "0.00".to_owned()]));
    }
}

#[actix_web::test]
async fn a_long_answer_is_compressed_and_a_short_one_is_not() {
    let bank = Bank::with_cash("10.00").await;
    for (count, coding) in [(1, None), (40, Some("gzip"))] {
        for (user, status) in [("anna", 201), ("nobody", 409)] {
            let body = batch("atomic", (0..count).map(|_| top_up(user, "1.00")));
            let request = bank.admin.post("/transactions/batch").header("accept-encoding", "gzip").json(&body);
            let answer = send(request).await;
            let told = answer.headers().get("content-encoding").map(|value| value.to_str().unwrap());
            assert_eq!((answer.status().as_u16(), told), (status, coding), "{count} for {user}");
        }
    }
}
