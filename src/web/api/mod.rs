//! The JSON API: handlers and their DTOs, one file per noun.

pub mod accounts;
pub mod amount;
pub mod api_keys;
pub mod asset_files;
pub mod asset_types;
pub mod assets;
pub mod audit_log;
pub mod batches;
pub mod campaigns;
pub mod claims;
pub mod history;
mod keyed;
pub mod ledger;
pub mod lives;
pub mod movements;
pub mod openapi;
pub mod ownership;
pub(in crate::web) mod range;
pub mod receipts;
pub mod sessions;
pub mod statement;
pub mod system;
pub mod transactions;
pub mod trial_balance;
pub mod users;
pub mod wallets;

use serde::{Deserialize, Serialize};

use crate::domain::Role;
use crate::repo::Page;
use crate::repo::assets::Viewer;
use crate::web::auth::CurrentUser;

/// As whom the caller looks.
fn viewer(current: &CurrentUser) -> Viewer {
    match current.user.role {
        Role::Admin => Viewer::Admin,
        Role::User => Viewer::User(current.user.id),
    }
}

/// Which page of a list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ListBody<T> {
    data: Vec<T>,
    /// What `cursor` takes for the next page; null on the last.
    #[schema(required = true, examples(json!(null)))]
    next_cursor: Option<String>,
}

impl<T> ListBody<T> {
    /// A page, each of its items as it looks outside.
    fn of<I>(page: Page<I>, body: impl Fn(I) -> T) -> Self {
        Self { data: page.items.into_iter().map(body).collect(), next_cursor: page.next_cursor }
    }
}
