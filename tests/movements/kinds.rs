//! What each kind of movement does, and who may ask for it.

use chrono::{DateTime, Utc};
use coffer::domain::Role;
use serde_json::{Value, json};

use crate::support::api::{Caller, caller, text};
use crate::support::bank::{Bank, ask, posted, refused, spend, transfer, with};
use crate::support::web::{is, problem, send};

/// A posted transaction without its id, its time and its wallets, which are looked at here.
fn told(mut answer: Value) -> Value {
    let id: uuid::Uuid = text(&answer["id"]).parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    let created_at = text(&answer["created_at"]);
    assert!(created_at.ends_with('Z') && created_at.parse::<DateTime<Utc>>().is_ok(), "{created_at}");
    let fields = answer.as_object_mut().unwrap();
    fields.remove("id");
    fields.remove("created_at");
    for entry in fields["entries"].as_array_mut().unwrap() {
        assert!(entry.as_object_mut().unwrap().remove("wallet_id").unwrap().is_i64());
    }
    answer
}

/// A transaction of anna's CASH between her and the treasury, as it is told.
fn of_anna(kind: &str, amount: &str, balance: &str, entries: &Value) -> Value {
    json!({
        "type": kind, "user": "anna", "counterparty": null, "asset_type": "CASH", "amount": amount, "description": "",
        "metadata": {}, "asset_id": null, "reverses": null, "entries": entries, "balance": balance,
    })
}

fn entry(amount: &str, before: &str, after: &str) -> Value {
    json!({"amount": amount, "balance_before": before, "balance_after": after})
}

fn hidden(amount: &str) -> Value {
    json!({"amount": amount, "balance_before": null, "balance_after": null})
}

/// Posts a movement, and looks whether all places tell the same of it.
async fn told_everywhere(caller: &Caller, body: &Value) -> Value {
    let answer = posted(caller, body).await;
    let shown = caller.read(&format!("/transactions/{}", text(&answer["id"]))).await;
    assert_eq!(shown, with(&answer, &json!({"balance": null})), "{body}");
    let (user, asset_type) = (text(&answer["user"]), text(&answer["asset_type"]));
    let balance = caller.read(&format!("/users/{user}/balances/{asset_type}")).await;
    assert_eq!(balance["balance"], answer["balance"]);
    told(answer)
}

#[actix_web::test]
async fn each_kind_moves_value_the_way_its_name_says() {
    let bank = Bank::open().await;
    let Bank { admin, anna, ben, .. } = &bank;
    let top_up = json!({
        "type": "top_up", "user": "anna", "asset_type": "CASH", "amount": "100", "description": "At the till",
        "metadata": {"till": 7, "by": ["card", null, true]},
    });
    assert_eq!(
        told_everywhere(admin, &top_up).await,
        with(
            &of_anna(
                "top_up",
                "100.00",
                "100.00",
                &json!([entry("-100.00", "0.00", "-100.00"), entry("100.00", "0.00", "100.00")])
            ),
            &json!({"description": "At the till", "metadata": top_up["metadata"]})
        )
    );
    let bonus = json!({"type": "bonus", "user": "anna", "asset_type": "CASH", "amount": 0.5});
    assert_eq!(
        told_everywhere(admin, &bonus).await,
        of_anna(
            "bonus",
            "0.50",
            "100.50",
            &json!([entry("-0.50", "-100.00", "-100.50"), entry("0.50", "100.00", "100.50")])
        )
    );
    assert_eq!(
        told_everywhere(anna, &spend("10.5")).await,
        of_anna("spend", "10.50", "90.00", &json!([entry("-10.50", "100.50", "90.00"), hidden("10.50")]))
    );
    assert_eq!(
        told_everywhere(anna, &with(&transfer("ben", "30"), &json!({"description": "Lunch"}))).await,
        with(
            &of_anna("transfer", "30.00", "60.00", &json!([entry("-30.00", "90.00", "60.00"), hidden("30.00")])),
            &json!({"counterparty": "ben", "description": "Lunch"})
        )
    );
    let adjustment = json!({
        "type": "adjustment", "user": "anna", "asset_type": "CASH", "amount": "1.25", "direction": "credit",
        "reason": "  Counted wrongly ",
    });
    let counted = with(
        &of_anna(
            "adjustment",
            "1.25",
            "61.25",
            &json!([entry("-1.25", "-90.00", "-91.25"), entry("1.25", "60.00", "61.25")]),
        ),
        &json!({"reason": "Counted wrongly"}),
    );
    assert_eq!(told_everywhere(admin, &adjustment).await, counted);
    let debit = with(&adjustment, &json!({"direction": "debit"}));
    assert_eq!(
        told_everywhere(admin, &debit).await,
        with(
            &counted,
            &json!({
                "balance": "60.00",
                "entries": [entry("-1.25", "61.25", "60.00"), entry("1.25", "-91.25", "-90.00")],
            })
        )
    );
    assert_eq!(bank.cash().await, ["60.00", "30.00"]);
    assert_eq!(ben.read("/transactions").await["data"].as_array().unwrap().len(), 1);
    assert_eq!(bank.written(), [6, 12, 0, 0, 3, 12]);
}

