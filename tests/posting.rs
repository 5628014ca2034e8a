//! The pure core of the ledger, over thousands of random histories: every rule of a movement.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use std::collections::{BTreeSet, HashMap, HashSet};

use bigdecimal::BigDecimal;
use chrono::{DateTime, TimeDelta, Utc};
use coffer::domain::posting::{
    Action, Answer, AssetState, AssetTypeRules, Book, CampaignOffer, Command, Decision, Direction, EntryLine, Posting,
    WalletKey, WalletState, decide,
};
use coffer::domain::{
    AssetId, AssetKind, AssetStatus, Balance, Campaign, CampaignId, CampaignStatus, Owner, Scale, TransactionId,
    TransactionType, UserId, UserStatus,
};
use coffer::error::Refusal;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use support::books::{again, amount, bonus, claim, keyed, noon, of, spend, transfer, unit};
use support::histories::{Fate, Step, World, history, step};

fn balance(text: &str) -> Balance {
    match text.strip_prefix('-') {
        Some(amount_text) => Balance::of_debit(&amount(amount_text)),
        None if text == "0" => Balance::zero(),
        None => Balance::of_credit(&amount(text)),
    }
}

fn campaign(id: i64, code: &str, starts_at: Option<DateTime<Utc>>, per_user_limit: i32) -> Campaign {
    Campaign {
        id: CampaignId(id),
        title: format!("Campaign {id}"),
        description: String::new(),
        kind: AssetKind::Promotional,
        asset_type: unit(code),
        amount: amount("20"),
        starts_at,
        ends_at: Some(noon() + TimeDelta::seconds(60)),
        per_user_limit,
        paused: false,
        created_at: noon(),
        version: 1,
    }
}

fn offer(campaign: Campaign) -> CampaignOffer {
    CampaignOffer { campaign, assets: BTreeSet::new(), contended: false }
}

/// Five users of whom one is frozen and one unknown; five assets of all kinds and an unknown one.
fn world() -> (Book, World) {
    let mut book = Book::empty(noon());
    for (id, status) in
        [(1, UserStatus::Active), (2, UserStatus::Active), (3, UserStatus::Active), (4, UserStatus::Frozen)]
    {
        book.users.insert(UserId(id), status);
    }
    book.users.insert(UserId(9), UserStatus::Active);
    for (code, scale, floor, transferable) in [("GOLD", 2, "0", false), ("CASH", 2, "5", true), ("PTS", 0, "0", true)] {
        let rules = AssetTypeRules { scale: Scale(scale), minimum_balance: balance(floor), transferable };
        book.asset_types.insert(unit(code), rules);
    }
    let soon = Some(noon() + TimeDelta::seconds(60));
    for (id, code, starts_at, per_user_limit) in [(1, "PTS", None, 1), (2, "CASH", Some(noon()), 2)] {
        book.campaigns.insert(CampaignId(id), offer(campaign(id, code, starts_at, per_user_limit)));
    }
    for (id, status, expires_at, code, value, campaign) in [
        (1, AssetStatus::Available, None, "GOLD", "100", None),
        (2, AssetStatus::Available, soon, "CASH", "15.50", None),
        (3, AssetStatus::Available, soon, "PTS", "20", Some(1)),
        (4, AssetStatus::Available, Some(noon()), "GOLD", "5", None),
        (5, AssetStatus::Expired, Some(noon()), "GOLD", "5", None),
        (7, AssetStatus::Available, None, "PTS", "20", Some(1)),
        (8, AssetStatus::Available, soon, "CASH", "9", Some(2)),
        (9, AssetStatus::Available, None, "CASH", "9", Some(2)),
    ] {
        let asset_type = unit(code);
        let title = format!("Credit {id}");
        let campaign = campaign.map(CampaignId);
        if let Some(campaign) = campaign.and_then(|campaign| book.campaigns.get_mut(&campaign)) {
            campaign.assets.insert(AssetId(id));
        }
        let amount = amount(value);
        let state = AssetState { status, expires_at, asset_type, amount, title, campaign, claimed: None };
        book.assets.insert(AssetId(id), state);
    }
    let ids = |range: std::ops::RangeInclusive<i64>| range.collect::<Vec<_>>();
    let world = World {
        admin: UserId(9),
        users: ids(1..=5).into_iter().map(UserId).collect(),
        assets: ids(1..=9).into_iter().map(AssetId).collect(),
        campaigns: ids(1..=3).into_iter().map(CampaignId).collect(),
    };
    (book, world)
}

