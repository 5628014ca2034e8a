//! Everybody who is registered.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{Role, User, UserStatus};
use crate::error::Result;
use crate::repo::users::search::{self, UserColumn, UserFilter};
use crate::repo::{Db, Sort};
use crate::web::auth::Admin;
use crate::web::csv;
use crate::web::extract::QueryOf;
use crate::web::pages::list::{self, Address, Chip, Choice, Column, Header, Pager};
use crate::web::pages::parts::{role_word, user_status_tone, user_status_word};
use crate::web::view::{self, Chrome, Moment};

/// The newest first.
const USUAL: Sort<UserColumn> = Sort::descending(UserColumn::Joined);

const COLUMNS: [Column<UserColumn>; 6] = [
    Column::by("User", UserColumn::Name),
    Column::plain("E-mail"),
    Column::plain("Phone number"),
    Column::plain("Role"),
    Column::plain("Status"),
    Column::by("Joined", UserColumn::Joined),
];

#[derive(Template)]
#[template(path = "admin/users.html")]
struct UsersPage {
    chrome: Chrome,
    q: String,
    statuses: Vec<Choice>,
    roles: Vec<Choice>,
    sort: String,
    chips: Vec<Chip>,
    headers: Vec<Header>,
    users: Vec<UserRow>,
    file_href: String,
    pager: Pager,
}

struct UserRow {
    id: String,
    username: Option<String>,
    email: Option<String>,
    phone_number: Option<String>,
    is_admin: bool,
    role: &'static str,
    status: &'static str,
    status_tone: &'static str,
    joined_at: Moment,
}

impl From<User> for UserRow {
    fn from(user: User) -> Self {
        Self {
            // Said once where both are the same.
            username: user.username.filter(|name| *name != user.external_id),
            id: user.external_id,
            email: user.email,
            phone_number: user.phone_number,
            is_admin: user.role == Role::Admin,
            role: role_word(user.role),
            status: user_status_word(user.status),
            status_tone: user_status_tone(user.status),
            joined_at: user.created_at.into(),
        }
    }
}

/// A line of the file.
#[derive(Serialize)]
struct FileLine {
    id: String,
    username: Option<String>,
    email: Option<String>,
    phone_number: Option<String>,
    role: Role,
    status: UserStatus,
    created_at: DateTime<Utc>,
}

const NAMES: &[&str] = &["id", "username", "email", "phone_number", "role", "status", "created_at"];

impl From<User> for FileLine {
    fn from(user: User) -> Self {
        Self {
            id: csv::harmless(user.external_id),
            username: user.username.map(csv::harmless),
            email: user.email.map(csv::harmless),
            // Its plus sign has digits behind it and nothing else.
            phone_number: user.phone_number,
            role: user.role,
            status: user.status,
            created_at: user.created_at,
        }
    }
}

/// What the list is narrowed to, and how it is shown.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct UsersQuery {
    q: String,
    status: String,
    role: String,
    sort: String,
    cursor: String,
    format: String,
}

fn address(filter: &UserFilter, sort: &Sort<UserColumn>) -> Address {
    let quoted = filter.text.as_ref().map(|text| format!("“{text}”")).unwrap_or_default();
    Address::new("/admin/users")
        .with("q", filter.text.as_ref(), quoted)
        .with("status", filter.status, filter.status.map(user_status_word).unwrap_or_default())
        .with("role", filter.role, filter.role.map(role_word).unwrap_or_default())
        .sorted(sort, &USUAL)
}

/// `GET /admin/users`
///
/// # Errors
/// [`crate::error::Error::InvalidCursor`] and those of the database.
pub async fn list(_: Admin, query: QueryOf<UsersQuery>, chrome: Chrome, db: Data<Db>) -> Result<HttpResponse> {
    let query = query.0;
    let filter = UserFilter {
        text: list::search(&query.q),
        status: list::chosen(&query.status),
        role: list::chosen(&query.role),
    };
    let sort = list::chosen(&query.sort).unwrap_or(USUAL);
    if query.format == "csv" {
        return csv::file("users", NAMES, move |request| {
            let (db, filter) = (db.clone(), filter.clone());
            async move { Ok(db.run(move |conn| search::page(conn, &filter, sort, &request)).await?.map(FileLine::from)) }
        })
        .await;
    }
    let (request, address) = (list::request(&query.cursor)?, address(&filter, &sort));
    let status = filter.status.map(UserStatus::as_str).unwrap_or_default();
    let role = filter.role.map(Role::as_str).unwrap_or_default();
    let statuses = UserStatus::ALL.iter().map(|&status| (status, user_status_word(status).to_owned()));
    let roles = Role::ALL.iter().map(|&role| (role, role_word(role).to_owned()));
    let (statuses, roles) = (list::choices("All", statuses, status), list::choices("All", roles, role));
    let q = filter.text.clone().unwrap_or_default();
    let page = db.run(move |conn| search::page(conn, &filter, sort, &request)).await?;
    view::page(&UsersPage {
        chrome,
        q,
        statuses,
        roles,
        sort: address.sort(),
        chips: address.chips(),
        headers: address.headers(sort, USUAL, &COLUMNS),
        file_href: address.file_href(),
        pager: address.pager(&query.cursor, page.next_cursor.as_deref()),
        users: page.items.into_iter().map(UserRow::from).collect(),
    })
}
