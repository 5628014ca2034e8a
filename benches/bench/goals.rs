//! The goals, as ratios to what was measured in the same run.

use serde::{Deserialize, Serialize};

use super::reads::{RANGES, totals_of};
use super::record::Stage;

/// What is to be reached, and what was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Goal {
    pub title: String,
    /// `at least` or `at most`; nothing where a ratio is only to be known.
    pub bound: Option<Bound>,
    pub goal: f64,
    pub unit: String,
    pub measured: f64,
}

/// Which side of a goal is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    AtLeast,
    AtMost,
}

impl Goal {
    /// Whether it was reached; none where nothing was asked for.
    pub fn is_met(&self) -> Option<bool> {
        self.bound.map(|bound| match bound {
            Bound::AtLeast => self.measured >= self.goal,
            Bound::AtMost => self.measured <= self.goal,
        })
    }
}

/// Ratios of rates: the title, the goal, and the loads over and under the line.
const RATIOS: &[(&str, f64, &str, &str)] = &[
    ("claims, 64 connections, to naive pgbench, 32 clients", 10.0, "claims/64", "naive/32"),
    ("claims, 256 connections, to naive pgbench, 32 clients", 15.0, "claims/256", "naive/32"),
    ("claims, 1 connection, to naive pgbench, 1 client", 0.8, "claims/1", "naive/1"),
    ("transfers, 32 connections, to naive pgbench, 32 clients", 10.0, "transfers/32", "naive/32"),
    ("movements, 1,000 per request, to naive pgbench, 32 clients", 40.0, "batch/1000", "naive/32"),
    ("hot wallet to spread wallets (spends, 64 connections)", 0.8, "hot-wallet/64", "spends/64"),
    ("hot treasury to none (spends to transfers, 64 connections)", 0.8, "spends/64", "transfers/64"),
    ("refusals in a stampede to hello, 256 connections", 0.5, "stampede/256", "hello/256"),
    ("claims at 10 million entries to an empty ledger, 64 connections", 0.9, "claims-of-years/64", "claims/64"),
];

/// Ratios that nobody asks for, and that tell where one stands.
const STANDINGS: &[(&str, &str, &str)] = &[
    ("claims, 64 connections, to one call by pgbench, 32 clients", "claims/64", "one-call/32"),
    ("claims, 64 connections, to TPC-B by pgbench, 32 clients", "claims/64", "tpc-b/32"),
    ("claims, 64 connections, to hello, 64 connections", "claims/64", "hello/64"),
    ("the last minute of claims, spends and transfers to the first", "soak/10", "soak/1"),
    ("hello behind the last minute to that behind the first", "machine/10", "machine/1"),
];

/// Rates that are asked for as they are, on the class of machine that they were set on.
const RATES: &[(&str, f64, &str)] = &[
    ("transfers per second, one per request, 32 connections", 4_500.0, "transfers/32"),
    ("movements per second, 1,000 per request", 20_000.0, "batch/1000"),
];

/// Single numbers that must not be larger.
const LIMITS: &[(&str, f64, &str, &str)] = &[
    ("memory at rest", 60.0, "MB", "memory-at-rest"),
    ("memory under 256 connections", 150.0, "MB", "memory-under-load"),
    ("start to ready on an existing database", 1.0, "s", "start"),
];

/// The goals that a stage can tell something about.
pub fn of(stage: &Stage, has_years: bool) -> Vec<Goal> {
    let rate = |key: &str| stage.row(key).map(|row| row.rate.median);
    let ratio = |over: &str, under: &str| Some(rate(over)? / rate(under)?);
    let goal = |title: &str, bound, goal, unit: &str, measured| {
        Some(Goal { title: title.to_owned(), bound, goal, unit: unit.to_owned(), measured })
    };
    let (least, most) = (Some(Bound::AtLeast), Some(Bound::AtMost));
    let mut goals = Vec::new();
    goals.extend(
        RATIOS.iter().filter_map(|(title, asked, over, under)| goal(title, least, *asked, "×", ratio(over, under)?)),
    );
    let postgres = |key: &str| stage.row(key).map(|row| row.cpu_postgres.median);
    if let (Some(naive), Some(ours)) = (postgres("naive/32"), postgres("claims/64")) {
        let title = "PostgreSQL's CPU per claim: naive pgbench's, 32 clients, to that of claims, 64 connections";
        goals.extend(goal(title, least, 12.0, "×", naive / ours));
    }
    goals.extend(RATES.iter().filter_map(|(title, asked, key)| goal(title, least, *asked, "/s", rate(key)?)));
    goals.extend(
        LIMITS.iter().filter_map(|(title, asked, unit, key)| goal(title, most, *asked, unit, stage.value(key)?)),
    );
    if has_years {
        goals.extend(reads(stage));
    }
    goals.extend(STANDINGS.iter().filter_map(|(title, over, under)| goal(title, None, 0.0, "×", ratio(over, under)?)));
    goals
}

/// What the pages are asked for at 10 million entries.
fn reads(stage: &Stage) -> Vec<Goal> {
    let limit = |name: &str, goal: f64, key: &str| {
        let title = format!("{name} at 10 million entries");
        let measured = stage.value(key)?;
        Some(Goal { title, bound: Some(Bound::AtMost), goal, unit: "ms".to_owned(), measured })
    };
    let [short, long] = RANGES.map(totals_of);
    let statement = format!("/wallet/{{code}}, {} days", RANGES[1]);
    let goals = [
        limit("/wallet", 5.0, "/wallet"),
        limit("history page", 5.0, "/transactions"),
        limit(&statement, 5.0, &statement),
        limit("date-range totals", 5.0, &long),
        limit("admin's dashboard", 50.0, "/admin"),
    ];
    let of_range = stage.value(&long).zip(stage.value(&short)).map(|(long, short)| Goal {
        title: format!("date-range totals of {} days to {} days", RANGES[1], RANGES[0]),
        bound: Some(Bound::AtMost),
        goal: 1.25,
        unit: "×".to_owned(),
        measured: long / short,
    });
    goals.into_iter().flatten().chain(of_range).collect()
}
