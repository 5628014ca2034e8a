//! Assets from files and in files.

use serde_json::{Value, json};

use super::support::api::{count_in, web_with_admin};
use super::support::web::send;

const NAMES: &str = "title,kind,asset_type,amount,quantity\r\n";

#[actix_web::test]
async fn a_file_creates_all_that_it_says_or_nothing() {
    let (web, admin) = web_with_admin().await;
    let import = |query: &str, text: String| {
        admin.post(&format!("/admin/assets/import{query}")).header("Content-Type", "text/csv").body(text)
    };
    let plan = send(import("?dry_run=true", format!("{NAMES}Gift,signup,GOLD,1.50,3\r\n"))).await;
    assert_eq!(plan.status(), 200);
    let plan: Value = plan.json().await.unwrap();
    assert_eq!(
        plan,
        json!({"dry_run": true, "count": 3, "sums": [{"asset_type": "GOLD", "assets": 3, "value": "4.50"}]})
    );
    let answer = send(import("", format!("{NAMES}Gift,signup,GOLD,1,1\r\nGift,gift,GOLD,1,1\r\n"))).await;
    assert_eq!(answer.status(), 422);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!((&problem["errors"][0]["row"], &problem["errors"][0]["field"]), (&json!(2), &json!("kind")));
    assert_eq!(count_in(&web, "assets"), 0);
    let rows = "Gift,signup,GOLD,1,1\r\n".repeat(10_000);
    let answer = send(import("", format!("{NAMES}{rows}"))).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.json::<Value>().await.unwrap()["data"].as_array().unwrap().len(), 10_000);
    assert_eq!(send(admin.post("/admin/assets/import").json(&json!({}))).await.status(), 415);
}

#[actix_web::test]
async fn in_a_file_no_text_is_a_formula() {
    let (_web, admin) = web_with_admin().await;
    let body = json!({"title": "=1+1", "description": "@x", "kind": "signup", "asset_type": "GOLD", "amount": 5});
    admin.create(&body).await;
    let answer = send(admin.get("/admin/assets/export?status=available")).await;
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8");
    let text = answer.text().await.unwrap();
    assert!(text.lines().nth(1).unwrap().starts_with("'=1+1,signup,GOLD,5.00,'@x,,,1,"), "{text}");
    assert_eq!(send(admin.get("/admin/assets/export?asset_type=NONE")).await.status(), 404);
}
