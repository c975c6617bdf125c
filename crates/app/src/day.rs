//! Days as people write them, `YYYY-MM-DD`, in UTC.

use bascule_fhir::Timestamp;
use time::Date;

/// The date, if it is one.
pub(crate) fn parse(day: &str) -> Option<Date> {
    Date::parse(day, time::macros::format_description!("[year]-[month]-[day]")).ok()
}

/// The first instant of a day.
pub(crate) fn start_of_day(day: &str) -> Option<Timestamp> {
    parse(day).map(|date| Timestamp::from_seconds(date.midnight().assume_utc().unix_timestamp()))
}

/// The first instant after a day.
pub(crate) fn end_of_day(day: &str) -> Option<Timestamp> {
    start_of_day(day).map(|start| start.plus_seconds(86_400))
}

/// The day of an instant.
pub(crate) fn of(now: Timestamp) -> String {
    now.to_instant().chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_and_ends_with_the_next() {
        let start = start_of_day("2026-11-24").unwrap();
        assert_eq!((start.to_instant().as_str(), of(start)), ("2026-11-24T00:00:00.000Z", "2026-11-24".to_owned()));
        assert_eq!(end_of_day("2026-11-24"), start_of_day("2026-11-25"));
        assert_eq!(parse("2026-02-30"), None);
        assert_eq!(parse("24.11.2026"), None);
    }
}
