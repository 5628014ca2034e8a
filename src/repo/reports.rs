//! The figures of the admin's overview.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Numeric, SmallInt, Text, Timestamptz, Uuid};

use super::statement::statement;
use crate::domain::{Amount, AssetId, AssetTypeCode, Balance, Scale, TransactionId};
use crate::error::Result;

/// How many assets of one asset type there are, by status, and what their amounts sum to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supply {
    /// The unit.
    pub asset_type: AssetTypeCode,
    /// Its name for people.
    pub name: String,
    /// Its decimals.
    pub scale: Scale,
    /// How many can be claimed now.
    pub available: i64,
    /// How many have an owner.
    pub claimed: i64,
    /// How many ran out.
    pub expired: i64,
    /// What those that can be claimed now sum to.
    pub available_value: Balance,
    /// What users hold.
    pub outstanding: Balance,
}

/// The supply of every asset type, by code.
///
/// # Errors
/// The database's.
pub fn supply(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<Supply>> {
    type Counts = (i64, i64, i64);
    let rows = statement::<((Text, Text, SmallInt), (BigInt, BigInt, BigInt), (Numeric, Numeric))>(
        "select t.code, t.name, t.scale,
                count(*) filter (where a.status = 'available'),
                count(*) filter (where a.status = 'claimed'),
                count(*) filter (where a.status = 'expired'),
                coalesce(sum(a.amount) filter (where a.status = 'available'), 0),
                coalesce((select sum(balance) from wallets w where w.asset_type = t.code and w.lane is null), 0)
         from asset_types t
         left join (
             select asset_type, amount,
                    case when status = 'available' and expires_at <= $ then 'expired' else status end as status
             from assets
         ) a on a.asset_type = t.code
         group by t.code order by t.code",
    )
    .bind::<Timestamptz, _>(now)
    .load::<((AssetTypeCode, String, Scale), Counts, (Balance, Balance))>(conn)?;
    Ok(rows
        .into_iter()
        .map(|((asset_type, name, scale), (available, claimed, expired), (available_value, outstanding))| Supply {
            asset_type,
            name,
            scale,
            available,
            claimed,
            expired,
            available_value,
            outstanding,
        })
        .collect())
}

/// A claim as the overview lists it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct RecentClaim {
    /// The asset.
    pub asset: AssetId,
    /// What it is called.
    pub title: String,
    /// What its owner got.
    pub amount: Amount,
    /// The unit.
    pub asset_type: AssetTypeCode,
    /// Its decimals.
    pub scale: Scale,
    /// The owner's public name.
    pub user: String,
    /// When.
    pub claimed_at: DateTime<Utc>,
    /// The movement that it caused.
    pub transaction: TransactionId,
}

/// The latest claims of all users, newest first.
///
/// # Errors
/// The database's.
pub fn recent_claims(conn: &mut PgConnection, limit: i64) -> Result<Vec<RecentClaim>> {
    Ok(statement::<(BigInt, Text, Numeric, Text, SmallInt, Text, Timestamptz, Uuid)>(
        "select a.id, a.title, a.amount, a.asset_type, t.scale, u.external_id, c.claimed_at, c.transaction_id
         from claims c
         join assets a on a.id = c.asset_id
         join asset_types t on t.code = a.asset_type
         join users u on u.id = c.user_id
         order by c.claimed_at desc, c.asset_id desc limit $",
    )
    .bind::<BigInt, _>(limit)
    .load(conn)?)
}
