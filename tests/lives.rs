//! The lives of assets by HTTP: change, end and return, many at once, from files and in files, and
//! what holds when all of that meets claims.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "lives/duels.rs"]
mod duels;
#[path = "lives/files.rs"]
mod files;
#[path = "lives/races.rs"]
mod races;
#[path = "lives/rules.rs"]
mod rules;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use support::api::Caller;

/// A change of an asset that has a version.
fn patch(admin: &Caller, asset: i64, version: i64, body: &Value) -> RequestBuilder {
    let request = admin.request(Method::PATCH, &format!("/admin/assets/{asset}"));
    request.header("If-Match", format!("\"{version}\"")).json(body)
}

/// Something that becomes of an asset: `expire` or `recreate`.
fn fate(admin: &Caller, asset: i64, action: &str) -> RequestBuilder {
    admin.post(&format!("/admin/assets/{asset}/{action}"))
}
