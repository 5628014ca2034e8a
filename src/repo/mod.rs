//! All SQL that does not move value. One file per noun, one function per verb of the business; each
//! public function is a use case and opens its own transaction where it needs one.

mod address;
pub mod api_keys;
pub mod asset_types;
pub mod assets;
pub mod audit;
pub mod campaigns;
pub mod claims;
pub mod clock;
pub mod doorkeeper;
pub mod entries;
pub mod figures;
pub mod history;
pub mod keys;
pub mod locks;
mod page;
pub mod receipts;
pub mod reports;
pub mod sessions;
pub mod statement;
pub mod transactions;
pub mod users;
pub mod wallet_statements;
pub mod wallets;

pub use address::{Address, Patience};
pub use page::{Page, PageRequest, Sort};

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::r2d2::{self, ManageConnection};
use diesel::{Connection, PgConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::task::AbortHandle;

use crate::domain::UserId;
use crate::error::{Error, Fatal, Result};
use crate::memory::Memory;

/// The migrations, part of the program.
const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// The number of the advisory lock that lets one instance migrate at a time.
const MIGRATION_LOCK: i64 = 0x0C0F_FE12;

/// The least PostgreSQL that Coffer's SQL runs on.
const LEAST_SERVER_VERSION: i32 = 130_000;

/// How many public names are remembered.
const KNOWN_NAMES: usize = 1 << 16;

/// How often a migration that has to wait for a lock lets others go before it, and tries again.
const MOST_WAITS: u32 = 60;

/// Lets the server find out in half a minute that a client's machine or the way to it is gone, where
/// the system's own setting takes two hours: meanwhile the client's locks would be held. Over a socket of
/// Unix, where none of this can happen, the server passes over it.
const KEEP_ALIVE: &str = "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3";

/// Opens one connection with Coffer's time-outs.
///
/// # Errors
/// Where the server cannot be reached within three seconds or refuses.
pub fn connect(address: impl Into<Address>) -> diesel::ConnectionResult<PgConnection> {
    let Address { conninfo, patience } = address.into();
    let mut conn = PgConnection::establish(&conninfo)?;
    let (statement, lock) = (patience.statement.as_millis(), patience.lock.as_millis());
    conn.batch_execute(&format!(
        "set statement_timeout = {statement}; set lock_timeout = {lock}; \
         set idle_in_transaction_session_timeout = 10000; set timezone = 'UTC'; \
         set application_name = 'coffer'; {KEEP_ALIVE}"
    ))
    .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Opens a connection for a thread that looks rows up by key and does nothing else. Plans that read
/// whole tables are never right for that, although a planner that has seen only an empty table may
/// think so.
///
/// # Errors
/// As [`connect`].
pub fn connect_for_keys(address: impl Into<Address>) -> diesel::ConnectionResult<PgConnection> {
    let mut conn = connect(address)?;
    conn.batch_execute(
        "set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; \
         set plan_cache_mode = force_generic_plan; set jit = off",
    )
    .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Brings the schema up to date; says which migrations it ran. Safe to be called by several
/// instances at once, while others serve: one migrates, and those that start wait for it. A migration
/// that needs a lock which others hold gives way after a second, since all that come behind it
/// wait, too, and tries again.
///
/// # Errors
/// One line for the terminal: the server is too old, not reachable, or refuses a migration.
pub fn migrate(conninfo: &str) -> std::result::Result<Vec<String>, Fatal> {
    let fatal = |error: &dyn std::fmt::Display| Fatal::new(format!("cannot migrate the database: {error}"));
    let mut conn = reach(conninfo)?;
    check_server_version(&mut conn)?;
    check_language(&mut conn)?;
    // Nobody waits inside of the database: an index that is built concurrently would wait for them.
    let mut told = false;
    while !is_alone(&mut conn).map_err(|e| fatal(&e))? {
        if !std::mem::replace(&mut told, true) {
            tracing::info!("another instance is migrating the database: waiting for it");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    conn.batch_execute("set lock_timeout = 1000").map_err(|e| fatal(&e))?;
    let mut versions = Vec::new();
    let mut waits = 0;
    while conn.has_pending_migration(MIGRATIONS).map_err(|e| fatal(&e))? {
        let step = drop_unfinished_indexes(&mut conn).map_err(Into::into);
        match step.and_then(|()| conn.run_next_migration(MIGRATIONS).map(|version| version.to_string())) {
            Ok(version) => versions.push(version),
            Err(error) if waits < MOST_WAITS && error.to_string().contains("lock timeout") => {
                waits += 1;
                tracing::warn!("a migration waits for a lock that others hold; trying again");
                std::thread::sleep(Duration::from_secs(1));
            }
            Err(error) => return Err(fatal(&error)),
        }
    }
    Ok(versions)
}

/// Drops what a concurrent build of an index left when it was broken off.
fn drop_unfinished_indexes(conn: &mut PgConnection) -> diesel::QueryResult<()> {
    use diesel::prelude::*;
    let unfinished: Vec<String> = diesel::dsl::sql::<diesel::sql_types::Text>(
        "select indexrelid::regclass::text from pg_index join pg_class on pg_class.oid = indexrelid \
         where not indisvalid and relnamespace = current_schema()::regnamespace",
    )
    .load(conn)?;
    unfinished.iter().try_for_each(|index| conn.batch_execute(&format!("drop index concurrently {index}")))
}

/// Whether a database has Coffer's tables.
///
/// # Errors
/// One line for the terminal: the server is not reachable or refuses.
pub fn is_migrated(conninfo: &str) -> std::result::Result<bool, Fatal> {
    use diesel::prelude::*;
    let has_tables = diesel::sql_query(
        "select 1 from pg_tables where tablename = 'entries' and schemaname = any(current_schemas(false))",
    );
    let found = has_tables.execute(&mut reach(conninfo)?);
    found.map(|tables| tables > 0).map_err(|error| Fatal::new(format!("cannot look at the database: {error}")))
}

fn reach(conninfo: &str) -> std::result::Result<PgConnection, Fatal> {
    let cannot =
        |error: &dyn std::fmt::Display| Fatal::new(format!("cannot reach the database: {}", without_address(error)));
    let mut conn = PgConnection::establish(conninfo).map_err(|error| cannot(&error))?;
    conn.batch_execute(KEEP_ALIVE).map_err(|error| cannot(&error))?;
    Ok(conn)
}

/// Whether this connection is the one that may migrate.
fn is_alone(conn: &mut PgConnection) -> diesel::QueryResult<bool> {
    use diesel::prelude::*;
    diesel::dsl::sql::<diesel::sql_types::Bool>(&format!("select pg_try_advisory_lock({MIGRATION_LOCK})"))
        .get_result(conn)
}

/// Takes every migration back, the newest first. All data is lost; for tests of the migrations.
///
/// # Errors
/// The first migration that could not be taken back.
pub fn revert_all(conn: &mut PgConnection) -> std::result::Result<(), Fatal> {
    conn.revert_all_migrations(MIGRATIONS).map(|_| ()).map_err(|error| Fatal::new(error.to_string()))
}

fn check_server_version(conn: &mut PgConnection) -> std::result::Result<(), Fatal> {
    use diesel::prelude::*;
    let version: String = diesel::dsl::sql::<diesel::sql_types::Text>("select current_setting('server_version_num')")
        .get_result(conn)
        .map_err(|error| Fatal::new(format!("cannot ask the database for its version: {error}")))?;
    match version.parse::<i32>() {
        Ok(number) if number >= LEAST_SERVER_VERSION => Ok(()),
        _ => Err(Fatal::new(format!(
            "the database server is PostgreSQL {}, Coffer needs 13 or newer",
            version.get(..2).unwrap_or(&version)
        ))),
    }
}

/// Whether errors can be understood, which depends on more than what `lc_messages` says.
fn check_language(conn: &mut PgConnection) -> std::result::Result<(), Fatal> {
    // What is caught in the block stands in no log.
    let spoken = conn.batch_execute(
        "do $$ begin
             perform 1 / 0;
         exception when division_by_zero then
             if sqlerrm <> 'division by zero' then raise exception '%', sqlerrm; end if;
         end $$",
    );
    spoken.map_err(|error| {
        Fatal::new(format!(
            "the database server does not speak English ({}): as its superuser, say \
             \"alter role … set lc_messages = 'C'\" for Coffer's role",
            one_line(&error)
        ))
    })
}

/// Asks the database for a sign of life.
///
/// # Errors
/// Those of the database.
pub fn ping(conn: &mut PgConnection) -> Result<()> {
    use diesel::RunQueryDsl;
    statement::statement::<()>("select 1").execute(conn)?;
    Ok(())
}

/// An error's text in one line, without what libpq repeats of an address that it cannot read: that
/// may be the password.
fn without_address(error: &dyn std::fmt::Display) -> String {
    let text = one_line(error);
    text.split_once(": \"").map_or_else(|| text.clone(), |(what, _)| what.to_owned())
}

/// An error's text without its line breaks, for the one line that a terminal gets.
pub(crate) fn one_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How long a connection lies idle before it is asked whether it is still there: a question before every
/// use would double the round trips.
const IDLE: Duration = Duration::from_millis(500);

/// A pooled connection, whether its server has gone away, and when it was used last.
struct Pooled {
    conn: PgConnection,
    lost: bool,
    used: Instant,
}

struct Connector {
    address: Address,
}

impl ManageConnection for Connector {
    type Connection = Pooled;
    type Error = diesel::ConnectionError;

    fn connect(&self) -> diesel::ConnectionResult<Pooled> {
        connect(&self.address).map(|conn| Pooled { conn, lost: false, used: Instant::now() })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> diesel::ConnectionResult<()> {
        if pooled.used.elapsed() < IDLE {
            return Ok(());
        }
        pooled.conn.batch_execute("select 1").map_err(diesel::ConnectionError::CouldntSetupConfiguration)
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.lost || std::thread::panicking() || r2d2::R2D2Connection::is_broken(&mut pooled.conn)
    }
}

/// The database as handlers see it: a pool of connections that blocking threads work on.
#[derive(Clone)]
pub struct Db {
    pool: Arc<r2d2::Pool<Connector>>,
    /// Whom public names mean; that never changes.
    names: Arc<Memory<String, UserId>>,
    /// How long a request waits for its verb.
    longest: Duration,
}

impl Db {
    /// How much longer than for a connection and a statement a request waits for its verb, since a
    /// server that hangs keeps no time-out of its own.
    const SLACK: Duration = Duration::from_secs(3);

    /// A pool of at most `size` connections, which are opened as they are needed.
    pub fn new(address: impl Into<Address>, size: u32) -> Self {
        let address = address.into();
        let longest = address.patience.pool + address.patience.statement + Self::SLACK;
        let pool = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(address.patience.pool)
            .error_handler(Box::new(LogErrors))
            .build_unchecked(Connector { address });
        Self { pool: Arc::new(pool), names: Arc::new(Memory::of_at_most(KNOWN_NAMES)), longest }
    }

    /// How many connections are open, and how many of them are idle.
    pub fn connections(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections, state.idle_connections)
    }

    /// Whether it is known without a query who has a public name.
    pub fn knows(&self, external_id: &str) -> bool {
        self.names.get(external_id).is_some()
    }

    /// The rows of those of the public names that somebody has. Who was looked up before costs no
    /// query.
    ///
    /// # Errors
    /// As [`Db::run`].
    pub async fn ids_of(&self, external_ids: &[&str]) -> Result<HashMap<String, UserId>> {
        let known = |name: &&str| Some(((*name).to_owned(), self.names.get(*name)?));
        let mut ids: HashMap<String, UserId> = external_ids.iter().filter_map(known).collect();
        let unknown = external_ids.iter().filter(|name| !ids.contains_key(**name));
        let unknown: Vec<String> = unknown.map(|name| (*name).to_owned()).collect();
        if !unknown.is_empty() {
            let found = self.read(move |conn| users::ids_of(conn, &unknown)).await?;
            found.iter().for_each(|(name, id)| self.names.insert(name.clone(), *id));
            ids.extend(found);
        }
        Ok(ids)
    }

    /// Runs a verb on a blocking thread with a connection of the pool: the only bridge from async
    /// code to SQL.
    ///
    /// # Errors
    /// The verb's own; [`Error::DatabaseUnavailable`] where there is no connection in time;
    /// [`Error::CommitUnknown`] where the connection was lost under the verb, and where it has begun and not
    /// come back in ten seconds, or as the configured time-outs have it. A verb that nobody waits for any
    /// more is not begun.
    pub async fn run<T, F>(&self, verb: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T> + Send + 'static,
    {
        let (db, settled) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let begins = Arc::clone(&settled);
        let work = tokio::task::spawn_blocking(move || {
            db.run_here(|conn| if begins.swap(true, Ordering::Relaxed) { Err(GONE) } else { verb(conn) })
        });
        let waiting = Waiting { work: work.abort_handle(), settled };
        let in_time = tokio::time::timeout(self.longest, work).await;
        in_time.map_err(|_| waiting.give_up())?.map_err(Error::broken)?
    }

    /// As [`Db::run`], for a verb that only reads: where it did not come back, nothing is in doubt.
    ///
    /// # Errors
    /// As [`Db::run`], with [`Error::DatabaseUnavailable`] instead of [`Error::CommitUnknown`].
    pub async fn read<T, F>(&self, verb: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T> + Send + 'static,
    {
        self.run(verb).await.map_err(|error| match error {
            Error::CommitUnknown => Error::DatabaseUnavailable,
            error => error,
        })
    }

    /// Runs a verb on the calling thread; for jobs and commands, which may block.
    ///
    /// # Errors
    /// As [`Db::run`].
    pub fn run_here<T>(&self, verb: impl FnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        let mut pooled = self.pool.get().map_err(|_| Error::DatabaseUnavailable)?;
        let result = verb(&mut pooled.conn);
        pooled.used = Instant::now();
        // libpq has no code for a lost connection and words it in many ways, so ask the server. Its commit
        // may have been on the way.
        if matches!(result, Err(Error::Broken(_) | Error::DatabaseUnavailable)) && !takes_writes(&mut pooled.conn) {
            pooled.lost = true;
            return Err(Error::CommitUnknown);
        }
        result
    }
}

/// Whether a connection still answers, by a server that is the primary. Ends what it was in.
pub fn takes_writes(conn: &mut PgConnection) -> bool {
    conn.batch_execute("rollback; begin read write; rollback").is_ok()
}

/// What a verb says that nobody hears.
const GONE: Error = Error::DatabaseUnavailable;

/// Somebody who waits for a verb. When this is dropped, one that has not begun never will.
struct Waiting {
    work: AbortHandle,
    /// Whether it is settled that the verb has begun, or that it never will.
    settled: Arc<AtomicBool>,
}

impl Waiting {
    /// What is known of the verb of whoever waits no longer: where it has begun it may have been a
    /// write, and may still be done.
    fn give_up(&self) -> Error {
        if self.settled.swap(true, Ordering::Relaxed) { Error::CommitUnknown } else { Error::DatabaseUnavailable }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.settled.store(true, Ordering::Relaxed);
        self.work.abort();
    }
}

#[derive(Debug)]
struct LogErrors;

impl r2d2::HandleError<diesel::ConnectionError> for LogErrors {
    fn handle_error(&self, error: diesel::ConnectionError) {
        tracing::warn!(error = one_line(&error), "no connection to the database");
    }
}
