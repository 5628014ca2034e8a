//! What can go wrong, in three kinds: the business says no ([`Refusal`]), a request cannot be
//! served ([`Error`]), and Coffer itself cannot start or go on ([`Fatal`]).

use std::borrow::Cow;
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::domain::{AssetTypeCode, Balance, WalletId};

/// The result of serving a request.
pub type Result<T> = std::result::Result<T, Error>;

/// A no of the business: the request was understood and may not happen. Nothing was written.
///
/// The text of each is for people and says what to do; the stable code and the HTTP status of each
/// stand in `web::problem`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Another user owns the asset.
    #[error("Someone else was faster: this credit has been claimed.")]
    AlreadyClaimed,
    /// The asset's `expires_at` has passed, whether or not the expiry job has seen it.
    #[error("This credit has expired.")]
    AssetExpired,
    /// No asset has this id, or the caller may not know of it.
    #[error("There is no such credit.")]
    AssetNotFound,
    /// No campaign has this id, or the caller may not know of it.
    #[error("There is no such campaign.")]
    CampaignNotFound,
    /// The campaign has not begun, is over, or is held up.
    #[error("This campaign is not running now.")]
    CampaignNotRunning,
    /// The user has as many assets of the campaign as one user may have.
    #[error("You have claimed as many credits of this campaign as one user may have.")]
    ClaimLimitReached,
    /// No asset of the campaign is left.
    #[error("All credits of this campaign have been claimed.")]
    SoldOut,
    /// A debit would leave less than the floor. `available` is what may be taken, at the scale of
    /// the asset type.
    #[error("There is not enough in the wallet: {available} {asset_type} can be used.")]
    InsufficientFunds {
        /// What the wallet could give now, never below zero.
        available: Balance,
        /// The unit of account.
        asset_type: AssetTypeCode,
    },
    /// A frozen user may receive, but not claim, spend or transfer.
    #[error("This wallet is frozen. It can receive, but not claim, spend or transfer.")]
    WalletFrozen,
    /// The asset type does not leave its owner's wallet except by spending.
    #[error("{0} cannot be transferred between users.")]
    NotTransferable(AssetTypeCode),
    /// Sender and receiver are the same.
    #[error("Sender and receiver are the same user.")]
    SelfTransfer,
    /// No user has this id or handle.
    #[error("There is no such user.")]
    UserNotFound,
    /// No asset type has this code.
    #[error("There is no asset type {0}.")]
    AssetTypeNotFound(String),
    /// A balance would pass 10^15.
    #[error("The balance would become larger than a wallet can hold.")]
    BalanceLimit,
    /// The amount is not one that this asset type can have.
    #[error("{0}")]
    InvalidAmount(Cow<'static, str>),
    /// No transaction has this id, or the caller may not know of it.
    #[error("There is no such transaction.")]
    TransactionNotFound,
    /// The transaction has been reversed before.
    #[error("This transaction has been reversed already.")]
    AlreadyReversed,
    /// The idempotency key was used by this caller for another request.
    #[error("This idempotency key was used for another request. Use a new key.")]
    IdempotencyKeyReused,
    /// The user has a wallet in this asset type: this one.
    #[error("There is a wallet in this asset type already.")]
    WalletExists(WalletId),
    /// A claimed asset never changes.
    #[error("This credit has been claimed, and so it stays as it is.")]
    AssetImmutable,
    /// Only what has run out is recreated.
    #[error("This credit has not expired, so there is nothing to recreate.")]
    AssetNotExpired,
    /// Another asset replaces this one, which is kept for it.
    #[error("This credit has been recreated already.")]
    AlreadyRecreated,
    /// Somebody has claimed from the campaign, so it cannot be deleted, and its asset type stays.
    #[error("Credits of this campaign have been claimed, so it stays, and so does its asset type.")]
    CampaignImmutable,
    /// There is an asset type with this code.
    #[error("There is an asset type with this code already.")]
    AssetTypeExists,
    /// Wallets or assets are counted with the decimals that the asset type has.
    #[error("This asset type is in use, so the number of its decimals stays.")]
    ScaleFixed,
    /// Somebody changed the thing since the caller looked at it.
    #[error("Somebody has changed this meanwhile. Look at it again, then repeat the change.")]
    Changed,
    /// Without this user nobody could run the installation.
    #[error("This is the last active admin. Make somebody else an admin first.")]
    LastAdmin,
    /// The voucher codes of these assets are in use: the same request came before.
    #[error("These credits have been created already.")]
    AlreadyCreated,
    /// One of the logins or the external id belongs to someone.
    #[error("Someone is registered with these details already.")]
    AlreadyRegistered,
    /// Login and password do not go together, or the login does not exist.
    #[error("Login or password is wrong.")]
    InvalidCredentials,
    /// A refresh token that had been used before was used again: the session has ended.
    #[error("This refresh token was used before. The session has been ended; sign in again.")]
    RefreshReused,
    /// Three attempts to make the receipt failed.
    #[error("This receipt could not be made. An admin can have it tried again.")]
    ReceiptFailed,
    /// The period has more movements than a statement on paper holds.
    #[error("There are more than {0} movements in this period. Choose a shorter one, or take the CSV file.")]
    StatementTooLong(usize),
    /// The user has as many API keys as one may have.
    #[error("There are 50 API keys already. Delete one that is not needed.")]
    TooManyApiKeys,
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The field's name as the request spells it.
    #[schema(value_type = String)]
    pub field: Cow<'static, str>,
    /// What to do about it, a sentence.
    #[schema(value_type = String)]
    pub message: Cow<'static, str>,
    /// Of a file: which row, counted from 1 without the names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub row: Option<usize>,
}

