//! The statement of what a user holds of one asset type: a range of days, what was there at both
//! ends, what came and went, and how the balance went; and the same as a file.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use serde::Deserialize;

use super::activity::ActivityRow;
use super::charts::{self, Chart};
use super::list::{self, Address, Choice, Days, Pager};
use super::parts::Coin;
use crate::domain::{AssetType, AssetTypeCode, Balance, TransactionType, UserStatus, signed};
use crate::error::{Error, Result};
use crate::repo::assets::Viewer;
use crate::repo::history::{HistoryFilter, HistoryRow, Order, Totals};
use crate::repo::transactions::Activity;
use crate::repo::wallet_statements::{self, Past, Statement};
use crate::repo::{Db, PageRequest, wallets};
use crate::web::api::range;
use crate::web::auth::CurrentUser;
use crate::web::extract::{Now, PathOf, QueryOf};
use crate::web::statements::{self, Format, Press};
use crate::web::view::{self, Chrome, Field, Moment, grouped};

/// The most whole steps of days in the chart.
const POINTS: i64 = 45;

/// How a moment of a short time is told.
const HOUR: &str = "%-d %b, %H:%M";

#[derive(Template)]
#[template(path = "wallet/statement.html")]
struct StatementPage {
    chrome: Chrome,
    name: String,
    code: AssetTypeCode,
    initial: String,
    hue: u32,
    is_frozen: bool,
    /// Whether any of it can be spent, or sent where that is allowed.
    can_give: bool,
    transferable: bool,
    balance: String,
    /// What must stay; none where that is nothing.
    floor: Option<String>,
    presets: Vec<Preset>,
    /// The range in words.
    range: String,
    start_date: Field,
    end_date: Field,
    types: Vec<Choice>,
    /// Where there is a wallet and the range can be read.
    figures: Option<Figures>,
    is_wrong: bool,
    /// The same range with rows of all types; none where the rows are of all.
    unfiltered: Option<String>,
    csv_href: String,
    pdf_href: String,
}

/// A range that is chosen by one click.
struct Preset {
    label: &'static str,
    href: String,
    current: bool,
}

/// What happened in the range.
struct Figures {
    opening: String,
    closing: String,
    /// With its sign, and so is what went out.
    credit: String,
    debit: String,
    chart: Option<Chart>,
    /// The chart in a sentence.
    gist: String,
    rows: Vec<Row>,
    pager: Pager,
}

/// A row with the running balance.
struct Row {
    activity: ActivityRow,
    day: Moment,
}

/// Which range, which rows of it, and which page of these.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct StatementQuery {
    start_date: String,
    end_date: String,
    r#type: String,
    cursor: String,
}

