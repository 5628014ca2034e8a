//! Campaigns by HTTP: who sees which, what their counts say at every moment, and how they come into
//! the world.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use chrono::{TimeDelta, Utc};
use coffer::domain::Role;
use coffer::error::Error;
use coffer::repo::campaigns::{self, CampaignFilter};
use coffer::repo::{PageRequest, users};
use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use serde_json::{Value, json};
use support::api::{Caller, audit, caller, count_in, credit, hold_expiry, id, text, web_with_admin};
use support::books::eventually;
use support::web::{Web, is, problem, send};

/// What an admin sends to create a campaign.
fn campaign(quantity: usize) -> Value {
    json!({
        "title": "Autumn", "description": "Leaves fall", "kind": "promotional", "asset_type": "GOLD",
        "amount": "2.5", "quantity": quantity,
    })
}

/// As [`campaign`], with one field that differs.
fn with(field: &str, value: Value) -> Value {
    let mut body = campaign(3);
    body[field] = value;
    body
}

/// Creates a campaign, which must succeed.
async fn create(admin: &Caller, body: &Value) -> Value {
    let answer = send(admin.post("/admin/campaigns").json(body)).await;
    assert_eq!(answer.status(), 201, "{body}");
    answer.json().await.unwrap()
}

/// The ids of a campaign's assets that can be claimed.
async fn credits(admin: &Caller, campaign: &Value) -> Vec<i64> {
    let path = format!("/assets?limit=200&status=available&campaign_id={}", id(campaign));
    admin.walk(&path).await.iter().map(id).collect()
}

/// How many assets are available, claimed, expired and the caller's.
async fn counts(caller: &Caller, campaign: &Value) -> [i64; 4] {
    let found = caller.read(&format!("/campaigns/{}", id(campaign))).await;
    ["available", "claimed", "expired", "claimed_by_me"].map(|name| found[name].as_i64().unwrap())
}

/// The ids of the campaigns that a caller sees.
async fn seen(caller: &Caller) -> Vec<i64> {
    caller.walk("/campaigns?limit=200").await.iter().map(id).collect()
}

fn pause(web: &Web, campaign: &Value) {
    let statement = format!("update campaigns set paused = true where id = {}", id(campaign));
    web.db.run_here(|conn| Ok(conn.batch_execute(&statement)?)).unwrap();
}

#[actix_web::test]
async fn a_campaign_comes_with_its_credits_and_its_lines_in_the_audit_log() {
    let (web, admin) = web_with_admin().await;
    let ends_at = Utc::now() + TimeDelta::days(1);
    let mut body = campaign(3);
    body["title"] = json!("  Autumn ");
    body["starts_at"] = json!("2020-01-01T02:00:00+02:00");
    body["ends_at"] = json!(ends_at);
    body["per_user_limit"] = json!(2);
    let created = create(&admin, &body).await;
    let ends_at = text(&created["ends_at"]);
    assert!(ends_at.ends_with('Z'), "{ends_at}");
    let found = admin.read(&format!("/campaigns/{}", id(&created))).await;
    assert_eq!(found, created);
    assert_eq!(
        created,
        json!({
            "id": created["id"], "title": "Autumn", "description": "Leaves fall", "kind": "promotional",
            "asset_type": "GOLD", "amount": "2.50", "status": "running", "paused": false, "version": 1, "starts_at": "2020-01-01T00:00:00Z",
            "ends_at": ends_at, "per_user_limit": 2, "available": 3, "claimed": 0, "expired": 0,
            "claimed_by_me": 0, "created_at": created["created_at"],
        })
    );
    for asset in admin.walk(&format!("/assets?campaign_id={}", id(&created))).await {
        for field in ["title", "description", "kind", "asset_type", "amount"] {
            assert_eq!(asset[field], created[field]);
        }
        assert_eq!((&asset["expires_at"], &asset["campaign_id"]), (&created["ends_at"], &created["id"]));
    }
    let audited = "audit_log l join campaigns c on l.target = 'campaign:' || c.id
        where l.action = 'campaign.create' and l.after ->> 'quantity' = '3' and l.after ->> 'amount' = '2.50'";
    assert_eq!(
        (
            count_in(&web, audited),
            count_in(&web, "audit_log where action = 'asset.create'"),
            count_in(&web, "audit_log")
        ),
        (1, 3, 4)
    );
}

