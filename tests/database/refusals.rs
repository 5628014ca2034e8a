//! What the database refuses, by SQL sent to it directly as the owner of its tables.

use coffer::domain::{AssetId, UserId};
use diesel::connection::SimpleConnection;
use diesel::result::{DatabaseErrorKind, Error};

use crate::support::books::{Books, bonus, claim, submit_all};

/// Alice (user 1) has 10 PTS by a bonus and 5 GOLD by claiming asset 1; Bob (user 2) has nothing.
/// Assets 2 to 4 wait. There is a line in the audit log.
struct Bank {
    books: Books,
    alice: UserId,
    claimed: AssetId,
    available: AssetId,
}

impl Bank {
    async fn open() -> Self {
        let books = Books::new();
        let [alice, _bob] = books.users("user", 2)[..] else { panic!("two users") };
        let assets = books.assets(4, "5", "GOLD", None);
        let ledger = books.ledger(1, 8);
        for answer in submit_all(&ledger, [bonus(alice, "10", "PTS"), claim(alice, assets[0])]).await {
            answer.unwrap();
        }
        books.run("insert into audit_log (action, target, created_at) values ('a.b', 'c', now())");
        books.run(
            "create function wallet(of_user bigint, unit text) returns bigint stable language sql
                 as $$ select id from wallets where user_id is not distinct from of_user and asset_type = unit $$;
             create function noon() returns timestamptz stable language sql
                 as $$ select max(last_posted_at) from wallets $$",
        );
        Self { books, alice, claimed: assets[0], available: assets[1] }
    }

    /// How the database refuses this, which leaves nothing behind.
    fn refusal(&self, sql: &str) -> Refused {
        let mut conn = self.books.database.connect();
        match conn.batch_execute(sql) {
            Err(Error::DatabaseError(kind, information)) => Refused {
                kind,
                constraint: information.constraint_name().unwrap_or_default().to_owned(),
                message: information.message().to_owned(),
            },
            other => panic!("{other:?}: {sql}"),
        }
    }

    /// Fails unless the constraint of this name refuses.
    fn refused_by(&self, constraint: &str, sql: &str) {
        let refused = self.refusal(sql);
        assert_eq!(refused.constraint, constraint, "{refused:?}: {sql}");
    }

    /// Fails unless a rule that rows never change refuses.
    fn never_changes(&self, sql: &str) {
        let refused = self.refusal(sql);
        assert!(
            matches!(refused.kind, DatabaseErrorKind::RestrictViolation)
                && refused.message.contains("its rows never change"),
            "{refused:?}: {sql}"
        );
    }
}

#[derive(Debug)]
struct Refused {
    kind: DatabaseErrorKind,
    constraint: String,
    message: String,
}

/// A sound posting of 1 PTS from the treasury to Alice, as Coffer writes it.
const SOUND: &str = "begin;
    update wallets set balance = 11, credit_total = 11, version = 2 where id = wallet(1, 'PTS');
    update wallets set balance = -11, version = 2 where id = wallet(null, 'PTS');
    insert into transactions (id, type, asset_type, amount, debit_wallet_id, debit_version, credit_wallet_id,
                              credit_version, requested_by, created_at)
    values ('00000000-0000-7000-8000-000000000001', 'bonus', 'PTS', 1, wallet(null, 'PTS'), 2, wallet(1, 'PTS'), 2, 1,
            noon());
    insert into entries (wallet_id, created_at, version, transaction_id, amount, balance_before, balance_after,
                         credit_total)
    values (wallet(null, 'PTS'), noon(), 2, '00000000-0000-7000-8000-000000000001', -1, -10, -11, 0),
           (wallet(1, 'PTS'), noon(), 2, '00000000-0000-7000-8000-000000000001', 1, 10, 11, 11);
    commit";

/// The sound posting with something else in it.
fn but(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(SOUND.to_owned(), |sql, (what, by)| {
        assert!(sql.contains(what), "{what}");
        sql.replace(what, by)
    })
}

#[tokio::test]
async fn a_sound_posting_is_taken() {
    let bank = Bank::open().await;
    bank.books.run(SOUND);
    assert_eq!(bank.books.balance(bank.alice, "PTS"), "11");
}

#[tokio::test]
async fn entries_that_do_not_sum_to_zero_are_refused() {
    let bank = Bank::open().await;
    bank.refused_by("entries_balanced", &but(&[("1, 10, 11, 11)", "2, 10, 12, 12)")]));
    bank.refused_by("entries_balanced", &but(&[("-1, -10, -11, 0)", "-2, -10, -12, 0)")]));
    bank.refused_by("entries_balanced", &but(&[(" -1, -10, -11, 0)", " 'NaN', -10, 'NaN', 0)")]));
}

