//! How pages are shown: what surrounds each of them, fields of forms, messages, and texts of
//! numbers and times.

use actix_session::{Session, SessionExt};
use actix_web::dev::Payload;
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::auth::{self, CurrentUser, Extraction};
use super::extract;
use super::middleware::RequestId;
use super::static_files::StaticFiles;
use crate::domain::{Role, TimeZone};
use crate::error::{Error, FieldError, Result};

pub use crate::domain::grouped;

/// The cookie's name for the message to show next.
const FLASH: &str = "flash";

/// The name of the cookie that remembers the theme; scripts write it too.
pub const THEME: &str = "theme";

/// The longest address that a form may lead back to, in bytes: written into another address, it is
/// still shorter than what servers and proxies take.
pub const LONGEST_PATH: usize = 4096;

/// What surrounds every page. An extractor: making it takes the waiting message off the cookie.
#[derive(Debug, Clone)]
pub struct Chrome {
    /// The token that every form carries.
    pub csrf: String,
    /// `light` or `dark`, where the user chose one.
    pub theme: Option<String>,
    /// The zone in which the page tells times, where the user chose one.
    pub time_zone: Option<TimeZone>,
    /// The message that an action before left.
    pub flash: Option<Flash>,
    /// Who is signed in.
    pub signed_in: Option<SignedIn>,
    /// The path of the page.
    pub path: String,
    /// Where a form that only changes the looks leads back to: the page with its filters.
    pub back: String,
    /// Where the static files are.
    pub static_base: String,
    /// The name of the request.
    pub request_id: String,
}

/// Who is signed in, as the head of a page shows it.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The login that reads best.
    pub name: String,
    /// Whether the admin pages are open to this user.
    pub is_admin: bool,
}

impl From<&CurrentUser> for SignedIn {
    fn from(current: &CurrentUser) -> Self {
        let user = &current.user;
        let name = user.username.as_ref().or(user.email.as_ref()).or(user.phone_number.as_ref());
        Self { name: name.unwrap_or(&user.external_id).clone(), is_admin: user.role == Role::Admin }
    }
}

impl Chrome {
    /// What surrounds a page; without the waiting message.
    ///
    /// # Errors
    /// [`Error::Broken`] where the cookie cannot be written.
    pub fn around(req: &HttpRequest, visitor: Option<&CurrentUser>) -> Result<Self> {
        let theme = req.cookie(THEME).map(|cookie| cookie.value().to_owned());
        let time_zone = visitor.and_then(|current| current.user.time_zone.as_deref());
        Ok(Self {
            csrf: auth::csrf_token(&req.get_session())?,
            theme: theme.filter(|theme| theme == "light" || theme == "dark"),
            // A name that is gone from the zones' database must shut nobody out.
            time_zone: time_zone.and_then(|name| TimeZone::parse(name).ok()),
            flash: None,
            signed_in: visitor.map(SignedIn::from),
            path: req.path().to_owned(),
            back: back(req),
            static_base: extract::data::<StaticFiles>(req)?.base().to_owned(),
            request_id: RequestId::current(req),
        })
    }
}

/// The page's own address; where it answers a form, a GET of it may not exist, so the start page.
fn back(req: &HttpRequest) -> String {
    let address = req.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let is_page = req.method().is_safe();
    local_path(address).filter(|_| is_page).unwrap_or("/").to_owned()
}

impl Chrome {
    /// How the navigation marks a place: `page` where this page is it, `true` where this page lies
    /// below it.
    pub fn current(&self, href: &str) -> Option<&'static str> {
        // Every admin page lies below the overview, which is a page of its own.
        let below =
            |root: &str| root != "/admin" && self.path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        if self.path == href {
            Some("page")
        } else if below(href) {
            Some("true")
        } else {
            None
        }
    }
}

impl FromRequest for Chrome {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let visitor = auth::visitor(&req).await?;
            // Nobody sees what is answered to HEAD.
            let flash = match *req.method() {
                Method::HEAD => None,
                _ => req.get_session().remove_as(FLASH).and_then(std::result::Result::ok),
            };
            Ok(Self { flash, ..Self::around(&req, visitor.as_ref())? })
        })
    }
}

/// A message that the next page shows once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    /// `good`, `warn`, `bad` or `accent`.
    pub tone: String,
    /// What happened.
    pub text: String,
    /// An address and its label.
    pub link: Option<(String, String)>,
}

impl Flash {
    /// Something went well.
    pub fn good(text: impl Into<String>) -> Self {
        Self { tone: "good".to_owned(), text: text.into(), link: None }
    }

    /// Something did not happen, and nobody did anything wrong.
    pub fn warn(text: impl Into<String>) -> Self {
        Self { tone: "warn".to_owned(), text: text.into(), link: None }
    }

    /// Something was refused.
    pub fn bad(text: impl Into<String>) -> Self {
        Self { tone: "bad".to_owned(), text: text.into(), link: None }
    }

    /// The same message with a link behind it.
    #[must_use]
    pub fn link(self, href: impl Into<String>, label: impl Into<String>) -> Self {
        Self { link: Some((href.into(), label.into())), ..self }
    }

