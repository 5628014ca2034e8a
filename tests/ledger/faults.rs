//! Whatever breaks on the way, what was acknowledged is there, and nothing is there twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coffer::domain::posting::Command;
use coffer::error::Error;
use coffer::ledger::{Ledger, Outcome, Settings};
use coffer::repo::{self, Address, Db, Patience};
use diesel::Connection;
use diesel::connection::SimpleConnection;
use futures::future::join_all;

use crate::proxy::{Cut, Proxy};
use crate::support::books::{
    Answer, Books, bonus, claim, clock_at, enqueue, eventually, noon, race, spend, submit_all,
};

fn assert_posted(answer: &Answer, command: &Command) {
    assert!(matches!(answer, Ok(Outcome::Posted(t)) if t.id == command.transaction), "{answer:?}");
}

/// Waits until a posting thread has given up to wait for a lock, and waits again.
pub fn wait_for_another_try(books: &Books) {
    let waiting_since = || {
        books.words(
            "select query_start from pg_stat_activity
             where datname = current_database() and application_name = 'coffer' and wait_event_type = 'Lock'",
        )
    };
    books.wait_for_blocked(1);
    let first = waiting_since();
    eventually("another try waits", || {
        let now = waiting_since();
        !now.is_empty() && now != first
    });
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_made_again() {
    let books = Books::new();
    let alice = books.user("alice");
    let asset = books.asset("5", "GOLD");
    let proxy = Proxy::to(&books.database.url);
    let ledger = books.ledger_at(proxy.conninfo(), 1, 8, &clock_at(noon()));
    proxy.cut(&[Cut::Before, Cut::Before]);
    let command = claim(alice, asset);
    assert_posted(&ledger.submit(command.clone()).await, &command);
    assert_eq!(proxy.commits(), 3);
    assert_eq!(books.times_posted(command.transaction), 1);
    assert_eq!(books.balance(alice, "GOLD"), "5.00");
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_not_made_again() {
    let books = Books::new();
    let alice = books.user("alice");
    let asset = books.asset("5", "GOLD");
    let proxy = Proxy::to(&books.database.url);
    let ledger = books.ledger_at(proxy.conninfo(), 1, 8, &clock_at(noon()));
    let commands = [claim(alice, asset), bonus(alice, "7", "GOLD"), spend(alice, "12", "GOLD")];
    for command in commands {
        proxy.cut(&[Cut::After]);
        let before = proxy.commits();
        assert_posted(&ledger.submit(command.clone()).await, &command);
        assert_eq!(proxy.commits(), before + 1);
        assert_eq!(books.times_posted(command.transaction), 1);
    }
    assert_eq!(books.balance(alice, "GOLD"), "0.00");
}

#[tokio::test]
async fn after_a_lost_answer_every_command_of_a_batch_gets_its_own() {
    let books = Books::new();
    let alice = books.user("alice");
    books.endow(alice, "10", "GOLD").await;
    let proxy = Proxy::to(&books.database.url);
    let ledger = books.ledger_at(proxy.conninfo(), 1, 64, &clock_at(noon()));
    proxy.cut(&[Cut::After, Cut::Before, Cut::After]);
    let commands: Vec<_> = (0..30).map(|n| spend(alice, if n % 3 == 0 { "100" } else { "0.50" }, "GOLD")).collect();
    for (number, (answer, command)) in submit_all(&ledger, commands.clone()).await.iter().zip(&commands).enumerate() {
        if number % 3 == 0 {
            assert!(matches!(answer, Err(Error::Refused(_))), "{answer:?}");
        } else {
            assert_posted(answer, command);
        }
    }
    assert_eq!(books.balance(alice, "GOLD"), "0.00");
}

#[tokio::test]
async fn a_commit_that_arrives_late_counts_although_the_command_would_be_refused_after_it() {
    let books = Books::new();
    let alice = books.user("alice");
    books.endow(alice, "10", "GOLD").await;
    let proxy = Proxy::to(&books.database.url);
    let ledger = books.ledger_at(proxy.conninfo(), 1, 8, &clock_at(noon()));
    proxy.cut(&[Cut::Late]);
    let command = spend(alice, "10", "GOLD");
    let queued = enqueue(&ledger, [command.clone()]);
    // The next try has looked the transaction up in vain, and waits for the wallet.
    books.wait_for_blocked(1);
    proxy.release();
    assert_posted(&join_all(queued).await[0], &command);
    assert_eq!(books.times_posted(command.transaction), 1);
    assert_eq!(books.balance(alice, "GOLD"), "0.00");
}

#[tokio::test]
async fn a_commit_that_arrives_after_a_lock_time_out_counts() {
    let books = Books::new();
    let alice = books.user("alice");
    books.endow(alice, "10", "GOLD").await;
    let proxy = Proxy::to(&books.database.url);
    let ledger = books.ledger_at(proxy.conninfo(), 1, 8, &clock_at(noon()));
    proxy.cut(&[Cut::Late]);
    let commands = [spend(alice, "7", "GOLD"), spend(alice, "3", "GOLD")];
    // Both in one batch: the thread connects while they come in, or they are two batches.
    let queued = enqueue(&ledger, commands.clone());
    wait_for_another_try(&books);
    proxy.release();
    for (answer, command) in join_all(queued).await.iter().zip(&commands) {
        assert_posted(answer, command);
    }
    assert_eq!(books.balance(alice, "GOLD"), "0.00");
}

#[tokio::test]
async fn a_lost_connection_whose_server_side_lives_on_does_not_hold_its_wallets_for_long() {
    let books = Books::new();
    let alice = books.user("alice");
    books.endow(alice, "10", "GOLD").await;
    let proxy = Proxy::to(&books.database.url);
    let ledger = books.ledger_at(proxy.conninfo(), 1, 8, &clock_at(noon()));
    // As where a cable is cut: neither the commit nor the end of the connection arrives.
    proxy.cut(&[Cut::Late]);
    let command = spend(alice, "10", "GOLD");
    assert_posted(&ledger.submit(command.clone()).await, &command);
    assert_eq!(books.times_posted(command.transaction), 1);
    assert_eq!(books.balance(alice, "GOLD"), "0.00");
}

#[tokio::test]
async fn a_wallet_that_somebody_holds_for_long_delays_a_command_and_does_not_fail_it() {
    let books = Books::new();
    let alice = books.user("alice");
    books.endow(alice, "1", "GOLD").await;
    let ledger = books.ledger(1, 8);
    let held = books.hold_wallet(alice, "GOLD");
    let command = spend(alice, "1", "GOLD");
    let queued = enqueue(&ledger, [command.clone()]);
    wait_for_another_try(&books);
    held.release();
    assert_posted(&join_all(queued).await[0], &command);
}

#[tokio::test]
async fn where_the_outcome_cannot_be_learned_it_is_said_to_be_unknown() {
    let books = Books::new();
    let alice = books.user("alice");
    let proxy = Proxy::to(&books.database.url);
    let ledger = books.ledger_at(proxy.conninfo(), 1, 8, &clock_at(noon()));
    ledger.submit(bonus(alice, "1", "GOLD")).await.unwrap();
    proxy.cut(&[Cut::After]);
    let command = bonus(alice, "2", "GOLD");
    // New connections are refused from here on; the one that is open is cut in its next commit.
    proxy.close();
    let answer = ledger.submit(command.clone()).await;
    assert!(matches!(answer, Err(Error::CommitUnknown)), "{answer:?}");
    assert_eq!(books.times_posted(command.transaction), 1);
    let answer = ledger.submit(bonus(alice, "4", "GOLD")).await;
    assert!(matches!(answer, Err(Error::DatabaseUnavailable)), "{answer:?}");
    assert_eq!(books.balance(alice, "GOLD"), "3.00");
}

#[tokio::test]
async fn of_terminated_connections_no_acknowledged_command_is_lost_or_posted_twice() {
    let books = Books::new();
    let users = books.users("user", 8);
    let ledger = books.ledger(2, 16);
    let done = Arc::new(AtomicBool::new(false));
    let killer = {
        let (done, database) = (Arc::clone(&done), books.database.url.clone());
        std::thread::spawn(move || {
            use diesel::{Connection, RunQueryDsl};
            let mut conn = diesel::PgConnection::establish(&database).unwrap();
            let mut killed = 0;
            while killed < 12 && !done.load(Ordering::SeqCst) {
                // In the middle of a batch, wherever that is.
                killed += diesel::sql_query(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                     where datname = current_database() and application_name = 'coffer' and xact_start is not null
                     limit 1",
                )
                .execute(&mut conn)
                .unwrap();
                std::thread::park_timeout(Duration::from_millis(15));
            }
            killed
        })
    };
    let mut sent = Vec::new();
    for _ in 0..40 {
        let commands: Vec<_> =
            users.iter().flat_map(|user| [bonus(*user, "1", "GOLD"), bonus(*user, "2", "PTS")]).collect();
        let answers = race(&ledger, commands.clone()).await;
        for (answer, command) in answers.iter().zip(&commands) {
            assert_posted(answer, command);
        }
        sent.extend(commands);
    }
    done.store(true, Ordering::SeqCst);
    assert!(killer.join().unwrap() >= 3, "the connections were hardly ever in a batch");
    assert_eq!(books.number("select count(*) from transactions"), i64::try_from(sent.len()).unwrap());
    for user in &users {
        assert_eq!((books.balance(*user, "GOLD"), books.balance(*user, "PTS")), ("40.00".into(), "80".into()));
    }
}

#[test]
fn of_a_verb_whose_commit_got_no_answer_nobody_says_that_nothing_was_done() {
    for (cut, there) in [(Cut::After, 1), (Cut::Before, 0)] {
        let books = Books::new();
        let proxy = Proxy::to(&books.database.url);
        let db = Db::new(proxy.conninfo(), 1);
        proxy.cut(&[cut]);
        let outcome = db.run_here(|conn| {
            conn.transaction(|conn| {
                Ok(conn.batch_execute("insert into asset_types (code, name, scale) values ('EURO', 'Euro', 2)")?)
            })
        });
        assert!(matches!(outcome, Err(Error::CommitUnknown)), "{cut:?}: {outcome:?}");
        assert_eq!(books.number("select count(*) from asset_types where code = 'EURO'"), there, "{cut:?}");
        db.run_here(repo::ping).unwrap();
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_told_as_busy_and_has_done_nothing() {
    let books = Books::new();
    let alice = books.user("alice");
    books.endow(alice, "5", "GOLD").await;
    let patience = Patience { statement: Duration::from_millis(200), ..Patience::default() };
    let settings = Settings { address: Address::new(books.database.url.clone(), patience), threads: 1, batch_max: 8 };
    let ledger = Ledger::start(&settings, &clock_at(noon())).unwrap();
    let held = books.hold_wallet(alice, "GOLD");
    let answer = ledger.submit(spend(alice, "1", "GOLD")).await;
    assert!(matches!(answer, Err(Error::Overloaded)), "{answer:?}");
    held.release();
    assert_eq!(books.balance(alice, "GOLD"), "5.00");
    ledger.submit(spend(alice, "1", "GOLD")).await.unwrap();
    ledger.stop();
}
