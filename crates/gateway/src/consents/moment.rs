//! FHIR `dateTime`s as instants: the first and, for an end, the last that a date may mean.

use bascule_fhir::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::{Date, Duration, Month, OffsetDateTime};

/// The first instant that a `dateTime` may mean.
pub(crate) fn first_of(text: &str) -> Option<Timestamp> {
    match whole(text) {
        Some(moment) => Some(moment),
        None => day(text, false).map(start),
    }
}

/// The first instant after all that a `dateTime` may mean.
pub(crate) fn last_of(text: &str) -> Option<Timestamp> {
    match whole(text) {
        Some(moment) => Some(moment),
        None => day(text, true).map(start),
    }
}

fn whole(text: &str) -> Option<Timestamp> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let micros = moment.unix_timestamp_nanos().div_euclid(1_000);
    i64::try_from(micros).ok().map(Timestamp::from_micros)
}

fn start(date: Date) -> Timestamp {
    Timestamp::from_seconds(date.midnight().assume_utc().unix_timestamp())
}

/// The first day of a year, a month or a day; or, if `after`, the first day after it.
fn day(text: &str, after: bool) -> Option<Date> {
    let mut parts = text.split('-');
    let year: i32 = parts.next().filter(|part| part.len() == 4)?.parse().ok()?;
    let number = |part: &str| if part.len() == 2 { part.parse::<u8>().ok() } else { None };
    let first = |year, month| Date::from_calendar_date(year, month, 1).ok();
    let (month, day) = (parts.next(), parts.next());
    if parts.next().is_some() {
        return None;
    }
    match (month, day) {
        (None, _) => first(year + i32::from(after), Month::January),
        (Some(month), None) => {
            let month = Month::try_from(number(month)?).ok()?;
            if !after {
                return first(year, month);
            }
            let next = month.next();
            first(year + i32::from(next == Month::January), next)
        }
        (Some(month), Some(day)) => {
            let date = Date::from_calendar_date(year, Month::try_from(number(month)?).ok()?, number(day)?).ok()?;
            if after { date.checked_add(Duration::days(1)) } else { Some(date) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, first: &str, after: &str) {
        let shown = |moment: Option<Timestamp>| moment.unwrap().to_instant();
        assert!(shown(first_of(text)).starts_with(first), "{text}: {}", shown(first_of(text)));
        assert!(shown(last_of(text)).starts_with(after), "{text}: {}", shown(last_of(text)));
    }

    #[test]
    fn a_date_is_all_of_its_time() {
        check("2026", "2026-01-01T00:00:00", "2027-01-01T00:00:00");
        check("2026-12", "2026-12-01T00:00:00", "2027-01-01T00:00:00");
        check("2026-02", "2026-02-01T00:00:00", "2026-03-01T00:00:00");
        check("2026-02-28", "2026-02-28T00:00:00", "2026-03-01T00:00:00");
        check("2026-02-28T10:00:00+02:00", "2026-02-28T08:00:00", "2026-02-28T08:00:00");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in ["", "26", "2026-13", "2026-02-30", "2026-2-3", "2026-02-03-04", "soon"] {
            assert_eq!(first_of(text), None, "{text}");
        }
    }
}
