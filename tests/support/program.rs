//! The real program as a process, with a data folder and a port of its own.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use diesel::{Connection, PgConnection};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// Waits until its pipe closes, however the test ends; then ends the programs whose numbers stand
/// in the folder, and the database server, and removes the folder, also the database that is
/// elsewhere because root's server could not reach the folder.
const WATCHDOG: &str = r#"
read -r _
is() { case "$(cat "/proc/$1/comm" 2>/dev/null || ps -o comm= -p "$1")" in *"$2"*) ;; *) false ;; esac; }
for file in "$1"/running/*; do
    pid=${file##*/}
    if is "$pid" coffer; then kill -KILL "$pid"; fi
done
pid=$(head -n 1 "$2/postgres/postmaster.pid") && is "$pid" postgres && kill -QUIT "$pid"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do kill -0 "$pid" || break; sleep 0.1; done
if [ -L "$2/postgres" ]; then rm -rf "$(dirname "$(readlink "$2/postgres")")"; fi
rm -rf "$1"
"#;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A data folder, a port and an environment for the program. Dropping it ends whatever still runs
/// there and removes it.
#[derive(Debug)]
pub struct Installation {
    folder: PathBuf,
    data: PathBuf,
    port: u16,
    variables: Vec<(OsString, OsString)>,
    runs: AtomicU32,
    watchdog: Child,
}

/// What a command said until it ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Installation {
    /// An installation that has never been started.
    pub fn new() -> Self {
        Self::named("data")
    }

    /// As [`Installation::new`], with a data folder of this name.
    pub fn named(name: &str) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let folder = std::env::temp_dir().join(format!("coffer-run-{}", &id[..8]));
        fs::create_dir_all(folder.join("running")).unwrap();
        // The server's own user must be able to pass through.
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        let data = folder.join(name);
        let port = free_port();
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .args([&folder, &data])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C ends the tests, and must not end this.
            .process_group(0)
            .spawn()
            .expect("sh runs");
        let installation = Self { folder, data, port, variables: Vec::new(), runs: AtomicU32::new(0), watchdog };
        let data = installation.data.clone();
        installation.with("BIND", format!("127.0.0.1:{port}")).with("DATA_DIR", data).with("BCRYPT_COST", "4")
    }

    /// The same with an environment variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// The same without an environment variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// The folder that the program is run in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The address it serves at.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port it serves at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection to its own database.
    pub fn connect(&self) -> PgConnection {
        let conninfo = coffer::postgres::conninfo_for(&self.data).unwrap();
        PgConnection::establish(&conninfo).unwrap()
    }

    /// A command that is about to be run in the installation's folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coffer"));
        command.args(arguments).current_dir(&self.folder).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        self.run_with_input(arguments, "")
    }

    /// Runs a command to its end, with this on its standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Said {
        let started = Instant::now();
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::new(command.spawn().unwrap(), &self.folder);
        // One that ends without reading closes the pipe.
        let _ = process.child.stdin.take().unwrap().write_all(input.as_bytes());
        let status = process.exit(PATIENCE);
        let took = started.elapsed();
        let read = |pipe: Option<&mut dyn std::io::Read>| {
            let mut text = String::new();
            pipe.unwrap().read_to_string(&mut text).unwrap();
            text
        };
        let stdout = read(process.child.stdout.as_mut().map(|pipe| pipe as _));
        let stderr = read(process.child.stderr.as_mut().map(|pipe| pipe as _));
        Said { code: status.code(), stdout, stderr, took }
    }

    /// Starts the program without waiting for it.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let (output, log) = (self.folder.join(format!("{run}.out")), self.folder.join(format!("{run}.log")));
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(File::create(&output).unwrap()).stderr(File::create(&log).unwrap());
        let process = Process::new(command.spawn().unwrap(), &self.folder);
        Running { process, output, log }
    }

    /// Starts the program and waits until it says that it is ready.
    pub fn serve(&self, arguments: &[&str]) -> Running {
        let mut running = self.start(arguments);
        eventually("the program is ready", || {
            if let Some(status) = running.process.child.try_wait().unwrap() {
                panic!("the program ended with {status}: {}", running.log());
            }
            is_whole(&running.greeting())
        });
        running
    }

    /// The first process of its database server, if that runs.
    pub fn postmaster(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.data.join("postgres/postmaster.pid")).ok()?;
        let pid = Pid::from_raw(text.lines().next()?.parse().ok()?)?;
        test_kill_process(pid).is_ok().then_some(pid)
    }

    /// All processes of its database server, as far as `/proc` tells.
    pub fn server_processes(&self) -> Vec<Pid> {
        let Some(postmaster) = self.postmaster() else { return Vec::new() };
        let children = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name stands in brackets and may hold anything; behind it: state, parent.
            let parent: i32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            (Pid::from_raw(parent) == Some(postmaster)).then(|| Pid::from_raw(pid)).flatten()
        });
        std::iter::once(postmaster).chain(children).collect()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for run in 0..self.runs.load(Ordering::Relaxed) {
                let log = fs::read_to_string(self.folder.join(format!("{run}.log"))).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().filter(|line| !line.contains("duration_ms")).take(30).collect();
                eprintln!("the last log lines of run {run}:");
                last.iter().rev().for_each(|line| eprintln!("  {line}"));
            }
        }
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// A port that nobody listens on, and none that the system gives to the clients of other tests.
pub fn free_port() -> u16 {
    loop {
        let random = u16::from_be_bytes(uuid::Uuid::new_v4().as_bytes()[..2].try_into().unwrap());
        let port = 12_000 + random % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Whether all that the program says when it is ready has been said.
fn is_whole(greeting: &str) -> bool {
    let last = greeting.lines().next_back().unwrap_or_default();
    let ends = ["  user_bob ", "Sign in with", "There is no admin yet.", "The demo data is there"];
    greeting.ends_with('\n') && ends.iter().any(|end| last.starts_with(end))
}

/// A process that ends with the test.
#[derive(Debug)]
struct Process {
    child: Child,
    /// The file that tells the watchdog of it.
    note: PathBuf,
}

impl Process {
    fn new(child: Child, folder: &Path) -> Self {
        let note = folder.join("running").join(child.id().to_string());
        fs::write(&note, "").unwrap();
        Self { child, note }
    }

    fn exit(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let _ = fs::remove_file(&self.note);
                return status;
            }
            assert!(Instant::now() < deadline, "the program did not end within {within:?}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.note);
    }
}

/// A program that serves, or is about to. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    process: Process,
    output: PathBuf,
    log: PathBuf,
}

impl Running {
    /// What it said on its standard output.
    pub fn greeting(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }

    /// What it said on its standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.process.child)
    }

    /// Whether it has not ended.
    pub fn is_alive(&mut self) -> bool {
        self.process.child.try_wait().unwrap().is_none()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    pub fn exit(&mut self, within: Duration) -> ExitStatus {
        self.process.exit(within)
    }

    /// Ends it as `kill -9` does.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        self.exit(PATIENCE);
    }

    /// Ends it as Ctrl-C does, which must go well.
    pub fn stop(mut self) {
        self.signal(Signal::INT);
        let status = self.exit(PATIENCE);
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }
}

/// Waits until something holds, which it must within a minute.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
