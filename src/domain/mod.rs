//! The nouns of the business and their rules. Nothing here runs a query, reads a clock or knows
//! HTTP: time is an argument, and what is decided here can be tested without a database.

#[macro_use]
mod text_enum;

mod amount;
mod asset;
mod book;
mod campaign;
mod credential;
mod id;
mod origin;
mod period;
pub mod posting;
mod reason;
mod receipt;
mod time_zone;
mod transaction;
mod user;
mod wallet;

pub use amount::{Amount, Balance, grouped, signed};
pub use asset::{Asset, AssetKind, AssetStatus, AssetType, AssetTypeCode, Scale, VoucherCode};
pub use campaign::{Campaign, CampaignStatus};
pub use credential::{AccessState, ApiKeySecret, BASE32, Scope, Scopes, SecretHash, SessionKind};
pub use id::{ApiKeyId, AssetId, CampaignId, SessionId, TransactionId, UserId, WalletId};
pub use period::Period;
pub use reason::Reason;
pub use receipt::{ReceiptCode, ReceiptStatus};
pub use time_zone::TimeZone;
pub use transaction::{Entry, Transaction, TransactionType};
pub use user::{ExternalId, Login, Role, User, UserStatus};
pub use wallet::{Lane, Owner};
