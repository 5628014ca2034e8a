//! What can change about a campaign, and what becomes of its credits then.

use chrono::{TimeDelta, Utc};
use coffer::domain::Role;
use diesel::connection::SimpleConnection;
use reqwest::Method;
use serde_json::{Value, json};

use super::support::api::{audit, caller, count_in, hold_expiry, id, text, web_with_admin};
use super::support::web::{PASSWORD, is, problem, send};
use super::{assets, body, create, delete, edit, last_line, patch};

#[actix_web::test]
async fn what_changes_carries_over_to_the_credits_that_can_still_be_claimed() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let _held = hold_expiry(&web.db);
    let ends_at = Utc::now() + TimeDelta::days(1);
    let mut new = body(4);
    new["ends_at"] = json!(ends_at);
    let campaign = create(&admin, &new).await;
    let credits = assets(&admin, &campaign).await;
    assert_eq!(send(user.claim(id(&credits[0]))).await.status(), 201);
    // One ran out, and one ends by itself before the campaign does.
    let own = ends_at - TimeDelta::hours(1);
    for (credit, ends) in [(&credits[1], Utc::now() - TimeDelta::hours(1)), (&credits[2], own)] {
        let statement = format!("update assets set expires_at = '{}' where id = {}", ends.to_rfc3339(), id(credit));
        web.db.run_here(|conn| Ok(conn.batch_execute(&statement)?)).unwrap();
    }
    let later = ends_at + TimeDelta::days(1);
    let change = json!({
        "title": " Winter ", "description": "", "kind": "referral", "amount": "3", "ends_at": later,
        "per_user_limit": 2, "paused": true, "starts_at": "2020-01-01T00:00:00Z",
    });
    let changed = edit(&admin, &campaign, &change).await;
    for (field, value) in [
        ("title", json!("Winter")),
        ("description", json!("")),
        ("kind", json!("referral")),
        ("amount", json!("3.00")),
        ("starts_at", json!("2020-01-01T00:00:00Z")),
        ("per_user_limit", json!(2)),
        ("paused", json!(true)),
        ("status", json!("paused")),
        ("version", json!(2)),
        ("available", json!(2)),
        ("claimed", json!(1)),
        ("expired", json!(1)),
    ] {
        assert_eq!(changed[field], value, "{field}");
    }
    assert_eq!(changed, admin.read(&format!("/campaigns/{}", id(&campaign))).await);
    let after = assets(&admin, &campaign).await;
    for (place, title, amount, version) in
        [(0, "Autumn", "2.50", 2), (1, "Autumn", "2.50", 1), (2, "Winter", "3.00", 2), (3, "Winter", "3.00", 2)]
    {
        let found = (text(&after[place]["title"]), text(&after[place]["amount"]), after[place]["version"].clone());
        assert_eq!(found, (title.to_owned(), amount.to_owned(), json!(version)), "{place}");
    }
    assert_eq!(after[3]["expires_at"], changed["ends_at"], "it ends with its campaign");
    assert!(text(&after[2]["expires_at"]) < text(&campaign["ends_at"]), "it ends when it did");
    let (action, before, told) = last_line(&web, &format!("campaign:{}", id(&campaign)));
    assert_eq!(action, "campaign.edit");
    assert_eq!((&before["title"], &told["title"]), (&json!("Autumn"), &json!("Winter")));
    assert_eq!((&before["amount"], &told["amount"]), (&json!("2.50"), &json!("3.00")));
    assert_eq!((&before["asset_type"], &told["credits_changed"]), (&Value::Null, &json!(2)));
    audit(&web);
}

#[actix_web::test]
async fn a_change_that_changes_nothing_writes_nothing() {
    let (web, admin) = web_with_admin().await;
    let campaign = create(&admin, &body(2)).await;
    let lines = count_in(&web, "audit_log");
    let same = json!({"title": "Autumn", "amount": 2.5, "quantity": 2, "paused": false, "starts_at": null});
    for change in [json!({}), same] {
        assert_eq!(edit(&admin, &campaign, &change).await, campaign, "{change}");
    }
    assert_eq!((count_in(&web, "audit_log"), count_in(&web, "assets where version > 1")), (lines, 0));
}

