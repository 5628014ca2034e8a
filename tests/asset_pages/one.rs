//! One credit: its page, its changes, and how it ends and comes back.

use crate::House;
use crate::support::web::{PASSWORD, send, texts, value};

/// The form of an edit, as it is sent.
fn edit<'a>(version: &'a str, title: &'a str, amount: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("version", version), ("title", title), ("kind", "promotional"), ("asset_type", "CASH"), ("amount", amount)]
}

#[actix_web::test]
async fn a_credit_is_edited_expired_recreated_and_deleted_and_its_page_tells_its_life() {
    let house = House::open().await;
    let id = house.issue("Autumn", 1, "CASH", "10").await[0];
    let at = format!("/admin/assets/{id}");
    let actions = async |path: &str| texts(&house.page(path).await, ".head__end a");
    assert_eq!(actions(&at).await, ["Edit", "Delete", "Expire now"]);
    let answer = house.submit(&format!("{at}/edit"), &edit("1", "Late Autumn", "12.50")).await;
    assert_eq!(house.flash(answer, &at).await, "“Late Autumn” is saved.");
    let html = house.page(&at).await;
    assert_eq!(texts(&html, ".head__lead .amount"), ["12.50 CASH"]);
    assert!(texts(&html, ".changes li").contains(&"title: Autumn → Late Autumn".to_owned()));
    let answer = house.submit(&format!("{at}/expire"), &[("reason", "Over")]).await;
    assert_eq!(house.flash(answer, &at).await, "The credit has expired. Nobody can claim it any more.");
    assert_eq!(actions(&at).await, ["Edit", "Delete", "Recreate"]);
    let answer = house.submit(&format!("{at}/recreate"), &[("reason", "Again"), ("amount", "20")]).await;
    let successor = answer.headers()["location"].to_str().unwrap().to_owned();
    let told = "The credit is recreated: this is its successor.";
    assert_eq!(house.flash(answer, &successor).await, told);
    assert_eq!(texts(&house.page(&successor).await, ".head__lead .amount"), ["20.00 CASH"]);
    // Sent twice, it happens once.
    let answer = house.submit(&format!("{at}/recreate"), &[("reason", "Again")]).await;
    let told = "It has been recreated already: this is its successor.";
    assert_eq!(house.flash(answer, &successor).await, told);
    let html = house.page(&at).await;
    let life = texts(&html, ".timeline .row__title");
    let new = successor.rsplit('/').next().unwrap();
    let told = [
        format!("Recreated as credit {new}"),
        format!("Expired credit {id}"),
        format!("Edited credit {id}"),
        format!("Created credit {id}"),
    ];
    assert_eq!(life, told);
    let answer = house.submit(&format!("{successor}/delete"), &[("reason", "By mistake")]).await;
    assert_eq!(house.flash(answer, "/admin/assets").await, "The credit is deleted.");
    let answer = house.submit(&format!("{successor}/delete"), &[("reason", "By mistake")]).await;
    assert_eq!(house.flash(answer, "/admin/assets").await, "This credit is not there any more.");
    assert_eq!(send(house.root.get(house.web.url(&successor))).await.status(), 404);
}

