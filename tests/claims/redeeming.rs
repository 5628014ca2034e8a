//! Claiming by voucher code, and any credit of a campaign.

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use coffer::domain::Role;
use diesel::connection::SimpleConnection;
use futures::future::join_all;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::freeze;
use crate::support::api::{
    Caller, audit, caller, code, count_in, credit, crowd, hold_expiry, id, text, web_with_admin,
};
use crate::support::web::{Web, is, problem, send};

/// As many wrong codes are looked up at once; then one in so many seconds.
const WRONG_AT_ONCE: usize = 20;
const SECONDS_PER_GUESS: i64 = 30;

fn redeem(user: &Caller, body: &Value) -> RequestBuilder {
    user.post("/claims").json(body)
}

async fn by_code(user: &Caller, code: &str) -> Response {
    send(redeem(user, &json!({"code": code}))).await
}

async fn of_campaign(user: &Caller, campaign: i64) -> Response {
    send(redeem(user, &json!({"campaign_id": campaign}))).await
}

/// Credits and their voucher codes, without dashes.
async fn vouchers(admin: &Caller, body: &Value) -> Vec<(i64, String)> {
    let created = admin.create(body).await;
    created.iter().map(|asset| (id(asset), text(&asset["code"]).replace('-', ""))).collect()
}

/// A campaign of so many credits of 2.50 GOLD.
async fn campaign(admin: &Caller, quantity: usize, per_user_limit: usize) -> i64 {
    let body = json!({
        "title": "Autumn", "kind": "promotional", "asset_type": "GOLD", "amount": "2.5", "quantity": quantity,
        "per_user_limit": per_user_limit,
    });
    let answer = send(admin.post("/admin/campaigns").json(&body)).await;
    assert_eq!(answer.status(), 201);
    id(&answer.json().await.unwrap())
}

fn run(web: &Web, sql: &str) {
    web.db.run_here(|conn| Ok(conn.batch_execute(sql)?)).unwrap();
}

/// The id of the asset that was claimed by an answer of this status.
async fn claimed(answer: Response, status: u16) -> i64 {
    assert_eq!(answer.status(), status);
    answer.json::<Value>().await.unwrap()["claim"]["asset_id"].as_i64().unwrap()
}

#[actix_web::test]
async fn a_voucher_code_is_redeemed_however_it_is_written() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let spellings: [fn(&str) -> String; 5] = [
        str::to_owned,
        str::to_lowercase,
        |code| format!("{}-{}-{}", &code[..5], &code[5..10], &code[10..]),
        |code| format!("  {} {}\t{}\n", &code[..1], &code[1..4], code[4..].to_lowercase()),
        |code| code.chars().map(|character| format!("-{character}-")).collect(),
    ];
    for ((asset, code), spelling) in vouchers(&admin, &credit(5, "GOLD", "2")).await.into_iter().zip(spellings) {
        let written = spelling(&code);
        assert_eq!(claimed(by_code(&user, &written).await, 201).await, asset, "{written:?}");
        assert_eq!(claimed(by_code(&user, &written).await, 200).await, asset, "it is the caller's: {written:?}");
    }
    assert_eq!((user.balance("GOLD").await.as_str(), count_in(&web, "claims")), ("10.00", 5));
    audit(&web);
}

#[actix_web::test]
async fn a_code_that_names_no_claimable_credit_says_why() {
    let (web, admin) = web_with_admin().await;
    let (user, other) = (caller(&web, "bert", Role::User).await, caller(&web, "cora", Role::User).await);
    let _held = hold_expiry(&web.db);
    let (_, code) = vouchers(&admin, &credit(1, "GOLD", "2")).await.remove(0);
    // 0, 1, I and O are in no code, and stand for no other letter.
    let unknown =
        ["2222222222222", "", "-", "7KQ2M", "22222222222222", "222222222222I", "O222222222222", "2222222222é"];
    for wrong in unknown.map(str::to_owned).into_iter().chain([format!("{code}2"), code[1..].to_owned()]) {
        assert_eq!(problem(by_code(&user, &wrong).await).await, is(404, "not_found"), "{wrong:?}");
    }
    let won = claimed(by_code(&other, &code).await, 201).await;
    assert_eq!(problem(by_code(&user, &code).await).await, is(409, "already_claimed"));
    assert_eq!(claimed(by_code(&other, &code).await, 200).await, won);

    let mut brief = credit(1, "GOLD", "2");
    brief["expires_at"] = json!(Utc::now() + TimeDelta::seconds(60));
    let (_, code) = vouchers(&admin, &brief).await.remove(0);
    web.wait_seconds(61);
    assert_eq!(problem(by_code(&user, &code).await).await, is(409, "asset_expired"));

    let (_, code) = vouchers(&admin, &credit(1, "GOLD", "2")).await.remove(0);
    freeze(&web, "bert");
    assert_eq!(problem(by_code(&user, &code).await).await, is(403, "wallet_frozen"));
    assert_eq!(count_in(&web, "claims"), 1);
    audit(&web);
}

