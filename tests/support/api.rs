//! The API as scripts call it: callers who hold a token, credits to claim, and the proof of the
//! books at the end.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

use std::sync::mpsc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bigdecimal::{BigDecimal, Zero};
use coffer::domain::Role;
use coffer::jobs::{EXPIRY_LOCK, FIGURES_LOCK};
use coffer::ledger::verify::verify;
use coffer::repo::{Db, locks};
use diesel::deserialize::QueryableByName;
use diesel::sql_types::BigInt;
use diesel::{PgConnection, RunQueryDsl};
use futures::StreamExt;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::web::{PASSWORD, Web, send};

/// How many connections a crowd of callers uses at once.
pub const CONNECTIONS: usize = 64;

/// Someone who calls the API, and proves in the same way each time who it is.
#[derive(Debug, Clone)]
pub struct Caller {
    client: Client,
    base: String,
    /// The value of that header.
    pub authorization: String,
    /// The public name.
    pub name: String,
}

impl Caller {
    /// Signs in at the server with the address `base`.
    pub async fn sign_in(client: &Client, base: &str, login: &str, password: &str) -> Self {
        let body = json!({"login": login, "password": password});
        let answer = send(client.post(format!("{base}/api/v1/auth/login")).json(&body)).await;
        assert_eq!(answer.status(), 200, "{login} signs in");
        let answer: Value = answer.json().await.unwrap();
        Self {
            client: client.clone(),
            base: base.to_owned(),
            authorization: format!("Bearer {}", text(&answer["access_token"])),
            name: text(&answer["user"]["id"]),
        }
    }

    /// The same caller by another `Authorization`.
    pub fn by(&self, authorization: String) -> Self {
        Self { authorization, ..self.clone() }
    }

    /// The same caller by login and password.
    pub fn by_password(&self, login: &str, password: &str) -> Self {
        self.by(format!("Basic {}", STANDARD.encode(format!("{login}:{password}"))))
    }

    /// The same caller by an API key, which it makes with `body`.
    pub async fn by_api_key(&self, body: &Value) -> Self {
        let answer = send(self.post("/me/api-keys").json(body)).await;
        assert_eq!(answer.status(), 201, "{body}");
        let answer: Value = answer.json().await.unwrap();
        self.by(format!("Bearer {}", text(&answer["secret"])))
    }

    /// A request to a path below `/api/v1`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/api/v1{path}", self.base)).header("authorization", &self.authorization)
    }

    /// A request to a path below `/api/v1`.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A request to a path below `/api/v1`.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// A request to a path below `/api/v1`.
    pub fn delete(&self, path: &str) -> RequestBuilder {
        self.request(Method::DELETE, path)
    }

    /// The request that claims an asset.
    pub fn claim(&self, asset: i64) -> RequestBuilder {
        self.post(&format!("/assets/{asset}/claim"))
    }

    /// What stands at a path, which must be there.
    pub async fn read(&self, path: &str) -> Value {
        let answer = send(self.get(path)).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// All rows of a list, page by page. The path has a question mark already.
    pub async fn walk(&self, path: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut page = self.read(path).await;
        loop {
            rows.append(page["data"].as_array_mut().unwrap());
            let Some(cursor) = page["next_cursor"].as_str() else { return rows };
            page = self.read(&format!("{path}&cursor={cursor}")).await;
        }
    }

    /// The balance in one asset type.
    pub async fn balance(&self, code: &str) -> String {
        text(&self.read(&format!("/users/me/balances/{code}")).await["balance"])
    }

    /// As an admin: creates assets and returns them.
    pub async fn create(&self, body: &Value) -> Vec<Value> {
        let answer = send(self.post("/admin/assets").json(body)).await;
        assert_eq!(answer.status(), 201, "{body}");
        let mut answer: Value = answer.json().await.unwrap();
        std::mem::take(answer["data"].as_array_mut().unwrap())
    }

    /// As an admin: creates promotional credits and returns their ids.
    pub async fn issue(&self, quantity: usize, asset_type: &str, amount: &str) -> Vec<i64> {
        let assets = self.create(&credit(quantity, asset_type, amount)).await;
        assert_eq!(assets.len(), quantity);
        assets.iter().map(id).collect()
    }
}

