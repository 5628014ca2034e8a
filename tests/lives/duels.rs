//! What races for one credit leaves it in one state.

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use super::support::api::{Caller, audit, count_in, crowd, id, web_with_admin};
use super::support::web::{is, problem, send};

/// Does something to an asset as an admin: `expire`, `recreate`, a change or its end.
async fn act(admin: &Caller, asset: i64, number: usize) -> u16 {
    let path = format!("/admin/assets/{asset}");
    let request = match number % 4 {
        0 => {
            let version = send(admin.get(&format!("/assets/{asset}"))).await.headers().get("etag").cloned();
            let request = admin.request(Method::PATCH, &path).json(&json!({"title": format!("Gift {number}")}));
            match version {
                Some(version) => request.header("if-match", version),
                None => request.header("if-match", "\"1\""),
            }
        }
        1 => admin.post(&format!("{path}/expire")),
        2 => admin.post(&format!("{path}/recreate")),
        _ => admin.delete(&path),
    };
    send(request).await.status().as_u16()
}

#[actix_web::test]
async fn whatever_races_for_a_credit_leaves_one_state() {
    let (web, admin) = web_with_admin().await;
    let users = crowd(&web, 8).await;
    for round in 0..6 {
        let asset = admin.issue(1, "GOLD", "5").await[0];
        let claims = futures::stream::iter(&users)
            .map(async |user| send(user.claim(asset)).await.status().as_u16())
            .buffer_unordered(8)
            .collect::<Vec<u16>>();
        let acts = futures::stream::iter(0..8)
            .map(|number| act(&admin, asset, number + round))
            .buffer_unordered(4)
            .collect::<Vec<u16>>();
        let (claims, acts) = futures::join!(claims, acts);
        assert!(claims.iter().chain(&acts).all(|status| *status < 500), "{claims:?} {acts:?}");
        let won = claims.iter().filter(|status| **status == 201).count();
        assert!(won <= 1, "{claims:?}");
        let claimed = count_in(&web, &format!("assets where id = {asset} and status = 'claimed'"));
        assert_eq!(claimed, i64::try_from(won).unwrap());
        assert_eq!(count_in(&web, &format!("claims where asset_id = {asset}")), claimed);
    }
    audit(&web);
}

#[actix_web::test]
async fn of_many_simultaneous_recreations_exactly_one_wins() {
    let (web, admin) = web_with_admin().await;
    let asset = admin.issue(1, "GOLD", "5").await[0];
    let path = format!("/admin/assets/{asset}");
    let early = send(admin.post(&format!("{path}/recreate"))).await;
    assert_eq!(problem(early).await, is(409, "asset_not_expired"));
    assert_eq!(send(admin.post(&format!("{path}/expire"))).await.status(), 200);
    let answers = futures::stream::iter(0..16)
        .map(|_| send(admin.post(&format!("{path}/recreate"))))
        .buffer_unordered(16)
        .collect::<Vec<_>>()
        .await;
    let mut successors = Vec::new();
    for answer in answers {
        if answer.status() == 201 {
            let successor: Value = answer.json().await.unwrap();
            assert_eq!(successor["recreated_from"], asset);
            successors.push(id(&successor));
        } else {
            assert_eq!(problem(answer).await, is(409, "already_recreated"));
        }
    }
    assert_eq!(successors.len(), 1);
    assert_eq!(count_in(&web, &format!("assets where recreated_from = {asset}")), 1);
    let gone = send(admin.delete(&path)).await;
    assert_eq!(problem(gone).await, is(409, "already_recreated"));
}
