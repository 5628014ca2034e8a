//! The proof of the books, as it stands and as it is made anew.

use std::time::Duration;

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use askama::Template;
use chrono::TimeDelta;
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::ledger::Clock;
use crate::ledger::proofs::{self, Proof};
use crate::ledger::verify::{Check, TrialBalance, Verdict};
use crate::repo::Db;
use crate::web::auth::{Admin, CsrfForm};
use crate::web::extract::Now;
use crate::web::pages::parts::{Coin, counted};
use crate::web::view::{self, Chrome, Flash, Moment, grouped};

/// How many proofs are listed.
const LATEST: i64 = 10;

/// How often the page comes back while a proof is being made, in seconds.
const COME_BACK_SECONDS: u64 = 2;

/// How long a proof may take to be shown at once.
const AT_ONCE: Duration = Duration::from_millis(1_500);

#[derive(Template)]
#[template(path = "admin/ledger.html")]
struct LedgerPage {
    chrome: Chrome,
    health: Health,
    running: Option<Progress>,
    checked_at: Option<Moment>,
    balances: Vec<BalanceRow>,
    checks: Vec<CheckRow>,
    proofs: Vec<ProofRow>,
}

/// The state of the books in words.
pub struct Health {
    /// good, warn or bad.
    pub tone: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// In a word.
    pub badge: &'static str,
    /// In a sentence.
    pub text: &'static str,
}

struct Progress {
    words: String,
    checked: i32,
    promises: i32,
}

struct BalanceRow {
    asset_type: String,
    initial: String,
    hue: u32,
    entries: String,
    balances: String,
    /// Whether both are zero.
    is_right: bool,
    issued: String,
    outstanding: String,
    claimed: String,
}

struct CheckRow {
    promise: String,
    /// How many rows break it; none where it holds.
    broken: Option<String>,
}

struct ProofRow {
    started_at: Moment,
    asked_by: String,
    took: String,
    tone: &'static str,
    result: &'static str,
}

impl Health {
    /// What the last proof says.
    pub fn of(verdict: Option<&Verdict>) -> Self {
        let (tone, label, badge, text) = match verdict.map(Verdict::is_clean) {
            Some(true) => (
                "good",
                "The books balance",
                "Healthy",
                "Every check passes: all entries sum to zero, and every balance is the sum of its entries.",
            ),
            Some(false) => (
                "bad",
                "The books are wrong",
                "Look into it",
                "At least one check fails. Stop what moves value, keep a backup of the database, and look into it.",
            ),
            None => ("warn", "Not checked yet", "Unchecked", "The first check begins a moment after the start."),
        };
        Self { tone, label, badge, text }
    }
}

impl From<TrialBalance> for BalanceRow {
    fn from(line: TrialBalance) -> Self {
        let Coin { initial, hue } = Coin::of(&line.asset_type);
        let amount = |balance: &crate::domain::Balance| grouped(&balance.at_scale(line.scale.0));
        let is_zero = |balance: &crate::domain::Balance| *balance == crate::domain::Balance::zero();
        Self {
            entries: amount(&line.entries),
            balances: amount(&line.balances),
            is_right: is_zero(&line.entries) && is_zero(&line.balances),
            issued: amount(&line.issued),
            outstanding: amount(&line.outstanding),
            claimed: amount(&line.claimed),
            asset_type: line.asset_type.to_string(),
            initial,
            hue,
        }
    }
}

impl From<Check> for CheckRow {
    fn from(check: Check) -> Self {
        let broken = (check.violations != 0).then(|| counted(check.violations, "row breaks it", "rows break it"));
        Self { promise: check.promise.into_owned(), broken }
    }
}

