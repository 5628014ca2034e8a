//! What to do when the answer to a commit never came: what is in the ledger has happened.

use std::collections::HashMap;

use diesel::PgConnection;

use super::batch::{Failure, Fate, Group};
use super::request::Request;
use super::{Outcome, Outcomes};
use crate::domain::TransactionId;
use crate::repo;

/// After a commit without an answer: settles those commands whose transactions are in the ledger, and
/// leaves the others, which are not in it, or their ids would be. If the lost commit is still on its
/// way, its locks, where it moves wallets that were there, block the next try: that one either writes,
/// meets the ids and comes back here, or writes nothing, and [`correct_by_late_commit`] finds them.
pub(super) fn settle(conn: &mut PgConnection, batch: &mut Vec<Request>) -> Result<(), Failure> {
    let items = batch.iter().flat_map(|request| &request.items);
    let ids: Vec<TransactionId> = items.map(|item| item.command.transaction).collect();
    let mut posted = posted_by_id(conn, &ids)?;
    for item in batch.iter_mut().flat_map(|request| &mut request.items) {
        item.settled = posted.remove(&item.command.transaction).or(item.settled.take());
    }
    let is_settled = |request: &mut Request| request.items.iter().all(|item| item.settled.is_some());
    for request in batch.extract_if(.., is_settled) {
        request.answer(Some(Outcomes::Each(Vec::new())));
    }
    Ok(())
}

fn posted_by_id(conn: &mut PgConnection, ids: &[TransactionId]) -> Result<HashMap<TransactionId, Outcome>, Failure> {
    let posted = repo::transactions::by_ids(conn, ids)?;
    Ok(posted.into_iter().map(|transaction| (transaction.id, Outcome::Posted(transaction))).collect())
}

/// A try after a lost commit waits for the locks of that commit, and then may find it done: a spend
/// that has emptied the wallet would be refused now. Those commands are posted, by that commit.
pub(super) fn correct_by_late_commit(
    conn: &mut PgConnection,
    groups: &[Group<'_>],
    fates: &mut [Fate],
) -> Result<(), Failure> {
    let ids: Vec<TransactionId> =
        groups.iter().flat_map(|group| &group.commands).map(|command| command.transaction).collect();
    // What this try has posted is committed by now, so a failure here leaves everything in doubt.
    let mut posted = posted_by_id(conn, &ids).map_err(|_| Failure::InDoubt)?;
    for (group, fate) in groups.iter().zip(fates) {
        let mut by_command = group.commands.iter().map(|command| posted.remove(&command.transaction));
        match fate {
            Fate::Decided(Outcomes::Each(each)) => {
                for (outcome, posted) in each.iter_mut().zip(by_command) {
                    if let Some(posted) = posted {
                        *outcome = Ok(posted);
                    }
                }
            }
            // What is missing of the group had been posted before, under the same keys.
            _ if by_command.any(|posted| posted.is_some()) => return Err(Failure::InDoubt),
            Fate::Decided(Outcomes::NoneOf(_)) | Fate::Outdated | Fate::HeldUp => {}
        }
    }
    Ok(())
}
