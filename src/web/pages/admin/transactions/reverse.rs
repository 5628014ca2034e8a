//! Taking a transaction back, after a look at what each wallet will hold.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::show::sides;
use crate::domain::posting::Command;
use crate::domain::{Entry, Reason, TransactionId, UserId};
use crate::error::{Error, Result};
use crate::ledger::{self, Ledger};
use crate::repo::Db;
use crate::repo::assets::Viewer;
use crate::repo::transactions::{self, Told, TransactionView};
use crate::web::api::movements;
use crate::web::auth::{Admin, By, CsrfForm};
use crate::web::extract::{Now, PathOf, QueryOf};
use crate::web::pages::admin::review::Review;
use crate::web::pages::movements::idempotency;
use crate::web::pages::parts::type_word;
use crate::web::view::{self, Chrome, Flash, grouped};

/// The form.
#[derive(Debug, Deserialize, Serialize)]
pub struct ReversalForm {
    /// Made with the form, so that sending it twice reverses once.
    #[serde(default = "Uuid::new_v4")]
    idempotency_key: Uuid,
    #[serde(default)]
    reason: String,
}

/// What a page needs to tell what a reversal does.
struct Looker {
    db: Data<Db>,
    ledger: Data<Ledger>,
    caller: UserId,
    by: By,
    now: DateTime<Utc>,
}

impl Looker {
    /// The page, with what each wallet will hold, or with why nothing can be done now.
    async fn page(&self, chrome: Chrome, told: &Told, form: &ReversalForm) -> Result<Review> {
        let Told { view, reversed_by, .. } = told;
        let transaction = &view.transaction;
        let (word, scale) = (type_word(transaction.transaction_type), transaction.scale.0);
        let amount = format!("{} {}", grouped(&transaction.amount.at_scale(scale)), transaction.asset_type);
        let review = Review::new(
            chrome,
            (place(transaction.id), word),
            format!("Reverse {amount}"),
            "A new transaction of the same amount goes the other way. Both stay in the ledger.",
        )
        .fact("Transaction", format!("{word} of {amount}"));
        let review = match transaction.description.as_str() {
            "" => review,
            text => review.fact("Description", text),
        };
        if reversed_by.is_some() {
            return Ok(review.warning("This transaction has been reversed already."));
        }
        // A reason is no part of what is looked at.
        let command = self.command(view, Reason::parse("look").map_err(|error| Error::Invalid(vec![error]))?);
        let (lane, now) = (self.ledger.lane_of(self.caller), self.now);
        match self.db.run(move |conn| ledger::preview(conn, lane, now, &command)).await {
            Ok(reversal) => {
                let (giver, gainer) = sides(view);
                let unit = &transaction.asset_type;
                let held = |entry: &Entry| {
                    let text = |balance: &crate::domain::Balance| grouped(&balance.at_scale(scale));
                    format!("{} {unit}, now {}", text(&entry.balance_after), text(&entry.balance_before))
                };
                let mut review = review;
                for (name, entry) in [(gainer, &reversal.debit), (giver, &reversal.credit)] {
                    if let Some(name) = name {
                        review = review.fact(format!("{name} will hold"), held(entry));
                    }
                }
                Ok(review
                    .reason(&form.reason)
                    .hidden("idempotency_key", form.idempotency_key.to_string())
                    .dangerous_button("Reverse"))
            }
            // What stands in the way may pass: the reason stays, and the button tries again.
            Err(Error::Refused(refusal)) if !form.reason.is_empty() => Ok(review
                .warning(refusal.to_string())
                .reason(&form.reason)
                .hidden("idempotency_key", form.idempotency_key.to_string())
                .dangerous_button("Try again")),
            Err(Error::Refused(refusal)) => Ok(review.warning(refusal.to_string())),
            Err(error) => Err(error),
        }
    }

    fn command(&self, view: &TransactionView, reason: Reason) -> Command {
        movements::reversal(self.caller, &self.by, &view.transaction, reason)
    }
}

fn place(id: TransactionId) -> String {
    format!("/admin/transactions/{id}")
}

/// `GET /admin/transactions/{id}/reverse`
///
/// # Errors
/// [`crate::error::Refusal::TransactionNotFound`] and those of the database.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn review(
    admin: Admin,
    by: By,
    id: PathOf<TransactionId>,
    query: QueryOf<ReversalForm>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
    ledger: Data<Ledger>,
) -> Result<HttpResponse> {
    let told = db.run(move |conn| transactions::told(conn, Viewer::Admin, id.0)).await?;
    let form = ReversalForm { idempotency_key: Uuid::new_v4(), ..query.0 };
    Looker { db, ledger, caller: admin.0.user.id, by, now: now.0 }.page(chrome, &told, &form).await?.page()
}

/// `POST /admin/transactions/{id}/reverse`
///
/// # Errors
/// As [`review`]; a missing reason and every refusal bring the page back.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn act(
    admin: Admin,
    by: By,
    id: PathOf<TransactionId>,
    form: CsrfForm<ReversalForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
    ledger: Data<Ledger>,
) -> Result<HttpResponse> {
    let form = form.0;
    let told = db.run(move |conn| transactions::told(conn, Viewer::Admin, id.0)).await?;
    let looker = Looker { db, ledger, caller: admin.0.user.id, by, now: now.0 };
    let reason = match Reason::parse(&form.reason) {
        Ok(reason) => reason,
        Err(error) => return looker.page(chrome, &told, &form).await?.invalid(vec![error]),
    };
    let idempotency = Some(idempotency(form.idempotency_key, &(told.view.transaction.id, &form))?);
    let command = Command { idempotency, ..looker.command(&told.view, reason) };
    match looker.ledger.submit(command).await {
        Ok(outcome) => {
            Flash::good("Reversed. This is the transaction that took it back.").leave(&cookie)?;
            Ok(view::see_other(&place(outcome.transaction().id)))
        }
        Err(Error::Refused(_)) => looker.page(chrome, &told, &form).await?.invalid(Vec::new()),
        Err(error) => Err(error),
    }
}
