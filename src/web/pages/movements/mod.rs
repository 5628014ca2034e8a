//! Value that users move themselves, by spending it and by sending it to each other: a form, a look
//! at what it will do, and the movement.

mod form;
mod review;

use actix_session::Session;
use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::posting::Idempotency;
use crate::domain::{Transaction, TransactionType, UserStatus};
use crate::ephemeral::Throttles;
use crate::error::{Error, FieldError, Refusal, Result};
use crate::ledger::{self, Ledger};
use crate::repo::{Db, users, wallets};
use crate::web::api::movements::People;
use crate::web::auth::{self, By, CsrfForm, CurrentUser, Extraction};
use crate::web::extract::{self, QueryOf};
use crate::web::view::{self, Chrome, Flash, grouped};
use form::{MovementForm, MovementPage, MovementQuery, faults};
use review::ReviewPage;

/// What makes a form one movement, however often it is sent. What it says belongs to the key, so that
/// whoever goes back and changes it makes another one.
pub(super) fn idempotency(form_key: Uuid, content: &impl Serialize) -> Result<Idempotency> {
    let request_hash: [u8; 32] = Sha256::digest(serde_json::to_vec(content).map_err(Error::broken)?).into();
    let of_content: String = request_hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Ok(Idempotency { key: format!("form-{form_key}-{of_content}"), item: 0, request_hash })
}

/// What is done on one of the two pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Spend,
    Transfer,
}

impl Deed {
    fn transaction_type(self) -> TransactionType {
        match self {
            Self::Spend => TransactionType::Spend,
            Self::Transfer => TransactionType::Transfer,
        }
    }
}

/// What sending the form led to.
enum Step {
    /// What it would do.
    Review(Box<Transaction>),
    /// What it has done.
    Done(Box<Transaction>),
}

/// Who moves value, and what that takes. An extractor.
pub struct Mover {
    current: CurrentUser,
    by: By,
    now: DateTime<Utc>,
    db: Data<Db>,
    ledger: Data<Ledger>,
    throttles: Data<Throttles>,
}

impl FromRequest for Mover {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, by) = (req.clone(), By::from_request(req, payload));
        Box::pin(async move {
            Ok(Self {
                current: auth::visitor(&req).await?.ok_or(Error::Unauthenticated)?,
                by: by.await?,
                now: extract::now(&req)?,
                db: extract::data(&req)?,
                ledger: extract::data(&req)?,
                throttles: extract::data(&req)?,
            })
        })
    }
}

impl Mover {
    /// Looks at the movement, or makes it where it was looked at. From then on the form names the
    /// receiver by the public name.
    async fn step(&self, deed: Deed, form: &mut MovementForm) -> Result<Step> {
        let user = &self.current.user;
        form.check(deed, user)?;
        if deed == Deed::Transfer {
            // Nobody finds out by trying many names who is here.
            self.throttles.receivers.check(user.id, self.now)?;
            if !form.is_confirmed() {
                form.receiver = self.receiver(&form.receiver).await?;
            }
        }
        let draft = form.draft(deed, user)?;
        let people = People::find(&self.db, user, draft.names()).await?;
        let idempotency = idempotency(form.idempotency_key, &(deed.transaction_type(), &*form))?;
        let command = draft.command(&people, &self.by, Some(idempotency))?;
        if form.is_confirmed() {
            return Ok(Step::Done(Box::new(self.ledger.submit(command).await?.into_transaction())));
        }
        let (lane, now) = (self.ledger.lane_of(command.requested_by), self.now);
        let preview = self.db.run(move |conn| ledger::preview(conn, lane, now, &command)).await?;
        Ok(Step::Review(Box::new(preview)))
    }

    /// The public name of whoever is meant.
    async fn receiver(&self, name: &str) -> Result<String> {
        let wanted = name.to_owned();
        let mut found = self.db.run(move |conn| users::named(conn, &wanted)).await?;
        match (found.pop(), found.is_empty()) {
            (Some(name), true) => Ok(name),
            (None, _) => Err(Refusal::UserNotFound.into()),
            (Some(_), false) => Err(Error::Invalid(vec![FieldError::new(
                "receiver",
                "More than one person goes by this name. Use an e-mail address or a phone number.",
            )])),
        }
    }

