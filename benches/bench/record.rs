//! What has been measured: figures with their spread, kept as JSON by stage.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::goals::Goal;
use super::load::Run;
use super::machine::Machine;

/// The median of several runs, and its spread.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Figure {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Figure {
    /// Of all runs; none where there is none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        // Of an even number the lower one of the two in the middle: a value that was seen.
        Some(Self { median: values[(values.len() - 1) / 2], least, most })
    }
}

/// A load, and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// What goals call it.
    pub key: String,
    pub title: String,
    /// What the rate counts.
    pub unit: String,
    /// Operations per second.
    pub rate: Figure,
    /// Milliseconds; of pgbench the mean, since it tells no median.
    pub p50: Figure,
    /// Milliseconds.
    pub p99: Option<Figure>,
    /// Microseconds per operation of whoever makes the load.
    pub cpu_client: Figure,
    /// Microseconds per operation of the server.
    pub cpu_server: Figure,
    /// Microseconds per operation of PostgreSQL.
    pub cpu_postgres: Figure,
    /// How many commands were posted together, on average.
    pub batch: Option<Figure>,
    /// MB.
    pub memory: Figure,
}

/// A single number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Value {
    /// What goals call it.
    pub key: String,
    pub title: String,
    pub unit: String,
    pub figure: Figure,
}

impl Value {
    /// The median of what was seen.
    pub fn new(key: &str, title: &str, unit: &str, seen: impl IntoIterator<Item = f64>) -> Self {
        let figure = Figure::of(seen).expect("something was measured");
        Self { key: key.to_owned(), title: title.to_owned(), unit: unit.to_owned(), figure }
    }
}

/// One run of this program, or of a part of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stage {
    pub date: String,
    pub commit: String,
    pub machine: Machine,
    /// Every figure is the median of so many runs.
    pub rounds: usize,
    /// How long each run lasts.
    pub seconds: f64,
    pub rows: Vec<Row>,
    pub values: Vec<Value>,
    pub goals: Vec<Goal>,
}

impl Stage {
    /// The rate of a load that was measured.
    pub fn row(&self, key: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.key == key)
    }

    /// A single number.
    pub fn value(&self, key: &str) -> Option<f64> {
        self.values.iter().find(|value| value.key == key).map(|value| value.figure.median)
    }
}

/// All stages, by name, each as it was measured last.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Record(pub BTreeMap<String, Stage>);

impl Record {
    /// What a file holds; nothing where there is none, or one that an older program wrote.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Writes it.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, serde_json::to_string_pretty(self).unwrap() + "\n").unwrap();
    }
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub rounds: usize,
    /// How long each run lasts.
    pub lasting: Duration,
}

/// Something that is run once per round.
pub struct Case<'a> {
    pub key: String,
    pub title: String,
    pub unit: &'static str,
    pub run: Box<dyn FnMut() -> Run + 'a>,
}

impl<'a> Case<'a> {
    /// A case.
    pub fn new(key: &str, title: &str, unit: &'static str, run: impl FnMut() -> Run + 'a) -> Self {
        Self { key: key.to_owned(), title: title.to_owned(), unit, run: Box::new(run) }
    }
}

/// Runs all cases in turn, so that whatever disturbs the machine for a while meets them all, and
/// does so once per round.
pub fn measure(extent: Extent, mut cases: Vec<Case<'_>>) -> Vec<Row> {
    let mut runs: Vec<Vec<Run>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 1..=extent.rounds {
        for (case, runs) in cases.iter_mut().zip(&mut runs) {
            let run = (case.run)();
            eprintln!("round {round}: {:<52} {:>10.0} {}", case.title, run.rate, case.unit);
            runs.push(run);
        }
    }
    cases.into_iter().zip(runs).map(|(case, runs)| row(case, &runs)).collect()
}

fn row(case: Case<'_>, runs: &[Run]) -> Row {
    let of = |value: fn(&Run) -> f64| Figure::of(runs.iter().map(value)).expect("it was run");
    let perhaps = |value: fn(&Run) -> Option<f64>| Figure::of(runs.iter().filter_map(value));
    Row {
        key: case.key,
        title: case.title,
        unit: case.unit.to_owned(),
        rate: of(|run| run.rate),
        p50: of(|run| run.p50),
        p99: perhaps(|run| run.p99),
        cpu_client: of(|run| run.cpu.client),
        cpu_server: of(|run| run.cpu.server),
        cpu_postgres: of(|run| run.cpu.postgres),
        batch: perhaps(|run| run.batch),
        memory: of(|run| run.memory),
    }
}
