//! A ledger for one test, in the words of the business: users, credits, movements, and an audit of
//! the books at the end.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot be set up fails loudly")]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use coffer::domain::posting::{Action, Command, Idempotency, Movement};
use coffer::domain::{AccessState, Amount, AssetId, AssetTypeCode, Balance, CampaignId, TransactionId, UserId};
use coffer::error::Error;
use coffer::ledger::verify::{Verdict, verify};
use coffer::ledger::{Clock, Ledger, Outcome, Outcomes, Settings};
use coffer::repo;
use diesel::connection::SimpleConnection;
use diesel::deserialize::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel::{PgConnection, RunQueryDsl, sql_query};
use futures::future::join_all;
use sha2::{Digest, Sha256};

use super::cluster::{Database, cluster};

/// What became of a submitted command.
pub type Answer = Result<Outcome, Error>;

/// The time in all tests that do not tell another.
pub fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

/// A clock that stands still.
pub fn clock_at(now: DateTime<Utc>) -> Clock {
    Arc::new(move || now)
}

/// `12.50` as an amount.
pub fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

/// `GOLD` as a code.
pub fn unit(code: &str) -> AssetTypeCode {
    AssetTypeCode::parse(code).unwrap()
}

/// A user's value, as commands name it.
pub fn of(user: UserId, value: &str, code: &str) -> Movement {
    Movement { user, asset_type: unit(code), amount: amount(value) }
}

/// A user claims an asset.
pub fn claim(user: UserId, asset: AssetId) -> Command {
    Command::new(user, Action::Claim { user, asset })
}

/// A user claims any asset of a campaign.
pub fn claim_any(user: UserId, campaign: CampaignId) -> Command {
    Command::new(user, Action::ClaimAny { user, campaign })
}

/// A user spends.
pub fn spend(user: UserId, value: &str, code: &str) -> Command {
    Command::new(user, Action::Spend { movement: of(user, value, code), floor: None })
}

/// A user gives to another.
pub fn transfer(user: UserId, receiver: UserId, value: &str, code: &str) -> Command {
    Command::new(user, Action::Transfer { movement: of(user, value, code), receiver, floor: None })
}

/// A user gets a present, asked for in the user's own name.
pub fn bonus(user: UserId, value: &str, code: &str) -> Command {
    Command::new(user, Action::Bonus(of(user, value, code)))
}

/// The same command under an idempotency key, whose hash is that of the action.
pub fn keyed(mut command: Command, key: &str) -> Command {
    let request_hash = Sha256::digest(format!("{:?}", command.action)).into();
    command.idempotency = Some(Idempotency { key: key.to_owned(), item: 0, request_hash });
    command
}

/// The same request once more: another transaction id, all else alike.
pub fn again(command: &Command) -> Command {
    Command { transaction: TransactionId::new(), ..command.clone() }
}

/// Waits until something holds, which must be soon.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 20 seconds: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// A number that a query gives.
#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

/// A database with a ledger, which is audited when the test ends.
pub struct Books {
    /// The database.
    pub database: Database,
    damaged: AtomicBool,
}

impl Books {
    /// Books with GOLD (two decimals), CASH (two decimals, transferable, a floor of 5) and PTS
    /// (none, transferable).
    pub fn new() -> Self {
        let books = Self { database: cluster().new_database(), damaged: AtomicBool::new(false) };
        books.run(
            "insert into asset_types (code, name, scale, minimum_balance, transferable)
             values ('GOLD', 'Gold Coins', 2, 0, false), ('CASH', 'Cashback', 2, 5, true), ('PTS', 'Points', 0, 0, true)",
        );
        books
    }

    /// A connection as Coffer's own, for reading.
    pub fn conn(&self) -> PgConnection {
        repo::connect(&self.database.url).unwrap()
    }

