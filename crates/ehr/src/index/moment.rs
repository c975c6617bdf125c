//! Dates and times as ranges: `2020-03` is everything from its first to before the next month's first instant.
//!
//! A time without a zone is taken as UTC.

use serde_json::Value;
use time::{Date, Month};

/// From `low` (included) to `high` (excluded), in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The range of a FHIR date, dateTime or instant, also of one shortened to minutes as searches write it.
pub(crate) fn parse(text: &str) -> Option<Span> {
    let text = text.trim();
    let (day_text, time_text) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let span = day(day_text)?;
    match time_text {
        None => Some(span),
        Some(_) if day_text.len() != 10 => None,
        Some(time) => clock(time, span.low),
    }
}

fn day(text: &str) -> Option<Span> {
    let mut parts = text.split('-');
    let year: i32 = digits(parts.next()?, 4)?;
    let month = parts.next();
    let day_of_month = parts.next();
    if parts.next().is_some() {
        return None;
    }
    match (month, day_of_month) {
        (None, _) => Some(Span { low: start(year, 1, 1)?, high: start(year + 1, 1, 1)? }),
        (Some(month), None) => {
            let month: u8 = digits(month, 2)?;
            let next = if month == 12 { start(year + 1, 1, 1)? } else { start(year, month + 1, 1)? };
            Some(Span { low: start(year, month, 1)?, high: next })
        }
        (Some(month), Some(day)) => {
            let low = start(year, digits(month, 2)?, digits(day, 2)?)?;
            Some(Span { low, high: low + DAY })
        }
    }
}

fn start(year: i32, month: u8, day: u8) -> Option<i64> {
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    Some(date.midnight().assume_utc().unix_timestamp() * SECOND)
}

fn clock(text: &str, midnight: i64) -> Option<Span> {
    let (time, offset) = zone(text)?;
    let mut parts = time.split(':');
    let hour: i64 = digits(parts.next()?, 2)?;
    let minute: i64 = digits(parts.next()?, 2)?;
    let second = parts.next();
    if parts.next().is_some() || hour > 24 || minute > 59 {
        return None;
    }
    let low = midnight + (hour * 3_600 + minute * 60 - offset) * SECOND;
    match second {
        None => Some(Span { low, high: low + 60 * SECOND }),
        Some(second) => {
            let (whole, fraction) = second.split_once('.').unwrap_or((second, ""));
            let whole: i64 = digits(whole, 2)?;
            let (micros, width) = fraction_of(fraction)?;
            let low = low + whole.min(60) * SECOND + micros;
            (whole <= 60).then_some(Span { low, high: low + width })
        }
    }
}

/// The fraction in microseconds and how much its last digit spans.
fn fraction_of(digits: &str) -> Option<(i64, i64)> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let kept = digits.get(..digits.len().min(6))?;
    let width = 10_i64.pow(6 - u32::try_from(kept.len()).ok()?);
    Some((kept.parse::<i64>().unwrap_or(0) * width, width))
}

/// The time without its zone, and the zone's seconds east of Greenwich.
fn zone(text: &str) -> Option<(&str, i64)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    // A `+` that nobody escaped arrives as a space.
    let Some(at) = text.rfind(['+', '-', ' ']) else { return Some((text, 0)) };
    let (time, offset) = text.split_at(at);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes): (i64, i64) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 14 && minutes < 60).then_some((time, sign * (hours * 3_600 + minutes * 60)))
}

fn digits<T: std::str::FromStr>(text: &str, length: usize) -> Option<T> {
    let sound = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if sound { text.parse().ok() } else { None }
}

/// The outer range of a dateTime, a Period or a Timing.
pub(crate) fn of(value: &Value) -> Option<Span> {
    match value {
        Value::String(text) => parse(text),
        Value::Object(fields) if fields.contains_key("event") || fields.contains_key("repeat") => timing(value),
        Value::Object(fields) => period(fields.get("start"), fields.get("end")),
        _ => None,
    }
}

fn period(start: Option<&Value>, end: Option<&Value>) -> Option<Span> {
    let bound = |value: Option<&Value>| value.and_then(Value::as_str).and_then(parse);
    let (low, high) = (bound(start), bound(end));
    if low.is_none() && high.is_none() {
        return None;
    }
    Some(Span { low: low.map_or(i64::MIN, |span| span.low), high: high.map_or(i64::MAX, |span| span.high) })
}

fn timing(value: &Value) -> Option<Span> {
    let events = value.get("event").and_then(Value::as_array).into_iter().flatten().filter_map(of);
    let bounds = value.pointer("/repeat/boundsPeriod").and_then(of);
    events.chain(bounds).reduce(|one, two| Span { low: one.low.min(two.low), high: one.high.max(two.high) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, low: i64, seconds: i64) {
        assert_eq!(parse(text), Some(Span { low: low * SECOND, high: (low + seconds) * SECOND }), "{text}");
    }

    #[test]
    fn precision_is_width() {
        check("1970", 0, 365 * 86_400);
        check("1970-02", 31 * 86_400, 28 * 86_400);
        check("1970-12", 334 * 86_400, 31 * 86_400);
        check("1970-01-02", 86_400, 86_400);
        check("1970-01-01T00:01", 60, 60);
        check("1970-01-01T00:00:01Z", 1, 1);
        check("1970-01-01T01:00:00+01:00", 0, 1);
        check("1970-01-01T01:00:00 01:00", 0, 1);
        check("1969-12-31T19:00:00-05:00", 0, 1);
        assert_eq!(parse("1970-01-01T00:00:00.5Z"), Some(Span { low: 500_000, high: 600_000 }));
        assert_eq!(parse("1970-01-01T00:00:00.123456789Z"), Some(Span { low: 123_456, high: 123_457 }));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in
            ["", "20", "2020-13", "2021-02-29", "2020-1-1", "2020T10:00", "2020-01-01T25:00", "2020-01-01T1:00", "abc"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_open_period_has_no_end() {
        let open = of(&serde_json::json!({ "start": "1970-01-02" })).unwrap();
        assert_eq!((open.low, open.high), (DAY, i64::MAX));
        assert_eq!(of(&serde_json::json!({})), None);
    }

    #[test]
    fn a_timing_is_its_outer_limits() {
        let timing = serde_json::json!({ "event": ["1970-01-03", "1970-01-01"] });
        assert_eq!(of(&timing), Some(Span { low: 0, high: 3 * DAY }));
    }
}
