//! The log of what admins did. That nobody changes or deletes a line is in `database/refusals.rs`.

use coffer::domain::Role;
use serde_json::{Value, json};

use crate::support::api::{Caller, caller, count_in, text, web_with_admin};
use crate::support::web::{is, problem, send};
use crate::{changed, column};

/// The lines that a request leaves.
async fn lines_of(admin: &Caller, request: reqwest::RequestBuilder) -> Vec<Value> {
    let before = admin.walk("/admin/audit-log?").await.len();
    let answer = send(request).await;
    assert!(answer.status().is_success(), "{}", answer.status());
    let mut lines = admin.walk("/admin/audit-log?").await;
    lines.truncate(lines.len() - before);
    lines
}

#[actix_web::test]
async fn every_verb_leaves_one_line_for_each_thing_it_is_done_to() {
    let (web, admin) = web_with_admin().await;
    web.have_user("ben", Role::User);
    let mut credit = json!({"title": "Gift", "kind": "signup", "asset_type": "GOLD", "amount": "5", "quantity": 3});
    let lines = lines_of(&admin, admin.post("/admin/assets").json(&credit)).await;
    assert_eq!(column(&lines, "action"), ["asset.create"; 3]);
    credit["title"] = json!("Festival");
    let lines = lines_of(&admin, admin.post("/admin/campaigns").json(&credit)).await;
    assert_eq!(column(&lines, "action").iter().filter(|action| *action == "campaign.create").count(), 1);
    for (field, word, action) in [
        ("status", "frozen", "user.freeze"),
        ("status", "active", "user.unfreeze"),
        ("role", "admin", "user.make_admin"),
        ("role", "user", "user.make_user"),
    ] {
        let body = json!({field: word, "reason": format!("for {action}")});
        let lines = lines_of(&admin, admin.request(reqwest::Method::PATCH, "/admin/users/ben").json(&body)).await;
        assert_eq!(lines.len(), 1, "{action}");
        let line = &lines[0];
        assert_eq!((&line["action"], &line["target"]), (&json!(action), &json!("user:ben")));
        assert_eq!((&line["actor"], &line["reason"]), (&json!("root"), &json!(format!("for {action}"))));
        assert_eq!((&line["after"][field], &line["ip_address"]), (&json!(word), &json!("127.0.0.1")));
        assert!(line["before"][field].is_string() && line["request_id"].is_string(), "{line}");
    }
}

#[actix_web::test]
async fn the_log_is_narrowed_by_who_what_to_what_and_when() {
    let (web, admin) = web_with_admin().await;
    let ada = caller(&web, "ada", Role::Admin).await;
    web.have_user("ben", Role::User);
    changed(&admin, "ben", "status", "frozen").await;
    changed(&ada, "ben", "status", "active").await;
    admin.issue(1, "GOLD", "5").await;
    let newest = admin.read("/admin/audit-log?limit=1").await;
    let at = text(&newest["data"][0]["created_at"]);
    for (query, actions) in [
        ("", vec!["asset.create", "user.unfreeze", "user.freeze"]),
        ("limit=1", vec!["asset.create", "user.unfreeze", "user.freeze"]),
        ("actor=ada", vec!["user.unfreeze"]),
        ("actor=me", vec!["asset.create", "user.freeze"]),
        ("action=user.freeze", vec!["user.freeze"]),
        ("action=no.such", vec![]),
        ("target=user:ben", vec!["user.unfreeze", "user.freeze"]),
        ("target=user:ben&actor=root", vec!["user.freeze"]),
        (&format!("from={at}&to={at}"), vec!["asset.create"]),
        ("to=2000-01-01", vec![]),
    ] {
        assert_eq!(column(&admin.walk(&format!("/admin/audit-log?{query}")).await, "action"), actions, "{query}");
    }
    for (query, status, code) in [
        ("actor=nobody-here", 404, "user_not_found"),
        ("from=soon", 422, "invalid"),
        ("cursor=x", 400, "invalid_cursor"),
    ] {
        let answer = send(admin.get(&format!("/admin/audit-log?{query}"))).await;
        assert_eq!(problem(answer).await, is(status, code), "{query}");
    }
    assert_eq!(count_in(&web, "audit_log"), 3, "looking leaves none");
}
