//! What a user has claimed.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;
use serde::Deserialize;

use super::list::{self, Address, Pager};
use super::parts::kind_word;
use crate::error::Result;
use crate::repo::Db;
use crate::repo::assets::{self, AssetView};
use crate::web::auth::CurrentUser;
use crate::web::extract::{Now, QueryOf};
use crate::web::view::{self, Chrome, Moment, grouped};

#[derive(Template)]
#[template(path = "wallet/claims.html")]
struct ClaimsPage {
    chrome: Chrome,
    claims: Vec<ClaimRow>,
    pager: Pager,
}

struct ClaimRow {
    title: String,
    kind: &'static str,
    amount: String,
    asset_type: String,
    claimed_at: Moment,
    transaction_id: String,
}

impl ClaimRow {
    fn new(view: AssetView) -> Option<Self> {
        let AssetView { asset, scale, claim } = view;
        claim.map(|claim| Self {
            title: asset.title,
            kind: kind_word(asset.kind),
            amount: grouped(&asset.amount.at_scale(scale.0)),
            asset_type: asset.asset_type.to_string(),
            claimed_at: claim.claimed_at.into(),
            transaction_id: claim.transaction.to_string(),
        })
    }
}

/// Which page of the claims.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct ClaimsQuery {
    cursor: String,
}

/// `GET /claims`
///
/// # Errors
/// [`crate::error::Error::InvalidCursor`] and those of the database.
pub async fn list(
    current: CurrentUser,
    query: QueryOf<ClaimsQuery>,
    chrome: Chrome,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (user, cursor) = (current.user.id, query.0.cursor);
    let request = list::request(&cursor)?;
    let page = db.run(move |conn| assets::claimed_by(conn, user, &request, now.0)).await?;
    view::page(&ClaimsPage {
        chrome,
        pager: Address::new("/claims").pager(&cursor, page.next_cursor.as_deref()),
        claims: page.items.into_iter().filter_map(ClaimRow::new).collect(),
    })
}
