//! Credits, balances and asset types by HTTP: lists and their pages, creation and its refusals, and
//! how credits run out.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{TimeDelta, Utc};
use coffer::domain::Role;
use coffer::jobs::{EXPIRY, Jobs, RunStatus};
use coffer::ledger::Clock;
use coffer::repo::assets::{self, NewAssets};
use coffer::repo::audit::Actor;
use coffer::repo::{Db, locks};
use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use futures::future::join_all;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use support::api::{Caller, caller, count, count_in, credit, id, text, web_with_admin};
use support::cluster::cluster;
use support::web::{is, problem, send};

/// Sends the same creation again and again under one key.
async fn is_made_once(admin: &Caller, path: &str, body: &Value, other: &Value) {
    let keyed = |body: &Value| send(admin.post(path).header("idempotency-key", "k").json(body));
    let answers = join_all((0..8).map(|_| keyed(body))).await;
    assert!(answers.iter().all(|answer| answer.status() == 201));
    let firsts = answers.iter().filter(|answer| !answer.headers().contains_key("idempotent-replayed")).count();
    let told = join_all(answers.into_iter().map(Response::text)).await;
    let told: BTreeSet<String> = told.into_iter().map(Result::unwrap).collect();
    assert_eq!((firsts, told.len()), (1, 1), "{told:?}");
    assert_eq!(problem(keyed(other).await).await, is(422, "idempotency_key_reused"));
}

#[actix_web::test]
async fn credits_and_campaigns_are_made_once_under_one_key() {
    let (web, admin) = web_with_admin().await;
    let refused = admin.post("/admin/assets").header("idempotency-key", "k").json(&credit(3, "SILVER", "2"));
    assert_eq!(send(refused).await.status(), 404, "what is refused uses no key up");
    is_made_once(&admin, "/admin/assets", &credit(3, "GOLD", "2"), &credit(3, "GOLD", "3")).await;
    assert_eq!(count_in(&web, "assets"), 3);
    let other = caller(&web, "rita", Role::Admin).await;
    let of_other = other.post("/admin/assets").header("idempotency-key", "k").json(&credit(3, "GOLD", "2"));
    assert!(!send(of_other).await.headers().contains_key("idempotent-replayed"), "each caller has keys of one's own");
    assert_eq!(count_in(&web, "assets"), 6);
    let campaign = |quantity: usize| {
        let mut body = credit(quantity, "GOLD", "2");
        body["per_user_limit"] = json!(1);
        body
    };
    let third = caller(&web, "rolf", Role::Admin).await;
    let mut ending = campaign(2);
    ending["ends_at"] = json!(Utc::now() + TimeDelta::minutes(2));
    is_made_once(&third, "/admin/campaigns", &ending, &campaign(3)).await;
    web.wait_seconds(180);
    let late = third.post("/admin/campaigns").header("idempotency-key", "k").json(&ending);
    assert_eq!(send(late).await.status(), 201, "it is over by now, and was made");
    assert_eq!((count_in(&web, "campaigns"), count_in(&web, "assets")), (1, 8));
}

/// The ids of a list's rows.
fn ids(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(id).collect()
}

