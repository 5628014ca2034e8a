//! The doorkeeper looks up who is asking, by session or by API key. It remembers those rows and their
//! users for as long as the database has the same state of access, whose number is read for every
//! request, so that a role change, a freeze, the end of a session or of a key bites at once. Those that
//! come together are answered by one look, and one after another alone waits for nobody. Who asks for what
//! is posted can be presumed by what is remembered, since the posting reads that number itself; where
//! nothing is posted after all, it is enough to ask whether it still is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use tokio::sync::oneshot;

use super::Address;
use super::statement::statement;
use super::{api_keys, sessions};
use crate::crowd::Crowd;
use crate::domain::{AccessState, ApiKeyId, Scopes, SecretHash, SessionId, SessionKind, User};
use crate::error::{Error, Result};
use crate::memory::Memory;

/// How many look-ups one query answers at most.
const MOST_AT_ONCE: usize = 256;

/// How many look-ups may wait: those of the next query, and three more.
const QUEUE: usize = 4 * MOST_AT_ONCE;

/// How far apart looks are while visitors come in crowds, unless most of those inside wait for one: each
/// look costs the same for one as for many.
const PACE: Duration = Duration::from_millis(1);

/// How far apart they are per visitor of the last look, where that is more.
const PACE_EACH: Duration = Duration::from_micros(100);

/// How far apart they are at most.
const LONGEST_PACE: Duration = Duration::from_millis(4);

/// How often it is seen meanwhile how many are about who could still come to the door.
const GLANCE: Duration = Duration::from_micros(150);

/// How many rows of each kind are remembered.
const MOST_KNOWN: usize = 1 << 14;

/// How long a request waits for its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A row that opens the door to whoever shows what it wants.
trait Pass: Sized {
    /// What names the row.
    type Id: Copy + Ord + Hash;
    /// What a visitor shows beside that.
    type Shown;

    fn id(&self) -> Self::Id;
    fn opens_for(&self, shown: &Self::Shown) -> bool;
    fn has_expired(&self, now: DateTime<Utc>) -> bool;
    fn is_use_due(&self, now: DateTime<Utc>) -> bool;
    fn known(known: &Known) -> &Memory<Self::Id, Arc<Self>>;
    fn living(conn: &mut PgConnection, ids: &[Self::Id], now: DateTime<Utc>) -> Result<Vec<Self>>;
    fn note_use(conn: &mut PgConnection, used: &[Arc<Self>], now: DateTime<Utc>) -> Result<Vec<Self::Id>>;
}

/// The rows that are known as they stand in one state of access.
struct Known {
    state: AccessState,
    sessions: Memory<SessionId, Arc<sessions::Living>>,
    api_keys: Memory<ApiKeyId, Arc<api_keys::Living>>,
}

impl Known {
    /// Nothing is known yet.
    fn of(state: AccessState) -> Self {
        Self { state, sessions: Memory::of_at_most(MOST_KNOWN), api_keys: Memory::of_at_most(MOST_KNOWN) }
    }
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

    fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at <= now
    }

    fn is_use_due(&self, now: DateTime<Utc>) -> bool {
        self.is_use_due(now)
    }

    fn known(known: &Known) -> &Memory<SessionId, Arc<Self>> {
        &known.sessions
    }

    fn living(conn: &mut PgConnection, ids: &[SessionId], now: DateTime<Utc>) -> Result<Vec<Self>> {
        sessions::living(conn, ids, now)
    }

    fn note_use(conn: &mut PgConnection, used: &[Arc<Self>], now: DateTime<Utc>) -> Result<Vec<SessionId>> {
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

    fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    fn is_use_due(&self, now: DateTime<Utc>) -> bool {
        self.is_use_due(now)
    }

    fn known(known: &Known) -> &Memory<ApiKeyId, Arc<Self>> {
        &known.api_keys
    }

    fn living(conn: &mut PgConnection, ids: &[ApiKeyId], now: DateTime<Utc>) -> Result<Vec<Self>> {
        api_keys::living(conn, ids, now)
    }

    fn note_use(conn: &mut PgConnection, used: &[Arc<Self>], now: DateTime<Utc>) -> Result<Vec<ApiKeyId>> {
        api_keys::note_use(conn, used, now)
    }
}

