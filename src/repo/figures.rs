//! The figures of the admin's overview: supply by its state, and what happened day by day. Those
//! that would have to be counted over whole large tables are kept by a job.

use std::time::Instant;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Integer, Numeric, SmallInt, Text, Timestamptz};

use super::statement::statement;
use crate::domain::{AssetStatus, AssetTypeCode, Balance, Scale, TransactionType};
use crate::error::Result;

/// Assets that the job counted within this time, in milliseconds, are counted again on every look.
const QUICK_MS: i32 = 15;

/// How many entries of each of the treasury's wallets a look reads behind the job's marks.
const LIVE: i64 = 250;

/// How many assets of one asset type are in one state, and what they are worth.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Supply {
    /// The unit.
    pub asset_type: AssetTypeCode,
    /// Where the assets are in their lives. One that ran out has expired, whether or not the job
    /// has seen it.
    pub status: AssetStatus,
    /// How many.
    pub assets: i64,
    /// The sum of their amounts.
    pub value: Balance,
}

/// The supply by asset type and state, and when it was counted: now, or where there is too much to
/// count on every look, by the job before.
///
/// # Errors
/// The database's.
pub fn supply(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<(Vec<Supply>, DateTime<Utc>)> {
    let last = statement::<(Timestamptz, Integer)>("select counted_at, took_ms from supply_counts")
        .load::<(DateTime<Utc>, i32)>(conn)?;
    match last.first() {
        Some((counted_at, took_ms)) if *took_ms > QUICK_MS => {
            let kept = statement::<(Text, Text, BigInt, Numeric)>(
                "select asset_type, status, assets, value from supply_figures order by asset_type, status",
            );
            Ok((kept.load(conn)?, *counted_at))
        }
        _ => Ok((count(conn, now)?, now)),
    }
}

fn count(conn: &mut PgConnection, now: DateTime<Utc>) -> QueryResult<Vec<Supply>> {
    statement::<(Text, Text, BigInt, Numeric)>(
        "select asset_type, case when status = 'available' and expires_at <= $ then 'expired' else status end,
                count(*), sum(amount)
         from assets group by 1, 2 order by 1, 2",
    )
    .bind::<Timestamptz, _>(now)
    .load(conn)
}

/// Counts the supply and keeps what it found, with the time that it took.
///
/// # Errors
/// The database's.
pub fn keep_supply(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<()> {
    conn.transaction(|conn| {
        // A whole table is counted here, which may take longer than any request may.
        conn.batch_execute("set local statement_timeout = '1min'")?;
        statement::<()>("lock table supply_counts in exclusive mode").execute(conn)?;
        let start = Instant::now();
        let counted = count(conn, now)?;
        let took_ms = i32::try_from(start.elapsed().as_millis()).unwrap_or(i32::MAX);
        statement::<()>("delete from supply_figures").execute(conn)?;
        statement::<()>(
            "insert into supply_figures (asset_type, status, assets, value)
             select * from unnest($::text[], $::text[], $::bigint[], $::numeric[])",
        )
        .bind::<diesel::sql_types::Array<Text>, _>(
            counted.iter().map(|row| row.asset_type.as_str()).collect::<Vec<_>>(),
        )
        .bind::<diesel::sql_types::Array<Text>, _>(counted.iter().map(|row| row.status).collect::<Vec<_>>())
        .bind::<diesel::sql_types::Array<BigInt>, _>(counted.iter().map(|row| row.assets).collect::<Vec<_>>())
        .bind::<diesel::sql_types::Array<Numeric>, _>(counted.iter().map(|row| &row.value).collect::<Vec<_>>())
        .execute(conn)?;
        statement::<()>(
            "insert into supply_counts (counted_at, took_ms) values ($, $)
             on conflict (id) do update set counted_at = excluded.counted_at, took_ms = excluded.took_ms",
        )
        .bind::<Timestamptz, _>(now)
        .bind::<Integer, _>(took_ms)
        .execute(conn)?;
        Ok(())
    })
}

/// What users hold of one asset type.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Outstanding {
    /// The unit.
    pub asset_type: AssetTypeCode,
    /// Its name for people.
    pub name: String,
    /// Its decimals.
    pub scale: Scale,
    /// What users hold: what the treasury has given and not got back.
    pub value: Balance,
}

/// What users hold now, of every asset type, by code. Read off the treasury's few wallets.
///
/// # Errors
/// The database's.
pub fn outstanding(conn: &mut PgConnection) -> Result<Vec<Outstanding>> {
    Ok(statement::<(Text, Text, SmallInt, Numeric)>(
        "select t.code, t.name, t.scale, coalesce(-sum(w.balance), 0)
         from asset_types t left join wallets w on w.asset_type = t.code and w.lane >= 0
         group by t.code order by t.code",
    )
    .load(conn)?)
}

/// What the transactions of one type did to one asset type on one day (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct DayFigure {
    /// The day.
    pub day: NaiveDate,
    /// The unit.
    pub asset_type: AssetTypeCode,
    /// Why value moved between the treasury and users.
    pub transaction_type: TransactionType,
    /// How many transactions.
    pub transactions: i64,
    /// What users gained by them.
    pub issued: Balance,
    /// What users gave by them.
    pub returned: Balance,
}

