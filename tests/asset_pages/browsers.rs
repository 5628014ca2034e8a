//! The whole life of credits in real browsers, at a desk and on a phone, with scripts and without.

use serde_json::json;

use crate::House;
use crate::support::browser::Screen::{Desk, Phone};
use crate::support::browser::Scripts::{Off, On};
use crate::support::browser::{Browser, Screen, Scripts};

/// Ticks a box or presses a button of the list, whose words other parts of it begin with, too.
async fn click(browser: &Browser, selector: &str) {
    let script = format!("document.querySelector('{selector}').click()");
    browser.client.execute(&script, Vec::new()).await.unwrap();
}

/// One credit from its creation to its end.
async fn live(screen: Screen, scripts: Scripts) {
    let house = House::open().await;
    let browser = Browser::signed_in(&house.web, "root", "/admin/assets", screen, scripts).await;
    let sound = async || browser.assert_sound().await;
    browser.press("New credits").await;
    browser.arrive("/admin/assets/new").await;
    browser.fill("title", "Festive Cashback for Everyone Who Bought Something Before the New Year").await;
    browser.choose("kind", "promotional").await;
    browser.choose("asset_type", "CASH").await;
    browser.fill("amount", "12.50").await;
    sound().await;
    browser.press_twice("Create credits").await;
    browser.arrive("/admin/assets").await;
    sound().await;
    browser.press("Festive Cashback").await;
    browser.see("h1", "Festive Cashback").await;
    sound().await;
    browser.press("Edit").await;
    browser.see("h1", "Edit Festive").await;
    sound().await;
    browser.fill("title", "Autumn").await;
    browser.fill("amount", "x").await;
    browser.press("Save").await;
    browser.see("#amount-error", "").await;
    assert_eq!(browser.value("title").await, "Autumn");
    browser.fill("amount", "15").await;
    browser.press("Save").await;
    browser.see(".flash", "“Autumn” is saved.").await;
    browser.press("Expire now").await;
    browser.see("h1", "Expire “Autumn”").await;
    sound().await;
    browser.press("Expire the credit").await;
    browser.see("#reason-error", "Say why").await;
    browser.fill("reason", "The season is over").await;
    browser.press_twice("Expire the credit").await;
    browser.see(".flash", "The credit has expired.").await;
    browser.press("Recreate").await;
    browser.see("h1", "Recreate “Autumn”").await;
    sound().await;
    browser.fill("reason", "It was asked for").await;
    browser.fill("title", "Winter").await;
    browser.press_twice("Recreate the credit").await;
    browser.see("h1", "Winter").await;
    browser.see(".flash", "this is its successor.").await;
    sound().await;
    browser.press("Credit 1").await;
    sound().await;
    browser.press("Recreated as credit").await;
    browser.see("h1", "Winter").await;
    browser.press("Delete").await;
    browser.see("h1", "Delete “Winter”").await;
    browser.fill("reason", "By mistake").await;
    browser.press("Delete the credit").await;
    browser.see(".flash", "The credit is deleted.").await;
    assert_eq!(browser.texts("tbody th a").await, ["Autumn"]);
    sound().await;
}

#[actix_web::test]
async fn a_credit_lives_at_a_desk() {
    live(Desk, On).await;
}

#[actix_web::test]
async fn a_credit_lives_on_a_phone_without_scripts() {
    live(Phone, Off).await;
}

