//! What people wait for, on ten million entries and 1.3 million assets: their pages over HTTP, and
//! the proof of the books. `make measure-pages` prints the table.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a failed measurement is loud")]

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use coffer::postgres::conninfo_for;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

/// Each request is sent so often; the median and the slowest are shown.
const LOOKS: usize = 31;
const PASSWORD: &str = "three quiet walruses";
const YEARS: &str = include_str!("years.sql");

/// What a user looks at.
const OF_A_USER: [&str; 6] =
    ["/wallet", "/credits", "/claims", "/transactions", "/wallet/GOLD", "/wallet/GOLD?start_date=2026-01-01"];

/// What an admin looks at.
const OF_AN_ADMIN: [&str; 12] = [
    "/admin",
    "/admin/assets",
    "/admin/assets?status=available",
    "/admin/assets?status=expired",
    "/admin/campaigns",
    "/admin/asset-types",
    "/admin/audit-log",
    "/admin/claims",
    "/admin/transactions",
    "/admin/entries",
    "/admin/entries?from=2026-01-01&to=2026-12-01",
    "/admin/ledger",
];

fn main() {
    let place = Place(std::env::temp_dir().join(format!("coffer-measure-{}", uuid::Uuid::new_v4().simple())));
    let server = Server::start(&place.0);
    let began = Instant::now();
    let mut conn = PgConnection::establish(&conninfo_for(&place.0).unwrap()).unwrap();
    // A statement of its own each: vacuum takes no company.
    for statement in YEARS.split(";\n").filter(|statement| !statement.trim().is_empty()) {
        conn.batch_execute(statement).unwrap();
    }
    println!("filled with 10 million entries in {} s", began.elapsed().as_secs());
    create_admin(&place.0);
    let proof = Instant::now();
    let verify = Command::new(env!("CARGO_BIN_EXE_coffer")).arg("verify").env("DATA_DIR", &place.0).output().unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
    println!("{:<38} {:>10} s", "the proof of the books", proof.elapsed().as_secs());
    drop(server);
    // Its jobs count the figures at the start.
    let server = Server::start(&place.0);
    std::thread::sleep(Duration::from_secs(90));
    let mut conn = PgConnection::establish(&conninfo_for(&place.0).unwrap()).unwrap();
    conn.batch_execute(
        "update users set password_hash = (select password_hash from users where username = 'root') where username = 'user_7'",
    )
    .unwrap();
    println!("{:<38} {:>10} {:>12}", "", "median ms", "slowest ms");
    look(&server.address, "user_7", &OF_A_USER);
    look(&server.address, "root", &OF_AN_ADMIN);
}

/// Signs in as a browser does, and looks at every page.
fn look(address: &str, login: &str, paths: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().cookie_store(true).build().unwrap();
        let form = client.get(format!("{address}/login")).send().await.unwrap().text().await.unwrap();
        let token = form.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let fields = [("login", login), ("password", PASSWORD), ("csrf_token", &token)];
        client.post(format!("{address}/login")).form(&fields).send().await.unwrap();
        for path in paths {
            let mut times = Vec::with_capacity(LOOKS);
            for _ in 0..LOOKS {
                let began = Instant::now();
                let answer = client.get(format!("{address}{path}")).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{path}");
                answer.bytes().await.unwrap();
                times.push(began.elapsed().as_micros());
            }
            times.sort_unstable();
            let tenths = |micros: u128| format!("{}.{}", micros / 1000, micros % 1000 / 100);
            let (median, slowest) = (times.get(LOOKS / 2).copied(), times.last().copied());
            println!("{path:<38} {:>10} {:>12}", tenths(median.unwrap()), tenths(slowest.unwrap()));
        }
    });
}

/// A folder that goes when the measurement ends.
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A release server with a durable database of its own.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(folder: &std::path::Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = Command::new(env!("CARGO_BIN_EXE_coffer"))
            .args(["serve", "--no-demo"])
            .env("DATA_DIR", folder)
            .env("BIND", format!("127.0.0.1:{port}"))
            .env("LOG_LEVEL", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut greeting).unwrap();
        assert!(greeting.contains("ready"), "Coffer did not start: {greeting}");
        Self { child, address: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn create_admin(folder: &std::path::Path) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_coffer"))
        .args(["admin", "create", "--username", "root", "--password-stdin"])
        .env("DATA_DIR", folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}
