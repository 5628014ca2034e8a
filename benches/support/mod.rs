//! What measurements run: a release server with a durable database, in a folder of its own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use coffer::postgres::conninfo_for;
use diesel::{Connection, PgConnection};

/// The password of everybody.
pub const PASSWORD: &str = "three quiet walruses";

/// A folder that goes when the measurement ends.
pub struct Place(pub PathBuf);

impl Place {
    /// One that nobody else uses.
    pub fn new() -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        Self(std::env::temp_dir().join(format!("coffer-measure-{}", &id[..8])))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A release server.
pub struct Program {
    child: Child,
    /// Host and port.
    pub address: String,
    conninfo: String,
}

impl Program {
    /// Starts the server of a folder, with more arguments and settings, and waits until it is ready.
    pub fn start(place: &Place, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let mut child = Command::new(env!("CARGO_BIN_EXE_coffer"))
            .arg("serve")
            .args(arguments)
            .env("DATA_DIR", &place.0)
            .env("BIND", &address)
            .env("LOG_LEVEL", "warn")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut greeting).unwrap();
        assert!(greeting.contains("ready"), "Coffer did not start: {greeting}");
        Self { child, address, conninfo: conninfo_for(&place.0).unwrap() }
    }

    /// A connection to its database.
    pub fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.conninfo).unwrap()
    }
}

/// Also where the measurement fails.
impl Drop for Program {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}
