//! What the business refuses: too little, too much, the wrong unit, the wrong people.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::api::text;
use crate::support::bank::{Bank, ask, posted, problem_of, refused, spend, transfer, with};
use crate::support::web::{is, problem, send};

/// What could be taken, by the refusal of a movement.
async fn available(bank: &Bank, body: &Value) -> String {
    let caller = if body["type"] == "adjustment" { &bank.admin } else { &bank.anna };
    let before = bank.written();
    let problem = problem_of(ask(caller, body).await, 409, "insufficient_funds").await;
    assert_eq!(bank.written(), before, "{body}");
    text(&problem["available"])
}

#[actix_web::test]
async fn a_wallet_gives_what_it_holds_and_no_more() {
    let bank = Bank::with_cash("10").await;
    assert_eq!(available(&bank, &spend("10.01")).await, "10.00");
    assert_eq!(available(&bank, &transfer("ben", "10.01")).await, "10.00");
    assert_eq!(posted(&bank.anna, &spend("10")).await["balance"], "0.00");
    assert_eq!(available(&bank, &spend("0.01")).await, "0.00");
    let unopened = json!({"type": "spend", "asset_type": "PTS", "amount": "1"});
    assert_eq!(available(&bank, &unopened).await, "0");
    assert_eq!(bank.anna.balance("PTS").await, "0");
}

#[actix_web::test]
async fn no_debit_goes_under_the_floor_of_the_asset_type() {
    let bank = Bank::open().await;
    bank.top_up("anna", "SAFE", "20").await;
    let safe = |body: Value| with(&body, &json!({"asset_type": "SAFE"}));
    let debit = json!({
        "type": "adjustment", "user": "anna", "asset_type": "SAFE", "amount": "15.01", "direction": "debit",
        "reason": "Counted wrongly",
    });
    for body in [safe(spend("15.01")), safe(transfer("ben", "20")), debit] {
        assert_eq!(available(&bank, &body).await, "15.00", "{body}");
    }
    // One that is asked for cannot be softer.
    let softer = with(&safe(spend("15.01")), &json!({"minimum_balance": "1"}));
    assert_eq!(available(&bank, &softer).await, "15.00");
    assert_eq!(posted(&bank.anna, &safe(spend("15"))).await["balance"], "5.00", "the floor itself may be reached");
    assert_eq!(available(&bank, &safe(spend("0.01"))).await, "0.00");
    // Below the floor nothing can be taken, and credits come in all the same.
    assert_eq!(bank.top_up("ben", "SAFE", "3").await["balance"], "3.00");
    let of_ben = with(&safe(spend("1")), &json!({"user": "ben"}));
    let problem = problem_of(ask(&bank.admin, &of_ben).await, 409, "insufficient_funds").await;
    assert_eq!(problem["available"], "0.00");
}

#[actix_web::test]
async fn a_request_may_ask_for_a_stricter_floor() {
    let bank = Bank::with_cash("100").await;
    for (body, most) in [
        (with(&spend("60.01"), &json!({"minimum_balance": "40"})), "60.00"),
        (with(&spend("100"), &json!({"minimum_balance": 0.01})), "99.99"),
        (with(&transfer("ben", "1"), &json!({"minimum_balance": "99.5"})), "0.50"),
        (with(&transfer("ben", "1"), &json!({"minimum_balance": "100.00"})), "0.00"),
        (with(&spend("1"), &json!({"minimum_balance": "1000000000000"})), "0.00"),
    ] {
        assert_eq!(available(&bank, &body).await, most, "{body}");
    }
    let finer = with(&spend("1"), &json!({"minimum_balance": "1.001"}));
    assert_eq!(refused(&bank.anna, &finer).await, is(422, "invalid_amount"));
    for (body, left) in [
        (with(&spend("60"), &json!({"minimum_balance": "40"})), "40.00"),
        (with(&transfer("ben", "30"), &json!({"minimum_balance": 10})), "10.00"),
        (with(&spend("10"), &json!({"minimum_balance": "0"})), "0.00"),
    ] {
        assert_eq!(posted(&bank.anna, &body).await["balance"], left, "{body}");
    }
}

#[actix_web::test]
async fn a_frozen_user_receives_and_does_not_give() {
    let bank = Bank::with_cash("10").await;
    bank.top_up("ben", "CASH", "10").await;
    let credit = bank.admin.issue(1, "CASH", "1").await[0];
    bank.freeze("anna");
    let before = bank.written();
    for body in [spend("1"), transfer("ben", "1"), spend("1000")] {
        assert_eq!(refused(&bank.anna, &body).await, is(403, "wallet_frozen"), "{body}");
        let by_admin = with(&body, &json!({"user": "anna"}));
        assert_eq!(refused(&bank.admin, &by_admin).await, is(403, "wallet_frozen"), "{body}");
    }
    assert_eq!(problem_of(send(bank.anna.claim(credit)).await, 403, "wallet_frozen").await["status"], 403);
    assert_eq!(bank.written(), before);

    assert_eq!(posted(&bank.ben, &transfer("anna", "4")).await["balance"], "6.00");
    assert_eq!(bank.top_up("anna", "CASH", "1").await["balance"], "15.00");
    let adjustment = json!({
        "type": "adjustment", "user": "anna", "asset_type": "CASH", "amount": "5", "direction": "debit",
        "reason": "Taken back",
    });
    assert_eq!(posted(&bank.admin, &adjustment).await["balance"], "10.00");
}

