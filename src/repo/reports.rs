//! The figures of the admin's overview.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Numeric, SmallInt, Text, Timestamptz, Uuid};

use super::statement::statement;
use crate::domain::{Amount, AssetId, AssetTypeCode, Scale, TransactionId};
use crate::error::Result;

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
