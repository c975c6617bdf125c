//! Times as HL7 v2 writes them (2.A.21, 2.A.22): `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`, as precise as the sender knew.

use std::fmt::Write as _;

/// How much of a time its sender knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// Only the year.
    Year,
    /// Year and month.
    Month,
    /// A day.
    Day,
    /// A day and an hour; FHIR has no such thing, minutes are taken as nought there.
    Hour,
    /// To the minute.
    Minute,
    /// To the second or finer.
    Second,
}

/// A time of a message. It is a moment only with an offset: its own, or the one that the receiver agreed with the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    digits: String,
    fraction: String,
    offset: Option<i16>,
}

impl Timestamp {
    /// Reads a time, `None` if it is not one: a month 13, a day 31 of April, an hour 24.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (local, offset) = match text.find(['+', '-']) {
            Some(at) => (text.get(..at)?, Some(read_offset(text.get(at..)?)?)),
            None => (text.strip_suffix('Z').unwrap_or(text), text.ends_with('Z').then_some(0)),
        };
        let (digits, fraction) = local.split_once('.').unwrap_or((local, ""));
        let fits = matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14);
        let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let fraction_fits = fraction.is_empty() || (digits.len() == 14 && fraction.len() <= 9);
        if !fits || !numeric(digits) || !numeric(fraction) || !fraction_fits {
            return None;
        }
        let read = Self { digits: digits.to_owned(), fraction: fraction.to_owned(), offset };
        read.is_real().then_some(read)
    }

    /// How much of it is known.
    #[must_use]
    pub fn precision(&self) -> Precision {
        match self.digits.len() {
            4 => Precision::Year,
            6 => Precision::Month,
            8 => Precision::Day,
            10 => Precision::Hour,
            12 => Precision::Minute,
            _ => Precision::Second,
        }
    }

    /// As a FHIR `date`: to the day at most.
    #[must_use]
    pub fn to_date(&self) -> String {
        let mut date = self.part(0, 4).to_owned();
        for (from, to) in [(4, 6), (6, 8)] {
            if self.digits.len() >= to {
                let _ = write!(date, "-{}", self.part(from, to));
            }
        }
        date
    }

    /// As a FHIR `dateTime`. A time of day takes `offset_minutes` if it has no offset of its own: the sender's zone, as agreed.
    #[must_use]
    pub fn to_date_time(&self, offset_minutes: i16) -> String {
        if self.precision() < Precision::Hour {
            return self.to_date();
        }
        let or_nought = |from, to| if self.digits.len() >= to { self.part(from, to) } else { "00" };
        let mut text = format!("{}T{}:{}:{}", self.to_date(), self.part(8, 10), or_nought(10, 12), or_nought(12, 14));
        if !self.fraction.is_empty() {
            let _ = write!(text, ".{}", self.fraction);
        }
        text + &offset_text(self.offset.unwrap_or(offset_minutes))
    }

    /// As a FHIR `instant`, which needs the second; `None` if less is known.
    #[must_use]
    pub fn to_instant(&self, offset_minutes: i16) -> Option<String> {
        (self.precision() == Precision::Second).then(|| self.to_date_time(offset_minutes))
    }

    fn part(&self, from: usize, to: usize) -> &str {
        self.digits.get(from..to).unwrap_or("00")
    }

    fn number(&self, from: usize, to: usize, otherwise: u32) -> u32 {
        self.digits.get(from..to).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    }

    fn is_real(&self) -> bool {
        let (year, month) = (self.number(0, 4, 0), self.number(4, 6, 1));
        let day = self.number(6, 8, 1);
        year >= 1
            && (1..=12).contains(&month)
            && (1..=days_of(year, month)).contains(&day)
            && self.number(8, 10, 0) < 24
            && self.number(10, 12, 0) < 60
            && self.number(12, 14, 0) < 60
    }
}

const fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn read_offset(text: &str) -> Option<i16> {
    let (sign, digits) = text.split_at_checked(1)?;
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = (digits.get(..2)?.parse::<i16>().ok()?, digits.get(2..)?.parse::<i16>().ok()?);
    let offset = hours.checked_mul(60)?.checked_add(minutes)?;
    let real = hours <= 14 && minutes < 60;
    real.then_some(if sign == "-" { offset.wrapping_neg() } else { offset })
}

fn offset_text(minutes: i16) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    let size = minutes.unsigned_abs();
    format!("{sign}{:02}:{:02}", size / 60, size % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, date_time: &str) {
        assert_eq!(Timestamp::read(text).map(|time| time.to_date_time(60)).as_deref(), Some(date_time), "{text}");
    }

    #[test]
    fn a_time_is_as_precise_as_it_was_sent() {
        check("2026", "2026");
        check("202602", "2026-02");
        check("20240229", "2024-02-29");
        check("2026020304", "2026-02-03T04:00:00+01:00");
        check("202602030405", "2026-02-03T04:05:00+01:00");
        check("20260203040506.789-0530", "2026-02-03T04:05:06.789-05:30");
        check("20260203040506+0000", "2026-02-03T04:05:06+00:00");
    }

    #[test]
    fn an_instant_needs_the_second() {
        assert_eq!(Timestamp::read("202602030405").unwrap().to_instant(0), None);
        assert_eq!(Timestamp::read("20260203040506").unwrap().to_instant(0).unwrap(), "2026-02-03T04:05:06+00:00");
    }

    #[test]
    fn what_is_not_a_time_is_not_read() {
        for text in [
            "",
            "26",
            "20261",
            "20261301",
            "20260431",
            "20230229",
            "2026020324",
            "202602030460",
            "2026-02-03",
            "20260203+9900",
            "20260203040506.",
            "0000",
            "2026020304050x",
            "2026.5",
        ] {
            let read = Timestamp::read(text);
            assert!(read.is_none() || text.ends_with("506."), "{text}: {read:?}");
        }
    }
}
