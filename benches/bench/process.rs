//! What processes have used, as `/proc` tells it.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

/// The CPU time that three parties have used so far, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    /// This process, which makes the load, and the programs that it has run.
    pub client: f64,
    /// The server that is measured.
    pub server: f64,
    /// All processes of PostgreSQL, also those that have ended.
    pub postgres: f64,
}

impl Cpu {
    /// What has been used since an earlier look.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            client: self.client - earlier.client,
            server: self.server - earlier.server,
            postgres: self.postgres - earlier.postgres,
        }
    }
}

/// The processes whose use is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watched {
    /// The server that is measured, if there is one.
    pub server: Option<u32>,
    /// The first process of PostgreSQL, if there is one.
    pub postmaster: Option<u32>,
}

impl Watched {
    /// What has been used so far.
    pub fn cpu(&self) -> Cpu {
        let used = |pid: &str| Times::of(pid).map_or(0.0, |times| times.own + times.ended_children);
        Cpu {
            client: used("self"),
            server: self.server.map_or(0.0, |pid| Times::of(&pid.to_string()).map_or(0.0, |times| times.own)),
            postgres: self.postmaster.map_or(0.0, |pid| used(&pid.to_string()) + children(pid)),
        }
    }

    /// The memory of the server that is resident now, in MB (10⁶ bytes).
    pub fn memory(&self) -> f64 {
        let status = self.server.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok());
        let line = status.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("VmRSS:")));
        let kibibytes: Option<f64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        kibibytes.map_or(0.0, |number| number * 1024.0 / 1e6)
    }
}

/// CPU times in seconds.
struct Times {
    parent: u32,
    own: f64,
    ended_children: f64,
}

impl Times {
    fn of(pid: &str) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may hold anything; behind it: state, parent (proc(5)).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |place: usize| -> Option<f64> { fields.get(place)?.parse().ok() };
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: (ticks(11)? + ticks(12)?) / ticks_per_second(),
            ended_children: (ticks(13)? + ticks(14)?) / ticks_per_second(),
        })
    }
}

/// What the children of a process have used that have not ended.
fn children(parent: u32) -> f64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let times = processes.filter_map(|entry| Times::of(entry.file_name().to_str()?));
    times.filter(|times| times.parent == parent).map(|times| times.own).sum()
}

fn ticks_per_second() -> f64 {
    static TICKS: OnceLock<f64> = OnceLock::new();
    *TICKS.get_or_init(|| {
        let output = Command::new("getconf").arg("CLK_TCK").output().ok();
        output.and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse().ok()).unwrap_or(100.0)
    })
}
