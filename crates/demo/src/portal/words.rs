//! Dates and moments as people say them.

use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

/// What time it is for the person in front of a page.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    now: OffsetDateTime,
}

impl Clock {
    /// The clock at this moment, by the house's offset from UTC.
    #[must_use]
    pub fn new(now: OffsetDateTime, offset: UtcOffset) -> Self {
        Self { now: now.to_offset(offset) }
    }

    fn today(self) -> Date {
        self.now.date()
    }
}

/// A FHIR date or dateTime, as precise as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct When {
    day: Date,
    precision: Precision,
    moment: Option<OffsetDateTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Year,
    Month,
    Day,
    Minute,
}

impl When {
    /// Reads `2026`, `2026-03`, `2026-03-02` or a whole dateTime.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
            return Some(Self { day: moment.date(), precision: Precision::Minute, moment: Some(moment) });
        }
        let mut parts = text.splitn(3, '-');
        let year: i32 = parts.next()?.parse().ok()?;
        let month = parts.next().map(|part| part.parse::<u8>().ok()).unwrap_or(Some(0))?;
        let day = parts.next().map(|part| part.parse::<u8>().ok()).unwrap_or(Some(0))?;
        let precision = match (month, day) {
            (0, _) => Precision::Year,
            (_, 0) => Precision::Month,
            _ => Precision::Day,
        };
        let day = Date::from_calendar_date(year, Month::try_from(month.max(1)).ok()?, day.max(1)).ok()?;
        Some(Self { day, precision, moment: None })
    }

    /// Days since some fixed day, for charts.
    pub(super) fn place(self) -> f64 {
        f64::from(self.day.to_julian_day())
    }

    /// Whether it is still to come.
    pub(super) fn is_ahead(self, clock: Clock) -> bool {
        self.moment.map_or(self.day >= clock.today(), |moment| moment >= clock.now)
    }

    /// For `<time datetime>`.
    pub(super) fn machine(self) -> String {
        format!("{:04}-{:02}-{:02}", self.day.year(), u8::from(self.day.month()), self.day.day())
    }

    /// `March 2`, with the year unless it is this one.
    pub(super) fn short(self, clock: Clock) -> String {
        match self.precision {
            Precision::Year => self.day.year().to_string(),
            Precision::Month => format!("{} {}", self.day.month(), self.day.year()),
            _ if self.day.year() == clock.today().year() => format!("{} {}", self.day.month(), self.day.day()),
            _ => format!("{} {}, {}", self.day.month(), self.day.day(), self.day.year()),
        }
    }

    /// `Tuesday, December 1, 2026`
    pub(super) fn long(self) -> String {
        match self.precision {
            Precision::Year => self.day.year().to_string(),
            Precision::Month => format!("{} {}", self.day.month(), self.day.year()),
            _ => format!("{}, {} {}, {}", self.day.weekday(), self.day.month(), self.day.day(), self.day.year()),
        }
    }

    /// `Tuesday, December 1`, with the year unless it is this one.
    pub(super) fn weekday(self, clock: Clock) -> String {
        match self.precision {
            Precision::Year | Precision::Month => self.long(),
            _ => format!("{}, {}", self.day.weekday(), self.short(clock)),
        }
    }

    /// `8:30 am`, if the time of day is known.
    pub(super) fn hour(self) -> Option<String> {
        self.moment.map(|moment| hour(moment.time()))
    }

    /// `Dec` and `1`: a leaf of a calendar.
    pub(super) fn leaf(self) -> (String, String) {
        (self.day.month().to_string().chars().take(3).collect(), self.day.day().to_string())
    }

    /// How far away: `today`, `in 3 days`, `2 weeks ago`, `in March 2024`.
    pub(super) fn distance(self, clock: Clock) -> String {
        let days = (self.day - clock.today()).whole_days();
        match days {
            0 => String::from("today"),
            1 => String::from("tomorrow"),
            -1 => String::from("yesterday"),
            2..=13 => format!("in {days} days"),
            14..=59 => format!("in {} weeks", days / 7),
            60.. => format!("in {} months", days / 30),
            -13..=-2 => format!("{} days ago", -days),
            -59..=-14 => format!("{} weeks ago", -days / 7),
            -700..=-60 => format!("{} months ago", -days / 30),
            _ => format!("{} years ago", (182 - days) / 365),
        }
    }

    /// Whole years from this day to today.
    pub(super) fn age(self, clock: Clock) -> i32 {
        let today = clock.today();
        let before = (today.month() as u8, today.day()) < (self.day.month() as u8, self.day.day());
        today.year() - self.day.year() - i32::from(before)
    }
}

fn hour(time: Time) -> String {
    let (hour, half) = match time.hour() {
        0 => (12, "am"),
        hour @ 1..=11 => (hour, "am"),
        12 => (12, "pm"),
        hour => (hour - 12, "pm"),
    };
    format!("{hour}:{:02}\u{a0}{half}", time.minute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{datetime, offset};

    fn clock() -> Clock {
        Clock::new(datetime!(2026-11-24 20:00 UTC), offset!(-7))
    }

    fn check(text: &str, short: &str, distance: &str) {
        let when = When::parse(text).unwrap();
        assert_eq!((when.short(clock()).as_str(), when.distance(clock()).as_str()), (short, distance), "{text}");
    }

    #[test]
    fn days_are_said_as_people_say_them() {
        check("2026-11-24", "November 24", "today");
        check("2026-11-25T08:30:00-07:00", "November 25", "tomorrow");
        check("2026-11-23", "November 23", "yesterday");
        check("2026-12-01", "December 1", "in 7 days");
        check("2026-09-01", "September 1", "2 months ago");
        check("2024-03-02", "March 2, 2024", "3 years ago");
        check("2024-12-20", "December 20, 2024", "2 years ago");
        check("2024-06", "June 2024", "2 years ago");
        check("2020", "2020", "7 years ago");
    }

    #[test]
    fn hours_have_twelve_for_midnight_and_noon() {
        let hour = |text: &str| When::parse(text).unwrap().hour();
        assert_eq!(hour("2026-11-25T00:05:00-07:00").as_deref(), Some("12:05\u{a0}am"));
        assert_eq!(hour("2026-11-25T12:30:00-07:00").as_deref(), Some("12:30\u{a0}pm"));
        assert_eq!(hour("2026-11-25"), None);
    }

    #[test]
    fn what_is_no_date_is_no_date() {
        for text in ["", "soon", "2026-13-01", "2026-02-30"] {
            assert_eq!(When::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_evening_in_the_west_is_still_today() {
        let late = Clock::new(datetime!(2026-11-25 04:00 UTC), offset!(-7));
        assert_eq!(When::parse("2026-11-24").unwrap().distance(late), "today");
    }

    #[test]
    fn age_turns_on_the_birthday() {
        assert_eq!(When::parse("1990-11-24").unwrap().age(clock()), 36);
        assert_eq!(When::parse("1990-11-25").unwrap().age(clock()), 35);
    }
}
