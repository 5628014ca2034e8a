//! The pool, and those who give up waiting for it.

use std::time::Duration;

use coffer::error::Error;
use coffer::repo::Db;
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use tokio::time::{sleep, timeout};

use crate::support::books::Books;

fn sql(text: &'static str) -> impl FnOnce(&mut PgConnection) -> Result<(), Error> + Send {
    move |conn| Ok(conn.batch_execute(text)?)
}

#[test]
fn a_verb_that_nobody_waits_for_any_more_is_not_begun() {
    let books = Books::new();
    books.run("create table traces (left_by text)");
    let db = Db::new(&books.database.url, 2);
    // All that blocks has one thread, so that the second verb waits for the first.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let slow = tokio::spawn({
            let db = db.clone();
            async move { db.run(sql("select pg_sleep(2); insert into traces values ('slow')")).await }
        });
        sleep(Duration::from_millis(500)).await;
        let abandoned = db.run(sql("insert into traces values ('abandoned')"));
        assert!(timeout(Duration::from_millis(100), abandoned).await.is_err(), "it had no time to begin");
        slow.await.unwrap().unwrap();
        db.run(sql("insert into traces values ('next')")).await.unwrap();
    });
    assert_eq!(books.words("select left_by from traces"), ["slow", "next"]);
}

#[test]
fn a_connection_that_is_lost_while_it_lies_idle_fails_nobody() {
    let books = Books::new();
    let db = Db::new(&books.database.url, 1);
    db.run_here(sql("select 1")).unwrap();
    books.run(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()",
    );
    std::thread::sleep(Duration::from_secs(1));
    db.run_here(sql("select 1")).unwrap();
}
