//! The statement of one's own wallet, as a file.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Deserialize;

use crate::domain::AssetTypeCode;
use crate::error::{Error, Result};
use crate::repo::assets::Viewer;
use crate::repo::{Db, wallets};
use crate::web::Site;
use crate::web::api::range;
use crate::web::api::statement::Format;
use crate::web::auth::CurrentUser;
use crate::web::extract::{PathOf, QueryOf};
use crate::web::statements::{self, Press};

/// Which rows the file has, and what it looks like.
#[derive(Debug, Deserialize)]
pub struct StatementQuery {
    /// The first instant, or the first day in UTC; empty for the beginning.
    #[serde(default)]
    start_date: String,
    /// The last instant, or the last day in UTC; empty for now.
    #[serde(default)]
    end_date: String,
    #[serde(default)]
    format: Format,
}

/// `GET /wallet/{code}/statement`
///
/// # Errors
/// [`Error::NotFound`] where the user has no such wallet, [`Error::Invalid`] where an end of the
/// period cannot be read, and those of [`statements::pdf`].
pub async fn show(
    current: CurrentUser,
    code: PathOf<String>,
    query: QueryOf<StatementQuery>,
    db: Data<Db>,
    press: Data<Press>,
    site: Data<Site>,
) -> Result<HttpResponse> {
    let (user, query) = (current.user.id, query.0);
    let code = AssetTypeCode::parse(&code.0).map_err(|_| Error::NotFound)?;
    let date = |text: String| Some(text).filter(|text| !text.is_empty());
    let (start, end) = (date(query.start_date), date(query.end_date));
    let period = range::dates(start.as_deref(), end.as_deref())?;
    let wallet = db.run(move |conn| wallets::of_user(conn, user, &code)).await?;
    match query.format {
        Format::Csv => statements::csv(&db, &wallet, period).await,
        Format::Pdf => statements::pdf(&db, &press, &site, Viewer::User(user), wallet.id, period).await,
    }
}
