//! Commands that are allowed in one state of access only.

use coffer::error::{Error, Refusal};
use coffer::ledger::Outcome;

use crate::faults::wait_for_another_try;
use crate::proxy::{Cut, Proxy};
use crate::support::books::{Books, claim, clock_at, noon, spend};

#[tokio::test]
async fn what_is_allowed_in_another_state_of_access_is_not_posted() {
    let books = Books::new();
    let (alice, bob) = (books.user("alice"), books.user("bob"));
    books.endow(alice, "10", "GOLD").await;
    let ledger = books.ledger(1, 64);
    let before = books.access_state();
    let posted = ledger.submit_if_still(before, spend(alice, "1", "GOLD")).await;
    assert!(matches!(posted, Ok(Some(Outcome::Posted(_)))), "{posted:?}");
    books.freeze(bob);
    assert_ne!(before, books.access_state());
    // Those that come together do not share what becomes of them.
    let conditional = || ledger.submit_if_still(before, spend(alice, "1", "GOLD"));
    let (outdated, posted, also_outdated) = futures::join!(
        conditional(),
        ledger.submit_if_still(books.access_state(), spend(alice, "2", "GOLD")),
        conditional()
    );
    assert!(matches!((&outdated, &also_outdated), (Ok(None), Ok(None))), "{outdated:?}, {also_outdated:?}");
    assert!(matches!(posted, Ok(Some(Outcome::Posted(_)))), "{posted:?}");
    assert_eq!(books.balance(alice, "GOLD"), "7.00");
}

#[tokio::test]
async fn who_is_not_allowed_as_things_stand_learns_nothing_of_the_ledger() {
    let books = Books::new();
    let (alice, bob) = (books.user("alice"), books.user("bob"));
    let asset = books.asset("5", "GOLD");
    let ledger = books.ledger(1, 64);
    let before = books.access_state();
    ledger.submit(claim(alice, asset)).await.unwrap();
    let answer = ledger.submit_if_still(before, claim(bob, asset)).await;
    assert!(matches!(answer, Err(Error::Refused(Refusal::AlreadyClaimed))), "{answer:?}");
    // From then on not even what is known without the database, since that asks nobody how things stand.
    books.freeze(bob);
    for command in [claim(bob, asset), claim(alice, asset), spend(alice, "6", "GOLD"), spend(alice, "1", "NONE")] {
        let answer = ledger.submit_if_still(before, command.clone()).await;
        assert!(matches!(answer, Ok(None)), "{command:?}: {answer:?}");
    }
    assert_eq!(books.balance(alice, "GOLD"), "5.00");
}

#[tokio::test]
async fn what_a_late_commit_has_posted_is_told_although_access_has_changed_since() {
    let books = Books::new();
    let alice = books.user("alice");
    books.endow(alice, "10", "GOLD").await;
    let proxy = Proxy::to(&books.database.url);
    let ledger = books.ledger_at(proxy.conninfo(), 1, 8, &clock_at(noon()));
    let before = books.access_state();
    proxy.cut(&[Cut::Late]);
    let command = spend(alice, "10", "GOLD");
    let change = async {
        books.wait_for_blocked(1);
        books.run("update access_changes set number = 7");
        // That one knows of the change.
        wait_for_another_try(&books);
        proxy.release();
    };
    let (answer, ()) = futures::join!(ledger.submit_if_still(before, command.clone()), change);
    assert!(matches!(answer, Ok(Some(Outcome::Posted(_)))), "{answer:?}");
    assert_eq!((books.times_posted(command.transaction), books.balance(alice, "GOLD")), (1, "0.00".to_owned()));
}
