//! Locks between instances, for work that is to be done once.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::Db;
use super::statement::statement;
use crate::error::Result;

/// Does `work` while holding the PostgreSQL advisory lock `number`, or nothing where another holder
/// is at it. The lock goes with its connection, so a killed holder leaves none behind.
///
/// # Errors
/// The work's, or the database's.
pub fn run_alone<T>(db: &Db, number: i64, work: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
    db.run_here(|conn| {
        conn.transaction(|conn| {
            let acquired: bool =
                statement::<Bool>("select pg_try_advisory_xact_lock($)").bind::<BigInt, _>(number).get_result(conn)?;
            // The holder only waits; its connection must outlive the longest job.
            diesel::connection::SimpleConnection::batch_execute(
                conn,
                "set local idle_in_transaction_session_timeout = 0",
            )?;
            if acquired { work().map(Some) } else { Ok(None) }
        })
    })
}
