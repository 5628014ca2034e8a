//! What runs by itself, and how it went.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use serde::Deserialize;

use crate::domain::ReceiptCode;
use crate::error::{Error, Result};
use crate::jobs::{CLEAN_UP, EXPIRY, FIGURES, RECEIPTS, Run, RunStatus, Runs, VERIFY};
use crate::repo::Db;
use crate::repo::receipts::{self, FailedReceipt};
use crate::web::auth::{Admin, By, CsrfForm};
use crate::web::extract::{Now, PathOf};
use crate::web::pages::parts::counted;
use crate::web::view::{self, Chrome, Flash, Moment};

#[derive(Template)]
#[template(path = "admin/jobs.html")]
struct JobsPage {
    chrome: Chrome,
    jobs: Vec<JobRow>,
    /// How many receipts are being made, and how many could not be; none for none.
    backlog: Option<String>,
    failed: Vec<FailedRow>,
}

/// A receipt that could not be made.
struct FailedRow {
    code: String,
    transaction: String,
    user: String,
    error: String,
    failed_at: Moment,
}

impl From<FailedReceipt> for FailedRow {
    fn from(receipt: FailedReceipt) -> Self {
        Self {
            code: receipt.code,
            transaction: receipt.transaction.to_string(),
            user: receipt.user,
            error: receipt.error,
            failed_at: receipt.failed_at.into(),
        }
    }
}

/// One job.
pub struct JobRow {
    /// What it is called.
    pub name: &'static str,
    /// What it does.
    pub text: &'static str,
    /// How often it runs.
    pub when: &'static str,
    /// How its last run in this process went.
    pub status: &'static str,
    /// The tone of that.
    pub tone: &'static str,
    /// When that ended.
    pub last_run: Option<Moment>,
}

/// All jobs, in the order of their pace.
pub fn rows(runs: &Runs) -> Vec<JobRow> {
    let runs = runs.all();
    let row = |(job, name, when, text): (&str, _, _, _)| {
        let run = runs.get(job).copied().unwrap_or(Run { last_run: None, status: RunStatus::Pending });
        let (tone, status) = match run.status {
            RunStatus::Pending => ("neutral", "Not run yet"),
            RunStatus::Ok => ("good", "Done"),
            RunStatus::ElsewhereRunning => ("accent", "Done by another instance"),
            RunStatus::Failed => ("bad", "Failed"),
        };
        JobRow { name, text, when, status, tone, last_run: run.last_run.map(Moment::from) }
    };
    [
        (RECEIPTS, "Receipts", "Every second", "Makes the receipts that somebody asked for, and those of new transactions."),
        (EXPIRY, "Expiry", "Every minute", "Marks credits whose time has passed as expired."),
        (
            FIGURES,
            "Figures",
            "Every minute",
            "Sums up what happened for the charts of the overview, and counts the supply.",
        ),
        (
            CLEAN_UP,
            "Clean-up",
            "Every hour",
            "Forgets idempotency keys after a day, files of receipts after a week, and sessions and API keys a month after they ended.",
        ),
        (VERIFY, "Proof of the books", "Every day", "Checks every promise of the ledger on all entries."),
    ]
    .map(row)
    .into()
}

/// `GET /admin/jobs`
///
/// # Errors
/// Those of the database.
pub async fn show(_: Admin, chrome: Chrome, runs: Data<Runs>, db: Data<Db>) -> Result<HttpResponse> {
    let (waiting, failed, latest) = db.run(receipts::backlog).await?;
    let parts = [(waiting, "waits", "wait"), (failed, "could not be made", "could not be made")];
    let parts = parts.into_iter().filter(|(number, _, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, one, many)| counted(number, one, many)).collect();
    view::page(&JobsPage {
        chrome,
        jobs: rows(&runs),
        backlog: (!parts.is_empty()).then(|| parts.join(", ")),
        failed: latest.into_iter().map(FailedRow::from).collect(),
    })
}

/// The button that has a receipt tried again.
#[derive(Debug, Deserialize)]
pub struct RetryForm {}

/// `POST /admin/receipts/{code}/retry`
///
/// # Errors
/// [`Error::NotFound`] where no receipt can have the code, and those of the database.
pub async fn retry(
    _: Admin,
    code: PathOf<String>,
    _: CsrfForm<RetryForm>,
    by: By,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let code = ReceiptCode::parse(&code.0).ok_or(Error::NotFound)?;
    let retried = db.run(move |conn| receipts::retry(conn, &by.0, &code, now.0)).await?;
    let flash = match retried {
        true => Flash::good("The receipt is tried again now."),
        false => Flash::warn("This receipt is not one that could not be made. Nothing was changed."),
    };
    flash.leave(&cookie)?;
    Ok(view::see_other("/admin/jobs"))
}
