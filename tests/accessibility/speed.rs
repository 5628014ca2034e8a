//! How much pages weigh, and what browsers need not ask for again.

use reqwest::{Client, Response};

use crate::support::browser::Browser;
use crate::support::browser::Screen::Desk;
use crate::support::browser::Scripts::On;
use crate::support::gallery::{Gallery, Sight, Who};
use crate::support::web::{Web, page, send, texts};

/// The most bytes of a page with all that it needs, fonts aside, as they are sent.
const HEAVIEST: u64 = 60_000;

/// The most requests of a page that comes after another one.
const MOST_REQUESTS: usize = 3;

/// What a browser has fetched for the page that it shows: name, bytes on the way, bytes of the
/// compressed body. What came out of its own store was not on the way.
const FETCHED: &str = "performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource')) \
    .map((entry) => [entry.name, entry.transferSize, entry.encodedBodySize])";

#[actix_web::test]
async fn no_page_is_heavy_and_after_the_first_none_asks_for_much() {
    let gallery = Gallery::open().await;
    for who in Who::ALL {
        let browser = Browser::start(&gallery.web, Desk, On).await;
        browser.open("/").await;
        Sight::enter(&browser, who).await;
        for sight in gallery.sights.iter().filter(|sight| sight.who == who && sight.press.is_none()) {
            sight.show(&browser).await;
            let fetched: Vec<(String, u64, u64)> = serde_json::from_value(browser.ask(FETCHED).await).unwrap();
            let asked: Vec<_> = fetched.iter().filter(|(_, on_the_way, _)| *on_the_way > 0).collect();
            assert!(asked.len() <= MOST_REQUESTS, "{}: {asked:?}", sight.name);
            let parts = fetched.iter().filter(|(name, ..)| !name.ends_with(".woff2"));
            let bytes: u64 = parts.map(|(_, _, body)| *body).sum();
            assert!(bytes > 1000 && bytes <= HEAVIEST, "{}: {bytes} bytes, {fetched:?}", sight.name);
        }
    }
}

async fn get(web: &Web, path: &str, name: &str, value: &str) -> Response {
    send(Client::new().get(web.url(path)).header(name, value)).await
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

#[actix_web::test]
async fn pages_and_static_files_are_compressed_as_the_browser_likes() {
    let web = Web::start();
    let html = page(&web, &Client::new(), "/").await;
    let style = html.split('"').find(|part| part.ends_with("/app.css")).unwrap().to_owned();
    for path in ["/", "/login", style.as_str(), "/docs/swagger-ui.css", "/api/openapi.json"] {
        for encoding in ["br", "gzip"] {
            let answer = get(&web, path, "accept-encoding", encoding).await;
            assert_eq!(header(&answer, "content-encoding"), Some(encoding), "{path}");
        }
        assert_eq!(header(&get(&web, path, "accept-encoding", "identity").await, "content-encoding"), None, "{path}");
    }
    // This one is too short to gain by it.
    assert_eq!(header(&get(&web, "/docs", "accept-encoding", "br").await, "content-encoding"), None);
    assert_eq!(
        header(&get(&web, &style, "accept", "*/*").await, "cache-control"),
        Some("public, max-age=31536000, immutable")
    );
}

#[actix_web::test]
async fn what_is_the_same_for_everybody_is_sent_once() {
    let web = Web::start();
    for path in ["/docs", "/docs/swagger-ui.css", "/api/openapi.json"] {
        let first = get(&web, path, "accept-encoding", "br").await;
        let tag = header(&first, "etag").unwrap().to_owned();
        let again = get(&web, path, "if-none-match", &tag).await;
        assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, Some(tag.as_str())), "{path}");
        assert!(again.text().await.unwrap().is_empty(), "{path}");
        let other = get(&web, path, "if-none-match", "W/\"other\"").await;
        assert_eq!(other.status(), 200, "{path}");
    }
    // Each page with a form carries a token of its own, and is kept nowhere.
    for path in ["/", "/login", "/register"] {
        let answer = get(&web, path, "accept", "*/*").await;
        assert_eq!((header(&answer, "etag"), header(&answer, "cache-control")), (None, Some("no-store")), "{path}");
        assert_eq!(texts(&answer.text().await.unwrap(), "h1").len(), 1);
    }
}
