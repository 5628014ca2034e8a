//! A throw-away PostgreSQL per test binary, and a database of its own per test.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails loudly")]

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use coffer::postgres::{Durability, Options, Server};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

const TEMPLATE: &str = "template_coffer";

/// Waits until the test process ends, however it ends, since then its end of the pipe closes; then
/// ends the server and removes its folder, also where it is a link because root's server could not
/// reach it.
const WATCHDOG: &str = r#"
read -r _
pid=$(head -n 1 "$1/postgres/postmaster.pid") && kill -QUIT "$pid"
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" || break; sleep 0.2; done
if [ -L "$1/postgres" ]; then rm -rf "$(dirname "$(readlink "$1/postgres")")"; fi
rm -rf "$1"
"#;

/// The PostgreSQL server of this test binary.
#[derive(Debug)]
pub struct Cluster {
    server: Server,
    databases: AtomicU32,
    _watchdog: Child,
}

/// Also what functions and triggers do.
const TRACK_ALL: &str = "alter system set pg_stat_statements.track = 'all'";

static CLUSTER: OnceLock<Cluster> = OnceLock::new();

/// The server of this test binary, started by the first test that asks.
pub fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(|| Cluster::start(""))
}

/// The same, which counts its statements by `pg_stat_statements` where all tests of the binary ask
/// for that.
pub fn cluster_that_counts() -> &'static Cluster {
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::start("pg_stat_statements");
        for sql in ["create extension pg_stat_statements", TRACK_ALL, "select pg_reload_conf()"] {
            cluster.execute(sql);
        }
        cluster
    })
}

/// What is in every new database.
fn prepare_template(url: &str) {
    coffer::repo::migrate(url).expect("the template is migrated");
}

impl Cluster {
    fn start(libraries: &'static str) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let name = format!("coffer-test-{}", id.get(..12).unwrap_or(&id));
        let folder = std::env::temp_dir().join(name);
        let watchdog = watch(&folder);
        let options = Options { durability: Durability::ThrowAway, max_connections: 300, libraries };
        let server = Server::start(&folder, options).expect("the test server starts");
        let cluster = Self { server, databases: AtomicU32::new(0), _watchdog: watchdog };
        cluster.execute(&format!("create database {TEMPLATE}"));
        prepare_template(&cluster.conninfo(TEMPLATE));
        cluster
    }

    /// A new database, a copy of the migrated template.
    pub fn new_database(&'static self) -> Database {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.execute(&format!("create database {name} template {TEMPLATE}"));
        Database { url: self.conninfo(&name), name, cluster: self }
    }

    /// A new database without anything in it.
    pub fn empty_database(&'static self) -> Database {
        let name = format!("empty_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("create database {name}"));
        Database { url: self.conninfo(&name), name, cluster: self }
    }

    /// A connection to the server itself, by none of the tests' databases.
    pub fn connect(&self) -> PgConnection {
        connect(self.server.conninfo())
    }

    fn conninfo(&self, database: &str) -> String {
        self.server.conninfo().replace("dbname=coffer", &format!("dbname={database}"))
    }

    fn execute(&self, sql: &str) {
        self.connect().batch_execute(sql).expect(sql);
    }
}

/// A database that one test has for itself; dropping it removes it.
#[derive(Debug)]
pub struct Database {
    /// What libpq, and so Diesel and `DATABASE_URL`, take to connect.
    pub url: String,
    name: String,
    cluster: &'static Cluster,
}

impl Database {
    /// Its name in the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A new connection.
    pub fn connect(&self) -> PgConnection {
        connect(&self.url)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.cluster.execute(&format!("drop database {} with (force)", self.name));
    }
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).expect("the test server answers")
}

fn watch(folder: &Path) -> Child {
    Command::new("sh")
        .args(["-c", WATCHDOG, "watchdog"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C ends the tests, and must not end this.
        .process_group(0)
        .spawn()
        .expect("sh runs")
}
