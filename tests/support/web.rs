//! Coffer's web on a port of its own, with a database of its own, as scripts and browsers meet it.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use actix_web::dev::ServerHandle;
use chrono::{SubsecRound, TimeDelta, Utc};
use coffer::config::{Bounds, Networks, Scrapers};
use coffer::domain::{AssetType, AssetTypeCode, Balance, Login, Role, Scale};
use coffer::ephemeral::{Rates, Throttles};
use coffer::error::Result;
use coffer::jobs::Jobs;
use coffer::ledger::{Clock, Ledger, Settings};
use coffer::passwords::{Passwords, hash_here};
use coffer::repo::doorkeeper::Doorkeeper;
use coffer::repo::users::NewUser;
use coffer::repo::{self, Db, asset_types, users};
use coffer::web::{self, Drain, Parts};
use diesel::PgConnection;
use diesel::connection::{Connection, InstrumentationEvent, SimpleConnection};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use scraper::{Html, Selector};
use serde_json::{Value, json};

use super::cluster::{Database, cluster};

/// The secret of all test installations.
pub const SECRET: &str = "a secret that is only good enough for tests";

/// The password of all users of the tests.
pub const PASSWORD: &str = "three quiet walruses";

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
    database: Database,
}

impl Web {
    /// A web server as a plain installation has it.
    pub fn start() -> Self {
        Self::start_at("http://localhost")
    }

    /// A web server whose users type `public_url`.
    pub fn start_at(public_url: &str) -> Self {
        Self::start_with(public_url, Some(Rates::default()))
    }

    /// A web server that lets everybody guess and register as often as they like.
    pub fn start_unthrottled() -> Self {
        Self::start_with("http://localhost", None)
    }

