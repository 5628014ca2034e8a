//! The pages of the settings, as they are sent.

use coffer::domain::Role;
use reqwest::Client;
use scraper::{Html, Selector};

use crate::support::api::{Caller, count_in};
use crate::support::web::{PASSWORD, Web, browser, page, send, submit, texts};
use crate::{FIREFOX, signed_in, start};

const NEW: &str = "four noisy penguins";

async fn flash(web: &Web, browser: &Client) -> Vec<String> {
    texts(&page(web, browser, "/settings").await, ".flash__text")
}

/// The first attribute of what a selector chooses.
fn attribute(html: &str, selector: &str, name: &str) -> Option<String> {
    let page = Html::parse_document(html);
    let chosen = Selector::parse(selector).unwrap();
    page.select(&chosen).next().and_then(|element| element.attr(name).map(str::to_owned))
}

async fn is_in(web: &Web, browser: &Client) -> bool {
    send(browser.get(web.url("/settings"))).await.status() == 200
}

#[actix_web::test]
async fn the_settings_say_who_one_is_and_from_where_one_is_signed_in() {
    let (web, asha) = start().await;
    let other = browser();
    let html = page(&web, &other, "/login").await;
    let token = attribute(&html, "input[name=csrf_token]", "value").unwrap();
    let form = [("login", "asha"), ("password", PASSWORD), ("csrf_token", token.as_str())];
    send(other.post(web.url("/login")).header("user-agent", FIREFOX).form(&form)).await;
    let html = page(&web, &asha, "/settings").await;
    assert_eq!(texts(&html, "main .facts code"), ["asha"]);
    let facts = texts(&html, "main .facts > div");
    assert!(facts.iter().any(|fact| fact.contains("E-mail") && fact.contains('–')), "{facts:?}");
    assert!(facts.iter().any(|fact| fact.contains("Member since")), "{facts:?}");
    assert_eq!(texts(&html, ".row__title"), ["Unnamed program", "Firefox on Linux"], "its own session comes first");
    assert_eq!(texts(&html, ".row .badge"), ["This one"]);
    assert!(texts(&html, ".row__note").iter().all(|note| note.contains("127.0.0.1")), "{html}");
}

#[actix_web::test]
async fn a_session_is_ended_from_afar_once() {
    let (web, asha) = start().await;
    let (other, third) = (signed_in(&web, "asha").await, signed_in(&web, "asha").await);
    let html = page(&web, &asha, "/settings").await;
    let path = attribute(&html, "form[action^='/settings/sessions/'][action$='/end']", "action").unwrap();
    assert_eq!(submit(&web, &asha, &path, &[]).await.status(), 303);
    assert_eq!(flash(&web, &asha).await, ["That session has ended."]);
    submit(&web, &asha, &path, &[]).await;
    assert_eq!(flash(&web, &asha).await, ["That session had ended already."]);
    let left = [is_in(&web, &asha).await, is_in(&web, &other).await, is_in(&web, &third).await];
    assert!(left[0] && left[1] != left[2], "{left:?}");
    web.have_user("bela", Role::User);
    let bela = signed_in(&web, "bela").await;
    let own = attribute(&page(&web, &bela, "/settings").await, "form[action='/settings/sessions/end-all']", "action");
    assert!(own.is_some());
    let foreign = signed_in(&web, "bela").await;
    let html = page(&web, &bela, "/settings").await;
    let path = attribute(&html, "form[action$='/end']", "action").unwrap();
    submit(&web, &asha, &path, &[]).await;
    assert!(is_in(&web, &foreign).await, "nobody ends the session of another");
}

#[actix_web::test]
async fn one_signs_out_everywhere_else_and_everywhere() {
    let (web, asha) = start().await;
    let others = [signed_in(&web, "asha").await, signed_in(&web, "asha").await];
    submit(&web, &asha, "/settings/sessions/end-others", &[]).await;
    assert_eq!(flash(&web, &asha).await, ["You are signed out everywhere else: 2 sessions ended."]);
    assert!(!is_in(&web, &others[0]).await && !is_in(&web, &others[1]).await && is_in(&web, &asha).await);
    submit(&web, &asha, "/settings/sessions/end-others", &[]).await;
    assert_eq!(flash(&web, &asha).await, ["You were not signed in anywhere else."]);
    let other = signed_in(&web, "asha").await;
    let answer = submit(&web, &asha, "/settings/sessions/end-all", &[]).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/login".parse().unwrap()));
    assert_eq!(texts(&page(&web, &asha, "/login").await, ".flash__text"), ["You are signed out everywhere, here too."]);
    assert!(!is_in(&web, &other).await && !is_in(&web, &asha).await);
}

