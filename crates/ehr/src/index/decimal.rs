//! Decimals with the precision in which they are written: `5.40` as a search value is everything that rounds to it.

/// A decimal as written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Decimal {
    /// The value.
    pub(crate) value: f64,
    /// The least value that rounds to it (included).
    pub(crate) low: f64,
    /// The least value that rounds to the next one (excluded).
    pub(crate) high: f64,
}

/// Digits that a search value may have.
const DIGITS_MAX: usize = 64;

/// Reads a FHIR decimal; `1e2` too.
pub(crate) fn parse(text: &str) -> Option<Decimal> {
    if text.is_empty() || text.len() > DIGITS_MAX {
        return None;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let (low, high) = halves(&all, exponent, negative)?;
    Some(Decimal { value: text.parse().ok().filter(|value: &f64| value.is_finite())?, low, high })
}

/// Half a unit of the last digit to either side, exactly: the digits are moved, not the float.
fn halves(digits: &str, exponent: i32, negative: bool) -> Option<(f64, f64)> {
    let scaled: i128 = format!("{digits}0").parse().ok()?;
    let scaled = if negative { -scaled } else { scaled };
    let at = |number: i128| format!("{number}e{}", exponent.saturating_sub(1)).parse::<f64>().ok();
    Some((at(scaled - 5)?, at(scaled + 5)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, value: f64, low: f64, high: f64) {
        assert_eq!(parse(text), Some(Decimal { value, low, high }), "{text}");
    }

    #[test]
    fn the_last_digit_is_the_precision() {
        check("100", 100.0, 99.5, 100.5);
        check("100.00", 100.0, 99.995, 100.005);
        check("0.1", 0.1, 0.05, 0.15);
        check("-5", -5.0, -5.5, -4.5);
        check("1e2", 100.0, 50.0, 150.0);
        check("5.40", 5.4, 5.395, 5.405);
    }

    #[test]
    fn what_is_no_decimal_is_none() {
        for text in ["", "-", ".", "1.2.3", "abc", "1e", "0x10", "1e999", "NaN"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
