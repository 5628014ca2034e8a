//! Everything that can be set from outside: environment variables (and a `.env` file), each read
//! once, typed, and documented in the README's table.

use std::env::VarError;
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::ephemeral::{Rate, Rates, Redis};
use crate::error::Fatal;
use crate::repo::Patience;

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
    "DATABASE_POOL_WAIT",
    "DATABASE_STATEMENT_TIMEOUT",
    "DATABASE_LOCK_TIMEOUT",
    "SECRET_KEY",
    "SECRET_KEY_PREVIOUS",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "BCRYPT_COST",
    "REDIS_URL",
    "TRUSTED_PROXIES",
    "RATE_LIMITS",
    "RATE_LIMIT_SIGN_IN",
    "RATE_LIMIT_REGISTER",
    "RATE_LIMIT_PASSWORDS",
    "RATE_LIMIT_CLAIMS",
    "RATE_LIMIT_CODES",
    "RATE_LIMIT_API_WRITES",
    "RATE_LIMIT_API_READS",
    "RATE_LIMIT_PAGES",
    "METRICS_FROM",
    "METRICS_TOKEN",
    "MAX_CONNECTIONS",
    "MAX_REQUESTS",
    "HEAD_TIMEOUT",
    "BODY_TIMEOUT",
    "REQUEST_TIMEOUT",
    "KEEP_ALIVE",
    "DRAIN_TIME",
    "SHUTDOWN_TIMEOUT",
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

/// Networks that an address may be in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// From where nobody but this machine asks.
    fn of_this_machine() -> Self {
        let loopback = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
        Self(vec![loopback.into(), IpNet::from(IpAddr::from(Ipv6Addr::LOCALHOST))])
    }

    /// Whether an address is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// `10.0.0.0/8, 192.0.2.7, ::1`: networks and single addresses.
impl std::str::FromStr for Networks {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let network = |part: &str| {
            let part = part.trim();
            part.parse().or_else(|_| part.parse::<IpAddr>().map(IpNet::from)).map_err(drop)
        };
        text.split(',').map(network).collect::<Result<_, _>>().map(Self)
    }
}

/// How much the server takes on, and how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many connections are open at once.
    pub connections: usize,
    /// How many requests are worked on at once; the next is told to come back.
    pub requests: usize,
    /// How long a client may take for a request's head.
    pub head: Duration,
    /// How long it may take for a request's body.
    pub body: Duration,
    /// How long a request may take in all.
    pub request: Duration,
    /// How long a connection waits for its next request.
    pub keep_alive: Duration,
    /// How long a server that is told to stop goes on serving, so that proxies see it in time.
    pub drain: Duration,
    /// How long requests on their way may take once the server is stopping.
    pub shutdown: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connections: 1000,
            requests: 512,
            head: seconds(5),
            body: seconds(10),
            request: seconds(30),
            keep_alive: seconds(75),
            drain: Duration::ZERO,
            shutdown: seconds(30),
        }
    }
}

/// Who may read what is measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrapers {
    /// From where.
    pub networks: Networks,
    /// With which bearer token, from anywhere.
    pub token: Option<String>,
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
    /// How long the database may take.
    pub patience: Patience,
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
    /// The Redis that instances share.
    pub redis_url: Option<String>,
    /// The proxies that are believed when they say for whom they ask.
    pub trusted_proxies: Networks,
    /// How often what may happen; none: as often as anybody likes.
    pub rate_limits: Option<Rates>,
    /// Who may read what is measured.
    pub scrapers: Scrapers,
    /// How much the server takes on.
    pub bounds: Bounds,
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
        let bounds = bounds(&set, &database)?;
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
            patience: patience(&set)?,
            secret_key,
            secret_key_previous: secret(&set, "SECRET_KEY_PREVIOUS")?,
            log_format,
            log_level,
            bcrypt_cost: number(&set, "BCRYPT_COST", 12, 4, 16)?,
            redis_url: redis_url(&set)?,
            trusted_proxies: networks(&set, "TRUSTED_PROXIES")?.unwrap_or_default(),
            rate_limits: rates(&set)?,
            scrapers: scrapers(&set)?,
            bounds,
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

fn redis_url(set: Lookup<'_>) -> Result<Option<String>, Fatal> {
    match set("REDIS_URL") {
        Some(url) if !Redis::is_address(&url) => {
            Err(bad("REDIS_URL", "an address such as redis://:password@host:6379/0"))
        }
        url => Ok(url),
    }
}

fn networks(set: Lookup<'_>, name: &str) -> Result<Option<Networks>, Fatal> {
    let Some(text) = set(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|()| bad(name, "addresses and networks, for example 10.0.0.0/8, 192.0.2.7"))
}

