//! Wallets by HTTP: who opens them, who sees them, and what they say.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use chrono::{DateTime, Utc};
use coffer::domain::Role;
use futures::future::join_all;
use serde_json::{Value, json};
use support::api::{Caller, audit, caller, count_in, credit, id, text, web_with_admin};
use support::books::{bonus, transfer};
use support::till::{Till, have_cash, user_id};
use support::web::{is, problem, send};

/// Opens a wallet.
async fn open(caller: &Caller, body: Value) -> Value {
    let answer = send(caller.post("/wallets").json(&body)).await;
    assert_eq!(answer.status(), 201, "{body}");
    answer.json().await.unwrap()
}

/// The ids of a list's rows.
fn ids(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(id).collect()
}

#[actix_web::test]
async fn a_wallet_is_opened_once_and_the_refusal_says_which_it_is() {
    let (web, _admin) = web_with_admin().await;
    let anna = caller(&web, "anna", Role::User).await;
    let wallet = open(&anna, json!({"asset_type": "GOLD"})).await;
    let opened_at: DateTime<Utc> = text(&wallet["created_at"]).parse().unwrap();
    assert!(opened_at <= Utc::now(), "{opened_at}");
    assert_eq!(
        wallet,
        json!({
            "id": id(&wallet), "user": "anna", "asset_type": "GOLD", "balance": "0.00", "minimum_balance": "0.00",
            "version": 0, "created_at": wallet["created_at"],
        })
    );
    assert_eq!(anna.read(&format!("/wallets/{}", id(&wallet))).await, wallet);
    for user in [json!(null), json!("me"), json!("anna")] {
        let answer = send(anna.post("/wallets").json(&json!({"user": user, "asset_type": "GOLD"}))).await;
        assert_eq!(answer.status(), 409);
        let refusal: Value = answer.json().await.unwrap();
        assert_eq!((&refusal["code"], &refusal["wallet_id"]), (&json!("wallet_exists"), &wallet["id"]));
    }
    assert_eq!(open(&anna, json!({"asset_type": "PTS"})).await["balance"], "0");
    assert_eq!(count_in(&web, "wallets"), 2);
}

#[actix_web::test]
async fn a_wallet_that_cannot_be_is_not_opened() {
    let (web, admin) = web_with_admin().await;
    let anna = caller(&web, "anna", Role::User).await;
    caller(&web, "ben", Role::User).await;
    for (body, status, code) in [
        (json!({"asset_type": "SILVER"}), 404, "asset_type_not_found"),
        (json!({"asset_type": "gold"}), 404, "asset_type_not_found"),
        (json!({"asset_type": ""}), 404, "asset_type_not_found"),
        (json!({"asset_type": "GOLD", "user": "ben"}), 404, "user_not_found"),
        (json!({"asset_type": "GOLD", "user": "nobody"}), 404, "user_not_found"),
        (json!({"asset_type": "GOLD", "user": "treasury"}), 404, "user_not_found"),
        (json!({"asset_type": "GOLD", "balance": "5"}), 400, "malformed"),
        (json!({"asset_type": 1}), 400, "malformed"),
        (json!({}), 400, "malformed"),
    ] {
        assert_eq!(problem(send(anna.post("/wallets").json(&body)).await).await, is(status, code), "{body}");
    }
    for user in ["nobody", "treasury", "Ben ", ""] {
        let body = json!({"asset_type": "GOLD", "user": user});
        assert_eq!(problem(send(admin.post("/wallets").json(&body)).await).await, is(404, "user_not_found"), "{user}");
    }
    assert_eq!(count_in(&web, "wallets"), 0);
    assert_eq!(open(&admin, json!({"asset_type": "GOLD", "user": "ben"})).await["user"], "ben");
    assert_eq!(open(&admin, json!({"asset_type": "GOLD"})).await["user"], "root");
}

#[actix_web::test]
async fn of_many_who_open_the_same_wallet_at_once_exactly_one_does() {
    let (web, admin) = web_with_admin().await;
    caller(&web, "anna", Role::User).await;
    let body = json!({"asset_type": "GOLD", "user": "anna"});
    let answers = join_all((0..32).map(|_| send(admin.post("/wallets").json(&body)))).await;
    let mut named = Vec::new();
    let mut statuses: Vec<u16> = Vec::new();
    for answer in answers {
        statuses.push(answer.status().as_u16());
        let body: Value = answer.json().await.unwrap();
        named.push(body["id"].as_i64().or(body["wallet_id"].as_i64()).unwrap());
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (201, [409; 31].as_slice()));
    named.dedup();
    assert_eq!(named.len(), 1, "all name the one wallet: {named:?}");
    assert_eq!(count_in(&web, "wallets"), 1);
}

