//! One movement as a user of it sees it: what happened, from whom to whom, what it left in the own
//! wallet, and what became of it.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;

use super::activity::word;
use super::parts::{Coin, name_of};
use crate::domain::{Balance, Entry, Owner, ReceiptStatus, Role, TransactionId, UserId};
use crate::error::{Error, Refusal, Result};
use crate::repo::assets::Viewer;
use crate::repo::transactions::{self, Told};
use crate::repo::{Db, asset_types, receipts};
use crate::web::auth::CurrentUser;
use crate::web::extract::PathOf;
use crate::web::view::{self, Chrome, Moment, grouped};

/// What the treasury is called where users read it.
const TREASURY: &str = "Coffer";

#[derive(Template)]
#[template(path = "wallet/transaction.html")]
struct TransactionPage {
    chrome: Chrome,
    id: TransactionId,
    word: &'static str,
    received: bool,
    /// Without a sign.
    amount: String,
    asset_type: String,
    asset_type_name: String,
    initial: String,
    hue: u32,
    giver: String,
    gainer: String,
    entries: [Line; 2],
    description: String,
    at: Moment,
    /// Whether it was the claim of a credit.
    is_claim: bool,
    /// Whether its receipt could not be made.
    has_no_receipt: bool,
    reverses: Option<TransactionId>,
    reversed_by: Option<TransactionId>,
}

/// One of its two entries.
struct Line {
    name: String,
    received: bool,
    /// Without a sign.
    amount: String,
    /// What the wallet held before and after; none where it is another's.
    balances: Option<(String, String)>,
}

impl Line {
    fn new(entry: &Entry, name: &str, user: UserId, scale: u8) -> Self {
        let text = |balance: &Balance| grouped(&balance.at_scale(scale));
        let received = !entry.amount.is_negative();
        let is_own = entry.owner == Owner::User(user);
        Self {
            name: if is_own { "Your wallet".to_owned() } else { name.to_owned() },
            received,
            amount: text(&if received { entry.amount.clone() } else { entry.amount.negated() }),
            balances: is_own.then(|| (text(&entry.balance_before), text(&entry.balance_after))),
        }
    }
}

/// `GET /transactions/{id}`
///
/// # Errors
/// [`Refusal::TransactionNotFound`], also of what others did, which admins are led to; those of the
/// database.
pub async fn show(
    current: CurrentUser,
    id: PathOf<TransactionId>,
    chrome: Chrome,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (user, id) = (current.user.id, id.0);
    let found = db.run(move |conn| {
        let told = transactions::told(conn, Viewer::User(user), id)?;
        let receipt = receipts::status(conn, &told.view, user)?;
        Ok((told, receipt, asset_types::all(conn)?))
    });
    match found.await {
        Ok((told, receipt, known)) => {
            let name = name_of(&told.view.transaction.asset_type, &known);
            let has_no_receipt = receipt == Some(ReceiptStatus::Failed);
            view::page(&TransactionPage { has_no_receipt, ..TransactionPage::new(chrome, told, user, name) })
        }
        Err(Error::Refused(Refusal::TransactionNotFound)) if current.user.role == Role::Admin => {
            Ok(view::see_other(&format!("/admin/transactions/{id}")))
        }
        Err(error) => Err(error),
    }
}

impl TransactionPage {
    fn new(chrome: Chrome, told: Told, user: UserId, asset_type_name: String) -> Self {
        let Told { view, reversed_by, .. } = told;
        let transaction = view.transaction;
        let scale = transaction.scale.0;
        let about = transaction.sides().0.owner;
        let name = |entry: &Entry| match entry.owner {
            Owner::Treasury => TREASURY.to_owned(),
            Owner::User(owner) if owner == user => "You".to_owned(),
            owner if owner == about => view.user.clone(),
            Owner::User(_) => view.counterparty.clone().unwrap_or_default(),
        };
        let (giver, gainer) = (name(&transaction.debit), name(&transaction.credit));
        let received = transaction.credit.owner == Owner::User(user);
        let Coin { initial, hue } = Coin::of(&transaction.asset_type);
        Self {
            chrome,
            id: transaction.id,
            word: word(transaction.transaction_type, received),
            received,
            amount: grouped(&transaction.amount.at_scale(scale)),
            asset_type: transaction.asset_type.to_string(),
            asset_type_name,
            initial,
            hue,
            entries: [
                Line::new(&transaction.debit, &giver, user, scale),
                Line::new(&transaction.credit, &gainer, user, scale),
            ],
            giver,
            gainer,
            description: transaction.description,
            at: transaction.created_at.into(),
            is_claim: transaction.asset.is_some(),
            has_no_receipt: false,
            reverses: transaction.reverses,
            reversed_by,
        }
    }
}