#[actix_web::test]
async fn a_stale_form_shows_both_versions_and_overwrites_knowingly() {
    let house = House::open().await;
    let id = house.issue("Autumn", 1, "CASH", "10").await[0];
    let at = format!("/admin/assets/{id}/edit");
    assert_eq!(value(&house.page(&at).await, "version").as_deref(), Some("1"));
    house.submit(&at, &edit("1", "Theirs", "10")).await;
    let answer = house.submit(&at, &edit("1", "Mine", "11")).await;
    assert_eq!(answer.status(), 422);
    let html = answer.text().await.unwrap();
    let root = &house.admin.name;
    assert_eq!(texts(&html, ".summary strong"), [format!("Changed by {root} since you opened this")]);
    let told = texts(&html, ".summary li").join(" ");
    assert!(["Title", "Theirs", "Mine", "Amount", "10.00", "11"].iter().all(|word| told.contains(word)), "{told}");
    assert_eq!((value(&html, "title").as_deref(), value(&html, "version").as_deref()), (Some("Mine"), Some("2")));
    let answer = house.submit(&at, &edit("2", "Mine", "11")).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(house.asset(id).await["title"], "Mine");
    for (field, fields) in
        [("title", edit("3", " ", "11")), ("amount", edit("3", "Mine", "1.234")), ("amount", edit("3", "Mine", "x"))]
    {
        let answer = house.submit(&at, &fields).await;
        assert_eq!(answer.status(), 422);
        assert_eq!(texts(&answer.text().await.unwrap(), &format!("#{field}-error")).len(), 1, "{field}");
    }
}

#[actix_web::test]
async fn a_claimed_credit_stays_as_it_is_and_says_whose_it_is() {
    let house = House::open().await;
    let id = house.issue("Autumn", 1, "CASH", "10").await[0];
    let at = format!("/admin/assets/{id}");
    house.claim(id).await;
    let html = house.page(&at).await;
    assert_eq!(texts(&html, ".head__end a"), [""; 0]);
    assert_eq!(texts(&html, ".timeline .row__title")[0], "Claimed");
    let asset = house.asset(id).await;
    assert!(html.contains(&format!("/admin/transactions/{}", asset["transaction_id"].as_str().unwrap())));
    assert!(html.contains(&format!("/admin/users/{}", house.alice.name)));
    let told = format!("{} has claimed this credit, and so it stays as it is.", house.alice.name);
    for action in ["expire", "delete", "recreate"] {
        let path = format!("{at}/{action}");
        let looked = send(house.root.get(house.web.url(&path))).await;
        assert_eq!(house.flash(looked, &at).await, told, "{action}");
        let done = house.submit(&path, &[("reason", "Over")]).await;
        assert_eq!(house.flash(done, &at).await, told, "{action}");
    }
    let saved = house.submit(&format!("{at}/edit"), &edit("1", "Mine", "11")).await;
    assert_eq!(house.flash(saved, &at).await, "This credit has been claimed, and so it stays as it is.");
    assert_eq!(house.asset(id).await, asset);
}

#[actix_web::test]
async fn a_review_without_a_reason_comes_back() {
    let house = House::open().await;
    let id = house.issue("Autumn", 1, "CASH", "10").await[0];
    for action in ["expire", "delete"] {
        let answer = house.submit(&format!("/admin/assets/{id}/{action}"), &[("reason", " ")]).await;
        assert_eq!(answer.status(), 422, "{action}");
        let html = answer.text().await.unwrap();
        assert_eq!(texts(&html, "#reason-error"), ["Say why, in 1 to 500 characters."], "{action}");
    }
    let early = send(house.root.get(house.web.url(&format!("/admin/assets/{id}/recreate")))).await;
    let told = "This credit has not expired, so there is nothing to recreate.";
    assert_eq!(house.flash(early, &format!("/admin/assets/{id}")).await, told);
    assert_eq!(house.asset(id).await["status"], "available");
}

