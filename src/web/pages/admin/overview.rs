//! The state of the house at one look.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;

use crate::domain::AssetStatus;
use crate::error::Result;
use crate::jobs::{RunStatus, Runs, VERIFY};
use crate::repo::Db;
use crate::repo::audit::{self, Deed};
use crate::repo::reports::{self, RecentClaim, Supply};
use crate::web::auth::Admin;
use crate::web::extract::Now;
use crate::web::pages::admin::deeds;
use crate::web::pages::parts::{Coin, status_word};
use crate::web::view::{self, Chrome, Moment, grouped};

/// How many claims and how many actions are listed.
const LATEST: i64 = 8;

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    chrome: Chrome,
    supply_total: String,
    supply: Vec<SupplyPart>,
    outstanding: Vec<OutstandingLine>,
    ledger: LedgerHealth,
    claims: Vec<LatestClaim>,
    actions: Vec<LatestAction>,
}

struct SupplyPart {
    status: &'static str,
    label: &'static str,
    count: String,
    href: String,
    /// Where the part begins in the bar and how wide it is, in thousandths.
    share_start: i64,
    share: i64,
}

struct OutstandingLine {
    asset_type: String,
    name: String,
    initial: String,
    hue: u32,
    held: String,
    claimable: String,
}

struct LedgerHealth {
    tone: &'static str,
    label: &'static str,
    badge: &'static str,
    text: &'static str,
    checked_at: Option<Moment>,
}

struct LatestClaim {
    title: String,
    user: String,
    amount: String,
    asset_type: String,
    claimed_at: Moment,
}

struct LatestAction {
    text: String,
    actor: String,
    at: Moment,
}

/// `GET /admin`
///
/// # Errors
/// Those of the database.
pub async fn show(_: Admin, chrome: Chrome, now: Now, runs: Data<Runs>, db: Data<Db>) -> Result<HttpResponse> {
    let (supply, claims, deeds) = db
        .run(move |conn| {
            let supply = reports::supply(conn, now.0)?;
            let claims = reports::recent_claims(conn, LATEST)?;
            Ok((supply, claims, audit::latest(conn, LATEST)?))
        })
        .await?;
    let counts = counts(&supply);
    view::page(&OverviewPage {
        chrome,
        supply_total: grouped(&counts.iter().map(|(_, count)| count).sum::<i64>().to_string()),
        supply: parts(&counts),
        outstanding: supply.into_iter().map(OutstandingLine::from).collect(),
        ledger: health(&runs),
        claims: claims.into_iter().map(LatestClaim::from).collect(),
        actions: deeds.into_iter().map(LatestAction::from).collect(),
    })
}

fn counts(supply: &[Supply]) -> [(AssetStatus, i64); 3] {
    let sum = |count: fn(&Supply) -> i64| supply.iter().map(count).sum();
    [
        (AssetStatus::Available, sum(|line| line.available)),
        (AssetStatus::Claimed, sum(|line| line.claimed)),
        (AssetStatus::Expired, sum(|line| line.expired)),
    ]
}

/// Each part ends where the next one begins, so that rounding leaves no gap.
fn parts(counts: &[(AssetStatus, i64)]) -> Vec<SupplyPart> {
    let total: i64 = counts.iter().map(|(_, count)| count).sum::<i64>().max(1);
    let mut so_far = 0;
    counts
        .iter()
        .map(|&(status, count)| {
            let share_start = so_far * 1000 / total;
            so_far += count;
            SupplyPart {
                status: status.as_str(),
                label: status_word(status),
                count: grouped(&count.to_string()),
                href: format!("/admin/assets?status={status}"),
                share_start,
                share: so_far * 1000 / total - share_start,
            }
        })
        .collect()
}

/// What the last proof of the books said.
fn health(runs: &Runs) -> LedgerHealth {
    let run = runs.all().get(VERIFY).copied();
    let (tone, label, badge, text) = match run.map(|run| run.status) {
        Some(RunStatus::Ok) => (
            "good",
            "The books balance",
            "Healthy",
            "Every check passes: all entries sum to zero, and every balance is the sum of its entries.",
        ),
        Some(RunStatus::Failed) => (
            "bad",
            "The last check failed",
            "Look into it",
            "The books are wrong, or could not be read to the end. Run “coffer verify”: it names what is wrong.",
        ),
        Some(RunStatus::ElsewhereRunning) => (
            "warn",
            "Checked by another instance",
            "Elsewhere",
            "Another instance of Coffer was checking the books; its overview shows the result.",
        ),
        Some(RunStatus::Pending) | None => {
            ("warn", "Not checked yet", "Unchecked", "The first check begins a moment after the start.")
        }
    };
    LedgerHealth { tone, label, badge, text, checked_at: run.and_then(|run| run.last_run).map(Moment::from) }
}

impl From<Supply> for OutstandingLine {
    fn from(supply: Supply) -> Self {
        let Coin { initial, hue } = Coin::of(&supply.asset_type);
        Self {
            held: grouped(&supply.outstanding.at_scale(supply.scale.0)),
            claimable: grouped(&supply.available_value.at_scale(supply.scale.0)),
            asset_type: supply.asset_type.to_string(),
            name: supply.name,
            initial,
            hue,
        }
    }
}

impl From<RecentClaim> for LatestClaim {
    fn from(claim: RecentClaim) -> Self {
        Self {
            amount: grouped(&claim.amount.at_scale(claim.scale.0)),
            asset_type: claim.asset_type.to_string(),
            title: claim.title,
            user: claim.user,
            claimed_at: claim.claimed_at.into(),
        }
    }
}

impl From<Deed> for LatestAction {
    fn from(deed: Deed) -> Self {
        Self {
            text: deeds::sentence(
                &deed.action,
                &deed.target,
                deed.title.as_deref().map(|title| (title, deed.one_title)),
                deed.lines,
            ),
            actor: deed.actor.unwrap_or_else(|| "Coffer".to_owned()),
            at: deed.created_at.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_bar_leave_no_gap() {
        let parts = parts(&[(AssetStatus::Available, 1), (AssetStatus::Claimed, 1), (AssetStatus::Expired, 1)]);
        let shares: Vec<_> = parts.iter().map(|part| (part.share_start, part.share)).collect();
        assert_eq!(shares, [(0, 333), (333, 333), (666, 334)]);
        assert!(super::parts(&[(AssetStatus::Available, 0)]).iter().all(|part| part.share == 0));
    }
}
