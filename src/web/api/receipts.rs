//! The receipt of a transaction.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use super::viewer;
use crate::domain::TransactionId;
use crate::error::{Refusal, Result};
use crate::repo::Db;
use crate::repo::receipts::{self, Receipt};
use crate::web::auth::CurrentUser;
use crate::web::extract::{Now, PathOf};
use crate::web::statements::{self, Pdf};

/// When to come back for a receipt that is being made, in seconds.
pub const RETRY_AFTER: &str = "1";

/// A receipt that is not there yet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({ "status": "pending" })))]
struct PendingBody {
    /// Always `pending`.
    #[schema(examples("pending"))]
    status: &'static str,
}

/// Gives out the receipt of a transaction
///
/// It tells the balance of the caller's own wallet; an admin who is no side of the transaction gets
/// the receipt of the user whom it is about. A receipt that nobody has asked for in a week is made
/// anew, in a second or two.
///
/// # Errors
/// `not_found` where there is no transaction that the caller may know of; `receipt_failed` where
/// three attempts to make it failed.
#[utoipa::path(
    get,
    path = "/api/v1/transactions/{id}/receipt",
    params(("id" = TransactionId, Path)),
    responses(
        (status = 200, description = "The receipt.", body = Pdf, content_type = "application/pdf"),
        (status = 202, description = "It is being made. Come back after `Retry-After`.", body = PendingBody,
         headers(("Retry-After" = u64, description = "In how many seconds."))),
    )
)]
pub async fn show(current: CurrentUser, id: PathOf<TransactionId>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let (viewer, reader) = (viewer(&current), current.user.id);
    match db.run(move |conn| receipts::ask(conn, viewer, reader, id.0, now.0)).await? {
        Receipt::Ready { code, pdf } => Ok(statements::download(&format!("receipt-{code}"), pdf)),
        Receipt::Pending => Ok(HttpResponse::Accepted()
            .insert_header((header::RETRY_AFTER, RETRY_AFTER))
            .json(PendingBody { status: "pending" })),
        Receipt::Failed => Err(Refusal::ReceiptFailed.into()),
    }
}
