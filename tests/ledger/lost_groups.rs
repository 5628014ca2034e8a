//! Groups whose commit breaks on the way: nothing of them is lost or there twice, and what was
//! answered is what is in the ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coffer::domain::posting::Command;
use coffer::ledger::{Outcome, Outcomes};
use diesel::{RunQueryDsl, sql_query};
use futures::future::join_all;

use crate::groups::{kinds, repeated, with_key};
use crate::proxy::{Cut, Proxy};
use crate::support::books::{
    Books, Running, bonus, claim, claim_any, clock_at, enqueue_together, keyed, noon, spend, submit_all, transfer,
};

/// A ledger whose commits pass a proxy.
fn ledger_behind(proxy: &Proxy, books: &Books) -> Running {
    books.ledger_at(proxy.conninfo(), 1, 64, &clock_at(noon()))
}

fn times_posted(books: &Books, commands: &[Command]) -> Vec<i64> {
    commands.iter().map(|command| books.times_posted(command.transaction)).collect()
}

#[tokio::test]
async fn a_group_whose_commit_or_its_answer_is_lost_is_posted_once() {
    for cuts in [&[Cut::Before, Cut::Before] as &[Cut], &[Cut::After], &[Cut::Before, Cut::After]] {
        for atomic in [true, false] {
            let books = Books::new();
            let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
            let campaign = books.campaign("2", "PTS", 2);
            books.assets_of(campaign, 9);
            let proxy = Proxy::to(&books.database.url);
            let ledger = ledger_behind(&proxy, &books);
            let mut commands: Vec<_> = (0..1_000).map(|_| bonus(alice, "1", "PTS")).collect();
            commands.extend([claim_any(alice, campaign), claim_any(alice, campaign)]);
            commands.push(transfer(alice, bob, "1004", "PTS"));
            proxy.cut(cuts);
            let told = kinds(ledger.submit_together(commands.clone(), atomic).await);
            assert_eq!(told, vec!["Posted"; 1_003], "{cuts:?}");
            assert_eq!(times_posted(&books, &commands), vec![1; 1_003]);
            assert_eq!((books.balance(alice, "PTS"), books.balance(bob, "PTS")), ("0".into(), "1004".into()));
        }
    }
}

#[tokio::test]
async fn a_refused_group_beside_a_lost_commit_stays_refused_and_leaves_no_trace() {
    let books = Books::new();
    let alice = books.user("alice");
    let proxy = Proxy::to(&books.database.url);
    let ledger = ledger_behind(&proxy, &books);
    proxy.cut(&[Cut::After, Cut::Before]);
    let refused = with_key(vec![bonus(alice, "1", "PTS"), spend(alice, "100", "PTS")], "key", 1);
    let posted = vec![bonus(alice, "5", "PTS"), spend(alice, "2", "PTS")];
    let each = vec![bonus(alice, "3", "PTS"), spend(alice, "100", "PTS"), spend(alice, "1", "PTS")];
    // They come in while the thread connects, or else each is a batch of its own.
    let groups = [(&refused, true), (&posted, true), (&each, false)];
    let queued = groups.map(|(commands, atomic)| enqueue_together(&ledger, commands.clone(), atomic));
    let told: Vec<_> = join_all(queued).await.into_iter().map(kinds).collect();
    assert_eq!(told[0], ["1 InsufficientFunds"]);
    assert_eq!(told[1], ["Posted", "Posted"]);
    assert_eq!(told[2], ["Posted", "InsufficientFunds", "Posted"]);
    assert_eq!(times_posted(&books, &[refused, posted, each].concat()), [0, 0, 1, 1, 1, 0, 1]);
    assert_eq!((books.balance(alice, "PTS").as_str(), books.number("select count(*) from idempotency_keys")), ("5", 0));
}

