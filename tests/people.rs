//! Users as admins see them, who owns which credit, and the audit log.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "people/audit_log.rs"]
mod audit_log;
#[path = "people/browsers.rs"]
mod browsers;
#[path = "people/ownership.rs"]
mod ownership;
#[path = "people/pages.rs"]
mod pages;
#[path = "people/users.rs"]
mod users;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use support::api::{Caller, text};
use support::web::send;

/// Asks for a change of a user.
async fn change(admin: &Caller, user: &str, body: &Value) -> Response {
    send(admin.request(Method::PATCH, &format!("/admin/users/{user}")).json(body)).await
}

/// Changes a user's status or role; gives the user.
async fn changed(admin: &Caller, user: &str, field: &str, word: &str) -> Value {
    let answer = change(admin, user, &json!({field: word, "reason": "a test"})).await;
    assert_eq!(answer.status(), 200, "{user}: {field} {word}");
    answer.json().await.unwrap()
}

/// The values of one field of rows.
fn column(rows: &[Value], field: &str) -> Vec<String> {
    rows.iter().map(|row| text(&row[field])).collect()
}
