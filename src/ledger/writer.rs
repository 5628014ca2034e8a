//! The posting threads: they gather what waits into batches, and see each batch through to an
//! outcome, whatever happens to the database on the way.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use diesel::result::Error as DieselError;
use metrics::Counter;
use tokio::sync::oneshot;

use super::batch::{self, Failure, Fate, Group, Posted};
use super::claimed::Claimed;
use super::doubt::{correct_by_late_commit, settle};
use super::held_up::HeldUp;
use super::request::{Answer, Request};
use super::{Outcome, Outcomes};
use crate::domain::posting::{Action, Command};
use crate::domain::{AccessState, Lane, UserId};
use crate::error::{Error, GaveWay, Refusal, Result};
use crate::meters;
use crate::repo::{self, Address};

/// The time, as the application has it.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// How long a batch is tried again before its commands are given up, in all.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long a handler waits for its outcome, since a server that hangs keeps no time-out of its own.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// How often a batch may be in another's way before it is no accident.
const MOST_CONFLICTS: u32 = 10;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The most commands that are submitted together.
pub const LARGEST_GROUP: usize = 1_000;

/// How a ledger is set up.
#[derive(Clone)]
pub struct Settings {
    /// Where the database is.
    pub address: Address,
    /// How many posting threads there are, each with a connection and a lane of its own.
    pub threads: usize,
    /// How many commands one batch takes at most.
    pub batch_max: usize,
}

/// The ledger, as everyone who moves value sees it.
pub struct Ledger {
    lanes: Mutex<Vec<Queue>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    claimed: Arc<Claimed>,
    refused_at_once: Counter,
}

/// The way to one posting thread.
struct Queue {
    requests: SyncSender<Request>,
    /// How many commands wait in it, since a request may hold many.
    waiting: Arc<AtomicUsize>,
    /// How many may wait before the next is turned away.
    room: usize,
    meters: meters::Waiting,
}

impl Queue {
    fn take(&self, request: Request) -> Result<()> {
        let commands = request.items.len();
        if self.waiting.load(Ordering::Relaxed) >= self.room {
            return Err(Error::Overloaded);
        }
        let waiting = self.waiting.fetch_add(commands, Ordering::Relaxed);
        self.meters.depth(waiting.saturating_add(commands));
        self.requests.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => {
                self.waiting.fetch_sub(commands, Ordering::Relaxed);
                Error::Overloaded
            }
        })
    }
}

impl Ledger {
    /// Starts the posting threads. They connect when the first command comes.
    ///
    /// # Errors
    /// Where the system has no threads left.
    pub fn start(settings: &Settings, clock: &Clock) -> std::io::Result<Self> {
        let mut lanes = Vec::new();
        let mut threads = Vec::new();
        let claimed = Arc::new(Claimed::default());
        for lane in (0..).map(Lane).take(settings.threads) {
            // Room for the batch being gathered and three more; beyond that nobody would wait.
            let (requests, receiver) = sync_channel(4 * settings.batch_max);
            let room = 4 * settings.batch_max.max(LARGEST_GROUP);
            let waiting = Arc::new(AtomicUsize::new(0));
            let (settings, clock) = (settings.clone(), Arc::clone(clock));
            let (waits, claimed) = (Arc::clone(&waiting), Arc::clone(&claimed));
            let meters = meters::Waiting::in_lane(lane.0);
            let mut poster = Poster {
                lane,
                settings,
                clock,
                conn: None,
                waiting: waits,
                held_up: HeldUp::default(),
                claimed,
                meters: meters.clone(),
            };
            let thread = std::thread::Builder::new().name(format!("posting-{}", lane.0));
            threads.push(thread.spawn(move || poster.run(&receiver))?);
            lanes.push(Queue { requests, waiting, room, meters });
        }
        let refused_at_once = meters::claims("already_claimed");
        Ok(Self { lanes: Mutex::new(lanes), threads: Mutex::new(threads), claimed, refused_at_once })
    }

    /// Submits a command, which is in the queue when this returns, and waits for its outcome, which is durable.
    ///
    /// # Errors
    /// [`Error::Refused`] with the business's no; [`Error::Overloaded`] at once where too many
    /// wait; [`Error::DatabaseUnavailable`] where nothing was done; [`Error::CommitUnknown`] where
    /// it could not be learned whether it was.
    pub fn submit(&self, command: Command) -> impl Future<Output = Result<Outcome>> + use<> {
        let posting = if self.refuses_at_once(&command) {
            self.refused_at_once.increment(1);
            Err(Refusal::AlreadyClaimed)
        } else {
            Ok(self.post(vec![command], false, None))
        };
        async move { single(posting?.await?.ok_or_else(unconditional)?) }
    }

