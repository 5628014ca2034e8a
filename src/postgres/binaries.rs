//! PostgreSQL's programs on this machine.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Fatal;

const OLDEST_VERSION: u32 = 13;

/// A folder that holds `initdb` and `postgres`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
    version: u32,
}

impl Binaries {
    /// Finds PostgreSQL 13 or newer: in `PATH`, where `pg_config` says, and in the places of
    /// Debian, of PostgreSQL's own packages, of Homebrew and of Postgres.app, the newest first.
    /// Where `made_by` gives the version that made an existing cluster, only that one will do.
    ///
    /// # Errors
    /// There is none; the message says what to install.
    pub fn find(made_by: Option<&str>) -> Result<Self, Fatal> {
        let made_by: Option<u32> = made_by.and_then(|version| version.trim().parse().ok());
        let mut found = candidates().into_iter().filter_map(|folder| Self::inspect(&folder));
        let fits = |binaries: &Self| match made_by {
            Some(version) => binaries.version == version,
            None => binaries.version >= OLDEST_VERSION,
        };
        found.find(fits).ok_or_else(|| {
            Fatal::new(match made_by {
                Some(version) => format!(
                    "the database was made by PostgreSQL {version}, which is not on this machine: \
                     install that version, or set DATABASE_URL"
                ),
                None => format!(
                    "PostgreSQL {OLDEST_VERSION} or newer is not on this machine: install it \
                     (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install \
                     postgresql-server; macOS: brew install postgresql), or set DATABASE_URL"
                ),
            })
        })
    }

    /// The major version, such as 15.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The path of one program, such as `initdb`.
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    fn inspect(folder: &Path) -> Option<Self> {
        let postgres = folder.join("postgres");
        if !postgres.is_file() || !folder.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(postgres).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        // For example: postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
        let version = leading_number(text.split(") ").nth(1)?)?;
        Some(Self { folder: folder.canonicalize().ok()?, version })
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
        ("/Applications/Postgres.app/Contents/Versions", ""),
    ] {
        folders.extend(versions(Path::new(parent), prefix));
    }
    folders
}

/// The `bin` folders of `parent`'s folders whose names are `prefix` and a version, newest first.
fn versions(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.trim_start_matches('@');
            Some((leading_number(version).unwrap_or(0), entry.path().join("bin")))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, folder)| folder).collect()
}

fn leading_number(text: &str) -> Option<u32> {
    let digits = text.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok()
}
