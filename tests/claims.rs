//! Claiming by HTTP: one owner per credit, whatever races for it, and one claim per key, however
//! often it is sent.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "claims/redeeming.rs"]
mod redeeming;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use coffer::domain::Role;
use coffer::repo::assets;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use futures::StreamExt;
use futures::future::join_all;
use reqwest::Response;
use serde_json::{Value, json};
use support::api::{
    CONNECTIONS, audit, caller, code, count_in, credit, crowd, hold_expiry, id, sum, text, web_with_admin,
};
use support::web::{Web, is, problem, send};

#[actix_web::test]
async fn of_two_hundred_users_who_claim_one_credit_at_once_exactly_one_gets_it() {
    let (web, admin) = web_with_admin().await;
    let users = crowd(&web, 200).await;
    let credit = admin.issue(1, "GOLD", "100.00").await[0];
    let answers = join_all(users.iter().map(|user| send(user.claim(credit)))).await;

    let mut winners = Vec::new();
    for (user, answer) in users.iter().zip(answers) {
        match answer.status().as_u16() {
            201 => winners.push((user, answer.json::<Value>().await.unwrap())),
            _ => assert_eq!(problem(answer).await, is(409, "already_claimed")),
        }
    }
    let [(winner, claimed)] = &winners[..] else { panic!("{} winners", winners.len()) };
    assert_eq!((count_in(&web, "claims"), count_in(&web, "transactions"), count_in(&web, "entries")), (1, 1, 2));
    for user in &users {
        assert_eq!(user.balance("GOLD").await, if user.name == winner.name { "100.00" } else { "0.00" });
    }

    let again = send(winner.claim(credit)).await;
    assert_eq!(again.status(), 200);
    assert_eq!(&again.json::<Value>().await.unwrap(), claimed);
    let loser = users.iter().find(|user| user.name != winner.name).unwrap();
    assert_eq!(problem(send(loser.claim(credit)).await).await, is(409, "already_claimed"));
    audit(&web);
}

#[actix_web::test]
async fn whoever_comes_too_late_for_a_known_credit_is_told_so_from_memory() {
    let (web, admin) = web_with_admin().await;
    let (winner, loser) = (caller(&web, "alice", Role::User).await, caller(&web, "bob", Role::User).await);
    let credit = admin.issue(1, "GOLD", "100.00").await[0];
    assert_eq!(send(winner.claim(credit)).await.status(), 201);
    // Where claims go to the database, they wait for this one, and give up.
    let mut blocker = PgConnection::establish(web.conninfo()).unwrap();
    blocker.batch_execute("begin; lock table assets, claims in access exclusive mode").unwrap();
    assert_eq!(problem(send(loser.claim(credit)).await).await, is(409, "already_claimed"));
    blocker.batch_execute("rollback").unwrap();
    assert_eq!(send(winner.claim(credit)).await.status(), 200);
    audit(&web);
}

#[actix_web::test]
async fn when_two_hundred_users_try_all_of_fifty_credits_every_credit_gets_one_owner() {
    let (web, admin) = web_with_admin().await;
    let users = crowd(&web, 200).await;
    let mut amounts = BTreeMap::new();
    for amount in ["0.01", "10.00", "99.99", "1234.50", "7.00"] {
        amounts.extend(admin.issue(10, "GOLD", amount).await.into_iter().map(|credit| (credit, amount)));
    }
    let credits: Vec<i64> = amounts.keys().copied().collect();
    // All begin with the same credits, so that every one of them is fought for.
    let attempts = credits.iter().flat_map(|credit| users.iter().map(move |user| (user, *credit)));
    let answers: Vec<(&str, i64, u16, String)> = futures::stream::iter(attempts)
        .map(async |(user, credit)| {
            let answer = send(user.claim(credit)).await;
            let status = answer.status().as_u16();
            let code = if status == 201 { String::new() } else { code(answer).await };
            (user.name.as_str(), credit, status, code)
        })
        .buffer_unordered(CONNECTIONS)
        .collect()
        .await;

    let mut owners = BTreeMap::new();
    for (user, credit, status, code) in &answers {
        match status {
            201 => assert_eq!(owners.insert(*credit, *user), None, "credit {credit} has two owners"),
            status => assert_eq!((*status, code.as_str()), (409, "already_claimed")),
        }
    }
    assert_eq!((answers.len(), owners.len()), (10_000, 50));
    let seen = admin.walk("/assets?limit=20").await;
    assert!(seen.iter().all(|asset| asset["status"] == "claimed" && asset["claimed_by"] == owners[&id(asset)]));
    assert_eq!((seen.len(), count_in(&web, "claims"), count_in(&web, "transactions")), (50, 50, 50));
    let balances = join_all(users.iter().map(|user| user.balance("GOLD"))).await;
    assert_eq!(sum(balances.iter().map(String::as_str)), sum(amounts.values().copied()));
    audit(&web);
}

