//! A dry run tells what would happen, to the last field, and writes nothing.

use reqwest::Response;
use serde_json::{Value, json};

use crate::support::api::Caller;
use crate::support::bank::{Bank, ask, posted, seen, spend, transfer, with};
use crate::support::web::{is, problem, send};

async fn look(caller: &Caller, body: &Value) -> Response {
    send(caller.post("/transactions?dry_run=true").json(body)).await
}

/// The answer of a dry run, which must not write anything.
async fn looked(bank: &Bank, caller: &Caller, body: &Value) -> Value {
    let before = bank.written();
    let answer = look(caller, body).await;
    let status = answer.status();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!((status.as_u16(), bank.written()), (200, before), "{body}: {answer}");
    assert_eq!(answer["dry_run"], true);
    assert!(answer.get("id").is_none(), "{answer}");
    assert!(answer["created_at"].is_string(), "{answer}");
    with(&answer, &json!({"dry_run": null, "created_at": null}))
}

/// Looks, then does it; whether both tell the same.
async fn tells_the_truth(bank: &Bank, caller: &Caller, body: &Value) {
    let told = looked(bank, caller, body).await;
    let done = with(&posted(caller, body).await, &json!({"id": null, "created_at": null}));
    assert_eq!(told, done, "{body}");
}

#[actix_web::test]
async fn of_every_kind_a_dry_run_tells_what_then_happens() {
    let bank = Bank::with_cash("100").await;
    bank.top_up("ben", "CASH", "10").await;
    let Bank { admin, anna, ben, .. } = &bank;
    let extras = json!({"description": "Für dich", "metadata": {"order": [1, {"n": 1.50}], "big": 1e2}});
    let of_anna = |kind: &str| json!({"type": kind, "user": "anna", "asset_type": "CASH", "amount": 12.5});
    let adjustment =
        |direction: &str| with(&of_anna("adjustment"), &json!({"direction": direction, "reason": "Counted wrongly"}));
    for body in [of_anna("top_up"), of_anna("bonus"), adjustment("credit"), adjustment("debit"), of_anna("spend")] {
        tells_the_truth(&bank, admin, &body).await;
        tells_the_truth(&bank, admin, &with(&body, &extras)).await;
    }
    tells_the_truth(&bank, anna, &with(&spend("1"), &extras)).await;
    tells_the_truth(&bank, anna, &with(&spend("1.1"), &json!({"minimum_balance": "2"}))).await;
    tells_the_truth(&bank, anna, &with(&transfer("ben", "3"), &extras)).await;
    tells_the_truth(&bank, admin, &with(&transfer("anna", "3"), &json!({"user": "ben"}))).await;
    tells_the_truth(&bank, ben, &transfer("anna", "9.99")).await;
}

#[actix_web::test]
async fn a_wallet_that_is_not_open_yet_has_no_number_in_a_dry_run() {
    let bank = Bank::open().await;
    let top_up = json!({"type": "top_up", "user": "anna", "asset_type": "CASH", "amount": "5"});
    let told = looked(&bank, &bank.admin, &top_up).await;
    let unopened =
        |amount: &str| json!({"wallet_id": null, "amount": amount, "balance_before": "0.00", "balance_after": amount});
    assert_eq!(told["entries"], json!([unopened("-5.00"), unopened("5.00")]));
    let done = posted(&bank.admin, &top_up).await;
    let but = json!({"entries": null, "id": null, "created_at": null});
    assert_eq!(with(&told, &but), with(&done, &but));
    assert!(done["entries"].as_array().unwrap().iter().all(|entry| entry["wallet_id"].is_i64()), "{done}");

    let told = looked(&bank, &bank.anna, &transfer("ben", "2")).await;
    let done = posted(&bank.anna, &transfer("ben", "2")).await;
    assert_eq!(told["entries"][0], done["entries"][0]);
    let but_number = |entry: &Value| with(entry, &json!({"wallet_id": null}));
    assert_eq!(but_number(&told["entries"][1]), but_number(&done["entries"][1]));
    assert_eq!(told["entries"][1]["wallet_id"], json!(null));
}

