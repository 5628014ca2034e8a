//! What can go wrong, in three kinds: the business says no ([`Refusal`]), a request cannot be
//! served ([`Error`]), and Coffer itself cannot start or go on ([`Fatal`]).

/// Why a command of the command line ends at once with exit code 1: one clear line that says what
/// to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fatal(pub String);

impl Fatal {
    /// A reason in words.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
