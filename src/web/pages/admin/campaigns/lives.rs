//! What is done to a campaign after a look at what will happen: pause, resume, add credits, delete.

use actix_session::Session;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use uuid::Uuid;

use super::word;
use crate::domain::{CampaignId, Reason};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::Db;
use crate::repo::campaigns::{self, CampaignView};
use crate::web::auth::{Admin, By, CsrfForm, Keys};
use crate::web::extract::{Now, PathOf};
use crate::web::kept::KeptForm;
use crate::web::pages::admin::review::Review;
use crate::web::pages::parts::counted;
use crate::web::view::{self, Chrome, Flash, grouped};

/// What can be done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Pause,
    Resume,
    Add,
    Delete,
}

impl Action {
    /// By the last word of a path of ours.
    fn of(req: &HttpRequest) -> Result<Self> {
        match req.path().rsplit('/').next() {
            Some("pause") => Ok(Self::Pause),
            Some("resume") => Ok(Self::Resume),
            Some("add") => Ok(Self::Add),
            Some("delete") => Ok(Self::Delete),
            _ => Err(Error::NotFound),
        }
    }
}

/// The review, as it was filled in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct LivesForm {
    /// Made with the form, so that sending it twice adds once.
    idempotency_key: Uuid,
    quantity: String,
    reason: String,
}

fn review(chrome: Chrome, action: Action, found: &CampaignView, form: &LivesForm) -> Review {
    let campaign = &found.campaign;
    let (title, lead) = match action {
        Action::Pause => ("Pause campaign", "Nobody can claim from it until you resume it. Its end stays where it is."),
        Action::Resume => ("Resume campaign", "Users can claim from it again at once, if it has begun and not ended."),
        Action::Add => ("Add credits", "New credits are all like the campaign is now, each with its own voucher code."),
        Action::Delete if found.counts.claimed > 0 => {
            ("Delete campaign", "It cannot be deleted: credits of it have been claimed.")
        }
        Action::Delete => {
            ("Delete campaign", "The campaign and all of its credits go for ever. The audit log keeps what was.")
        }
    };
    let counts = &found.counts;
    let all = counts.available + counts.claimed + counts.expired;
    let parent = (format!("/admin/campaigns/{}", campaign.id), campaign.title.clone());
    let amount = format!("{} {}", grouped(&campaign.amount.at_scale(found.scale.0)), campaign.asset_type);
    let review = Review::new(chrome, parent, title, lead)
        .fact("Campaign", campaign.title.clone())
        .fact("Status", word(found.status))
        .fact("Amount of each", amount)
        .fact("Credits", grouped(&all.to_string()))
        .fact("Still to claim", grouped(&counts.available.to_string()));
    match action {
        Action::Pause => review.reason(&form.reason).button("Pause campaign"),
        Action::Resume => review.reason(&form.reason).button("Resume campaign"),
        Action::Add => review
            .input(("quantity", "How many more"), "number", "From 1 to 10,000.", &form.quantity)
            .required()
            .hidden("idempotency_key", form.idempotency_key.to_string())
            .button("Add credits"),
        Action::Delete if counts.claimed > 0 => review.warning(Refusal::CampaignImmutable.to_string()),
        Action::Delete => review.reason(&form.reason).dangerous_button("Delete campaign"),
    }
}

/// `GET /admin/campaigns/{id}/pause`, `…/resume`, `…/add` and `…/delete`
///
/// # Errors
/// [`Error::NotFound`] and those of the database.
pub async fn ask(
    admin: Admin,
    id: PathOf<CampaignId>,
    kept: KeptForm<LivesForm>,
    chrome: Chrome,
    now: Now,
    req: HttpRequest,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let action = Action::of(&req)?;
    let found = db.run(move |conn| campaigns::one(conn, &admin.0.user, id.0, now.0)).await?;
    let form = LivesForm { idempotency_key: Uuid::new_v4(), ..kept.0.unwrap_or_default() };
    review(chrome, action, &found, &form).page()
}

/// `POST /admin/campaigns/{id}/pause`, `…/resume`, `…/add` and `…/delete`
///
/// # Errors
/// [`Error::NotFound`] and those of the database; what is wrong with the fields brings the review back.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn act(
    admin: Admin,
    by: By,
    id: PathOf<CampaignId>,
    form: CsrfForm<LivesForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    req: HttpRequest,
    keys: Data<Keys>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (action, id, form) = (Action::of(&req)?, id.0, form.0);
    let page = format!("/admin/campaigns/{id}");
    let outcome = match action {
        Action::Pause | Action::Resume => match Reason::parse(&form.reason) {
            Ok(reason) => {
                let paused = action == Action::Pause;
                let done = db.run(move |conn| campaigns::hold(conn, &by.0, id, paused, &reason, now.0)).await;
                let words = if paused { "paused" } else { "resumed" };
                done.map(|view| (format!("“{}” is {words}.", view.campaign.title), page))
            }
            Err(error) => Err(Error::Invalid(vec![error])),
        },
        Action::Add => {
            let quantity: usize = form.quantity.trim().parse().unwrap_or_default();
            let request = format!("campaign {id} {:?} {} {quantity}", by.0.user, form.idempotency_key);
            let codes = move |number| keys.voucher_code(request.as_bytes(), number);
            let done = db.run(move |conn| campaigns::add(conn, &by.0, id, quantity, codes, now.0).map(|_| ())).await;
            let added = i64::try_from(quantity).unwrap_or(i64::MAX);
            match done {
                // Sent twice, added once, answered alike.
                Ok(()) | Err(Error::Refused(Refusal::AlreadyCreated)) => {
                    Ok((format!("Added {}.", counted(added, "credit", "credits")), page))
                }
                Err(error) => Err(error),
            }
        }
        Action::Delete => match Reason::parse(&form.reason) {
            Ok(reason) => db
                .run(move |conn| campaigns::delete(conn, &by.0, id, Some(&reason), now.0))
                .await
                .map(|()| ("The campaign and its credits are deleted.".to_owned(), "/admin/campaigns".to_owned())),
            Err(error) => Err(Error::Invalid(vec![error])),
        },
    };
    let errors = match outcome {
        Ok((words, page)) => {
            Flash::good(words).leave(&cookie)?;
            return Ok(view::see_other(&page));
        }
        Err(Error::Invalid(errors)) => errors,
        Err(Error::Refused(refusal @ (Refusal::CampaignImmutable | Refusal::AlreadyRecreated))) => {
            vec![FieldError::new("reason", refusal.to_string())]
        }
        Err(error) => return Err(error),
    };
    let found = db.run(move |conn| campaigns::one(conn, &admin.0.user, id, now.0)).await?;
    review(chrome, action, &found, &form).invalid(errors)
}
