//! The interactive page of the API: Swagger UI out of the program itself, with no word to the
//! internet.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use askama::Template;

use super::extract::PathOf;
use super::static_files::StaticFiles;
use crate::error::{Error, Result};

/// The files of Swagger UI that the page needs.
const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

/// Swagger UI's icons are `data:` pictures in its style sheet; all else is as everywhere.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; form-action 'self'; \
                      base-uri 'none'; object-src 'none'";

/// A day: the addresses stay when the files change with a new version.
const A_DAY: &str = "public, max-age=86400";

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsPage<'a> {
    static_base: &'a str,
}

/// `GET /docs`
///
/// # Errors
/// [`Error::Broken`] where the page cannot be written.
pub async fn page(files: Data<StaticFiles>) -> Result<HttpResponse> {
    let html = DocsPage { static_base: files.base() }.render().map_err(Error::broken)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .content_type("text/html; charset=utf-8")
        .body(html))
}

/// `GET /docs/{file}`
///
/// # Errors
/// [`Error::NotFound`] for what the page does not need.
pub async fn file(name: PathOf<String>) -> Result<HttpResponse> {
    let name = FILES.into_iter().find(|file| *file == name.0).ok_or(Error::NotFound)?;
    let file = utoipa_swagger_ui::serve(name, Arc::default()).map_err(|error| Error::broken(error.to_string()))?;
    let file = file.ok_or(Error::NotFound)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, A_DAY))
        .insert_header((header::CONTENT_TYPE, file.content_type))
        .body(file.bytes.into_owned()))
}
