//! Where one is signed in, and ending that from afar.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Data;

use super::session;
use crate::domain::{SessionId, SessionKind};
use crate::error::{Error, Result};
use crate::repo::Db;
use crate::repo::sessions::{self, SessionView};
use crate::web::auth::{self, CsrfForm, CurrentUser, Proof};
use crate::web::extract::{Now, PathOf};
use crate::web::pages::device;
use crate::web::pages::parts::counted;
use crate::web::pages::session::NoFields;
use crate::web::view::{self, Flash, Moment};

/// A session, as its user sees it.
pub(super) struct SessionRow {
    /// What ends it.
    pub(super) id: String,
    /// The program, in words.
    pub(super) device: String,
    /// The program, as it names itself.
    pub(super) user_agent: String,
    /// Which door it opens, in a word.
    pub(super) door: &'static str,
    /// Where the sign-in came from.
    pub(super) ip_address: String,
    /// When it was used last.
    pub(super) last_used_at: Moment,
    /// When it was opened.
    pub(super) created_at: Moment,
    /// Whether the page was asked for in it.
    pub(super) is_current: bool,
}

impl SessionRow {
    /// The row of a session, on a page that was asked for with a proof.
    pub(super) fn new(view: SessionView, proof: Proof) -> Self {
        Self {
            id: view.id.0.to_string(),
            device: device::words(&view.user_agent),
            user_agent: view.user_agent,
            door: match view.kind {
                SessionKind::Browser => "Browser",
                SessionKind::Api => "API",
            },
            ip_address: view.ip_address,
            last_used_at: view.last_used_at.into(),
            created_at: view.created_at.into(),
            is_current: proof == Proof::Session(view.id),
        }
    }
}

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
    let (user, own) = (current.user.id, session(current.proof));
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
