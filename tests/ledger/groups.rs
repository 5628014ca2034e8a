//! Commands that were submitted together: of an atomic group all or none, of another each.

use coffer::domain::posting::{Action, Book, Command, Idempotency, decide};
use coffer::error::Error;
use coffer::ledger::{Outcome, Outcomes};
use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::batches::{book, world};
use crate::support::books::{
    Books, Plug, QueuedGroup, again, bonus, claim, claim_any, enqueue, enqueue_together, spend, transfer,
};
use crate::support::histories::{Fate, history};

/// What an answer says of each command, in words; of an atomic group that was refused, only of those
/// that were at fault.
pub fn kinds(answer: Result<Outcomes, Error>) -> Vec<String> {
    match answer.unwrap() {
        Outcomes::Each(each) => {
            each.into_iter().map(|outcome| Fate::from(outcome.map_err(Error::from)).kind()).collect()
        }
        Outcomes::NoneOf(refused) => {
            refused.into_iter().map(|(place, refusal)| format!("{place} {}", Fate::Refused(refusal).kind())).collect()
        }
    }
}

/// The commands as the items of one request with one key.
pub fn with_key(commands: Vec<Command>, key: &str, request: u8) -> Vec<Command> {
    let keyed = |(item, command)| {
        let idempotency = Idempotency { key: key.to_owned(), item, request_hash: [request; 32] };
        Command { idempotency: Some(idempotency), ..command }
    };
    (1..).zip(commands).map(keyed).collect()
}

/// The same request once more.
pub fn repeated(commands: &[Command]) -> Vec<Command> {
    commands.iter().map(again).collect()
}

fn count(books: &Books, table: &str) -> i64 {
    books.number(&format!("select count(*) from {table}"))
}

#[tokio::test]
async fn of_an_atomic_group_of_any_size_all_are_posted_or_none() {
    let books = Books::new();
    let alice = books.user("alice");
    let ledger = books.ledger(1, 8);
    for size in [1, 2, 17, 1_000] {
        books.endow(alice, &size.to_string(), "PTS").await;
        let before = count(&books, "transactions");
        for at_fault in [0, size / 2, size - 1] {
            let mut commands: Vec<_> = (0..size).map(|_| spend(alice, "1", "PTS")).collect();
            commands[at_fault] = spend(alice, "1", "NONE");
            assert_eq!(kinds(ledger.submit_together(commands, true).await), [format!("{at_fault} AssetTypeNotFound")]);
        }
        let one_too_many = (0..=size).map(|_| spend(alice, "1", "PTS")).collect();
        assert_eq!(kinds(ledger.submit_together(one_too_many, true).await), [format!("{size} InsufficientFunds")]);
        assert_eq!((books.balance(alice, "PTS"), count(&books, "transactions")), (size.to_string(), before));
        let all = (0..size).map(|_| spend(alice, "1", "PTS")).collect();
        assert_eq!(kinds(ledger.submit_together(all, true).await), vec!["Posted"; size]);
        assert_eq!(books.balance(alice, "PTS"), "0");
    }
    assert_eq!(books.number("select count(distinct xmin::text) from transactions where type = 'spend'"), 4);
}

#[tokio::test]
async fn of_a_group_that_is_not_atomic_each_command_has_its_own_end() {
    let books = Books::new();
    let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
    let asset = books.asset("10", "GOLD");
    let ledger = books.ledger(1, 8);
    let gift = bonus(alice, "3", "PTS");
    let commands = vec![
        claim(alice, asset),
        claim(bob, asset),
        spend(alice, "11", "GOLD"),
        spend(alice, "4", "GOLD"),
        claim(alice, asset),
        gift.clone(),
        Command::new(bob, Action::Reversal { reverses: gift.transaction }),
        transfer(alice, bob, "1", "PTS"),
        transfer(alice, bob, "1", "GOLD"),
    ];
    let expected = [
        "Posted",
        "AlreadyClaimed",
        "InsufficientFunds",
        "Posted",
        "Again",
        "Posted",
        "Posted",
        "InsufficientFunds",
        "NotTransferable",
    ];
    assert_eq!(kinds(ledger.submit_together(commands, false).await), expected);
    assert_eq!((books.balance(alice, "GOLD"), books.balance(alice, "PTS")), ("6.00".into(), "0".into()));
    assert_eq!(kinds(ledger.submit_together(Vec::new(), true).await), Vec::<String>::new());
}