#[actix_web::test]
async fn a_claim_names_a_code_or_a_campaign_and_nothing_else() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "dora", Role::User).await;
    let running = campaign(&admin, 3, 3).await;
    let (_, code) = vouchers(&admin, &credit(1, "GOLD", "2")).await.remove(0);
    for body in [
        json!({}),
        json!({"code": null, "campaign_id": null}),
        json!({"code": code, "campaign_id": running}),
        json!({"code": "", "campaign_id": running}),
    ] {
        assert_eq!(problem(send(redeem(&user, &body)).await).await, is(422, "invalid"), "{body}");
    }
    assert_eq!(problem(send(user.post("/claims")).await).await, is(422, "invalid"));
    for body in [
        json!({"code": code, "user": "root"}),
        json!({"campaign_id": running, "quantity": 2}),
        json!({"code": 5}),
        json!({"campaign_id": "1"}),
        json!({"campaign_id": 1.5}),
        json!([code]),
        json!(code),
    ] {
        assert_eq!(problem(send(redeem(&user, &body)).await).await, is(400, "malformed"), "{body}");
    }
    assert_eq!(count_in(&web, "claims"), 0);
    assert_eq!(send(redeem(&user, &json!({"code": code, "campaign_id": null}))).await.status(), 201);
    assert_eq!(send(redeem(&user, &json!({"campaign_id": running}))).await.status(), 201);
}

#[actix_web::test]
async fn any_credit_of_a_campaign_is_given_until_the_limit_or_until_all_are_gone() {
    let (web, admin) = web_with_admin().await;
    let users = crowd(&web, 3).await;
    let running = campaign(&admin, 3, 2).await;
    let answer = of_campaign(&users[0], running).await;
    assert_eq!(answer.status(), 201);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["claim"]["user_id"], &answer["claim"]["amount"], &answer["balance"]),
        (&json!("user_0"), &json!("2.50"), &json!("2.50"))
    );
    let first = answer["claim"]["asset_id"].as_i64().unwrap();
    assert_eq!(users[0].read("/claims").await["data"][0]["asset"]["campaign_id"], json!(running));
    assert_ne!(claimed(of_campaign(&users[0], running).await, 201).await, first);
    assert_eq!(problem(of_campaign(&users[0], running).await).await, is(409, "claim_limit_reached"));
    let left = admin.walk(&format!("/assets?campaign_id={running}&status=available")).await;
    let direct = send(users[0].claim(id(&left[0]))).await;
    assert_eq!(problem(direct).await, is(409, "claim_limit_reached"), "by its number, too");
    let direct = by_code(&users[0], left[0]["code"].as_str().unwrap()).await;
    assert_eq!(problem(direct).await, is(409, "claim_limit_reached"), "and by its code");
    assert_eq!(claimed(of_campaign(&users[1], running).await, 201).await, id(&left[0]));
    assert_eq!(problem(of_campaign(&users[2], running).await).await, is(409, "sold_out"));
    assert_eq!(problem(of_campaign(&users[0], running).await).await, is(409, "claim_limit_reached"));
    for unknown in [running + 1, 0, -1, i64::MAX] {
        assert_eq!(problem(of_campaign(&users[2], unknown).await).await, is(404, "not_found"), "{unknown}");
    }
    audit(&web);
}

#[actix_web::test]
async fn a_campaign_that_does_not_run_gives_nothing_and_its_credits_are_not_shown() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "emil", Role::User).await;
    let held = campaign(&admin, 2, 2).await;
    let own = claimed(of_campaign(&user, held).await, 201).await;
    let left = &admin.walk(&format!("/assets?campaign_id={held}&status=available")).await[0];
    let path = format!("/assets/{}", id(left));
    for (state, runs) in [
        ("paused = true", false),
        ("paused = false, starts_at = now() + interval '1 hour'", false),
        ("starts_at = null, ends_at = now() - interval '1 hour'", false),
        ("ends_at = now() + interval '1 hour'", true),
    ] {
        run(&web, &format!("update campaigns set {state}"));
        let shown: Vec<i64> = user.walk("/assets?").await.iter().map(id).collect();
        let expected: BTreeSet<_> = [Some(own), runs.then(|| id(left))].into_iter().flatten().collect();
        assert_eq!(shown.into_iter().collect::<BTreeSet<_>>(), expected, "{state}");
        assert_eq!(user.walk("/assets?status=available").await.len(), usize::from(runs), "{state}");
        assert_eq!(send(user.get(&path)).await.status(), if runs { 200 } else { 404 }, "{state}");
        assert_eq!(admin.read(&path).await["status"], "available", "an admin sees it: {state}");
        if !runs {
            let code = left["code"].as_str().unwrap();
            for answer in [of_campaign(&user, held).await, send(user.claim(id(left))).await, by_code(&user, code).await]
            {
                assert_eq!(problem(answer).await, is(409, "campaign_not_running"), "{state}");
            }
            assert_eq!(send(user.claim(own)).await.status(), 200, "what one has stays: {state}");
        }
    }
    assert_eq!(claimed(of_campaign(&user, held).await, 201).await, id(left));
}

