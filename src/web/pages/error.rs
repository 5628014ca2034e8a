//! What people see when a request is not served as asked.

use actix_session::SessionExt;
use actix_web::body::BoxBody;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use crate::error::Error;
use crate::web::view::{self, Chrome, Flash};
use crate::web::{auth, kept, problem};

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    chrome: Chrome,
    status: u16,
    stale_form: bool,
    /// Where what was filled in is shown again.
    filled_in: Option<String>,
    detail: Option<String>,
    retry_after_seconds: Option<u64>,
}

/// The page of an error, or the way to the sign-in.
pub async fn page(req: &HttpRequest, error: &Error) -> HttpResponse {
    if matches!(error, Error::Unauthenticated) {
        return match kept::address_of(req) {
            Some(form) => back_to(req, &form),
            None => view::see_other(&sign_in(req)),
        };
    }
    let mut response = problem::response(error).finish();
    let html = match html(req, error, response.status()).await {
        Ok(html) => html,
        Err(broken) => {
            tracing::error!(error = %broken, "an error page could not be shown");
            return problem::document(error, None);
        }
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.set_body(BoxBody::new(html))
}

async fn html(req: &HttpRequest, error: &Error, status: StatusCode) -> Result<String, Error> {
    // Where the database is the trouble, or too much is asked, it is not asked again.
    let visitor = match error {
        Error::DatabaseUnavailable | Error::Overloaded | Error::RateLimited { .. } | Error::Broken(_) => {
            auth::known_visitor(req)
        }
        _ => auth::visitor(req).await.unwrap_or_default(),
    };
    let page = ErrorPage {
        chrome: Chrome::around(req, visitor.as_ref())?,
        status: status.as_u16(),
        stale_form: matches!(error, Error::StaleForm),
        filled_in: kept::address_of(req).filter(|_| matches!(error, Error::StaleForm)),
        detail: detail(error),
        retry_after_seconds: problem::retry_after(error).map(|wait| wait.as_secs().max(1)),
    };
    page.render().map_err(Error::broken)
}

/// What the template's words for the status leave unsaid.
fn detail(error: &Error) -> Option<String> {
    match error {
        Error::NotFound
        | Error::Forbidden
        | Error::StaleForm
        | Error::UnsupportedMediaType
        | Error::Malformed(_)
        | Error::Broken(_) => None,
        Error::Invalid(errors) => Some(errors.iter().map(|error| error.message.as_ref()).collect::<Vec<_>>().join(" ")),
        _ => Some(error.to_string()),
    }
}

/// The way to the sign-in and from there to a form, filled in as it was.
fn back_to(req: &HttpRequest, form: &str) -> HttpResponse {
    let flash = Flash::warn("You were signed out meanwhile, so nothing was sent. Sign in, and your form is back.");
    if let Err(error) = flash.leave(&req.get_session()) {
        tracing::warn!(%error, "a message was not left");
    }
    view::see_other(&sign_in_to(form))
}

/// The address of the sign-in that leads to a path of ours.
fn sign_in_to(path: &str) -> String {
    serde_urlencoded::to_string([("next", path)])
        .map_or_else(|_| "/login".to_owned(), |query| format!("/login?{query}"))
}

/// The address of the sign-in, which leads back to where a reader wanted to go.
fn sign_in(req: &HttpRequest) -> String {
    let wanted = match *req.method() {
        Method::GET | Method::HEAD => req.uri().path_and_query().map(PathAndQuery::as_str),
        _ => page_of_form(req),
    };
    wanted.and_then(view::local_path).map_or_else(|| "/login".to_owned(), sign_in_to)
}

/// The page of ours that a form was sent from, as far as the browser tells.
fn page_of_form(req: &HttpRequest) -> Option<&str> {
    let text = |name| req.headers().get(name).and_then(|value| value.to_str().ok());
    let (_, address) = text(header::REFERER)?.split_once("://")?;
    address.strip_prefix(text(header::HOST)?)
}