/// Someone at the door, and where the answer is awaited.
struct Asking<P: Pass> {
    id: P::Id,
    shown: P::Shown,
    now: DateTime<Utc>,
    answer: oneshot::Sender<Result<Option<Arc<P>>>>,
}

/// Where the state of access is awaited.
type Reading = oneshot::Sender<Result<AccessState>>;

enum Visitor {
    WithSession(Asking<sessions::Living>),
    WithApiKey(Asking<api_keys::Living>),
    /// Whoever has been presumed, and asks whether that holds.
    Presumed(Reading),
}

impl Visitor {
    fn is_gone(&self) -> bool {
        match self {
            Self::WithSession(asking) => asking.answer.is_closed(),
            Self::WithApiKey(asking) => asking.answer.is_closed(),
            Self::Presumed(reading) => reading.is_closed(),
        }
    }
}

/// Those at the door, by what they show.
#[derive(Default)]
struct Visitors {
    with_sessions: Vec<Asking<sessions::Living>>,
    with_api_keys: Vec<Asking<api_keys::Living>>,
    presumed: Vec<Reading>,
}

impl Visitors {
    fn of(visitors: Vec<Visitor>) -> Self {
        let mut all = Self::default();
        for visitor in visitors {
            match visitor {
                Visitor::WithSession(asking) => all.with_sessions.push(asking),
                Visitor::WithApiKey(asking) => all.with_api_keys.push(asking),
                Visitor::Presumed(reading) => all.presumed.push(reading),
            }
        }
        all
    }
}

/// The doorkeeper's thread, as handlers see it. It ends when this is dropped.
pub struct Doorkeeper {
    visitors: SyncSender<Visitor>,
    known: Arc<RwLock<Arc<Known>>>,
    crowd: Crowd,
}

impl Doorkeeper {
    /// Starts the thread. It connects when the first visitor comes.
    ///
    /// # Errors
    /// Where the system has no threads left.
    pub fn start(address: impl Into<Address>) -> std::io::Result<Self> {
        let (sender, visitors) = sync_channel(QUEUE);
        let known = Arc::new(RwLock::new(Arc::new(Known::of(AccessState(0)))));
        let crowd = Crowd::default();
        let mut keeper =
            Keeper { address: address.into(), seat: None, shown: Arc::clone(&known), crowd: crowd.clone() };
        std::thread::Builder::new().name("doorkeeper".to_owned()).spawn(move || keeper.run(&visitors))?;
        Ok(Self { visitors: sender, known, crowd })
    }

    /// Those who may come to the door.
    pub fn crowd(&self) -> Crowd {
        self.crowd.clone()
    }

    /// The user of a session of this kind, if it is alive; notes the use, at most once a minute.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at once where too many wait; [`Error::DatabaseUnavailable`] where the
    /// database does not answer.
    pub async fn by_session(&self, id: SessionId, kind: SessionKind, now: DateTime<Utc>) -> Result<Option<User>> {
        let found = self.ask(Visitor::WithSession, id, kind, now).await?;
        Ok(found.map(|living| living.user.clone()))
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
        Ok(found.map(|living| (living.user.clone(), living.scopes)))
    }

    /// The user of a session as it is remembered, and the state of access in which that was so; none where
    /// it has to be looked up.
    pub fn presumed_by_session(
        &self,
        id: SessionId,
        kind: SessionKind,
        now: DateTime<Utc>,
    ) -> Option<(User, AccessState)> {
        let (living, state) = self.remembered::<sessions::Living>(id, &kind, now)?;
        Some((living.user.clone(), state))
    }

    /// As [`Doorkeeper::presumed_by_session`], by an API key.
    pub fn presumed_by_api_key(
        &self,
        id: ApiKeyId,
        secret: &SecretHash,
        now: DateTime<Utc>,
    ) -> Option<(User, Scopes, AccessState)> {
        let (living, state) = self.remembered::<api_keys::Living>(id, secret, now)?;
        Some((living.user.clone(), living.scopes, state))
    }