#[actix_web::test]
async fn a_new_password_ends_the_other_sessions_and_never_comes_back_in_a_form() {
    let (web, asha) = start().await;
    let other = signed_in(&web, "asha").await;
    let change = async |current: &str, new: &str, repeated: &str| {
        let fields = [("current_password", current), ("new_password", new), ("repeated_password", repeated)];
        submit(&web, &asha, "/settings/password", &fields).await
    };
    for (current, new, repeated, field) in [
        ("wrong wrong wrong", NEW, NEW, "current_password"),
        (PASSWORD, "asha", "asha", "new_password"),
        (PASSWORD, PASSWORD, PASSWORD, "new_password"),
        (PASSWORD, NEW, "four noisy penguin", "repeated_password"),
    ] {
        let answer = change(current, new, repeated).await;
        assert_eq!(answer.status(), 422, "{field}");
        let html = answer.text().await.unwrap();
        assert_eq!(texts(&html, ".field__error").len(), 1, "{field}");
        assert_eq!(texts(&html, &format!("#{field}-error")).len(), 1, "{field}");
        assert!(!html.contains(PASSWORD) && !html.contains(NEW));
    }
    assert!(is_in(&web, &other).await);
    assert_eq!(change(PASSWORD, NEW, NEW).await.status(), 303);
    assert_eq!(flash(&web, &asha).await, ["Your password has changed. You are signed out everywhere else."]);
    assert!(is_in(&web, &asha).await && !is_in(&web, &other).await);
    Caller::sign_in(&Client::new(), &web.url(""), "asha", NEW).await;
}

#[actix_web::test]
async fn times_are_told_in_the_zone_that_was_chosen() {
    let (web, asha) = start().await;
    let html = page(&web, &asha, "/settings").await;
    assert!(texts(&html, "main time").iter().all(|time| time.ends_with("UTC")));
    assert!(attribute(&html, "main time", "data-local").is_some(), "scripts tell it in the zone of the reader");
    let answer = submit(&web, &asha, "/settings/time-zone", &[("time_zone", "Asia/Kolkata")]).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(flash(&web, &asha).await, ["Times are shown in Asia/Kolkata now."]);
    let html = page(&web, &asha, "/settings").await;
    assert_eq!(attribute(&html, "option[selected][value='Asia/Kolkata']", "value").as_deref(), Some("Asia/Kolkata"));
    assert!(attribute(&html, "main time", "title").unwrap().ends_with("UTC"));
    assert!(attribute(&html, "main time", "data-local").is_none());
    let utc = attribute(&html, "main time", "datetime").unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let there = utc + chrono::TimeDelta::minutes(330);
    assert_eq!(texts(&html, "main time")[0], there.format("%-d %b %Y, %H:%M").to_string());
    let answer = submit(&web, &asha, "/settings/time-zone", &[("time_zone", "Mars/Olympus")]).await;
    assert_eq!(answer.status(), 422);
    assert_eq!(texts(&answer.text().await.unwrap(), "#time_zone-error"), ["Choose a time zone of the list."]);
    submit(&web, &asha, "/settings/time-zone", &[]).await;
    assert_eq!(flash(&web, &asha).await, ["Times follow your device now."]);
    assert_eq!(count_in(&web, "users where time_zone is null"), 1);
}

/// The fields of a form that asks for a key.
fn key<'a>(form_id: &'a str, name: &'a str, life: &'a str) -> [(&'a str, &'a str); 4] {
    [("form_id", form_id), ("name", name), ("life", life), ("read", "yes")]
}