#[actix_web::test]
async fn supply_only_grows() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let mut new = body(3);
    new["ends_at"] = json!(Utc::now() + TimeDelta::days(1));
    let campaign = create(&admin, &new).await;
    assert_eq!(send(user.claim(id(&assets(&admin, &campaign).await[0]))).await.status(), 201);
    let grown = edit(&admin, &campaign, &json!({"quantity": 10, "amount": "4"})).await;
    assert_eq!((&grown["available"], &grown["claimed"]), (&json!(9), &json!(1)));
    let credits = assets(&admin, &campaign).await;
    let is_new = |credit: &&Value| credit["amount"] == "4.00" && credit["title"] == "Autumn";
    assert_eq!(credits.iter().filter(is_new).count(), 9, "all but the claimed one");
    assert!(credits.iter().all(|credit| credit["expires_at"] == campaign["ends_at"]));
    assert_eq!(count_in(&web, "audit_log where action = 'asset.create'"), 10);
    let (_, before, after) = last_line(&web, &format!("campaign:{}", id(&campaign)));
    assert_eq!((&before["quantity"], &after["quantity"]), (&json!(3), &json!(10)));
    for (quantity, words) in [(9, "10 credits already"), (-1, "10 credits already"), (10_011, "at most 10,000")] {
        let answer = patch(&admin, &campaign, &json!({"quantity": quantity})).await;
        assert_eq!(answer.status(), 422, "{quantity}");
        let found: Value = answer.json().await.unwrap();
        assert_eq!(found["errors"][0]["field"], "quantity");
        assert!(text(&found["errors"][0]["message"]).contains(words), "{found}");
    }
    web.wait_seconds(86_401);
    // The token of the sign-in is no longer good.
    let admin = admin.by_password("root", PASSWORD);
    let late = patch(&admin, &campaign, &json!({"quantity": 11})).await;
    assert!(late.text().await.unwrap().contains("has ended"));
    // What is over can be called otherwise, and can begin again.
    edit(&admin, &campaign, &json!({"title": "Past autumn"})).await;
    let later = json!({"quantity": 11, "ends_at": Utc::now() + TimeDelta::days(9)});
    let again = edit(&admin, &campaign, &later).await;
    assert_eq!((&again["status"], &again["available"], &again["expired"]), (&json!("running"), &json!(1), &json!(9)));
    audit(&web);
}

#[actix_web::test]
async fn the_asset_type_stays_once_any_credit_has_been_claimed() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let campaign = create(&admin, &body(2)).await;
    let to_points = json!({"asset_type": "PTS", "amount": "7"});
    let answer = patch(&admin, &campaign, &json!({"asset_type": "PTS"})).await;
    assert_eq!(problem(answer).await, is(422, "invalid_amount"), "2.50 is too fine for PTS");
    let changed = edit(&admin, &campaign, &to_points).await;
    assert_eq!((&changed["asset_type"], &changed["amount"]), (&json!("PTS"), &json!("7")));
    let answer = send(user.post("/claims").json(&json!({"campaign_id": id(&campaign)}))).await;
    assert_eq!(answer.status(), 201);
    assert_eq!((user.balance("PTS").await, user.balance("GOLD").await), ("7".to_owned(), "0.00".to_owned()));
    let answer = patch(&admin, &campaign, &json!({"asset_type": "GOLD"})).await;
    assert_eq!(problem(answer).await, is(409, "campaign_immutable"));
    assert_eq!(edit(&admin, &campaign, &json!({"asset_type": "PTS", "title": "Points"})).await["title"], "Points");
    audit(&web);
}

#[actix_web::test]
async fn a_version_that_is_no_longer_there_is_not_changed() {
    let (_web, admin) = web_with_admin().await;
    let campaign = create(&admin, &body(1)).await;
    let path = format!("/admin/campaigns/{}", id(&campaign));
    let ask = async |version: &str, title: &str| {
        let request = admin.request(Method::PATCH, &path).header("If-Match", version);
        send(request.json(&json!({"title": title}))).await
    };
    assert_eq!(ask("\"1\"", "First").await.status(), 200);
    assert_eq!(problem(ask("\"1\"", "Second").await).await, is(412, "precondition_failed"));
    for unreadable in ["1", "*", "\"x\"", "W/\"2\""] {
        assert_eq!(problem(ask(unreadable, "Third").await).await, is(400, "malformed"), "{unreadable}");
    }
    let found = ask("\"2\"", "Fourth").await.json::<Value>().await.unwrap();
    assert_eq!((&found["title"], &found["version"]), (&json!("Fourth"), &json!(3)));
}

