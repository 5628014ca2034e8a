//! The composition root: puts the parts together in order, and takes them apart in the opposite
//! one. The clock that all others are given is made here.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::rt::{System, SystemRunner};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chrono::{SubsecRound, Utc};
use diesel::PgConnection;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::refused;
use crate::config::{Config, Database};
use crate::ephemeral::{Redis, Throttles};
use crate::error::Fatal;
use crate::jobs::Jobs;
use crate::ledger::{Clock, Ledger, Settings};
use crate::meters;
use crate::passwords::Passwords;
use crate::postgres::{self, DataLock, Options, Server};
use crate::repo::doorkeeper::Doorkeeper;
use crate::repo::{self, Address, Db, users};
use crate::seed::{self, Existing};
use crate::web;

/// The exit code of a command that a signal ended, as shells have it for Ctrl-C.
const INTERRUPTED: i32 = 130;

/// How often this machine's clock is compared with the database server's.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(10);

/// Serves until a signal says stop: then takes no more requests, finishes those in flight, posts
/// what is queued, stops the jobs, and last the database.
///
/// # Errors
/// Whatever keeps Coffer from starting, in one line.
pub fn serve(config: &Config, with_demo: bool) -> Result<(), Fatal> {
    let lock = match config.database {
        Database::Embedded => Some(DataLock::acquire(&config.data_dir)?),
        Database::External(_) => None,
    };
    let listener = listen(config)?;
    let system = System::new();
    let signals = system.block_on(async { Signals::receive() });
    let signals = signals.map_err(|error| no_signals(&error))?;
    let database = Attached::prepare(config, lock, OwnServer::default())?;
    let result = serve_on(listener, config, &database, with_demo, &system, signals);
    drop(database);
    result
}

/// What tells the server to stop. From its making on, a signal no longer ends the process, which
/// would leave the database behind; one that comes while Coffer starts is heard when it has.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn receive() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for either; whether it was the one of supervisors, which leaves time.
    async fn heard(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => true,
            _ = self.interrupt.recv() => false,
        }
    }
}

fn no_signals(error: &std::io::Error) -> Fatal {
    Fatal::new(format!("cannot receive signals: {error}"))
}

fn serve_on(
    listener: TcpListener,
    config: &Config,
    database: &Attached,
    with_demo: bool,
    system: &SystemRunner,
    signals: Signals,
) -> Result<(), Fatal> {
    let secret = secret_key(config)?;
    let greeting = greeting(config, database, with_demo)?;
    let clock = clock();
    let db = Db::new(database.address(), config.database_pool_size);
    // What is measured is looked up once, when its part starts. The demo's data has not been counted.
    meters::install();
    let ledger = Arc::new(start_ledger(database.address(), config, &clock)?);
    let redis = config.redis_url.as_deref().map(Redis::start).transpose()?;
    let jobs = Jobs::start(&db, &clock, &config.public_url, redis.as_ref());
    let parts = web::Parts {
        db,
        doorkeeper: Doorkeeper::start(database.address()).map_err(|error| no_thread(&error))?,
        ledger: Arc::clone(&ledger),
        passwords: Arc::new(Passwords::start(config.bcrypt_cost).map_err(|error| no_thread(&error))?),
        secret,
        previous_secret: config.secret_key_previous.clone(),
        throttles: Throttles::new(config.rate_limits, &clock, redis.clone()),
        redis,
        trusted_proxies: config.trusted_proxies.clone(),
        scrapers: config.scrapers.clone(),
        bounds: config.bounds,
        drain: web::Drain::default(),
        clock,
        public_url: config.public_url.clone(),
        jobs: jobs.runs(),
    };
    let say = || say(&greeting, config);
    let served = system.block_on(serve_until_told(listener, parts, say, signals));
    ledger.stop();
    drop(jobs);
    served
}

