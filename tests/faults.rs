//! What was answered with 201 survives whatever is killed in the middle of a load, and happened
//! once; what was not can be sent again.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

mod support;

#[path = "faults/batches.rs"]
mod batches;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use rustix::process::{Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use support::api::{CONNECTIONS, Caller, count, text};
use support::program::{Installation, eventually};
use support::web::send;
use tokio::task::JoinSet;

const PASSWORD: &str = "three quiet walruses";

/// How many users there are, and how many credits for them.
const USERS: usize = 16;
const CREDITS: usize = 10_000;

/// How many claims are answered before the fault, and again after it.
const CLAIMS: usize = 300;

/// What became of one attempt, as the client knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// 201, by this transaction.
    Won(String),
    /// 409: the other one had it.
    Lost,
    /// 503 with the promise that nothing was done.
    NothingDone,
    /// Nobody listened, so nothing can have been done.
    Refused,
    /// No answer, or one that says that it is unknown.
    Unknown(String),
}

/// The status and the body that a request is answered with, unless they say nothing of what it is
/// about.
async fn answer_to(request: RequestBuilder) -> Result<(u16, Value), Fate> {
    let answer = request.timeout(Duration::from_secs(20)).send().await.map_err(|error| match error.is_connect() {
        true => Fate::Refused,
        false => Fate::Unknown(format!("{error:?}")),
    })?;
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.map_err(|error| Fate::Unknown(format!("{status} {error:?}")))?;
    match (status, body["code"].as_str()) {
        (503, Some("database_unavailable" | "overloaded")) => Err(Fate::NothingDone),
        (503, Some("commit_unknown")) => Err(Fate::Unknown("commit_unknown".to_owned())),
        _ => Ok((status, body)),
    }
}

/// Waits for a server that is away, unless all is over.
async fn until_served(health: &str, over: &AtomicBool) {
    let is_served = async || {
        let asked = Client::new().get(health).timeout(Duration::from_secs(2)).send().await;
        asked.is_ok_and(|answer| answer.status() == 200)
    };
    while !over.load(Ordering::Relaxed) && !is_served().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every credit is tried twice, by two users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Attempt(usize);

impl Attempt {
    fn user(self) -> usize {
        (self.0 / 2 + self.0 % 2 * (USERS / 2)) % USERS
    }

    fn key(self) -> String {
        format!("attempt-{}", self.0)
    }
}

/// A crowd that claims, and what it remembers.
struct Load {
    users: Vec<Caller>,
    credits: Vec<i64>,
    health: String,
    next: AtomicUsize,
    over: AtomicBool,
    won: AtomicUsize,
    fates: Mutex<BTreeMap<Attempt, Fate>>,
}

impl Load {
    /// Registers the users and creates the credits.
    async fn prepare(installation: &Installation) -> Arc<Self> {
        let (client, base) = (Client::new(), installation.url());
        let admin = Caller::sign_in(&client, &base, "admin", PASSWORD).await;
        let mut users = Vec::new();
        for number in 0..USERS {
            let body = json!({"username": format!("claimer_{number}"), "password": PASSWORD});
            assert_eq!(send(client.post(format!("{base}/api/v1/auth/register")).json(&body)).await.status(), 201);
            users.push(Caller::sign_in(&client, &base, &format!("claimer_{number}"), PASSWORD).await);
        }
        Arc::new(Self {
            users,
            credits: admin.issue(CREDITS, "CASH", "0.25").await,
            health: format!("{base}/health/ready"),
            next: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            won: AtomicUsize::new(0),
            fates: Mutex::new(BTreeMap::new()),
        })
    }

    fn credit(&self, attempt: Attempt) -> i64 {
        self.credits[attempt.0 / 2]
    }

    async fn send(&self, attempt: Attempt) -> Fate {
        let request = self.users[attempt.user()].claim(self.credit(attempt)).header("idempotency-key", attempt.key());
        let (status, body) = match answer_to(request).await {
            Ok(answer) => answer,
            Err(fate) => return fate,
        };
        match (status, body["code"].as_str()) {
            (201, _) => Fate::Won(text(&body["claim"]["transaction_id"])),
            (409, Some("already_claimed")) => Fate::Lost,
            _ => panic!("{status} {body}"),
        }
    }

    /// Claims one credit after the other, waiting for the server where it is away.
    async fn claim_on(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let attempt = Attempt(self.next.fetch_add(1, Ordering::Relaxed));
            assert!(attempt.0 / 2 < CREDITS, "more credits are needed");
            let fate = self.send(attempt).await;
            if matches!(fate, Fate::Won(_)) {
                self.won.fetch_add(1, Ordering::Relaxed);
            }
            let answered = matches!(fate, Fate::Won(_) | Fate::Lost);
            self.fates.lock().unwrap().insert(attempt, fate);
            if !answered {
                until_served(&self.health, &self.over).await;
            }
        }
    }

    fn start(self: &Arc<Self>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let load = Arc::clone(self);
            tasks.spawn(async move { load.claim_on().await });
        }
        tasks
    }

    /// Lets it run until so many more claims are answered.
    fn until_more_claims(&self) {
        let goal = self.won.load(Ordering::Relaxed) + CLAIMS;
        eventually("claims are answered", || self.won.load(Ordering::Relaxed) >= goal);
    }

    async fn finish(&self, tasks: JoinSet<()>) {
        self.over.store(true, Ordering::Relaxed);
        tasks.join_all().await;
    }

    /// Every user's claims: credit to transaction.
    async fn claims(&self) -> Vec<BTreeMap<i64, String>> {
        let mut claims = Vec::new();
        for user in &self.users {
            let rows = user.walk("/claims?limit=200").await;
            let found: BTreeMap<_, _> =
                rows.iter().map(|row| (row["asset_id"].as_i64().unwrap(), text(&row["transaction_id"]))).collect();
            assert_eq!(found.len(), rows.len(), "a credit is listed twice");
            claims.push(found);
        }
        claims
    }

    /// Compares what was answered with what is there, repeats what was not answered, and proves the
    /// books.
    async fn settle(&self, installation: &Installation) {
        let fates = self.fates.lock().unwrap().clone();
        let claims = self.claims().await;
        for (attempt, fate) in &fates {
            let found = claims[attempt.user()].get(&self.credit(*attempt));
            match fate {
                Fate::Won(transaction) => assert_eq!(found, Some(transaction), "{attempt:?} was answered with 201"),
                Fate::Lost | Fate::NothingDone | Fate::Refused => assert_eq!(found, None, "{attempt:?}: {fate:?}"),
                Fate::Unknown(_) => {}
            }
        }
        let unanswered = |fate: &Fate| !matches!(fate, Fate::Won(_) | Fate::Lost);
        for attempt in fates.iter().filter(|(_, fate)| unanswered(fate)).map(|(attempt, _)| *attempt) {
            let again = self.send(attempt).await;
            let found = claims[attempt.user()].get(&self.credit(attempt));
            match (&again, found) {
                (Fate::Won(transaction), Some(found)) => assert_eq!(transaction, found, "it had happened"),
                (Fate::Won(_) | Fate::Lost, None) => {}
                _ => panic!("{attempt:?} sent again: {again:?}, but found was {found:?}"),
            }
        }
        let claims = self.claims().await;
        let owned: Vec<i64> = claims.iter().flat_map(|claims| claims.keys().copied()).collect();
        let distinct: BTreeSet<i64> = owned.iter().copied().collect();
        assert_eq!(distinct.len(), owned.len(), "a credit has two owners");
        let tried: BTreeSet<i64> = fates.keys().map(|attempt| self.credit(*attempt)).collect();
        assert_eq!(distinct, tried, "all that was tried has an owner");
        let rows = i64::try_from(owned.len()).unwrap();
        let mut conn = installation.connect();
        assert_eq!((count(&mut conn, "claims"), count(&mut conn, "transactions where type = 'claim'")), (rows, rows));
        let verified = installation.run(&["verify"]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
    }

    fn count(&self, wanted: impl Fn(&Fate) -> bool) -> usize {
        self.fates.lock().unwrap().values().filter(|fate| wanted(fate)).count()
    }
}