#[tokio::test]
async fn an_entry_alone_is_refused() {
    let bank = Bank::open().await;
    let alone = "(wallet(null, 'PTS'), noon(), 2, '00000000-0000-7000-8000-000000000001', -1, -10, -11, 0),";
    bank.refused_by("entries_balanced", &but(&[(alone, "")]));
}

#[tokio::test]
async fn the_entries_of_a_transaction_come_in_one_statement() {
    let bank = Bank::open().await;
    let in_two = "-1, -10, -11, 0); insert into entries values";
    bank.refused_by("entries_balanced", &but(&[("-1, -10, -11, 0),", in_two)]));
}

#[tokio::test]
async fn entries_cannot_join_a_transaction_that_was_committed_without_them() {
    let bank = Bank::open().await;
    bank.books.will_be_damaged();
    let (begin, rest) = SOUND.split_once("    insert into transactions").unwrap();
    let (transaction, entries) = rest.split_once("    insert into entries").unwrap();
    bank.books.run(&format!("insert into transactions{transaction}"));
    bank.refused_by("entries_of_transaction", &format!("{begin} insert into entries{entries}"));
    // What was committed alone stays, and the proof of the books finds it.
    assert!(!bank.books.verdict().is_clean());
}

#[tokio::test]
async fn entries_go_behind_the_ones_that_are_there_without_a_gap() {
    let bank = Bank::open().await;
    let credit = "2, '00000000-0000-7000-8000-000000000001', 1, 10, 11, 11)";
    let debit = "2, '00000000-0000-7000-8000-000000000001', -1, -10, -11, 0)";
    let old = [("wallet(null, 'PTS'), 2, wallet(1, 'PTS'), 2", "wallet(null, 'PTS'), 1, wallet(1, 'PTS'), 1")];
    let old = old.into_iter().chain([(credit, "1, '00000000-0000-7000-8000-000000000001', 1, 10, 11, 11)")]);
    let old: Vec<_> = old.chain([(debit, "1, '00000000-0000-7000-8000-000000000001', -1, -10, -11, 0)")]).collect();
    bank.refused_by("entries_of_wallet", &but(&old).replace("noon()", "noon() + interval '1 second'"));
}

#[tokio::test]
async fn more_than_two_entries_of_a_transaction_are_refused() {
    let bank = Bank::open().await;
    let four = "11, 11),
        (wallet(null, 'PTS'), noon(), 3, '00000000-0000-7000-8000-000000000001', -1, -11, -12, 0),
        (wallet(1, 'PTS'), noon(), 3, '00000000-0000-7000-8000-000000000001', 1, 11, 12, 12)";
    bank.refused_by("entries_balanced", &but(&[("11, 11)", four)]));
}

#[tokio::test]
async fn entries_cannot_join_an_older_transaction() {
    let bank = Bank::open().await;
    bank.books.run(SOUND);
    let more = "begin;
        update wallets set balance = 12, credit_total = 12, version = 3 where id = wallet(1, 'PTS');
        update wallets set balance = -12, version = 3 where id = wallet(null, 'PTS');
        insert into entries values
            (wallet(null, 'PTS'), noon(), 3, '00000000-0000-7000-8000-000000000001', -1, -11, -12, 0),
            (wallet(1, 'PTS'), noon(), 3, '00000000-0000-7000-8000-000000000001', 1, 11, 12, 12);
        commit";
    bank.refused_by("entries_of_transaction", more);
    let the_same = "insert into entries select * from entries";
    bank.refused_by("entries_pkey", the_same);
}

#[tokio::test]
async fn entries_of_an_unknown_transaction_are_refused() {
    let bank = Bank::open().await;
    let other = "00000000-0000-7000-8000-000000000002', ";
    let sql = but(&[("00000000-0000-7000-8000-000000000001', -1", &format!("{other}-1"))]);
    let sql = sql.replace("00000000-0000-7000-8000-000000000001', 1", &format!("{other}1"));
    bank.refused_by("entries_of_transaction", &sql);
}

#[tokio::test]
async fn entries_that_their_transaction_does_not_name_are_refused() {
    let bank = Bank::open().await;
    for (what, by) in [
        ("'bonus', 'PTS', 1,", "'bonus', 'PTS', 3,"),
        ("'bonus', 'PTS', 1, wallet(null, 'PTS'), 2", "'bonus', 'PTS', 1, wallet(null, 'PTS'), 1"),
        ("'bonus', 'PTS', 1, wallet(null, 'PTS')", "'bonus', 'PTS', 1, wallet(null, 'GOLD')"),
        ("1,\n            noon())", "1,\n            noon() + interval '1 second')"),
    ] {
        bank.refused_by("entries_of_transaction", &but(&[(what, by)]));
    }
}

