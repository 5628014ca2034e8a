//! What is wrong with a movement, told at its field with the values kept, at the first step and at
//! the second.

use serde_json::{Value, json};

use crate::support::bank::{ask_under, posted, spend};
use crate::support::web::{texts, value};
use crate::{Branch, KEY, shown, transfer};

/// The form of a spend.
fn spending<'a>(asset_type: &'a str, amount: &'a str) -> [(&'static str, &'a str); 4] {
    [("idempotency_key", KEY), ("asset_type", asset_type), ("amount", amount), ("description", "Coffee beans")]
}

#[actix_web::test]
async fn each_refusal_stands_at_its_field_and_the_values_stay() {
    let branch = Branch::with_cash("100").await;
    branch.bank.top_up("anna", "SAFE", "20").await;
    branch.bank.top_up("anna", "GOLD", "20").await;
    for (receiver, asset_type, amount, field, words) in [
        ("ben", "CASH", "100.01", "amount", "There is not enough in the wallet: 100.00 CASH can be used."),
        ("ben", "SAFE", "15.01", "amount", "There is not enough in the wallet: 15.00 SAFE can be used."),
        ("ben", "GOLD", "1", "asset_type", "GOLD cannot be transferred between users."),
        ("ben", "", "1", "asset_type", "Choose what to send."),
        ("ben", "NONE", "1", "asset_type", "Choose what to send."),
        ("anna", "CASH", "1", "receiver", "This is you. Name somebody else."),
        ("nobody-here", "CASH", "1", "receiver", "We found nobody with this name. Check how it is spelled."),
        (" ", "CASH", "1", "receiver", "Name who gets it."),
        (
            "ben",
            "CASH",
            "1,5",
            "amount",
            "Write the amount in digits alone, with a point before decimals, for example 12 or 12.50.",
        ),
        ("ben", "CASH", "-1", "amount", "The amount must be more than zero."),
        ("ben", "CASH", "0.001", "amount", "0.001 has more than 2 decimals, which is all that this asset type has."),
    ] {
        let fields = [
            ("idempotency_key", KEY),
            ("receiver", receiver),
            ("asset_type", asset_type),
            ("amount", amount),
            ("description", "Dinner"),
        ];
        let html = branch.refused("/transfer", &fields).await;
        assert_eq!(texts(&html, ".field__error"), [words], "{fields:?}");
        assert_eq!(texts(&html, &format!("#{field}-error")), [words], "{fields:?}");
        assert_eq!(texts(&html, ".summary li"), [words], "{fields:?}");
        for (name, kept) in [("receiver", receiver), ("amount", amount), ("description", "Dinner")] {
            assert_eq!(value(&html, name).as_deref(), Some(kept), "{fields:?}");
        }
    }
    assert_eq!(branch.bank.cash().await, ["100.00", "0.00"]);
}

#[actix_web::test]
async fn everything_that_is_wrong_is_told_at_once_in_the_order_of_the_form() {
    let branch = Branch::with_cash("100").await;
    let long = "x".repeat(501);
    let fields =
        [("idempotency_key", KEY), ("receiver", ""), ("asset_type", ""), ("amount", ""), ("description", &*long)];
    let html = branch.refused("/transfer", &fields).await;
    assert_eq!(
        texts(&html, ".summary li"),
        [
            "Name who gets it.",
            "Choose what to send.",
            "Write the amount in digits alone, with a point before decimals, for example 12 or 12.50.",
            "Use at most 500 characters.",
        ]
    );
    let html = branch.refused("/spend", &spending("", "")).await;
    assert_eq!(texts(&html, ".summary li").len(), 2);
}

#[actix_web::test]
async fn what_was_spent_elsewhere_meanwhile_is_told_at_the_second_step() {
    let branch = Branch::with_cash("100").await;
    let review = branch.review("/spend", &spending("CASH", "80")).await;
    posted(&branch.bank.anna, &spend("30")).await;
    let html = shown(branch.confirm("/spend", &review).await, 422).await;
    assert_eq!(texts(&html, "h1"), ["Spend"]);
    assert_eq!(texts(&html, "#amount-error"), ["There is not enough in the wallet: 70.00 CASH can be used."]);
    assert_eq!(value(&html, "amount").as_deref(), Some("80"));
    assert_eq!(texts(&html, "main option[selected]"), ["Cashback: 70.00 CASH"]);
    branch.bank.top_up("anna", "CASH", "30").await;
    assert_eq!(branch.confirm("/spend", &review).await.status(), 303, "a refusal is not remembered");
    assert_eq!(branch.bank.cash().await[0], "20.00");
}

#[actix_web::test]
async fn a_frozen_user_is_told_so_before_and_between_the_steps() {
    let branch = Branch::with_cash("100").await;
    let review = branch.transfer("ben", "10").await;
    branch.bank.freeze("anna");
    let html = shown(branch.confirm("/transfer", &review).await, 422).await;
    for html in [html, branch.page("/transfer").await, branch.refused("/spend", &spending("CASH", "1")).await] {
        let note = &texts(&html, ".note")[0];
        assert!(note.starts_with("Your wallet is frozen. It can receive, but not claim, spend or send."), "{note}");
        assert_eq!(texts(&html, "main form button"), [""; 0]);
        assert_eq!(texts(&html, "main fieldset[disabled] option").len(), 2);
    }
    assert_eq!(branch.bank.cash().await, ["100.00", "0.00"]);
}

#[actix_web::test]
async fn a_wallet_that_is_full_takes_no_more() {
    let branch = Branch::with_cash("100").await;
    let most = json!({"type": "top_up", "user": "ben", "asset_type": "CASH", "amount": "1000000000000"});
    let body = json!({"mode": "atomic", "transactions": vec![most; 1000]});
    let batch = branch.bank.admin.post("/transactions/batch").header("idempotency-key", "fill").json(&body);
    assert!(batch.send().await.unwrap().status().is_success());
    let html = branch.refused("/transfer", &transfer("ben", "1")).await;
    assert_eq!(texts(&html, "#amount-error"), ["This is more than the other wallet can take."]);
    assert!(!html.contains("1,000,000,000,000,000"));
}

#[actix_web::test]
async fn a_key_of_a_script_and_one_of_a_form_never_meet() {
    let branch = Branch::with_cash("100").await;
    let answer = ask_under(&branch.bank.anna, KEY, &spend("1")).await;
    assert_eq!(answer.status(), 201);
    let review = branch.review("/spend", &spending("CASH", "2")).await;
    assert_eq!(branch.confirm("/spend", &review).await.status(), 303);
    let held: Value = branch.bank.anna.read("/users/me/balances/CASH").await;
    assert_eq!(held["balance"], "97.00");
}
