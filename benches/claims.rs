//! Claims per second over real HTTP, beside the nine statements that a claim usually takes, on one
//! durable PostgreSQL in one run. `make measure` prints the table.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failed measurement is loud")]
#![allow(clippy::float_arithmetic, reason = "rates and percentiles, not money")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coffer::postgres::Binaries;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use serde_json::{Value, json};
use support::{PASSWORD, Place, Program};

/// Connections, and claims in all.
const LOADS: [(usize, usize); 4] = [(1, 1_500), (16, 10_000), (64, 20_000), (256, 40_000)];
/// Every figure is the median of so many runs.
const RUNS: usize = 3;
const USERS: usize = 1_000;
const NAIVE_CLIENTS: usize = 32;
const NAIVE_CLAIMS: usize = 6_400;

fn main() {
    let place = Place::new();
    let coffer = Program::start(&place, &[], &[("BCRYPT_COST", "4"), ("DEMO_PASSWORD", PASSWORD)]);
    let tokens = register_users(&coffer);
    println!("{:<34} {:>10} {:>9} {:>9}", "", "claims/s", "p50 ms", "p99 ms");
    for (clients, claims) in [(1, NAIVE_CLAIMS / 8), (NAIVE_CLIENTS, NAIVE_CLAIMS)] {
        let (rate, latency) = median(|| naive(&place, &coffer, clients, claims));
        println!("{:<34} {rate:>10.0} {latency:>9.2}", format!("nine statements, {clients} pgbench clients"));
    }
    for (connections, claims) in LOADS {
        let mut tails = Vec::new();
        let (rate, p50) = median(|| {
            let (rate, p50, p99) = load(&coffer, &tokens, connections, claims);
            tails.push(p99);
            (rate, p50)
        });
        tails.sort_by(f64::total_cmp);
        println!(
            "{:<34} {rate:>10.0} {p50:>9.2} {:>9.2}",
            format!("Coffer over HTTP, {connections} connections"),
            tails[RUNS / 2]
        );
    }
}

/// The run with the median rate.
fn median(mut run: impl FnMut() -> (f64, f64)) -> (f64, f64) {
    let mut runs: Vec<(f64, f64)> = (0..RUNS).map(|_| run()).collect();
    runs.sort_by(|one, other| one.0.total_cmp(&other.0));
    runs[RUNS / 2]
}

impl Program {
    fn call(&self, path: &str, token: Option<&str>, body: &Value) -> Value {
        let (status, answer) = Caller::open(&self.address).send(&request(path, token, &body.to_string()));
        assert!((200..300).contains(&status), "{path}: {status} {}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap()
    }

    fn token(&self, login: &str) -> String {
        let answer = self.call("/api/v1/auth/login", None, &json!({"login": login, "password": PASSWORD}));
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

/// Registers the users with one password, by one hash, and signs each of them in.
fn register_users(coffer: &Program) -> Vec<String> {
    coffer
        .connect()
        .batch_execute(&format!(
            "insert into users (external_id, username, password_hash)
             select 'measure_' || n, 'measure_' || n, (select password_hash from users where username = 'admin')
             from generate_series(1, {USERS}) n;
             insert into wallets (user_id, asset_type)
             select id, 'CASH' from users where username like 'measure%';
             analyze users"
        ))
        .unwrap();
    (1..=USERS).map(|number| coffer.token(&format!("measure_{number}"))).collect()
}

/// Creates credits, as an admin does, and names them.
fn create_credits(coffer: &Program, count: usize) -> Vec<i64> {
    let admin = coffer.token("admin");
    let mut ids = Vec::new();
    while ids.len() < count {
        let body = json!({
            "title": "Measured", "kind": "promotional", "asset_type": "CASH", "amount": "1.50",
            "quantity": (count - ids.len()).min(10_000),
        });
        let created = coffer.call("/api/v1/admin/assets", Some(&admin), &body);
        ids.extend(created["data"].as_array().unwrap().iter().map(|asset| asset["id"].as_i64().unwrap()));
    }
    ids
}

/// Claims per second and latencies in milliseconds at so many connections.
fn load(coffer: &Program, tokens: &[String], connections: usize, claims: usize) -> (f64, f64, f64) {
    let ids = create_credits(coffer, claims);
    let next = AtomicUsize::new(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let started = Instant::now();
    let mut latencies: Vec<Duration> = runtime.block_on(async {
        let workers = (0..connections).map(|_| worker(&coffer.address, tokens, &ids, &next));
        futures::future::join_all(workers).await.into_iter().flatten().collect()
    });
    let seconds = started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| latencies[(share * (latencies.len() - 1) as f64) as usize].as_secs_f64() * 1000.0;
    (claims as f64 / seconds, at(0.5), at(0.99))
}

async fn worker(address: &str, tokens: &[String], ids: &[i64], next: &AtomicUsize) -> Vec<Duration> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut latencies, mut buffer) = (Vec::new(), Vec::with_capacity(4096));
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(id) = ids.get(number) else { return latencies };
        let token = &tokens[number.wrapping_mul(7919) % tokens.len()];
        let request = request(&format!("/api/v1/assets/{id}/claim"), Some(token), "");
        let started = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        buffer.clear();
        let status = loop {
            assert!(stream.read_buf(&mut buffer).await.unwrap() > 0, "the server hung up");
            if let Some((status, _)) = answer(&buffer) {
                break status;
            }
        };
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&buffer));
        latencies.push(started.elapsed());
    }
}