    /// Whether a command is refused by what is known already, and nothing is asked of the database.
    pub fn refuses_at_once(&self, command: &Command) -> bool {
        self.claimed.is_too_late(command)
    }

    /// As [`Ledger::submit`], for a caller who is known in one state of access and not looked up since:
    /// none where that is not the state any more. The database is asked in any case.
    ///
    /// # Errors
    /// As [`Ledger::submit`].
    pub fn submit_if_still(
        &self,
        allowed_in: AccessState,
        command: Command,
    ) -> impl Future<Output = Result<Option<Outcome>>> + use<> {
        let posting = self.post(vec![command], false, Some(allowed_in));
        async move { posting.await?.map(single).transpose() }
    }

    /// Submits commands of one caller and waits for their outcomes, which are durable. They are posted
    /// in one database transaction; where they are `atomic`, all of them or none.
    ///
    /// # Errors
    /// As [`Ledger::submit`], but that what the business says no to is among the outcomes.
    pub fn submit_together(
        &self,
        commands: Vec<Command>,
        atomic: bool,
    ) -> impl Future<Output = Result<Outcomes>> + use<> {
        let posting = self.post(commands, atomic, None);
        async move { posting.await?.ok_or_else(unconditional) }
    }

    /// Puts commands into their queue at once. What is left to wait for does not hold them, so that it is
    /// small: it is moved around by each of the futures that it becomes a part of.
    fn post(
        &self,
        commands: Vec<Command>,
        atomic: bool,
        allowed_in: Option<AccessState>,
    ) -> impl Future<Output = Answer> + use<> {
        let (answer, outcomes) = oneshot::channel();
        let enqueued = self.enqueue(Request::new(commands, atomic, allowed_in, answer));
        async move {
            enqueued?;
            let outcomes = tokio::time::timeout(LONGEST_WAIT, outcomes).await;
            outcomes.ok().and_then(std::result::Result::ok).unwrap_or(Err(Error::CommitUnknown))
        }
    }

    /// As [`Ledger::submit`], for a thread that may block.
    ///
    /// # Errors
    /// As [`Ledger::submit`].
    pub fn submit_here(&self, command: Command) -> Result<Outcome> {
        let (answer, outcomes) = oneshot::channel();
        self.enqueue(Request::new(vec![command], false, None, answer))?;
        single(outcomes.blocking_recv().unwrap_or(Err(Error::CommitUnknown))?.ok_or_else(unconditional)?)
    }

    /// The lane of the thread that posts what a user asks for: always the same one, so that threads
    /// meet in few wallets.
    pub fn lane_of(&self, caller: UserId) -> Lane {
        let lanes = i64::try_from(self.lanes.lock().unwrap_or_else(PoisonError::into_inner).len()).unwrap_or(1);
        Lane(i16::try_from(caller.0.checked_rem_euclid(lanes).unwrap_or_default()).unwrap_or_default())
    }

    fn enqueue(&self, request: Request) -> Result<()> {
        let lane = request.items.first().map_or(Lane(0), |item| self.lane_of(item.command.requested_by));
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = usize::try_from(lane.0).ok().and_then(|index| lanes.get(index));
        queue.ok_or(Error::Overloaded)?.take(request)
    }

    /// Takes no more commands, posts those that wait, and returns when all are answered.
    pub fn stop(&self) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a posting thread panicked");
            }
        }
    }
}

/// The error of an unconditional request that was turned down for its condition.
fn unconditional() -> Error {
    Error::broken("an unconditional request was turned down for its condition")
}

/// The outcome of a command that was submitted alone.
fn single(outcomes: Outcomes) -> Result<Outcome> {
    let outcome = match outcomes {
        Outcomes::Each(each) => each.into_iter().next(),
        Outcomes::NoneOf(refusals) => refusals.into_iter().next().map(|(_, refusal)| Err(refusal)),
    };
    Ok(outcome.ok_or_else(|| Error::broken("a command without an outcome"))??)
}

/// One posting thread.
struct Poster {
    lane: Lane,
    settings: Settings,
    clock: Clock,
    conn: Option<PgConnection>,
    waiting: Arc<AtomicUsize>,
    held_up: HeldUp,
    claimed: Arc<Claimed>,
    meters: meters::Waiting,
}