async fn serve_until_told(
    listener: TcpListener,
    parts: web::Parts,
    say: impl FnOnce() -> std::io::Result<()>,
    mut signals: Signals,
) -> Result<(), Fatal> {
    let (drain, drain_time, db) = (parts.drain.clone(), parts.bounds.drain, parts.db.clone());
    let server = web::serve(listener, parts).map_err(|error| Fatal::new(format!("the server failed: {error}")))?;
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);
    if let Err(error) = say() {
        tracing::warn!(%error, "nobody could be told that Coffer is ready");
    }
    let fault = tokio::select! {
        fault = clock_fault(&db) => Some(fault),
        has_time = signals.heard() => {
            if has_time && !drain_time.is_zero() {
                tracing::info!("told to stop: serving until proxies have seen it");
                drain.begin();
                // Whoever says it again means now.
                let _ = tokio::time::timeout(drain_time, signals.heard()).await;
            }
            None
        }
    };
    tracing::info!("stopping: finishing what is in flight");
    let stopped = tokio::select! {
        () = handle.stop(true) => serving.await.map_err(std::io::Error::other).flatten(),
        _ = signals.heard() => {
            tracing::warn!("told to stop again: leaving what is in flight");
            Ok(())
        }
    };
    fault.map_or(stopped.map_err(|error| Fatal::new(format!("the server failed: {error}"))), Err)
}

/// Waits until this machine's clock has gone wrong, which it has where it is so twice in a row.
async fn clock_fault(db: &Db) -> Fatal {
    let mut before = false;
    loop {
        tokio::time::sleep(LOOK_AT_CLOCK).await;
        // Where the database does not answer, it tells no other time.
        let fault = db.run(|conn| repo::clock::fault(conn, Utc::now)).await.ok().flatten();
        match fault {
            Some(fault) if before => return fault,
            fault => before = fault.is_some(),
        }
    }
}

/// The time in UTC, at PostgreSQL's resolution, so that what was decided equals what is read back.
fn clock() -> Clock {
    Arc::new(|| Utc::now().trunc_subsecs(6))
}

/// A ledger with the configured posting threads.
///
/// # Errors
/// Where the system has no threads left.
pub(crate) fn start_ledger(address: &Address, config: &Config, clock: &Clock) -> Result<Ledger, Fatal> {
    let settings =
        Settings { address: address.clone(), threads: config.posting_threads, batch_max: config.posting_batch_max };
    Ledger::start(&settings, clock).map_err(|error| no_thread(&error))
}

/// A ledger for a command of the command line.
pub(crate) fn ledger_for_command(address: &Address, config: &Config) -> Result<(Ledger, Clock), Fatal> {
    let clock = clock();
    Ok((start_ledger(address, config, &clock)?, clock))
}

fn no_thread(error: &std::io::Error) -> Fatal {
    Fatal::new(format!("cannot start a thread: {error}"))
}

fn listen(config: &Config) -> Result<TcpListener, Fatal> {
    TcpListener::bind(config.bind).map_err(|error| {
        Fatal::new(match error.kind() {
            ErrorKind::AddrInUse => {
                format!("{} is in use: stop what listens there, or set BIND to another address", config.bind)
            }
            _ => format!("cannot listen on {}: {error}; set BIND to another address", config.bind),
        })
    })
}

/// What the terminal says when all is ready: the address, and how to sign in. Puts the demo data
/// into a new embedded database.
fn greeting(config: &Config, database: &Attached, with_demo: bool) -> Result<String, Fatal> {
    let mut conn = reach(database.address())?;
    let first = config.database == Database::Embedded && !first_start_is_over(config).exists();
    let how = if first && with_demo && seed::is_untouched(&mut conn).map_err(|error| refused(&error))? {
        seed::demo(database.address(), config, Existing::Reset)?.to_string()
    } else if users::has_admin(&mut conn).map_err(|error| refused(&error))? {
        "Sign in with your account.".to_owned()
    } else {
        let program = std::env::current_exe().unwrap_or_else(|_| "coffer".into());
        format!(
            "There is no admin yet. Create one: echo 'a long pass phrase' | {} admin create --username NAME \
             --password-stdin",
            program.display()
        )
    };
    Ok(format!("Coffer is ready at {}\n{how}", config.public_url))
}

/// Says the greeting, and remembers in the data folder that it was said: a first start that ends
/// before this begins anew, since nobody has seen its passwords.
fn say(greeting: &str, config: &Config) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{greeting}")?;
    match config.database {
        Database::Embedded => fs::write(first_start_is_over(config), ""),
        Database::External(_) => Ok(()),
    }
}

fn first_start_is_over(config: &Config) -> PathBuf {
    config.data_dir.join("first-start-is-over")
}

