//! Many credits at once: a selection or all that match, always after a look.

use crate::support::web::texts;
use crate::{House, hidden};

/// Confirms a review with a reason.
async fn confirm(house: &House, html: &str, more: &[(&str, &str)]) -> reqwest::Response {
    let kept = hidden(html);
    let kept = kept.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let fields: Vec<_> = kept.chain([("reason", "The season is over")]).chain(more.iter().copied()).collect();
    house.submit("/admin/assets/bulk", &fields).await
}

/// The review of an action on a list.
async fn review(house: &House, action: &str, fields: &[(&str, &str)]) -> String {
    let fields: Vec<_> = fields.iter().copied().chain([("action", action)]).collect();
    let answer = house.submit("/admin/assets/bulk", &fields).await;
    assert_eq!(answer.status(), 200, "{action}");
    answer.text().await.unwrap()
}

#[actix_web::test]
async fn a_selection_expires_except_what_was_claimed_meanwhile() {
    let house = House::open().await;
    let ids = house.issue("Autumn", 3, "CASH", "10").await;
    let points = house.issue("Autumn", 1, "PTS", "5").await;
    let chosen: Vec<String> = ids.iter().chain(&points).map(i64::to_string).collect();
    let mut fields: Vec<_> = chosen.iter().map(|id| ("ids", id.as_str())).collect();
    fields.push(("list", "/admin/assets?q=autumn"));
    let html = review(&house, "expire", &fields).await;
    assert_eq!(texts(&html, "h1"), ["Expire 4 credits"]);
    assert_eq!(texts(&html, ".facts dd"), ["3 credits, worth 30.00 CASH", "1 credit, worth 5 PTS"]);
    house.claim(ids[0]).await;
    let answer = confirm(&house, &html, &[]).await;
    let told = "3 credits expired. 1 credit stays as it is: claimed.";
    assert_eq!(house.flash(answer, "/admin/assets?q=autumn").await, told);
    assert_eq!(house.asset(ids[1]).await["status"], "expired");
    assert_eq!(house.asset(ids[0]).await["status"], "claimed");
    // Sent twice, it happens once.
    let answer = confirm(&house, &html, &[]).await;
    let told = "Nothing was left to do. 1 credit stays as it is: claimed. 3 credits stay as they are: expired already.";
    assert_eq!(house.flash(answer, "/admin/assets?q=autumn").await, told);
    let html = review(&house, "recreate", &fields).await;
    assert_eq!(texts(&html, ".note"), ["1 credit stays as it is: claimed."]);
    let answer = confirm(&house, &html, &[("title", "Winter"), ("expires_at", "2099-01-01T00:00")]).await;
    let told = "3 credits recreated. 1 credit stays as it is: claimed.";
    assert_eq!(house.flash(answer, "/admin/assets?q=autumn").await, told);
    let winter = house.page("/admin/assets?q=winter").await;
    assert_eq!(texts(&winter, "td[data-label=Status]"), ["Available"; 3]);
}

#[actix_web::test]
async fn all_that_match_are_looked_at_again_where_their_number_has_changed() {
    let house = House::open().await;
    let ids = house.issue("Autumn", 30, "CASH", "10").await;
    house.issue("Winter", 1, "CASH", "10").await;
    let fields = [("all", "yes"), ("list", "/admin/assets?q=autumn&status=available&sort=title")];
    let html = review(&house, "delete", &fields).await;
    assert_eq!(texts(&html, "h1"), ["Delete 30 credits"]);
    house.claim(ids[3]).await;
    let answer = confirm(&house, &html, &[]).await;
    assert_eq!(answer.status(), 200);
    let html = answer.text().await.unwrap();
    assert_eq!(texts(&html, ".note"), ["What matches has changed since you looked. Please look again."]);
    assert_eq!(texts(&html, "h1"), ["Delete 29 credits"]);
    let answer = confirm(&house, &html, &[]).await;
    let list = "/admin/assets?q=autumn&status=available&sort=title";
    assert_eq!(house.flash(answer, list).await, "29 credits deleted.");
    assert_eq!(texts(&house.page("/admin/assets").await, "tbody th a"), ["Winter", "Autumn"]);
}

#[actix_web::test]
async fn a_long_search_never_becomes_one_for_everything() {
    let house = House::open().await;
    house.issue("Autumn", 2, "CASH", "10").await;
    let list = format!("/admin/assets?{}", serde_urlencoded::to_string([("q", "₹".repeat(200))]).unwrap());
    let answer = house.submit("/admin/assets/bulk", &[("action", "delete"), ("all", "yes"), ("list", &list)]).await;
    let html = answer.text().await.unwrap();
    assert_eq!(texts(&html, "h1"), ["Delete 0 credits"]);
    assert_eq!(texts(&html, "main form button"), [""; 0]);
}

