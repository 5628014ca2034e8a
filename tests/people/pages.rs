//! The pages of people, as a browser without scripts meets them.

use coffer::domain::Role;
use reqwest::{Client, Response};

use crate::support::api::{Caller, caller, count_in, web_with_admin};
use crate::support::web::{PASSWORD, Web, browser, page, send, submit, texts};

/// A browser in which somebody who is there is signed in.
async fn signed_in(web: &Web, login: &str) -> Client {
    let browser = browser();
    submit(web, &browser, "/login", &[("login", login), ("password", PASSWORD)]).await;
    browser
}

/// A web with its admin at a browser, two users of whom ann owns two credits, and the admin's token.
async fn start() -> (Web, Client, Caller) {
    let (web, admin) = web_with_admin().await;
    let ann = caller(&web, "ann", Role::User).await;
    web.have_user("ben", Role::User);
    for asset in admin.issue(2, "GOLD", "1250").await {
        assert_eq!(send(ann.claim(asset)).await.status(), 201);
    }
    let browser = signed_in(&web, "root").await;
    (web, browser, admin)
}

async fn file(web: &Web, browser: &Client, path: &str) -> Vec<String> {
    let answer = send(browser.get(web.url(path))).await;
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8", "{path}");
    answer.text().await.unwrap().lines().map(str::to_owned).collect()
}

fn location(answer: &Response) -> &str {
    assert_eq!(answer.status(), 303);
    answer.headers()["location"].to_str().unwrap()
}

#[actix_web::test]
async fn users_are_listed_narrowed_sorted_and_exported_alike() {
    let (web, browser, _) = start().await;
    for (query, names) in [
        ("", vec!["ben", "ann", "root"]),
        ("?sort=joined", vec!["root", "ann", "ben"]),
        ("?sort=name", vec!["ann", "ben", "root"]),
        ("?sort=-name", vec!["root", "ben", "ann"]),
        ("?q=AN", vec!["ann"]),
        ("?role=admin&status=active", vec!["root"]),
        ("?status=frozen", vec![]),
    ] {
        let path = format!("/admin/users{query}");
        let html = page(&web, &browser, &path).await;
        assert_eq!(texts(&html, "tbody th a"), names, "{query}");
        let rows = file(&web, &browser, &format!("{path}{}format=csv", if query.is_empty() { "?" } else { "&" })).await;
        assert_eq!(rows[0], "id,username,email,phone_number,role,status,created_at");
        let ids: Vec<_> = rows[1..].iter().map(|row| row.split(',').next().unwrap()).collect();
        assert_eq!(ids, names, "{query}");
    }
    let html = page(&web, &browser, "/admin/users?status=frozen").await;
    assert_eq!(texts(&html, ".empty__title"), ["No user matches"]);
}

#[actix_web::test]
async fn the_page_of_a_user_shows_the_whole_picture() {
    let (web, browser, _) = start().await;
    let html = page(&web, &browser, "/admin/users/ann").await;
    assert_eq!(texts(&html, "h1"), ["ann"]);
    assert_eq!(texts(&html, "[aria-labelledby=wallets] .amount"), ["2,500.00 GOLD"]);
    assert_eq!(texts(&html, "[aria-labelledby=claims] .row").len(), 2);
    assert_eq!(texts(&html, "[aria-labelledby=activity] .row").len(), 2);
    assert_eq!(texts(&html, "[aria-labelledby=sessions] .row").len(), 1);
    for href in [
        "/admin/claims?user=ann",
        "/admin/transactions?user=ann",
        "/admin/users/ann/freeze",
        "/admin/users/ann/make-admin",
    ] {
        assert!(html.contains(&format!("href=\"{href}\"")), "{href}");
    }
    let html = page(&web, &browser, "/admin/users/root").await;
    assert!(html.contains("href=\"/admin/audit-log?actor=root\""));
    for path in ["/admin/users/nobody-here", "/admin/users/ann/dance", "/admin/users/nobody-here/freeze"] {
        assert_eq!(send(browser.get(web.url(path))).await.status(), 404, "{path}");
    }
}