#[actix_web::test]
async fn an_admin_spends_and_transfers_for_anyone_and_sees_both_sides() {
    let bank = Bank::with_cash("50").await;
    let for_anna = |body: Value| with(&body, &json!({"user": "anna"}));
    assert_eq!(
        told_everywhere(&bank.admin, &for_anna(spend("20"))).await,
        of_anna(
            "spend",
            "20.00",
            "30.00",
            &json!([entry("-20.00", "50.00", "30.00"), entry("20.00", "-50.00", "-30.00")])
        )
    );
    assert_eq!(
        told_everywhere(&bank.admin, &for_anna(transfer("ben", "5"))).await,
        with(
            &of_anna(
                "transfer",
                "5.00",
                "25.00",
                &json!([entry("-5.00", "30.00", "25.00"), entry("5.00", "0.00", "5.00")])
            ),
            &json!({"counterparty": "ben"})
        )
    );
    // To oneself from another: `me` is whoever asks.
    let back = with(&transfer("me", "1"), &json!({"user": "ben"}));
    let answer = posted(&bank.admin, &back).await;
    assert_eq!(
        (&answer["user"], &answer["counterparty"], &answer["balance"]),
        (&json!("ben"), &json!("root"), &json!("4.00"))
    );
    assert_eq!(bank.admin.balance("CASH").await, "1.00");
}

#[actix_web::test]
async fn a_movement_is_the_callers_own_where_it_names_nobody_else() {
    let bank = Bank::with_cash("10").await;
    for user in [json!(null), json!("me"), json!("anna")] {
        let answer = posted(&bank.anna, &with(&spend("1"), &json!({"user": user}))).await;
        assert_eq!(answer["user"], "anna", "{user}");
    }
    assert_eq!(bank.anna.balance("CASH").await, "7.00");
    let own = json!({"type": "top_up", "asset_type": "PTS", "amount": 5});
    let answer = posted(&bank.admin, &own).await;
    assert_eq!((&answer["user"], &answer["amount"], &answer["balance"]), (&json!("root"), &json!("5"), &json!("5")));
    // Fields may be left out by null, too.
    let nulls = json!({"type": "spend", "asset_type": "CASH", "amount": "1", "user": null, "description": null,
        "metadata": null, "receiver": null, "direction": null, "reason": null, "minimum_balance": null,
        "idempotency_key": null});
    let answer = posted(&bank.anna, &nulls).await;
    assert_eq!((&answer["description"], &answer["metadata"]), (&json!(""), &json!({})));
}

#[actix_web::test]
async fn users_create_no_value_and_move_nobody_elses() {
    let bank = Bank::with_cash("10").await;
    bank.top_up("ben", "CASH", "10").await;
    let before = bank.written();
    let adjustment = |direction| json!({"type": "adjustment", "asset_type": "CASH", "amount": "1", "direction": direction, "reason": "I want it"});
    for own in [
        json!({"type": "top_up", "asset_type": "CASH", "amount": "1"}),
        json!({"type": "bonus", "asset_type": "CASH", "amount": "1", "user": "anna"}),
        adjustment("credit"),
        adjustment("debit"),
    ] {
        assert_eq!(refused(&bank.anna, &own).await, is(403, "forbidden"), "{own}");
    }
    for movement in [spend("1"), transfer("anna", "1"), transfer("root", "1")] {
        // Whether there is such a user is not said.
        for user in ["ben", "root", "unknown", "treasury", "", "Anna", "anna "] {
            let body = with(&movement, &json!({"user": user}));
            assert_eq!(refused(&bank.anna, &body).await, is(403, "forbidden"), "{body}");
            let looked = send(bank.anna.post("/transactions?dry_run=true").json(&body)).await;
            assert_eq!(problem(looked).await, is(403, "forbidden"), "{body}");
        }
    }
    assert_eq!((bank.written(), bank.cash().await), (before, ["10.00".to_owned(), "10.00".to_owned()]));
}

