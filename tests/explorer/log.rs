//! Every adjustment and every reversal is one line of the audit log.

use serde_json::{Value, json};

use crate::support::api::{count_in, text};
use crate::support::bank::Bank;
use crate::support::web::send;

fn adjustment(direction: &str, amount: &str) -> Value {
    json!({
        "type": "adjustment", "user": "anna", "asset_type": "CASH", "amount": amount, "direction": direction,
        "reason": "Counted wrongly",
    })
}

async fn ask(bank: &Bank, path: &str, body: &Value, key: &str) -> (u16, Value) {
    let answer = send(bank.admin.post(path).header("Idempotency-Key", key).json(body)).await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn lines(bank: &Bank) -> i64 {
    count_in(&bank.web, "audit_log where action like 'transaction.%'")
}

#[actix_web::test]
async fn an_adjustment_and_its_reversal_are_a_line_each_however_often_they_are_sent() {
    let bank = Bank::with_cash("100").await;
    assert_eq!(lines(&bank), 0);
    let (status, first) = ask(&bank, "/transactions", &adjustment("credit", "5"), "one").await;
    assert_eq!(status, 201, "{first}");
    ask(&bank, "/transactions", &adjustment("credit", "5"), "one").await;
    assert_eq!(lines(&bank), 1);
    let path = format!("/transactions/{}/reverse", text(&first["id"]));
    let body = json!({"reason": "Booked twice"});
    let (status, back) = ask(&bank, &path, &body, "two").await;
    assert_eq!(status, 201, "{back}");
    ask(&bank, &path, &body, "two").await;
    assert_eq!(ask(&bank, &path, &body, "three").await.0, 409);
    assert_eq!(lines(&bank), 2);
    let log = bank.admin.read("/admin/audit-log?limit=2").await;
    for (line, action, of, reason) in [
        (&log["data"][0], "transaction.reverse", &back, "Booked twice"),
        (&log["data"][1], "transaction.adjust", &first, "Counted wrongly"),
    ] {
        assert_eq!(line["action"], action, "{line}");
        assert_eq!(text(&line["target"]), format!("transaction:{}", text(&of["id"])));
        assert_eq!(line["reason"], reason);
        assert_eq!((&line["after"]["amount"], &line["after"]["asset_type"]), (&json!("5.00"), &json!("CASH")));
    }
    assert_eq!(log["data"][0]["after"]["reverses"], first["id"]);
}

#[actix_web::test]
async fn what_is_refused_or_needs_no_reason_leaves_no_line() {
    let bank = Bank::with_cash("100").await;
    assert_eq!(ask(&bank, "/transactions", &adjustment("debit", "500"), "one").await.0, 409);
    let dry = ask(&bank, "/transactions?dry_run=true", &adjustment("credit", "5"), "two").await;
    assert_eq!(dry.0, 200, "{}", dry.1);
    let bonus = json!({"type": "bonus", "user": "anna", "asset_type": "CASH", "amount": "5"});
    assert_eq!(ask(&bank, "/transactions", &bonus, "three").await.0, 201);
    assert_eq!(lines(&bank), 0);
}

#[actix_web::test]
async fn a_batch_writes_a_line_for_each_of_its_adjustments_or_none() {
    let bank = Bank::with_cash("100").await;
    let batch = |mode: &str, last: &str| json!({"mode": mode, "transactions": [adjustment("credit", "1"), adjustment("debit", last)]});
    ask(&bank, "/transactions/batch", &batch("atomic", "900"), "one").await;
    assert_eq!(lines(&bank), 0);
    ask(&bank, "/transactions/batch", &batch("independent", "900"), "two").await;
    assert_eq!(lines(&bank), 1);
    ask(&bank, "/transactions/batch", &batch("atomic", "2"), "three").await;
    ask(&bank, "/transactions/batch", &batch("atomic", "2"), "three").await;
    assert_eq!(lines(&bank), 3);
}
