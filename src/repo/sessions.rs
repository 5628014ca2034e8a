//! Sessions: who is signed in, in a browser or with tokens. Whatever a cookie or a token says, the
//! row decides, on every request.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Timestamptz, Uuid};

use super::{Page, PageRequest};
use crate::domain::{SessionId, SessionKind, User, UserId};
use crate::error::{Error, Refusal, Result};
use crate::repo::statement::statement;
use crate::schema::{sessions, users};

/// How long a session of either kind lasts, in days, from its sign-in.
pub const LIFETIME_DAYS: i64 = 30;

/// How exactly a session's last use is known, in seconds.
const TOUCH_SECONDS: i64 = 60;

/// What the list is called in its cursors.
const LIST: &str = "sessions";

/// The longest user agent and address that are kept, in characters.
const LONGEST_TRACE: usize = 255;

/// Someone who has just proved who they are.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Whose it is.
    pub user: UserId,
    /// The hash of the password that was right.
    pub password_hash: String,
    /// The door.
    pub kind: SessionKind,
    /// The program, as it names itself.
    pub user_agent: String,
    /// Where it called from.
    pub ip_address: String,
}

/// Opens a session that lasts [`LIFETIME_DAYS`] days.
///
/// # Errors
/// [`Refusal::InvalidCredentials`] where the user has another password meanwhile.
pub fn open(conn: &mut PgConnection, new: &NewSession, now: DateTime<Utc>) -> Result<SessionId> {
    conn.transaction(|conn| {
        // Held, since whoever changes the password ends only those sessions that are there.
        let mine = users::table.find(new.user).select(users::password_hash).for_share();
        match mine.first::<String>(conn)? == new.password_hash {
            true => insert(conn, new, now),
            false => Err(Refusal::InvalidCredentials.into()),
        }
    })
}

fn insert(conn: &mut PgConnection, new: &NewSession, now: DateTime<Utc>) -> Result<SessionId> {
    let id = SessionId::random();
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(id),
            sessions::user_id.eq(new.user),
            sessions::kind.eq(new.kind),
            sessions::user_agent.eq(new.user_agent.chars().take(LONGEST_TRACE).collect::<String>()),
            sessions::ip_address.eq(new.ip_address.chars().take(LONGEST_TRACE).collect::<String>()),
            sessions::created_at.eq(now),
            sessions::last_used_at.eq(now),
            sessions::expires_at.eq(now + TimeDelta::days(LIFETIME_DAYS)),
        ))
        .execute(conn)?;
    Ok(id)
}

/// A session that is alive, and its user.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = sessions)]
pub struct Living {
    /// The session.
    pub id: SessionId,
    /// The door that it opens.
    pub kind: SessionKind,
    /// When it was used last, a minute more or less.
    pub last_used_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// Whose it is.
    #[diesel(embed)]
    pub user: User,
}

impl Living {
    /// Whether its use is to be noted again.
    pub fn is_use_due(&self, now: DateTime<Utc>) -> bool {
        self.last_used_at < now - TimeDelta::seconds(TOUCH_SECONDS)
    }
}

/// Those of the sessions that have neither ended nor expired, with their users.
///
/// # Errors
/// Only those of the database.
pub fn living(conn: &mut PgConnection, ids: &[SessionId], now: DateTime<Utc>) -> Result<Vec<Living>> {
    Ok(sessions::table
        .inner_join(users::table)
        .filter(sessions::id.eq_any(ids))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .select(Living::as_select())
        .load(conn)?)
}

/// Notes the use of sessions, of each at most once a minute. Waits for nobody: a session that is
/// being changed was seen used elsewhere, or ends. Gives those whose turn it was,
/// noted or not.
///
/// # Errors
/// Only those of the database.
pub fn note_use(conn: &mut PgConnection, used: &[Arc<Living>], now: DateTime<Utc>) -> Result<Vec<SessionId>> {
    let stale = now - TimeDelta::seconds(TOUCH_SECONDS);
    let due: Vec<SessionId> = used.iter().filter(|used| used.is_use_due(now)).map(|used| used.id).collect();
    if due.is_empty() {
        return Ok(due);
    }
    statement::<()>(
        "update sessions set last_used_at = $ where id in (
             select id from sessions where id = any($) and last_used_at < $ for update skip locked)",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Array<Uuid>, _>(&due)
    .bind::<Timestamptz, _>(stale)
    .execute(conn)?;
    Ok(due)
}

