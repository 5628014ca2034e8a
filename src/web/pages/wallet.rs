//! The wallet at one look: what a user holds, what there is to claim, what happened lately.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;

use super::activity::{ActivityDay, by_day};
use super::parts::{Coin, CreditCard};
use crate::error::Result;
use crate::repo::transactions;
use crate::repo::wallets::{self, Holding};
use crate::repo::{Db, assets};
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
    /// The statement, once there is one.
    href: Option<String>,
}

impl From<&Holding> for BalanceCard {
    fn from(holding: &Holding) -> Self {
        let asset_type = &holding.asset_type;
        let Coin { initial, hue } = Coin::of(&asset_type.code);
        Self {
            asset_type: asset_type.code.to_string(),
            name: asset_type.name.clone(),
            initial,
            hue,
            amount: grouped(&holding.balance.at_scale(asset_type.scale.0)),
            href: None,
        }
    }
}

/// `GET /wallet`
///
/// # Errors
/// Those of the database.
pub async fn show(current: CurrentUser, chrome: Chrome, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let (user, now) = (current.user.id, now.0);
    let (holdings, credits, activity) = db
        .run(move |conn| {
            let holdings = wallets::holdings(conn, user)?;
            let credits = assets::claimable_first(conn, CREDITS, now)?;
            Ok((holdings, credits, transactions::recent_of(conn, user, ACTIVITY)?))
        })
        .await?;
    let asset_types: Vec<_> = holdings.iter().map(|holding| holding.asset_type.clone()).collect();
    view::page(&WalletPage {
        chrome,
        balances: holdings.iter().map(BalanceCard::from).collect(),
        credits: credits.into_iter().map(|view| CreditCard::new(view, &asset_types, now)).collect(),
        activity: by_day(activity, now.date_naive()),
    })
}
