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

/// The decimal in a unit of which one is `factor · 10^shift`: tens move the point, so that they lose nothing.
pub(crate) fn scaled(text: &str, shift: i32, factor: u64) -> Option<Decimal> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let moved = parse(&format!("{mantissa}e{}", exponent.checked_add(shift)?))?;
    if factor == 1 {
        return Some(moved);
    }
    #[expect(clippy::cast_precision_loss, reason = "factors are far below 2^53")]
    let factor = factor as f64;
    Some(Decimal { value: moved.value * factor, low: moved.low * factor, high: moved.high * factor })
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
    fn tens_are_moved_and_not_multiplied() {
        for thousandth in 1..1000 {
            let scaled = scaled(&thousandth.to_string(), -3, 1).unwrap();
            assert_eq!(scaled.value, parse(&format!("0.{thousandth:03}")).unwrap().value);
        }
        assert_eq!(
            scaled("1.5e1", 3, 1),
            parse("15e3").map(|found| Decimal { low: 14_500.0, high: 15_500.0, ..found })
        );
        assert_eq!(scaled("2", 0, 60).unwrap().value, 120.0);
    }

    #[test]
    fn what_is_no_decimal_is_none() {
        for text in ["", "-", ".", "1.2.3", "abc", "1e", "0x10", "1e999", "NaN"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
