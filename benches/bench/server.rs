//! A release server with a durable database, in a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use coffer::postgres::conninfo_for;
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, RunQueryDsl};

use super::process::Watched;
use super::wire;

/// The password of everybody.
pub const PASSWORD: &str = "three quiet walruses";

/// A folder that goes when the measurement ends.
pub struct Place(pub PathBuf);

impl Place {
    /// One that nobody else uses.
    pub fn new() -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        Self(std::env::temp_dir().join(format!("coffer-bench-{}", &id[..8])))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Also where it is a link because root's database could not reach the folder.
        if let Ok(real) = fs::read_link(self.0.join("postgres"))
            && let Some(folder) = real.parent()
        {
            let _ = fs::remove_dir_all(folder);
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program that is measured: this build's, or the one that `BENCH_PROGRAM` names.
pub fn program() -> Command {
    let other = std::env::var_os("BENCH_PROGRAM").filter(|path| !path.is_empty());
    let mut command = Command::new(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_coffer").into()));
    // Nothing of what is set around here has a say, and no `.env`.
    command.current_dir(std::env::temp_dir()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("LOG_LEVEL", "warn").env("BCRYPT_COST", "4").env("RATE_LIMITS", "off");
    command
}

/// A server, either with a database of its own or on somebody else's.
pub struct Server {
    child: Child,
    /// Host and port.
    pub address: String,
    /// How long it took from its start until it said that it is ready.
    pub took: Duration,
    data: PathBuf,
    /// Kept open, since a server that cannot say that it is ready begins anew at its next start.
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts the server of a folder, with its database, and waits until it is ready.
    pub fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut command = program();
        command.env("DATA_DIR", &place.0).env("DEMO_PASSWORD", PASSWORD);
        Self::spawn(command, place, arguments)
    }

    /// Starts another server on the database of a folder, which is running.
    pub fn start_beside(place: &Place) -> Self {
        let mut command = program();
        let socket = place.0.join("socket").canonicalize().unwrap();
        command.env("DATABASE_HOST", socket).env("DATABASE_USER", "coffer").env("DATABASE_NAME", "coffer");
        command.env("SECRET_KEY", "a secret that is only good enough here").env("DRAIN_TIME", "0s");
        Self::spawn(command, place, &[])
    }

    fn spawn(mut command: Command, place: &Place, arguments: &[&str]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        command.arg("serve").args(arguments).env("BIND", &address).stdin(Stdio::null()).stdout(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().expect("the program starts");
        let (mut greeting, mut output) = (String::new(), BufReader::new(child.stdout.take().unwrap()));
        output.read_line(&mut greeting).unwrap();
        let took = started.elapsed();
        let server = Self { child, address, took, data: place.0.clone(), _output: output };
        assert!(greeting.contains("ready"), "Coffer did not start: {greeting}");
        server
    }

    /// A connection to its database.
    pub fn connect(&self) -> PgConnection {
        PgConnection::establish(&conninfo_for(&self.data).unwrap()).unwrap()
    }

    /// The folder of its database's socket.
    pub fn socket(&self) -> PathBuf {
        self.data.join("socket").canonicalize().unwrap()
    }

    /// Its processes.
    pub fn watched(&self) -> Watched {
        Watched { server: Some(self.child.id()), postmaster: Some(postmaster(&self.data)) }
    }

    /// A sum over all that `/metrics` tells under a name, perhaps with labels.
    pub fn metric(&self, name: &str) -> f64 {
        let told = wire::ask(&self.address, &wire::get("/metrics"));
        let lines = told.lines().filter_map(|line| line.strip_prefix(name));
        lines
            .filter(|rest| rest.starts_with([' ', '{']))
            .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

/// Also where the measurement fails.
impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// The first process of the database server of a folder.
pub fn postmaster(data: &Path) -> u32 {
    let text = fs::read_to_string(data.join("postgres/postmaster.pid")).expect("the database runs");
    text.lines().next().unwrap().trim().parse().unwrap()
}

/// What the database says of itself: its version, and that it keeps what it says it has kept.
pub fn version_of_durable(conn: &mut PgConnection) -> String {
    let mut show = |name: &str| -> String {
        diesel::dsl::sql::<Text>(&format!("select current_setting('{name}')")).get_result(conn).unwrap()
    };
    for name in ["fsync", "synchronous_commit", "full_page_writes"] {
        assert_eq!(show(name), "on", "{name}");
    }
    show("server_version").split(' ').next().unwrap_or_default().to_owned()
}
