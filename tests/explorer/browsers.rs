//! Admins adjust a balance, find the adjustment and take it back in real browsers.

use crate::support::bank::Bank;
use crate::support::browser::Screen::{Desk, Phone};
use crate::support::browser::Scripts::{Off, On};
use crate::support::browser::{Browser, Screen, Scripts};

async fn adjust_find_and_reverse(screen: Screen, scripts: Scripts) {
    let bank = Bank::with_cash("20").await;
    let browser = Browser::signed_in(&bank.web, "root", "/admin/transactions", screen, scripts).await;
    browser.assert_sound().await;
    browser.press("New movement").await;
    browser.arrive("/admin/transactions/new").await;
    browser.choose("type", "adjustment_up").await;
    browser.choose("asset_type", "CASH").await;
    browser.fill("user", "anna").await;
    browser.fill("amount", "15").await;
    browser.press("Continue").await;
    browser.see(".field__error", "Say why").await;
    assert_eq!(browser.value("amount").await, "15");
    browser.assert_sound().await;
    browser.fill("reason", "Counted wrongly").await;
    browser.press("Continue").await;
    browser.see(".head__lead", "anna will hold 35.00 CASH, now 20.00.").await;
    browser.assert_sound().await;
    browser.press_twice("Move it").await;
    browser.see("h1", "Adjustment of 15.00 CASH").await;
    assert_eq!(bank.cash().await[0], "35.00");
    browser.assert_sound().await;

    browser.open("/admin/transactions?type=adjustment").await;
    assert_eq!(browser.texts("tbody th a").await, ["Adjustment"]);
    let found = browser.ask("document.querySelector('tbody th a').getAttribute('href')").await;
    browser.open(found.as_str().unwrap()).await;
    browser.see("h1", "Adjustment of 15.00 CASH").await;
    browser.press("Reverse").await;
    browser.see("h1", "Reverse 15.00 CASH").await;
    browser.assert_sound().await;
    browser.fill("reason", "Was right before").await;
    browser.press_twice("Reverse").await;
    browser.see("h1", "Reversal of 15.00 CASH").await;
    assert_eq!(bank.cash().await[0], "20.00");
    browser.open("/admin/entries?user=anna").await;
    assert_eq!(browser.texts("tbody th a").await, ["Reversal", "Adjustment", "Top-up"]);
    browser.assert_sound().await;
}

#[actix_web::test]
async fn at_a_desk_with_scripts() {
    adjust_find_and_reverse(Desk, On).await;
}

#[actix_web::test]
async fn on_a_phone_without_scripts() {
    adjust_find_and_reverse(Phone, Off).await;
}