    fn remembered<P: Pass>(&self, id: P::Id, shown: &P::Shown, now: DateTime<Utc>) -> Option<(Arc<P>, AccessState)> {
        let known = Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner));
        let living = P::known(&known).get(&id)?;
        let is_good = living.opens_for(shown) && !living.has_expired(now) && !living.is_use_due(now);
        is_good.then_some((living, known.state))
    }

    async fn ask<P: Pass>(
        &self,
        visitor: fn(Asking<P>) -> Visitor,
        id: P::Id,
        shown: P::Shown,
        now: DateTime<Utc>,
    ) -> Result<Option<Arc<P>>> {
        let (answer, found) = oneshot::channel();
        self.wait_for(visitor(Asking { id, shown, now, answer }), found).await
    }

    /// Whether the state of access is still this one.
    ///
    /// # Errors
    /// As [`Doorkeeper::by_session`].
    pub async fn is_still(&self, state: AccessState) -> Result<bool> {
        let (answer, found) = oneshot::channel();
        self.wait_for(Visitor::Presumed(answer), found).await.map(|now| now == state)
    }

    async fn wait_for<T>(&self, visitor: Visitor, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
        self.visitors.try_send(visitor).map_err(|_| Error::Overloaded)?;
        let answer = tokio::time::timeout(PATIENCE, answer).await.map_err(|_| Error::DatabaseUnavailable)?;
        answer.unwrap_or_else(|_| Err(Error::broken("looking a visitor up panicked")))
    }
}

/// What the thread holds.
struct Keeper {
    address: Address,
    seat: Option<Seat>,
    /// What the handlers see of what is known.
    shown: Arc<RwLock<Arc<Known>>>,
    crowd: Crowd,
}

/// A connection, and what is known through it.
struct Seat {
    conn: PgConnection,
    known: Arc<Known>,
}

impl Keeper {
    fn run(&mut self, visitors: &Receiver<Visitor>) {
        let mut next_look = Instant::now();
        while let Ok(first) = visitors.recv() {
            let waiting = gather(first, visitors, &self.crowd, next_look);
            if waiting.is_empty() {
                continue;
            }
            next_look = Instant::now() + pace(waiting.len());
            if catch_unwind(AssertUnwindSafe(|| self.serve(Visitors::of(waiting)))).is_err() {
                tracing::error!("looking visitors up panicked");
                self.seat = None;
            }
        }
    }

    /// Answers all who are at the door, by one look.
    fn serve(&mut self, visitors: Visitors) {
        // A connection may have been lost since its last use, so a new one is asked once more.
        let state = self.ask(Seat::look).or_else(|_| self.ask(Seat::look)).ok();
        for reading in visitors.presumed {
            let _ = reading.send(state.ok_or(Error::DatabaseUnavailable));
        }
        self.answer(visitors.with_sessions, state.is_some());
        self.answer(visitors.with_api_keys, state.is_some());
    }

    /// Answers all who show the same kind of thing, and notes what they used.
    fn answer<P: Pass>(&mut self, asking: Vec<Asking<P>>, has_looked: bool) {
        let Some(now) = asking.iter().map(|asking| asking.now).max() else { return };
        let ids: BTreeSet<P::Id> = asking.iter().map(|asking| asking.id).collect();
        let mut read = || self.ask(|seat| seat.living::<P>(&ids, now));
        let living = has_looked.then(|| read().or_else(|_| read()).ok()).flatten();
        let Some(living) = living else {
            for asking in asking {
                let _ = asking.answer.send(Err(Error::DatabaseUnavailable));
            }
            return;
        };
        let mut used: BTreeMap<P::Id, Arc<P>> = BTreeMap::new();
        for asking in asking {
            let found = living.get(&asking.id).filter(|living| living.opens_for(&asking.shown)).cloned();
            if let Some(living) = &found {
                used.insert(asking.id, Arc::clone(living));
            }
            let _ = asking.answer.send(Ok(found));
        }
        // Behind the answers, and on the connection that gave them: nobody is refused where it fails.
        let used: Vec<Arc<P>> = used.into_values().collect();
        let _ = self.ask(|seat| seat.note_use(&used, now));
    }

