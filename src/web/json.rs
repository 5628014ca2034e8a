//! JSON objects, read strictly: no field twice, nothing that the database cannot keep, and numbers
//! digit by digit.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use serde::de::value::MapDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, FieldError, Result};

/// How many objects and lists may stand inside each other.
const DEEPEST: usize = 32;

/// The longest number and the largest exponent inside of objects and lists: what a number of 64
/// bits can need, and nothing that a few characters blow up to thousands of digits in the database.
const LONGEST_NUMBER: usize = 400;
const LARGEST_EXPONENT: u32 = 400;

/// How the fields begin by which serde_json tells itself of numbers and raw values. It would take an
/// object with such a field for one of them when it is read back.
const RESERVED: &str = "$serde_json::private::";

/// The fields of a JSON object, each there once.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    fields: BTreeMap<Cow<'a, str>, Field<'a>>,
    /// All fields in the one way to write them.
    canonical: String,
}

#[derive(Debug)]
struct Field<'a> {
    raw: &'a RawValue,
    /// Where it stands in the text of all.
    canonical: Range<usize>,
}

impl<'a> Fields<'a> {
    /// Reads an object.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else, for a field that is there twice at any depth and for
    /// too much depth; [`Error::Invalid`] for texts and numbers that cannot be kept.
    pub fn read(json: &'a [u8]) -> Result<Self> {
        if json.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(Error::Malformed("Send a JSON object.".into()));
        }
        let Object(fields) = serde_json::from_slice(json).map_err(|error| unreadable(&error))?;
        let mut canonical = String::with_capacity(json.len());
        let fields = fields.into_iter().map(|(name, raw)| {
            let start = canonical.len();
            quote(&mut canonical, &name, &name)?;
            canonical.push(':');
            canonize(&mut canonical, &name, raw.get(), 1)?;
            Ok((name, Field { raw, canonical: start..canonical.len() }))
        });
        Ok(Self { fields: fields.collect::<Result<_>>()?, canonical })
    }

    /// Takes a field out: its value as it was written.
    pub fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        self.fields.remove(name).map(|field| field.raw)
    }

    /// The fields as a value of the program. Let `T` deny unknown fields.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        let fields = self.fields.iter().map(|(name, field)| (name.as_ref(), field.raw));
        T::deserialize(MapDeserializer::new(fields)).map_err(|error| {
            // It would be the place within a field's value.
            let place = format!(" at line {} column {}", error.line(), error.column());
            let text = error.to_string();
            let text = match text.trim_end_matches(&place) {
                text if OF_TIMES.contains(&text) => "a time is not written as 2026-01-31T12:00:00Z is",
                text => text,
            };
            Error::Malformed(format!("The JSON cannot be read: {text}.").into())
        })
    }

    /// One text for all ways to write these fields: their order, blanks and escapes do not matter.
    pub fn canonical(&self) -> String {
        let fields: Vec<&str> = self.fields.values().map(|field| &self.canonical[field.canonical.clone()]).collect();
        format!("{{{}}}", fields.join(","))
    }
}

/// What chrono says of a text that is no time, without saying that it was to be one.
const OF_TIMES: [&str; 4] =
    ["premature end of input", "input contains invalid characters", "input is out of range", "trailing input"];

/// Reads a field that may be left out, and is never null. With `#[serde(default)]`.
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a field that may be left out, which is other than to be null. With `#[serde(default)]`.
pub(super) fn given_or_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Why a body is not the JSON that is wanted.
pub(super) fn unreadable(error: &serde_json::Error) -> Error {
    Error::Malformed(format!("The JSON cannot be read: {error}.").into())
}

/// An object whose values are as they were written.
struct Object<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

/// The name of a field, which a [`Cow`] alone would not borrow.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Object<'de>, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &RawValue>()? {
                    if fields.contains_key(&name) {
                        return Err(A::Error::custom(format!("the field {name:?} is there twice")));
                    }
                    if name.starts_with(RESERVED) {
                        return Err(A::Error::custom(format!("no field can be called {name:?}")));
                    }
                    fields.insert(name, value);
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// Writes a value that stands somewhere in a field in the one way, once it is known to be sound.
fn canonize(text: &mut String, field: &str, json: &str, depth: usize) -> Result<()> {
    let first = json.bytes().next();
    if matches!(first, Some(b'{' | b'[')) && depth >= DEEPEST {
        return Err(Error::Malformed(format!("The field {field:?} is nested too deeply.").into()));
    }
    match first {
        Some(b'{') => {
            let Object(fields) = serde_json::from_str(json).map_err(|error| unreadable(&error))?;
            text.push('{');
            for (place, (name, value)) in fields.into_iter().enumerate() {
                text.push_str(if place > 0 { "," } else { "" });
                quote(text, field, &name)?;
                text.push(':');
                canonize(text, field, value.get(), depth + 1)?;
            }
            text.push('}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|error| unreadable(&error))?;
            text.push('[');
            for (place, item) in items.into_iter().enumerate() {
                text.push_str(if place > 0 { "," } else { "" });
                canonize(text, field, item.get(), depth + 1)?;
            }
            text.push(']');
        }
        Some(b'"') if json.contains('\\') => {
            let value: String = serde_json::from_str(json).map_err(|error| unreadable(&error))?;
            quote(text, field, &value)?;
        }
        Some(b'-' | b'0'..=b'9') if depth > 1 && is_beyond_bounds(json) => {
            return Err(Error::Invalid(vec![FieldError::new(field.to_owned(), "Use numbers of fewer digits.")]));
        }
        // There is one way to write a string without a backslash.
        _ => text.push_str(json),
    }
    Ok(())
}

/// The value as the database gives it back, number by number, so that it looks the same in every
/// answer: without exponents, and nothing is less than zero by its sign alone.
pub(super) fn kept(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let decimal = BigDecimal::from_str(&number.to_string());
            let plain = decimal.map(|value| value.with_scale(value.fractional_digit_count().max(0)).to_plain_string());
            Value::Number(plain.ok().and_then(|plain| plain.parse().ok()).unwrap_or(number))
        }
        Value::Array(items) => items.into_iter().map(kept).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, kept(value))).collect(),
        value => value,
    }
}

