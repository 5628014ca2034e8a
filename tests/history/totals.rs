//! Totals against a plain sum over all rows, and what they cost.

use bigdecimal::{BigDecimal, Zero};
use chrono::{DateTime, TimeDelta, Utc};
use coffer::domain::{AssetTypeCode, Period, UserId, WalletId};
use coffer::repo::PageRequest;
use coffer::repo::assets::Viewer;
use coffer::repo::history::{self, History, HistoryFilter, HistoryRow, Order, TOTALS};
use coffer::repo::wallet_statements::{self, CURVE};
use diesel::connection::SimpleConnection;
use diesel::deserialize::QueryableByName;
use diesel::sql_types::Json;
use diesel::{PgConnection, RunQueryDsl, sql_query};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::support::books::{Books, noon};
use crate::support::histories::{World, history};
use crate::support::till::Till;

fn exact(value: &impl ToString) -> BigDecimal {
    value.to_string().parse().unwrap()
}

/// All rows of a period, in pages of 50, each with the same totals.
fn walk(conn: &mut PgConnection, wallet: WalletId, period: Period, order: Order) -> (Vec<HistoryRow>, History) {
    let filter = HistoryFilter { period, order, transaction_type: None };
    let read = |conn: &mut PgConnection, cursor: Option<&str>| {
        let request = PageRequest::new(Some(50), cursor).unwrap();
        history::of_wallet(conn, Viewer::Admin, wallet, &filter, &request).unwrap()
    };
    let first = read(conn, None);
    let (mut rows, mut cursor) = (first.page.items.clone(), first.page.next_cursor.clone());
    while let Some(at) = cursor {
        let History { page, totals, .. } = read(conn, Some(&at));
        assert_eq!(totals, first.totals);
        rows.extend(page.items);
        cursor = page.next_cursor;
    }
    (rows, first)
}

/// Compares a period's totals and rows with what all rows of the wallet say.
fn assert_true(conn: &mut PgConnection, wallet: WalletId, all: &[HistoryRow], period: Period) {
    let started = |row: &&HistoryRow| period.from.is_none_or(|from| row.created_at >= from);
    let ended = |row: &&HistoryRow| period.before.is_some_and(|before| row.created_at >= before);
    let inside: Vec<_> = all.iter().filter(|row| started(row) && !ended(row)).cloned().collect();
    let (rows, History { totals, .. }) = walk(conn, wallet, period, Order::OldestFirst);
    assert_eq!(rows, inside, "{period:?}");
    let sum = |rows: &mut dyn Iterator<Item = &HistoryRow>| {
        rows.fold(BigDecimal::zero(), |sum, row| sum + exact(&row.amount))
    };
    let opening = sum(&mut all.iter().filter(|row| !started(row)));
    let credit = sum(&mut inside.iter().filter(|row| !row.amount.is_negative()));
    let debit = -sum(&mut inside.iter().filter(|row| row.amount.is_negative()));
    assert_eq!(exact(&totals.opening_balance), opening, "{period:?}");
    assert_eq!(exact(&totals.credit), credit, "{period:?}");
    assert_eq!(exact(&totals.debit), debit, "{period:?}");
    assert_eq!(exact(&totals.closing_balance), opening + credit - debit, "{period:?}");
}

/// Users, credits and random movements between them, many of them at the same microsecond.
async fn random_past(books: &Books, runner: &mut TestRunner) {
    let world = World {
        admin: books.user("admin"),
        users: books.users("user", 5),
        assets: ["GOLD", "CASH", "PTS", "GOLD"].map(|code| books.asset("40", code)).to_vec(),
        campaigns: vec![books.campaign("20", "PTS", 1)],
    };
    let till = Till::at(&books.database.url);
    let steps = history(150..180).new_tree(runner).unwrap().current();
    let pauses = prop::sample::select(vec![0, 0, 1, 1_000_000, 3_600_000_000_i64, 86_400_000_000]);
    let mut time = noon();
    for command in world.commands(&steps) {
        time += TimeDelta::microseconds(pauses.new_tree(runner).unwrap().current());
        // Refusals are part of the past, and leave nothing.
        drop(till.try_at(time, command).await);
    }
}

