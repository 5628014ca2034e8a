//! The doorkeeper looks up who is asking. Every request loads session and user, so that a role
//! change, a freeze or the end of a session bites at once; those that come together are answered by
//! one query, and one that comes alone waits for nobody.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use tokio::sync::oneshot;

use super::sessions::{self, Living, SessionKind};
use crate::domain::{SessionId, User};
use crate::error::{Error, Result};

/// How many look-ups one query answers at most.
const MOST_AT_ONCE: usize = 256;

/// How many look-ups may wait: those of the next query, and three more.
const QUEUE: usize = 4 * MOST_AT_ONCE;

/// How long a request waits for its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Someone at the door, and where the answer is awaited.
struct Visitor {
    session: SessionId,
    kind: SessionKind,
    now: DateTime<Utc>,
    answer: oneshot::Sender<Result<Option<User>>>,
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
    pub fn start(conninfo: &str) -> std::io::Result<Self> {
        let (sender, visitors) = sync_channel(QUEUE);
        let mut keeper = Keeper { conninfo: conninfo.to_owned(), conn: None };
        std::thread::Builder::new().name("doorkeeper".to_owned()).spawn(move || keeper.run(&visitors))?;
        Ok(Self { visitors: sender })
    }

    /// The user of a session of this kind, if it is alive; notes the use, at most once a minute.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at once where too many wait; [`Error::DatabaseUnavailable`] where the
    /// database does not answer.
    pub async fn find(&self, session: SessionId, kind: SessionKind, now: DateTime<Utc>) -> Result<Option<User>> {
        let (answer, user) = oneshot::channel();
        self.visitors.try_send(Visitor { session, kind, now, answer }).map_err(|_| Error::Overloaded)?;
        let user = tokio::time::timeout(PATIENCE, user).await.map_err(|_| Error::DatabaseUnavailable)?;
        user.unwrap_or_else(|_| Err(Error::broken("looking a session up panicked")))
    }
}

/// What the thread holds.
struct Keeper {
    conninfo: String,
    conn: Option<PgConnection>,
}

impl Keeper {
    fn run(&mut self, visitors: &Receiver<Visitor>) {
        while let Ok(first) = visitors.recv() {
            let all = std::iter::once(first).chain(visitors.try_iter());
            // After an outage, for many of them nobody waits any more.
            let waiting = all.filter(|visitor| !visitor.answer.is_closed()).take(MOST_AT_ONCE).collect();
            if catch_unwind(AssertUnwindSafe(|| self.serve(waiting))).is_err() {
                tracing::error!("looking sessions up panicked");
                self.conn = None;
            }
        }
    }

    fn serve(&mut self, waiting: Vec<Visitor>) {
        let Some(now) = waiting.iter().map(|visitor| visitor.now).max() else { return };
        let ids: BTreeSet<SessionId> = waiting.iter().map(|visitor| visitor.session).collect();
        let ids: Vec<SessionId> = ids.into_iter().collect();
        // A connection may have been lost since its last use, so a new one is asked once more.
        let living = match self.ask(|conn| sessions::living(conn, &ids, now)) {
            Err(_) => self.ask(|conn| sessions::living(conn, &ids, now)),
            found => found,
        };
        match living {
            Ok(living) => {
                answer(waiting, &living);
                // Behind the answers: nobody has to wait for it, nor be refused where it fails.
                let _ = self.ask(|conn| sessions::note_use(conn, &living, now));
            }
            Err(_) => {
                for visitor in waiting {
                    let _ = visitor.answer.send(Err(Error::DatabaseUnavailable));
                }
            }
        }
    }

    /// Asks the database; a connection on which that fails is given up.
    fn ask<T>(&mut self, verb: impl FnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => connect(&self.conninfo)?,
        };
        let result = verb(&mut conn);
        match &result {
            Ok(_) => self.conn = Some(conn),
            Err(error) => tracing::warn!(error = super::one_line(error), "looking sessions up failed"),
        }
        result
    }
}

/// When a session was used last is worth no wait for the disk.
fn connect(conninfo: &str) -> Result<PgConnection> {
    let conn = super::connect_for_keys(conninfo).and_then(|mut conn| {
        conn.batch_execute("set synchronous_commit = off")
            .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    });
    conn.map_err(|error| {
        tracing::warn!(error = super::one_line(&error), "no connection to the database");
        Error::DatabaseUnavailable
    })
}

fn answer(waiting: Vec<Visitor>, living: &[Living]) {
    let by_id: HashMap<SessionId, &Living> = living.iter().map(|living| (living.id, living)).collect();
    for visitor in waiting {
        let found = by_id.get(&visitor.session).filter(|living| living.kind == visitor.kind.as_str());
        let _ = visitor.answer.send(Ok(found.map(|living| living.user.clone())));
    }
}
