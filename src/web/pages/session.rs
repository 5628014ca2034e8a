//! Signing in and out, registering, and the theme.

use std::future::{Ready, ready};

use actix_session::{Session, SessionExt};
use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::domain::{Role, SessionKind, User};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::Db;
use crate::repo::sessions::{self, NewSession};
use crate::web::Site;
use crate::web::auth::{self, CsrfForm, OptionalUser, Proof, Proven, Reception, Registration};
use crate::web::client::Client;
use crate::web::extract::{self, Now, QueryOf};
use crate::web::view::{self, Chrome, Field, Flash, THEME, local_path};

#[derive(Template)]
#[template(path = "session/login.html")]
struct LoginPage {
    chrome: Chrome,
    refusal: Option<String>,
    errors: Vec<FieldError>,
    next: Option<String>,
    login: Field,
    password: Field,
}

#[derive(Template)]
#[template(path = "session/register.html")]
struct RegisterPage {
    chrome: Chrome,
    errors: Vec<FieldError>,
    username: Field,
    email: Field,
    phone_number: Field,
    password: Field,
}

/// Where to go after the sign-in.
#[derive(Debug, Deserialize)]
pub struct LoginQuery {
    next: Option<String>,
}

/// The form of a sign-in.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct LoginForm {
    login: String,
    password: String,
    next: Option<String>,
}

/// The form of a registration.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct RegisterForm {
    username: String,
    email: String,
    phone_number: String,
    password: String,
}

/// A form without fields.
#[derive(Debug, Deserialize)]
pub struct NoFields {}

/// The theme switch.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct ThemeForm {
    theme: String,
    back: String,
}

/// Where a user begins.
pub fn home_of(user: &User) -> &'static str {
    match user.acting_role() {
        Role::Admin => "/admin",
        Role::User => "/wallet",
    }
}

/// `GET /login`
///
/// # Errors
/// Those of the database.
pub async fn login(visitor: OptionalUser, query: QueryOf<LoginQuery>, chrome: Chrome) -> Result<HttpResponse> {
    let next = query.0.next.as_deref().and_then(local_path);
    match visitor.0 {
        Some(current) => Ok(view::see_other(next.unwrap_or(home_of(&current.user)))),
        None => view::page(&LoginPage {
            chrome,
            refusal: None,
            errors: Vec::new(),
            next: next.map(str::to_owned),
            login: Field::default(),
            password: Field::default(),
        }),
    }
}

/// `POST /login`
///
/// # Errors
/// [`Error::RateLimited`], [`Error::Overloaded`] and those of the database; a wrong password brings
/// the form back.
pub async fn sign_in(
    form: CsrfForm<LoginForm>,
    chrome: Chrome,
    browser: Browser,
    reception: Reception,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let form = form.0;
    let next = form.next.as_deref().and_then(local_path);
    let signed_in = async {
        let proven = reception.check_credentials(&form.login, &form.password).await?;
        browser.open_session(&db, proven).await
    };
    match signed_in.await {
        Ok(user) => Ok(view::see_other(next.unwrap_or(home_of(&user)))),
        Err(Error::Refused(refusal)) => view::invalid(&LoginPage {
            chrome,
            refusal: Some(refusal.to_string()),
            errors: Vec::new(),
            next: next.map(str::to_owned),
            login: Field::new("login", &form.login, &[]),
            password: Field::default(),
        }),
        Err(error) => Err(error),
    }
}

/// `GET /register`
///
/// # Errors
/// Those of the database.
pub async fn register(visitor: OptionalUser, chrome: Chrome) -> Result<HttpResponse> {
    match visitor.0 {
        Some(current) => Ok(view::see_other(home_of(&current.user))),
        None => view::page(&RegisterPage::new(chrome, &RegisterForm::default(), Vec::new())),
    }
}