/// The names of an object's fields.
fn fields(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[actix_web::test]
async fn a_claim_is_answered_with_the_claim_and_the_balance() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let credits = admin.issue(2, "GOLD", "12.5").await;
    let answer = send(user.claim(credits[0]).header("x-request-id", "a-claim")).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (201, &"application/json".parse().unwrap())
    );
    assert_eq!(
        (&answer.headers()["x-request-id"], &answer.headers()["cache-control"]),
        (&"a-claim".parse().unwrap(), &"no-store".parse().unwrap())
    );
    assert!(!answer.headers().contains_key("idempotent-replayed"));
    let answer: Value = answer.json().await.unwrap();
    let claim = &answer["claim"];
    assert_eq!(fields(&answer), BTreeSet::from(["claim", "balance"]));
    assert_eq!(
        fields(claim),
        BTreeSet::from(["asset_id", "user_id", "amount", "asset_type", "claimed_at", "transaction_id"])
    );
    assert_eq!(
        (&claim["asset_id"], &claim["user_id"], &claim["amount"], &claim["asset_type"], &answer["balance"]),
        (&json!(credits[0]), &json!("anna"), &json!("12.50"), &json!("GOLD"), &json!("12.50"))
    );
    let claimed_at = text(&claim["claimed_at"]);
    assert!(claimed_at.ends_with('Z') && claimed_at.parse::<DateTime<Utc>>().is_ok(), "{claimed_at}");
    let transaction: uuid::Uuid = text(&claim["transaction_id"]).parse().unwrap();
    assert_eq!(transaction.get_version_num(), 7);

    let second: Value = send(user.claim(credits[1])).await.json().await.unwrap();
    assert_eq!(second["balance"], "25.00");
    let mut again: Value = send(user.claim(credits[0])).await.json().await.unwrap();
    assert_eq!((again["claim"].take(), &again["balance"]), (claim.clone(), &json!("25.00")), "the balance of now");

    let claims = user.read("/claims").await;
    let listed = &claims["data"][1];
    assert_eq!(claims["data"].as_array().unwrap().len(), 2);
    assert!(fields(claim).iter().all(|field| listed[field] == claim[field]), "{listed}");
    let asset = &listed["asset"];
    assert_eq!((&asset["title"], &asset["status"]), (&json!("Festive Cashback"), &json!("claimed")));
    assert_eq!(asset, &user.read(&format!("/assets/{}", credits[0])).await);
    assert_eq!(
        (&asset["claimed_by"], &asset["claimed_at"], &asset["transaction_id"]),
        (&json!("anna"), &claim["claimed_at"], &claim["transaction_id"])
    );
    audit(&web);
}

#[actix_web::test]
async fn what_names_no_credit_is_not_found() {
    let (web, _) = web_with_admin().await;
    let user = caller(&web, "bert", Role::User).await;
    for name in ["1", "0", "-1", "abc", "1.5", "1e3", "0x1", "%20", "99999999999999999999", "null"] {
        let claim = send(user.post(&format!("/assets/{name}/claim"))).await;
        assert_eq!(problem(claim).await, is(404, "not_found"), "{name}");
        let show = send(user.get(&format!("/assets/{name}"))).await;
        assert_eq!(problem(show).await, is(404, "not_found"), "{name}");
    }
}

