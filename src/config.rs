//! Everything that can be set from outside: environment variables (and a `.env` file), each read
//! once, typed, and documented in the README's table.

use std::env::VarError;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::error::Fatal;

/// Every variable that is read, for the test that compares it with the README.
pub const VARIABLES: &[&str] = &[
    "BIND",
    "PORT",
    "PUBLIC_URL",
    "DATA_DIR",
    "DATABASE_URL",
    "DATABASE_HOST",
    "DATABASE_PORT",
    "DATABASE_NAME",
    "DATABASE_USER",
    "DATABASE_PASSWORD",
    "DATABASE_POOL_SIZE",
    "SECRET_KEY",
    "SECRET_KEY_PREVIOUS",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "BCRYPT_COST",
    "RATE_LIMITS",
    "POSTING_THREADS",
    "POSTING_BATCH_MAX",
    "DEMO_PASSWORD",
];

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For reading in a terminal.
    Pretty,
}

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// Coffer runs a private server in `DATA_DIR`.
    Embedded,
    /// A server of somebody else's, as a libpq connection string or URL.
    External(String),
}

/// The configuration of one process.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on.
    pub bind: SocketAddr,
    /// The address that users type, without a slash at its end. Cookies are `Secure` where it is
    /// https.
    pub public_url: String,
    /// Where the embedded database and the secret key are kept.
    pub data_dir: PathBuf,
    /// Where the database is.
    pub database: Database,
    /// How many connections the pool may open.
    pub database_pool_size: u32,
    /// At least 32 characters from which all keys are derived; none: made and kept in `data_dir`.
    pub secret_key: Option<String>,
    /// The secret key of before, whose tokens are still read.
    pub secret_key_previous: Option<String>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written, in the syntax of tracing's `EnvFilter`.
    pub log_level: String,
    /// bcrypt's cost, 4 to 16: each step doubles the time of a sign-in.
    pub bcrypt_cost: u32,
    /// Whether those who guess passwords and codes are made to wait.
    pub rate_limits: bool,
    /// How many threads post batches, each with a lane of the treasury of its own.
    pub posting_threads: usize,
    /// How many commands one batch takes at most.
    pub posting_batch_max: usize,
    /// The password of all demo users, instead of random ones.
    pub demo_password: Option<String>,
}

impl Config {
    /// Reads the environment and, for what is not set there, `.env` in the working directory.
    ///
    /// # Errors
    /// One line that names the variable and what it may be.
    pub fn from_environment() -> Result<Self, Fatal> {
        match dotenvy::from_path(".env") {
            Ok(_) => {}
            Err(error) if error.not_found() => {}
            Err(dotenvy::Error::Io(error)) => return Err(Fatal::new(format!(".env cannot be read: {error}"))),
            // The error would repeat the line, which may hold a secret.
            Err(_) => return Err(Fatal::new(".env cannot be read: each line must be NAME=value, with closed quotes")),
        }
        if let Some(name) = VARIABLES.iter().find(|name| matches!(std::env::var(name), Err(VarError::NotUnicode(_)))) {
            return Err(bad(name, "text in UTF-8"));
        }
        Self::from_lookup(&|name| std::env::var(name).ok())
    }

    /// Reads the configuration from any source of variables. Empty ones count as not set.
    ///
    /// # Errors
    /// One line that names the variable and what it may be.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Fatal> {
        let set = |name: &str| lookup(name).map(|v| v.trim().to_owned()).filter(|value| !value.is_empty());
        let bind = bind(&set)?;
        let database = database(&set)?;
        let log_format = match set("LOG_FORMAT").as_deref() {
            None => LogFormat::for_reader(),
            Some("json") => LogFormat::Json,
            Some("pretty") => LogFormat::Pretty,
            Some(_) => return Err(bad("LOG_FORMAT", "json or pretty")),
        };
        let secret_key = secret(&set, "SECRET_KEY")?;
        if secret_key.is_none() && database != Database::Embedded {
            return Err(Fatal::new(
                "SECRET_KEY must be set where DATABASE_URL is; `openssl rand -base64 48` makes a good one",
            ));
        }
        let public_url = set("PUBLIC_URL").unwrap_or_else(|| match bind.ip().is_unspecified() {
            true => format!("http://localhost:{}", bind.port()),
            false => format!("http://{bind}"),
        });
        let host = public_url.strip_prefix("http://").or_else(|| public_url.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
            return Err(bad("PUBLIC_URL", "an address such as https://wallet.example.org"));
        }
        let log_level = set("LOG_LEVEL").unwrap_or_else(|| "info".to_owned());
        if !is_log_level(&log_level) {
            return Err(bad("LOG_LEVEL", "error, warn, info, debug or trace"));
        }
        Ok(Self {
            bind,
            public_url: public_url.trim_end_matches('/').to_owned(),
            data_dir: set("DATA_DIR").unwrap_or_else(|| "./data".to_owned()).into(),
            database,
            database_pool_size: number(&set, "DATABASE_POOL_SIZE", 8, 4, 64)?,
            secret_key,
            secret_key_previous: secret(&set, "SECRET_KEY_PREVIOUS")?,
            log_format,
            log_level,
            bcrypt_cost: number(&set, "BCRYPT_COST", 12, 4, 16)?,
            rate_limits: match set("RATE_LIMITS").as_deref() {
                None | Some("on") => true,
                Some("off") => false,
                Some(_) => return Err(bad("RATE_LIMITS", "on or off")),
            },
            posting_threads: number(&set, "POSTING_THREADS", 2, 1, 16)?,
            posting_batch_max: number(&set, "POSTING_BATCH_MAX", 256, 1, 1000)?,
            demo_password: set("DEMO_PASSWORD"),
        })
    }
}

