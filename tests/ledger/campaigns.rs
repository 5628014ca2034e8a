//! The credits of a campaign: whatever races for them, each has one owner, nobody has more than the
//! campaign allows, and nobody is told that they are gone while one is left.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use coffer::domain::posting::Command;
use coffer::domain::{AssetId, AssetStatus, CampaignId, CampaignStatus, UserId, VoucherCode};
use coffer::error::{Error, Refusal};
use coffer::ledger::{Outcome, Outcomes};
use coffer::repo::assets::{AssetFilter, Missed, Viewer};
use coffer::repo::campaigns::CampaignFilter;
use coffer::repo::{self, PageRequest};
use diesel::connection::SimpleConnection;
use futures::future::join_all;

use crate::races::{posted, refusals};
use crate::support::books::{
    Answer, Books, again, bonus, claim, claim_any, clock_at, enqueue, enqueue_together, keyed, noon, race, spend,
    submit_all,
};

/// The asset that a command got.
fn taken(answer: &Answer) -> AssetId {
    let outcome = answer.as_ref().unwrap_or_else(|error| panic!("{error:?}"));
    outcome.transaction().asset.expect("a claim names its asset")
}

/// Makes a campaign's terms others than those of one that always runs.
fn change(books: &Books, campaign: CampaignId, terms: &str) {
    books.run(&format!("update campaigns set {terms} where id = {campaign}"));
}

/// Refusals that are all the same.
fn all(refusal: &Refusal, count: usize) -> Vec<&Refusal> {
    vec![refusal; count]
}

#[tokio::test]
async fn of_those_who_race_through_two_instances_as_many_win_as_there_are_credits() {
    let books = Books::new();
    for (round, credits) in [1, 7, 25, 40].into_iter().enumerate() {
        let users = books.users(&format!("user_{round}"), 60);
        let campaign = books.campaign("2", "GOLD", 1);
        let assets: BTreeSet<_> = books.assets_of(campaign, credits).into_iter().collect();
        let (here, there) = (books.ledger(2, 16), books.ledger(2, 16));
        let [one, other] = [0, 30]
            .map(|from| users[from..from + 30].iter().map(|user| claim_any(*user, campaign)).collect::<Vec<_>>());
        let (one, other) = tokio::join!(race(&here, one), race(&there, other));
        let answers: Vec<_> = one.into_iter().chain(other).collect();
        assert_eq!(refusals(&answers), all(&Refusal::SoldOut, 60 - credits), "{answers:?}");
        assert_eq!(posted(&answers).len(), credits, "{answers:?}");
        let given: BTreeSet<_> = answers.iter().filter(|answer| answer.is_ok()).map(taken).collect();
        assert_eq!(given, assets);
    }
    assert_eq!(books.number("select count(*) from claims where campaign_claim = 1"), 1 + 7 + 25 + 40);
}

#[tokio::test]
async fn a_credit_that_another_session_holds_is_waited_for_and_not_said_to_be_gone() {
    let books = Books::new();
    let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
    let campaign = books.campaign("2", "GOLD", 1);
    books.assets_of(campaign, 1);
    let ledger = books.ledger(1, 8);
    let held = books.hold(&format!("assets where campaign_id = {campaign}"));
    let queued = enqueue(&ledger, [claim_any(alice, campaign)]);
    books.wait_for_tries();
    held.release();
    assert_eq!(posted(&join_all(queued).await).len(), 1);
    assert_eq!(refusals(&submit_all(&ledger, [claim_any(bob, campaign)]).await), [&Refusal::SoldOut]);
}

