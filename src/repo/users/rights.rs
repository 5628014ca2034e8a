//! What admins decide about users: whether they may move value, whether they are admins, and that
//! they have to sign in again.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::domain::{Reason, Role, SessionId, User, UserId, UserStatus};
use crate::error::{Error, Refusal, Result};
use crate::repo::audit::{self, Act, Actor};
use crate::repo::sessions;
use crate::schema::{api_keys, users};

/// What is to be different about a user; what is not given stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// Whether it may move value.
    pub status: Option<UserStatus>,
    /// What it may do.
    pub role: Option<Role>,
}

/// Changes what a user may do. What is so already stays, without a line in the audit log. A user who
/// becomes an admin loses the API keys made before.
///
/// # Errors
/// [`Refusal::UserNotFound`]; [`Refusal::LastAdmin`] where no active admin would be left, whoever
/// else is demoted or frozen at the same moment; [`Error::Forbidden`] where the actor has just ceased
/// to be one.
pub fn change(
    conn: &mut PgConnection,
    actor: &Actor,
    user: &str,
    change: Change,
    reason: &Reason,
    now: DateTime<Utc>,
) -> Result<User> {
    conn.transaction(|conn| {
        // Always in the order of the ids, so that two admins who change each other wait in turn.
        let is_admin = users::role.eq(Role::Admin).and(users::status.eq(UserStatus::Active));
        let locked: Vec<User> = users::table
            .filter(users::external_id.eq(user).or(is_admin))
            .order(users::id)
            .select(User::as_select())
            .for_update()
            .load(conn)?;
        let before = locked.iter().find(|locked| locked.external_id == user).ok_or(Refusal::UserNotFound)?;
        let after = User {
            status: change.status.unwrap_or(before.status),
            role: change.role.unwrap_or(before.role),
            ..before.clone()
        };
        let mut others = locked.iter().filter(|other| other.id != before.id && other.is_acting_admin());
        if before.is_acting_admin() && !after.is_acting_admin() && others.next().is_none() {
            return Err(Refusal::LastAdmin.into());
        }
        if actor.user.is_some_and(|actor| !locked.iter().any(|user| user.id == actor && user.is_acting_admin())) {
            return Err(Error::Forbidden);
        }
        diesel::update(users::table.find(after.id))
            .set((users::status.eq(after.status), users::role.eq(after.role)))
            .execute(conn)?;
        if before.role == Role::User && after.role == Role::Admin {
            forget_api_keys(conn, after.id)?;
        }
        audit::record(conn, actor, now, &acts(before, &after, reason))?;
        Ok(after)
    })
}

/// One line for each thing that is different.
fn acts<'a>(before: &User, after: &User, reason: &'a Reason) -> Vec<Act<'a>> {
    let act = |action, field: &str, was: &str, is: &str| Act {
        action,
        target: target(before),
        reason: reason.as_str(),
        before: Some(serde_json::json!({ field: was })),
        after: Some(serde_json::json!({ field: is })),
    };
    let mut acts = Vec::new();
    if before.status != after.status {
        let action = match after.status {
            UserStatus::Frozen => "user.freeze",
            UserStatus::Active => "user.unfreeze",
        };
        acts.push(act(action, "status", before.status.as_str(), after.status.as_str()));
    }
    if before.role != after.role {
        let action = match after.role {
            Role::Admin => "user.make_admin",
            Role::User => "user.make_user",
        };
        acts.push(act(action, "role", before.role.as_str(), after.role.as_str()));
    }
    acts
}

fn target(user: &User) -> String {
    format!("user:{}", user.external_id)
}

/// Deletes a user's API keys: for one who becomes an admin, since an older key may be somebody else's.
pub(super) fn forget_api_keys(conn: &mut PgConnection, user: UserId) -> QueryResult<usize> {
    diesel::delete(api_keys::table.filter(api_keys::user_id.eq(user))).execute(conn)
}

/// Ends all sessions of a user, but for the one that is to go on; says how many. Where there are
/// none, nothing is done and nothing written.
///
/// # Errors
/// [`Refusal::UserNotFound`].
pub fn sign_out(
    conn: &mut PgConnection,
    actor: &Actor,
    user: &str,
    but: Option<SessionId>,
    reason: &Reason,
    now: DateTime<Utc>,
) -> Result<usize> {
    conn.transaction(|conn| {
        let user = super::by_external_id(conn, user)?.ok_or(Refusal::UserNotFound)?;
        let ended = sessions::end_all(conn, user.id, but, now)?;
        let act = Act {
            action: "user.sign_out",
            target: target(&user),
            reason: reason.as_str(),
            before: None,
            after: Some(serde_json::json!({ "ended_sessions": ended })),
        };
        if ended > 0 {
            audit::record(conn, actor, now, &[act])?;
        }
        Ok(ended)
    })
}