#[tokio::test]
async fn opening_plus_credit_less_debit_is_closing_in_every_range_of_random_histories() {
    let mut runner = TestRunner::default();
    let mut seen = 0;
    for _ in 0..3 {
        let books = Books::new();
        random_past(&books, &mut runner).await;
        let mut conn = books.conn();
        for wallet in books.words("select id from wallets where version > 0 order by id") {
            let wallet = WalletId(wallet.parse().unwrap());
            let (all, _) = walk(&mut conn, wallet, Period::default(), Order::OldestFirst);
            let (mut backwards, _) = walk(&mut conn, wallet, Period::default(), Order::NewestFirst);
            backwards.reverse();
            assert_eq!(all, backwards);
            let numbers: Vec<i64> = all.iter().map(|row| row.version).collect();
            assert_eq!(numbers, (1..=all.len() as i64).collect::<Vec<_>>());
            let edges: Vec<Option<DateTime<Utc>>> = all
                .iter()
                .flat_map(|row| [-1, 0, 1].map(|late| Some(row.created_at + TimeDelta::microseconds(late))))
                .chain([None])
                .collect();
            let edge = prop::sample::select(edges);
            for _ in 0..25 {
                let (one, other) = (&edge, &edge).new_tree(&mut runner).unwrap().current();
                let (from, before) = if one <= other || other.is_none() { (one, other) } else { (other, one) };
                assert_true(&mut conn, wallet, &all, Period { from, before });
                seen += 1;
            }
        }
    }
    assert!(seen > 300, "{seen} ranges");
}

const ENTRIES: i64 = 100_000;

/// One user's wallet with a hundred thousand credits of 1 PTS, one a minute, as the ledger would
/// have written them.
fn fill(books: &Books) -> WalletId {
    let user = books.user("hoarder");
    let at = |n: &str| format!("'{}'::timestamptz + ({n}) * interval '1 minute'", noon().to_rfc3339());
    let last = at(&ENTRIES.to_string());
    books.run(&format!(
        "begin;
         insert into wallets (user_id, asset_type, balance, credit_total, version, last_posted_at)
         values ({user}, 'PTS', {ENTRIES}, {ENTRIES}, {ENTRIES}, {last});
         insert into wallets (lane, asset_type, balance, version, last_posted_at)
         values (0, 'PTS', -{ENTRIES}, {ENTRIES}, {last});
         insert into transactions (id, type, asset_type, amount, debit_wallet_id, debit_version, credit_wallet_id,
                                   credit_version, requested_by, created_at)
         select gen_random_uuid(), 'bonus', 'PTS', 1, treasury.id, n, own.id, n, {user}, {when}
         from generate_series(1, {ENTRIES}) n, wallets own, wallets treasury
         where own.user_id = {user} and treasury.lane = 0;
         insert into entries
         select wallet, created_at, credit_version, id, gain, balance - gain, balance, gained
         from transactions
         cross join lateral (values
             (debit_wallet_id, -1::numeric, -credit_version, 0),
             (credit_wallet_id, 1, credit_version, credit_version)
         ) line (wallet, gain, balance, gained);
         commit",
        when = at("n"),
    ));
    books.run("vacuum analyze");
    WalletId(books.number(&format!("select id from wallets where user_id = {user}")))
}

#[derive(QueryableByName)]
struct Plan {
    #[diesel(sql_type = Json)]
    #[diesel(column_name = "QUERY PLAN")]
    plan: Value,
}

/// Prepares a statement as the application does, planned without its parameters.
fn prepare(conn: &mut PgConnection, name: &str, types: &str, text: &str) {
    let mut parts = text.split('$');
    let first = parts.next().unwrap().to_owned();
    let text = (1..).zip(parts).fold(first, |text, (number, part)| format!("{text}${number}{part}"));
    conn.batch_execute(&format!("set plan_cache_mode = force_generic_plan; prepare {name} ({types}) as {text}"))
        .unwrap();
}

/// Runs a prepared statement, and gives its plan with what it has read.
fn explain(conn: &mut PgConnection, execute: &str) -> Value {
    let plan: Plan =
        sql_query(format!("explain (analyze, buffers, format json) execute {execute}")).get_result(conn).unwrap();
    plan.plan[0]["Plan"].clone()
}

