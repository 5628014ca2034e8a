//! What a movement costs the database, in statements and rows, compared with `tests/budget.json`.
//! No clock is looked at, so this is as true on a busy machine as on an idle one. Whoever changes the
//! cost on purpose changes the budget with it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use std::time::Instant;

use coffer::domain::posting::Command;
use coffer::repo;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::{PgConnection, sql_query};
use futures::future::join_all;
use reqwest::Client;
use serde::Deserialize;
use support::bank::Bank;
use support::books::{Books, bonus, claim, noon, spend, transfer};
use support::cluster::cluster_that_counts;
use support::web::{Web, send};

/// How many commands a batch has.
const SIZES: [usize; 3] = [1, 64, 256];

/// How often a page is looked at.
const LOOKS: usize = 20;

/// What a batch may cost.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    /// What is sent to the database, however many commands there are: each is a round trip.
    statements: i64,
    /// What functions and triggers do for it, however many commands there are.
    within: i64,
    /// Rows that are read and written for the batch.
    rows: i64,
    /// Rows that are read and written for each command.
    rows_per_command: i64,
}

impl Budget {
    /// What is written down under a name.
    fn of(name: &str) -> Self {
        let mut all: serde_json::Value = serde_json::from_str(include_str!("budget.json")).unwrap();
        serde_json::from_value(all[name].take()).unwrap_or_else(|error| panic!("budget.json, {name}: {error}"))
    }
}

/// A statement, and what it cost.
#[derive(Debug, QueryableByName)]
struct Statement {
    #[diesel(sql_type = Text)]
    query: String,
    /// Whether it was sent by a client; else something else ran it.
    #[diesel(sql_type = Bool)]
    toplevel: bool,
    #[diesel(sql_type = BigInt)]
    calls: i64,
    #[diesel(sql_type = BigInt)]
    rows: i64,
    /// How often it was planned, where that is counted.
    #[diesel(sql_type = BigInt)]
    plans: i64,
}

/// Looks at what is done in one database, from another one.
struct Meter {
    conn: PgConnection,
    database: String,
}

impl Meter {
    fn of(database: &str) -> Self {
        let mut conn = cluster_that_counts().connect();
        let counts = "select 1 from pg_extension where extname = 'pg_stat_statements'";
        let found = sql_query(counts).execute(&mut conn).unwrap();
        assert_eq!(found, 1, "the first test of this program has to ask for a server that counts");
        Self { conn, database: database.to_owned() }
    }

    fn forget(&mut self) {
        let forget = "select pg_stat_statements_reset(0, oid, 0) from pg_database where datname = $1";
        sql_query(forget).bind::<Text, _>(&self.database).execute(&mut self.conn).unwrap();
    }

    /// What was done since, in an order that does not change.
    fn read(&mut self) -> Spent {
        let statements = sql_query(
            "select regexp_replace(s.query, '\\s+', ' ', 'g') as query, s.toplevel, s.calls, s.rows, s.plans
             from pg_stat_statements s join pg_database d on d.oid = s.dbid
             where d.datname = $1 order by not s.toplevel, s.query",
        );
        Spent(statements.bind::<Text, _>(&self.database).load(&mut self.conn).unwrap())
    }
}

/// What was done.
struct Spent(Vec<Statement>);

impl Spent {
    fn calls(&self, toplevel: bool) -> i64 {
        self.0.iter().filter(|statement| statement.toplevel == toplevel).map(|statement| statement.calls).sum()
    }

    /// Rows of what ran in the end: a call of a function has a row of its own, which is none.
    fn rows(&self) -> i64 {
        self.0.iter().filter(|statement| !statement.query.contains("write_postings")).map(|one| one.rows).sum()
    }

    /// Fails where a batch of so many commands cost something else than the budget says.
    fn keeps_to(&self, name: &str, commands: usize) {
        let budget = Budget::of(name);
        let rows = budget.rows + budget.rows_per_command * i64::try_from(commands).unwrap();
        let mut complaints = Vec::new();
        for (what, allowed, spent) in [
            ("statements sent to the database", budget.statements, self.calls(true)),
            ("statements run by functions and triggers", budget.within, self.calls(false)),
            ("rows read and written", rows, self.rows()),
        ] {
            if allowed != spent {
                complaints.push(format!("  {what}: {spent}, and the budget has {allowed}"));
            }
        }
        assert!(
            complaints.is_empty(),
            "a batch of {commands} {name} costs something else than tests/budget.json says:\n{}\nThis was done:\n{}\n\
             Where that is meant, and does not grow with the batch, change the budget.",
            complaints.join("\n"),
            self.told(),
        );
    }

