//! What a receipt's code confirms, to anyone and without names.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use serde::Deserialize;

use super::parts::type_word;
use crate::domain::ReceiptCode;
use crate::error::{FieldError, Result};
use crate::repo::Db;
use crate::repo::receipts::{self, Confirmed};
use crate::web::extract::{PathOf, QueryOf};
use crate::web::view::{self, Chrome, Field, Moment, grouped};

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage {
    chrome: Chrome,
    code: Field,
    found: Option<Genuine>,
    /// No receipt has the code.
    is_unknown: bool,
}

/// What a receipt is about.
struct Genuine {
    code: String,
    kind: &'static str,
    amount: String,
    asset_type: String,
    time: Moment,
    transaction: String,
    is_reversed: bool,
}

impl Genuine {
    fn new(code: &ReceiptCode, confirmed: &Confirmed) -> Self {
        Self {
            code: code.to_string(),
            kind: type_word(confirmed.transaction_type),
            amount: grouped(&confirmed.amount.at_scale(confirmed.scale.0)),
            asset_type: confirmed.asset_type.to_string(),
            time: confirmed.created_at.into(),
            transaction: confirmed.transaction.to_string(),
            is_reversed: confirmed.is_reversed,
        }
    }
}

/// The code that somebody typed.
#[derive(Debug, Deserialize)]
pub struct VerifyQuery {
    code: Option<String>,
}

/// `GET /verify`
///
/// # Errors
/// [`crate::error::Error::Broken`] where the template fails.
pub async fn form(query: QueryOf<VerifyQuery>, chrome: Chrome) -> Result<HttpResponse> {
    let blank = |chrome, code| VerifyPage { chrome, code, found: None, is_unknown: false };
    let Some(typed) = query.0.code else { return view::page(&blank(chrome, Field::default())) };
    match ReceiptCode::parse(&typed) {
        Some(code) => Ok(view::see_other(&format!("/verify/{code}"))),
        None => {
            let error = FieldError::new("code", "A receipt code has 16 letters and digits.");
            view::invalid(&blank(chrome, Field::new("code", &typed, &[error])))
        }
    }
}

/// `GET /verify/{code}`
///
/// # Errors
/// Those of the database.
pub async fn show(code: PathOf<String>, chrome: Chrome, db: Data<Db>) -> Result<HttpResponse> {
    let typed = Field::new("code", &code.0, &[]);
    let found = match ReceiptCode::parse(&code.0) {
        Some(code) => {
            let confirmed = db.run({
                let code = code.clone();
                move |conn| receipts::confirm(conn, &code)
            });
            confirmed.await?.map(|confirmed| Genuine::new(&code, &confirmed))
        }
        None => None,
    };
    let status = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let is_unknown = found.is_none();
    let code = if is_unknown { typed } else { Field::default() };
    view::page_with(status, &VerifyPage { chrome, code, found, is_unknown })
}
