//! A shard: the part of a node's log that one quarter of a year fills, with a key of its own.

use bascule_fhir::Timestamp;

/// A quarter of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u32);

impl Shard {
    /// The quarter (UTC) in which an instant lies.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        let (year, month, _) = civil(now);
        Self(year * 4 + (month - 1) / 3)
    }

    /// Its dense number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        (1970 * 4..=9999 * 4 + 3).contains(&number).then_some(Self(number))
    }

    /// Reads `2026q4`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (year, quarter) = name.split_once('q')?;
        let quarter: u32 = quarter.parse().ok().filter(|quarter| (1..=4).contains(quarter))?;
        let shard = Self::from_number(year.parse::<u32>().ok()? * 4 + quarter - 1)?;
        (shard.name() == name).then_some(shard)
    }

    /// The months of the quarter: `2026-10`, …
    #[must_use]
    pub fn months(self) -> Vec<String> {
        let first = self.0 % 4 * 3 + 1;
        (first..first + 3).map(|month| format!("{:04}-{month:02}", self.0 / 4)).collect()
    }

    /// The first instant after it.
    #[must_use]
    pub fn end(self) -> Timestamp {
        let next = self.0 + 1;
        let (year, month) = (i64::from(next / 4), i64::from(next % 4 * 3 + 1));
        // Days from the epoch to the first of the month (days-from-civil; March begins the year).
        let shifted_year = if month <= 2 { year - 1 } else { year };
        let shifted_month = (month + 9) % 12;
        let of_year = (153 * shifted_month + 2) / 5;
        let days = 365 * shifted_year + shifted_year / 4 - shifted_year / 100 + shifted_year / 400 + of_year - 719_468;
        Timestamp::from_seconds(days * 86_400)
    }

    /// Its name: `2026q4`.
    #[must_use]
    pub fn name(self) -> String {
        format!("{:04}q{}", self.0 / 4, self.0 % 4 + 1)
    }
}

/// The month (UTC) whose keys seal an entry of that instant: `2026-11`.
#[must_use]
pub fn epoch_of(now: Timestamp) -> String {
    let (year, month, _) = civil(now);
    format!("{year:04}-{month:02}")
}

/// Year, month and day of an instant (UTC), by the days-from-civil rule of the proleptic Gregorian calendar.
/// Instants outside the years 1970 to 9999 are moved to the nearer end.
pub(crate) fn civil(now: Timestamp) -> (u32, u32, u32) {
    let days = now.seconds().div_euclid(86_400).clamp(0, 2_932_896);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let narrow = |number: i64| u32::try_from(number).unwrap_or(0);
    (narrow(year), narrow(month), narrow(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: i64, date: (u32, u32, u32), shard: &str, epoch: &str) {
        let now = Timestamp::from_seconds(seconds);
        assert_eq!(civil(now), date);
        assert_eq!(Shard::at(now).name(), shard);
        assert_eq!(Shard::parse(shard), Some(Shard::at(now)));
        assert_eq!(epoch_of(now), epoch);
        assert!(now.to_instant().starts_with(&format!("{:04}-{:02}-{:02}", date.0, date.1, date.2)));
    }

    #[test]
    fn quarters_and_months_are_those_of_the_calendar() {
        check(0, (1970, 1, 1), "1970q1", "1970-01");
        check(951_782_399, (2000, 2, 28), "2000q1", "2000-02");
        check(951_782_400, (2000, 2, 29), "2000q1", "2000-02");
        check(1_790_812_800, (2026, 10, 1), "2026q4", "2026-10");
        check(1_790_812_799, (2026, 9, 30), "2026q3", "2026-09");
        check(1_798_761_599, (2026, 12, 31), "2026q4", "2026-12");
        check(1_798_761_600, (2027, 1, 1), "2027q1", "2027-01");
    }

    #[test]
    fn a_shard_ends_where_the_next_begins() {
        for number in 1970 * 4..2200 * 4 {
            let shard = Shard::from_number(number).unwrap();
            assert_eq!(Shard::at(shard.end()).number(), number + 1);
            assert_eq!(Shard::at(Timestamp::from_micros(shard.end().micros() - 1)), shard);
        }
        assert_eq!(Shard::parse("2026q4").unwrap().months(), ["2026-10", "2026-11", "2026-12"]);
    }

    #[test]
    fn other_spellings_are_no_shard() {
        for name in ["2026q5", "2026q0", "26q1", "2026Q1", "2026q01", "q1", "", "vkey"] {
            assert_eq!(Shard::parse(name), None, "{name}");
        }
    }
}
