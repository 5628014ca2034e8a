//! The zone in which somebody reads times.

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::error::FieldError;

/// The parts of the world that zones are offered in. What else the IANA's database names is older
/// names of the same zones.
const REGIONS: [&str; 10] =
    ["Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"];

/// A zone of the IANA's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeZone(Tz);

impl TimeZone {
    /// Reads the name of a zone, such as `Asia/Kolkata`.
    ///
    /// # Errors
    /// A field error for `time_zone`.
    pub fn parse(name: &str) -> Result<Self, FieldError> {
        name.parse().map(Self).map_err(|_| FieldError::new("time_zone", "Choose a time zone of the list."))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What a clock on the wall shows there.
    pub fn wall_clock(self, time: DateTime<Utc>) -> NaiveDateTime {
        time.with_timezone(&self.0).naive_local()
    }

    /// The names to choose from, by part of the world, in order; UTC stands alone.
    pub fn offered() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
        REGIONS.into_iter().map(|region| {
            let is_there = |name: &&str| name.strip_prefix(region).is_some_and(|rest| rest.starts_with('/'));
            let mut names: Vec<&str> = TZ_VARIANTS.iter().map(|zone| zone.name()).filter(is_there).collect();
            names.sort_unstable();
            (region, names)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn clocks_follow_the_summer() {
        let berlin = TimeZone::parse("Europe/Berlin").unwrap();
        let clock = |time: &str| berlin.wall_clock(time.parse().unwrap()).format("%d %H:%M").to_string();
        assert_eq!(clock("2026-01-31T23:30:00Z"), "01 00:30");
        assert_eq!(clock("2026-07-31T23:30:00Z"), "01 01:30");
    }

    #[test]
    fn only_names_of_the_database_are_read() {
        assert_eq!(TimeZone::parse("UTC").unwrap().name(), "UTC");
        for bad in ["", "Mars/Olympus", "asia/kolkata", "Asia", "+05:30"] {
            assert_eq!(TimeZone::parse(bad).unwrap_err().field, "time_zone", "{bad}");
        }
    }

    #[test]
    fn all_that_is_offered_can_be_read() {
        let names: Vec<_> = TimeZone::offered().flat_map(|(_, names)| names).collect();
        assert!(names.len() > 400 && names.contains(&"Asia/Kolkata"), "{}", names.len());
        assert!(names.iter().all(|name| TimeZone::parse(name).is_ok()));
    }
}
