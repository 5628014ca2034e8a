//! What several pages show alike: credits, asset types, words.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::{
    AssetKind, AssetStatus, AssetType, AssetTypeCode, CampaignId, Role, TransactionType, User, UserStatus,
};
use crate::error::Result;
use crate::repo::assets::AssetView;
use crate::web::view::{Moment, grouped};

/// How many hues asset types are told apart by.
const HUES: u32 = 6;

/// From when on an expiry is near, in hours before it.
const NEAR_HOURS: i64 = 48;

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

/// One claimable credit.
pub struct CreditCard {
    /// The number of the asset.
    pub id: i64,
    /// What it is called.
    pub title: String,
    /// What it is for; empty for nothing.
    pub description: String,
    /// Why it is given.
    pub kind: &'static str,
    /// What its owner gets.
    pub amount: String,
    /// The code of its unit.
    pub asset_type: String,
    /// The name of its unit.
    pub asset_type_name: String,
    /// The letter of its sign.
    pub initial: String,
    /// The hue of its sign.
    pub hue: u32,
    /// Until when it can be claimed.
    pub expires_at: Option<Moment>,
    /// How long that is, where it is near.
    pub expires_soon: Option<String>,
    /// Why the reader cannot claim it; none where nothing is in the way.
    pub barred: Option<&'static str>,
}

/// What keeps a reader from claiming.
#[derive(Default)]
pub struct Bars {
    is_frozen: bool,
    used_up: HashSet<CampaignId>,
}

impl Bars {
    /// What keeps a user from claiming some credits.
    ///
    /// # Errors
    /// `used_up` as [`crate::repo::campaigns::used_up_by`] gives it; its errors.
    pub fn of(
        user: &User,
        credits: &[AssetView],
        used_up: impl FnOnce(Vec<CampaignId>) -> Result<HashSet<CampaignId>>,
    ) -> Result<Self> {
        let mut campaigns: Vec<_> = credits.iter().filter_map(|view| view.asset.campaign_id).collect();
        campaigns.sort_unstable();
        campaigns.dedup();
        Ok(Self { is_frozen: user.status == UserStatus::Frozen, used_up: used_up(campaigns)? })
    }

    fn bar(&self, campaign: Option<CampaignId>) -> Option<&'static str> {
        if self.is_frozen {
            Some("Frozen")
        } else {
            campaign.filter(|campaign| self.used_up.contains(campaign)).map(|_| "You have had yours")
        }
    }
}

impl CreditCard {
    /// The card of an asset at a time.
    pub fn new(view: AssetView, asset_types: &[AssetType], bars: &Bars, now: DateTime<Utc>) -> Self {
        let AssetView { asset, scale, .. } = view;
        let Coin { initial, hue } = Coin::of(&asset.asset_type);
        Self {
            id: asset.id.0,
            title: asset.title,
            description: asset.description,
            kind: kind_word(asset.kind),
            amount: grouped(&asset.amount.at_scale(scale.0)),
            asset_type_name: name_of(&asset.asset_type, asset_types),
            asset_type: asset.asset_type.to_string(),
            initial,
            hue,
            expires_at: asset.expires_at.map(Moment::from),
            barred: bars.bar(asset.campaign_id),
            expires_soon: asset.expires_at.and_then(|expires_at| soon(expires_at - now)),
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

/// The words for a time that is near.
fn soon(left: TimeDelta) -> Option<String> {
    let (hours, minutes) = (left.num_hours(), left.num_minutes());
    if hours >= NEAR_HOURS {
        None
    } else if hours >= 1 {
        Some(format!("Expires in {}", counted(hours, "hour", "hours")))
    } else if minutes >= 1 {
        Some(format!("Expires in {}", counted(minutes, "minute", "minutes")))
    } else {
        Some("Expires in less than a minute".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_expiry_is_told_in_words() {
        for (minutes, words) in [
            (0, Some("Expires in less than a minute")),
            (1, Some("Expires in 1 minute")),
            (59, Some("Expires in 59 minutes")),
            (60, Some("Expires in 1 hour")),
            (47 * 60 + 59, Some("Expires in 47 hours")),
            (48 * 60, None),
        ] {
            assert_eq!(soon(TimeDelta::minutes(minutes)).as_deref(), words);
        }
    }
}
