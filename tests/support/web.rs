//! Coffer's web on a port of its own, with a database of its own, as scripts and browsers meet it.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails loudly")]

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use actix_web::dev::ServerHandle;
use chrono::{TimeDelta, Utc};
use coffer::domain::{Login, Role};
use coffer::jobs::Jobs;
use coffer::ledger::{Clock, Ledger, Settings};
use coffer::passwords::{Passwords, hash_here};
use coffer::repo::users::NewUser;
use coffer::repo::{Db, users};
use coffer::web::{self, Parts};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};

use super::cluster::{Database, cluster};

/// The secret of all test installations.
pub const SECRET: &str = "a secret that is only good enough for tests";

/// The least that bcrypt can do, so that tests are quick.
const COST: u32 = 4;

/// A running web server. Dropping it stops it and removes its database.
pub struct Web {
    address: String,
    /// Its database.
    pub db: Db,
    late_by_seconds: Arc<AtomicI64>,
    server: ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
    jobs: Option<Jobs>,
    ledger: Arc<Ledger>,
    _database: Database,
}

impl Web {
    /// A web server as a plain installation has it.
    pub fn start() -> Self {
        Self::start_at("http://localhost")
    }

    /// A web server whose users type `public_url`.
    pub fn start_at(public_url: &str) -> Self {
        let database = cluster().new_database();
        let db = Db::new(&database.url, 8);
        let late_by_seconds = Arc::new(AtomicI64::new(0));
        let late = Arc::clone(&late_by_seconds);
        let clock: Clock = Arc::new(move || Utc::now() + TimeDelta::seconds(late.load(Ordering::Relaxed)));
        let settings = Settings { conninfo: database.url.clone(), threads: 1, batch_max: 64 };
        let ledger = Arc::new(Ledger::start(&settings, &clock).expect("threads"));
        let jobs = Jobs::start(&db, &clock);
        let parts = Parts {
            db: db.clone(),
            ledger: Arc::clone(&ledger),
            passwords: Arc::new(Passwords::start(COST).expect("threads")),
            secret: SECRET.to_owned(),
            clock,
            public_url: public_url.to_owned(),
            jobs: jobs.runs(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = web::serve(listener, parts).expect("the web starts");
                tell.send(server.handle()).expect("the test waits");
                server.await.expect("the web runs");
            });
        });
        let server = told.recv().expect("the web starts");
        Self {
            address,
            db,
            late_by_seconds,
            server,
            thread: Some(thread),
            jobs: Some(jobs),
            ledger,
            _database: database,
        }
    }

    /// The whole address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Moves the application's clock ahead.
    pub fn wait_seconds(&self, seconds: i64) {
        self.late_by_seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// A user of the tests, with a password.
    pub fn have_user(&self, username: &str, password: &str, role: Role) {
        let login = Login::username(username).expect("a username");
        let password_hash = hash_here(password, COST).expect("a hash");
        let new = NewUser { external_id: None, logins: vec![login], password_hash, role };
        self.db.run_here(|conn| users::register(conn, &new)).expect("a user");
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        drop(self.server.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        drop(self.jobs.take());
        self.ledger.stop();
    }
}

/// Someone with a cookie jar who does not follow redirects.
pub fn browser() -> Client {
    Client::builder().cookie_store(true).redirect(Policy::none()).build().expect("a client")
}

/// Sends a request that must be answered.
pub async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}
