//! Several instances of the real program on one PostgreSQL, with and without a real Redis: what they
//! share, and what becomes of it when one of them or Redis goes away.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "instances/clocks.rs"]
mod clocks;
#[path = "instances/jobs.rs"]
mod jobs;
#[path = "instances/limits.rs"]
mod limits;
#[path = "instances/proxy.rs"]
mod proxy;
#[path = "instances/read_only.rs"]
mod read_only;
#[path = "instances/redis.rs"]
mod redis;
#[path = "instances/upgrade.rs"]
mod upgrade;

use std::time::{Duration, Instant};

use chrono::Utc;
use coffer::domain::{AssetType, AssetTypeCode, Balance, Login, Role, Scale};
use coffer::passwords::hash_here;
use coffer::repo::users::NewUser;
use coffer::repo::{Db, asset_types, users};
use reqwest::Client;
use serde_json::Value;
use support::cluster::{Database, cluster};
use support::program::{Installation, Running};
use support::redis::RedisServer;
use support::web::{PASSWORD, SECRET, send};

/// Two instances on one database.
struct Pair {
    installations: [Installation; 2],
    database: Database,
}

impl Pair {
    /// Two instances that are set up alike and not started yet.
    fn new(variables: &[(&str, &str)]) -> Self {
        let database = cluster().new_database();
        let part = |name: &str| {
            let parts = database.url.split_whitespace().filter_map(|part| part.split_once('='));
            parts.clone().find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('\'').to_owned())
        };
        let installations = [(); 2].map(|()| {
            let installation = Installation::new()
                .with("DATABASE_HOST", part("host").unwrap())
                .with("DATABASE_NAME", database.name())
                .with("DATABASE_USER", part("user").unwrap())
                .with("SECRET_KEY", SECRET)
                .with("DATABASE_POOL_SIZE", "4");
            variables.iter().fold(installation, |installation, (name, value)| installation.with(name, value))
        });
        Self { installations, database }
    }

    /// Two instances that share a Redis.
    fn with_redis(redis: &RedisServer, variables: &[(&str, &str)]) -> Self {
        let url = redis.url();
        Self::new(&[variables, &[("REDIS_URL", url.as_str())]].concat())
    }

    /// Starts both at once.
    fn serve(&self) -> [Running; 2] {
        std::thread::scope(|scope| {
            let starting = self
                .installations
                .each_ref()
                .map(|installation| scope.spawn(|| installation.serve(&["serve", "--no-demo"])));
            starting.map(|started| started.join().unwrap())
        })
    }

    /// The address of a path at one of them.
    fn url(&self, number: usize, path: &str) -> String {
        format!("{}{path}", self.installations[number].url())
    }

    /// What one of them says of its health.
    async fn health(&self, number: usize) -> Value {
        send(Client::new().get(self.url(number, "/health"))).await.json().await.unwrap()
    }

    /// The value of a metric without labels at one of them.
    async fn metric(&self, number: usize, name: &str) -> f64 {
        let text = send(Client::new().get(self.url(number, "/metrics"))).await.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is missing in {text}")).parse().unwrap()
    }

    /// Waits until both say this of their Redis.
    async fn until_redis(&self, status: &str) {
        for number in [0, 1] {
            let deadline = Instant::now() + Duration::from_secs(30);
            while self.health(number).await["redis"]["status"] != status {
                assert!(Instant::now() < deadline, "instance {number} never says that Redis is {status}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// A user with [`PASSWORD`].
    fn have_user(&self, username: &str, role: Role) {
        let login = Login::username(username).unwrap();
        let new =
            NewUser { external_id: None, logins: vec![login], password_hash: hash_here(PASSWORD, 4).unwrap(), role };
        Db::new(&self.database.url, 1).run_here(|conn| users::register(conn, &new)).unwrap();
    }

    /// An asset type in whole units.
    fn have_asset_type(&self, code: &str) {
        let asset_type = AssetType {
            code: AssetTypeCode::parse(code).unwrap(),
            name: code.to_owned(),
            scale: Scale(0),
            minimum_balance: Balance::zero(),
            transferable: true,
            created_at: Utc::now(),
        };
        Db::new(&self.database.url, 1).run_here(|conn| asset_types::ensure(conn, &asset_type)).unwrap();
    }
}