#[actix_web::test]
async fn every_field_that_cannot_be_is_named_and_nothing_changes() {
    let (_web, admin) = web_with_admin().await;
    let mut new = body(2);
    new["starts_at"] = json!("2020-01-01T00:00:00Z");
    new["ends_at"] = json!("2035-01-01T00:00:00Z");
    let campaign = create(&admin, &new).await;
    for (change, status, code) in [
        (json!({"title": " "}), 422, "invalid"),
        (json!({"description": "x".repeat(2_001)}), 422, "invalid"),
        (json!({"kind": "gift"}), 422, "invalid"),
        (json!({"ends_at": "2020-06-01T00:00:00Z"}), 422, "invalid"),
        (json!({"starts_at": "2035-01-01T00:00:00Z"}), 422, "invalid"),
        (json!({"per_user_limit": 0}), 422, "invalid"),
        (json!({"per_user_limit": 4_294_967_297_i64}), 422, "invalid"),
        (json!({"amount": "0"}), 422, "invalid_amount"),
        (json!({"amount": "1.001"}), 422, "invalid_amount"),
        (json!({"asset_type": "NONE"}), 404, "asset_type_not_found"),
        (json!({"title": null}), 400, "malformed"),
        (json!({"amount": null}), 400, "malformed"),
        (json!({"status": "paused"}), 400, "malformed"),
    ] {
        assert_eq!(problem(patch(&admin, &campaign, &change).await).await, is(status, code), "{change}");
    }
    assert_eq!(admin.read(&format!("/campaigns/{}", id(&campaign))).await, campaign);
    let open = edit(&admin, &campaign, &json!({"ends_at": null, "starts_at": null})).await;
    assert_eq!((&open["starts_at"], &open["ends_at"]), (&Value::Null, &Value::Null));
    assert!(assets(&admin, &campaign).await.iter().all(|credit| credit["expires_at"].is_null()));
}

#[actix_web::test]
async fn a_paused_campaign_gives_nothing_until_it_is_resumed() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let campaign = create(&admin, &body(2)).await;
    let claim = async || send(user.post("/claims").json(&json!({"campaign_id": id(&campaign)}))).await;
    edit(&admin, &campaign, &json!({"paused": true})).await;
    assert_eq!(problem(claim().await).await, is(409, "campaign_not_running"));
    assert_eq!(assets(&admin, &campaign).await[0]["version"], 1, "credits have nothing to do with it");
    edit(&admin, &campaign, &json!({"paused": false})).await;
    assert_eq!(claim().await.status(), 201);
    audit(&web);
}

#[actix_web::test]
async fn a_campaign_goes_with_all_its_credits_unless_one_has_been_claimed() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let (kept, gone) = (create(&admin, &body(2)).await, create(&admin, &body(3)).await);
    assert_eq!(send(user.claim(id(&assets(&admin, &kept).await[0]))).await.status(), 201);
    assert_eq!(problem(delete(&admin, &kept).await).await, is(409, "campaign_immutable"));
    assert_eq!(delete(&admin, &gone).await.status(), 204);
    assert_eq!(problem(delete(&admin, &gone).await).await, is(404, "not_found"));
    assert_eq!(problem(patch(&admin, &gone, &json!({})).await).await, is(404, "not_found"));
    assert_eq!((count_in(&web, "campaigns"), count_in(&web, "assets")), (1, 2));
    let (action, before, after) = last_line(&web, &format!("campaign:{}", id(&gone)));
    assert_eq!((action.as_str(), &after), ("campaign.delete", &Value::Null));
    assert_eq!(
        (&before["title"], &before["amount"], &before["quantity"]),
        (&json!("Autumn"), &json!("2.50"), &json!(3))
    );
    audit(&web);
}

#[actix_web::test]
async fn a_campaign_stays_while_a_credit_elsewhere_replaces_one_of_its_own() {
    let (web, admin) = web_with_admin().await;
    let campaign = create(&admin, &body(1)).await;
    let credit = id(&assets(&admin, &campaign).await[0]);
    let other = admin.issue(1, "GOLD", "1").await[0];
    let replace = format!("update assets set recreated_from = {credit} where id = {other}");
    web.db.run_here(|conn| Ok(conn.batch_execute(&replace)?)).unwrap();
    assert_eq!(problem(delete(&admin, &campaign).await).await, is(409, "already_recreated"));
    assert_eq!((count_in(&web, "campaigns"), count_in(&web, "assets")), (1, 2));
}