fn same(one: &Book, other: &Book) -> bool {
    one.now == other.now
        && one.users == other.users
        && one.asset_types == other.asset_types
        && one.assets == other.assets
        && one.wallets == other.wallets
        && one.transactions == other.transactions
        && one.campaigns == other.campaigns
        && one.campaign_claims == other.campaign_claims
}

/// What must hold of books, whatever was done to them.
#[derive(Default)]
struct Watch {
    owners: HashMap<AssetId, (UserId, TransactionId)>,
    posted: HashMap<TransactionId, Posting>,
    reversed: HashSet<TransactionId>,
    keys: HashMap<(UserId, String), ([u8; 32], Answer)>,
    campaign_claims: HashMap<(CampaignId, UserId), i32>,
}

impl Watch {
    /// Looks at one command and what it did.
    fn see(&mut self, before: &Book, after: &Book, command: &Command, decision: &Result<Decision, Refusal>) {
        match decision {
            Ok(Decision::Post(posting)) => self.see_posting(before, after, command, posting),
            Ok(Decision::Replay(answer)) => {
                assert!(same(before, after) && before.keys == after.keys, "a replay moves nothing");
                let key = command.idempotency.as_ref().expect("only a key replays");
                let used = &self.keys[&(command.requested_by, key.key.clone())];
                assert_eq!(used, &(key.request_hash, answer.clone()));
            }
            Ok(Decision::Again(answer)) => {
                assert!(same(before, after), "a claim again moves nothing");
                let Action::Claim { user, asset } = command.action else { panic!("only a claim is again") };
                assert_eq!(self.owners[&asset], (user, answer.transaction));
                let key = WalletKey { owner: Owner::User(user), asset_type: before.assets[&asset].asset_type };
                assert_eq!(Some(&after.wallets[&key].balance), answer.owned_with.as_ref());
                self.see_key(command, answer);
            }
            Err(refusal) => {
                assert!(same(before, after) && before.keys == after.keys, "{refusal:?} left a trace");
                self.see_refusal(command, refusal);
            }
        }
        if let Some(key) = &command.idempotency
            && let Some((hash, answer)) = self.keys.get(&(command.requested_by, key.key.clone()))
        {
            let expected = match decision {
                Ok(Decision::Post(posting)) => posting.transaction == answer.transaction,
                Ok(Decision::Replay(replayed) | Decision::Again(replayed)) => {
                    replayed == answer && *hash == key.request_hash
                }
                Err(refusal) => *refusal == Refusal::IdempotencyKeyReused && *hash != key.request_hash,
            };
            assert!(expected, "a used key gave {decision:?}");
        }
        see_all_wallets(after);
    }

