//! Who sees which assets.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, SmallInt, Text, Timestamptz};

use super::lives::MOST;
use super::{AssetColumn, AssetFilter, AssetView, Row, Viewer, assets_with_claims};
use crate::domain::{Amount, Asset, AssetId, AssetStatus, AssetTypeCode, CampaignId, Scale, UserId, VoucherCode};
use crate::error::{Error, Refusal, Result};
use crate::repo::statement::statement;
use crate::repo::{Page, PageRequest, Sort, campaigns};
use crate::schema::{asset_types, assets, claims, users};

/// What the list is called in its cursors, in its usual order.
const ASSETS: &str = "assets";

/// What the list of a user's claims is called in its cursors.
const CLAIMS: &str = "claims";

/// Narrows a query of assets to what a filter finds.
macro_rules! narrowed {
    ($query:ident, $filter:ident, $now:ident) => {{
        $query = match $filter.status {
            None => $query,
            Some(AssetStatus::Available) => $query.filter(available()).filter(not_due($now)),
            Some(AssetStatus::Claimed) => $query.filter(assets::status.eq(AssetStatus::Claimed)),
            Some(AssetStatus::Expired) => $query.filter(
                assets::status
                    .eq(AssetStatus::Expired)
                    .or(available().and(assets::expires_at.le($now).assume_not_null())),
            ),
        };
        if let Some(kind) = $filter.kind {
            $query = $query.filter(assets::kind.eq(kind));
        }
        if let Some(asset_type) = &$filter.asset_type {
            $query = $query.filter(assets::asset_type.eq(asset_type.as_str()));
        }
        if let Some(campaign) = $filter.campaign_id {
            $query = $query.filter(assets::campaign_id.eq(campaign));
        }
        if $filter.is_single {
            $query = $query.filter(assets::campaign_id.is_null());
        }
        if let Some(owner) = &$filter.owner {
            // By itself, so that whoever counts need not look up the owner of every asset.
            let owned = "assets.id in (select c.asset_id from claims c join users u on u.id = c.user_id
                         where u.external_id = ";
            let owned = sql::<Bool>(owned).bind::<Text, _>(owner.replace('\0', "")).sql(")");
            $query = $query.filter(owned);
        }
        if let Some(from) = $filter.period.from {
            $query = $query.filter(assets::created_at.ge(from));
        }
        if let Some(before) = $filter.period.before {
            $query = $query.filter(assets::created_at.lt(before));
        }
        if let Some(text) = &$filter.text {
            // No text in the database holds the character zero, and PostgreSQL takes none that does.
            let pattern = format!("%{}%", escape_like(&text.replace('\0', "")));
            $query = $query.filter(assets::title.ilike(pattern.clone()).or(assets::description.ilike(pattern)));
        }
        $query
    }};
}

/// The usual order of assets, newest first.
pub const USUAL: Sort<AssetColumn> = Sort::descending(AssetColumn::Created);

/// A page of assets. Admins see them in the order that they want, users newest first.
///
/// # Errors
/// [`Error::InvalidCursor`].
pub fn page(
    conn: &mut PgConnection,
    viewer: Viewer,
    filter: &AssetFilter,
    sort: Sort<AssetColumn>,
    request: &PageRequest,
    now: DateTime<Utc>,
) -> Result<Page<AssetView>> {
    let Viewer::User(user) = viewer else {
        let rows = matching(conn, filter, sort, request, Scope::All, now)?;
        return Ok(in_order(rows, sort, request));
    };
    let mut of = |scope| matching(conn, filter, USUAL, request, scope, now);
    let mut rows = match filter.status {
        Some(AssetStatus::Available) => of(Scope::Claimable)?,
        Some(AssetStatus::Claimed) => of(Scope::OwnedBy(user))?,
        Some(AssetStatus::Expired) => Vec::new(),
        // Two index scans instead of one scan over everything that others have claimed.
        None => {
            let mut rows = of(Scope::Claimable)?;
            rows.extend(of(Scope::OwnedBy(user))?);
            rows
        }
    };
    // One that was claimed between the two queries is in both; it is shown claimed.
    rows.sort_by_key(|view| (std::cmp::Reverse(view.asset.id), view.claim.is_none()));
    rows.dedup_by_key(|view| view.asset.id);
    Ok(in_order(rows, USUAL, request))
}