#[actix_web::test]
async fn a_key_is_shown_once_and_made_once() {
    let (web, asha) = start().await;
    let html = page(&web, &asha, "/settings/api-keys/new").await;
    let form_id = attribute(&html, "input[name=form_id]", "value").unwrap();
    assert!(attribute(&html, "input[name=admin]", "name").is_none(), "only an admin's key can administer");
    let answer = submit(&web, &asha, "/settings/api-keys/new", &key(&form_id, "nightly export", "30")).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
    assert!(answer.headers().get("location").is_none());
    let html = answer.text().await.unwrap();
    let secret = texts(&html, "main .form > p > code").remove(0);
    let me = Client::new().get(web.url("/api/v1/me")).bearer_auth(&secret);
    assert_eq!(send(me).await.status(), 200);
    let answer = submit(&web, &asha, "/settings/api-keys/new", &key(&form_id, "nightly export", "30")).await;
    assert_eq!(answer.status(), 303);
    let html = page(&web, &asha, "/settings").await;
    assert!(texts(&html, ".flash__text")[0].starts_with("This form has made its key already"), "{html}");
    assert!(!html.contains(&secret) && html.contains("nightly export") && html.contains("May look"));
    assert_eq!(count_in(&web, "api_keys"), 1);
    let row = "api_keys where expires_at - created_at = interval '30 days'";
    assert_eq!(count_in(&web, row), 1);
}

#[actix_web::test]
async fn a_key_is_revoked_after_a_look_at_it() {
    let (web, asha) = start().await;
    let answer = submit(&web, &asha, "/settings/api-keys/new", &key("", "laptop", "never")).await;
    let secret = texts(&answer.text().await.unwrap(), "main .form > p > code").remove(0);
    let html = page(&web, &asha, "/settings").await;
    let path = attribute(&html, "a[href$='/revoke']", "href").unwrap();
    assert_eq!(texts(&page(&web, &asha, &path).await, "h1"), ["Revoke “laptop”"]);
    web.have_user("bela", Role::User);
    let bela = signed_in(&web, "bela").await;
    assert_eq!(send(bela.get(web.url(&path))).await.status(), 404);
    submit(&web, &bela, &path, &[]).await;
    assert_eq!(count_in(&web, "api_keys"), 1, "nobody revokes the key of another");
    assert_eq!(submit(&web, &asha, &path, &[]).await.status(), 303);
    assert_eq!(flash(&web, &asha).await, ["The key is revoked. It opens nothing any more."]);
    let me = Client::new().get(web.url("/api/v1/me")).bearer_auth(&secret);
    assert_eq!(send(me).await.status(), 401);
    submit(&web, &asha, &path, &[]).await;
    assert_eq!(flash(&web, &asha).await, ["That key was gone already."]);
}

#[actix_web::test]
async fn what_is_wrong_with_a_key_is_said_beside_its_field() {
    let (web, asha) = start().await;
    let fields = [("name", " "), ("life", "90"), ("admin", "yes")];
    let answer = submit(&web, &asha, "/settings/api-keys/new", &fields).await;
    assert_eq!(answer.status(), 422);
    let html = answer.text().await.unwrap();
    assert_eq!(texts(&html, "#name-error"), ["Use 1 to 100 characters."]);
    assert_eq!(texts(&html, "#read-error"), ["Only the key of an admin can have the scope admin."]);
    let answer = submit(&web, &asha, "/settings/api-keys/new", &[("name", "x"), ("life", "forever")]).await;
    assert_eq!(texts(&answer.text().await.unwrap(), "#life-error"), ["Choose how long the key may live."]);
    assert_eq!(count_in(&web, "api_keys"), 0);
}

#[actix_web::test]
async fn a_frozen_admin_still_has_settings() {
    let (web, _) = start().await;
    web.have_user("root", Role::Admin);
    let root = signed_in(&web, "root").await;
    web.db
        .run_here(|conn| {
            use diesel::connection::SimpleConnection;
            Ok(conn.batch_execute("update users set status = 'frozen' where username = 'root'")?)
        })
        .unwrap();
    let html = page(&web, &root, "/settings").await;
    assert_eq!(texts(&html, ".facts .badge"), ["Frozen"]);
    assert_eq!(submit(&web, &root, "/settings/time-zone", &[("time_zone", "UTC")]).await.status(), 303);
}