#[actix_web::test]
async fn the_same_request_gets_the_same_credit_of_a_campaign() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "fina", Role::User).await;
    let (one, other) = (campaign(&admin, 5, 5).await, campaign(&admin, 5, 5).await);
    let keyed = |campaign: i64| redeem(&user, &json!({"campaign_id": campaign})).header("idempotency-key", "k");
    let answers = join_all((0..16).map(|_| send(keyed(one)))).await;
    let replayed = answers.iter().filter(|answer| answer.headers().contains_key("idempotent-replayed")).count();
    assert_eq!(replayed, 15);
    let bodies = join_all(answers.into_iter().map(Response::text)).await;
    let bodies: BTreeSet<_> = bodies.into_iter().map(Result::unwrap).collect();
    assert_eq!((bodies.len(), count_in(&web, "claims")), (1, 1));
    assert_eq!(problem(send(keyed(other)).await).await, is(422, "idempotency_key_reused"));
    let in_body = json!({"campaign_id": one, "idempotency_key": "k"});
    assert_eq!(send(redeem(&user, &in_body)).await.text().await.unwrap(), *bodies.first().unwrap());
    let (asset, code) = vouchers(&admin, &credit(1, "GOLD", "2")).await.remove(0);
    let by_code = || send(redeem(&user, &json!({"code": code})).header("idempotency-key", "v"));
    assert_eq!(claimed(by_code().await, 201).await, asset);
    let again = by_code().await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(claimed(again, 201).await, asset, "by its key, and not since it is the caller's");
    audit(&web);
}

#[actix_web::test]
async fn who_guesses_codes_has_to_wait_and_nobody_else() {
    let (web, admin) = web_with_admin().await;
    let (guesser, other) = (caller(&web, "gero", Role::User).await, caller(&web, "hans", Role::User).await);
    let codes = vouchers(&admin, &credit(4, "GOLD", "2")).await;
    let mut codes = codes.iter().map(|(_, code)| code.as_str());
    for _ in 1..WRONG_AT_ONCE {
        assert_eq!(problem(by_code(&guesser, "2222222222222").await).await, is(404, "not_found"));
    }
    let right = codes.next().unwrap();
    assert_eq!(by_code(&guesser, right).await.status(), 201, "a right code costs nothing");
    assert_eq!(problem(by_code(&guesser, "no code at all").await).await, is(404, "not_found"));
    for code in ["2222222222222", right, codes.next().unwrap()] {
        let answer = by_code(&guesser, code).await;
        let wait: i64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=SECONDS_PER_GUESS).contains(&wait), "{wait}");
        assert_eq!(problem(answer).await, is(429, "rate_limited"));
    }
    assert_eq!(by_code(&other, codes.next().unwrap()).await.status(), 201, "others are not in debt");
    let running = campaign(&admin, 1, 1).await;
    assert_eq!(of_campaign(&guesser, running).await.status(), 201, "to claim without a code is no guess");
    web.wait_seconds(SECONDS_PER_GUESS);
    assert_eq!(by_code(&guesser, codes.next().unwrap()).await.status(), 201);
    assert_eq!(problem(by_code(&guesser, "2222222222222").await).await, is(404, "not_found"));
    assert_eq!(problem(by_code(&guesser, "2222222222222").await).await, is(429, "rate_limited"));
}

#[actix_web::test]
async fn of_sixty_four_users_at_once_ten_get_the_ten_credits_of_a_campaign() {
    let (web, admin) = web_with_admin().await;
    let users = crowd(&web, 64).await;
    let running = campaign(&admin, 10, 1).await;
    let answers = join_all(users.iter().map(|user| of_campaign(user, running))).await;
    let mut assets = BTreeSet::new();
    let mut sold_out = 0;
    for answer in answers {
        match answer.status().as_u16() {
            201 => assert!(assets.insert(claimed(answer, 201).await), "a credit has two owners"),
            status => {
                assert_eq!((status, code(answer).await.as_str()), (409, "sold_out"));
                sold_out += 1;
            }
        }
    }
    assert_eq!((assets.len(), sold_out), (10, 54));
    assert_eq!((count_in(&web, "claims"), count_in(&web, "transactions")), (10, 10));
    audit(&web);
}

#[actix_web::test]
async fn of_many_wrong_codes_at_once_few_more_than_twenty_are_looked_up_and_right_ones_are_all_heard() {
    let (web, admin) = web_with_admin().await;
    let guesser = caller(&web, "guesser", Role::User).await;
    let other = caller(&web, "other", Role::User).await;
    let codes = vouchers(&admin, &credit(1, "GOLD", "2")).await;
    let answers = join_all((0..100).map(|_| by_code(&guesser, "2222222222222"))).await;
    let tried = answers.iter().filter(|answer| answer.status() == 404).count();
    assert!((WRONG_AT_ONCE..WRONG_AT_ONCE + 3).contains(&tried), "{tried}");
    assert!(answers.iter().all(|answer| [404, 429].contains(&answer.status().as_u16())));
    let answers = join_all((0..60).map(|_| by_code(&other, &codes[0].1))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 59], vec![201]].concat());
}