/// How many assets a filter finds; none where these are more than can be dealt with at once.
///
/// # Errors
/// The database's.
pub fn count(conn: &mut PgConnection, filter: &AssetFilter, now: DateTime<Utc>) -> Result<Option<usize>> {
    Ok(Some(ids(conn, filter, now)?.len()).filter(|count| *count <= MOST))
}

/// The ids of what a filter finds, at most one more than can be dealt with at once.
pub(super) fn ids(conn: &mut PgConnection, filter: &AssetFilter, now: DateTime<Utc>) -> Result<Vec<AssetId>> {
    let most = i64::try_from(MOST).map_err(Error::broken)?;
    let mut query = assets::table.select(assets::id).limit(most + 1).into_boxed();
    query = narrowed!(query, filter, now);
    Ok(query.load(conn)?)
}

/// What a list is called in its cursors: in each order something else.
fn list_name(sort: Sort<AssetColumn>) -> String {
    if sort == USUAL { ASSETS.to_owned() } else { format!("{ASSETS} by {sort}") }
}

/// When an asset without an expiry runs out: later than every other.
fn never() -> DateTime<Utc> {
    DateTime::from_timestamp(253_402_300_800, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn in_order(rows: Vec<AssetView>, sort: Sort<AssetColumn>, request: &PageRequest) -> Page<AssetView> {
    let list = list_name(sort);
    match sort.by {
        AssetColumn::Created => Page::from_rows(rows, request, &list, |view| view.asset.id.0),
        AssetColumn::Expires => {
            Page::from_rows(rows, request, &list, |view| (view.asset.expires_at.unwrap_or_else(never), view.asset.id.0))
        }
        AssetColumn::Amount => {
            Page::from_rows(rows, request, &list, |view| (view.asset.amount.clone(), view.asset.id.0))
        }
        AssetColumn::Title => Page::from_rows(rows, request, &list, |view| (view.asset.title.clone(), view.asset.id.0)),
    }
}

/// Sorts a query by a column and then by id, and starts it behind a cursor.
macro_rules! sorted {
    ($query:ident, $column:expr, $sort:ident, $after:expr) => {{
        let after = $after;
        $query = match (after, $sort.descending) {
            (None, _) => $query,
            (Some((key, id)), true) => {
                $query.filter($column.le(key.clone()).and($column.lt(key).or(assets::id.lt(id))))
            }
            (Some((key, id)), false) => {
                $query.filter($column.ge(key.clone()).and($column.gt(key).or(assets::id.gt(id))))
            }
        };
        match $sort.descending {
            true => $query.order(($column.desc(), assets::id.desc())),
            false => $query.order(($column.asc(), assets::id.asc())),
        }
    }};
}

/// Which assets a query looks at, before any filter.
#[derive(Clone, Copy)]
enum Scope {
    All,
    Claimable,
    OwnedBy(UserId),
}

fn matching(
    conn: &mut PgConnection,
    filter: &AssetFilter,
    sort: Sort<AssetColumn>,
    request: &PageRequest,
    scope: Scope,
    now: DateTime<Utc>,
) -> Result<Vec<AssetView>> {
    let mut query = assets_with_claims!().limit(request.look_ahead()).into_boxed();
    let list = list_name(sort);
    let runs_out = || sql::<Timestamptz>("coalesce(assets.expires_at, timestamptz '10000-01-01 00:00:00+00')");
    query = match sort.by {
        AssetColumn::Created => sorted!(query, assets::id, sort, request.after::<i64>(&list)?.map(|id| (id, id))),
        AssetColumn::Expires => sorted!(query, runs_out(), sort, request.after::<(DateTime<Utc>, i64)>(&list)?),
        AssetColumn::Amount => sorted!(query, assets::amount, sort, request.after::<(Amount, i64)>(&list)?),
        AssetColumn::Title => sorted!(query, assets::title, sort, request.after::<(String, i64)>(&list)?),
    };
    query = match scope {
        Scope::All => query,
        Scope::Claimable => query.filter(available()).filter(not_due(now)).filter(released(now)),
        Scope::OwnedBy(user) => query.filter(claims::user_id.eq(user)),
    };
    query = narrowed!(query, filter, now);
    let rows: Vec<Row> = query.load(conn)?;
    Ok(rows.into_iter().map(|row| AssetView::from_row(row, now)).collect())
}

/// The word stands in the text and not in a bind, so that the partial indexes on it apply.
fn available() -> diesel::expression::SqlLiteral<Bool> {
    sql("assets.status = 'available'")
}

/// Whether an asset's time has not come.
#[diesel::dsl::auto_type]
fn not_due(now: DateTime<Utc>) -> _ {
    assets::expires_at.is_null().or(assets::expires_at.gt(now)).assume_not_null()
}

/// Whether an asset is of no campaign, or of one that runs.
#[diesel::dsl::auto_type]
fn released(now: DateTime<Utc>) -> _ {
    let running: campaigns::running = campaigns::running(now);
    assets::campaign_id.is_null().or(assets::campaign_id.eq_any(running))
}

fn escape_like(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}

/// Assets of no campaign that can be claimed now, those that expire first, then the newest of those
/// that stay: at most three. Planned once, as few others are, since it is looked for at every sight of a wallet.
///
/// # Errors
/// The database's.
pub fn claimable_first(conn: &mut PgConnection, now: DateTime<Utc>) -> QueryResult<Vec<AssetView>> {
    // Those that expire in no other order: of ten thousand that expire together, three are read and not all. Those
    // that stay only where they are wanted, since all others would have to be passed by to find them.
    let found = statement::<(assets::SqlType, SmallInt)>(
        "with expiring as materialized (
             select * from assets
             where status = 'available' and campaign_id is null and expires_at > $
             order by expires_at limit 3
         )
         select a.id, a.code, a.title, a.description, a.kind, a.asset_type, a.amount, a.status, a.expires_at,
                a.campaign_id, a.recreated_from, a.version, a.created_at, y.scale
         from (
             select * from expiring
             union all
             (select * from assets
              where status = 'available' and campaign_id is null and expires_at is null
                  and (select count(*) from expiring) < 3
              order by id desc limit 3)
         ) a
         join asset_types y on y.code = a.asset_type
         order by a.expires_at, a.id desc
         limit 3",
    );
    let rows: Vec<(Asset, Scale)> = found.bind::<Timestamptz, _>(now).load(conn)?;
    Ok(rows.into_iter().map(|(asset, scale)| AssetView::from_row((asset, scale, None), now)).collect())
}

/// What someone came too late for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// One asset.
    Asset(AssetId),
    /// Any asset of a campaign.
    Campaign(CampaignId),
}

