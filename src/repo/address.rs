//! Where the database is, and how long anything there may take.

use std::time::Duration;

/// How long the database may take. What waits longer gives up, so that nothing waits for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until a connection of the pool is free.
    pub pool: Duration,
    /// For one statement.
    pub statement: Duration,
    /// For one lock.
    pub lock: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { pool: seconds(2), statement: seconds(5), lock: seconds(2) }
    }
}

/// A database, and the patience with it.
#[derive(Clone)]
pub struct Address {
    /// How libpq reaches it.
    pub(super) conninfo: String,
    pub(super) patience: Patience,
}

impl Address {
    /// The database that libpq reaches by `conninfo`.
    pub fn new(conninfo: String, patience: Patience) -> Self {
        Self { conninfo, patience }
    }
}

impl From<&str> for Address {
    fn from(conninfo: &str) -> Self {
        Self::new(conninfo.to_owned(), Patience::default())
    }
}

impl From<&String> for Address {
    fn from(conninfo: &String) -> Self {
        conninfo.as_str().into()
    }
}

impl From<&Self> for Address {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}
