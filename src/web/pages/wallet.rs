//! The wallet at one look: what a user holds, what there is to claim, what happened lately.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;

use super::activity::{ActivityDay, by_day};
use super::parts::{Bars, Coin, CreditCard};
use crate::domain::{Balance, UserStatus};
use crate::error::Result;
use crate::repo::transactions;
use crate::repo::wallets::{self, Holding};
use crate::repo::{Db, assets, campaigns};
use crate::web::auth::CurrentUser;
use crate::web::extract::Now;
use crate::web::view::{self, Chrome, grouped};

/// How many credits are offered.
const CREDITS: usize = 3;

/// How many movements are shown.
const ACTIVITY: i64 = 10;

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
    has_some: bool,
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
            has_some: *balance > Balance::zero(),
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
    let (holdings, credits, bars, activity) = db
        .run(move |conn| {
            let holdings = wallets::holdings(conn, user.id)?;
            let credits = assets::claimable_first(conn, CREDITS, now)?;
            let bars = Bars::of(&user, &credits, |ids| campaigns::used_up_by(conn, user.id, ids))?;
            Ok((holdings, credits, bars, transactions::recent_of(conn, user.id, ACTIVITY)?))
        })
        .await?;
    let asset_types: Vec<_> = holdings.iter().map(|holding| holding.asset_type.clone()).collect();
    view::page(&WalletPage {
        chrome,
        is_frozen,
        balances: holdings.iter().map(BalanceCard::from).collect(),
        credits: credits.into_iter().map(|view| CreditCard::new(view, &asset_types, &bars, now)).collect(),
        activity: by_day(activity, now.date_naive()),
    })
}