#[actix_web::test]
async fn a_claim_takes_no_fields_but_the_key() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "cora", Role::User).await;
    let credit = admin.issue(1, "GOLD", "1").await[0];
    for body in [json!({"user": "root"}), json!({"amount": "5"}), json!([]), json!("x"), json!(null)] {
        let answer = send(user.claim(credit).json(&body)).await;
        assert_eq!(problem(answer).await, is(400, "malformed"), "{body}");
    }
    let text = user.claim(credit).header("content-type", "text/plain").body("{}");
    assert_eq!(problem(send(text).await).await, is(415, "unsupported_media_type"));
    assert_eq!(send(user.claim(credit).json(&json!({}))).await.status(), 201);
}

#[actix_web::test]
async fn an_expired_credit_cannot_be_claimed_although_the_job_has_not_run() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "dora", Role::User).await;
    let _held = hold_expiry(&web.db);
    let mut body = credit(2, "GOLD", "5.00");
    body["expires_at"] = json!(Utc::now() + TimeDelta::seconds(60));
    let credits: Vec<i64> = admin.create(&body).await.iter().map(id).collect();
    assert_eq!(send(user.claim(credits[0])).await.status(), 201);
    web.wait_seconds(61);
    assert_eq!(problem(send(user.claim(credits[1])).await).await, is(409, "asset_expired"));
    assert_eq!(send(user.claim(credits[0])).await.status(), 200, "its owner keeps it");
    assert_eq!(count_in(&web, "assets where status = 'available'"), 1, "the job has not run");

    assert_eq!(admin.read(&format!("/assets/{}", credits[1])).await["status"], "expired");
    assert_eq!(problem(send(user.get(&format!("/assets/{}", credits[1]))).await).await, is(404, "not_found"));
    assert_eq!(user.walk("/assets?status=available").await.len(), 0);
    assert_eq!(user.walk("/assets?status=expired").await.len(), 0);
    assert_eq!(admin.walk("/assets?status=available").await.len(), 0);
    assert_eq!(admin.walk("/assets?status=expired").await.iter().map(id).collect::<Vec<_>>(), [credits[1]]);
    assert_eq!(admin.walk("/assets?").await.len(), 2);
    audit(&web);
}

#[actix_web::test]
async fn claims_that_race_with_expiry_end_in_one_state_each() {
    let (web, admin) = web_with_admin().await;
    let users = crowd(&web, 8).await;
    let mut body = credit(400, "GOLD", "1.00");
    let expires_at = Utc::now() + TimeDelta::hours(1);
    body["expires_at"] = json!(expires_at);
    let credits: Vec<i64> = admin.create(&body).await.iter().map(id).collect();
    // The instance that expires has a clock that is ahead of the one that posts.
    let db = web.db.clone();
    let expiring = std::thread::spawn(move || {
        let mut left = 400;
        while left > 0 {
            let expired = db.run_here(|conn| assets::expire_due(conn, expires_at, 3)).unwrap();
            left = db.run_here(|conn| Ok(support::api::count(conn, "assets where status = 'available'"))).unwrap();
            assert!(expired <= 3);
        }
    });
    // From the other end, so that they meet.
    let attempts = credits.iter().rev().zip(users.iter().cycle());
    let answers: Vec<(i64, Response)> = futures::stream::iter(attempts)
        .map(async |(credit, user)| (*credit, send(user.claim(*credit)).await))
        .buffer_unordered(16)
        .collect()
        .await;
    let outcomes: BTreeMap<i64, String> = futures::stream::iter(answers)
        .then(async |(credit, answer)| match answer.status().as_u16() {
            201 => (credit, "claimed".to_owned()),
            _ => {
                assert_eq!(problem(answer).await, is(409, "asset_expired"));
                (credit, "expired".to_owned())
            }
        })
        .collect()
        .await;
    expiring.join().unwrap();
    let seen = admin.walk("/assets?limit=200").await;
    assert!(seen.iter().all(|asset| asset["status"] == outcomes[&id(asset)] && asset["version"] == 2), "{seen:?}");
    for outcome in ["claimed", "expired"] {
        assert!(outcomes.values().any(|found| found == outcome), "none was {outcome}: no race");
    }
    audit(&web);
}

