//! Value that users move themselves, by spending it and by sending it to each other: a form, a look
//! at what it will do, and the movement.

mod form;
mod review;

use actix_session::Session;
use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::posting::{Command, Idempotency};
use crate::domain::{Transaction, TransactionId, TransactionType, UserStatus};
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

/// The cookie's name for the movement that was looked at.
const LOOKED_AT: &str = "movement";

/// What is done on one of the two pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Move {
    Spend,
    Transfer,
}

impl Move {
    /// By a path of ours.
    fn of(path: &str) -> Result<Self> {
        let under = |way: &Self| path == way.path() || path == way.review_path();
        [Self::Spend, Self::Transfer].into_iter().find(under).ok_or(Error::NotFound)
    }

    fn transaction_type(self) -> TransactionType {
        match self {
            Self::Spend => TransactionType::Spend,
            Self::Transfer => TransactionType::Transfer,
        }
    }

    /// The page of its form.
    fn path(self) -> &'static str {
        match self {
            Self::Spend => "/spend",
            Self::Transfer => "/transfer",
        }
    }

    /// The page of the look at what it will do.
    fn review_path(self) -> &'static str {
        match self {
            Self::Spend => "/spend/review",
            Self::Transfer => "/transfer/review",
        }
    }
}

/// The last movement that a browser's user looked at. It is kept in the cookie, so that the look has
/// an address of its own: nothing is sent again by going back to it.
#[derive(Serialize, Deserialize)]
struct LookedAt {
    way: Move,
    /// The user's public name, for another one may sign in.
    user: String,
    now: Stage,
}

/// How far a movement has come.
#[derive(Serialize, Deserialize)]
enum Stage {
    /// It waits for a yes.
    Ahead(MovementForm),
    /// It is this transaction.
    Done(TransactionId),
}

impl LookedAt {
    fn keep(self, cookie: &Session) -> Result<()> {
        cookie.insert(LOOKED_AT, self).map_err(|error| Error::broken(error.to_string()))
    }
}

/// Who moves value, in which way by the path, and what that takes. An extractor.
pub struct Mover {
    way: Move,
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
                way: Move::of(req.path())?,
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
    /// The command that the form asks for; the receiver goes by the public name.
    async fn command(&self, form: &MovementForm) -> Result<Command> {
        let user = &self.current.user;
        let draft = form.read(self.way, user)?;
        let people = People::find(&self.db, user, draft.names()).await?;
        let idempotency = idempotency(form.idempotency_key, &(self.way.transaction_type(), form))?;
        draft.command(&people, &self.by, Some(idempotency))
    }

    /// What the movement would do.
    async fn preview(&self, form: &MovementForm) -> Result<Transaction> {
        let command = self.command(form).await?;
        let (lane, now) = (self.ledger.lane_of(command.requested_by), self.now);
        self.db.read(move |conn| ledger::preview(conn, lane, now, &command)).await
    }

    /// Looks at a movement, and leads to that look, or makes it where it was looked at, and leads to
    /// what it became.
    async fn step(&self, form: &mut MovementForm, cookie: &Session) -> Result<HttpResponse> {
        if self.way == Move::Transfer {
            // Nobody finds out by trying many names who is here.
            self.throttles.check(&[(&self.throttles.receivers, &self.seeker())], self.now).await?;
        }
        let looked_at = |now| LookedAt { way: self.way, user: self.current.user.external_id.clone(), now }.keep(cookie);
        if form.is_confirmed() {
            let transaction = self.ledger.submit(self.command(form).await?).await?.into_transaction();
            looked_at(Stage::Done(transaction.id))?;
            told(self.way, form, &transaction).leave(cookie)?;
            return Ok(view::see_other(&format!("/transactions/{}", transaction.id)));
        }
        form.read(self.way, &self.current.user)?;
        if self.way == Move::Transfer {
            form.receiver = self.receiver(&form.receiver).await?;
        }
        self.preview(form).await?;
        looked_at(Stage::Ahead(form.clone().tidied(self.way)))?;
        Ok(view::see_other(self.way.review_path()))
    }

    /// What names that nobody has are counted under.
    fn seeker(&self) -> String {
        self.current.user.id.0.to_string()
    }