#[tokio::test]
async fn entries_of_an_unknown_wallet_are_refused() {
    let bank = Bank::open().await;
    let sql =
        but(&[("'PTS', 1, wallet(null, 'PTS')", "'PTS', 1, 999"), ("(wallet(null, 'PTS'), noon()", "(999, noon()")]);
    bank.refused_by("entries_of_wallet", &sql);
}

#[tokio::test]
async fn entries_on_wallets_of_another_unit_are_refused() {
    let bank = Bank::open().await;
    bank.refused_by("entries_of_wallet", &but(&[("'bonus', 'PTS', 1,", "'bonus', 'GOLD', 1,")]));
}

#[tokio::test]
async fn entries_without_their_wallets_update_are_refused() {
    let bank = Bank::open().await;
    let update = "update wallets set balance = -11, version = 2 where id = wallet(null, 'PTS');";
    bank.refused_by("entries_of_wallet", &but(&[(update, "")]));
    bank.refused_by("entries_of_wallet", &but(&[("set balance = 11,", "set balance = 12,")]));
    bank.refused_by("entries_of_wallet", &but(&[("credit_total = 11,", "credit_total = 12,")]));
}

#[tokio::test]
async fn an_entry_that_does_not_add_up_is_refused() {
    let bank = Bank::open().await;
    bank.refused_by("entries_balance_after", &but(&[("1, 10, 11, 11)", "1, 10, 12, 11)")]));
}

#[tokio::test]
async fn a_transaction_of_one_wallet_with_itself_is_refused() {
    let bank = Bank::open().await;
    let itself = "'PTS', 1, wallet(1, 'PTS'), 2, wallet(1, 'PTS'), 2, 1";
    bank.refused_by(
        "transactions_two_wallets",
        &but(&[("'PTS', 1, wallet(null, 'PTS'), 2, wallet(1, 'PTS'), 2, 1", itself)]),
    );
}

#[tokio::test]
async fn a_transaction_is_reversed_once() {
    let bank = Bank::open().await;
    let reversal = "insert into transactions (id, type, asset_type, amount, debit_wallet_id, debit_version,
                                              credit_wallet_id, credit_version, reverses, requested_by, created_at)
        select gen_random_uuid(), 'reversal', 'PTS', 1, 1, 2, 2, 2, id, 1, noon() from transactions where type = 'bonus';";
    bank.refused_by("transactions_reverses_key", &format!("begin; {reversal} {reversal} commit"));
}

#[tokio::test]
async fn a_users_wallet_below_zero_is_refused_and_the_treasurys_is_not() {
    let bank = Bank::open().await;
    bank.refused_by("wallets_balance_not_negative", "update wallets set balance = -0.0001 where id = wallet(1, 'PTS')");
    bank.refused_by("wallets_balance_limit", "update wallets set balance = 1000000000000001 where user_id = 1");
    assert_eq!(bank.books.number("select balance from wallets where id = wallet(null, 'PTS')"), -10);
}

#[tokio::test]
async fn a_wallet_has_one_owner_and_an_owner_one_wallet_per_unit() {
    let bank = Bank::open().await;
    let insert = |values: &str| format!("insert into wallets (user_id, lane, asset_type) values ({values})");
    bank.refused_by("wallets_have_one_owner", &insert("2, 3, 'PTS'"));
    bank.refused_by("wallets_have_one_owner", &insert("null, null, 'PTS'"));
    bank.refused_by("wallets_user_id_asset_type_key", &insert("1, null, 'PTS'"));
    bank.refused_by("wallets_lane_asset_type_key", &insert("null, 0, 'PTS'"));
    bank.refused_by("wallets_user_id_fkey", &insert("99, null, 'PTS'"));
}

#[tokio::test]
async fn rows_of_the_ledger_and_of_the_audit_log_never_change_even_where_none_matches() {
    let bank = Bank::open().await;
    for (table, column) in
        [("transactions", "description"), ("entries", "version"), ("claims", "user_id"), ("audit_log", "reason")]
    {
        for sql in [
            format!("update {table} set {column} = {column}"),
            format!("update {table} set {column} = {column} where false"),
            format!("delete from {table}"),
            format!("delete from {table} where false"),
            format!("truncate {table}"),
            format!("truncate {table} cascade"),
        ] {
            bank.never_changes(&sql);
        }
    }
}

