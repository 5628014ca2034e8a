//! The wallet at one look: what a user holds, what there is to claim, what happened lately.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, Utc};

use super::activity::{ActivityDay, by_day};
use super::cards::CreditCard;
use super::parts::Coin;
use crate::domain::{AssetType, Balance, UserStatus};
use crate::error::Result;
use crate::repo::Db;
use crate::repo::assets::{self, AssetView};
use crate::repo::campaigns::{self, Offer};
use crate::repo::transactions;
use crate::repo::wallets::{self, Holding};
use crate::web::auth::CurrentUser;
use crate::web::extract::Now;
use crate::web::view::{self, Chrome, grouped};

/// How many credits and campaigns are offered: as many as are found of either.
const CREDITS: usize = 3;

#[derive(Template)]
#[template(path = "wallet/overview.html")]
struct WalletPage {
    chrome: Chrome,
    is_frozen: bool,
    balances: Vec<BalanceCard>,
    credits: Vec<CreditCard>,
    activity: Vec<ActivityDay>,
}

struct BalanceCard {
    asset_type: String,
    name: String,
    initial: String,
    hue: u32,
    amount: String,
    /// What must stay; none where that is nothing.
    floor: Option<String>,
    can_give: bool,
    transferable: bool,
}

impl From<&Holding> for BalanceCard {
    fn from(holding: &Holding) -> Self {
        let Holding { asset_type, balance } = holding;
        let text = |balance: &Balance| grouped(&balance.at_scale(asset_type.scale.0));
        let Coin { initial, hue } = Coin::of(&asset_type.code);
        Self {
            asset_type: asset_type.code.to_string(),
            name: asset_type.name.clone(),
            initial,
            hue,
            amount: text(balance),
            floor: Some(&asset_type.minimum_balance).filter(|floor| **floor != Balance::zero()).map(text),
            can_give: holding.can_give(),
            transferable: asset_type.transferable,
        }
    }
}

/// `GET /wallet`
///
/// # Errors
/// Those of the database.
pub async fn show(current: CurrentUser, chrome: Chrome, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let (user, now) = (current.user, now.0);
    let is_frozen = user.status == UserStatus::Frozen;
    let (holdings, offers, credits, activity) = db
        .run(move |conn| {
            let holdings = wallets::holdings(conn, user.id)?;
            let offers = campaigns::claimable_first(conn, &user, now)?;
            let credits = assets::claimable_first(conn, now)?;
            Ok((holdings, offers, credits, transactions::recent_of(conn, user.id)?))
        })
        .await?;
    let asset_types: Vec<_> = holdings.iter().map(|holding| holding.asset_type.clone()).collect();
    view::page(&WalletPage {
        chrome,
        is_frozen,
        balances: holdings.iter().map(BalanceCard::from).collect(),
        credits: most_urgent(offers, credits, &asset_types, is_frozen, now),
        activity: by_day(activity, now.date_naive()),
    })
}

/// The few of all that can be claimed that end first, the first campaign always among them, since it
/// stands for many. Of those without an end, campaigns come first.
fn most_urgent(
    offers: Vec<Offer>,
    credits: Vec<AssetView>,
    asset_types: &[AssetType],
    is_frozen: bool,
    now: DateTime<Utc>,
) -> Vec<CreditCard> {
    let card = |offer: Offer| (offer.campaign.ends_at, CreditCard::of_campaign(offer, asset_types, is_frozen, now));
    let mut offers = offers.into_iter().map(card);
    let first = offers.next();
    let credits = credits
        .into_iter()
        .map(|view| (view.asset.expires_at, CreditCard::of_credit(view, asset_types, is_frozen, now)));
    let end = |(end, _): &(Option<DateTime<Utc>>, CreditCard)| end.unwrap_or(DateTime::<Utc>::MAX_UTC);
    let mut others: Vec<_> = offers.chain(credits).collect();
    others.sort_by_key(end);
    others.truncate(CREDITS - usize::from(first.is_some()));
    let mut cards: Vec<_> = first.into_iter().chain(others).collect();
    cards.sort_by_key(end);
    cards.into_iter().map(|(_, card)| card).collect()
}
