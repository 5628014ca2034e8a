//! The wallet at one look: what a user holds, what there is to claim, what happened lately.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use chrono::NaiveDate;

use super::parts::{Coin, CreditCard};
use crate::domain::TransactionType;
use crate::error::Result;
use crate::repo::transactions::{self, Activity};
use crate::repo::wallets::{self, Holding};
use crate::repo::{Db, assets};
use crate::web::auth::CurrentUser;
use crate::web::extract::Now;
use crate::web::view::{self, Chrome, Moment, grouped};

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

/// One day in UTC.
struct ActivityDay {
    label: String,
    rows: Vec<ActivityRow>,
}

struct ActivityRow {
    title: String,
    word: &'static str,
    received: bool,
    /// Without a sign.
    amount: String,
    asset_type: String,
    at: Moment,
    /// The movement's page, once there is one.
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

impl From<Activity> for ActivityRow {
    fn from(activity: Activity) -> Self {
        let received = !activity.amount.is_negative();
        let size = if received { activity.amount } else { activity.amount.negated() };
        let (word, plain) = words(activity.transaction_type, received);
        let title = match (activity.transaction_type, activity.counterparty) {
            (TransactionType::Transfer, Some(other)) if received => format!("From {other}"),
            (TransactionType::Transfer, Some(other)) => format!("To {other}"),
            _ if activity.description.is_empty() => plain.to_owned(),
            _ => activity.description,
        };
        Self {
            title,
            word,
            received,
            amount: grouped(&size.at_scale(activity.scale.0)),
            asset_type: activity.asset_type.to_string(),
            at: Moment::clock(activity.created_at),
            href: None,
        }
    }
}

/// What happened, in a word or two, and what it is called where nobody said what it was for.
fn words(transaction_type: TransactionType, received: bool) -> (&'static str, &'static str) {
    match (transaction_type, received) {
        (TransactionType::Claim, _) => ("Claimed", "Credit"),
        (TransactionType::TopUp, _) => ("Topped up", "Top-up"),
        (TransactionType::Bonus, _) => ("Received as a bonus", "Bonus"),
        (TransactionType::Spend, _) => ("Spent", "Purchase"),
        (TransactionType::Transfer, true) => ("Received", "Transfer"),
        (TransactionType::Transfer, false) => ("Sent", "Transfer"),
        (TransactionType::Adjustment, true) => ("Added by an admin", "Correction"),
        (TransactionType::Adjustment, false) => ("Taken off by an admin", "Correction"),
        (TransactionType::Reversal, true) => ("Given back", "Reversal"),
        (TransactionType::Reversal, false) => ("Taken back", "Reversal"),
    }
}

/// Movements, newest first, under their days.
fn by_day(activity: Vec<Activity>, today: NaiveDate) -> Vec<ActivityDay> {
    let mut days: Vec<(NaiveDate, Vec<ActivityRow>)> = Vec::new();
    for line in activity {
        let day = line.created_at.date_naive();
        match days.last_mut() {
            Some((last, rows)) if *last == day => rows.push(line.into()),
            _ => days.push((day, vec![line.into()])),
        }
    }
    days.into_iter().map(|(day, rows)| ActivityDay { label: day_label(day, today), rows }).collect()
}

fn day_label(day: NaiveDate, today: NaiveDate) -> String {
    match (today - day).num_days() {
        0 => "Today".to_owned(),
        1 => "Yesterday".to_owned(),
        _ => day.format("%-d %b %Y").to_string(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_days_have_names() {
        let day = |number| NaiveDate::from_yo_opt(2026, number).unwrap_or_default();
        let labels = [60, 59, 58].map(|number| day_label(day(number), day(60)));
        assert_eq!(labels, ["Today", "Yesterday", "27 Feb 2026"]);
    }
}