/// Alice owns a credit and has a bonus under a key; a group that repeats both, and then spends all.
async fn partly_done_before(books: &Books) -> (Vec<Command>, [&'static str; 4]) {
    let alice = books.user("alice");
    let asset = books.asset("10", "PTS");
    let gift = keyed(bonus(alice, "5", "PTS"), "gift");
    let earlier = [claim(alice, asset), gift.clone()];
    assert!(submit_all(&books.ledger(1, 8), earlier.clone()).await.iter().all(Result::is_ok));
    let [own, gift] = earlier;
    let commands = [repeated(&[own, gift]), vec![spend(alice, "9", "PTS"), spend(alice, "6", "PTS")]].concat();
    (commands, ["Again", "Replayed", "Posted", "Posted"])
}

#[tokio::test]
async fn an_atomic_group_that_was_partly_done_before_is_completed_once_after_a_lost_answer() {
    for cut in [Cut::Before, Cut::After] {
        let books = Books::new();
        let (commands, expected) = partly_done_before(&books).await;
        let proxy = Proxy::to(&books.database.url);
        let ledger = ledger_behind(&proxy, &books);
        proxy.cut(&[cut]);
        assert_eq!(kinds(ledger.submit_together(commands.clone(), true).await), expected);
        assert_eq!(times_posted(&books, &commands), [0, 0, 1, 1]);
        assert_eq!(books.words("select balance::int from wallets where user_id is not null"), ["0"]);
    }
}

#[tokio::test]
async fn an_atomic_group_whose_commit_arrives_late_counts_as_a_whole() {
    let books = Books::new();
    let (commands, expected) = partly_done_before(&books).await;
    let proxy = Proxy::to(&books.database.url);
    let ledger = ledger_behind(&proxy, &books);
    proxy.cut(&[Cut::Late]);
    // With all spent, the group would be refused.
    let queued = enqueue_together(&ledger, commands.clone(), true);
    books.wait_for_blocked(1);
    proxy.release();
    assert_eq!(kinds(queued.await), expected);
    assert_eq!(times_posted(&books, &commands), [0, 0, 1, 1]);
}

#[tokio::test]
async fn a_keyed_group_whose_commit_arrives_late_is_posted_once_and_its_repetition_replays() {
    let books = Books::new();
    let alice = books.user("alice");
    books.endow(alice, "5", "PTS").await;
    let campaign = books.campaign("2", "PTS", 1);
    books.assets_of(campaign, 2);
    for (atomic, key) in [(true, "all"), (false, "each")] {
        let proxy = Proxy::to(&books.database.url);
        let ledger = ledger_behind(&proxy, &books);
        proxy.cut(&[Cut::Late]);
        let refused = (!atomic).then(|| spend(alice, "1000", "PTS"));
        let (gift, spent) = (bonus(alice, "2", "PTS"), spend(alice, "2", "PTS"));
        let any = atomic.then(|| claim_any(alice, campaign));
        let commands = with_key([gift, spent].into_iter().chain(refused).chain(any).collect(), key, 1);
        let queued = enqueue_together(&ledger, commands.clone(), atomic);
        books.wait_for_blocked(1);
        proxy.release();
        let last = if atomic { "Posted" } else { "InsufficientFunds" };
        assert_eq!(kinds(queued.await), ["Posted", "Posted", last]);
        assert_eq!(times_posted(&books, &commands), [1, 1, i64::from(atomic)]);
        let last = if atomic { "Replayed" } else { "InsufficientFunds" };
        assert_eq!(kinds(ledger.submit_together(repeated(&commands), atomic).await), ["Replayed", "Replayed", last]);
    }
    assert_eq!(books.balance(alice, "PTS"), "7");
}

#[tokio::test]
async fn where_only_keys_were_to_be_written_a_lost_answer_changes_nothing() {
    for cut in [Cut::Before, Cut::After, Cut::Late] {
        let books = Books::new();
        let alice = books.user("alice");
        let assets = books.assets(2, "10", "PTS", None);
        let own: Vec<_> = assets.iter().map(|asset| claim(alice, *asset)).collect();
        assert!(submit_all(&books.ledger(1, 8), own.clone()).await.iter().all(Result::is_ok));
        let proxy = Proxy::to(&books.database.url);
        let ledger = ledger_behind(&proxy, &books);
        proxy.cut(&[cut]);
        let asked = with_key(repeated(&own), "key", 1);
        let queued = enqueue_together(&ledger, asked.clone(), true);
        if cut == Cut::Late {
            books.wait_for_blocked(1);
            proxy.release();
        }
        let told = queued.await.unwrap();
        let Outcomes::Each(each) = &told else { panic!("{told:?}") };
        for (outcome, own) in each.iter().zip(&own) {
            let Ok(Outcome::Again { transaction, balance, .. }) = outcome else { panic!("{outcome:?}") };
            assert_eq!((transaction.id, balance.at_scale(0).as_str()), (own.transaction, "20"));
        }
        assert_eq!(books.number("select count(*) from idempotency_keys"), 3);
        // The key tells the balance of then.
        books.endow(alice, "1", "PTS").await;
        let Ok(Outcomes::Each(later)) = ledger.submit_together(repeated(&asked), true).await else { panic!("none") };
        for outcome in later {
            let Ok(Outcome::Again { balance, replayed: true, .. }) = outcome else { panic!("{outcome:?}") };
            assert_eq!(balance.at_scale(0), "20");
        }
        assert_eq!(books.number("select count(*) from transactions"), 3);
    }
}

#[tokio::test]
async fn of_terminated_connections_no_group_is_lost_torn_or_posted_twice() {
    let books = Books::new();
    let users = books.users("user", 6);
    let ledger = books.ledger(2, 16);
    let done = Arc::new(AtomicBool::new(false));
    let killer = {
        let (done, mut conn) = (Arc::clone(&done), books.database.connect());
        std::thread::spawn(move || {
            let mut killed = 0;
            while killed < 12 && !done.load(Ordering::SeqCst) {
                killed += sql_query(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                     where datname = current_database() and application_name = 'coffer' and xact_start is not null
                         and pid <> pg_backend_pid() limit 1",
                )
                .execute(&mut conn)
                .unwrap();
                std::thread::park_timeout(std::time::Duration::from_millis(25));
            }
            killed
        })
    };
    let mut sent = Vec::new();
    for round in 0..25 {
        let groups: Vec<_> = users
            .iter()
            .map(|user| {
                let gift = bonus(*user, "7", "PTS");
                let first = if round % 2 == 0 { gift } else { keyed(gift, &format!("round-{round}")) };
                let mut group = vec![first];
                group.extend((0..7).map(|_| spend(*user, "1", "PTS")));
                group
            })
            .collect();
        let queued = groups.iter().map(|group| enqueue_together(&ledger, group.clone(), true));
        for told in join_all(queued).await.into_iter().map(kinds) {
            assert_eq!(told, vec!["Posted"; 8]);
        }
        sent.extend(groups.concat());
    }
    done.store(true, Ordering::SeqCst);
    assert!(killer.join().unwrap() >= 3, "the connections were hardly ever in a batch");
    assert_eq!(books.number("select count(*) from transactions"), i64::try_from(sent.len()).unwrap());
    assert!(users.iter().all(|user| books.balance(*user, "PTS") == "0"));
}
