//! Who owns what: all claims with their assets and owners.

use std::fmt::{self, Display};
use std::str::FromStr;

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::{Page, PageRequest, Sort};
use crate::domain::{Amount, AssetId, AssetKind, AssetTypeCode, CampaignId, Period, Scale, TransactionId};
use crate::error::Result;
use crate::schema::{asset_types, assets, campaigns, claims, users};

/// What the list is called in its cursors, in each of its orders.
const BY_TIME: [&str; 2] = ["ownership-by-age", "ownership"];
const BY_AMOUNT: [&str; 2] = ["ownership-by-amount", "ownership-by-amount-down"];

/// How many campaigns can be chosen from.
const CAMPAIGNS: i64 = 100;

/// The order in which people look at it.
pub const NEWEST_FIRST: Sort<ClaimColumn> = Sort::descending(ClaimColumn::Claimed);

/// What the list of claims is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimColumn {
    /// When it was claimed.
    Claimed,
    /// How much it is, whatever its unit.
    Amount,
}

impl Display for ClaimColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claimed => "claimed",
            Self::Amount => "amount",
        })
    }
}

impl FromStr for ClaimColumn {
    type Err = ();

    fn from_str(word: &str) -> std::result::Result<Self, ()> {
        match word {
            "claimed" => Ok(Self::Claimed),
            "amount" => Ok(Self::Amount),
            _ => Err(()),
        }
    }
}

/// A claim with what was claimed and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct ClaimRow {
    /// The asset.
    pub asset: AssetId,
    /// Its voucher code.
    pub code: String,
    /// What it is called.
    pub title: String,
    /// Why it was given.
    pub kind: AssetKind,
    /// What it was worth.
    pub amount: Amount,
    /// The unit of its amount.
    pub asset_type: AssetTypeCode,
    /// The decimals of the unit.
    pub scale: Scale,
    /// The campaign it was released with.
    pub campaign: Option<CampaignId>,
    /// The owner's public name.
    pub user: String,
    /// When it was claimed.
    pub claimed_at: DateTime<Utc>,
    /// The movement that it caused.
    pub transaction: TransactionId,
}

/// What a list of claims shows; each part that is given narrows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimFilter {
    /// Those of this owner, by the public name.
    pub user: Option<String>,
    /// Those of assets that are given for this reason.
    pub kind: Option<AssetKind>,
    /// Those in this unit.
    pub asset_type: Option<AssetTypeCode>,
    /// Those of assets that were released with this campaign.
    pub campaign: Option<CampaignId>,
    /// Those of assets with these words in their title, in any case.
    pub text: Option<String>,
    /// When they were made.
    pub period: Period,
}

/// The query of all claims: the join of a claim, its asset, the unit and the owner.
macro_rules! claims_with_assets {
    () => {
        claims::table
            .inner_join(assets::table.on(assets::id.eq(claims::asset_id)))
            .inner_join(asset_types::table.on(asset_types::code.eq(assets::asset_type)))
            .inner_join(users::table.on(users::id.eq(claims::user_id)))
            .select((
                assets::id,
                assets::code,
                assets::title,
                assets::kind,
                assets::amount,
                assets::asset_type,
                asset_types::scale,
                assets::campaign_id,
                users::external_id,
                claims::claimed_at,
                claims::transaction_id,
            ))
    };
}

/// A page of all claims, by one query.
///
/// # Errors
/// [`Error::InvalidCursor`](crate::error::Error::InvalidCursor).
pub fn page(
    conn: &mut PgConnection,
    filter: &ClaimFilter,
    sort: Sort<ClaimColumn>,
    request: &PageRequest,
) -> Result<Page<ClaimRow>> {
    let mut query = claims_with_assets!().limit(request.look_ahead()).into_boxed();
    if let Some(user) = &filter.user {
        // By the owner's row, so that the index on it applies.
        let named = diesel::alias!(users as named);
        let row = named.filter(named.field(users::external_id).eq(user)).select(named.field(users::id));
        query = query.filter(claims::user_id.nullable().eq(row.single_value()));
    }
    if let Some(kind) = filter.kind {
        query = query.filter(assets::kind.eq(kind));
    }
    if let Some(asset_type) = &filter.asset_type {
        query = query.filter(assets::asset_type.eq(asset_type));
    }
    if let Some(campaign) = filter.campaign {
        query = query.filter(claims::campaign_id.eq(campaign));
    }
    if let Some(text) = &filter.text {
        let has_words = sql::<Bool>("strpos(lower(assets.title), lower(").bind::<Text, _>(text.replace('\0', ""));
        query = query.filter(has_words.sql(")) > 0"));
    }
    if let Some(from) = filter.period.from {
        query = query.filter(claims::claimed_at.ge(from));
    }
    if let Some(before) = filter.period.before {
        query = query.filter(claims::claimed_at.lt(before));
    }
    let names = match sort.by {
        ClaimColumn::Claimed => BY_TIME,
        ClaimColumn::Amount => BY_AMOUNT,
    };
    let [up, down] = names;
    let list = if sort.descending { down } else { up };
    // The first comparison is the one that an index takes, the second is exact.
    match sort.by {
        ClaimColumn::Claimed => {
            let (at, id) = (claims::claimed_at, claims::asset_id);
            let after = request.after::<(DateTime<Utc>, i64)>(list)?;
            query = match (sort.descending, after) {
                (true, Some((time, last))) => query.filter(at.le(time)).filter(at.lt(time).or(id.lt(last))),
                (false, Some((time, last))) => query.filter(at.ge(time)).filter(at.gt(time).or(id.gt(last))),
                (_, None) => query,
            };
            query = if sort.descending { query.order((at.desc(), id.desc())) } else { query.order((at, id)) };
            Ok(Page::from_rows(query.load(conn)?, request, list, |row: &ClaimRow| (row.claimed_at, row.asset.0)))
        }
        ClaimColumn::Amount => {
            let (amount, id) = (assets::amount, assets::id);
            let after = request.after::<(Amount, i64)>(list)?;
            query = match (sort.descending, after) {
                (true, Some((last, at))) => query.filter(amount.le(last.clone())).filter(amount.lt(last).or(id.lt(at))),
                (false, Some((last, at))) => {
                    query.filter(amount.ge(last.clone())).filter(amount.gt(last).or(id.gt(at)))
                }
                (_, None) => query,
            };
            query = if sort.descending { query.order((amount.desc(), id.desc())) } else { query.order((amount, id)) };
            Ok(Page::from_rows(query.load(conn)?, request, list, |row: &ClaimRow| (row.amount.clone(), row.asset.0)))
        }
    }
}

/// The newest campaigns that claims can be narrowed to, with their titles.
///
/// # Errors
/// The database's.
pub fn campaigns(conn: &mut PgConnection) -> Result<Vec<(CampaignId, String)>> {
    let newest = campaigns::table.order(campaigns::id.desc()).limit(CAMPAIGNS);
    Ok(newest.select((campaigns::id, campaigns::title)).load(conn)?)
}
