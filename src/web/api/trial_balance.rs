//! The proof of the books.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::amount::Decimal;
use crate::domain::AssetTypeCode;
use crate::error::Result;
use crate::ledger::proofs;
use crate::ledger::verify::{Check, TrialBalance};
use crate::repo::Db;
use crate::web::auth::Admin;
use crate::web::extract::Now;

/// The trial balance, and what the ledger promises.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProofBody {
    /// Whether every promise holds.
    balanced: bool,
    /// When the books were checked: now, or where that takes long, by the last check.
    checked_at: DateTime<Utc>,
    /// By asset type.
    data: Vec<TrialBalanceBody>,
    /// Every promise, and how many rows break it.
    invariants: Vec<InvariantBody>,
}

/// What the books say of one asset type.
#[derive(Debug, Serialize, ToSchema)]
struct TrialBalanceBody {
    asset_type: AssetTypeCode,
    /// The sum of all entries; zero in books that are right.
    #[schema(value_type = Decimal)]
    entries: String,
    /// The sum of all wallets, the treasury's among them; zero as well.
    #[schema(value_type = Decimal)]
    balances: String,
    /// All that the treasury ever gave.
    #[schema(value_type = Decimal)]
    issued: String,
    /// What users hold now.
    #[schema(value_type = Decimal)]
    outstanding: String,
    /// What users got by claims.
    #[schema(value_type = Decimal)]
    claimed: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct InvariantBody {
    /// Whether it holds.
    holds: bool,
    #[serde(flatten)]
    check: Check,
}

impl From<TrialBalance> for TrialBalanceBody {
    fn from(line: TrialBalance) -> Self {
        let scale = line.scale.0;
        Self {
            entries: line.entries.at_scale(scale),
            balances: line.balances.at_scale(scale),
            issued: line.issued.at_scale(scale),
            outstanding: line.outstanding.at_scale(scale),
            claimed: line.claimed.at_scale(scale),
            asset_type: line.asset_type,
        }
    }
}

/// Shows the trial balance
///
/// And whether the ledger keeps its promises, checked on all of it. Large books are not checked on
/// every call: then this is the last check, and `checked_at` says when that was.
///
/// # Errors
/// `overloaded` where the first check of large books is still running.
#[utoipa::path(
    get,
    path = "/api/v1/admin/ledger/trial-balance",
    responses((status = 200, description = "The trial balance.", body = ProofBody))
)]
pub async fn show(_: Admin, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let (verdict, checked_at) = db.run(move |conn| proofs::current(conn, now.0)).await?;
    Ok(HttpResponse::Ok().json(ProofBody {
        balanced: verdict.is_clean(),
        checked_at,
        data: verdict.trial_balances.into_iter().map(TrialBalanceBody::from).collect(),
        invariants: verdict
            .checks
            .into_iter()
            .map(|check| InvariantBody { holds: check.violations == 0, check })
            .collect(),
    }))
}