#[actix_web::test]
async fn what_is_missing_brings_the_review_back_filled_in() {
    let house = House::open().await;
    let id = house.issue("Autumn", 1, "CASH", "10").await[0];
    let nothing = house.submit("/admin/assets/bulk", &[("action", "expire"), ("list", "/admin/assets?q=a")]).await;
    let told = "Nothing is selected. Tick the credits that you mean, or all that match.";
    assert_eq!(house.flash(nothing, "/admin/assets?q=a").await, told);
    let id = id.to_string();
    let html = review(&house, "expire", &[("ids", &id), ("list", "/admin/assets")]).await;
    let answer = confirm(&house, &html, &[]).await;
    assert_eq!(house.flash(answer, "/admin/assets").await, "1 credit expired.");
    let html = review(&house, "recreate", &[("ids", &id), ("list", "/admin/assets")]).await;
    for (name, text, message) in [
        ("amount", "1.234", "1 credit stays as it is: of a type that cannot have this amount."),
        ("amount", "much", ""),
        ("expires_at", "soon", "Write a day and a time, such as 2026-12-31T23:59."),
        ("expires_at", "2001-01-01T00:00", "Choose a time in the future."),
    ] {
        let answer = confirm(&house, &html, &[(name, text)]).await;
        let status = answer.status().as_u16();
        if text == "1.234" {
            let told = format!("Nothing was left to do. {message}");
            assert_eq!(house.flash(answer, "/admin/assets").await, told);
            continue;
        }
        let html = answer.text().await.unwrap();
        assert_eq!(status, 422, "{name} {text}");
        assert_eq!(texts(&html, &format!("#{name}-error")).len(), 1, "{name} {text}");
        assert!(texts(&html, &format!("#{name}-error"))[0].contains(message), "{name} {text}");
    }
    let kept = hidden(&html);
    let fields: Vec<_> = kept.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = house.submit("/admin/assets/bulk", &fields).await;
    assert_eq!(answer.status(), 422);
    assert_eq!(texts(&answer.text().await.unwrap(), "#reason-error"), ["Say why, in 1 to 500 characters."]);
    assert_eq!(house.submit("/admin/assets/bulk", &[("action", "burn")]).await.status(), 400);
}

#[actix_web::test]
async fn what_is_asked_for_can_be_mended_where_many_are_recreated() {
    let house = House::open().await;
    let ids = house.issue("Autumn", 2, "CASH", "10").await;
    for id in &ids {
        house.submit(&format!("/admin/assets/{id}/expire"), &[("reason", "Over")]).await;
    }
    let html = review(&house, "recreate", &[("all", "yes"), ("list", "/admin/assets")]).await;
    let answer = confirm(&house, &html, &[("expires_at", "2001-01-01T00:00"), ("title", "Winter")]).await;
    assert_eq!(answer.status(), 422);
    let html = answer.text().await.unwrap();
    assert_eq!(texts(&html, "h1"), ["Recreate 2 credits"]);
    assert_eq!(texts(&html, "#expires_at-error"), ["Choose a time in the future."]);
    assert_eq!(texts(&html, ".note"), [""; 0]);
    let answer = confirm(&house, &html, &[("expires_at", "2099-01-01T00:00"), ("title", "Winter")]).await;
    assert_eq!(house.flash(answer, "/admin/assets").await, "2 credits recreated.");
}

#[actix_web::test]
async fn all_that_match_are_the_same_ones_and_not_just_as_many() {
    let house = House::open().await;
    let ids = house.issue("Autumn", 3, "CASH", "10").await;
    let html = review(&house, "delete", &[("all", "yes"), ("list", "/admin/assets?status=available")]).await;
    house.claim(ids[0]).await;
    let unseen = house.issue("Winter", 1, "CASH", "10").await[0];
    let answer = confirm(&house, &html, &[]).await;
    assert_eq!(
        texts(&answer.text().await.unwrap(), ".note"),
        ["What matches has changed since you looked. Please look again."]
    );
    assert_eq!(house.asset(unseen).await["status"], "available");
}

#[actix_web::test]
async fn what_is_no_list_is_not_taken_for_all_credits() {
    let house = House::open().await;
    house.issue("Autumn", 2, "CASH", "10").await;
    for list in ["", "/admin/users", "/admin/assets?q=a&q=b"] {
        let answer = house.submit("/admin/assets/bulk", &[("action", "delete"), ("all", "yes"), ("list", list)]).await;
        assert_eq!(answer.status(), 400, "{list}");
    }
    let wrong = house.root.get(house.web.url("/admin/assets?from=2026-13-01&format=csv"));
    assert_eq!(crate::support::web::send(wrong).await.status(), 422);
}
