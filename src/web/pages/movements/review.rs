//! The look at what a movement will do, made by the ledger's own dry run.

use askama::Template;

use super::Move;
use super::form::MovementForm;
use crate::domain::{Balance, Transaction};
use crate::web::pages::parts::Coin;
use crate::web::view::{Chrome, grouped};

#[derive(Template)]
#[template(path = "wallet/review.html")]
pub(super) struct ReviewPage<'a> {
    chrome: Chrome,
    action: &'static str,
    is_transfer: bool,
    form: &'a MovementForm,
    /// What it is for, as it will stand in the ledger.
    description: &'a str,
    initial: String,
    hue: u32,
    amount: String,
    asset_type: String,
    /// What the wallet holds now.
    before: String,
    /// What it will hold.
    after: String,
}

impl<'a> ReviewPage<'a> {
    pub(super) fn new(chrome: Chrome, way: Move, form: &'a MovementForm, preview: &Transaction) -> Self {
        let text = |balance: &Balance| grouped(&balance.at_scale(preview.scale.0));
        let Coin { initial, hue } = Coin::of(&preview.asset_type);
        Self {
            chrome,
            action: way.path(),
            is_transfer: way == Move::Transfer,
            form,
            description: form.description.trim(),
            initial,
            hue,
            amount: grouped(&preview.amount.at_scale(preview.scale.0)),
            asset_type: preview.asset_type.to_string(),
            before: text(&preview.debit.balance_before),
            after: text(&preview.debit.balance_after),
        }
    }
}
