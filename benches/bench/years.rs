//! What years leave: ten million entries and 1.3 million assets. Pages, the proof of the books, and
//! claims beside those of a ledger that is empty, in the same run.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;

use super::ours;
use super::reads;
use super::record::{Case, Extent, Row, Value, measure};
use super::scene::{Scene, USERS};
use super::server::{PASSWORD, Place, Server, program};

const YEARS: &str = include_str!("years.sql");

/// Each has 100 entries.
const PEOPLE: usize = 100_000;

/// The connections that claim.
const CONNECTIONS: usize = 64;

/// Fills one ledger, leaves another empty, and measures both. To try it out, a share of the entries
/// will do: one in so many.
pub fn rows_and_values(extent: Extent, share: usize) -> (Vec<Row>, Vec<Value>) {
    let place = Place::new();
    let server = Server::start(&place, &["--no-demo"]);
    // The proof that a start asks for is not to meet a ledger that is half filled.
    wait_for_jobs(&server);
    let mut values = vec![fill(&server, PEOPLE / share)];
    create_admin(&place);
    values.push(prove(&place));
    // Caches and queues are those of a start, and its jobs count the figures.
    drop(server);
    let server = Server::start(&place, &["--no-demo"]);
    wait_for_jobs(&server);
    server
        .connect()
        .batch_execute(&format!(
            "update users set password_hash = (select password_hash from users where username = 'root')
             where username in (select 'user_' || n from generate_series(1, {USERS}) n)"
        ))
        .unwrap();
    values.extend(reads::look(&server.address, "user_7", &reads::of_a_user("GOLD")));
    values.extend(reads::totals(&server.address, "user_7", "GOLD"));
    values.extend(reads::look(&server.address, "root", &reads::of_an_admin()));

    let scene = Scene::of(&server, "GOLD", "root", (1..=USERS).map(|number| format!("user_{number}")));
    let empty_place = Place::new();
    let empty_server = Server::start(&empty_place, &[]);
    let empty = Scene::set(&empty_server);
    let cases = vec![
        ours::claims(&empty, extent, CONNECTIONS),
        Case {
            key: format!("claims-of-years/{CONNECTIONS}"),
            title: format!("claims, {CONNECTIONS} connections, 10 million entries"),
            ..ours::claims(&scene, extent, CONNECTIONS)
        },
    ];
    (measure(extent, cases), values)
}

fn fill(server: &Server, people: usize) -> Value {
    eprintln!("filling a ledger with {} entries", 100 * people);
    let began = Instant::now();
    let mut conn = server.connect();
    let sql = YEARS.replace("{users}", &people.to_string()).replace("{wallets}", &(2 * people).to_string());
    // A statement of its own each: vacuum takes no company.
    for statement in sql.split(";\n").filter(|statement| !statement.trim().is_empty()) {
        conn.batch_execute(statement).unwrap();
    }
    Value::new("fill", "filling the ledger", "s", [began.elapsed().as_secs_f64()])
}

fn create_admin(place: &Place) {
    let mut command = program();
    command.args(["admin", "create", "--username", "root", "--password-stdin"]).env("DATA_DIR", &place.0);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn prove(place: &Place) -> Value {
    let began = Instant::now();
    let output = program().arg("verify").env("DATA_DIR", &place.0).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Value::new("proof", "the proof of the books", "s", [began.elapsed().as_secs_f64()])
}

/// Waits until the figures of the dashboard are counted, and the proof that a start asks for is done.
fn wait_for_jobs(server: &Server) {
    let deadline = Instant::now() + Duration::from_secs(300);
    let is_done = |job: &str| server.metric(&format!("coffer_job_runs_total{{task=\"{job}\",status=\"ok\"}}")) > 0.0;
    while !(is_done("figures") && is_done("verify")) {
        assert!(Instant::now() < deadline, "the jobs take too long");
        std::thread::sleep(Duration::from_secs(1));
    }
}
