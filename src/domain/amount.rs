//! Exact decimals: what is moved ([`Amount`], above zero) and what is held ([`Balance`], signed).
//! No binary float comes near either.

use std::fmt;

use bigdecimal::{BigDecimal, RoundingMode, Signed, ToPrimitive, Zero};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::data_types::PgNumeric;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Numeric;

use crate::error::{Refusal, invalid_amount};

/// No asset type has more decimals.
const MAX_SCALE: usize = 4;
/// The largest amount, 10^12.
const LARGEST: i64 = 1_000_000_000_000;
/// The most that a user's wallet can hold, 10^15.
const FULLEST: i64 = 1_000_000_000_000_000;
/// Digits before the point in 10^15, the largest number that is read.
const MAX_INTEGER_DIGITS: usize = 16;
/// The same with the zeros before them, of which nobody needs more.
const LONGEST_INTEGER: usize = 64;

/// What one transaction moves: an exact decimal above zero and at most 10^12, with at most four
/// decimals.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = Numeric)]
pub struct Amount(BigDecimal);

impl Amount {
    /// Reads an amount as people and scripts write it: digits, perhaps a point and decimals.
    ///
    /// # Errors
    /// [`Refusal::InvalidAmount`] for anything else: exponents, `NaN`, separators, blanks, a plus
    /// sign, zero or less, more than 10^12 or more than four decimals.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let value = digits(text)?;
        if value.is_negative() || value.is_zero() {
            return Err(invalid_amount("The amount must be more than zero."));
        }
        if value > LARGEST {
            return Err(invalid_amount("The amount must be at most 1,000,000,000,000."));
        }
        Ok(Self(value))
    }

    /// Refuses an amount that was written with more than `scale` decimals.
    pub fn check_scale(&self, scale: u8) -> Result<(), Refusal> {
        if self.0.fractional_digit_count() > i64::from(scale) {
            return Err(Refusal::too_fine(self, scale));
        }
        Ok(())
    }

    /// The same value with exactly `scale` decimals, as every answer shows it.
    pub fn at_scale(&self, scale: u8) -> String {
        show(&self.0, scale)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_plain_string())
    }
}

impl ToSql<Numeric, Pg> for Amount {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        send(&self.0, out)
    }
}

impl FromSql<Numeric, Pg> for Amount {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        // The column pads to four decimals, which nobody wrote.
        <BigDecimal as FromSql<Numeric, Pg>>::from_sql(value).map(|stored| Self(stored.normalized()))
    }
}

/// Reads digits, perhaps after a minus and with a point and decimals between them, and nothing else.
fn digits(text: &str) -> Result<BigDecimal, Refusal> {
    const WANTED: &str = "Write the amount in digits alone, with a point before decimals, for example 12 or 12.50.";
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (integer, decimals) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(integer) || !all_digits(decimals) {
        return Err(invalid_amount(WANTED));
    }
    if integer.trim_start_matches('0').len() > MAX_INTEGER_DIGITS || integer.len() > LONGEST_INTEGER {
        return Err(invalid_amount("The amount must be at most 1,000,000,000,000."));
    }
    if decimals.len() > MAX_SCALE {
        return Err(invalid_amount("The amount has more decimals than any asset type."));
    }
    text.parse().map_err(|_| invalid_amount(WANTED))
}

/// What a wallet holds, or the signed amount of an entry: an exact decimal of either sign.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = Numeric)]
pub struct Balance(BigDecimal);

impl Balance {
    /// Nothing.
    pub fn zero() -> Self {
        Self(BigDecimal::zero())
    }

    /// A whole number.
    pub fn whole(number: i64) -> Self {
        Self(BigDecimal::from(number))
    }

    /// Reads a floor: as [`Amount::parse`], but zero is one, too.
    ///
    /// # Errors
    /// As [`Amount::parse`].
    pub fn parse_floor(text: &str) -> Result<Self, Refusal> {
        let value = digits(text)?;
        if value.is_negative() || value > LARGEST {
            return Err(invalid_amount("The least to keep must be from 0 to 1,000,000,000,000."));
        }
        Ok(Self(value))
    }

