//! The proof of the books finds every kind of damage, and names the promise that is broken.

use std::time::Duration;

use coffer::domain::posting::{Action, Command};
use coffer::error::Error;
use coffer::ledger::Outcome;
use coffer::ledger::verify::verify_within;

use crate::support::books::{Books, bonus, claim, keyed, of, spend, submit_all, transfer};

const TWO_ENTRIES: &str = "Every transaction has the two entries that it names, and they sum to zero";
const NO_OTHERS: &str = "There are no entries but those two";
const ZERO_SUM: &str = "The entries of every asset type sum to zero";
const ONE_UNIT: &str = "Both wallets of a transaction are in its asset type";
const BALANCE: &str = "The balance of every wallet is the sum of its entries";
const CHAIN: &str = "The entries of every wallet follow on each other without a gap";
const NOT_NEGATIVE: &str = "No user's wallet is below zero";
const ONE_CLAIM: &str = "Every claimed asset has one claim, and a transaction of the same amount to the same owner";
const CLAIM_EXISTS: &str = "Every transaction of a claim belongs to a claim";
const REVERSAL: &str = "Every reversal takes back an earlier transaction of the same amount between the same owners";
const KEY: &str = "Every answer under an idempotency key names a transaction";

/// Alice claims 10 GOLD (asset 1), gets 20 PTS, spends 5 of them, gives Bob 3, who tops up 5, and
/// gets the 5 back.
/// The SQL names wallets by user and unit, transactions by type.
async fn with_a_history() -> Books {
    let books = Books::new();
    let [alice, bob] = books.users("user", 2)[..] else { panic!("two users") };
    let asset = books.asset("10", "GOLD");
    let ledger = books.ledger(1, 64);
    let spent = spend(alice, "5", "PTS");
    let take_back = Command::new(alice, Action::Reversal { reverses: spent.transaction });
    let commands = [
        claim(alice, asset),
        bonus(alice, "20", "PTS"),
        spent,
        keyed(transfer(alice, bob, "3", "PTS"), "key"),
        Command::new(bob, Action::TopUp(of(bob, "5", "PTS"))),
        take_back,
        bonus(bob, "7", "CASH"),
    ];
    for answer in submit_all(&ledger, commands).await {
        assert!(matches!(answer, Ok(Outcome::Posted(_))), "{answer:?}");
    }
    books.run(
        "create function wallet(of_user bigint, unit text) returns bigint stable language sql
             as $$ select id from wallets where user_id is not distinct from of_user and asset_type = unit $$;
         create function posted(of_type text, unit text) returns uuid stable language sql
             as $$ select id from transactions where type = of_type and asset_type = unit $$",
    );
    books
}

/// Breaks the books with the triggers off, and fails unless exactly these promises are broken then.
async fn damage(sql: &str, broken: &[&str]) {
    let books = with_a_history().await;
    assert!(books.verdict().is_clean(), "{:#?}", books.verdict());
    books.will_be_damaged();
    books.run(&format!("set session_replication_role = replica; {sql}"));
    let verdict = books.verdict();
    assert!(!verdict.is_clean());
    let found: Vec<_> =
        verdict.checks.iter().filter(|check| check.violations != 0).map(|check| check.promise.as_ref()).collect();
    assert_eq!(found, broken, "after {sql}: {verdict:#?}");
}

#[tokio::test]
async fn sound_books_keep_every_promise_and_their_trial_balance_tells_who_holds_what() {
    let books = with_a_history().await;
    let verdict = books.verdict();
    assert!(verdict.is_clean());
    let balances: Vec<_> = verdict
        .trial_balances
        .iter()
        .map(|trial| [&trial.entries, &trial.balances, &trial.issued, &trial.outstanding, &trial.claimed])
        .map(|figures| figures.map(|figure| figure.at_scale(0)).join(" "))
        .collect();
    // CASH, GOLD, PTS: entries, balances, issued, outstanding, claimed.
    assert_eq!(balances, ["0 0 7 7 0", "0 0 10 10 10", "0 0 30 25 0"]);
}

#[tokio::test]
async fn a_changed_wallet_is_found() {
    for change in ["balance = balance + 1", "credit_total = credit_total + 1", "version = version + 1"] {
        damage(&format!("update wallets set {change} where id = wallet(1, 'PTS')"), &[BALANCE]).await;
    }
    damage("delete from wallets where id = wallet(2, 'CASH')", &[ZERO_SUM, ONE_UNIT]).await;
}

#[tokio::test]
async fn a_wallet_whose_last_time_is_not_that_of_its_last_entry_is_found() {
    damage("update wallets set last_posted_at = null where id = wallet(1, 'PTS')", &[BALANCE]).await;
}

#[tokio::test]
async fn a_negative_wallet_is_found() {
    damage(
        "alter table wallets drop constraint wallets_balance_not_negative;
         update wallets set balance = -1 where id = wallet(1, 'PTS')",
        &[BALANCE, NOT_NEGATIVE],
    )
    .await;
}

#[tokio::test]
async fn a_changed_entry_is_found() {
    // The last of its wallet, and one in the middle of its wallet.
    damage(
        "update entries set amount = amount + 1, balance_after = balance_after + 1 where wallet_id = wallet(2, 'CASH')",
        &[TWO_ENTRIES, ZERO_SUM, BALANCE, CHAIN],
    )
    .await;
    damage(
        "update entries set balance_before = balance_before + 1, balance_after = balance_after + 1
         where wallet_id = wallet(1, 'PTS') and version = 2",
        &[CHAIN],
    )
    .await;
    damage("update entries set credit_total = 1 where wallet_id = wallet(2, 'CASH')", &[CHAIN]).await;
    damage("update entries set version = 9 where wallet_id = wallet(2, 'CASH')", &[TWO_ENTRIES, CHAIN]).await;
    damage(
        "update entries set created_at = created_at - interval '1 hour' where wallet_id = wallet(2, 'CASH')",
        &[TWO_ENTRIES, BALANCE],
    )
    .await;
    damage(
        "update entries set transaction_id = posted('spend', 'PTS') where wallet_id = wallet(2, 'CASH')",
        &[TWO_ENTRIES],
    )
    .await;
}

