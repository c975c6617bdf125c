//! What stands in the place of a masked value. Whatever is not what its mask expects has nothing in its place: it stays.

use bascule_policy::{Mask, Profile};
use serde_json::{Map, Value, json};

use crate::pseudonym::Pseudonyms;
use crate::rewrite::Rewrite;
use crate::zip;

/// Ages above this are pooled (45 CFR 164.514(b)(2)(i)(C)).
const AGE_MAX: f64 = 89.0;

/// Years after which the year of a birth tells of a pooled age.
const POOLED_YEARS: u32 = 90;

/// What masks need from outside: the year, because ages depend on it, and who gives out codes. Without it whatever needs
/// it stays.
#[derive(Debug, Clone, Copy)]
pub struct Masking<'m> {
    /// The year (Gregorian, UTC) in which the body leaves.
    pub year: u32,
    /// Who gives out codes.
    pub pseudonyms: &'m Pseudonyms,
}

/// How one element is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Masked {
    pub(crate) mask: Mask,
    pub(crate) profile: Option<Profile>,
}

/// Of what a code is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coded {
    /// The id of a resource.
    Id,
    /// A reference: its type stays.
    Reference,
    /// Any other text.
    Text,
}

impl Masked {
    /// What leaves of `value`, which stands in a resource of the type `root`.
    pub(crate) fn of(self, value: &Value, root: &str, coded: Coded, rewrite: &Rewrite<'_>) -> Option<Value> {
        if let Value::Array(items) = value {
            let all: Option<Vec<Value>> = items.iter().map(|item| self.of(item, root, coded, rewrite)).collect();
            return all.map(Value::Array);
        }
        match self.mask {
            Mask::Year => year(value).map(|year| json!(format!("{year:04}"))),
            Mask::PooledYear => {
                let pool = rewrite.given_masking()?.year.checked_sub(POOLED_YEARS)?;
                year(value).map(|year| json!(format!("{:04}", year.max(pool))))
            }
            Mask::PooledAge => pooled_age(value.as_object()?, self.profile.is_some()),
            Mask::Zip3 => zip::area(value.as_str()?).map(Value::from),
            Mask::LastFour => last_four(value.as_str()?).map(Value::from),
            Mask::Code => self.code(value.as_str()?, root, coded, rewrite).map(Value::from),
        }
    }

    fn code(self, text: &str, root: &str, coded: Coded, rewrite: &Rewrite<'_>) -> Option<String> {
        let pseudonyms = rewrite.given_masking()?.pseudonyms;
        if pseudonyms.are_keyed() && !self.profile.is_some_and(Profile::keys_codes) {
            return None;
        }
        match coded {
            Coded::Id => pseudonyms.code(root.as_bytes(), text.as_bytes()),
            Coded::Text => pseudonyms.code(b"", text.as_bytes()),
            Coded::Reference => {
                let (resource, id) = rewrite.target(text.as_bytes())?;
                let code = pseudonyms.code(resource, id)?;
                Some(format!("{}/{code}", String::from_utf8_lossy(resource)))
            }
        }
    }
}

/// The year of a date or dateTime of FHIR.
fn year(value: &Value) -> Option<u32> {
    let text = value.as_str()?;
    let (year, rest) = text.split_at_checked(4)?;
    let sound = year.bytes().all(|byte| byte.is_ascii_digit()) && (rest.is_empty() || rest.starts_with('-'));
    if sound { year.parse().ok() } else { None }
}

/// The last four characters of a text that is longer than that.
fn last_four(text: &str) -> Option<String> {
    let count = text.chars().count();
    (count > 4).then(|| text.chars().skip(count - 4).collect())
}

/// An age or a quantity: above the limit "90 or more", else as it is; if `bare`, without text. A number without a unit
/// that might be such an age stays.
fn pooled_age(quantity: &Map<String, Value>, bare: bool) -> Option<Value> {
    let text = |name: &str| quantity.get(name).and_then(Value::as_str);
    let number = quantity.get("value").and_then(Value::as_f64);
    let years = number.map(|number| match years_in(text("code").or_else(|| text("unit"))) {
        Unit::Time { in_a_year } => Some(number / in_a_year),
        Unit::NoTime => Some(0.0),
        Unit::Missing => (number <= AGE_MAX).then_some(number),
    });
    match years {
        Some(None) => None,
        Some(Some(years)) if years > AGE_MAX => Some(json!({
            "value": 90, "comparator": ">=", "system": "http://unitsofmeasure.org", "code": "a"
        })),
        _ if !bare => Some(Value::Object(quantity.clone())),
        _ => {
            let kept = ["value", "comparator", "system", "code"];
            let left: Map<String, Value> = kept
                .iter()
                .filter_map(|name| quantity.get(*name).map(|value| ((*name).to_owned(), value.clone())))
                .filter(|(_, value)| !value.is_object() && !value.is_array() && !value.is_null())
                .collect();
            (!left.is_empty()).then_some(Value::Object(left))
        }
    }
}