#[tokio::test]
async fn where_the_last_credit_is_held_for_long_coffer_is_busy_and_has_done_nothing() {
    let books = Books::new();
    let alice = books.user("alice");
    let [campaign, other] = [books.campaign("2", "GOLD", 1), books.campaign("2", "GOLD", 1)];
    books.assets_of(campaign, 1);
    let ledger = books.ledger(1, 8);
    let held = books.hold(&format!("assets where campaign_id = {campaign}"));
    // That this one is sold out is certain, whatever becomes of the other.
    let both = vec![claim_any(alice, other), claim_any(alice, campaign)];
    let answer = ledger.submit_together(both, false).await;
    assert!(matches!(answer, Err(Error::Overloaded)), "{answer:?}");
    assert_eq!(refusals(&submit_all(&ledger, [claim_any(alice, other)]).await), [&Refusal::SoldOut]);
    held.release();
    assert_eq!(books.number("select count(*) from transactions"), 0);
    assert_eq!(posted(&submit_all(&ledger, [claim_any(alice, campaign)]).await).len(), 1);
}

#[tokio::test]
async fn nobody_else_waits_for_the_credits_of_a_campaign_that_others_hold() {
    let books = Books::new();
    let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
    books.endow(bob, "9", "GOLD").await;
    let campaign = books.campaign("2", "GOLD", 3);
    books.assets_of(campaign, 2);
    let ledger = books.ledger(1, 8);
    let held = books.hold(&format!("assets where campaign_id = {campaign}"));
    let waiting = enqueue(&ledger, [claim_any(alice, campaign), claim_any(bob, campaign)]);
    let both = enqueue_together(&ledger, vec![bonus(alice, "1", "GOLD"), claim_any(alice, campaign)], false);
    books.wait_for_tries();
    // Were it behind those that wait, it would not be answered before the credits are given back.
    for _ in 0..3 {
        submit_all(&ledger, [spend(bob, "1", "GOLD")]).await.pop().unwrap().unwrap();
    }
    assert_eq!((books.balance(bob, "GOLD"), books.balance(alice, "GOLD")), ("6.00".into(), "0.00".into()));
    held.release();
    assert_eq!(posted(&join_all(waiting).await).len(), 2);
    let both = both.await;
    let Ok(Outcomes::Each(each)) = &both else { panic!("{both:?}") };
    assert!(each[0].is_ok() && each[1] == Err(Refusal::SoldOut), "{both:?}");
    assert_eq!((books.balance(bob, "GOLD"), books.balance(alice, "GOLD")), ("8.00".into(), "3.00".into()));
    books.audit();
}

#[tokio::test]
async fn a_campaign_that_is_sold_out_does_not_wait_for_the_credits_of_another() {
    let books = Books::new();
    let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
    let [gone, scarce] = [books.campaign("2", "GOLD", 1), books.campaign("2", "GOLD", 2)];
    let assets = books.assets_of(scarce, 2);
    let ledger = books.ledger(1, 8);
    // Only one of two that might be wanted can be had, and one is enough.
    let held = books.hold(&format!("assets where id = {}", assets[1]));
    books.run(&format!("update users set status = 'frozen' where id = {bob}"));
    let commands = vec![claim_any(alice, gone), claim_any(alice, scarce), claim_any(bob, scarce)];
    let answer = ledger.submit_together(commands, false).await;
    let Ok(Outcomes::Each(each)) = answer else { panic!("{answer:?}") };
    assert_eq!((&each[0], &each[2]), (&Err(Refusal::SoldOut), &Err(Refusal::WalletFrozen)));
    assert!(matches!(&each[1], Ok(Outcome::Posted(t)) if t.asset == Some(assets[0])), "{each:?}");
    held.release();
}