#[actix_web::test]
async fn a_list_is_narrowed_by_every_filter() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let create = async |title: &str, description: &str, kind: &str, asset_type: &str| {
        let body = json!({
            "title": title, "description": description, "kind": kind, "asset_type": asset_type, "amount": 5,
        });
        id(&admin.create(&body).await[0])
    };
    let welcome = create("Welcome", "A warm hello", "signup", "GOLD").await;
    let friend = create("Bring a friend", "100% of us say hello", "referral", "PTS").await;
    let festive = create("Festive_Cashback", r"back\slash", "promotional", "GOLD").await;
    assert_eq!(send(user.claim(festive)).await.status(), 201);
    for (query, found) in [
        ("", vec![festive, friend, welcome]),
        ("kind=signup", vec![welcome]),
        ("kind=referral&asset_type=GOLD", vec![]),
        ("asset_type=GOLD", vec![festive, welcome]),
        ("asset_type=GOLD&status=available", vec![welcome]),
        ("status=claimed", vec![festive]),
        ("status=expired", vec![]),
        ("campaign_id=1", vec![]),
        ("q=HELLO", vec![friend, welcome]),
        ("q=hello&kind=signup", vec![welcome]),
        ("q=%25", vec![friend]),
        ("q=_", vec![festive]),
        ("q=%5C", vec![festive]),
        ("q=%27%3B--", vec![]),
        ("q=", vec![festive, friend, welcome]),
        ("q=+", vec![festive, friend, welcome]),
    ] {
        for caller in [&user, &admin] {
            assert_eq!(ids(&caller.walk(&format!("/assets?{query}")).await), found, "{query} by {}", caller.name);
        }
    }
    for query in ["status=lost", "kind=gift", "campaign_id=x", "colour=red", "limit=5&limit=6", "limit=", "limit=x"] {
        let answer = send(user.get(&format!("/assets?{query}"))).await;
        assert_eq!(problem(answer).await, is(400, "malformed"), "{query}");
    }
    let answer = send(user.get("/assets?asset_type=gold")).await;
    assert_eq!(problem(answer).await, is(404, "asset_type_not_found"));
}

#[actix_web::test]
async fn limits_and_cursors_that_no_list_gave_out_are_refused() {
    let (_web, admin) = web_with_admin().await;
    admin.issue(3, "GOLD", "1").await;
    for limit in ["0", "201", "-1", "1.5", "x", "99999999999999999999"] {
        let answer = send(admin.get(&format!("/assets?limit={limit}"))).await;
        assert_eq!(problem(answer).await, is(400, "malformed"), "{limit}");
    }
    let forged = ["7", "assets", "assets:", "assets:x", "assets:99999999999999999999", "assets:7 ", "claims:7"];
    let forged = forged.map(|text| URL_SAFE_NO_PAD.encode(text));
    for cursor in ["x", "!!", "bm9uc2Vuc2U", "_w"].into_iter().chain(forged.iter().map(String::as_str)) {
        let answer = send(admin.get(&format!("/assets?cursor={cursor}"))).await;
        assert_eq!(problem(answer).await, is(400, "invalid_cursor"), "{cursor}");
    }
    for (limit, found, more) in [(1, 1, true), (2, 2, true), (3, 3, false), (200, 3, false)] {
        let page = admin.read(&format!("/assets?limit={limit}")).await;
        assert_eq!((page["data"].as_array().unwrap().len(), page["next_cursor"].is_string()), (found, more));
    }
    assert_eq!(admin.read("/assets?limit=3").await["next_cursor"], Value::Null);
}

#[actix_web::test]
async fn a_cursor_of_a_time_that_no_database_knows_is_refused() {
    let (_web, admin) = web_with_admin().await;
    let ask = async |cursor: &str| {
        let cursor = URL_SAFE_NO_PAD.encode(cursor);
        send(admin.get(&format!("/claims?cursor={cursor}"))).await
    };
    for cursor in ["claims:-8334601228800000000.5", "claims:-1.5", "claims:99999999999999999999.5"] {
        assert_eq!(problem(ask(cursor).await).await, is(400, "invalid_cursor"), "{cursor}");
    }
    assert_eq!(ask("claims:1790000000000000.5").await.status(), 200);
}

#[actix_web::test]
async fn a_walk_sees_everything_once_whatever_comes_in_meanwhile() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "bert", Role::User).await;
    let first = admin.issue(60, "PTS", "1").await;
    for credit in first.iter().step_by(3) {
        assert_eq!(send(user.claim(*credit)).await.status(), 201);
    }
    for walker in [&user, &admin] {
        let before: BTreeSet<i64> = ids(&admin.walk("/assets?limit=200").await).into_iter().collect();
        let mut seen = Vec::new();
        let mut path = "/assets?limit=7".to_owned();
        loop {
            let page = walker.read(&path).await;
            seen.extend(ids(page["data"].as_array().unwrap()));
            // New ones come in front, and what lies ahead finds an owner.
            admin.issue(5, "PTS", "1").await;
            let ahead = first.iter().rev().find(|credit| **credit < seen[seen.len() - 1] && **credit % 3 == 0);
            if let Some(ahead) = ahead {
                assert!([200, 201].contains(&send(user.claim(*ahead)).await.status().as_u16()));
            }
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/assets?limit=7&cursor={cursor}");
        }
        assert!(seen.is_sorted_by(|newer, older| newer > older), "newest first, none twice: {seen:?}");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), before, "{}", walker.name);
    }
}

