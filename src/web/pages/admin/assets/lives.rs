//! What is done to credits: they expire, vanish or come back, one or many at once, each time after a
//! look at what will happen.

use actix_session::Session;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::list::{AssetsQuery, credits};
use super::new::time;
use crate::domain::{Amount, AssetId, Reason};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::Db;
use crate::repo::assets::{self, AssetOutcome, Chosen, Fate, Ownership, Preview, Recreation, Viewer};
use crate::web::auth::{Admin, By, CsrfForm};
use crate::web::extract::{Now, PathOf, QueryOf};
use crate::web::pages::admin::review::Review;
use crate::web::view::{self, Chrome, Flash, grouped};

/// The list of all credits.
const LIST: &str = "/admin/assets";

/// A recreation that changes nothing.
const PLAIN: Fate = Fate::Recreate(Recreation { expires_at: None, title: None, amount: None });

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Expire,
    Delete,
    Recreate,
}

impl Action {
    fn of(word: &str) -> Option<Self> {
        match word {
            "expire" => Some(Self::Expire),
            "delete" => Some(Self::Delete),
            "recreate" => Some(Self::Recreate),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Expire => "expire",
            Self::Delete => "delete",
            Self::Recreate => "recreate",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Expire => "Expire",
            Self::Delete => "Delete",
            Self::Recreate => "Recreate",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Expire => "expired",
            Self::Delete => "deleted",
            Self::Recreate => "recreated",
        }
    }

    fn lead(self) -> &'static str {
        match self {
            Self::Expire => "From now on nobody can claim what expires. It can be recreated later.",
            Self::Delete => "What is deleted cannot be brought back. The audit log keeps what it was.",
            Self::Recreate => {
                "Each expired credit gets a successor with a new voucher code, which users can claim. It stays in its \
                 campaign, unless that has ended."
            }
        }
    }
}

/// A form as it was sent: names may be there more than once.
#[derive(Debug, Clone, Default)]
struct Sent(Vec<(String, String)>);

impl Sent {
    fn one(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value.as_str())
    }

    fn ids(&self) -> Vec<AssetId> {
        let ids = self.0.iter().filter(|(name, _)| name == "ids");
        ids.filter_map(|(_, value)| value.parse().ok()).collect()
    }

    /// What is to become of credits, or everything that is wrong with it.
    fn fate(&self, action: Action) -> std::result::Result<Fate, Vec<FieldError>> {
        if action != Action::Recreate {
            return Ok(if action == Action::Expire { Fate::Expire } else { Fate::Delete });
        }
        let mut errors = Vec::new();
        let text = |name| Some(self.one(name).trim().to_owned()).filter(|text| !text.is_empty());
        let amount = text("amount").map(|amount| Amount::parse(&amount)).transpose();
        let amount = amount.map_err(|refusal| errors.push(FieldError::new("amount", refusal.to_string())));
        let expires_at: std::result::Result<Option<DateTime<Utc>>, ()> = time(self.one("expires_at"));
        if expires_at.is_err() {
            errors.push(FieldError::new("expires_at", "Write a day and a time, such as 2026-12-31T23:59."));
        }
        match (amount, expires_at) {
            (Ok(amount), Ok(expires_at)) => Ok(Fate::Recreate(Recreation { expires_at, title: text("title"), amount })),
            _ => Err(errors),
        }
    }

    /// Adds to a review what is asked for with an action, as it was filled in.
    fn ask(&self, review: Review, action: Action) -> Review {
        let review = match action {
            Action::Recreate => review
                .input(("title", "New title"), "text", "Leave it empty to keep the title.", self.one("title"))
                .input(("amount", "New amount"), "text", "Leave it empty to keep the amount.", self.one("amount"))
                .input(
                    ("expires_at", "New expiry"),
                    "datetime-local",
                    "In UTC, whatever zone your pages are in. Leave it empty for credits that stay claimable.",
                    self.one("expires_at"),
                ),
            Action::Expire | Action::Delete => review,
        };
        review.reason(self.one("reason"))
    }
}

