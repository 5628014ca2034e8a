//! Users: registering them and finding them.

pub mod picture;
pub mod rights;
pub mod search;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::audit::{self, Act, Actor};
use super::{Page, sessions};
use crate::domain::{BASE32, ExternalId, Login, Role, SessionId, TimeZone, User, UserId, UserStatus};
use crate::error::{Refusal, Result};
use crate::schema::users;

/// Someone to be registered.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The public name, where one was chosen.
    pub external_id: Option<ExternalId>,
    /// The names to sign in with: at least one, at most one of each kind.
    pub logins: Vec<Login>,
    /// As `passwords` made it.
    pub password_hash: String,
    /// What the user may do.
    pub role: Role,
}

/// Registers a user. Without a chosen external id it gets its username as one, where that is free,
/// else a generated one.
///
/// # Errors
/// [`Refusal::AlreadyRegistered`] where somebody has one of the logins or the chosen external id.
pub fn register(conn: &mut PgConnection, new: &NewUser) -> Result<User> {
    let username = new.logins.iter().find(|login| matches!(login, Login::Username(_)));
    let wanted = match (&new.external_id, username) {
        (Some(chosen), _) => insert(conn, new, chosen.as_str())?,
        (None, Some(username)) if ExternalId::parse(username.as_str()).is_ok() => insert(conn, new, username.as_str())?,
        (None, _) => None,
    };
    match wanted {
        Some(user) => Ok(user),
        None if new.external_id.is_some() => Err(Refusal::AlreadyRegistered.into()),
        None => insert(conn, new, &generated_external_id())?.ok_or_else(|| Refusal::AlreadyRegistered.into()),
    }
}

/// Inserts the user unless the external id is taken; a taken login is an error.
fn insert(conn: &mut PgConnection, new: &NewUser, external_id: &str) -> Result<Option<User>> {
    let login = |kind: fn(&Login) -> bool| new.logins.iter().find(|login| kind(login)).map(Login::as_str);
    Ok(diesel::insert_into(users::table)
        .values((
            users::external_id.eq(external_id),
            users::username.eq(login(|login| matches!(login, Login::Username(_)))),
            users::email.eq(login(|login| matches!(login, Login::Email(_)))),
            users::phone_number.eq(login(|login| matches!(login, Login::PhoneNumber(_)))),
            users::password_hash.eq(&new.password_hash),
            users::role.eq(new.role),
        ))
        .on_conflict(users::external_id)
        .do_nothing()
        .returning(User::as_returning())
        .get_result(conn)
        .optional()?)
}

/// `user_` and 60 random bits.
fn generated_external_id() -> String {
    let random = uuid::Uuid::new_v4();
    let letters = random.as_bytes().iter().filter_map(|byte| BASE32.get(usize::from(byte % 32)));
    // The bytes 6 and 8 of a UUIDv4 are not wholly random.
    let chosen =
        letters.enumerate().filter(|(index, _)| ![6, 8].contains(index)).map(|(_, letter)| char::from(*letter));
    std::iter::once("user_".to_owned()).chain(chosen.take(12).map(String::from)).collect()
}

/// The user who signs in with this login, and the hash of the password.
///
/// # Errors
/// Only those of the database.
pub fn by_login(conn: &mut PgConnection, login: &Login) -> Result<Option<(User, String)>> {
    let query = users::table.select((User::as_select(), users::password_hash));
    let found = match login {
        Login::Username(name) => query.filter(users::username.eq(name)).first(conn),
        Login::Email(address) => query.filter(users::email.eq(address)).first(conn),
        Login::PhoneNumber(number) => query.filter(users::phone_number.eq(number)).first(conn),
    };
    Ok(found.optional()?)
}

/// Gives a user another password.
///
/// # Errors
/// Only those of the database.
pub fn set_password(conn: &mut PgConnection, id: UserId, password_hash: &str) -> Result<()> {
    diesel::update(users::table.find(id)).set(users::password_hash.eq(password_hash)).execute(conn)?;
    Ok(())
}