/// Posts a body to `/admin/assets` as it is.
async fn create(admin: &Caller, body: String) -> Response {
    send(admin.post("/admin/assets").header("content-type", "application/json").body(body)).await
}

/// The amount, as it stands, in an otherwise good body.
fn with_amount(amount: &str, asset_type: &str) -> String {
    format!(r#"{{"title":"T","kind":"signup","asset_type":"{asset_type}","amount":{amount}}}"#)
}

#[actix_web::test]
async fn an_amount_that_is_none_is_refused() {
    let (web, admin) = web_with_admin().await;
    let digits = "123456789012345678901234567890";
    let texts = [
        "-5.00",
        "0",
        "0.00",
        "-0",
        "NaN",
        "Infinity",
        "1e3",
        "1E3",
        "1e400",
        digits,
        "0.00001",
        "1,000",
        " 1",
        "1 ",
        "+1",
        "",
        ".",
        "1.",
        ".5",
        "0x10",
        "1_000",
        "１",
        "1.2.3",
        "--1",
        "1000000000001",
        "1000000000000.01",
    ];
    let numbers = ["-5.00", "0", "0.0", "-0", "1e3", "1e400", "1E-1", digits, "0.00001", "1000000000001", "5.001"];
    let amounts = texts.map(|text| format!("\"{text}\"")).into_iter().chain(numbers.map(str::to_owned));
    for amount in amounts {
        let answer = create(&admin, with_amount(&amount, "GOLD")).await;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert_eq!((status.as_u16(), &body["code"]), (422, &json!("invalid_amount")), "{amount}");
        assert_eq!(body["errors"][0]["field"], "amount");
    }
    for (amount, asset_type) in [("\"5.001\"", "GOLD"), ("5.5", "PTS"), ("\"5.0\"", "PTS")] {
        let answer = create(&admin, with_amount(amount, asset_type)).await;
        assert_eq!(problem(answer).await, is(422, "invalid_amount"), "{amount} {asset_type}");
    }
    for other in ["null", "true", "[1]", "{}", "01", "1,000", "NaN", "+1", ".5"] {
        let answer = create(&admin, with_amount(other, "GOLD")).await;
        assert_eq!(problem(answer).await, is(400, "malformed"), "{other}");
    }
    assert_eq!((count_in(&web, "assets"), count_in(&web, "audit_log")), (0, 0));
}

#[actix_web::test]
async fn an_amount_is_kept_digit_by_digit() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "cora", Role::User).await;
    for (sent, kept) in [
        ("100", "100.00"),
        ("100.5", "100.50"),
        ("0.29", "0.29"),
        ("\"0.07\"", "0.07"),
        ("\"007\"", "7.00"),
        ("999999999999.99", "999999999999.99"),
        ("1000000000000", "1000000000000.00"),
        ("\"1000000000000.00\"", "1000000000000.00"),
        ("90071992547.41", "90071992547.41"),
    ] {
        let answer = create(&admin, with_amount(sent, "GOLD")).await;
        let asset = answer.json::<Value>().await.unwrap()["data"][0].take();
        assert_eq!(asset["amount"], kept, "{sent}");
        let claim: Value = send(user.claim(id(&asset))).await.json().await.unwrap();
        assert_eq!(claim["claim"]["amount"], kept);
    }
    assert_eq!(user.balance("GOLD").await, "3090071992755.26", "their sum");
    let points = admin.create(&credit(1, "PTS", "12")).await;
    assert_eq!(points[0]["amount"], "12");
}

