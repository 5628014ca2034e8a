//! Who asks for what is posted. A posting reads the state of access itself, so its caller need not be
//! looked up before it: it is presumed by what is remembered. Where the answer is not the posting's, the
//! database is asked whether that holds; where it does not, the caller is looked up.

use std::cell::Cell;
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::{By, CurrentUser, Door, Extraction, authorization, signed_in};
use crate::domain::AccessState;
use crate::domain::posting::Command;
use crate::error::{Error, Result};
use crate::ledger::{Ledger, Outcome};
use crate::repo::doorkeeper::Doorkeeper;
use crate::web::extract;

/// A user by what is remembered, and the state of access in which that was so.
#[derive(Debug)]
pub struct Presumed {
    /// The user, as one would be who has just been looked up.
    pub current: CurrentUser,
    state: AccessState,
    /// Whether that is known to be the state no more.
    is_outdated: Cell<bool>,
}

impl Presumed {
    /// A user as one was in a state of access.
    pub(super) fn new(current: CurrentUser, state: AccessState) -> Self {
        Self { current, state, is_outdated: Cell::new(false) }
    }

    /// Whether nothing that could have changed it has happened since.
    ///
    /// # Errors
    /// Those of [`Doorkeeper::is_still`].
    pub(super) async fn holds(&self, req: &HttpRequest) -> Result<bool> {
        if !self.is_outdated.get() {
            self.is_outdated.set(!extract::data::<Doorkeeper>(req)?.is_still(self.state).await?);
        }
        Ok(!self.is_outdated.get())
    }
}

/// A signed-in user who asks for something to be posted.
#[derive(Debug)]
pub struct Requester {
    req: HttpRequest,
    presumed: Option<Rc<Presumed>>,
}

impl FromRequest for Requester {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let presumed = presumed(&req);
            if presumed.is_none() {
                signed_in(&req).await?;
            }
            Ok(Self { req, presumed })
        })
    }
}

impl Requester {
    /// The user, looked up.
    ///
    /// # Errors
    /// Those of [`signed_in`].
    pub async fn current(&self) -> Result<CurrentUser> {
        signed_in(&self.req).await
    }

    /// The user, as the audit log names who acted.
    pub fn by(&self, current: &CurrentUser) -> By {
        By::of(&self.req, current)
    }

    /// Submits what a user asks for; gives the outcome with that user and what else was made with the
    /// command. It may be made twice: why it cannot be made for a merely presumed user is not told.
    ///
    /// # Errors
    /// Those of making the command, of [`Requester::current`] and of [`Ledger::submit`].
    pub async fn submit<T>(
        &self,
        ledger: &Ledger,
        make: impl AsyncFn(&CurrentUser) -> Result<(Command, T)>,
    ) -> Result<(CurrentUser, T, Outcome)> {
        if let Some(presumed) = &self.presumed
            && let Ok((command, made)) = make(&presumed.current).await
        {
            let outcome = if !ledger.refuses_at_once(&command) {
                ledger.submit_if_still(presumed.state, command).await?
            } else if presumed.holds(&self.req).await? {
                Some(ledger.submit(command).await?)
            } else {
                None
            };
            if let Some(outcome) = outcome {
                return Ok((presumed.current.clone(), made, outcome));
            }
            presumed.is_outdated.set(true);
        }
        let current = self.current().await?;
        let (command, made) = make(&current).await?;
        let outcome = ledger.submit(command).await?;
        Ok((current, made, outcome))
    }
}

/// Who is asking at the API's door, as far as that is remembered; looked at once per request.
pub fn presumed(req: &HttpRequest) -> Option<Rc<Presumed>> {
    if Door::of(req.path()) != Door::Api {
        return None;
    }
    let kept = req.extensions().get::<Option<Rc<Presumed>>>().cloned();
    kept.unwrap_or_else(|| {
        let presumed = authorization::presumed(req).map(Rc::new);
        req.extensions_mut().insert(presumed.clone());
        presumed
    })
}

/// Who has been let in by what is remembered.
pub(super) fn let_in(req: &HttpRequest) -> Option<Rc<Presumed>> {
    req.extensions().get::<Option<Rc<Presumed>>>().cloned().flatten()
}

/// Whether somebody has been let in by what is remembered.
pub fn is_presumed(req: &HttpRequest) -> bool {
    let_in(req).is_some()
}
