//! One batch is one database transaction: lock, read the keys, decide, write, commit. The keys are
//! read under the locks, so that a request is not refused for what its own copy elsewhere has done.
//!
//! The lock order, written once and kept by every batch of every instance, so that batches cannot
//! deadlock: assets by ascending id, users' wallets by ascending id, and last the treasury's
//! wallets of this thread's lane (the hottest rows, held shortest). Every statement takes the whole
//! batch as arrays, so that their number does not grow with it.

mod lock;
mod write;

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use diesel::result::Error as DieselError;

use self::lock::open_book;
use self::write::{WalletIds, write};
use super::Outcome;
use crate::domain::posting::{Command, Decision, EntryLine, Posting, decide};
use crate::domain::{Balance, Entry, Lane, Transaction, TransactionId};
use crate::error::Refusal;
use crate::repo;

/// Why a batch was not posted. Nothing of it is in the ledger, except perhaps after `InDoubt`.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another batch was in the way (a key, a new wallet, a lock): try again.
    Conflict,
    /// A statement failed.
    Database(DieselError),
    /// The commit was sent, and its answer never came.
    InDoubt,
}

impl From<DieselError> for Failure {
    fn from(error: DieselError) -> Self {
        use diesel::result::DatabaseErrorKind::{SerializationFailure, UniqueViolation};
        match error {
            DieselError::DatabaseError(UniqueViolation | SerializationFailure, _) => Self::Conflict,
            // Diesel does not tell SQLSTATE 40P01; no two batches deadlock, but SQL from elsewhere may.
            DieselError::DatabaseError(_, ref information) if information.message().contains("deadlock detected") => {
                Self::Conflict
            }
            error => Self::Database(error),
        }
    }
}

type Outcomes = Vec<Result<Outcome, Refusal>>;

/// Posts a batch and answers each of its commands, in their order.
///
/// # Errors
/// [`Failure`]; the connection is then in no transaction, or gone.
pub(super) fn post(
    conn: &mut PgConnection,
    lane: Lane,
    now: DateTime<Utc>,
    commands: &[Command],
) -> Result<Outcomes, Failure> {
    conn.batch_execute("begin")?;
    match decide_and_write(conn, lane, now, commands) {
        Ok((outcomes, true)) => match conn.batch_execute("commit") {
            Ok(()) => Ok(outcomes),
            Err(_) => Err(Failure::InDoubt),
        },
        Ok((outcomes, false)) => {
            conn.batch_execute("rollback")?;
            Ok(outcomes)
        }
        Err(failure) => {
            // Where this fails, too, the connection is gone, and the writer finds that out.
            let _ = conn.batch_execute("rollback");
            Err(failure)
        }
    }
}

/// Answers a batch inside its database transaction; says whether there is anything to commit.
fn decide_and_write(
    conn: &mut PgConnection,
    lane: Lane,
    now: DateTime<Utc>,
    commands: &[Command],
) -> Result<(Outcomes, bool), Failure> {
    let mut book = open_book(conn, lane, now, commands)?;
    let decisions: Vec<_> = commands.iter().map(|command| decide(&mut book, command)).collect();

    let posted: Vec<(&Command, &Posting)> = commands
        .iter()
        .zip(&decisions)
        .filter_map(|(command, decision)| match decision {
            Ok(Decision::Post(posting)) => Some((command, posting.as_ref())),
            _ => None,
        })
        .collect();
    let mut wallets = WalletIds::of(&book);
    if !posted.is_empty() {
        wallets.open_missing(conn, lane, &posted)?;
        write(conn, now, &book, &wallets, &posted)?;
    }

    let earlier: Vec<TransactionId> = decisions
        .iter()
        .filter_map(|decision| match decision {
            Ok(Decision::Replay(id) | Decision::Again(id, _)) => Some(*id),
            _ => None,
        })
        .collect();
    let earlier = repo::transactions::by_ids(conn, &earlier)?;
    let has_posted = !posted.is_empty();
    let mut outcomes = Vec::with_capacity(commands.len());
    for (command, decision) in commands.iter().zip(decisions) {
        outcomes.push(match decision {
            Ok(decision) => Ok(outcome(command, decision, &wallets, &earlier)?),
            Err(refusal) => Err(refusal),
        });
    }
    Ok((outcomes, has_posted))
}

fn outcome(
    command: &Command,
    decision: Decision,
    wallets: &WalletIds,
    earlier: &[Transaction],
) -> Result<Outcome, Failure> {
    let find = |id: TransactionId| {
        let found = earlier.iter().find(|transaction| transaction.id == id);
        found.cloned().ok_or(Failure::Database(DieselError::NotFound))
    };
    match decision {
        Decision::Post(posting) => transaction(command, *posting, wallets).map(Outcome::Posted),
        Decision::Replay(id) => find(id).map(Outcome::Replayed),
        Decision::Again(id, balance) => Ok(Outcome::Again(find(id)?, balance)),
    }
}

/// The posted transaction as the ledger now holds it.
fn transaction(command: &Command, posting: Posting, wallets: &WalletIds) -> Result<Transaction, Failure> {
    let entry = |line: EntryLine, amount: Balance| {
        Ok::<_, Failure>(Entry {
            wallet_id: wallets.get(&line.wallet)?,
            owner: line.wallet.owner,
            version: line.version,
            amount,
            balance_before: line.balance_before,
            balance_after: line.balance_after,
        })
    };
    Ok(Transaction {
        id: posting.transaction,
        transaction_type: posting.transaction_type,
        asset_type: posting.asset_type,
        scale: posting.scale,
        debit: entry(posting.debit, Balance::of_debit(&posting.amount))?,
        credit: entry(posting.credit, Balance::of_credit(&posting.amount))?,
        amount: posting.amount,
        asset: posting.asset,
        reverses: posting.reverses,
        description: posting.description,
        metadata: command.metadata.clone(),
        reason: command.reason.clone(),
        requested_by: command.requested_by,
        created_at: posting.created_at,
    })
}