/// What is left for someone who came too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct Alternatives {
    /// The unit of what is gone.
    pub asset_type: AssetTypeCode,
    /// How many assets of that unit the user can claim now, counted among the newest thousand.
    pub left: i64,
}

/// How many assets like a missed one a user can claim now; none where there never was such a one.
///
/// # Errors
/// The database's.
pub fn alternatives(
    conn: &mut PgConnection,
    viewer: UserId,
    missed: Missed,
    now: DateTime<Utc>,
) -> Result<Option<Alternatives>> {
    let (asset, campaign) = match missed {
        Missed::Asset(id) => (Some(id), None),
        Missed::Campaign(id) => (None, Some(id)),
    };
    let found = statement::<(Text, BigInt)>(
        "select gone.asset_type, (
             select count(*) from (
                 select asset_type, expires_at, campaign_id from assets
                 where status = 'available' order by id desc limit 1000
             ) newest
             left join campaigns p on p.id = newest.campaign_id
             where newest.asset_type = gone.asset_type and (newest.expires_at is null or newest.expires_at > $)
                 and (p.id is null or not p.paused and (p.starts_at is null or p.starts_at <= $)
                      and (p.ends_at is null or p.ends_at > $)
                      and (select count(*) from claims c where c.campaign_id = p.id and c.user_id = $) < p.per_user_limit)
         )
         from (select asset_type from assets where id = $
               union all select asset_type from campaigns where id = $) gone",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(viewer)
    .bind::<Nullable<BigInt>, _>(asset)
    .bind::<Nullable<BigInt>, _>(campaign)
    .load(conn)?;
    Ok(found.into_iter().next())
}

