//! Users move value in real browsers, with scripts and without, at a desk, on a phone, and by
//! nothing but keys.

use fantoccini::Locator;
use fantoccini::key::Key;
use futures::future::join;

use crate::support::bank::{Bank, posted, spend};
use crate::support::browser::Screen::{Desk, Phone};
use crate::support::browser::Scripts::{Off, On};
use crate::support::browser::{Browser, Screen, Scripts};

async fn send_twice_refresh_and_go_back(screen: Screen, scripts: Scripts) {
    let bank = Bank::with_cash("100").await;
    let browser = Browser::signed_in(&bank.web, "anna", "/wallet", screen, scripts).await;
    browser.assert_sound().await;
    browser.press("Send Cashback").await;
    browser.arrive("/transfer?asset_type=CASH").await;
    browser.assert_sound().await;
    browser.fill("receiver", "nobody-i-know").await;
    browser.fill("amount", "12.5").await;
    browser.press("Continue").await;
    browser.see("#receiver-error", "We found nobody with this name.").await;
    assert_eq!(browser.value("amount").await, "12.5");
    browser.assert_sound().await;
    browser.fill("receiver", "ben").await;
    browser.press("Continue").await;
    browser.see("h1", "You keep 87.50 CASH").await;
    browser.assert_sound().await;
    browser.press("Change").await;
    browser.see("h1", "Send").await;
    assert_eq!(browser.value("receiver").await, "ben");
    browser.press("Continue").await;
    browser.see("h1", "You keep 87.50 CASH").await;
    browser.press_twice("Send 12.50 CASH").await;
    browser.see(".flash", "You sent 12.50 CASH to ben. You keep 87.50 CASH.").await;
    browser.assert_sound().await;
    let movement = browser.place().await;
    browser.client.refresh().await.unwrap();
    browser.arrive(&movement).await;
    assert_eq!(browser.texts("tbody tr:first-child .is-number").await.len(), 3);
    browser.client.back().await.unwrap();
    browser.arrive(&movement).await;
    assert_eq!(bank.cash().await, ["87.50", "12.50"]);

    browser.press("Statement of Cashback").await;
    browser.arrive("/wallet/CASH").await;
    browser.assert_sound().await;
    browser.press("This month").await;
    browser.see("nav.chips [aria-current]", "This month").await;
    assert_eq!(browser.texts("dd.stat__value").await, ["0.00", "+100.00", "−12.50", "87.50"]);
    browser.assert_sound().await;
    browser.press("Show the numbers").await;
    browser.see(".numbers tbody", "87.50").await;
    browser.press("To ben").await;
    browser.arrive(&movement).await;
    browser.assert_sound().await;
}

#[actix_web::test]
async fn at_a_desk_with_scripts() {
    send_twice_refresh_and_go_back(Desk, On).await;
}

#[actix_web::test]
async fn at_a_desk_without_scripts() {
    send_twice_refresh_and_go_back(Desk, Off).await;
}

#[actix_web::test]
async fn on_a_phone_with_scripts() {
    send_twice_refresh_and_go_back(Phone, On).await;
}

#[actix_web::test]
async fn on_a_phone_without_scripts() {
    send_twice_refresh_and_go_back(Phone, Off).await;
}

/// Two windows of one user, of which one is overtaken by the other and then by an admin.
async fn overtaken(screen: Screen, scripts: Scripts) {
    let bank = Bank::with_cash("100").await;
    let browser = Browser::signed_in(&bank.web, "anna", "/spend", screen, scripts).await;
    browser.fill("amount", "80").await;
    browser.fill("description", "Coffee beans").await;
    browser.press("Continue").await;
    browser.see("h1", "You keep 20.00 CASH").await;
    posted(&bank.anna, &spend("30")).await;
    browser.press("Spend 80.00 CASH").await;
    browser.see("#amount-error", "70.00 CASH can be used").await;
    assert_eq!(
        (browser.value("amount").await, browser.value("description").await),
        ("80".into(), "Coffee beans".into())
    );
    browser.assert_sound().await;
    browser.fill("amount", "70").await;
    browser.press("Continue").await;
    browser.see("h1", "You keep 0.00 CASH").await;
    bank.freeze("anna");
    browser.press("Spend 70.00 CASH").await;
    browser.see(".note", "Your wallet is frozen.").await;
    browser.assert_sound().await;
    assert_eq!(bank.cash().await[0], "70.00");
}

#[actix_web::test]
async fn what_changed_between_review_and_confirmation_is_told_with_scripts() {
    overtaken(Desk, On).await;
}

#[actix_web::test]
async fn what_changed_between_review_and_confirmation_is_told_without_scripts() {
    overtaken(Phone, Off).await;
}

#[actix_web::test]
async fn of_two_who_race_for_a_credit_the_slower_one_reads_what_is_left() {
    let bank = Bank::open().await;
    bank.admin.issue(1, "CASH", "5").await;
    let (anna, ben) = join(
        Browser::signed_in(&bank.web, "anna", "/credits", Desk, On),
        Browser::signed_in(&bank.web, "ben", "/credits", Phone, Off),
    )
    .await;
    join(anna.press("Claim Festive Cashback"), ben.press("Claim Festive Cashback")).await;
    join(anna.see(".flash", "."), ben.see(".flash", ".")).await;
    let mut told = [anna.texts(".flash__text").await, ben.texts(".flash__text").await].concat();
    told.sort();
    assert!(told[0].starts_with("Someone else was faster."), "{told:?}");
    assert!(told[1].starts_with("You claimed “Festive Cashback”"), "{told:?}");
}

