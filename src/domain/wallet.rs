//! Whose account it is.

use super::UserId;

/// Who owns a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// A user.
    User(UserId),
    /// The system: where every credit comes from and every spend returns to. The only owner that
    /// may be negative.
    Treasury,
}

/// Which of the treasury's wallets of an asset type a posting thread uses. Each thread has one of
/// its own, so that threads do not wait for each other's hot row; the treasury's balance is the sum
/// of its lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(pub i16);
