//! What was measured, for people: a document, which is also what the terminal shows.

use std::fmt::Write;

use super::goals::{Bound, Goal};
use super::record::{Figure, Record, Row, Stage, Value};

/// The stages in their order, with their titles.
const TITLES: [(&str, &str); 3] = [
    ("main", "Claims, spends, transfers, and what they are measured against"),
    ("years", "Ten million entries"),
    ("soak", "A soak of ten minutes"),
];

const INTRODUCTION: &str = "# Benchmarks

Written by `make bench`; `make bench-years` and `make bench-soak` add their parts. Whoever runs them
gets this document for their own machine: see [README.md](../README.md#test-it).

Every request goes over HTTP to a release build of Coffer, whose PostgreSQL keeps what it confirms
(`fsync`, `synchronous_commit` and `full_page_writes` are on). Coffer, PostgreSQL and what makes the load share
one machine. The load comes from one thread over keep-alive connections, each with one request on its way at a
time. Every figure is the median of several runs, with the least and the most of them in brackets; all loads
take turns within a round. CPU is microseconds per operation: of whoever makes the load, of the server, and of
all processes of PostgreSQL. *Batch* is how many commands Coffer posted together, on average. Of pgbench, p50 is
the mean, since it tells no median.
";

/// The whole document.
pub fn markdown(record: &Record) -> String {
    let mut text = INTRODUCTION.to_owned();
    for (name, title) in TITLES {
        if let Some(stage) = record.0.get(name) {
            write!(text, "\n## {title}\n\n{}", section(stage)).unwrap();
        }
    }
    text
}

/// One stage.
pub fn section(stage: &Stage) -> String {
    let machine = &stage.machine;
    let mut text = format!(
        "{} on {} ({} cores, {} GB), {}, PostgreSQL {}, {}; commit {}. {} of {} seconds each.\n",
        stage.date,
        machine.processor,
        machine.cores,
        machine.memory,
        machine.kernel,
        machine.postgres,
        machine.rustc,
        stage.commit,
        if stage.rounds == 1 { "One run".to_owned() } else { format!("{} runs", stage.rounds) },
        stage.seconds,
    );
    let heads = ["", "per second", "p50 ms", "p99 ms", "CPU load", "CPU server", "CPU PostgreSQL", "batch"];
    text += &table(&heads, &stage.rows.iter().map(row).collect::<Vec<_>>());
    if !stage.values.is_empty() {
        text += &table(&["", "", "unit"], &stage.values.iter().map(value).collect::<Vec<_>>());
    }
    let (asked, known): (Vec<_>, Vec<_>) = stage.goals.iter().partition(|goal| goal.bound.is_some());
    if !asked.is_empty() {
        text += &table(&["goal", "asked for", "measured", ""], &asked.into_iter().map(goal).collect::<Vec<_>>());
    }
    if !known.is_empty() {
        let rows =
            known.into_iter().map(|ratio| vec![ratio.title.clone(), format!("{:.2} {}", ratio.measured, ratio.unit)]);
        text += &table(&["where that is", ""], &rows.collect::<Vec<_>>());
    }
    text
}

fn row(row: &Row) -> Vec<String> {
    vec![
        row.title.clone(),
        with_spread(row.rate),
        with_spread(row.p50),
        row.p99.map_or_else(String::new, with_spread),
        with_spread(row.cpu_client),
        with_spread(row.cpu_server),
        with_spread(row.cpu_postgres),
        row.batch.map_or_else(String::new, with_spread),
    ]
}

fn value(value: &Value) -> Vec<String> {
    vec![value.title.clone(), with_spread(value.figure), value.unit.clone()]
}

fn goal(goal: &Goal) -> Vec<String> {
    let sign = if goal.bound == Some(Bound::AtLeast) { "≥" } else { "≤" };
    let unit = |amount: f64| format!("{} {}", number(amount), goal.unit);
    let verdict = if goal.is_met() == Some(true) { "met" } else { "missed" };
    vec![goal.title.clone(), format!("{sign} {}", unit(goal.goal)), unit(goal.measured), verdict.to_owned()]
}

/// The median, and the least and the most where there is more than one.
fn with_spread(figure: Figure) -> String {
    if figure.least == figure.most {
        return number(figure.median);
    }
    format!("{} ({}–{})", number(figure.median), number(figure.least), number(figure.most))
}

/// With three digits that tell something, and groups of thousands.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || size == 0.0 => grouped(value.round() as i64),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn grouped(value: i64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A table whose columns are as wide as what is in them, so that it can be read as it is.
fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heads[column].chars().count(), 3]).max().unwrap_or(3)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!(" {cell:<width$} |"),
            _ => format!(" {cell:>width$} |"),
        });
        format!("|{}\n", cells.collect::<String>())
    };
    let mut text = format!("\n{}", line(&mut heads.iter().copied()));
    let dashes: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(column, width)| match column {
            0 => "-".repeat(*width),
            _ => format!("{}:", "-".repeat(width - 1)),
        })
        .collect();
    text += &line(&mut dashes.iter().map(String::as_str));
    for row in rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}