/// What an admin sends to create credits.
pub fn credit(quantity: usize, asset_type: &str, amount: &str) -> Value {
    json!({
        "title": "Festive Cashback", "kind": "promotional", "asset_type": asset_type, "amount": amount,
        "quantity": quantity,
    })
}

/// The id of an asset.
pub fn id(asset: &Value) -> i64 {
    asset["id"].as_i64().unwrap()
}

/// A JSON string's text.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A web server with the asset types GOLD (two decimals) and PTS (none), and its admin.
pub async fn web_with_admin() -> (Web, Caller) {
    furnished(Web::start()).await
}

/// A web server with what [`web_with_admin`] has.
pub async fn furnished(web: Web) -> (Web, Caller) {
    web.have_asset_type("GOLD", "Gold Coins", 2);
    web.have_asset_type("PTS", "Loyalty Points", 0);
    let admin = caller(&web, "root", Role::Admin).await;
    (web, admin)
}

/// A new user of the web server, signed in.
pub async fn caller(web: &Web, username: &str, role: Role) -> Caller {
    web.have_user(username, role);
    Caller::sign_in(&Client::new(), &web.url(""), username, PASSWORD).await
}

/// Many new users, signed in, who share their connections.
pub async fn crowd(web: &Web, count: usize) -> Vec<Caller> {
    let client = Client::new();
    let names = (0..count).map(|number| format!("user_{number}"));
    futures::stream::iter(names)
        .map(async |name| {
            web.have_user(&name, Role::User);
            Caller::sign_in(&client, &web.url(""), &name, PASSWORD).await
        })
        .buffered(8)
        .collect()
        .await
}

/// Proves the books.
pub fn audit(web: &Web) {
    let verdict = web.db.run_here(|conn| verify(conn, |_, _| {})).unwrap();
    assert!(verdict.is_clean(), "{verdict:#?}");
}

/// Keeps the expiry job from running, until the sender that it returns is dropped.
pub fn hold_expiry(db: &Db) -> mpsc::Sender<()> {
    hold(db, EXPIRY_LOCK)
}

/// Keeps the job of the figures from running, until the sender that it returns is dropped.
pub fn hold_figures(db: &Db) -> mpsc::Sender<()> {
    hold(db, FIGURES_LOCK)
}

fn hold(db: &Db, lock: i64) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel();
    let (tell, held) = mpsc::channel();
    let db = db.clone();
    std::thread::spawn(move || {
        let hold = || {
            tell.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        };
        while locks::run_alone(&db, lock, hold).unwrap().is_none() {
            std::thread::yield_now();
        }
    });
    held.recv().unwrap();
    release
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many rows `from` has: a table, perhaps with a condition.
pub fn count(conn: &mut PgConnection, from: &str) -> i64 {
    diesel::sql_query(format!("select count(*) from {from}")).get_result::<Count>(conn).unwrap().count
}

/// As [`count`], in the database of a web server.
pub fn count_in(web: &Web, from: &str) -> i64 {
    web.db.run_here(|conn| Ok(count(conn, from))).unwrap()
}

/// The exact sum of decimals.
pub fn sum<'a>(amounts: impl IntoIterator<Item = &'a str>) -> BigDecimal {
    let amounts = amounts.into_iter().map(|amount| amount.parse::<BigDecimal>().unwrap());
    amounts.fold(BigDecimal::zero(), |sum, amount| sum + amount)
}

/// The code of a problem, if the answer is one.
pub async fn code(answer: Response) -> String {
    answer.json::<Value>().await.unwrap()["code"].as_str().unwrap_or_default().to_owned()
}
