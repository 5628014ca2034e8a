//! Batches of any size give the same outcomes as the pure core, one command at a time.

use std::collections::BTreeSet;
use std::sync::mpsc;

use chrono::TimeDelta;
use coffer::domain::posting::{AssetState, AssetTypeRules, Book, CampaignOffer, Command, decide};
use coffer::domain::{AssetStatus, Campaign, UserStatus};
use coffer::error::Error;
use coffer::ledger::Outcome;
use coffer::repo::{self, PageRequest, assets::AssetFilter, assets::Viewer};
use coffer::schema::campaigns;
use diesel::prelude::*;
use futures::future::join_all;
use proptest::test_runner::{Config, TestRunner};

use crate::support::books::{Books, Plug, again, bonus, claim, clock_at, enqueue, keyed, noon, spend, submit_all};
use crate::support::histories::{Fate, World, history};

/// The users and assets of a history, alike in every new database.
pub fn world(books: &Books) -> World {
    let admin = books.user("admin");
    let mut users = books.users("user", 4);
    books.freeze(users[3]);
    users.push(coffer::domain::UserId(4_000));
    let soon = Some(noon() + TimeDelta::seconds(60));
    let mut assets = books.assets(1, "100", "GOLD", None);
    assets.extend(books.assets(1, "15.50", "CASH", soon));
    assets.extend(books.assets(1, "20", "PTS", soon));
    assets.extend(books.assets(1, "5", "GOLD", Some(noon())));
    assets.extend(books.assets(1, "5", "GOLD", Some(noon() - TimeDelta::hours(1))));
    books.run(&format!("update assets set status = 'expired' where id = {}", assets[4]));
    assets.push(coffer::domain::AssetId(4_000));
    let campaigns = vec![books.campaign("20", "PTS", 1), books.campaign("9", "CASH", 2)];
    for campaign in &campaigns {
        assets.extend(books.assets_of(*campaign, 2));
    }
    let campaigns = [campaigns, vec![coffer::domain::CampaignId(4_000)]].concat();
    World { admin, users, assets, campaigns }
}

/// The same world as the pure core sees it.
pub fn book(books: &Books, world: &World) -> Book {
    let mut book = Book::empty(noon());
    let mut conn = books.conn();
    for (number, user) in world.users[..4].iter().enumerate() {
        book.users.insert(*user, if number == 3 { UserStatus::Frozen } else { UserStatus::Active });
    }
    book.users.insert(world.admin, UserStatus::Active);
    for asset_type in repo::asset_types::all(&mut conn).unwrap() {
        let scale = asset_type.scale;
        let minimum_balance = asset_type.minimum_balance;
        let rules = AssetTypeRules { scale, minimum_balance, transferable: asset_type.transferable };
        book.asset_types.insert(asset_type.code, rules);
    }
    for id in &world.campaigns {
        let found = campaigns::table.find(id).select(Campaign::as_select()).first(&mut conn).optional().unwrap();
        if let Some(campaign) = found {
            book.campaigns.insert(*id, CampaignOffer { campaign, assets: BTreeSet::new(), contended: false });
        }
    }
    let page = PageRequest::first(100);
    let all = repo::assets::page(&mut conn, Viewer::Admin, &AssetFilter::default(), repo::assets::USUAL, &page, noon())
        .unwrap();
    for view in all.items {
        let asset = view.asset;
        let state = AssetState {
            status: asset.status,
            expires_at: asset.expires_at,
            asset_type: asset.asset_type,
            amount: asset.amount,
            title: asset.title,
            campaign: asset.campaign_id,
            claimed: None,
        };
        if let Some(campaign) = state.campaign.and_then(|campaign| book.campaigns.get_mut(&campaign)) {
            campaign.assets.insert(asset.id);
        }
        book.assets.insert(asset.id, state);
    }
    assert!(book.assets.values().any(|asset| asset.status == AssetStatus::Expired));
    book
}

/// What is compared of a run.
#[derive(Debug, PartialEq)]
struct Ending {
    fates: Vec<Fate>,
    balances: Vec<String>,
}

/// Posts a history to a new database in batches as full as they can be: as many commands as the
/// queue takes come in while the thread waits for a wallet.
async fn post_in_batches_of(batch_max: usize, expected: &World, commands: &[Command]) -> Ending {
    let books = Books::new();
    assert_eq!(&world(&books), expected);
    let plug = Plug::new(&books).await;
    let ledger = books.ledger(1, batch_max);
    let mut fates = Vec::new();
    for chunk in commands.chunks(4 * batch_max) {
        let queued = plug.while_stuck(&ledger, || enqueue(&ledger, chunk.iter().cloned())).await;
        fates.extend(join_all(queued).await.into_iter().map(Fate::from));
    }
    Ending { fates, balances: books.balances() }
}

