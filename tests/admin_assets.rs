//! Credits in the hands of admins, in browsers and as a browser without scripts meets the pages.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use coffer::domain::Role;
use reqwest::Client;
use serde_json::json;
use support::api::{Caller, audit, caller, count_in, web_with_admin};
use support::browser::Screen::{Desk, Phone};
use support::browser::Scripts::{Off, On};
use support::browser::{Browser, Screen, Scripts};
use support::web::{PASSWORD, Web, browser, page, send, submit, texts, value};

async fn at_home(web: &Web) -> Client {
    let browser = browser();
    submit(web, &browser, "/login", &[("login", "root"), ("password", PASSWORD)]).await;
    browser
}

fn place(answer: &reqwest::Response) -> String {
    answer.headers()["location"].to_str().unwrap().to_owned()
}

/// A credit of 5.00 GOLD with a title.
async fn credit(admin: &Caller, title: &str, amount: &str) -> i64 {
    let body = json!({"title": title, "kind": "promotional", "asset_type": "GOLD", "amount": amount});
    admin.create(&body).await[0]["id"].as_i64().unwrap()
}

#[actix_web::test]
async fn the_list_is_narrowed_sorted_and_written_into_a_file_alike() {
    let (web, admin) = web_with_admin().await;
    for (title, amount) in [("Beta", "7"), ("Alpha", "9"), ("=Gamma", "8")] {
        credit(&admin, title, amount).await;
    }
    let home = at_home(&web).await;
    let titles = async |query: &str| texts(&page(&web, &home, &format!("/admin/assets{query}")).await, "tbody th a");
    assert_eq!(titles("").await, ["=Gamma", "Alpha", "Beta"]);
    assert_eq!(titles("?sort=amount").await, ["Beta", "=Gamma", "Alpha"]);
    assert_eq!(titles("?sort=-amount&q=a").await, ["Alpha", "=Gamma", "Beta"]);
    assert_eq!(titles("?q=alp").await, ["Alpha"]);
    assert_eq!(titles("?status=claimed").await, [""; 0]);
    assert_eq!(titles("?from=2001-01-01&to=2001-01-31").await, [""; 0]);
    assert_eq!(send(home.get(web.url("/admin/assets?from=soon"))).await.status(), 422);
    let file = page(&web, &home, "/admin/assets?sort=amount&format=csv").await;
    let lines: Vec<&str> = file.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(lines, ["title", "Beta", "'=Gamma", "Alpha"]);
    let html = page(&web, &home, "/admin/assets?sort=-amount").await;
    assert!(html.contains(r#"aria-sort="descending""#), "{html}");
}

#[actix_web::test]
async fn one_credit_expires_comes_back_and_goes_each_time_with_a_reason() {
    let (web, admin) = web_with_admin().await;
    let id = credit(&admin, "Gift", "5").await;
    let home = at_home(&web).await;
    let at = |rest: &str| format!("/admin/assets/{id}{rest}");
    let answer = submit(&web, &home, &at("/expire"), &[("reason", " ")]).await;
    assert_eq!(answer.status(), 422);
    assert_eq!(texts(&answer.text().await.unwrap(), "#reason-error"), ["Say why, in 1 to 500 characters."]);
    let answer = submit(&web, &home, &at("/recreate"), &[("reason", "Again")]).await;
    assert_eq!((answer.status().as_u16(), place(&answer)), (303, at("")));
    assert!(page(&web, &home, &at("")).await.contains("has not expired"));
    assert_eq!(place(&submit(&web, &home, &at("/expire"), &[("reason", "Over")]).await), at(""));
    let fields = [("reason", "Again"), ("amount", "0.001")];
    assert_eq!(submit(&web, &home, &at("/recreate"), &fields).await.status(), 422);
    let answer = submit(&web, &home, &at("/recreate"), &[("reason", "Again"), ("amount", "6")]).await;
    let successor = place(&answer);
    assert_ne!(successor, at(""));
    let html = page(&web, &home, &successor).await;
    assert!(html.contains("6.00") && html.contains(&format!("Credit {id}")), "{html}");
    let html = page(&web, &home, &at("")).await;
    assert!(texts(&html, ".timeline__reason").contains(&"“Over”".to_owned()), "{html}");
    let answer = submit(&web, &home, &format!("{successor}/delete"), &[("reason", "Wrong")]).await;
    assert_eq!(place(&answer), "/admin/assets");
    assert_eq!(send(home.get(web.url(&successor))).await.status(), 404);
    assert_eq!(count_in(&web, "audit_log where action in ('asset.expire', 'asset.recreate', 'asset.delete')"), 3);
}

#[actix_web::test]
async fn what_is_done_to_many_is_shown_before_and_told_after() {
    let (web, admin) = web_with_admin().await;
    let anna = caller(&web, "anna", Role::User).await;
    let ids = admin.issue(4, "GOLD", "5").await;
    assert_eq!(send(anna.claim(ids[0])).await.status(), 201);
    let home = at_home(&web).await;
    let answer = submit(&web, &home, "/admin/assets/bulk", &[("action", "expire")]).await;
    assert_eq!((answer.status().as_u16(), place(&answer).as_str()), (303, "/admin/assets"));
    let list = "/admin/assets?asset_type=GOLD";
    let all = [("action", "expire"), ("all", "yes"), ("list", list)];
    let html = submit(&web, &home, "/admin/assets/bulk", &all).await.text().await.unwrap();
    assert_eq!(texts(&html, "h1"), ["Expire 3 credits"]);
    assert_eq!(texts(&html, ".facts dd"), ["3 credits, worth 15.00 GOLD"]);
    assert_eq!(texts(&html, ".note"), ["1 credit stays as it is: claimed."]);
    let confirm = |expected: &'static str| {
        [all.to_vec(), vec![("confirmed", "yes"), ("expected", expected), ("reason", "Over")]].concat()
    };
    let html = submit(&web, &home, "/admin/assets/bulk", &confirm("2")).await.text().await.unwrap();
    assert!(html.contains("has changed since you looked"), "{html}");
    assert_eq!(count_in(&web, "assets where status = 'expired'"), 0);
    let answer = submit(&web, &home, "/admin/assets/bulk", &confirm("3")).await;
    assert_eq!((answer.status().as_u16(), place(&answer).as_str()), (303, list));
    let told = texts(&page(&web, &home, list).await, ".flash__text");
    assert_eq!(told, ["3 credits expired. 1 credit stays as it is: claimed."]);
    assert_eq!(count_in(&web, "assets where status = 'expired'"), 3);
    audit(&web);
}

#[actix_web::test]
async fn who_saves_a_credit_that_somebody_else_has_changed_sees_both() {
    let (web, admin) = web_with_admin().await;
    let id = credit(&admin, "Gift", "5").await;
    let home = at_home(&web).await;
    let path = format!("/admin/assets/{id}/edit");
    let save = async |version: &str, title: &str, amount: &str| {
        let fields = [
            ("version", version),
            ("title", title),
            ("kind", "promotional"),
            ("asset_type", "GOLD"),
            ("amount", amount),
        ];
        submit(&web, &home, &path, &fields).await
    };
    assert_eq!(value(&page(&web, &home, &path).await, "version").as_deref(), Some("1"));
    assert_eq!(save("1", "", "x").await.status(), 422);
    assert_eq!(save("1", "Present", "5").await.status(), 303);
    let stale = save("1", "Gift", "6").await;
    assert_eq!(stale.status(), 422);
    let html = stale.text().await.unwrap();
    assert_eq!(texts(&html, ".summary strong"), ["Changed by root since you opened this"]);
    let told = texts(&html, ".summary li");
    assert_eq!(told[0], "Title: it is Present now, your form says Gift.");
    assert_eq!((value(&html, "version").as_deref(), value(&html, "amount").as_deref()), (Some("2"), Some("6")));
    assert_eq!(save("2", "Gift", "6").await.status(), 303);
    let anna = caller(&web, "anna", Role::User).await;
    assert_eq!(send(anna.claim(id)).await.status(), 201);
    let late = save("3", "Late", "6").await;
    assert_eq!((late.status().as_u16(), place(&late)), (303, format!("/admin/assets/{id}")));
    assert_eq!(count_in(&web, "assets where title = 'Gift'"), 1);
}

/// Sends a file as a browser does.
async fn upload(web: &Web, home: &Client, text: &str) -> reqwest::Response {
    let token = value(&page(web, home, "/admin/assets/import").await, "csrf_token").unwrap();
    let body = format!(
        "--edge\r\nContent-Disposition: form-data; name=\"csrf_token\"\r\n\r\n{token}\r\n--edge\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n\
         {text}\r\n--edge--\r\n"
    );
    let request = home.post(web.url("/admin/assets/import"));
    send(request.header("Content-Type", "multipart/form-data; boundary=edge").body(body)).await
}

#[actix_web::test]
async fn a_file_is_shown_before_its_credits_are_created_once() {
    let (web, _admin) = web_with_admin().await;
    let home = at_home(&web).await;
    assert_eq!(upload(&web, &home, "").await.status(), 422);
    let wrong = upload(&web, &home, "title,kind,asset_type,amount\nGift,signup,GOLD,1\nGift,x,GOLD,0.001\n").await;
    assert_eq!(wrong.status(), 303);
    let html = page(&web, &home, &place(&wrong)).await;
    let told = texts(&html, ".summary li");
    assert!(told.len() == 2 && told[0].starts_with("Row 2, kind:"), "{told:?}");
    assert_eq!(submit(&web, &home, &place(&wrong), &[]).await.status(), 422);
    let right = upload(&web, &home, "title,kind,asset_type,amount,quantity\nGift,signup,GOLD,1.50,20\n").await;
    let html = page(&web, &home, &place(&right)).await;
    assert_eq!(texts(&html, ".facts dd"), ["20 credits, worth 30.00 GOLD"]);
    assert_eq!(count_in(&web, "assets"), 0);
    for _ in 0..2 {
        assert_eq!(submit(&web, &home, &place(&right), &[]).await.status(), 303);
        assert_eq!(count_in(&web, "assets"), 20);
    }
    let body = "--edge\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ntitle\r\n--edge--\r\n";
    let forged = home.post(web.url("/admin/assets/import"));
    let forged = forged.header("Content-Type", "multipart/form-data; boundary=edge").body(body);
    assert_eq!(send(forged).await.status(), 403);
}

/// From a new credit to its end, as an admin clicks through it.
async fn a_whole_life(screen: Screen, scripts: Scripts) {
    let (web, admin) = web_with_admin().await;
    credit(&admin, "Gift", "5").await;
    let browser = Browser::start(&web, screen, scripts).await;
    let fits = async || {
        let widths = browser.ask("[document.documentElement.scrollWidth, window.innerWidth]").await;
        assert!(widths[0].as_u64() <= widths[1].as_u64(), "{}: {widths}", browser.place().await);
    };
    browser.open("/admin/assets").await;
    browser.sign_in("root").await;
    browser.arrive("/admin/assets").await;
    fits().await;
    browser.press("Gift").await;
    browser.see("h1", "Gift").await;
    fits().await;
    browser.press("Edit").await;
    browser.see("h1", "Edit Gift").await;
    fits().await;
    browser.fill("title", "Present").await;
    browser.press("Save").await;
    browser.see(".flash", "“Present” is saved.").await;
    browser.press("Expire now").await;
    browser.see("h1", "Expire “Present”").await;
    browser.fill("reason", "The shop is closed").await;
    browser.press("Expire the credit").await;
    browser.see(".flash", "The credit has expired").await;
    browser.press("Recreate").await;
    browser.see("h1", "Recreate “Present”").await;
    fits().await;
    browser.fill("reason", "It is open again").await;
    browser.press("Recreate the credit").await;
    browser.see(".flash", "this is its successor").await;
    browser.open("/admin/assets").await;
    assert_eq!(browser.texts("tbody th a").await, ["Present", "Present"]);
    browser.find("tbody input[name=ids]").await.click().await.unwrap();
    browser.press("Delete").await;
    browser.see("h1", "Delete 1 credit").await;
    fits().await;
    browser.fill("reason", "Never mind").await;
    browser.press("Delete 1 credit").await;
    browser.see(".flash", "1 credit deleted.").await;
    assert_eq!(browser.complaints().await, [""; 0]);
    assert_eq!(count_in(&web, "assets"), 1);
}

#[actix_web::test]
async fn an_admin_leads_a_credit_through_its_life_at_a_desk() {
    a_whole_life(Desk, On).await;
}

#[actix_web::test]
async fn an_admin_leads_a_credit_through_its_life_on_a_phone_without_scripts() {
    a_whole_life(Phone, Off).await;
}