    /// The form, as it was filled in.
    async fn page(
        &self,
        deed: Deed,
        chrome: Chrome,
        form: &MovementForm,
        errors: Vec<FieldError>,
    ) -> Result<MovementPage> {
        let user = self.current.user.id;
        let holdings = self.db.run(move |conn| wallets::holdings(conn, user)).await?;
        let is_frozen = self.current.user.status == UserStatus::Frozen;
        Ok(MovementPage::new(chrome, deed, form, &holdings, errors).frozen(is_frozen))
    }

    async fn blank(&self, deed: Deed, chrome: Chrome, query: MovementQuery) -> Result<HttpResponse> {
        view::page(&self.page(deed, chrome, &MovementForm::blank(query), Vec::new()).await?)
    }

    async fn sent(&self, deed: Deed, chrome: Chrome, mut form: MovementForm, cookie: &Session) -> Result<HttpResponse> {
        if form.is_to_change() {
            return view::page(&self.page(deed, chrome, &form, Vec::new()).await?);
        }
        if self.current.user.status == UserStatus::Frozen {
            return view::invalid(&self.page(deed, chrome, &form, Vec::new()).await?);
        }
        match self.step(deed, &mut form).await {
            Ok(Step::Review(preview)) => view::page(&ReviewPage::new(chrome, deed, &form, &preview)),
            Ok(Step::Done(transaction)) => {
                told(deed, &form, &transaction).leave(cookie)?;
                Ok(view::see_other(&format!("/transactions/{}", transaction.id)))
            }
            // Somebody froze the wallet just now.
            Err(Error::Refused(Refusal::WalletFrozen)) => {
                view::invalid(&self.page(deed, chrome, &form, Vec::new()).await?.frozen(true))
            }
            Err(error) => {
                if matches!(error, Error::Refused(Refusal::UserNotFound)) {
                    self.throttles.receivers.count(self.current.user.id, self.now);
                }
                let errors = faults(deed, error)?;
                view::invalid(&self.page(deed, chrome, &form, errors).await?)
            }
        }
    }
}

/// What has happened, in words.
fn told(deed: Deed, form: &MovementForm, transaction: &Transaction) -> Flash {
    let unit = &transaction.asset_type;
    let amount = grouped(&transaction.amount.at_scale(transaction.scale.0));
    let kept = grouped(&transaction.debit.balance_after.at_scale(transaction.scale.0));
    Flash::good(match deed {
        Deed::Transfer => format!("You sent {amount} {unit} to {}. You keep {kept} {unit}.", form.receiver),
        Deed::Spend => format!("You spent {amount} {unit}. You keep {kept} {unit}."),
    })
}

/// `GET /spend`
///
/// # Errors
/// Those of the database.
pub async fn spend_form(mover: Mover, query: QueryOf<MovementQuery>, chrome: Chrome) -> Result<HttpResponse> {
    mover.blank(Deed::Spend, chrome, query.0).await
}

/// `POST /spend`
///
/// # Errors
/// Those of the database; what is wrong with the fields and every refusal bring the form back.
pub async fn spend(
    mover: Mover,
    form: CsrfForm<MovementForm>,
    chrome: Chrome,
    cookie: Session,
) -> Result<HttpResponse> {
    mover.sent(Deed::Spend, chrome, form.0, &cookie).await
}

/// `GET /transfer`
///
/// # Errors
/// Those of the database.
pub async fn transfer_form(mover: Mover, query: QueryOf<MovementQuery>, chrome: Chrome) -> Result<HttpResponse> {
    mover.blank(Deed::Transfer, chrome, query.0).await
}

/// `POST /transfer`
///
/// # Errors
/// As [`spend`], and [`Error::RateLimited`] for whoever tries many names.
pub async fn transfer(
    mover: Mover,
    form: CsrfForm<MovementForm>,
    chrome: Chrome,
    cookie: Session,
) -> Result<HttpResponse> {
    mover.sent(Deed::Transfer, chrome, form.0, &cookie).await
}
