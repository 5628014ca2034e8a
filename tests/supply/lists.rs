//! The list of campaigns as admins narrow and sort it.

use chrono::{DateTime, TimeDelta, Utc};
use coffer::domain::{AssetKind, AssetTypeCode, CampaignStatus, Role, User};
use coffer::error::Error;
use coffer::repo::campaigns::{CampaignColumn, CampaignFilter, CampaignView, USUAL, page};
use coffer::repo::{PageRequest, Sort, users};
use serde_json::json;

use super::support::api::{caller, web_with_admin};
use super::support::web::Web;
use super::{body, create, edit};

/// All campaigns of a list, page by page.
fn walk(
    web: &Web,
    root: &User,
    filter: &CampaignFilter,
    sort: Sort<CampaignColumn>,
    now: DateTime<Utc>,
) -> Vec<CampaignView> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let request = PageRequest::new(Some(2), cursor.as_deref()).unwrap();
        let mut rows = web.db.run_here(|conn| page(conn, root, filter, sort, &request, now)).unwrap();
        found.append(&mut rows.items);
        match rows.next_cursor {
            Some(next) => cursor = Some(next),
            None => return found,
        }
    }
}

fn titles(found: &[CampaignView]) -> Vec<&str> {
    found.iter().map(|view| view.campaign.title.as_str()).collect()
}

/// Campaigns in every state, and the admin who looks.
async fn campaigns() -> (Web, User) {
    let (web, admin) = web_with_admin().await;
    let at = |hours: i64| json!(Utc::now() + TimeDelta::hours(hours));
    for (title, asset_type, kind, starts_at, ends_at, paused) in [
        ("apple", "GOLD", "signup", json!(null), json!(null), false),
        ("Berry 100%", "PTS", "signup", at(1), json!(null), false),
        ("cherry", "GOLD", "referral", json!(null), at(1), false),
        ("Date_palm", "GOLD", "referral", json!(null), at(5), true),
        ("elder", "PTS", "promotional", at(3), at(5), true),
        ("Fig", "GOLD", "promotional", at(3), at(4), false),
        ("apple", "GOLD", "promotional", json!(null), json!(null), true),
    ] {
        let mut new = body(1);
        for (field, value) in [("title", json!(title)), ("asset_type", json!(asset_type)), ("kind", json!(kind))] {
            new[field] = value;
        }
        (new["starts_at"], new["ends_at"], new["amount"]) = (starts_at, ends_at, json!(1));
        let campaign = create(&admin, &new).await;
        if paused {
            edit(&admin, &campaign, &json!({"paused": true})).await;
        }
    }
    let _ = caller(&web, "anna", Role::User).await;
    let root = web.db.run_here(|conn| users::by_external_id(conn, &admin.name)).unwrap().unwrap();
    (web, root)
}

#[actix_web::test]
async fn a_state_finds_exactly_the_campaigns_that_say_so_at_any_time() {
    let (web, root) = campaigns().await;
    for hours in [0, 2, 4, 6] {
        let now = Utc::now() + TimeDelta::hours(hours);
        let all = walk(&web, &root, &CampaignFilter::default(), USUAL, now);
        assert_eq!(all.len(), 7);
        for &status in CampaignStatus::ALL {
            let filter = CampaignFilter { status: Some(status), ..CampaignFilter::default() };
            let wanted: Vec<_> = all.iter().filter(|view| view.status == status).cloned().collect();
            assert_eq!(walk(&web, &root, &filter, USUAL, now), wanted, "{status} in {hours} hours");
        }
    }
}

#[actix_web::test]
async fn campaigns_are_found_by_words_kind_and_asset_type() {
    let (web, root) = campaigns().await;
    let find = |filter: CampaignFilter| walk(&web, &root, &filter, USUAL, Utc::now());
    let words = |text: &str| CampaignFilter { text: Some(text.to_owned()), ..CampaignFilter::default() };
    for (text, found) in [
        ("APPLE", vec!["apple", "apple"]),
        ("0%", vec!["Berry 100%"]),
        ("e_p", vec!["Date_palm"]),
        ("leaves", vec!["apple", "Fig", "elder", "Date_palm", "cherry", "Berry 100%", "apple"]),
        ("none\0", vec![]),
    ] {
        assert_eq!(titles(&find(words(text))), found, "{text}");
    }
    let filter = CampaignFilter {
        kind: Some(AssetKind::Signup),
        asset_type: Some(AssetTypeCode::parse("PTS").unwrap()),
        ..CampaignFilter::default()
    };
    assert_eq!(titles(&find(filter)), ["Berry 100%"]);
}

#[actix_web::test]
async fn every_order_is_whole_and_its_cursors_are_its_own() {
    let (web, root) = campaigns().await;
    let all = CampaignFilter::default();
    for (sort, found) in [
        (USUAL, ["apple", "Fig", "elder", "Date_palm", "cherry", "Berry 100%", "apple"]),
        (
            Sort::ascending(CampaignColumn::Created),
            ["apple", "Berry 100%", "cherry", "Date_palm", "elder", "Fig", "apple"],
        ),
        (
            Sort::ascending(CampaignColumn::Title),
            ["apple", "apple", "Berry 100%", "cherry", "Date_palm", "elder", "Fig"],
        ),
        (
            Sort::descending(CampaignColumn::Title),
            ["Fig", "elder", "Date_palm", "cherry", "Berry 100%", "apple", "apple"],
        ),
        (
            Sort::ascending(CampaignColumn::Ends),
            ["cherry", "Fig", "Date_palm", "elder", "apple", "Berry 100%", "apple"],
        ),
        (
            Sort::descending(CampaignColumn::Ends),
            ["apple", "Berry 100%", "apple", "elder", "Date_palm", "Fig", "cherry"],
        ),
    ] {
        assert_eq!(titles(&walk(&web, &root, &all, sort, Utc::now())), found, "{sort}");
        let first = PageRequest::first(2);
        let next = web.db.run_here(|conn| page(conn, &root, &all, sort, &first, Utc::now())).unwrap().next_cursor;
        let request = PageRequest::new(Some(2), next.as_deref()).unwrap();
        let other = Sort { descending: !sort.descending, ..sort };
        let refused = web.db.run_here(|conn| page(conn, &root, &all, other, &request, Utc::now()));
        assert!(matches!(refused, Err(Error::InvalidCursor)), "{sort}");
    }
}
