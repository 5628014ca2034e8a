//! Settings and forms that come back, in real browsers, with scripts and without.

use coffer::domain::Role;
use diesel::connection::SimpleConnection;
use serde_json::json;

use crate::support::api::{audit, count_in, web_with_admin};
use crate::support::browser::Screen::{Desk, Phone};
use crate::support::browser::Scripts::{Off, On};
use crate::support::browser::{Browser, Screen, Scripts};
use crate::support::web::{PASSWORD, Web, send};

/// A user makes a key and revokes it, chooses a zone and another password, and signs out elsewhere.
async fn settle_in(screen: Screen, scripts: Scripts) {
    let web = Web::start();
    web.have_user("asha", Role::User);
    let elsewhere = Browser::signed_in(&web, "asha", "/wallet", Desk, On).await;
    let browser = Browser::signed_in(&web, "asha", "/wallet", screen, scripts).await;
    browser.press("Account").await;
    browser.press("Settings").await;
    browser.arrive("/settings").await;
    browser.assert_sound().await;
    assert_eq!(browser.texts("#sessions").await.len(), 1);
    browser.press("Create a key").await;
    browser.arrive("/settings/api-keys/new").await;
    browser.press("Create key").await;
    browser.see("#name-error", "Use 1 to 100 characters.").await;
    browser.assert_sound().await;
    browser.fill("name", "laptop").await;
    browser.press_submit("Create key").await;
    browser.see("h1", "Your new API key").await;
    assert!(browser.texts("main .form > p > code").await[0].starts_with("cof_"));
    browser.assert_sound().await;
    browser.press("I have kept it").await;
    browser.arrive("/settings").await;
    browser.press("Revoke laptop").await;
    browser.see("h1", "Revoke “laptop”").await;
    browser.assert_sound().await;
    browser.press("Revoke key").await;
    browser.see(".flash", "The key is revoked.").await;
    browser.choose("time_zone", "America/Sao_Paulo").await;
    browser.press("Save time zone").await;
    browser.see(".flash", "Times are shown in America/Sao Paulo now.").await;
    browser.assert_sound().await;
    browser.press("Change password").await;
    browser.arrive("/settings/password").await;
    for (name, text) in
        [("current_password", PASSWORD), ("new_password", "four noisy penguins"), ("repeated_password", "typo")]
    {
        browser.fill(name, text).await;
    }
    browser.press_submit("Change password").await;
    browser.see("#repeated_password-error", "not the same").await;
    browser.assert_sound().await;
    for name in ["current_password", "new_password", "repeated_password"] {
        assert_eq!(browser.value(name).await, "", "{name}");
        browser.fill(name, if name == "current_password" { PASSWORD } else { "four noisy penguins" }).await;
    }
    browser.press_submit("Change password").await;
    browser.see(".flash", "Your password has changed.").await;
    elsewhere.open("/wallet").await;
    elsewhere.arrive("/login?next=%2Fwallet").await;
}

#[actix_web::test]
async fn a_user_settles_in() {
    settle_in(Desk, On).await;
}

#[actix_web::test]
async fn a_user_settles_in_on_a_phone_without_scripts() {
    settle_in(Phone, Off).await;
}

/// The session ends elsewhere while an admin fills in a form.
async fn be_signed_out_in_the_middle(screen: Screen, scripts: Scripts) {
    let web = Web::start();
    web.have_asset_type("CASH", "Cashback", 2);
    web.have_user("root", Role::Admin);
    let browser = Browser::signed_in(&web, "root", "/admin/assets/new", screen, scripts).await;
    browser.fill("title", "Festive Cashback").await;
    browser.fill("description", "First line\nand “second” line").await;
    browser.choose("kind", "promotional").await;
    browser.choose("asset_type", "CASH").await;
    browser.fill("amount", "12.50").await;
    let end = "update sessions set ended_at = now()";
    web.db.run_here(|conn| Ok(conn.batch_execute(end)?)).unwrap();
    browser.press("Create credits").await;
    browser.see(".flash", "You were signed out meanwhile").await;
    browser.assert_sound().await;
    browser.sign_in("root").await;
    browser.see("h1", "New credits").await;
    browser.assert_sound().await;
    for (name, text) in [
        ("title", "Festive Cashback"),
        ("description", "First line\nand “second” line"),
        ("kind", "promotional"),
        ("asset_type", "CASH"),
        ("amount", "12.50"),
    ] {
        assert_eq!(browser.value(name).await, text, "{name}");
    }
    assert_eq!(count_in(&web, "assets"), 0);
    browser.press("Create credits").await;
    browser.see(".flash", "Created 1 credit").await;
    assert_eq!(count_in(&web, "assets"), 1);
}

#[actix_web::test]
async fn a_form_is_back_after_the_sign_in() {
    be_signed_out_in_the_middle(Desk, On).await;
}

#[actix_web::test]
async fn a_form_is_back_after_the_sign_in_on_a_phone_without_scripts() {
    be_signed_out_in_the_middle(Phone, Off).await;
}

/// The session ends while a user looks a transfer over.
async fn be_signed_out_before_a_transfer(scripts: Scripts) {
    let (web, admin) = web_with_admin().await;
    let cash = json!({"code": "CASH", "name": "Cashback", "scale": 2, "minimum_balance": "0", "transferable": true});
    assert_eq!(send(admin.post("/admin/asset-types").json(&cash)).await.status(), 201);
    web.have_user("asha", Role::User);
    web.have_user("bela", Role::User);
    let top_up = json!({"type": "top_up", "user": "asha", "asset_type": "CASH", "amount": "50"});
    assert_eq!(send(admin.post("/transactions").json(&top_up)).await.status(), 201);
    let browser = Browser::signed_in(&web, "asha", "/transfer", Phone, scripts).await;
    browser.fill("receiver", "bela").await;
    browser.choose("asset_type", "CASH").await;
    browser.fill("amount", "12.50").await;
    browser.fill("description", "Dinner").await;
    browser.press("Continue").await;
    browser.see("h1", "You keep 37.50 CASH").await;
    let end = "update sessions set ended_at = now()";
    web.db.run_here(|conn| Ok(conn.batch_execute(end)?)).unwrap();
    browser.press("Send 12.50 CASH").await;
    browser.see(".flash", "You were signed out meanwhile").await;
    browser.sign_in("asha").await;
    browser.see("h1", "Send").await;
    for (name, text) in [("receiver", "bela"), ("asset_type", "CASH"), ("amount", "12.50"), ("description", "Dinner")] {
        assert_eq!(browser.value(name).await, text, "{name}");
    }
    assert_eq!(count_in(&web, "transactions where type = 'transfer'"), 0);
    browser.press("Continue").await;
    browser.press("Send 12.50 CASH").await;
    browser.see(".flash", "You sent 12.50 CASH to bela.").await;
    assert_eq!(count_in(&web, "transactions where type = 'transfer'"), 1);
    audit(&web);
}

#[actix_web::test]
async fn a_transfer_is_back_after_the_sign_in_and_happens_once() {
    be_signed_out_before_a_transfer(On).await;
}

#[actix_web::test]
async fn a_transfer_is_back_without_scripts_too() {
    be_signed_out_before_a_transfer(Off).await;
}
