//! The list of all credits: what it shows, in which order, and as a file.

use crate::support::web::{send, texts};
use crate::{House, attributes};

#[actix_web::test]
async fn filters_narrow_the_list_and_can_be_taken_off_alone() {
    let house = House::open().await;
    let autumn = house.issue("Autumn", 2, "CASH", "10").await;
    house.issue("Winter", 1, "PTS", "5").await;
    house.claim(autumn[0]).await;
    for (query, titles) in [
        ("", vec!["Winter", "Autumn", "Autumn"]),
        ("?q=autumn", vec!["Autumn", "Autumn"]),
        ("?status=claimed", vec!["Autumn"]),
        ("?asset_type=PTS", vec!["Winter"]),
        ("?kind=signup", vec![]),
        ("?campaign_id=1", vec![]),
        ("?from=2001-01-01&to=2001-12-31", vec![]),
        ("?from=2001-01-01", vec!["Winter", "Autumn", "Autumn"]),
    ] {
        let html = house.page(&format!("/admin/assets{query}")).await;
        assert_eq!(texts(&html, "tbody th a"), titles, "{query}");
        assert_eq!(texts(&html, ".chip").is_empty(), query.is_empty(), "{query}");
        assert_eq!(texts(&html, ".empty__title").is_empty(), !titles.is_empty(), "{query}");
    }
    let owner = format!("/admin/assets?owner={}", house.alice.name);
    let html = house.page(&owner).await;
    assert_eq!(texts(&html, "td[data-label=Owner]"), [house.alice.name.as_str()]);
    assert_eq!(attributes(&html, "tbody th a", "href"), [format!("/admin/assets/{}", autumn[0])]);
    let html = house.page("/admin/assets?q=autumn&status=claimed").await;
    assert_eq!(attributes(&html, ".chip", "href"), ["/admin/assets?status=claimed", "/admin/assets?q=autumn"]);
    let wrong = send(house.root.get(house.web.url("/admin/assets?from=soon"))).await;
    assert_eq!(wrong.status(), 422);
    assert_eq!(texts(&wrong.text().await.unwrap(), "#from-error").len(), 1);
}

#[actix_web::test]
async fn each_order_leads_through_all_pages_and_into_the_file() {
    let house = House::open().await;
    for number in 0..26 {
        house.issue(&format!("Credit {:02}", (number * 7) % 26), 1, "CASH", &(number % 5 + 1).to_string()).await;
    }
    for sort in ["title", "-title", "amount", "-amount", "created", "expires"] {
        let list = format!("/admin/assets?sort={sort}");
        let html = house.page(&list).await;
        let sorted = attributes(&html, "th[aria-sort]", "aria-sort");
        assert_eq!(sorted, [if sort.starts_with('-') { "descending" } else { "ascending" }], "{sort}");
        let next = attributes(&html, ".pager a", "href").remove(0);
        let rest = house.page(&next).await;
        let shown = [&html, &rest].map(|html| attributes(html, "tbody input[name=ids]", "value"));
        assert_eq!(shown.each_ref().map(Vec::len), [24, 2], "{sort}");
        let cells = match sort.trim_start_matches('-') {
            "title" => Some("tbody th a"),
            "amount" => Some("tbody td[data-label=Amount]"),
            _ => None,
        };
        if let Some(cells) = cells {
            let cells = [&html, &rest].map(|html| texts(html, cells)).concat();
            let is_sorted = if sort.starts_with('-') { cells.is_sorted_by(|a, b| a >= b) } else { cells.is_sorted() };
            assert!(is_sorted, "{sort}: {cells:?}");
        }
        let file = house.page(&format!("{list}&format=csv")).await;
        let mut file = csv::Reader::from_reader(file.as_bytes());
        let id = file.headers().unwrap().iter().position(|name| name == "id").unwrap();
        let written: Vec<_> = file.records().map(|line| line.unwrap()[id].to_owned()).collect();
        assert_eq!(written, shown.concat(), "{sort}");
        let other = next.replace(&format!("sort={sort}"), "sort=-expires");
        assert_eq!(send(house.root.get(house.web.url(&other))).await.status(), 400, "{sort}");
    }
}

#[actix_web::test]
async fn the_box_for_all_says_how_many_match_where_they_are_more_than_shown() {
    let house = House::open().await;
    house.issue("Autumn", 24, "CASH", "1").await;
    let boxes = "input[name=all]";
    assert!(attributes(&house.page("/admin/assets").await, boxes, "value").is_empty());
    house.issue("Autumn", 1, "CASH", "1").await;
    let html = house.page("/admin/assets?q=autumn").await;
    assert_eq!(texts(&html, ".bulk label"), ["All 25 credits that match"]);
    let next = attributes(&html, ".pager a", "href").remove(0);
    assert_eq!(texts(&house.page(&next).await, ".bulk label"), ["All 25 credits that match"]);
    house.issue("Many", 9_976, "CASH", "1").await;
    let html = house.page("/admin/assets").await;
    assert_eq!(texts(&html, ".bulk label"), ["All that match, more than 10,000 credits"]);
    let fields = [("action", "expire"), ("all", "yes"), ("list", "/admin/assets?status=available")];
    let answer = house.submit("/admin/assets/bulk", &fields).await;
    let told = house.flash(answer, "/admin/assets?status=available").await;
    assert_eq!(told, "These are more than 10,000. Do it in parts.");
}
