//! Whatever races for the same thing, one wins and the books are right.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use coffer::domain::TransactionId;
use coffer::domain::posting::{Action, Command, Idempotency};
use coffer::error::{Error, Refusal};
use coffer::ledger::Outcome;
use coffer::repo;
use futures::future::join_all;

use crate::support::books::{
    Answer, Books, Plug, Running, again, bonus, claim, clock_at, enqueue, keyed, noon, race, spend, submit_all,
    transfer,
};

/// What was refused, in order.
pub fn refusals(answers: &[Answer]) -> Vec<&Refusal> {
    let refusal = |answer| match answer {
        &Err(Error::Refused(ref refusal)) => Some(refusal),
        _ => None,
    };
    answers.iter().filter_map(refusal).collect()
}

/// What was posted, in order.
pub fn posted(answers: &[Answer]) -> Vec<TransactionId> {
    let id = |answer: &Answer| match answer {
        Ok(Outcome::Posted(transaction)) => Some(transaction.id),
        _ => None,
    };
    answers.iter().filter_map(id).collect()
}

#[tokio::test]
async fn of_copies_of_a_request_under_one_key_one_is_posted_and_all_others_replay_it() {
    for threads in [1, 4] {
        let books = Books::new();
        let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
        let ledger = books.ledger(threads, 8);
        let command = keyed(bonus(alice, "5", "GOLD"), "the-key");
        let answers = race(&ledger, (0..32).map(|_| again(&command))).await;
        let winner = posted(&answers);
        assert_eq!(winner.len(), 1, "{answers:?}");
        let replayed = answers.iter().filter(|answer| matches!(answer, Ok(Outcome::Replayed(t)) if t.id == winner[0]));
        assert_eq!(replayed.count(), 31, "{answers:?}");
        assert_eq!(books.balance(alice, "GOLD"), "5.00");

        let other_body = ledger.submit(keyed(bonus(alice, "6", "GOLD"), "the-key")).await;
        assert!(matches!(other_body, Err(Error::Refused(Refusal::IdempotencyKeyReused))), "{other_body:?}");
        let other_caller = Command { requested_by: bob, ..again(&command) };
        let other_caller = ledger.submit(other_caller).await;
        assert!(matches!(other_caller, Ok(Outcome::Posted(_))), "{other_caller:?}");
        assert_eq!(books.balance(alice, "GOLD"), "10.00");
    }
}

#[tokio::test]
async fn a_repeated_request_replays_through_another_instance_too_even_where_it_would_be_refused_now() {
    let books = Books::new();
    let alice = books.user("alice");
    let asset = books.asset("10", "GOLD");
    books.endow(alice, "10", "GOLD").await;
    for command in [keyed(spend(alice, "10", "GOLD"), "spend"), keyed(claim(alice, asset), "claim")] {
        let (here, there) = (books.ledger(1, 8), books.ledger(1, 8));
        let held = books.hold_wallet(alice, "GOLD");
        let mut queued = enqueue(&here, [command.clone()]);
        queued.extend(enqueue(&there, [again(&command)]));
        // Both have begun, and neither can see the other's outcome yet.
        books.wait_for_blocked(2);
        held.release();
        let answers = join_all(queued).await;
        let winner = posted(&answers);
        assert_eq!(winner.len(), 1, "{answers:?}");
        let replayed = answers.iter().any(|answer| matches!(answer, Ok(Outcome::Replayed(t)) if t.id == winner[0]));
        assert!(replayed, "{answers:?}");
    }
}

