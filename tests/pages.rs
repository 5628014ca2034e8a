//! The pages of the wallet and of the admin, as a browser without scripts meets them.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use chrono::{TimeDelta, Utc};
use coffer::domain::{Amount, AssetId, AssetKind, AssetTypeCode, Role};
use coffer::repo::PageRequest;
use coffer::repo::assets::{self, AssetFilter, NewAssets, Viewer};
use coffer::repo::audit::Actor;
use diesel::connection::SimpleConnection;
use reqwest::{Client, Response};
use scraper::{Html, Selector};
use support::web::{PASSWORD, Web, browser, page, send, submit, texts, value};

/// A web with two asset types.
fn start() -> Web {
    let web = Web::start();
    for (code, name, scale) in [("CASH", "Cashback", 2), ("PTS", "Loyalty Points", 0)] {
        web.have_asset_type(code, name, scale);
    }
    web
}

/// Someone signed in.
async fn signed_in(web: &Web, username: &str, role: Role) -> Client {
    web.have_user(username, role);
    let browser = browser();
    submit(web, &browser, "/login", &[("login", username), ("password", PASSWORD)]).await;
    browser
}

/// Credits of 1,000.00 CASH each, in the order of their ids.
fn issue(web: &Web, title: &str, quantity: usize, hours: Option<i64>) -> Vec<AssetId> {
    let new = NewAssets {
        title: title.to_owned(),
        description: String::new(),
        kind: AssetKind::Promotional,
        asset_type: AssetTypeCode::parse("CASH").unwrap(),
        amount: Amount::parse("1000").unwrap(),
        expires_at: hours.map(|hours| Utc::now() + TimeDelta::hours(hours)),
        campaign_id: None,
        quantity,
    };
    let created = web.db.run_here(|conn| assets::create(conn, &Actor::default(), &new, Utc::now())).unwrap();
    created.into_iter().map(|view| view.asset.id).collect()
}

/// How many credits there are.
fn stock(web: &Web) -> usize {
    let all = PageRequest::first(PageRequest::MOST);
    let filter = AssetFilter::default();
    web.db
        .run_here(|conn| assets::page(conn, Viewer::Admin, &filter, assets::USUAL, &all, Utc::now()))
        .unwrap()
        .items
        .len()
}

async fn claim(web: &Web, browser: &Client, asset: AssetId, back: &str) -> Response {
    submit(web, browser, &format!("/credits/{asset}/claim"), &[("back", back)]).await
}

fn location(answer: &Response) -> &str {
    assert_eq!(answer.status(), 303);
    answer.headers()["location"].to_str().unwrap()
}

/// The message on the page that an answer leads to.
async fn flash(web: &Web, browser: &Client, answer: Response) -> String {
    let html = page(web, browser, location(&answer)).await;
    texts(&html, ".flash__text").join(" ")
}

fn attributes(html: &str, selector: &str, attribute: &str) -> Vec<String> {
    let document = Html::parse_document(html);
    let chosen = Selector::parse(selector).unwrap();
    document.select(&chosen).filter_map(|element| element.attr(attribute).map(str::to_owned)).collect()
}

#[actix_web::test]
async fn a_claim_shows_in_the_wallet_and_among_the_claims() {
    let web = start();
    let alice = signed_in(&web, "alice", Role::User).await;
    let empty = page(&web, &alice, "/wallet").await;
    assert_eq!(texts(&empty, ".balance__value"), ["0.00 CASH", "0 PTS"]);
    assert_eq!(texts(&empty, ".empty__title"), ["No credits to claim right now", "No activity yet"]);
    let assets = issue(&web, "Festive Cashback", 2, None);
    let answer = claim(&web, &alice, assets[0], "/wallet").await;
    assert_eq!(location(&answer), "/wallet");
    let html = page(&web, &alice, "/wallet").await;
    assert_eq!(texts(&html, ".flash__text"), ["You claimed “Festive Cashback”: +1,000.00 CASH. See my claims"]);
    assert_eq!(texts(&html, ".balance__value"), ["1,000.00 CASH", "0 PTS"]);
    assert_eq!(texts(&html, ".credit__title"), ["Festive Cashback"]);
    assert_eq!(texts(&html, ".day"), ["Today"]);
    assert_eq!(texts(&html, ".amount--in"), ["+1,000.00 CASH"]);
    assert_eq!(texts(&page(&web, &alice, "/wallet").await, ".flash"), [""; 0]);
    let html = page(&web, &alice, "/claims").await;
    assert_eq!(texts(&html, "tbody th"), ["Festive Cashback"]);
    assert_eq!(texts(&html, "tbody td.is-number"), ["1,000.00 CASH"]);
}