impl Poster {
    fn run(&mut self, requests: &Receiver<Request>) {
        while let Some(batch) = self.next(requests) {
            let commands = batch.iter().map(|request| request.items.len()).sum();
            let started = Instant::now();
            // Whoever waits in a batch that panics learns that its outcome is unknown.
            if catch_unwind(AssertUnwindSafe(|| self.serve(batch))).is_err() {
                tracing::error!(lane = self.lane.0, "posting a batch panicked");
                self.conn = None;
            }
            meters::batch(commands, started.elapsed());
            self.held_up.wait(self.lane);
        }
    }

    /// What is to be posted next; nothing where nothing will come any more.
    fn next(&mut self, requests: &Receiver<Request>) -> Option<Vec<Request>> {
        let first = match self.held_up.left() {
            None => Some(requests.recv().ok()?),
            Some(left) => {
                let first = requests.recv_timeout(left);
                if matches!(first, Err(RecvTimeoutError::Disconnected)) {
                    std::thread::sleep(left);
                }
                first.ok()
            }
        };
        let (newcomers, commands) = first.map(|first| self.gather(first, requests)).unwrap_or_default();
        let waiting = self.waiting.fetch_sub(commands, Ordering::Relaxed).saturating_sub(commands);
        self.meters.depth(waiting);
        newcomers.iter().for_each(|request| self.meters.waited(request.since.elapsed()));
        let mut batch = self.held_up.due(self.settings.batch_max);
        batch.extend(newcomers);
        Some(batch)
    }

    /// A batch of what waits; gives it with the number of its commands. Whoever is about to send more, and
    /// only lacks a processor for it, goes first: a larger batch costs less for each. Where nobody is, that
    /// takes no time.
    fn gather(&self, first: Request, requests: &Receiver<Request>) -> (Vec<Request>, usize) {
        let mut commands = first.items.len();
        let mut batch = vec![first];
        loop {
            let before = commands;
            std::thread::yield_now();
            while commands < self.settings.batch_max
                && let Ok(next) = requests.try_recv()
            {
                commands += next.items.len();
                batch.push(next);
            }
            if commands == before || commands >= self.settings.batch_max {
                return (batch, commands);
            }
        }
    }

    fn serve(&mut self, batch: Vec<Request>) {
        self.see_through(batch, Instant::now(), false);
    }

    /// Sees a batch through: tries again what may be tried again, looks up what may have happened,
    /// and parts a batch whose failure one command alone may have caused.
    fn see_through(&mut self, mut batch: Vec<Request>, started: Instant, mut in_doubt: bool) {
        let mut failures: u32 = 0;
        loop {
            let mut reason: fn() -> Error = || Error::DatabaseUnavailable;
            match self.attempt(&mut batch, in_doubt) {
                Ok(()) => return,
                Err(Failure::InDoubt) => in_doubt = true,
                Err(Failure::Conflict) if failures < MOST_CONFLICTS => reason = || Error::Overloaded,
                Err(Failure::Conflict) => return self.serve_apart(batch, Error::Overloaded, started, in_doubt),
                Err(Failure::Database(error)) => {
                    if !self.is_connected() {
                        tracing::warn!(lane = self.lane.0, size = batch.len(), "lost the database; trying again");
                    } else if batch.len() == 1 && GaveWay::of(&error) == Some(GaveWay::LockTimeout) {
                        tracing::warn!(lane = self.lane.0, "waited too long for a lock; trying again");
                    } else {
                        tracing::error!(lane = self.lane.0, size = batch.len(), %error, "a batch failed");
                        let gave_way = GaveWay::of(&error).is_some();
                        let error = if gave_way { Error::Overloaded } else { Error::broken(error) };
                        return self.serve_apart(batch, error, started, in_doubt);
                    }
                }
            }
            if started.elapsed() > PATIENCE {
                return give_up(batch, in_doubt, reason);
            }
            failures += 1;
            meters::retried();
            std::thread::sleep(pause(failures, self.lane));
        }
    }

