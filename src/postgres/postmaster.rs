//! The server's processes: start, take over, watch, stop.

use std::fs::{self, DirEntry, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::site::Site;
use super::{Durability, SOCKET_FILE, cannot, telling_line};
use crate::error::Fatal;

const LOG_MAX_BYTES: u64 = 10 * 1024 * 1024;

/// The server's first process: our child, or one that an earlier Coffer left.
#[derive(Debug)]
pub(super) struct Postmaster {
    pid: Pid,
    child: Option<Child>,
    log_start: u64,
}

impl Postmaster {
    /// Takes over the server that runs at `site`, or starts one. It may not be ready yet.
    pub(super) fn adopt_or_spawn(site: &Site) -> Result<Self, Fatal> {
        let (log, log_start) = open_log(&site.log)?;
        if let Some((pid, _)) = recorded(site) {
            let listens = UnixStream::connect(site.socket.join(SOCKET_FILE)).is_ok();
            if listens && may_be_postmaster(site, pid) {
                tracing::info!(%pid, "taking over the PostgreSQL that still runs");
                return Ok(Self { pid, child: None, log_start });
            }
            if test_kill_process(pid).is_ok() && nobody_works_in(&site.data) {
                // After a reboot another process may bear the number of a server that crashed,
                // and PostgreSQL would take it for that server.
                let lock = site.socket.join(format!("{SOCKET_FILE}.lock"));
                for stale in [site.data.join("postmaster.pid"), lock] {
                    let _ = fs::remove_file(stale);
                }
            }
        }
        let output = log.try_clone().map_err(cannot("open", &site.log))?;
        let mut command = site.command("postgres");
        command.arg("-D").arg(&site.data).stdout(output).stderr(log).env_remove("PGPORT");
        for setting in settings(site) {
            command.arg("-c").arg(setting);
        }
        // Ctrl-C in the terminal is for Coffer, which then stops the server itself.
        let child = command.process_group(0).spawn();
        let child = child.map_err(cannot("run", &site.binaries.path("postgres")))?;
        Ok(Self { pid: Pid::from_child(&child), child: Some(child), log_start })
    }

    /// Whether an earlier Coffer started it.
    pub(super) fn is_adopted(&self) -> bool {
        self.child.is_none()
    }

    /// Whether the server has written down that it takes connections.
    pub(super) fn says_ready(&self, site: &Site) -> bool {
        recorded(site) == Some((self.pid, true))
    }

    pub(super) fn is_alive(&mut self, site: &Site) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => may_be_postmaster(site, self.pid),
        }
    }

    /// Shuts the server down fast, and after 15 seconds at once.
    pub(super) fn stop(&mut self, site: &Site) {
        for (signal, patience_seconds) in [(Signal::INT, 15), (Signal::QUIT, 5)] {
            let give_up = Instant::now() + Duration::from_secs(patience_seconds);
            if self.is_alive(site) {
                // It may die by itself meanwhile.
                let _ = kill_process(self.pid, signal);
            }
            while self.is_alive(site) && Instant::now() < give_up {
                thread::sleep(Duration::from_millis(20));
            }
        }
        if self.is_alive(site) {
            tracing::error!(pid = %self.pid, "PostgreSQL does not stop");
        }
    }

    /// What the server said last in its log.
    pub(super) fn last_words(&self, site: &Site) -> String {
        let mut text = Vec::new();
        let read = File::open(&site.log).and_then(|mut log| {
            log.seek(SeekFrom::Start(self.log_start))?;
            log.take(1024 * 1024).read_to_end(&mut text)
        });
        match read {
            Ok(_) => telling_line(&String::from_utf8_lossy(&text)),
            Err(error) => error.to_string(),
        }
    }
}

fn settings(site: &Site) -> Vec<String> {
    let folder = site.socket.to_string_lossy().replace('"', "\"\"");
    let durable = match site.options.durability {
        Durability::Full => "on",
        Durability::ThrowAway => "off",
    };
    let libraries = site.options.libraries;
    let libraries = (!libraries.is_empty()).then(|| format!("shared_preload_libraries={libraries}"));
    let settings = [
        "listen_addresses=".to_owned(),
        format!("unix_socket_directories=\"{folder}\""),
        "port=5432".to_owned(),
        format!("max_connections={}", site.options.max_connections),
        "shared_buffers=128MB".to_owned(),
        format!("fsync={durable}"),
        format!("synchronous_commit={durable}"),
        format!("full_page_writes={durable}"),
        "jit=off".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
    ];
    settings.into_iter().chain(libraries).collect()
}

/// The process in `postmaster.pid`, and whether it says that it is ready.
fn recorded(site: &Site) -> Option<(Pid, bool)> {
    let text = fs::read_to_string(site.data.join("postmaster.pid")).ok()?;
    let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?)?;
    Some((pid, text.lines().nth(7).is_some_and(|status| status.trim() == "ready")))
}

fn may_be_postmaster(site: &Site, pid: Pid) -> bool {
    test_kill_process(pid).is_ok() && works_in(&site.data, &pid.to_string()) != Some(false)
}

/// Whether process `pid` works in `data`, as all processes of its server do. `None`: not to be
/// known, since there is no `/proc` or it does not say.
fn works_in(data: &Path, pid: &str) -> Option<bool> {
    let identity = |found: Metadata| (found.dev(), found.ino());
    match fs::metadata(format!("/proc/{pid}/cwd")) {
        Ok(found) => Some(identity(found) == identity(fs::metadata(data).ok()?)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // A process that has ended, unless there is no such folder at all.
            Path::new("/proc/self/cwd").exists().then_some(false)
        }
        Err(_) => {
            // Root in a container may not look, but may read the program's name.
            let program = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            (program.trim() != "postgres").then_some(false)
        }
    }
}

/// Whether certainly no process of a server on `data` is left.
fn nobody_works_in(data: &Path) -> bool {
    let Ok(owner) = fs::metadata(data).map(|found| found.uid()) else {
        return false;
    };
    let is_out = |entry: &DirEntry| {
        let theirs = entry.metadata().is_ok_and(|found| found.uid() == owner);
        !theirs || entry.file_name().to_str().is_some_and(|name| works_in(data, name) == Some(false))
    };
    fs::read_dir("/proc").is_ok_and(|entries| entries.flatten().all(|entry| is_out(&entry)))
}

/// Opens the log to append to, and says where new lines begin. An overlong one is set aside first.
fn open_log(path: &Path) -> Result<(File, u64), Fatal> {
    if fs::metadata(path).is_ok_and(|found| found.len() > LOG_MAX_BYTES) {
        let _ = fs::rename(path, path.with_extension("log.1"));
    }
    let open = || {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    };
    open().map_err(cannot("open", path))
}