/// Why credits stay as they are, in the words of a list.
fn stays(refusal: &Refusal, count: usize) -> String {
    let why = match refusal {
        Refusal::AssetImmutable => "claimed",
        Refusal::AssetExpired => "expired already",
        Refusal::AssetNotExpired => "not expired",
        Refusal::AlreadyRecreated => "recreated already",
        Refusal::AssetNotFound => "gone",
        Refusal::InvalidAmount(_) => "of a type that cannot have this amount",
        _ => "not to be changed",
    };
    let stay = if count == 1 { "stays as it is" } else { "stay as they are" };
    format!("{} {stay}: {why}.", credits(count))
}

fn field_errors(error: Error) -> Result<Vec<FieldError>> {
    match error {
        Error::Invalid(errors) => Ok(errors),
        Error::Refused(Refusal::InvalidAmount(words)) => Ok(vec![FieldError::new("amount", words)]),
        error => Err(error),
    }
}

/// `POST /admin/assets/bulk`: the first time a review, and then what was reviewed.
///
/// # Errors
/// Those of the database; what is wrong with the fields brings the review back.
pub async fn bulk(
    _: Admin,
    by: By,
    form: CsrfForm<Vec<(String, String)>>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let sent = Sent(form.0);
    let query = AssetsQuery::of(sent.one("list"))?;
    let list = query.href()?;
    let Some(action) = Action::of(sent.one("action")) else {
        return Err(Error::Malformed("There is no such action.".into()));
    };
    let (all, ids) = (sent.one("all") == "yes", sent.ids());
    if !all && ids.is_empty() {
        Flash::warn("Nothing is selected. Tick the credits that you mean, or all that match.").leave(&cookie)?;
        return Ok(view::see_other(&list));
    }
    let chosen = if all { Chosen::Matching(query.filter()?) } else { Chosen::Ids(ids) };
    let look = async |fate: Fate| {
        let chosen = chosen.clone();
        db.run(move |conn| assets::preview(conn, &chosen, &fate, now.0)).await
    };
    let (fate, mut errors) = match sent.fate(action) {
        Ok(fate) => (fate, Vec::new()),
        Err(errors) => (PLAIN, errors),
    };
    let mut looked = look(fate.clone()).await;
    if let (Err(Error::Invalid(_)), Fate::Recreate(_)) = (&looked, &fate) {
        // What is wrong may be what is asked for: the credits themselves are still to be seen.
        let plain = look(PLAIN).await;
        if let (Err(error), true) = (std::mem::replace(&mut looked, plain), looked.is_ok()) {
            errors.extend(field_errors(error)?);
        }
    }
    let preview = match looked {
        Ok(preview) => preview,
        Err(error) => {
            Flash::warn(field_errors(error)?.first().map(|error| error.message.to_string()).unwrap_or_default())
                .leave(&cookie)?;
            return Ok(view::see_other(&list));
        }
    };
    let reason = Reason::parse(sent.one("reason"));
    let is_confirmed = sent.one("confirmed") == "yes";
    if is_confirmed && errors.is_empty() && preview.count() == 0 {
        nothing_left(&preview).leave(&cookie)?;
        return Ok(view::see_other(&list));
    }
    // Of those that were ticked one by one, the answer says which stay.
    let has_moved = is_confirmed && all && sent.one("expected") != mark(&preview);
    if let (true, false, Ok(reason), true) = (is_confirmed, has_moved, &reason, errors.is_empty()) {
        let (actor, reason) = (by.0, reason.clone());
        // Nothing but what was looked at.
        let chosen = if all { Chosen::Ids(preview.ids) } else { chosen.clone() };
        let outcomes = db.run(move |conn| assets::apply(conn, &actor, &chosen, &fate, Some(&reason), now.0)).await?;
        told(action, &outcomes).leave(&cookie)?;
        return Ok(view::see_other(&list));
    }
    let mut review = many(chrome, action, &sent, &chosen, &preview, &list);
    if has_moved && errors.is_empty() {
        review = review.warning("What matches has changed since you looked. Please look again.");
    }
    if is_confirmed {
        errors.extend(reason.err());
    }
    if errors.is_empty() { review.page() } else { review.invalid(errors) }
}

