//! The list of campaigns: what it is narrowed to, and in which order it stands.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};

use super::{CampaignView, CampaignsWithTypes, campaigns_with_types, counted, runs, seen_by};
use crate::domain::{AssetKind, AssetTypeCode, Campaign, CampaignStatus, Scale, User};
use crate::error::Result;
use crate::repo::page::CursorKey;
use crate::repo::{Page, PageRequest, Sort};
use crate::schema::{asset_types, campaigns};

/// What a list of campaigns shows; each part that is given narrows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CampaignFilter {
    /// Words of its title or description.
    pub text: Option<String>,
    /// What it does now.
    pub status: Option<CampaignStatus>,
    /// Why its assets are given.
    pub kind: Option<AssetKind>,
    /// The unit of its amount.
    pub asset_type: Option<AssetTypeCode>,
}

text_enum! {
    /// What a list of campaigns is sorted by.
    pub enum CampaignColumn {
        /// When they were created, which is the order of their ids.
        Created = "created",
        /// Their titles.
        Title = "title",
        /// When they end; those that never do end later than all others.
        Ends = "ends",
    }
}

/// The order of the list where nobody asks for another: newest first.
pub const USUAL: Sort<CampaignColumn> = Sort::descending(CampaignColumn::Created);

/// A row's place in an order: what it is sorted by, and its id.
struct Place(String, i64);

impl CursorKey for Place {
    fn write(&self) -> String {
        format!("{}.{}", self.1, self.0)
    }

    fn read(text: &str) -> Option<Self> {
        let (id, value) = text.split_once('.')?;
        // No text in the database holds the character zero, and PostgreSQL takes none that does.
        (!value.contains('\0')).then_some(Self(value.to_owned(), id.parse().ok()?))
    }
}

impl Place {
    fn of(campaign: &Campaign, by: CampaignColumn) -> Self {
        let value = match by {
            CampaignColumn::Created => String::new(),
            CampaignColumn::Title => campaign.title.clone(),
            CampaignColumn::Ends => {
                campaign.ends_at.map(|ends_at| ends_at.timestamp_micros().to_string()).unwrap_or_default()
            }
        };
        Self(value, campaign.id.0)
    }
}

/// The newest campaigns, for a choice among them: at most `at_most`.
///
/// # Errors
/// The database's.
pub fn newest(conn: &mut PgConnection, at_most: i64) -> Result<Vec<Campaign>> {
    Ok(campaigns::table.order(campaigns::id.desc()).limit(at_most).select(Campaign::as_select()).load(conn)?)
}

/// The newest campaigns that have not ended, which more assets can be released with: at most
/// `at_most`.
///
/// # Errors
/// The database's.
pub fn open(conn: &mut PgConnection, at_most: i64, now: DateTime<Utc>) -> Result<Vec<Campaign>> {
    let goes_on = campaigns::ends_at.is_null().or(campaigns::ends_at.gt(now).assume_not_null());
    let query = campaigns::table.filter(goes_on).order(campaigns::id.desc()).limit(at_most);
    Ok(query.select(Campaign::as_select()).load(conn)?)
}

/// A page of campaigns. Users see those that run and those they have claimed from, admins all.
///
/// # Errors
/// [`Error::InvalidCursor`](crate::error::Error::InvalidCursor).
pub fn page(
    conn: &mut PgConnection,
    viewer: &User,
    filter: &CampaignFilter,
    sort: Sort<CampaignColumn>,
    request: &PageRequest,
    now: DateTime<Utc>,
) -> Result<Page<CampaignView>> {
    let page = rows(conn, viewer, filter, sort, request, now)?;
    let items = counted(conn, page.items, Some(viewer.id), now)?;
    Ok(Page { items, next_cursor: page.next_cursor })
}

