//! Pages that are seen rarely: what a server in trouble shows, and the page of the API.

use std::collections::BTreeMap;

use coffer::domain::Role;
use diesel::connection::SimpleConnection;

use crate::axe::{LOOKS, assert_none, check, faults, load};
use crate::support::api::{caller, web_with_admin};
use crate::support::browser::Browser;
use crate::support::browser::Screen::Desk;
use crate::support::browser::Scripts::On;
use crate::support::browser::Theme::Light;
use crate::support::web::{Web, send};

/// More wrong codes than anybody may try at once.
const GUESSES: usize = 30;

#[actix_web::test]
async fn axe_finds_nothing_where_something_went_wrong() {
    let (web, _admin) = web_with_admin().await;
    let asha = caller(&web, "asha", Role::User).await;
    let mut complaints = BTreeMap::new();
    let browser = Browser::signed_in(&web, "asha", "/credits", Desk, On).await;
    let sees = async |status: u16| {
        browser.see(".problem__code", &format!("Problem {status}")).await;
        status.to_string()
    };

    for guess in 0..GUESSES {
        send(asha.post("/claims").json(&serde_json::json!({"code": format!("2222-2222-22{guess:02}")}))).await;
    }
    browser.put("code", "XXXX-XXXX").await;
    browser.press_in_main("Redeem").await;
    check(&browser, &sees(429).await, &mut complaints).await;

    browser.look(Desk, Light).await;
    browser.open("/wallet/GOLD/statement?start_date=2026-02-01&end_date=2026-01-01").await;
    check(&browser, &sees(422).await, &mut complaints).await;

    // What nobody foresaw: a table is not where it was.
    web.db.run_here(|conn| Ok(conn.batch_execute("alter table campaigns rename to elsewhere")?)).unwrap();
    browser.look(Desk, Light).await;
    browser.open("/credits").await;
    check(&browser, &sees(500).await, &mut complaints).await;

    web.lose_database();
    browser.look(Desk, Light).await;
    browser.open("/wallet").await;
    check(&browser, &sees(503).await, &mut complaints).await;
    assert_none(&complaints);
}

#[actix_web::test]
async fn axe_finds_nothing_on_the_page_of_the_api() {
    let web = Web::start();
    let browser = Browser::start(&web, Desk, On).await;
    browser.open("/docs").await;
    browser.find(".opblock").await;
    load(&browser).await;
    let mut complaints: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (screen, theme, all) in LOOKS {
        browser.look(screen, theme).await;
        for complaint in faults(&browser, all).await {
            complaints.entry(complaint).or_default().push(format!("{screen:?} {theme:?}"));
        }
    }
    assert_none(&complaints);
}
