//! What an asset type can be, and what can change about it.

use coffer::domain::Role;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::last_line;
use super::support::api::{Caller, audit, caller, count_in, text, web_with_admin};
use super::support::web::{is, problem, send};

async fn create(admin: &Caller, body: &Value) -> Response {
    send(admin.post("/admin/asset-types").json(body)).await
}

async fn patch(admin: &Caller, code: &str, change: &Value) -> Response {
    send(admin.request(Method::PATCH, &format!("/admin/asset-types/{code}")).json(change)).await
}

#[actix_web::test]
async fn an_asset_type_is_created_once_and_shown_to_everybody() {
    let (web, admin) = web_with_admin().await;
    let body =
        json!({"code": "MILES", "name": " Air Miles ", "scale": 1, "minimum_balance": "0.5", "transferable": true});
    let answer = create(&admin, &body).await;
    assert_eq!(answer.status(), 201);
    let created: Value = answer.json().await.unwrap();
    let expected = json!({
        "code": "MILES", "name": "Air Miles", "scale": 1, "minimum_balance": "0.5", "transferable": true,
    });
    assert_eq!(created, expected);
    assert!(admin.walk("/asset-types?").await.contains(&created));
    assert_eq!(problem(create(&admin, &body).await).await, is(409, "asset_type_exists"));
    let plain: Value = create(&admin, &json!({"code": "X1", "name": "X", "scale": 0})).await.json().await.unwrap();
    assert_eq!((&plain["minimum_balance"], &plain["transferable"]), (&json!("0"), &json!(false)));
    let (action, before, after) = last_line(&web, "asset_type:MILES");
    assert_eq!((action.as_str(), before, &after["minimum_balance"]), ("asset_type.create", Value::Null, &json!("0.5")));
    assert_eq!(count_in(&web, "audit_log"), 2);
}

#[actix_web::test]
async fn every_field_that_cannot_be_is_named() {
    let (web, admin) = web_with_admin().await;
    let good = json!({"code": "MILES", "name": "Air Miles", "scale": 2});
    for (field, value) in [
        ("code", json!("miles")),
        ("code", json!("M")),
        ("code", json!("1MILES")),
        ("code", json!("MILES-AND-MORE")),
        ("name", json!(" ")),
        ("name", json!("x".repeat(101))),
        ("name", json!("a\nb")),
        ("scale", json!(-1)),
        ("scale", json!(5)),
        ("scale", json!(256)),
        ("minimum_balance", json!("-1")),
        ("minimum_balance", json!("0.001")),
        ("minimum_balance", json!("1000000000000000.01")),
        ("minimum_balance", json!("1e3")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let answer = create(&admin, &body).await;
        assert_eq!(answer.status(), 422, "{field} {value}");
        let found: Value = answer.json().await.unwrap();
        assert_eq!((&found["code"], &found["errors"][0]["field"]), (&json!("invalid"), &json!(field)), "{value}");
    }
    let mut largest = good.clone();
    largest["minimum_balance"] = json!("1000000000000000");
    assert_eq!(create(&admin, &largest).await.status(), 201);
    assert_eq!(count_in(&web, "asset_types"), 3);
}

#[actix_web::test]
async fn all_but_the_code_can_change_and_the_decimals_only_before_the_first_use() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    assert_eq!(create(&admin, &json!({"code": "MILES", "name": "Miles", "scale": 2})).await.status(), 201);
    let change = json!({"name": "Air Miles", "scale": 0, "minimum_balance": 5, "transferable": true});
    let changed: Value = patch(&admin, "MILES", &change).await.json().await.unwrap();
    let expected = json!({
        "code": "MILES", "name": "Air Miles", "scale": 0, "minimum_balance": "5", "transferable": true,
    });
    assert_eq!(changed, expected);
    let (action, before, after) = last_line(&web, "asset_type:MILES");
    assert_eq!((action.as_str(), &before["scale"], &after["scale"]), ("asset_type.edit", &json!(2), &json!(0)));
    let lines = count_in(&web, "audit_log");
    assert_eq!(patch(&admin, "MILES", &change).await.status(), 200);
    assert_eq!(count_in(&web, "audit_log"), lines, "the same again is no change");

    // An empty wallet, a credit or a campaign is use enough.
    let in_use = [
        ("/wallets", json!({"user": user.name, "asset_type": "A1"}), "A1"),
        ("/admin/assets", json!({"title": "T", "kind": "signup", "asset_type": "A2", "amount": 1}), "A2"),
    ];
    for (path, body, code) in in_use {
        assert_eq!(create(&admin, &json!({"code": code, "name": code, "scale": 2})).await.status(), 201);
        assert_eq!(send(admin.post(path).json(&body)).await.status(), 201);
        assert_eq!(problem(patch(&admin, code, &json!({"scale": 0})).await).await, is(409, "scale_fixed"), "{code}");
        assert_eq!(patch(&admin, code, &json!({"scale": 2, "name": "Used"})).await.status(), 200, "{code}");
    }
    for (code, change, status, problem_code) in [
        ("NONE", json!({}), 404, "asset_type_not_found"),
        ("gold", json!({}), 404, "asset_type_not_found"),
        ("GOLD", json!({"code": "GILT"}), 400, "malformed"),
        ("GOLD", json!({"name": null}), 400, "malformed"),
        ("GOLD", json!({"minimum_balance": "0.001"}), 422, "invalid"),
    ] {
        assert_eq!(problem(patch(&admin, code, &change).await).await, is(status, problem_code), "{code} {change}");
    }
    assert_eq!(problem(patch(&user, "GOLD", &json!({})).await).await, is(403, "forbidden"));
}

#[actix_web::test]
async fn a_new_floor_holds_for_the_next_debit() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let credit = admin.issue(1, "GOLD", "10").await[0];
    assert_eq!(send(user.claim(credit)).await.status(), 201);
    assert_eq!(patch(&admin, "GOLD", &json!({"minimum_balance": "9.99"})).await.status(), 200);
    let spend = json!({"type": "spend", "asset_type": "GOLD", "amount": "0.02", "description": "Tea"});
    let answer = send(user.post("/transactions").json(&spend)).await;
    assert_eq!(answer.status(), 409);
    assert_eq!(text(&answer.json::<Value>().await.unwrap()["available"]), "0.01");
    audit(&web);
}
