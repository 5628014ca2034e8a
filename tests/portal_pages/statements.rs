//! The statement of an asset type: ranges, figures, the chart, rows and files.

use chrono::{Datelike, TimeDelta, Utc};
use reqwest::StatusCode;

use crate::support::bank;
use crate::support::books::{bonus, spend, transfer};
use crate::support::till::{Till, user_id};
use crate::support::web::{send, texts, value};
use crate::{Branch, attributes};

/// A branch where much has happened to anna's CASH, two years ago.
async fn with_a_past() -> Branch {
    let branch = Branch::open().await;
    let (till, web) = (Till::new(&branch.bank.web), &branch.bank.web);
    let (a, b) = (user_id(web, "anna"), user_id(web, "ben"));
    till.post("2024-01-10T09:00:00Z", bonus(a, "1000", "CASH")).await;
    till.post("2024-01-31T23:59:59.999999Z", spend(a, "100.50", "CASH")).await;
    till.post("2024-02-01T00:00:00Z", transfer(a, b, "200", "CASH")).await;
    till.post("2024-02-15T12:00:00Z", transfer(b, a, "50", "CASH")).await;
    till.post("2024-03-01T00:00:00Z", spend(a, "9.50", "CASH")).await;
    branch
}

#[actix_web::test]
async fn the_figures_are_those_of_exactly_the_range() {
    let branch = with_a_past().await;
    let titles = async |query: &str| texts(&branch.page(&format!("/wallet/CASH{query}")).await, "h2#balance");
    assert_eq!(titles("").await, ["From the beginning"]);
    assert_eq!(titles("?start_date=2024-02-01&end_date=2024-02-29").await, ["1 Feb 2024 to 29 Feb 2024"]);
    assert_eq!(titles("?end_date=2024-01-31").await, ["Until 31 Jan 2024"]);
    for (query, figures, rows) in [
        ("", ["0.00", "+1,050.00", "−310.00", "740.00"], vec!["740.00", "749.50", "699.50", "899.50", "1,000.00"]),
        (
            "?start_date=2024-02-01&end_date=2024-02-29",
            ["899.50", "+50.00", "−200.00", "749.50"],
            vec!["749.50", "699.50"],
        ),
        ("?end_date=2024-01-31", ["0.00", "+1,000.00", "−100.50", "899.50"], vec!["899.50", "1,000.00"]),
        ("?start_date=2024-03-01", ["749.50", "0.00", "−9.50", "740.00"], vec!["740.00"]),
        // The figures are of all types.
        ("?type=spend&end_date=2024-02-01", ["0.00", "+1,000.00", "−300.50", "699.50"], vec!["899.50"]),
        ("?start_date=2024-05-01&end_date=2024-05-31", ["740.00", "0.00", "0.00", "740.00"], vec![]),
    ] {
        let html = branch.page(&format!("/wallet/CASH{query}")).await;
        assert_eq!(texts(&html, "dd.stat__value"), figures, "{query}");
        assert_eq!(texts(&html, ".table--two td:last-child"), rows, "{query}");
    }
    let html = branch.page("/wallet/CASH").await;
    assert_eq!(texts(&html, "tbody th a"), ["Purchase", "From ben", "To ben", "Purchase", "Bonus"]);
    let ids = attributes(&html, "tbody th a", "href");
    assert!(ids.iter().all(|href| href.starts_with("/transactions/")), "{ids:?}");
}

#[actix_web::test]
async fn the_files_are_of_the_same_range_as_the_page() {
    let branch = with_a_past().await;
    let html = branch.page("/wallet/CASH?start_date=2024-02-01&end_date=2024-02-29&type=spend").await;
    let files: Vec<_> = attributes(&html, ".section__head .head__end a", "href");
    let range = "start_date=2024-02-01&end_date=2024-02-29";
    assert_eq!(files, ["csv", "pdf"].map(|format| format!("/wallet/CASH/statement?{range}&format={format}")));
    assert_eq!(
        (value(&html, "start_date"), value(&html, "end_date")),
        (Some("2024-02-01".into()), Some("2024-02-29".into()))
    );
}

#[actix_web::test]
async fn the_chart_is_a_picture_with_words_and_numbers_behind_it() {
    let branch = with_a_past().await;
    let html = branch.page("/wallet/CASH?start_date=2024-01-30&end_date=2024-02-02").await;
    assert_eq!(texts(&html, "svg.chart > title"), ["How the balance went"]);
    assert_eq!(texts(&html, "svg.chart > desc"), ["From 1,000.00 CASH on 29 Jan 2024 to 699.50 CASH on 2 Feb 2024."]);
    let days = ["29 Jan 2024", "30 Jan 2024", "31 Jan 2024", "1 Feb 2024", "2 Feb 2024"];
    assert_eq!(texts(&html, ".numbers tbody th"), days);
    assert_eq!(texts(&html, ".numbers tbody td"), ["1,000.00", "1,000.00", "899.50", "699.50", "699.50"]);
    let points = &attributes(&html, "polyline.chart__line", "points")[0];
    assert!(points.starts_with("0,28 150,28 300,") && points.ends_with("600,62"), "{points}");
    // Years are no more points than weeks.
    let all = branch.page("/wallet/CASH").await;
    let count = texts(&all, ".numbers tbody th").len();
    assert!((23..=48).contains(&count), "{count}");
    assert_eq!(
        texts(&branch.page("/wallet/CASH?start_date=2024-05-01&end_date=2024-05-31").await, "svg.chart"),
        [""; 0]
    );
}