#[actix_web::test]
async fn the_wallet_offers_what_expires_first() {
    let web = start();
    let alice = signed_in(&web, "alice", Role::User).await;
    issue(&web, "Stays, older", 1, None);
    for (title, hours) in [("Later", 90), ("Soon", 3)] {
        issue(&web, title, 1, Some(hours));
    }
    issue(&web, "Stays, newer", 1, None);
    let html = page(&web, &alice, "/wallet").await;
    assert_eq!(texts(&html, ".credit__title"), ["Soon", "Later", "Stays, newer"]);
    assert_eq!(texts(&html, ".credit__foot .badge"), ["Expires in 2 hours"]);
}

#[actix_web::test]
async fn a_claim_that_fails_is_told_kindly() {
    let web = start();
    let (alice, bob) = (signed_in(&web, "alice", Role::User).await, signed_in(&web, "bob", Role::User).await);
    let assets = issue(&web, "Cashback", 3, None);
    let brief = issue(&web, "Brief", 1, Some(1))[0];
    assert_eq!(claim(&web, &alice, assets[0], "").await.status(), 303);
    let answer = claim(&web, &bob, assets[0], "/credits?kind=promotional").await;
    assert_eq!(location(&answer), "/credits?kind=promotional");
    let words = "Someone else was faster. 3 similar credits are still free. Show them";
    assert_eq!(flash(&web, &bob, answer).await, words);
    let words = flash(&web, &alice, claim(&web, &alice, assets[0], "").await).await;
    assert!(words.starts_with("“Cashback” is yours already: you claimed it on "), "{words}");
    let words = flash(&web, &bob, claim(&web, &bob, AssetId(99_999), "").await).await;
    assert!(words.starts_with("This credit is not there any more. No similar credit is free"), "{words}");
    web.wait_seconds(3601);
    let words = flash(&web, &bob, claim(&web, &bob, brief, "").await).await;
    assert!(words.starts_with("This credit has expired. 2 similar credits are still free."), "{words}");
    let freeze = "update users set status = 'frozen' where username = 'bob'";
    web.db.run_here(|conn| Ok(conn.batch_execute(freeze)?)).unwrap();
    let words = flash(&web, &bob, claim(&web, &bob, assets[1], "").await).await;
    assert!(words.starts_with("Your wallet is frozen"), "{words}");
    assert_eq!(texts(&page(&web, &bob, "/claims").await, ".empty__title"), ["No claims yet"]);
}

#[actix_web::test]
async fn a_credit_whose_campaign_does_not_run_has_no_button_and_its_claim_is_refused_kindly() {
    let web = start();
    let alice = signed_in(&web, "alice", Role::User).await;
    let assets = issue(&web, "Autumn", 3, None);
    issue(&web, "Any day", 1, None);
    let in_campaign = format!(
        "insert into campaigns (title, kind, asset_type, amount) values ('Autumn', 'promotional', 'CASH', 1000);
         update assets set campaign_id = (select max(id) from campaigns) where title = 'Autumn';
         update assets set expires_at = now() + interval '1 hour' where id = {}",
        assets[1]
    );
    let run = |sql: &str| web.db.run_here(|conn| Ok(conn.batch_execute(sql)?)).unwrap();
    run(&in_campaign);
    let forms = "form[action$='/claim']";
    for (state, shown) in [
        ("paused = true", 1),
        ("paused = false, starts_at = now() + interval '1 hour'", 1),
        ("starts_at = null, ends_at = now() - interval '1 minute'", 1),
        ("ends_at = null", 2),
    ] {
        run(&format!("update campaigns set {state}"));
        assert_eq!(attributes(&page(&web, &alice, "/credits").await, forms, "action").len(), shown, "{state}");
        let on_wallet = attributes(&page(&web, &alice, "/wallet").await, forms, "action").len();
        assert_eq!(on_wallet, shown, "{state}");
        if shown == 1 {
            let words = flash(&web, &alice, claim(&web, &alice, assets[0], "").await).await;
            let expected =
                "The campaign of this credit is not running now. One similar credit is still free. Show them";
            assert_eq!(words, expected, "{state}");
        }
    }
    let words = flash(&web, &alice, claim(&web, &alice, assets[0], "").await).await;
    assert!(words.starts_with("You claimed “Autumn”"), "{words}");
    let words = flash(&web, &alice, claim(&web, &alice, assets[1], "").await).await;
    assert!(words.starts_with("You have as many credits of this campaign as one user may have."), "{words}");
}

#[actix_web::test]
async fn a_claim_leads_back_to_pages_of_ours_only() {
    let web = start();
    let alice = signed_in(&web, "alice", Role::User).await;
    let asset = issue(&web, "Cashback", 1, None)[0];
    for back in ["https://evil.example/", "//evil.example", ""] {
        assert_eq!(location(&claim(&web, &alice, asset, back).await), "/credits");
    }
    let forged = alice.post(web.url(&format!("/credits/{asset}/claim"))).form(&[("csrf_token", "x")]);
    assert_eq!(send(forged).await.status(), 403);
}