    /// Asks the database; a connection on which that fails is given up.
    fn ask<T>(&mut self, verb: impl FnOnce(&mut Seat) -> Result<T>) -> Result<T> {
        let mut seat = match self.seat.take() {
            Some(seat) => seat,
            None => Seat::take(&self.address)?,
        };
        let result = verb(&mut seat);
        match &result {
            Ok(_) => {
                let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
                shown.clone_from(&seat.known);
                self.seat = Some(seat);
            }
            Err(error) => tracing::warn!(error = super::one_line(error), "looking visitors up failed"),
        }
        result
    }
}

impl Seat {
    fn take(address: &Address) -> Result<Self> {
        let mut conn = connect(address)?;
        let known = Arc::new(Known::of(access_state(&mut conn)?));
        Ok(Self { conn, known })
    }

    /// Reads the state of access. What is known of another one is forgotten.
    fn look(&mut self) -> Result<AccessState> {
        let state = access_state(&mut self.conn)?;
        if state != self.known.state {
            self.known = Arc::new(Known::of(state));
        }
        Ok(state)
    }

    /// Those of the rows that are alive. What is not known is read behind a look, so that a change in
    /// between shows at the next one.
    fn living<P: Pass>(&mut self, ids: &BTreeSet<P::Id>, now: DateTime<Utc>) -> Result<BTreeMap<P::Id, Arc<P>>> {
        let known = P::known(&self.known);
        let (mut living, mut unknown) = (BTreeMap::new(), Vec::new());
        for id in ids {
            match known.get(id).filter(|known| !known.has_expired(now)) {
                Some(known) => drop(living.insert(*id, known)),
                None => unknown.push(*id),
            }
        }
        if !unknown.is_empty() {
            for read in P::living(&mut self.conn, &unknown, now)? {
                let read = Arc::new(read);
                known.insert(read.id(), Arc::clone(&read));
                living.insert(read.id(), read);
            }
        }
        Ok(living)
    }

    /// Notes what was used. Whose turn it was is read anew when it comes next, since it may have been noted
    /// by another instance, or not at all.
    fn note_use<P: Pass>(&mut self, used: &[Arc<P>], now: DateTime<Utc>) -> Result<()> {
        for due in P::note_use(&mut self.conn, used, now)? {
            P::known(&self.known).forget(&due);
        }
        Ok(())
    }
}

/// All who are to be answered by the next look: those who come before its time, or before half of all who
/// are inside wait for it, so that the other half keeps the processors busy meanwhile. After an outage, for
/// many of them nobody waits any more.
fn gather(first: Visitor, visitors: &Receiver<Visitor>, crowd: &Crowd, next_look: Instant) -> Vec<Visitor> {
    let mut waiting = Vec::from([first]);
    waiting.retain(|visitor| !visitor.is_gone());
    loop {
        let newcomers = visitors.try_iter().filter(|visitor| !visitor.is_gone());
        waiting.extend(newcomers.take(MOST_AT_ONCE - waiting.len()));
        let left = next_look.saturating_duration_since(Instant::now());
        if left.is_zero() || waiting.len() == MOST_AT_ONCE || crowd.size() <= 2 * waiting.len() {
            return waiting;
        }
        std::thread::sleep(left.min(GLANCE));
    }
}

/// How long after a look for so many visitors the next one is: none after one who came alone.
fn pace(visitors: usize) -> Duration {
    match u32::try_from(visitors) {
        Ok(0 | 1) => Duration::ZERO,
        visitors => (PACE_EACH * visitors.unwrap_or(u32::MAX)).clamp(PACE, LONGEST_PACE),
    }
}

/// The state of access now.
///
/// # Errors
/// Only those of the database.
pub fn access_state(conn: &mut PgConnection) -> QueryResult<AccessState> {
    statement::<BigInt>("select number from access_changes").get_result(conn).map(AccessState)
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