#[actix_web::test]
async fn an_api_key_moves_value_as_far_as_its_scopes_go() {
    let bank = Bank::with_cash("10").await;
    let key =
        async |caller: &Caller, scopes: &[&str]| caller.by_api_key(&json!({"name": "script", "scopes": scopes})).await;
    let top_up = json!({"type": "top_up", "user": "ben", "asset_type": "CASH", "amount": "1"});
    let plain = key(&bank.admin, &["read", "write"]).await;
    assert_eq!(refused(&plain, &top_up).await, is(403, "forbidden"));
    assert_eq!(refused(&plain, &with(&spend("1"), &json!({"user": "anna"}))).await, is(403, "forbidden"));
    assert_eq!(posted(&key(&bank.admin, &["write", "admin"]).await, &top_up).await["balance"], "1.00");
    assert_eq!(refused(&key(&bank.anna, &["read"]).await, &spend("1")).await, is(403, "forbidden"));
    assert_eq!(posted(&key(&bank.anna, &["write"]).await, &spend("1")).await["balance"], "9.00");
    let by_password = bank.anna.by_password("anna", crate::support::web::PASSWORD);
    assert_eq!(posted(&by_password, &spend("1")).await["balance"], "8.00");
    assert_eq!(problem(ask(&bank.anna.by(String::new()), &spend("1")).await).await, is(401, "unauthenticated"));
}

#[actix_web::test]
async fn an_amount_has_the_decimals_of_its_asset_type() {
    let bank = Bank::open().await;
    for scale in 0..=4_u8 {
        let code = format!("SCALE{scale}");
        bank.web.have_asset_type(&code, "Of a scale", scale);
        let finest = if scale == 0 { "1".to_owned() } else { format!("0.{}1", "0".repeat(usize::from(scale) - 1)) };
        let answer = bank.top_up("anna", &code, &finest).await;
        assert_eq!((text(&answer["amount"]), text(&answer["balance"])), (finest.clone(), finest));
        let body = json!({"type": "bonus", "user": "anna", "asset_type": code, "amount": 3});
        let answer = posted(&bank.admin, &body).await;
        let zeros = if scale == 0 { String::new() } else { format!(".{}", "0".repeat(usize::from(scale))) };
        assert_eq!(text(&answer["amount"]), format!("3{zeros}"));
        assert_eq!(text(&answer["entries"][0]["amount"]), format!("-3{zeros}"));
        let finer = format!("0.{}1", "0".repeat(usize::from(scale)));
        let before = bank.written();
        let refusal = refused(&bank.admin, &with(&body, &json!({"amount": finer}))).await;
        assert_eq!((refusal, bank.written()), (is(422, "invalid_amount"), before), "{finer} {code}");
    }
}

#[actix_web::test]
async fn what_is_attached_comes_back_as_it_was_sent() {
    let bank = Bank::open().await;
    let carla = caller(&bank.web, "carla", Role::User).await;
    let body = json!({
        "type": "top_up", "user": "carla", "asset_type": "CASH", "amount": "2",
        "description": "Grüße, 你好 😀 \"quoted\" \\ \t",
        "metadata": {"é😀": {"list": [1, "two", [], {}, null, false]}, "": "", "a b": "\u{1}"},
    });
    let answer = posted(&bank.admin, &body).await;
    assert_eq!((&answer["description"], &answer["metadata"]), (&body["description"], &body["metadata"]));
    let seen = carla.read(&format!("/transactions/{}", text(&answer["id"]))).await;
    assert_eq!((&seen["description"], &seen["metadata"]), (&body["description"], &body["metadata"]));
}