#[actix_web::test]
async fn who_or_what_is_not_there_is_said_by_its_code() {
    let bank = Bank::with_cash("10").await;
    bank.top_up("anna", "GOLD", "10").await;
    let before = bank.written();
    let unit = |asset_type: &str| json!({"asset_type": asset_type});
    for asset_type in ["SILVER", "cash", "", "CASH ", "X".repeat(300).as_str(), "💰"] {
        for body in [spend("1"), transfer("ben", "1")] {
            let body = with(&body, &unit(asset_type));
            assert_eq!(refused(&bank.anna, &body).await, is(404, "asset_type_not_found"), "{body}");
        }
    }
    for receiver in ["unknown", "treasury", "", "Ben", "ben ", "x", "1", "💰"] {
        assert_eq!(refused(&bank.anna, &transfer(receiver, "1")).await, is(404, "user_not_found"), "{receiver}");
        let top_up = json!({"type": "top_up", "user": receiver, "asset_type": "CASH", "amount": "1"});
        assert_eq!(refused(&bank.admin, &top_up).await, is(404, "user_not_found"), "{receiver}");
    }
    for receiver in ["me", "anna"] {
        assert_eq!(refused(&bank.anna, &transfer(receiver, "1")).await, is(422, "self_transfer"));
        let by_admin = with(&transfer("anna", "1"), &json!({"user": "anna"}));
        assert_eq!(refused(&bank.admin, &by_admin).await, is(422, "self_transfer"));
    }
    let gold = with(&transfer("ben", "1"), &unit("GOLD"));
    assert_eq!(refused(&bank.anna, &gold).await, is(409, "asset_type_not_transferable"));
    let by_admin = with(&gold, &json!({"user": "anna"}));
    assert_eq!(refused(&bank.admin, &by_admin).await, is(409, "asset_type_not_transferable"));
    assert_eq!(bank.written(), before);
}

#[actix_web::test]
async fn no_wallet_passes_its_limit() {
    let bank = Bank::with_cash("1").await;
    let most = json!({"type": "top_up", "user": "ben", "asset_type": "CASH", "amount": "1000000000000"});
    let batch = json!({"mode": "atomic", "transactions": vec![&most; 1_000]});
    let answer = send(bank.admin.post("/transactions/batch").json(&batch)).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(bank.ben.balance("CASH").await, "1000000000000000.00");
    let before = bank.written();
    assert_eq!(refused(&bank.admin, &with(&most, &json!({"amount": "0.01"}))).await, is(409, "balance_limit"));
    assert_eq!(refused(&bank.anna, &transfer("ben", "0.01")).await, is(409, "balance_limit"));
    assert_eq!(bank.written(), before);
    assert_eq!(posted(&bank.ben, &transfer("anna", "0.01")).await["balance"], "999999999999999.99");
}

#[actix_web::test]
async fn a_user_who_tries_many_names_has_to_wait_and_learns_of_nobody() {
    let bank = Bank::with_cash("10").await;
    let before = bank.written();
    for tries in 0..30 {
        let body = transfer(&format!("somebody{tries}"), "1");
        let asked =
            if tries % 2 == 0 { bank.anna.post("/transactions") } else { bank.anna.post("/transactions?dry_run=true") };
        assert_eq!(problem(send(asked.json(&body)).await).await, is(404, "user_not_found"), "{tries}");
    }
    for path in ["/transactions", "/transactions?dry_run=true"] {
        for receiver in ["somebody", "ben"] {
            let answer = send(bank.anna.post(path).json(&transfer(receiver, "1"))).await;
            assert!(answer.headers().contains_key("retry-after"));
            assert_eq!(problem(answer).await, is(429, "rate_limited"), "{receiver}");
        }
    }
    let bodies: Vec<_> = (0..100).map(|tries| transfer(&format!("crowd{tries}"), "1")).collect();
    let answers = join_all(bodies.iter().map(|body| ask(&bank.ben, body))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    let not_found = statuses.iter().filter(|status| **status == 404).count();
    assert!((1..=33).contains(&not_found), "many at once find out no more: {statuses:?}");
    assert!(statuses.iter().all(|status| [404, 429].contains(status)), "{statuses:?}");
    assert_eq!(bank.written(), before);
    posted(&bank.anna, &spend("1")).await;
    for tries in 0..40 {
        let top_up = json!({"type": "top_up", "user": format!("nobody{tries}"), "asset_type": "CASH", "amount": "1"});
        assert_eq!(refused(&bank.admin, &top_up).await, is(404, "user_not_found"), "admins know everybody anyway");
    }
}
