//! The server: its parts, and how they are put before the routes.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, PayloadConfig};
use actix_web::{App, HttpServer};

use super::api::openapi::OpenApiDocument;
use super::api::system::Pulse;
use super::auth::Keys;
use super::statements::Press;
use super::static_files::StaticFiles;
use super::{LARGEST_BODY, middleware, routes};
use crate::config::{Bounds, Networks, Scrapers};
use crate::ephemeral::{PasswordProofs, Redis, Throttles};
use crate::jobs::Runs;
use crate::ledger::{Clock, Ledger};
use crate::passwords::Passwords;
use crate::repo::Db;
use crate::repo::doorkeeper::Doorkeeper;

/// How many threads each worker has for what blocks: enough for every connection of the pool, and for
/// typesetting beside.
const BLOCKING_THREADS: usize = 32;

/// The parts that `app` puts together and the web serves from.
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The thread that looks up who is asking.
    pub doorkeeper: Doorkeeper,
    /// The one path that moves value.
    pub ledger: Arc<Ledger>,
    /// The threads that hash passwords.
    pub passwords: Arc<Passwords>,
    /// The secret that all keys are derived from, at least 32 bytes.
    pub secret: String,
    /// The secret of before, whose tokens are still read.
    pub previous_secret: Option<String>,
    /// Who has asked or failed how often.
    pub throttles: Throttles,
    /// What instances share, where there is Redis.
    pub redis: Option<Redis>,
    /// The proxies that are believed.
    pub trusted_proxies: Networks,
    /// Who may read what is measured.
    pub scrapers: Scrapers,
    /// How much the server takes on.
    pub bounds: Bounds,
    /// Whether it is about to stop.
    pub drain: Drain,
    /// The time.
    pub clock: Clock,
    /// The address that users type, without a slash at its end.
    pub public_url: String,
    /// How the jobs are doing.
    pub jobs: Runs,
}

/// Whether the server is about to stop: then it says that it is not ready, and keeps no connections,
/// so that proxies and clients go elsewhere while it still serves them. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Drain(Arc<AtomicBool>);

impl Drain {
    /// The server is about to stop.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub(super) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What this installation is called, and since when it runs.
pub struct Site {
    /// The address that users type, without a slash at its end.
    pub public_url: String,
    /// When the process began to serve.
    pub started: Instant,
    /// The proxies that are believed when they say for whom they ask.
    pub trusted_proxies: Networks,
}

impl Site {
    /// Whether browsers reach it by https, so that cookies may be `Secure`.
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

/// Serves on a listener until it is stopped by its handle. Signals are not its business.
///
/// # Errors
/// Where the secret is too short or the listener cannot be used.
pub fn serve(listener: TcpListener, parts: Parts) -> std::io::Result<Server> {
    let keys = Keys::derive(&parts.secret, parts.previous_secret.as_deref()).map_err(std::io::Error::other)?;
    let keys = Data::new(keys);
    let proofs = Data::new(PasswordProofs::new().map_err(std::io::Error::other)?);
    let throttles = Data::new(parts.throttles);
    let press = Data::new(Press::new(&parts.public_url));
    let site = Site { public_url: parts.public_url, started: Instant::now(), trusted_proxies: parts.trusted_proxies };
    let (site, redis, scrapers) = (Data::new(site), Data::new(parts.redis), Data::new(parts.scrapers));
    let (drain, pulse) = (Data::new(parts.drain), Data::new(Pulse::default()));
    let (bounds, crowd) = (Data::new(parts.bounds), Data::new(parts.doorkeeper.crowd()));
    let files = Data::new(StaticFiles::load());
    let document = Data::new(OpenApiDocument::load().map_err(std::io::Error::other)?);
    let (db, clock, jobs) = (Data::new(parts.db), Data::new(parts.clock), Data::new(parts.jobs));
    let doorkeeper = Data::new(parts.doorkeeper);
    let (ledger, passwords) = (Data::from(parts.ledger), Data::from(parts.passwords));
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(db.clone())
            .app_data(doorkeeper.clone())
            .app_data(ledger.clone())
            .app_data(passwords.clone())
            .app_data(keys.clone())
            .app_data(proofs.clone())
            .app_data(throttles.clone())
            .app_data(redis.clone())
            .app_data(scrapers.clone())
            .app_data(bounds.clone())
            .app_data(crowd.clone())
            .app_data(drain.clone())
            .app_data(pulse.clone())
            .app_data(clock.clone())
            .app_data(site.clone())
            .app_data(files.clone())
            .app_data(document.clone())
            .app_data(jobs.clone())
            .app_data(press.clone())
            .app_data(PayloadConfig::new(LARGEST_BODY))
            .wrap(from_fn(middleware::observe))
            .configure(|config| routes(config, &keys, site.is_https()))
    });
    Ok(server
        .workers(workers)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .max_connections(parts.bounds.connections.div_ceil(workers))
        .client_request_timeout(parts.bounds.head)
        .keep_alive(parts.bounds.keep_alive)
        .tcp_nodelay(true)
        .shutdown_timeout(parts.bounds.shutdown.as_secs())
        .disable_signals()
        .listen(listener)?
        .run())
}
