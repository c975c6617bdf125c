//! The shape of a value: which identifier or code it has the form of, and how sure its form alone makes us.
//!
//! A shape is no proof that a value is one: ten digits with a right check digit are an NPI in nine cases of ten and a telephone
//! number in the tenth. The property's name decides together with it.

use crate::check_digit::{luhn_holds, npi_holds, verhoeff_holds};

/// The most bytes of a value that are looked at. What is longer is a text, and has no shape.
const VALUE_BYTES_MAX: usize = 254;

/// What a value has the form of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// A social security number, written with its dashes and in a range that is given out.
    SocialSecurityNumber,
    /// A National Provider Identifier with a right check digit.
    ProviderIdentifier,
    /// A telephone number of the North American plan, or one that begins with `+`.
    Telephone,
    /// An address of electronic mail.
    Mail,
    /// A date, from the year on down.
    Date,
    /// A code of LOINC with a right check digit.
    Loinc,
    /// A concept of SNOMED CT with a right check digit.
    Snomed,
    /// A code of ICD-10-CM: letter, digit, and up to five more, with its point where it belongs.
    Icd10,
    /// Five characters as a code of CPT has them. Any five digits are, so its form says little.
    Cpt,
}

/// How much a form alone says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assurance {
    /// Many other things look so; it counts only beside a property's name or a code system that says the same.
    Form,
    /// A check digit or a reserved range was looked at too, and holds.
    Validated,
}

impl Shape {
    /// What this value has the form of, the surest first; nothing if it has none that is known.
    #[must_use]
    pub fn of(value: &str) -> Option<Self> {
        if value.is_empty() || value.len() > VALUE_BYTES_MAX {
            return None;
        }
        [
            (Self::SocialSecurityNumber, is_social_security_number as fn(&str) -> bool),
            (Self::ProviderIdentifier, npi_holds),
            (Self::Loinc, is_loinc),
            (Self::Date, is_date),
            (Self::Mail, is_mail),
            (Self::Telephone, is_telephone),
            (Self::Snomed, is_snomed),
            (Self::Icd10, is_icd10),
            (Self::Cpt, is_cpt),
        ]
        .into_iter()
        .find_map(|(shape, holds)| holds(value).then_some(shape))
    }

