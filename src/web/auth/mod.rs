//! Who is asking. The API is opened by an `Authorization` header only, the pages by the cookie
//! only. Every request asks the database, once, whether the user's row and that of the session or API key
//! are as they were when they were read, unless that is left to a posting: see [`Requester`].

mod accounts;
mod api_keys;
mod authorization;
mod form;
pub mod keys;
mod requester;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use actix_session::{Session, SessionExt};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use tokio::sync::OnceCell;

pub use accounts::{Proven, Reception, Registration};
pub use api_keys::ApiKeyWish;
pub use form::{CsrfForm, CsrfUpload, csrf_token};
pub use keys::Keys;
pub use requester::{Requester, is_presumed, presumed};

use super::client::Client;
use super::extract::{self, Door};
use super::middleware::RequestId;
use crate::domain::posting::Origin;
use crate::domain::{Role, SessionId, SessionKind, User};
use crate::error::{Error, Result};
use crate::repo::audit::Actor;
use crate::repo::doorkeeper::Doorkeeper;

/// The cookie's name for the session's id.
const SESSION: &str = "session";

/// A signed-in user; without one the API answers 401 and a page leads to the sign-in.
#[derive(Debug, Clone)]
pub struct CurrentUser {
    /// The user, as the database has it now, or had it for a [`Requester`]; but an admin who is frozen has the role of a user here.
    pub user: User,
    /// How the user has proved to be this one.
    pub proof: Proof,
    /// The hash of the password, where it was by that.
    pub password_hash: Option<String>,
}

impl CurrentUser {
    /// Gives the user the role that counts here.
    fn act(&mut self) {
        self.user.role = self.user.acting_role();
    }
}

/// How a caller has proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By a session: a cookie of the pages, or an access token of the API.
    Session(SessionId),
    /// By login and password, sent along with the request.
    Password,
    /// By a personal API key. Without the scope `admin` its user has the role of a user here.
    ApiKey,
}

impl Proof {
    /// The session, where it was one.
    pub fn session(self) -> Option<SessionId> {
        match self {
            Self::Session(session) => Some(session),
            Self::Password | Self::ApiKey => None,
        }
    }
}

/// A user who is there in person, by session or password: whoever may change what opens the
/// account. An API key is told 403.
#[derive(Debug, Clone)]
pub struct SignedIn(pub CurrentUser);

/// The session by which a user is there; other proofs are told 403.
#[derive(Debug, Clone, Copy)]
pub struct InSession(pub SessionId);

/// A signed-in admin; others, and admins who are frozen, are told 403.
#[derive(Debug, Clone)]
pub struct Admin(pub CurrentUser);

/// A signed-in user or nobody, for pages that serve both.
#[derive(Debug, Clone)]
pub struct OptionalUser(pub Option<CurrentUser>);

/// What an extractor returns.
pub type Extraction<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

impl FromRequest for OptionalUser {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move { visitor(&req).await.map(Self) })
    }
}

impl FromRequest for CurrentUser {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move { signed_in(&req).await })
    }
}

impl FromRequest for SignedIn {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let current = signed_in(&req).await?;
            match current.proof {
                Proof::Session(_) | Proof::Password => Ok(Self(current)),
                Proof::ApiKey => Err(Error::Forbidden),
            }
        })
    }
}

impl FromRequest for InSession {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            match signed_in(&req).await?.proof {
                Proof::Session(session) => Ok(Self(session)),
                Proof::Password | Proof::ApiKey => Err(Error::Forbidden),
            }
        })
    }
}

impl FromRequest for Admin {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let current = signed_in(&req).await?;
            match current.user.role {
                Role::Admin => Ok(Self(current)),
                Role::User => Err(Error::Forbidden),
            }
        })
    }
}

/// The caller, as the audit log names who acted.
#[derive(Debug, Clone)]
pub struct By(pub Actor);

impl By {
    /// A caller, by one of its requests.
    fn of(req: &HttpRequest, current: &CurrentUser) -> Self {
        let (request_id, ip_address) = (RequestId::current(req), Client::of(req).ip_address);
        Self(Actor { user: Some(current.user.id), request_id, ip_address })
    }

    /// The request, as the ledger keeps it for the audit log.
    pub fn origin(&self) -> Origin {
        Origin { request_id: self.0.request_id.clone(), ip_address: self.0.ip_address.clone() }
    }
}

impl FromRequest for By {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let current = signed_in(&req).await?;
            Ok(Self::of(&req, &current))
        })
    }
}

/// The answer to who is asking, kept with the request: extractors run side by side.
type Answer = Rc<OnceCell<Option<CurrentUser>>>;

/// Who is asking; looked up once per request.
///
/// # Errors
/// Those of the database; at the API also those of a wrong password, of too many of them, and of a
/// key without the scope.
pub async fn visitor(req: &HttpRequest) -> Result<Option<CurrentUser>> {
    let answer: Answer = {
        let mut extensions = req.extensions_mut();
        let kept = extensions.get::<Answer>().cloned().unwrap_or_default();
        extensions.insert(Rc::clone(&kept));
        kept
    };
    // On the heap, since all who may have to ask hold this, and most find the answer.
    answer.get_or_try_init(|| Box::pin(look_up(req))).await.cloned()
}

/// Who is asking, signed in.
///
/// # Errors
/// [`Error::Unauthenticated`] where nobody is; those of [`visitor`].
pub async fn signed_in(req: &HttpRequest) -> Result<CurrentUser> {
    visitor(req).await?.ok_or(Error::Unauthenticated)
}

/// Who is asking, if that has been looked up already, or else by whom the request was let in.
pub fn known_visitor(req: &HttpRequest) -> Option<CurrentUser> {
    let answer = req.extensions().get::<Answer>().and_then(|answer| answer.get().cloned());
    answer.unwrap_or_else(|| requester::let_in(req).map(|presumed| presumed.current.clone()))
}

async fn look_up(req: &HttpRequest) -> Result<Option<CurrentUser>> {
    let mut visitor = match Door::of(req.path()) {
        Door::Api => match requester::let_in(req) {
            Some(presumed) if presumed.holds(req).await? => Some(presumed.current.clone()),
            _ => authorization::visitor(req).await?,
        },
        Door::Pages => by_cookie(req).await?,
    };
    visitor.iter_mut().for_each(CurrentUser::act);
    Ok(visitor)
}

async fn by_cookie(req: &HttpRequest) -> Result<Option<CurrentUser>> {
    let Some(session) = remembered(&req.get_session()) else { return Ok(None) };
    let doorkeeper = extract::data::<Doorkeeper>(req)?;
    let user = doorkeeper.by_session(session, SessionKind::Browser, extract::now(req)?).await?;
    Ok(user.map(|user| CurrentUser { user, proof: Proof::Session(session), password_hash: None }))
}

/// The session that the browser's cookie names, alive or not.
pub fn remembered(cookie: &Session) -> Option<SessionId> {
    cookie.get(SESSION).ok().flatten().map(SessionId)
}

/// Lets the browser's cookie name a session that has just been opened. Whatever the cookie held
/// before is gone, its CSRF token too.
///
/// # Errors
/// [`Error::Broken`] where the cookie cannot be written.
pub fn remember(cookie: &Session, session: SessionId) -> Result<()> {
    cookie.clear();
    cookie.renew();
    cookie.insert(SESSION, session.0).map_err(|error| Error::broken(error.to_string()))
}

/// Lets the browser's cookie name no session any more.
pub fn forget(cookie: &Session) {
    cookie.clear();
    cookie.renew();
}
