//! Who owns which credit.

use coffer::domain::Role;
use coffer::repo::PageRequest;
use coffer::repo::claims::{self, ClaimFilter, NEWEST_FIRST};
use serde_json::json;

use crate::column;
use crate::support::api::{caller, id, text, web_with_admin};
use crate::support::web::{is, problem, queries, send};

#[actix_web::test]
async fn every_claim_is_listed_with_its_credit_its_owner_and_its_transaction() {
    let (web, admin) = web_with_admin().await;
    let (ann, ben) = (caller(&web, "ann", Role::User).await, caller(&web, "ben", Role::User).await);
    let gold = admin.issue(2, "GOLD", "5").await;
    let signup = json!({"title": "Welcome", "kind": "signup", "asset_type": "PTS", "amount": "7"});
    let welcome = id(&admin.create(&signup).await[0]);
    for (caller, asset) in [(&ann, gold[0]), (&ben, gold[1]), (&ann, welcome)] {
        assert_eq!(send(caller.claim(asset)).await.status(), 201);
    }
    for limit in [1, 2, 50] {
        let rows = admin.walk(&format!("/admin/claims?limit={limit}")).await;
        assert_eq!(column(&rows, "user"), ["ann", "ben", "ann"], "newest first, by {limit}");
    }
    let row = &admin.read("/admin/claims?limit=1").await["data"][0];
    assert_eq!((&row["title"], &row["kind"]), (&json!("Welcome"), &json!("signup")));
    assert_eq!((&row["amount"], &row["asset_type"], &row["asset_id"]), (&json!("7"), &json!("PTS"), &json!(welcome)));
    assert_eq!(row["code"], admin.read(&format!("/assets/{welcome}")).await["code"]);
    let transaction = admin.read(&format!("/transactions/{}", text(&row["transaction_id"]))).await;
    assert_eq!((&transaction["asset_id"], &transaction["created_at"]), (&row["asset_id"], &row["claimed_at"]));
    let at = text(&row["claimed_at"]);
    for (query, owners) in [
        ("user=ben", vec!["ben"]),
        ("user=ann", vec!["ann", "ann"]),
        ("user=me", vec![]),
        ("kind=signup", vec!["ann"]),
        ("kind=referral", vec![]),
        ("user=ann&kind=promotional", vec!["ann"]),
        (&format!("from={at}"), vec!["ann"]),
        (&format!("from={at}&to={at}"), vec!["ann"]),
        ("from=2000-01-01&to=2000-12-31", vec![]),
        ("from=2000-01-01", vec!["ann", "ben", "ann"]),
    ] {
        assert_eq!(column(&admin.walk(&format!("/admin/claims?{query}")).await, "user"), owners, "{query}");
    }
    for (query, status, code) in [
        ("user=nobody-here", 404, "user_not_found"),
        ("from=soon", 422, "invalid"),
        ("from=2024-02-01&to=2024-01-01", 422, "invalid"),
        ("cursor=x", 400, "invalid_cursor"),
        ("start_date=2024-01-01", 400, "malformed"),
    ] {
        assert_eq!(
            problem(send(admin.get(&format!("/admin/claims?{query}"))).await).await,
            is(status, code),
            "{query}"
        );
    }
    assert_eq!(problem(send(ann.get("/admin/claims")).await).await, is(403, "forbidden"));
}

#[actix_web::test]
async fn a_page_of_it_is_one_query_however_it_is_narrowed() {
    let (web, admin) = web_with_admin().await;
    let ann = caller(&web, "ann", Role::User).await;
    for asset in admin.issue(30, "GOLD", "5").await {
        assert_eq!(send(ann.claim(asset)).await.status(), 201);
    }
    let first = PageRequest::first(20);
    for user in [None, Some("ann".to_owned())] {
        let filter = ClaimFilter { user, ..ClaimFilter::default() };
        let (page, sent) = queries(&web, |conn| claims::page(conn, &filter, NEWEST_FIRST, &first));
        assert_eq!((page.items.len(), sent), (20, 1));
    }
}
