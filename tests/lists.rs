//! What all routes of the API have in common: which parameters they take, and how their lists are
//! paged.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use coffer::domain::Role;
use coffer::web::{Access, ROUTES};
use reqwest::Method;
use serde_json::{Value, json};
use support::api::{Caller, audit, caller, furnished, text};
use support::web::{Web, is, problem, send};

#[actix_web::test]
async fn a_parameter_that_a_route_does_not_take_is_refused_once_it_is_known_who_asks() {
    let (web, admin) = furnished(Web::start()).await;
    let anna = caller(&web, "anna", Role::User).await;
    let routes: Vec<_> = ROUTES.iter().filter(|route| route.path.starts_with("/api/v1")).collect();
    assert!(routes.len() > 30);
    for route in routes {
        let path = route.path.replace("{id}", "1").replace("{user}", "me").replace("{code}", "GOLD");
        let path = format!("{}?stray=1", path.trim_start_matches("/api/v1"));
        let ask = async |caller: &Caller| {
            problem(send(caller.request(route.method.as_str().parse().unwrap(), &path).json(&json!({}))).await).await
        };
        let refused = is(400, "malformed");
        assert_eq!(ask(&admin).await, refused, "{route:?}");
        let expected = if route.access == Access::Admin { is(403, "forbidden") } else { refused.clone() };
        assert_eq!(ask(&anna).await, expected, "{route:?}");
        let expected = if route.access == Access::Public { refused } else { is(401, "unauthenticated") };
        assert_eq!(ask(&anna.by("Bearer nobody".to_owned())).await, expected, "{route:?}");
    }
    let elsewhere = send(admin.request(Method::PUT, "/transactions?stray=1")).await;
    assert_eq!(problem(elsewhere).await, is(405, "method_not_allowed"));
    assert_eq!(problem(send(admin.get("/nowhere?stray=1")).await).await, is(404, "not_found"));
}

#[actix_web::test]
async fn where_nothing_is_only_tried_asking_for_it_moves_nothing() {
    let (web, admin) = furnished(Web::start()).await;
    let top_up = json!({"type": "top_up", "asset_type": "GOLD", "amount": "10"});
    let answer = send(admin.post("/transactions").json(&top_up)).await;
    assert_eq!(answer.status(), 201);
    let posted = text(&answer.json::<Value>().await.unwrap()["id"]);
    let batch = json!({"mode": "atomic", "transactions": [top_up]});
    for (path, body) in [
        ("/transactions/batch?dry_run=true".to_owned(), &batch),
        ("/transactions/%62atch?dry_run=true".to_owned(), &batch),
        (format!("/transactions/{posted}/reverse?dry_run=true"), &json!({"reason": "a look"})),
        (format!("/transactions/{posted}/%72everse?dry_run=true"), &json!({"reason": "a look"})),
    ] {
        let (status, _) = problem(send(admin.post(&path).json(body)).await).await;
        assert!(matches!(status, 400 | 404 | 405), "{path}: {status}");
        assert_eq!(admin.balance("GOLD").await, "10.00", "{path}");
    }
    audit(&web);
}
