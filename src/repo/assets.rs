//! Claimable credits: who sees which, how they come into the world, and how they run out.

use chrono::{DateTime, Datelike, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Numeric, Text, Timestamptz};

use super::audit::{self, Act, Actor};
use super::statement::statement;
use super::{Page, PageRequest, campaigns};
use crate::domain::{
    Amount, Asset, AssetId, AssetKind, AssetStatus, AssetTypeCode, CampaignId, Scale, TransactionId, UserId,
    VoucherCode,
};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::schema::{asset_types, assets, claims, users};

/// What the list of assets is called in its cursors.
const ASSETS: &str = "assets";

/// What the list of a user's claims is called in its cursors.
const CLAIMS: &str = "claims";

/// Who looks at assets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// A user sees what can be claimed and what it owns.
    User(UserId),
    /// An admin sees everything.
    Admin,
}

/// What a list of assets shows; each part that is given narrows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssetFilter {
    /// Where the asset is in its life.
    pub status: Option<AssetStatus>,
    /// Why it is given.
    pub kind: Option<AssetKind>,
    /// The unit of its amount.
    pub asset_type: Option<AssetTypeCode>,
    /// The campaign it was released with.
    pub campaign_id: Option<CampaignId>,
    /// Words of its title or description.
    pub text: Option<String>,
}

/// An asset, and its claim where the viewer may know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetView {
    /// The asset. One that ran out is shown as expired whether or not the job has seen it.
    pub asset: Asset,
    /// The decimals of its asset type.
    pub scale: Scale,
    /// Who took it, and when.
    pub claim: Option<ClaimView>,
}

/// A claim as its owner and admins see it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct ClaimView {
    /// The owner's public name.
    pub user: String,
    /// When it was claimed.
    pub claimed_at: DateTime<Utc>,
    /// The movement that it caused.
    pub transaction: TransactionId,
}

type Row = (Asset, Scale, Option<(String, DateTime<Utc>, TransactionId)>);

impl AssetView {
    fn from_row((mut asset, scale, claim): Row, now: DateTime<Utc>) -> Self {
        if asset.status == AssetStatus::Available && asset.expires_at.is_some_and(|expires_at| expires_at <= now) {
            asset.status = AssetStatus::Expired;
        }
        let claim = claim.map(|(user, claimed_at, transaction)| ClaimView { user, claimed_at, transaction });
        Self { asset, scale, claim }
    }
}

/// Every query of assets starts with this join of an asset, its unit and its claim.
macro_rules! assets_with_claims {
    () => {
        assets::table
            .inner_join(asset_types::table)
            .left_join(
                claims::table
                    .on(claims::asset_id.eq(assets::id))
                    .inner_join(users::table.on(users::id.eq(claims::user_id))),
            )
            .select((
                Asset::as_select(),
                asset_types::scale,
                (users::external_id, claims::claimed_at, claims::transaction_id).nullable(),
            ))
    };
}

/// A page of assets, newest first.
///
/// # Errors
/// [`Error::InvalidCursor`].
pub fn page(
    conn: &mut PgConnection,
    viewer: Viewer,
    filter: &AssetFilter,
    request: &PageRequest,
    now: DateTime<Utc>,
) -> Result<Page<AssetView>> {
    let mut rows = match viewer {
        Viewer::Admin => matching(conn, filter, request, Scope::All, now)?,
        Viewer::User(user) => match filter.status {
            Some(AssetStatus::Available) => matching(conn, filter, request, Scope::Claimable, now)?,
            Some(AssetStatus::Claimed) => matching(conn, filter, request, Scope::OwnedBy(user), now)?,
            Some(AssetStatus::Expired) => Vec::new(),
            // Two index scans instead of one scan over everything that others have claimed.
            None => {
                let mut rows = matching(conn, filter, request, Scope::Claimable, now)?;
                rows.extend(matching(conn, filter, request, Scope::OwnedBy(user), now)?);
                rows
            }
        },
    };
    // One that was claimed between the two queries is in both; it is shown claimed.
    rows.sort_by_key(|view| (std::cmp::Reverse(view.asset.id), view.claim.is_none()));
    rows.dedup_by_key(|view| view.asset.id);
    Ok(Page::from_rows(rows, request, ASSETS, |view| view.asset.id.0))
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
    request: &PageRequest,
    scope: Scope,
    now: DateTime<Utc>,
) -> Result<Vec<AssetView>> {
    let mut query = assets_with_claims!().order(assets::id.desc()).limit(request.look_ahead()).into_boxed();
    if let Some(after) = request.after::<i64>(ASSETS)? {
        query = query.filter(assets::id.lt(after));
    }
    let not_due = || assets::expires_at.is_null().or(assets::expires_at.gt(now)).assume_not_null();
    query = match scope {
        Scope::All => query,
        Scope::Claimable => query.filter(available()).filter(not_due()).filter(released(now)),
        Scope::OwnedBy(user) => query.filter(claims::user_id.eq(user)),
    };
    query = match filter.status {
        None => query,
        Some(AssetStatus::Available) => query.filter(available()).filter(not_due()),
        Some(AssetStatus::Claimed) => query.filter(assets::status.eq(AssetStatus::Claimed)),
        Some(AssetStatus::Expired) => query.filter(
            assets::status.eq(AssetStatus::Expired).or(available().and(assets::expires_at.le(now).assume_not_null())),
        ),
    };
    if let Some(kind) = filter.kind {
        query = query.filter(assets::kind.eq(kind));
    }
    if let Some(asset_type) = &filter.asset_type {
        query = query.filter(assets::asset_type.eq(asset_type.as_str()));
    }
    if let Some(campaign) = filter.campaign_id {
        query = query.filter(assets::campaign_id.eq(campaign));
    }
    if let Some(text) = &filter.text {
        // No text in the database holds the character zero, and PostgreSQL takes none that does.
        let pattern = format!("%{}%", escape_like(&text.replace('\0', "")));
        query = query.filter(assets::title.ilike(pattern.clone()).or(assets::description.ilike(pattern)));
    }
    let rows: Vec<Row> = query.load(conn)?;
    Ok(rows.into_iter().map(|row| AssetView::from_row(row, now)).collect())
}