/// One asset, if the viewer may know of it.
///
/// # Errors
/// [`Refusal::AssetNotFound`].
pub fn one(conn: &mut PgConnection, viewer: Viewer, id: AssetId, now: DateTime<Utc>) -> Result<AssetView> {
    let row: Option<Row> = assets_with_claims!().filter(assets::id.eq(id)).first(conn).optional()?;
    let view = AssetView::from_row(row.ok_or(Refusal::AssetNotFound)?, now);
    let visible = match viewer {
        Viewer::Admin => true,
        Viewer::User(user) => match view.asset.status {
            AssetStatus::Available => is_released(conn, id, now)?,
            AssetStatus::Claimed => owner_of(conn, id)? == Some(user),
            AssetStatus::Expired => false,
        },
    };
    if visible { Ok(view) } else { Err(Refusal::AssetNotFound.into()) }
}

/// The asset with this voucher code.
///
/// # Errors
/// The database's.
pub fn by_code(conn: &mut PgConnection, code: &VoucherCode) -> Result<Option<AssetId>> {
    Ok(assets::table.filter(assets::code.eq(code.as_str())).select(assets::id).first(conn).optional()?)
}

/// Those assets that have one of these voucher codes, in the order of their ids.
pub(super) fn with_codes(conn: &mut PgConnection, codes: &[String], now: DateTime<Utc>) -> Result<Vec<AssetView>> {
    let rows: Vec<Row> = assets_with_claims!().filter(assets::code.eq_any(codes)).order(assets::id).load(conn)?;
    Ok(rows.into_iter().map(|row| AssetView::from_row(row, now)).collect())
}

fn is_released(conn: &mut PgConnection, id: AssetId, now: DateTime<Utc>) -> Result<bool> {
    let found = assets::table.filter(assets::id.eq(id)).filter(released(now));
    Ok(diesel::select(diesel::dsl::exists(found)).get_result(conn)?)
}

fn owner_of(conn: &mut PgConnection, id: AssetId) -> Result<Option<UserId>> {
    Ok(claims::table.find(id).select(claims::user_id).first(conn).optional()?)
}

/// A page of a user's claims with their assets, newest first.
///
/// # Errors
/// [`Error::InvalidCursor`].
pub fn claimed_by(
    conn: &mut PgConnection,
    user: UserId,
    request: &PageRequest,
    now: DateTime<Utc>,
) -> Result<Page<AssetView>> {
    let mut query = assets_with_claims!()
        .filter(claims::user_id.eq(user))
        .order((claims::claimed_at.desc(), claims::asset_id.desc()))
        .limit(request.look_ahead())
        .into_boxed();
    if let Some((claimed_at, id)) = request.after::<(DateTime<Utc>, i64)>(CLAIMS)? {
        query = query.filter(
            claims::claimed_at
                .le(claimed_at)
                .and(claims::claimed_at.lt(claimed_at).or(claims::asset_id.lt(id)))
                .assume_not_null(),
        );
    }
    let rows: Vec<Row> = query.load(conn)?;
    let views = rows.into_iter().map(|row| AssetView::from_row(row, now)).collect();
    Ok(Page::from_rows(views, request, CLAIMS, |view: &AssetView| {
        (view.claim.as_ref().map_or(DateTime::UNIX_EPOCH, |claim| claim.claimed_at), view.asset.id.0)
    }))
}
