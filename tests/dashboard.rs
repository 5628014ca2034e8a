//! What admins see of the whole: figures, charts, proofs and jobs.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use chrono::{TimeDelta, Utc};
use coffer::domain::Role;
use coffer::repo::figures;
use diesel::connection::SimpleConnection;
use futures::future::join_all;
use reqwest::Client;
use serde_json::json;
use support::api::{Caller, audit, caller, count_in, hold_figures, web_with_admin};
use support::books::eventually;
use support::browser::Browser;
use support::browser::Screen::{Desk, Phone};
use support::browser::Scripts::{Off, On};
use support::web::{PASSWORD, Web, browser, is, page, problem, send, submit, texts};

/// A browser of the admin root.
async fn at_home(web: &Web) -> Client {
    let browser = browser();
    submit(web, &browser, "/login", &[("login", "root"), ("password", PASSWORD)]).await;
    browser
}

/// Posts a movement as an admin.
async fn movement(admin: &Caller, kind: &str, user: &str, amount: &str) {
    let body = json!({"type": kind, "user": user, "asset_type": "GOLD", "amount": amount});
    assert_eq!(send(admin.post("/transactions").json(&body)).await.status(), 201);
}

/// Sums of what was issued and returned, as text.
fn sums(web: &Web) -> Vec<(String, i64, String, String)> {
    let from = Utc::now().date_naive() - TimeDelta::days(29);
    let days = web.db.run_here(|conn| figures::days_since(conn, from)).unwrap();
    days.iter()
        .map(|day| {
            let kind = day.transaction_type.as_str().to_owned();
            (kind, day.transactions, day.issued.at_scale(2), day.returned.at_scale(2))
        })
        .collect()
}

#[actix_web::test]
async fn the_figures_are_the_same_before_and_after_the_job_and_however_often_it_runs() {
    let (web, admin) = web_with_admin().await;
    let _held = hold_figures(&web.db);
    let anna = caller(&web, "anna", Role::User).await;
    for asset in admin.issue(3, "GOLD", "5").await {
        assert_eq!(send(anna.claim(asset)).await.status(), 201);
    }
    movement(&admin, "top_up", "anna", "100").await;
    movement(&admin, "spend", "anna", "30.50").await;
    let expected = [("claim", 3, "15.00", "0.00"), ("spend", 1, "0.00", "30.50"), ("top_up", 1, "100.00", "0.00")]
        .map(|(kind, count, issued, returned)| (kind.to_owned(), count, issued.to_owned(), returned.to_owned()));
    assert_eq!(sums(&web), expected);
    // In the smallest steps, by several at once, and once more.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| while web.db.run_here(|conn| figures::roll_up(conn, 1)).unwrap() > 0 {});
        }
    });
    assert_eq!(web.db.run_here(|conn| figures::roll_up(conn, 100)).unwrap(), 0);
    assert_eq!(count_in(&web, "daily_figures"), 3);
    assert_eq!(sums(&web), expected);
    movement(&admin, "bonus", "anna", "1").await;
    assert_eq!(sums(&web).len(), 4, "what the job has not seen is among them");
}

#[actix_web::test]
async fn the_supply_is_counted_at_once_and_kept_where_that_takes_long() {
    let (web, admin) = web_with_admin().await;
    let _held = hold_figures(&web.db);
    admin.issue(4, "GOLD", "5").await;
    let browser = at_home(&web).await;
    assert_eq!(texts(&page(&web, &browser, "/admin").await, ".stat__value"), ["4", "0", "0"]);
    web.db.run_here(|conn| figures::keep_supply(conn, Utc::now())).unwrap();
    let slow = "update supply_counts set took_ms = 1000";
    web.db.run_here(|conn| conn.batch_execute(slow).map_err(coffer::error::Error::broken)).unwrap();
    admin.issue(1, "GOLD", "5").await;
    let html = page(&web, &browser, "/admin").await;
    assert_eq!(texts(&html, ".stat__value"), ["4", "0", "0"]);
    assert!(texts(&html, ".row__note").iter().any(|note| note.starts_with("Counted")), "{html}");
}