/// The word stands in the text and not in a bind, so that the partial indexes on it apply.
fn available() -> diesel::expression::SqlLiteral<diesel::sql_types::Bool> {
    sql("assets.status = 'available'")
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

/// Assets that can be claimed now, those that expire first, then the newest of those that stay.
///
/// # Errors
/// The database's.
pub fn claimable_first(conn: &mut PgConnection, limit: usize, now: DateTime<Utc>) -> Result<Vec<AssetView>> {
    let wanted = |found: usize| i64::try_from(limit.saturating_sub(found)).unwrap_or_default();
    let mut rows: Vec<Row> = assets_with_claims!()
        .filter(available())
        .filter(assets::expires_at.gt(now))
        .filter(released(now))
        // By nothing else: of ten thousand that expire together, three are read and not all.
        .order(assets::expires_at)
        .limit(wanted(0))
        .load(conn)?;
    if rows.len() < limit {
        let stay = assets_with_claims!().filter(available()).filter(assets::expires_at.is_null()).filter(released(now));
        rows.extend(stay.order(assets::id.desc()).limit(wanted(rows.len())).load::<Row>(conn)?);
    }
    Ok(rows.into_iter().map(|row| AssetView::from_row(row, now)).collect())
}

/// What is left for someone who came too late for an asset.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Alternatives {
    /// The unit of the asset that is gone.
    pub asset_type: AssetTypeCode,
    /// How many assets of that unit can be claimed now, counted among the newest thousand.
    pub left: i64,
}

/// How many assets like this one can be claimed now; none where there never was such an asset.
///
/// # Errors
/// The database's.
pub fn alternatives(conn: &mut PgConnection, id: AssetId, now: DateTime<Utc>) -> Result<Option<Alternatives>> {
    let found = statement::<(Text, BigInt)>(
        "select gone.asset_type, (
             select count(*) from (
                 select asset_type, expires_at, campaign_id from assets
                 where status = 'available' order by id desc limit 1000
             ) newest
             left join campaigns p on p.id = newest.campaign_id
             where newest.asset_type = gone.asset_type and (newest.expires_at is null or newest.expires_at > $)
                 and (p.id is null or not p.paused and (p.starts_at is null or p.starts_at <= $)
                      and (p.ends_at is null or p.ends_at > $))
         )
         from assets gone where gone.id = $",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(id)
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

/// What an admin gives to create assets, all alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAssets {
    /// What they are called, 1 to 200 characters.
    pub title: String,
    /// What they are for, at most 2,000 characters.
    pub description: String,
    /// Why they are given.
    pub kind: AssetKind,
    /// The unit of their amount.
    pub asset_type: AssetTypeCode,
    /// What the owner of each gets, at most with the decimals of the asset type.
    pub amount: Amount,
    /// From when on they can no longer be claimed.
    pub expires_at: Option<DateTime<Utc>>,
    /// The campaign they are released with.
    pub campaign_id: Option<CampaignId>,
    /// How many, 1 to 10,000.
    pub quantity: usize,
}

impl NewAssets {
    /// The most assets that one call creates.
    pub const MOST: usize = 10_000;