#[actix_web::test]
async fn counts_follow_every_claim_and_every_expiry_before_any_job_runs() {
    let (web, admin) = web_with_admin().await;
    let (anna, bert) = (caller(&web, "anna", Role::User).await, caller(&web, "bert", Role::User).await);
    let _held = hold_expiry(&web.db);
    let mut body = campaign(4);
    body["per_user_limit"] = json!(2);
    body["ends_at"] = json!(Utc::now() + TimeDelta::seconds(60));
    let created = create(&admin, &body).await;
    let other = create(&admin, &campaign(7)).await;
    let credits = credits(&admin, &created).await;
    assert_eq!(counts(&anna, &created).await, [4, 0, 0, 0]);
    for (user, credit) in [(&anna, credits[0]), (&anna, credits[1]), (&bert, credits[2])] {
        assert_eq!(send(user.claim(credit)).await.status(), 201);
    }
    assert_eq!(counts(&anna, &created).await, [1, 3, 0, 2]);
    assert_eq!(counts(&bert, &created).await, [1, 3, 0, 1]);
    assert_eq!(counts(&admin, &created).await, [1, 3, 0, 0]);

    web.wait_seconds(61);
    assert_eq!(counts(&anna, &created).await, [0, 3, 1, 2]);
    assert_eq!(count_in(&web, "assets where status = 'expired'"), 0, "the job has not run");
    assert_eq!(counts(&anna, &other).await, [7, 0, 0, 0], "each its own");
    let listed = anna.walk("/campaigns?limit=1").await;
    assert_eq!(listed.iter().map(id).collect::<Vec<_>>(), [id(&other), id(&created)]);
    assert_eq!(listed[1], anna.read(&format!("/campaigns/{}", id(&created))).await, "list and single agree");
    audit(&web);
}

#[actix_web::test]
async fn users_see_what_runs_and_what_they_claimed_from_and_admins_see_all() {
    let (web, admin) = web_with_admin().await;
    let (anna, bert) = (caller(&web, "anna", Role::User).await, caller(&web, "bert", Role::User).await);
    let soon = |seconds: i64| json!(Utc::now() + TimeDelta::seconds(seconds));
    let always = create(&admin, &campaign(1)).await;
    let later = create(&admin, &with("starts_at", soon(60))).await;
    let short = create(&admin, &with("ends_at", soon(60))).await;
    let paused = create(&admin, &campaign(2)).await;
    assert_eq!(send(anna.claim(credits(&admin, &short).await[0])).await.status(), 201);
    assert_eq!(send(bert.claim(credits(&admin, &paused).await[0])).await.status(), 201);
    pause(&web, &paused);
    let [always, later, short, paused] = [&always, &later, &short, &paused].map(id);

    assert_eq!(seen(&anna).await, [short, always]);
    assert_eq!(seen(&bert).await, [paused, short, always]);
    assert_eq!(seen(&admin).await, [paused, short, later, always]);
    web.wait_seconds(61);
    assert_eq!(seen(&anna).await, [short, later, always], "its own claim keeps it in sight");
    assert_eq!(seen(&bert).await, [paused, later, always]);
    assert_eq!(seen(&admin).await, [paused, short, later, always]);
    let states: Vec<_> = admin.walk("/campaigns?").await.iter().map(|found| text(&found["status"])).collect();
    assert_eq!(states, ["paused", "ended", "running", "running"]);

    for (caller, hidden) in [(&anna, paused), (&bert, short), (&anna, 99), (&admin, 99)] {
        let answer = send(caller.get(&format!("/campaigns/{hidden}"))).await;
        assert_eq!(problem(answer).await, is(404, "not_found"), "{hidden} for {}", caller.name);
    }
    assert_eq!(anna.read(&format!("/campaigns/{short}")).await["status"], "ended");
    for malformed in ["0", "-1", &format!("+{always}"), &format!("0{always}"), "%201", "9223372036854775808", "x"] {
        let answer = send(admin.get(&format!("/campaigns/{malformed}"))).await;
        assert_eq!(problem(answer).await, is(404, "not_found"), "{malformed}");
    }
}

#[actix_web::test]
async fn a_campaign_is_scheduled_then_running_then_ended() {
    let (web, admin) = web_with_admin().await;
    let mut body = campaign(1);
    body["starts_at"] = json!(Utc::now() + TimeDelta::seconds(100));
    body["ends_at"] = json!(Utc::now() + TimeDelta::seconds(200));
    let path = format!("/campaigns/{}", id(&create(&admin, &body).await));
    for (wait, state) in [(0, "scheduled"), (101, "running"), (100, "ended")] {
        web.wait_seconds(wait);
        assert_eq!(admin.read(&path).await["status"], state);
    }
}

