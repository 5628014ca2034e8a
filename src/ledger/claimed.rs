//! Assets that are known to be claimed. A claim is for ever, so what was seen once is true as long as
//! it is remembered, on every instance: whoever comes too late for a hot credit is told so without a
//! look into the database.

use crate::domain::posting::{Action, Command};
use crate::domain::{AssetId, UserId};
use crate::memory::Memory;

/// How many assets are remembered.
const MOST: usize = 1 << 16;

/// Some of the claimed assets with their owners.
pub(super) struct Claimed(Memory<AssetId, UserId>);

impl Default for Claimed {
    fn default() -> Self {
        Self(Memory::of_at_most(MOST))
    }
}

impl Claimed {
    /// Remembers owners, as a committed batch or a lock has shown them.
    pub(super) fn remember(&self, owners: impl IntoIterator<Item = (AssetId, UserId)>) {
        owners.into_iter().for_each(|(asset, owner)| self.0.insert(asset, owner));
    }

    /// Whether a command is a claim of what is known to be another's. One with an idempotency key goes
    /// the long way, since its key may have been used for another request, which comes first.
    pub(super) fn is_too_late(&self, command: &Command) -> bool {
        let Action::Claim { user, asset } = command.action else { return false };
        command.idempotency.is_none() && self.0.get(&asset).is_some_and(|owner| owner != user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::posting::Idempotency;

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
        let idempotency = Some(Idempotency { key: "k".to_owned(), item: 0, request_hash: [0; 32] });
        assert!(!claimed.is_too_late(&Command { idempotency, ..claim(2, 7) }));
    }
}