/// Sends keys to whatever has the focus.
async fn keys(browser: &Browser, keys: &str) {
    let focused = browser.client.find(Locator::Css(":focus")).await.unwrap();
    focused.send_keys(keys).await.unwrap();
}

/// Goes on with the tabulator until the element with these words or this id has the focus.
async fn tab_to(browser: &Browser, wanted: &str) {
    let tab = char::from(Key::Tab).to_string();
    for _ in 0..60 {
        let body = "(document.activeElement ?? document.body)";
        let found = browser.ask(&format!("[{body}.textContent.trim(), {body}.id]")).await;
        if found[0].as_str().unwrap().starts_with(wanted) && found[0].as_str().unwrap().len() < 120
            || found[1] == wanted
        {
            return;
        }
        match browser.client.find(Locator::Css(":focus")).await {
            Ok(focused) => focused.send_keys(&tab).await.unwrap(),
            Err(_) => browser.client.find(Locator::Css("body")).await.unwrap().send_keys(&tab).await.unwrap(),
        }
    }
    panic!("no way by keys to {wanted} on {}", browser.place().await);
}

#[actix_web::test]
async fn keys_alone_claim_a_credit_and_send_a_part_of_it() {
    let bank = Bank::open().await;
    bank.admin.issue(1, "CASH", "50").await;
    let enter = char::from(Key::Enter).to_string();
    let browser = Browser::signed_in(&bank.web, "anna", "/wallet", Desk, On).await;
    tab_to(&browser, "Credits").await;
    keys(&browser, &enter).await;
    browser.arrive("/credits").await;
    tab_to(&browser, "Claim Festive Cashback").await;
    keys(&browser, &enter).await;
    browser.see(".flash", "You claimed “Festive Cashback”: +50.00 CASH.").await;
    tab_to(&browser, "Send").await;
    keys(&browser, &enter).await;
    browser.arrive("/transfer").await;
    tab_to(&browser, "receiver").await;
    keys(&browser, "ben").await;
    tab_to(&browser, "amount").await;
    keys(&browser, "20").await;
    keys(&browser, &enter).await;
    browser.see("h1", "You keep 30.00 CASH").await;
    tab_to(&browser, "Send 20.00 CASH").await;
    keys(&browser, &enter).await;
    browser.see(".flash", "You sent 20.00 CASH to ben.").await;
    assert_eq!(bank.cash().await, ["30.00", "20.00"]);
}

/// Where the fields of the page's filter stand below its first one, and to its right.
async fn places(browser: &Browser) -> String {
    let places = "[...document.querySelectorAll('.filter :is(input, select, button)')].map((field) => {
        const [first, own] = [document.querySelector('.filter input'), field].map((one) => one.getBoundingClientRect());
        return `${own.top - first.top}, ${own.left - first.left}`;
    }).join('; ')";
    browser.ask(places).await.as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn what_is_wrong_with_a_range_moves_no_field() {
    let bank = Bank::with_cash("100").await;
    for screen in [Desk, Phone] {
        let browser = Browser::signed_in(&bank.web, "anna", "/wallet/CASH", screen, On).await;
        for path in ["/wallet/CASH", "/transactions"] {
            browser.open(path).await;
            let before = places(&browser).await;
            let names = if path == "/transactions" { ["from", "to"] } else { ["start_date", "end_date"] };
            browser.open(&format!("{path}?{}=2024-02-01&{}=2024-01-31", names[0], names[1])).await;
            browser.see(".filter ~ .field__error", "The last day is before the first.").await;
            assert_eq!(places(&browser).await, before, "{path} {screen:?}");
            browser.assert_sound().await;
        }
    }
}

#[actix_web::test]
async fn a_row_of_the_statement_takes_two_lines_of_a_phone() {
    let bank = Bank::with_cash("100").await;
    posted(&bank.anna, &spend("12.5")).await;
    let browser = Browser::signed_in(&bank.web, "anna", "/wallet/CASH", Phone, On).await;
    let overhang =
        "[...document.querySelectorAll('.table--two tbody tr')].some((row) => row.scrollWidth > row.clientWidth)";
    assert_eq!(browser.ask(overhang).await, false);
    let heights = "[...document.querySelectorAll('.table--two tbody tr')].map((row) => row.clientHeight)";
    let heights = browser.ask(heights).await;
    let heights: Vec<u64> = heights.as_array().unwrap().iter().map(|height| height.as_u64().unwrap()).collect();
    assert_eq!(heights.len(), 2);
    assert!(heights.iter().all(|height| *height < 85), "{heights:?}");
}

#[actix_web::test]
async fn whoever_goes_back_over_a_mistake_finds_the_form_and_is_not_asked_to_send_it_again() {
    let bank = Bank::with_cash("50").await;
    let browser = Browser::signed_in(&bank.web, "anna", "/spend?asset_type=CASH", Desk, On).await;
    browser.fill("amount", "abc").await;
    browser.press("Continue").await;
    browser.see(".summary:focus", "Please check").await;
    browser.fill("amount", "2").await;
    browser.press("Continue").await;
    browser.see("h1", "You keep 48.00 CASH").await;
    browser.client.back().await.unwrap();
    browser.see("h1", "Spend").await;
}