    fn see_posting(&mut self, before: &Book, after: &Book, command: &Command, posting: &Posting) {
        assert_eq!(posting.transaction, command.transaction);
        assert_ne!(posting.debit.wallet, posting.credit.wallet);
        assert!(posting.created_at >= before.now);
        let amount = &posting.amount;
        amount.check_scale(posting.scale.0).expect("no amount is too fine");
        see_line(before, after, posting, &posting.debit, &posting.debit.balance_before.debited(amount), false);
        see_line(before, after, posting, &posting.credit, &posting.credit.balance_before.credited(amount), true);
        see_floor(before, command, posting);
        if let Some(asset) = posting.asset {
            let (Action::Claim { user, .. } | Action::ClaimAny { user, .. }) = command.action else {
                panic!("only claims have assets")
            };
            if let Action::Claim { asset: named, .. } = command.action {
                assert_eq!(asset, named);
            }
            self.see_campaign(before, command, user, asset, posting.campaign);
            let earlier = self.owners.insert(asset, (user, posting.transaction));
            assert_eq!(earlier, None, "asset {asset} was claimed twice");
            let state = &before.assets[&asset];
            assert_eq!(state.status, AssetStatus::Available);
            assert!(state.expires_at.is_none_or(|expires_at| before.now < expires_at));
            assert_eq!((&state.amount, posting.credit.wallet.owner), (amount, Owner::User(user)));
            assert_eq!(after.assets[&asset].claimed, Some((user, posting.transaction)));
            assert_eq!(before.users[&user], UserStatus::Active);
        }
        if let Action::Reversal { reverses } = command.action {
            assert!(self.reversed.insert(reverses), "{reverses} was reversed twice");
            let original = &self.posted[&reverses];
            assert_eq!((&original.amount, &original.asset_type), (amount, &posting.asset_type));
            assert_eq!(original.debit.wallet, posting.credit.wallet);
            assert_eq!(original.credit.wallet, posting.debit.wallet);
        }
        let touched = [&posting.debit.wallet, &posting.credit.wallet];
        for (key, wallet) in before.wallets.iter().filter(|(key, _)| !touched.contains(key)) {
            assert_eq!(wallet, &after.wallets[key], "another wallet changed");
        }
        self.posted.insert(posting.transaction, posting.clone());
        self.see_key(command, &Answer { transaction: posting.transaction, owned_with: None });
    }

    fn see_key(&mut self, command: &Command, answer: &Answer) {
        if let Some(key) = &command.idempotency {
            let used = (key.request_hash, answer.clone());
            let earlier = self.keys.insert((command.requested_by, key.key.clone()), used);
            assert_eq!(earlier, None, "a key was used for two answers");
        }
    }

    fn see_campaign(
        &mut self,
        before: &Book,
        command: &Command,
        user: UserId,
        asset: AssetId,
        numbered: Option<(CampaignId, i32)>,
    ) {
        assert_eq!(numbered.map(|(campaign, _)| campaign), before.assets[&asset].campaign);
        if let Action::ClaimAny { campaign, .. } = command.action {
            assert_eq!(before.assets[&asset].campaign, Some(campaign));
        }
        let Some((campaign, number)) = numbered else { return };
        let claims = self.campaign_claims.entry((campaign, user)).or_default();
        *claims += 1;
        let terms = &before.campaigns[&campaign].campaign;
        assert_eq!(number, *claims, "claims are counted from 1");
        assert!(number <= terms.per_user_limit);
        assert_eq!(terms.status(before.now), CampaignStatus::Running);
    }

    fn see_refusal(&self, command: &Command, refusal: &Refusal) {
        match (refusal, &command.action) {
            (Refusal::AlreadyClaimed, Action::Claim { user, asset }) => assert_ne!(self.owners[asset].0, *user),
            (Refusal::AlreadyReversed, Action::Reversal { reverses }) => assert!(self.reversed.contains(reverses)),
            (Refusal::TransactionNotFound, Action::Reversal { reverses }) => {
                assert!(!self.posted.contains_key(reverses));
            }
            (Refusal::ClaimLimitReached, Action::ClaimAny { user, campaign }) => {
                assert!(self.campaign_claims[&(*campaign, *user)] > 0);
            }
            (Refusal::SelfTransfer, Action::Transfer { movement, receiver, .. }) => {
                assert_eq!(movement.user, *receiver);
            }
            _ => {}
        }
    }
}

fn see_line(before: &Book, after: &Book, posting: &Posting, line: &EntryLine, balance: &Balance, gains: bool) {
    let earlier = before.wallets.get(&line.wallet).cloned().unwrap_or_else(WalletState::unopened);
    let now = &after.wallets[&line.wallet];
    assert_eq!(line.wallet.asset_type, posting.asset_type);
    assert_eq!((&line.balance_before, &line.balance_after), (&earlier.balance, balance));
    assert_eq!((&now.balance, now.version, now.id), (balance, earlier.version + 1, earlier.id));
    assert_eq!((line.version, &line.credit_total), (now.version, &now.credit_total));
    let expected = if gains { earlier.credit_total.credited(&posting.amount) } else { earlier.credit_total.clone() };
    assert_eq!(now.credit_total, expected);
    assert!(earlier.last_posted_at.is_none_or(|at| at <= posting.created_at), "time ran backwards");
    assert_eq!(now.last_posted_at, Some(posting.created_at));
}