#[actix_web::test]
async fn campaigns_are_paged_newest_first_each_once() {
    let (_web, admin) = web_with_admin().await;
    let mut created = Vec::new();
    for _ in 0..7 {
        created.insert(0, id(&create(&admin, &campaign(1)).await));
    }
    for limit in [1, 2, 3, 7, 200] {
        let walked = admin.walk(&format!("/campaigns?limit={limit}")).await;
        assert_eq!(walked.iter().map(id).collect::<Vec<_>>(), created, "{limit}");
    }
    for (query, code) in [
        ("limit=0", "malformed"),
        ("limit=201", "malformed"),
        ("cursor=x", "invalid_cursor"),
        ("cursor=%00", "invalid_cursor"),
        ("status=running", "malformed"),
    ] {
        assert_eq!(problem(send(admin.get(&format!("/campaigns?{query}"))).await).await, is(400, code), "{query}");
    }
}

#[actix_web::test]
async fn every_field_that_cannot_be_is_named_and_nothing_is_written() {
    let (web, admin) = web_with_admin().await;
    let past = json!(Utc::now() - TimeDelta::seconds(1));
    for body in [
        with("title", json!(" ")),
        with("title", json!("ä".repeat(201))),
        with("title", json!("a\u{0}b")),
        with("description", json!("x".repeat(2_001))),
        with("description", json!("\u{0}")),
        with("kind", json!("gift")),
        with("quantity", json!(0)),
        with("quantity", json!(-1)),
        with("quantity", json!(10_001)),
        with("ends_at", past.clone()),
        with("ends_at", json!("+10000-01-01T00:00:00Z")),
        with("starts_at", json!("-100000-01-01T00:00:00Z")),
        with("per_user_limit", json!(0)),
        with("per_user_limit", json!(10_001)),
        with("per_user_limit", json!(4_294_967_297_i64)),
    ] {
        let answer = send(admin.post("/admin/campaigns").json(&body)).await;
        let (status, found): (_, Value) = (answer.status(), answer.json().await.unwrap());
        let good = campaign(3);
        let wrong = body.as_object().unwrap().iter().find(|(field, value)| good.get(*field) != Some(value)).unwrap().0;
        assert_eq!((status.as_u16(), &found["code"]), (422, &json!("invalid")), "{body}");
        assert_eq!((found["errors"].as_array().unwrap().len(), &found["errors"][0]["field"]), (1, &json!(wrong)));
    }
    let all_wrong = json!({
        "title": "", "description": "x".repeat(2_001), "kind": "gift", "asset_type": "GOLD", "amount": 0,
        "quantity": 0, "starts_at": "2999-01-01T00:00:00Z", "ends_at": "2998-01-01T00:00:00Z", "per_user_limit": 0,
    });
    let found: Value = send(admin.post("/admin/campaigns").json(&all_wrong)).await.json().await.unwrap();
    let mut fields: Vec<_> = found["errors"].as_array().unwrap().iter().map(|error| text(&error["field"])).collect();
    fields.sort();
    assert_eq!(fields, ["amount", "description", "ends_at", "kind", "per_user_limit", "quantity", "title"]);

    for (field, value, status, code) in [
        ("amount", json!("0"), 422, "invalid_amount"),
        ("amount", json!("1.001"), 422, "invalid_amount"),
        ("asset_type", json!("NONE"), 404, "asset_type_not_found"),
        ("asset_type", json!("gold"), 404, "asset_type_not_found"),
        ("paused", json!(true), 400, "malformed"),
        ("quantity", json!("3"), 400, "malformed"),
        ("quantity", json!(2.5), 400, "malformed"),
        ("starts_at", json!("tomorrow"), 400, "malformed"),
        ("title", Value::Null, 400, "malformed"),
    ] {
        let answer = send(admin.post("/admin/campaigns").json(&with(field, value.clone()))).await;
        assert_eq!(problem(answer).await, is(status, code), "{field} {value}");
    }
    for table in ["campaigns", "assets", "audit_log"] {
        assert_eq!(count_in(&web, table), 0, "{table}");
    }
}

#[actix_web::test]
async fn a_campaign_is_created_with_all_its_credits_or_not_at_all() {
    let (web, admin) = web_with_admin().await;
    // The last credit fails in the database, whatever the program thinks of it.
    let fail = "create function fail_one() returns trigger language plpgsql as
        $$ begin if new.target = 'asset:50' then raise exception 'no'; end if; return new; end $$;
        create trigger fail_one before insert on audit_log for each row execute function fail_one()";
    web.db.run_here(|conn| Ok(conn.batch_execute(fail)?)).unwrap();
    let answer = send(admin.post("/admin/campaigns").json(&campaign(50))).await;
    assert_eq!(problem(answer).await, is(500, "internal_error"));
    for table in ["campaigns", "assets", "audit_log"] {
        assert_eq!(count_in(&web, table), 0, "{table}");
    }
    let created = create(&admin, &campaign(50)).await;
    assert_eq!(counts(&admin, &created).await, [50, 0, 0, 0]);
}