impl FieldError {
    /// Names the field and what to do about it.
    pub fn new(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), message: message.into(), row: None }
    }

    /// The same about one row of a file.
    #[must_use]
    pub fn in_row(self, row: usize) -> Self {
        Self { row: Some(row), ..self }
    }
}

/// Why a request is not served as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The business says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is nothing at this address that the caller may know of.
    #[error("There is nothing here.")]
    NotFound,
    /// The path is there, but not for this method.
    #[error("This address does not take this method.")]
    MethodNotAllowed,
    /// The request cannot be read: broken JSON, an unknown field, a bad header.
    #[error("{0}")]
    Malformed(Cow<'static, str>),
    /// The cursor of a list is not one that this list gave out.
    #[error("The cursor is not one that this list gave out. Start without a cursor.")]
    InvalidCursor,
    /// The request can be read, but fields of it have values that cannot be.
    #[error("Some fields need another value.")]
    Invalid(Vec<FieldError>),
    /// Some of a batch of which all were to happen or none, by their places, cannot happen.
    #[error("Nothing was done, since {} of the transactions cannot be done.", .0.len())]
    BatchRefused(Vec<(usize, Error)>),
    /// A change came without `If-Match`, by which it would say what it changes.
    #[error("Say which version you change: send its number in quotes as the header If-Match.")]
    VersionMissing,
    /// The request's body is larger than this route takes.
    #[error("The request is larger than allowed.")]
    TooLarge,
    /// The request's body did not come in time.
    #[error("The request took too long to arrive. Send it again.")]
    TooSlow,
    /// The request's body is not of a type that this route takes.
    #[error("This address takes another kind of body. Send JSON as application/json, and files as text/csv.")]
    UnsupportedMediaType,
    /// No, bad or outdated credentials.
    #[error("Sign in first.")]
    Unauthenticated,
    /// Known, but not allowed.
    #[error("This is not allowed for you.")]
    Forbidden,
    /// A form without the token of its session: it was sent from elsewhere, or the session ended.
    #[error("The form was too old to be sent safely. Please send it again.")]
    StaleForm,
    /// Too many wrong guesses, or too many of something else, in a short time; nothing was done.
    #[error("That was too often in a short time. Nothing was done; try again later.")]
    RateLimited {
        /// How long to wait.
        retry_after: Duration,
    },
    /// A bounded queue is full; nothing was done.
    #[error("Coffer is very busy. Nothing was done; try again in a moment.")]
    Overloaded,
    /// The database does not answer; nothing was done.
    #[error("The database does not answer. Nothing was done; try again in a moment.")]
    DatabaseUnavailable,
    /// The connection broke while a commit was on its way, and its outcome cannot be learned.
    #[error("It is unknown whether this happened. Repeat it with the same idempotency key.")]
    CommitUnknown,
    /// A defect of ours; the source is logged and never shown.
    #[error("Something went wrong on our side.")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A defect of ours, with its cause for the log.
    pub fn broken(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Broken(source.into())
    }
}

