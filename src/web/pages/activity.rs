//! What happened in a user's wallets, day by day: the rows that several pages show, and the list of
//! all of them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use chrono::NaiveDate;
use serde::Deserialize;

use super::list::{self, Address, Chip, Choice, Days, Pager};
use super::parts::{name_of, type_word};
use crate::domain::{AssetType, TransactionId, TransactionType};
use crate::error::Result;
use crate::repo::transactions::{self, Activity, TransactionFilter};
use crate::repo::{Db, asset_types};
use crate::web::auth::CurrentUser;
use crate::web::extract::{Now, QueryOf};
use crate::web::view::{self, Chrome, Field, Moment, grouped};

/// One day in UTC.
pub struct ActivityDay {
    /// What it is called.
    pub label: String,
    /// What happened, newest first.
    pub rows: Vec<ActivityRow>,
}

/// What one transaction did to one of the user's wallets.
pub struct ActivityRow {
    /// The transaction, which has a page.
    pub id: TransactionId,
    /// What it was, or with whom.
    pub title: String,
    /// What happened, in a word or two.
    pub word: &'static str,
    /// What it was for, where the title does not say it.
    pub note: Option<String>,
    /// Whether the wallet gained.
    pub received: bool,
    /// Without a sign.
    pub amount: String,
    /// What the wallet held afterwards.
    pub balance: String,
    /// The unit.
    pub asset_type: String,
    /// When.
    pub at: Moment,
}

impl From<Activity> for ActivityRow {
    fn from(activity: Activity) -> Self {
        let Activity { transaction_type, scale, description, .. } = activity;
        let received = !activity.amount.is_negative();
        let size = if received { activity.amount } else { activity.amount.negated() };
        let word = word(transaction_type, received);
        let description = Some(description).filter(|text| !text.is_empty());
        let (title, note) = match (transaction_type, activity.counterparty) {
            (TransactionType::Transfer, Some(other)) if received => (format!("From {other}"), description),
            (TransactionType::Transfer, Some(other)) => (format!("To {other}"), description),
            _ => (description.unwrap_or_else(|| transaction_type.told(received, None)), None),
        };
        Self {
            id: activity.transaction,
            title,
            word,
            note,
            received,
            amount: grouped(&size.at_scale(scale.0)),
            balance: grouped(&activity.balance_after.at_scale(scale.0)),
            asset_type: activity.asset_type.to_string(),
            at: Moment::clock(activity.created_at),
        }
    }
}

/// What happened to the wallet, in a word or two.
pub fn word(transaction_type: TransactionType, received: bool) -> &'static str {
    match (transaction_type, received) {
        (TransactionType::Claim, _) => "Claimed",
        (TransactionType::TopUp, _) => "Topped up",
        (TransactionType::Bonus, _) => "Received as a bonus",
        (TransactionType::Spend, _) => "Spent",
        (TransactionType::Transfer, true) => "Received",
        (TransactionType::Transfer, false) => "Sent",
        (TransactionType::Adjustment, true) => "Added by an admin",
        (TransactionType::Adjustment, false) => "Taken off by an admin",
        (TransactionType::Reversal, true) => "Given back",
        (TransactionType::Reversal, false) => "Taken back",
    }
}

/// Movements, newest first, under their days.
pub fn by_day(activity: Vec<Activity>, today: NaiveDate) -> Vec<ActivityDay> {
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

#[derive(Template)]
#[template(path = "wallet/activity.html")]
struct ActivityPage {
    chrome: Chrome,
    types: Vec<Choice>,
    asset_types: Vec<Choice>,
    from: Field,
    to: Field,
    chips: Vec<Chip>,
    days: Vec<ActivityDay>,
    pager: Pager,
}

/// What the list is narrowed to.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct ActivityQuery {
    r#type: String,
    asset_type: String,
    from: String,
    to: String,
    cursor: String,
}

fn address(filter: &TransactionFilter, known: &[AssetType], days: &Days) -> Address {
    let unit = filter.asset_type.as_ref().map(|code| name_of(code, known)).unwrap_or_default();
    let address = Address::new("/transactions")
        .with("type", filter.transaction_type, filter.transaction_type.map(type_word).unwrap_or_default())
        .with("asset_type", filter.asset_type.as_ref(), unit);
    days.narrow(address)
}

/// `GET /transactions`
///
/// # Errors
/// [`crate::error::Error::InvalidCursor`] and those of the database.
pub async fn list(
    current: CurrentUser,
    query: QueryOf<ActivityQuery>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (user, query) = (current.user.id, query.0);
    let days = Days::read(&query.from, &query.to)?;
    let filter = TransactionFilter {
        user: Some(user),
        transaction_type: list::chosen(&query.r#type),
        asset_type: list::chosen_asset_type(&query.asset_type),
        period: days.period,
    };
    let request = list::request(&query.cursor)?;
    let narrowed = filter.clone();
    let (page, known) = db
        .run(move |conn| {
            let page = transactions::page(conn, &narrowed, &request)?;
            Ok((page, asset_types::all(conn)?))
        })
        .await?;
    let status = if days.are_wrong() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let address = address(&filter, &known, &days);
    let code = filter.asset_type.as_ref().map(ToString::to_string).unwrap_or_default();
    let lines = page.items.into_iter().map(|view| Activity::of(view, user)).collect();
    let page = ActivityPage {
        chrome,
        types: list::type_choices(filter.transaction_type),
        asset_types: list::asset_type_choices("All asset types", &known, &code),
        from: days.from,
        to: days.to,
        chips: address.chips(),
        pager: address.pager(&query.cursor, page.next_cursor.as_deref()),
        days: by_day(lines, now.0.date_naive()),
    };
    view::page_with(status, &page)
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
