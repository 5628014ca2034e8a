//! What the figures were measured on.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// A machine and its programs, by what has a bearing on speed; no names of hosts or folders.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    /// GB (10⁹ bytes).
    pub memory: u64,
    pub kernel: String,
    pub postgres: String,
    pub rustc: String,
}

impl Machine {
    /// This one, with this PostgreSQL.
    pub fn this(postgres: &str) -> Self {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kibibytes = field(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        Self {
            processor: field(&cpus, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: (kibibytes.unwrap_or_default() * 1024 + 500_000_000) / 1_000_000_000,
            kernel: said("uname", &["-sr"]),
            postgres: postgres.to_owned(),
            rustc: said("rustc", &["--version"]),
        }
    }
}

/// The commit that is measured, and whether something was changed since.
pub fn commit() -> String {
    let commit = said("git", &["rev-parse", "--short=10", "HEAD"]);
    let changed = said("git", &["status", "--porcelain", "--untracked-files=no", "--", ":!docs"]);
    if changed.is_empty() || changed == UNKNOWN { commit } else { format!("{commit} with changes") }
}

const UNKNOWN: &str = "unknown";

/// The value of a line `name: value`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What a command says in its first line.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.ok().filter(|output| output.status.success());
    let text = output.and_then(|output| String::from_utf8(output.stdout).ok());
    text.map_or_else(|| UNKNOWN.to_owned(), |text| text.lines().next().unwrap_or_default().to_owned())
}
