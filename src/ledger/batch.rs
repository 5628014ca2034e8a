//! One batch is one database transaction: lock, read the keys, decide, write, commit. The keys are
//! read under the locks, so that a request is not refused for what its own copy elsewhere has done.
//!
//! The lock order, written once and kept by every batch of every instance, so that batches cannot
//! deadlock: named assets by ascending id, assets on offer (which wait for nobody), users' wallets by
//! ascending id, and last the treasury's wallets of this thread's lane (the hottest rows, held
//! shortest). Every statement takes the whole batch as arrays, so that their number does not grow
//! with it.

mod campaigns;
mod lock;
mod write;

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use diesel::result::Error as DieselError;

use self::lock::{Locks, open_book};
use self::write::{WalletIds, write};
use super::{Outcome, Outcomes};
use crate::domain::posting::{Action, Answer, AssetState, Book, Command, Decision, EntryLine, Origin, Posting, decide};
use crate::domain::{
    AccessState, AssetId, Balance, Entry, Lane, Owner, Transaction, TransactionId, TransactionType, UserId,
};
use crate::error::{Error, GaveWay, Refusal};
use crate::meters;
use crate::repo;
use crate::repo::audit::{Act, Actor};
use crate::repo::doorkeeper::access_state;

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
            // The limit of a campaign has been lowered since it was read.
            DieselError::DatabaseError(_, ref information)
                if information.constraint_name() == Some("claims_of_asset") =>
            {
                Self::Conflict
            }
            // No two batches deadlock, but SQL from elsewhere may.
            error if GaveWay::of(&error) == Some(GaveWay::Deadlock) => Self::Conflict,
            error => Self::Database(error),
        }
    }
}

/// Commands that were submitted together.
pub(super) struct Group<'a> {
    pub(super) commands: Vec<&'a Command>,
    /// Whether all are to happen or none.
    pub(super) atomic: bool,
    /// The state of access in which they are allowed, where that is not settled.
    pub(super) allowed_in: Option<AccessState>,
}

/// What is decided of a group, as its [`Fate`] will tell it.
enum Verdict {
    Each(Vec<Result<Decision, Refusal>>),
    NoneOf(Vec<(usize, Refusal)>),
    Outdated,
    HeldUp,
}

impl Verdict {
    fn decisions(&self) -> impl Iterator<Item = Option<&Decision>> {
        let each = match self {
            Self::Each(decisions) => decisions.as_slice(),
            Self::NoneOf(_) | Self::Outdated | Self::HeldUp => &[],
        };
        each.iter().map(|decision| decision.as_ref().ok())
    }
}

/// What became of a group.
pub(super) enum Fate {
    /// It is done or refused.
    Decided(Outcomes),
    /// It is not allowed in the state of access that there is now.
    Outdated,
    /// Others hold the last assets that it claims, and may yet leave them. Nothing of it was done.
    HeldUp,
}

/// What came of a batch.
pub(super) struct Posted {
    /// What became of each of its groups, in their order.
    pub(super) fates: Vec<Fate>,
    /// The assets that it named and that are claimed now, with their owners.
    pub(super) claimed: Vec<(AssetId, UserId)>,
}

