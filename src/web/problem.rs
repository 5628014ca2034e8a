//! What an error looks like from outside: a status, a stable code, and a problem document
//! (RFC 9457) for scripts or a page for people.

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;

use super::api::amount::Decimal;
use super::gate;
use crate::domain::WalletId;
use crate::error::{Error, FieldError, Refusal};

/// When to come back after `overloaded` and `database_unavailable`.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The ways to say who one is, as a 401 names them (RFC 9110, section 11.6.1).
const CHALLENGES: &str = r#"Bearer, Basic realm="coffer", charset="UTF-8""#;

/// An error as a problem document (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(examples(json!({
    "type": "about:blank", "title": "Title", "status": 400, "detail": "What happened and what to do.",
    "code": "code", "request_id": "5e0a4b8c-8a1d-4f6e-9c1b-0d5f6a7b8c9d",
})))]
pub struct Problem {
    /// Always `about:blank`: the code says which problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status of the response.
    status: u16,
    /// What happened and what to do, in words.
    pub detail: String,
    /// The stable name.
    pub code: &'static str,
    /// The request's `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<String>,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// Of `batch_refused`: which transactions cannot be done, and why.
    #[schema(required = false, no_recursion)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<ItemProblem>,
    /// Of `insufficient_funds`: what could be taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Decimal>, nullable = false)]
    available: Option<String>,
    /// Of `wallet_exists`: the wallet that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    wallet_id: Option<WalletId>,
}

/// Why one transaction of a batch cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ItemProblem {
    /// Its place, from 0.
    index: usize,
    /// The problem.
    #[serde(flatten)]
    #[schema(no_recursion)]
    problem: Problem,
}