    /// A web server with these limits; none: without any.
    pub fn start_with(public_url: &str, rates: Option<Rates>) -> Self {
        let database = cluster().new_database();
        let db = Db::new(&database.url, 8);
        let late_by_seconds = Arc::new(AtomicI64::new(0));
        let late = Arc::clone(&late_by_seconds);
        // As fine as the application's own.
        let now = || Utc::now().trunc_subsecs(6);
        let clock: Clock = Arc::new(move || now() + TimeDelta::seconds(late.load(Ordering::Relaxed)));
        let settings = Settings { address: (&database.url).into(), threads: 1, batch_max: 64 };
        let ledger = Arc::new(Ledger::start(&settings, &clock).expect("threads"));
        let jobs = Jobs::start(&db, &clock, public_url, None);
        let parts = Parts {
            db: db.clone(),
            doorkeeper: Doorkeeper::start(&database.url).expect("threads"),
            ledger: Arc::clone(&ledger),
            passwords: Arc::new(Passwords::start(COST).expect("threads")),
            secret: SECRET.to_owned(),
            previous_secret: None,
            throttles: Throttles::new(rates, &clock, None),
            redis: None,
            trusted_proxies: Networks::default(),
            scrapers: Scrapers::default(),
            bounds: Bounds::default(),
            drain: Drain::default(),
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
        Self { address, db, late_by_seconds, server, thread: Some(thread), jobs: Some(jobs), ledger, database }
    }

    /// The whole address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// How its database is reached.
    pub fn conninfo(&self) -> &str {
        &self.database.url
    }

    /// The name of its database in the server.
    pub fn database_name(&self) -> &str {
        self.database.name()
    }

    /// Moves the application's clock ahead.
    pub fn wait_seconds(&self, seconds: i64) {
        self.late_by_seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Lets the jobs that are running end, and starts no more.
    pub fn stop_jobs(&mut self) {
        drop(self.jobs.take());
    }

    /// Takes the database away: its connections end and no new ones are let in.
    pub fn lose_database(&self) {
        let name = self.database.name();
        let mut server = cluster().connect();
        server.batch_execute(&format!("alter database {name} with allow_connections false")).unwrap();
        let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
        server.batch_execute(&end).unwrap();
    }

    /// An asset type that users cannot transfer.
    pub fn have_asset_type(&self, code: &str, name: &str, scale: u8) {
        let asset_type = AssetType {
            code: AssetTypeCode::parse(code).unwrap(),
            name: name.to_owned(),
            scale: Scale(scale),
            minimum_balance: Balance::zero(),
            transferable: false,
            created_at: Utc::now(),
        };
        self.db.run_here(|conn| asset_types::ensure(conn, &asset_type)).unwrap();
    }

    /// A user with [`PASSWORD`].
    pub fn have_user(&self, username: &str, role: Role) {
        self.have_user_since(username, role, COST);
    }

    /// A user with [`PASSWORD`], hashed at a cost that may not be today's.
    pub fn have_user_since(&self, username: &str, role: Role, cost: u32) {
        let login = Login::username(username).expect("a username");
        let password_hash = hash_here(PASSWORD, cost).expect("a hash");
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

/// Posts a JSON body.
pub async fn post(web: &Web, path: &str, body: Value) -> Response {
    send(Client::new().post(web.url(path)).json(&body)).await
}

/// Tokens of a user who has [`PASSWORD`].
pub async fn sign_in(web: &Web, login: &str) -> Value {
    let answer = post(web, "/api/v1/auth/login", json!({"login": login, "password": PASSWORD})).await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// Status and code of a problem, which must be a well-formed one.
pub async fn problem(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let body: Value = answer.json().await.unwrap();
    assert_eq!((&body["status"], &body["request_id"]), (&json!(status), &json!(id)), "{body}");
    assert!(body["title"].is_string() && body["detail"].is_string() && body["type"] == "about:blank", "{body}");
    (status, body["code"].as_str().unwrap().to_owned())
}

/// The status and code that are expected.
pub fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// The texts of all elements that a selector chooses.
pub fn texts(html: &str, selector: &str) -> Vec<String> {
    let texts = Html::parse_document(html);
    let chosen = Selector::parse(selector).unwrap();
    texts.select(&chosen).map(|element| element.text().collect::<String>().trim().to_owned()).collect()
}

/// The value of a field of a form.
pub fn value(html: &str, name: &str) -> Option<String> {
    let page = Html::parse_document(html);
    let field = Selector::parse(&format!("main input[name={name}]")).unwrap();
    page.select(&field).next().and_then(|element| element.attr("value").map(str::to_owned))
}

/// A page's text.
pub async fn page(web: &Web, browser: &Client, path: &str) -> String {
    send(browser.get(web.url(path))).await.text().await.unwrap()
}

/// Sends a form with this browser's token.
pub async fn submit(web: &Web, browser: &Client, path: &str, fields: &[(&str, &str)]) -> Response {
    let html = page(web, browser, "/login").await;
    let html = if html.is_empty() { page(web, browser, "/nowhere").await } else { html };
    let document = Html::parse_document(&html);
    let token = Selector::parse("input[name=csrf_token]").unwrap();
    let token = document.select(&token).next().and_then(|input| input.attr("value")).unwrap().to_owned();
    let fields: Vec<_> = fields.iter().copied().chain([("csrf_token", token.as_str())]).collect();
    send(browser.post(web.url(path)).form(&fields)).await
}

/// How many statements a verb of the repo sends, beside those that begin and end its transaction.
pub fn queries<T>(web: &Web, verb: impl FnOnce(&mut PgConnection) -> Result<T>) -> (T, usize) {
    let mut conn = repo::connect(web.conninfo()).unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let query = query.to_string().to_ascii_lowercase();
            let frames = ["begin", "commit", "rollback"].iter().any(|word| query.starts_with(word));
            counter.fetch_add(usize::from(!frames), Ordering::Relaxed);
        }
    });
    let found = verb(&mut conn).unwrap();
    (found, count.load(Ordering::Relaxed))
}