fn see_floor(before: &Book, command: &Command, posting: &Posting) {
    let Owner::User(giver) = posting.debit.wallet.owner else { return };
    let after = &posting.debit.balance_after;
    assert!(after >= &before.asset_types[&posting.asset_type].minimum_balance, "below the floor of the asset type");
    if let Action::Spend { floor: Some(floor), .. } | Action::Transfer { floor: Some(floor), .. } = &command.action {
        assert!(after >= floor, "below the floor of the command");
    }
    if matches!(posting.transaction_type, TransactionType::Spend | TransactionType::Transfer) {
        assert_eq!(before.users[&giver], UserStatus::Active);
    }
}

fn see_all_wallets(book: &Book) {
    for asset_type in book.asset_types.keys() {
        let of_type: Vec<_> = book.wallets.iter().filter(|(key, _)| key.asset_type == *asset_type).collect();
        let users = || of_type.iter().filter(|(key, _)| key.owner != Owner::Treasury);
        assert!(users().all(|(_, wallet)| !wallet.balance.is_negative() && wallet.balance <= Balance::limit()));
        let sum: BigDecimal =
            of_type.iter().map(|(_, wallet)| wallet.balance.to_string().parse::<BigDecimal>().unwrap()).sum();
        assert_eq!(sum, BigDecimal::from(0), "{asset_type} does not sum to zero");
    }
}

/// Runs a history on a clock that jumps, and looks at every step.
fn live_through(steps: &[(Step, i64)]) -> Vec<Fate> {
    let (mut book, world) = world();
    let mut watch = Watch::default();
    let mut commands = Vec::new();
    let mut fates = Vec::new();
    for (step, seconds) in steps {
        book.now = noon() + TimeDelta::seconds(*seconds);
        let command = world.command(step, &commands);
        let before = book.clone();
        let decision = decide(&mut book, &command);
        watch.see(&before, &book, &command, &decision);
        fates.push(Fate::from(decision));
        commands.push(command);
    }
    fates
}

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config(1_200))]

    #[test]
    fn whatever_is_asked_for_in_whatever_order_every_rule_of_the_ledger_holds(
        steps in prop::collection::vec((step(), -90_i64..90), 1..45)
    ) {
        live_through(&steps);
    }

    #[test]
    fn the_same_history_has_the_same_fate(steps in history(1..40)) {
        let (book, world) = world();
        let commands = world.commands(&steps);
        let fates = |mut book: Book| commands.iter().map(|c| Fate::from(decide(&mut book, c))).collect::<Vec<_>>();
        prop_assert_eq!(fates(book.clone()), fates(book));
    }
}

#[test]
fn random_histories_come_across_every_fate_there_is() {
    let mut runner = TestRunner::deterministic();
    let strategy = prop::collection::vec((step(), -90_i64..90), 60);
    let mut met = BTreeSet::new();
    for _ in 0..300 {
        let steps = strategy.new_tree(&mut runner).unwrap().current();
        met.extend(live_through(&steps).iter().map(Fate::kind));
    }
    let all = [
        "Again",
        "AlreadyClaimed",
        "AlreadyReversed",
        "AssetExpired",
        "AssetNotFound",
        "AssetTypeNotFound",
        "CampaignNotFound",
        "CampaignNotRunning",
        "ClaimLimitReached",
        "IdempotencyKeyReused",
        "InsufficientFunds",
        "InvalidAmount",
        "NotTransferable",
        "Posted",
        "Replayed",
        "SelfTransfer",
        "SoldOut",
        "TransactionNotFound",
        "UserNotFound",
        "WalletFrozen",
    ];
    assert_eq!(met, all.map(str::to_owned).into());
}

fn at(book: &mut Book, now: DateTime<Utc>, command: &Command) -> Result<Decision, Refusal> {
    book.now = now;
    decide(book, command)
}