fn rates(set: Lookup<'_>) -> Result<Option<Rates>, Fatal> {
    let rate = |name: &str, default: Rate| match set(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|()| bad(name, "a number and a period, for example 600/m or 20/10m")),
    };
    let default = Rates::default();
    let rates = Rates {
        sign_in: rate("RATE_LIMIT_SIGN_IN", default.sign_in)?,
        register: rate("RATE_LIMIT_REGISTER", default.register)?,
        passwords: rate("RATE_LIMIT_PASSWORDS", default.passwords)?,
        claims: rate("RATE_LIMIT_CLAIMS", default.claims)?,
        codes: rate("RATE_LIMIT_CODES", default.codes)?,
        api_writes: rate("RATE_LIMIT_API_WRITES", default.api_writes)?,
        api_reads: rate("RATE_LIMIT_API_READS", default.api_reads)?,
        pages: rate("RATE_LIMIT_PAGES", default.pages)?,
    };
    match set("RATE_LIMITS").as_deref() {
        None | Some("on") => Ok(Some(rates)),
        Some("off") => Ok(None),
        Some(_) => Err(bad("RATE_LIMITS", "on or off")),
    }
}

fn scrapers(set: Lookup<'_>) -> Result<Scrapers, Fatal> {
    let token = set("METRICS_TOKEN");
    if token.as_ref().is_some_and(|token| token.len() < 16) {
        return Err(bad("METRICS_TOKEN", "at least 16 characters"));
    }
    let networks = match set("METRICS_FROM").as_deref() {
        Some("off") => Networks::default(),
        Some(_) => networks(set, "METRICS_FROM")?.unwrap_or_default(),
        None => Networks::of_this_machine(),
    };
    Ok(Scrapers { networks, token })
}

/// A whole number of seconds with its unit, from `least` to an hour.
fn seconds(set: Lookup<'_>, name: &str, least: u64, default: Duration) -> Result<Duration, Fatal> {
    let Some(text) = set(name) else { return Ok(default) };
    let number = text.strip_suffix('s').and_then(|number| number.parse().ok());
    number
        .filter(|number| (least..=3600).contains(number))
        .map(Duration::from_secs)
        .ok_or_else(|| bad(name, &format!("a number of seconds from {least}s to 3600s")))
}

fn patience(set: Lookup<'_>) -> Result<Patience, Fatal> {
    let default = Patience::default();
    Ok(Patience {
        pool: seconds(set, "DATABASE_POOL_WAIT", 1, default.pool)?,
        statement: seconds(set, "DATABASE_STATEMENT_TIMEOUT", 1, default.statement)?,
        lock: seconds(set, "DATABASE_LOCK_TIMEOUT", 1, default.lock)?,
    })
}

fn bounds(set: Lookup<'_>, database: &Database) -> Result<Bounds, Fatal> {
    let default = Bounds::default();
    // With a database of its own there is no other instance that could serve meanwhile.
    let drain = if *database == Database::Embedded { default.drain } else { Duration::from_secs(5) };
    let seconds = |name: &str, default| seconds(set, name, 1, default);
    Ok(Bounds {
        connections: number(set, "MAX_CONNECTIONS", default.connections, 16, 100_000)?,
        requests: number(set, "MAX_REQUESTS", default.requests, 1, 100_000)?,
        head: seconds("HEAD_TIMEOUT", default.head)?,
        body: seconds("BODY_TIMEOUT", default.body)?,
        request: seconds("REQUEST_TIMEOUT", default.request)?,
        keep_alive: seconds("KEEP_ALIVE", default.keep_alive)?,
        drain: self::seconds(set, "DRAIN_TIME", 0, drain)?,
        shutdown: seconds("SHUTDOWN_TIMEOUT", default.shutdown)?,
    })
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
        if !cfg!(feature = "tls") && DEMANDS_OF_TLS.iter().any(|demand| url.contains(demand)) {
            return Err(Fatal::new(
                "DATABASE_URL asks for TLS by its sslmode, which is not in this build: build Coffer with --features tls",
            ));
        }
        return Ok(Database::External(with_defaults(url)));
    }
    let Some(host) = set("DATABASE_HOST") else { return Ok(Database::Embedded) };
    let port: u16 = number(set, "DATABASE_PORT", 5432, 1, u16::MAX)?;
    let mut conninfo = format!("host={} port={port}", quoted(&host));
    for (key, value) in LIBPQ_DEFAULTS {
        conninfo.push_str(&format!(" {key}={value}"));
    }
    for (key, name) in [("dbname", "DATABASE_NAME"), ("user", "DATABASE_USER"), ("password", "DATABASE_PASSWORD")] {
        if let Some(value) = set(name) {
            conninfo.push_str(&format!(" {key}={}", quoted(&value)));
        }
    }
    Ok(Database::External(conninfo))
}

/// How an address asks that nothing be sent unencrypted (PostgreSQL documentation, 34.1.2).
const DEMANDS_OF_TLS: [&str; 3] = ["sslmode=require", "sslmode=verify-ca", "sslmode=verify-full"];

/// What libpq waits for at most, since by default it waits for ever: seconds for a connection, and
/// how long a silent network is believed (milliseconds for what was sent and not confirmed). And that a
/// standby will not do, whichever way leads there: it takes no writes, and may tell of what is over.
const LIBPQ_DEFAULTS: [(&str, &str); 6] = [
    ("connect_timeout", "3"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
    ("target_session_attrs", "read-write"),
];

/// The URL with our parameters for libpq, except those that it sets itself.
fn with_defaults(mut url: String) -> String {
    for (key, value) in LIBPQ_DEFAULTS {
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
