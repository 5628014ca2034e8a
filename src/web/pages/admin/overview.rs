//! The state of the house at one look.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, Days, NaiveDate, Utc};

use crate::domain::{AssetStatus, Balance, TransactionType};
use crate::error::Result;
use crate::jobs::Runs;
use crate::ledger::proofs::{self, Proof};
use crate::repo::Db;
use crate::repo::audit::{self, Deed};
use crate::repo::figures::{self, DayFigure, Outstanding, Supply};
use crate::repo::reports::{self, RecentClaim};
use crate::web::auth::Admin;
use crate::web::extract::Now;
use crate::web::pages::admin::deeds;
use crate::web::pages::admin::jobs::{self, JobRow};
use crate::web::pages::admin::ledger::Health;
use crate::web::pages::charts::{self, Chart};
use crate::web::pages::parts::{Coin, counted, status_word};
use crate::web::view::{self, Chrome, Moment, grouped};

/// How many claims and how many actions are listed.
const LATEST: i64 = 6;

/// How many days the charts show.
const DAYS: u64 = 30;

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    chrome: Chrome,
    supply_total: String,
    supply: Vec<SupplyPart>,
    counted_at: Option<Moment>,
    units: Vec<Unit>,
    claims_per_day: Chart,
    health: Health,
    checked_at: Option<Moment>,
    jobs: Vec<JobRow>,
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

/// One asset type.
struct Unit {
    asset_type: String,
    name: String,
    initial: String,
    hue: u32,
    /// What users hold.
    outstanding: String,
    /// The same, day by day.
    over_time: Chart,
    /// What its assets are worth, and how many they are, by their state.
    supply: Vec<UnitSupply>,
    /// What was issued, claimed and spent in the days of the charts.
    flows: Vec<Flow>,
}

struct UnitSupply {
    label: &'static str,
    value: String,
    count: String,
    href: String,
}

struct Flow {
    label: &'static str,
    value: String,
    /// How long its bar is, in thousandths of the longest.
    share: i64,
    href: String,
}

struct LatestClaim {
    title: String,
    user: String,
    amount: String,
    asset_type: String,
    claimed_at: Moment,
    href: String,
}

struct LatestAction {
    text: String,
    actor: String,
    at: Moment,
    href: Option<String>,
}

/// What the page is made from.
struct Figures {
    supply: (Vec<Supply>, DateTime<Utc>),
    outstanding: Vec<Outstanding>,
    days: Vec<DayFigure>,
    claims: Vec<RecentClaim>,
    deeds: Vec<Deed>,
    proof: Option<Proof>,
}

/// `GET /admin`
///
/// # Errors
/// Those of the database.
pub async fn show(_: Admin, chrome: Chrome, now: Now, runs: Data<Runs>, db: Data<Db>) -> Result<HttpResponse> {
    let now = now.0;
    let days: Vec<NaiveDate> =
        (0..DAYS).rev().filter_map(|back| now.date_naive().checked_sub_days(Days::new(back))).collect();
    let from = days.first().copied().unwrap_or_default();
    let figures = db
        .run(move |conn| {
            Ok(Figures {
                supply: figures::supply(conn, now)?,
                outstanding: figures::outstanding(conn)?,
                days: figures::days_since(conn, from)?,
                claims: reports::recent_claims(conn, LATEST)?,
                deeds: audit::latest(conn, LATEST)?,
                proof: proofs::last(conn)?,
            })
        })
        .await?;
    let (supply, counted_at) = &figures.supply;
    let counts = counts(supply);
    let last = figures.proof.as_ref();
    view::page(&OverviewPage {
        chrome,
        supply_total: grouped(&counts.iter().map(|(_, count)| count).sum::<i64>().to_string()),
        supply: parts(&counts),
        counted_at: (*counted_at != now).then(|| Moment::from(*counted_at)),
        units: figures.outstanding.iter().map(|unit| Unit::new(unit, supply, &figures.days, &days)).collect(),
        claims_per_day: claims_per_day(&figures.days, &days),
        health: Health::of(last.and_then(|proof| proof.verdict.as_ref())),
        checked_at: last.and_then(|proof| proof.finished_at).map(Moment::from),
        jobs: jobs::rows(&runs),
        claims: figures.claims.into_iter().map(LatestClaim::from).collect(),
        actions: figures.deeds.into_iter().map(LatestAction::from).collect(),
    })
}