#[actix_web::test]
async fn a_field_that_cannot_be_is_named() {
    let (web, admin) = web_with_admin().await;
    let good = json!({"title": "T", "kind": "signup", "asset_type": "GOLD", "amount": "1"});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for body in [
        with("title", json!("")),
        with("title", json!(" \n ")),
        with("title", json!("ä".repeat(201))),
        with("description", json!("x".repeat(2_001))),
        with("kind", json!("gift")),
        with("kind", json!("Signup")),
        with("expires_at", json!(Utc::now() - TimeDelta::seconds(1))),
        with("expires_at", json!("2001-01-01T00:00:00+02:00")),
        with("quantity", json!(0)),
        with("quantity", json!(-1)),
        with("quantity", json!(10_001)),
        with("campaign_id", json!(12_345)),
    ] {
        let answer = create(&admin, body.to_string()).await;
        let status = answer.status();
        let found: Value = answer.json().await.unwrap();
        let wrong = body.as_object().unwrap().iter().find(|(field, value)| good[field.as_str()] != **value).unwrap().0;
        assert_eq!((status.as_u16(), &found["code"]), (422, &json!("invalid")), "{body}");
        assert_eq!(found["errors"][0]["field"], *wrong);
        assert!(!text(&found["errors"][0]["message"]).is_empty());
    }
    let several = json!({"title": "", "kind": "signup", "asset_type": "GOLD", "amount": "1", "quantity": 0});
    let answer: Value = create(&admin, several.to_string()).await.json().await.unwrap();
    assert_eq!(answer["errors"].as_array().unwrap().len(), 2, "all at once: {answer}");

    for (field, value) in [
        ("colour", json!("red")),
        ("quantity", json!(1.5)),
        ("quantity", json!("2")),
        ("title", json!(7)),
        ("expires_at", json!("tomorrow")),
        ("expires_at", json!("2999-01-01")),
        ("status", json!("claimed")),
    ] {
        let answer = create(&admin, with(field, value.clone()).to_string()).await;
        assert_eq!(problem(answer).await, is(400, "malformed"), "{field} {value}");
    }
    for field in ["title", "kind", "asset_type", "amount"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(field);
        assert_eq!(problem(create(&admin, body.to_string()).await).await, is(400, "malformed"), "no {field}");
    }
    for unknown in ["SILVER", "gold", "", "G", "GOLD "] {
        let answer = create(&admin, with("asset_type", json!(unknown)).to_string()).await;
        assert_eq!(problem(answer).await, is(404, "asset_type_not_found"), "{unknown:?}");
    }
    assert_eq!(problem(create(&admin, "{".to_owned()).await).await, is(400, "malformed"));
    let twice = good.to_string().replacen('{', r#"{"amount":"2","#, 1);
    assert_eq!(problem(create(&admin, twice).await).await, is(400, "malformed"));
    assert_eq!((count_in(&web, "assets"), count_in(&web, "audit_log")), (0, 0));
}

#[actix_web::test]
async fn only_admins_create_and_bodies_have_a_limit() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "dora", Role::User).await;
    let body = credit(1, "GOLD", "1");
    let answer = send(user.post("/admin/assets").json(&body)).await;
    assert_eq!(problem(answer).await, is(403, "forbidden"));
    let nobody = Client::new().post(web.url("/api/v1/admin/assets")).json(&body);
    for (request, code) in [
        (nobody.try_clone().unwrap(), "unauthenticated"),
        (nobody.try_clone().unwrap().bearer_auth("nonsense"), "unauthenticated"),
        (nobody.basic_auth("root", Some("wrong")), "invalid_credentials"),
    ] {
        let answer = send(request).await;
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        assert_eq!(problem(answer).await, is(401, code));
    }
    let mut large = credit(1, "GOLD", "1");
    large["description"] = json!("x".repeat(64 * 1024));
    assert_eq!(problem(create(&admin, large.to_string()).await).await, is(413, "too_large"));
    assert_eq!(count_in(&web, "assets"), 0);
}

