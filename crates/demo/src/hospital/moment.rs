//! Dates and moments of the hospital's own clock, as FHIR writes them.

use time::{Date, Duration, Month};

/// The hospital stands where clocks are never moved: seven hours behind UTC all year.
const OFFSET: &str = "-07:00";

/// A day and a minute of it, by the hospital's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) day: Date,
    pub(super) minute: u16,
}

impl Moment {
    /// `day` at `hour`:`minute`.
    pub(super) fn at(day: Date, hour: u16, minute: u16) -> Self {
        Self { day, minute: hour * 60 + minute }
    }

    /// Later by `minutes`, into the next days if need be.
    pub(super) fn later(self, minutes: u32) -> Self {
        let all = u32::from(self.minute) + minutes;
        let minute = u16::try_from(all % 1440).unwrap_or(0);
        Self { day: plus_days(self.day, i64::from(all / 1440)), minute }
    }

    /// As a FHIR `dateTime` or `instant`.
    pub(super) fn text(self) -> String {
        format!("{}T{:02}:{:02}:00{OFFSET}", date(self.day), self.minute / 60, self.minute % 60)
    }
}

/// As a FHIR `date`.
pub(super) fn date(day: Date) -> String {
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

/// `day` moved by `days`, held at the ends of the calendar.
pub(super) fn plus_days(day: Date, days: i64) -> Date {
    day.saturating_add(Duration::days(days))
}

/// The same day `years` later; 29 February becomes 28.
pub(super) fn plus_years(day: Date, years: i32) -> Date {
    let year = day.year() + years;
    day.replace_year(year).or_else(|_| Date::from_calendar_date(year, Month::February, 28)).unwrap_or(day)
}

/// Whole years from `birth` to `day`.
pub(super) fn age_in_years(birth: Date, day: Date) -> i32 {
    let years = day.year() - birth.year();
    if plus_years(birth, years) > day { years - 1 } else { years }
}

/// The next working day at or after `day`.
pub(super) fn working_day(day: Date) -> Date {
    match day.weekday() {
        time::Weekday::Saturday => plus_days(day, 2),
        time::Weekday::Sunday => plus_days(day, 1),
        _ => day,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn a_moment_runs_over_midnight() {
        assert_eq!(Moment::at(date!(2024 - 02 - 28), 23, 30).later(60).text(), "2024-02-29T00:30:00-07:00");
    }

    #[test]
    fn a_leap_day_has_a_birthday_each_year() {
        assert_eq!(plus_years(date!(2024 - 02 - 29), 1), date!(2025 - 02 - 28));
    }

    #[test]
    fn age_turns_on_the_birthday() {
        let birth = date!(1990 - 06 - 15);
        assert_eq!(age_in_years(birth, date!(2026 - 06 - 14)), 35);
        assert_eq!(age_in_years(birth, date!(2026 - 06 - 15)), 36);
    }

    #[test]
    fn a_weekend_moves_to_monday() {
        assert_eq!(working_day(date!(2026 - 11 - 21)), date!(2026 - 11 - 23));
        assert_eq!(working_day(date!(2026 - 11 - 22)), date!(2026 - 11 - 23));
    }
}