/// The entries of the treasury's wallets behind the marks, with the types of their transactions.
macro_rules! tail {
    ($rest:literal) => {
        concat!(
            "with tail as (
                 select w.id as wallet_id, w.asset_type, e.version, e.created_at, e.amount, t.type
                 from wallets w
                 left join figure_marks m on m.wallet_id = w.id
                 cross join lateral (
                     select * from entries e
                     where e.wallet_id = w.id
                         and (e.created_at, e.version) > (coalesce(m.posted_at, '-infinity'), coalesce(m.version, 0))
                     order by e.created_at, e.version limit $
                 ) e
                 join transactions t on t.id = e.transaction_id
                 where w.lane >= 0
             ), fresh as (
                 select (created_at at time zone 'UTC')::date as day, asset_type, type as transaction_type,
                        count(*) as transactions, coalesce(-sum(amount) filter (where amount < 0), 0) as issued,
                        coalesce(sum(amount) filter (where amount > 0), 0) as returned
                 from tail group by 1, 2, 3
             ) ",
            $rest
        )
    };
}

/// Adds to the figures what the treasury's wallets got since the last time, up to `at_most` entries
/// of each; says how many entries that were. To be called until it says zero.
///
/// # Errors
/// The database's.
pub fn roll_up(conn: &mut PgConnection, at_most: i64) -> Result<usize> {
    conn.transaction(|conn| {
        // Two that start at the same mark would count the same entries twice.
        statement::<()>("lock table figure_marks in exclusive mode").execute(conn)?;
        let read = statement::<BigInt>(tail!(
            ", figured as (
                 insert into daily_figures as kept (day, asset_type, transaction_type, transactions, issued, returned)
                 select * from fresh
                 on conflict (day, asset_type, transaction_type) do update
                 set transactions = kept.transactions + excluded.transactions,
                     issued = kept.issued + excluded.issued, returned = kept.returned + excluded.returned
             ), marked as (
                 insert into figure_marks (wallet_id, version, posted_at)
                 select wallet_id, max(version), max(created_at) from tail group by wallet_id
                 on conflict (wallet_id) do update set version = excluded.version, posted_at = excluded.posted_at
             )
             select count(*) from tail"
        ))
        .bind::<BigInt, _>(at_most)
        .get_result::<i64>(conn)?;
        Ok(usize::try_from(read).unwrap_or(usize::MAX))
    })
}

/// The figures of every day since `from`, and those of all days before it as if they were of the
/// day before; what the job has not seen yet is among them, unless that is a great deal.
///
/// # Errors
/// The database's.
pub fn days_since(conn: &mut PgConnection, from: NaiveDate) -> Result<Vec<DayFigure>> {
    Ok(statement::<(Date, Text, Text, BigInt, Numeric, Numeric)>(tail!(
        "select greatest(day, $ - 1), asset_type, transaction_type, sum(transactions)::bigint, sum(issued), sum(returned)
         from (select * from daily_figures union all select * from fresh) figures
         group by 1, 2, 3 order by 1, 2, 3"
    ))
    .bind::<BigInt, _>(LIVE)
    .bind::<Date, _>(from)
    .load(conn)?)
}
