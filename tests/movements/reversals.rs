//! A reversal takes a transaction back, once.

use futures::future::join_all;
use reqwest::Response;
use serde_json::{Value, json};

use crate::support::api::{Caller, text};
use crate::support::bank::{Bank, fields_of, posted, problem_of, seen, spend, transfer, with};
use crate::support::web::{is, problem, send};

async fn take_back(caller: &Caller, transaction: &Value) -> Response {
    let path = format!("/transactions/{}/reverse", text(&transaction["id"]));
    send(caller.post(&path).json(&json!({"reason": "Booked twice"}))).await
}

/// The reversal of a transaction, which must succeed.
async fn taken_back(bank: &Bank, transaction: &Value) -> Value {
    let answer = take_back(&bank.admin, transaction).await;
    let status = answer.status();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(status, 201, "{answer}");
    answer
}

/// Looks whether a reversal is the opposite of its original, about the same user.
async fn is_the_opposite(bank: &Bank, reversal: &Value, original: &Value) {
    assert_eq!((&reversal["type"], &reversal["reverses"]), (&json!("reversal"), &original["id"]));
    assert_eq!((&reversal["reason"], &reversal["metadata"]), (&json!("Booked twice"), &json!({})));
    for field in ["user", "counterparty", "asset_type", "amount"] {
        assert_eq!(reversal[field], original[field], "{field}");
    }
    for (one, other) in [(0, 1), (1, 0)] {
        let (line, opposite) = (&reversal["entries"][one], &original["entries"][other]);
        assert_eq!(
            (&line["wallet_id"], &line["amount"].as_str().map(|text| text.starts_with('-'))),
            (&opposite["wallet_id"], &Some(one == 0))
        );
        assert_eq!(text(&line["amount"]).trim_start_matches('-'), text(&original["amount"]));
    }
    let shown = bank.admin.read(&format!("/transactions/{}", text(&reversal["id"]))).await;
    assert_eq!(shown, with(reversal, &json!({"balance": null})));
}

#[actix_web::test]
async fn every_kind_of_transaction_can_be_taken_back() {
    let bank = Bank::with_cash("100").await;
    let Bank { admin, anna, .. } = &bank;
    let of_anna = |kind: &str| json!({"type": kind, "user": "anna", "asset_type": "CASH", "amount": "7.5"});
    let adjustment =
        |direction: &str| with(&of_anna("adjustment"), &json!({"direction": direction, "reason": "Counted wrongly"}));
    for (caller, body) in [
        (admin, with(&of_anna("top_up"), &json!({"description": "At the till", "metadata": {"till": 7}}))),
        (admin, of_anna("bonus")),
        (admin, adjustment("credit")),
        (admin, adjustment("debit")),
        (anna, spend("100")),
        (anna, with(&transfer("ben", "30"), &json!({"description": "Lunch"}))),
    ] {
        let original = posted(caller, &body).await;
        let reversal = taken_back(&bank, &original).await;
        is_the_opposite(&bank, &reversal, &original).await;
        assert_eq!(reversal["balance"], "100.00", "{body}");
        let description = text(&original["description"]);
        let told = if description.is_empty() { "Reversal".to_owned() } else { format!("Reversal: {description}") };
        assert_eq!(text(&reversal["description"]), told);
        assert_eq!(bank.cash().await, ["100.00", "0.00"], "{body}");
    }
    let credit = admin.issue(1, "CASH", "5").await[0];
    let claim: Value = send(anna.claim(credit)).await.json().await.unwrap();
    let original = admin.read(&format!("/transactions/{}", text(&claim["claim"]["transaction_id"]))).await;
    let reversal = taken_back(&bank, &original).await;
    is_the_opposite(&bank, &reversal, &original).await;
    assert_eq!((&reversal["asset_id"], &reversal["balance"]), (&json!(null), &json!("100.00")));
    assert_eq!(admin.read(&format!("/assets/{credit}")).await["status"], "claimed", "it is not on offer again");
    assert_eq!(send(anna.claim(credit)).await.status(), 200);
    assert_eq!(anna.balance("CASH").await, "100.00");
}

#[actix_web::test]
async fn the_users_of_a_reversed_transfer_see_it_as_theirs() {
    let bank = Bank::with_cash("50").await;
    let original = posted(&bank.anna, &transfer("ben", "20")).await;
    let reversal = taken_back(&bank, &original).await;
    assert_eq!((&reversal["user"], &reversal["counterparty"]), (&json!("anna"), &json!("ben")));
    assert_eq!(
        reversal["entries"].as_array().unwrap().iter().map(|entry| text(&entry["balance_after"])).collect::<Vec<_>>(),
        ["0.00", "50.00"]
    );
    for (caller, own) in [(&bank.anna, 1), (&bank.ben, 0)] {
        let shown = caller.read(&format!("/transactions/{}", text(&reversal["id"]))).await;
        assert_eq!((&shown["user"], &shown["counterparty"]), (&json!("anna"), &json!("ben")));
        assert!(shown.get("reason").is_none(), "{shown}");
        assert_eq!(shown["entries"][own]["balance_after"], reversal["entries"][own]["balance_after"]);
        assert_eq!(shown["entries"][1 - own]["balance_after"], json!(null));
    }
}

