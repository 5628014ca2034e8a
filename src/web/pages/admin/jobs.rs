//! What runs by itself, and how it went.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;

use crate::error::Result;
use crate::jobs::{CLEAN_UP, EXPIRY, FIGURES, Run, RunStatus, Runs, VERIFY};
use crate::web::auth::Admin;
use crate::web::view::{self, Chrome, Moment};

#[derive(Template)]
#[template(path = "admin/jobs.html")]
struct JobsPage {
    chrome: Chrome,
    jobs: Vec<JobRow>,
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
            "Forgets idempotency keys after a day, and sessions and API keys a month after they ended.",
        ),
        (VERIFY, "Proof of the books", "Every day", "Checks every promise of the ledger on all entries."),
    ]
    .map(row)
    .into()
}

/// `GET /admin/jobs`
///
/// # Errors
/// [`crate::error::Error::Broken`] where the template fails.
pub async fn show(_: Admin, chrome: Chrome, runs: Data<Runs>) -> Result<HttpResponse> {
    view::page(&JobsPage { chrome, jobs: rows(&runs) })
}