#[actix_web::test]
async fn ten_thousand_credits_come_at_once_each_with_a_code_and_a_line_in_the_audit_log() {
    let (web, admin) = web_with_admin().await;
    let expires_at = Utc::now() + TimeDelta::days(1);
    let mut body = credit(10_000, "GOLD", "2.50");
    body["title"] = json!("  Ten thousand  ");
    body["expires_at"] = json!(expires_at.with_timezone(&chrono::FixedOffset::east_opt(7200).unwrap()));
    let request = admin.post("/admin/assets").header("x-request-id", "a-lot").json(&body);
    let mut answer: Value = send(request).await.json().await.unwrap();
    let assets = std::mem::take(answer["data"].as_array_mut().unwrap());
    assert_eq!(assets.len(), 10_000);
    assert!(ids(&assets).is_sorted_by(|a, b| a < b));
    let codes: BTreeSet<String> = assets.iter().map(|asset| text(&asset["code"])).collect();
    assert_eq!(codes.len(), 10_000);
    let first = &assets[0];
    assert_eq!(
        (&first["title"], &first["status"], &first["amount"], &first["version"], &first["claimed_by"]),
        (&json!("Ten thousand"), &json!("available"), &json!("2.50"), &json!(1), &Value::Null)
    );
    assert!(text(&first["expires_at"]).ends_with('Z'), "{first}");
    let audited = "audit_log l join users u on u.id = l.actor_id join assets a on l.target = 'asset:' || a.id
        where l.action = 'asset.create' and u.external_id = 'root' and l.request_id = 'a-lot'
            and l.ip_address = '127.0.0.1' and l.after ->> 'amount' = '2.50'";
    assert_eq!((count_in(&web, audited), count_in(&web, "audit_log")), (10_000, 10_000));
}

#[actix_web::test]
async fn credits_are_created_all_or_none() {
    let (web, admin) = web_with_admin().await;
    // The 70th row fails in the database, whatever the program thinks of it.
    let fail = "create function fail_one() returns trigger language plpgsql as
        $$ begin if new.target = 'asset:70' then raise exception 'no'; end if; return new; end $$;
        create trigger fail_one before insert on audit_log for each row execute function fail_one()";
    web.db.run_here(|conn| Ok(conn.batch_execute(fail)?)).unwrap();
    let answer = send(admin.post("/admin/assets").json(&credit(100, "GOLD", "1"))).await;
    assert_eq!(answer.status(), 500);
    assert_eq!((count_in(&web, "assets"), count_in(&web, "audit_log")), (0, 0));
    assert_eq!(admin.issue(1, "GOLD", "1").await.len(), 1);
}

#[actix_web::test]
async fn balances_are_for_oneself_and_for_admins() {
    let (web, admin) = web_with_admin().await;
    let (user, other) = (caller(&web, "emma", Role::User).await, caller(&web, "finn", Role::User).await);
    let credit = admin.issue(1, "GOLD", "12.5").await[0];
    assert_eq!(send(user.claim(credit)).await.status(), 201);
    let gold = json!({
        "user": "emma", "asset_type": "GOLD", "name": "Gold Coins", "balance": "12.50", "minimum_balance": "0.00",
    });
    let points = json!({
        "user": "emma", "asset_type": "PTS", "name": "Loyalty Points", "balance": "0", "minimum_balance": "0",
    });
    for (caller, name) in [(&user, "me"), (&user, "emma"), (&admin, "emma")] {
        let all = caller.read(&format!("/users/{name}/balances")).await;
        assert_eq!(all["data"], json!([gold, points]), "{name} by {}", caller.name);
        assert_eq!(caller.read(&format!("/users/{name}/balances/GOLD")).await, gold);
        assert_eq!(caller.read(&format!("/users/{name}/balances/PTS")).await, points);
    }
    assert_eq!(other.balance("GOLD").await, "0.00", "no wallet yet");
    assert_eq!(count_in(&web, "wallets where user_id is not null"), 1, "reading opens no wallet");
    for (caller, name) in [(&other, "emma"), (&other, "nobody"), (&user, "root"), (&admin, "nobody"), (&admin, "%00")] {
        for path in [format!("/users/{name}/balances"), format!("/users/{name}/balances/GOLD")] {
            assert_eq!(problem(send(caller.get(&path)).await).await, is(404, "user_not_found"), "{path}");
        }
    }
    for code in ["SILVER", "gold", "G", "%00"] {
        let answer = send(user.get(&format!("/users/me/balances/{code}"))).await;
        assert_eq!(problem(answer).await, is(404, "asset_type_not_found"), "{code}");
    }
    let nobody = send(Client::new().get(web.url("/api/v1/users/emma/balances"))).await;
    assert_eq!(problem(nobody).await, is(401, "unauthenticated"));
}

