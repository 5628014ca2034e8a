//! Where one is signed in, and ending that from afar.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ListBody, PageQuery};
use crate::domain::{SessionId, SessionKind};
use crate::error::Result;
use crate::repo::sessions::{self, SessionView};
use crate::repo::{Db, PageRequest};
use crate::web::auth::{Proof, SignedIn};
use crate::web::extract::{Now, PathOf, QueryOf};

/// A living session of the caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionBody {
    /// What ends it.
    id: SessionId,
    /// Whether it is a browser's or a script's.
    kind: SessionKind,
    /// The program, as it named itself (its `User-Agent`).
    #[schema(examples("curl/8.5.0"))]
    device: String,
    /// Where the sign-in came from.
    #[schema(examples("203.0.113.7"))]
    ip_address: String,
    /// When it was opened.
    created_at: DateTime<Utc>,
    /// When it was used last, a minute more or less.
    last_used_at: DateTime<Utc>,
    /// When it ends by itself.
    expires_at: DateTime<Utc>,
    /// Whether it is the one that this request was made in.
    current: bool,
}

impl SessionBody {
    fn new(session: SessionView, proof: Proof) -> Self {
        Self {
            current: proof == Proof::Session(session.id),
            id: session.id,
            kind: session.kind,
            device: session.user_agent,
            ip_address: session.ip_address,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
        }
    }
}

/// Lists where the caller is signed in
///
/// An API key cannot do this.
///
/// # Errors
/// `forbidden` for an API key.
#[utoipa::path(
    get,
    path = "/api/v1/me/sessions",
    params(PageQuery),
    responses((status = 200, description = "A page of sessions.", body = ListBody<SessionBody>))
)]
pub async fn list(caller: SignedIn, query: QueryOf<PageQuery>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let request = PageRequest::new(query.0.limit, query.0.cursor.as_deref())?;
    let (user, proof) = (caller.0.user.id, caller.0.proof);
    let page = db.run(move |conn| sessions::page(conn, user, &request, now.0)).await?;
    Ok(HttpResponse::Ok().json(ListBody::of(page, |session| SessionBody::new(session, proof))))
}

/// Ends a session of the caller
///
/// Its tokens or its cookie open nothing from now on. An API key cannot do this.
///
/// # Errors
/// `not_found` where the caller has no such living session; `forbidden` for an API key.
#[utoipa::path(
    delete,
    path = "/api/v1/me/sessions/{id}",
    params(("id" = SessionId, Path)),
    responses((status = 204, description = "The session has ended."))
)]
pub async fn end(caller: SignedIn, id: PathOf<SessionId>, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let user = caller.0.user.id;
    db.run(move |conn| sessions::end_own(conn, user, id.0, now.0)).await?;
    Ok(HttpResponse::NoContent().finish())
}
