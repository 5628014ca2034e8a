//! Finding users, and what they may do.

use chrono::Utc;
use coffer::domain::Role;
use coffer::repo::users::picture;
use futures::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};

use crate::support::api::{Caller, audit, caller, count_in, text, web_with_admin};
use crate::support::web::{PASSWORD, Web, is, post, problem, queries, send};
use crate::{change, changed, column};

/// Registers somebody with names of all kinds; gives the public one.
async fn register(web: &Web, body: Value) -> String {
    let mut body = body;
    body["password"] = json!(PASSWORD);
    let answer = post(web, "/api/v1/auth/register", body).await;
    assert_eq!(answer.status(), 201);
    text(&answer.json::<Value>().await.unwrap()["user"]["id"])
}

async fn found(admin: &Caller, query: &str) -> Vec<String> {
    column(&admin.walk(&format!("/admin/users?{query}")).await, "id")
}

#[actix_web::test]
async fn a_user_is_found_by_every_name_whole_in_part_and_in_any_case() {
    let (web, admin) = web_with_admin().await;
    register(
        &web,
        json!({"external_id": "shop-7", "username": "asha.k", "email": "Asha@Example.org",
        "phone_number": "+919876543210"}),
    )
    .await;
    register(&web, json!({"external_id": "shop-8", "email": "natasha@example.com"})).await;
    for (query, ids) in [
        ("q=shop-7", vec!["shop-7"]),
        ("q=SHOP", vec!["shop-8", "shop-7"]),
        ("q=asha.k", vec!["shop-7"]),
        ("q=asha", vec!["shop-8", "shop-7"]),
        ("q=%20Asha%20", vec!["shop-8", "shop-7"]),
        ("q=asha%40example.org", vec!["shop-7"]),
        ("q=example", vec!["shop-8", "shop-7"]),
        ("q=%2B919876543210", vec!["shop-7"]),
        ("q=%2B91%2098765%2043210", vec!["shop-7"]),
        ("q=987654", vec!["shop-7"]),
        ("q=sh%25p", vec![]),
        ("q=sh_p", vec![]),
        ("q=nobody", vec![]),
        ("q=%00asha", vec!["shop-8", "shop-7"]),
        ("q=", vec!["shop-8", "shop-7", "root"]),
        ("role=admin", vec!["root"]),
        ("q=o&role=user", vec!["shop-8", "shop-7"]),
        ("status=frozen", vec![]),
    ] {
        assert_eq!(found(&admin, query).await, ids, "{query}");
    }
    let user = &admin.read("/admin/users?q=shop-7").await["data"][0];
    assert_eq!(user["phone_number"], "+919876543210");
    assert_eq!(
        (&user["email"], &user["role"], &user["status"]),
        (&json!("asha@example.org"), &json!("user"), &json!("active"))
    );
    assert_eq!(user.as_object().unwrap().len(), 7, "no more than /me shows");
    assert_eq!(problem(send(admin.get("/admin/users?status=gone")).await).await, is(400, "malformed"));
    let uma = caller(&web, "uma", Role::User).await;
    assert_eq!(problem(send(uma.get("/admin/users")).await).await, is(403, "forbidden"));
}

#[actix_web::test]
async fn the_list_comes_in_pages_newest_first() {
    let (web, admin) = web_with_admin().await;
    for name in ["anna", "ben", "cleo", "dora"] {
        web.have_user(name, Role::User);
    }
    for limit in [1, 2, 3, 50] {
        assert_eq!(found(&admin, &format!("limit={limit}")).await, ["dora", "cleo", "ben", "anna", "root"]);
    }
    let cursor = text(&admin.read("/admin/users?limit=1").await["next_cursor"]);
    assert_eq!(problem(send(admin.get(&format!("/assets?cursor={cursor}"))).await).await, is(400, "invalid_cursor"));
}

#[actix_web::test]
async fn a_freeze_bites_at_once_and_is_taken_back() {
    let (web, admin) = web_with_admin().await;
    let ben = caller(&web, "ben", Role::User).await;
    let credits = admin.issue(2, "GOLD", "5").await;
    let frozen = changed(&admin, "ben", "status", "frozen").await;
    assert_eq!((&frozen["id"], &frozen["status"]), (&json!("ben"), &json!("frozen")));
    assert_eq!(problem(send(ben.claim(credits[0])).await).await, is(403, "wallet_frozen"));
    assert_eq!(ben.read("/me").await["status"], "frozen");
    assert_eq!(changed(&admin, "ben", "status", "active").await["status"], "active");
    assert_eq!(send(ben.claim(credits[0])).await.status(), 201);
    let lines = admin.walk("/admin/audit-log?target=user:ben").await;
    assert_eq!(column(&lines, "action"), ["user.unfreeze", "user.freeze"]);
    assert_eq!((&lines[1]["before"], &lines[1]["after"]), (&json!({"status": "active"}), &json!({"status": "frozen"})));
    assert_eq!((&lines[1]["actor"], &lines[1]["reason"]), (&json!("root"), &json!("a test")));
    audit(&web);
}