fn counts(supply: &[Supply]) -> [(AssetStatus, i64); 3] {
    [AssetStatus::Available, AssetStatus::Claimed, AssetStatus::Expired].map(|status| {
        let of_status = supply.iter().filter(|line| line.status == status);
        (status, of_status.map(|line| line.assets).sum())
    })
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

fn claims_per_day(figures: &[DayFigure], days: &[NaiveDate]) -> Chart {
    let claims = |day: &NaiveDate| -> i64 {
        let of_day = figures.iter().filter(|figure| figure.day == *day);
        of_day
            .filter(|figure| figure.transaction_type == TransactionType::Claim)
            .map(|figure| figure.transactions)
            .sum()
    };
    let counted: Vec<_> = days.iter().map(|day| (*day, Balance::whole(claims(day)))).collect();
    charts::chart(&counted, 0)
}

impl Unit {
    fn new(unit: &Outstanding, supply: &[Supply], figures: &[DayFigure], days: &[NaiveDate]) -> Self {
        let scale = unit.scale.0;
        let Coin { initial, hue } = Coin::of(&unit.asset_type);
        let own: Vec<&DayFigure> = figures.iter().filter(|figure| figure.asset_type == unit.asset_type).collect();
        let of_unit = supply.iter().filter(|line| line.asset_type == unit.asset_type);
        Self {
            outstanding: grouped(&unit.value.at_scale(scale)),
            over_time: charts::chart(&outstanding_over_time(&own, days), scale),
            supply: of_unit
                .map(|line| UnitSupply {
                    label: match line.status {
                        AssetStatus::Available => "Still to claim",
                        AssetStatus::Claimed => "Ever claimed",
                        AssetStatus::Expired => "Expired",
                    },
                    value: grouped(&line.value.at_scale(scale)),
                    count: counted(line.assets, "credit", "credits"),
                    href: format!("/admin/assets?asset_type={}&status={}", unit.asset_type, line.status),
                })
                .collect(),
            flows: flows(unit, &own, days),
            asset_type: unit.asset_type.to_string(),
            name: unit.name.clone(),
            initial,
            hue,
        }
    }
}

/// What users held at the end of each day.
fn outstanding_over_time(figures: &[&DayFigure], days: &[NaiveDate]) -> Vec<(NaiveDate, Balance)> {
    let mut figures = figures.iter().peekable();
    let mut held = Balance::zero();
    days.iter()
        .map(|day| {
            while let Some(figure) = figures.next_if(|figure| figure.day <= *day) {
                held = held.plus(&figure.issued).plus(&figure.returned.negated());
            }
            (*day, held.clone())
        })
        .collect()
}

/// What was issued, what of it was claimed, and what was spent, since the first of the days. What
/// reversals gave back is none of it.
fn flows(unit: &Outstanding, figures: &[&DayFigure], days: &[NaiveDate]) -> Vec<Flow> {
    let recent = || figures.iter().filter(|figure| days.first().is_some_and(|first| figure.day >= *first));
    let sum = |values: &mut dyn Iterator<Item = &Balance>| values.fold(Balance::zero(), |sum, value| sum.plus(value));
    let of = |wanted: TransactionType| recent().filter(move |figure| figure.transaction_type == wanted);
    let issued = sum(&mut recent()
        .filter(|figure| figure.transaction_type != TransactionType::Reversal)
        .map(|figure| &figure.issued));
    let claimed = sum(&mut of(TransactionType::Claim).map(|figure| &figure.issued));
    let spent = sum(&mut of(TransactionType::Spend).map(|figure| &figure.returned));
    let since = days.first().map(|first| format!("&from={first}")).unwrap_or_default();
    let longest = issued.clone().max(spent.clone());
    [("Issued", issued, ""), ("Claimed", claimed, "&type=claim"), ("Spent", spent, "&type=spend")]
        .map(|(label, value, narrowed)| Flow {
            label,
            share: value.parts_of(&longest, 1000),
            value: grouped(&value.at_scale(unit.scale.0)),
            href: format!("/admin/transactions?asset_type={}{narrowed}{since}", unit.asset_type),
        })
        .into()
}

impl From<RecentClaim> for LatestClaim {
    fn from(claim: RecentClaim) -> Self {
        Self {
            amount: grouped(&claim.amount.at_scale(claim.scale.0)),
            asset_type: claim.asset_type.to_string(),
            title: claim.title,
            user: claim.user,
            claimed_at: claim.claimed_at.into(),
            href: format!("/admin/assets/{}", claim.asset),
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
            href: deeds::href(&deed.action, &deed.target),
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
