//! The first three digits of a ZIP code, where the area that they name holds more than 20,000 people.
//!
//! 45 CFR 164.514(b)(2)(i)(B) has the covered entity look at "the current publicly available data from the Bureau of the
//! Census". The list is that of the guidance of the Office for Civil Rights on de-identification (26 November 2012,
//! question 3.3), which counts the ZIP code tabulation areas of the 2000 census; it is the list that the guidance still
//! gives. Whoever finds by a later census that another area has become so small names no `zip3` for it.

/// Three digits of areas of 20,000 people or fewer.
const SMALL: [&str; 17] = [
    "036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831", "878", "879", "884", "890",
    "893",
];

/// What stands for a small area.
const ANY: &str = "000";

/// The first three digits of `12345`, `12345-6789` or `123456789`; of a small area `000`; `None` of what is no ZIP code.
pub(crate) fn area(code: &str) -> Option<&str> {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_zip = match code.split_once('-') {
        Some((five, four)) => digits(five, 5) && digits(four, 4),
        None => digits(code, 5) || digits(code, 9),
    };
    let area = code.get(..3).filter(|_| is_zip)?;
    Some(if SMALL.contains(&area) { ANY } else { area })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_leave_of_large_areas_only() {
        assert_eq!(area("02139"), Some("021"));
        assert_eq!(area("02139-4307"), Some("021"));
        assert_eq!(area("021394307"), Some("021"));
        for small in SMALL {
            assert_eq!(area(&format!("{small}01")), Some("000"));
        }
    }

    #[test]
    fn what_is_no_zip_code_has_no_area() {
        for other in ["", "0213", "SW1A 1AA", "02139 4307", "02139-43", "1010 Wien", "123456"] {
            assert_eq!(area(other), None, "{other}");
        }
    }
}