#[tokio::test]
async fn a_claimed_credit_never_changes() {
    let bank = Bank::open().await;
    let id = bank.claimed;
    bank.never_changes(&format!("update assets set title = 'x' where id = {id}"));
    bank.never_changes(&format!("update assets set status = 'available' where id = {id}"));
    bank.never_changes(&format!("update assets set id = default where id = {id}"));
    bank.never_changes(&format!("delete from assets where id = {id}"));
    bank.never_changes("truncate assets cascade");
    bank.books.run(&format!("update assets set title = 'x' where id = {}", bank.available));
}

#[tokio::test]
async fn a_wallet_with_a_history_never_goes() {
    let bank = Bank::open().await;
    bank.never_changes("delete from wallets where id = wallet(1, 'PTS')");
    bank.never_changes("delete from wallets where id = wallet(null, 'PTS')");
    bank.never_changes("truncate wallets");
    bank.never_changes("truncate users cascade");
}

#[tokio::test]
async fn a_user_with_a_history_and_the_origin_of_a_credit_never_go() {
    let bank = Bank::open().await;
    bank.refused_by("wallets_user_id_fkey", "delete from users where id = 1");
    bank.books.run(&format!(
        "update assets set status = 'expired', expires_at = created_at where id = {};
         insert into assets (code, title, kind, asset_type, amount, recreated_from)
         values ('2222222222222', 'x', 'signup', 'GOLD', 1, {0})",
        bank.available
    ));
    bank.refused_by("assets_recreated_from_fkey", &format!("delete from assets where id = {}", bank.available));
    bank.refused_by(
        "assets_recreated_from_key",
        "insert into assets (code, title, kind, asset_type, amount, recreated_from)
         select '3333333333333', 'x', 'signup', 'GOLD', 1, recreated_from from assets where recreated_from is not null",
    );
    bank.books.run("delete from users where id = 2");
}

#[tokio::test]
async fn amounts_that_are_zero_negative_or_no_number_are_refused() {
    let bank = Bank::open().await;
    for amount in ["0", "-1", "'NaN'"] {
        bank.refused_by("assets_amount", &format!("update assets set amount = {amount} where id = {}", bank.available));
        bank.refused_by(
            "campaigns_amount",
            &format!("insert into campaigns (title, kind, asset_type, amount) values ('x', 'signup', 'PTS', {amount})"),
        );
        bank.refused_by("transactions_amount", &but(&[("'bonus', 'PTS', 1,", &format!("'bonus', 'PTS', {amount},"))]));
    }
    bank.refused_by("entries_amount", &but(&[("-1, -10, -11, 0)", "0, -11, -11, 0)")]));
}

#[tokio::test]
async fn balances_that_are_no_number_are_refused() {
    let bank = Bank::open().await;
    for owner in ["1", "null"] {
        for column in ["balance", "credit_total"] {
            let sql = format!("update wallets set {column} = 'NaN' where id = wallet({owner}, 'PTS')");
            let refused = bank.refusal(&sql);
            assert!(matches!(refused.kind, DatabaseErrorKind::CheckViolation), "{refused:?}: {sql}");
        }
    }
    bank.refused_by("asset_types_minimum_balance", "update asset_types set minimum_balance = 'NaN'");
    bank.refused_by("asset_types_minimum_balance", "update asset_types set minimum_balance = -1");
}

/// Claims an available asset by hand, as Coffer does; the claim is of `user`, the credit of wallet
/// `wallet` and `amount`.
fn claim_by_hand(asset: AssetId, user: &str, wallet: &str, amount: &str) -> String {
    format!(
        "begin;
         update assets set status = 'claimed' where id = {asset};
         insert into transactions (id, type, asset_type, amount, debit_wallet_id, debit_version, credit_wallet_id,
                                   credit_version, asset_id, requested_by, created_at)
         values ('00000000-0000-7000-8000-000000000001', 'claim', 'GOLD', {amount}, wallet(null, 'GOLD'), 2, {wallet}, 2,
                 {asset}, 1, noon());
         insert into claims values ({asset}, {user}, '00000000-0000-7000-8000-000000000001', noon());
         rollback"
    )
}

