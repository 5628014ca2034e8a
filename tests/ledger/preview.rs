//! A look at what a command would do tells what it then does, and touches nothing.

use coffer::domain::posting::Command;
use coffer::domain::{Lane, Transaction};
use coffer::error::{Error, Refusal};
use coffer::ledger::{Outcome, preview};
use diesel::connection::SimpleConnection;
use proptest::test_runner::{Config, TestRunner};

use crate::batches::world;
use crate::support::books::{Answer, Books, Held, claim, claim_any, keyed, noon, spend, submit_all, transfer};
use crate::support::histories::history;

/// A transaction but for the rows of wallets that are not there yet.
fn without_rows(mut transaction: Transaction) -> Transaction {
    transaction.debit.wallet_id = None;
    transaction.credit.wallet_id = None;
    transaction
}

/// Fails unless what was seen is what was done.
fn compare(seen: Result<Transaction, Error>, done: Answer, command: &Command) {
    match (seen, done) {
        (Ok(seen), Ok(Outcome::Posted(posted))) => {
            for (seen, posted) in [(&seen.debit, &posted.debit), (&seen.credit, &posted.credit)] {
                assert!(seen.wallet_id.is_none() || seen.wallet_id == posted.wallet_id, "{command:?}");
            }
            assert_eq!(without_rows(seen), without_rows(posted), "{command:?}");
        }
        (Err(Error::Refused(Refusal::AlreadyClaimed)), Ok(Outcome::Again { .. })) => {}
        (Err(Error::Refused(seen)), Err(Error::Refused(refused))) => assert_eq!(seen, refused, "{command:?}"),
        (seen, done) => panic!("{command:?}: seen {seen:?}, done {done:?}"),
    }
}

#[test]
fn what_is_seen_of_any_command_of_a_random_history_is_what_it_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 12, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&history(30..50), |steps| {
        let books = Books::new();
        let world = world(&books);
        let ledger = books.ledger(1, 8);
        let mut conn = books.conn();
        for command in world.commands(&steps) {
            // Under a key, it may have happened before.
            let command = Command { idempotency: None, ..command };
            let seen = preview(&mut conn, Lane(0), noon(), &command);
            compare(seen, runtime.block_on(ledger.submit(command.clone())), &command);
        }
        Ok(())
    });
    run.unwrap();
}

#[tokio::test]
async fn to_look_takes_no_lock_waits_for_none_and_writes_nothing() {
    let books = Books::new();
    let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
    let campaign = books.campaign("2", "PTS", 1);
    let assets = books.assets_of(campaign, 2);
    books.endow(alice, "10", "PTS").await;
    let commands = [
        spend(alice, "10", "PTS"),
        transfer(alice, bob, "4", "PTS"),
        claim(bob, assets[1]),
        claim_any(alice, campaign),
        spend(alice, "11", "PTS"),
    ];
    let tables = ["transactions", "entries", "wallets", "claims", "idempotency_keys"];
    let counts = || tables.map(|table| books.number(&format!("select count(*) from {table}")));
    let before = (counts(), books.balances());
    let held = ["wallets", "assets", "campaigns", "users"].map(|table| books.hold(table));
    let mut conn = books.conn();
    conn.batch_execute("set lock_timeout = 50").unwrap();
    let looks = commands.each_ref().map(|command| preview(&mut conn, Lane(0), noon(), &keyed(command.clone(), "key")));
    assert!(looks[..4].iter().all(Result::is_ok), "{looks:?}");
    assert!(
        matches!(&looks[4], Err(Error::Refused(Refusal::InsufficientFunds { available, .. })) if available.at_scale(0) == "10")
    );
    held.into_iter().for_each(Held::release);
    assert_eq!((counts(), books.balances()), before);
    let ledger = books.ledger(1, 8);
    let [_, gift, ..] = commands;
    compare(
        preview(&mut conn, Lane(0), noon(), &gift),
        submit_all(&ledger, [gift.clone()]).await.pop().unwrap(),
        &gift,
    );
}
