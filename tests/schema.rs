//! The server against its own OpenAPI document, tried with thousands of requests.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use coffer::domain::Role;
use reqwest::Client;
use serde_json::json;
use support::api::{Caller, audit, caller, furnished};
use support::schemathesis::{self, Callers};
use support::web::{PASSWORD, Web, send};

/// Tries a web server with credits to claim, as one of its users. Sessions and passwords that are
/// lost on the way are those of others.
async fn keeps_to_its_document(login: &str) {
    let (web, admin) = furnished(Web::start_unthrottled()).await;
    let uma = caller(&web, "uma", Role::User).await;
    for (quantity, asset_type, amount) in [(20, "GOLD", "12.50"), (20, "PTS", "3")] {
        let ids = admin.issue(quantity, asset_type, amount).await;
        assert_eq!(send(uma.claim(ids[0])).await.status(), 201);
    }
    let campaign = json!({
        "title": "Festive Cashback", "kind": "promotional", "asset_type": "GOLD", "amount": "5", "quantity": 20,
        "per_user_limit": 10,
    });
    assert_eq!(send(admin.post("/admin/campaigns").json(&campaign)).await.status(), 201);
    web.have_user("subject", Role::User);
    let nomad = caller(&web, "nomad", Role::User).await.by_password("nomad", PASSWORD);
    let sign_in = async || Caller::sign_in(&Client::new(), &web.url(""), login, PASSWORD).await.authorization;
    let callers = Callers {
        usual: sign_in().await,
        leaving: sign_in().await,
        changing: caller(&web, "fickle", Role::User).await.authorization,
        without_session: nomad.authorization,
    };
    schemathesis::run(&web, &callers);
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