#[actix_web::test]
async fn users_see_what_is_available_and_their_own_and_admins_see_all() {
    let (web, admin) = web_with_admin().await;
    let (mine, theirs) = (caller(&web, "emma", Role::User).await, caller(&web, "finn", Role::User).await);
    let credits = admin.issue(3, "GOLD", "5.00").await;
    assert_eq!(send(mine.claim(credits[0])).await.status(), 201);
    assert_eq!(send(theirs.claim(credits[1])).await.status(), 201);

    let ids = |rows: Vec<Value>| rows.iter().map(id).collect::<Vec<_>>();
    assert_eq!(ids(mine.walk("/assets?").await), [credits[2], credits[0]]);
    assert_eq!(ids(mine.walk("/assets?status=claimed").await), [credits[0]]);
    assert_eq!(ids(mine.walk("/assets?status=available").await), [credits[2]]);
    assert_eq!(ids(theirs.walk("/assets?").await), [credits[2], credits[1]]);
    assert_eq!(ids(admin.walk("/assets?").await), [credits[2], credits[1], credits[0]]);
    assert_eq!(problem(send(mine.get(&format!("/assets/{}", credits[1]))).await).await, is(404, "not_found"));
    for (caller, path, owner) in [(&mine, credits[0], json!("emma")), (&admin, credits[1], json!("finn"))] {
        let asset = caller.read(&format!("/assets/{path}")).await;
        assert_eq!((&asset["claimed_by"], &asset["status"]), (&owner, &json!("claimed")));
        assert!(asset["transaction_id"].is_string() && asset["claimed_at"].is_string(), "{asset}");
    }
    let public = ["id", "code", "title", "description", "kind", "asset_type", "amount", "status", "expires_at"];
    let public = public.into_iter().chain(["campaign_id", "created_at", "version"]).collect::<BTreeSet<_>>();
    let asset = mine.read(&format!("/assets/{}", credits[2])).await;
    assert_eq!(fields(&asset), public, "what is nobody's has no owner to show");
    let claims = mine.read("/claims").await;
    assert_eq!(ids(vec![claims["data"][0]["asset"].clone()]), [credits[0]]);
    assert_eq!(claims["data"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn ones_claims_are_paged_newest_first_each_once() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "gabi", Role::User).await;
    let credits = admin.issue(23, "PTS", "1").await;
    for credit in &credits {
        assert_eq!(send(user.claim(*credit)).await.status(), 201);
    }
    let claims: Vec<i64> =
        user.walk("/claims?limit=5").await.iter().map(|claim| claim["asset_id"].as_i64().unwrap()).collect();
    assert_eq!(claims, credits.iter().rev().copied().collect::<Vec<_>>());
    for (query, code) in [("limit=0", "malformed"), ("limit=201", "malformed"), ("cursor=MTI", "invalid_cursor")] {
        assert_eq!(problem(send(user.get(&format!("/claims?{query}"))).await).await, is(400, code), "{query}");
    }
}

#[actix_web::test]
async fn the_same_key_with_the_same_claim_gets_the_same_answer() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "hugo", Role::User).await;
    let credits = admin.issue(2, "GOLD", "5.00").await;
    let first = send(user.claim(credits[0]).header("idempotency-key", "k1")).await;
    assert_eq!(first.status(), 201);
    assert!(!first.headers().contains_key("idempotent-replayed"));
    let first = first.text().await.unwrap();
    // The balance has moved on meanwhile; the answer has not.
    assert_eq!(send(user.claim(credits[1])).await.status(), 201);
    for request in [
        user.claim(credits[0]).header("idempotency-key", "k1"),
        user.claim(credits[0]).json(&json!({"idempotency_key": "k1"})),
        user.claim(credits[0]).header("idempotency-key", "k1").json(&json!({"idempotency_key": "k1"})),
    ] {
        let again = send(request).await;
        assert_eq!((again.status().as_u16(), &again.headers()["idempotent-replayed"]), (201, &"true".parse().unwrap()));
        assert_eq!(again.text().await.unwrap(), first);
    }
    assert_eq!(count_in(&web, "transactions"), 2);
    audit(&web);
}

