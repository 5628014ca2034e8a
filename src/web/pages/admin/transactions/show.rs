//! One transaction: from whom to whom, what it left, and what became of it.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;

use crate::domain::{Balance, Entry, ReceiptStatus, TransactionId, TransactionType};
use crate::error::Result;
use crate::repo::assets::Viewer;
use crate::repo::transactions::{self, Told, TransactionView};
use crate::repo::{Db, receipts};
use crate::web::auth::Admin;
use crate::web::extract::PathOf;
use crate::web::pages::parts::{Coin, type_word};
use crate::web::view::{self, Chrome, Moment, grouped};

#[derive(Template)]
#[template(path = "admin/transaction.html")]
struct TransactionPage {
    chrome: Chrome,
    id: TransactionId,
    word: &'static str,
    amount: String,
    asset_type: String,
    initial: String,
    hue: u32,
    description: String,
    /// What the request attached, as text.
    metadata: Option<String>,
    reason: Option<String>,
    requested_by: String,
    created_at: Moment,
    asset: Option<i64>,
    reverses: Option<TransactionId>,
    reversed_by: Option<TransactionId>,
    can_be_reversed: bool,
    /// Whether the receipt that the reader would get could not be made.
    has_no_receipt: bool,
    /// Whose receipts could not be made.
    without_receipt: Vec<String>,
    giver: Side,
    gainer: Side,
}

/// One of its two lines.
struct Side {
    /// None where it is the treasury.
    user: Option<String>,
    wallet: i64,
    number: String,
    amount: String,
    before: String,
    after: String,
}

impl Side {
    fn new(entry: &Entry, user: Option<String>, scale: u8) -> Self {
        let text = |balance: &Balance| grouped(&balance.at_scale(scale));
        Self {
            user,
            wallet: entry.wallet_id.map_or(0, |wallet| wallet.0),
            number: grouped(&entry.version.to_string()),
            amount: text(&entry.amount),
            before: text(&entry.balance_before),
            after: text(&entry.balance_after),
        }
    }
}

/// Who gave and who gained; nobody where it is the treasury.
pub(super) fn sides(view: &TransactionView) -> (Option<String>, Option<String>) {
    let (user, other) = (Some(view.user.clone()), view.counterparty.clone());
    if view.transaction.sides().0 == &view.transaction.debit { (user, other) } else { (other, user) }
}

/// `GET /admin/transactions/{id}`
///
/// # Errors
/// [`crate::error::Refusal::TransactionNotFound`] and those of the database.
pub async fn show(admin: Admin, id: PathOf<TransactionId>, chrome: Chrome, db: Data<Db>) -> Result<HttpResponse> {
    let reader = admin.0.user.id;
    let (told, receipt, without_receipt) = db
        .run(move |conn| {
            let told = transactions::told(conn, Viewer::Admin, id.0)?;
            let receipt = receipts::status(conn, &told.view, reader)?;
            Ok((told, receipt, receipts::not_made(conn, id.0)?))
        })
        .await?;
    let Told { view, requested_by, reversed_by } = told;
    let (giver, gainer) = sides(&view);
    let transaction = view.transaction;
    let scale = transaction.scale.0;
    let Coin { initial, hue } = Coin::of(&transaction.asset_type);
    view::page(&TransactionPage {
        chrome,
        id: transaction.id,
        word: type_word(transaction.transaction_type),
        amount: grouped(&transaction.amount.at_scale(scale)),
        asset_type: transaction.asset_type.to_string(),
        initial,
        hue,
        metadata: transaction.metadata.and_then(|attached| serde_json::to_string_pretty(&attached).ok()),
        description: transaction.description,
        reason: transaction.reason,
        requested_by,
        created_at: transaction.created_at.into(),
        asset: transaction.asset.map(|asset| asset.0),
        reverses: transaction.reverses,
        reversed_by,
        can_be_reversed: reversed_by.is_none() && transaction.transaction_type != TransactionType::Reversal,
        has_no_receipt: receipt == Some(ReceiptStatus::Failed),
        without_receipt,
        giver: Side::new(&transaction.debit, giver, scale),
        gainer: Side::new(&transaction.credit, gainer, scale),
    })
}