#[actix_web::test]
async fn a_transaction_is_taken_back_once() {
    let bank = Bank::with_cash("50").await;
    let original = posted(&bank.anna, &spend("20")).await;
    let answers = join_all((0..32).map(|_| take_back(&bank.admin, &original))).await;
    let mut reversals = 0;
    for answer in answers {
        match answer.status().as_u16() {
            201 => reversals += 1,
            _ => assert_eq!(problem(answer).await, is(409, "already_reversed")),
        }
    }
    assert_eq!((reversals, bank.anna.balance("CASH").await.as_str()), (1, "50.00"));
    let before = bank.written();
    assert_eq!(problem(take_back(&bank.admin, &original).await).await, is(409, "already_reversed"));
    assert_eq!(bank.written(), before);
}

#[actix_web::test]
async fn a_reversal_can_be_taken_back_in_its_turn() {
    let bank = Bank::with_cash("50").await;
    let original = posted(&bank.anna, &spend("20")).await;
    let reversal = taken_back(&bank, &original).await;
    let second = taken_back(&bank, &reversal).await;
    assert_eq!((&second["reverses"], &second["balance"]), (&reversal["id"], &json!("30.00")));
    for transaction in [&original, &reversal] {
        assert_eq!(problem(take_back(&bank.admin, transaction).await).await, is(409, "already_reversed"));
    }
}

#[actix_web::test]
async fn what_has_been_spent_since_cannot_be_taken_back() {
    let bank = Bank::open().await;
    let top_up = bank.top_up("anna", "SAFE", "100").await;
    let gift = posted(&bank.anna, &with(&transfer("ben", "60"), &json!({"asset_type": "SAFE"}))).await;
    posted(&bank.ben, &with(&spend("55"), &json!({"asset_type": "SAFE"}))).await;
    let before = bank.written();
    let problem = problem_of(take_back(&bank.admin, &top_up).await, 409, "insufficient_funds").await;
    assert_eq!(problem["available"], "35.00", "40 less the floor");
    let problem = problem_of(take_back(&bank.admin, &gift).await, 409, "insufficient_funds").await;
    assert_eq!(problem["available"], "0.00");
    assert_eq!(bank.written(), before);
    bank.top_up("ben", "SAFE", "60").await;
    bank.freeze("ben");
    assert_eq!(taken_back(&bank, &gift).await["balance"], "100.00", "also from a frozen user");
}

#[actix_web::test]
async fn only_an_admin_takes_back_and_says_why() {
    let bank = Bank::with_cash("50").await;
    let original = posted(&bank.anna, &spend("20")).await;
    let before = bank.written();
    let unknown = json!({"id": "0192f0c1-2b3c-7def-8123-456789abcdef"});
    for transaction in [&original, &unknown, &json!({"id": "x"})] {
        for caller in
            [&bank.anna, &bank.ben, &bank.admin.by_api_key(&json!({"name": "k", "scopes": ["read", "write"]})).await]
        {
            assert_eq!(problem(take_back(caller, transaction).await).await, is(403, "forbidden"));
        }
        assert_eq!(
            problem(take_back(&bank.anna.by(String::new()), transaction).await).await,
            is(401, "unauthenticated")
        );
    }
    let number = text(&original["id"]);
    for id in ["0192f0c1-2b3c-7def-8123-456789abcdef", "x", "1", "%00", &number.replace('-', ""), &number[1..]] {
        assert_eq!(problem(take_back(&bank.admin, &json!({"id": id})).await).await, is(404, "not_found"), "{id}");
    }
    let path = format!("/transactions/{number}/reverse");
    for reason in ["", "  ", "\n", &"x".repeat(501)] {
        let answer = send(bank.admin.post(&path).json(&json!({"reason": reason}))).await;
        assert_eq!(fields_of(&problem_of(answer, 422, "invalid").await), ["reason"]);
    }
    for body in [json!({}), json!({"reason": null}), json!({"reason": 7}), json!({"reason": "Why", "amount": "1"})] {
        assert_eq!(problem(send(bank.admin.post(&path).json(&body)).await).await, is(400, "malformed"), "{body}");
    }
    assert_eq!(problem(send(bank.admin.post(&path)).await).await, is(400, "malformed"));
    assert_eq!(bank.written(), before);
    let longest = "é".repeat(500);
    let answer = send(bank.admin.post(&path).json(&json!({"reason": longest}))).await;
    assert_eq!(answer.json::<Value>().await.unwrap()["reason"], json!(longest));
}

#[actix_web::test]
async fn under_a_key_a_reversal_is_repeated_without_harm() {
    let bank = Bank::with_cash("50").await;
    let (one, other) = (posted(&bank.anna, &transfer("ben", "20")).await, posted(&bank.anna, &spend("5")).await);
    let under_key = |transaction: &Value| {
        let path = format!("/transactions/{}/reverse", text(&transaction["id"]));
        send(bank.admin.post(&path).header("idempotency-key", "k").json(&json!({"reason": "Booked twice"})))
    };
    let answers = join_all(join_all((0..32).map(|_| under_key(&one))).await.into_iter().map(seen)).await;
    let first = answers.iter().filter(|(_, replayed, _)| !replayed).count();
    assert!(answers.iter().all(|(status, _, body)| *status == 201 && *body == answers[0].2), "{answers:?}");
    assert_eq!(first, 1);
    posted(&bank.anna, &spend("1")).await;
    assert_eq!(seen(under_key(&one).await).await, (201, true, answers[0].2.clone()));
    assert_eq!(problem(under_key(&other).await).await, is(422, "idempotency_key_reused"));
    assert_eq!(bank.cash().await, ["44.00", "0.00"]);
}
