//! The embedded PostgreSQL: found, made, watched, taken over and stopped, for real.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use coffer::postgres::{Binaries, DataLock, Durability, Options, Server, conninfo_for, is_running};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl};
use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};
use support::cluster::cluster;

const FAST: Options = Options { durability: Durability::ThrowAway, max_connections: 20, libraries: "" };

/// A folder that PostgreSQL's user can reach, and that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let path = std::env::temp_dir().join(format!("coffer-{}", &id[..8])).join(name);
        fs::create_dir_all(&path).unwrap();
        for folder in [&path, path.parent().unwrap()] {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        Self(path)
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Ok(elsewhere) = fs::read_link(self.data().join("postgres")) {
            let _ = fs::remove_dir_all(elsewhere.parent().unwrap());
        }
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn postmaster(data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(data.join("postgres/postmaster.pid")).ok()?;
    Pid::from_raw(text.lines().next()?.parse().ok()?)
}

fn count(conninfo: &str) -> diesel::QueryResult<usize> {
    let mut connection =
        PgConnection::establish(conninfo).map_err(|error| diesel::result::Error::QueryBuilderError(error.into()))?;
    diesel::sql_query("select from kept").execute(&mut connection)
}

fn keep_one_row(conninfo: &str) {
    let mut connection = PgConnection::establish(conninfo).unwrap();
    connection.batch_execute("create table kept (id int); insert into kept values (1)").unwrap();
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 20 seconds: {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn what_is_committed_is_there_after_a_stop_and_a_start_in_an_odd_folder() {
    let folder = Folder::new(r#"it's a "data" folder \ of ünusual letters"#);
    let server = Server::start(&folder.data(), Options::default()).unwrap();
    keep_one_row(server.conninfo());
    assert_eq!(conninfo_for(&folder.data()).unwrap(), server.conninfo());
    assert!(is_running(&folder.data()));
    server.stop();
    assert!(!is_running(&folder.data()));

    let server = Server::start(&folder.data(), Options::default()).unwrap();
    assert_eq!(count(server.conninfo()), Ok(1));
}

#[test]
fn nobody_else_may_enter_the_socket_and_no_port_is_open() {
    let folder = Folder::new("private");
    let server = Server::start(&folder.data(), FAST).unwrap();
    let mode = fs::metadata(folder.data().join("socket")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let over_tcp = server.conninfo().replace(
        &format!("host='{}'", folder.data().canonicalize().unwrap().join("socket").display()),
        "host=127.0.0.1 connect_timeout=2",
    );
    assert!(over_tcp.contains("127.0.0.1"));
    assert!(PgConnection::establish(&over_tcp).is_err());
}

#[test]
fn a_killed_server_is_started_again_with_all_that_was_committed() {
    let folder = Folder::new("killed");
    let server = Server::start(&folder.data(), Options::default()).unwrap();
    keep_one_row(server.conninfo());
    let mut busy = PgConnection::establish(server.conninfo()).unwrap();
    busy.batch_execute("begin; insert into kept values (2)").unwrap();
    for _ in 0..2 {
        let killed = postmaster(&folder.data()).unwrap();
        kill_process(killed, Signal::KILL).unwrap();
        eventually("another server answers", || {
            postmaster(&folder.data()) != Some(killed) && count(server.conninfo()) == Ok(1)
        });
    }
    let last = postmaster(&folder.data()).unwrap();
    server.stop();
    assert!(test_kill_process(last).is_err());
}

#[test]
fn a_second_coffer_is_refused_on_the_same_folder() {
    let folder = Folder::new("locked");
    let first = DataLock::acquire(&folder.data()).unwrap();
    let refusal = DataLock::acquire(&folder.data()).unwrap_err().to_string();
    assert!(refusal.contains("another Coffer already runs"), "{refusal}");
    assert!(refusal.contains(&format!("process {}", std::process::id())), "{refusal}");
    drop(first);
    DataLock::acquire(&folder.data()).unwrap();
}

#[test]
fn a_lock_that_is_given_up_is_free_although_children_are_being_started() {
    let folder = Folder::new("forked");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                assert!(Command::new("true").status().unwrap().success());
            }
        });
        let taken = (0..500).map(|_| DataLock::acquire(&folder.data()).map(drop)).collect::<Result<Vec<()>, _>>();
        is_over.store(true, Ordering::Relaxed);
        taken.unwrap();
    });
}

/// Not a test of its own: the process that the next test starts and kills.
#[test]
fn hold_a_server_until_killed() {
    let Some(data) = std::env::var_os("COFFER_TEST_HOLD").map(PathBuf::from) else {
        return;
    };
    let _lock = DataLock::acquire(&data).unwrap();
    let server = Server::start(&data, Options::default()).unwrap();
    keep_one_row(server.conninfo());
    println!("\nholding");
    loop {
        std::thread::park();
    }
}