#[actix_web::test]
async fn a_credit_goes_into_the_opened_wallet_or_opens_one() {
    let (web, admin) = web_with_admin().await;
    let anna = caller(&web, "anna", Role::User).await;
    let opened = open(&anna, json!({"asset_type": "GOLD"})).await;
    for asset_type in ["GOLD", "PTS"] {
        let asset = id(&admin.create(&credit(1, asset_type, "7")).await[0]);
        assert_eq!(send(anna.claim(asset)).await.status(), 201);
    }
    let wallets = anna.walk("/wallets?").await;
    let shown = wallets.iter().map(|w| (text(&w["asset_type"]), text(&w["balance"]), w["version"].clone()));
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [("PTS".to_owned(), "7".to_owned(), json!(1)), ("GOLD".to_owned(), "7.00".to_owned(), json!(1))]
    );
    assert_eq!(wallets[1]["id"], opened["id"]);
    let refusal = send(anna.post("/wallets").json(&json!({"asset_type": "PTS"}))).await;
    assert_eq!(refusal.json::<Value>().await.unwrap()["wallet_id"], wallets[0]["id"]);
    audit(&web);
}

#[actix_web::test]
async fn users_see_their_own_wallets_and_admins_all() {
    let (web, admin) = web_with_admin().await;
    have_cash(&web);
    let (anna, ben) = (caller(&web, "anna", Role::User).await, caller(&web, "ben", Role::User).await);
    let till = Till::new(&web);
    let (a, b) = (user_id(&web, "anna"), user_id(&web, "ben"));
    till.post("2024-01-01T00:00:00Z", bonus(a, "10", "CASH")).await;
    till.post("2024-01-02T00:00:00Z", transfer(a, b, "4", "CASH")).await;
    till.post("2024-01-03T00:00:00Z", bonus(b, "3", "PTS")).await;
    let all = admin.walk("/wallets?limit=2").await;
    let shown = |rows: &[Value]| -> Vec<String> {
        let mut shown: Vec<_> =
            rows.iter().map(|w| [&w["user"], &w["asset_type"], &w["balance"]].map(text).join(" ")).collect();
        shown.sort();
        shown
    };
    assert_eq!(
        shown(&all),
        ["anna CASH 6.00", "ben CASH 4.00", "ben PTS 3", "treasury CASH -10.00", "treasury PTS -3"]
    );
    assert!(ids(&all).is_sorted_by(|newer, older| newer > older));
    for (caller, query, expected) in [
        (&anna, "", vec!["anna CASH 6.00"]),
        (&anna, "user=anna", vec!["anna CASH 6.00"]),
        (&anna, "asset_type=PTS", vec![]),
        (&ben, "", vec!["ben CASH 4.00", "ben PTS 3"]),
        (&ben, "user=me&asset_type=PTS&limit=1", vec!["ben PTS 3"]),
        (&admin, "user=ben", vec!["ben CASH 4.00", "ben PTS 3"]),
        (&admin, "user=me", vec![]),
        (&admin, "asset_type=PTS", vec!["ben PTS 3", "treasury PTS -3"]),
    ] {
        let rows = caller.walk(&format!("/wallets?{query}")).await;
        assert_eq!(shown(&rows), expected, "{query} by {}", caller.name);
    }
    let unknown = send(admin.get("/wallets?asset_type=SILVER")).await;
    assert_eq!(problem(unknown).await, is(404, "asset_type_not_found"));
    for wallet in &all {
        let path = format!("/wallets/{}", id(wallet));
        assert_eq!(&admin.read(&path).await, wallet);
        let owner = text(&wallet["user"]);
        for caller in [&anna, &ben] {
            for path in [path.clone(), format!("{path}/transactions")] {
                let answer = send(caller.get(&path)).await;
                if caller.name == owner {
                    assert_eq!(answer.status(), 200);
                } else {
                    assert_eq!(problem(answer).await, is(404, "not_found"), "{} at {path}", caller.name);
                }
            }
        }
    }
}

#[actix_web::test]
async fn what_names_no_wallet_is_not_found_and_what_no_list_takes_is_refused() {
    let (web, admin) = web_with_admin().await;
    let anna = caller(&web, "anna", Role::User).await;
    for wallet in ["0", "-1", "1.5", "x", "99999999999999999999", "999999"] {
        for path in [format!("/wallets/{wallet}"), format!("/wallets/{wallet}/transactions")] {
            assert_eq!(problem(send(admin.get(&path)).await).await, is(404, "not_found"), "{path}");
        }
    }
    for (query, status, code) in [
        ("user=root", 404, "user_not_found"),
        ("asset_type=gold", 404, "asset_type_not_found"),
        ("colour=red", 400, "malformed"),
        ("limit=0", 400, "malformed"),
        ("limit=201", 400, "malformed"),
        ("cursor=%00", 400, "invalid_cursor"),
        ("cursor=bm9uZQ", 400, "invalid_cursor"),
    ] {
        let answer = send(anna.get(&format!("/wallets?{query}"))).await;
        assert_eq!(problem(answer).await, is(status, code), "{query}");
    }
}