#[actix_web::test]
async fn only_admins_change_campaigns() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let campaign = create(&admin, &body(1)).await;
    assert_eq!(problem(patch(&user, &campaign, &json!({})).await).await, is(403, "forbidden"));
    assert_eq!(problem(delete(&user, &campaign).await).await, is(403, "forbidden"));
}

#[actix_web::test]
async fn a_campaign_that_changes_its_unit_takes_every_amount_with_it() {
    let (web, admin) = web_with_admin().await;
    let anna = caller(&web, "anna", Role::User).await;
    let mut new = body(3);
    new["per_user_limit"] = json!(3);
    let campaign = create(&admin, &new).await;
    let credits = assets(&admin, &campaign).await;
    let own = admin.request(Method::PATCH, &format!("/admin/assets/{}", id(&credits[0])));
    let own = own.header("If-Match", "\"1\"").json(&json!({"amount": "12.25"}));
    assert_eq!(send(own).await.status(), 200);
    let finer = patch(&admin, &campaign, &json!({"asset_type": "PTS"})).await;
    assert_eq!(problem(finer).await, is(422, "invalid_amount"));
    edit(&admin, &campaign, &json!({"asset_type": "PTS", "amount": "3"})).await;
    for credit in assets(&admin, &campaign).await {
        assert_eq!((&credit["asset_type"], &credit["amount"]), (&json!("PTS"), &json!("3")));
        assert_eq!(send(anna.claim(id(&credit))).await.status(), 201);
    }

    let other = create(&admin, &body(2)).await;
    let expired = id(&assets(&admin, &other).await[0]);
    assert_eq!(send(admin.post(&format!("/admin/assets/{expired}/expire")).json(&json!({}))).await.status(), 200);
    let change = json!({"asset_type": "PTS", "amount": "3"});
    let refused = patch(&admin, &other, &change).await;
    assert_eq!(refused.status(), 422);
    let told: Value = refused.json().await.unwrap();
    assert_eq!(told["errors"][0]["field"], "asset_type");
    audit(&web);
}

#[actix_web::test]
async fn nothing_joins_a_campaign_that_has_ended_and_what_comes_back_of_it_stands_alone() {
    let (web, admin) = web_with_admin().await;
    let anna = caller(&web, "anna", Role::User).await;
    let campaign = create(&admin, &body(2)).await;
    let credits = assets(&admin, &campaign).await;
    let open = id(&credits[0]);
    assert_eq!(send(admin.post(&format!("/admin/assets/{open}/expire")).json(&json!({}))).await.status(), 200);
    let statement = format!(
        "update campaigns set ends_at = now() where id = {0}; update assets set expires_at = now() where campaign_id = {0}",
        id(&campaign)
    );
    web.db.run_here(|conn| Ok(conn.batch_execute(&statement)?)).unwrap();
    let more = json!({
        "title": "More", "kind": "promotional", "asset_type": "GOLD", "amount": "1", "campaign_id": id(&campaign),
    });
    let refused = send(admin.post("/admin/assets").json(&more)).await;
    assert_eq!(refused.status(), 422);
    assert_eq!(refused.json::<Value>().await.unwrap()["errors"][0]["field"], "campaign_id");
    let file = format!("title,kind,asset_type,amount,campaign_id\nMore,signup,GOLD,1,{}\n", id(&campaign));
    let refused = send(admin.post("/admin/assets/import").header("Content-Type", "text/csv").body(file)).await;
    assert_eq!(refused.status(), 422);
    for credit in &credits {
        let back = send(admin.post(&format!("/admin/assets/{}/recreate", id(credit))).json(&json!({}))).await;
        assert_eq!(back.status(), 201);
        let back: Value = back.json().await.unwrap();
        assert_eq!((&back["campaign_id"], &back["recreated_from"]), (&json!(null), &credit["id"]));
        assert_eq!(send(anna.claim(id(&back))).await.status(), 201);
    }
    audit(&web);
}
