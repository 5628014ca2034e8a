//! Claims of assets that others hold: nobody else waits for them. They go along with a later batch, the
//! longer they wait the more seldom, and after some seconds they are told that Coffer is busy.

use std::time::{Duration, Instant};

use super::request::Request;
use super::writer::pause;
use crate::domain::Lane;
use crate::error::Error;
use crate::meters;

/// How long a claim waits before it is told.
const LONGEST: Duration = Duration::from_secs(4);

/// The claims of one posting thread that wait.
#[derive(Default)]
pub(super) struct HeldUp {
    requests: Vec<Request>,
    /// How often some of them have been tried again in vain, in a row.
    tries: u32,
    /// When they are tried again; none where that has to be settled.
    again: Option<Instant>,
}

impl HeldUp {
    /// Lets a claim wait, if it has not waited long and there are not too many.
    pub(super) fn take(&mut self, request: Request, most: usize) {
        if request.since.elapsed() < LONGEST && self.requests.len() < most {
            self.requests.push(request);
        } else {
            // That is no failure, and nothing was done. Nobody may wait any more.
            let _ = request.answer.send(Err(Error::Overloaded));
        }
    }

    /// Settles when those that wait are tried again, where it is not.
    pub(super) fn wait(&mut self, lane: Lane) {
        if self.requests.is_empty() {
            (self.tries, self.again) = (0, None);
        } else if self.again.is_none() {
            self.again = Some(Instant::now() + pause(self.tries, lane));
        }
    }

    /// How long it is until then; none where none wait.
    pub(super) fn left(&self) -> Option<Duration> {
        self.again.map(|again| again.saturating_duration_since(Instant::now()))
    }

    /// Those that are to be tried now, at most so many, the first that came first. Those who have gone are
    /// forgotten.
    pub(super) fn due(&mut self, most: usize) -> Vec<Request> {
        if self.again.is_none_or(|again| Instant::now() < again) {
            return Vec::new();
        }
        self.requests.retain(|request| !request.answer.is_closed());
        (self.tries, self.again) = (self.tries.saturating_add(1), None);
        meters::retried();
        self.requests.drain(..self.requests.len().min(most)).collect()
    }
}