#[actix_web::test]
async fn what_is_so_already_stays_without_a_line() {
    let (web, admin) = web_with_admin().await;
    web.have_user("ben", Role::User);
    changed(&admin, "ben", "status", "active").await;
    changed(&admin, "ben", "role", "user").await;
    changed(&admin, "me", "role", "admin").await;
    assert_eq!(count_in(&web, "audit_log"), 0);
    let both = json!({"status": "frozen", "role": "admin", "reason": "both"});
    assert_eq!(change(&admin, "ben", &both).await.status(), 200);
    assert_eq!(column(&admin.walk("/admin/audit-log?").await, "action"), ["user.make_admin", "user.freeze"]);
}

#[actix_web::test]
async fn a_change_says_what_and_why_about_somebody_who_is_there() {
    let (web, admin) = web_with_admin().await;
    web.have_user("ben", Role::User);
    for (body, field) in [
        (json!({"status": "frozen"}), "reason"),
        (json!({"status": "frozen", "reason": " "}), "reason"),
        (json!({"status": "frozen", "reason": "x".repeat(501)}), "reason"),
        (json!({"reason": "why"}), "status"),
        (json!({"status": "gone", "reason": "why"}), "status"),
        (json!({"role": "king", "reason": "why"}), "role"),
    ] {
        let answer = change(&admin, "ben", &body).await;
        assert_eq!(answer.status(), 422, "{body}");
        assert_eq!(answer.json::<Value>().await.unwrap()["errors"][0]["field"], field, "{body}");
    }
    let sound = json!({"status": "frozen", "reason": "why"});
    assert_eq!(problem(change(&admin, "nobody-here", &sound).await).await, is(404, "user_not_found"));
    let stray = json!({"status": "frozen", "reason": "why", "name": "x"});
    assert_eq!(problem(change(&admin, "ben", &stray).await).await, is(400, "malformed"));
    let uma = caller(&web, "uma", Role::User).await;
    assert_eq!(problem(change(&uma, "me", &sound).await).await, is(403, "forbidden"));
    assert_eq!(count_in(&web, "audit_log") + count_in(&web, "users where status = 'frozen'"), 0);
}

#[actix_web::test]
async fn the_last_active_admin_stays_one() {
    let (web, admin) = web_with_admin().await;
    let freeze = json!({"status": "frozen", "reason": "why"});
    let demote = json!({"role": "user", "reason": "why"});
    for body in [&freeze, &demote] {
        assert_eq!(problem(change(&admin, "me", body).await).await, is(409, "last_admin"));
    }
    web.have_user("other", Role::Admin);
    changed(&admin, "other", "status", "frozen").await;
    for body in [&freeze, &demote] {
        assert_eq!(
            problem(change(&admin, "root", body).await).await,
            is(409, "last_admin"),
            "a frozen one does not count"
        );
    }
    changed(&admin, "other", "status", "active").await;
    assert_eq!(change(&admin, "root", &demote).await.status(), 200);
    assert_eq!(problem(send(admin.get("/admin/users")).await).await, is(403, "forbidden"));
}

#[actix_web::test]
async fn of_two_admins_who_turn_on_each_other_at_once_one_stays() {
    let (web, one) = web_with_admin().await;
    let other = caller(&web, "other", Role::Admin).await;
    for round in 0..20 {
        let body = match round % 2 {
            0 => json!({"status": "frozen", "reason": "why"}),
            _ => json!({"role": "user", "reason": "why"}),
        };
        let answers = join_all([change(&one, "other", &body), change(&other, "root", &body)]).await;
        let mut fates = Vec::new();
        for answer in answers {
            fates.push(if answer.status() == 200 { is(200, "") } else { problem(answer).await });
        }
        fates.sort();
        // Whoever asks a moment later is no admin any more.
        assert_eq!(fates[0], is(200, ""), "{fates:?}");
        assert!([is(409, "last_admin"), is(403, "forbidden")].contains(&fates[1]), "{fates:?}");
        assert_eq!(count_in(&web, "users where role = 'admin' and status = 'active'"), 1);
        web.db
            .run_here(|conn| {
                Ok(diesel::RunQueryDsl::execute(
                    diesel::sql_query("update users set role = 'admin', status = 'active'"),
                    conn,
                )?)
            })
            .unwrap();
    }
    assert_eq!(count_in(&web, "audit_log"), 20);
}

