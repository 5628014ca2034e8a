//! The life of credits in the hands of admins: lists, reviews, forms and files, as pages without
//! scripts and in real browsers.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "asset_pages/browsers.rs"]
mod browsers;
#[path = "asset_pages/bulk.rs"]
mod bulk;
#[path = "asset_pages/imports.rs"]
mod imports;
#[path = "asset_pages/lists.rs"]
mod lists;
#[path = "asset_pages/one.rs"]
mod one;

use coffer::domain::Role;
use reqwest::{Client, Response};
use scraper::{Html, Selector};
use serde_json::{Value, json};
use support::api::Caller;
use support::web::{PASSWORD, Web, browser, page, send, submit, texts};

/// A house with its admin, who works in a browser and may call the API, and one user.
struct House {
    web: Web,
    root: Client,
    admin: Caller,
    alice: Caller,
}

impl House {
    async fn open() -> Self {
        let web = Web::start();
        for (code, name, scale) in [("CASH", "Cashback", 2), ("PTS", "Loyalty Points", 0)] {
            web.have_asset_type(code, name, scale);
        }
        web.have_user("root", Role::Admin);
        web.have_user("alice", Role::User);
        let root = browser();
        submit(&web, &root, "/login", &[("login", "root"), ("password", PASSWORD)]).await;
        let caller = async |login: &str| Caller::sign_in(&Client::new(), &web.url(""), login, PASSWORD).await;
        let (admin, alice) = (caller("root").await, caller("alice").await);
        Self { web, root, admin, alice }
    }

    /// Promotional credits, by their ids.
    async fn issue(&self, title: &str, quantity: usize, asset_type: &str, amount: &str) -> Vec<i64> {
        let body = json!({
            "title": title, "kind": "promotional", "asset_type": asset_type, "amount": amount, "quantity": quantity,
        });
        self.admin.create(&body).await.iter().map(support::api::id).collect()
    }

    async fn claim(&self, asset: i64) {
        assert_eq!(send(self.alice.claim(asset)).await.status(), 201);
    }

    async fn page(&self, path: &str) -> String {
        page(&self.web, &self.root, path).await
    }

    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        submit(&self.web, &self.root, path, fields).await
    }

    /// The message on the page that an answer leads to, which is at `path`.
    async fn flash(&self, answer: Response, path: &str) -> String {
        assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (303, path));
        texts(&self.page(path).await, ".flash__text").join(" ")
    }

    /// How the API shows a credit.
    async fn asset(&self, id: i64) -> Value {
        self.admin.read(&format!("/assets/{id}")).await
    }
}

fn attributes(html: &str, selector: &str, attribute: &str) -> Vec<String> {
    let document = Html::parse_document(html);
    let chosen = Selector::parse(selector).unwrap();
    document.select(&chosen).filter_map(|element| element.attr(attribute).map(str::to_owned)).collect()
}

/// The hidden fields of the page's form, as they are sent.
fn hidden(html: &str) -> Vec<(String, String)> {
    let document = Html::parse_document(html);
    let chosen = Selector::parse("main form input[type=hidden]:not([name=csrf_token])").unwrap();
    let pair = |name: &str, value: Option<&str>| (name.to_owned(), value.unwrap_or_default().to_owned());
    document.select(&chosen).map(|field| pair(field.attr("name").unwrap(), field.attr("value"))).collect()
}