/// Writes a match without a rest, and from the same rows the list of all that it can give.
macro_rules! kinds {
    (
        $(#[$meta:meta])* $all:ident;
        $(#[$doc:meta])* $vis:vis fn $name:ident($error:ident: $type:ty) $([$first:pat => $then:expr])? {
            $($row:pat => ($status:expr, $code:literal),)*
        }
    ) => {
        $(#[$meta])*
        pub const $all: &[(StatusCode, &str)] = &[$(($status, $code)),*];

        $(#[$doc])*
        $vis fn $name($error: $type) -> (StatusCode, &'static str) {
            match $error {
                $($first => $then,)?
                $($row => ($status, $code),)*
            }
        }
    };
}

kinds! {
    /// Status and code of every error but the refusals.
    ERRORS;
    /// The one table: what status and which code each error has.
    pub fn kind(error: &Error) [Error::Refused(refusal) => refusal_kind(refusal)] {
        Error::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        Error::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        Error::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed"),
        Error::InvalidCursor => (StatusCode::BAD_REQUEST, "invalid_cursor"),
        Error::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        Error::BatchRefused(_) => (StatusCode::CONFLICT, "batch_refused"),
        Error::VersionMissing => (StatusCode::PRECONDITION_REQUIRED, "precondition_required"),
        Error::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Error::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too_slow"),
        Error::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
        Error::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
        Error::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
        Error::StaleForm => (StatusCode::FORBIDDEN, "stale_form"),
        Error::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
        Error::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        Error::DatabaseUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable"),
        Error::CommitUnknown => (StatusCode::SERVICE_UNAVAILABLE, "commit_unknown"),
        Error::Broken(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
    }
}

kinds! {
    /// Status and code of every refusal.
    REFUSALS;
    fn refusal_kind(refusal: &Refusal) {
        Refusal::AlreadyClaimed => (StatusCode::CONFLICT, "already_claimed"),
        Refusal::AssetExpired => (StatusCode::CONFLICT, "asset_expired"),
        Refusal::AssetNotFound | Refusal::CampaignNotFound | Refusal::TransactionNotFound => (StatusCode::NOT_FOUND, "not_found"),
        Refusal::CampaignNotRunning => (StatusCode::CONFLICT, "campaign_not_running"),
        Refusal::ClaimLimitReached => (StatusCode::CONFLICT, "claim_limit_reached"),
        Refusal::SoldOut => (StatusCode::CONFLICT, "sold_out"),
        Refusal::InsufficientFunds { .. } => (StatusCode::CONFLICT, "insufficient_funds"),
        Refusal::WalletFrozen => (StatusCode::FORBIDDEN, "wallet_frozen"),
        Refusal::NotTransferable(_) => (StatusCode::CONFLICT, "asset_type_not_transferable"),
        Refusal::SelfTransfer => (StatusCode::UNPROCESSABLE_ENTITY, "self_transfer"),
        Refusal::UserNotFound => (StatusCode::NOT_FOUND, "user_not_found"),
        Refusal::AssetTypeNotFound(_) => (StatusCode::NOT_FOUND, "asset_type_not_found"),
        Refusal::BalanceLimit => (StatusCode::CONFLICT, "balance_limit"),
        Refusal::InvalidAmount(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_amount"),
        Refusal::AlreadyReversed => (StatusCode::CONFLICT, "already_reversed"),
        Refusal::IdempotencyKeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
        Refusal::WalletExists(_) => (StatusCode::CONFLICT, "wallet_exists"),
        Refusal::AssetImmutable => (StatusCode::CONFLICT, "asset_immutable"),
        Refusal::AssetNotExpired => (StatusCode::CONFLICT, "asset_not_expired"),
        Refusal::AlreadyRecreated => (StatusCode::CONFLICT, "already_recreated"),
        Refusal::CampaignImmutable => (StatusCode::CONFLICT, "campaign_immutable"),
        Refusal::AssetTypeExists => (StatusCode::CONFLICT, "asset_type_exists"),
        Refusal::ScaleFixed => (StatusCode::CONFLICT, "scale_fixed"),
        Refusal::Changed => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
        Refusal::LastAdmin => (StatusCode::CONFLICT, "last_admin"),
        Refusal::AlreadyCreated => (StatusCode::CONFLICT, "already_created"),
        Refusal::AlreadyRegistered => (StatusCode::CONFLICT, "already_registered"),
        Refusal::InvalidCredentials => (StatusCode::UNAUTHORIZED, "invalid_credentials"),
        Refusal::RefreshReused => (StatusCode::UNAUTHORIZED, "refresh_reused"),
        Refusal::ReceiptFailed => (StatusCode::CONFLICT, "receipt_failed"),
        Refusal::StatementTooLong(_) => (StatusCode::UNPROCESSABLE_ENTITY, "statement_too_long"),
        Refusal::TooManyApiKeys => (StatusCode::CONFLICT, "too_many_api_keys"),
    }
}

/// When a client may try again, where that is known.
pub fn retry_after(error: &Error) -> Option<Duration> {
    match error {
        Error::Overloaded | Error::DatabaseUnavailable => Some(RETRY_AFTER),
        Error::RateLimited { retry_after } => Some(Duration::from_secs(gate::whole_seconds(*retry_after))),
        _ => None,
    }
}

impl Problem {
    /// The document of an error, for the request with this id.
    pub fn new(error: &Error, request_id: Option<&str>) -> Self {
        let (status, code) = kind(error);
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: error.to_string(),
            code,
            request_id: request_id.map(str::to_owned),
            errors: match error {
                Error::Invalid(errors) => errors.clone(),
                Error::Refused(Refusal::InvalidAmount(message)) => {
                    vec![FieldError::new("amount", message.clone())]
                }
                _ => Vec::new(),
            },
            items: match error {
                Error::BatchRefused(items) => items
                    .iter()
                    .map(|(index, error)| ItemProblem { index: *index, problem: Self::new(error, None) })
                    .collect(),
                _ => Vec::new(),
            },
            available: match error {
                Error::Refused(Refusal::InsufficientFunds { available, .. }) => Some(available.to_string()),
                _ => None,
            },
            wallet_id: match error {
                Error::Refused(Refusal::WalletExists(wallet)) => Some(*wallet),
                _ => None,
            },
        }
    }
}

/// The stable name of the error that a response tells of, which the response carries for the log.
#[derive(Debug, Clone, Copy)]
pub struct Code(pub &'static str);

/// A response with the status and the headers of an error, and no body yet.
pub fn response(error: &Error) -> HttpResponseBuilder {
    let (status, code) = kind(error);
    let mut response = HttpResponse::build(status);
    response.extensions_mut().insert(Code(code));
    if let Some(wait) = retry_after(error) {
        response.insert_header((header::RETRY_AFTER, wait.as_secs().max(1).to_string()));
    }
    response
}

/// The problem document of an error as a response of the API.
pub fn document(error: &Error, request_id: Option<&str>) -> HttpResponse {
    let mut response = response(error);
    if kind(error).0 == StatusCode::UNAUTHORIZED {
        response.insert_header((header::WWW_AUTHENTICATE, CHALLENGES));
    }
    response.content_type("application/problem+json").json(Problem::new(error, request_id))
}

/// Any error of actix's own as one of ours, so that all look the same.
pub fn from_actix(error: &actix_web::Error) -> Error {
    if let Some(PayloadError::Overflow) = error.as_error::<PayloadError>() {
        return Error::TooLarge;
    }
    match error.as_response_error().status_code() {
        StatusCode::NOT_FOUND => Error::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Error::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        StatusCode::REQUEST_TIMEOUT => Error::TooSlow,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::UnsupportedMediaType,
        StatusCode::UNAUTHORIZED => Error::Unauthenticated,
        StatusCode::FORBIDDEN => Error::Forbidden,
        status if status.is_client_error() => Error::Malformed("The request cannot be read.".into()),
        _ => Error::broken(error.to_string()),
    }
}

/// The middleware `render` gives each error its looks, so none are made here.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        kind(self).0
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::domain::{AssetTypeCode, Balance};

    #[test]
    fn the_codes_are_those_of_the_contract() {
        let gold = || AssetTypeCode::parse("GOLD").unwrap();
        let refusals = [
            (Refusal::AlreadyClaimed, 409, "already_claimed"),
            (Refusal::AssetExpired, 409, "asset_expired"),
            (Refusal::AssetNotFound, 404, "not_found"),
            (Refusal::CampaignNotFound, 404, "not_found"),
            (Refusal::CampaignNotRunning, 409, "campaign_not_running"),
            (Refusal::ClaimLimitReached, 409, "claim_limit_reached"),
            (Refusal::SoldOut, 409, "sold_out"),
            (Refusal::insufficient(Balance::zero(), gold()), 409, "insufficient_funds"),
            (Refusal::WalletFrozen, 403, "wallet_frozen"),
            (Refusal::NotTransferable(gold()), 409, "asset_type_not_transferable"),
            (Refusal::SelfTransfer, 422, "self_transfer"),
            (Refusal::UserNotFound, 404, "user_not_found"),
            (Refusal::AssetTypeNotFound("GOLD".to_owned()), 404, "asset_type_not_found"),
            (Refusal::BalanceLimit, 409, "balance_limit"),
            (Refusal::InvalidAmount("No.".into()), 422, "invalid_amount"),
            (Refusal::TransactionNotFound, 404, "not_found"),
            (Refusal::AlreadyReversed, 409, "already_reversed"),
            (Refusal::IdempotencyKeyReused, 422, "idempotency_key_reused"),
            (Refusal::WalletExists(WalletId(7)), 409, "wallet_exists"),
            (Refusal::AssetImmutable, 409, "asset_immutable"),
            (Refusal::AssetNotExpired, 409, "asset_not_expired"),
            (Refusal::AlreadyRecreated, 409, "already_recreated"),
            (Refusal::CampaignImmutable, 409, "campaign_immutable"),
            (Refusal::AssetTypeExists, 409, "asset_type_exists"),
            (Refusal::ScaleFixed, 409, "scale_fixed"),
            (Refusal::Changed, 412, "precondition_failed"),
            (Refusal::LastAdmin, 409, "last_admin"),
            (Refusal::AlreadyCreated, 409, "already_created"),
            (Refusal::AlreadyRegistered, 409, "already_registered"),
            (Refusal::InvalidCredentials, 401, "invalid_credentials"),
            (Refusal::RefreshReused, 401, "refresh_reused"),
            (Refusal::ReceiptFailed, 409, "receipt_failed"),
            (Refusal::StatementTooLong(10_000), 422, "statement_too_long"),
            (Refusal::TooManyApiKeys, 409, "too_many_api_keys"),
        ];
        let errors = [
            (Error::NotFound, 404, "not_found"),
            (Error::InvalidCursor, 400, "invalid_cursor"),
            (Error::Invalid(Vec::new()), 422, "invalid"),
            (Error::VersionMissing, 428, "precondition_required"),
            (Error::TooLarge, 413, "too_large"),
            (Error::Unauthenticated, 401, "unauthenticated"),
            (Error::Forbidden, 403, "forbidden"),
            (Error::RateLimited { retry_after: Duration::ZERO }, 429, "rate_limited"),
            (Error::Overloaded, 503, "overloaded"),
            (Error::DatabaseUnavailable, 503, "database_unavailable"),
            (Error::CommitUnknown, 503, "commit_unknown"),
        ];
        let refusals = refusals.into_iter().map(|(refusal, status, code)| (Error::from(refusal), status, code));
        for (error, status, code) in refusals.chain(errors) {
            let (found, name) = kind(&error);
            assert_eq!((found.as_u16(), name), (status, code), "{error:?}");
        }
    }

    #[test]
    fn a_problem_has_the_members_of_rfc_9457_and_ours() {
        let problem = Problem::new(&Refusal::AlreadyClaimed.into(), Some("abc"));
        assert_eq!(
            serde_json::to_value(problem).unwrap(),
            serde_json::json!({
                "type": "about:blank", "title": "Conflict", "status": 409, "code": "already_claimed",
                "detail": "Someone else was faster: this credit has been claimed.", "request_id": "abc",
            })
        );
    }

    #[test]
    fn insufficient_funds_say_what_is_available_and_invalid_fields_what_is_wrong() {
        let refusal = Refusal::insufficient(Balance::zero().rescaled(2), AssetTypeCode::parse("GOLD").unwrap());
        let problem = serde_json::to_value(Problem::new(&refusal.into(), None)).unwrap();
        assert_eq!((&problem["available"], &problem["status"]), (&"0.00".into(), &409.into()));
        let invalid = Error::Invalid(vec![FieldError::new("email", "No.")]);
        let problem = serde_json::to_value(Problem::new(&invalid, None)).unwrap();
        assert_eq!(problem["errors"], serde_json::json!([{"field": "email", "message": "No."}]));
    }

    #[test]
    fn a_defect_is_never_shown() {
        let problem = Problem::new(&Error::broken("select secret from /etc/passwd"), None);
        assert!(!serde_json::to_string(&problem).unwrap().contains("secret"));
    }
}
