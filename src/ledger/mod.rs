//! The one path that moves value.
//!
//! A handler makes a [`Command`](crate::domain::posting::Command), submits it and awaits its
//! [`Outcome`]. `writer` gathers what waits into batches, `batch` posts each batch in one database
//! transaction, `domain::posting` decides. [`verify`] proves that the books are right.

mod batch;
pub mod verify;
mod writer;

use crate::domain::{Balance, Transaction};

pub use writer::{Clock, Ledger, Settings};

/// What became of a command that was not refused. All of it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The command was posted by this call.
    Posted(Transaction),
    /// The same request, under the same idempotency key, was posted before; the same transaction.
    Replayed(Transaction),
    /// The caller had claimed the asset before, by this transaction, and holds this balance now.
    Again(Transaction, Balance),
}