/// Exchanges the refresh token number `generation` for the next one; gives the session's user and
/// the new number. Of many that present the same token at once, one succeeds.
///
/// # Errors
/// [`Refusal::RefreshReused`] where the token was exchanged before: the session ends, since one of
/// the two who had it has stolen it. [`Error::Unauthenticated`] where the session is not alive.
pub fn rotate_refresh(
    conn: &mut PgConnection,
    id: SessionId,
    generation: i32,
    now: DateTime<Utc>,
) -> Result<(User, i32)> {
    let alive = sessions::table
        .filter(sessions::id.eq(id))
        .filter(sessions::kind.eq(SessionKind::Api))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now));
    // Each statement commits on its own: the end of a session must outlive the error it leads to.
    let owner: Option<UserId> = diesel::update(alive.filter(sessions::refresh_generation.eq(generation)))
        .set((sessions::refresh_generation.eq(generation.wrapping_add(1)), sessions::last_used_at.eq(now)))
        .returning(sessions::user_id)
        .get_result(conn)
        .optional()?;
    if let Some(owner) = owner {
        let user = users::table.find(owner).select(User::as_select()).first(conn)?;
        return Ok((user, generation.wrapping_add(1)));
    }
    let ended = diesel::update(alive.filter(sessions::refresh_generation.gt(generation)))
        .set(sessions::ended_at.eq(now))
        .execute(conn)?;
    Err(if ended > 0 { Refusal::RefreshReused.into() } else { Error::Unauthenticated })
}

/// Ends a session at once; one that has ended stays so.
///
/// # Errors
/// Only those of the database.
pub fn end(conn: &mut PgConnection, id: SessionId, now: DateTime<Utc>) -> Result<()> {
    diesel::update(sessions::table.filter(sessions::id.eq(id)).filter(sessions::ended_at.is_null()))
        .set(sessions::ended_at.eq(now))
        .execute(conn)?;
    Ok(())
}

/// Whether a session has not ended.
///
/// # Errors
/// Only those of the database.
pub fn is_alive(conn: &mut PgConnection, id: SessionId) -> Result<bool> {
    let living = sessions::table.find(id).filter(sessions::ended_at.is_null());
    Ok(diesel::select(diesel::dsl::exists(living)).get_result(conn)?)
}

/// Ends a living session of a user at once.
///
/// # Errors
/// [`Error::NotFound`] where the user has no such session.
pub fn end_own(conn: &mut PgConnection, user: UserId, id: SessionId, now: DateTime<Utc>) -> Result<()> {
    let mine = sessions::table
        .filter(sessions::id.eq(id))
        .filter(sessions::user_id.eq(user))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now));
    match diesel::update(mine).set(sessions::ended_at.eq(now)).execute(conn)? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// Ends all living sessions of a user at once, but for the one that is to go on; says how many.
///
/// # Errors
/// Only those of the database.
pub fn end_all(conn: &mut PgConnection, user: UserId, but: Option<SessionId>, now: DateTime<Utc>) -> Result<usize> {
    let living = sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now));
    Ok(match but {
        Some(but) => {
            diesel::update(living.filter(sessions::id.ne(but))).set(sessions::ended_at.eq(now)).execute(conn)?
        }
        None => diesel::update(living).set(sessions::ended_at.eq(now)).execute(conn)?,
    })
}

/// A living session, as its user sees it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = sessions)]
pub struct SessionView {
    /// The session.
    pub id: SessionId,
    /// The door that it opens.
    pub kind: SessionKind,
    /// The program, as it named itself.
    pub user_agent: String,
    /// Where it called from.
    pub ip_address: String,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it was used last, a minute more or less.
    pub last_used_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}

/// A user's sessions that have neither ended nor expired, by the time of their sign-in.
///
/// # Errors
/// [`Error::InvalidCursor`].
pub fn page(
    conn: &mut PgConnection,
    user: UserId,
    request: &PageRequest,
    now: DateTime<Utc>,
) -> Result<Page<SessionView>> {
    let mut query = sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .order((sessions::created_at.desc(), sessions::id.desc()))
        .limit(request.look_ahead())
        .select(SessionView::as_select())
        .into_boxed();
    if let Some((at, id)) = request.after::<(DateTime<Utc>, SessionId)>(LIST)? {
        let behind = sessions::created_at.lt(at).or(sessions::created_at.eq(at).and(sessions::id.lt(id)));
        query = query.filter(behind);
    }
    Ok(Page::from_rows(query.load(conn)?, request, LIST, |session| (session.created_at, session.id)))
}

/// Forgets up to `at_most` sessions that ended or expired a month ago or earlier; says how many. To be called
/// until it says zero.
///
/// # Errors
/// Only those of the database.
pub fn forget_old(conn: &mut PgConnection, now: DateTime<Utc>, at_most: i64) -> Result<usize> {
    let a_month_ago = now - TimeDelta::days(30);
    let old = sessions::table
        .filter(sessions::expires_at.lt(a_month_ago).or(sessions::ended_at.lt(a_month_ago).assume_not_null()))
        .select(sessions::id)
        .limit(at_most)
        .into_boxed();
    Ok(diesel::delete(sessions::table.filter(sessions::id.eq_any(old))).execute(conn)?)
}
