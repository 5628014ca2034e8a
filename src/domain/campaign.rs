//! Assets that are released together.

use chrono::{DateTime, Utc};

use super::{Amount, AssetKind, AssetTypeCode, CampaignId};

text_enum! {
    /// What a campaign does at a moment.
    pub enum CampaignStatus {
        /// Has not begun.
        Scheduled = "scheduled",
        /// Gives out its assets.
        Running = "running",
        /// Is held by an admin.
        Paused = "paused",
        /// Is over, unless an admin moves its end.
        Ended = "ended",
    }
}

/// A group of assets released together, with a limit per user.
#[derive(Debug, Clone, PartialEq, Eq, diesel::Queryable, diesel::Selectable)]
#[diesel(table_name = crate::schema::campaigns)]
pub struct Campaign {
    /// The row and the public number.
    pub id: CampaignId,
    /// What it and its assets are called.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Why its assets are given.
    pub kind: AssetKind,
    /// The unit of its amount.
    pub asset_type: AssetTypeCode,
    /// What the owner of each asset gets.
    pub amount: Amount,
    /// From when on its assets can be claimed; from the beginning where there is none.
    pub starts_at: Option<DateTime<Utc>>,
    /// From when on they can no longer be claimed.
    pub ends_at: Option<DateTime<Utc>>,
    /// How many of its assets one user may claim.
    pub per_user_limit: i32,
    /// Whether an admin holds it.
    pub paused: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Counts its changes, from 1.
    pub version: i64,
}

impl Campaign {
    /// What it does at `now`.
    pub fn status(&self, now: DateTime<Utc>) -> CampaignStatus {
        if self.ends_at.is_some_and(|ends_at| ends_at <= now) {
            CampaignStatus::Ended
        } else if self.paused {
            CampaignStatus::Paused
        } else if self.starts_at.is_some_and(|starts_at| starts_at > now) {
            CampaignStatus::Scheduled
        } else {
            CampaignStatus::Running
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_runs_from_its_start_until_its_end_unless_it_is_paused() {
        let at = |hour: i64| DateTime::from_timestamp(hour * 3_600, 0).unwrap();
        let campaign = |starts_at: Option<i64>, ends_at: Option<i64>, paused: bool| Campaign {
            id: CampaignId(1),
            title: "Festive".to_owned(),
            description: String::new(),
            kind: AssetKind::Promotional,
            asset_type: AssetTypeCode::parse("GOLD").unwrap(),
            amount: Amount::parse("1").unwrap(),
            starts_at: starts_at.map(at),
            ends_at: ends_at.map(at),
            per_user_limit: 1,
            paused,
            created_at: at(0),
            version: 1,
        };
        for (starts_at, ends_at, paused, states) in [
            (None, None, false, ["running", "running", "running", "running"]),
            (Some(2), Some(3), false, ["scheduled", "running", "ended", "ended"]),
            (Some(2), None, false, ["scheduled", "running", "running", "running"]),
            (None, Some(3), false, ["running", "running", "ended", "ended"]),
            (None, None, true, ["paused", "paused", "paused", "paused"]),
            (Some(2), Some(3), true, ["paused", "paused", "ended", "ended"]),
        ] {
            let campaign = campaign(starts_at, ends_at, paused);
            assert_eq!([1, 2, 3, 4].map(|hour| campaign.status(at(hour)).as_str()), states, "{campaign:?}");
        }
    }
}
