//! The form: what of, how much, to whom, and what for.

use askama::Template;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Move;
use crate::domain::{AssetTypeCode, Balance, User};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::wallets::Holding;
use crate::web::api::movements::{Draft, FilledIn};
use crate::web::pages::list::{self, SelectField};
use crate::web::view::{Chrome, Field, grouped};

/// The fields in the order of the form, which is the order of the messages above it.
const FIELDS: [&str; 4] = ["receiver", "asset_type", "amount", "description"];

#[derive(Template)]
#[template(path = "wallet/movement.html")]
pub(super) struct MovementPage {
    chrome: Chrome,
    action: &'static str,
    is_transfer: bool,
    errors: Vec<FieldError>,
    idempotency_key: Uuid,
    receiver: Field,
    asset_type: SelectField,
    amount: Field,
    description: Field,
    /// Whether there is anything to move.
    has_value: bool,
    is_frozen: bool,
}

/// The form, as it was filled in.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct MovementForm {
    /// Made with the form, so that sending it twice moves value once.
    pub(super) idempotency_key: Uuid,
    #[serde(default)]
    pub(super) receiver: String,
    #[serde(default)]
    pub(super) asset_type: String,
    #[serde(default)]
    pub(super) amount: String,
    #[serde(default)]
    pub(super) description: String,
    /// `confirm` where the review sent it; empty where the form did.
    #[serde(default, skip_serializing)]
    step: String,
}

/// What the form starts with.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct MovementQuery {
    receiver: String,
    asset_type: String,
    amount: String,
    description: String,
    /// `yes` where what was looked at is to be changed.
    change: String,
}

impl MovementQuery {
    pub(super) fn is_to_change(&self) -> bool {
        self.change == "yes"
    }
}

impl MovementForm {
    pub(super) fn blank(query: MovementQuery) -> Self {
        Self {
            idempotency_key: Uuid::new_v4(),
            receiver: query.receiver,
            asset_type: query.asset_type,
            amount: query.amount,
            description: query.description,
            step: String::new(),
        }
    }

    /// The form as a browser would send it, with nothing around its fields and nothing in those that are
    /// not asked for: what is looked at is kept in a cookie, and there is no room for more.
    pub(super) fn tidied(self, way: Move) -> Self {
        let tidy = |text: String| text.replace(|c: char| c.is_control(), " ").trim().to_owned();
        Self {
            receiver: if way == Move::Transfer { tidy(self.receiver) } else { String::new() },
            asset_type: tidy(self.asset_type),
            amount: tidy(self.amount),
            description: tidy(self.description),
            ..self
        }
    }

    /// Whether it was looked at and found right.
    pub(super) fn is_confirmed(&self) -> bool {
        self.step == "confirm"
    }

    /// The movement, or everything that is wrong with the fields themselves.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub(super) fn read(&self, way: Move, user: &User) -> Result<Draft> {
        let filled_in = FilledIn {
            transaction_type: way.transaction_type(),
            direction: None,
            user: "me",
            receiver: (way == Move::Transfer).then_some(self.receiver.trim()),
            asset_type: self.asset_type.trim(),
            amount: self.amount.trim(),
            description: self.description.trim(),
            reason: "",
        };
        let mut errors = Vec::new();
        if way == Move::Transfer && self.receiver.trim().is_empty() {
            errors.push(FieldError::new("receiver", "Name who gets it."));
        }
        if let Err(refusal) = AssetTypeCode::parse(self.asset_type.trim()) {
            errors.extend(faults(way, refusal.into())?);
        }
        match Draft::parse(filled_in.into(), user) {
            Ok(draft) if errors.is_empty() => Ok(draft),
            Ok(_) => Err(Error::Invalid(errors)),
            Err(error) => {
                errors.extend(faults(way, error)?.into_iter().filter(|fault| fault.field != "asset_type"));
                Err(Error::Invalid(errors))
            }
        }
    }
}

/// What is wrong with which field; what no field is to blame for stays an error.
pub(super) fn faults(way: Move, error: Error) -> Result<Vec<FieldError>> {
    let fault = |field: &'static str, message: &'static str| Ok(vec![FieldError::new(field, message)]);
    match error {
        Error::Invalid(errors) => Ok(errors),
        Error::Refused(refusal) => match refusal {
            Refusal::UserNotFound => fault("receiver", "We found nobody with this name. Check how it is spelled."),
            Refusal::SelfTransfer => fault("receiver", "This is you. Name somebody else."),
            Refusal::BalanceLimit => fault("amount", "This is more than the other wallet can take."),
            Refusal::AssetTypeNotFound(_) if way == Move::Spend => fault("asset_type", "Choose what to spend."),
            Refusal::AssetTypeNotFound(_) => fault("asset_type", "Choose what to send."),
            Refusal::NotTransferable(_) => Ok(vec![FieldError::new("asset_type", refusal.to_string())]),
            Refusal::InvalidAmount(_) | Refusal::InsufficientFunds { .. } => {
                Ok(vec![FieldError::new("amount", refusal.to_string())])
            }
            other => Err(other.into()),
        },
        error => Err(error),
    }
}

impl MovementPage {
    pub(super) fn new(
        chrome: Chrome,
        way: Move,
        form: &MovementForm,
        holdings: &[Holding],
        mut errors: Vec<FieldError>,
    ) -> Self {
        errors.sort_by_key(|error| FIELDS.iter().position(|field| *field == error.field));
        let is_transfer = way == Move::Transfer;
        let chosen = form.asset_type.trim();
        let offered: Vec<_> = holdings
            .iter()
            .filter(|holding| holding.asset_type.transferable || !is_transfer)
            .filter(|holding| holding.can_give() || holding.asset_type.code.as_str() == chosen)
            .map(|holding| (holding.asset_type.code, label(holding)))
            .collect();
        let only: Option<&AssetTypeCode> = match offered.as_slice() {
            [(code, _)] => Some(code),
            _ => None,
        };
        let chosen = only.map_or(chosen, AssetTypeCode::as_str).to_owned();
        let field = |name: &str, value: &str| Field::new(name, value, &errors);
        Self {
            chrome,
            action: way.path(),
            is_transfer,
            idempotency_key: form.idempotency_key,
            receiver: field("receiver", &form.receiver),
            has_value: !offered.is_empty(),
            asset_type: SelectField {
                choices: list::choices("Choose one of your balances", offered, &chosen),
                error: field("asset_type", "").error,
            },
            amount: field("amount", &form.amount),
            description: field("description", &form.description),
            errors,
            is_frozen: false,
        }
    }

    /// The same page for a user who may move nothing.
    pub(super) fn frozen(self, is_frozen: bool) -> Self {
        Self { is_frozen: self.is_frozen || is_frozen, ..self }
    }
}

/// A balance as the select offers it, with what must stay.
fn label(holding: &Holding) -> String {
    let Holding { asset_type, balance } = holding;
    let text = |balance: &Balance| grouped(&balance.at_scale(asset_type.scale.0));
    let held = format!("{}: {} {}", asset_type.name, text(balance), asset_type.code);
    if asset_type.minimum_balance == Balance::zero() {
        held
    } else {
        format!("{held}, of which {} must stay", text(&asset_type.minimum_balance))
    }
}
