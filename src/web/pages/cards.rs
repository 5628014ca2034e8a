//! What can be claimed, as cards: a credit by itself, or a campaign that gives out many alike.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::parts::{Coin, counted, kind_word, name_of};
use crate::domain::{AssetKind, AssetType, AssetTypeCode};
use crate::repo::assets::AssetView;
use crate::repo::campaigns::Offer;
use crate::web::view::{Moment, grouped};

/// From when on an expiry is near, in hours before it.
const NEAR_HOURS: i64 = 48;

/// What a claim is barred by where its reader is frozen.
const FROZEN: &str = "Frozen";

/// A credit or a campaign, and the way to claim from it.
pub struct CreditCard {
    /// Where its claim is sent.
    pub action: String,
    /// What makes its claim one, however often it is sent; none where what is claimed says that.
    pub idempotency_key: Option<Uuid>,
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
    /// How many there are, and for whom.
    pub notes: Vec<String>,
    /// Until when it can be claimed.
    pub expires_at: Option<Moment>,
    /// How long that is, where it is near.
    pub expires_soon: Option<String>,
    /// That there is no such time.
    pub endless: &'static str,
    /// Why the reader cannot claim it; none where nothing is in the way.
    pub barred: Option<String>,
}

impl CreditCard {
    /// The card of a credit at a time.
    pub fn of_credit(view: AssetView, asset_types: &[AssetType], is_frozen: bool, now: DateTime<Utc>) -> Self {
        let AssetView { asset, scale, .. } = view;
        Self {
            action: format!("/credits/{}/claim", asset.id),
            title: asset.title,
            description: asset.description,
            amount: grouped(&asset.amount.at_scale(scale.0)),
            barred: is_frozen.then(|| FROZEN.to_owned()),
            ..Self::blank(asset.kind, &asset.asset_type, asset_types).until(
                asset.expires_at,
                ("Expires", "No expiry"),
                now,
            )
        }
    }

    /// The card of a campaign at a time.
    pub fn of_campaign(offer: Offer, asset_types: &[AssetType], is_frozen: bool, now: DateTime<Utc>) -> Self {
        let (notes, barred) = (notes(&offer), barred(&offer, is_frozen));
        let Offer { campaign, scale, .. } = offer;
        Self {
            action: format!("/campaigns/{}/claim", campaign.id),
            idempotency_key: Some(Uuid::new_v4()),
            title: campaign.title,
            description: campaign.description,
            amount: grouped(&campaign.amount.at_scale(scale.0)),
            notes,
            barred,
            ..Self::blank(campaign.kind, &campaign.asset_type, asset_types).until(
                campaign.ends_at,
                ("Ends", "No end"),
                now,
            )
        }
    }

    fn blank(kind: AssetKind, code: &AssetTypeCode, asset_types: &[AssetType]) -> Self {
        let Coin { initial, hue } = Coin::of(code);
        Self {
            action: String::new(),
            idempotency_key: None,
            title: String::new(),
            description: String::new(),
            kind: kind_word(kind),
            amount: String::new(),
            asset_type_name: name_of(code, asset_types),
            asset_type: code.to_string(),
            initial,
            hue,
            notes: Vec::new(),
            expires_at: None,
            expires_soon: None,
            endless: "",
            barred: None,
        }
    }

    /// The same card with its end, and the words for a near one and for none.
    fn until(self, end: Option<DateTime<Utc>>, words: (&str, &'static str), now: DateTime<Utc>) -> Self {
        let expires_soon = end.and_then(|end| soon(words.0, end - now));
        Self { expires_at: end.map(Moment::from), expires_soon, endless: words.1, ..self }
    }
}

/// How many a campaign has left, how many one user may have, and how many the reader has.
fn notes(offer: &Offer) -> Vec<String> {
    let (left, limit, own) = (offer.left, i64::from(offer.campaign.per_user_limit), offer.claimed_by_viewer);
    let left = match left {
        0 => None,
        left if left > Offer::COUNTED => Some(format!("More than {} left", Offer::COUNTED)),
        left => Some(format!("{left} left")),
    };
    let limit = if limit == 1 {
        "One per person".to_owned()
    } else {
        format!("Up to {} per person", grouped(&limit.to_string()))
    };
    let own = (own > 0).then(|| format!("You have {}", grouped(&own.to_string())));
    left.into_iter().chain([limit]).chain(own).collect()
}

/// Why a user cannot claim from a campaign.
fn barred(offer: &Offer, is_frozen: bool) -> Option<String> {
    if is_frozen {
        Some(FROZEN.to_owned())
    } else if offer.is_used_up() {
        Some("You have had yours".to_owned())
    } else {
        (offer.left == 0).then(|| "All taken".to_owned())
    }
}

/// The words for a time that is near.
fn soon(word: &str, left: TimeDelta) -> Option<String> {
    let (hours, minutes) = (left.num_hours(), left.num_minutes());
    if hours >= NEAR_HOURS {
        None
    } else if hours >= 1 {
        Some(format!("{word} in {}", counted(hours, "hour", "hours")))
    } else if minutes >= 1 {
        Some(format!("{word} in {}", counted(minutes, "minute", "minutes")))
    } else {
        Some(format!("{word} in less than a minute"))
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
            assert_eq!(soon("Expires", TimeDelta::minutes(minutes)).as_deref(), words);
        }
    }
}
