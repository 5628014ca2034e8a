//! The doorkeeper looks up who is asking, by session or by API key. Every request loads that row
//! and its user, so that a role change, a freeze, the end of a session or of a key bites at once;
//! those that come together are answered by one query, and one that comes alone waits for nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use tokio::sync::oneshot;

use super::Address;
use super::{api_keys, sessions};
use crate::domain::{ApiKeyId, Scopes, SecretHash, SessionId, SessionKind, User};
use crate::error::{Error, Result};

/// How many look-ups one query answers at most.
const MOST_AT_ONCE: usize = 256;

/// How many look-ups may wait: those of the next query, and three more.
const QUEUE: usize = 4 * MOST_AT_ONCE;

/// How long a request waits for its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A row that opens the door to whoever shows what it wants.
trait Pass: Clone {
    /// What names the row.
    type Id: Copy + Ord;
    /// What a visitor shows beside that.
    type Shown;

    fn id(&self) -> Self::Id;
    fn opens_for(&self, shown: &Self::Shown) -> bool;
    fn living(conn: &mut PgConnection, ids: &[Self::Id], now: DateTime<Utc>) -> Result<Vec<Self>>;
    fn note_use(conn: &mut PgConnection, used: &[Self], now: DateTime<Utc>) -> Result<()>;
}

impl Pass for sessions::Living {
    type Id = SessionId;
    type Shown = SessionKind;

    fn id(&self) -> SessionId {
        self.id
    }

    fn opens_for(&self, shown: &SessionKind) -> bool {
        self.kind == *shown
    }

    fn living(conn: &mut PgConnection, ids: &[SessionId], now: DateTime<Utc>) -> Result<Vec<Self>> {
        sessions::living(conn, ids, now)
    }

    fn note_use(conn: &mut PgConnection, used: &[Self], now: DateTime<Utc>) -> Result<()> {
        sessions::note_use(conn, used, now)
    }
}

impl Pass for api_keys::Living {
    type Id = ApiKeyId;
    type Shown = SecretHash;

    fn id(&self) -> ApiKeyId {
        self.id
    }

    fn opens_for(&self, shown: &SecretHash) -> bool {
        shown.is(&self.secret_hash)
    }

    fn living(conn: &mut PgConnection, ids: &[ApiKeyId], now: DateTime<Utc>) -> Result<Vec<Self>> {
        api_keys::living(conn, ids, now)
    }

    fn note_use(conn: &mut PgConnection, used: &[Self], now: DateTime<Utc>) -> Result<()> {
        api_keys::note_use(conn, used, now)
    }
}

/// Someone at the door, and where the answer is awaited.
struct Asking<P: Pass> {
    id: P::Id,
    shown: P::Shown,
    now: DateTime<Utc>,
    answer: oneshot::Sender<Result<Option<P>>>,
}

enum Visitor {
    WithSession(Asking<sessions::Living>),
    WithApiKey(Asking<api_keys::Living>),
}

impl Visitor {
    fn is_gone(&self) -> bool {
        match self {
            Self::WithSession(asking) => asking.answer.is_closed(),
            Self::WithApiKey(asking) => asking.answer.is_closed(),
        }
    }
}

/// The doorkeeper's thread, as handlers see it. It ends when this is dropped.
pub struct Doorkeeper {
    visitors: SyncSender<Visitor>,
}

impl Doorkeeper {
    /// Starts the thread. It connects when the first visitor comes.
    ///
    /// # Errors
    /// Where the system has no threads left.
    pub fn start(address: impl Into<Address>) -> std::io::Result<Self> {
        let (sender, visitors) = sync_channel(QUEUE);
        let mut keeper = Keeper { address: address.into(), conn: None };
        std::thread::Builder::new().name("doorkeeper".to_owned()).spawn(move || keeper.run(&visitors))?;
        Ok(Self { visitors: sender })
    }

    /// The user of a session of this kind, if it is alive; notes the use, at most once a minute.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at once where too many wait; [`Error::DatabaseUnavailable`] where the
    /// database does not answer.
    pub async fn by_session(&self, id: SessionId, kind: SessionKind, now: DateTime<Utc>) -> Result<Option<User>> {
        let found = self.ask(Visitor::WithSession, id, kind, now).await?;
        Ok(found.map(|living| living.user))
    }