#[actix_web::test]
async fn a_key_that_does_not_fit_its_request_is_refused() {
    let (web, admin) = web_with_admin().await;
    let (user, other) = (caller(&web, "ines", Role::User).await, caller(&web, "jens", Role::User).await);
    let credits = admin.issue(3, "GOLD", "5.00").await;
    let keyed = |credit: i64, key: &str| user.claim(credit).header("idempotency-key", key);
    assert_eq!(send(keyed(credits[0], "k1")).await.status(), 201);
    assert_eq!(problem(send(keyed(credits[1], "k1")).await).await, is(422, "idempotency_key_reused"));
    let both = keyed(credits[1], "k2").json(&json!({"idempotency_key": "k3"}));
    assert_eq!(problem(send(both).await).await, is(400, "malformed"));
    for bad in ["", "a b", "\u{e9}", &"x".repeat(256)] {
        let answer = send(user.claim(credits[1]).json(&json!({"idempotency_key": bad}))).await;
        assert_eq!(problem(answer).await, is(400, "malformed"), "{bad}");
    }
    let answer = send(user.claim(credits[1]).json(&json!({"idempotency_key": 7}))).await;
    assert_eq!(problem(answer).await, is(400, "malformed"));
    assert_eq!(problem(send(keyed(credits[1], &"x".repeat(256))).await).await, is(400, "malformed"));
    assert_eq!(count_in(&web, "claims"), 1);

    assert_eq!(send(keyed(credits[1], &"x".repeat(255))).await.status(), 201);
    let theirs = send(other.claim(credits[2]).header("idempotency-key", "k1")).await;
    assert_eq!(theirs.status(), 201, "keys are per caller");
    audit(&web);
}

#[actix_web::test]
async fn a_refusal_is_not_remembered_under_its_key() {
    let (web, admin) = web_with_admin().await;
    let (user, other) = (caller(&web, "kara", Role::User).await, caller(&web, "lars", Role::User).await);
    let credits = admin.issue(2, "GOLD", "5.00").await;
    assert_eq!(send(other.claim(credits[0])).await.status(), 201);
    let keyed = |credit: i64| user.claim(credit).header("idempotency-key", "only-one");
    for _ in 0..2 {
        assert_eq!(problem(send(keyed(credits[0])).await).await, is(409, "already_claimed"));
    }
    assert_eq!(send(keyed(credits[1])).await.status(), 201);
}

#[actix_web::test]
async fn thirty_two_copies_of_a_claim_at_once_happen_once() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "mona", Role::User).await;
    let credit = admin.issue(1, "GOLD", "5.00").await[0];
    let copy = || send(user.claim(credit).header("idempotency-key", "k"));
    let answers = join_all((0..32).map(|_| copy())).await;
    assert!(answers.iter().all(|answer| answer.status() == 201));
    let replayed = answers.iter().filter(|answer| answer.headers().contains_key("idempotent-replayed")).count();
    assert_eq!(replayed, 31);
    let bodies: BTreeSet<String> =
        join_all(answers.into_iter().map(Response::text)).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!((count_in(&web, "transactions"), user.balance("GOLD").await.as_str()), (1, "5.00"));
    audit(&web);
}

#[actix_web::test]
async fn a_frozen_user_claims_nothing() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "nils", Role::User).await;
    let credit = admin.issue(1, "GOLD", "5.00").await[0];
    freeze(&web, "nils");
    let answer = send(user.claim(credit)).await;
    assert_eq!(problem(answer).await, is(403, "wallet_frozen"));
    assert_eq!(count_in(&web, "claims"), 0);
}

fn freeze(web: &Web, name: &str) {
    use diesel::RunQueryDsl;
    let freeze = format!("update users set status = 'frozen' where external_id = '{name}'");
    web.db.run_here(|conn| Ok(diesel::sql_query(freeze).execute(conn)?)).unwrap();
}
