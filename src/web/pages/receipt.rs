//! The receipt of a transaction, for a person: the file, or a page that waits for it.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use askama::Template;

use crate::domain::{Role, TransactionId};
use crate::error::Result;
use crate::repo::Db;
use crate::repo::assets::Viewer;
use crate::repo::receipts::{self, Receipt};
use crate::web::auth::CurrentUser;
use crate::web::extract::{Now, PathOf};
use crate::web::statements;
use crate::web::view::{self, Chrome};

/// In how many seconds the waiting page asks again, by itself and without scripts.
const REFRESH: &str = "2";

#[derive(Template)]
#[template(path = "wallet/receipt.html")]
struct ReceiptPage {
    chrome: Chrome,
    /// The page of the transaction.
    back: String,
    failed: bool,
}

/// `GET /transactions/{id}/receipt`
///
/// # Errors
/// [`crate::error::Refusal::TransactionNotFound`] and those of the database.
pub async fn show(
    current: CurrentUser,
    id: PathOf<TransactionId>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let reader = current.user.id;
    let viewer = match current.user.role {
        Role::Admin => Viewer::Admin,
        Role::User => Viewer::User(reader),
    };
    let back = format!("/transactions/{}", id.0);
    match db.run(move |conn| receipts::ask(conn, viewer, reader, id.0, now.0)).await? {
        Receipt::Ready { code, pdf } => Ok(statements::download(&format!("receipt-{code}"), pdf)),
        Receipt::Failed => view::page_with(StatusCode::CONFLICT, &ReceiptPage { chrome, back, failed: true }),
        Receipt::Pending => {
            let mut page = view::page_with(StatusCode::ACCEPTED, &ReceiptPage { chrome, back, failed: false })?;
            page.headers_mut().insert(header::REFRESH, header::HeaderValue::from_static(REFRESH));
            Ok(page)
        }
    }
}
