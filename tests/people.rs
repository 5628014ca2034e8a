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

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coffer::error::Result;
use coffer::repo;
use diesel::PgConnection;
use diesel::connection::{Connection, InstrumentationEvent};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use support::api::{Caller, text};
use support::web::{Web, send};

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

/// How many statements a verb of the repo sends, beside those that begin and end its transaction.
fn queries<T>(web: &Web, verb: impl FnOnce(&mut PgConnection) -> Result<T>) -> (T, usize) {
    let mut conn = repo::connect(web.conninfo()).unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let query = query.to_string().to_ascii_lowercase();
            let frames = ["begin", "commit", "rollback"].iter().any(|word| query.starts_with(word));
            counter.fetch_add(usize::from(!frames), Ordering::Relaxed);
        }
    });
    let found = verb(&mut conn).unwrap();
    (found, count.load(Ordering::Relaxed))
}
