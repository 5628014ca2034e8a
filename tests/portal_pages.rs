//! The pages of users: what they move, look back at and claim, as pages without scripts and in real
//! browsers.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "portal_pages/browsers.rs"]
mod browsers;
#[path = "portal_pages/campaigns.rs"]
mod campaigns;
#[path = "portal_pages/movements.rs"]
mod movements;
#[path = "portal_pages/refusals.rs"]
mod refusals;
#[path = "portal_pages/statements.rs"]
mod statements;
#[path = "portal_pages/states.rs"]
mod states;
#[path = "portal_pages/transactions.rs"]
mod transactions;

use reqwest::{Client, Response};
use scraper::{Html, Selector};
use support::bank::Bank;
use support::web::{PASSWORD, browser, page, submit, texts};

/// A key of a form.
const KEY: &str = "7f0c9d3e-8f63-4f0e-9a51-0d7f5c1b2a3e";

/// A bank, and anna's browser.
struct Branch {
    bank: Bank,
    anna: Client,
}

impl Branch {
    /// Opens it.
    async fn open() -> Self {
        let bank = Bank::open().await;
        let anna = at_home(&bank, "anna").await;
        Self { bank, anna }
    }

    /// Opens it, and gives anna so much CASH.
    async fn with_cash(amount: &str) -> Self {
        let bank = Bank::with_cash(amount).await;
        let anna = at_home(&bank, "anna").await;
        Self { bank, anna }
    }

    async fn page(&self, path: &str) -> String {
        page(&self.bank.web, &self.anna, path).await
    }

    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        submit(&self.bank.web, &self.anna, path, fields).await
    }

    /// The review of a transfer of CASH.
    async fn transfer(&self, receiver: &str, amount: &str) -> String {
        self.review("/transfer", &transfer(receiver, amount)).await
    }

    /// The page of a form that must come back.
    async fn refused(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.submit(path, fields).await;
        let status = answer.status();
        let html = answer.text().await.unwrap();
        assert_eq!(status, 422, "{fields:?}: {:?}", texts(&html, "main"));
        html
    }

    /// The review that a sound form leads to.
    async fn review(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let to = place(&self.submit(path, fields).await);
        assert_eq!(to, format!("{path}/review"));
        self.page(&to).await
    }

    /// Confirms what a review shows.
    async fn confirm(&self, path: &str, review: &str) -> Response {
        let hidden = hidden(review);
        let fields: Vec<_> = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.submit(path, &[&fields[..], &[("step", "confirm")]].concat()).await
    }
}

/// The browser of a user who is signed in.
async fn at_home(bank: &Bank, login: &str) -> Client {
    let browser = browser();
    submit(&bank.web, &browser, "/login", &[("login", login), ("password", PASSWORD)]).await;
    browser
}

/// What the form of a transfer of CASH sends.
fn transfer<'a>(receiver: &'a str, amount: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("idempotency_key", KEY),
        ("receiver", receiver),
        ("asset_type", "CASH"),
        ("amount", amount),
        ("description", "Dinner"),
    ]
}

/// The page of an answer that has this status.
async fn shown(answer: Response, status: u16) -> String {
    assert_eq!(answer.status().as_u16(), status);
    answer.text().await.unwrap()
}

/// Where an answer leads to.
fn place(answer: &Response) -> String {
    assert_eq!(answer.status(), 303);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

/// The hidden fields of the page's form, as they are sent.
fn hidden(html: &str) -> Vec<(String, String)> {
    let document = Html::parse_document(html);
    let chosen = Selector::parse("main form input[type=hidden]:not([name=csrf_token])").unwrap();
    let pair = |name: &str, value: Option<&str>| (name.to_owned(), value.unwrap_or_default().to_owned());
    document.select(&chosen).map(|field| pair(field.attr("name").unwrap(), field.attr("value"))).collect()
}

fn attributes(html: &str, selector: &str, attribute: &str) -> Vec<String> {
    let document = Html::parse_document(html);
    let chosen = Selector::parse(selector).unwrap();
    document.select(&chosen).filter_map(|element| element.attr(attribute).map(str::to_owned)).collect()
}

/// The names and values of a page's facts.
fn facts(html: &str) -> Vec<(String, String)> {
    texts(html, ".facts dt").into_iter().zip(texts(html, ".facts dd")).collect()
}

/// As [`facts`], of which one is wanted.
fn fact(html: &str, name: &str) -> String {
    let found = facts(html).into_iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no {name} among {:?}", facts(html))).1
}
