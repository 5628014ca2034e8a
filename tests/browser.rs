//! The main job in real browsers, with scripts and without, at a desk and on a phone.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use chrono::{TimeDelta, Utc};
use coffer::domain::{Amount, AssetKind, AssetTypeCode, Role};
use coffer::error::Error;
use coffer::ledger::verify::verify;
use coffer::repo::assets::{self, NewAssets};
use coffer::repo::audit::Actor;
use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use fantoccini::key::Key;
use futures::future::join;
use serde_json::json;
use support::browser::Screen::{Desk, Phone};
use support::browser::Scripts::{Off, On};
use support::browser::{Browser, Screen, Scripts};
use support::web::{PASSWORD, Web};

/// What a finger needs, in CSS pixels.
const FINGERTIP: f64 = 44.;

/// The sentence that a late claim begins with.
const LATE: &str = "Someone else was faster.";

/// A web with two asset types, an admin called root, and users.
fn start(users: &[&str]) -> Web {
    let web = Web::start();
    for (code, name, scale) in [("CASH", "Cashback", 2), ("PTS", "Loyalty Points", 0)] {
        web.have_asset_type(code, name, scale);
    }
    web.have_user("root", Role::Admin);
    for user in users {
        web.have_user(user, Role::User);
    }
    web
}

/// Credits of 150.00 CASH each.
fn issue(web: &Web, title: &str, quantity: usize, hours: Option<i64>) {
    let new = NewAssets {
        title: title.to_owned(),
        description: "Thank you for shopping with us this season.".to_owned(),
        kind: AssetKind::Promotional,
        asset_type: AssetTypeCode::parse("CASH").unwrap(),
        amount: Amount::parse("150").unwrap(),
        expires_at: hours.map(|hours| Utc::now() + TimeDelta::hours(hours)),
        campaign_id: None,
        quantity,
    };
    web.db.run_here(|conn| assets::create(conn, &Actor::default(), &new, Utc::now())).unwrap();
}

/// How many rows a table has.
fn count(web: &Web, table: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let query = format!("select count(*) from {table}");
    web.db.run_here(|conn| sql_query(query).get_result::<Count>(conn).map_err(Error::broken)).unwrap().count
}

/// Fails unless every promise of the ledger holds.
fn audit(web: &Web) {
    let verdict = web.db.run_here(|conn| verify(conn, |_, _| {})).unwrap();
    assert!(verdict.is_clean(), "{verdict:#?}");
}

/// Whether a page's own scripts ran: they show times in the reader's zone, the server in UTC.
async fn assert_scripts(browser: &Browser, scripts: Scripts) {
    let times = browser.texts("main time").await;
    assert!(!times.is_empty());
    assert_eq!(times.iter().all(|time| time.ends_with("UTC")), scripts == Off, "{times:?}");
    let copy = browser.ask("document.querySelector('[data-copy]').hidden").await;
    assert_eq!(copy, json!(scripts == Off));
}

/// From the first look to the second visit.
async fn register_claim_and_come_back(screen: Screen, scripts: Scripts) {
    let web = start(&[]);
    issue(&web, "Festive Cashback", 2, Some(3));
    issue(&web, "Signup Bonus", 1, None);
    let browser = Browser::start(&web, screen, scripts).await;
    let fits = async || browser.assert_sound().await;
    browser.open("/").await;
    fits().await;
    browser.press("Create your wallet").await;
    browser.arrive("/register").await;
    fits().await;
    browser.fill("username", "asha").await;
    browser.fill("password", PASSWORD).await;
    browser.press_submit("Create account").await;
    browser.arrive("/wallet").await;
    fits().await;
    assert_eq!(browser.texts(".balance__value").await, ["0.00 CASH", "0 PTS"]);
    browser.press("See the credits").await;
    browser.arrive("/credits").await;
    fits().await;
    assert_eq!(browser.texts(".credit__title").await.len(), 3);
    if screen == Phone {
        let (_, _, width, height) = browser.control("Claim Festive Cashback").await.rectangle().await.unwrap();
        assert!(width >= FINGERTIP && height >= FINGERTIP, "{width} x {height}");
    }
    browser.press("Claim Festive Cashback").await;
    browser.see(".flash", "You claimed “Festive Cashback”: +150.00 CASH.").await;
    fits().await;
    assert_eq!(browser.texts(".credit__title").await.len(), 2);
    browser.press("See my claims").await;
    browser.arrive("/claims").await;
    fits().await;
    assert_eq!(browser.texts("tbody th").await, ["Festive Cashback"]);
    assert_scripts(&browser, scripts).await;
    browser.press("Wallet").await;
    browser.arrive("/wallet").await;
    assert_eq!(browser.texts(".balance__value").await, ["150.00 CASH", "0 PTS"]);
    assert_eq!(browser.texts(".row__end").await, ["+150.00 CASH"]);
    browser.press("Account").await;
    browser.press("Sign out").await;
    browser.see(".flash", "You are signed out.").await;
    browser.open("/wallet").await;
    browser.arrive("/login?next=%2Fwallet").await;
    fits().await;
    browser.sign_in("asha").await;
    browser.arrive("/wallet").await;
    assert_eq!(browser.texts(".balance__value").await, ["150.00 CASH", "0 PTS"]);
    browser.assert_sound().await;
    audit(&web);
}

