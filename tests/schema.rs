//! The server against its own OpenAPI document, tried with thousands of requests.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use coffer::domain::Role;
use support::api::{audit, caller, web_with_admin};
use support::schemathesis;
use support::web::{Web, send, sign_in};

/// Tries a web server with credits to claim, as one of its users.
async fn keeps_to_its_document(login: &str) {
    let (web, admin) = web_with_admin().await;
    let uma = caller(&web, "uma", Role::User).await;
    for (quantity, asset_type, amount) in [(20, "GOLD", "12.50"), (20, "PTS", "3")] {
        let ids = admin.issue(quantity, asset_type, amount).await;
        assert_eq!(send(uma.claim(ids[0])).await.status(), 201);
    }
    let tokens = [sign_in(&web, login).await, sign_in(&web, login).await];
    schemathesis::run(&web, tokens.each_ref().map(|tokens| tokens["access_token"].as_str().unwrap()));
    audit(&web);
}

#[actix_web::test]
async fn as_an_admin_meets_it_the_server_keeps_to_its_document() {
    keeps_to_its_document("root").await;
}

#[actix_web::test]
async fn as_a_user_meets_it_the_server_keeps_to_its_document() {
    keeps_to_its_document("uma").await;
}

#[test]
fn every_example_fits_its_schema() {
    schemathesis::check_examples(&Web::start());
}
