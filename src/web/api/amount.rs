//! Amounts as scripts send them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

/// An amount as it stands in the request, a JSON string or a JSON number, digit by digit; whether
/// it is one decides `Amount::parse`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmountInput(String);

impl AmountInput {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AmountInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AmountInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Any other way in would take the object by which serde_json tells itself of a number.
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().bytes().next() {
            Some(b'"') => serde_json::from_str(raw.get()).map(Self).map_err(D::Error::custom),
            Some(b'-' | b'0'..=b'9') => Ok(Self(raw.get().to_owned())),
            _ => Err(D::Error::custom("an amount is a string or a number")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::domain::Amount;

    #[test]
    fn the_digits_stay_as_they_were_written() {
        for (json, text) in [
            (r#""100.00""#, "100.00"),
            ("100", "100"),
            ("100.50", "100.50"),
            ("0.1000", "0.1000"),
            ("999999999999.9999", "999999999999.9999"),
            ("-5", "-5"),
        ] {
            assert_eq!(serde_json::from_str::<AmountInput>(json).unwrap().as_str(), text);
        }
    }

    #[test]
    fn exponents_are_refused_later_and_other_types_at_once() {
        let exponent: AmountInput = serde_json::from_str("1e9").unwrap();
        assert!(Amount::parse(exponent.as_str()).is_err());
        for json in ["true", "null", "[1]", "{}", r#"{"$serde_json::private::Number":"7"}"#] {
            assert!(serde_json::from_str::<AmountInput>(json).is_err(), "{json}");
        }
    }
}