#[tokio::test]
async fn a_claim_must_fit_its_credit_and_its_transaction() {
    let bank = Bank::open().await;
    let asset = bank.available;
    let sound = claim_by_hand(asset, "1", "wallet(1, 'GOLD')", "5");
    bank.books.run(&sound);
    bank.refused_by("claims_of_asset", &claim_by_hand(asset, "2", "wallet(1, 'GOLD')", "5"));
    bank.refused_by("claims_of_asset", &claim_by_hand(asset, "1", "wallet(1, 'GOLD')", "6"));
    bank.refused_by("claims_of_asset", &claim_by_hand(asset, "1", "999", "5"));
    bank.refused_by("claims_of_asset", &sound.replace("'claim', 'GOLD'", "'claim', 'PTS'"));
    bank.refused_by("claims_of_asset", &sound.replace("noon());\n         rollback", "now()); rollback"));
    let still_available = format!("update assets set status = 'claimed' where id = {asset};");
    bank.refused_by("claims_of_asset", &sound.replace(&still_available, ""));
    let of_nothing = format!("insert into claims values ({asset}, 1, gen_random_uuid(), noon())");
    bank.refused_by("claims_of_asset", &of_nothing);
}

#[tokio::test]
async fn a_second_claim_of_a_credit_is_refused() {
    let bank = Bank::open().await;
    bank.refused_by("claims_pkey", "insert into claims select asset_id, 2, transaction_id, claimed_at from claims");
    bank.refused_by("claims_pkey", "insert into claims select * from claims");
}

#[tokio::test]
async fn a_claim_must_fit_its_campaign_and_stay_within_the_limit() {
    let bank = Bank::open().await;
    let [campaign, other] = [bank.books.campaign("5", "GOLD", 2), bank.books.campaign("5", "GOLD", 2)];
    let assets = bank.books.assets_of(campaign, 2);
    let numbered = |asset: AssetId, campaign: &str, number: &str| {
        let plain = claim_by_hand(asset, "1", "wallet(1, 'GOLD')", "5");
        plain.replace("noon());\n         rollback", &format!("noon(), {campaign}, {number}); rollback"))
    };
    let (campaign, other) = (campaign.to_string(), other.to_string());
    for number in ["1", "2"] {
        bank.books.run(&numbered(assets[1], &campaign, number));
    }
    bank.refused_by("claims_of_asset", &numbered(assets[1], &campaign, "3"));
    bank.refused_by("claims_of_asset", &numbered(assets[1], &other, "1"));
    bank.refused_by("claims_of_asset", &numbered(assets[1], "null", "null"));
    bank.refused_by("claims_of_asset", &numbered(bank.available, &campaign, "1"));
    bank.refused_by("claims_of_campaign_are_numbered", &numbered(assets[1], &campaign, "null"));
    bank.refused_by("claims_of_campaign_are_numbered", &numbered(assets[1], "null", "1"));
    bank.refused_by("claims_campaign_claim", &numbered(assets[1], &campaign, "0"));
    let claimed = submit_all(&bank.books.ledger(1, 8), [claim(bank.alice, assets[0])]).await;
    assert!(claimed[0].is_ok(), "{claimed:?}");
    bank.refused_by("claims_campaign_claim_key", &numbered(assets[1], &campaign, "1"));
    bank.books.run(&numbered(assets[1], &campaign, "2"));
}

#[tokio::test]
async fn one_key_of_a_caller_names_one_transaction() {
    let bank = Bank::open().await;
    let insert = |user: &str, key: &str, hash: &str| {
        format!("insert into idempotency_keys values ({user}, {key}, {hash}, gen_random_uuid(), now())")
    };
    let hash = "decode(repeat('ab', 32), 'hex')";
    let (one, other) = (insert("1", "'k'", hash), insert("2", "'k'", hash));
    bank.books.run(&format!("begin; {one}; {other}; rollback"));
    bank.refused_by("idempotency_keys_pkey", &format!("begin; {one}; {one}; commit"));
    bank.refused_by("idempotency_keys_key_length", &insert("1", "''", hash));
    bank.refused_by("idempotency_keys_request_hash_length", &insert("1", "'k'", "'\\x00'"));
}

#[test]
fn a_statement_that_takes_or_waits_too_long_can_be_tried_again() {
    let books = Books::new();
    let mut holder = books.database.connect();
    holder.batch_execute("begin; lock table users").unwrap();
    for sql in [
        "set statement_timeout = 20; select pg_sleep(60)",
        "set statement_timeout = 0; set lock_timeout = 20; select 1 from users",
    ] {
        let error = books.database.connect().batch_execute(sql).unwrap_err();
        assert!(matches!(coffer::error::Error::from(error), coffer::error::Error::Overloaded), "{sql}");
    }
}

#[tokio::test]
async fn a_public_name_means_one_user_for_ever() {
    let bank = Bank::open().await;
    let refused = bank.refusal("update users set external_id = 'somebody_else' where id = 1");
    assert!(refused.message.contains("never changes"), "{refused:?}");
    bank.books.run("update users set external_id = external_id, role = 'user' where id = 1");
}
