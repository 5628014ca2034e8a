//! The OpenAPI document against the routes and the codes, and the page that shows it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use std::collections::BTreeSet;

use coffer::domain::Role;
use coffer::web::problem::{ERRORS, REFUSALS};
use coffer::web::{Access, ROUTES};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use support::browser::Browser;
use support::browser::Screen::Desk;
use support::browser::Scripts::On;
use support::web::{Web, send, sign_in};

/// The codes that no operation gives: of methods that are not there, and of pages.
const OF_NO_OPERATION: [&str; 2] = ["method_not_allowed", "stale_form"];

async fn document(web: &Web) -> Value {
    let answer = send(Client::new().get(web.url("/api/openapi.json"))).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    answer.json().await.unwrap()
}

/// Method and path of every operation, with what the document says of it.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let items = document["paths"].as_object().unwrap().iter();
    items
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
        })
        .collect()
}

/// The routes that scripts call.
fn routes() -> impl Iterator<Item = (String, Access)> {
    let routes = ROUTES.iter().filter(|route| route.path.starts_with("/api") || route.path.starts_with("/health"));
    routes.map(|route| (format!("{} {}", route.method, route.path), route.access))
}

/// The codes of all refusals of an operation, with the status that each stands at.
fn codes(operation: &Value) -> BTreeSet<(String, String)> {
    let responses = operation["responses"].as_object().unwrap().iter();
    responses
        .flat_map(|(status, response)| {
            let codes = &response["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"];
            let codes = codes["enum"].as_array().cloned().unwrap_or_default();
            codes.into_iter().map(move |code| (status.clone(), code.as_str().unwrap().to_owned()))
        })
        .collect()
}

#[actix_web::test]
async fn every_route_is_documented_and_nothing_else() {
    let document = document(&Web::start()).await;
    assert_eq!((&document["openapi"], &document["info"]["title"]), (&json!("3.1.0"), &json!("Coffer")));
    let documented: BTreeSet<String> = operations(&document).into_iter().map(|(name, _)| name).collect();
    let there: BTreeSet<String> = routes().map(|(name, _)| name).collect();
    assert_eq!(documented, there);
}

#[actix_web::test]
async fn every_operation_says_what_it_does_who_may_and_what_comes_back() {
    let document = document(&Web::start()).await;
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        let access = routes().find(|(route, _)| *route == name).unwrap().1;
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty() && !summary.contains('`'), "{name}: {summary:?}");
        let description = operation["description"].as_str().unwrap_or_default();
        assert!(!description.contains('[') && !description.contains("::"), "{name}: {description}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{name}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
        assert_eq!(operation["security"].is_array(), access != Access::Public, "{name}");
        let codes: BTreeSet<String> = codes(operation).into_iter().map(|(_, code)| code).collect();
        assert!(access == Access::Public || codes.contains("unauthenticated"), "{name}: {codes:?}");
        assert!(access != Access::Admin || codes.contains("forbidden"), "{name}: {codes:?}");
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} {status}");
            assert!(response["headers"]["X-Request-Id"].is_object(), "{name} {status}");
            for media in response["content"].as_object().into_iter().flat_map(|content| content.values()) {
                assert!(media["schema"].is_object() && !media["example"].is_null(), "{name} {status}");
            }
        }
        if let Some(body) = operation.get("requestBody") {
            let media: Vec<_> = body["content"].as_object().unwrap().values().collect();
            assert!(!media.is_empty() && media.iter().all(|media| !media["example"].is_null()), "{name}");
        }
    }
}

#[actix_web::test]
async fn what_moves_value_takes_a_key_and_says_when_it_answers_again() {
    let document = document(&Web::start()).await;
    let claim = &document["paths"]["/api/v1/assets/{id}/claim"]["post"];
    let parameters = claim["parameters"].as_array().unwrap();
    assert!(parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key" && parameter["in"] == "header"));
    assert_eq!(claim["requestBody"]["required"], false);
    for status in ["200", "201"] {
        assert!(claim["responses"][status]["headers"]["Idempotent-Replayed"].is_object(), "{status}");
    }
    let body = claim["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
    let body = document.pointer(body.trim_start_matches('#')).unwrap();
    assert_eq!(body["additionalProperties"], false);
    assert!(body["properties"]["idempotency_key"].is_object());
}

#[actix_web::test]
async fn every_code_is_documented_at_its_status_and_no_other_is() {
    let document = document(&Web::start()).await;
    let known: BTreeSet<(String, String)> =
        ERRORS.iter().chain(REFUSALS).map(|(status, code)| (status.as_str().to_owned(), (*code).to_owned())).collect();
    let documented: BTreeSet<_> =
        operations(&document).into_iter().flat_map(|(_, operation)| codes(operation)).collect();
    let of_no_error: Vec<_> = documented.difference(&known).collect();
    assert!(of_no_error.is_empty(), "{of_no_error:?}");
    let of_no_operation: BTreeSet<&str> = known.difference(&documented).map(|(_, code)| code.as_str()).collect();
    assert_eq!(of_no_operation, BTreeSet::from(OF_NO_OPERATION));
}

#[actix_web::test]
async fn the_page_and_its_files_are_there_for_everybody_and_no_other_files_are() {
    let web = Web::start();
    let ask = async |method: Method, path: &str| send(Client::new().request(method, web.url(path))).await;
    for (path, kind, cache) in [
        ("/docs", "text/html; charset=utf-8", "no-cache"),
        ("/docs/swagger-ui.css", "text/css", "public, max-age=86400"),
        ("/docs/swagger-ui-bundle.js", "text/javascript", "public, max-age=86400"),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let answer = ask(method, path).await;
            assert_eq!(answer.status(), 200, "{path}");
            assert_eq!(answer.headers()["content-type"], kind, "{path}");
            assert_eq!(answer.headers()["cache-control"], cache, "{path}");
        }
    }
    for path in ["/docs/", "/docs/index.html", "/docs/swagger-initializer.js", "/docs/..%2fCargo.toml"] {
        assert_eq!(ask(Method::GET, path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let policy = ask(Method::GET, "/docs").await.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let usual = ask(Method::GET, "/").await.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert_eq!(policy.replace(" img-src 'self' data:;", ""), usual);
}

#[actix_web::test]
async fn in_a_browser_operations_can_be_read_and_tried() {
    let web = Web::start();
    web.have_user("uma", Role::User);
    let token = sign_in(&web, "uma").await["access_token"].as_str().unwrap().to_owned();
    let browser = Browser::start(&web, Desk, On).await;
    browser.open("/docs").await;
    browser.see(".opblock-summary-path", "/me").await;
    let shown = browser.texts(".opblock-summary-path").await.len();
    assert_eq!(shown, routes().count());
    browser.press("Authorize").await;
    browser.find("#auth-bearer-value").await.send_keys(&token).await.unwrap();
    browser.find(".auth-container button.authorize").await.click().await.unwrap();
    browser.find("button.btn-done").await.click().await.unwrap();
    browser.find("#operations-Accounts-get_me button.opblock-summary-control").await.click().await.unwrap();
    browser.find("#operations-Accounts-get_me button.try-out__btn").await.click().await.unwrap();
    browser.find("#operations-Accounts-get_me button.execute").await.click().await.unwrap();
    browser.see("#operations-Accounts-get_me .live-responses-table", "\"username\": \"uma\"").await;
    // Chromium would have other forms of Swagger UI, and says so.
    let complaints = browser.complaints().await.into_iter().filter(|complaint| !complaint.contains("[DOM]"));
    assert_eq!(complaints.collect::<Vec<_>>(), [""; 0]);
}
