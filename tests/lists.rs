//! What all routes of the API have in common: which parameters they take, and how their lists are
//! paged.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use coffer::domain::Role;
use coffer::web::{Access, ROUTES};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use support::api::{Caller, audit, caller, credit, furnished, id, text};
use support::web::{Web, is, problem, send};

/// A web server with two of everything that can be listed, and the admin whose they are.
async fn furnished_twice() -> (Web, Caller) {
    let (web, admin) = furnished(Web::start()).await;
    web.have_user("second", Role::User);
    Caller::sign_in(&Client::new(), &web.url(""), "root", support::web::PASSWORD).await;
    for (name, asset_type) in [("one", "GOLD"), ("two", "PTS")] {
        let key = json!({"name": name, "scopes": ["read"]});
        assert_eq!(send(admin.post("/me/api-keys").json(&key)).await.status(), 201);
        let mut campaign = credit(1, asset_type, "3");
        campaign["title"] = json!(name);
        assert_eq!(send(admin.post("/admin/campaigns").json(&campaign)).await.status(), 201);
        for asset in admin.issue(2, asset_type, "5").await {
            assert_eq!(send(admin.claim(asset)).await.status(), 201);
        }
    }
    (web, admin)
}

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

#[actix_web::test]
async fn asset_types_and_balances_come_in_pages_by_code() {
    let (web, admin) = furnished(Web::start()).await;
    for code in ["AIR", "ZINC", "MILES"] {
        web.have_asset_type(code, "Something", 0);
    }
    for (list, name) in [("/asset-types", "code"), ("/users/me/balances", "asset_type")] {
        for limit in [1, 2, 4, 5] {
            let rows = admin.walk(&format!("{list}?limit={limit}")).await;
            let codes: Vec<String> = rows.iter().map(|row| text(&row[name])).collect();
            assert_eq!(codes, ["AIR", "GOLD", "MILES", "PTS", "ZINC"], "{list} by {limit}");
        }
        let page = admin.read(&format!("{list}?limit=2")).await;
        assert_eq!((page["data"].as_array().unwrap().len(), page["next_cursor"].is_string()), (2, true), "{list}");
        assert_eq!(admin.read(list).await["next_cursor"], Value::Null, "{list}");
        for (query, code) in [("limit=0", "malformed"), ("limit=201", "malformed"), ("cursor=x", "invalid_cursor")] {
            assert_eq!(problem(send(admin.get(&format!("{list}?{query}"))).await).await, is(400, code), "{query}");
        }
    }
}

#[actix_web::test]
async fn a_list_takes_only_the_cursors_that_it_gave_out() {
    let (_web, admin) = furnished_twice().await;
    let wallets: Vec<i64> = admin.walk("/wallets?user=me").await.iter().map(id).collect();
    let mut lists: Vec<String> = [
        "/assets?",
        "/claims?",
        "/campaigns?",
        "/wallets?",
        "/transactions?",
        "/transactions?user=me&",
        "/asset-types?",
        "/users/me/balances?",
        "/me/sessions?",
        "/me/api-keys?",
        "/admin/users?",
        "/admin/claims?",
        "/admin/audit-log?",
    ]
    .map(str::to_owned)
    .into();
    for wallet in wallets {
        lists.extend(["", "order=asc&"].map(|order| format!("/wallets/{wallet}/transactions?{order}")));
    }
    assert_eq!(lists.len(), 17);
    let mut cursors = Vec::new();
    for list in &lists {
        cursors.push(text(&admin.read(&format!("{list}limit=1")).await["next_cursor"]));
    }
    for (asked, list) in lists.iter().enumerate() {
        for (giver, cursor) in cursors.iter().enumerate() {
            let answer = send(admin.get(&format!("{list}limit=1&cursor={cursor}"))).await;
            if asked == giver {
                assert_eq!(answer.status(), 200, "{list}");
            } else {
                assert_eq!(problem(answer).await, is(400, "invalid_cursor"), "{list} with that of {}", lists[giver]);
            }
        }
    }
}

#[actix_web::test]
async fn an_asset_type_that_does_not_exist_is_not_an_empty_list() {
    let (web, admin) = furnished(Web::start()).await;
    let anna = caller(&web, "anna", Role::User).await;
    for list in ["/assets", "/wallets", "/transactions"] {
        for caller in [&admin, &anna] {
            for code in ["NOPE", "nope"] {
                let answer = send(caller.get(&format!("{list}?asset_type={code}"))).await;
                assert_eq!(problem(answer).await, is(404, "asset_type_not_found"), "{list} {code}");
            }
            let empty = json!({"data": [], "next_cursor": null});
            assert_eq!(caller.read(&format!("{list}?asset_type=PTS")).await, empty, "{list}");
        }
    }
}
