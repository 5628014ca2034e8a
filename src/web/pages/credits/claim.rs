//! The claim of a single credit, and of any one of a campaign.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::domain::posting::{Action, Command};
use crate::domain::{AssetId, CampaignId, Transaction, UserId};
use crate::error::{Error, Refusal, Result};
use crate::ledger::{Ledger, Outcome};
use crate::repo::Db;
use crate::repo::assets::{self, Alternatives, Missed};
use crate::web::auth::{CsrfForm, CurrentUser};
use crate::web::extract::{Now, PathOf};
use crate::web::pages::movements::idempotency;
use crate::web::view::{self, Flash, Moment, grouped, local_path};

/// More similar credits than these are not counted out.
const COUNTED: i64 = 99;

/// The form of a claim.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct ClaimForm {
    /// The list that it was sent from.
    back: String,
    /// What makes a claim from a campaign one, however often its form is sent.
    idempotency_key: Uuid,
}

/// `POST /credits/{id}/claim`
///
/// # Errors
/// Those of [`Ledger::submit`] but the refusals: these are told on the next page.
pub async fn credit(
    current: CurrentUser,
    id: PathOf<AssetId>,
    form: CsrfForm<ClaimForm>,
    cookie: Session,
    now: Now,
    ledger: Data<Ledger>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (user, asset) = (current.user.id, id.0);
    let command = Command::new(user, Action::Claim { user, asset });
    let flash = told(&ledger, &db, command, Missed::Asset(asset), now.0).await?;
    flash.leave(&cookie)?;
    Ok(view::see_other(local_path(&form.0.back).unwrap_or("/credits")))
}

/// `POST /campaigns/{id}/claim`
///
/// # Errors
/// Those of [`Ledger::submit`] but the refusals: these are told on the next page.
pub async fn of_campaign(
    current: CurrentUser,
    id: PathOf<CampaignId>,
    form: CsrfForm<ClaimForm>,
    cookie: Session,
    now: Now,
    ledger: Data<Ledger>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (user, campaign, form) = (current.user.id, id.0, form.0);
    let idempotency = Some(idempotency(form.idempotency_key, &("claim", campaign))?);
    let command = Command { idempotency, ..Command::new(user, Action::ClaimAny { user, campaign }) };
    let flash = told(&ledger, &db, command, Missed::Campaign(campaign), now.0).await?;
    flash.leave(&cookie)?;
    Ok(view::see_other(local_path(&form.back).unwrap_or("/credits")))
}

/// Claims; says what came of it.
async fn told(ledger: &Ledger, db: &Db, command: Command, wanted: Missed, now: DateTime<Utc>) -> Result<Flash> {
    let viewer = command.requested_by;
    match ledger.submit(command).await {
        Ok(Outcome::Posted(transaction) | Outcome::Replayed(transaction)) => Ok(claimed(&transaction)),
        Ok(Outcome::Again { transaction, .. }) => Ok(yours_already(&transaction)),
        Err(Error::Refused(refusal)) => missed(db, viewer, &refusal, wanted, now).await,
        Err(error) => Err(error),
    }
}

/// What a claim brought.
pub(super) fn claimed(transaction: &Transaction) -> Flash {
    let amount = grouped(&transaction.amount.at_scale(transaction.scale.0));
    let (title, code) = (&transaction.description, &transaction.asset_type);
    Flash::good(format!("You claimed “{title}”: +{amount} {code}.")).link("/claims", "See my claims")
}

/// That it had been claimed before.
pub(super) fn yours_already(transaction: &Transaction) -> Flash {
    let Moment { text: since, .. } = transaction.created_at.into();
    Flash::good(format!("“{}” is yours already: you claimed it on {since}.", transaction.description))
        .link("/claims", "See my claims")
}

/// Why a claim did not come about, in kind words, and what is left.
async fn missed(db: &Db, viewer: UserId, refusal: &Refusal, missed: Missed, now: DateTime<Utc>) -> Result<Flash> {
    let of_campaign = matches!(missed, Missed::Campaign(_));
    let reason = match refusal {
        Refusal::AlreadyClaimed => "Someone else was faster.",
        Refusal::SoldOut => "Others were faster: all credits of this campaign are taken.",
        Refusal::AssetExpired => "This credit has expired.",
        Refusal::AssetNotFound => "This credit is not there any more.",
        Refusal::CampaignNotFound => "This campaign is not there any more.",
        Refusal::CampaignNotRunning if of_campaign => "This campaign is not running now.",
        Refusal::CampaignNotRunning => "The campaign of this credit is not running now.",
        Refusal::ClaimLimitReached => {
            let words = "You have as many credits of this campaign as one user may have. The others are for others.";
            return Ok(Flash::warn(words).link("/claims", "See my claims"));
        }
        Refusal::WalletFrozen => {
            return Ok(Flash::bad("Your wallet is frozen: it can receive, but not claim. Please ask an admin."));
        }
        other => return Ok(Flash::bad(other.to_string())),
    };
    let left = db.run(move |conn| assets::alternatives(conn, viewer, missed, now)).await?;
    Ok(consolation(reason, left.filter(|left| left.left > 0)))
}

fn consolation(reason: &str, left: Option<Alternatives>) -> Flash {
    let Some(Alternatives { asset_type, left }) = left else {
        return Flash::warn(format!("{reason} No similar credit is free right now."))
            .link("/credits", "See what else there is");
    };
    let number = if left > COUNTED { format!("More than {COUNTED}") } else { left.to_string() };
    let words = if left == 1 {
        "One similar credit is still free.".to_owned()
    } else {
        format!("{number} similar credits are still free.")
    };
    Flash::warn(format!("{reason} {words}")).link(format!("/credits?asset_type={asset_type}"), "Show them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AssetTypeCode;

    #[test]
    fn who_came_too_late_learns_what_is_left() {
        let words = |left| {
            let asset_type = AssetTypeCode::parse("CASH").ok()?;
            Some(consolation("Someone else was faster.", Some(Alternatives { asset_type, left })).text)
        };
        for (left, text) in [
            (1, "Someone else was faster. One similar credit is still free."),
            (2, "Someone else was faster. 2 similar credits are still free."),
            (100, "Someone else was faster. More than 99 similar credits are still free."),
        ] {
            assert_eq!(words(left).as_deref(), Some(text));
        }
        let none = consolation("This credit has expired.", None);
        assert_eq!(none.text, "This credit has expired. No similar credit is free right now.");
    }
}
