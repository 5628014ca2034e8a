//! Why an admin does something.

use crate::error::FieldError;

/// Why an admin does something, in its own words: 1 to 500 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// The most characters.
    pub const LONGEST: usize = 500;

    /// Reads a reason; blanks around it do not count.
    ///
    /// # Errors
    /// A field error for `reason`.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > Self::LONGEST || text.contains('\0') {
            return Err(FieldError::new("reason", "Say why, in 1 to 500 characters."));
        }
        Ok(Self(text.to_owned()))
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The words, to keep.
    pub fn into_string(self) -> String {
        self.0
    }
}
