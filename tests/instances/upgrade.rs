//! An upgrade of the schema while the instance of before serves.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coffer::domain::Role;
use diesel::connection::SimpleConnection;
use reqwest::Client;

use super::Pair;
use super::support::api::{Caller, count};
use super::support::web::{PASSWORD, send};

/// A migration that needs a table for itself for a moment.
const MIGRATION: &str = "2026-11-26-000036_api_key_forms";

/// Takes that migration back by its own `down.sql`, so that the next instance to start has something
/// to do; gives its version.
fn take_migration_back(pair: &Pair) -> String {
    let down = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(MIGRATION).join("down.sql");
    let version = MIGRATION.split('_').next().unwrap().replace('-', "");
    let mut conn = pair.database.connect();
    conn.batch_execute(&std::fs::read_to_string(down).unwrap()).unwrap();
    conn.batch_execute(&format!("delete from __diesel_schema_migrations where version = '{version}'")).unwrap();
    version
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_gives_way_to_those_who_are_served_and_is_done_when_it_can_be() {
    let pair = Pair::new(&[]);
    pair.have_user("alice", Role::User);
    let old = pair.installations[0].serve(&["serve", "--no-demo"]);
    let version = take_migration_back(&pair);
    let is_migrated = |pair: &Pair| {
        let migrated = format!("__diesel_schema_migrations where version = '{version}'");
        count(&mut pair.database.connect(), &migrated) == 1
    };
    assert!(!is_migrated(&pair));

    // A long report: the migration cannot have its lock, and whoever comes behind it would wait, too.
    let mut report = pair.database.connect();
    report
        .batch_execute(
            "begin;
             do $$ declare name text; begin
                 for name in select tablename from pg_tables where schemaname = 'public' loop
                     execute format('lock table %I in access share mode', name);
                 end loop;
             end $$",
        )
        .unwrap();
    let alice = Caller::sign_in(&Client::new(), &pair.installations[0].url(), "alice", PASSWORD).await;
    let goes_on = Arc::new(AtomicBool::new(true));
    let load = tokio::spawn({
        let goes_on = Arc::clone(&goes_on);
        async move {
            let mut served = 0;
            while goes_on.load(Ordering::Relaxed) {
                let answer = send(alice.get("/me/api-keys")).await;
                assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
                served += 1;
            }
            served
        }
    });
    let mut new = pair.installations[1].start(&["serve", "--no-demo"]);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(new.is_alive() && !is_migrated(&pair), "it waits for the report");
    report.batch_execute("rollback").unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !send_is_ok(&pair.url(1, "/health/ready")).await {
        assert!(std::time::Instant::now() < deadline, "the new one serves: {}", new.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(is_migrated(&pair));
    goes_on.store(false, Ordering::Relaxed);
    assert!(load.await.unwrap() > 10);
    assert!(new.log().contains("a migration waits for a lock"));
    drop(old);
}

async fn send_is_ok(url: &str) -> bool {
    Client::new().get(url).send().await.is_ok_and(|answer| answer.status() == 200)
}