#[actix_web::test]
async fn the_pool_is_narrowed_by_its_address() {
    let web = start();
    let alice = signed_in(&web, "alice", Role::User).await;
    assert_eq!(texts(&page(&web, &alice, "/credits").await, ".empty__title"), ["No credits to claim right now"]);
    issue(&web, "Autumn", 1, None);
    issue(&web, "100% off_season", 1, None);
    for (query, titles) in [
        ("", vec!["100% off_season", "Autumn"]),
        ("?q=AUTUMN", vec!["Autumn"]),
        ("?q=%25", vec!["100% off_season"]),
        ("?q=%00&kind=nonsense&asset_type=gold", vec!["100% off_season", "Autumn"]),
        ("?kind=promotional&asset_type=CASH&q=off_", vec!["100% off_season"]),
        ("?kind=signup", vec![]),
        ("?asset_type=PTS", vec![]),
    ] {
        let html = page(&web, &alice, &format!("/credits{query}")).await;
        assert_eq!(texts(&html, ".credit__title"), titles, "{query}");
        let none: &[&str] = if titles.is_empty() { &["No credit matches"] } else { &[] };
        assert_eq!(texts(&html, ".empty__title"), none, "{query}");
    }
    let html = page(&web, &alice, "/credits?kind=promotional&asset_type=CASH&q=off_").await;
    assert_eq!(
        attributes(&html, ".chip", "href"),
        [
            "/credits?kind=promotional&asset_type=CASH",
            "/credits?q=off_&asset_type=CASH",
            "/credits?q=off_&kind=promotional"
        ]
    );
    assert_eq!(value(&html, "back").as_deref(), Some("/credits?q=off_&kind=promotional&asset_type=CASH"));
    let bad = send(alice.get(web.url("/credits?cursor=nonsense"))).await;
    assert_eq!(bad.status(), 400);
}

#[actix_web::test]
async fn lists_lead_through_all_their_pages() {
    let web = start();
    let root = signed_in(&web, "root", Role::Admin).await;
    issue(&web, "Cashback", 30, None);
    for (list, row) in [("/credits?kind=promotional", ".credit"), ("/admin/assets?status=available", "tbody tr")] {
        let html = page(&web, &root, list).await;
        assert_eq!(texts(&html, row).len(), 24);
        let next = attributes(&html, ".pager a", "href");
        assert!(next.len() == 1 && next[0].starts_with(&format!("{list}&cursor=")), "{next:?}");
        let html = page(&web, &root, &next[0]).await;
        assert_eq!(texts(&html, row).len(), 6);
        assert_eq!(attributes(&html, ".pager a", "href"), [list]);
    }
}

/// A form for 20 credits, as it is sent.
fn twenty<'a>(key: &'a str, expires_at: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("idempotency_key", key),
        ("title", "Autumn <Cashback>"),
        ("description", "One each.\r\nBe quick."),
        ("kind", "referral"),
        ("asset_type", "CASH"),
        ("amount", "12.50"),
        ("quantity", "20"),
        ("expires_at", expires_at),
    ]
}

#[actix_web::test]
async fn a_form_that_is_sent_many_times_creates_once() {
    let web = start();
    let root = signed_in(&web, "root", Role::Admin).await;
    let html = page(&web, &root, "/admin/assets/new").await;
    let key = value(&html, "idempotency_key").unwrap();
    let token = attributes(&html, "main input[name=csrf_token]", "value").remove(0);
    let mut fields = twenty(&key, "2099-12-31T23:59");
    fields.push(("csrf_token", &token));
    let sent = (0..5).map(|_| send(root.post(web.url("/admin/assets/new")).form(&fields)));
    for answer in futures::future::join_all(sent).await {
        assert_eq!(location(&answer), "/admin/assets");
    }
    assert_eq!(stock(&web), 20);
    let html = page(&web, &root, "/admin/assets").await;
    assert_eq!(texts(&html, ".flash__text"), ["Created 20 credits: “Autumn <Cashback>”."]);
    let again = value(&page(&web, &root, "/admin/assets/new").await, "idempotency_key").unwrap();
    submit(&web, &root, "/admin/assets/new", &twenty(&again, "")).await;
    assert_eq!(stock(&web), 40);
    let html = page(&web, &root, "/admin").await;
    let actions = texts(&html, "[aria-labelledby=actions] .row__title");
    assert_eq!(actions, ["Created 20 credits: “Autumn <Cashback>”"; 2]);
    assert_eq!(texts(&html, ".stat__value"), ["40", "0", "0"]);
    assert_eq!(texts(&html, "[aria-labelledby=supply] .section__link"), ["40 credits in all"]);
}

