//! The JSON API: handlers and their DTOs, one file per noun.

pub mod accounts;
pub mod amount;
pub mod api_keys;
pub mod assets;
pub mod batches;
pub mod campaigns;
pub mod claims;
pub mod history;
mod keyed;
pub mod movements;
pub mod openapi;
mod range;
pub mod sessions;
pub mod statement;
pub mod system;
pub mod transactions;
pub mod wallets;

use serde::Serialize;

use crate::repo::Page;

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