/// A selection expires, then all that match are deleted.
async fn act_on_many(screen: Screen, scripts: Scripts) {
    let house = House::open().await;
    house.issue("Autumn", 30, "CASH", "10").await;
    house.issue("Winter", 2, "PTS", "5").await;
    let browser = Browser::signed_in(&house.web, "root", "/admin/assets", screen, scripts).await;
    click(&browser, ".bulk [value=expire]").await;
    browser.see(".flash", "Nothing is selected.").await;
    browser.open("/admin/assets?q=winter").await;
    browser.assert_sound().await;
    if scripts == On {
        click(&browser, "[data-select-all]").await;
    } else {
        click(&browser, "tbody tr:nth-child(1) [name=ids]").await;
        click(&browser, "tbody tr:nth-child(2) [name=ids]").await;
    }
    click(&browser, ".bulk [value=expire]").await;
    browser.see("h1", "Expire 2 credits").await;
    browser.see(".facts", "2 credits, worth 10 PTS").await;
    browser.assert_sound().await;
    browser.fill("reason", "The season is over").await;
    browser.press("Expire 2 credits").await;
    browser.arrive("/admin/assets?q=winter").await;
    browser.see(".flash", "2 credits expired.").await;
    assert_eq!(browser.texts("td[data-label=Status] .badge").await, ["Expired", "Expired"]);
    browser.open("/admin/assets?q=autumn").await;
    browser.see(".bulk", "All 30 credits that match").await;
    click(&browser, "[name=all]").await;
    browser.press("Delete").await;
    browser.see("h1", "Delete 30 credits").await;
    browser.fill("reason", "By mistake").await;
    browser.press_twice("Delete 30 credits").await;
    browser.arrive("/admin/assets?q=autumn").await;
    browser.see(".empty", "No credit matches").await;
    browser.assert_sound().await;
    assert_eq!(house.admin.walk("/assets?limit=200").await.len(), 2);
}

#[actix_web::test]
async fn many_credits_end_at_a_desk() {
    act_on_many(Desk, On).await;
}

#[actix_web::test]
async fn many_credits_end_on_a_phone_without_scripts() {
    act_on_many(Phone, Off).await;
}

/// A file with errors, and then one without.
async fn import(screen: Screen, scripts: Scripts) {
    let house = House::open().await;
    let browser = Browser::signed_in(&house.web, "root", "/admin/assets", screen, scripts).await;
    browser.press("Import").await;
    browser.arrive("/admin/assets/import").await;
    browser.assert_sound().await;
    let folder = std::env::temp_dir().join(format!("coffer-import-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder).unwrap();
    let send = async |rows: &str| {
        let file = folder.join("credits.csv");
        std::fs::write(&file, format!("title,kind,asset_type,amount,quantity\n{rows}")).unwrap();
        browser.find("main [name=file]").await.send_keys(file.to_str().unwrap()).await.unwrap();
        browser.press("Look at it").await;
    };
    send("Autumn,signup,CASH,10,2\nWinter,signup,CASH,0.001,2\n").await;
    browser.see(".summary", "Row 2, amount:").await;
    browser.assert_sound().await;
    browser.press("Upload it again").await;
    browser.arrive("/admin/assets/import").await;
    send("Autumn,signup,CASH,10,2\nWinter,signup,CASH,0.01,2\n").await;
    browser.see("h1", "Create these credits?").await;
    browser.assert_sound().await;
    browser.press_twice("Create 4 credits").await;
    browser.arrive("/admin/assets").await;
    assert_eq!(browser.texts("tbody th a").await.len(), 4);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[actix_web::test]
async fn a_file_is_imported_at_a_desk() {
    import(Desk, On).await;
}

#[actix_web::test]
async fn a_file_is_imported_on_a_phone_without_scripts() {
    import(Phone, Off).await;
}

/// Two admins edit the same credit; the slower one sees both versions.
async fn edit_stale(screen: Screen, scripts: Scripts) {
    let house = House::open().await;
    let id = house.issue("Autumn", 1, "CASH", "10").await[0];
    let browser = Browser::signed_in(&house.web, "root", "/admin/assets", screen, scripts).await;
    browser.open(&format!("/admin/assets/{id}/edit")).await;
    browser.fill("title", "Mine").await;
    let change = house.admin.request(reqwest::Method::PATCH, &format!("/admin/assets/{id}"));
    let change = change.header("if-match", "\"1\"").json(&json!({"title": "Theirs"}));
    assert_eq!(change.send().await.unwrap().status(), 200);
    browser.press("Save").await;
    browser.see(".summary", "since you opened this").await;
    browser.assert_sound().await;
    assert_eq!(browser.value("title").await, "Mine");
    assert!(browser.texts(".summary ul").await[0].contains("Theirs"));
    browser.press("Save").await;
    browser.see("h1", "Mine").await;
}

#[actix_web::test]
async fn a_stale_edit_is_noticed_at_a_desk() {
    edit_stale(Desk, On).await;
}

#[actix_web::test]
async fn a_stale_edit_is_noticed_on_a_phone_without_scripts() {
    edit_stale(Phone, Off).await;
}
