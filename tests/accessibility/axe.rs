//! axe-core, and the keyboard.

use std::collections::BTreeMap;

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::support::browser::Screen::{Desk, Phone};
use crate::support::browser::Scripts::On;
use crate::support::browser::Theme::{Dark, Light};
use crate::support::browser::{Browser, Screen, Theme};
use crate::support::gallery::{Gallery, Sight, Who};

/// The checker (see the folder's README).
const AXE: &str = include_str!("../vendor/axe/axe.min.js");

/// WCAG 2.2 at level AA, with all that came before it, and what is good practice beside it.
const CHECK: &str = "
    const done = arguments[arguments.length - 1];
    const all = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const colours = ['color-contrast', 'link-in-text-block'];
    axe.run(document, { runOnly: arguments[0] ? all : { type: 'rule', values: colours }, preload: false, resultTypes: ['violations'] })
      .then((found) => done(found.violations.flatMap((rule) => rule.nodes.map((node) =>
        `${rule.id}: ${node.target.join(' ')} ${node.any.concat(node.all, node.none).map((c) => c.message).join('; ')} ${node.html.slice(0, 160)}`))))
      .catch((error) => done([String(error)]));
";

/// The ways to look at a page, and whether all is checked, or only what the theme changes.
pub const LOOKS: [(Screen, Theme, bool); 4] =
    [(Desk, Light, true), (Desk, Dark, false), (Phone, Dark, true), (Phone, Light, false)];

/// Gives axe-core to the page that is shown.
pub async fn load(browser: &Browser) {
    browser.client.execute(AXE, Vec::new()).await.expect("axe-core loads");
}

/// What axe-core finds wrong with the page that is shown.
pub async fn faults(browser: &Browser, all: bool) -> Vec<String> {
    let found = browser.client.execute_async(CHECK, vec![json!(all)]).await.expect("axe-core runs");
    serde_json::from_value(found).unwrap()
}

/// What is wrong with a page whatever its looks.
pub async fn shape(browser: &Browser) -> Vec<String> {
    let shape = browser
        .ask(
            "[document.querySelectorAll('h1').length, document.querySelectorAll('main').length, \
             document.documentElement.scrollWidth <= window.innerWidth, document.querySelector('.skip')?.hash, \
             document.body.firstElementChild.className]",
        )
        .await;
    let expected = json!([1, 1, true, "#main", "skip"]);
    if shape == expected { Vec::new() } else { vec![format!("h1, main, overhang, skip link: {shape}")] }
}

/// All that is wrong with what one of the lookers sees, by complaint the pages that it is true of.
async fn walk(gallery: &Gallery, who: Who, complaints: &mut BTreeMap<String, Vec<String>>) {
    let browser = Browser::start(&gallery.web, Desk, On).await;
    Sight::enter(&browser, who).await;
    for sight in gallery.sights.iter().filter(|sight| sight.who == who) {
        browser.look(Desk, Light).await;
        sight.show(&browser).await;
        check(&browser, sight.name, complaints).await;
    }
}

/// Notes all that is wrong with the page that is shown, in all of its looks.
pub async fn check(browser: &Browser, name: &str, complaints: &mut BTreeMap<String, Vec<String>>) {
    load(browser).await;
    for (screen, theme, all) in LOOKS {
        browser.look(screen, theme).await;
        let found = [faults(browser, all).await, shape(browser).await].concat();
        for complaint in found {
            complaints.entry(complaint).or_default().push(format!("{name} {screen:?} {theme:?}"));
        }
    }
}

/// Fails if anything was noted.
pub fn assert_none(complaints: &BTreeMap<String, Vec<String>>) {
    let told: Vec<String> =
        complaints.iter().map(|(complaint, pages)| format!("{complaint}\n    {}", pages.join(", "))).collect();
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

async fn assert_accessible(lookers: &[Who]) {
    let gallery = Gallery::open().await;
    let mut complaints = BTreeMap::new();
    for &who in lookers {
        walk(&gallery, who, &mut complaints).await;
    }
    assert_none(&complaints);
}

#[actix_web::test]
async fn axe_finds_nothing_on_the_pages_of_users() {
    assert_accessible(&[Who::Nobody, Who::User, Who::Newcomer, Who::Frozen]).await;
}

#[actix_web::test]
async fn axe_finds_nothing_on_the_pages_of_admins() {
    assert_accessible(&[Who::Admin]).await;
}

#[actix_web::test]
async fn axe_finds_what_is_wrong() {
    let gallery = crate::support::web::Web::start();
    let browser = Browser::start(&gallery, Desk, On).await;
    browser.open("/login").await;
    let fault = "document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=/x><input>')";
    browser.ask(fault).await;
    load(&browser).await;
    let found = faults(&browser, true).await;
    assert!(found.iter().any(|fault| fault.starts_with("image-alt")), "{found:?}");
    assert!(found.iter().any(|fault| fault.starts_with("label")), "{found:?}");
}

#[actix_web::test]
async fn the_skip_link_leads_past_the_navigation_by_keyboard() {
    let web = crate::support::web::Web::start();
    let browser = Browser::start(&web, Desk, On).await;
    for path in ["/", "/login", "/nowhere"] {
        browser.open(path).await;
        let active = async || browser.client.active_element().await.unwrap();
        browser.find("body").await.send_keys(&Key::Tab.to_string()).await.unwrap();
        assert_eq!(active().await.text().await.unwrap(), "Skip to the content", "{path}");
        active().await.send_keys(&Key::Enter.to_string()).await.unwrap();
        let focused: Value = browser.ask("document.activeElement.id").await;
        assert_eq!(focused, "main", "{path}");
    }
}