#[actix_web::test]
async fn of_a_crowd_of_admins_who_all_demote_each_other_one_is_left() {
    let (web, root) = web_with_admin().await;
    let mut admins = vec![root];
    for name in ["adam", "bree", "carl", "dina", "eric"] {
        admins.push(caller(&web, name, Role::Admin).await);
    }
    let body = json!({"role": "user", "reason": "why"});
    let (body, admins) = (&body, &admins);
    let pairs = admins.iter().flat_map(|one| admins.iter().map(move |other| (one, other)));
    let asked = pairs.filter(|(one, other)| one.name != other.name).map(|(one, other)| change(one, &other.name, body));
    for answer in join_all(asked).await {
        assert!([200, 403, 409].contains(&answer.status().as_u16()), "{}", answer.status());
    }
    assert_eq!(count_in(&web, "users where role = 'admin'"), 1);
    assert_eq!(count_in(&web, "audit_log"), 5);
}

#[actix_web::test]
async fn whoever_becomes_an_admin_loses_older_api_keys_and_whoever_ceases_loses_the_rights() {
    let (web, admin) = web_with_admin().await;
    let ben = caller(&web, "ben", Role::User).await;
    let key = ben.by_api_key(&json!({"name": "old", "scopes": ["read", "write"]})).await;
    changed(&admin, "ben", "role", "admin").await;
    assert_eq!(problem(send(key.get("/me")).await).await, is(401, "unauthenticated"));
    assert_eq!(ben.read("/me").await["role"], "admin");
    let key = ben.by_api_key(&json!({"name": "new", "scopes": ["read", "write", "admin"]})).await;
    assert_eq!(send(key.get("/admin/users")).await.status(), 200);
    changed(&admin, "ben", "role", "user").await;
    for caller in [&ben, &key] {
        assert_eq!(problem(send(caller.get("/admin/users")).await).await, is(403, "forbidden"));
    }
}

#[actix_web::test]
async fn a_frozen_admin_is_no_admin_until_unfrozen() {
    let (web, admin) = web_with_admin().await;
    let ada = caller(&web, "ada", Role::Admin).await;
    let gift = json!({"type": "top_up", "user": "ada", "asset_type": "GOLD", "amount": "1"});
    changed(&admin, "ada", "status", "frozen").await;
    for answer in [
        send(ada.get("/admin/users")).await,
        send(ada.post("/admin/assets").json(&json!({}))).await,
        send(ada.post("/transactions").json(&gift)).await,
        change(&ada, "me", &json!({"status": "active", "reason": "why"})).await,
    ] {
        assert_eq!(problem(answer).await, is(403, "forbidden"));
    }
    assert_eq!(ada.read("/me").await["status"], "frozen");
    changed(&admin, "ada", "status", "active").await;
    assert_eq!(send(ada.post("/transactions").json(&gift)).await.status(), 201);
}

#[actix_web::test]
async fn the_picture_of_a_user_takes_as_many_queries_however_much_there_is() {
    let (web, admin) = web_with_admin().await;
    let ben = caller(&web, "ben", Role::User).await;
    let look = || queries(&web, |conn| picture::of(conn, "ben", Utc::now()));
    let (empty, few) = look();
    assert!(empty.claims.items.is_empty() && empty.wallets.is_empty());
    for credit in [admin.issue(12, "GOLD", "5").await, admin.issue(12, "PTS", "5").await].concat() {
        assert_eq!(send(ben.claim(credit)).await.status(), 201);
    }
    for word in ["frozen", "active", "frozen"] {
        changed(&admin, "ben", "status", word).await;
    }
    Caller::sign_in(&Client::new(), &web.url(""), "ben", PASSWORD).await;
    let (full, many) = look();
    assert_eq!((few, many), (7, 7));
    let found = (full.claims.items.len(), full.wallets.len(), full.activity.len(), full.sessions.items.len());
    assert_eq!(found, (10, 2, 10, 2));
    assert_eq!((full.suffered.items.len(), full.done.items.len()), (3, 0));
}
