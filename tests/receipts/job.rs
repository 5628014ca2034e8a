//! The job behind receipts: each is made once, those that fail are tried again and then given up,
//! and whatever happens to the process, none is lost.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use coffer::jobs::Stop;
use coffer::jobs::receipts::make_due;
use coffer::ledger::Clock;
use coffer::repo::{Db, receipts};
use diesel::connection::SimpleConnection;
use reqwest::Client;
use serde_json::{Value, json};

use crate::support::api::{Caller, count, count_in, text};
use crate::support::program::{Installation, eventually};
use crate::support::web::{browser, is, page, problem, send, submit, texts};
use crate::{Stage, awaited, receipt};

/// A database that refuses the file of every receipt, as one without space would.
const NO_SPACE: &str = "
    create function no_space() returns trigger language plpgsql as $$
    begin
        if new.status = 'ready' then raise exception 'no space left on device'; end if;
        return new;
    end $$;
    create trigger no_space before update on receipts for each row execute function no_space()";

fn run(stage: &Stage, sql: &str) {
    stage.web.db.run_here(|conn| conn.batch_execute(sql).map_err(Into::into)).unwrap();
}

/// A clock that is ahead, so that only whoever has it finds the receipts due.
fn ahead(by: TimeDelta) -> Clock {
    Arc::new(move || Utc::now() + by)
}

#[actix_web::test]
async fn every_new_transaction_gets_its_receipts_although_nobody_asks() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        stage.transfer("1", "").await;
    }
    assert_eq!(count_in(&stage.web, "receipts"), 0);
    stage.web.wait_seconds(120);
    eventually("receipts of 1 top-up and 3 transfers", || count_in(&stage.web, "receipts where status = 'ready'") == 7);
    assert_eq!(count_in(&stage.web, "receipts"), 7);
}

#[actix_web::test]
async fn of_many_workers_exactly_one_makes_each_receipt() {
    let stage = Stage::new().await;
    for _ in 0..40 {
        stage.transfer("0.01", "").await;
    }
    let later = Utc::now() + TimeDelta::minutes(10);
    let found = stage.web.db.run_here(|conn| receipts::discover(conn, later, 1_000)).unwrap();
    assert_eq!(found, 81);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let pool = Db::new(stage.web.conninfo(), 1);
            scope.spawn(move || {
                make_due(&pool, &ahead(TimeDelta::minutes(11)), "http://localhost", &Stop::default()).unwrap();
            });
        }
    });
    assert_eq!(count_in(&stage.web, "receipts where status = 'ready' and attempts = 1"), 81);
    assert_eq!(count_in(&stage.web, "receipts where status <> 'ready'"), 0);
}

