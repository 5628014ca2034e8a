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
        assert_eq!(sent(&web, &root, &format!("{place}/{verb}"), &[]).await, place);
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