/// What is about to happen to many credits.
fn many(chrome: Chrome, action: Action, sent: &Sent, chosen: &Chosen, preview: &Preview, list: &str) -> Review {
    let count = preview.count();
    let title = format!("{} {}", action.verb(), credits(count));
    let mut review = Review::new(chrome, (list, "Assets"), title, action.lead())
        .hidden("action", action.word())
        .hidden("list", list)
        .hidden("confirmed", "yes")
        .hidden("expected", mark(preview));
    review = match chosen {
        Chosen::Matching(_) => review.hidden("all", "yes"),
        Chosen::Ids(ids) => ids.iter().fold(review, |review, id| review.hidden("ids", id.to_string())),
    };
    for sum in &preview.done {
        let number = credits(sum.assets);
        let value = format!("{number}, worth {} {}", grouped(&sum.value.at_scale(sum.scale.0)), sum.asset_type);
        review = review.fact(sum.asset_type.as_str(), value);
    }
    for (refusal, count) in &preview.kept {
        review = review.warning(stays(refusal, *count));
    }
    review = sent.ask(review, action);
    if count == 0 {
        return review.warning("There is nothing to be done.");
    }
    let button = format!("{} {}", action.verb(), credits(count));
    if action == Action::Delete { review.dangerous_button(button) } else { review.button(button) }
}