#[actix_web::test]
async fn a_preset_is_one_click_and_says_that_it_is_chosen() {
    let branch = with_a_past().await;
    let html = branch.page("/wallet/CASH").await;
    let names = ["This month", "Last month", "Last 30 days", "This year", "All"];
    assert_eq!(texts(&html, "nav.chips a"), names);
    assert_eq!(texts(&html, "nav.chips [aria-current]"), ["All"]);
    let hrefs = attributes(&html, "nav.chips a", "href");
    let today = Utc::now().date_naive();
    let thirty = format!("/wallet/CASH?start_date={}&end_date={today}", today - TimeDelta::days(29));
    let year = format!("/wallet/CASH?start_date={0}-01-01&end_date={0}-12-31", today.year());
    assert_eq!((&hrefs[2], &hrefs[3], &*hrefs[4]), (&thirty, &year, "/wallet/CASH"));
    for (href, name) in hrefs.iter().zip(names) {
        assert_eq!(texts(&branch.page(href).await, "nav.chips [aria-current]"), [name]);
    }
}

#[actix_web::test]
async fn a_range_that_is_none_is_told_beside_its_field() {
    let branch = with_a_past().await;
    for (query, field, words) in [
        (
            "start_date=2024-02-01&end_date=2024-01-31",
            "end_date",
            "The last day is before the first. Choose a later one.",
        ),
        ("start_date=2024-02-30", "start_date", "Choose a day of the calendar, like 2024-01-31."),
    ] {
        let answer = send(branch.anna.get(branch.bank.web.url(&format!("/wallet/CASH?{query}")))).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let html = answer.text().await.unwrap();
        assert_eq!(texts(&html, &format!("#{field}-error")), [words]);
        assert_eq!(texts(&html, "dd.stat__value, tbody"), [""; 0], "no figures of another range");
        assert_eq!(texts(&html, "nav.chips a").len(), 5);
    }
}

#[actix_web::test]
async fn rows_are_paged_and_a_cursor_of_another_wallet_is_none() {
    let branch = Branch::open().await;
    let (till, anna) = (Till::new(&branch.bank.web), user_id(&branch.bank.web, "anna"));
    for _ in 0..30 {
        till.post("2024-01-10T09:00:00Z", bonus(anna, "1", "CASH")).await;
    }
    till.post("2024-01-10T09:00:00Z", bonus(anna, "1", "PTS")).await;
    let html = branch.page("/wallet/CASH?start_date=2024-01-10").await;
    assert_eq!(texts(&html, ".table__scroll tbody tr").len(), 24);
    let next = attributes(&html, ".pager [rel=next]", "href").remove(0);
    assert!(next.starts_with("/wallet/CASH?start_date=2024-01-10&cursor="), "{next}");
    let second = branch.page(&next).await;
    assert_eq!(texts(&second, ".table__scroll tbody td:last-child"), ["6.00", "5.00", "4.00", "3.00", "2.00", "1.00"]);
    assert_eq!(texts(&second, "dd.stat__value"), texts(&html, "dd.stat__value"));
    let other = next.replace("/wallet/CASH", "/wallet/PTS");
    assert_eq!(send(branch.anna.get(branch.bank.web.url(&other))).await.status(), 400);
}

#[actix_web::test]
async fn what_one_never_held_has_an_empty_page_and_what_there_is_not_has_none() {
    let branch = Branch::with_cash("5").await;
    let html = branch.page("/wallet/GOLD").await;
    assert_eq!(texts(&html, ".empty__title"), ["No statement yet"]);
    assert_eq!(texts(&html, "h1"), ["Gold Coins"]);
    for path in ["/wallet/NONE", "/wallet/gold", "/wallet/%00", "/wallet/CASH/nothing"] {
        assert_eq!(send(branch.anna.get(branch.bank.web.url(path))).await.status(), 404, "{path}");
    }
    let html = branch.page("/wallet/CASH?type=spend").await;
    assert_eq!(texts(&html, ".empty__title"), ["Nothing of this kind"]);
    assert_eq!(attributes(&html, ".empty a", "href"), ["/wallet/CASH"]);
}

#[actix_web::test]
async fn the_chart_of_a_short_time_goes_through_each_movement() {
    let branch = Branch::with_cash("100").await;
    bank::posted(&branch.bank.anna, &bank::spend("30")).await;
    bank::posted(&branch.bank.anna, &bank::spend("20.5")).await;
    let html = branch.page("/wallet/CASH").await;
    assert_eq!(texts(&html, ".numbers tbody td"), ["0.00", "100.00", "70.00", "49.50"]);
    let points = &attributes(&html, "polyline.chart__line", "points")[0];
    assert_eq!(points.split(' ').count(), 4, "{points}");
    let narrowed = branch.page("/wallet/CASH?type=spend").await;
    assert_eq!(texts(&narrowed, ".numbers tbody td").last().map(String::as_str), Some("49.50"), "and not of a part");
    assert!(narrowed.contains("One kind of activity is listed."));
}