#[actix_web::test]
async fn the_trial_balance_is_that_of_now_and_tells_what_is_wrong() {
    let (web, admin) = web_with_admin().await;
    let anna = caller(&web, "anna", Role::User).await;
    let asset = admin.issue(1, "GOLD", "5").await[0];
    assert_eq!(send(anna.claim(asset)).await.status(), 201);
    movement(&admin, "top_up", "anna", "10").await;
    movement(&admin, "spend", "anna", "2").await;
    let proof = admin.read("/admin/ledger/trial-balance").await;
    assert_eq!(
        proof["data"][0],
        json!({
            "asset_type": "GOLD", "entries": "0.00", "balances": "0.00", "issued": "15.00", "outstanding": "13.00",
            "claimed": "5.00",
        })
    );
    assert!(proof["balanced"] == true && proof["invariants"].as_array().unwrap().len() == 11, "{proof}");
    assert_eq!(send(anna.get("/admin/ledger/trial-balance")).await.status(), 403);
    // Which the start asked for; there is one at a time.
    eventually("the first proof is over", || count_in(&web, "proofs where finished_at is not null") == 1);
    let damage = "set session_replication_role = replica;
                  update wallets set balance = balance + 1 where lane is null; reset session_replication_role";
    web.db.run_here(|conn| conn.batch_execute(damage).map_err(coffer::error::Error::broken)).unwrap();
    let proof = admin.read("/admin/ledger/trial-balance").await;
    assert_eq!((&proof["balanced"], &proof["data"][0]["balances"]), (&json!(false), &json!("1.00")));
    let browser = at_home(&web).await;
    assert_eq!(submit(&web, &browser, "/admin/ledger/check", &[]).await.status(), 303);
    let html = page(&web, &browser, "/admin/ledger").await;
    assert!(texts(&html, ".badge").contains(&"1 row breaks it".to_owned()), "{html}");
    assert!(texts(&html, "h2").iter().any(|words| words.starts_with("The books are wrong")), "{html}");
}

#[actix_web::test]
async fn many_ask_for_the_trial_balance_at_once_and_none_is_sent_away() {
    let (web, admin) = web_with_admin().await;
    movement(&admin, "top_up", "root", "100").await;
    let answers = join_all((0..24).map(|_| send(admin.get("/admin/ledger/trial-balance")))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200), "{answers:?}");
    audit(&web);
}

#[actix_web::test]
async fn while_large_books_are_proved_for_the_first_time_nobody_proves_them_beside_it() {
    let (web, admin) = web_with_admin().await;
    eventually("the first proof is over", || count_in(&web, "proofs where finished_at is not null") == 1);
    let began = "delete from proofs;
        insert into proofs (started_at, promises) values (now() - interval '10 seconds', 5)";
    web.db.run_here(|conn| Ok(conn.batch_execute(began)?)).unwrap();
    let answer = send(admin.get("/admin/ledger/trial-balance")).await;
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(problem(answer).await, is(503, "overloaded"));
}

#[actix_web::test]
async fn the_title_of_a_great_many_is_told_of_one_of_them() {
    let (web, admin) = web_with_admin().await;
    let home = at_home(&web).await;
    for (number, told) in [
        (1_000, "Created 1,000 credits: “Festive Cashback”"),
        (1_001, "Created 1,001 credits, “Festive Cashback” among them"),
    ] {
        admin.issue(number, "GOLD", "5").await;
        let html = page(&web, &home, "/admin").await;
        assert!(html.contains(told), "{told}");
    }
}

#[actix_web::test]
async fn every_proof_that_is_asked_for_is_kept_with_who_asked() {
    let (web, admin) = web_with_admin().await;
    admin.issue(1, "GOLD", "5").await;
    let browser = at_home(&web).await;
    // The first proof is the job's.
    while count_in(&web, "proofs where finished_at is not null") == 0 {
        tokio::task::yield_now().await;
    }
    let before = count_in(&web, "proofs");
    for _ in 0..3 {
        assert_eq!(submit(&web, &browser, "/admin/ledger/check", &[]).await.status(), 303);
    }
    assert_eq!(count_in(&web, "proofs") - before, 3);
    assert_eq!(count_in(&web, "proofs where asked_by is not null and verdict is not null"), 3);
    audit(&web);
}

/// Looks at the whole, asks for a proof, and sees what runs.
async fn look_around(screen: support::browser::Screen, scripts: support::browser::Scripts) {
    let (web, admin) = web_with_admin().await;
    let anna = caller(&web, "anna", Role::User).await;
    let asset = admin.issue(1, "GOLD", "5").await[0];
    assert_eq!(send(anna.claim(asset)).await.status(), 201);
    let browser = Browser::start(&web, screen, scripts).await;
    browser.open("/admin").await;
    browser.sign_in("root").await;
    browser.arrive("/admin").await;
    browser.see("h3", "Gold Coins").await;
    assert_eq!(browser.ask("document.querySelectorAll('.chart').length").await, json!(3));
    for path in ["/admin", "/admin/ledger", "/admin/jobs"] {
        browser.open(path).await;
        let widths = browser.ask("[document.documentElement.scrollWidth, window.innerWidth]").await;
        assert!(widths[0].as_u64() <= widths[1].as_u64(), "{path}: {widths}");
    }
    browser.open("/admin/ledger").await;
    browser.press("Check now").await;
    browser.see(".flash", "the books balance").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[actix_web::test]
async fn an_admin_looks_around_at_a_desk() {
    look_around(Desk, On).await;
}

#[actix_web::test]
async fn an_admin_looks_around_on_a_phone_without_scripts() {
    look_around(Phone, Off).await;
}