#[tokio::test]
async fn of_a_hundred_users_who_race_for_a_credit_exactly_one_gets_it() {
    let books = Books::new();
    let users = books.users("user", 100);
    let asset = books.asset("100", "GOLD");
    let ledger = books.ledger(4, 16);
    let answers = race(&ledger, users.iter().map(|user| claim(*user, asset))).await;
    let winner = posted(&answers);
    assert_eq!(winner.len(), 1, "{answers:?}");
    assert_eq!(refusals(&answers), vec![&Refusal::AlreadyClaimed; 99]);
    let place = answers.iter().position(|answer| matches!(answer, Ok(Outcome::Posted(_)))).unwrap();
    let owner = users[place];
    assert_eq!(books.balance(owner, "GOLD"), "100.00");
    match ledger.submit(claim(owner, asset)).await {
        Ok(Outcome::Again { transaction, balance, replayed: false }) => {
            assert_eq!((transaction.id, balance.at_scale(2).as_str()), (winner[0], "100.00"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(books.number("select count(*) from claims"), 1);
}

#[tokio::test]
async fn where_many_users_try_many_credits_every_credit_gets_one_owner() {
    let books = Books::new();
    let users = books.users("user", 12);
    let assets = books.assets(40, "1", "PTS", None);
    let ledger = books.ledger(4, 64);
    // Each in another order, so that batches name the same assets in many orders.
    let commands = users.iter().enumerate().flat_map(|(shift, user)| {
        let mut order = assets.clone();
        order.rotate_left(shift * 7 % 40);
        if shift % 2 == 1 {
            order.reverse();
        }
        order.into_iter().map(|asset| claim(*user, asset)).collect::<Vec<_>>()
    });
    let answers = race(&ledger, commands).await;
    assert_eq!(posted(&answers).len(), 40);
    assert_eq!(refusals(&answers), vec![&Refusal::AlreadyClaimed; 11 * 40]);
}

#[tokio::test]
async fn opposite_transfers_by_many_threads_do_not_block_each_other_and_lose_nothing() {
    let books = Books::new();
    let users = books.users("user", 5);
    for user in &users {
        books.endow(*user, "1000", "PTS").await;
    }
    let ledger = books.ledger(4, 16);
    let commands = (0..200).map(|n| transfer(users[n % 5], users[(n + 1 + n / 5 % 4) % 5], "3", "PTS"));
    // Back and forth between all pairs, from all threads.
    let commands: Vec<_> = commands.collect();
    for part in commands.chunks(50) {
        let answers = race(&ledger, part.iter().cloned()).await;
        assert_eq!(posted(&answers).len(), part.len(), "{answers:?}");
    }
    assert_eq!(
        books.number("select sum(balance) from wallets where asset_type = 'PTS' and user_id is not null"),
        5_000
    );
    assert_eq!(books.number("select count(*) from transactions where type = 'transfer'"), 200);
}

#[tokio::test]
async fn of_many_spends_at_once_no_more_succeed_than_the_wallet_holds() {
    let books = Books::new();
    let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
    books.endow(alice, "10", "PTS").await;
    let ledger = books.ledger(2, 4);
    // Two callers, so two threads, take from one wallet.
    let commands = (0..30).map(|n| Command { requested_by: [alice, bob][n % 2], ..spend(alice, "1", "PTS") });
    let mut answers = Vec::new();
    for part in commands.collect::<Vec<_>>().chunks(15) {
        answers.extend(race(&ledger, part.iter().cloned()).await);
    }
    assert_eq!((posted(&answers).len(), refusals(&answers).len()), (10, 20), "{answers:?}");
    assert_eq!(books.balance(alice, "PTS"), "0");
}

#[tokio::test]
async fn a_wallet_that_two_threads_open_at_once_is_opened_once() {
    let books = Books::new();
    let givers = books.users("giver", 2);
    let newcomers = books.users("newcomer", 20);
    for giver in &givers {
        books.endow(*giver, "100", "PTS").await;
    }
    let ledger = books.ledger(2, 4);
    for newcomer in &newcomers {
        let mut commands: Vec<_> = givers.iter().map(|giver| transfer(*giver, *newcomer, "2", "PTS")).collect();
        // In a unit whose treasury nobody has opened in this lane.
        commands.extend(givers.iter().map(|giver| Command { requested_by: *giver, ..bonus(*newcomer, "1", "CASH") }));
        let answers = race(&ledger, commands).await;
        assert_eq!(posted(&answers).len(), 4, "{answers:?}");
        assert_eq!((books.balance(*newcomer, "PTS"), books.balance(*newcomer, "CASH")), ("4".into(), "2.00".into()));
    }
}

#[tokio::test]
async fn of_two_who_take_a_transaction_back_at_once_one_does() {
    let books = Books::new();
    let admins = books.users("admin", 4);
    let alice = books.user("alice");
    let ledger = books.ledger(4, 4);
    for _ in 0..10 {
        let gift = bonus(alice, "3", "GOLD");
        ledger.submit(gift.clone()).await.unwrap();
        let action = Action::Reversal { reverses: gift.transaction };
        let answers = race(&ledger, admins.iter().map(|admin| Command::new(*admin, action.clone()))).await;
        assert_eq!(posted(&answers).len(), 1, "{answers:?}");
        assert!(
            refusals(&answers)
                .iter()
                .all(|refusal| matches!(refusal, Refusal::AlreadyReversed | Refusal::InsufficientFunds { .. })),
            "{answers:?}"
        );
        assert_eq!(refusals(&answers).len(), 3, "{answers:?}");
    }
    assert_eq!(books.balance(alice, "GOLD"), "0.00");
}

#[tokio::test]
async fn an_expired_credit_is_refused_before_the_job_has_seen_it() {
    let books = Books::new();
    let alice = books.user("alice");
    let assets = books.assets(2, "5", "GOLD", Some(noon()));
    let late = books.ledger(1, 4);
    let answers = submit_all(&late, [claim(alice, assets[0])]).await;
    assert_eq!(refusals(&answers), [&Refusal::AssetExpired]);
    assert_eq!(books.number("select count(*) from assets where status = 'available'"), 2);
    let in_time = books.ledger_at(&books.database.url, 1, 4, &clock_at(noon() - TimeDelta::microseconds(1)));
    let answers = submit_all(&in_time, [claim(alice, assets[1])]).await;
    assert_eq!(posted(&answers).len(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_credit_that_is_being_claimed_does_not_expire() {
    let books = Books::new();
    let alice = books.user("alice");
    books.endow(alice, "1", "GOLD").await;
    let expires_at = noon() + TimeDelta::seconds(1);
    let asset = books.assets(1, "5", "GOLD", Some(expires_at))[0];
    let ledger = books.ledger(1, 4);
    // The batch holds the asset, and waits for the wallet.
    let held = books.hold_wallet(alice, "GOLD");
    let queued = enqueue(&ledger, [claim(alice, asset)]);
    books.wait_for_blocked(1);
    assert_eq!(repo::assets::expire_due(&mut books.conn(), expires_at, 10).unwrap(), 0);
    held.release();
    assert_eq!(posted(&join_all(queued).await).len(), 1);
    assert_eq!(repo::assets::expire_due(&mut books.conn(), expires_at, 10).unwrap(), 0);
    assert_eq!(books.words("select status from assets"), ["claimed"]);
}

#[tokio::test]
async fn credits_that_expire_while_they_are_claimed_end_as_one_or_the_other() {
    let books = Books::new();
    let users = books.users("user", 10);
    let expires_at = noon() + TimeDelta::seconds(1);
    let assets = books.assets(100, "1", "PTS", Some(expires_at));
    let ledger: Running = books.ledger(3, 8);
    let mut conn = books.conn();
    let expiry = std::thread::spawn(move || {
        let mut expired = 0;
        while expired < 50 {
            match repo::assets::expire_due(&mut conn, expires_at, 3).unwrap() {
                0 => break,
                some => expired += some,
            }
        }
    });
    let mut answers = Vec::new();
    for (n, part) in assets.chunks(20).enumerate() {
        let commands = part.iter().rev().enumerate().map(|(m, asset)| claim(users[(n + m) % 10], *asset));
        answers.extend(race(&ledger, commands).await);
    }
    expiry.join().unwrap();
    let claimed = posted(&answers).len();
    let expired = refusals(&answers).iter().filter(|refusal| ***refusal == Refusal::AssetExpired).count();
    assert_eq!(claimed + expired, 100, "{answers:?}");
    let rest = books.words("select status || ' ' || count(*) from assets group by status order by 1");
    let expected: Vec<_> = [("claimed", claimed), ("expired", expired)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| format!("{status} {count}"))
        .collect();
    assert_eq!(rest, expected);
}

#[tokio::test]
async fn of_two_reversals_at_once_the_second_is_told_that_it_has_happened() {
    let books = Books::new();
    let alice = books.user("alice");
    let gift = bonus(alice, "10", "GOLD");
    let (here, there) = (books.ledger(1, 8), books.ledger(1, 8));
    here.submit(gift.clone()).await.unwrap();
    let held = books.hold_wallet(alice, "GOLD");
    let reversal = || Command::new(alice, Action::Reversal { reverses: gift.transaction });
    let queued: Vec<_> = [&here, &there].into_iter().flat_map(|ledger| enqueue(ledger, [reversal()])).collect();
    books.wait_for_blocked(2);
    held.release();
    let answers = join_all(queued).await;
    assert_eq!((posted(&answers).len(), refusals(&answers)), (1, vec![&Refusal::AlreadyReversed]));
    assert_eq!(books.balance(alice, "GOLD"), "0.00");
}

#[tokio::test]
async fn many_callers_with_crossing_keys_and_wallets_all_get_an_answer() {
    let books = Books::new();
    let plug = Plug::new(&books).await;
    let users = books.users("user", 6);
    let (here, there) = (books.ledger(3, 32), books.ledger(3, 32));
    let mut commands = Vec::new();
    for n in 0..60 {
        let mut command = bonus(users[n * 5 % 6], "1", "GOLD");
        command.requested_by = users[n % 6];
        command.idempotency = Some(Idempotency { key: format!("key-{}", n * 7 % 10), item: 0, request_hash: [0; 32] });
        commands.push(command);
    }
    let backwards: Vec<_> = commands.iter().rev().map(again).collect();
    let (one, other) = plug.while_stuck(&here, || (commands, backwards)).await;
    let (one, other) = tokio::join!(race(&here, one), race(&there, other));
    let answers: Vec<_> = one.into_iter().chain(other).collect();
    let winners: BTreeSet<_> = posted(&answers).into_iter().collect();
    // Six callers with ten keys each, of which every caller uses those of its own turn.
    assert_eq!(i64::try_from(winners.len()).unwrap(), books.number("select count(*) from idempotency_keys"));
    for answer in &answers {
        assert!(
            matches!(answer, Ok(Outcome::Posted(t) | Outcome::Replayed(t)) if winners.contains(&t.id)),
            "{answer:?}"
        );
    }
}
