//! Personal API keys: making and revoking them.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::domain::{ApiKeyId, ApiKeySecret, Role, Scope, Scopes};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::Db;
use crate::repo::api_keys::{self, ApiKey};
use crate::web::auth::{ApiKeyWish, CsrfForm, CurrentUser};
use crate::web::extract::{Now, PathOf};
use crate::web::kept::KeptForm;
use crate::web::pages::list::Choice;
use crate::web::pages::session::NoFields;
use crate::web::view::{self, Chrome, Field, Flash, Moment};

/// How long a key may live, as the form sends it, and in words.
const LIVES: [(&str, &str); 4] =
    [("30", "30 days"), ("90", "90 days"), ("365", "One year"), ("never", "Until I revoke it")];

/// What is chosen before anybody chooses.
const USUAL_LIFE: &str = "90";

/// An API key, as its owner sees it.
pub(super) struct ApiKeyRow {
    /// The key.
    pub(super) id: i64,
    /// What its owner calls it.
    pub(super) name: String,
    /// How it begins.
    pub(super) prefix: String,
    /// What it may do, in words.
    pub(super) scopes: String,
    /// When it was used last.
    pub(super) last_used_at: Option<Moment>,
    /// From when on it opens nothing.
    pub(super) expires_at: Option<Moment>,
    /// Whether that has come.
    pub(super) is_expired: bool,
}

impl ApiKeyRow {
    /// The row of a key at a time.
    pub(super) fn new(key: ApiKey, now: DateTime<Utc>) -> Self {
        Self {
            id: key.id.0,
            prefix: ApiKeySecret::prefix(key.id),
            name: key.name,
            scopes: words(key.scopes),
            last_used_at: key.last_used_at.map(Moment::from),
            is_expired: key.expires_at.is_some_and(|at| at <= now),
            expires_at: key.expires_at.map(Moment::from),
        }
    }
}

/// What a key may do, in words.
fn words(scopes: Scopes) -> String {
    let words: Vec<_> = scopes
        .list()
        .into_iter()
        .map(|scope| match scope {
            Scope::Read => "look",
            Scope::Write => "act",
            Scope::Admin => "administer",
        })
        .collect();
    format!("May {}", words.join(", "))
}

#[derive(Template)]
#[template(path = "settings/api_key_new.html")]
struct NewApiKeyPage {
    chrome: Chrome,
    errors: Vec<FieldError>,
    form_id: Uuid,
    name: Field,
    form: NewApiKeyForm,
    scopes_error: Option<String>,
    lives: Vec<Choice>,
    life_error: Option<String>,
    is_admin: bool,
}

#[derive(Template)]
#[template(path = "settings/api_key.html")]
struct ApiKeyPage {
    chrome: Chrome,
    key: ApiKeyRow,
    secret: String,
}

#[derive(Template)]
#[template(path = "settings/api_key_revoke.html")]
struct RevokePage {
    chrome: Chrome,
    key: ApiKeyRow,
}

/// The form of a new key, as it was filled in. A box that is ticked sends its name and `yes`.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(default)]
pub struct NewApiKeyForm {
    form_id: String,
    name: String,
    life: String,
    read: String,
    write: String,
    admin: String,
}

impl NewApiKeyForm {
    /// The form as it was filled in once, or as nobody has touched it.
    fn begun(self) -> Self {
        let is_blank =
            [&self.name, &self.life, &self.read, &self.write, &self.admin].iter().all(|text| text.is_empty());
        if is_blank { Self { life: USUAL_LIFE.to_owned(), read: "yes".to_owned(), ..self } } else { self }
    }

    fn scopes(&self) -> Vec<Scope> {
        let boxes = [(&self.read, Scope::Read), (&self.write, Scope::Write), (&self.admin, Scope::Admin)];
        boxes.into_iter().filter(|(value, _)| !value.is_empty()).map(|(_, scope)| scope).collect()
    }

    /// When the key expires; none for never.
    fn expires_at(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        if self.life == "never" {
            return Ok(None);
        }
        let days = LIVES.iter().find(|(value, _)| *value == self.life).and_then(|(value, _)| value.parse().ok());
        let refused = || Error::Invalid(vec![FieldError::new("life", "Choose how long the key may live.")]);
        days.map(|days| Some(now + TimeDelta::days(days))).ok_or_else(refused)
    }