    /// How much this form alone says.
    #[must_use]
    pub fn assurance(self) -> Assurance {
        match self {
            Self::SocialSecurityNumber | Self::ProviderIdentifier | Self::Loinc | Self::Snomed => Assurance::Validated,
            Self::Telephone | Self::Mail | Self::Date | Self::Icd10 | Self::Cpt => Assurance::Form,
        }
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Area 000, 666 and 900 on, group 00 and serial 0000 are never given out.
fn is_social_security_number(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let [area, group, serial] = parts.as_slice() else { return false };
    let sized = area.len() == 3 && group.len() == 2 && serial.len() == 4;
    let given = !matches!(*area, "000" | "666") && !area.starts_with('9') && *group != "00" && *serial != "0000";
    sized && given && parts.iter().all(|part| all_digits(part))
}

/// One to seven digits, a dash, and their check digit, by Luhn's formula.
fn is_loinc(value: &str) -> bool {
    value.split_once('-').is_some_and(|(number, check)| {
        (1..=7).contains(&number.len())
            && check.len() == 1
            && all_digits(number)
            && luhn_holds(&format!("{number}{check}"))
    })
}

fn is_date(value: &str) -> bool {
    crate::Part::of(value) == crate::Part::Date && value.contains('-')
}

fn is_mail(value: &str) -> bool {
    let Some((name, host)) = value.rsplit_once('@') else { return false };
    let labels = host.split('.');
    !name.is_empty()
        && !value.contains(|letter: char| letter.is_whitespace() || letter == '/')
        && labels.clone().count() >= 2
        && labels
            .clone()
            .all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// Ten digits with marks between them, exchange and area not below 2; or `+` and 8 to 15 digits (E.164).
fn is_telephone(value: &str) -> bool {
    let marks = |letter: char| matches!(letter, ' ' | '-' | '.' | '(' | ')' | '+');
    if !value.chars().all(|letter| letter.is_ascii_digit() || marks(letter)) {
        return false;
    }
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    if value.starts_with('+') {
        return (8..=15).contains(&digits.len());
    }
    let local = digits.strip_prefix('1').filter(|rest| rest.len() == 10).unwrap_or(&digits);
    let above_one = |at: usize| local.as_bytes().get(at).is_some_and(|digit| *digit >= b'2');
    local.len() == 10 && above_one(0) && above_one(3) && value.contains(marks)
}

/// 6 to 18 digits; the two before the check digit say that it is a concept: 00, or 10 in an extension.
fn is_snomed(value: &str) -> bool {
    let before_check = value.len().checked_sub(3).and_then(|from| value.get(from..value.len() - 1));
    let concept = matches!(before_check, Some("00" | "10"));
    (6..=18).contains(&value.len()) && concept && !value.starts_with('0') && verhoeff_holds(value)
}

fn is_icd10(value: &str) -> bool {
    let (category, rest) = value.split_once('.').map_or((value, None), |(category, rest)| (category, Some(rest)));
    let mut letters = category.bytes();
    let category_holds = category.len() == 3
        && letters.next().is_some_and(|byte| byte.is_ascii_uppercase())
        && letters.next().is_some_and(|byte| byte.is_ascii_digit())
        && letters.next().is_some_and(|byte| byte.is_ascii_digit() || byte == b'A' || byte == b'B');
    let tail = |rest: &str| {
        (1..=4).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
    };
    category_holds && rest.is_none_or(tail)
}

/// Five digits, or four and one of the letters of categories II, III and laboratory analyses.
fn is_cpt(value: &str) -> bool {
    value.len() == 5
        && value.get(..4).is_some_and(all_digits)
        && value.ends_with(|letter: char| letter.is_ascii_digit() || matches!(letter, 'F' | 'T' | 'U' | 'M'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expect: Option<Shape>) {
        assert_eq!(Shape::of(value), expect, "{value}");
    }

    #[test]
    fn codes_with_a_check_digit_are_told_from_numbers() {
        check("2345-7", Some(Shape::Loinc));
        check("2345-8", None);
        check("22298006", Some(Shape::Snomed));
        check("22298007", None);
        check("1234567893", Some(Shape::ProviderIdentifier));
        check("1234567890", None);
    }

    #[test]
    fn a_social_security_number_is_in_a_range_that_is_given_out() {
        let number = |area: &str, group: &str, serial: &str| format!("{area}-{group}-{serial}");
        check(&number("123", "45", "6789"), Some(Shape::SocialSecurityNumber));
        for refused in [
            number("000", "45", "6789"),
            number("666", "45", "6789"),
            number("923", "45", "6789"),
            number("123", "00", "6789"),
            number("123", "45", "0000"),
            number("12a", "45", "6789"),
        ] {
            assert_ne!(Shape::of(&refused), Some(Shape::SocialSecurityNumber), "{refused}");
        }
    }

    #[test]
    fn ways_to_reach_a_person() {
        check("amal@example.org", Some(Shape::Mail));
        check("amal@example", None);
        check("a b@example.org", None);
        check("(202) 555-0143", Some(Shape::Telephone));
        check("+1 202 555 0143", Some(Shape::Telephone));
        check("2025550143", None);
        check("102-555-0143", None);
    }

    #[test]
    fn codes_and_dates_by_their_form() {
        check("E11.9", Some(Shape::Icd10));
        check("S72.001A", Some(Shape::Icd10));
        check("I10", Some(Shape::Icd10));
        check("E11.", None);
        check("e11.9", None);
        check("99213", Some(Shape::Cpt));
        check("0001F", Some(Shape::Cpt));
        check("0001X", None);
        check("1970-01-31", Some(Shape::Date));
        check("1970-01-32", None);
    }

    #[test]
    fn a_text_has_no_shape_however_long() {
        check("", None);
        check("a cough since Tuesday", None);
        check(&format!("{}@example.org", "x".repeat(VALUE_BYTES_MAX)), None);
        assert!(Shape::Cpt.assurance() < Shape::Loinc.assurance());
    }
}