#[test]
fn a_history_has_the_same_end_in_batches_of_any_size_and_in_the_pure_core() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let books = Books::new();
    let world = world(&books);
    let book = book(&books, &world);
    let config = Config { cases: 24, max_shrink_iters: 30, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&history(50..70), |steps| {
        let commands = world.commands(&steps);
        let mut book = book.clone();
        let fates: Vec<Fate> = commands.iter().map(|command| Fate::from(decide(&mut book, command))).collect();
        let (one, few, many) = std::thread::scope(|scope| {
            let run = |batch_max| {
                let (runtime, world, commands) = (&runtime, &world, &commands);
                scope.spawn(move || runtime.block_on(post_in_batches_of(batch_max, world, commands)))
            };
            let (one, few, many) = (run(1), run(7), run(256));
            (one.join().unwrap(), few.join().unwrap(), many.join().unwrap())
        });
        for ((posted, decided), command) in one.fates.iter().zip(&fates).zip(&commands) {
            assert_eq!(posted, decided, "{command:?}");
        }
        assert_eq!(one.fates.len(), fates.len());
        assert_eq!(few, one);
        assert_eq!(many, one);
        Ok(())
    });
    run.unwrap();
}

#[tokio::test]
async fn commands_that_wait_are_posted_in_one_database_transaction() {
    let books = Books::new();
    let plug = Plug::new(&books).await;
    let alice = books.user("alice");
    let ledger = books.ledger(1, 10);
    let commands: Vec<_> = (0..25).map(|_| bonus(alice, "1", "GOLD")).collect();
    let queued = plug.while_stuck(&ledger, || enqueue(&ledger, commands)).await;
    for answer in join_all(queued).await {
        assert!(matches!(answer, Ok(Outcome::Posted(_))), "{answer:?}");
    }
    let sizes = books.words(
        "select count(*) from transactions where asset_type = 'GOLD' group by xmin::text order by min(debit_version)",
    );
    assert_eq!(sizes, ["10", "10", "5"]);
    assert_eq!(books.balance(alice, "GOLD"), "25.00");
}