enum Unit {
    /// Of time: so many of it are a year.
    Time {
        in_a_year: f64,
    },
    NoTime,
    Missing,
}

/// UCUM codes and the words that stand for them.
fn years_in(unit: Option<&str>) -> Unit {
    let in_a_year = match unit.map(str::to_ascii_lowercase).as_deref() {
        None => return Unit::Missing,
        Some("a" | "a_j" | "a_g" | "a_t" | "y" | "yr" | "yrs" | "year" | "years" | "yo") => 1.0,
        Some("mo" | "mo_j" | "mo_g" | "month" | "months") => 12.0,
        Some("wk" | "week" | "weeks") => 52.0,
        Some("d" | "day" | "days") => 365.0,
        Some("h" | "hr" | "hour" | "hours") => 8_760.0,
        Some("min" | "minute" | "minutes") => 525_600.0,
        Some(_) => return Unit::NoTime,
    };
    Unit::Time { in_a_year }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mask: Mask, value: Value, expected: Option<Value>) {
        let pseudonyms = Pseudonyms::random([1; 32], 10);
        let rewrite = Rewrite::new("http://ehr/fhir", "https://bridge/ehr", &|_, _| None)
            .with_masking(Masking { year: 2026, pseudonyms: &pseudonyms });
        let masked = Masked { mask, profile: None };
        assert_eq!(masked.of(&value, "Patient", Coded::Text, &rewrite), expected, "{value}");
    }

    #[test]
    fn a_date_becomes_its_year() {
        for (date, year) in [("1980-05-17", "1980"), ("1980", "1980"), ("1980-05-17T10:00:00+02:00", "1980")] {
            check(Mask::Year, json!(date), Some(json!(year)));
        }
        for bad in ["", "198", "17.5.1980", "19800517", "abcd-01"] {
            check(Mask::Year, json!(bad), None);
        }
        check(Mask::Year, json!(1980), None);
    }

    #[test]
    fn years_of_ages_of_ninety_and_more_are_pooled() {
        for (date, year) in [("1937-01-01", "1937"), ("1936-12-31", "1936"), ("1935", "1936"), ("1900-01", "1936")] {
            check(Mask::PooledYear, json!(date), Some(json!(year)));
        }
    }

    #[test]
    fn ages_of_ninety_and_more_are_pooled() {
        let pool = json!({ "value": 90, "comparator": ">=", "system": "http://unitsofmeasure.org", "code": "a" });
        for old in [
            json!({ "value": 90, "code": "a" }),
            json!({ "value": 104.5, "unit": "years" }),
            json!({ "value": 1100, "code": "mo" }),
            json!({ "value": 33_000, "unit": "days" }),
        ] {
            check(Mask::PooledAge, old, Some(pool.clone()));
        }
        for young in [
            json!({ "value": 89, "code": "a", "unit": "years" }),
            json!({ "value": 95, "code": "mmol/L" }),
            json!({ "value": 12 }),
            json!({ "comparator": "<" }),
        ] {
            check(Mask::PooledAge, young.clone(), Some(young));
        }
        check(Mask::PooledAge, json!({ "value": 95 }), None);
        check(Mask::PooledAge, json!("95 years"), None);
    }

    #[test]
    fn under_a_profile_a_quantity_loses_its_text() {
        let quantity = json!({ "value": 6.30, "unit": "for Peter", "code": "mmol/L", "extension": [] });
        let left = pooled_age(quantity.as_object().unwrap(), true);
        assert_eq!(left, Some(json!({ "value": 6.30, "code": "mmol/L" })));
    }

    #[test]
    fn of_a_longer_text_the_last_four_leave() {
        check(Mask::LastFour, json!("123456789"), Some(json!("6789")));
        check(Mask::LastFour, json!("1234"), None);
        check(Mask::LastFour, json!("aäöüß"), Some(json!("äöüß")));
    }

    #[test]
    fn keyed_codes_are_for_experts_only() {
        let keyed = Pseudonyms::keyed(bascule_crypto::Secret::new(b"k"));
        let rewrite = Rewrite::new("http://ehr/fhir", "https://bridge/ehr", &|_, _| None)
            .with_masking(Masking { year: 2026, pseudonyms: &keyed });
        let code = |profile| Masked { mask: Mask::Code, profile }.of(&json!("x"), "Patient", Coded::Id, &rewrite);
        assert!(code(Some(Profile::Expert)).is_some());
        for other in [None, Some(Profile::SafeHarbor), Some(Profile::LimitedDataSet)] {
            assert_eq!(code(other), None);
        }
    }

    #[test]
    fn without_what_it_needs_a_mask_lets_nothing_out() {
        let rewrite = Rewrite::new("http://ehr/fhir", "https://bridge/ehr", &|_, _| None);
        for mask in [Mask::PooledYear, Mask::Code] {
            let masked = Masked { mask, profile: None };
            assert_eq!(masked.of(&json!("1980"), "Patient", Coded::Id, &rewrite), None);
        }
    }
}