    async fn grant(&self, current: &CurrentUser, now: DateTime<Utc>, db: &Data<Db>) -> Result<(ApiKey, String)> {
        let wish = ApiKeyWish {
            name: &self.name,
            scopes: &self.scopes(),
            expires_at: self.expires_at(now)?,
            form: self.form_id.parse().ok(),
        };
        wish.grant(current, now, db).await
    }
}

impl NewApiKeyPage {
    fn new(chrome: Chrome, form: NewApiKeyForm, role: Role, mut errors: Vec<FieldError>) -> Self {
        for error in &mut errors {
            match error.field.as_ref() {
                // The first of the boxes is where the summary leads.
                "scopes" => error.field = "read".into(),
                "expires_at" => error.field = "life".into(),
                _ => {}
            }
        }
        let found = |name: &str| Field::new(name, "", &errors).error;
        let choice = |(value, label): (&str, &str)| Choice {
            value: value.to_owned(),
            label: label.to_owned(),
            selected: value == form.life,
        };
        Self {
            chrome,
            form_id: form.form_id.parse().unwrap_or_else(|_| Uuid::new_v4()),
            name: Field::new("name", &form.name, &errors),
            scopes_error: found("read"),
            lives: LIVES.into_iter().map(choice).collect(),
            life_error: found("life"),
            is_admin: role == Role::Admin,
            form,
            errors,
        }
    }
}

/// `GET /settings/api-keys/new`
///
/// # Errors
/// Those of the database.
pub async fn form(current: CurrentUser, kept: KeptForm<NewApiKeyForm>, chrome: Chrome) -> Result<HttpResponse> {
    let form = NewApiKeyForm { form_id: String::new(), ..kept.0.unwrap_or_default().begun() };
    view::page(&NewApiKeyPage::new(chrome, form, current.user.role, Vec::new()))
}

/// `POST /settings/api-keys/new`: the answer itself shows the secret, which stands in no cookie and no
/// address, and is gone with the page.
///
/// # Errors
/// Those of the database; what is wrong with the fields brings the form back.
pub async fn create(
    current: CurrentUser,
    form: CsrfForm<NewApiKeyForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let form = form.0;
    let errors = match form.grant(&current, now.0, &db).await {
        Ok((key, secret)) => return view::page(&ApiKeyPage { chrome, key: ApiKeyRow::new(key, now.0), secret }),
        Err(Error::Refused(Refusal::AlreadyCreated)) => {
            Flash::warn(
                "This form has made its key already, and the secret was shown then. If you did not keep it, revoke \
                 the key and create another one.",
            )
            .leave(&cookie)?;
            return Ok(view::see_other("/settings"));
        }
        Err(Error::Refused(refusal @ Refusal::TooManyApiKeys)) => {
            vec![FieldError::new("name", refusal.to_string())]
        }
        Err(Error::Invalid(errors)) => errors,
        Err(error) => return Err(error),
    };
    view::invalid(&NewApiKeyPage::new(chrome, form, current.user.role, errors))
}

/// `GET /settings/api-keys/{id}/revoke`
///
/// # Errors
/// [`Error::NotFound`] where the user has no such key, and those of the database.
pub async fn review(
    current: CurrentUser,
    id: PathOf<ApiKeyId>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let user = current.user.id;
    let key = db.run(move |conn| api_keys::own(conn, user, id.0)).await?;
    view::page(&RevokePage { chrome, key: ApiKeyRow::new(key, now.0) })
}

/// `POST /settings/api-keys/{id}/revoke`
///
/// # Errors
/// Those of the database. A key that is gone already is no trouble.
pub async fn revoke(
    current: CurrentUser,
    id: PathOf<ApiKeyId>,
    _: CsrfForm<NoFields>,
    cookie: Session,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let user = current.user.id;
    let flash = match db.run(move |conn| api_keys::revoke(conn, user, id.0)).await {
        Ok(()) => Flash::good("The key is revoked. It opens nothing any more."),
        Err(Error::NotFound) => Flash::warn("That key was gone already."),
        Err(error) => return Err(error),
    };
    flash.leave(&cookie)?;
    Ok(view::see_other("/settings"))
}