/// The nine statements by pgbench: claims per second and mean latency in milliseconds.
fn naive(place: &Place, coffer: &Program, clients: usize, claims: usize) -> (f64, f64) {
    let first = *create_credits(coffer, claims).first().unwrap();
    let mut conn = coffer.connect();
    conn.batch_execute(&format!(
        "drop sequence if exists naive_asset; create sequence naive_asset start {first};
         insert into wallets (lane, asset_type) values (0, 'CASH') on conflict do nothing; analyze assets"
    ))
    .unwrap();
    let bound = |end: &str| -> i64 {
        diesel::dsl::sql::<BigInt>(&format!("select {end}(id) from users where username like 'measure%'"))
            .get_result(&mut coffer.connect())
            .unwrap()
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/naive_claim.sql");
    let beside_the_server = Binaries::find(None).unwrap().path("pgbench");
    let pgbench = if beside_the_server.exists() { beside_the_server } else { "pgbench".into() };
    let output = Command::new(pgbench)
        .args(["-n", "-M", "prepared", "-U", "coffer", "-j", "2", "-f"])
        .arg(script)
        .args(["-c", &clients.to_string(), "-t", &(claims / clients).to_string()])
        .args(["-D", &format!("first_user={}", bound("min")), "-D", &format!("last_user={}", bound("max"))])
        .arg("-h")
        .arg(place.0.join("socket").canonicalize().unwrap())
        .arg("coffer")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let figure = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    (figure("tps = "), figure("latency average = "))
}

fn request(path: &str, token: Option<&str>, body: &str) -> String {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Status and body of an answer, once it is whole.
fn answer(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..head_end]).unwrap();
    let status = head.get(9..12).unwrap().parse().unwrap();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.parse().unwrap());
    bytes.get(head_end + 4..head_end + 4 + length).map(|body| (status, body))
}

/// A connection for the preparations.
struct Caller(TcpStream);

impl Caller {
    fn open(address: &str) -> Self {
        Self(TcpStream::connect(address).unwrap())
    }

    fn send(&mut self, request: &str) -> (u16, Vec<u8>) {
        self.0.write_all(request.as_bytes()).unwrap();
        let (mut bytes, mut chunk) = (Vec::new(), [0_u8; 65536]);
        loop {
            let read = self.0.read(&mut chunk).unwrap();
            assert!(read > 0, "the server hung up");
            bytes.extend_from_slice(&chunk[..read]);
            if let Some((status, body)) = answer(&bytes) {
                return (status, body.to_vec());
            }
        }
    }
}