/// Exchanges the password with the hash `old` for another one, and ends the user's sessions but for
/// the one that it is done in. Says false, and does nothing, where the password has been changed
/// meanwhile.
///
/// # Errors
/// Only those of the database.
pub fn change_password(
    conn: &mut PgConnection,
    id: UserId,
    (old, new): (&str, &str),
    in_session: Option<SessionId>,
    now: DateTime<Utc>,
) -> Result<bool> {
    conn.transaction(|conn| {
        let mine = users::table.find(id).filter(users::password_hash.eq(old));
        let changed = diesel::update(mine).set(users::password_hash.eq(new)).execute(conn)? > 0;
        if changed {
            sessions::end_all(conn, id, in_session, now)?;
        }
        Ok(changed)
    })
}

/// Keeps a new hash of the password whose hash is `old`. Says false where one that was set meanwhile
/// stays.
///
/// # Errors
/// Only those of the database.
pub fn rehash(conn: &mut PgConnection, id: UserId, old: &str, new: &str) -> Result<bool> {
    let rehashed = diesel::update(users::table.find(id).filter(users::password_hash.eq(old)))
        .set(users::password_hash.eq(new))
        .execute(conn)?;
    Ok(rehashed > 0)
}

/// The hash of a user's password.
///
/// # Errors
/// [`crate::error::Error::NotFound`] where there is no such user any more.
pub fn password_hash(conn: &mut PgConnection, id: UserId) -> Result<String> {
    Ok(users::table.find(id).select(users::password_hash).first(conn)?)
}

/// Gives whoever has lost the password another one, and ends the sessions and API keys, which may be
/// somebody else's. For whoever has the command line.
///
/// # Errors
/// [`Refusal::UserNotFound`] where nobody has the login; the database's.
pub fn reset_password(conn: &mut PgConnection, login: &Login, password_hash: &str, now: DateTime<Utc>) -> Result<User> {
    conn.transaction(|conn| {
        let (user, _) = by_login(conn, login)?.ok_or(Refusal::UserNotFound)?;
        set_password(conn, user.id, password_hash)?;
        hand_over(conn, &user, "user.reset_password", None, now)?;
        Ok(user)
    })
}

/// Ends what others may have opened of an account that the command line gives to somebody, and tells the
/// audit log of it.
fn hand_over(
    conn: &mut PgConnection,
    user: &User,
    action: &'static str,
    after: Option<serde_json::Value>,
    now: DateTime<Utc>,
) -> Result<()> {
    sessions::end_all(conn, user.id, None, now)?;
    rights::forget_api_keys(conn, user.id)?;
    let target = format!("user:{}", user.external_id);
    let act = Act { action, target, reason: "by the command line", before: None, after };
    Ok(audit::record(conn, &Actor::default(), now, &[act])?)
}

/// Keeps the zone in which a user reads times; none for the reader's own.
///
/// # Errors
/// Only those of the database.
pub fn set_time_zone(conn: &mut PgConnection, id: UserId, time_zone: Option<TimeZone>) -> Result<()> {
    diesel::update(users::table.find(id)).set(users::time_zone.eq(time_zone.map(TimeZone::name))).execute(conn)?;
    Ok(())
}

/// The user with this public name.
///
/// # Errors
/// Only those of the database.
pub fn by_external_id(conn: &mut PgConnection, external_id: &str) -> Result<Option<User>> {
    Ok(users::table.filter(users::external_id.eq(external_id)).select(User::as_select()).first(conn).optional()?)
}

/// The public names of those whom somebody may mean by an exact name: the public one, or one to sign
/// in with. There are two where the public name of one user is the username of another.
///
/// # Errors
/// Only those of the database.
pub fn named(conn: &mut PgConnection, name: &str) -> Result<Vec<String>> {
    let name = name.trim().to_lowercase();
    // No text in the database holds the character zero, and PostgreSQL takes none that does.
    if name.contains('\0') {
        return Ok(Vec::new());
    }
    let public = users::external_id.eq(name.clone());
    let mut query = users::table.select(users::external_id).into_boxed();
    query = match Login::parse(&name) {
        Ok(Login::Username(name)) => query.filter(public.or(users::username.eq(name).assume_not_null())),
        Ok(Login::Email(address)) => query.filter(users::email.eq(address)),
        Ok(Login::PhoneNumber(number)) => query.filter(users::phone_number.eq(number)),
        Err(_) => query.filter(public),
    };
    Ok(query.load(conn)?)
}

