//! What admins do in the ledger is in the audit log, too.

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use crate::support::api::{count_in, text};
use crate::support::bank::{Bank, posted, spend, transfer};
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
    assert_eq!(lines(&bank), 1, "the top-up of the bank");
    let (status, first) = ask(&bank, "/transactions", &adjustment("credit", "5"), "one").await;
    assert_eq!(status, 201, "{first}");
    ask(&bank, "/transactions", &adjustment("credit", "5"), "one").await;
    assert_eq!(lines(&bank), 2);
    let path = format!("/transactions/{}/reverse", text(&first["id"]));
    let body = json!({"reason": "Booked twice"});
    let (status, back) = ask(&bank, &path, &body, "two").await;
    assert_eq!(status, 201, "{back}");
    ask(&bank, &path, &body, "two").await;
    assert_eq!(ask(&bank, &path, &body, "three").await.0, 409);
    assert_eq!(lines(&bank), 3);
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
async fn what_is_refused_looked_at_or_ones_own_leaves_no_line() {
    let bank = Bank::with_cash("100").await;
    assert_eq!(ask(&bank, "/transactions", &adjustment("debit", "500"), "one").await.0, 409);
    let dry = ask(&bank, "/transactions?dry_run=true", &adjustment("credit", "5"), "two").await;
    assert_eq!(dry.0, 200, "{}", dry.1);
    posted(&bank.anna, &spend("1")).await;
    posted(&bank.anna, &transfer("ben", "1")).await;
    assert_eq!(lines(&bank), 1);
}

#[actix_web::test]
async fn value_that_an_admin_gives_or_moves_for_others_is_a_line_with_its_request() {
    let bank = Bank::with_cash("100").await;
    let moves = [
        ("bonus", json!({"type": "bonus", "user": "anna", "asset_type": "CASH", "amount": "5"})),
        ("spend", json!({"type": "spend", "user": "anna", "asset_type": "CASH", "amount": "5"})),
        (
            "transfer",
            json!({"type": "transfer", "user": "anna", "receiver": "root", "asset_type": "CASH", "amount": "5"}),
        ),
    ];
    for (kind, body) in moves {
        let request = bank.admin.post("/transactions").header("X-Request-Id", "desk-7").json(&body);
        assert_eq!(send(request).await.status(), 201, "{kind}");
        let line = bank.admin.read("/admin/audit-log?limit=1").await["data"][0].clone();
        assert_eq!((&line["action"], &line["actor"]), (&json!(format!("transaction.{kind}")), &json!("root")));
        assert_eq!(line["request_id"], "desk-7", "{line}");
        assert_ne!(line["before"]["balance"], line["after"]["balance"], "{line}");
    }
}

#[actix_web::test]
async fn a_batch_writes_a_line_for_each_of_its_adjustments_or_none_and_one_for_all_the_rest() {
    let bank = Bank::with_cash("100").await;
    let before = lines(&bank);
    let batch = |mode: &str, last: &str| json!({"mode": mode, "transactions": [adjustment("credit", "1"), adjustment("debit", last)]});
    ask(&bank, "/transactions/batch", &batch("atomic", "900"), "one").await;
    assert_eq!(lines(&bank), before);
    ask(&bank, "/transactions/batch", &batch("independent", "900"), "two").await;
    assert_eq!(lines(&bank), before + 1);
    ask(&bank, "/transactions/batch", &batch("atomic", "2"), "three").await;
    ask(&bank, "/transactions/batch", &batch("atomic", "2"), "three").await;
    assert_eq!(lines(&bank), before + 3);
    let bonus = json!({"type": "bonus", "user": "anna", "asset_type": "CASH", "amount": "5"});
    let many = json!({"mode": "atomic", "transactions": [bonus, bonus, adjustment("credit", "1")]});
    ask(&bank, "/transactions/batch", &many, "four").await;
    assert_eq!(lines(&bank), before + 5);
    let log = bank.admin.read("/admin/audit-log?action=transaction.batch").await;
    assert_eq!(log["data"][0]["after"]["transactions"], 2, "{log}");
}

#[actix_web::test]
async fn a_movement_whose_line_cannot_be_written_does_not_happen() {
    let bank = Bank::with_cash("100").await;
    let fault = "create function fail_one() returns trigger language plpgsql as
        $$ begin raise exception 'no line'; end $$;
        create trigger fail_one before insert on audit_log for each row execute function fail_one()";
    bank.web.db.run_here(|conn| Ok(conn.batch_execute(fault)?)).unwrap();
    assert_eq!(ask(&bank, "/transactions", &adjustment("credit", "5"), "one").await.0, 500);
    assert_eq!(bank.cash().await[0], "100.00");
    assert_eq!(count_in(&bank.web, "transactions"), 1);
}