    /// Runs SQL that must succeed.
    pub fn run(&self, sql: &str) {
        self.database.connect().batch_execute(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    /// The one number that a query gives.
    pub fn number(&self, sql: &str) -> i64 {
        self.number_of(&format!("select ({sql})::bigint as number"))
    }

    fn number_of(&self, query: &str) -> i64 {
        sql_query(query).get_result::<Number>(&mut self.database.connect()).unwrap().number
    }

    /// The state of access now.
    pub fn access_state(&self) -> AccessState {
        AccessState(self.number("select number from access_changes"))
    }

    /// All words that a query of one text column gives, in its order.
    pub fn words(&self, sql: &str) -> Vec<String> {
        let query = format!("select q.word::text as word from ({sql}) q (word)");
        let words = sql_query(query).load::<Word>(&mut self.database.connect()).unwrap();
        words.into_iter().map(|word| word.word).collect()
    }

    /// A new user.
    pub fn user(&self, name: &str) -> UserId {
        self.users(name, 1).pop().unwrap()
    }

    /// Many new users.
    pub fn users(&self, name: &str, count: usize) -> Vec<UserId> {
        let query = format!(
            "insert into users (external_id, username, password_hash)
             select name, name, '' from (
                 select '{name}_' || n as name from generate_series(1, {count}) n order by n
             ) new returning id as number"
        );
        let rows = sql_query(query).load::<Number>(&mut self.database.connect()).unwrap();
        rows.into_iter().map(|row| UserId(row.number)).collect()
    }

    /// Nobody may claim, spend or transfer as this user any more.
    pub fn freeze(&self, user: UserId) {
        self.run(&format!("update users set status = 'frozen' where id = {user}"));
    }

    /// A new credit that never expires.
    pub fn asset(&self, value: &str, code: &str) -> AssetId {
        self.assets(1, value, code, None).pop().unwrap()
    }

    /// New credits, all alike.
    pub fn assets(&self, count: usize, value: &str, code: &str, expires_at: Option<DateTime<Utc>>) -> Vec<AssetId> {
        let expiry = expires_at.map_or_else(|| "null".to_owned(), |at| format!("'{}'", at.to_rfc3339()));
        let query = format!(
            "insert into assets (code, title, kind, asset_type, amount, expires_at, created_at)
             select translate(upper(substr(md5(random()::text || n), 1, 13)), '01', 'XY'), 'Credit', 'promotional',
                    '{code}', {value}, {expiry}, '{}'
             from generate_series(1, {count}) n returning id as number",
            (noon() - TimeDelta::days(1)).to_rfc3339()
        );
        let rows = sql_query(query).load::<Number>(&mut self.database.connect()).unwrap();
        rows.into_iter().map(|row| AssetId(row.number)).collect()
    }

    /// A new campaign that always runs.
    pub fn campaign(&self, value: &str, code: &str, per_user_limit: i32) -> CampaignId {
        CampaignId(self.number_of(&format!(
            "insert into campaigns (title, kind, asset_type, amount, per_user_limit)
             values ('Festival', 'promotional', '{code}', {value}, {per_user_limit}) returning id as number"
        )))
    }

    /// New credits of a campaign, which have no expiry of their own.
    pub fn assets_of(&self, campaign: CampaignId, count: usize) -> Vec<AssetId> {
        let query = format!(
            "insert into assets (code, title, kind, asset_type, amount, campaign_id)
             select translate(upper(substr(md5(random()::text || n), 1, 13)), '01', 'XY'), title, kind, asset_type,
                    amount, id
             from campaigns, generate_series(1, {count}) n where id = {campaign} returning id as number"
        );
        let rows = sql_query(query).load::<Number>(&mut self.database.connect()).unwrap();
        rows.into_iter().map(|row| AssetId(row.number)).collect()
    }

    /// Posting threads on these books, at noon.
    pub fn ledger(&self, threads: usize, batch_max: usize) -> Running {
        self.ledger_at(&self.database.url, threads, batch_max, &clock_at(noon()))
    }

    /// Posting threads with a clock of their own, over another way to the database.
    pub fn ledger_at(&self, conninfo: &str, threads: usize, batch_max: usize, clock: &Clock) -> Running {
        let settings = Settings { address: conninfo.into(), threads, batch_max };
        Running(Arc::new(Ledger::start(&settings, clock).unwrap()))
    }

    /// Gives a user something to start with.
    pub async fn endow(&self, user: UserId, value: &str, code: &str) {
        let ledger = self.ledger(1, 1);
        ledger.submit(bonus(user, value, code)).await.unwrap();
    }

    /// What a user holds, without needless decimals.
    pub fn balance(&self, user: UserId, code: &str) -> String {
        let holding = repo::wallets::holding(&mut self.conn(), user, &unit(code)).unwrap();
        holding.balance.at_scale(holding.asset_type.scale.0)
    }

    /// All balances of users, sorted: `user/type/balance/version`.
    pub fn balances(&self) -> Vec<String> {
        self.words(
            "select concat_ws('/', user_id, asset_type, balance, credit_total, version) from wallets
             where user_id is not null and version > 0 and asset_type <> 'PLUG' order by user_id, asset_type",
        )
    }

    /// How often a transaction is in the ledger.
    pub fn times_posted(&self, transaction: TransactionId) -> i64 {
        self.number(&format!("select count(*) from transactions where id = '{transaction}'"))
    }

    /// Holds a wallet that exists locked until the answer is dropped.
    pub fn hold_wallet(&self, user: UserId, code: &str) -> Held {
        let mut conn = self.database.connect();
        let query =
            format!("select id as number from wallets where user_id = {user} and asset_type = '{code}' for update");
        conn.batch_execute("begin").unwrap();
        sql_query(query).get_result::<Number>(&mut conn).expect("the wallet exists");
        Held(conn)
    }

    /// Holds rows locked until the answer is dropped: of a table, perhaps with a condition.
    pub fn hold(&self, rows: &str) -> Held {
        let mut conn = self.database.connect();
        conn.batch_execute(&format!("begin; select from {rows} for update")).unwrap();
        Held(conn)
    }

    /// Waits until a posting thread has rolled back, and once more after a pause.
    pub fn wait_for_tries(&self) {
        let rolled_back = || {
            self.words(
                "select query_start from pg_stat_activity
                 where datname = current_database() and application_name = 'coffer' and query = 'rollback'",
            )
        };
        eventually("a posting thread rolls back", || !rolled_back().is_empty());
        let first = rolled_back();
        eventually("it tries again", || {
            let now = rolled_back();
            !now.is_empty() && now != first
        });
    }

    /// Waits until so many of Coffer's sessions wait for a lock.
    pub fn wait_for_blocked(&self, sessions: i64) {
        eventually("posting threads wait for a lock", || {
            self.number(
                "select count(*) from pg_stat_activity
                 where datname = current_database() and application_name = 'coffer' and wait_event_type = 'Lock'",
            ) >= sessions
        });
    }

    /// Says that this test breaks the books on purpose.
    pub fn will_be_damaged(&self) {
        self.damaged.store(true, Ordering::Relaxed);
    }

    /// What the proof of the books says now.
    pub fn verdict(&self) -> Verdict {
        verify(&mut self.conn(), |_, _| {}).unwrap()
    }

    /// Fails unless every promise of the ledger holds.
    pub fn audit(&self) {
        let verdict = self.verdict();
        let broken: Vec<_> = verdict.checks.iter().filter(|check| check.violations != 0).collect();
        assert!(broken.is_empty(), "the books are wrong: {broken:#?}");
        for trial in &verdict.trial_balances {
            assert_eq!(trial.entries, Balance::zero(), "{trial:?}");
            assert_eq!(trial.balances, Balance::zero(), "{trial:?}");
        }
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        if !self.damaged.load(Ordering::Relaxed) && !std::thread::panicking() {
            self.audit();
        }
    }
}

/// A way to make a posting thread wait: a user in a unit of its own, whose wallet can be held.
pub struct Plug<'b> {
    books: &'b Books,
    user: UserId,
}

impl<'b> Plug<'b> {
    /// A new unit and a user with one of it.
    pub async fn new(books: &'b Books) -> Self {
        books.run("insert into asset_types (code, name, scale) values ('PLUG', 'Plug', 0)");
        let user = books.user("plug");
        books.endow(user, "1", "PLUG").await;
        Self { books, user }
    }