#[actix_web::test]
async fn asset_types_are_for_everybody() {
    let (web, _) = web_with_admin().await;
    let types: Value = send(Client::new().get(web.url("/api/v1/asset-types"))).await.json().await.unwrap();
    let gold =
        json!({"code": "GOLD", "name": "Gold Coins", "scale": 2, "minimum_balance": "0.00", "transferable": false});
    let points =
        json!({"code": "PTS", "name": "Loyalty Points", "scale": 0, "minimum_balance": "0", "transferable": false});
    assert_eq!(types, json!({"data": [gold, points], "next_cursor": null}));
}

/// Waits until something holds, for at most 20 seconds.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 20 seconds: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn of_two_instances_each_credit_is_expired_by_one_of_them_and_once() {
    let database = cluster().new_database();
    let pools = [Db::new(&database.url, 4), Db::new(&database.url, 4)];
    let now = Utc::now();
    let mut conn = database.connect();
    diesel::sql_query("insert into asset_types (code, name, scale) values ('GOLD', 'Gold Coins', 2)")
        .execute(&mut conn)
        .unwrap();
    for (quantity, expires_at) in
        [(2_500, Some(now + TimeDelta::hours(1))), (10, Some(now + TimeDelta::days(9))), (10, None)]
    {
        let new = NewAssets {
            title: "T".to_owned(),
            description: String::new(),
            kind: coffer::domain::AssetKind::Signup,
            asset_type: coffer::domain::AssetTypeCode::parse("GOLD").unwrap(),
            amount: coffer::domain::Amount::parse("1").unwrap(),
            expires_at,
            campaign_id: None,
            quantity,
        };
        assets::create(&mut conn, &Actor::default(), &new, now).unwrap();
    }
    // Both instances think that it is tomorrow, and both look for what is due when they start.
    let tomorrow: Clock = Arc::new(move || now + TimeDelta::days(1));
    let instances = pools.each_ref().map(|db| Jobs::start(db, &tomorrow, "http://localhost", None));
    let status = |jobs: &Jobs| jobs.runs().all()[EXPIRY].status;
    eventually("both have run", || instances.iter().all(|jobs| status(jobs) != RunStatus::Pending));
    let outcomes = instances.each_ref().map(status);
    assert!(outcomes.contains(&RunStatus::Ok) && !outcomes.contains(&RunStatus::Failed), "{outcomes:?}");
    assert_eq!(count(&mut conn, "assets where status = 'expired' and version = 2"), 2_500);
    assert_eq!(count(&mut conn, "assets where status = 'available' and version = 1"), 20);
}

#[test]
fn while_one_instance_is_at_a_job_another_leaves_it() {
    let database = cluster().new_database();
    let (one, other) = (Db::new(&database.url, 2), Db::new(&database.url, 2));
    let (enter, entered) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    let holder = std::thread::spawn(move || {
        locks::run_alone(&one, 7, || {
            enter.send(()).unwrap();
            let _ = left.recv();
            Ok("done")
        })
    });
    entered.recv().unwrap();
    let not_run = || -> coffer::error::Result<&str> { panic!("both run at once") };
    assert_eq!(locks::run_alone(&other, 7, not_run).unwrap(), None);
    assert_eq!(locks::run_alone(&other, 8, || Ok("another job")).unwrap(), Some("another job"));
    drop(leave);
    assert_eq!(holder.join().unwrap().unwrap(), Some("done"));
    assert_eq!(locks::run_alone(&other, 7, || Ok("its turn")).unwrap(), Some("its turn"));
}
