//! What a request for a movement must look like, and that a refused one writes nothing.

use reqwest::Response;
use serde_json::{Value, json};

use crate::support::api::{Caller, text};
use crate::support::bank::{Bank, ask, fields_of, posted, problem_of, refused, spend, transfer, with};
use crate::support::web::{is, problem, send};

fn top_up() -> Value {
    json!({"type": "top_up", "user": "anna", "asset_type": "CASH", "amount": "1"})
}

fn adjustment() -> Value {
    json!({
        "type": "adjustment", "user": "anna", "asset_type": "CASH", "amount": "1", "direction": "credit",
        "reason": "Counted wrongly",
    })
}

/// Metadata of so many bytes.
fn metadata_of(bytes: usize) -> Value {
    let metadata = json!({"note": "x".repeat(bytes - r#"{"note":""}"#.len())});
    assert_eq!(metadata.to_string().len(), bytes);
    metadata
}

/// Posts a body as it is written.
async fn ask_raw(caller: &Caller, body: &str) -> Response {
    send(caller.post("/transactions").header("content-type", "application/json").body(body.to_owned())).await
}

#[actix_web::test]
async fn every_field_that_does_not_fit_is_named_and_nothing_is_written() {
    let bank = Bank::with_cash("100").await;
    let before = bank.written();
    let own_spend = with(&spend("1"), &json!({"user": "anna"}));
    let gift = with(&transfer("ben", "1"), &json!({"user": "anna"}));
    let long = "x".repeat(501);
    let (top_up, adjustment) = (top_up(), adjustment());
    let cases: Vec<(&Value, Value, &[&str])> = vec![
        (&own_spend, json!({"type": "gift"}), &["type"]),
        (&own_spend, json!({"type": ""}), &["type"]),
        (&own_spend, json!({"type": "Spend"}), &["type"]),
        (&own_spend, json!({"type": "claim"}), &["type"]),
        (&own_spend, json!({"type": "reversal"}), &["type"]),
        (&own_spend, json!({"receiver": "ben"}), &["receiver"]),
        (&top_up, json!({"receiver": "ben"}), &["receiver"]),
        (&adjustment, json!({"receiver": "ben"}), &["receiver"]),
        (&gift, json!({"receiver": null}), &["receiver"]),
        (&own_spend, json!({"direction": "debit"}), &["direction"]),
        (&gift, json!({"direction": "debit"}), &["direction"]),
        (&top_up, json!({"direction": "credit"}), &["direction"]),
        (&adjustment, json!({"direction": null}), &["direction"]),
        (&adjustment, json!({"direction": "up"}), &["direction"]),
        (&adjustment, json!({"direction": ""}), &["direction"]),
        (&own_spend, json!({"reason": "Why not"}), &["reason"]),
        (&top_up, json!({"reason": "Why not"}), &["reason"]),
        (&adjustment, json!({"reason": null}), &["reason"]),
        (&adjustment, json!({"reason": ""}), &["reason"]),
        (&adjustment, json!({"reason": " \n\t "}), &["reason"]),
        (&adjustment, json!({"reason": long}), &["reason"]),
        (&top_up, json!({"minimum_balance": "1"}), &["minimum_balance"]),
        (&adjustment, json!({"minimum_balance": "1"}), &["minimum_balance"]),
        (&own_spend, json!({"minimum_balance": "-1"}), &["minimum_balance"]),
        (&own_spend, json!({"minimum_balance": "1e1"}), &["minimum_balance"]),
        (&own_spend, json!({"minimum_balance": ""}), &["minimum_balance"]),
        (&own_spend, json!({"minimum_balance": "1000000000000.01"}), &["minimum_balance"]),
        (&own_spend, json!({"minimum_balance": "9999999999999"}), &["minimum_balance"]),
        (&own_spend, json!({"description": long}), &["description"]),
        (&own_spend, json!({"description": "a\u{0}b"}), &["description"]),
        (&own_spend, json!({"metadata": metadata_of(4097)}), &["metadata"]),
        (&own_spend, json!({"metadata": {"a": "\u{0}"}}), &["metadata"]),
        (
            &own_spend,
            json!({"receiver": "ben", "description": long, "amount": "0"}),
            &["receiver", "description", "amount"],
        ),
        (
            &adjustment,
            json!({"direction": "x", "reason": "", "minimum_balance": "1"}),
            &["direction", "minimum_balance", "reason"],
        ),
    ];
    for (body, changes, fields) in cases {
        let body = with(body, &changes);
        let problem = problem_of(ask(&bank.admin, &body).await, 422, "invalid").await;
        assert_eq!(fields_of(&problem), fields, "{body}");
        assert!(problem["errors"].as_array().unwrap().iter().all(|error| text(&error["message"]).ends_with('.')));
    }
    assert_eq!(bank.written(), before);
}

#[actix_web::test]
async fn what_cannot_be_read_is_a_400_and_writes_nothing() {
    let bank = Bank::with_cash("100").await;
    let before = bank.written();
    for changes in [
        json!({"type": null}),
        json!({"asset_type": null}),
        json!({"amount": null}),
        json!({"amout": "1"}),
        json!({"dry_run": true}),
        json!({"id": "0192f0c1-2b3c-7def-8123-456789abcdef"}),
        json!({"created_at": "2024-01-01T00:00:00Z"}),
        json!({"type": 7}),
        json!({"user": 1}),
        json!({"amount": true}),
        json!({"amount": ["1"]}),
        json!({"metadata": []}),
        json!({"metadata": "{}"}),
        json!({"metadata": 7}),
        json!({"description": {}}),
        json!({"minimum_balance": false}),
    ] {
        assert_eq!(refused(&bank.anna, &with(&spend("1"), &changes)).await, is(400, "malformed"), "{changes}");
    }
    for body in ["", "[]", "null", "7", "{", r#"{"type":"spend","type":"spend","asset_type":"CASH","amount":1}"#] {
        assert_eq!(problem(ask_raw(&bank.anna, body).await).await, is(400, "malformed"), "{body}");
    }
    let text = bank.anna.post("/transactions").header("content-type", "text/plain").body(spend("1").to_string());
    assert_eq!(problem(send(text).await).await, is(415, "unsupported_media_type"));
    let large = with(&spend("1"), &json!({"description": "x".repeat(70_000)}));
    assert_eq!(refused(&bank.anna, &large).await, is(413, "too_large"));
    assert_eq!(bank.written(), before);
}

#[actix_web::test]
async fn an_amount_that_is_none_is_refused_with_its_own_code() {
    let bank = Bank::with_cash("100").await;
    let before = bank.written();
    for amount in [
        r#""0""#,
        "0",
        r#""0.00""#,
        r#""-1""#,
        "-1",
        r#""+1""#,
        r#""1e2""#,
        "1e2",
        r#""NaN""#,
        r#""""#,
        r#"" 1""#,
        r#""1,000""#,
        r#"".5""#,
        r#""5.""#,
        r#""0.001""#,
        "0.001",
        r#""1.000""#,
        r#""1000000000000.01""#,
        "1000000000001",
        r#""99999999999999999999""#,
        r#""٣""#,
        r#""Infinity""#,
    ] {
        let body = format!(r#"{{"type":"spend","asset_type":"CASH","amount":{amount}}}"#);
        let problem = problem_of(ask_raw(&bank.anna, &body).await, 422, "invalid_amount").await;
        assert_eq!(fields_of(&problem), ["amount"], "{amount}");
    }
    assert_eq!(bank.written(), before);
    for amount in [r#""1""#, "1", r#""1.5""#, "1.50", r#""0.01""#, r#""007""#] {
        let body = format!(r#"{{"type":"spend","asset_type":"CASH","amount":{amount}}}"#);
        assert_eq!(ask_raw(&bank.anna, &body).await.status(), 201, "{amount}");
    }
    assert_eq!(bank.anna.balance("CASH").await, "87.99");
}

#[actix_web::test]
async fn the_longest_texts_and_the_largest_metadata_pass() {
    let bank = Bank::open().await;
    let longest = "é".repeat(500);
    let body = with(&adjustment(), &json!({"description": longest, "reason": longest, "metadata": metadata_of(4096)}));
    let answer = posted(&bank.admin, &body).await;
    assert_eq!((&answer["description"], &answer["reason"]), (&json!(longest), &json!(longest)));
    assert_eq!(answer["metadata"], body["metadata"]);
    let answer = posted(&bank.admin, &with(&adjustment(), &json!({"metadata": {}}))).await;
    assert_eq!(answer["metadata"], json!({}));
}

#[actix_web::test]
async fn what_is_attached_cannot_pass_for_what_the_program_tells_itself() {
    let bank = Bank::with_cash("100").await;
    let before = bank.written();
    for name in ["$serde_json::private::Number", "$serde_json::private::RawValue"] {
        for value in ["abc", "1e2", "{"] {
            let object = json!({name: value});
            for metadata in [object.clone(), json!({"a": object}), json!({"a": [[object]]})] {
                let body = with(&spend("1"), &json!({"metadata": metadata}));
                assert_eq!(refused(&bank.anna, &body).await, is(400, "malformed"), "{body}");
            }
        }
    }
    assert_eq!(bank.written(), before);
    assert_eq!(bank.admin.walk("/transactions?").await.len(), 1);
}
