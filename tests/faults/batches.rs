//! A batch that was on its way when Coffer was killed is there as a whole or not at all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::api::{Caller, count};
use crate::support::program::{Installation, eventually};
use crate::{Fate, PASSWORD, answer_to, installation, until_served};

/// How many movements a batch has; it brings a cent more than it takes.
const ITEMS: usize = 61;

/// How many batches are sent at once, and how many are answered before the fault and again after it.
const SENDERS: usize = 12;
const ANSWERED: usize = 30;

/// An admin who sends batches, and what it remembers.
struct Batches {
    admin: Caller,
    mode: &'static str,
    health: String,
    next: AtomicUsize,
    over: AtomicBool,
    posted: AtomicUsize,
    fates: Mutex<BTreeMap<usize, Fate>>,
}

impl Batches {
    async fn prepare(installation: &Installation, mode: &'static str) -> Arc<Self> {
        let base = installation.url();
        Arc::new(Self {
            admin: Caller::sign_in(&Client::new(), &base, "admin", PASSWORD).await,
            mode,
            health: format!("{base}/health/ready"),
            next: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            posted: AtomicUsize::new(0),
            fates: Mutex::new(BTreeMap::new()),
        })
    }

    /// Cents that come and go, of the wallets of all batches alike.
    fn body(&self, number: usize) -> Value {
        let items = (0..ITEMS).map(|item| {
            json!({
                "type": if item % 2 == 0 { "bonus" } else { "spend" }, "user": "user_bob", "asset_type": "CASH",
                "amount": "0.01", "description": format!("batch {number}"),
            })
        });
        json!({"mode": self.mode, "transactions": items.collect::<Vec<_>>(), "idempotency_key": format!("b{number}")})
    }

    async fn send(&self, number: usize) -> Fate {
        let request = self.admin.post("/transactions/batch").json(&self.body(number));
        let (status, body) = match answer_to(request).await {
            Ok(answer) => answer,
            Err(fate) => return fate,
        };
        match (status, body["code"].as_str()) {
            (200 | 201, _) => {
                let items = body["data"].as_array().unwrap();
                assert!(items.len() == ITEMS && items.iter().all(|item| item["status"] == 201), "{body}");
                Fate::Won(items.iter().map(|item| item["transaction"]["id"].as_str().unwrap()).collect())
            }
            _ => panic!("{status} {body}"),
        }
    }

    async fn send_on(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let fate = self.send(number).await;
            let answered = matches!(fate, Fate::Won(_));
            self.posted.fetch_add(usize::from(answered), Ordering::Relaxed);
            self.fates.lock().unwrap().insert(number, fate);
            if !answered {
                until_served(&self.health, &self.over).await;
            }
        }
    }

    fn until_more_are_answered(&self) {
        let goal = self.posted.load(Ordering::Relaxed) + ANSWERED;
        eventually("batches are answered", || self.posted.load(Ordering::Relaxed) >= goal);
    }

    /// Fails unless every batch is there as a whole or not at all, as it was answered; then repeats
    /// all, and fails unless every one is there once.
    async fn settle(&self, installation: &Installation) {
        let fates = self.fates.lock().unwrap().clone();
        let mut conn = installation.connect();
        let mut posted =
            |number: usize| count(&mut conn, &format!("transactions where description = 'batch {number}'"));
        let all = i64::try_from(ITEMS).unwrap();
        for (number, fate) in &fates {
            let found = posted(*number);
            match fate {
                Fate::Won(_) => assert_eq!(found, all, "batch {number} was answered"),
                Fate::Unknown(_) => assert!(found == 0 || found == all, "batch {number} is torn: {found}"),
                _ => assert_eq!(found, 0, "batch {number}: {fate:?}"),
            }
        }
        for (number, fate) in &fates {
            let again = self.send(*number).await;
            let Fate::Won(_) = again else { panic!("batch {number} sent again: {again:?}") };
            assert!(!matches!(fate, Fate::Won(_)) || again == *fate, "batch {number} is answered as before");
            assert_eq!(posted(*number), all, "batch {number} is there once");
        }
        let batches = i64::try_from(fates.len()).unwrap();
        assert_eq!(count(&mut conn, "transactions where description like 'batch %'"), batches * all);
        assert_eq!(count(&mut conn, "idempotency_keys where item = 0"), batches);
        let verified = installation.run(&["verify"]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
    }
}

async fn killed_under_load(mode: &'static str) {
    let installation = installation();
    let running = installation.serve(&[]);
    let batches = Batches::prepare(&installation, mode).await;
    let mut tasks = JoinSet::new();
    for _ in 0..SENDERS {
        let batches = Arc::clone(&batches);
        tasks.spawn(async move { batches.send_on().await });
    }
    batches.until_more_are_answered();
    running.kill();
    let running = installation.serve(&[]);
    batches.until_more_are_answered();
    batches.over.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    let unknown = |fate: &&Fate| matches!(fate, Fate::Unknown(_));
    assert!(batches.fates.lock().unwrap().values().filter(unknown).count() > 0, "no batch was on its way");
    batches.settle(&installation).await;
    running.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_atomic_batch_survives_the_end_of_coffer_as_a_whole_or_not_at_all() {
    killed_under_load("atomic").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_movements_each_on_its_own_survives_the_end_of_coffer_too() {
    killed_under_load("independent").await;
}