/// The same page, with nothing counted.
pub(super) fn rows(
    conn: &mut PgConnection,
    viewer: &User,
    filter: &CampaignFilter,
    sort: Sort<CampaignColumn>,
    request: &PageRequest,
    now: DateTime<Utc>,
) -> Result<Page<(Campaign, Scale)>> {
    // Each order has its own name, so that no cursor is taken for one of another order.
    let list = format!("campaigns {sort}");
    let mut query = campaigns_with_types!().filter(seen_by(viewer, now)).limit(request.look_ahead()).into_boxed();
    if let Some(place) = request.after::<Place>(&list)? {
        query = query.filter(behind(sort, &place)?);
    }
    query = match (sort.by, sort.descending) {
        (CampaignColumn::Created, true) => query.order(campaigns::id.desc()),
        (CampaignColumn::Created, false) => query.order(campaigns::id),
        (CampaignColumn::Title, true) => query.order(sql::<Bool>("lower(campaigns.title) desc, campaigns.id desc")),
        (CampaignColumn::Title, false) => query.order(sql::<Bool>("lower(campaigns.title), campaigns.id")),
        (CampaignColumn::Ends, true) => {
            query.order(sql::<Bool>("coalesce(campaigns.ends_at, 'infinity') desc, campaigns.id desc"))
        }
        (CampaignColumn::Ends, false) => {
            query.order(sql::<Bool>("coalesce(campaigns.ends_at, 'infinity'), campaigns.id"))
        }
    };
    for condition in conditions(filter, now) {
        query = query.filter(condition);
    }
    let rows: Vec<(Campaign, Scale)> = query.load(conn)?;
    Ok(Page::from_rows(rows, request, &list, |(campaign, _)| Place::of(campaign, sort.by)))
}

type Condition = Box<dyn BoxableExpression<CampaignsWithTypes, Pg, SqlType = Bool>>;

/// What comes after a place in an order.
fn behind(sort: Sort<CampaignColumn>, Place(value, id): &Place) -> Result<Condition> {
    let (is_behind, id) = (if sort.descending { " < " } else { " > " }, *id);
    Ok(match sort.by {
        CampaignColumn::Created => Box::new(sql::<Bool>("campaigns.id").sql(is_behind).bind::<BigInt, _>(id)),
        CampaignColumn::Title => Box::new(
            sql::<Bool>("(lower(campaigns.title), campaigns.id)")
                .sql(is_behind)
                .sql("(lower(")
                .bind::<Text, _>(value.clone())
                .sql("), ")
                .bind::<BigInt, _>(id)
                .sql(")"),
        ),
        CampaignColumn::Ends => {
            let ends_at = match value.as_str() {
                "" => None,
                micros => Some(
                    micros
                        .parse()
                        .ok()
                        .filter(|micros| *micros >= 0)
                        .and_then(DateTime::from_timestamp_micros)
                        .ok_or(crate::error::Error::InvalidCursor)?,
                ),
            };
            Box::new(
                sql::<Bool>("(coalesce(campaigns.ends_at, 'infinity'), campaigns.id)")
                    .sql(is_behind)
                    .sql("(coalesce(")
                    .bind::<Nullable<Timestamptz>, _>(ends_at)
                    .sql(", 'infinity'), ")
                    .bind::<BigInt, _>(id)
                    .sql(")"),
            )
        }
    })
}

/// What each part of a filter asks for.
fn conditions(filter: &CampaignFilter, now: DateTime<Utc>) -> Vec<Condition> {
    let mut conditions: Vec<Condition> = Vec::new();
    if let Some(text) = &filter.text {
        let pattern = containing(text);
        conditions.push(Box::new(campaigns::title.ilike(pattern.clone()).or(campaigns::description.ilike(pattern))));
    }
    if let Some(status) = filter.status {
        conditions.push(does(status, now));
    }
    if let Some(kind) = filter.kind {
        conditions.push(Box::new(campaigns::kind.eq(kind)));
    }
    if let Some(asset_type) = &filter.asset_type {
        conditions.push(Box::new(campaigns::asset_type.eq(*asset_type)));
    }
    conditions
}

/// Whether a campaign does this now, as [`Campaign::status`] says it.
fn does(status: CampaignStatus, now: DateTime<Utc>) -> Condition {
    let is_over = || campaigns::ends_at.le(now).assume_not_null();
    let goes_on = || campaigns::ends_at.is_null().or(campaigns::ends_at.gt(now).assume_not_null());
    match status {
        CampaignStatus::Ended => Box::new(campaigns::ends_at.is_not_null().and(is_over())),
        CampaignStatus::Paused => Box::new(campaigns::paused.and(goes_on())),
        CampaignStatus::Scheduled => Box::new(
            campaigns::paused
                .eq(false)
                .and(goes_on())
                .and(campaigns::starts_at.is_not_null())
                .and(campaigns::starts_at.gt(now).assume_not_null()),
        ),
        CampaignStatus::Running => Box::new(runs(now)),
    }
}

/// The pattern of all texts that contain this one.
fn containing(text: &str) -> String {
    let text = text.replace('\0', "").replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    format!("%{text}%")
}