#[actix_web::test]
async fn a_form_that_does_not_fit_comes_back_filled_in() {
    let web = start();
    let root = signed_in(&web, "root", Role::Admin).await;
    let key = value(&page(&web, &root, "/admin/assets/new").await, "idempotency_key").unwrap();
    let fields = [("idempotency_key", key.as_str()), ("title", " "), ("amount", "1,5"), ("quantity", "10001")];
    let answer = submit(&web, &root, "/admin/assets/new", &fields).await;
    assert_eq!(answer.status(), 422);
    let html = answer.text().await.unwrap();
    assert_eq!(attributes(&html, ".summary a", "href"), ["#title", "#kind", "#asset_type", "#amount", "#quantity"]);
    assert_eq!(attributes(&html, "[aria-invalid]", "id"), ["title", "kind", "asset_type", "amount", "quantity"]);
    assert_eq!(value(&html, "amount").as_deref(), Some("1,5"));
    assert_eq!(value(&html, "idempotency_key"), Some(key.clone()));
    for (name, text, message) in [
        ("amount", "12.505", "12.505 has more than 2 decimals, which is all that this asset type has."),
        ("amount", "0", "The amount must be more than zero."),
        ("asset_type", "NONE", "Choose an asset type."),
        ("expires_at", "2001-01-01T00:00", "Choose a time in the future."),
        ("expires_at", "tomorrow", "Write a day and a time, such as 2026-12-31T23:59."),
        ("title", "two\nlines", "Use one line of letters, digits and signs."),
        ("description", "\0", "Use letters, digits and signs."),
    ] {
        let mut fields = twenty(&key, "");
        fields.iter_mut().find(|field| field.0 == name).unwrap().1 = text;
        let answer = submit(&web, &root, "/admin/assets/new", &fields).await;
        assert_eq!(answer.status(), 422, "{name} {text}");
        assert_eq!(texts(&answer.text().await.unwrap(), &format!("#{name}-error")), [message]);
    }
    assert_eq!(stock(&web), 0);
}

#[actix_web::test]
async fn the_admin_sees_whose_each_credit_is() {
    let web = start();
    let (root, alice) = (signed_in(&web, "root", Role::Admin).await, signed_in(&web, "alice", Role::User).await);
    assert_eq!(texts(&page(&web, &root, "/admin/assets").await, ".empty__title"), ["No credits yet"]);
    let assets = issue(&web, "Cashback", 2, None);
    issue(&web, "Brief", 1, Some(1));
    claim(&web, &alice, assets[0], "").await;
    web.wait_seconds(3601);
    let html = page(&web, &root, "/admin/assets").await;
    assert_eq!(texts(&html, "td[data-label=Status]"), ["Expired", "Available", "Claimed"]);
    let owners = texts(&html, "td[data-label=Owner]");
    assert_eq!(owners, ["–", "–", "alice"]);
    for (status, titles) in [("claimed", vec!["Cashback"]), ("expired", vec!["Brief"]), ("available", vec!["Cashback"])]
    {
        let html = page(&web, &root, &format!("/admin/assets?status={status}")).await;
        assert_eq!(texts(&html, "tbody th").len(), titles.len());
        assert!(texts(&html, "tbody th")[0].starts_with(titles[0]), "{status}");
    }
    let html = page(&web, &root, "/admin").await;
    assert_eq!(texts(&html, ".stat__value"), ["1", "1", "1"]);
    assert_eq!(texts(&html, "[aria-labelledby=claims] .row__title"), ["Cashback"]);
    assert_eq!(texts(&html, "article .section__head .amount"), ["1,000.00 CASH", "0 PTS"]);
    let facts = texts(&html, "article .facts dd");
    assert_eq!(facts.iter().filter(|fact| *fact == "1,000.00 in 1 credit").count(), 3, "{facts:?}");
}

#[actix_web::test]
async fn the_navigation_marks_the_section() {
    let web = start();
    let root = signed_in(&web, "root", Role::Admin).await;
    for (path, mark, place) in [
        ("/admin", "page", "Overview"),
        ("/admin/assets", "page", "Assets"),
        ("/admin/assets/new", "true", "Assets"),
        ("/wallet", "page", "Wallet"),
        ("/credits", "page", "Credits"),
        ("/claims", "page", "My claims"),
    ] {
        let html = page(&web, &root, path).await;
        // On phones the admin's places are in a bar of their own.
        let marked = ".side__nav [aria-current], .top__nav > [aria-current]";
        assert_eq!(texts(&html, marked), [place], "{path}");
        assert_eq!(attributes(&html, marked, "aria-current"), [mark], "{path}");
    }
}
