//! Assets that are known to be claimed. A claim is for ever, so what was seen once is true as long as
//! it is remembered, on every instance: whoever comes too late for a hot credit is told so without a
//! look into the database.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::posting::{Action, Command};
use crate::domain::{AssetId, UserId};

/// How many assets each of the two halves holds.
const HALF: usize = 1 << 15;

/// Some of the claimed assets with their owners. What is asked for stays; of the rest the older half
/// goes when the newer is full.
#[derive(Default)]
pub(super) struct Claimed(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    newer: HashMap<AssetId, UserId>,
    older: HashMap<AssetId, UserId>,
}

impl Claimed {
    /// Remembers owners, as a committed batch or a lock has shown them.
    pub(super) fn remember(&self, owners: impl IntoIterator<Item = (AssetId, UserId)>) {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (asset, owner) in owners {
            halves.insert(asset, owner);
        }
    }

    /// Whether a command is a claim of what is known to be another's.
    pub(super) fn is_too_late(&self, command: &Command) -> bool {
        let Action::Claim { user, asset } = command.action else { return false };
        self.owner(asset).is_some_and(|owner| owner != user)
    }

    fn owner(&self, asset: AssetId) -> Option<UserId> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(owner) = halves.newer.get(&asset) {
            return Some(*owner);
        }
        let owner = halves.older.remove(&asset)?;
        halves.insert(asset, owner);
        Some(owner)
    }
}

impl Halves {
    fn insert(&mut self, asset: AssetId, owner: UserId) {
        if self.newer.len() >= HALF && !self.newer.contains_key(&asset) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(asset, owner);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn claim(user: i64, asset: i64) -> Command {
        Command::new(UserId(user), Action::Claim { user: UserId(user), asset: AssetId(asset) })
    }

    #[test]
    fn only_who_does_not_own_it_is_too_late() {
        let claimed = Claimed::default();
        assert!(!claimed.is_too_late(&claim(1, 7)));
        claimed.remember([(AssetId(7), UserId(1))]);
        assert!(!claimed.is_too_late(&claim(1, 7)));
        assert!(claimed.is_too_late(&claim(2, 7)));
        assert!(!claimed.is_too_late(&claim(2, 8)));
    }

    #[test]
    fn the_memory_is_bounded_and_what_is_hot_stays() {
        let claimed = Claimed::default();
        for asset in (0..).take(5 * HALF) {
            claimed.remember([(AssetId(asset), UserId(1))]);
            assert!(claimed.is_too_late(&claim(2, 0)));
        }
        assert!(!claimed.is_too_late(&claim(2, 1)));
        let halves = claimed.0.lock().unwrap();
        assert!(halves.newer.len() + halves.older.len() <= 2 * HALF);
    }
}