/// All nodes of a plan.
fn nodes(plan: &Value) -> Vec<&Value> {
    let below = plan["Plans"].as_array().into_iter().flatten().flat_map(nodes);
    std::iter::once(plan).chain(below).collect()
}

#[test]
fn totals_of_a_hundred_thousand_entries_cost_as_much_as_totals_of_ten() {
    let books = Books::new();
    let wallet = fill(&books);
    let mut conn = books.conn();
    prepare(&mut conn, "totals", "timestamptz, timestamptz, bigint", TOTALS);
    let literal =
        |time: Option<DateTime<Utc>>| time.map_or("null".to_owned(), |time| format!("'{}'", time.to_rfc3339()));
    let minute = |n: i64| Some(noon() + TimeDelta::minutes(n));
    let whole = Period { from: minute(1), before: minute(ENTRIES + 1) };
    let ten = Period { from: minute(ENTRIES / 2), before: minute(ENTRIES / 2 + 10) };
    let mut costs = Vec::new();
    for (period, entries) in [(ten, 10), (whole, ENTRIES), (Period::default(), ENTRIES)] {
        let filter = HistoryFilter { period, ..HistoryFilter::default() };
        let read = history::of_wallet(&mut conn, Viewer::Admin, wallet, &filter, &PageRequest::first(1));
        let History { totals, .. } = read.unwrap();
        assert_eq!((exact(&totals.credit), exact(&totals.debit)), (entries.into(), BigDecimal::zero()));
        let execute = format!("totals ({}, {}, {wallet})", literal(period.from), literal(period.before));
        explain(&mut conn, &execute);
        let plan = explain(&mut conn, &execute);
        let of_entries: Vec<_> = nodes(&plan).into_iter().filter(|node| node["Relation Name"] == "entries").collect();
        assert_eq!(of_entries.len(), 2, "two looks into the entries: {plan:#}");
        for node in of_entries {
            assert!(node["Node Type"].as_str().unwrap().starts_with("Index "), "{plan:#}");
            assert!(exact(&node["Actual Rows"]) <= 1, "{plan:#}");
        }
        let buffers = ["Shared Hit Blocks", "Shared Read Blocks"].map(|name| plan[name].as_i64().unwrap());
        costs.push(buffers.iter().sum::<i64>());
    }
    assert!(costs.iter().all(|cost| (cost - costs[0]).abs() <= 4 && *cost < 30), "pages read: {costs:?}");
}

#[test]
fn a_curve_through_a_hundred_thousand_entries_looks_once_for_each_of_its_moments() {
    let books = Books::new();
    let wallet = fill(&books);
    let mut conn = books.conn();
    prepare(&mut conn, "curve", "timestamptz[], bigint", CURVE);
    let moments: Vec<_> = (0..=90).map(|n| noon() + TimeDelta::minutes(n * ENTRIES / 90 + 1)).collect();
    let array: Vec<_> = moments.iter().map(|moment| format!("\"{}\"", moment.to_rfc3339())).collect();
    let plan = explain(&mut conn, &format!("curve ('{{{}}}', {wallet})", array.join(",")));
    let of_entries: Vec<_> = nodes(&plan).into_iter().filter(|node| node["Relation Name"] == "entries").collect();
    assert_eq!(of_entries.len(), 1, "{plan:#}");
    assert!(of_entries[0]["Node Type"].as_str().unwrap().starts_with("Index "), "{plan:#}");
    assert_eq!(of_entries[0]["Actual Loops"].as_i64().unwrap(), 91, "{plan:#}");
    assert!(exact(&of_entries[0]["Actual Rows"]) <= 1, "{plan:#}");
    let user = UserId(books.number(&format!("select user_id from wallets where id = {wallet}")));
    let code = AssetTypeCode::parse("PTS").unwrap();
    let (filter, request) = (HistoryFilter::default(), PageRequest::first(1));
    let told = wallet_statements::of_user(&mut conn, user, &code, &filter, &request, |since| {
        assert_eq!(since, noon() + TimeDelta::minutes(1));
        moments.clone()
    });
    let curve = told.unwrap().past.unwrap().curve;
    let held: Vec<i64> = curve.iter().map(|(_, held)| held.at_scale(0).parse().unwrap()).collect();
    let expected: Vec<i64> = (0..=90).map(|n| n * ENTRIES / 90).collect();
    assert_eq!(held, expected);
}