#[actix_web::test]
async fn what_is_done_to_a_user_is_reviewed_done_and_told() {
    let (web, browser, _) = start().await;
    for (deed, title, told) in [
        ("freeze", "Freeze ann", "ann is frozen."),
        ("unfreeze", "Unfreeze ann", "ann can claim, spend and transfer again."),
        ("make-admin", "Make ann an admin", "ann is an admin now."),
        ("make-user", "Make ann a user", "ann is no admin any more."),
        ("sign-out", "Sign ann out everywhere", "1 session of ann ended."),
    ] {
        let path = format!("/admin/users/ann/{deed}");
        assert_eq!(texts(&page(&web, &browser, &path).await, "h1"), [title]);
        let answer = submit(&web, &browser, &path, &[("reason", " ")]).await;
        assert_eq!(answer.status(), 422);
        assert_eq!(texts(&answer.text().await.unwrap(), "#reason-error").len(), 1);
        let answer = submit(&web, &browser, &path, &[("reason", "Asked for it")]).await;
        assert_eq!(location(&answer), "/admin/users/ann");
        let html = page(&web, &browser, "/admin/users/ann").await;
        assert_eq!(texts(&html, ".flash__text"), [told]);
        assert_eq!(texts(&html, "[aria-labelledby=history] .timeline__reason").first().unwrap(), "“Asked for it”");
    }
    assert_eq!(count_in(&web, "audit_log where target = 'user:ann' and reason = 'Asked for it'"), 5);
    let html = page(&web, &browser, "/admin/users/ann/unfreeze").await;
    assert!(html.contains("This user is not frozen.") && !html.contains(">Unfreeze</button>"));
    submit(&web, &browser, "/admin/users/ann/unfreeze", &[("reason", "Twice")]).await;
    assert_eq!(count_in(&web, "audit_log where reason = 'Twice'"), 0);
}

#[actix_web::test]
async fn the_last_admin_is_refused_in_words_and_signs_out_elsewhere_only() {
    let (web, browser, api) = start().await;
    for deed in ["freeze", "make-user"] {
        let answer = submit(&web, &browser, &format!("/admin/users/root/{deed}"), &[("reason", "Holidays")]).await;
        assert_eq!(answer.status(), 422);
        let html = answer.text().await.unwrap();
        assert_eq!(
            texts(&html, "#reason-error"),
            ["This is the last active admin. Make somebody else an admin first."]
        );
        assert_eq!(texts(&html, "#reason"), ["Holidays"]);
    }
    submit(&web, &browser, "/admin/users/root/sign-out", &[("reason", "Lost phone")]).await;
    assert_eq!(send(browser.get(web.url("/admin/users"))).await.status(), 200);
    assert_eq!(send(api.get("/me")).await.status(), 401);
}

#[actix_web::test]
async fn ownership_is_narrowed_sorted_and_exported_alike() {
    let (web, browser, api) = start().await;
    let ben = Caller::sign_in(&Client::new(), &web.url(""), "ben", PASSWORD).await;
    let campaign = serde_json::json!({
        "title": "=Festival", "kind": "signup", "asset_type": "PTS", "amount": "3", "quantity": 1,
    });
    assert_eq!(send(api.post("/admin/campaigns").json(&campaign)).await.status(), 201);
    assert_eq!(send(ben.post("/claims").json(&serde_json::json!({"campaign_id": 1}))).await.status(), 201);
    for (query, owners) in [
        ("", vec!["ben", "ann", "ann"]),
        ("?sort=claimed", vec!["ann", "ann", "ben"]),
        ("?sort=amount", vec!["ben", "ann", "ann"]),
        ("?sort=-amount", vec!["ann", "ann", "ben"]),
        ("?user=ben", vec!["ben"]),
        ("?kind=promotional", vec!["ann", "ann"]),
        ("?asset_type=PTS", vec!["ben"]),
        ("?campaign=1", vec!["ben"]),
        ("?q=festiVE", vec!["ann", "ann"]),
        ("?from=2000-01-01&to=2000-01-02", vec![]),
    ] {
        let path = format!("/admin/claims{query}");
        let html = page(&web, &browser, &path).await;
        assert_eq!(texts(&html, "tbody td[data-label=Owner]"), owners, "{query}");
        let rows = file(&web, &browser, &format!("{path}{}format=csv", if query.is_empty() { "?" } else { "&" })).await;
        let users: Vec<_> = rows[1..].iter().map(|row| row.split(',').nth(5).unwrap()).collect();
        assert_eq!(users, owners, "{query}");
    }
    let rows = file(&web, &browser, "/admin/claims?campaign=1&format=csv").await;
    assert!(rows[1].contains(",'=Festival,"), "no formula: {rows:?}");
    let answer = send(browser.get(web.url("/admin/claims?from=2024-02-01&to=2024-01-01"))).await;
    assert_eq!(answer.status(), 422);
    assert_eq!(
        texts(&answer.text().await.unwrap(), "#to-error"),
        ["The last day is before the first. Choose a later one."]
    );
}

