//! What nobody asks for and yet must be done: credits run out, what is old is cleared away, the
//! books are proved every night. A job is a loop around one verb; clokwerk says when.

pub mod receipts;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use clokwerk::{Interval, Job, ScheduleHandle, Scheduler, TimeUnits};

use crate::ephemeral::{Lock, Redis};
use crate::error::{Error, Result};
use crate::ledger::Clock;
use crate::ledger::proofs;
use crate::meters;
use crate::repo::{self, Db};

/// How a job's last run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It has not run since this process started.
    Pending,
    /// It did its work.
    Ok,
    /// Another instance was at it.
    ElsewhereRunning,
    /// It failed or panicked; the log says why. The next run comes all the same.
    Failed,
}

impl RunStatus {
    /// As it is counted.
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ok => "ok",
            Self::ElsewhereRunning => "elsewhere",
            Self::Failed => "failed",
        }
    }
}

/// A job's last run in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Run {
    /// When it ended.
    pub last_run: Option<DateTime<Utc>>,
    /// How.
    pub status: RunStatus,
}

/// The last run of every job, for `/health`.
#[derive(Debug, Clone)]
pub struct Runs(Arc<Mutex<BTreeMap<&'static str, Run>>>);

impl Runs {
    /// No job has run yet; they count as late from `now` on.
    fn new(names: &[&'static str], now: DateTime<Utc>) -> Self {
        let words = [RunStatus::Ok, RunStatus::ElsewhereRunning, RunStatus::Failed].map(RunStatus::word);
        names.iter().for_each(|name| meters::has_job(name, &words, seconds(now)));
        let pending = Run { last_run: None, status: RunStatus::Pending };
        Self(Arc::new(Mutex::new(names.iter().map(|&name| (name, pending)).collect())))
    }

    /// Every job's last run, by name.
    pub fn all(&self) -> BTreeMap<&'static str, Run> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, name: &'static str, run: Run) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, run);
    }
}

/// Whether the jobs are to stop: looked at between what a job does at once. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    fn tell(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether they are.
    fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The threads of the jobs: one for receipts, which people wait for, one for the proof of the books,
/// which may take minutes, and one for all others. They stop when this is dropped, after what the
/// jobs that are running do at once; nobody waits for a proof, which is made anew after a start.
pub struct Jobs {
    runs: Runs,
    stop: Stop,
    /// Dropping a handle stops its thread.
    _threads: [ScheduleHandle; 2],
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.stop.tell();
    }
}

/// The job that marks assets whose time has passed.
pub const EXPIRY: &str = "expiry";
/// The job that forgets what is old.
pub const CLEAN_UP: &str = "clean_up";
/// The job that keeps the figures of the overview.
pub const FIGURES: &str = "figures";
/// The job that makes receipts.
pub const RECEIPTS: &str = "receipts";
/// The job that proves the books.
pub const VERIFY: &str = "verify";

/// The number of the lock under which credits expire, between instances.
pub const EXPIRY_LOCK: i64 = 0x0C0F_FE21;

/// The number of the lock under which the figures are kept.
pub const FIGURES_LOCK: i64 = 0x0C0F_FE24;

/// How many rows one statement of a job touches at most, so that none holds its locks for long.
const ROWS_AT_ONCE: i64 = 1_000;

/// How often the threads look whether something is due.
const LOOK: Duration = Duration::from_millis(200);

