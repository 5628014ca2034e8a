//! Asset types and campaigns in real browsers, with scripts and without, at a desk and on a phone.

use coffer::domain::Role;

use super::support::api::{audit, count_in, web_with_admin};
use super::support::browser::Browser;
use super::support::browser::Screen::{self, Desk, Phone};
use super::support::browser::Scripts::{self, Off, On};

/// An asset type from nothing to its first credits.
async fn coin_a_unit(browser: &Browser) {
    browser.press("New asset type").await;
    browser.arrive("/admin/asset-types/new").await;
    browser.assert_sound().await;
    browser.fill("code", "gems").await;
    browser.fill("scale", "7").await;
    browser.press("Create asset type").await;
    browser.see("#code-error", "capital letter").await;
    browser.see(".summary", "0 to 4").await;
    browser.fill("code", "GEMS").await;
    browser.fill("scale", "0").await;
    browser.fill("name", "Gem Stones").await;
    browser.assert_sound().await;
    browser.press("Create asset type").await;
    browser.see(".flash", "Created the asset type GEMS.").await;
    browser.assert_sound().await;
    browser.press("Gem Stones").await;
    browser.arrive("/admin/asset-types/GEMS/edit").await;
    browser.fill("scale", "2").await;
    browser.press("Save").await;
    browser.see(".flash", "GEMS is saved.").await;
}

/// A campaign from its first form to what is left of it.
async fn run_a_campaign(screen: Screen, scripts: Scripts) {
    let (web, _admin) = web_with_admin().await;
    web.have_user("bela", Role::User);
    let browser = Browser::signed_in(&web, "root", "/admin/asset-types", screen, scripts).await;
    coin_a_unit(&browser).await;

    browser.open("/admin/campaigns").await;
    browser.press("New campaign").await;
    browser.arrive("/admin/campaigns/new").await;
    browser.fill("title", "Autumn").await;
    browser.choose("kind", "signup").await;
    browser.choose("asset_type", "GEMS").await;
    browser.fill("amount", "2.505").await;
    browser.fill("quantity", "2").await;
    browser.press("Create campaign").await;
    browser.see("#amount-error", "2 decimals").await;
    browser.assert_sound().await;
    assert_eq!((browser.value("title").await, count_in(&web, "campaigns")), ("Autumn".to_owned(), 0));
    browser.fill("amount", "2.5").await;
    browser.press_twice("Create campaign").await;
    browser.see("h1", "Autumn Running").await;
    assert_eq!((count_in(&web, "campaigns"), count_in(&web, "assets")), (1, 2));
    browser.assert_sound().await;
    let place = browser.place().await;

    let other = Browser::signed_in(&web, "root", &format!("{place}/edit"), screen, scripts).await;
    browser.press("Edit").await;
    browser.arrive(&format!("{place}/edit")).await;
    browser.fill("title", "Winter").await;
    browser.press("Save").await;
    browser.see("h1", "Winter Running").await;
    other.fill("title", "Spring").await;
    other.press("Save").await;
    other.see(".summary", "Title: it is Winter now, your form says Spring").await;
    other.assert_sound().await;
    other.press("Save").await;
    other.see("h1", "Spring Running").await;

    browser.open(&place).await;
    browser.press("Pause").await;
    browser.arrive(&format!("{place}/pause")).await;
    browser.assert_sound().await;
    browser.fill("reason", "Too many at once").await;
    browser.press("Pause campaign").await;
    browser.see("h1", "Spring Paused").await;
    let bela = Browser::signed_in(&web, "bela", "/credits", screen, scripts).await;
    bela.see(".empty", "").await;
    browser.press("Resume").await;
    browser.fill("reason", "Back to normal").await;
    browser.press("Resume campaign").await;
    browser.see("h1", "Spring Running").await;

    browser.press("Add credits").await;
    browser.arrive(&format!("{place}/add")).await;
    browser.press("Add credits").await;
    browser.see("#quantity-error", "1 to 10,000").await;
    browser.fill("quantity", "3").await;
    browser.press_twice("Add credits").await;
    browser.see(".flash", "Added 3 credits.").await;
    assert_eq!(count_in(&web, "assets"), 5);
    bela.open("/credits").await;
    bela.press("Claim").await;
    bela.see(".flash", "You claimed").await;

    browser.open(&place).await;
    browser.see(".row__note", "bela").await;
    browser.assert_sound().await;
    browser.open(&format!("{place}/delete")).await;
    browser.see(".note", "claimed").await;
    browser.assert_sound().await;
    browser.open("/admin/asset-types/GEMS/edit").await;
    browser.see(".field__hint", "Fixed").await;
    browser.assert_sound().await;
    browser.open("/admin/campaigns?status=running").await;
    assert_eq!(browser.texts("tbody th a").await, ["Spring"]);
    browser.assert_sound().await;
    audit(&web);
}

#[actix_web::test]
async fn a_campaign_runs_at_a_desk() {
    run_a_campaign(Desk, On).await;
}

#[actix_web::test]
async fn a_campaign_runs_at_a_desk_without_scripts() {
    run_a_campaign(Desk, Off).await;
}

#[actix_web::test]
async fn a_campaign_runs_on_a_phone() {
    run_a_campaign(Phone, On).await;
}

#[actix_web::test]
async fn a_campaign_runs_on_a_phone_without_scripts() {
    run_a_campaign(Phone, Off).await;
}
