//! A wallet's history as a file, which a page and the API give out alike.

use actix_web::HttpResponse;
use actix_web::http::header;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::csv::{self, harmless};
use crate::documents::statement::{MOST_ROWS, Row, Statement};
use crate::domain::{AssetId, Balance, Period, TransactionId, WalletId, grouped, signed};
use crate::error::{Error, Result};
use crate::repo::assets::Viewer;
use crate::repo::history::{self, HistoryFilter, HistoryRow, Order, Totals};
use crate::repo::wallets::WalletView;
use crate::repo::{Db, wallets};

/// How many statements are typeset at once: one, since the longest takes a processor for seconds.
const AT_ONCE: usize = 1;

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// A kind of file.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values, however many.
    #[default]
    Csv,
    /// A document of up to 10,000 rows.
    Pdf,
}

/// What typesets statements, so many at once that the server has breath for all else.
pub struct Press {
    turns: Arc<Semaphore>,
    /// The address of the installation, which stands on paper.
    public_url: String,
}

impl Press {
    /// A press of the installation at an address.
    pub fn new(public_url: &str) -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), public_url: public_url.to_owned() }
    }
}

/// The names in the first line, which an empty history has, too.
const NAMES: [&str; 10] = [
    "created_at",
    "transaction_id",
    "type",
    "counterparty",
    "description",
    "asset_id",
    "amount",
    "balance_before",
    "balance_after",
    "version",
];

/// A line of the file, under the names of its fields.
#[derive(Serialize)]
struct Line {
    created_at: String,
    transaction_id: TransactionId,
    #[serde(rename = "type")]
    transaction_type: &'static str,
    counterparty: String,
    description: String,
    asset_id: Option<AssetId>,
    amount: String,
    balance_before: String,
    balance_after: String,
    version: i64,
}

impl Line {
    fn new(row: HistoryRow, scale: u8) -> Self {
        Self {
            created_at: row.created_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            transaction_id: row.transaction,
            transaction_type: row.transaction_type.as_str(),
            counterparty: harmless(row.counterparty.unwrap_or_default()),
            description: harmless(row.description),
            asset_id: row.asset,
            amount: row.amount.at_scale(scale),
            balance_before: row.balance_before.at_scale(scale),
            balance_after: row.balance_after.at_scale(scale),
            version: row.version,
        }
    }
}

/// The whole period of a wallet as a file.
///
/// # Errors
/// [`Error::NotFound`] where there is no such wallet that the viewer may know of; for a PDF
/// [`Refusal::StatementTooLong`](crate::error::Refusal::StatementTooLong), and [`Error::Overloaded`]
/// where others wait for theirs.
pub async fn file(
    db: &Db,
    press: &Press,
    format: Format,
    viewer: Viewer,
    wallet: WalletId,
    period: Period,
) -> Result<HttpResponse> {
    match format {
        Format::Csv => {
            let wallet = db.run(move |conn| wallets::one(conn, viewer, wallet)).await?;
            csv(db, &wallet, period).await
        }
        Format::Pdf => pdf(db, press, viewer, wallet, period).await,
    }
}

/// Comma-separated values, written as they are read.
async fn csv(db: &Db, wallet: &WalletView, period: Period) -> Result<HttpResponse> {
    let filter = HistoryFilter { period, transaction_type: None, order: Order::OldestFirst };
    let (db, id, scale) = (db.clone(), wallet.id, wallet.asset_type.scale.0);
    csv::file(&file_name(wallet), &NAMES, move |request| {
        let (db, filter) = (db.clone(), filter.clone());
        async move {
            let page = db.run(move |conn| history::rows(conn, id, &filter, &request)).await?;
            Ok(page.map(|row| Line::new(row, scale)))
        }
    })
    .await
}

async fn pdf(db: &Db, press: &Press, viewer: Viewer, wallet: WalletId, period: Period) -> Result<HttpResponse> {
    let turn = tokio::time::timeout(PATIENCE, Arc::clone(&press.turns).acquire_owned()).await;
    let turn = turn.map_err(|_| Error::Overloaded)?.map_err(Error::broken)?;
    let (wallet, totals, rows) = db.run(move |conn| history::whole(conn, viewer, wallet, period, MOST_ROWS)).await?;
    let name = file_name(&wallet);
    let paper = paper(&wallet, &totals, rows, period, &press.public_url);
    let typeset = move || {
        // Held until it is done, also where nobody waits for it any more.
        let _turn = turn;
        paper.pdf()
    };
    let pdf = tokio::task::spawn_blocking(typeset).await.map_err(Error::broken)??;
    Ok(download(&name, pdf))
}

/// A PDF, as the document of the API tells of it.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary, examples("%PDF-1.7"))]
pub struct Pdf(#[allow(dead_code, reason = "it is only told of")] Vec<u8>);

/// A PDF to be saved under a name.
pub fn download(name: &str, pdf: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/pdf")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.pdf\"")))
        .body(pdf)
}

fn file_name(wallet: &WalletView) -> String {
    format!("{}-wallet-{}", wallet.asset_type.code, wallet.id)
}

/// What the statement says.
fn paper(wallet: &WalletView, totals: &Totals, rows: Vec<HistoryRow>, period: Period, public_url: &str) -> Statement {
    let scale = wallet.asset_type.scale.0;
    let number = |balance: &Balance| grouped(&balance.at_scale(scale));
    let last = rows.last().map(|row| row.created_at);
    Statement {
        title: format!("{} · {}", wallet.asset_type.code, wallet.asset_type.name),
        owner: wallet.user.clone().unwrap_or_else(|| "Coffer".to_owned()),
        period: words(period),
        totals: [&totals.opening_balance, &totals.credit, &totals.debit, &totals.closing_balance].map(number),
        time: last.or(period.from).unwrap_or(wallet.created_at),
        rows: rows
            .into_iter()
            .map(|row| Row {
                time: row.created_at.format("%-d %b %Y, %H:%M:%S").to_string(),
                title: row.transaction_type.told(!row.amount.is_negative(), row.counterparty.as_deref()),
                amount: signed(&row.amount.at_scale(scale)),
                balance: number(&row.balance_after),
                description: row.description,
            })
            .collect(),
        address: public_url.to_owned(),
    }
}

/// A period as people read it: whole days as such.
pub fn words(period: Period) -> String {
    let from = period.from.map(|from| text(from, from));
    let to = period.before.map(|before| text(before, before - TimeDelta::microseconds(1)));
    match (from, to) {
        (None, None) => "From the beginning".to_owned(),
        (Some(from), None) => format!("Since {from}"),
        (None, Some(to)) => format!("Until {to}"),
        (Some(from), Some(to)) if from == to => from,
        (Some(from), Some(to)) => format!("{from} to {to}"),
    }
}

/// An end of a period: the day alone where the bound lies between two days.
fn text(bound: DateTime<Utc>, within: DateTime<Utc>) -> String {
    let is_midnight = bound.time() == chrono::NaiveTime::MIN;
    let format = if is_midnight { "%-d %b %Y" } else { "%-d %b %Y, %H:%M:%S UTC" };
    within.format(format).to_string()
}