/// Why a statement gave way to others and did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GaveWay {
    /// It took longer than statements may.
    StatementTimeout,
    /// It waited longer for a lock than statements may.
    LockTimeout,
    /// It waited for one that waited for it.
    Deadlock,
}

impl GaveWay {
    /// By what PostgreSQL says. Diesel does not tell the SQLSTATE of these (57014, 55P03, 40P01), so its
    /// words must do, and [`migrate`](crate::repo::migrate) sees to it that they are English.
    pub fn of(error: &DieselError) -> Option<Self> {
        let DieselError::DatabaseError(_, information) = error else { return None };
        match information.message() {
            "canceling statement due to statement timeout" => Some(Self::StatementTimeout),
            "canceling statement due to lock timeout" => Some(Self::LockTimeout),
            "deadlock detected" => Some(Self::Deadlock),
            _ => None,
        }
    }
}

impl From<DieselError> for Error {
    /// The one place where a constraint's name becomes a refusal.
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, _) => Self::DatabaseUnavailable,
            error if GaveWay::of(error).is_some() => Self::Overloaded,
            DieselError::DatabaseError(_, information) => match information.constraint_name() {
                Some("users_external_id_key" | "users_username_key" | "users_email_key" | "users_phone_number_key") => {
                    Refusal::AlreadyRegistered.into()
                }
                Some("assets_recreated_from_key" | "assets_recreated_from_fkey") => Refusal::AlreadyRecreated.into(),
                Some("asset_types_pkey") => Refusal::AssetTypeExists.into(),
                Some("asset_types_scale_is_fixed") => Refusal::ScaleFixed.into(),
                Some("assets_code_key" | "api_keys_form_id_key") => Refusal::AlreadyCreated.into(),
                Some("assets_campaign_id_fkey") => {
                    Self::Invalid(vec![FieldError::new("campaign_id", "There is no such campaign.")])
                }
                _ => Self::broken(error),
            },
            DieselError::NotFound => Self::NotFound,
            _ => Self::broken(error),
        }
    }
}

/// Why a command of the command line ends at once with exit code 1: one clear line that says what
/// to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fatal(pub String);

impl Fatal {
    /// A reason in words.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// The refusal of an amount, for a fixed reason.
pub(crate) fn invalid_amount(reason: &'static str) -> Refusal {
    Refusal::InvalidAmount(Cow::Borrowed(reason))
}

impl Refusal {
    /// The refusal of a debit of which `available` could be given.
    pub fn insufficient(available: Balance, asset_type: AssetTypeCode) -> Self {
        Self::InsufficientFunds { available, asset_type }
    }

    /// The refusal of an amount finer than the asset type's scale (decimals).
    pub fn too_fine(amount: &impl std::fmt::Display, scale: u8) -> Self {
        Self::InvalidAmount(Cow::Owned(match scale {
            0 => format!("{amount} is not a whole number, and this asset type has no decimals."),
            _ => format!("{amount} has more than {scale} decimals, which is all that this asset type has."),
        }))
    }
}