#[actix_web::test]
async fn new_credits_add_to_a_campaign_that_goes_on() {
    let house = House::open().await;
    let body = serde_json::json!({
        "title": "Festive", "kind": "promotional", "asset_type": "CASH", "amount": "5", "quantity": 1,
    });
    let answer = send(house.admin.post("/admin/campaigns").json(&body)).await;
    let campaign: serde_json::Value = answer.json().await.unwrap();
    let campaign = campaign["id"].to_string();
    let html = house.page("/admin/assets/new").await;
    assert_eq!(texts(&html, "#campaign_id option"), ["No campaign", "Festive (CASH)"]);
    let key = value(&html, "idempotency_key").unwrap();
    let fields = |asset_type| {
        [
            ("idempotency_key", key.as_str()),
            ("title", "More"),
            ("kind", "promotional"),
            ("asset_type", asset_type),
            ("amount", "5"),
            ("quantity", "2"),
            ("campaign_id", campaign.as_str()),
        ]
    };
    let answer = house.submit("/admin/assets/new", &fields("PTS")).await;
    assert_eq!(answer.status(), 422);
    let told = "Choose CASH, the asset type of the campaign.";
    assert_eq!(texts(&answer.text().await.unwrap(), "#asset_type-error"), [told]);
    let answer = house.submit("/admin/assets/new", &fields("CASH")).await;
    assert_eq!(house.flash(answer, "/admin/assets").await, "Created 2 credits: “More”.");
    assert_eq!(house.admin.read(&format!("/campaigns/{campaign}")).await["available"], 3);
}

#[actix_web::test]
async fn a_form_that_nobody_touched_changes_nothing() {
    let house = House::open().await;
    let body = serde_json::json!({
        "title": "Autumn", "description": "Two\nlines", "kind": "promotional", "asset_type": "CASH", "amount": "10",
        "expires_at": "2099-12-31T23:59:00Z",
    });
    let asset = house.admin.create(&body).await.remove(0);
    let edit = format!("/admin/assets/{}/edit", asset["id"]);
    let html = house.page(&edit).await;
    assert_eq!(value(&html, "expires_at").unwrap(), "2099-12-31T23:59");
    // As browsers send it.
    let fields = [
        ("version", "1"),
        ("title", "Autumn"),
        ("description", "Two\r\nlines"),
        ("kind", "promotional"),
        ("asset_type", "CASH"),
        ("amount", "10.00"),
        ("campaign_id", ""),
        ("expires_at", "2099-12-31T23:59"),
    ];
    assert_eq!(house.submit(&edit, &fields).await.status(), 303);
    assert_eq!(house.asset(crate::support::api::id(&asset)).await, asset);
}

#[actix_web::test]
async fn what_a_campaign_changes_about_its_credits_stands_in_their_lives() {
    let house = House::open().await;
    house.web.have_user("bob", coffer::domain::Role::Admin);
    let bob = crate::support::api::Caller::sign_in(&reqwest::Client::new(), &house.web.url(""), "bob", PASSWORD).await;
    let body = serde_json::json!({
        "title": "Autumn", "kind": "promotional", "asset_type": "CASH", "amount": "5", "quantity": 2,
    });
    let campaign: serde_json::Value =
        send(house.admin.post("/admin/campaigns").json(&body)).await.json().await.unwrap();
    let credits = house.admin.walk(&format!("/assets?campaign_id={}", campaign["id"])).await;
    let (changed, claimed) = (crate::support::api::id(&credits[0]), crate::support::api::id(&credits[1]));
    house.claim(claimed).await;
    let path = format!("/admin/campaigns/{}", campaign["id"]);
    let change = bob.request(reqwest::Method::PATCH, &path).json(&serde_json::json!({"title": "Winter"}));
    assert_eq!(send(change).await.status(), 200);

    let actions = async |id: i64| {
        let picture = house.admin.read(&format!("/admin/assets/{id}/ownership")).await;
        let told = |line: &serde_json::Value| {
            format!("{} {}", line["actor"].as_str().unwrap(), line["action"].as_str().unwrap())
        };
        picture["actions"].as_array().unwrap().iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(actions(changed).await, ["bob campaign.edit", "root asset.create"]);
    assert_eq!(actions(claimed).await, ["root asset.create"]);
    let stale = house.submit(&format!("/admin/assets/{changed}/edit"), &edit("1", "Mine", "5")).await;
    assert_eq!(stale.status(), 422);
    let told = texts(&stale.text().await.unwrap(), ".summary strong");
    assert_eq!(told, ["Changed by bob since you opened this"]);
}