/// Posts a batch.
///
/// # Errors
/// [`Failure`]; the connection is then in no transaction, or gone.
pub(super) fn post(
    conn: &mut PgConnection,
    lane: Lane,
    now: DateTime<Utc>,
    groups: &[Group<'_>],
) -> Result<Posted, Failure> {
    conn.batch_execute("begin")?;
    match decide_and_write(conn, lane, now, groups) {
        Ok((posted, true)) => match conn.batch_execute("commit") {
            Ok(()) => {
                meters::committed();
                Ok(posted)
            }
            Err(_) => Err(Failure::InDoubt),
        },
        Ok((posted, false)) => {
            conn.batch_execute("rollback")?;
            Ok(posted)
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
    groups: &[Group<'_>],
) -> Result<(Posted, bool), Failure> {
    let commands: Vec<&Command> = groups.iter().flat_map(|group| group.commands.iter().copied()).collect();
    let (mut book, access) = open_book(conn, lane, now, &commands, Locks::Held)?;
    let access = match access {
        None if groups.iter().any(|group| group.allowed_in.is_some()) => Some(access_state(conn)?),
        access => access,
    };
    let is_outdated = |group: &Group<'_>| group.allowed_in.is_some() && group.allowed_in != access;
    let verdict = |group| if is_outdated(group) { Verdict::Outdated } else { judge(&mut book, group) };
    let verdicts: Vec<Verdict> = groups.iter().map(verdict).collect();

    let decided: Vec<(&Command, &Decision)> = groups
        .iter()
        .zip(&verdicts)
        .flat_map(|(group, verdict)| group.commands.iter().copied().zip(verdict.decisions()))
        .filter_map(|(command, decision)| Some((command, decision?)))
        .collect();
    let posted: Vec<(&Command, &Posting)> = decided
        .iter()
        .filter_map(|(command, decision)| match decision {
            Decision::Post(posting) => Some((*command, posting.as_ref())),
            _ => None,
        })
        .collect();
    let mut wallets = WalletIds::of(&book);
    wallets.open_missing(conn, lane, &posted)?;
    let has_written = write(conn, now, &book, &wallets, &posted)?;
    record_deeds(conn, now, groups, &verdicts)?;

    let earlier: Vec<TransactionId> = decided
        .iter()
        .filter_map(|(_, decision)| match decision {
            Decision::Replay(answer) | Decision::Again(answer) => Some(answer.transaction),
            Decision::Post(_) => None,
        })
        .collect();
    let earlier = repo::transactions::by_ids(conn, &earlier)?;
    let fates = groups.iter().zip(verdicts).map(|(group, verdict)| match verdict {
        Verdict::NoneOf(refusals) => Ok(Fate::Decided(Outcomes::NoneOf(refusals))),
        Verdict::Outdated => Ok(Fate::Outdated),
        Verdict::HeldUp => Ok(Fate::HeldUp),
        Verdict::Each(decisions) => {
            let each = group.commands.iter().zip(decisions).map(|(command, decision)| match decision {
                Ok(decision) => outcome(command, decision, &wallets, &earlier).map(Ok),
                Err(refusal) => Ok(Err(refusal)),
            });
            each.collect::<Result<_, Failure>>().map(|each| Fate::Decided(Outcomes::Each(each)))
        }
    });
    let fates = fates.collect::<Result<_, _>>()?;
    let owner = |(id, state): (&AssetId, &AssetState)| state.claimed.map(|(owner, _)| (*id, owner));
    let claimed = book.assets.iter().filter_map(owner).collect();
    Ok((Posted { fates, claimed }, has_written))
}

/// Decides a group; where all are to happen or none, the book stays as it was after a refusal, and in any
/// case where the group is held up. A command alone leaves it so by itself when it is refused.
fn judge(book: &mut Book, group: &Group<'_>) -> Verdict {
    let contended = |book: &Book, command: &Command| match command.action {
        Action::ClaimAny { campaign, .. } => book.campaigns.get(&campaign).is_some_and(|offer| offer.contended),
        _ => false,
    };
    let may_be_held_up = || group.commands.iter().any(|command| contended(book, command));
    let before = (group.atomic || group.commands.len() > 1 && may_be_held_up()).then(|| book.clone());
    let decisions: Vec<_> = group.commands.iter().map(|command| decide(book, command)).collect();
    let mut decided = group.commands.iter().zip(&decisions);
    let is_held_up = decided.any(|(command, decision)| *decision == Err(Refusal::SoldOut) && contended(book, command));
    let refusals =
        || decisions.iter().enumerate().filter_map(|(place, decision)| Some((place, decision.as_ref().err()?)));
    match before {
        before if is_held_up => {
            if let Some(before) = before {
                *book = before;
            }
            Verdict::HeldUp
        }
        Some(before) if group.atomic && refusals().next().is_some() => {
            let refusals = refusals().map(|(place, refusal)| (place, refusal.clone())).collect();
            *book = before;
            Verdict::NoneOf(refusals)
        }
        _ => Verdict::Each(decisions),
    }
}

/// Writes what admins do into the audit log, too: what they do at their discretion, which has a
/// reason, line by line; of what else they post together, one line. Most batches hold nothing of the
/// kind, and need no statement for it.
fn record_deeds(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    groups: &[Group<'_>],
    verdicts: &[Verdict],
) -> Result<(), Failure> {
    let mut deeds: Vec<(Actor, Act<'_>)> = Vec::new();
    for (group, verdict) in groups.iter().zip(verdicts) {
        let posted = group.commands.iter().zip(verdict.decisions()).filter_map(|(command, decision)| match decision {
            Some(Decision::Post(posting)) if is_an_admins(command, posting) => Some((*command, posting.as_ref())),
            _ => None,
        });
        let (of_their_own, others): (Vec<_>, Vec<_>) =
            posted.partition(|(command, _)| command.reason.is_some() || group.commands.len() == 1);
        deeds.extend(of_their_own.into_iter().map(|(command, posting)| (actor(command), deed(command, posting))));
        if let Some((command, posting)) = others.first() {
            let act = Act {
                action: "transaction.batch",
                target: format!("transaction:{}", posting.transaction),
                reason: "",
                before: None,
                after: Some(serde_json::json!({ "transactions": others.len() })),
            };
            deeds.push((actor(command), act));
        }
    }
    if !deeds.is_empty() {
        let lines: Vec<_> = deeds.iter().map(|(actor, act)| (actor, act)).collect();
        repo::audit::record_each(conn, now, &lines)?;
    }
    Ok(())
}

/// Whether only an admin can do this: give value, take it back, or move what is another user's.
fn is_an_admins(command: &Command, posting: &Posting) -> bool {
    let own = Owner::User(command.requested_by);
    match posting.transaction_type {
        TransactionType::TopUp | TransactionType::Bonus | TransactionType::Adjustment | TransactionType::Reversal => {
            true
        }
        TransactionType::Spend | TransactionType::Transfer => posting.debit.wallet.owner != own,
        TransactionType::Claim => posting.credit.wallet.owner != own,
    }
}

fn actor(command: &Command) -> Actor {
    let Origin { request_id, ip_address } = command.origin.clone();
    Actor { user: Some(command.requested_by), request_id, ip_address }
}

/// The line of one posting: what its user's wallet held before and after; of two users, the giver's.
fn deed<'a>(command: &'a Command, posting: &Posting) -> Act<'a> {
    let line = match posting.debit.wallet.owner {
        Owner::Treasury => &posting.credit,
        Owner::User(_) => &posting.debit,
    };
    let scale = posting.scale.0;
    Act {
        action: match posting.transaction_type {
            TransactionType::TopUp => "transaction.top_up",
            TransactionType::Bonus => "transaction.bonus",
            TransactionType::Spend => "transaction.spend",
            TransactionType::Transfer => "transaction.transfer",
            TransactionType::Claim => "transaction.claim",
            TransactionType::Adjustment => "transaction.adjust",
            TransactionType::Reversal => "transaction.reverse",
        },
        target: format!("transaction:{}", posting.transaction),
        reason: command.reason.as_deref().unwrap_or_default(),
        before: Some(serde_json::json!({ "balance": line.balance_before.at_scale(scale) })),
        after: Some(serde_json::json!({
            "asset_type": posting.asset_type,
            "amount": posting.amount.at_scale(scale),
            "balance": line.balance_after.at_scale(scale),
            "reverses": posting.reverses,
        })),
    }
}

fn outcome(
    command: &Command,
    decision: Decision,
    wallets: &WalletIds,
    earlier: &[Transaction],
) -> Result<Outcome, Failure> {
    let remembered = |Answer { transaction: id, owned_with }, replayed| {
        let found = earlier.iter().find(|transaction| transaction.id == id);
        let transaction = found.cloned().ok_or(Failure::Database(DieselError::NotFound))?;
        Ok(match owned_with {
            Some(balance) => Outcome::Again { transaction, balance, replayed },
            None => Outcome::Replayed(transaction),
        })
    };
    match decision {
        Decision::Post(posting) => Ok(Outcome::Posted(transaction(command, *posting, wallets))),
        Decision::Replay(answer) => remembered(answer, true),
        Decision::Again(answer) => remembered(answer, false),
    }
}

/// The transaction that a posting makes.
fn transaction(command: &Command, posting: Posting, wallets: &WalletIds) -> Transaction {
    let entry = |line: EntryLine, amount: Balance| Entry {
        wallet_id: wallets.get(&line.wallet),
        owner: line.wallet.owner,
        version: line.version,
        amount,
        balance_before: line.balance_before,
        balance_after: line.balance_after,
    };
    Transaction {
        id: posting.transaction,
        transaction_type: posting.transaction_type,
        asset_type: posting.asset_type,
        scale: posting.scale,
        debit: entry(posting.debit, Balance::of_debit(&posting.amount)),
        credit: entry(posting.credit, Balance::of_credit(&posting.amount)),
        amount: posting.amount,
        asset: posting.asset,
        reverses: posting.reverses,
        description: posting.description,
        metadata: command.metadata.clone(),
        reason: command.reason.clone(),
        requested_by: command.requested_by,
        created_at: posting.created_at,
    }
}

/// The transaction that a command would make now, by the rules of [`super::Ledger::submit`], against
/// a snapshot: nothing is locked or written, and idempotency keys are not looked at.
///
/// # Errors
/// The refusal; the database's.
pub fn preview(
    conn: &mut PgConnection,
    lane: Lane,
    now: DateTime<Utc>,
    command: &Command,
) -> Result<Transaction, Error> {
    let command = Command { idempotency: None, ..command.clone() };
    let mut snapshot = conn.build_transaction().read_only().repeatable_read();
    let (mut book, _) = snapshot.run(|conn| open_book(conn, lane, now, &[&command], Locks::None))?;
    match decide(&mut book, &command)? {
        Decision::Post(posting) => Ok(transaction(&command, *posting, &WalletIds::of(&book))),
        Decision::Replay(_) | Decision::Again(_) => Err(Refusal::AlreadyClaimed.into()),
    }
}