#[tokio::test]
async fn what_a_batch_holds_and_does_not_use_is_left_to_another() {
    let books = Books::new();
    let [alice, bob, carol, dave] = books.users("user", 4)[..] else { panic!("four users") };
    books.freeze(dave);
    books.endow(alice, "1", "GOLD").await;
    let campaign = books.campaign("2", "GOLD", 1);
    books.assets_of(campaign, 3);
    let (here, there) = (books.ledger(1, 8), books.ledger(1, 8));
    assert_eq!(posted(&submit_all(&here, [claim_any(carol, campaign)]).await).len(), 1);
    let wallet = books.hold_wallet(alice, "GOLD");
    let three = [alice, carol, dave].map(|user| claim_any(user, campaign)).to_vec();
    let greedy = enqueue_together(&here, three, false);
    books.wait_for_blocked(1);
    // Both that are left are held by a batch that will take one.
    let queued = enqueue(&there, [claim_any(bob, campaign)]);
    books.wait_for_tries();
    wallet.release();
    assert_eq!(posted(&join_all(queued).await).len(), 1);
    let outcomes = greedy.await;
    let Ok(Outcomes::Each(each)) = outcomes else { panic!("{outcomes:?}") };
    assert!(each[0].is_ok(), "{each:?}");
    assert_eq!(each[1..], [Err(Refusal::ClaimLimitReached), Err(Refusal::WalletFrozen)]);
    assert_eq!(books.number("select count(*) from assets where status = 'available'"), 0);
}

