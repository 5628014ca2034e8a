//! Not a test: `make screenshots` lets Chromium take a picture of every page in four variants, into
//! `target/screenshots`, with an index for people to look at.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "what fails fails loudly")]

mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use support::browser::Screen::{Desk, Phone};
use support::browser::Scripts::On;
use support::browser::Theme::{Dark, Light};
use support::browser::{Browser, Screen, Theme};
use support::gallery::{Gallery, Sight, Who};

/// Width and theme of each picture of a page, and what its name ends with.
const VARIANTS: [(Screen, Theme, &str); 4] =
    [(Desk, Light, "1280-light"), (Desk, Dark, "1280-dark"), (Phone, Light, "390-light"), (Phone, Dark, "390-dark")];

/// The tallest picture, in CSS pixels.
const TALLEST: u64 = 4000;

#[actix_web::main]
async fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    fs::create_dir_all(&folder).expect("a folder for the pictures");
    let gallery = Gallery::open().await;
    let mut index = String::new();
    for who in Who::ALL {
        let browser = Browser::start(&gallery.web, Desk, On).await;
        Sight::enter(&browser, who).await;
        for sight in gallery.sights.iter().filter(|sight| sight.who == who) {
            browser.look(Desk, Light).await;
            sight.show(&browser).await;
            writeln!(index, "<h2 id=\"{0}\">{0}</h2><p><code>{1}</code> as {who:?}</p><p>", sight.name, sight.path)
                .unwrap();
            for (screen, theme, ending) in VARIANTS {
                browser.look(screen, theme).await;
                let file = format!("{}-{ending}.png", sight.name);
                fs::write(folder.join(&file), picture(&browser, screen).await).expect("the picture is written");
                let width = screen.width() / 4;
                writeln!(index, "<a href=\"{file}\"><img src=\"{file}\" width=\"{width}\" alt=\"{file}\"></a>")
                    .unwrap();
            }
            writeln!(index, "</p>").unwrap();
            println!("{}", sight.name);
        }
    }
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Coffer, page by page</title>\n\
         <style>body {{ font: 16px system-ui; margin: 2rem }} img {{ border: 1px solid silver; vertical-align: top }}</style>\n\
         <h1>Coffer, page by page</h1>\n{index}</html>\n"
    );
    fs::write(folder.join("index.html"), html).expect("the index is written");
    println!("{} pages, in {}", gallery.sights.len(), folder.join("index.html").display());
}

/// The whole page, as a PNG.
async fn picture(browser: &Browser, screen: Screen) -> Vec<u8> {
    let height = browser.ask("document.documentElement.scrollHeight").await.as_u64().unwrap().min(TALLEST);
    // As high a window as the page, so that what sticks to its edge stands there.
    let size = json!({"width": screen.width(), "height": height.max(screen.height()), "mobile": false,
        "deviceScaleFactor": screen.density()});
    browser.tool("Emulation.setDeviceMetricsOverride", size).await;
    browser.tool("Emulation.setScrollbarsHidden", json!({"hidden": true})).await;
    let taken = browser.tool("Page.captureScreenshot", json!({"format": "png"})).await;
    STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()
}