    /// The user of an API key with this secret, if it is alive, and what the key may do; notes the
    /// use, at most once a minute.
    ///
    /// # Errors
    /// As [`Doorkeeper::by_session`].
    pub async fn by_api_key(
        &self,
        id: ApiKeyId,
        secret: SecretHash,
        now: DateTime<Utc>,
    ) -> Result<Option<(User, Scopes)>> {
        let found = self.ask(Visitor::WithApiKey, id, secret, now).await?;
        Ok(found.map(|living| (living.user, living.scopes)))
    }

    async fn ask<P: Pass>(
        &self,
        visitor: fn(Asking<P>) -> Visitor,
        id: P::Id,
        shown: P::Shown,
        now: DateTime<Utc>,
    ) -> Result<Option<P>> {
        let (answer, found) = oneshot::channel();
        self.visitors.try_send(visitor(Asking { id, shown, now, answer })).map_err(|_| Error::Overloaded)?;
        let found = tokio::time::timeout(PATIENCE, found).await.map_err(|_| Error::DatabaseUnavailable)?;
        found.unwrap_or_else(|_| Err(Error::broken("looking a visitor up panicked")))
    }
}

/// What the thread holds.
struct Keeper {
    address: Address,
    conn: Option<PgConnection>,
}

impl Keeper {
    fn run(&mut self, visitors: &Receiver<Visitor>) {
        while let Ok(first) = visitors.recv() {
            let all = std::iter::once(first).chain(visitors.try_iter());
            // After an outage, for many of them nobody waits any more.
            let (mut with_sessions, mut with_api_keys) = (Vec::new(), Vec::new());
            for visitor in all.filter(|visitor| !visitor.is_gone()).take(MOST_AT_ONCE) {
                match visitor {
                    Visitor::WithSession(asking) => with_sessions.push(asking),
                    Visitor::WithApiKey(asking) => with_api_keys.push(asking),
                }
            }
            let serving = AssertUnwindSafe(|| {
                let sessions = self.serve(with_sessions);
                let api_keys = self.serve(with_api_keys);
                // Behind the answers: nobody has to wait for it, nor be refused where it fails.
                self.note_use(sessions);
                self.note_use(api_keys);
            });
            if catch_unwind(serving).is_err() {
                tracing::error!("looking visitors up panicked");
                self.conn = None;
            }
        }
    }

    /// Answers all who show the same kind of thing; gives what was used, and when.
    fn serve<P: Pass>(&mut self, asking: Vec<Asking<P>>) -> Option<(Vec<P>, DateTime<Utc>)> {
        let now = asking.iter().map(|asking| asking.now).max()?;
        let ids: BTreeSet<P::Id> = asking.iter().map(|asking| asking.id).collect();
        let ids: Vec<P::Id> = ids.into_iter().collect();
        // A connection may have been lost since its last use, so a new one is asked once more.
        let living = match self.ask(|conn| P::living(conn, &ids, now)) {
            Err(_) => self.ask(|conn| P::living(conn, &ids, now)),
            found => found,
        };
        let Ok(living) = living else {
            for asking in asking {
                let _ = asking.answer.send(Err(Error::DatabaseUnavailable));
            }
            return None;
        };
        let by_id: BTreeMap<P::Id, &P> = living.iter().map(|living| (living.id(), living)).collect();
        let mut used = BTreeMap::new();
        for asking in asking {
            let found = by_id.get(&asking.id).copied().filter(|living| living.opens_for(&asking.shown)).cloned();
            if let Some(living) = &found {
                used.insert(asking.id, living.clone());
            }
            let _ = asking.answer.send(Ok(found));
        }
        Some((used.into_values().collect(), now))
    }

    fn note_use<P: Pass>(&mut self, used: Option<(Vec<P>, DateTime<Utc>)>) {
        if let Some((used, now)) = used {
            let _ = self.ask(|conn| P::note_use(conn, &used, now));
        }
    }

    /// Asks the database; a connection on which that fails is given up.
    fn ask<T>(&mut self, verb: impl FnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => connect(&self.address)?,
        };
        let result = verb(&mut conn);
        match &result {
            Ok(_) => self.conn = Some(conn),
            Err(error) => tracing::warn!(error = super::one_line(error), "looking visitors up failed"),
        }
        result
    }
}

/// When a session was used last is worth no wait for the disk.
fn connect(address: &Address) -> Result<PgConnection> {
    let conn = super::connect_for_keys(address).and_then(|mut conn| {
        conn.batch_execute("set synchronous_commit = off")
            .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    });
    conn.map_err(|error| {
        tracing::warn!(error = super::one_line(&error), "no connection to the database");
        Error::DatabaseUnavailable
    })
}
