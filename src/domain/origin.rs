//! Where a command came from.

/// By which request a command came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// As its log lines name it.
    pub request_id: String,
    /// Where it came from.
    pub ip_address: String,
}
