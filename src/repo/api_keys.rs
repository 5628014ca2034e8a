//! Personal API keys: what a script proves with whose it is. The row decides, on every request, so
//! that a key that is deleted or has expired opens nothing more.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Timestamptz};
use uuid::Uuid;

use super::page::{Page, PageRequest};
use super::sessions;
use crate::domain::{ApiKeyId, Scopes, SecretHash, SessionId, User, UserId};
use crate::error::{Error, Refusal, Result};
use crate::repo::statement::statement;
use crate::schema::{api_keys, users};

/// How many keys that have not expired a user may have.
pub const MOST_PER_USER: i64 = 50;

/// What the list is called in its cursors.
const LIST: &str = "api-keys";

/// How exactly a key's last use is known, in seconds.
const TOUCH_SECONDS: i64 = 60;

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Whose it is.
    pub user: UserId,
    /// The session that it is asked for in, if in one.
    pub session: Option<SessionId>,
    /// The hash of the password that it is asked for by, if by one.
    pub password_hash: Option<String>,
    /// What its owner calls it, 1 to 100 characters.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// What is kept of its secret.
    pub secret_hash: SecretHash,
    /// From when on it opens nothing.
    pub expires_at: Option<DateTime<Utc>>,
    /// The form that it is asked for with, if by one.
    pub form: Option<Uuid>,
}

/// A key, as its owner sees it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = api_keys)]
pub struct ApiKey {
    /// The key.
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    #[diesel(embed)]
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was used last, a minute more or less.
    pub last_used_at: Option<DateTime<Utc>>,
    /// From when on it opens nothing.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Makes a key.
///
/// # Errors
/// [`Refusal::TooManyApiKeys`] where the user has [`MOST_PER_USER`] that have not expired;
/// [`Refusal::AlreadyCreated`] where the form has made one; [`Error::Unauthenticated`] where the session
/// has ended or the password has been changed meanwhile, perhaps with the end of all keys.
pub fn create(conn: &mut PgConnection, new: &NewApiKey, now: DateTime<Utc>) -> Result<ApiKey> {
    conn.transaction(|conn| {
        // Held so that of several at once none makes one key too many, and none behind the end of them all.
        let owner = users::table.find(new.user).select((users::id, users::password_hash)).for_no_key_update();
        let (owner, password_hash): (UserId, String) = owner.first(conn)?;
        let is_in = new.session.map_or(Ok(true), |session| sessions::is_alive(conn, session))?;
        if !is_in || new.password_hash.as_ref().is_some_and(|hash| *hash != password_hash) {
            return Err(Error::Unauthenticated);
        }
        let living = api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now).assume_not_null());
        let count: i64 = api_keys::table.filter(api_keys::user_id.eq(owner)).filter(living).count().get_result(conn)?;
        if count >= MOST_PER_USER {
            return Err(Refusal::TooManyApiKeys.into());
        }
        Ok(diesel::insert_into(api_keys::table)
            .values((
                api_keys::user_id.eq(owner),
                api_keys::name.eq(&new.name),
                api_keys::secret_hash.eq(new.secret_hash.0.as_slice()),
                new.scopes,
                api_keys::created_at.eq(now),
                api_keys::expires_at.eq(new.expires_at),
                api_keys::form_id.eq(new.form),
            ))
            .returning(ApiKey::as_returning())
            .get_result(conn)?)
    })
}

/// A user's keys, also those that have expired.
///
/// # Errors
/// [`Error::InvalidCursor`].
pub fn page(conn: &mut PgConnection, user: UserId, request: &PageRequest) -> Result<Page<ApiKey>> {
    let mut query = api_keys::table
        .filter(api_keys::user_id.eq(user))
        .order(api_keys::id.desc())
        .limit(request.look_ahead())
        .select(ApiKey::as_select())
        .into_boxed();
    if let Some(after) = request.after::<i64>(LIST)? {
        query = query.filter(api_keys::id.lt(ApiKeyId(after)));
    }
    Ok(Page::from_rows(query.load(conn)?, request, LIST, |key| key.id.0))
}

/// A key of a user.
///
/// # Errors
/// [`Error::NotFound`] where the user has no such key.
pub fn own(conn: &mut PgConnection, user: UserId, id: ApiKeyId) -> Result<ApiKey> {
    Ok(api_keys::table.find(id).filter(api_keys::user_id.eq(user)).select(ApiKey::as_select()).first(conn)?)
}

/// Revokes a key of a user at once: it is gone.
///
/// # Errors
/// [`Error::NotFound`] where the user has no such key.
pub fn revoke(conn: &mut PgConnection, user: UserId, id: ApiKeyId) -> Result<()> {
    let mine = api_keys::table.find(id).filter(api_keys::user_id.eq(user));
    match diesel::delete(mine).execute(conn)? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// A key that has not expired, and its user.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = api_keys)]
pub struct Living {
    /// The key.
    pub id: ApiKeyId,
    /// What its secret must have as hash.
    pub secret_hash: Vec<u8>,
    /// What it may do.
    #[diesel(embed)]
    pub scopes: Scopes,
    /// When it was used last, a minute more or less.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it ends by itself, if it does.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whose it is.
    #[diesel(embed)]
    pub user: User,
}

impl Living {
    /// Whether its use is to be noted again.
    pub fn is_use_due(&self, now: DateTime<Utc>) -> bool {
        self.last_used_at.is_none_or(|at| at < now - TimeDelta::seconds(TOUCH_SECONDS))
    }
}

/// Those of the keys that have neither been revoked nor expired, with their users.
///
/// # Errors
/// Only those of the database.
pub fn living(conn: &mut PgConnection, ids: &[ApiKeyId], now: DateTime<Utc>) -> Result<Vec<Living>> {
    Ok(api_keys::table
        .inner_join(users::table)
        .filter(api_keys::id.eq_any(ids))
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now).assume_not_null()))
        .select(Living::as_select())
        .load(conn)?)
}

/// Notes the use of keys, of each at most once a minute. Waits for nobody: a key that is being
/// changed was seen used elsewhere, or goes. Gives those whose turn it was,
/// noted or not.
///
/// # Errors
/// Only those of the database.
pub fn note_use(conn: &mut PgConnection, used: &[Arc<Living>], now: DateTime<Utc>) -> Result<Vec<ApiKeyId>> {
    let stale = now - TimeDelta::seconds(TOUCH_SECONDS);
    let due: Vec<ApiKeyId> = used.iter().filter(|used| used.is_use_due(now)).map(|used| used.id).collect();
    if due.is_empty() {
        return Ok(due);
    }
    statement::<()>(
        "update api_keys set last_used_at = $ where id in (
             select id from api_keys where id = any($) and (last_used_at is null or last_used_at < $)
             for update skip locked)",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Array<BigInt>, _>(&due)
    .bind::<Timestamptz, _>(stale)
    .execute(conn)?;
    Ok(due)
}

/// Forgets up to `at_most` keys that expired a month ago or earlier; says how many. To be called
/// until it says zero.
///
/// # Errors
/// Only those of the database.
pub fn forget_old(conn: &mut PgConnection, now: DateTime<Utc>, at_most: i64) -> Result<usize> {
    let a_month_ago = now - TimeDelta::days(30);
    let old = api_keys::table
        .filter(api_keys::expires_at.lt(a_month_ago).assume_not_null())
        .select(api_keys::id)
        .limit(at_most)
        .into_boxed();
    Ok(diesel::delete(api_keys::table.filter(api_keys::id.eq_any(old))).execute(conn)?)
}
