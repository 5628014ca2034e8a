//! A web server whose users move value, and whose books are proved when the test ends.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

use chrono::Utc;
use coffer::domain::{AssetType, AssetTypeCode, Balance, Role, Scale};
use coffer::repo::asset_types;
use diesel::RunQueryDsl;
use reqwest::Response;
use serde_json::{Value, json};

use super::api::{Caller, audit, caller, count_in, text, web_with_admin};
use super::till::have_cash;
use super::web::{Web, problem, send};

/// A web server, its admin, and two users whose wallets nobody has opened. CASH and SAFE have two
/// decimals and can be transferred, and 5 SAFE must stay in a wallet; GOLD and PTS stay where they
/// are.
pub struct Bank {
    /// The web server.
    pub web: Web,
    /// May do everything.
    pub admin: Caller,
    /// A user.
    pub anna: Caller,
    /// Another one.
    pub ben: Caller,
}

impl Bank {
    /// Opens it.
    pub async fn open() -> Self {
        let (web, admin) = web_with_admin().await;
        have_cash(&web);
        let safe = AssetType {
            code: AssetTypeCode::parse("SAFE").unwrap(),
            name: "Deposit".to_owned(),
            scale: Scale(2),
            minimum_balance: Balance::parse_floor("5").unwrap(),
            transferable: true,
            created_at: Utc::now(),
        };
        web.db.run_here(|conn| asset_types::ensure(conn, &safe)).unwrap();
        let (anna, ben) = (caller(&web, "anna", Role::User).await, caller(&web, "ben", Role::User).await);
        Self { web, admin, anna, ben }
    }

    /// Opens it, and gives anna so much CASH.
    pub async fn with_cash(amount: &str) -> Self {
        let bank = Self::open().await;
        bank.top_up("anna", "CASH", amount).await;
        bank
    }

    /// Gives a user so much.
    pub async fn top_up(&self, user: &str, asset_type: &str, amount: &str) -> Value {
        let body = json!({"type": "top_up", "user": user, "asset_type": asset_type, "amount": amount});
        posted(&self.admin, &body).await
    }

    /// From now on the user receives only.
    pub fn freeze(&self, name: &str) {
        let freeze = format!("update users set status = 'frozen' where external_id = '{name}'");
        self.web.db.run_here(|conn| Ok(diesel::sql_query(freeze).execute(conn)?)).unwrap();
    }

    /// How much is written: transactions, entries, claims, keys, wallets, and the sum of their versions.
    pub fn written(&self) -> [i64; 6] {
        let versions = "wallets, generate_series(1, version)";
        ["transactions", "entries", "claims", "idempotency_keys", "wallets", versions]
            .map(|rows| count_in(&self.web, rows))
    }

    /// What anna and ben hold of CASH.
    pub async fn cash(&self) -> [String; 2] {
        [self.anna.balance("CASH").await, self.ben.balance("CASH").await]
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            audit(&self.web);
        }
    }
}

/// What anna asks for when she spends so much CASH.
pub fn spend(amount: &str) -> Value {
    json!({"type": "spend", "asset_type": "CASH", "amount": amount})
}

/// What one asks for who gives so much CASH to another.
pub fn transfer(receiver: &str, amount: &str) -> Value {
    json!({"type": "transfer", "asset_type": "CASH", "amount": amount, "receiver": receiver})
}

/// An object with other or more fields; those that are null are taken out.
pub fn with(body: &Value, changes: &Value) -> Value {
    let mut fields = body.as_object().unwrap().clone();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => fields.remove(name),
            value => fields.insert(name.clone(), value.clone()),
        };
    }
    Value::Object(fields)
}

/// Asks for a movement.
pub async fn ask(caller: &Caller, body: &Value) -> Response {
    send(caller.post("/transactions").json(body)).await
}

/// Asks for a movement under a key.
pub async fn ask_under(caller: &Caller, key: &str, body: &Value) -> Response {
    send(caller.post("/transactions").header("idempotency-key", key).json(body)).await
}

/// The transaction that a movement must become.
pub async fn posted(caller: &Caller, body: &Value) -> Value {
    let answer = ask(caller, body).await;
    let status = answer.status();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(status, 201, "{body}: {answer}");
    answer
}

/// Status and code of a movement that must be refused.
pub async fn refused(caller: &Caller, body: &Value) -> (u16, String) {
    problem(ask(caller, body).await).await
}

/// The problem that a request is answered with, which has this status and code.
pub async fn problem_of(answer: Response, status: u16, code: &str) -> Value {
    assert_eq!(answer.status().as_u16(), status);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], code, "{problem}");
    problem
}

/// The names of the fields that a problem finds fault with, in its order.
pub fn fields_of(problem: &Value) -> Vec<String> {
    problem["errors"].as_array().unwrap().iter().map(|error| text(&error["field"])).collect()
}

/// Status, whether it says that it is a replay, and the body to the last byte.
pub async fn seen(answer: Response) -> (u16, bool, String) {
    let replayed = answer.headers().get("idempotent-replayed").map(|value| value == "true");
    (answer.status().as_u16(), replayed.unwrap_or(false), answer.text().await.unwrap())
}
