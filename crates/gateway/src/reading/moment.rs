//! The `date` parameter of a search: a prefix and a day or an instant, as a span of time.

use bascule_fhir::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, Time};

/// From the first instant to the first one after.
pub(super) type Span = (Option<Timestamp>, Option<Timestamp>);

/// Reads `ge2026-11-24`, `lt2026-11-24T20:00:00Z`, `2026-11`.
pub(super) fn span(value: &str) -> Option<Span> {
    let prefix = value.get(..2).filter(|prefix| prefix.bytes().all(|byte| byte.is_ascii_lowercase())).unwrap_or("eq");
    let (from, until) = instant(value.strip_prefix(prefix).unwrap_or(value))?;
    match prefix {
        "eq" => Some((Some(from), Some(until))),
        "ge" => Some((Some(from), None)),
        "gt" => Some((Some(until), None)),
        "lt" => Some((None, Some(from))),
        "le" => Some((None, Some(until))),
        _ => None,
    }
}

/// The span that a date or an instant names, by its precision.
fn instant(text: &str) -> Option<(Timestamp, Timestamp)> {
    if text.contains('T') {
        // A `+` of an offset that came unescaped is a space.
        let moment = OffsetDateTime::parse(&text.replace(' ', "+"), &Rfc3339).ok()?;
        let from = Timestamp::from_micros(i64::try_from(moment.unix_timestamp_nanos() / 1_000).ok()?);
        let length = if text.contains('.') { 1_000 } else { 1_000_000 };
        return Some((from, Timestamp::from_micros(from.micros().saturating_add(length))));
    }
    let mut parts = text.split('-').map(|part| part.parse::<u16>().ok());
    let (year, month, day) = (parts.next()??, parts.next(), parts.next());
    let number = |part: Option<Option<u16>>| part.map_or(Some(1), |part| part.and_then(|part| u8::try_from(part).ok()));
    let first = at(year, number(month)?, number(day)?)?;
    let last = match (month, day) {
        (None, _) => at(year.checked_add(1)?, 1, 1)?,
        (Some(_), None) if number(month)? == 12 => at(year.checked_add(1)?, 1, 1)?,
        (Some(_), None) => at(year, number(month)? + 1, 1)?,
        (Some(_), Some(_)) => first.plus_seconds(86_400),
    };
    Some((first, last))
}

fn at(year: u16, month: u8, day: u8) -> Option<Timestamp> {
    let date = Date::from_calendar_date(i32::from(year), Month::try_from(month).ok()?, day).ok()?;
    Some(Timestamp::from_seconds(date.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, from: Option<&str>, until: Option<&str>) {
        let found = span(value).unwrap_or_else(|| panic!("{value} is not read"));
        let text = |at: Option<Timestamp>| at.map(|at| at.to_instant());
        assert_eq!((text(found.0).as_deref(), text(found.1).as_deref()), (from, until), "{value}");
    }

    #[test]
    fn a_date_is_a_span_by_its_precision_and_prefix() {
        check("2026-11-24", Some("2026-11-24T00:00:00.000Z"), Some("2026-11-25T00:00:00.000Z"));
        check("2026-12", Some("2026-12-01T00:00:00.000Z"), Some("2027-01-01T00:00:00.000Z"));
        check("2026", Some("2026-01-01T00:00:00.000Z"), Some("2027-01-01T00:00:00.000Z"));
        check("ge2026-11-24", Some("2026-11-24T00:00:00.000Z"), None);
        check("gt2026-11-24", Some("2026-11-25T00:00:00.000Z"), None);
        check("le2026-11-24T20:00:00Z", None, Some("2026-11-24T20:00:01.000Z"));
        check("lt2026-11-24T20:00:00.5+01:00", None, Some("2026-11-24T19:00:00.500Z"));
    }

    #[test]
    fn what_is_no_date_is_not_guessed() {
        for value in ["", "yesterday", "2026-13", "2026-02-30", "ap2026-01-01", "ge", "2026-11-24T25:00:00Z"] {
            assert!(span(value).is_none(), "{value}");
        }
    }
}
