//! Forms that meet no session any more, and those of an earlier one.

use coffer::domain::Role;
use diesel::connection::SimpleConnection;
use reqwest::{Client, Response};
use scraper::{Html, Selector};

use crate::support::api::count_in;
use crate::support::web::{PASSWORD, Web, page, send, submit, texts, value};
use crate::{signed_in, start};

/// A web at whose browser an admin is signed in.
async fn admin() -> (Web, Client) {
    let (web, _) = start().await;
    web.have_user("root", Role::Admin);
    let root = signed_in(&web, "root").await;
    (web, root)
}

fn end_all(web: &Web) {
    web.db.run_here(|conn| Ok(conn.batch_execute("update sessions set ended_at = now()")?)).unwrap();
}

/// The token of a page's forms.
async fn token(web: &Web, browser: &Client, path: &str) -> String {
    let document = Html::parse_document(&page(web, browser, path).await);
    let field = Selector::parse("input[name=csrf_token]").unwrap();
    document.select(&field).next().and_then(|input| input.attr("value")).unwrap().to_owned()
}

/// Sends a form as a browser does from a page at an origin.
async fn send_from(web: &Web, browser: &Client, origin: &str, path: &str, fields: &[(&str, &str)]) -> Response {
    send(browser.post(web.url(path)).header("origin", origin).form(fields)).await
}

