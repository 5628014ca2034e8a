//! Freezing and finding in real browsers, with scripts and without, at a desk and on a phone.

use coffer::domain::Role;
use serde_json::json;

use crate::support::api::{audit, web_with_admin};
use crate::support::browser::Screen::{Desk, Phone};
use crate::support::browser::Scripts::{Off, On};
use crate::support::browser::{Browser, Screen, Scripts};
use crate::support::web::{PASSWORD, post};

/// The lines of the file that the page's link leads to, read as its own browser would.
async fn exported(browser: &Browser) -> Vec<String> {
    let read = "(() => { const request = new XMLHttpRequest(); \
        request.open('GET', document.querySelector('a[download]').href, false); request.send(); \
        return request.responseText; })()";
    browser.ask(read).await.as_str().unwrap().lines().map(str::to_owned).collect()
}

/// An admin finds a user by every name, freezes and unfreezes, and reads it in the log.
async fn freeze_and_unfreeze(screen: Screen, scripts: Scripts) {
    let (web, admin) = web_with_admin().await;
    let asha = json!({"external_id": "shop-7", "username": "asha", "email": "asha@example.org",
        "phone_number": "+919876543210", "password": PASSWORD});
    assert_eq!(post(&web, "/api/v1/auth/register", asha).await.status(), 201);
    web.have_user("bela", Role::User);
    admin.issue(2, "GOLD", "5").await;
    let browser = Browser::signed_in(&web, "root", "/admin/users", screen, scripts).await;
    for words in ["shop-7", "asha", "asha@example.org", "+919876543210"] {
        browser.fill("q", words).await;
        browser.press("Show").await;
        browser.see(".chips", words).await;
        assert_eq!(browser.texts("tbody th a").await, ["shop-7"], "{words}");
        browser.assert_sound().await;
    }
    browser.press("shop-7").await;
    browser.arrive("/admin/users/shop-7").await;
    browser.assert_sound().await;
    browser.press("Freeze").await;
    browser.arrive("/admin/users/shop-7/freeze").await;
    browser.assert_sound().await;
    browser.press("Freeze").await;
    browser.see("#reason-error", "Say why").await;
    browser.fill("reason", "Lost the phone").await;
    browser.press("Freeze").await;
    browser.see(".flash", "shop-7 is frozen.").await;
    browser.assert_sound().await;

    let user = Browser::signed_in(&web, "asha", "/credits", screen, scripts).await;
    user.see("main", "Your wallet is frozen").await;

    browser.press("Unfreeze").await;
    browser.arrive("/admin/users/shop-7/unfreeze").await;
    browser.fill("reason", "Found it").await;
    browser.press("Unfreeze").await;
    browser.see(".flash", "can claim, spend and transfer again").await;
    user.open("/credits").await;
    user.press("Claim").await;
    user.see(".flash", "You claimed").await;

    browser.open("/admin/audit-log").await;
    browser.choose("action", "user.freeze").await;
    browser.press("Show").await;
    browser.see(".chips", "Freeze a user").await;
    assert_eq!(browser.texts("tbody th a").await, ["Froze shop-7"]);
    let exported = exported(&browser).await;
    assert_eq!(exported.len(), 2, "{exported:?}");
    assert!(exported[1].contains("root,user.freeze,user:shop-7,Lost the phone,"), "{exported:?}");
    browser.assert_sound().await;
    browser.open("/admin/claims?user=shop-7").await;
    assert_eq!(browser.texts("tbody th a").await, ["Festive Cashback"]);
    browser.assert_sound().await;
    browser.open("/admin/users/me/make-user").await;
    browser.fill("reason", "Tired").await;
    browser.press("Make user").await;
    browser.see("#reason-error", "last active admin").await;
    browser.assert_sound().await;
    audit(&web);
}

#[actix_web::test]
async fn an_admin_finds_freezes_and_unfreezes_a_user() {
    freeze_and_unfreeze(Desk, On).await;
}

#[actix_web::test]
async fn an_admin_needs_no_scripts_for_it() {
    freeze_and_unfreeze(Desk, Off).await;
}

#[actix_web::test]
async fn an_admin_needs_no_more_than_a_phone_for_it() {
    freeze_and_unfreeze(Phone, On).await;
}

#[actix_web::test]
async fn an_admin_needs_no_scripts_on_a_phone_for_it() {
    freeze_and_unfreeze(Phone, Off).await;
}