/// By which a form tells the credits that it was made for from others.
fn mark(preview: &Preview) -> String {
    let mut hash = Sha256::new();
    for id in &preview.ids {
        hash.update(id.0.to_be_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// What became of credits.
fn told(action: Action, outcomes: &[AssetOutcome]) -> Flash {
    let done = outcomes.iter().filter(|outcome| outcome.result.is_ok()).count();
    let mut stay: Vec<(&Refusal, usize)> = Vec::new();
    for refusal in outcomes.iter().filter_map(|outcome| outcome.result.as_ref().err()) {
        match stay.iter_mut().find(|(known, _)| *known == refusal) {
            Some((_, count)) => *count += 1,
            None => stay.push((refusal, 1)),
        }
    }
    let words: Vec<String> = stay.into_iter().map(|(refusal, count)| stays(refusal, count)).collect();
    let text = format!("{} {}. {}", credits(done), action.done(), words.join(" "));
    if done > 0 { Flash::good(text.trim()) } else { Flash::warn(text.trim()) }
}

/// That there is nothing to be done, as where a form is sent twice.
fn nothing_left(preview: &Preview) -> Flash {
    let words: Vec<String> = preview.kept.iter().map(|(refusal, count)| stays(refusal, *count)).collect();
    Flash::warn(format!("Nothing was left to do. {}", words.join(" ")).trim())
}

/// The action at the end of a path, and the page of the credit before it.
fn at(req: &HttpRequest) -> Result<(Action, String)> {
    let (page, word) = req.path().rsplit_once('/').ok_or(Error::NotFound)?;
    Ok((Action::of(word).ok_or(Error::NotFound)?, page.to_owned()))
}

/// What is about to happen to one credit.
async fn one(
    chrome: Chrome,
    (action, page): (Action, &str),
    id: AssetId,
    sent: &Sent,
    now: Now,
    db: &Db,
) -> Result<Review> {
    let view = db.run(move |conn| assets::one(conn, Viewer::Admin, id, now.0)).await?;
    let amount = format!("{} {}", grouped(&view.asset.amount.at_scale(view.scale.0)), view.asset.asset_type);
    let title = format!("{} “{}”", action.verb(), view.asset.title);
    let review = Review::new(chrome, (page, view.asset.title.clone()), title, action.lead())
        .fact("Credit", view.asset.title)
        .fact("Voucher code", view.asset.code)
        .fact("Amount", amount);
    let review = sent.ask(review, action);
    Ok(if action == Action::Delete {
        review.dangerous_button("Delete the credit")
    } else {
        review.button(format!("{} the credit", action.verb()))
    })
}

/// Tells why it cannot happen, where one sees what happened instead.
async fn no(refusal: Refusal, id: AssetId, cookie: &Session, now: Now, db: &Db) -> Result<HttpResponse> {
    let Ownership { view, recreated_as, .. } = db.run(move |conn| assets::ownership(conn, id, now.0)).await?;
    let (text, at) = match (&refusal, view.claim, recreated_as) {
        (Refusal::AlreadyRecreated, _, Some(successor)) => {
            ("It has been recreated already: this is its successor.".to_owned(), successor)
        }
        (Refusal::AssetImmutable, Some(claim), _) => {
            (format!("{} has claimed this credit, and so it stays as it is.", claim.user), id)
        }
        _ => (refusal.to_string(), id),
    };
    Flash::warn(text).leave(cookie)?;
    Ok(view::see_other(&format!("{LIST}/{at}")))
}

/// `GET /admin/assets/{id}/expire`, `/delete` and `/recreate`
///
/// # Errors
/// [`Refusal::AssetNotFound`] and those of the database. What cannot happen is told on the credit's
/// page.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn review(
    _: Admin,
    id: PathOf<AssetId>,
    req: HttpRequest,
    kept: QueryOf<Vec<(String, String)>>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let ((action, page), chosen) = (at(&req)?, Chosen::Ids(vec![id.0]));
    let fate = match action {
        Action::Expire => Fate::Expire,
        Action::Delete => Fate::Delete,
        Action::Recreate => PLAIN,
    };
    let preview = db.run(move |conn| assets::preview(conn, &chosen, &fate, now.0)).await?;
    match preview.kept.into_iter().next() {
        None => {}
        Some((Refusal::AssetNotFound, _)) => return Err(Refusal::AssetNotFound.into()),
        Some((refusal, _)) => return no(refusal, id.0, &cookie, now, &db).await,
    }
    one(chrome, (action, &page), id.0, &Sent(kept.0), now, &db).await?.page()
}

/// `POST /admin/assets/{id}/expire`, `/delete` and `/recreate`
///
/// # Errors
/// [`Refusal::AssetNotFound`] and those of the database; what is wrong with the fields brings the
/// review back, and any other refusal is told on the credit's page.
#[allow(clippy::too_many_arguments, reason = "each is an extractor")]
pub async fn act(
    _: Admin,
    by: By,
    id: PathOf<AssetId>,
    req: HttpRequest,
    form: CsrfForm<Vec<(String, String)>>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let ((action, page), id, sent) = (at(&req)?, id.0, Sent(form.0));
    let outcome = match (sent.fate(action), Reason::parse(sent.one("reason"))) {
        (Ok(fate), Ok(reason)) => {
            let chosen = Chosen::Ids(vec![id]);
            db.run(move |conn| assets::apply(conn, &by.0, &chosen, &fate, Some(&reason), now.0)).await
        }
        (fate, reason) => Err(Error::Invalid(fate.err().into_iter().flatten().chain(reason.err()).collect())),
    };
    let result = match outcome {
        Ok(outcomes) => outcomes.into_iter().next().ok_or(Error::NotFound)?.result,
        Err(error) => {
            let errors = field_errors(error)?;
            return one(chrome, (action, &page), id, &sent, now, &db).await?.invalid(errors);
        }
    };
    let (flash, to) = match result {
        Ok(Some(view)) if action == Action::Recreate => {
            let to = format!("/admin/assets/{}", view.asset.id);
            (Flash::good("The credit is recreated: this is its successor."), to)
        }
        Ok(Some(_)) => (Flash::good("The credit has expired. Nobody can claim it any more."), page),
        Ok(None) => (Flash::good("The credit is deleted."), LIST.to_owned()),
        Err(Refusal::AssetNotFound) if action == Action::Delete => {
            (Flash::warn("This credit is not there any more."), LIST.to_owned())
        }
        Err(Refusal::AssetNotFound) => return Err(Refusal::AssetNotFound.into()),
        Err(Refusal::InvalidAmount(words)) => {
            let errors = vec![FieldError::new("amount", words)];
            return one(chrome, (action, &page), id, &sent, now, &db).await?.invalid(errors);
        }
        Err(refusal) => return no(refusal, id, &cookie, now, &db).await,
    };
    flash.leave(&cookie)?;
    Ok(view::see_other(&to))
}