impl Jobs {
    /// Starts the threads. `public_url` is the address that receipts lead to. Expiry, figures and the
    /// proof of the books come at once, too, for what happened while nothing was running.
    pub fn start(db: &Db, clock: &Clock, public_url: &str, redis: Option<&Redis>) -> Self {
        let runs = Runs::new(&[EXPIRY, CLEAN_UP, FIGURES, RECEIPTS, VERIFY], clock());
        let stop = Stop::default();
        let mut scheduler = Scheduler::with_tz(Utc);
        let mut schedule = |name: &'static str, lock: i64, when: Interval, work: Work| {
            let (db, clock, runs, redis) = (db.clone(), Arc::clone(clock), runs.clone(), redis.cloned());
            let stop = stop.clone();
            let run = move || {
                let now = clock();
                let work = || work(&db, now, &stop);
                run_once(name, &runs, &clock, || run_alone(redis.as_ref(), &db, (name, lock), work));
            };
            if name != CLEAN_UP {
                scheduler.every(1.seconds()).once().run(run.clone());
            }
            scheduler.every(when).run(run);
        };
        schedule(EXPIRY, EXPIRY_LOCK, 1.minutes(), expire);
        schedule(CLEAN_UP, 0x0C0F_FE22, 1.hours(), clean_up);
        schedule(FIGURES, FIGURES_LOCK, 1.minutes(), keep_figures);
        let threads = [scheduler, Self::receipts(db, clock, public_url, &runs, &stop)];
        let threads = threads.map(|scheduler| scheduler.watch_thread(LOOK));
        let (mut proofs, told) = (Self::proofs(db, clock, &runs, &stop), stop.clone());
        std::thread::spawn(move || {
            while !told.is_told() {
                proofs.run_pending();
                std::thread::sleep(LOOK);
            }
        });
        Self { runs, stop, _threads: threads }
    }

    /// Receipts are made by all instances side by side, so this job asks for no lock.
    fn receipts(db: &Db, clock: &Clock, public_url: &str, runs: &Runs, stop: &Stop) -> Scheduler<Utc> {
        let (db, clock, runs, url) = (db.clone(), Arc::clone(clock), runs.clone(), public_url.to_owned());
        let stop = stop.clone();
        let mut scheduler = Scheduler::with_tz(Utc);
        let run = move || {
            run_once(RECEIPTS, &runs, &clock, || receipts::make_due(&db, &clock, &url, &stop).map(Some));
            meters::sum_up();
        };
        scheduler.every(1.seconds()).run(run);
        scheduler
    }

    /// Proofs have a lock of their own, since admins ask for them, too.
    fn proofs(db: &Db, clock: &Clock, runs: &Runs, stop: &Stop) -> Scheduler<Utc> {
        let (db, clock, runs, stop) = (db.clone(), Arc::clone(clock), runs.clone(), stop.clone());
        let mut scheduler = Scheduler::with_tz(Utc);
        // That a database which is being stopped breaks one off is no failure.
        let pardoned = move |error| if stop.is_told() { Ok(None) } else { Err(error) };
        let run = move || run_once(VERIFY, &runs, &clock, || prove(&db, &clock).or_else(&pardoned));
        scheduler.every(1.seconds()).once().run(run.clone());
        scheduler.every(1.days()).run(run);
        scheduler
    }

    /// The last run of every job.
    pub fn runs(&self) -> Runs {
        self.runs.clone()
    }
}

type Work = fn(&Db, DateTime<Utc>, &Stop) -> Result<()>;

/// Runs a job, which says `None` where another instance is at it, and notes how it ended. A panic
/// ends this run, not the thread.
fn run_once(name: &'static str, runs: &Runs, clock: &Clock, job: impl FnOnce() -> Result<Option<()>>) {
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(job));
    let status = match outcome {
        Ok(Ok(Some(()))) => RunStatus::Ok,
        Ok(Ok(None)) => RunStatus::ElsewhereRunning,
        Ok(Err(error)) => {
            tracing::error!(job = name, error = %error, cause = ?error, "a job failed");
            RunStatus::Failed
        }
        Err(_) => {
            tracing::error!(job = name, "a job panicked");
            RunStatus::Failed
        }
    };
    let now = clock();
    // Whoever is at it elsewhere says itself whether that ended well.
    let ended_well = (status == RunStatus::Ok).then(|| seconds(now)).flatten();
    meters::job(name, status.word(), started.elapsed(), ended_well);
    runs.note(name, Run { last_run: Some(now), status });
}

/// A time in seconds since 1970.
fn seconds(time: DateTime<Utc>) -> Option<u32> {
    u32::try_from(time.timestamp()).ok()
}

