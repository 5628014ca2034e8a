//! This machine's clock beside the database server's. What is posted carries the time of this one, and
//! nothing behind it can carry an earlier one: a clock that is wrong dates what others post, too.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;

use super::statement::statement;
use crate::error::{Fatal, Result};

/// How far the two may be apart: more than machines that ask for the time ever are.
const MOST: TimeDelta = TimeDelta::seconds(30);

/// What is wrong with this machine's clock, as the database server has the time, in a line that says what
/// to do; nothing where it is right. `now` is what this machine's clock says.
///
/// # Errors
/// The database's.
pub fn fault(conn: &mut PgConnection, now: impl Fn() -> DateTime<Utc>) -> Result<Option<Fatal>> {
    let asked = now();
    let theirs = statement::<Timestamptz>("select clock_timestamp()").get_result::<DateTime<Utc>>(conn)?;
    let answered = now();
    let (early, late) = (theirs - answered, asked - theirs);
    let (apart, how) = if early > late { (early, "behind") } else { (late, "ahead of") };
    let told = || {
        let seconds = (apart + TimeDelta::milliseconds(500)).num_seconds();
        Fatal::new(format!(
            "this machine's clock is {seconds} s {how} the database server's: set both by NTP, and start Coffer again"
        ))
    };
    Ok((apart > MOST).then(told))
}
