//! The first page.

use actix_web::HttpResponse;
use askama::Template;

use super::session::home_of;
use crate::error::Result;
use crate::web::auth::OptionalUser;
use crate::web::view::{self, Chrome};

#[derive(Template)]
#[template(path = "landing.html")]
struct LandingPage {
    chrome: Chrome,
}

/// `GET /`
///
/// # Errors
/// Those of the database.
pub async fn show(visitor: OptionalUser, chrome: Chrome) -> Result<HttpResponse> {
    match visitor.0 {
        Some(current) => Ok(view::see_other(home_of(&current.user))),
        None => view::page(&LandingPage { chrome }),
    }
}