    fn told(&self) -> String {
        let line = |statement: &Statement| {
            let whence = if statement.toplevel { "sent" } else { "within" };
            let (calls, rows, query) = (statement.calls, statement.rows, &statement.query);
            format!("  {whence:<6} {calls:>4} × {rows:>5} rows  {query:.110}")
        };
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Posts batches of all sizes, and compares each with the budget. Of every user `commands` makes one
/// command; all have a wallet with 100 CASH, and there is a credit for each.
async fn batches_keep_to(name: &str, command: impl Fn(&Books, usize, &[coffer::domain::UserId]) -> Command) {
    cluster_that_counts();
    let books = Books::new();
    // One for the way, and none twice.
    let users = books.users("user", 2 * SIZES[2]);
    let ledger = books.ledger(1, SIZES[2]);
    for group in users.chunks(SIZES[2]) {
        ledger.post_all(group.iter().map(|user| bonus(*user, "100", "CASH")).collect()).await;
    }
    // The connection is set up, and all statements are prepared.
    ledger.post_all(vec![command(&books, 0, &users)]).await;
    let mut meter = Meter::of(books.database.name());
    for size in SIZES {
        let commands = (0..size).map(|place| command(&books, place, &users)).collect();
        meter.forget();
        ledger.post_all(commands).await;
        meter.read().keeps_to(name, size);
    }
}

#[tokio::test]
async fn a_batch_of_claims_costs_as_many_statements_as_a_single_one() {
    batches_keep_to("claims", |books, place, users| claim(users[place], books.asset("1", "CASH"))).await;
}

#[tokio::test]
async fn a_batch_of_spends_costs_as_many_statements_as_a_single_one() {
    batches_keep_to("spends", |_, place, users| spend(users[place], "1", "CASH")).await;
}

#[tokio::test]
async fn a_batch_of_transfers_costs_as_many_statements_as_a_single_one() {
    let receiver = |place: usize| place + SIZES[2];
    batches_keep_to("transfers", |_, place, users| transfer(users[place], users[receiver(place)], "1", "CASH")).await;
}

#[tokio::test]
async fn a_claim_over_http_by_somebody_known_costs_a_batch_and_nothing_else() {
    cluster_that_counts();
    let mut bank = Bank::with_cash("10.00").await;
    bank.web.stop_jobs();
    let credits = bank.admin.issue(2, "CASH", "1.00").await;
    // All connections are there, and the session is known.
    assert_eq!(send(bank.anna.claim(credits[0])).await.status(), 201);
    let mut meter = Meter::of(bank.web.database_name());
    meter.forget();
    assert_eq!(send(bank.anna.claim(credits[1])).await.status(), 201);
    let spent = meter.read();
    assert_eq!(spent.calls(true), Budget::of("claims").statements, "{}", spent.told());
}

#[tokio::test]
async fn what_is_looked_for_at_every_sight_of_a_wallet_is_planned_once() {
    cluster_that_counts();
    let books = Books::new();
    let user = books.users("user", 1)[0];
    let ledger = books.ledger(1, SIZES[1]);
    ledger.post_all((0..20).map(|_| bonus(user, "100", "CASH")).collect()).await;
    books.assets(5, "1", "CASH", None);
    books.assets_of(books.campaign("1", "CASH", 1), 5);
    books.run("analyze");
    let mut conn = books.conn();
    sql_query("set pg_stat_statements.track_planning = on").execute(&mut conn).unwrap();
    let viewer = repo::users::by_external_id(&mut conn, "user_1").unwrap().unwrap();
    let mut meter = Meter::of(books.database.name());
    meter.forget();
    for _ in 0..LOOKS {
        assert_eq!(repo::campaigns::claimable_first(&mut conn, &viewer, noon()).unwrap().len(), 1);
        assert_eq!(repo::assets::claimable_first(&mut conn, noon()).unwrap().len(), 3);
        assert_eq!(repo::transactions::recent_of(&mut conn, user).unwrap().len(), 10);
    }
    let spent = meter.read();
    let planned = |part: &str| spent.0.iter().find(|statement| statement.query.contains(part)).unwrap().plans;
    let plans = ["from campaigns p", "with expiring", "from entries where wallet_id"].map(planned);
    // PostgreSQL makes five plans that are for one time, to know what those are worth, and one to keep.
    assert_eq!(plans, [6; 3], "{}", spent.told());
}

#[tokio::test]
async fn however_many_ask_for_health_the_database_is_asked_by_one_at_a_time_and_now_and_then() {
    cluster_that_counts();
    let mut web = Web::start();
    web.stop_jobs();
    let mut meter = Meter::of(web.database_name());
    meter.forget();
    let began = Instant::now();
    let monitor = Client::new();
    let ask = |path: &str| send(monitor.get(web.url(path)));
    let answers = join_all((0..150).flat_map(|_| [ask("/health"), ask("/health/ready")])).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    let seconds = i64::try_from(began.elapsed().as_secs()).unwrap();
    let spent = meter.read();
    let asked = spent.0.iter().filter(|statement| statement.query.eq_ignore_ascii_case("select $1"));
    // Twice a second, and the pool looks whether its connection lives before that.
    let asked: i64 = asked.map(|statement| statement.calls).sum();
    assert!((1..=2 * (2 * (seconds + 1) + 1)).contains(&asked), "{seconds} s: {}", spent.told());
}
