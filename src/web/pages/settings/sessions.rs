//! Where one is signed in, and ending that from afar.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::domain::SessionId;
use crate::error::{Error, Result};
use crate::repo::Db;
use crate::repo::sessions;
use crate::web::auth::{self, CsrfForm, CurrentUser, Proof};
use crate::web::extract::{Now, PathOf};
use crate::web::pages::parts::counted;
use crate::web::pages::session::NoFields;
use crate::web::view::{self, Flash};

/// `POST /settings/sessions/{id}/end`
///
/// # Errors
/// Those of the database. A session that has ended already is no trouble.
pub async fn end(
    current: CurrentUser,
    id: PathOf<SessionId>,
    _: CsrfForm<NoFields>,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (user, id) = (current.user.id, id.0);
    match db.run(move |conn| sessions::end_own(conn, user, id, now.0)).await {
        Ok(()) if current.proof == Proof::Session(id) => Ok(signed_out(&cookie, "You are signed out.")?),
        Ok(()) => {
            Flash::good("That session has ended.").leave(&cookie)?;
            Ok(view::see_other("/settings"))
        }
        Err(Error::NotFound) => {
            Flash::warn("That session had ended already.").leave(&cookie)?;
            Ok(view::see_other("/settings"))
        }
        Err(error) => Err(error),
    }
}

/// `POST /settings/sessions/end-others`
///
/// # Errors
/// Those of the database.
pub async fn end_others(
    current: CurrentUser,
    _: CsrfForm<NoFields>,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let (user, own) = (current.user.id, current.proof.session());
    let ended = db.run(move |conn| sessions::end_all(conn, user, own, now.0)).await?;
    let flash = match i64::try_from(ended).unwrap_or(i64::MAX) {
        0 => Flash::warn("You were not signed in anywhere else."),
        ended => {
            Flash::good(format!("You are signed out everywhere else: {} ended.", counted(ended, "session", "sessions")))
        }
    };
    flash.leave(&cookie)?;
    Ok(view::see_other("/settings"))
}

/// `POST /settings/sessions/end-all`
///
/// # Errors
/// Those of the database.
pub async fn end_all(
    current: CurrentUser,
    _: CsrfForm<NoFields>,
    cookie: Session,
    now: Now,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let user = current.user.id;
    db.run(move |conn| sessions::end_all(conn, user, None, now.0)).await?;
    signed_out(&cookie, "You are signed out everywhere, here too.")
}

fn signed_out(cookie: &Session, words: &str) -> Result<HttpResponse> {
    auth::forget(cookie);
    Flash::good(words).leave(cookie)?;
    Ok(view::see_other("/login"))
}