/// The rows of those of the public names that somebody has.
///
/// # Errors
/// Only those of the database.
pub(super) fn ids_of(conn: &mut PgConnection, external_ids: &[String]) -> Result<HashMap<String, UserId>> {
    let found = users::table.filter(users::external_id.eq_any(external_ids)).select((users::external_id, users::id));
    Ok(found.load::<(String, UserId)>(conn)?.into_iter().collect())
}

/// What these users are called.
///
/// # Errors
/// Only those of the database.
pub fn names_of(conn: &mut PgConnection, ids: &[UserId]) -> Result<HashMap<UserId, String>> {
    let found = users::table.filter(users::id.eq_any(ids)).select((users::id, users::external_id));
    Ok(found.load::<(UserId, String)>(conn)?.into_iter().collect())
}

/// The user that a caller means by a name in a path: itself by `me` or its own name, an admin
/// anybody.
///
/// # Errors
/// [`Refusal::UserNotFound`] where there is none that the caller may know of.
pub fn meant_by(conn: &mut PgConnection, caller: User, name: &str) -> Result<User> {
    if name == "me" || name == caller.external_id {
        return Ok(caller);
    }
    match caller.role {
        Role::Admin => match ExternalId::parse(name) {
            Ok(name) => by_external_id(conn, name.as_str())?.ok_or_else(|| Refusal::UserNotFound.into()),
            Err(_) => Err(Refusal::UserNotFound.into()),
        },
        Role::User => Err(Refusal::UserNotFound.into()),
    }
}

/// Whose things a list shows: those of the user that the caller means by `name`, and where nobody is
/// named, the caller's own, or to an admin those of all.
///
/// # Errors
/// As [`meant_by`].
pub fn shown_to(conn: &mut PgConnection, caller: User, name: Option<&str>) -> Result<Option<UserId>> {
    match (name, caller.role) {
        (None, Role::Admin) => Ok(None),
        (None, Role::User) => Ok(Some(caller.id)),
        (Some(name), _) => Ok(Some(meant_by(conn, caller, name)?.id)),
    }
}

/// A page of what `rows` gives of the user with this public name, or of everybody where nobody is
/// named; of a name that nobody has, an empty page.
///
/// # Errors
/// Those of `rows`, and the database's.
pub fn page_of<Row>(
    conn: &mut PgConnection,
    name: Option<&str>,
    rows: impl FnOnce(&mut PgConnection, Option<UserId>) -> Result<Page<Row>>,
) -> Result<Page<Row>> {
    let Some(name) = name else { return rows(conn, None) };
    match by_external_id(conn, name)? {
        Some(user) => rows(conn, Some(user.id)),
        None => Ok(Page { items: Vec::new(), next_cursor: None }),
    }
}

/// How many users there are.
///
/// # Errors
/// The database's.
pub fn count(conn: &mut PgConnection) -> Result<i64> {
    Ok(users::table.count().get_result(conn)?)
}

/// Whether anybody runs this installation.
///
/// # Errors
/// The database's.
pub fn has_admin(conn: &mut PgConnection) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(users::table.filter(users::role.eq(Role::Admin)))).get_result(conn)?)
}

/// Registers an admin; where a user with this username exists, makes that one an active admin with the
/// new password, and ends its sessions and API keys, which may be somebody else's. For whoever has the
/// command line, which is above the roles.
///
/// # Errors
/// The database's.
pub fn make_admin(conn: &mut PgConnection, new: &NewUser, now: DateTime<Utc>) -> Result<User> {
    let username = new.logins.first().map(Login::as_str).unwrap_or_default();
    conn.transaction(|conn| {
        let existing = diesel::update(users::table.filter(users::username.eq(username)))
            .set((
                users::role.eq(Role::Admin),
                users::status.eq(UserStatus::Active),
                users::password_hash.eq(&new.password_hash),
            ))
            .returning(User::as_returning())
            .get_result(conn)
            .optional()?;
        let user = match existing {
            Some(user) => user,
            None => register(conn, new)?,
        };
        hand_over(conn, &user, "user.make_admin", Some(serde_json::json!({ "role": user.role })), now)?;
        Ok(user)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_external_ids_are_valid_and_differ() {
        let (one, other) = (generated_external_id(), generated_external_id());
        assert!(one != other && one.len() == 17 && ExternalId::parse(&one).is_ok(), "{one}");
    }
}