impl ProofRow {
    fn new(proof: &Proof, is_running: bool) -> Self {
        let (tone, result) = match &proof.verdict {
            Some(verdict) if verdict.is_clean() => ("good", "Balanced"),
            Some(_) => ("bad", "Wrong"),
            None if is_running => ("accent", "Running"),
            None => ("warn", "Did not finish"),
        };
        let took = proof.finished_at.map(|finished_at| seconds(finished_at - proof.started_at));
        Self {
            started_at: proof.started_at.into(),
            asked_by: proof.asked_by.clone().unwrap_or_else(|| "Coffer".to_owned()),
            took: took.unwrap_or_else(|| "–".to_owned()),
            tone,
            result,
        }
    }
}

/// A time as people say it: `0.2 s`, `41.0 s`.
fn seconds(time: TimeDelta) -> String {
    let tenths = (time.num_milliseconds() + 50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

/// `GET /admin/ledger`
///
/// # Errors
/// Those of the database.
pub async fn show(_: Admin, chrome: Chrome, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let (latest, last) = db.run(|conn| Ok((proofs::latest(conn, LATEST)?, proofs::last(conn)?))).await?;
    let running = latest.first().filter(|proof| proof.is_running(now.0)).map(|proof| {
        let (checked, promises) = proof.progress;
        Progress { words: format!("{checked} of {promises} promises checked"), checked, promises }
    });
    let checked_at = last.as_ref().and_then(|proof| proof.finished_at).map(Moment::from);
    let verdict = last.and_then(|proof| proof.verdict);
    let is_running = running.is_some();
    let page = LedgerPage {
        chrome,
        health: Health::of(verdict.as_ref()),
        running,
        checked_at,
        proofs: latest
            .iter()
            .enumerate()
            .map(|(place, proof)| ProofRow::new(proof, place == 0 && is_running))
            .collect(),
        balances: verdict.iter().flat_map(|verdict| verdict.trial_balances.clone()).map(BalanceRow::from).collect(),
        checks: verdict.into_iter().flat_map(|verdict| verdict.checks).map(CheckRow::from).collect(),
    };
    let mut response = view::page(&page)?;
    if is_running {
        response.headers_mut().insert(header::REFRESH, COME_BACK_SECONDS.into());
    }
    Ok(response)
}

/// The form of a check.
#[derive(Debug, Deserialize)]
pub struct CheckForm {}

/// `POST /admin/ledger/check`
///
/// # Errors
/// [`Error::Broken`] where no thread can be started.
pub async fn check(
    admin: Admin,
    _: CsrfForm<CheckForm>,
    cookie: Session,
    clock: Data<Clock>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (user, clock) = (admin.0.user.id, Clock::clone(&clock));
    let (tell, told) = oneshot::channel();
    // Large books take a minute, and a server that stops does not wait for them.
    let prove = move || {
        let outcome = proofs::prove(&db, Some(user), &clock);
        if let Err(error) = &outcome {
            tracing::error!(error = %error, cause = ?error, "the books could not be proved");
        }
        let _ = tell.send(outcome);
    };
    std::thread::Builder::new().name("proof".to_owned()).spawn(prove).map_err(Error::broken)?;
    let flash = match tokio::time::timeout(AT_ONCE, told).await.map(|told| told.map_err(Error::broken).flatten()) {
        Ok(Ok(Some(verdict))) if verdict.is_clean() => Flash::good("Checked just now: the books balance."),
        Ok(Ok(Some(_))) => Flash::bad("Checked just now: the books are wrong."),
        Ok(Ok(None)) => Flash::warn("A check is running already."),
        Ok(Err(error)) => return Err(error),
        Err(_) => Flash::good("The check has begun. This page comes back by itself."),
    };
    flash.leave(&cookie)?;
    Ok(view::see_other("/admin/ledger"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_tenths_of_seconds() {
        for (milliseconds, words) in [(0, "0.0 s"), (49, "0.0 s"), (50, "0.1 s"), (41_960, "42.0 s")] {
            assert_eq!(seconds(TimeDelta::milliseconds(milliseconds)), words);
        }
    }
}
