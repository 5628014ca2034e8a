//! Each rule by itself.

use coffer::domain::Role;
use diesel::connection::SimpleConnection;
use reqwest::Method;
use serde_json::json;

use super::support::api::{audit, caller, code, id, web_with_admin};
use super::support::web::send;
use super::{fate, patch};

#[actix_web::test]
async fn a_change_names_the_version_that_it_changes() {
    let (_web, admin) = web_with_admin().await;
    let asset = admin.issue(1, "GOLD", "5").await[0];
    let shown = send(admin.get(&format!("/assets/{asset}"))).await;
    assert_eq!(shown.headers()["etag"], "\"1\"");
    let blind = admin.request(Method::PATCH, &format!("/admin/assets/{asset}")).json(&json!({"title": "T"}));
    let answer = send(blind).await;
    assert_eq!((answer.status().as_u16(), code(answer).await.as_str()), (428, "precondition_required"));
    let answer = send(patch(&admin, asset, 1, &json!({"title": "New", "amount": "7.5", "expires_at": null}))).await;
    assert_eq!((answer.status().as_u16(), answer.headers()["etag"].to_str().unwrap()), (200, "\"2\""));
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!((&body["title"], &body["amount"], &body["version"]), (&json!("New"), &json!("7.50"), &json!(2)));
    let answer = send(patch(&admin, asset, 1, &json!({"title": "Late"}))).await;
    assert_eq!((answer.status().as_u16(), code(answer).await.as_str()), (412, "precondition_failed"));
    for (body, status) in [
        (json!({"colour": "red"}), 400),
        (json!({"title": null}), 400),
        (json!({"title": " "}), 422),
        (json!({"kind": "gift"}), 422),
        (json!({"amount": "0.001"}), 422),
        (json!({"expires_at": "2001-01-01T00:00:00Z"}), 422),
        (json!({"asset_type": "NONE"}), 404),
    ] {
        assert_eq!(send(patch(&admin, asset, 2, &body)).await.status(), status, "{body}");
    }
    assert_eq!(send(patch(&admin, asset + 1, 1, &json!({"title": "T"}))).await.status(), 404);
}

#[actix_web::test]
async fn nothing_becomes_of_what_was_claimed() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let asset = admin.issue(1, "GOLD", "5").await[0];
    assert_eq!(send(user.claim(asset)).await.status(), 201);
    for request in [
        patch(&admin, asset, 2, &json!({"title": "T"})),
        admin.delete(&format!("/admin/assets/{asset}")),
        fate(&admin, asset, "expire"),
        fate(&admin, asset, "recreate"),
    ] {
        let answer = send(request).await;
        assert_eq!((answer.status().as_u16(), code(answer).await.as_str()), (409, "asset_immutable"));
    }
    let mut conn = coffer::repo::connect(web.conninfo()).unwrap();
    for sql in ["update assets set amount = 6", "update assets set title = 'T'", "delete from assets"] {
        assert!(conn.batch_execute(&format!("{sql} where id = {asset}")).is_err(), "{sql}");
    }
    let picture = admin.read(&format!("/admin/assets/{asset}/ownership")).await;
    assert_eq!(picture["owner"], json!(user.name));
    assert_eq!(picture["claim"]["transaction_id"], picture["transaction"]["id"]);
    assert_eq!(picture["actions"][0]["action"], "asset.create");
    audit(&web);
}

#[actix_web::test]
async fn an_asset_expires_comes_back_once_and_goes() {
    let (_web, admin) = web_with_admin().await;
    let asset = admin.issue(1, "GOLD", "5").await[0];
    let answer = send(fate(&admin, asset, "recreate")).await;
    assert_eq!((answer.status().as_u16(), code(answer).await.as_str()), (409, "asset_not_expired"));
    let answer = send(fate(&admin, asset, "expire").json(&json!({"reason": "Over."}))).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["status"], "expired");
    assert_eq!(send(fate(&admin, asset, "expire").json(&json!({"reason": " "}))).await.status(), 422);
    let answer = send(fate(&admin, asset, "recreate").json(&json!({"amount": "6", "title": "Again"}))).await;
    assert_eq!(answer.status(), 201);
    let successor: serde_json::Value = answer.json().await.unwrap();
    assert_eq!((&successor["recreated_from"], &successor["amount"]), (&json!(asset), &json!("6.00")));
    let answer = send(fate(&admin, asset, "recreate")).await;
    assert_eq!((answer.status().as_u16(), code(answer).await.as_str()), (409, "already_recreated"));
    let picture = admin.read(&format!("/admin/assets/{asset}/ownership")).await;
    assert_eq!((&picture["recreated_as"], &picture["owner"]), (&successor["id"], &json!(null)));
    assert_eq!(picture["actions"][0]["reason"], "Over.");
    let path = format!("/admin/assets/{}", id(&successor));
    assert_eq!(send(admin.delete(&path)).await.status(), 204);
    assert_eq!(send(admin.delete(&path)).await.status(), 404);
}

#[actix_web::test]
async fn of_many_each_has_its_own_outcome() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let ids = admin.issue(3, "GOLD", "5").await;
    assert_eq!(send(user.claim(ids[0])).await.status(), 201);
    let bulk = async |body: serde_json::Value| send(admin.post("/admin/assets/bulk").json(&body)).await;
    let statuses = async |body: serde_json::Value| {
        let answer: serde_json::Value = bulk(body).await.json().await.unwrap();
        answer["data"].as_array().unwrap().iter().map(|row| row["status"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let unknown = ids[2] + 1;
    let chosen = json!([ids[0], ids[1], ids[1], unknown]);
    assert_eq!(statuses(json!({"action": "expire", "ids": chosen})).await, [409, 200, 404]);
    assert_eq!(statuses(json!({"action": "recreate", "filter": {"asset_type": "GOLD"}})).await, [409, 201, 409]);
    assert_eq!(statuses(json!({"action": "delete", "filter": {"status": "available"}})).await, [204, 204]);
    for (body, status) in [
        (json!({"action": "expire"}), 422),
        (json!({"action": "expire", "ids": [1], "filter": {}}), 422),
        (json!({"action": "expire", "ids": [1], "title": "T"}), 422),
        (json!({"action": "expire", "ids": []}), 422),
        (json!({"action": "burn", "ids": [1]}), 422),
        (json!({"action": "delete", "filter": {"asset_type": "NONE"}}), 404),
    ] {
        assert_eq!(bulk(body.clone()).await.status(), status, "{body}");
    }
    audit(&web);
}