/// `POST /register`
///
/// # Errors
/// [`Error::RateLimited`], [`Error::Overloaded`] and those of the database; what is wrong with the
/// fields brings the form back.
pub async fn sign_up(
    form: CsrfForm<RegisterForm>,
    chrome: Chrome,
    browser: Browser,
    reception: Reception,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let form = form.0;
    let registration = Registration {
        username: &form.username,
        email: &form.email,
        phone_number: &form.phone_number,
        external_id: "",
        password: &form.password,
    };
    let errors = match reception.register(&registration).await {
        Ok(proven) => {
            let user = browser.open_session(&db, proven).await?;
            Flash::good("Your account is ready. Have a look at the credits that you can claim.")
                .link("/credits", "See the credits")
                .leave(&browser.cookie)?;
            return Ok(view::see_other(home_of(&user)));
        }
        Err(Error::Invalid(errors)) => errors,
        Err(Error::Refused(refusal @ Refusal::AlreadyRegistered)) => {
            vec![FieldError::new(form.first_login(), refusal.to_string())]
        }
        Err(error) => return Err(error),
    };
    view::invalid(&RegisterPage::new(chrome, &form, errors))
}

impl RegisterForm {
    /// The first login that was filled in; which one is taken is nobody's business.
    fn first_login(&self) -> &'static str {
        [("username", &self.username), ("email", &self.email), ("phone_number", &self.phone_number)]
            .into_iter()
            .find(|(_, value)| !value.trim().is_empty())
            .map_or("username", |(name, _)| name)
    }
}

impl RegisterPage {
    fn new(chrome: Chrome, form: &RegisterForm, errors: Vec<FieldError>) -> Self {
        Self {
            chrome,
            username: Field::new("username", &form.username, &errors),
            email: Field::new("email", &form.email, &errors),
            phone_number: Field::new("phone_number", &form.phone_number, &errors),
            password: Field::new("password", "", &errors),
            errors,
        }
    }
}

/// `POST /logout`
///
/// # Errors
/// Those of the database.
pub async fn sign_out(
    _: CsrfForm<NoFields>,
    visitor: OptionalUser,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    if let Some(Proof::Session(session)) = visitor.0.map(|current| current.proof) {
        db.run(move |conn| sessions::end(conn, session, now.0)).await?;
    }
    auth::forget(&cookie);
    Flash::good("You are signed out.").leave(&cookie)?;
    Ok(view::see_other("/"))
}

/// `POST /theme`
///
/// # Errors
/// None of its own.
pub async fn theme(form: CsrfForm<ThemeForm>, site: Data<Site>) -> Result<HttpResponse> {
    // Scripts read and write this cookie too, so it is not HttpOnly; it holds no secret.
    let cookie = Cookie::build(THEME, form.0.theme.clone()).path("/").same_site(SameSite::Lax).secure(site.is_https());
    let cookie = match form.0.theme.as_str() {
        "light" | "dark" => cookie.max_age(time::Duration::days(365)).finish(),
        _ => Cookie::build(THEME, "").path("/").max_age(time::Duration::ZERO).finish(),
    };
    let mut response = view::see_other(local_path(&form.0.back).unwrap_or("/"));
    response.add_cookie(&cookie).map_err(Error::broken)?;
    Ok(response)
}

/// The browser that a form came from: what a sign-in needs of it.
pub struct Browser {
    cookie: Session,
    client: Client,
    now: DateTime<Utc>,
}

impl FromRequest for Browser {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let client = Client::from_request(req, payload).into_inner();
        let parts = client.and_then(|client| Ok((client, extract::now(req)?)));
        ready(parts.map(|(client, now)| Self { cookie: req.get_session(), client, now }))
    }
}

impl Browser {
    /// Opens a session for a user who has just proved to be one; gives the user.
    /// The one that the browser had before ends, since nothing names it any more.
    async fn open_session(&self, db: &Db, Proven { user, password_hash }: Proven) -> Result<User> {
        let Client { user_agent, ip_address, .. } = self.client.clone();
        let new = NewSession { user: user.id, password_hash, kind: SessionKind::Browser, user_agent, ip_address };
        let now = self.now;
        let before = auth::remembered(&self.cookie);
        let session = db
            .run(move |conn| {
                let opened = sessions::open(conn, &new, now)?;
                before.map_or(Ok(()), |before| sessions::end(conn, before, now))?;
                Ok(opened)
            })
            .await?;
        auth::remember(&self.cookie, session)?;
        Ok(user)
    }
}