fn installation() -> Installation {
    Installation::new().with("DEMO_PASSWORD", PASSWORD).with("LOG_LEVEL", "warn,coffer=info")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_the_end_of_coffer() {
    let installation = installation();
    let running = installation.serve(&[]);
    let load = Load::prepare(&installation).await;
    let tasks = load.start();
    load.until_more_claims();
    let postmaster = installation.postmaster().unwrap();
    running.kill();
    assert_eq!(installation.postmaster(), Some(postmaster), "PostgreSQL goes on");
    let running = installation.serve(&[]);
    assert_eq!(installation.postmaster(), Some(postmaster), "and is taken over");
    load.until_more_claims();
    load.finish(tasks).await;
    assert!(load.count(|fate| matches!(fate, Fate::Unknown(_))) > 0, "no request was on its way");
    load.settle(&installation).await;
    running.stop();
    assert_eq!(installation.postmaster(), None, "what was taken over is stopped with Coffer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_the_end_of_postgresql_and_coffer_goes_on() {
    let installation = installation();
    let mut running = installation.serve(&[]);
    let load = Load::prepare(&installation).await;
    let tasks = load.start();
    for _ in 0..2 {
        load.until_more_claims();
        let postmaster = installation.postmaster().unwrap();
        kill_process(postmaster, Signal::KILL).unwrap();
        eventually("another server runs", || installation.postmaster().is_some_and(|pid| pid != postmaster));
        let won = load.won.load(Ordering::Relaxed);
        eventually("claims are answered again", || load.won.load(Ordering::Relaxed) > won);
    }
    load.until_more_claims();
    load.finish(tasks).await;
    assert!(running.is_alive());
    load.settle(&installation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_the_end_of_everything_at_once() {
    let installation = installation();
    let running = installation.serve(&[]);
    let load = Load::prepare(&installation).await;
    let tasks = load.start();
    load.until_more_claims();
    let all = installation.server_processes();
    assert!(all.len() > 3, "{all:?}");
    running.signal(Signal::KILL);
    for pid in &all {
        // One that has ended by itself is as good.
        let _ = kill_process(*pid, Signal::KILL);
    }
    running.kill();
    eventually("nothing runs", || all.iter().all(|pid| test_kill_process(*pid).is_err()));
    let running = installation.serve(&[]);
    load.until_more_claims();
    load.finish(tasks).await;
    load.settle(&installation).await;
    running.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_it_has_begun_begins_no_more_and_then_ends_all() {
    let installation = installation();
    let mut running = installation.serve(&[]);
    let load = Load::prepare(&installation).await;
    let tasks = load.start();
    load.until_more_claims();
    let server = installation.server_processes();
    running.signal(Signal::TERM);
    let status = running.exit(Duration::from_secs(30));
    assert_eq!(status.code(), Some(0), "{}", running.log());
    assert!(server.iter().all(|pid| test_kill_process(*pid).is_err()), "PostgreSQL is stopped");
    load.finish(tasks).await;
    assert!(load.count(|fate| *fate == Fate::Refused) > 0, "all noticed");
    // A request that came as its connection was being closed was not begun.
    for fate in load.fates.lock().unwrap().values_mut().filter(|fate| matches!(fate, Fate::Unknown(_))) {
        *fate = Fate::Refused;
    }
    let _running = installation.serve(&[]);
    load.settle(&installation).await;
}