#[actix_web::test]
async fn a_newcomer_registers_claims_a_credit_and_comes_back_to_it() {
    register_claim_and_come_back(Desk, On).await;
}

#[actix_web::test]
async fn a_newcomer_needs_no_scripts() {
    register_claim_and_come_back(Desk, Off).await;
}

#[actix_web::test]
async fn a_newcomer_needs_no_more_than_a_phone() {
    register_claim_and_come_back(Phone, On).await;
}

#[actix_web::test]
async fn a_newcomer_needs_no_scripts_on_a_phone() {
    register_claim_and_come_back(Phone, Off).await;
}

/// Two people see the same credit, and press its button at the same time.
async fn race(scripts: Scripts) {
    let web = start(&["asha", "bela"]);
    issue(&web, "Festive Cashback", 1, None);
    let asha = Browser::signed_in(&web, "asha", "/credits", Desk, scripts).await;
    let bela = Browser::signed_in(&web, "bela", "/credits", Phone, scripts).await;
    join(asha.press("Claim Festive Cashback"), bela.press("Claim Festive Cashback")).await;
    join(asha.see(".flash", "."), bela.see(".flash", ".")).await;
    let mut told = [asha.texts(".flash__text").await, bela.texts(".flash__text").await].concat();
    told.sort();
    assert_eq!(told.len(), 2);
    assert!(told[0].starts_with(LATE), "{told:?}");
    assert!(told[1].starts_with("You claimed “Festive Cashback”"), "{told:?}");
    assert_eq!((count(&web, "claims"), count(&web, "transactions")), (1, 1));
    audit(&web);
    asha.assert_sound().await;
    bela.assert_sound().await;
}

#[actix_web::test]
async fn of_two_browsers_that_race_for_a_credit_one_wins_and_the_other_is_told_kindly() {
    race(On).await;
}

#[actix_web::test]
async fn the_race_is_as_fair_without_scripts() {
    race(Off).await;
}

/// An admin makes mistakes, corrects them, presses twice, and finds what came of it.
async fn create_twenty(screen: Screen, scripts: Scripts) {
    let web = start(&[]);
    issue(&web, "Festive Cashback", 1, None);
    let browser = Browser::signed_in(&web, "root", "/admin", screen, scripts).await;
    browser.assert_sound().await;
    browser.press("New credits").await;
    browser.arrive("/admin/assets/new").await;
    browser.assert_sound().await;
    browser.choose("kind", "referral").await;
    browser.choose("asset_type", "CASH").await;
    browser.fill("amount", "12.505").await;
    browser.fill("quantity", "20").await;
    browser.press("Create credits").await;
    browser.see(".summary", "Please check").await;
    browser.assert_sound().await;
    assert_eq!(browser.texts("#title-error").await, ["Give a title of 1 to 200 characters."]);
    assert_eq!(browser.texts(".summary li").await.len(), browser.texts(".field__error").await.len());
    let values =
        [("title", ""), ("kind", "referral"), ("asset_type", "CASH"), ("amount", "12.505"), ("quantity", "20")];
    for (name, value) in values {
        assert_eq!(browser.value(name).await, value, "{name}");
    }
    browser.fill("title", "Referral Reward").await;
    browser.press("Create credits").await;
    browser.see("#amount-error", "12.505 has more than 2 decimals").await;
    assert_eq!(count(&web, "assets"), 1);
    browser.fill("amount", "12.50").await;
    browser.press_twice("Create credits").await;
    browser.arrive("/admin/assets").await;
    browser.see(".flash", "Created 20 credits: “Referral Reward”.").await;
    browser.assert_sound().await;
    assert_eq!(count(&web, "assets where title = 'Referral Reward'"), 20);
    browser.choose("kind", "referral").await;
    browser.press("Show").await;
    browser.see(".chips", "Referral").await;
    browser.assert_sound().await;
    assert_eq!(browser.texts("tbody th").await.len(), 20);
    browser.press("Clear all").await;
    browser.arrive("/admin/assets").await;
    browser.fill("q", "festive").await;
    browser.choose("status", "available").await;
    browser.press("Show").await;
    browser.see(".chips", "festive").await;
    assert_eq!(browser.texts("tbody th").await.len(), 1);
    browser.choose("status", "claimed").await;
    browser.press("Show").await;
    browser.see(".empty", "No credit matches").await;
    browser.press("Clear all").await;
    browser.arrive("/admin/assets").await;
    assert_eq!(browser.texts("tbody th").await.len(), 21);
    browser.assert_sound().await;
    audit(&web);
}

