//! The embedded PostgreSQL: a private server per data folder, for an installation that brought
//! none, and for the tests.
//!
//! [`Server::start`] finds the binaries, makes the database cluster once, takes over a server that
//! a killed Coffer left behind, and keeps it running until it is stopped. The server listens only
//! on a unix socket in a folder that nobody but its user may enter, so it asks for no password.

mod binaries;
mod lock;
mod postmaster;
mod site;

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl};

pub use self::binaries::Binaries;
pub use self::lock::DataLock;
use self::postmaster::Postmaster;
use self::site::Site;
use crate::error::Fatal;

const SOCKET_FILE: &str = ".s.PGSQL.5432";
/// The longest path of a unix socket, in bytes (`sockaddr_un` on Linux, less its closing zero).
const SOCKET_PATH_MAX: usize = 107;

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A crash of any process and of the machine.
    Full,
    /// Nothing: fast, and for tests only.
    ThrowAway,
}

/// How an embedded server runs. The default is durable, for 100 connections.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What a commit survives.
    pub durability: Durability,
    /// How many connections the server takes at once.
    pub max_connections: u16,
    /// What it loads at its start, as `shared_preload_libraries` takes it; mostly nothing.
    pub libraries: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self { durability: Durability::Full, max_connections: 100, libraries: "" }
    }
}

/// A running embedded server, which a thread starts again whenever it dies. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    conninfo: String,
    stop: mpsc::Sender<()>,
    keeper: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts the server of `data_dir`, or takes over the one that still runs there, and returns
    /// when it answers. The caller holds the folder's [`DataLock`].
    ///
    /// # Errors
    /// No usable PostgreSQL is installed, a folder is not usable, or the server does not start;
    /// then with the last line of its log.
    pub fn start(data_dir: &Path, options: Options) -> Result<Self, Fatal> {
        let site = Site::prepare(data_dir, options)?;
        let conninfo = conninfo(&site.socket, "coffer")?;
        let postmaster = site.launch()?;
        let (stop, stopped) = mpsc::channel();
        let keeper = thread::Builder::new()
            .name("postgres-keeper".to_owned())
            .spawn(move || site.keep(postmaster, &stopped))
            .map_err(|error| Fatal::new(format!("cannot start a thread: {error}")))?;
        Ok(Self { conninfo, stop, keeper: Some(keeper) })
    }

    /// How libpq connects to the database `coffer`, as its superuser `coffer`.
    pub fn conninfo(&self) -> &str {
        &self.conninfo
    }

    /// Stops the server: open transactions roll back, what was committed is on disk. Takes 20
    /// seconds at most.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error of either means that the thread has ended already.
        let _ = self.stop.send(());
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// How libpq connects to the embedded server of `data_dir`, for commands that work beside it.
///
/// # Errors
/// libpq cannot be told the path: it is too long, holds a comma, or is not UTF-8.
pub fn conninfo_for(data_dir: &Path) -> Result<String, Fatal> {
    let folder = data_dir.join("socket");
    conninfo(&folder.canonicalize().map_err(cannot("find", &folder))?, "coffer")
}

/// Whether an embedded server listens on `data_dir`.
pub fn is_running(data_dir: &Path) -> bool {
    let socket = data_dir.join("socket").canonicalize();
    socket.is_ok_and(|folder| UnixStream::connect(folder.join(SOCKET_FILE)).is_ok())
}

fn conninfo(socket: &Path, database: &str) -> Result<String, Fatal> {
    let refuse = |reason: &str| {
        let path = socket.display();
        Err(Fatal::new(format!("set DATA_DIR to another folder: the path {path} {reason}")))
    };
    let Some(path) = socket.to_str() else {
        return refuse("is not UTF-8");
    };
    if socket.join(SOCKET_FILE).as_os_str().len() > SOCKET_PATH_MAX {
        return refuse("is too long for a unix socket");
    }
    if path.contains(',') {
        return refuse("holds a comma, which PostgreSQL's client takes for the end of the path");
    }
    let host = path.replace('\\', r"\\").replace('\'', r"\'");
    // The port stands here because PGPORT in the environment would change it.
    Ok(format!("host='{host}' port=5432 user=coffer dbname={database}"))
}

impl Site {
    /// Starts the server, or takes over the one that runs, and waits until it answers, for as long
    /// as it takes to recover from a crash.
    fn launch(&self) -> Result<Postmaster, Fatal> {
        let give_up = Instant::now() + Duration::from_secs(20);
        loop {
            let mut postmaster = Postmaster::adopt_or_spawn(self)?;
            let mut reminder = Instant::now() + Duration::from_secs(5);
            while postmaster.is_alive(self) {
                if self.is_ready(&postmaster)? {
                    return Ok(postmaster);
                }
                if Instant::now() > reminder {
                    tracing::info!("waiting for PostgreSQL, which may be recovering from a crash");
                    reminder += Duration::from_secs(10);
                }
                thread::sleep(Duration::from_millis(20));
            }
            let reason = postmaster.last_words(self);
            // Processes of a killed server need a moment to go, and an adopted one may have been
            // about to stop.
            let may_pass = postmaster.is_adopted()
                || reason.contains("pre-existing shared memory")
                || reason.contains("already exists");
            if !may_pass || Instant::now() > give_up {
                let log = self.log.display();
                return Err(Fatal::new(format!("PostgreSQL did not start: {reason} (see {log})")));
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Watches the server until `stopped` speaks, starts it again when it died, and stops it.
    fn keep(&self, mut postmaster: Postmaster, stopped: &mpsc::Receiver<()>) {
        const POLL: Duration = Duration::from_millis(100);
        let mut pause = POLL;
        while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            if postmaster.is_alive(self) {
                if pause != POLL && self.is_ready(&postmaster).unwrap_or(false) {
                    tracing::info!("PostgreSQL answers again");
                    pause = POLL;
                }
                continue;
            }
            let reason = postmaster.last_words(self);
            tracing::error!(last_log_line = %reason, "PostgreSQL died: starting it again");
            match Postmaster::adopt_or_spawn(self) {
                Ok(started) => postmaster = started,
                Err(error) => tracing::error!(%error, "PostgreSQL cannot be started"),
            }
            pause = (pause * 2).min(Duration::from_secs(3));
        }
        postmaster.stop(self);
    }

    /// Whether the server takes commands and has its database, which is made on its first start.
    fn is_ready(&self, postmaster: &Postmaster) -> Result<bool, Fatal> {
        // Asking a server that still starts would fill its log with refusals.
        if !postmaster.says_ready(self) {
            return Ok(false);
        }
        let Ok(mut connection) = PgConnection::establish(&conninfo(&self.socket, "postgres")?) else {
            return Ok(false);
        };
        diesel::sql_query("select from pg_database where datname = 'coffer'")
            .execute(&mut connection)
            .and_then(|found| match found {
                0 => connection.batch_execute("create database coffer"),
                _ => Ok(()),
            })
            .map_err(|error| Fatal::new(format!("cannot create the database coffer: {error}")))?;
        Ok(true)
    }
}

/// The last line that names a fatal error, else the last line.
fn telling_line(text: &str) -> String {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let fatal = lines().rfind(|line| line.contains("FATAL:") || line.contains("error:"));
    fatal.or_else(|| lines().next_back()).unwrap_or("it said nothing").to_owned()
}

fn cannot<'a>(verb: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> Fatal + 'a {
    move |error| Fatal::new(format!("cannot {verb} {}: {error}", path.display()))
}
