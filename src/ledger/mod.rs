//! The one path that moves value.
//!
//! A handler makes a [`Command`](crate::domain::posting::Command), submits it and awaits its
//! [`Outcome`]. `writer` gathers what waits into batches, `batch` posts each batch in one database
//! transaction, `domain::posting` decides; where the answer to a commit is lost, `doubt` learns what has
//! happened, and claims of what others hold wait in `held_up` for a later batch. [`verify`] proves that the
//! books are right, and [`proofs`] keeps what it said.

mod batch;
mod claimed;
mod doubt;
mod held_up;
pub mod proofs;
mod request;
pub mod verify;
mod writer;

use crate::domain::{Balance, Transaction};
use crate::error::Refusal;

pub use batch::preview;
pub use writer::{Clock, LARGEST_GROUP, Ledger, Settings};

/// What became of a command that was not refused. All of it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The command was posted by this call.
    Posted(Transaction),
    /// The same request, under the same idempotency key, was posted before; the same transaction.
    Replayed(Transaction),
    /// The caller had claimed the asset before.
    Again {
        /// The transaction of that claim.
        transaction: Transaction,
        /// What the caller held when it asked again.
        balance: Balance,
        /// Whether the same request, under the same idempotency key, was told so before.
        replayed: bool,
    },
}

impl Outcome {
    /// The transaction that the command led to.
    pub fn transaction(&self) -> &Transaction {
        match self {
            Self::Posted(transaction) | Self::Replayed(transaction) | Self::Again { transaction, .. } => transaction,
        }
    }

    /// As [`transaction`](Self::transaction), to keep.
    pub fn into_transaction(self) -> Transaction {
        match self {
            Self::Posted(transaction) | Self::Replayed(transaction) | Self::Again { transaction, .. } => transaction,
        }
    }

    /// Whether the same request, under the same idempotency key, was answered so before.
    pub fn is_replayed(&self) -> bool {
        matches!(self, Self::Replayed(_) | Self::Again { replayed: true, .. })
    }
}

/// What became of commands that were submitted together.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcomes {
    /// Of each what became of it, in their order.
    Each(Vec<Result<Outcome, Refusal>>),
    /// Nothing happened, since these, by their places, were refused and all were to happen or none.
    NoneOf(Vec<(usize, Refusal)>),
}