#[tokio::test]
async fn within_a_batch_a_command_sees_what_those_before_it_did() {
    let books = Books::new();
    let plug = Plug::new(&books).await;
    let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
    let asset = books.asset("10", "GOLD");
    let ledger = books.ledger(1, 256);
    let first = claim(alice, asset);
    let take_back = Command::new(alice, coffer::domain::posting::Action::Reversal { reverses: first.transaction });
    let commands = [
        spend(alice, "10", "GOLD"),
        first.clone(),
        claim(bob, asset),
        claim(alice, asset),
        spend(alice, "4", "GOLD"),
        take_back.clone(),
        bonus(alice, "4", "GOLD"),
        take_back.clone(),
        again(&take_back),
    ];
    let mut commands = commands.to_vec();
    commands[7].transaction = coffer::domain::TransactionId::new();
    let queued = plug.while_stuck(&ledger, || enqueue(&ledger, commands)).await;
    let kinds: Vec<_> = join_all(queued).await.into_iter().map(|answer| Fate::from(answer).kind()).collect();
    let expected = [
        "InsufficientFunds",
        "Posted",
        "AlreadyClaimed",
        "Again",
        "Posted",
        "InsufficientFunds",
        "Posted",
        "Posted",
        "AlreadyReversed",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(books.balance(alice, "GOLD"), "0.00");
}

#[tokio::test]
async fn what_a_replay_tells_is_what_the_posting_told_to_the_last_digit() {
    let books = Books::new();
    let alice = books.user("alice");
    // A clock has finer ticks than the database keeps.
    let clock = clock_at(noon() + TimeDelta::nanoseconds(123_456_789));
    let ledger = books.ledger_at(&books.database.url, 1, 16, &clock);
    let mut command = keyed(bonus(alice, "12.5", "GOLD"), "k");
    command.description = "Danke schön 🎁".to_owned();
    command.metadata = Some(serde_json::json!({ "order": 17, "lines": [{ "sku": "A", "price": 1.5 }] }));
    command.reason = Some("goodwill".to_owned());
    let Ok(Outcome::Posted(posted)) = ledger.submit(command.clone()).await else { panic!("not posted") };
    let Ok(Outcome::Replayed(replayed)) = ledger.submit(again(&command)).await else { panic!("not replayed") };
    assert_eq!(posted, replayed);
    let stored = repo::transactions::by_ids(&mut books.conn(), &[command.transaction]).unwrap();
    assert_eq!(stored, [posted]);
}

#[tokio::test]
async fn the_time_of_a_wallets_entries_never_runs_backwards_though_the_clock_does() {
    let books = Books::new();
    let alice = books.user("alice");
    let mut times = Vec::new();
    for seconds in [0, -3_600, 60, 59] {
        let ledger = books.ledger_at(&books.database.url, 1, 4, &clock_at(noon() + TimeDelta::seconds(seconds)));
        let answers = submit_all(&ledger, [bonus(alice, "1", "GOLD")]).await;
        let Ok(Outcome::Posted(posted)) = &answers[0] else { panic!("{answers:?}") };
        times.push((posted.created_at - noon()).num_seconds());
    }
    assert_eq!(times, [0, 0, 60, 60]);
}

#[tokio::test]
async fn a_command_that_the_database_cannot_take_fails_alone() {
    let books = Books::new();
    let plug = Plug::new(&books).await;
    let users = books.users("user", 8);
    let ledger = books.ledger(1, 256);
    let mut commands: Vec<_> = users.iter().map(|user| bonus(*user, "3", "GOLD")).collect();
    // PostgreSQL has no place for a zero byte, in texts as in JSON.
    commands[2].description = "a\0b".to_owned();
    commands[5].metadata = Some(serde_json::json!({ "note": "a\0b" }));
    let poison = [commands[2].transaction, commands[5].transaction];
    let queued = plug.while_stuck(&ledger, || enqueue(&ledger, commands)).await;
    for (number, answer) in join_all(queued).await.into_iter().enumerate() {
        match number {
            2 | 5 => assert!(matches!(answer, Err(Error::Broken(_))), "{number}: {answer:?}"),
            _ => assert!(matches!(answer, Ok(Outcome::Posted(_))), "{number}: {answer:?}"),
        }
    }
    assert_eq!(poison.map(|id| books.times_posted(id)), [0, 0]);
    let one_more = ledger.submit(bonus(users[2], "1", "GOLD")).await;
    assert!(matches!(one_more, Ok(Outcome::Posted(_))), "{one_more:?}");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_posts_what_it_took() {
    let books = Books::new();
    let plug = Plug::new(&books).await;
    let alice = books.user("alice");
    let ledger = books.ledger(1, 3);
    let commands: Vec<_> = (0..20).map(|_| bonus(alice, "1", "GOLD")).collect();
    let ids: Vec<_> = commands.iter().map(|command| command.transaction).collect();
    let queued = plug
        .while_stuck(&ledger, || {
            let mut queued = enqueue(&ledger, commands);
            // Room for four batches of three; the other eight are refused while the thread is stuck.
            for refused in queued.split_off(12) {
                let answer = futures::FutureExt::now_or_never(refused).expect("an answer at once");
                assert!(matches!(answer, Err(Error::Overloaded)), "{answer:?}");
            }
            queued
        })
        .await;
    for answer in join_all(queued).await {
        assert!(matches!(answer, Ok(Outcome::Posted(_))), "{answer:?}");
    }
    let posted: Vec<_> = ids.iter().map(|id| books.times_posted(*id)).collect();
    assert_eq!(posted, [vec![1; 12], vec![0; 8]].concat());
}

#[tokio::test]
async fn stopping_posts_what_is_queued_and_takes_no_more() {
    let books = Books::new();
    let plug = Plug::new(&books).await;
    let alice = books.user("alice");
    let ledger = books.ledger(1, 4);
    let (queued, stopping) = plug
        .while_stuck(&ledger, || {
            let queued = enqueue(&ledger, (0..16).map(|_| bonus(alice, "1", "GOLD")));
            let (begun, has_begun) = mpsc::channel();
            let stopped = ledger.clone();
            let stopping = std::thread::spawn(move || {
                begun.send(()).unwrap();
                stopped.stop();
            });
            has_begun.recv().unwrap();
            (queued, stopping)
        })
        .await;
    stopping.join().unwrap();
    for answer in queued {
        // All are answered once the threads have ended.
        let answer = futures::FutureExt::now_or_never(answer).expect("answered before the stop returned");
        assert!(matches!(answer, Ok(Outcome::Posted(_))), "{answer:?}");
    }
    assert_eq!(books.balance(alice, "GOLD"), "16.00");
    let late = ledger.submit(bonus(alice, "1", "GOLD")).await;
    assert!(matches!(late, Err(Error::Overloaded)), "{late:?}");
}
