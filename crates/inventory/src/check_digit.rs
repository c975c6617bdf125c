//! Check digits: what makes a run of digits an identifier and not a number that happens to be as long.

/// What stands before an NPI when its check digit is computed: the issuer number of health care in the United States
/// (45 CFR 162.406).
const NPI_PREFIX: &str = "80840";

/// Verhoeff's table of multiplication in the dihedral group of order ten.
const PRODUCT: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];
/// Verhoeff's permutation, by which a digit's value depends on its place.
const PERMUTED: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

/// Whether the last of these digits is the Luhn check digit of those before it. False for what is not digits only.
#[must_use]
pub fn luhn_holds(digits: &str) -> bool {
    let mut sum = 0;
    for (at, letter) in digits.chars().rev().enumerate() {
        let Some(digit) = letter.to_digit(10) else { return false };
        let doubled = if at % 2 == 1 { digit * 2 } else { digit };
        sum += doubled / 10 + doubled % 10;
    }
    digits.len() >= 2 && sum % 10 == 0
}

/// Whether these ten digits are a National Provider Identifier: the first is 1 or 2, and the check digit holds.
#[must_use]
pub fn npi_holds(digits: &str) -> bool {
    digits.len() == 10 && digits.starts_with(['1', '2']) && luhn_holds(&format!("{NPI_PREFIX}{digits}"))
}

/// Whether the last of these digits is the Verhoeff check digit of those before it, as in an identifier of SNOMED CT.
#[must_use]
pub fn verhoeff_holds(digits: &str) -> bool {
    let mut check = 0_u8;
    for (at, letter) in digits.bytes().rev().enumerate() {
        if !letter.is_ascii_digit() {
            return false;
        }
        let permuted = (0..at % 8).fold(letter - b'0', |digit, _| look_up(&PERMUTED, digit));
        check = PRODUCT.get(usize::from(check)).map_or(check, |row| look_up(row, permuted));
    }
    digits.len() >= 2 && check == 0
}

fn look_up(row: &[u8; 10], digit: u8) -> u8 {
    row.get(usize::from(digit)).copied().unwrap_or(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_digit_holds_for_one_last_digit_in_ten() {
        let last = |prefix: &str, holds: fn(&str) -> bool| -> Vec<u32> {
            (0..10).filter(|digit| holds(&format!("{prefix}{digit}"))).collect()
        };
        // 7992739871 is the usual example of Luhn's formula, 123456789 that of an NPI, 236 that of Verhoeff's.
        assert_eq!(last("7992739871", luhn_holds), [3]);
        assert_eq!(last("123456789", npi_holds), [3]);
        assert_eq!(last("236", verhoeff_holds), [3]);
    }

    #[test]
    fn verhoeff_finds_every_swap_of_neighbours() {
        for (first, second) in (0..10).flat_map(|first| (0..10).map(move |second| (first, second))) {
            for check in 0..10 {
                let right = verhoeff_holds(&format!("7{first}{second}4{check}"));
                let swapped = verhoeff_holds(&format!("7{second}{first}4{check}"));
                assert!(!(right && swapped) || first == second, "{first}{second}");
            }
        }
    }

    #[test]
    fn concepts_of_snomed_ct_hold_and_letters_do_not() {
        for concept in ["22298006", "73211009", "38341003", "404684003"] {
            assert!(verhoeff_holds(concept), "{concept}");
        }
        assert!(!verhoeff_holds("22298007"));
        assert!(!verhoeff_holds("2229800a") && !luhn_holds("7a") && !luhn_holds("0") && !npi_holds("3234567893"));
    }
}