#[tokio::test]
async fn a_refused_group_leaves_nothing_for_those_behind_it_in_the_batch() {
    let books = Books::new();
    let plug = Plug::new(&books).await;
    let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
    let asset = books.asset("10", "GOLD");
    let campaign = books.campaign("5", "GOLD", 1);
    books.assets_of(campaign, 1);
    let ledger = books.ledger(1, 256);
    let gift = bonus(alice, "100", "PTS");
    let too_much = || spend(alice, "1000", "PTS");
    let groups = vec![
        (
            vec![gift.clone(), claim(alice, asset), claim_any(alice, campaign), too_much()],
            true,
            vec!["3 InsufficientFunds"],
        ),
        // What the group before took back is there for others, and none of its value is.
        (vec![spend(alice, "1", "PTS")], false, vec!["InsufficientFunds"]),
        (vec![Command::new(bob, Action::Reversal { reverses: gift.transaction })], true, vec!["0 TransactionNotFound"]),
        (vec![claim(bob, asset), claim_any(bob, campaign)], true, vec!["Posted", "Posted"]),
        (vec![claim_any(alice, campaign)], false, vec!["SoldOut"]),
        (vec![claim(alice, asset), claim_any(alice, campaign)], true, vec!["0 AlreadyClaimed", "1 SoldOut"]),
        (vec![spend(bob, "15", "GOLD"), bonus(bob, "1", "GOLD"), spend(bob, "1", "GOLD")], true, vec!["Posted"; 3]),
        (
            vec![bonus(alice, "7", "PTS"), too_much(), spend(alice, "7", "PTS")],
            false,
            vec!["Posted", "InsufficientFunds", "Posted"],
        ),
    ];
    let enqueued: Vec<(QueuedGroup<'_>, Vec<&str>)> = plug
        .while_stuck(&ledger, || {
            let groups = groups.into_iter();
            groups.map(|(commands, atomic, kinds)| (enqueue_together(&ledger, commands, atomic), kinds)).collect()
        })
        .await;
    for (place, (answer, expected)) in enqueued.into_iter().enumerate() {
        assert_eq!(kinds(answer.await), expected, "group {place}");
    }
    let posted = "select count(distinct xmin::text) from transactions where asset_type <> 'PLUG'";
    assert_eq!(books.number(posted), 1, "all were one batch");
    assert_eq!((books.balance(alice, "PTS"), books.balance(bob, "GOLD")), ("0".into(), "0.00".into()));
}

#[tokio::test]
async fn the_key_of_a_refused_group_is_free_and_that_of_a_posted_one_replays_all_of_it() {
    let books = Books::new();
    let plug = Plug::new(&books).await;
    let alice = books.user("alice");
    let ledger = books.ledger(1, 64);
    let poor = with_key(vec![bonus(alice, "1", "PTS"), spend(alice, "5", "PTS")], "key", 1);
    let other = with_key(vec![bonus(alice, "9", "PTS"), spend(alice, "2", "PTS")], "key", 2);
    // In one batch, where the book alone can know the keys.
    let commands = [poor.clone(), other.clone(), repeated(&other), repeated(&poor)];
    let queued = plug
        .while_stuck(&ledger, || {
            commands.map(|commands| enqueue_together(&ledger, commands, true)).into_iter().collect::<Vec<_>>()
        })
        .await;
    let told: Vec<_> = join_all(queued).await.into_iter().map(kinds).collect();
    assert_eq!(told[0], ["1 InsufficientFunds"]);
    assert_eq!(told[1], ["Posted", "Posted"]);
    assert_eq!(told[2], ["Replayed", "Replayed"]);
    assert_eq!(told[3], ["0 IdempotencyKeyReused", "1 IdempotencyKeyReused"]);
    // And later, through another instance.
    let there = books.ledger(1, 64);
    assert_eq!(kinds(there.submit_together(repeated(&other), true).await), ["Replayed", "Replayed"]);
    assert_eq!(kinds(there.submit_together(repeated(&poor), false).await), vec!["IdempotencyKeyReused"; 2]);
    assert_eq!((books.balance(alice, "PTS").as_str(), count(&books, "idempotency_keys")), ("7", 3));
}

#[tokio::test]
async fn what_was_refused_of_a_keyed_group_can_pass_in_its_repetition_and_the_rest_replays() {
    let books = Books::new();
    let alice = books.user("alice");
    let ledger = books.ledger(1, 64);
    let group = with_key(vec![spend(alice, "5", "PTS"), bonus(alice, "1", "PTS"), spend(alice, "9", "PTS")], "key", 1);
    let refused = ["InsufficientFunds", "Posted", "InsufficientFunds"];
    assert_eq!(kinds(ledger.submit_together(group.clone(), false).await), refused);
    books.endow(alice, "5", "PTS").await;
    let then = ["Posted", "Replayed", "InsufficientFunds"];
    assert_eq!(kinds(ledger.submit_together(repeated(&group), false).await), then);
    books.endow(alice, "8", "PTS").await;
    assert_eq!(kinds(ledger.submit_together(repeated(&group), true).await), ["Replayed", "Replayed", "Posted"]);
    assert_eq!(kinds(ledger.submit_together(repeated(&group), true).await), vec!["Replayed"; 3]);
    assert_eq!(books.balance(alice, "PTS"), "0");
    // Where nothing came of it, the key is not kept.
    let nothing = with_key(vec![spend(alice, "5", "PTS")], "free", 1);
    assert_eq!(kinds(ledger.submit_together(nothing, false).await), ["InsufficientFunds"]);
    let another = with_key(vec![bonus(alice, "5", "PTS")], "free", 2);
    assert_eq!(kinds(ledger.submit_together(another, false).await), ["Posted"]);
}

#[tokio::test]
async fn copies_of_a_group_at_once_through_two_instances_are_posted_once() {
    let books = Books::new();
    let alice = books.user("alice");
    let (here, there) = (books.ledger(1, 8), books.ledger(1, 8));
    for (key, atomic) in [("a", true), ("b", false)] {
        let group = with_key((0..20).map(|_| bonus(alice, "1", "PTS")).collect(), key, 1);
        let copies = (0..32).map(|n| enqueue_together([&here, &there][n % 2], repeated(&group), atomic));
        let copies: Vec<_> = copies.collect();
        let mut posted = 0;
        for told in join_all(copies).await.into_iter().map(kinds) {
            assert!(told == vec!["Posted"; 20] || told == vec!["Replayed"; 20], "{told:?}");
            posted += usize::from(told[0] == "Posted");
        }
        assert_eq!(posted, 1);
    }
    assert_eq!(books.balance(alice, "PTS"), "40");
}

#[tokio::test]
async fn crossing_atomic_groups_through_two_instances_all_get_their_answer() {
    let books = Books::new();
    let users = books.users("user", 6);
    for user in &users {
        books.endow(*user, "1000", "PTS").await;
    }
    let (here, there) = (books.ledger(2, 16), books.ledger(2, 16));
    let mut queued = Vec::new();
    for n in 0..120 {
        // Each names all wallets, every one in another order; every third fails at its end.
        let mut commands: Vec<_> = (0..6)
            .map(|step| {
                transfer(
                    users[(n + step * (1 + n % 5)) % 6],
                    users[(n + step * (1 + n % 5) + 1 + n % 5) % 6],
                    "2",
                    "PTS",
                )
            })
            .collect();
        commands.extend((n % 3 == 0).then(|| spend(users[n % 6], "9999", "PTS")));
        queued.push(enqueue_together([&here, &there][n % 2], commands, true));
    }
    for (n, told) in join_all(queued).await.into_iter().map(kinds).enumerate() {
        match n % 3 {
            0 => assert_eq!(told, ["6 InsufficientFunds"], "group {n}"),
            _ => assert_eq!(told, vec!["Posted"; 6], "group {n}"),
        }
    }
    assert_eq!(
        books.number("select sum(balance) from wallets where asset_type = 'PTS' and user_id is not null"),
        6_000
    );
    assert_eq!(count(&books, "transactions where type = 'transfer'"), 80 * 6);
}

#[tokio::test]
async fn single_commands_behind_groups_larger_than_a_batch_are_answered() {
    let books = Books::new();
    let plug = Plug::new(&books).await;
    let users = books.users("user", 4);
    let ledger = books.ledger(1, 8);
    let group = |atomic| ((0..1_000).map(|n| bonus(users[n % 4], "1", "PTS")).collect::<Vec<_>>(), atomic);
    let (groups, singles) = plug
        .while_stuck(&ledger, || {
            let groups =
                [group(true), group(false)].map(|(commands, atomic)| enqueue_together(&ledger, commands, atomic));
            (groups, enqueue(&ledger, users.iter().map(|user| spend(*user, "500", "PTS"))))
        })
        .await;
    for answer in groups {
        assert_eq!(kinds(answer.await), vec!["Posted"; 1_000]);
    }
    for answer in join_all(singles).await {
        assert!(matches!(answer, Ok(Outcome::Posted(_))), "{answer:?}");
    }
    assert_eq!(
        books.words("select distinct balance::int from wallets where user_id is not null and asset_type = 'PTS'"),
        ["0"]
    );
    // The singles did not have to wait for a batch of their own.
    assert_eq!(books.number("select count(distinct xmin::text) from transactions where asset_type = 'PTS'"), 3);
}

#[tokio::test]
async fn groups_fill_the_queue_by_the_commands_that_they_hold() {
    let books = Books::new();
    let plug = Plug::new(&books).await;
    let alice = books.user("alice");
    let ledger = books.ledger(1, 4);
    let gifts = |count: usize| (0..count).map(|_| bonus(alice, "1", "GOLD")).collect::<Vec<_>>();
    let (early, late) = plug
        .while_stuck(&ledger, || {
            let early: Vec<_> = (0..4).map(|_| enqueue_together(&ledger, gifts(1_000), true)).collect();
            (early, [enqueue_together(&ledger, gifts(2), true), enqueue_together(&ledger, gifts(1), false)])
        })
        .await;
    for answer in early {
        assert_eq!(kinds(answer.await), vec!["Posted"; 1_000]);
    }
    for answer in join_all(late).await {
        assert!(matches!(answer, Err(Error::Overloaded)), "{answer:?}");
    }
    assert_eq!(kinds(ledger.submit_together(gifts(2), true).await), ["Posted"; 2]);
    assert_eq!(books.balance(alice, "GOLD"), "4002.00");
}

#[tokio::test]
async fn a_group_that_the_database_cannot_take_fails_alone_and_as_a_whole() {
    let books = Books::new();
    let plug = Plug::new(&books).await;
    let users = books.users("user", 3);
    let ledger = books.ledger(1, 64);
    for atomic in [true, false] {
        let before = count(&books, "transactions");
        let mut poisoned: Vec<_> = (0..5).map(|_| bonus(users[1], "1", "PTS")).collect();
        poisoned[3].description = "a\0b".to_owned();
        let groups = [vec![bonus(users[0], "1", "PTS"); 1], poisoned, vec![bonus(users[2], "1", "PTS")]];
        let queued: Vec<_> = plug
            .while_stuck(&ledger, || {
                groups.into_iter().map(|commands| enqueue_together(&ledger, commands, atomic)).collect()
            })
            .await;
        let answers: Vec<_> = join_all(queued).await;
        assert!(matches!(answers[1], Err(Error::Broken(_))), "{answers:?}");
        assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
        assert_eq!(count(&books, "transactions"), before + 2);
    }
}

/// What the rules say: an atomic group that has a refusal did not happen.
fn expected(book: &mut Book, commands: &[Command], atomic: bool) -> Vec<Fate> {
    let before = book.clone();
    let fates: Vec<_> = commands.iter().map(|command| Fate::from(decide(book, command))).collect();
    let refused: Vec<_> = fates.iter().filter(|fate| matches!(fate, Fate::Refused(_))).cloned().collect();
    if atomic && !refused.is_empty() {
        *book = before;
        return refused;
    }
    fates
}

#[test]
fn groups_of_a_random_history_in_one_batch_end_as_in_the_pure_core() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = Books::new();
    let world_of_first = world(&first);
    let book = book(&first, &world_of_first);
    let sizes = prop::collection::vec((1_usize..9, any::<bool>()), 12);
    let config = Config { cases: 16, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&(history(40..60), sizes), |(steps, sizes)| {
        let books = Books::new();
        assert_eq!(world(&books), world_of_first);
        let commands = world_of_first.commands(&steps);
        let mut rest = commands.as_slice();
        let mut groups = Vec::new();
        for (size, atomic) in sizes {
            let (group, behind) = rest.split_at(size.min(rest.len()));
            groups.push((group.to_vec(), atomic));
            rest = behind;
        }
        let mut book = book.clone();
        let wanted: Vec<_> = groups.iter().map(|(group, atomic)| expected(&mut book, group, *atomic)).collect();
        let ledger = books.ledger(1, 256);
        let outcomes = runtime.block_on(async {
            let plug = Plug::new(&books).await;
            let queued: Vec<_> = plug
                .while_stuck(&ledger, || {
                    let groups = groups.iter();
                    groups.map(|(group, atomic)| enqueue_together(&ledger, group.clone(), *atomic)).collect()
                })
                .await;
            join_all(queued).await
        });
        for (answer, wanted) in outcomes.into_iter().zip(wanted) {
            let fates: Vec<Fate> = match answer.unwrap() {
                Outcomes::Each(each) => {
                    each.into_iter().map(|outcome| Fate::from(outcome.map_err(Error::from))).collect()
                }
                Outcomes::NoneOf(refused) => refused.into_iter().map(|(_, refusal)| Fate::Refused(refusal)).collect(),
            };
            assert_eq!(fates, wanted);
        }
        Ok(())
    });
    run.unwrap();
}
