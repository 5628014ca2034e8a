//! The list of users: found by any of the names they have.

use std::fmt::{self, Display};
use std::str::FromStr;

use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use crate::domain::{Login, Role, User, UserStatus};
use crate::error::Result;
use crate::repo::{Page, PageRequest, Sort};
use crate::schema::users;

/// What the list is called in its cursors, in each of its orders.
const NEWEST_FIRST: &str = "users";
const OLDEST_FIRST: &str = "users-by-age";
const A_TO_Z: &str = "users-by-name";
const Z_TO_A: &str = "users-by-name-down";

/// What the list of users is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserColumn {
    /// When they registered: their rows are numbered in that order.
    Joined,
    /// Their public names.
    Name,
}

impl Display for UserColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Joined => "joined",
            Self::Name => "name",
        })
    }
}

impl FromStr for UserColumn {
    type Err = ();

    fn from_str(word: &str) -> std::result::Result<Self, ()> {
        match word {
            "joined" => Ok(Self::Joined),
            "name" => Ok(Self::Name),
            _ => Err(()),
        }
    }
}

/// What a list of users shows; each part that is given narrows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// A part of any of their names, in any case. A whole e-mail address or phone number that
    /// somebody has finds that user alone, by an index.
    pub text: Option<String>,
    /// Whether they may move value.
    pub status: Option<UserStatus>,
    /// What they may do.
    pub role: Option<Role>,
}

/// A page of users.
///
/// # Errors
/// [`Error::InvalidCursor`](crate::error::Error::InvalidCursor).
pub fn page(
    conn: &mut PgConnection,
    filter: &UserFilter,
    sort: Sort<UserColumn>,
    request: &PageRequest,
) -> Result<Page<User>> {
    let mut query = users::table.select(User::as_select()).limit(request.look_ahead()).into_boxed();
    if let Some(status) = filter.status {
        query = query.filter(users::status.eq(status));
    }
    if let Some(role) = filter.role {
        query = query.filter(users::role.eq(role));
    }
    if let Some(text) = &filter.text {
        query = match owner_of(conn, text)? {
            Some(owner) => query.filter(users::id.eq(owner.id)),
            None => query.filter(Box::new(is_named(text)) as Box<dyn BoxableExpression<_, Pg, SqlType = Bool>>),
        };
    }
    let list = match (sort.by, sort.descending) {
        (UserColumn::Joined, true) => NEWEST_FIRST,
        (UserColumn::Joined, false) => OLDEST_FIRST,
        (UserColumn::Name, false) => A_TO_Z,
        (UserColumn::Name, true) => Z_TO_A,
    };
    match sort.by {
        UserColumn::Joined => {
            let after = request.after::<i64>(list)?;
            query = match (sort.descending, after) {
                (true, None) => query.order(users::id.desc()),
                (true, Some(after)) => query.order(users::id.desc()).filter(users::id.lt(after)),
                (false, None) => query.order(users::id.asc()),
                (false, Some(after)) => query.order(users::id.asc()).filter(users::id.gt(after)),
            };
            Ok(Page::from_rows(query.load(conn)?, request, list, |user: &User| user.id.0))
        }
        UserColumn::Name => {
            let after = request.after::<String>(list)?;
            let name = users::external_id;
            query = match (sort.descending, after) {
                (true, None) => query.order(name.desc()),
                (true, Some(after)) => query.order(name.desc()).filter(name.lt(after)),
                (false, None) => query.order(name.asc()),
                (false, Some(after)) => query.order(name.asc()).filter(name.gt(after)),
            };
            Ok(Page::from_rows(query.load(conn)?, request, list, |user: &User| user.external_id.clone()))
        }
    }
}

/// Whoever has this whole e-mail address or phone number.
fn owner_of(conn: &mut PgConnection, text: &str) -> Result<Option<User>> {
    match Login::parse(text) {
        Ok(login @ (Login::Email(_) | Login::PhoneNumber(_))) => {
            Ok(super::by_login(conn, &login)?.map(|(user, _)| user))
        }
        _ => Ok(None),
    }
}

/// Whether one of a user's names holds a text. All of them are kept in lower case, without a zero.
fn is_named(text: &str) -> impl BoxableExpression<users::table, Pg, SqlType = Bool> + 'static {
    let text: String = text.trim().to_lowercase().replace('\0', "");
    sql::<Bool>("strpos(concat_ws(chr(10), external_id, username, email, phone_number), ")
        .bind::<Text, String>(text)
        .sql(") > 0")
}
