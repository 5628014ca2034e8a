//! A stretch of time.

use chrono::{DateTime, Utc};

/// A stretch of time, open at an end where that is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// The first instant that is in it.
    pub from: Option<DateTime<Utc>>,
    /// The first instant after it.
    pub before: Option<DateTime<Utc>>,
}