/// The configured secret, or the one that is made once and kept in the data folder.
fn secret_key(config: &Config) -> Result<String, Fatal> {
    if let Some(secret) = &config.secret_key {
        return Ok(secret.clone());
    }
    let path = config.data_dir.join("secret.key");
    let cannot = |error: std::io::Error| Fatal::new(format!("cannot use {}: {error}", path.display()));
    match fs::read_to_string(&path) {
        Ok(secret) if secret.trim().len() >= 32 => return Ok(secret.trim().to_owned()),
        Ok(_) => return Err(Fatal::new(format!("{} is too short; remove it to get a new one", path.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(cannot(error)),
    }
    let mut bytes = [0_u8; 48];
    getrandom::fill(&mut bytes).map_err(|error| Fatal::new(format!("no random numbers: {error}")))?;
    let secret = STANDARD_NO_PAD.encode(bytes);
    write_private(&path, &secret).map_err(cannot)?;
    Ok(secret)
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

/// A migrated database, and the embedded server behind it if this process runs one.
pub struct Attached {
    address: Address,
    migrated: Vec<String>,
    /// The server goes before the lock on its folder.
    server: OwnServer,
    lock: Option<DataLock>,
}

/// The server that this process runs, if it does. Held while it is being started, so that whoever
/// is to stop it waits for that.
type OwnServer = Arc<Mutex<Option<Server>>>;

/// The database for a command that works beside a running Coffer: that one's, or one that is
/// started for the command alone.
///
/// # Errors
/// One line: the database cannot be found, started, reached or migrated.
pub fn attach(config: &Config) -> Result<Attached, Fatal> {
    let own = OwnServer::default();
    match config.database {
        Database::Embedded if !postgres::is_running(&config.data_dir) => {
            let lock = DataLock::acquire(&config.data_dir)?;
            stop_when_told(Arc::clone(&own))?;
            Attached::prepare(config, Some(lock), own)
        }
        _ => Attached::prepare(config, None, own),
    }
}

/// Refuses to work where this machine and the database server differ in what time it is.
fn has_the_time(address: &Address) -> Result<(), Fatal> {
    let mut conn = reach(address)?;
    repo::clock::fault(&mut conn, Utc::now).map_err(|error| refused(&error))?.map_or(Ok(()), Err)
}

fn reach(address: &Address) -> Result<PgConnection, Fatal> {
    repo::connect(address).map_err(|error| Fatal::new(format!("cannot reach the database: {}", repo::one_line(&error))))
}

/// Lets a signal end this process only after the server that it runs, which would go on alone.
fn stop_when_told(own: OwnServer) -> Result<(), Fatal> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| no_signals(&error))?;
    let mut signals = runtime.block_on(async { Signals::receive() }).map_err(|error| no_signals(&error))?;
    let wait = move || {
        runtime.block_on(signals.heard());
        // Held until the end, so that the command, whose database goes away, does not end before.
        let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = own.take() {
            server.stop();
        }
        std::process::exit(INTERRUPTED)
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map_err(|error| no_thread(&error))?;
    Ok(())
}

fn stop(own: &OwnServer) {
    if let Some(server) = own.lock().unwrap_or_else(PoisonError::into_inner).take() {
        server.stop();
    }
}

impl Attached {
    /// With the lock of the data folder: starts the server there, or takes over the one that a
    /// killed Coffer left.
    fn prepare(config: &Config, lock: Option<DataLock>, own: OwnServer) -> Result<Self, Fatal> {
        let conninfo = match &config.database {
            Database::External(conninfo) => conninfo.clone(),
            Database::Embedded if lock.is_none() => postgres::conninfo_for(&config.data_dir)?,
            Database::Embedded => {
                let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
                own.insert(Server::start(&config.data_dir, Options::default())?).conninfo().to_owned()
            }
        };
        let address = Address::new(conninfo.clone(), config.patience);
        let migrated = repo::migrate(&conninfo).and_then(|migrated| has_the_time(&address).map(|()| migrated));
        // The thread that waits for signals holds on to the server, so its drop would not come.
        let migrated = migrated.inspect_err(|_| stop(&own))?;
        Ok(Self { address, migrated, server: own, lock })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The migrations that were run on the way.
    pub fn migrated(&self) -> &[String] {
        &self.migrated
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        stop(&self.server);
        drop(self.lock.take());
    }
}
