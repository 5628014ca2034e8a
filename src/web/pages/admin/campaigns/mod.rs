//! Campaigns in the hands of admins: the list, one campaign, its form, and what can be done to it.

pub mod form;
pub mod list;
pub mod lives;
pub mod show;

use crate::domain::{AssetStatus, CampaignStatus};
use crate::repo::campaigns::CampaignView;
use crate::web::pages::parts::status_word;
use crate::web::view::grouped;

/// Where some of a campaign's credits are: how many, and what they are worth.
pub(super) struct Part {
    status: &'static str,
    label: &'static str,
    count: String,
    value: String,
    href: String,
    /// Where the part begins in the bar and how wide it is, in thousandths.
    share_start: i64,
    share: i64,
}

/// The parts of a campaign's supply; each ends where the next one begins.
fn parts(view: &CampaignView) -> Vec<Part> {
    let (counts, values) = (&view.counts, &view.values);
    let all = [
        (AssetStatus::Claimed, counts.claimed, &values.claimed),
        (AssetStatus::Available, counts.available, &values.available),
        (AssetStatus::Expired, counts.expired, &values.expired),
    ];
    let total = all.iter().map(|(_, count, _)| count).sum::<i64>().max(1);
    let mut so_far = 0;
    all.into_iter()
        .map(|(status, count, value)| {
            let share_start = so_far * 1000 / total;
            so_far += count;
            Part {
                status: status.as_str(),
                label: status_word(status),
                count: grouped(&count.to_string()),
                value: grouped(&value.at_scale(view.scale.0)),
                href: format!("/admin/assets?campaign_id={}&status={status}", view.campaign.id),
                share_start,
                share: so_far * 1000 / total - share_start,
            }
        })
        .collect()
}

/// What a campaign does, in a word.
fn word(status: CampaignStatus) -> &'static str {
    match status {
        CampaignStatus::Scheduled => "Scheduled",
        CampaignStatus::Running => "Running",
        CampaignStatus::Paused => "Paused",
        CampaignStatus::Ended => "Ended",
    }
}

/// The tone of that.
fn tone(status: CampaignStatus) -> &'static str {
    match status {
        CampaignStatus::Scheduled => "accent",
        CampaignStatus::Running => "good",
        CampaignStatus::Paused => "warn",
        CampaignStatus::Ended => "neutral",
    }
}