impl LogFormat {
    /// Readable where somebody reads, JSON where lines are collected.
    fn for_reader() -> Self {
        if std::io::stderr().is_terminal() { Self::Pretty } else { Self::Json }
    }
}

/// Whether `text` is in the syntax of tracing's `EnvFilter`, in which a misspelt level would be
/// the name of a target, and silence all others.
fn is_log_level(text: &str) -> bool {
    let is_meant = |part: &str| part.contains(['=', '[']) || part.trim().parse::<LevelFilter>().is_ok();
    text.parse::<EnvFilter>().is_ok() && text.split(',').all(is_meant)
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

fn bad(name: &str, expected: &str) -> Fatal {
    Fatal::new(format!("{name} must be {expected}"))
}

fn number<N>(set: Lookup<'_>, name: &str, default: N, least: N, most: N) -> Result<N, Fatal>
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display + Copy,
{
    let Some(text) = set(name) else { return Ok(default) };
    text.parse()
        .ok()
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| bad(name, &format!("a whole number from {least} to {most}")))
}

fn secret(set: Lookup<'_>, name: &str) -> Result<Option<String>, Fatal> {
    match set(name) {
        Some(key) if key.len() < 32 => {
            Err(bad(name, "at least 32 characters; `openssl rand -base64 48` makes a good one"))
        }
        key => Ok(key),
    }
}

fn bind(set: Lookup<'_>) -> Result<SocketAddr, Fatal> {
    if let Some(text) = set("BIND") {
        return text.parse().map_err(|_| bad("BIND", "an address and a port, for example 127.0.0.1:8080"));
    }
    match set("PORT") {
        Some(_) => Ok(SocketAddr::from(([0, 0, 0, 0], number(set, "PORT", 8080, 1, u16::MAX)?))),
        None => Ok(SocketAddr::from(([127, 0, 0, 1], 8080))),
    }
}

fn database(set: Lookup<'_>) -> Result<Database, Fatal> {
    if let Some(url) = set("DATABASE_URL") {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(bad("DATABASE_URL", "an address such as postgres://user:password@host:5432/database"));
        }
        return Ok(Database::External(with_patience(url)));
    }
    let Some(host) = set("DATABASE_HOST") else { return Ok(Database::Embedded) };
    let port: u16 = number(set, "DATABASE_PORT", 5432, 1, u16::MAX)?;
    let mut conninfo = format!("host={} port={port}", quoted(&host));
    for (key, value) in PATIENCE {
        conninfo.push_str(&format!(" {key}={value}"));
    }
    for (key, name) in [("dbname", "DATABASE_NAME"), ("user", "DATABASE_USER"), ("password", "DATABASE_PASSWORD")] {
        if let Some(value) = set(name) {
            conninfo.push_str(&format!(" {key}={}", quoted(&value)));
        }
    }
    Ok(Database::External(conninfo))
}

/// What libpq waits for at most, since by default it waits for ever: seconds for a connection, and
/// how long a silent network is believed (milliseconds for what was sent and not confirmed).
const PATIENCE: [(&str, &str); 5] = [
    ("connect_timeout", "3"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
];

/// The URL with our time-outs, except those that it sets itself.
fn with_patience(mut url: String) -> String {
    for (key, value) in PATIENCE {
        if !url.contains(&format!("{key}=")) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{key}={value}"));
        }
    }
    url
}

/// A value of a libpq connection string (PostgreSQL documentation, 34.1.1.1).
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}