#[actix_web::test]
async fn a_dry_run_is_refused_with_the_same_words() {
    let bank = Bank::with_cash("10").await;
    bank.top_up("anna", "GOLD", "10").await;
    bank.top_up("anna", "SAFE", "10").await;
    bank.top_up("ben", "CASH", "10").await;
    bank.freeze("ben");
    let before = bank.written();
    let top_up = json!({"type": "top_up", "user": "anna", "asset_type": "CASH", "amount": "1"});
    let Bank { admin, anna, ben, .. } = &bank;
    let cases = [
        (anna, spend("10.01"), 409),
        (anna, with(&spend("6"), &json!({"asset_type": "SAFE"})), 409),
        (anna, with(&spend("6"), &json!({"minimum_balance": "5"})), 409),
        (anna, with(&spend("6"), &json!({"asset_type": "SILVER"})), 404),
        (anna, spend("0.001"), 422),
        (anna, spend("0"), 422),
        (anna, transfer("unknown", "1"), 404),
        (anna, transfer("anna", "1"), 422),
        (anna, with(&transfer("ben", "1"), &json!({"asset_type": "GOLD"})), 409),
        (anna, with(&spend("1"), &json!({"receiver": "ben"})), 422),
        (anna, with(&spend("1"), &json!({"unknown": 1})), 400),
        (anna, with(&spend("1"), &json!({"idempotency_key": "a b"})), 400),
        (anna, top_up.clone(), 403),
        (ben, spend("1"), 403),
        (admin, with(&top_up, &json!({"user": "unknown"})), 404),
        (admin, with(&top_up, &json!({"type": "gift"})), 422),
    ];
    for (caller, body, status) in cases {
        let problem = async |answer: Response| {
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            with(&answer.json().await.unwrap(), &json!({"request_id": null}))
        };
        let (told, refused) = (problem(look(caller, &body).await).await, problem(ask(caller, &body).await).await);
        assert_eq!((&told, &told["status"]), (&refused, &json!(status)), "{body}");
    }
    assert_eq!(bank.written(), before);
}

#[actix_web::test]
async fn a_dry_run_neither_uses_a_key_nor_minds_a_used_one() {
    let bank = Bank::with_cash("10").await;
    let body = with(&spend("4"), &json!({"idempotency_key": "k"}));
    for _ in 0..2 {
        assert_eq!(looked(&bank, &bank.anna, &body).await["balance"], "6.00");
    }
    assert_eq!(posted(&bank.anna, &body).await["balance"], "6.00");
    let told = look(&bank.anna, &body).await;
    assert!(!told.headers().contains_key("idempotent-replayed"));
    assert_eq!(told.json::<Value>().await.unwrap()["balance"], "2.00", "what would happen without the key");
    let (status, replayed, _) = seen(ask(&bank.anna, &body).await).await;
    assert_eq!((status, replayed, bank.anna.balance("CASH").await.as_str()), (201, true, "6.00"));
}

#[actix_web::test]
async fn whether_it_is_a_dry_run_is_said_by_true_or_false() {
    let bank = Bank::with_cash("10").await;
    let before = bank.written();
    for query in
        ["dry_run=x", "dry_run=", "dry_run", "dry_run=1", "dry_run=TRUE", "dry_run=true&dry_run=false", "dryrun=true"]
    {
        let answer = send(bank.anna.post(&format!("/transactions?{query}")).json(&spend("1"))).await;
        assert_eq!(problem(answer).await, is(400, "malformed"), "{query}");
    }
    assert_eq!(bank.written(), before);
    let answer = send(bank.anna.post("/transactions?dry_run=false").json(&spend("1"))).await;
    assert_eq!(answer.status(), 201);
    let answer: Value = answer.json().await.unwrap();
    assert!(answer.get("dry_run").is_none() && answer["id"].is_string(), "{answer}");
    assert_eq!(bank.anna.balance("CASH").await, "9.00");
}
