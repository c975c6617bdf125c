//! The body of a representation (164.502(g)): who stands for a patient, on what ground, and when a minor comes of age.

use bascule_fhir::{Id, Timestamp};
use bascule_policy::record::{Period, Representation};
use serde_json::{Value, json};

use super::{names, text, types};

/// A representation, with what pages and the site's age of majority need beside what decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Represented {
    /// What decides.
    pub record: Representation,
    /// How the representative calls the patient when choosing: `Ana, my daughter`.
    pub label: String,
    /// The day on which the patient was born, for a record that ends when the patient comes of age.
    pub born: Option<Born>,
}

impl Represented {
    /// When it acts, if a minor comes of age at so many years.
    #[must_use]
    pub fn period_at(&self, majority_years: u8) -> Period {
        let Period { from, until } = self.record.period;
        let of_age = self.born.map(|born| born.birthday(majority_years));
        let until = match (until, of_age) {
            (Some(until), Some(of_age)) => Some(until.min(of_age)),
            (until, of_age) => until.or(of_age),
        };
        Period { from, until }
    }
}

/// A day of birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Born {
    /// The year.
    pub year: i32,
    /// The month, 1 to 12.
    pub month: u8,
    /// The day, 1 to 31.
    pub day: u8,
}

impl Born {
    /// `2012-05-01`
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = parts.next().is_none() && (year.len(), month.len(), day.len()) == (4, 2, 2);
        let born = Self { year: year.parse().ok()?, month: month.parse().ok()?, day: day.parse().ok()? };
        (whole && (1..=12).contains(&born.month) && (1..=31).contains(&born.day)).then_some(born)
    }

    /// The first instant (UTC) of the birthday at which so many years are full; who was born on the 29th of February has
    /// it on the 1st of March in a common year.
    #[must_use]
    pub fn birthday(self, years: u8) -> Timestamp {
        // Days since 1970 in the proleptic Gregorian calendar, counted in years that begin in March.
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = i64::from(self.year) + i64::from(years) - i64::from(month <= 2);
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
        Timestamp::from_seconds(days * 86_400)
    }
}

impl std::fmt::Display for Born {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

pub(super) fn body(represented: &Represented) -> Value {
    let record = &represented.record;
    json!({
        "user": record.user,
        "basis": record.basis,
        "document": record.document,
        "scope": names(&record.scope),
        "verified-by": record.verified_by,
        "suspended": record.suspended,
        "label": represented.label,
        "born": represented.born.map(|born| born.to_string()),
    })
}

pub(super) fn of_body(id: &str, patient: Id, period: Period, body: &Value) -> Option<Represented> {
    let born = match body.get("born")? {
        Value::Null => None,
        day => Some(Born::parse(day.as_str()?)?),
    };
    let record = Representation {
        id: id.to_owned(),
        user: text(body, "user")?,
        patient,
        basis: text(body, "basis")?,
        document: text(body, "document")?,
        scope: types(body, "scope")?,
        period,
        verified_by: text(body, "verified-by")?,
        suspended: body.get("suspended")?.as_bool()?,
    };
    Some(Represented { record, label: text(body, "label")?, born })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birthday_is_the_first_instant_of_its_day() {
        let birthday = |born: &str, years| Born::parse(born).unwrap().birthday(years).to_instant();
        assert!(birthday("2012-05-01", 18).starts_with("2030-05-01T00:00:00"));
        assert!(birthday("2008-02-29", 18).starts_with("2026-03-01T00:00:00"));
        assert!(birthday("2008-02-29", 20).starts_with("2028-02-29T00:00:00"));
        assert!(birthday("1999-12-31", 18).starts_with("2017-12-31T00:00:00"));
        assert!(birthday("1955-01-01", 10).starts_with("1965-01-01T00:00:00"));
    }

    #[test]
    fn what_is_not_a_day_is_none() {
        for text in ["2012-5-1", "2012-13-01", "2012-01-32", "2012-01", "2012-01-01-01", ""] {
            assert_eq!(Born::parse(text), None, "{text}");
        }
    }
}