    /// Reads what every wallet of an asset type must keep: as [`Balance::parse_floor`], up to the most
    /// that a wallet can hold.
    ///
    /// # Errors
    /// As [`Amount::parse`].
    pub fn parse_minimum(text: &str) -> Result<Self, Refusal> {
        let value = digits(text)?;
        if value.is_negative() || value > FULLEST {
            return Err(invalid_amount("Choose a number from 0 to 1,000,000,000,000,000."));
        }
        Ok(Self(value))
    }

    /// Whether this can be told with `scale` decimals and loses nothing.
    pub fn fits(&self, scale: u8) -> bool {
        self.0.normalized().fractional_digit_count() <= i64::from(scale)
    }

    /// The most that a user's wallet can hold, 10^15.
    pub fn limit() -> Self {
        Self(BigDecimal::from(FULLEST))
    }

    /// This and `amount` more.
    #[must_use]
    pub fn credited(&self, amount: &Amount) -> Self {
        Self(&self.0 + &amount.0)
    }

    /// This and `amount` less.
    #[must_use]
    pub fn debited(&self, amount: &Amount) -> Self {
        Self(&self.0 - &amount.0)
    }

    /// How much of this is above `floor`; zero where there is nothing.
    #[must_use]
    pub fn above(&self, floor: &Self) -> Self {
        Self((&self.0 - &floor.0).max(BigDecimal::zero()))
    }

    /// The entry of a wallet that gains `amount`.
    pub fn of_credit(amount: &Amount) -> Self {
        Self(amount.0.clone())
    }

    /// The entry of a wallet that gives `amount`.
    pub fn of_debit(amount: &Amount) -> Self {
        Self(-&amount.0)
    }

    /// The opposite: what users hold of what the treasury has given.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self(-&self.0)
    }

    /// This and `other` together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self(&self.0 + &other.0)
    }

    /// How many of `parts` equal parts of `whole` this is, rounded down; none of nothing.
    pub fn parts_of(&self, whole: &Self, parts: i64) -> i64 {
        if whole.0.is_zero() {
            return 0;
        }
        let share = (&self.0 * BigDecimal::from(parts)) / &whole.0;
        share.with_scale_round(0, RoundingMode::Down).to_i64().unwrap_or_default()
    }

    /// Whether this is less than nothing.
    pub fn is_negative(&self) -> bool {
        self.0 < BigDecimal::zero()
    }

    /// The same value with exactly `scale` decimals, as every answer shows it.
    pub fn at_scale(&self, scale: u8) -> String {
        show(&self.0, scale)
    }

    /// The same value, to be displayed with exactly `scale` decimals.
    #[must_use]
    pub fn rescaled(&self, scale: u8) -> Self {
        Self(self.0.with_scale_round(i64::from(scale), RoundingMode::Down))
    }
}

/// As text, digit by digit.
impl serde::Serialize for Balance {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Balance {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_plain_string())
    }
}

impl ToSql<Numeric, Pg> for Balance {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        send(&self.0, out)
    }
}

impl FromSql<Numeric, Pg> for Balance {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        <BigDecimal as FromSql<Numeric, Pg>>::from_sql(value).map(Self)
    }
}

