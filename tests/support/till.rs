//! A ledger on the books of a web server, at the times that a test says.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a failing test fails loudly")]

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use coffer::domain::posting::Command;
use coffer::domain::{AssetType, AssetTypeCode, Balance, Scale, Transaction, UserId};
use coffer::ledger::{Clock, Ledger, Outcome, Settings};
use coffer::repo::{asset_types, users};

use super::books::Running;
use super::web::Web;

/// A ledger and its clock.
pub struct Till {
    ledger: Running,
    now: Arc<Mutex<DateTime<Utc>>>,
}

impl Till {
    /// A ledger on a web server's database.
    pub fn new(web: &Web) -> Self {
        Self::at(web.conninfo())
    }

    /// A ledger on a database.
    pub fn at(conninfo: &str) -> Self {
        let now = Arc::new(Mutex::new(DateTime::UNIX_EPOCH));
        let read = Arc::clone(&now);
        let clock: Clock = Arc::new(move || *read.lock().unwrap());
        let settings = Settings { address: conninfo.into(), threads: 1, batch_max: 64 };
        Self { ledger: Running(Arc::new(Ledger::start(&settings, &clock).unwrap())), now }
    }

    /// Posts a command at a time, which must not be refused.
    pub async fn post(&self, time: &str, command: Command) -> Transaction {
        match self.try_at(instant(time), command).await {
            Ok(Outcome::Posted(transaction)) => transaction,
            other => panic!("not posted: {other:?}"),
        }
    }

    /// Submits a command at a time.
    pub async fn try_at(&self, time: DateTime<Utc>, command: Command) -> coffer::error::Result<Outcome> {
        *self.now.lock().unwrap() = time;
        self.ledger.submit(command).await
    }
}

/// A time in RFC 3339.
pub fn instant(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// The row of a user.
pub fn user_id(web: &Web, name: &str) -> UserId {
    web.db.run_here(|conn| users::by_external_id(conn, name)).unwrap().expect("a user").id
}

/// CASH, with two decimals, that users can transfer.
pub fn have_cash(web: &Web) {
    let asset_type = AssetType {
        code: AssetTypeCode::parse("CASH").unwrap(),
        name: "Cashback".to_owned(),
        scale: Scale(2),
        minimum_balance: Balance::zero(),
        transferable: true,
        created_at: Utc::now(),
    };
    web.db.run_here(|conn| asset_types::ensure(conn, &asset_type)).unwrap();
}