#[actix_web::test]
async fn what_fails_three_times_is_given_up_until_an_admin_has_it_tried_again() {
    let stage = Stage::new().await;
    run(&stage, NO_SPACE);
    let id = stage.transfer("1", "").await;
    let path = format!("/transactions/{id}/receipt");
    assert_eq!(send(stage.asha.get(&path)).await.status(), 202);
    for attempts in 1..=3 {
        let status = if attempts < 3 { "pending" } else { "failed" };
        let tried = format!("receipts where attempts = {attempts} and status = '{status}' and error like '%no space%'");
        eventually("an attempt", || count_in(&stage.web, &tried) == 1);
        let status = if attempts < 3 { 202 } else { 409 };
        assert_eq!(send(stage.asha.get(&path)).await.status(), status);
        stage.web.wait_seconds(61);
    }
    assert_eq!(problem(send(stage.asha.get(&path)).await).await, is(409, "receipt_failed"));

    let asha = browser();
    let form = [("login", "asha"), ("password", crate::support::web::PASSWORD)];
    submit(&stage.web, &asha, "/login", &form).await;
    let told = texts(&page(&stage.web, &asha, &format!("/transactions/{id}")).await, ".note");
    assert!(told[0].contains("could not be made"), "{told:?}");

    let admin = browser();
    let form = [("login", "root"), ("password", crate::support::web::PASSWORD)];
    assert_eq!(submit(&stage.web, &admin, "/login", &form).await.status(), 303);
    let jobs = page(&stage.web, &admin, "/admin/jobs").await;
    assert!(texts(&jobs, "[aria-labelledby=receipts] td").iter().any(|cell| cell.contains("no space left")), "{jobs}");
    let action = jobs.split("action=\"").find(|part| part.starts_with("/admin/receipts/")).unwrap();
    let action = action.split('"').next().unwrap().to_owned();
    run(&stage, "drop trigger no_space on receipts");
    assert_eq!(submit(&stage.web, &admin, &action, &[]).await.headers()["location"], "/admin/jobs");
    assert!(page(&stage.web, &admin, "/admin/jobs").await.contains("The receipt is tried again now."));
    let (_, answer) = awaited(|| stage.asha.get(&path)).await;
    assert_eq!(answer.status(), 200);
    let lines = stage.admin.read("/admin/audit-log?action=receipt.retry").await;
    assert_eq!(lines["data"][0]["target"], format!("transaction:{id}"));
    assert_eq!(
        (&lines["data"][0]["before"]["receipt"], &lines["data"][0]["after"]["receipt"]),
        (&json!("failed"), &json!("pending"))
    );
    // Once more there is nothing to be tried.
    submit(&stage.web, &admin, &action, &[]).await;
    assert!(page(&stage.web, &admin, "/admin/jobs").await.contains("Nothing was changed."));
    assert_eq!(stage.admin.read("/admin/audit-log?action=receipt.retry").await["data"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn one_receipt_that_cannot_be_kept_does_not_hold_up_the_others() {
    let stage = Stage::new().await;
    let (bad, good) = (stage.transfer("1", "").await, stage.transfer("2", "").await);
    run(
        &stage,
        &NO_SPACE.replace("new.status = 'ready'", &format!("new.status = 'ready' and new.transaction_id = '{bad}'")),
    );
    for id in [&bad, &good] {
        assert_eq!(send(stage.asha.get(&format!("/transactions/{id}/receipt"))).await.status(), 202);
    }
    assert!(receipt(&stage.asha, &good).await.contains("−2.00 GOLD"));
    assert_eq!(send(stage.asha.get(&format!("/transactions/{bad}/receipt"))).await.status(), 202);
}

#[actix_web::test]
async fn a_file_is_cleared_away_after_a_week_and_made_again_the_same() {
    let stage = Stage::new().await;
    let id = stage.transfer("1", "Dinner").await;
    let before = receipt(&stage.asha, &id).await;
    let later = Utc::now() + TimeDelta::days(6);
    assert_eq!(stage.web.db.run_here(|conn| receipts::forget_old(conn, later, 100)).unwrap(), 0);
    let later = Utc::now() + TimeDelta::days(8);
    assert_eq!(stage.web.db.run_here(|conn| receipts::forget_old(conn, later, 100)).unwrap(), 1);
    assert_eq!(count_in(&stage.web, "receipts where status = 'cleared' and pdf is null"), 1);
    assert_eq!(receipt(&stage.asha, &id).await, before);
}

#[actix_web::test]
async fn the_job_says_how_it_is_doing() {
    let stage = Stage::new().await;
    let told = async || {
        let health = send(crate::anyone().get(stage.web.url("/health"))).await.json::<Value>().await.unwrap();
        health["jobs"]["receipts"].clone()
    };
    let first = async {
        while told().await["status"] != "ok" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), first).await.expect("the job runs every second");
    assert!(told().await["last_run"].is_string());
}

#[actix_web::test]
async fn a_receipt_is_made_after_a_crash_in_the_midst_of_it() {
    let installation = Installation::new().with("DEMO_PASSWORD", "three-quiet-walruses");
    let coffer = installation.serve(&[]);
    let asha = Caller::sign_in(&Client::new(), &installation.url(), "user_alice", "three-quiet-walruses").await;
    let id = text(&asha.read("/transactions?limit=1").await["data"][0]["id"]);
    let mut conn = installation.connect();
    let stuck = NO_SPACE.replace("raise exception 'no space left on device'", "perform pg_sleep(60)");
    conn.batch_execute(&stuck).unwrap();
    assert_eq!(send(asha.get(&format!("/transactions/{id}/receipt"))).await.status(), 202);
    eventually("an attempt", || count(&mut conn, "receipts where status = 'pending' and attempts = 1") >= 1);
    coffer.kill();
    let _ = conn.batch_execute("select pg_terminate_backend(pid) from pg_stat_activity where query like '%set status = ''ready''%' and pid <> pg_backend_pid()");
    conn.batch_execute("drop trigger no_space on receipts").unwrap();
    drop(conn);
    let coffer = installation.serve(&[]);
    let mut conn = installation.connect();
    conn.batch_execute("update receipts set next_attempt_at = now() where status = 'pending'").unwrap();
    let asha = Caller::sign_in(&Client::new(), &installation.url(), "user_alice", "three-quiet-walruses").await;
    let (_, answer) = awaited(|| asha.get(&format!("/transactions/{id}/receipt"))).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(count(&mut conn, "receipts where status = 'ready' and attempts = 2"), 1);
    drop(conn);
    coffer.stop();
}