#[actix_web::test]
async fn an_admin_creates_twenty_credits_and_finds_one() {
    create_twenty(Desk, On).await;
}

#[actix_web::test]
async fn an_admin_needs_no_scripts() {
    create_twenty(Desk, Off).await;
}

/// The page was opened in time, the button pressed too late.
async fn claim_too_late(scripts: Scripts) {
    let web = start(&["asha"]);
    issue(&web, "Brief Bonus", 1, Some(1));
    let browser = Browser::signed_in(&web, "asha", "/credits", Phone, scripts).await;
    web.wait_seconds(3601);
    browser.press("Claim Brief Bonus").await;
    browser.see(".flash", "This credit has expired. No similar credit is free right now.").await;
    browser.see(".empty", "No credits to claim right now").await;
    assert_eq!(count(&web, "claims"), 0);
    browser.assert_sound().await;
    audit(&web);
}

#[actix_web::test]
async fn a_credit_that_expired_under_the_reader_is_refused_in_words() {
    claim_too_late(On).await;
}

#[actix_web::test]
async fn a_credit_that_expired_is_refused_in_words_without_scripts_too() {
    claim_too_late(Off).await;
}

/// A page that was opened before its session ended elsewhere, and one from before another sign-in.
async fn send_from_old_pages(scripts: Scripts) {
    let web = start(&["asha", "bela"]);
    issue(&web, "Festive Cashback", 1, None);
    let browser = Browser::signed_in(&web, "asha", "/credits", Desk, scripts).await;
    let end = "update sessions set ended_at = now()";
    web.db.run_here(|conn| conn.batch_execute(end).map_err(Error::broken)).unwrap();
    browser.press("Claim Festive Cashback").await;
    browser.arrive("/login?next=%2Fcredits").await;
    browser.sign_in("asha").await;
    browser.arrive("/credits").await;
    let first = browser.client.window().await.unwrap();
    let second = browser.client.new_window(true).await.unwrap().handle;
    browser.client.switch_to_window(second).await.unwrap();
    browser.open("/wallet").await;
    browser.press("Account").await;
    browser.press("Sign out").await;
    browser.see(".flash", "You are signed out.").await;
    browser.open("/login").await;
    browser.sign_in("bela").await;
    browser.see("h1", "Wallet").await;
    browser.client.switch_to_window(first).await.unwrap();
    browser.press("Claim Festive Cashback").await;
    browser.see("h1", "This form has grown old").await;
    assert_eq!(count(&web, "claims"), 0);
    browser.assert_sound().await;
}

#[actix_web::test]
async fn a_form_from_an_ended_session_is_answered_with_a_way_on() {
    send_from_old_pages(On).await;
}

#[actix_web::test]
async fn a_form_from_an_ended_session_is_answered_without_scripts_too() {
    send_from_old_pages(Off).await;
}

