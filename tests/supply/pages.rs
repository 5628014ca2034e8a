//! The pages of campaigns, as forms send them.

use reqwest::Client;

use super::support::api::{audit, count_in, web_with_admin};
use super::support::web::{PASSWORD, Web, browser, page, submit, texts, value};

/// Sends a form, and says where it leads.
async fn sent(web: &Web, browser: &Client, path: &str, fields: &[(&str, &str)]) -> String {
    let answer = submit(web, browser, path, fields).await;
    assert_eq!(answer.status(), 303, "{path}: {}", answer.text().await.unwrap());
    answer.headers()["location"].to_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_campaign_is_created_edited_paused_resumed_grown_and_deleted_each_once() {
    let (web, _admin) = web_with_admin().await;
    let root = browser();
    submit(&web, &root, "/login", &[("login", "root"), ("password", PASSWORD)]).await;
    let key = value(&page(&web, &root, "/admin/campaigns/new").await, "idempotency_key").unwrap();
    let mut fields = vec![
        ("idempotency_key", key.as_str()),
        ("title", "Autumn"),
        ("kind", "signup"),
        ("asset_type", "GOLD"),
        ("amount", "2.5"),
        ("quantity", "3"),
        ("per_user_limit", "1"),
    ];
    let place = sent(&web, &root, "/admin/campaigns/new", &fields).await;
    assert_eq!(sent(&web, &root, "/admin/campaigns/new", &fields).await, place, "sent twice, created once");
    assert_eq!((count_in(&web, "campaigns"), count_in(&web, "assets")), (1, 3));
    let show = page(&web, &root, &place).await;
    assert_eq!(texts(&show, ".stat__value"), ["0", "3", "0"]);

    fields[1] = ("title", "Winter");
    fields.push(("version", "1"));
    let edit = format!("{place}/edit");
    assert_eq!(sent(&web, &root, &edit, &fields).await, place);
    fields[1] = ("title", "Spring");
    let stale = submit(&web, &root, &edit, &fields).await;
    assert_eq!(stale.status(), 422);
    assert!(stale.text().await.unwrap().contains("it is Winter now, your form says Spring"));
    for (verb, status) in [("pause", "Paused"), ("resume", "Running")] {
        page(&web, &root, &format!("{place}/{verb}")).await;
        assert_eq!(submit(&web, &root, &format!("{place}/{verb}"), &[]).await.status(), 422);
        assert_eq!(sent(&web, &root, &format!("{place}/{verb}"), &[("reason", "Stock check")]).await, place);
        assert!(texts(&page(&web, &root, &place).await, "h1")[0].ends_with(status), "{verb}");
    }
    let add = format!("{place}/add");
    let key = value(&page(&web, &root, &add).await, "idempotency_key").unwrap();
    for _ in 0..2 {
        assert_eq!(sent(&web, &root, &add, &[("idempotency_key", &key), ("quantity", "4")]).await, place);
    }
    assert_eq!(count_in(&web, "assets"), 7);
    assert_eq!(texts(&page(&web, &root, "/admin/campaigns?status=running").await, "tbody th a"), ["Winter"]);
    assert!(page(&web, &root, "/admin/campaigns?format=csv").await.contains("Winter"));
    let delete = format!("{place}/delete");
    assert_eq!(submit(&web, &root, &delete, &[("reason", "")]).await.status(), 422);
    assert_eq!(sent(&web, &root, &delete, &[("reason", "Over")]).await, "/admin/campaigns");
    assert_eq!((count_in(&web, "campaigns"), count_in(&web, "assets")), (0, 0));
    audit(&web);
}

#[actix_web::test]
async fn a_form_that_was_opened_before_others_deleted_credits_brings_none_of_them_back() {
    let (web, admin) = web_with_admin().await;
    let campaign = super::create(&admin, &super::body(5)).await;
    let root = browser();
    submit(&web, &root, "/login", &[("login", "root"), ("password", PASSWORD)]).await;
    let edit = format!("/admin/campaigns/{}/edit", super::id(&campaign));
    let form = page(&web, &root, &edit).await;
    let credit = super::id(&super::assets(&admin, &campaign).await[0]);
    assert_eq!(super::send(admin.delete(&format!("/admin/assets/{credit}"))).await.status(), 204);
    let shown = |name| value(&form, name).unwrap();
    let (version, number) = (shown("version"), shown("quantity_shown"));
    let mut fields = vec![
        ("title", "Winter"),
        ("kind", "promotional"),
        ("asset_type", "GOLD"),
        ("amount", "2.50"),
        ("quantity", "5"),
        ("quantity_shown", number.as_str()),
        ("per_user_limit", "1"),
        ("version", version.as_str()),
    ];
    sent(&web, &root, &edit, &fields).await;
    assert_eq!(count_in(&web, "assets"), 4);
    fields[4] = ("quantity", "6");
    fields[7] = ("version", "2");
    sent(&web, &root, &edit, &fields).await;
    assert_eq!(count_in(&web, "assets"), 6, "a number that was written is wanted");
}

#[actix_web::test]
async fn a_form_of_an_asset_type_changes_only_what_was_changed_in_it() {
    let (web, admin) = web_with_admin().await;
    let root = browser();
    submit(&web, &root, "/login", &[("login", "root"), ("password", PASSWORD)]).await;
    let edit = "/admin/asset-types/GOLD/edit";
    let shown = value(&page(&web, &root, edit).await, "shown").unwrap();
    let change = serde_json::json!({"transferable": false, "minimum_balance": "5"});
    let patch = admin.request(reqwest::Method::PATCH, "/admin/asset-types/GOLD").json(&change);
    assert_eq!(super::send(patch).await.status(), 200);
    let says: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let say = |field: &str| says[field].as_str().unwrap().to_owned();
    let (scale, least, transferable) = (say("scale"), say("minimum_balance"), say("transferable"));
    let fields = [
        ("name", "Golden Coins"),
        ("scale", &scale),
        ("minimum_balance", &least),
        ("transferable", &transferable),
        ("shown", &shown),
    ];
    sent(&web, &root, edit, &fields).await;
    let found = admin.read("/asset-types").await["data"][0].clone();
    assert_eq!(
        (&found["name"], &found["transferable"], &found["minimum_balance"]),
        (&serde_json::json!("Golden Coins"), &serde_json::json!(false), &serde_json::json!("5.00"))
    );
}
