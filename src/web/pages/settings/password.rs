//! Another password.

use actix_session::Session;
use actix_web::HttpResponse;
use askama::Template;
use serde::Deserialize;

use crate::error::{Error, FieldError, Result};
use crate::web::auth::{CsrfForm, CurrentUser, Reception};
use crate::web::view::{self, Chrome, Field, Flash};

#[derive(Template)]
#[template(path = "settings/password.html")]
struct PasswordPage {
    chrome: Chrome,
    errors: Vec<FieldError>,
    /// For browsers that keep passwords: whose it is.
    login: String,
    current_password: Field,
    new_password: Field,
    repeated_password: Field,
}

/// The passwords; none of them ever comes back.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct PasswordForm {
    current_password: String,
    new_password: String,
    repeated_password: String,
}

impl PasswordPage {
    fn new(chrome: Chrome, current: &CurrentUser, errors: Vec<FieldError>) -> Self {
        let user = &current.user;
        let login = user.username.as_ref().or(user.email.as_ref()).or(user.phone_number.as_ref());
        let field = |name: &str| Field::new(name, "", &errors);
        Self {
            chrome,
            login: login.cloned().unwrap_or_default(),
            current_password: field("current_password"),
            new_password: field("new_password"),
            repeated_password: field("repeated_password"),
            errors,
        }
    }
}

/// `GET /settings/password`
///
/// # Errors
/// Those of the database.
pub async fn form(current: CurrentUser, chrome: Chrome) -> Result<HttpResponse> {
    view::page(&PasswordPage::new(chrome, &current, Vec::new()))
}

/// `POST /settings/password`
///
/// # Errors
/// [`Error::RateLimited`], [`Error::Overloaded`] and those of the database; what is wrong with the
/// passwords brings the form back.
pub async fn change(
    current: CurrentUser,
    form: CsrfForm<PasswordForm>,
    chrome: Chrome,
    cookie: Session,
    reception: Reception,
) -> Result<HttpResponse> {
    let PasswordForm { current_password, new_password, repeated_password } = form.0;
    // There is no way back from a slip, since nothing is ever sent to anybody.
    let outcome = if new_password == repeated_password {
        reception.change_password(&current, current_password, new_password).await
    } else {
        Err(Error::Invalid(vec![FieldError::new("repeated_password", "This is not the same as the new password.")]))
    };
    match outcome {
        Ok(()) => {
            Flash::good("Your password has changed. You are signed out everywhere else.").leave(&cookie)?;
            Ok(view::see_other("/settings"))
        }
        Err(Error::Invalid(errors)) => view::invalid(&PasswordPage::new(chrome, &current, errors)),
        Err(error) => Err(error),
    }
}