/// Every page there is, as whoever may see it.
async fn visit_all(screen: Screen) {
    let web = start(&["asha"]);
    issue(&web, "Festive Cashback for Everyone Who Bought Something Between Diwali and the New Year", 30, Some(3));
    issue(&web, "Signup Bonus", 1, None);
    let browser = Browser::start(&web, screen, On).await;
    let visit = async |paths: &[&str]| {
        for path in paths {
            browser.open(path).await;
            assert_eq!(browser.texts("h1").await.len(), 1, "{path}");
            browser.assert_sound().await;
        }
    };
    visit(&["/", "/login", "/register", "/nowhere"]).await;
    browser.open("/credits").await;
    browser.sign_in("asha").await;
    browser.arrive("/credits").await;
    browser.press("Claim").await;
    browser.see(".flash", "You claimed").await;
    visit(&["/wallet", "/credits", "/credits?q=nothing", "/claims", "/claims?cursor=no", "/admin", "/nowhere"]).await;
    browser.client.delete_all_cookies().await.unwrap();
    browser.open("/admin").await;
    browser.sign_in("root").await;
    browser.arrive("/admin").await;
    visit(&["/admin", "/admin/assets", "/admin/assets?status=claimed", "/admin/assets/new", "/admin/nowhere"]).await;
    // So that silence means something.
    for fault in [
        "document.body.insertAdjacentHTML('beforeend', '<p style=color:red>')",
        "document.body.append(Object.assign(document.createElement('script'), { textContent: '1' }))",
    ] {
        browser.ask(fault).await;
        let complaints = browser.complaints().await;
        assert!(complaints.iter().any(|text| text.contains("Content Security Policy")), "{fault}: {complaints:?}");
    }
}

#[actix_web::test]
async fn no_page_breaks_its_own_rules_or_its_frame() {
    visit_all(Desk).await;
}

#[actix_web::test]
async fn no_page_is_wider_than_a_phone() {
    visit_all(Phone).await;
}

/// The theme is chosen once and stays.
async fn choose_theme(scripts: Scripts) {
    let web = start(&[]);
    let browser = Browser::start(&web, Desk, scripts).await;
    browser.open("/login").await;
    let background = "getComputedStyle(document.body).backgroundColor";
    let pressed = "[aria-pressed=true]";
    let light = browser.ask(background).await;
    browser.press("Dark theme").await;
    browser.see(pressed, "Dark theme").await;
    let dark = browser.ask(background).await;
    assert_ne!(light, dark);
    for path in ["/login", "/register", "/nowhere"] {
        browser.open(path).await;
        assert_eq!(browser.ask(background).await, dark, "{path}");
        assert_eq!(browser.texts(pressed).await, ["Dark theme"]);
    }
    browser.press("System theme").await;
    browser.see(pressed, "System theme").await;
    browser.client.refresh().await.unwrap();
    assert_eq!(browser.ask(background).await, light);
    browser.assert_sound().await;
}

#[actix_web::test]
async fn the_theme_stays_as_it_was_chosen() {
    choose_theme(On).await;
}

#[actix_web::test]
async fn the_theme_stays_as_it_was_chosen_without_scripts() {
    choose_theme(Off).await;
}

#[actix_web::test]
async fn scripts_add_comforts() {
    let web = start(&["asha"]);
    issue(&web, "Festive Cashback", 1, None);
    let browser = Browser::signed_in(&web, "asha", "/credits", Desk, On).await;
    let keys = async |keys: &str| browser.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    let focused = "document.activeElement.matches('[type=search]')";
    keys("/").await;
    assert_eq!(browser.ask(focused).await, json!(true));
    keys("/").await;
    assert_eq!(browser.value("q").await, "/");
    browser.press("Account").await;
    assert!(browser.control("Sign out").await.is_displayed().await.unwrap());
    keys(&Key::Escape.to_string()).await;
    assert_eq!(browser.ask("document.querySelector('.menu').open").await, json!(false));
    assert_eq!(browser.ask("document.activeElement.matches('summary')").await, json!(true));
    browser.press("Claim").await;
    browser.see(".flash", "You claimed").await;
    browser.press("Dismiss").await;
    assert_eq!(browser.texts(".flash").await, [""; 0]);
    browser.open("/claims").await;
    // As where the portal is reached without https.
    browser.ask("void Object.defineProperty(navigator, 'clipboard', {value: undefined})").await;
    browser.press("Copy").await;
    browser.see("[data-copy]", "Could not copy").await;
    let id = browser.ask("document.querySelector('[data-copy]').dataset.copy").await;
    assert_eq!(browser.ask("getSelection().toString()").await, id);
    browser.assert_sound().await;
}