#[actix_web::test]
async fn only_admins_create_campaigns_and_only_users_see_them() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let created = create(&admin, &campaign(1)).await;
    let body = json!({"title": ""});
    assert_eq!(problem(send(user.post("/admin/campaigns").json(&body)).await).await, is(403, "forbidden"));
    let nobody = reqwest::Client::new();
    for path in ["/api/v1/campaigns".to_owned(), format!("/api/v1/campaigns/{}", id(&created))] {
        assert_eq!(problem(send(nobody.get(web.url(&path))).await).await, is(401, "unauthenticated"), "{path}");
    }
    let answer = send(nobody.post(web.url("/api/v1/admin/campaigns")).json(&body)).await;
    assert_eq!(problem(answer).await, is(401, "unauthenticated"));
    assert_eq!(count_in(&web, "campaigns"), 1);
}

#[actix_web::test]
async fn a_credit_joins_only_a_campaign_of_its_own_asset_type() {
    let (_web, admin) = web_with_admin().await;
    let created = create(&admin, &campaign(1)).await;
    let mut body = credit(2, "PTS", "5");
    body["campaign_id"] = created["id"].clone();
    let answer = send(admin.post("/admin/assets").json(&body)).await;
    assert_eq!(answer.status(), 422);
    let found: Value = answer.json().await.unwrap();
    assert_eq!((&found["code"], &found["errors"][0]["field"]), (&json!("invalid"), &json!("asset_type")));
    body["asset_type"] = json!("GOLD");
    body["kind"] = json!("referral");
    assert_eq!(admin.create(&body).await.len(), 2);
    assert_eq!(counts(&admin, &created).await, [3, 0, 0, 0]);
}

#[derive(Debug, QueryableByName)]
struct Looks {
    #[diesel(sql_type = BigInt)]
    fetched: i64,
    #[diesel(sql_type = BigInt)]
    seq_scan: i64,
}

#[actix_web::test]
async fn the_counts_of_large_campaigns_come_from_the_index_alone() {
    let (web, admin) = web_with_admin().await;
    let user = caller(&web, "anna", Role::User).await;
    let _held = hold_expiry(&web.db);
    let large = create(&admin, &campaign(10_000)).await;
    // A page full of them, which nobody wants to send one by one.
    let more = "with more as (
            insert into campaigns (title, kind, asset_type, amount)
            select 'Large', 'signup', 'GOLD', 1 from generate_series(1, 19) returning id
        )
        insert into assets (code, title, kind, asset_type, amount, campaign_id, status, expires_at)
        select translate(lpad((more.id * 10000 + n)::text, 13, '2'), '01', 'XY'), 'Large', 'signup', 'GOLD', 1, more.id,
            case n % 2 when 0 then 'expired' else 'available' end, now() - interval '1 day' * (n % 4 - 2)
        from more, generate_series(1, 10000) n";
    let mut conn = PgConnection::establish(web.conninfo()).unwrap();
    conn.batch_execute(more).unwrap();
    // A job that has begun before may still look at what was there then.
    eventually("the index tells what is visible", || {
        conn.batch_execute("vacuum analyze assets").unwrap();
        count_in(&web, "pg_class where relname = 'assets' and relallvisible > relpages * 0.9") == 1
    });
    let credit = id(&admin.read(&format!("/assets?limit=1&campaign_id={}", id(&large))).await["data"][0]);
    assert_eq!(send(user.claim(credit)).await.status(), 201);
    let page = user.read("/campaigns").await;
    let totals: Vec<i64> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| ["available", "claimed", "expired"].iter().map(|name| row[*name].as_i64().unwrap()).sum())
        .collect();
    assert_eq!(totals, [10_000; 20]);
    assert_eq!(counts(&user, &large).await, [9_999, 1, 0, 1]);
    // How many rows a list looked up in the table itself, and how often it read all of it.
    let looks =
        "select coalesce(idx_tup_fetch, 0) as fetched, seq_scan from pg_stat_xact_user_tables where relname = 'assets'";
    let anna = web.db.run_here(|conn| users::by_external_id(conn, "anna")).unwrap().unwrap();
    // On a connection of its own, which has looked at nothing else.
    let seen = coffer::repo::connect(web.conninfo()).unwrap().transaction(|conn| {
        let filter = CampaignFilter::default();
        campaigns::page(conn, &anna, &filter, campaigns::USUAL, &PageRequest::first(20), Utc::now())?;
        sql_query(looks).get_result::<Looks>(conn).map_err(Error::broken)
    });
    let seen = seen.unwrap();
    assert!(seen.fetched < 1_000 && seen.seq_scan == 0, "{seen:?}");
}
