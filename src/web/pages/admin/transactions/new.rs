//! Value that an admin gives or takes: a form, a look at what it will do, and the movement.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::faults;
use crate::domain::posting::Direction;
use crate::domain::{AssetType, Owner, Transaction, TransactionType};
use crate::error::{Error, FieldError, Result};
use crate::ledger::{self, Ledger};
use crate::repo::{Db, asset_types};
use crate::web::api::movements::{Draft, FilledIn, People};
use crate::web::auth::{Admin, By, CsrfForm};
use crate::web::extract::{Now, QueryOf};
use crate::web::pages::admin::review::Review;
use crate::web::pages::list::{self, SelectField};
use crate::web::pages::movements::idempotency;
use crate::web::view::{self, Chrome, Field, Flash, grouped};

/// The fields in the order of the form, which is the order of the messages above it.
const FIELDS: [&str; 6] = ["type", "user", "asset_type", "amount", "description", "reason"];

/// What can be made, as the form sends it and as people read it.
const KINDS: [(&str, &str, TransactionType, Option<Direction>); 4] = [
    ("top_up", "Top-up: value that was paid for", TransactionType::TopUp, None),
    ("bonus", "Bonus: a present", TransactionType::Bonus, None),
    ("adjustment_up", "Adjustment up: add what is missing", TransactionType::Adjustment, Some(Direction::Credit)),
    (
        "adjustment_down",
        "Adjustment down: take off what is too much",
        TransactionType::Adjustment,
        Some(Direction::Debit),
    ),
];

#[derive(Template)]
#[template(path = "admin/transaction_new.html")]
struct NewTransactionPage {
    chrome: Chrome,
    errors: Vec<FieldError>,
    idempotency_key: Uuid,
    kind: SelectField,
    user: Field,
    asset_type: SelectField,
    amount: Field,
    description: Field,
    reason: Field,
}

/// The form, as it was filled in.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct NewTransactionForm {
    /// Made with the form, so that sending it twice moves value once.
    idempotency_key: Uuid,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    asset_type: String,
    #[serde(default)]
    amount: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    reason: String,
    /// `yes` where it was sent from the review.
    #[serde(default, skip_serializing)]
    confirmed: String,
}

/// What the form starts with.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct NewTransactionQuery {
    user: String,
}

impl NewTransactionForm {
    fn blank(user: String) -> Self {
        Self {
            idempotency_key: Uuid::new_v4(),
            r#type: String::new(),
            user,
            asset_type: String::new(),
            amount: String::new(),
            description: String::new(),
            reason: String::new(),
            confirmed: String::new(),
        }
    }

