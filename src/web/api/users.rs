//! Users as admins see them: finding them, and what they may do.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ListBody;
use super::accounts::UserBody;
use crate::domain::{Reason, Role, UserStatus};
use crate::error::{Error, FieldError, Result};
use crate::repo::users::rights::{self, Change};
use crate::repo::users::search::{self, UserColumn, UserFilter};
use crate::repo::{Db, PageRequest, Sort, users};
use crate::web::auth::{Admin, By};
use crate::web::extract::{JsonBody, Now, PathOf, QueryOf};

/// What a list of users can be narrowed to.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsersQuery {
    /// Only those with this text in their id, username, e-mail address or phone number, in any case.
    /// A whole e-mail address or phone number finds its owner alone.
    q: Option<String>,
    /// Only those in this state.
    status: Option<UserStatus>,
    /// Only those with this role.
    role: Option<Role>,
    /// How many rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists users
///
/// All of them, or those that a search finds, newest first.
///
/// # Errors
/// None of its own.
#[utoipa::path(
    get,
    path = "/api/v1/admin/users",
    params(UsersQuery),
    responses((status = 200, description = "A page of users.", body = ListBody<UserBody>))
)]
pub async fn list(_: Admin, query: QueryOf<UsersQuery>, db: Data<Db>) -> Result<HttpResponse> {
    let query = query.0;
    let request = PageRequest::new(query.limit, query.cursor.as_deref())?;
    let text = query.q.filter(|text| !text.trim().is_empty());
    let filter = UserFilter { text, status: query.status, role: query.role };
    let newest_first = Sort::descending(UserColumn::Joined);
    let page = db.run(move |conn| search::page(conn, &filter, newest_first, &request)).await?;
    Ok(HttpResponse::Ok().json(ListBody::of(page, UserBody::from)))
}

/// What is to be different about a user, and why.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"status": "frozen", "reason": "Asked us to, after losing the phone."})))]
pub struct ChangeBody {
    /// Whether the user may move value; without it, as it is. One of status and role is needed.
    #[schema(value_type = Option<UserStatus>)]
    status: Option<String>,
    /// What the user may do; without it, as it is.
    #[schema(value_type = Option<Role>)]
    role: Option<String>,
    /// Why; kept in the audit log.
    #[serde(default)]
    #[schema(required = true, min_length = 1, max_length = 500)]
    reason: String,
}

impl ChangeBody {
    fn parse(self) -> Result<(Change, Reason)> {
        let mut errors = Vec::new();
        let mut word = |field: &'static str, words: String| errors.push(FieldError::new(field, words));
        let status =
            self.status.map(|text| text.parse().map_err(|words| word("status", format!("The status {words}."))));
        let role = self.role.map(|text| text.parse().map_err(|words| word("role", format!("The role {words}."))));
        if status.is_none() && role.is_none() {
            word("status", "Say what is to be different: the status, the role or both.".to_owned());
        }
        let reason = Reason::parse(&self.reason).map_err(|error| errors.push(error));
        match reason {
            Ok(reason) if errors.is_empty() => Ok((
                Change {
                    status: status.and_then(std::result::Result::ok),
                    role: role.and_then(std::result::Result::ok),
                },
                reason,
            )),
            _ => Err(Error::Invalid(errors)),
        }
    }
}

/// Changes what a user may do
///
/// Freezes or unfreezes a user, or makes one an admin or a user again. A frozen user may receive and
/// look, but not claim, spend or transfer, and a frozen admin has the role of a user. A user who
/// becomes an admin loses all API keys. What is so already stays, without a line in the audit log.
///
/// # Errors
/// `user_not_found`; `invalid` without a reason, or where nothing is to be different; `last_admin`
/// where no active admin would be left.
#[utoipa::path(
    patch,
    path = "/api/v1/admin/users/{user}",
    params(("user" = String, Path)),
    request_body = ChangeBody,
    responses((status = 200, description = "The user as it is now.", body = UserBody))
)]
pub async fn change(
    admin: Admin,
    by: By,
    user: PathOf<String>,
    now: Now,
    body: JsonBody<ChangeBody>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (change, reason) = body.0.parse()?;
    let changed = db
        .run(move |conn| {
            let user = users::meant_by(conn, admin.0.user, &user.0)?;
            rights::change(conn, &by.0, &user.external_id, change, &reason, now.0)
        })
        .await?;
    Ok(HttpResponse::Ok().json(UserBody::from(changed)))
}
