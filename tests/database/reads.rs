//! The reads that people wait for, on ten million entries: none looks at a whole large table.
//!
//! Every table has its own count of sequential scans in the running database transaction, and so a
//! read is caught at it whatever SQL it sends.

use chrono::{DateTime, TimeDelta, Utc};
use coffer::domain::posting::{Action, Command};
use coffer::domain::{AssetId, AssetStatus, CampaignId, Period, TransactionId, UserId, WalletId};
use coffer::ledger::Outcome;
use coffer::repo::assets::{AssetFilter, Missed, Viewer};
use coffer::repo::campaigns::{CampaignFilter, Offer};
use coffer::repo::claims::ClaimFilter;
use coffer::repo::entries::EntryFilter;
use coffer::repo::history::{HistoryFilter, Order};
use coffer::repo::transactions::TransactionFilter;
use coffer::repo::wallets::WalletFilter;
use coffer::repo::{self, PageRequest};
use diesel::connection::SimpleConnection;
use diesel::deserialize::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel::{PgConnection, RunQueryDsl, sql_query};

use crate::support::books::{Books, bonus, claim, claim_any, eventually, noon, race, spend, transfer};

const LARGE: &str = "('entries', 'transactions', 'wallets', 'assets', 'claims', 'users')";
/// Entries; half of them are the treasury's, as in life.
const ENTRIES: i64 = 10_000_000;
const USERS: i64 = 100_000;
const CLAIMED: i64 = 200_000;

/// Fills the tables with what a few years leave, without the triggers: every user has a PTS and a
/// GOLD wallet with 25 entries each, and 200,000 credits are claimed.
fn fill(books: &Books) {
    let wallets = 2 * USERS;
    let postings = ENTRIES / 2;
    let at = |n: &str| format!("'{}'::timestamptz + {n} * interval '1 second'", start().to_rfc3339());
    let id = |n: &str| format!("lpad(to_hex({n}), 32, '0')::uuid");
    // No log, to be fast; the plans are the same.
    books.run("alter table entries set unlogged; alter table transactions set unlogged");
    let owners = format!(
        "insert into users (external_id, username, password_hash)
         select 'user_' || n, 'user_' || n, '' from generate_series(1, {USERS}) n;
         insert into wallets (user_id, asset_type, balance, credit_total, version, last_posted_at)
         select (n + 1) / 2, case n % 2 when 0 then 'GOLD' else 'PTS' end, 25, 25, 25, {last}
         from generate_series(1, {wallets}) n;
         insert into wallets (lane, asset_type, balance, version, last_posted_at)
         select lane, unit, -{postings} / 2, {postings} / 2, {last}
         from (values (0, 'PTS'), (0, 'GOLD'), (1, 'PTS'), (1, 'GOLD')) treasury (lane, unit);
         insert into campaigns (title, kind, asset_type, amount, per_user_limit)
         values ('Campaign', 'promotional', 'GOLD', 5, 10000);
         insert into assets (code, title, kind, asset_type, amount, status, expires_at, campaign_id)
         select translate(lpad(to_hex(n), 13, 'Z'), '01abcdef', 'XYABCDEF'), 'Credit ' || n, 'promotional', 'GOLD', 5,
                case when n % 41 = 0 then 'available' else 'claimed' end, {expiry}, case when n % 82 = 0 then 1 end
         from generate_series(1, {CLAIMED} * 41 / 40) n;
         insert into claims select id, id % {USERS} + 1, {of_id}, {when_id} from assets where status = 'claimed'",
        last = at(&postings.to_string()),
        expiry = at("(n + 10000000)"),
        of_id = id("id"),
        when_id = at("id"),
    );
    let transactions = format!(
        "insert into transactions (id, type, asset_type, amount, debit_wallet_id, debit_version, credit_wallet_id,
                                   credit_version, requested_by, created_at)
         select {of_n}, 'bonus', case n % 2 when 0 then 'PTS' else 'GOLD' end, 1,
                {wallets} + 1 + n % 2, n / 2 + 1, n % {wallets} + 1, n / {wallets} + 1, 1, {when}
         from generate_series(0, {postings} - 1) n",
        of_n = id("n"),
        when = at("n"),
    );
    let of_users = format!(
        "insert into entries
         select w + 1, {when}, v + 1, {of_wv}, 1, v, v + 1, v + 1
         from generate_series(0, {wallets} - 1) w, generate_series(0, {postings} / {wallets} - 1) v",
        when = at(&format!("(v * {wallets} + w)")),
        of_wv = id(&format!("(v * {wallets} + w)")),
    );
    let of_treasury = format!(
        "insert into entries
         select {wallets} + 1 + side, {when}, n + 1, {of_side}, -1, -n, -n - 1, 0
         from generate_series(0, 1) side, generate_series(0, {postings} / 2 - 1) n",
        when = at("(2 * n + side)"),
        of_side = id("(2 * n + side)"),
    );
    std::thread::scope(|scope| {
        for sql in [owners, transactions, of_users, of_treasury] {
            scope.spawn(move || books.run(&format!("set session_replication_role = replica; {sql}")));
        }
    });
    books.run("analyze");
}