    /// The movement, or everything that is wrong with it.
    fn draft(&self, admin: &Admin) -> Result<Draft> {
        let kind = KINDS.iter().find(|(word, ..)| *word == self.r#type);
        let user = self.user.trim().to_lowercase();
        let filled_in = FilledIn {
            transaction_type: kind.map_or(TransactionType::Bonus, |(_, _, transaction_type, _)| *transaction_type),
            direction: kind.and_then(|(_, _, _, direction)| *direction),
            user: &user,
            receiver: None,
            asset_type: self.asset_type.trim(),
            amount: self.amount.trim(),
            description: self.description.trim(),
            // Until the kind is known, nobody can say whether it needs one.
            reason: if kind.is_some() { &self.reason } else { "" },
        };
        let mut errors = Vec::new();
        let mut note = |field: &'static str, message: &'static str| errors.push(FieldError::new(field, message));
        if kind.is_none() {
            note("type", "Choose what is to happen.");
        }
        if user.is_empty() {
            note("user", "Name the user.");
        }
        if self.asset_type.is_empty() {
            note("asset_type", "Choose an asset type.");
        }
        match Draft::parse(filled_in.into(), &admin.0.user) {
            Ok(draft) if errors.is_empty() => Ok(draft),
            Ok(_) => Err(Error::Invalid(errors)),
            Err(error) => {
                errors.extend(faults(error)?.into_iter().filter(|fault| fault.field != "asset_type"));
                if errors.is_empty() {
                    note_asset_type(&mut errors);
                }
                Err(Error::Invalid(errors))
            }
        }
    }

    /// What will happen, before it does.
    fn review(&self, chrome: Chrome, preview: &Transaction, user: &str) -> Review {
        let unit = &preview.asset_type;
        let text = |number: String| grouped(&number);
        let scale = preview.scale.0;
        let (own, _) = preview.sides();
        let (after, before) = (text(own.balance_after.at_scale(scale)), text(own.balance_before.at_scale(scale)));
        let kind = KINDS.iter().find(|(word, ..)| *word == self.r#type).map_or("", |(_, label, ..)| label);
        let review = Review::new(
            chrome,
            ("/admin/transactions", "Transactions"),
            "Check the movement",
            format!("{user} will hold {after} {unit}, now {before}."),
        )
        .fact("What", kind)
        .fact("User", user)
        .fact("Amount", format!("{} {unit}", text(preview.amount.at_scale(scale))));
        let said = |review: Review, name: &str, text: &str| {
            if text.trim().is_empty() { review } else { review.fact(name, text.trim()) }
        };
        said(said(review, "Description", &self.description), "Reason", &self.reason)
            .hidden("idempotency_key", self.idempotency_key.to_string())
            .hidden("type", &self.r#type)
            .hidden("user", &self.user)
            .hidden("asset_type", &self.asset_type)
            .hidden("amount", &self.amount)
            .hidden("description", &self.description)
            .hidden("reason", &self.reason)
            .hidden("confirmed", "yes")
            .button("Move it")
    }
}

fn note_asset_type(errors: &mut Vec<FieldError>) {
    errors.push(FieldError::new("asset_type", "Choose an asset type."));
}

impl NewTransactionPage {
    fn new(chrome: Chrome, form: &NewTransactionForm, known: &[AssetType], mut errors: Vec<FieldError>) -> Self {
        errors.sort_by_key(|error| FIELDS.iter().position(|field| *field == error.field));
        let field = |name: &str, value: &str| Field::new(name, value, &errors);
        let kinds = KINDS.iter().map(|(word, label, ..)| (*word, (*label).to_owned()));
        Self {
            chrome,
            idempotency_key: form.idempotency_key,
            kind: SelectField {
                choices: list::choices("Choose what is to happen", kinds, &form.r#type),
                error: field("type", "").error,
            },
            user: field("user", &form.user),
            asset_type: SelectField {
                choices: list::asset_type_choices("Choose an asset type", known, &form.asset_type),
                error: field("asset_type", "").error,
            },
            amount: field("amount", &form.amount),
            description: field("description", &form.description),
            reason: field("reason", &form.reason),
            errors,
        }
    }
}

/// `GET /admin/transactions/new`
///
/// # Errors
/// Those of the database.
pub async fn form(_: Admin, query: QueryOf<NewTransactionQuery>, chrome: Chrome, db: Data<Db>) -> Result<HttpResponse> {
    let known = db.run(asset_types::all).await?;
    view::page(&NewTransactionPage::new(chrome, &NewTransactionForm::blank(query.0.user), &known, Vec::new()))
}

/// What sending the form led to.
enum Step {
    Review(Box<Transaction>, String),
    Done(Box<Transaction>, String),
}

/// Looks at the movement, or makes it where it was looked at.
async fn step(form: &NewTransactionForm, admin: &Admin, by: &By, now: Now, db: &Db, ledger: &Ledger) -> Result<Step> {
    let draft = form.draft(admin)?;
    let people = People::find(db, &admin.0.user, draft.names()).await?;
    let command = draft.command(&people, by, Some(idempotency(form.idempotency_key, form)?))?;
    let name = |transaction: &Transaction| match transaction.sides().0.owner {
        Owner::User(user) => people.names.get(&user).cloned().unwrap_or_default(),
        Owner::Treasury => String::new(),
    };
    if form.confirmed == "yes" {
        let transaction = ledger.submit(command).await?.into_transaction();
        let name = name(&transaction);
        return Ok(Step::Done(Box::new(transaction), name));
    }
    let lane = ledger.lane_of(command.requested_by);
    let preview = db.run(move |conn| ledger::preview(conn, lane, now.0, &command)).await?;
    let name = name(&preview);
    Ok(Step::Review(Box::new(preview), name))
}

/// `POST /admin/transactions/new`
///
/// # Errors
/// Those of the database; what is wrong with the fields and every refusal bring the form back.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn create(
    admin: Admin,
    by: By,
    form: CsrfForm<NewTransactionForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
    ledger: Data<Ledger>,
) -> Result<HttpResponse> {
    let form = form.0;
    let errors = match step(&form, &admin, &by, now, &db, &ledger).await {
        Ok(Step::Review(preview, user)) => return form.review(chrome, &preview, &user).page(),
        Ok(Step::Done(transaction, user)) => {
            let balance = &transaction.sides().0.balance_after;
            let balance = grouped(&balance.at_scale(transaction.scale.0));
            Flash::good(format!("Done. {user} holds {balance} {} now.", transaction.asset_type)).leave(&cookie)?;
            return Ok(view::see_other(&format!("/admin/transactions/{}", transaction.id)));
        }
        Err(error) => faults(error)?,
    };
    let known = db.run(asset_types::all).await?;
    view::invalid(&NewTransactionPage::new(chrome, &form, &known, errors))
}
