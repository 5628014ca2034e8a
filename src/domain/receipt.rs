//! What proves a transaction to whoever holds it.

use super::asset::{READABLE, readable};

text_enum! {
    /// Where a receipt is in its life.
    pub enum ReceiptStatus {
        /// Waits for the job that makes it.
        Pending = "pending",
        /// Its file is there.
        Ready = "ready",
        /// Three attempts to make it failed; an admin can have it tried again.
        Failed = "failed",
        /// Its file was cleared away, and is made again when somebody asks.
        Cleared = "cleared",
    }
}

/// What confirms a receipt to anyone who types it: 16 letters and digits without look-alikes, 80
/// random bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptCode(String);

impl ReceiptCode {
    /// How many characters a code has.
    pub const LENGTH: usize = 16;

    /// Makes a code from random bytes, one for each of its characters.
    pub fn from_random(bytes: [u8; Self::LENGTH]) -> Self {
        let characters = bytes.iter().filter_map(|byte| READABLE.get(usize::from(byte % 32)));
        Self(characters.map(|&character| char::from(character)).collect())
    }

    /// Reads a code as people type it: case, dashes and blanks do not matter. None for what cannot
    /// be one.
    pub fn parse(text: &str) -> Option<Self> {
        readable(text, Self::LENGTH).map(Self)
    }

    /// The code as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// In groups of four, as people read it.
impl std::fmt::Display for ReceiptCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, character) in self.0.chars().enumerate() {
            if place > 0 && place.is_multiple_of(4) {
                f.write_str("-")?;
            }
            write!(f, "{character}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_code_is_read_as_it_is_shown_and_typed() {
        let code = ReceiptCode::from_random([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 250, 251, 252, 253, 254]);
        assert_eq!(ReceiptCode::parse(&code.to_string()).unwrap(), code);
        assert_eq!(ReceiptCode::parse(&code.as_str().to_lowercase()).unwrap(), code);
        assert_eq!(code.to_string().len(), 19);
        for other in ["", "ABCD-EFGH-JKLM", "ABCD-EFGH-JKLM-NPQ0", "ABCD-EFGH-JKLM-NPQRS", "ÀBCD-EFGH-JKLM-NPQR"] {
            assert_eq!(ReceiptCode::parse(other), None, "{other}");
        }
    }
}