/// A decimal with its thousands apart: `-1250.00` becomes `−1,250.00`.
pub fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("−", digits));
    let (integer, decimals) = digits.split_once('.').map_or((digits, None), |(i, d)| (i, Some(d)));
    let mut text = sign.to_owned();
    for (index, digit) in integer.chars().enumerate() {
        if index > 0 && (integer.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(decimals) = decimals {
        text.push('.');
        text.push_str(decimals);
    }
    text
}

/// As [`grouped`], with its sign before it also where that is a plus.
pub fn signed(number: &str) -> String {
    let is_plus = !number.starts_with('-') && number.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    if is_plus { format!("+{}", grouped(number)) } else { grouped(number) }
}

/// Stored values have no more decimals than their asset type, so nothing is lost here.
fn show(value: &BigDecimal, scale: u8) -> String {
    let Some(units) = in_units(value, scale) else {
        return value.with_scale_round(i64::from(scale), RoundingMode::Down).to_plain_string();
    };
    let decimals = usize::from(scale);
    let mut text = units.unsigned_abs().to_string();
    while text.len() <= decimals {
        text.insert(0, '0');
    }
    if decimals > 0 {
        text.insert(text.len() - decimals, '.');
    }
    if units < 0 {
        text.insert(0, '-');
    }
    text
}

/// A number in units of its last decimal, what is below them cut off, as far as machine arithmetic reaches:
/// the library's is for numbers of any length, and a batch has thousands.
fn in_units(value: &BigDecimal, decimals: u8) -> Option<i64> {
    let (units, own) = value.as_bigint_and_scale();
    let units = i64::try_from(&*units).ok()?;
    let shift = i64::from(decimals).checked_sub(own)?;
    let factor = 10_i64.checked_pow(u32::try_from(shift.unsigned_abs()).ok()?)?;
    if shift < 0 { units.checked_div(factor) } else { units.checked_mul(factor) }
}

/// Sends a number to PostgreSQL, whose digits are those of base 10,000.
fn send(value: &BigDecimal, out: &mut Output<'_, '_, Pg>) -> serialize::Result {
    match in_base_10_000(value) {
        Some(numeric) => ToSql::<Numeric, Pg>::to_sql(&numeric, &mut out.reborrow()),
        None => ToSql::<Numeric, Pg>::to_sql(value, &mut out.reborrow()),
    }
}

/// A number of at most four decimals in digits of base 10,000, of which the last is then that of the decimals;
/// none where machine arithmetic does not reach.
fn in_base_10_000(value: &BigDecimal) -> Option<PgNumeric> {
    let scale = u16::try_from(value.fractional_digit_count()).ok().filter(|scale| usize::from(*scale) <= MAX_SCALE)?;
    let units = in_units(value, 4)?;
    let mut left = units.unsigned_abs();
    let mut digits = Vec::with_capacity(6);
    while left > 0 {
        digits.push(i16::try_from(left % 10_000).ok()?);
        left /= 10_000;
    }
    digits.reverse();
    let weight = i16::try_from(digits.len()).ok()? - 2;
    Some(if units < 0 {
        PgNumeric::Negative { weight, scale, digits }
    } else {
        PgNumeric::Positive { weight, scale, digits }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn machine_arithmetic_does_what_the_library_does() {
        let mut number: BigDecimal = "0.0007".parse().unwrap();
        while number < 100_000_000_000_000_000_i64 {
            for value in [number.clone(), -&number, number.with_scale(0), number.with_scale(2), number.round(-3)] {
                let read = in_base_10_000(&value).map(|numeric| BigDecimal::try_from(&numeric).unwrap());
                assert!(read.is_none_or(|read| read == value), "{value}");
                for scale in 0..=4 {
                    let told = value.with_scale_round(i64::from(scale), RoundingMode::Down).to_plain_string();
                    assert_eq!(show(&value, scale), told);
                }
            }
            number = (&number * 13_i64).with_scale(4) + &number;
        }
        for edge in ["0", "0.0001", "-9999.9999", "10000", "922337203685477.5807", "-922337203685477.5808"] {
            let sent: BigDecimal = edge.parse().unwrap();
            assert_eq!(BigDecimal::try_from(&in_base_10_000(&sent).unwrap()).unwrap(), sent);
        }
        // These are left to the library.
        for beyond in ["922337203685477.5808", "0.00001", "99999999999999999999", "1e3"] {
            assert!(in_base_10_000(&beyond.parse().unwrap()).is_none(), "{beyond}");
        }
    }
}
