//! The settings: who one is, how pages look, and what opens the account.

pub mod api_keys;
pub mod password;
pub mod sessions;

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use serde::Deserialize;

use super::device::SessionRow;
use super::list::{self, Choice};
use super::parts::{role_word, user_status_tone, user_status_word};
use crate::domain::{SessionId, TimeZone, User, UserStatus};
use crate::error::{FieldError, Result};
use crate::repo::{self, Db, PageRequest, users};
use crate::web::auth::{CsrfForm, CurrentUser};
use crate::web::extract::Now;
use crate::web::view::{self, Chrome, Flash, Moment};
use api_keys::ApiKeyRow;

/// How many sessions and API keys are listed, the newest.
const MOST: i64 = 50;

#[derive(Template)]
#[template(path = "settings/overview.html")]
struct SettingsPage {
    chrome: Chrome,
    errors: Vec<FieldError>,
    id: String,
    handles: Vec<(&'static str, String)>,
    role: &'static str,
    /// Its tone and its word, where it is not the usual one.
    status: Option<(&'static str, &'static str)>,
    member_since: Moment,
    zones: ZoneField,
    sessions: Vec<SessionRow>,
    /// The session that the page was asked for in.
    own: Option<SessionId>,
    api_keys: Vec<ApiKeyRow>,
}

/// The choice of a zone, by parts of the world.
struct ZoneField {
    alone: Vec<Choice>,
    regions: Vec<(&'static str, Vec<Choice>)>,
    error: Option<String>,
}

impl ZoneField {
    fn new(chosen: &str, errors: &[FieldError]) -> Self {
        let choice =
            |name: &str| Choice { value: name.to_owned(), label: name.replace('_', " "), selected: name == chosen };
        let regions = TimeZone::offered();
        Self {
            alone: list::choices("As on this device", [("UTC", "UTC".to_owned())], chosen),
            regions: regions.map(|(region, names)| (region, names.into_iter().map(choice).collect())).collect(),
            error: errors.iter().find(|error| error.field == "time_zone").map(|error| error.message.to_string()),
        }
    }
}

/// The zone that was chosen; empty for none.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct TimeZoneForm {
    time_zone: String,
}

impl SettingsPage {
    async fn new(
        chrome: Chrome,
        current: CurrentUser,
        zone: &str,
        errors: Vec<FieldError>,
        (now, db): (Now, &Db),
    ) -> Result<Self> {
        let CurrentUser { user, proof, .. } = current;
        let id = user.id;
        let (sessions, keys) = db
            .run(move |conn| {
                let request = PageRequest::first(MOST);
                let sessions = repo::sessions::page(conn, id, &request, now.0)?;
                Ok((sessions, repo::api_keys::page(conn, id, &request)?))
            })
            .await?;
        let zones = ZoneField::new(zone, &errors);
        let frozen = user.status == UserStatus::Frozen;
        let mut sessions: Vec<_> = sessions.items.into_iter().map(SessionRow::from).collect();
        let own = proof.session();
        // The one that asks comes first, whenever it began.
        sessions.sort_by_key(|session| Some(session.id) != own);
        Ok(Self {
            chrome,
            errors,
            handles: handles(&user),
            role: role_word(user.role),
            status: frozen.then(|| (user_status_tone(user.status), user_status_word(user.status))),
            member_since: user.created_at.into(),
            id: user.external_id,
            zones,
            sessions,
            own,
            api_keys: keys.items.into_iter().map(|key| ApiKeyRow::new(key, now.0)).collect(),
        })
    }
}

/// What a user signs in with.
fn handles(user: &User) -> Vec<(&'static str, String)> {
    let handles = [("Username", &user.username), ("E-mail", &user.email), ("Phone number", &user.phone_number)];
    handles.into_iter().map(|(name, handle)| (name, handle.clone().unwrap_or_else(|| "–".to_owned()))).collect()
}

/// `GET /settings`
///
/// # Errors
/// Those of the database.
pub async fn show(current: CurrentUser, chrome: Chrome, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let zone = current.user.time_zone.clone().unwrap_or_default();
    view::page(&SettingsPage::new(chrome, current, &zone, Vec::new(), (now, &db)).await?)
}

/// `POST /settings/time-zone`
///
/// # Errors
/// Those of the database; a zone that is none brings the page back.
pub async fn set_time_zone(
    current: CurrentUser,
    form: CsrfForm<TimeZoneForm>,
    chrome: Chrome,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let name = form.0.time_zone.trim().to_owned();
    let zone = match name.as_str() {
        "" => None,
        name => match TimeZone::parse(name) {
            Ok(zone) => Some(zone),
            Err(error) => {
                return view::invalid(&SettingsPage::new(chrome, current, name, vec![error], (now, &db)).await?);
            }
        },
    };
    let user = current.user.id;
    db.run(move |conn| users::set_time_zone(conn, user, zone)).await?;
    told(zone).leave(&cookie)?;
    Ok(view::see_other("/settings"))
}

fn told(zone: Option<TimeZone>) -> Flash {
    match zone {
        Some(zone) => Flash::good(format!("Times are shown in {} now.", zone.name().replace('_', " "))),
        None => Flash::good("Times follow your device now."),
    }
}