#[tokio::test]
async fn a_posting_moved_to_an_earlier_time_is_found() {
    let earlier = "set created_at = created_at - interval '1 hour' where";
    damage(
        &format!(
            "update transactions {earlier} type = 'reversal';
             update entries {earlier} transaction_id = posted('reversal', 'PTS')"
        ),
        &[CHAIN, REVERSAL],
    )
    .await;
}

#[tokio::test]
async fn a_missing_entry_is_found() {
    damage("delete from entries where wallet_id = wallet(2, 'CASH')", &[TWO_ENTRIES, NO_OTHERS, ZERO_SUM, BALANCE])
        .await;
    damage("delete from entries where transaction_id = posted('bonus', 'CASH')", &[TWO_ENTRIES, NO_OTHERS, BALANCE])
        .await;
}

#[tokio::test]
async fn a_missing_transaction_is_found() {
    damage("delete from transactions where id = posted('bonus', 'CASH')", &[NO_OTHERS]).await;
    damage("delete from transactions where type = 'spend'", &[NO_OTHERS, REVERSAL]).await;
    damage("delete from transactions where type = 'transfer'", &[NO_OTHERS, KEY]).await;
    damage("delete from transactions where type = 'claim'", &[NO_OTHERS, ONE_CLAIM]).await;
}

#[tokio::test]
async fn entries_without_a_transaction_are_found_though_they_balance() {
    damage(
        "insert into entries
         select id, last_posted_at, version + 1, gen_random_uuid(), 1, balance, balance + 1, credit_total + 1
         from wallets where id = wallet(2, 'CASH')
         union all
         select id, last_posted_at, version + 1, gen_random_uuid(), -1, balance, balance - 1, credit_total
         from wallets where id = wallet(null, 'CASH');
         update wallets set balance = balance + 1, credit_total = credit_total + 1, version = version + 1
         where id = wallet(2, 'CASH');
         update wallets set balance = balance - 1, version = version + 1 where id = wallet(null, 'CASH')",
        &[NO_OTHERS],
    )
    .await;
}

#[tokio::test]
async fn a_changed_transaction_is_found() {
    damage("update transactions set amount = 8 where id = posted('bonus', 'CASH')", &[TWO_ENTRIES]).await;
    damage("update transactions set asset_type = 'GOLD' where id = posted('bonus', 'CASH')", &[ONE_UNIT]).await;
    damage("update transactions set debit_version = 2 where id = posted('bonus', 'CASH')", &[TWO_ENTRIES]).await;
}

#[tokio::test]
async fn a_claim_that_was_tampered_with_is_found() {
    damage("delete from claims", &[ONE_CLAIM, CLAIM_EXISTS]).await;
    damage("update claims set user_id = 2", &[ONE_CLAIM]).await;
    damage("update claims set claimed_at = claimed_at + interval '1 second'", &[ONE_CLAIM]).await;
    damage("update claims set transaction_id = posted('bonus', 'CASH')", &[ONE_CLAIM, CLAIM_EXISTS]).await;
    damage("update assets set amount = 11", &[ONE_CLAIM]).await;
    damage("update assets set asset_type = 'CASH'", &[ONE_CLAIM]).await;
    damage("update assets set status = 'available'", &[ONE_CLAIM]).await;
    damage("delete from assets", &[ONE_CLAIM]).await;
    damage("update transactions set type = 'bonus', asset_id = null where type = 'claim'", &[ONE_CLAIM]).await;
}

#[tokio::test]
async fn a_second_transaction_for_one_claim_is_found() {
    damage("update transactions set type = 'claim', asset_id = 1 where id = posted('bonus', 'CASH')", &[CLAIM_EXISTS])
        .await;
}

#[tokio::test]
async fn a_claimed_credit_without_a_claim_is_found() {
    damage(
        "insert into assets (code, title, kind, asset_type, amount, status)
         values ('2222222222222', 'x', 'signup', 'GOLD', 1, 'claimed')",
        &[ONE_CLAIM],
    )
    .await;
}

#[tokio::test]
async fn a_reversal_of_something_else_is_found() {
    damage("update transactions set reverses = gen_random_uuid() where type = 'reversal'", &[REVERSAL]).await;
    damage("update transactions set reverses = posted('bonus', 'CASH') where type = 'reversal'", &[REVERSAL]).await;
}

#[tokio::test]
async fn a_reversal_between_other_owners_than_its_original_is_found() {
    // Bob's top-up has the same amount in the same unit as what Alice got back.
    damage("update transactions set reverses = posted('top_up', 'PTS') where type = 'reversal'", &[REVERSAL]).await;
}

#[tokio::test]
async fn a_key_of_nothing_is_found() {
    damage("update idempotency_keys set transaction_id = gen_random_uuid()", &[KEY]).await;
}

#[test]
fn whoever_waits_for_a_proof_waits_no_longer_than_one_says() {
    let books = Books::new();
    let within = |most| verify_within(&mut books.conn(), most);
    assert!(matches!(within(Duration::ZERO), Err(Error::Overloaded)));
    assert!(within(Duration::from_secs(60)).unwrap().is_clean());
}
