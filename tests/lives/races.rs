//! What holds when many do different things to the same assets at once.

use futures::future::join_all;
use serde_json::json;

use super::support::api::{audit, count_in, crowd, web_with_admin};
use super::support::web::send;
use super::{fate, patch};

#[actix_web::test]
async fn of_many_recreations_at_once_one_wins() {
    let (web, admin) = web_with_admin().await;
    let asset = admin.issue(1, "GOLD", "5").await[0];
    assert_eq!(send(fate(&admin, asset, "expire")).await.status(), 200);
    let answers = join_all((0..16).map(|_| send(fate(&admin, asset, "recreate")))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    assert_eq!(count_in(&web, "assets"), 2);
}

#[actix_web::test]
async fn claims_and_admins_leave_one_consistent_end() {
    let (web, admin) = web_with_admin().await;
    let users = crowd(&web, 8).await;
    for _ in 0..10 {
        let asset = admin.issue(1, "GOLD", "5").await[0];
        let claims = join_all(users.iter().map(|user| send(user.claim(asset))));
        let changes = async {
            let edited = send(patch(&admin, asset, 1, &json!({"amount": "6"}))).await;
            let expired = send(fate(&admin, asset, "expire")).await;
            let recreated = send(fate(&admin, asset, "recreate")).await;
            let deleted = send(admin.delete(&format!("/admin/assets/{asset}"))).await;
            [edited, expired, recreated, deleted]
        };
        let (claims, changes) = tokio::join!(claims, changes);
        let won = claims.iter().filter(|answer| answer.status() == 201).count();
        assert!(won <= 1, "{won} claims won");
        for answer in claims.iter().chain(&changes) {
            assert!(answer.status().as_u16() < 500, "{answer:?}");
        }
        if won == 1 {
            assert_eq!(changes[3].status(), 409);
        }
    }
    audit(&web);
}

#[actix_web::test]
async fn many_at_once_and_claims_do_not_wait_for_each_other_forever() {
    let (web, admin) = web_with_admin().await;
    let users = crowd(&web, 4).await;
    let ids = admin.issue(40, "GOLD", "5").await;
    let claims = join_all(users.iter().flat_map(|user| ids.iter().rev().map(|id| send(user.claim(*id)))));
    let bulk = |action: &str| send(admin.post("/admin/assets/bulk").json(&json!({"action": action, "ids": ids})));
    let changes = async { [bulk("expire").await, bulk("recreate").await, bulk("expire").await] };
    let (claims, changes) = tokio::join!(claims, changes);
    assert!(claims.iter().all(|answer| answer.status().as_u16() < 500));
    assert!(changes.iter().all(|answer| answer.status() == 200));
    audit(&web);
}