/// Writes a string between quotes, unless it holds the one character that PostgreSQL cannot keep.
fn quote(text: &mut String, field: &str, value: &str) -> Result<()> {
    if value.contains('\0') {
        let field = field.replace('\0', "\u{fffd}");
        return Err(Error::Invalid(vec![FieldError::new(field, "Leave out the character U+0000.")]));
    }
    let is_plain = value.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
    if is_plain {
        text.push('"');
        text.push_str(value);
        text.push('"');
    } else {
        text.push_str(&Value::from(value).to_string());
    }
    Ok(())
}

fn is_beyond_bounds(number: &str) -> bool {
    let exponent = number.split_once(['e', 'E']).map(|(_, exponent)| exponent.trim_start_matches(['+', '-']));
    number.len() > LONGEST_NUMBER
        || exponent.is_some_and(|digits| !digits.parse::<u32>().is_ok_and(|size| size <= LARGEST_EXPONENT))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn canonical(json: &str) -> String {
        Fields::read(json.as_bytes()).unwrap().canonical()
    }

    #[test]
    fn a_text_that_is_no_time_is_told_as_that() {
        #[derive(Debug, serde::Deserialize)]
        struct Ending {
            #[allow(dead_code, reason = "it is only read")]
            ends_at: chrono::DateTime<chrono::Utc>,
        }
        for text in ["", "2030-01-01", "soon", "2030-13-01T00:00:00Z", "2030-01-01T00:00:00Zulu"] {
            let json = serde_json::json!({ "ends_at": text }).to_string();
            let error = Fields::read(json.as_bytes()).unwrap().parse::<Ending>().unwrap_err();
            assert!(error.to_string().contains("a time is not written as"), "{text}: {error}");
        }
    }

    #[test]
    fn one_object_written_in_many_ways_has_one_text() {
        let text = canonical(r#"{"a":"A/","b":{"c":1.50,"d":[true,null]}}"#);
        for same in [
            r#" { "b" : { "d" : [ true , null ] , "c" : 1.50 } , "a" : "A/" } "#,
            r#"{"\u0061":"\u0041\/","b":{"c":1.50,"d":[true,null]}}"#,
        ] {
            assert_eq!(canonical(same), text, "{same}");
        }
        for other in [
            r#"{"a":"A/","b":{"c":1.5,"d":[true,null]}}"#,
            r#"{"a":"A/","b":{"c":1.50,"d":[null,true]}}"#,
            r#"{"a":"A/","b":{"c":"1.50","d":[true,null]}}"#,
            r#"{"a":"A/\",\"b\":{","c":1.50,"d":[true,null]}"#,
        ] {
            assert_ne!(canonical(other), text, "{other}");
        }
    }

    #[test]
    fn what_cannot_be_kept_or_means_two_things_is_refused() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[{"b":1,"b":2}]}"#,
            r#"{"$serde_json::private::Number":"1"}"#,
            r#"{"a":[{"$serde_json::private::RawValue":"1"}]}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":["\udc00\ud800"]}"#,
            r#"{"a":01}"#,
            r#"{"a":1}{}"#,
            r#"["a"]"#,
            "7",
            "",
            &deep,
        ] {
            assert!(matches!(Fields::read(json.as_bytes()), Err(Error::Malformed(_))), "{json:.40}");
        }
        assert!(matches!(Fields::read(b"{\"a\":\"\xff\"}"), Err(Error::Malformed(_))));
        let long = format!(r#"{{"a":[{}]}}"#, "1".repeat(401));
        for json in [
            r#"{"a":"\u0000"}"#,
            r#"{"a":{"b":["x\u0000y"]}}"#,
            r#"{"a":{"\u0000":1}}"#,
            r#"{"a":[1e401]}"#,
            r#"{"a":[1E-99999999999999999999]}"#,
            &long,
        ] {
            let named = |errors: &[FieldError]| errors.iter().all(|error| error.field == "a");
            assert!(
                matches!(Fields::read(json.as_bytes()), Err(Error::Invalid(errors)) if named(&errors)),
                "{json:.40}"
            );
        }
        for json in [r#"{"a":[1.7976931348623157e308, 5E-324, -0]}"#, r#"{"a":"\ud83d\ude00"}"#, "{}"] {
            assert!(Fields::read(json.as_bytes()).is_ok(), "{json}");
        }
    }

    #[test]
    fn numbers_are_kept_digit_by_digit_but_without_exponents() {
        for (written, plain) in [
            ("1.50", "1.50"),
            ("1e2", "100"),
            ("1.50E+1", "15.0"),
            ("12e-3", "0.012"),
            ("-1.0E-2", "-0.010"),
            ("-0", "0"),
            ("-0.00", "0.00"),
            ("0e5", "0"),
            ("0e-5", "0.00000"),
            ("123456789012345678901234567890.10", "123456789012345678901234567890.10"),
        ] {
            let value: Value = serde_json::from_str(&format!(r#"{{"a":[{written}],"b":"{written}"}}"#)).unwrap();
            assert_eq!(kept(value).to_string(), format!(r#"{{"a":[{plain}],"b":"{written}"}}"#));
        }
    }
}