#[test]
fn a_credit_can_be_claimed_until_the_moment_it_expires() {
    let (mut book, world) = world();
    let expires_at = book.assets[&world.assets[1]].expires_at.unwrap();
    let command = claim(world.users[0], world.assets[1]);
    assert_eq!(at(&mut book, expires_at, &command), Err(Refusal::AssetExpired));
    let just_before = expires_at - TimeDelta::microseconds(1);
    assert!(matches!(at(&mut book, just_before, &command), Ok(Decision::Post(_))));
    assert!(matches!(at(&mut book, expires_at, &command), Ok(Decision::Again(..))));
}

#[test]
fn a_balance_never_passes_the_limit() {
    let (mut book, world) = world();
    let most = "1000000000000";
    for _ in 0..1_000 {
        assert!(matches!(decide(&mut book, &bonus(world.users[0], most, "GOLD")), Ok(Decision::Post(_))));
    }
    assert_eq!(decide(&mut book, &bonus(world.users[0], "0.01", "GOLD")), Err(Refusal::BalanceLimit));
}

#[test]
fn a_debit_may_use_all_above_the_floor_and_nothing_below_it() {
    let (mut book, world) = world();
    let alice = world.users[0];
    decide(&mut book, &bonus(alice, "20", "CASH")).unwrap();
    let refused = decide(&mut book, &spend(alice, "15.01", "CASH")).unwrap_err();
    assert_eq!(refused, Refusal::insufficient(balance("15"), unit("CASH")));
    let floor = Some(balance("12"));
    let strict = Command::new(alice, Action::Spend { movement: of(alice, "8.01", "CASH"), floor });
    assert_eq!(decide(&mut book, &strict), Err(Refusal::insufficient(balance("8"), unit("CASH"))));
    assert!(matches!(decide(&mut book, &spend(alice, "15", "CASH")), Ok(Decision::Post(_))));
    let refused = decide(&mut book, &transfer(alice, world.users[1], "0.01", "CASH")).unwrap_err();
    assert_eq!(refused, Refusal::insufficient(balance("0"), unit("CASH")));
}

#[test]
fn a_frozen_user_receives_and_does_not_give() {
    let (mut book, world) = world();
    let (alice, frozen) = (world.users[0], world.users[3]);
    decide(&mut book, &bonus(alice, "50", "PTS")).unwrap();
    assert!(matches!(decide(&mut book, &transfer(alice, frozen, "10", "PTS")), Ok(Decision::Post(_))));
    assert!(matches!(decide(&mut book, &bonus(frozen, "10", "PTS")), Ok(Decision::Post(_))));
    let correction = Action::Adjustment { movement: of(frozen, "3", "PTS"), direction: Direction::Debit };
    assert!(matches!(decide(&mut book, &Command::new(world.admin, correction)), Ok(Decision::Post(_))));
    for command in [spend(frozen, "1", "PTS"), transfer(frozen, alice, "1", "PTS"), claim(frozen, world.assets[0])] {
        assert_eq!(decide(&mut book, &command), Err(Refusal::WalletFrozen));
    }
}

#[test]
fn a_key_belongs_to_its_caller_and_a_refused_request_does_not_use_it_up() {
    let (mut book, world) = world();
    let (alice, bob) = (world.users[0], world.users[1]);
    let poor = keyed(spend(alice, "10", "GOLD"), "k");
    assert!(matches!(decide(&mut book, &poor), Err(Refusal::InsufficientFunds { .. })));
    decide(&mut book, &bonus(alice, "10", "GOLD")).unwrap();
    assert!(matches!(decide(&mut book, &poor), Ok(Decision::Post(_))));
    assert_eq!(
        decide(&mut book, &again(&poor)),
        Ok(Decision::Replay(Answer { transaction: poor.transaction, owned_with: None }))
    );
    let clash = keyed(spend(alice, "1", "GOLD"), "k");
    assert_eq!(decide(&mut book, &clash), Err(Refusal::IdempotencyKeyReused));
    assert!(matches!(decide(&mut book, &keyed(bonus(bob, "1", "GOLD"), "k")), Ok(Decision::Post(_))));
}
