//! What several pages show alike: asset types, words.

use crate::domain::{AssetKind, AssetStatus, AssetType, AssetTypeCode, Role, TransactionType, UserStatus};
use crate::web::view::grouped;

/// How many hues asset types are told apart by.
const HUES: u32 = 6;

/// The round sign of an asset type.
pub struct Coin {
    /// The first letter of its code.
    pub initial: String,
    /// 0 to 5, always the same for the same code.
    pub hue: u32,
}

impl Coin {
    /// The sign of an asset type.
    pub fn of(code: &AssetTypeCode) -> Self {
        Self {
            initial: code.as_str().chars().take(1).collect(),
            hue: code.as_str().bytes().map(u32::from).sum::<u32>() % HUES,
        }
    }
}

/// The name of an asset type, or its code where it is not among the known.
pub fn name_of(code: &AssetTypeCode, asset_types: &[AssetType]) -> String {
    let found = asset_types.iter().find(|known| known.code == *code);
    found.map_or_else(|| code.to_string(), |known| known.name.clone())
}

/// Why a credit is given, in a word.
pub fn kind_word(kind: AssetKind) -> &'static str {
    match kind {
        AssetKind::Signup => "Signup",
        AssetKind::Referral => "Referral",
        AssetKind::Promotional => "Promotional",
    }
}

/// Where an asset is in its life, in a word.
pub fn status_word(status: AssetStatus) -> &'static str {
    match status {
        AssetStatus::Available => "Available",
        AssetStatus::Claimed => "Claimed",
        AssetStatus::Expired => "Expired",
    }
}

/// The tone of that.
pub fn status_tone(status: AssetStatus) -> &'static str {
    match status {
        AssetStatus::Available => "accent",
        AssetStatus::Claimed => "good",
        AssetStatus::Expired => "neutral",
    }
}

/// What a user may do, in a word.
pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::User => "User",
        Role::Admin => "Admin",
    }
}

/// Whether a user may move value, in a word.
pub fn user_status_word(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Active => "Active",
        UserStatus::Frozen => "Frozen",
    }
}

/// The tone of that word.
pub fn user_status_tone(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Active => "good",
        UserStatus::Frozen => "warn",
    }
}

/// Why value moved, in a word.
pub fn type_word(transaction_type: TransactionType) -> &'static str {
    match transaction_type {
        TransactionType::Claim => "Claim",
        TransactionType::TopUp => "Top-up",
        TransactionType::Bonus => "Bonus",
        TransactionType::Spend => "Spend",
        TransactionType::Transfer => "Transfer",
        TransactionType::Adjustment => "Adjustment",
        TransactionType::Reversal => "Reversal",
    }
}

/// A number and what it counts: `1 credit`, `1,250 credits`.
pub fn counted(number: i64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(&number.to_string()), if number == 1 { one } else { many })
}
