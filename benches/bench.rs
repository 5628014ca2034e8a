//! How fast Coffer is, beside what it can be measured against in the same run: real HTTP against a
//! release server on a durable PostgreSQL. It tells, and asks for no speed: it fails only where
//! something is answered wrongly.
//!
//! `make bench` runs the main stage, `make bench-years` the one with ten million entries, `make
//! bench-soak` the long one. Each writes its part of `docs/benchmarks.md` and `docs/benchmarks.json`.
//! With `--main`, `--years` and `--soak` one run does several of them. With `--quick` each is a moment long, for trying it out, and writes into the folder of the build.
//! `BENCH_PROGRAM` may name another build of Coffer than this one, and `BENCH_ONLY` the cases of the main
//! stage that are wanted (`claims/64,transfers/32`); then, too, nothing goes into `docs`.

#![allow(missing_docs, reason = "a program, not a library")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failed measurement is loud")]
#![allow(clippy::float_arithmetic, reason = "rates and percentiles, not money")]

#[path = "bench/goals.rs"]
mod goals;
#[path = "bench/load.rs"]
mod load;
#[path = "bench/machine.rs"]
mod machine;
#[path = "bench/ours.rs"]
mod ours;
#[path = "bench/process.rs"]
mod process;
#[path = "bench/reads.rs"]
mod reads;
#[path = "bench/record.rs"]
mod record;
#[path = "bench/report.rs"]
mod report;
#[path = "bench/scene.rs"]
mod scene;
#[path = "bench/server.rs"]
mod server;
#[path = "bench/soak.rs"]
mod soak;
#[path = "bench/wire.rs"]
mod wire;
#[path = "bench/yardsticks.rs"]
mod yardsticks;
#[path = "bench/years.rs"]
mod years;

use std::path::Path;
use std::time::{Duration, Instant};

use chrono::Utc;
use machine::Machine;
use record::{Extent, Record, Row, Stage, Value, measure};
use scene::Scene;
use server::{Place, Server};
use yardsticks::Hello;

/// Every figure is the median of so many runs, of so long each.
const FULL: Extent = Extent { rounds: 3, lasting: Duration::from_secs(4) };
const QUICK: Extent = Extent { rounds: 1, lasting: Duration::from_secs(1) };

/// How often Coffer is started to see how long that takes.
const STARTS: usize = 3;

fn main() {
    // Cargo adds an argument of its own, `--bench`.
    let is_asked = |name: &str| std::env::args().any(|argument| argument == name);
    if is_asked(yardsticks::HELLO) {
        return yardsticks::serve_hello().expect("hello is served");
    }
    let quick = is_asked("--quick");
    let extent = if quick { QUICK } else { FULL };
    let (years, soak) = (is_asked("--years"), is_asked("--soak"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let folder = if quick || is_set("BENCH_PROGRAM") || is_set("BENCH_ONLY") {
        Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned()
    } else {
        root.join("docs")
    };
    let files = Files { json: folder.join("benchmarks.json"), markdown: folder.join("benchmarks.md") };
    let began = Instant::now();
    if is_asked("--main") || !(years || soak) {
        files.keep("main", extent, false, main_stage);
    }
    if years {
        files.keep("years", extent, true, |extent| years::rows_and_values(extent, if quick { 20 } else { 1 }));
    }
    if soak {
        let minute = if quick { extent.lasting } else { Duration::from_secs(60) };
        let extent = Extent { rounds: 1, lasting: minute };
        files.keep("soak", extent, false, |extent| soak::rows_and_values(extent.lasting));
    }
    println!("\nAll of it took {} s; it is in {}.", began.elapsed().as_secs(), files.markdown.display());
}

/// Where the figures are kept.
struct Files {
    json: std::path::PathBuf,
    markdown: std::path::PathBuf,
}

impl Files {
    /// Measures a stage, shows it, and keeps it beside the others.
    fn keep(
        &self,
        name: &str,
        extent: Extent,
        has_years: bool,
        measured: impl FnOnce(Extent) -> (Vec<Row>, Vec<Value>),
    ) {
        let (machine, commit) = (Machine::this(&postgres_version()), machine::commit());
        let date = Utc::now().format("%Y-%m-%d").to_string();
        let (rows, values) = measured(extent);
        let (rounds, seconds) = (extent.rounds, extent.lasting.as_secs_f64());
        let mut stage = Stage { date, commit, machine, rounds, seconds, rows, values, goals: Vec::new() };
        stage.goals = goals::of(&stage, has_years);
        println!("\n{}", report::section(&stage));
        let mut record = Record::read(&self.json);
        record.0.insert(name.to_owned(), stage);
        record.write(&self.json);
        std::fs::write(&self.markdown, report::markdown(&record)).unwrap();
    }
}

/// The version of the PostgreSQL that is found, which is made sure to be durable.
fn postgres_version() -> String {
    let place = Place::new();
    let server = Server::start(&place, &["--no-demo"]);
    server::version_of_durable(&mut server.connect())
}

/// All but the long stages.
fn main_stage(extent: Extent) -> (Vec<Row>, Vec<Value>) {
    let place = Place::new();
    // The first start makes the database.
    drop(Server::start(&place, &[]));
    let (mut values, server) = starts(&place);
    let scene = Scene::set(&server);
    values.extend(reads::look(&server.address, "bench_7", &reads::of_a_user("CASH")));
    values.extend(reads::look(&server.address, "admin", &reads::of_an_admin()));
    let hello = Hello::start();
    let mut cases = yardsticks::cases(&scene, &hello, extent);
    cases.extend(ours::cases(&scene, extent));
    if let Ok(only) = std::env::var("BENCH_ONLY") {
        cases.retain(|case| only.split(',').any(|key| key == case.key));
    }
    let rows = measure(extent, cases);
    let crowded = rows.iter().filter(|row| row.key.ends_with("/256") && !row.key.starts_with("hello"));
    let most = crowded.map(|row| row.memory.most).fold(0.0, f64::max);
    values.push(Value::new("memory-under-load", "memory under 256 connections", "MB", [most]));
    (rows, values)
}

/// How long starts take on an existing database, and the memory of what has just started; the last
/// server goes on.
fn starts(place: &Place) -> (Vec<Value>, Server) {
    let (mut with_database, mut memories) = (Vec::new(), Vec::new());
    for _ in 1..STARTS {
        let server = Server::start(place, &[]);
        with_database.push(server.took.as_secs_f64());
    }
    let server = Server::start(place, &[]);
    with_database.push(server.took.as_secs_f64());
    let beside: Vec<f64> = (0..STARTS)
        .map(|_| {
            let other = Server::start_beside(place);
            // Its jobs run a second after the start.
            std::thread::sleep(Duration::from_secs(3));
            memories.push(other.watched().memory());
            other.took.as_secs_f64()
        })
        .collect();
    let values = vec![
        Value::new("start", "start to ready on a database that runs", "s", beside),
        Value::new("start-with-database", "start to ready, its own database's start included", "s", with_database),
        Value::new("memory-at-rest", "memory at rest", "MB", memories),
    ];
    (values, server)
}
