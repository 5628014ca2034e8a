//! What users set for themselves, and forms that come back after a sign-in.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "settings/browsers.rs"]
mod browsers;
#[path = "settings/kept_forms.rs"]
mod kept_forms;
#[path = "settings/pages.rs"]
mod pages;

use coffer::domain::Role;
use reqwest::Client;
use support::web::{PASSWORD, Web, browser, submit};

/// The name by which a browser is known.
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";

/// A web with a user called asha, who is signed in at the browser.
async fn start() -> (Web, Client) {
    let web = Web::start();
    web.have_asset_type("CASH", "Cashback", 2);
    web.have_user("asha", Role::User);
    let asha = signed_in(&web, "asha").await;
    (web, asha)
}

/// Another browser, in which a user is signed in.
async fn signed_in(web: &Web, login: &str) -> Client {
    let browser = browser();
    let answer = submit(web, &browser, "/login", &[("login", login), ("password", PASSWORD)]).await;
    assert_eq!(answer.status(), 303, "{login} signs in");
    browser
}