    fn check(&self, now: DateTime<Utc>) -> std::result::Result<(), Vec<FieldError>> {
        let errors = Self::faults(&self.title, &self.description, self.quantity, self.expires_at, now);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// What is wrong with the parts that are not checked by their types.
    pub fn faults(
        title: &str,
        description: &str,
        quantity: usize,
        expires_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if title.trim().is_empty() || title.chars().count() > 200 {
            errors.push(FieldError::new("title", "Give a title of 1 to 200 characters."));
        } else if title.chars().any(char::is_control) {
            errors.push(FieldError::new("title", "Use one line of letters, digits and signs."));
        }
        if description.chars().count() > 2_000 {
            errors.push(FieldError::new("description", "Use at most 2,000 characters."));
        } else if description.contains('\0') {
            errors.push(FieldError::new("description", "Use letters, digits and signs."));
        }
        if !(1..=Self::MOST).contains(&quantity) {
            errors.push(FieldError::new("quantity", "Choose a whole number from 1 to 10,000."));
        }
        if expires_at.is_some_and(|expires_at| expires_at <= now) {
            errors.push(FieldError::new("expires_at", "Choose a time in the future."));
        }
        // RFC 3339 has four digits for the year.
        if expires_at.is_some_and(|expires_at| expires_at.year() > 9999) {
            errors.push(FieldError::new("expires_at", "Choose a time before the year 10000."));
        }
        errors
    }
}

/// Creates assets, all or none, and returns them in the order of their ids.
///
/// # Errors
/// [`Error::Invalid`] with every field that needs another value;
/// [`Refusal::AssetTypeNotFound`]; [`Refusal::InvalidAmount`] for more decimals than the asset type
/// has.
pub fn create(conn: &mut PgConnection, actor: &Actor, new: &NewAssets, now: DateTime<Utc>) -> Result<Vec<AssetView>> {
    create_coded(conn, actor, new, |_| random_code(), now)
}

/// As [`create`], with voucher codes that the caller makes, one for each number from 0. The same
/// codes never create assets twice, however many calls come at once.
///
/// # Errors
/// As [`create`]; [`Refusal::AlreadyCreated`] where a code is in use, which leaves all as it was.
pub fn create_coded(
    conn: &mut PgConnection,
    actor: &Actor,
    new: &NewAssets,
    code: impl FnMut(usize) -> Result<VoucherCode>,
    now: DateTime<Utc>,
) -> Result<Vec<AssetView>> {
    new.check(now).map_err(Error::Invalid)?;
    let codes = (0..new.quantity).map(code).collect::<Result<Vec<_>>>()?;
    conn.transaction(|conn| {
        let scale = crate::repo::asset_types::held(conn, &new.asset_type)?.scale;
        new.amount.check_scale(scale.0)?;
        if let Some(campaign) = new.campaign_id {
            campaigns::check_asset_type(conn, campaign, &new.asset_type)?;
        }
        let ids = insert(conn, new, &codes, now)?;
        let mut created: Vec<Asset> =
            assets::table.filter(assets::id.eq_any(ids)).select(Asset::as_select()).load(conn)?;
        created.sort_by_key(|asset| asset.id);
        let acts: Vec<_> = created.iter().map(|asset| created_act(asset, scale)).collect();
        audit::record(conn, actor, now, &acts)?;
        Ok(created.into_iter().map(|asset| AssetView { asset, scale, claim: None }).collect())
    })
}

pub(super) fn random_code() -> Result<VoucherCode> {
    let mut bytes = [0_u8; 13];
    getrandom::fill(&mut bytes).map_err(Error::broken)?;
    Ok(VoucherCode::from_random(bytes))
}

fn insert(
    conn: &mut PgConnection,
    new: &NewAssets,
    codes: &[VoucherCode],
    now: DateTime<Utc>,
) -> QueryResult<Vec<AssetId>> {
    statement::<BigInt>(
        "insert into assets (code, title, description, kind, asset_type, amount, expires_at, campaign_id, created_at)
         select code, $, $, $, $, $, $, $, $ from unnest($::text[]) n (code) returning id",
    )
    .bind::<Text, _>(new.title.trim())
    .bind::<Text, _>(new.description.trim())
    .bind::<Text, _>(new.kind)
    .bind::<Text, _>(&new.asset_type)
    .bind::<Numeric, _>(&new.amount)
    .bind::<Nullable<Timestamptz>, _>(new.expires_at)
    .bind::<Nullable<BigInt>, _>(new.campaign_id)
    .bind::<Timestamptz, _>(now)
    .bind::<Array<Text>, _>(codes.iter().map(VoucherCode::as_str).collect::<Vec<_>>())
    .load(conn)
}

fn created_act(asset: &Asset, scale: Scale) -> Act<'static> {
    Act {
        action: "asset.create",
        target: format!("asset:{}", asset.id),
        reason: "",
        before: None,
        after: Some(serde_json::json!({
            "title": asset.title,
            "description": asset.description,
            "kind": asset.kind,
            "asset_type": asset.asset_type,
            "amount": asset.amount.at_scale(scale.0),
            "expires_at": asset.expires_at,
            "campaign_id": asset.campaign_id,
        })),
    }
}

/// Whether an asset is called so.
///
/// # Errors
/// The database's.
pub fn title_exists(conn: &mut PgConnection, title: &str) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(assets::table.filter(assets::title.eq(title)))).get_result(conn)?)
}

/// Marks as expired up to `at_most` assets whose time has passed, leaving out those that somebody
/// is claiming right now; says how many. To be called until it says zero.
///
/// # Errors
/// The database's.
pub fn expire_due(conn: &mut PgConnection, now: DateTime<Utc>, at_most: i64) -> Result<usize> {
    let expired = statement::<()>(
        "update assets set status = 'expired', version = version + 1
         where id in (
             select id from assets
             where status = 'available' and expires_at is not null and expires_at <= $
             order by expires_at limit $ for update skip locked
         )",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(at_most)
    .execute(conn)?;
    Ok(expired)
}