/// Does a job's work under its lock, by name in Redis where that answers, else by number in
/// PostgreSQL; nothing where another instance is at it. The work of every job may be done by two at
/// once without harm, should one instance see Redis and another not.
fn run_alone(
    redis: Option<&Redis>,
    db: &Db,
    (name, number): (&str, i64),
    work: impl FnOnce() -> Result<()>,
) -> Result<Option<()>> {
    match redis.map_or(Lock::Unavailable, |redis| redis.lock(name)) {
        Lock::Held(held) => {
            let done = work();
            drop(held);
            done.map(Some)
        }
        Lock::Elsewhere => Ok(None),
        Lock::Unavailable => repo::locks::run_alone(db, number, work),
    }
}

/// Marks assets whose time has passed as expired.
fn expire(db: &Db, now: DateTime<Utc>, stop: &Stop) -> Result<()> {
    repeat(stop, || db.run_here(|conn| repo::assets::expire_due(conn, now, ROWS_AT_ONCE)))
}

/// Forgets idempotency keys and uploads after a day, the files of receipts after a week, and sessions
/// and API keys a month after they ended or expired.
fn clean_up(db: &Db, now: DateTime<Utc>, stop: &Stop) -> Result<()> {
    repeat(stop, || db.run_here(|conn| repo::keys::forget_old(conn, now, ROWS_AT_ONCE)))?;
    repeat(stop, || db.run_here(|conn| repo::sessions::forget_old(conn, now, ROWS_AT_ONCE)))?;
    repeat(stop, || db.run_here(|conn| repo::api_keys::forget_old(conn, now, ROWS_AT_ONCE)))?;
    repeat(stop, || db.run_here(|conn| repo::receipts::forget_old(conn, now, ROWS_AT_ONCE)))?;
    repeat(stop, || db.run_here(|conn| repo::assets::forget_old(conn, now, ROWS_AT_ONCE)))
}

/// Sums up what happened since the last time, and counts the supply.
fn keep_figures(db: &Db, now: DateTime<Utc>, stop: &Stop) -> Result<()> {
    repeat(stop, || db.run_here(|conn| repo::figures::roll_up(conn, ROWS_AT_ONCE)))?;
    db.run_here(|conn| repo::figures::keep_supply(conn, now))
}

/// Proves the books, unless somebody is at it; books that are wrong are a failure.
fn prove(db: &Db, clock: &Clock) -> Result<Option<()>> {
    let Some(verdict) = proofs::prove(db, None, clock)? else { return Ok(None) };
    for check in verdict.checks.iter().filter(|check| check.violations > 0) {
        tracing::error!(promise = %check.promise, violations = check.violations, "the books are wrong");
    }
    if verdict.is_clean() { Ok(Some(())) } else { Err(Error::broken("the books are wrong")) }
}

fn repeat(stop: &Stop, mut verb: impl FnMut() -> Result<usize>) -> Result<()> {
    while !stop.is_told() && verb()? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_one_run_and_not_the_next() {
        let clock: Clock = Arc::new(Utc::now);
        let runs = Runs::new(&[EXPIRY], clock());
        let status = || runs.all().get(EXPIRY).map(|run| run.status);
        assert_eq!(status(), Some(RunStatus::Pending));
        run_once(EXPIRY, &runs, &clock, || panic!("a job that panics"));
        assert_eq!(status(), Some(RunStatus::Failed));
        run_once(EXPIRY, &runs, &clock, || Ok(Some(())));
        assert_eq!(status(), Some(RunStatus::Ok));
        run_once(EXPIRY, &runs, &clock, || Ok(None));
        assert_eq!(status(), Some(RunStatus::ElsewhereRunning));
    }

    #[test]
    fn a_job_that_never_comes_to_its_end_stops_when_it_is_told() {
        let (stop, rounds) = (Stop::default(), std::cell::Cell::new(0));
        let endless = || {
            rounds.set(rounds.get() + 1);
            if rounds.get() == 3 {
                stop.tell();
            }
            Ok(1)
        };
        assert!(repeat(&stop, endless).is_ok());
        assert_eq!(rounds.get(), 3);
    }
}
