//! Supply as admins manage it: campaigns and asset types, from their creation to their end, by the
//! API and in real browsers.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "supply/asset_types.rs"]
mod asset_types;
#[path = "supply/browsers.rs"]
mod browsers;
#[path = "supply/campaigns.rs"]
mod campaigns;
#[path = "supply/lists.rs"]
mod lists;
#[path = "supply/pages.rs"]
mod pages;
#[path = "supply/races.rs"]
mod races;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use support::api::{Caller, id};
use support::web::{Web, send};

/// What an admin sends to create a campaign.
fn body(quantity: usize) -> Value {
    json!({
        "title": "Autumn", "description": "Leaves fall", "kind": "promotional", "asset_type": "GOLD",
        "amount": "2.50", "quantity": quantity,
    })
}

/// Creates a campaign, which must succeed.
async fn create(admin: &Caller, body: &Value) -> Value {
    let answer = send(admin.post("/admin/campaigns").json(body)).await;
    assert_eq!(answer.status(), 201, "{body}");
    answer.json().await.unwrap()
}

/// Asks for a change of a campaign.
async fn patch(admin: &Caller, campaign: &Value, change: &Value) -> Response {
    send(admin.request(Method::PATCH, &format!("/admin/campaigns/{}", id(campaign))).json(change)).await
}

/// Changes a campaign, which must succeed.
async fn edit(admin: &Caller, campaign: &Value, change: &Value) -> Value {
    let answer = patch(admin, campaign, change).await;
    assert_eq!(answer.status(), 200, "{change}");
    answer.json().await.unwrap()
}

/// Asks for the end of a campaign.
async fn delete(admin: &Caller, campaign: &Value) -> Response {
    send(admin.delete(&format!("/admin/campaigns/{}", id(campaign)))).await
}

/// The assets of a campaign, newest first.
async fn assets(admin: &Caller, campaign: &Value) -> Vec<Value> {
    admin.walk(&format!("/assets?limit=200&campaign_id={}", id(campaign))).await
}

/// The newest line of the audit log about something: its action, before and after.
fn last_line(web: &Web, target: &str) -> (String, Value, Value) {
    use coffer::repo::PageRequest;
    use coffer::repo::audit::{LineFilter, page};
    let filter = LineFilter { target: Some(target.to_owned()), ..LineFilter::default() };
    let mut lines = web.db.run_here(|conn| page(conn, &filter, &PageRequest::first(1))).unwrap().items;
    let line = lines.remove(0);
    (line.action, line.before.unwrap_or_default(), line.after.unwrap_or_default())
}