#[tokio::test]
async fn nobody_passes_a_campaigns_limit_by_any_path_through_any_instance() {
    let books = Books::new();
    for (round, limit) in [1, 3].into_iter().enumerate() {
        let alice = books.user(&format!("alice_{round}"));
        let campaign = books.campaign("2", "GOLD", limit);
        let assets = books.assets_of(campaign, 12);
        let coded = |asset: &AssetId| {
            let code = books.words(&format!("select code from assets where id = {asset}")).pop().unwrap();
            let code = VoucherCode::parse(&code.to_lowercase()).expect("a code");
            repo::assets::by_code(&mut books.conn(), &code).unwrap().expect("an asset")
        };
        let commands: Vec<Command> = assets
            .iter()
            .enumerate()
            .map(|(n, asset)| match n % 3 {
                0 => claim_any(alice, campaign),
                1 => claim(alice, *asset),
                _ => claim(alice, coded(asset)),
            })
            .collect();
        let (here, there) = (books.ledger(1, 4), books.ledger(1, 4));
        let backwards: Vec<_> = commands.iter().rev().map(again).collect();
        let (one, other) = tokio::join!(race(&here, commands), race(&there, backwards));
        let answers: Vec<_> = one.into_iter().chain(other).collect();
        assert_eq!(i32::try_from(posted(&answers).len()), Ok(limit), "{answers:?}");
        for answer in &answers {
            let told = matches!(answer, Ok(Outcome::Posted(_) | Outcome::Again { .. }))
                || matches!(answer, Err(Error::Refused(Refusal::ClaimLimitReached)));
            assert!(told, "{answer:?}");
        }
        let numbers = books.words(&format!(
            "select campaign_claim from claims where user_id = {alice} and campaign_id = {campaign} order by 1"
        ));
        assert_eq!(numbers, (1..=limit).map(|number| number.to_string()).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn every_campaign_counts_for_itself_and_every_user_too() {
    let books = Books::new();
    let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
    let [one, two] = [books.campaign("2", "GOLD", 1), books.campaign("3", "GOLD", 2)];
    let (ones, twos) = (books.assets_of(one, 3), books.assets_of(two, 5));
    let single = books.asset("7", "GOLD");
    let ledger = books.ledger(1, 16);
    let commands = [
        claim(alice, ones[0]),
        claim_any(alice, one),
        claim_any(alice, two),
        claim(alice, twos[4]),
        claim_any(alice, two),
        claim(alice, twos[3]),
        claim(alice, single),
        claim_any(bob, one),
        claim_any(bob, two),
    ];
    let answers = submit_all(&ledger, commands).await;
    let refused: Vec<_> = (0..answers.len()).filter(|place| answers[*place].is_err()).collect();
    assert_eq!(refused, [1, 4, 5], "{answers:?}");
    assert_eq!(refusals(&answers), all(&Refusal::ClaimLimitReached, 3));
    assert_eq!((books.balance(alice, "GOLD"), books.balance(bob, "GOLD")), ("15.00".into(), "5.00".into()));
}

#[tokio::test]
async fn a_campaign_gives_nothing_before_its_start_after_its_end_or_while_it_is_paused() {
    let books = Books::new();
    let alice = books.user("alice");
    let ledger = books.ledger(1, 8);
    let at = |seconds: i64| format!("'{}'", (noon() + TimeDelta::seconds(seconds)).to_rfc3339());
    for (terms, runs) in [
        ("paused = true".to_owned(), false),
        (format!("starts_at = {}", at(1)), false),
        (format!("ends_at = {}", at(0)), false),
        (format!("starts_at = {}, ends_at = {}", at(-9), at(-8)), false),
        (format!("starts_at = {}, ends_at = {}, paused = true", at(-1), at(1)), false),
        (format!("starts_at = {}", at(0)), true),
        (format!("starts_at = {}, ends_at = {}", at(-1), at(1)), true),
    ] {
        let campaign = books.campaign("2", "GOLD", 9);
        let assets = books.assets_of(campaign, 3);
        let own = claim(alice, assets[2]);
        submit_all(&ledger, [own.clone()]).await.pop().unwrap().unwrap();
        change(&books, campaign, &terms);
        assert_eq!(told(&books, campaign), [runs; 5], "{terms}");
        let answers = submit_all(&ledger, [claim_any(alice, campaign), claim(alice, assets[1]), again(&own)]).await;
        let expected = if runs { 0 } else { 2 };
        assert_eq!(refusals(&answers), all(&Refusal::CampaignNotRunning, expected), "{terms}: {answers:?}");
        assert_eq!(posted(&answers).len(), 2 - expected, "{terms}: {answers:?}");
        assert!(matches!(answers[2], Ok(Outcome::Again { .. })), "what one has stays: {terms}: {answers:?}");
        change(&books, campaign, "paused = true");
    }
}

/// Whether a campaign runs at noon, as each says that has to know: its status, the list of offers, the
/// wallet's few, the list of assets, and what is left for those who came too late. No other runs.
fn told(books: &Books, campaign: CampaignId) -> [bool; 5] {
    let mut conn = books.conn();
    let alice = repo::users::by_external_id(&mut conn, "alice_1").unwrap().unwrap();
    let (usual, first) = (CampaignFilter::default(), PageRequest::first(50));
    let status = repo::campaigns::one(&mut conn, &alice, campaign, noon()).unwrap().status;
    let offers = repo::campaigns::offers(&mut conn, &alice, &usual, &first, noon()).unwrap().items;
    let few = repo::campaigns::claimable_first(&mut conn, &alice, noon()).unwrap();
    let of_campaign =
        AssetFilter { campaign_id: Some(campaign), status: Some(AssetStatus::Available), ..AssetFilter::default() };
    let viewer = Viewer::User(alice.id);
    let assets = repo::assets::page(&mut conn, viewer, &of_campaign, repo::assets::USUAL, &first, noon()).unwrap();
    let left =
        repo::assets::alternatives(&mut conn, alice.id, Missed::Campaign(campaign), noon()).unwrap().unwrap().left;
    [
        status == CampaignStatus::Running,
        offers.iter().any(|offer| offer.campaign.id == campaign),
        few.iter().any(|offer| offer.campaign.id == campaign),
        !assets.items.is_empty(),
        left > 0,
    ]
}

#[tokio::test]
async fn a_credit_that_has_run_out_is_not_offered_whether_or_not_the_job_has_seen_it() {
    let books = Books::new();
    let users = books.users("user", 3);
    let campaign = books.campaign("2", "GOLD", 1);
    let assets = books.assets_of(campaign, 3);
    let expiry = noon().to_rfc3339();
    books.run(&format!("update assets set expires_at = '{expiry}' where id in ({}, {})", assets[0], assets[2]));
    let ledger = books.ledger(1, 8);
    let answers = submit_all(&ledger, users.iter().map(|user| claim_any(*user, campaign))).await;
    assert_eq!(taken(&answers[0]), assets[1]);
    assert_eq!(refusals(&answers), all(&Refusal::SoldOut, 2));
    let in_time = books.ledger_at(&books.database.url, 1, 8, &clock_at(noon() - TimeDelta::microseconds(1)));
    assert_eq!(taken(&submit_all(&in_time, [claim_any(users[1], campaign)]).await[0]), assets[0]);
}

#[tokio::test]
async fn a_credit_on_offer_does_not_expire_and_one_that_expires_is_not_offered() {
    let books = Books::new();
    let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
    books.endow(alice, "1", "GOLD").await;
    let campaign = books.campaign("2", "GOLD", 1);
    books.assets_of(campaign, 2);
    let expires_at = noon() + TimeDelta::seconds(1);
    books.run(&format!("update assets set expires_at = '{}'", expires_at.to_rfc3339()));
    let ledger = books.ledger(1, 8);
    let held = books.hold_wallet(alice, "GOLD");
    let queued = enqueue(&ledger, [claim_any(alice, campaign)]);
    books.wait_for_blocked(1);
    assert_eq!(repo::assets::expire_due(&mut books.conn(), expires_at, 10).unwrap(), 1, "the other one");
    held.release();
    assert_eq!(posted(&join_all(queued).await).len(), 1);

    // The other way round: the job has the last one, and nobody knows yet whether it will commit.
    for (ending, refused) in [("rollback", 0), ("commit", 1)] {
        let campaign = books.campaign("2", "GOLD", 1);
        books.assets_of(campaign, 1);
        let mut job = books.database.connect();
        let expire = format!(
            "update assets set expires_at = '{}' where campaign_id = {campaign};
             begin; update assets set status = 'expired' where campaign_id = {campaign}",
            expires_at.to_rfc3339()
        );
        job.batch_execute(&expire).unwrap();
        let queued = enqueue(&ledger, [claim_any(bob, campaign)]);
        books.wait_for_tries();
        job.batch_execute(ending).unwrap();
        let answers = join_all(queued).await;
        assert_eq!(refusals(&answers), all(&Refusal::SoldOut, refused), "{ending}: {answers:?}");
        assert_eq!(posted(&answers).len(), 1 - refused);
    }
}

#[tokio::test]
async fn the_same_request_gets_the_same_credit_however_often_it_comes() {
    let books = Books::new();
    let alice = books.user("alice");
    let campaign = books.campaign("2", "GOLD", 5);
    books.assets_of(campaign, 5);
    let (here, there) = (books.ledger(1, 8), books.ledger(1, 8));
    let command = keyed(claim_any(alice, campaign), "the-key");
    let copies = || (0..16).map(|_| again(&command)).collect::<Vec<_>>();
    let (one, other) = tokio::join!(race(&here, copies()), race(&there, copies()));
    let answers: Vec<_> = one.into_iter().chain(other).collect();
    assert_eq!(posted(&answers).len(), 1, "{answers:?}");
    let given: BTreeSet<_> = answers.iter().map(taken).collect();
    assert_eq!((given.len(), books.number("select count(*) from claims")), (1, 1));
    // Without a key, and with another one, it is a request for one more.
    for more in [claim_any(alice, campaign), keyed(claim_any(alice, campaign), "another")] {
        assert_eq!(posted(&submit_all(&here, [more]).await).len(), 1);
    }
    change(&books, campaign, "paused = true, per_user_limit = 1");
    let late = submit_all(&there, [again(&command)]).await;
    assert!(matches!(late[0], Ok(Outcome::Replayed(_))) && given.contains(&taken(&late[0])), "{late:?}");
}

#[tokio::test]
async fn who_may_not_claim_is_told_why_and_takes_nothing() {
    let books = Books::new();
    let [alice, frozen] = books.users("user", 2)[..] else { panic!("two users") };
    books.freeze(frozen);
    let (campaign, empty) = (books.campaign("2", "GOLD", 1), books.campaign("2", "GOLD", 1));
    books.assets_of(campaign, 1);
    let ledger = books.ledger(1, 8);
    for (command, refusal) in [
        (claim_any(frozen, campaign), Refusal::WalletFrozen),
        (claim_any(frozen, empty), Refusal::WalletFrozen),
        (claim_any(UserId(4_000), campaign), Refusal::UserNotFound),
        (claim_any(alice, CampaignId(4_000)), Refusal::CampaignNotFound),
        (claim_any(alice, empty), Refusal::SoldOut),
    ] {
        let answers = submit_all(&ledger, [keyed(command, "key")]).await;
        assert_eq!(refusals(&answers), [&refusal], "{answers:?}");
    }
    let tables = ["claims", "transactions", "wallets where user_id is not null", "idempotency_keys"];
    assert_eq!(tables.map(|table| books.number(&format!("select count(*) from {table}"))), [0; 4]);
}

#[tokio::test]
async fn a_thousand_claims_of_any_credit_are_one_batch() {
    let books = Books::new();
    let users = books.users("user", 1_000);
    let campaign = books.campaign("2", "PTS", 1);
    books.assets_of(campaign, 900);
    let ledger = books.ledger(1, 64);
    let commands = users.iter().map(|user| claim_any(*user, campaign)).collect();
    let Ok(Outcomes::Each(each)) = ledger.submit_together(commands, false).await else { panic!("not each") };
    assert!(each[..900].iter().all(|outcome| matches!(outcome, Ok(Outcome::Posted(_)))), "{each:?}");
    assert_eq!(each[900..], vec![Err(Refusal::SoldOut); 100]);
    assert_eq!(books.number("select count(distinct xmin::text) from transactions"), 1);

    let greedy = books.campaign("2", "PTS", 3);
    books.assets_of(greedy, 10);
    let commands = (0..1_000).map(|_| claim_any(users[0], greedy)).collect();
    let Ok(Outcomes::Each(each)) = ledger.submit_together(commands, false).await else { panic!("not each") };
    assert_eq!(each.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    assert_eq!(each[3..], vec![Err(Refusal::ClaimLimitReached); 997]);
}

#[tokio::test]
async fn a_limit_that_is_lowered_holds_at_once_and_takes_nothing_back() {
    let books = Books::new();
    let alice = books.user("alice");
    let campaign = books.campaign("2", "GOLD", 3);
    books.assets_of(campaign, 9);
    let ledger = books.ledger(1, 8);
    let answers = submit_all(&ledger, [claim_any(alice, campaign), claim_any(alice, campaign)]).await;
    assert_eq!(posted(&answers).len(), 2);
    for (limit, refused) in [(1, true), (2, true), (3, false), (3, true), (4, false)] {
        change(&books, campaign, &format!("per_user_limit = {limit}"));
        let answer = submit_all(&ledger, [claim_any(alice, campaign)]).await;
        assert_eq!(refusals(&answer), all(&Refusal::ClaimLimitReached, usize::from(refused)), "{answer:?}");
    }
    assert_eq!(books.balance(alice, "GOLD"), "8.00");
}

#[tokio::test]
async fn a_limit_that_is_lowered_under_a_claim_on_its_way_refuses_it() {
    let books = Books::new();
    let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
    let campaign = books.campaign("2", "GOLD", 2);
    let assets = books.assets_of(campaign, 3);
    books.endow(bob, "1", "GOLD").await;
    let ledger = books.ledger(1, 8);
    assert_eq!(posted(&submit_all(&ledger, [claim(alice, assets[0])]).await).len(), 1);
    let commands = vec![claim_any(alice, campaign), spend(bob, "1", "GOLD")];
    let held = books.hold_wallet(alice, "GOLD");
    let group = enqueue_together(&ledger, commands, false);
    // It has read the campaign, and waits for the wallet.
    books.wait_for_blocked(1);
    change(&books, campaign, "per_user_limit = 1");
    held.release();
    let outcomes = group.await;
    let Ok(Outcomes::Each(each)) = outcomes else { panic!("{outcomes:?}") };
    assert_eq!(each[0], Err(Refusal::ClaimLimitReached));
    assert!(each[1].is_ok(), "{each:?}");
}