fn start() -> DateTime<Utc> {
    noon() - TimeDelta::seconds(ENTRIES)
}

#[derive(QueryableByName)]
struct Scans {
    #[diesel(sql_type = Text)]
    relname: String,
    #[diesel(sql_type = BigInt)]
    seq_scan: i64,
    #[diesel(sql_type = BigInt)]
    idx_scan: i64,
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

fn scans(conn: &mut PgConnection, view: &str) -> Vec<Scans> {
    let query = format!(
        "select relname::text, seq_scan, coalesce(idx_scan, 0) as idx_scan, coalesce(idx_tup_fetch, 0) as rows
         from {view}
         where relname in {LARGE} order by relname"
    );
    sql_query(query).load(conn).unwrap()
}

/// Runs a read so often that PostgreSQL plans it without its parameters, too; says which large
/// tables it scanned from end to end, how often it used an index, and how many rows one run fetched
/// by it.
fn watched<T>(conn: &mut PgConnection, mut read: impl FnMut(&mut PgConnection) -> T) -> (T, Vec<String>, i64, i64) {
    conn.batch_execute("begin").unwrap();
    let before = scans(conn, "pg_stat_xact_user_tables");
    for _ in 0..6 {
        read(conn);
    }
    let result = read(conn);
    let after = scans(conn, "pg_stat_xact_user_tables");
    conn.batch_execute("rollback").unwrap();
    let pairs = || before.iter().zip(&after);
    let whole = pairs().filter(|(before, after)| after.seq_scan > before.seq_scan).map(|(_, after)| &after.relname);
    let looks = pairs().map(|(before, after)| after.idx_scan - before.idx_scan).sum();
    let rows: i64 = pairs().map(|(before, after)| after.rows - before.rows).sum();
    (result, whole.cloned().collect(), looks, rows / 7)
}

/// Runs a read, and fails where it scans a large table from end to end, or much of one by its index.
fn by_index<T>(conn: &mut PgConnection, what: &str, read: impl FnMut(&mut PgConnection) -> T) -> T {
    let (result, whole, looks, rows) = watched(conn, read);
    assert_eq!(whole, Vec::<String>::new(), "{what} reads whole tables");
    assert!(looks > 0, "{what} uses no index");
    assert!(rows < 20_000, "{what} fetches {rows} rows");
    result
}

#[tokio::test]
async fn no_read_that_people_wait_for_looks_at_a_whole_table_of_ten_million_entries() {
    let books = Books::new();
    // The rows are plausible one by one and no sound ledger together.
    books.will_be_damaged();
    fill(&books);
    assert_eq!(books.number("select count(*) from entries"), ENTRIES);
    let scan = |conn: &mut PgConnection| sql_query("select from claims where claimed_at is not null").execute(conn);
    assert_eq!(watched(&mut books.conn(), scan).1, ["claims"], "a scan is noticed");
    lists(&books);
    histories(&books);
    the_posting_path(&books).await;
}

fn lists(books: &Books) {
    let mut conn = books.conn();
    let user = UserId(777);
    let first = PageRequest::first(50);
    let mine = by_index(&mut conn, "a user's claims", |conn| repo::assets::claimed_by(conn, user, &first, noon()));
    assert!(!mine.unwrap().items.is_empty());
    for status in [None, Some(AssetStatus::Available), Some(AssetStatus::Claimed)] {
        let filter = AssetFilter { status, ..AssetFilter::default() };
        let viewer = Viewer::User(user);
        let page = by_index(&mut conn, "the pool", |conn| {
            repo::assets::page(conn, viewer, &filter, repo::assets::USUAL, &first, noon())
        })
        .unwrap();
        assert!(!page.items.is_empty(), "{status:?}");
        let cursor = page.next_cursor;
        assert!(cursor.is_some() || status == Some(AssetStatus::Claimed));
        let next = PageRequest::new(Some(50), cursor.as_deref()).unwrap();
        by_index(&mut conn, "a later page", |conn| {
            repo::assets::page(conn, viewer, &filter, repo::assets::USUAL, &next, noon())
        })
        .unwrap();
    }
    let all = AssetFilter::default();
    by_index(&mut conn, "all assets", |conn| {
        repo::assets::page(conn, Viewer::Admin, &all, repo::assets::USUAL, &first, noon())
    })
    .unwrap();
    let single = AssetFilter { status: Some(AssetStatus::Available), is_single: true, ..AssetFilter::default() };
    let page = by_index(&mut conn, "the single ones", |conn| {
        repo::assets::page(conn, Viewer::User(user), &single, repo::assets::USUAL, &first, noon())
    });
    assert_eq!(page.unwrap().items.len(), 50);
    let anna = repo::users::by_external_id(&mut conn, "user_777").unwrap().unwrap();
    let offers = by_index(&mut conn, "the campaigns that run", |conn| {
        repo::campaigns::offers(conn, &anna, &CampaignFilter::default(), &first, noon())
    });
    assert_eq!(offers.unwrap().items[0].left, Offer::COUNTED + 1);
    by_index(&mut conn, "what campaigns offer", |conn| repo::campaigns::claimable_first(conn, &anna, noon())).unwrap();
    by_index(&mut conn, "what is offered first", |conn| repo::assets::claimable_first(conn, noon())).unwrap();
    by_index(&mut conn, "what is left", |conn| {
        repo::assets::alternatives(conn, user, Missed::Asset(AssetId(7)), noon())
    })
    .unwrap();
    by_index(&mut conn, "one asset", |conn| repo::assets::one(conn, Viewer::Admin, AssetId(7), noon())).unwrap();
    let latest = by_index(&mut conn, "the latest claims", |conn| repo::reports::recent_claims(conn, 10)).unwrap();
    assert_eq!(latest.len(), 10);
}

fn histories(books: &Books) {
    let mut conn = books.conn();
    let user = UserId(777);
    by_index(&mut conn, "a user's balances", |conn| repo::wallets::holdings(conn, user)).unwrap();
    let recent = by_index(&mut conn, "what happened lately", |conn| repo::transactions::recent_of(conn, user));
    let recent = recent.unwrap();
    assert_eq!(recent.len(), 10);
    assert!(recent.is_sorted_by_key(|activity| std::cmp::Reverse(activity.created_at)));
    let ids: Vec<TransactionId> = recent.iter().map(|activity| activity.transaction).collect();
    let found = by_index(&mut conn, "transactions by id", |conn| repo::transactions::by_ids(conn, &ids)).unwrap();
    assert_eq!(found.len(), 10);
    let first = PageRequest::first(50);
    for user in [None, Some(user)] {
        let filter = TransactionFilter { user, ..TransactionFilter::default() };
        let page = by_index(&mut conn, "transactions", |conn| repo::transactions::page(conn, &filter, &first));
        assert!(!page.unwrap().items.is_empty());
        let filter = WalletFilter { user, ..WalletFilter::default() };
        let page = by_index(&mut conn, "wallets", |conn| repo::wallets::page(conn, &filter, &first));
        assert!(!page.unwrap().items.is_empty());
    }
    the_explorer(&mut conn, user);
    // A page in the middle of the longest history there is, the treasury's.
    let treasury = books.number("select id from wallets where lane = 0 and asset_type = 'GOLD'");
    let period = Period { from: None, before: Some(start() + TimeDelta::seconds(2_500_000)) };
    for (wallet, order) in [(treasury, Order::NewestFirst), (treasury, Order::OldestFirst), (1_555, Order::NewestFirst)]
    {
        let filter = HistoryFilter { period, transaction_type: None, order };
        let page = by_index(&mut conn, "a wallet's history", |conn| {
            repo::history::rows(conn, WalletId(wallet), &filter, &first)
        });
        assert!(!page.unwrap().items.is_empty());
        by_index(&mut conn, "totals", |conn| repo::history::totals(conn, WalletId(wallet), period)).unwrap();
    }
}

/// What admins look through, the oldest week of it, too.
fn the_explorer(conn: &mut PgConnection, user: UserId) {
    let first = PageRequest::first(50);
    let week = Period { from: Some(start() + TimeDelta::days(1)), before: Some(start() + TimeDelta::days(8)) };
    for period in [Period::default(), week] {
        for user in [None, Some(user)] {
            let filter = EntryFilter { user, period, ..EntryFilter::default() };
            let page = by_index(conn, "entries", |conn| repo::entries::page(conn, &filter, &first)).unwrap();
            assert!(!page.items.is_empty(), "{filter:?}");
        }
        let filter = TransactionFilter { period, ..TransactionFilter::default() };
        let page = by_index(conn, "transactions", |conn| repo::transactions::page(conn, &filter, &first)).unwrap();
        assert!(!page.items.is_empty(), "{filter:?}");
        let filter = ClaimFilter { period, ..ClaimFilter::default() };
        by_index(conn, "claims", |conn| repo::claims::page(conn, &filter, repo::claims::NEWEST_FIRST, &first)).unwrap();
    }
}

/// Posts every kind of movement, on connections of its own.
async fn the_posting_path(books: &Books) {
    let mut conn = books.database.connect();
    let before = scans(&mut conn, "pg_stat_user_tables");
    let newcomer = books.user("newcomer");
    let available = books.words("select id from assets where status = 'available' order by id limit 20");
    let ledger = books.ledger(2, 16);
    let gift = bonus(UserId(10), "1", "GOLD");
    ledger.submit(gift.clone()).await.unwrap();
    let mut commands = vec![
        bonus(newcomer, "5", "PTS"),
        spend(UserId(11), "1", "GOLD"),
        transfer(UserId(12), newcomer, "1", "PTS"),
        Command::new(UserId(1), Action::Reversal { reverses: gift.transaction }),
    ];
    let claims = available.iter().enumerate();
    commands.extend(claims.map(|(n, id)| claim(UserId(50 + n as i64 % 4), AssetId(id.parse().unwrap()))));
    for answer in race(&ledger, commands).await {
        assert!(matches!(answer, Ok(Outcome::Posted(_))), "{answer:?}");
    }
    let any = ledger.submit(claim_any(newcomer, CampaignId(1))).await;
    assert!(matches!(any, Ok(Outcome::Posted(_))), "{any:?}");
    ledger.stop();
    // A session has counted its scans when it is gone, or a moment later.
    let threads = "select count(*) from pg_stat_activity
        where datname = current_database() and application_name = 'coffer'";
    let looks_at_wallets = |scans: &[Scans]| scans.iter().find(|scan| scan.relname == "wallets").unwrap().idx_scan;
    let mut after = Vec::new();
    eventually("the posting threads' scans are counted", || {
        let gone = books.number(threads) == 0;
        after = scans(&mut conn, "pg_stat_user_tables");
        gone && looks_at_wallets(&after) > looks_at_wallets(&before)
    });
    for (before, after) in before.iter().zip(&after) {
        let allowed = i64::from(after.relname == "assets");
        assert!(after.seq_scan - before.seq_scan <= allowed, "posting reads all of {}", after.relname);
    }
}