    /// Leaves the message for the next page of this browser.
    ///
    /// # Errors
    /// [`Error::Broken`] where the cookie cannot be written.
    pub fn leave(self, cookie: &Session) -> Result<()> {
        cookie.insert(FLASH, self).map_err(|error| Error::broken(error.to_string()))
    }
}

/// A field of a form, as it was filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// What stands in it.
    pub value: String,
    /// What is wrong with it.
    pub error: Option<String>,
}

impl Field {
    /// A field with what was filled in, and its first error. Never give it a password.
    pub fn new(name: &str, value: &str, errors: &[FieldError]) -> Self {
        let error = errors.iter().find(|error| error.field == name).map(|error| error.message.to_string());
        Self { value: value.to_owned(), error }
    }
}

/// A time as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// RFC 3339, for the `datetime` attribute.
    pub iso: String,
    /// For people, in UTC.
    pub text: String,
    at: DateTime<Utc>,
}

impl From<DateTime<Utc>> for Moment {
    fn from(at: DateTime<Utc>) -> Self {
        Self { iso: at.to_rfc3339_opts(SecondsFormat::Secs, true), text: in_utc(at), at }
    }
}

impl Moment {
    /// The time of day alone, for a list under its days.
    pub fn clock(time: DateTime<Utc>) -> Self {
        Self { text: time.format("%H:%M UTC").to_string(), ..Self::from(time) }
    }

    /// Day and time in UTC, for those who look closer.
    pub fn utc(&self) -> String {
        in_utc(self.at)
    }

    /// For people in a zone, in UTC where there is none. The format `clock` leaves the day out, unless
    /// it is another than the day in UTC that the moment is listed under.
    pub fn told(&self, time_zone: &Option<TimeZone>, format: &str) -> String {
        let Some(zone) = time_zone else { return self.text.clone() };
        let there = zone.wall_clock(self.at);
        let is_brief = format == "clock" && there.date() == self.at.date_naive();
        there.format(if is_brief { "%H:%M" } else { "%-d %b %Y, %H:%M" }).to_string()
    }
}

fn in_utc(time: DateTime<Utc>) -> String {
    time.format("%-d %b %Y, %H:%M UTC").to_string()
}

/// Shows a page.
///
/// # Errors
/// [`Error::Broken`] where the template fails.
pub fn page(template: &impl Template) -> Result<HttpResponse> {
    page_with(StatusCode::OK, template)
}

/// Shows a form again, filled in, with what is wrong with it: status 422.
///
/// # Errors
/// [`Error::Broken`] where the template fails.
pub fn invalid(template: &impl Template) -> Result<HttpResponse> {
    page_with(StatusCode::UNPROCESSABLE_ENTITY, template)
}

/// Shows a page with another status.
///
/// # Errors
/// [`Error::Broken`] where the template fails.
pub fn page_with(status: StatusCode, template: &impl Template) -> Result<HttpResponse> {
    let html = template.render().map_err(Error::broken)?;
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(html))
}

/// Leads the browser on after a form: 303.
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

/// A path of ours to lead back to, or none: never another site's.
pub fn local_path(text: &str) -> Option<&str> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (text.len() <= LONGEST_PATH && text.starts_with('/') && !text.starts_with("//") && printable).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_led_back_to() {
        for good in ["/", "/wallet", "/wallet/GOLD?start_date=2026-01-01", "/credits#one"] {
            assert_eq!(local_path(good), Some(good));
        }
        for bad in [
            "",
            "wallet",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nSet-Cookie: x",
            "/ä",
            "javascript:alert(1)",
            "/\t/evil.example",
        ] {
            assert_eq!(local_path(bad), None, "{bad}");
        }
        assert_eq!(local_path(&format!("/{}", "x".repeat(LONGEST_PATH))), None);
    }

    #[test]
    fn moments_are_told_in_the_zone_of_the_reader() {
        let time = DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default();
        let zone = TimeZone::parse("Asia/Kolkata").ok();
        let (moment, clock) = (Moment::from(time), Moment::clock(time));
        assert_eq!((moment.iso.as_str(), clock.utc()), ("2026-09-21T14:13:20Z", moment.text.clone()));
        assert_eq!((moment.told(&None, "full"), clock.told(&None, "clock")), (moment.utc(), "14:13 UTC".to_owned()));
        assert_eq!(moment.told(&zone, "full"), "21 Sep 2026, 19:43");
        assert_eq!(clock.told(&zone, "clock"), "19:43");
        let late = Moment::clock(time + chrono::TimeDelta::hours(8));
        assert_eq!(late.told(&zone, "clock"), "22 Sep 2026, 03:43");
    }

    #[test]
    fn thousands_stand_apart() {
        for (plain, text) in [
            ("0", "0"),
            ("999", "999"),
            ("1000", "1,000"),
            ("1250.00", "1,250.00"),
            ("-1234567.5", "−1,234,567.5"),
            ("-100", "−100"),
            ("1000000000000", "1,000,000,000,000"),
            ("0.0001", "0.0001"),
        ] {
            assert_eq!(grouped(plain), text);
        }
    }
}
