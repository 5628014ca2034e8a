//! Amounts as scripts send them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Digits with up to four decimals, at most 10^12.
const FLOOR: &str = r"^0*([0-9]{1,12}(\.[0-9]{1,4})?|1000000000000(\.0{1,4})?)$";

/// As [`FLOOR`], and more than zero.
const AMOUNT: &str = concat!(
    r"^0*([1-9][0-9]{0,11}(\.[0-9]{1,4})?|1000000000000(\.0{1,4})?",
    r"|0\.([1-9][0-9]{0,3}|0[1-9][0-9]{0,2}|00[1-9][0-9]?|000[1-9]))$"
);

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

impl From<&str> for AmountInput {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
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

impl PartialSchema for AmountInput {
    fn schema() -> RefOr<Schema> {
        let description =
            "An exact decimal above zero, at most 10^12, with no more decimals than the asset type's scale.";
        let number = ObjectBuilder::new().schema_type(Type::Number).exclusive_minimum(Some(0));
        text_or(number, AMOUNT, description)
    }
}

impl ToSchema for AmountInput {}

/// The look of an [`AmountInput`] that may be zero.
#[derive(Debug)]
pub struct FloorInput;

impl PartialSchema for FloorInput {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0));
        text_or(number, FLOOR, "An exact decimal, zero or more, at most 10^12.")
    }
}

impl ToSchema for FloorInput {}

/// Digits with up to four decimals, at most 10^15.
const MINIMUM: &str = r"^0*([0-9]{1,15}(\.[0-9]{1,4})?|1000000000000000(\.0{1,4})?)$";

/// The look of an [`AmountInput`] that every wallet of an asset type must keep.
#[derive(Debug)]
pub struct MinimumInput;

impl PartialSchema for MinimumInput {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(MINIMUM)).examples(["12.50"]);
        let number =
            ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0)).maximum(Some(1_000_000_000_000_000_i64));
        let description = "An exact decimal, zero or more, at most 10^15, with no more decimals than the scale.";
        OneOfBuilder::new().item(text).item(number).description(Some(description)).into()
    }
}

impl ToSchema for MinimumInput {}

fn text_or(number: ObjectBuilder, pattern: &str, description: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).examples(["12.50"]);
    let number = number.maximum(Some(1_000_000_000_000_i64));
    OneOfBuilder::new().item(text).item(number).description(Some(description)).into()
}

/// An exact decimal as answers show it, with as many decimals as the asset type's scale.
#[derive(Debug, ToSchema)]
#[schema(pattern = r"^-?[0-9]+(\.[0-9]{1,4})?$", examples("100.00"))]
pub struct Decimal(#[allow(dead_code, reason = "this is the look of what the domain writes as text")] String);

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
