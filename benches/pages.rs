//! What people wait for, on ten million entries and 1.3 million assets: their pages over HTTP, and
//! the proof of the books. `make measure-pages` prints the table.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a failed measurement is loud")]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use support::{PASSWORD, Place, Program};

/// Each request is sent so often; the median and the slowest are shown.
const LOOKS: usize = 31;
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
    let place = Place::new();
    let server = Program::start(&place, &["--no-demo"], &[]);
    let began = Instant::now();
    let mut conn = server.connect();
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
    let server = Program::start(&place, &["--no-demo"], &[]);
    std::thread::sleep(Duration::from_secs(90));
    let mut conn = server.connect();
    conn.batch_execute(
        "update users set password_hash = (select password_hash from users where username = 'root') where username = 'user_7'",
    )
    .unwrap();
    println!("{:<38} {:>10} {:>12}", "", "median ms", "slowest ms");
    look(&format!("http://{}", server.address), "user_7", &OF_A_USER);
    look(&format!("http://{}", server.address), "root", &OF_AN_ADMIN);
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
