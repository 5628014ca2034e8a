//! Two instances behind the proxy of the deployment, under load: one is killed, one is stopped, and
//! everything is saved and restored meanwhile.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use coffer::domain::Role;
use coffer::ledger::verify::verify;
use coffer::postgres::Binaries;
use reqwest::{Client, RequestBuilder};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Pair;
use super::support::api::{Caller, count};
use super::support::cluster::cluster;
use super::support::program::{Installation, Running};
use super::support::proxy::Proxy;
use super::support::redis::RedisServer;
use super::support::web::{PASSWORD, send};

/// What callers found out while they read and wrote.
#[derive(Default)]
struct Found {
    /// The transactions that were answered with 201, by key.
    posted: BTreeMap<String, String>,
    /// The writes that got no answer, or one that leaves open what happened.
    open: Vec<String>,
}

/// A deployment as `docker-compose.yml` describes it.
struct Deployment {
    pair: Pair,
    running: [Option<Running>; 2],
    proxy: Proxy,
    _redis: RedisServer,
}

impl Deployment {
    async fn start() -> Self {
        let redis = RedisServer::start();
        let settings = [("TRUSTED_PROXIES", "127.0.0.1"), ("RATE_LIMITS", "off"), ("DRAIN_TIME", "4s")];
        let pair = Pair::with_redis(&redis, &settings);
        pair.have_user("root", Role::Admin);
        pair.have_asset_type("GOLD");
        let running = pair.serve().map(Some);
        let proxy = Proxy::before(pair.installations.each_ref().map(Installation::port));
        let deployment = Self { pair, running, proxy, _redis: redis };
        deployment.until_served().await;
        deployment
    }

    /// Waits until the proxy sends requests to both instances.
    async fn until_served(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut in_a_row = 0;
        while in_a_row < 20 {
            assert!(Instant::now() < deadline, "the proxy serves");
            let answer = Client::new().get(format!("{}/health/ready", self.proxy.url())).send().await;
            in_a_row = if answer.is_ok_and(|answer| answer.status() == 200) { in_a_row + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Reads and writes through the proxy while something happens.
    async fn while_loaded(&mut self, happens: impl AsyncFnOnce(&mut Self)) -> Found {
        let root = Caller::sign_in(&Client::new(), &self.proxy.url(), "root", PASSWORD).await;
        let goes_on = Arc::new(AtomicBool::new(true));
        let mut callers = JoinSet::new();
        for _ in 0..8 {
            callers.spawn(read_and_write(root.clone(), Arc::clone(&goes_on)));
        }
        happens(self).await;
        goes_on.store(false, Ordering::Relaxed);
        let mut found = Found::default();
        for one in callers.join_all().await {
            found.posted.extend(one.posted);
            found.open.extend(one.open);
        }
        for key in std::mem::take(&mut found.open) {
            let answer: Value = send(gift(&root, &key)).await.json().await.unwrap();
            found.posted.insert(key.clone(), answer["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned());
            found.open.push(key);
        }
        found
    }

    /// All that was answered is there, once, and the books balance.
    fn check(&self, found: &Found) {
        let mut conn = self.pair.database.connect();
        assert!(verify(&mut conn, |_, _| {}).unwrap().is_clean());
        let posted = i64::try_from(found.posted.len()).unwrap();
        assert!(posted > 50, "{posted}");
        assert_eq!(count(&mut conn, "transactions"), posted);
    }
}

/// A bonus of one for the caller, under a key.
fn gift(caller: &Caller, key: &str) -> RequestBuilder {
    let body = json!({"type": "bonus", "asset_type": "GOLD", "amount": "1"});
    caller.post("/transactions").header("idempotency-key", key).json(&body)
}

async fn read_and_write(caller: Caller, goes_on: Arc<AtomicBool>) -> Found {
    let mut found = Found::default();
    while goes_on.load(Ordering::Relaxed) {
        let read = send(caller.get("/me")).await;
        assert_eq!(read.status(), 200, "no read fails");
        let key = Uuid::new_v4().to_string();
        match gift(&caller, &key).send().await {
            Ok(answer) if answer.status() == 201 => {
                let answer: Value = answer.json().await.unwrap();
                found.posted.insert(key, answer["id"].as_str().unwrap().to_owned());
            }
            Ok(answer) => {
                assert!([502, 503, 504].contains(&answer.status().as_u16()), "{}", answer.status());
                found.open.push(key);
            }
            Err(_) => found.open.push(key),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_killed_under_load_costs_no_read_and_no_money() {
    let mut deployment = Deployment::start().await;
    let found = deployment
        .while_loaded(async |deployment| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            deployment.running[0].take().unwrap().kill();
            tokio::time::sleep(Duration::from_secs(4)).await;
        })
        .await;
    deployment.check(&found);
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_replaced_one_by_one_under_load_and_nothing_fails() {
    let mut deployment = Deployment::start().await;
    let found = deployment
        .while_loaded(async |deployment| {
            for number in [0, 1] {
                let mut old = deployment.running[number].take().unwrap();
                old.signal(Signal::TERM);
                let ended = tokio::task::spawn_blocking(move || old.exit(Duration::from_secs(60)));
                assert_eq!(ended.await.unwrap().code(), Some(0));
                deployment.running[number] = Some(deployment.pair.installations[number].serve(&["serve", "--no-demo"]));
                // The proxy asks twice before it believes.
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
        })
        .await;
    assert_eq!(found.open, Vec::<String>::new(), "every request was answered");
    deployment.check(&found);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_taken_under_load_restores_to_books_that_balance() {
    let mut deployment = Deployment::start().await;
    let restored = cluster().empty_database();
    let found = deployment
        .while_loaded(async |deployment| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (from, to) = (deployment.pair.database.url.clone(), restored.url.clone());
            let saved = tokio::task::spawn_blocking(move || {
                let mut dump = tool("pg_dump");
                let mut dump =
                    dump.args(["--format=custom", "--dbname", &from]).stdout(Stdio::piped()).spawn().unwrap();
                let mut restore = tool("pg_restore");
                restore.args(["--no-owner", "--exit-on-error", "--single-transaction", "--dbname", &to]);
                let restored = restore.stdin(dump.stdout.take().unwrap()).status().unwrap();
                (dump.wait().unwrap().success(), restored.success())
            });
            assert_eq!(saved.await.unwrap(), (true, true));
        })
        .await;
    deployment.check(&found);
    let installation = &deployment.pair.installations[0];
    let mut command = installation.command(&["verify"]);
    let said = command.env("DATABASE_NAME", restored.name()).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success() && text.contains("The books balance."), "{text}");
    let restored = count(&mut restored.connect(), "transactions");
    assert!((1..=i64::try_from(found.posted.len()).unwrap()).contains(&restored), "{restored}");
}

/// A program of PostgreSQL, which Debian keeps out of `PATH`.
fn tool(name: &str) -> Command {
    let beside_the_server = Binaries::find(None).expect("PostgreSQL is installed").path(name);
    if beside_the_server.is_file() { Command::new(beside_the_server) } else { Command::new(name) }
}