/// The ranges that are offered, in days of UTC, both ends inclusive; the last one is all.
fn ranges(today: NaiveDate) -> [(&'static str, Option<(NaiveDate, NaiveDate)>); 5] {
    let first = |day: NaiveDate| day.with_day(1).unwrap_or(day);
    let this_month = first(today);
    let last_month = this_month.pred_opt().unwrap_or(this_month);
    let next_month = first(this_month + TimeDelta::days(31));
    let january = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or(today);
    [
        ("This month", Some((this_month, next_month.pred_opt().unwrap_or(today)))),
        ("Last month", Some((first(last_month), last_month))),
        ("Last 30 days", Some((today - TimeDelta::days(29), today))),
        ("This year", Some((january(today.year()), january(today.year() + 1).pred_opt().unwrap_or(today)))),
        ("All", None),
    ]
}

/// The moments at which the curve of a time is looked at: each hour of a day or two, else every so
/// many whole days that it is [`POINTS`] at most, and its end.
fn moments(since: DateTime<Utc>, end: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let days = (end - since).num_days();
    let step = if days < 2 { TimeDelta::hours(1) } else { TimeDelta::days((days + POINTS - 1) / POINTS) };
    let whole = if days < 2 { TimeDelta::hours(1) } else { TimeDelta::days(1) };
    let past = TimeDelta::seconds(since.timestamp().rem_euclid(whole.num_seconds()))
        + TimeDelta::nanoseconds(i64::from(since.timestamp_subsec_nanos()));
    let steps = std::iter::successors(Some(since - past), |moment| moment.checked_add_signed(step));
    steps.take_while(|moment| *moment < end).chain([end]).collect()
}

/// The curve, each moment named by the hour, or by the day that ends with it.
fn chart(curve: &[(DateTime<Utc>, Balance)], scale: u8) -> Option<Chart> {
    let by_hour = by_hour(curve);
    let name = |moment: DateTime<Utc>| match by_hour {
        true => moment.format(HOUR).to_string(),
        false => (moment - TimeDelta::microseconds(1)).format("%-d %b %Y").to_string(),
    };
    let named: Vec<_> = curve.iter().map(|(moment, balance)| (name(*moment), balance.clone())).collect();
    (!named.is_empty()).then(|| charts::curve(&named, scale))
}

/// Whether a curve is of so short a time that its moments are hours.
fn by_hour(curve: &[(DateTime<Utc>, Balance)]) -> bool {
    curve.first().zip(curve.last()).is_some_and(|((first, _), (last, _))| (*last - *first).num_days() < 2)
}

/// The curve of a short time by what moved in it, newest first: between two hours there may be all of it.
fn chart_of_each(rows: &[HistoryRow], opening: &Balance, scale: u8) -> Chart {
    let name = |row: &HistoryRow| row.created_at.format(HOUR).to_string();
    let start = rows.last().map(|row| (name(row), opening.clone()));
    let moved = rows.iter().rev().map(|row| (name(row), row.balance_after.clone()));
    charts::curve(&start.into_iter().chain(moved).collect::<Vec<_>>(), scale)
}

impl Row {
    fn new(row: HistoryRow, asset_type: &AssetType) -> Self {
        let day = Moment::from(row.created_at);
        let activity = Activity {
            transaction: row.transaction,
            transaction_type: row.transaction_type,
            asset_type: asset_type.code,
            scale: asset_type.scale,
            amount: row.amount,
            balance_after: row.balance_after,
            description: row.description,
            counterparty: row.counterparty,
            created_at: row.created_at,
        };
        Self { activity: activity.into(), day }
    }
}

impl Figures {
    fn new(past: Past, asset_type: &AssetType, address: &Address, cursor: &str, is_unfiltered: bool) -> Self {
        let Past { page, totals, curve } = past;
        let scale = asset_type.scale.0;
        let text = |balance: &Balance| grouped(&balance.at_scale(scale));
        let Totals { credit, debit, opening_balance, closing_balance } = &totals;
        let is_whole = is_unfiltered && cursor.is_empty() && page.next_cursor.is_none();
        let chart = match is_whole && by_hour(&curve) {
            true => Some(chart_of_each(&page.items, opening_balance, scale)),
            false => chart(&curve, scale),
        };
        let gist = chart.as_ref().map_or_else(String::new, |chart| {
            let (from, to) = &chart.ends;
            let (opening, closing, unit) = (text(opening_balance), text(closing_balance), &asset_type.code);
            format!("From {opening} {unit} on {from} to {closing} {unit} on {to}.")
        });
        Self {
            opening: text(opening_balance),
            closing: text(closing_balance),
            credit: signed(&credit.at_scale(scale)),
            debit: signed(&debit.negated().at_scale(scale)),
            chart,
            gist,
            pager: address.pager(cursor, page.next_cursor.as_deref()),
            rows: page.items.into_iter().map(|row| Row::new(row, asset_type)).collect(),
        }
    }
}

/// `GET /wallet/{code}`
///
/// # Errors
/// [`crate::error::Refusal::AssetTypeNotFound`], [`crate::error::Error::InvalidCursor`] and those of
/// the database.
pub async fn show(
    current: CurrentUser,
    code: PathOf<String>,
    query: QueryOf<StatementQuery>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (user, query, now) = (current.user.id, query.0, now.0);
    let is_frozen = current.user.status == UserStatus::Frozen;
    let code = AssetTypeCode::parse(&code.0)?;
    let days = Days::named(("start_date", "end_date"), &query.start_date, &query.end_date)?;
    let transaction_type = list::chosen(&query.r#type);
    let filter = HistoryFilter { period: days.period, transaction_type, order: Order::NewestFirst };
    let request: PageRequest = list::request(&query.cursor)?;
    let end = days.period.before.map_or(now, |before| before.min(now));
    let statement = db
        .run(move |conn| wallet_statements::of_user(conn, user, &code, &filter, &request, |since| moments(since, end)))
        .await?;
    let status = if days.are_wrong() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = StatementPage::new(chrome, statement, days, transaction_type, &query.cursor, now.date_naive());
    view::page_with(status, &StatementPage { is_frozen, ..page })
}

/// Which rows the file has, and what it looks like.
#[derive(Debug, Deserialize)]
pub struct FileQuery {
    /// The first instant, or the first day in UTC; empty for the beginning.
    #[serde(default)]
    start_date: String,
    /// The last instant, or the last day in UTC; empty for now.
    #[serde(default)]
    end_date: String,
    #[serde(default)]
    format: Format,
}

/// `GET /wallet/{code}/statement`
///
/// # Errors
/// [`Error::NotFound`] where the user has no such wallet, [`Error::Invalid`] where an end of the
/// period cannot be read, and those of [`statements::file`].
pub async fn file(
    current: CurrentUser,
    code: PathOf<String>,
    query: QueryOf<FileQuery>,
    db: Data<Db>,
    press: Data<Press>,
) -> Result<HttpResponse> {
    let (user, query) = (current.user.id, query.0);
    let code = AssetTypeCode::parse(&code.0).map_err(|_| Error::NotFound)?;
    let date = |text: String| Some(text).filter(|text| !text.is_empty());
    let (start, end) = (date(query.start_date), date(query.end_date));
    let period = range::dates(start.as_deref(), end.as_deref())?;
    let wallet = db.run(move |conn| Ok(wallets::of_user(conn, user, &code)?)).await?.ok_or(Error::NotFound)?;
    statements::file(&db, &press, query.format, Viewer::User(user), wallet.id, period).await
}

impl StatementPage {
    fn new(
        chrome: Chrome,
        statement: Statement,
        days: Days,
        transaction_type: Option<TransactionType>,
        cursor: &str,
        today: NaiveDate,
    ) -> Self {
        let Statement { asset_type, balance, past } = statement;
        let path = format!("/wallet/{}", asset_type.code);
        let unfiltered = days.narrow(Address::new(path.clone()));
        let narrowed = days.narrow(Address::new(path.clone())).with("type", transaction_type, "");
        let file =
            |format| days.narrow(Address::new(format!("{path}/statement"))).with("format", Some(format), "").href();
        let preset = |(label, range): (_, Option<(NaiveDate, NaiveDate)>)| {
            let (start, end) = range.unzip();
            let current = [(&days.from, start), (&days.to, end)]
                .iter()
                .all(|(field, day)| field.value == day.map(|day| day.to_string()).unwrap_or_default());
            let address = Address::new(path.clone()).with("start_date", start, "").with("end_date", end, "");
            Preset { label, href: address.with("type", transaction_type, "").href(), current }
        };
        let text = |balance: &Balance| grouped(&balance.at_scale(asset_type.scale.0));
        let Coin { initial, hue } = Coin::of(&asset_type.code);
        let is_wrong = days.are_wrong();
        Self {
            chrome,
            initial,
            hue,
            is_frozen: false,
            can_give: balance > asset_type.minimum_balance,
            balance: text(&balance),
            floor: Some(&asset_type.minimum_balance).filter(|floor| **floor != Balance::zero()).map(text),
            range: statements::words(days.period),
            presets: ranges(today).into_iter().map(preset).collect(),
            types: list::type_choices(transaction_type),
            unfiltered: transaction_type.map(|_| unfiltered.href()),
            csv_href: file("csv"),
            pdf_href: file("pdf"),
            figures: past
                .filter(|_| !is_wrong)
                .map(|past| Figures::new(past, &asset_type, &narrowed, cursor, transaction_type.is_none())),
            is_wrong,
            start_date: days.from,
            end_date: days.to,
            transferable: asset_type.transferable,
            name: asset_type.name,
            code: asset_type.code,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_are_whole_months_and_years() {
        let told = |day: &str| {
            ranges(day.parse().unwrap())
                .map(|(_, range)| range.map(|(from, to)| format!("{from} {to}")).unwrap_or_default())
        };
        let leap =
            ["2024-02-01 2024-02-29", "2024-01-01 2024-01-31", "2024-01-31 2024-02-29", "2024-01-01 2024-12-31", ""];
        assert_eq!(told("2024-02-29"), leap);
        let first =
            ["2026-01-01 2026-01-31", "2025-12-01 2025-12-31", "2025-12-03 2026-01-01", "2026-01-01 2026-12-31", ""];
        assert_eq!(told("2026-01-01"), first);
    }

    #[test]
    fn a_curve_has_few_points_however_long_it_is() {
        let moment = |text: &str| -> DateTime<Utc> { text.parse().unwrap() };
        let end = moment("2026-03-01T10:30:00Z");
        for (since, count, first) in [
            ("2026-03-01T09:59:59.5Z", 3, "2026-03-01T09:00:00Z"),
            ("2026-02-26T23:59:59Z", 5, "2026-02-26T00:00:00Z"),
            ("2026-02-01T00:00:00Z", 30, "2026-02-01T00:00:00Z"),
            ("2025-12-01T00:00:00Z", 47, "2025-12-01T00:00:00Z"),
            ("2016-03-01T00:00:00Z", 46, "2016-03-01T00:00:00Z"),
        ] {
            let points = moments(moment(since), end);
            assert_eq!((points.len(), points.first()), (count, Some(&moment(first))), "{since}");
            assert_eq!(points.last(), Some(&end), "{since}");
        }
    }
}