fn location(answer: &Response) -> String {
    assert_eq!(answer.status(), 303);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

const CREDITS: [(&str, &str); 6] = [
    ("title", "Festive & <b>bright</b> ₹"),
    ("description", "For all of you."),
    ("kind", "referral"),
    ("asset_type", "CASH"),
    ("amount", "12.50"),
    ("quantity", "20"),
];

#[actix_web::test]
async fn after_the_sign_in_the_form_is_back_as_it_was_filled_in_and_nothing_was_done() {
    let (web, root) = admin().await;
    let token = token(&web, &root, "/admin/assets/new").await;
    end_all(&web);
    let key = uuid::Uuid::new_v4().to_string();
    let mut fields = CREDITS.to_vec();
    fields.extend([("csrf_token", token.as_str()), ("idempotency_key", &key), ("my_password", "a secret")]);
    let answer = send_from(&web, &root, &web.url(""), "/admin/assets/new", &fields).await;
    let sign_in = location(&answer);
    assert!(sign_in.starts_with("/login?next=%2Fadmin%2Fassets%2Fnew%3Ftitle"), "{sign_in}");
    let html = page(&web, &root, &sign_in).await;
    let words = "You were signed out meanwhile, so nothing was sent. Sign in, and your form is back.";
    assert_eq!(texts(&html, ".flash__text"), [words]);
    let next = value(&html, "next").unwrap();
    for gone in [token.as_str(), &key, "secret"] {
        assert!(!next.contains(gone), "{gone} in {next}");
    }
    let fields = [("login", "root"), ("password", PASSWORD), ("next", &next)];
    let form = location(&submit(&web, &root, "/login", &fields).await);
    assert_eq!(form, next);
    let html = page(&web, &root, &form).await;
    assert_eq!(value(&html, "title").as_deref(), Some(CREDITS[0].1));
    assert_eq!((value(&html, "amount"), value(&html, "quantity")), (Some("12.50".into()), Some("20".into())));
    assert_eq!(texts(&html, "main textarea"), ["For all of you."]);
    assert_eq!(texts(&html, "main option[selected]"), ["Referral", "Cashback (CASH)", "No campaign"]);
    assert_ne!(value(&html, "idempotency_key"), Some(key));
    assert_eq!(count_in(&web, "assets"), 0);
}

#[actix_web::test]
async fn a_form_from_elsewhere_fills_in_nothing() {
    let (web, root) = admin().await;
    end_all(&web);
    for origin in ["https://evil.example", "null", ""] {
        let answer = send_from(&web, &root, origin, "/admin/assets/new", &CREDITS).await;
        assert_eq!(location(&answer), "/login", "{origin}");
    }
    let crossing = root.post(web.url("/admin/assets/new")).header("origin", web.url(""));
    let answer = send(crossing.header("sec-fetch-site", "cross-site").form(&CREDITS)).await;
    assert_eq!(location(&answer), "/login");
}

#[actix_web::test]
async fn what_does_not_fit_is_left_out_as_a_whole() {
    let (web, root) = admin().await;
    end_all(&web);
    let long = "é".repeat(2000);
    let fields = [("title", "Short"), ("description", long.as_str()), ("amount", "5")];
    let answer = send_from(&web, &root, &web.url(""), "/admin/assets/new", &fields).await;
    assert_eq!(location(&answer), "/login?next=%2Fadmin%2Fassets%2Fnew%3Ftitle%3DShort%26amount%3D5");
}

#[actix_web::test]
async fn a_form_of_an_earlier_session_can_be_opened_again() {
    let (web, root) = admin().await;
    let old = token(&web, &root, "/admin/users/asha/freeze").await;
    submit(&web, &root, "/login", &[("login", "root"), ("password", PASSWORD)]).await;
    let fields = [("reason", "Lost the phone"), ("csrf_token", old.as_str())];
    let answer = send_from(&web, &root, &web.url(""), "/admin/users/asha/freeze", &fields).await;
    assert_eq!(answer.status(), 403);
    let html = answer.text().await.unwrap();
    assert_eq!(texts(&html, "h1"), ["This form has grown old"]);
    assert_eq!(texts(&html, ".problem__end a"), ["Open the form again", "Go to the overview"]);
    let again = "/admin/users/asha/freeze?reason=Lost+the+phone";
    assert!(html.contains(&format!("href=\"{again}\"")), "{html}");
    let html = page(&web, &root, again).await;
    assert_eq!(texts(&html, "main textarea"), ["Lost the phone"]);
    let answer = send_from(&web, &root, "https://evil.example", "/admin/users/asha/freeze", &fields).await;
    assert_eq!(texts(&answer.text().await.unwrap(), ".problem__end a"), ["Go to the overview"]);
    assert_eq!(count_in(&web, "users where status = 'frozen'"), 0);
}

#[actix_web::test]
async fn a_movement_that_was_to_be_confirmed_is_back_as_a_form_and_has_not_happened() {
    let (web, asha) = start().await;
    end_all(&web);
    let fields = [
        ("receiver", "bela"),
        ("asset_type", "CASH"),
        ("amount", "12.50"),
        ("description", "Dinner on Friday"),
        ("step", "confirm"),
    ];
    let answer = send_from(&web, &asha, &web.url(""), "/transfer", &fields).await;
    let html = page(&web, &asha, &location(&answer)).await;
    let next = value(&html, "next").unwrap();
    assert!(next.starts_with("/transfer?receiver=bela&asset_type=CASH&amount=12.50&description=Dinner"), "{next}");
    assert_eq!(count_in(&web, "transactions"), 0);
}

#[actix_web::test]
async fn every_form_of_admins_and_users_shows_what_its_address_says() {
    let (web, root) = admin().await;
    let shown = async |path: &str, name: &str| value(&page(&web, &root, path).await, name);
    for (path, name, text) in [
        ("/admin/campaigns/new?title=Spring&quantity=7", "title", "Spring"),
        ("/admin/campaigns/new?title=Spring&quantity=7", "quantity", "7"),
        ("/admin/asset-types/new?code=MILES&name=Air+Miles", "name", "Air Miles"),
        ("/admin/asset-types/CASH/edit?name=Cash+again&scale=2", "name", "Cash again"),
        ("/admin/transactions/new?user=asha&amount=3", "user", "asha"),
        ("/admin/transactions/new?user=asha&amount=3", "amount", "3"),
        ("/settings/api-keys/new?name=laptop&life=30&write=yes", "name", "laptop"),
    ] {
        assert_eq!(shown(path, name).await.as_deref(), Some(text), "{path}");
    }
    let html = page(&web, &root, "/settings/api-keys/new?name=laptop&life=30&write=yes").await;
    assert_eq!(texts(&html, "main option[selected]"), ["30 days"]);
    assert_eq!(texts(&html, "label:has(input[checked])"), ["Act: claim, spend, transfer"]);
}

#[actix_web::test]
async fn a_button_without_a_page_of_its_own_leads_back_to_where_it_was_pressed() {
    let (web, asha) = start().await;
    end_all(&web);
    let request = asha.post(web.url("/settings/time-zone")).header("origin", web.url(""));
    let answer = send(request.header("referer", web.url("/settings")).form(&[("time_zone", "UTC")])).await;
    assert_eq!(location(&answer), "/login?next=%2Fsettings");
}