#[test]
fn the_server_of_a_killed_coffer_is_taken_over() {
    let folder = Folder::new("orphan");
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hold_a_server_until_killed", "--nocapture"])
        .env("COFFER_TEST_HOLD", folder.data())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(holder.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "holding"));
    let refusal = DataLock::acquire(&folder.data()).unwrap_err().to_string();
    assert!(refusal.contains(&format!("process {}", holder.id())), "{refusal}");
    holder.kill().unwrap();
    holder.wait().unwrap();

    let _lock = DataLock::acquire(&folder.data()).unwrap();
    let orphan = postmaster(&folder.data()).unwrap();
    let server = Server::start(&folder.data(), Options::default()).unwrap();
    assert_eq!(postmaster(&folder.data()), Some(orphan));
    assert_eq!(count(server.conninfo()), Ok(1));
    kill_process(orphan, Signal::KILL).unwrap();
    eventually("another server answers", || {
        postmaster(&folder.data()) != Some(orphan) && count(server.conninfo()) == Ok(1)
    });
    server.stop();
    assert!(!is_running(&folder.data()));
}

#[test]
fn a_crashed_servers_number_that_another_process_bears_does_not_matter() {
    let folder = Folder::new("reused");
    drop(Server::start(&folder.data(), FAST).unwrap());
    let data = folder.data().join("postgres");
    // Of all processes only one of the server's own user can be mistaken for it.
    let mut other = Command::new("sleep");
    other.arg("600");
    if geteuid().is_root() {
        use std::os::unix::fs::MetadataExt;
        use std::os::unix::process::CommandExt;
        let owner = fs::metadata(&data).unwrap();
        other.uid(owner.uid()).gid(owner.gid()).current_dir("/");
    }
    let mut other = other.spawn().unwrap();
    let stale = format!("{}\n{}\n1\n5432\n\n\n\nready   \n", other.id(), data.display());
    fs::write(data.join("postmaster.pid"), stale).unwrap();
    // Root in a container may not be told where a process works; then PostgreSQL's word counts.
    let can_tell = fs::metadata(format!("/proc/{}/cwd", other.id())).is_ok();
    let server = can_tell.then(|| Server::start(&folder.data(), FAST));
    other.kill().unwrap();
    other.wait().unwrap();
    server.map(Result::unwrap);
}

#[test]
fn an_interrupted_initdb_is_begun_again() {
    let folder = Folder::new("interrupted");
    fs::create_dir_all(folder.data().join("postgres.new/base")).unwrap();
    fs::set_permissions(folder.data(), Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.data().join("postgres.new/PG_VERSION"), "1").unwrap();
    Server::start(&folder.data(), FAST).unwrap();
    assert!(!folder.data().join("postgres.new").exists());
}

#[test]
fn roots_database_is_kept_elsewhere_where_the_server_cannot_reach_the_folder() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new("unreachable");
    fs::set_permissions(&folder.0, Permissions::from_mode(0o700)).unwrap();
    let server = Server::start(&folder.data(), FAST).unwrap();
    keep_one_row(server.conninfo());
    assert!(folder.data().join("postgres").is_symlink());
    assert_eq!(conninfo_for(&folder.data()).unwrap(), server.conninfo());
    server.stop();
    let server = Server::start(&folder.data(), FAST).unwrap();
    assert_eq!(count(server.conninfo()), Ok(1));
}

#[test]
fn what_cannot_work_is_said_in_one_line() {
    let refusal = |name: &str| {
        let folder = Folder::new(name);
        let refusal = Server::start(&folder.data(), FAST).unwrap_err().to_string();
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
        refusal
    };
    assert!(refusal(&"long".repeat(30)).contains("too long for a unix socket"));
    assert!(refusal("with, comma").contains("comma"));

    let folder = Folder::new("broken");
    drop(Server::start(&folder.data(), FAST).unwrap());
    fs::write(folder.data().join("postgres/pg_hba.conf"), "nonsense").unwrap();
    let refusal = Server::start(&folder.data(), FAST).unwrap_err().to_string();
    assert!(refusal.contains("FATAL") && refusal.contains("pg_hba.conf"), "{refusal}");

    let refusal = Binaries::find(Some("8")).unwrap_err().to_string();
    assert!(refusal.contains("PostgreSQL 8"), "{refusal}");
    assert!(Binaries::find(None).unwrap().version() >= 13);
}

#[test]
fn every_test_has_a_database_of_its_own() {
    let databases: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| cluster().new_database())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for database in &databases {
        keep_one_row(&database.url);
        assert_eq!(count(&database.url), Ok(1));
    }
    let url = databases[0].url.clone();
    let _still_open = databases[0].connect();
    drop(databases);
    assert!(PgConnection::establish(&url).is_err());
}
