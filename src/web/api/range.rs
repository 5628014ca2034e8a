//! Ranges of dates as scripts send them.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, SubsecRound, TimeDelta, Timelike, Utc};

use crate::domain::Period;
use crate::error::{Error, FieldError, Result};

/// What is said of ends that cannot be.
pub(in crate::web) struct Words {
    /// Of a text that names no time.
    pub no_time: &'static str,
    /// Of an end that comes before the start.
    pub backwards: &'static str,
}

const OF_API: Words = Words {
    no_time: "Send a date like 2024-01-31, or an instant like 2024-01-31T12:00:00Z.",
    backwards: "The end is before the start.",
};

/// The period from a start to an end, both inclusive, each an RFC 3339 instant with any offset or a
/// date, which is the whole day in UTC. The ends come with the names of their fields.
///
/// # Errors
/// [`Error::Invalid`] where one of them cannot be read or the end is before the start.
pub fn period(start: (&'static str, Option<&str>), end: (&'static str, Option<&str>)) -> Result<Period> {
    period_or(&OF_API, start, end)
}

/// The same, with other words for what is wrong.
///
/// # Errors
/// As [`period`].
pub(in crate::web) fn period_or(
    words: &Words,
    (start_name, start): (&'static str, Option<&str>),
    (end_name, end): (&'static str, Option<&str>),
) -> Result<Period> {
    let mut wrong = Vec::new();
    let mut read = |field: &'static str, text: Option<&str>| {
        let bound = text.map(Bound::parse);
        if bound == Some(None) {
            wrong.push(FieldError::new(field, words.no_time));
        }
        bound.flatten()
    };
    let (start, end) = (read(start_name, start), read(end_name, end));
    if let (Some(start), Some(end)) = (&start, &end)
        && start.first > end.last
    {
        wrong.push(FieldError::new(end_name, words.backwards));
    }
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    // The ledger's times are whole microseconds.
    let microsecond = |instant: DateTime<Utc>| instant.trunc_subsecs(6);
    let next = |instant: DateTime<Utc>| microsecond(instant) + TimeDelta::microseconds(1);
    let from = start.map(|bound| match microsecond(bound.first) {
        whole if whole == bound.first => whole,
        _ => next(bound.first),
    });
    Ok(Period { from, before: end.map(|bound| next(bound.last)) })
}

/// The period between the fields `start_date` and `end_date`.
///
/// # Errors
/// As [`period`].
pub fn dates(start_date: Option<&str>, end_date: Option<&str>) -> Result<Period> {
    period(("start_date", start_date), ("end_date", end_date))
}

/// What one end of a range names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bound {
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

impl Bound {
    fn parse(text: &str) -> Option<Self> {
        let bound = Self::of_day(text).or_else(|| Self::of_instant(text))?;
        (1..=9999).contains(&bound.first.year()).then_some(bound)
    }

    fn of_day(text: &str) -> Option<Self> {
        let shaped = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| shaped)?;
        let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        let next = midnight(day.checked_add_days(Days::new(1))?);
        Some(Self { first: midnight(day), last: next - TimeDelta::nanoseconds(1) })
    }

    fn of_instant(text: &str) -> Option<Self> {
        // In a query a plus sign that nobody has escaped arrives as a blank.
        let unescaped = text.len().checked_sub("+00:00".len()).and_then(|at| text.split_at_checked(at));
        let instant = match unescaped.and_then(|(time, offset)| Some((time, offset.strip_prefix(' ')?))) {
            Some((time, offset)) => DateTime::parse_from_rfc3339(&format!("{time}+{offset}")),
            None => DateTime::parse_from_rfc3339(text),
        };
        // A leap second is a nanosecond past the last.
        let instant = instant.ok().filter(|instant| instant.nanosecond() < 1_000_000_000)?.to_utc();
        Some(Self { first: instant, last: instant })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn read(start: &str, end: &str) -> (String, String) {
        let Period { from, before } = dates(Some(start), Some(end)).unwrap();
        (format!("{:?}", from.unwrap()), format!("{:?}", before.unwrap()))
    }

    fn refused(start: Option<&str>, end: Option<&str>) -> Vec<String> {
        let Err(Error::Invalid(errors)) = dates(start, end) else { panic!("{start:?} {end:?} is taken") };
        errors.into_iter().map(|error| error.field.into_owned()).collect()
    }

    #[test]
    fn days_are_whole_and_instants_are_themselves() {
        for (start, end, from, before) in [
            ("2024-01-31", "2024-01-31", "2024-01-31T00:00:00Z", "2024-02-01T00:00:00Z"),
            ("2024-02-29", "2024-12-31", "2024-02-29T00:00:00Z", "2025-01-01T00:00:00Z"),
            ("0001-01-01", "9999-12-31", "0001-01-01T00:00:00Z", "+10000-01-01T00:00:00Z"),
            ("2024-01-31T12:00:00Z", "2024-01-31T12:00:00Z", "2024-01-31T12:00:00Z", "2024-01-31T12:00:00.000001Z"),
            ("2024-01-31T00:00:00+05:30", "2024-01-31", "2024-01-30T18:30:00Z", "2024-02-01T00:00:00Z"),
            ("2024-01-31T00:00:00 05:30", "2024-01-31", "2024-01-30T18:30:00Z", "2024-02-01T00:00:00Z"),
            ("2024-01-31T00:00:00-05:30", "2024-01-31", "2024-01-31T05:30:00Z", "2024-02-01T00:00:00Z"),
            ("2024-01-31T00:00:00.0000001Z", "2024-02-01", "2024-01-31T00:00:00.000001Z", "2024-02-02T00:00:00Z"),
            ("2024-01-31", "2024-01-31T00:00:00.1234567Z", "2024-01-31T00:00:00Z", "2024-01-31T00:00:00.123457Z"),
            ("9999-12-31", "9999-12-31T23:59:59.999999999Z", "9999-12-31T00:00:00Z", "+10000-01-01T00:00:00Z"),
        ] {
            assert_eq!(read(start, end), (from.to_owned(), before.to_owned()), "{start} to {end}");
        }
        assert_eq!(dates(None, None).unwrap(), Period::default());
    }

    #[test]
    fn what_is_no_time_is_refused_by_the_name_of_its_field() {
        for text in [
            "",
            " ",
            "now",
            "2024",
            "2024-1-1",
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "0000-01-01",
            "10000-01-01",
            "+9999-01-01",
            "-001-01-01",
            "2024-01-31T12:00:00",
            "2024-01-31T24:00:00Z",
            "2024-01-31T23:59:60Z",
            "2016-12-31T23:59:60.5+00:00",
            "2024-01-31T12:00:00+25:00",
            "2024-01-31T12:00:00+05:30 ",
            " 2024-01-31",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2024-01-31T00:00:00Ω05:30",
            "２０２４-01-01",
            "1706659200",
        ] {
            assert_eq!(refused(Some(text), None), ["start_date"], "{text}");
            assert_eq!(refused(Some("2024-01-01"), Some(text)), ["end_date"], "{text}");
            assert_eq!(refused(Some(text), Some(text)), ["start_date", "end_date"], "{text}");
        }
    }

    #[test]
    fn an_end_before_the_start_is_refused_at_the_end() {
        for (start, end) in [
            ("2024-02-01", "2024-01-31"),
            ("2024-01-31T12:00:00.000001Z", "2024-01-31T12:00:00Z"),
            ("2024-02-01", "2024-01-31T23:59:59.999999Z"),
            ("2024-02-01T00:00:00Z", "2024-01-31"),
            ("2024-01-31T12:00:00Z", "2024-01-31T12:00:00+00:01"),
        ] {
            assert_eq!(refused(Some(start), Some(end)), ["end_date"], "{start} to {end}");
        }
    }
}