#[actix_web::test]
async fn long_lists_go_on_page_by_page_in_every_order() {
    let (web, browser, admin) = start().await;
    for number in 0..30 {
        web.have_user(&format!("user_{number:02}"), Role::User);
    }
    let ann = Caller::sign_in(&Client::new(), &web.url(""), "ann", PASSWORD).await;
    for asset in admin.issue(30, "PTS", "5").await {
        assert_eq!(send(ann.claim(asset)).await.status(), 201);
    }
    for (list, total) in [
        ("/admin/users?", 33),
        ("/admin/users?sort=joined", 33),
        ("/admin/users?sort=name", 33),
        ("/admin/users?sort=-name", 33),
        ("/admin/claims?", 32),
        ("/admin/claims?sort=claimed", 32),
        ("/admin/claims?sort=amount", 32),
        ("/admin/claims?sort=-amount", 32),
        ("/admin/audit-log?", 32),
    ] {
        let (mut seen, mut path) = (Vec::new(), list.to_owned());
        loop {
            let html = page(&web, &browser, &path).await;
            let document = scraper::Html::parse_document(&html);
            let hrefs = |selector: &str| -> Vec<String> {
                let chosen = scraper::Selector::parse(selector).unwrap();
                document.select(&chosen).map(|link| link.attr("href").unwrap().to_owned()).collect()
            };
            seen.extend(hrefs("tbody th > a"));
            match hrefs(".pager a").into_iter().find(|href| href.contains("cursor=")) {
                Some(next) => path = next,
                None => break,
            }
        }
        assert_eq!(seen.len(), total, "{list}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), total, "{list} shows nothing twice");
    }
}

#[actix_web::test]
async fn the_audit_log_is_told_in_words_and_exported() {
    let (web, browser, _) = start().await;
    submit(&web, &browser, "/admin/users/ann/freeze", &[("reason", "=Lost phone")]).await;
    let html = page(&web, &browser, "/admin/audit-log?action=user.freeze").await;
    assert_eq!(texts(&html, "tbody th a"), ["Froze ann"]);
    assert_eq!(texts(&html, "tbody .changes li"), ["status: active → frozen"]);
    assert_eq!(texts(&html, ".chip").len(), 1);
    assert_eq!(texts(&page(&web, &browser, "/admin/audit-log?actor=root").await, "tbody th").len(), 3);
    assert_eq!(texts(&page(&web, &browser, "/admin/audit-log?actor=ann").await, ".empty__title"), ["No line matches"]);
    let rows = file(&web, &browser, "/admin/audit-log?target=user%3Aann&format=csv").await;
    assert_eq!(rows.len(), 2);
    assert!(rows[1].contains("user.freeze,user:ann,'=Lost phone,"), "{rows:?}");
}

#[actix_web::test]
async fn a_frozen_admin_is_led_to_the_wallet() {
    let (web, browser, admin) = start().await;
    web.have_user("ada", Role::Admin);
    let ada = signed_in(&web, "ada").await;
    submit(&web, &browser, "/admin/users/ada/freeze", &[("reason", "Holidays")]).await;
    assert_eq!(send(ada.get(web.url("/admin"))).await.status(), 403);
    assert_eq!(location(&send(ada.get(web.url("/"))).await), "/wallet");
    drop(admin);
}