    /// Makes the user's thread wait inside a batch of one, which will be refused, while `meanwhile`
    /// runs; then lets it go on, and gives what `meanwhile` gave.
    pub async fn while_stuck<T>(&self, ledger: &Ledger, meanwhile: impl FnOnce() -> T) -> T {
        let held = self.books.hold_wallet(self.user, "PLUG");
        let plug = enqueue(ledger, [spend(self.user, "2", "PLUG")]);
        self.books.wait_for_blocked(1);
        let result = meanwhile();
        held.release();
        let refused = join_all(plug).await.pop().unwrap();
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
        result
    }
}

/// A lock that goes when this is dropped.
pub struct Held(PgConnection);

impl Held {
    /// Lets go.
    pub fn release(mut self) {
        self.0.batch_execute("rollback").unwrap();
    }
}

/// A ledger that stops when this is dropped.
#[derive(Clone)]
pub struct Running(pub Arc<Ledger>);

impl std::ops::Deref for Running {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.0
    }
}

impl Running {
    /// Posts commands together; none is refused.
    pub async fn post_all(&self, commands: Vec<Command>) {
        let outcomes = self.submit_together(commands, true).await.unwrap();
        assert!(matches!(outcomes, Outcomes::Each(_)), "{outcomes:?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if Arc::strong_count(&self.0) == 1 {
            self.0.stop();
        }
    }
}

/// A command that is in the queue, and whose answer is awaited.
pub type Queued<'l> = Pin<Box<dyn Future<Output = Answer> + Send + 'l>>;

/// Puts commands into the queue, in their order, without waiting for any.
pub fn enqueue(ledger: &Ledger, commands: impl IntoIterator<Item = Command>) -> Vec<Queued<'_>> {
    commands.into_iter().map(|command| Box::pin(ledger.submit(command)) as Queued<'_>).collect()
}

/// Commands that are in the queue together, and whose answer is awaited.
pub type QueuedGroup<'l> = Pin<Box<dyn Future<Output = Result<Outcomes, Error>> + Send + 'l>>;

/// Puts commands into the queue together, without waiting for them.
pub fn enqueue_together(ledger: &Ledger, commands: Vec<Command>, atomic: bool) -> QueuedGroup<'_> {
    Box::pin(ledger.submit_together(commands, atomic))
}

/// Submits commands in their order and waits for all answers.
pub async fn submit_all(ledger: &Ledger, commands: impl IntoIterator<Item = Command>) -> Vec<Answer> {
    join_all(enqueue(ledger, commands)).await
}

/// Submits each command from a task of its own, all at once.
pub async fn race(ledger: &Running, commands: impl IntoIterator<Item = Command>) -> Vec<Answer> {
    let tasks: Vec<_> = commands
        .into_iter()
        .map(|command| {
            let ledger = Arc::clone(&ledger.0);
            tokio::spawn(async move { ledger.submit(command).await })
        })
        .collect();
    join_all(tasks).await.into_iter().map(|answer| answer.expect("no task panics")).collect()
}