    /// One try. Requests that are answered leave the batch.
    fn attempt(&mut self, batch: &mut Vec<Request>, in_doubt: bool) -> std::result::Result<(), Failure> {
        // The database keeps no more decimals, and every answer tells what it keeps.
        let now = (self.clock)().trunc_subsecs(6);
        let lane = self.lane;
        let conn = self.connection()?;
        if in_doubt {
            settle(conn, batch)?;
        }
        if batch.is_empty() {
            return Ok(());
        }
        let groups: Vec<Group<'_>> = batch.iter().map(Request::group).collect();
        let Posted { mut fates, claimed } = batch::post(conn, lane, now, &groups)?;
        if in_doubt {
            correct_by_late_commit(conn, &groups, &mut fates)?;
        }
        groups.iter().zip(&fates).for_each(|(group, fate)| count_claims(group, fate));
        self.claimed.remember(claimed);
        for (request, fate) in std::mem::take(batch).into_iter().zip(fates) {
            match fate {
                Fate::Decided(outcomes) => request.answer(Some(outcomes)),
                // It may have waited for no lock of the lost commit, and whoever asks again has new ids.
                Fate::Outdated | Fate::HeldUp if in_doubt => give_up(vec![request], true, || Error::CommitUnknown),
                Fate::Outdated => request.answer(None),
                Fate::HeldUp => self.held_up.take(request, 4 * self.settings.batch_max),
            }
        }
        Ok(())
    }

    /// A batch that fails for no passing reason is posted request by request, so that only the
    /// culprit fails. What was in doubt stays so.
    fn serve_apart(&mut self, batch: Vec<Request>, error: Error, started: Instant, in_doubt: bool) {
        if batch.len() > 1 {
            for request in batch {
                // Where each has to wait, those behind them must not wait for all of that.
                if started.elapsed() > 2 * PATIENCE {
                    give_up(vec![request], in_doubt, || Error::Overloaded);
                } else {
                    self.see_through(vec![request], started, in_doubt);
                }
            }
        } else if in_doubt {
            give_up(batch, in_doubt, || Error::CommitUnknown);
        } else if let Some(request) = batch.into_iter().next() {
            // The cause goes to the request's log line; there is only this one request.
            let _ = request.answer.send(Err(error));
        }
    }

    fn connection(&mut self) -> std::result::Result<&mut PgConnection, Failure> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => connect(&self.settings.address)?,
        };
        Ok(self.conn.insert(conn))
    }

    /// Whether the connection still answers and takes writes; one that does not is dropped.
    fn is_connected(&mut self) -> bool {
        let answers = self.conn.as_mut().is_some_and(repo::takes_writes);
        if !answers {
            self.conn = None;
        }
        answers
    }
}

/// A connection for posting. A batch never pauses, and where its connection is lost without the
/// server's knowledge, its locks must go before the patience of the next try is at its end.
fn connect(address: &Address) -> std::result::Result<PgConnection, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::Database(DieselError::QueryBuilderError(repo::one_line(error).into()));
    let mut conn = repo::connect_for_keys(address).map_err(|error| failed(&error))?;
    conn.batch_execute("set idle_in_transaction_session_timeout = 3000").map_err(|error| failed(&error))?;
    Ok(conn)
}

/// Counts what became of the claims among a group's commands.
fn count_claims(group: &Group<'_>, fate: &Fate) {
    let Fate::Decided(Outcomes::Each(each)) = fate else { return };
    for (command, outcome) in group.commands.iter().zip(each) {
        if let Action::Claim { .. } | Action::ClaimAny { .. } = command.action {
            let became = match outcome {
                Ok(Outcome::Posted(_)) => "claimed",
                Ok(Outcome::Replayed(_) | Outcome::Again { .. }) => "repeated",
                Err(Refusal::AlreadyClaimed) => "already_claimed",
                Err(Refusal::AssetExpired) => "asset_expired",
                Err(Refusal::SoldOut) => "sold_out",
                Err(Refusal::ClaimLimitReached) => "claim_limit_reached",
                Err(_) => "refused",
            };
            meters::claims(became).increment(1);
        }
    }
}

/// Answers with the reason, where it is known that nothing was done.
fn give_up(batch: Vec<Request>, in_doubt: bool, reason: fn() -> Error) {
    tracing::error!(size = batch.len(), in_doubt, "gave a batch up");
    for request in batch {
        let error = if in_doubt { Error::CommitUnknown } else { reason() };
        let _ = request.answer.send(Err(error));
    }
}

/// Doubles with every failure; lanes differ a little, so that two in each other's way part.
pub(super) fn pause(failures: u32, lane: Lane) -> Duration {
    let doubled = Duration::from_millis(2).saturating_mul(2_u32.saturating_pow(failures.min(10)));
    doubled.min(LONGEST_PAUSE) + Duration::from_millis(u64::try_from(lane.0).unwrap_or_default())
}
