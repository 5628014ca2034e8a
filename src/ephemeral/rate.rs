//! How often something may happen.

use std::str::FromStr;
use std::time::Duration;

/// So many events at once, and from then on as many evenly over each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    at_once: u32,
    period: Duration,
}

impl Rate {
    /// `at_once` events, from 1 on, in a period that is longer than nothing.
    pub const fn new(at_once: u32, period: Duration) -> Self {
        Self { at_once, period }
    }

    /// How many events may come at once.
    pub fn at_once(self) -> u32 {
        self.at_once
    }

    /// The time in which one more event becomes free.
    pub fn interval(self) -> Duration {
        self.period / self.at_once.max(1)
    }

    /// How many events are free for one who has this debt.
    pub fn free(self, debt: Duration) -> u32 {
        let owed = debt.as_nanos().div_ceil(self.interval().as_nanos().max(1));
        self.at_once.saturating_sub(u32::try_from(owed).unwrap_or(u32::MAX))
    }
}

/// `20/10m`: twenty in ten minutes. The period is a number of `s`, `m` or `h`, one where it is left
/// out.
impl FromStr for Rate {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at_once, period) = text.split_once('/').ok_or(())?;
        let at_once: u32 = at_once.parse().map_err(drop)?;
        let (number, unit) = period.split_at_checked(period.len().saturating_sub(1)).ok_or(())?;
        let number: u64 = if number.is_empty() { 1 } else { number.parse().map_err(drop)? };
        let seconds = match unit {
            "s" => number,
            "m" => number.saturating_mul(60),
            "h" => number.saturating_mul(3600),
            _ => return Err(()),
        };
        let rate = Self::new(at_once, Duration::from_secs(seconds));
        let fits = (1..=1_000_000).contains(&at_once) && (1..=86_400).contains(&seconds);
        if fits { Ok(rate) } else { Err(()) }
    }
}

/// Where somebody stands with a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How long until one more event is free; zero where one is.
    pub wait: Duration,
    /// How long until all are free.
    pub debt: Duration,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_written() {
        let rates = [
            ("20/10m", 20, 600),
            ("1/s", 1, 1),
            ("600/m", 600, 60),
            ("10/h", 10, 3_600),
            ("7/90s", 7, 90),
            ("1000000/24h", 1_000_000, 86_400),
        ];
        for (text, at_once, seconds) in rates {
            assert_eq!(text.parse(), Ok(Rate::new(at_once, Duration::from_secs(seconds))), "{text}");
        }
        for text in ["", "20", "/m", "0/m", "20/0m", "20/", "20/10", "-1/m", "20/10d", "20/25h", "x/m", "2/1é", "1.5/m"]
        {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_free_follows_from_the_debt() {
        let rate: Rate = "20/10m".parse().unwrap();
        assert_eq!(rate.interval(), Duration::from_secs(30));
        let free = |seconds| rate.free(Duration::from_secs(seconds));
        assert_eq!(
            (free(0), free(1), free(30), free(31), free(599), free(600), free(10_000)),
            (20, 19, 19, 18, 0, 0, 0)
        );
    }
}