    /// The public name of whoever is meant.
    async fn receiver(&self, name: &str) -> Result<String> {
        let wanted = name.to_owned();
        let mut found = self.db.read(move |conn| users::named(conn, &wanted)).await?;
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
    async fn page(&self, chrome: Chrome, form: &MovementForm, errors: Vec<FieldError>) -> Result<MovementPage> {
        let user = self.current.user.id;
        let holdings = self.db.run(move |conn| wallets::holdings(conn, user)).await?;
        let is_frozen = self.current.user.status == UserStatus::Frozen;
        Ok(MovementPage::new(chrome, self.way, form, &holdings, errors).frozen(is_frozen))
    }

    /// The form again, with why it came back.
    async fn back(&self, chrome: Chrome, form: &MovementForm, error: Error) -> Result<HttpResponse> {
        match error {
            // Somebody froze the wallet just now.
            Error::Refused(Refusal::WalletFrozen) => {
                view::invalid(&self.page(chrome, form, Vec::new()).await?.frozen(true))
            }
            error => view::invalid(&self.page(chrome, form, faults(self.way, error)?).await?),
        }
    }

    /// How far the movement has come that this user looked at last, if it was of this kind.
    fn looked_at(&self, cookie: &Session) -> Option<Stage> {
        let kept: LookedAt = cookie.get(LOOKED_AT).ok().flatten()?;
        (kept.way == self.way && kept.user == self.current.user.external_id).then_some(kept.now)
    }
}

/// What has happened, in words.
fn told(way: Move, form: &MovementForm, transaction: &Transaction) -> Flash {
    let unit = &transaction.asset_type;
    let amount = grouped(&transaction.amount.at_scale(transaction.scale.0));
    let kept = grouped(&transaction.debit.balance_after.at_scale(transaction.scale.0));
    Flash::good(match way {
        Move::Transfer => format!("You sent {amount} {unit} to {}. You keep {kept} {unit}.", form.receiver.trim()),
        Move::Spend => format!("You spent {amount} {unit}. You keep {kept} {unit}."),
    })
}

/// `GET /spend` and `GET /transfer`
///
/// # Errors
/// Those of the database.
pub async fn form(
    mover: Mover,
    query: QueryOf<MovementQuery>,
    chrome: Chrome,
    cookie: Session,
) -> Result<HttpResponse> {
    let form = match mover.looked_at(&cookie) {
        Some(Stage::Ahead(form)) if query.0.is_to_change() => form,
        _ => MovementForm::blank(query.0),
    };
    view::page(&mover.page(chrome, &form, Vec::new()).await?)
}

/// `POST /spend` and `POST /transfer`
///
/// # Errors
/// [`Error::RateLimited`] for whoever tries many names to send to, and those of the database; what is
/// wrong with the fields and every refusal bring the form back.
pub async fn send(mover: Mover, form: CsrfForm<MovementForm>, chrome: Chrome, cookie: Session) -> Result<HttpResponse> {
    let mut form = form.0;
    let step = match mover.current.user.status {
        UserStatus::Active => mover.step(&mut form, &cookie).await,
        UserStatus::Frozen => Err(Refusal::WalletFrozen.into()),
    };
    match step {
        Ok(answer) => Ok(answer),
        Err(error) => {
            if matches!(error, Error::Refused(Refusal::UserNotFound)) {
                mover.throttles.count(&[(&mover.throttles.receivers, &mover.seeker())], mover.now).await;
            }
            mover.back(chrome, &form, error).await
        }
    }
}

/// `GET /spend/review` and `GET /transfer/review`
///
/// # Errors
/// Those of the database; every refusal brings the form back.
pub async fn review(mover: Mover, chrome: Chrome, cookie: Session) -> Result<HttpResponse> {
    match mover.looked_at(&cookie) {
        None => Ok(view::see_other(mover.way.path())),
        Some(Stage::Done(transaction)) => Ok(view::see_other(&format!("/transactions/{transaction}"))),
        Some(Stage::Ahead(form)) => match mover.preview(&form).await {
            Ok(preview) => view::page(&ReviewPage::new(chrome, mover.way, &form, &preview)),
            Err(error) => mover.back(chrome, &form, error).await,
        },
    }
}
