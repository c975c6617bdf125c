//! Units of UCUM that convert by arithmetic alone: metric atoms with their prefixes, powers and products of them, spans of
//! time and the common customary lengths and masses. `5 mg` is `0.005 g`, `10*3/uL` is `10*9/L`.
//!
//! Left out, so that such quantities are only compared under the same code: units with an annotation (`{score}`:
//! what is counted is not a unit), temperatures in `Cel` (an offset, not a factor), brackets, and conversions between
//! named units (a `U` into `mol/s`, a `mm[Hg]` into `Pa`), which each stand for themselves.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The code system of UCUM.
pub const SYSTEM: &str = "http://unitsofmeasure.org";

/// A unit in terms of the atoms that it is made of: one of it is `factor · 10^shift` of `unit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// Tens.
    pub shift: i32,
    /// What is no power of ten.
    pub factor: u64,
    /// The atoms with their powers, sorted: `g.m-3`; `1` for a bare number.
    pub unit: String,
}

/// A code is at most this long, in bytes.
const CODE_BYTES_MAX: usize = 40;
/// The greatest power of an atom.
const POWER_MAX: i32 = 30;

/// Symbol, tens, factor and base of what is not itself a base.
const DERIVED: [(&str, i32, u64, &str); 18] = [
    ("l", -3, 1, "m3"),
    ("L", -3, 1, "m3"),
    ("t", 6, 1, "g"),
    ("min", 0, 60, "s"),
    ("h", 0, 3_600, "s"),
    ("d", 0, 86_400, "s"),
    ("wk", 0, 604_800, "s"),
    ("mo", 0, 2_629_800, "s"),
    ("a", 0, 31_557_600, "s"),
    ("[lb_av]", -5, 45_359_237, "g"),
    ("[oz_av]", -9, 28_349_523_125, "g"),
    ("[in_i]", -4, 254, "m"),
    ("[ft_i]", -4, 3_048, "m"),
    ("[yd_i]", -4, 9_144, "m"),
    ("[mi_i]", -3, 1_609_344, "m"),
    ("%", -2, 1, ""),
    ("[IU]", 0, 1, "[iU]"),
    ("[pH]", 0, 1, "[pH]"),
];
/// Atoms that stand for themselves and take prefixes.
const METRIC: [&str; 18] =
    ["g", "m", "s", "mol", "Pa", "J", "W", "V", "Hz", "N", "Bq", "Gy", "Sv", "K", "cal", "U", "eq", "osm"];
/// The same in brackets or spelt with them.
const BRACKETED: [&str; 2] = ["m[Hg]", "[iU]"];
const PREFIXES: [(&str, i32); 16] = [
    ("da", 1),
    ("Y", 24),
    ("Z", 21),
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("h", 2),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
];
/// Femto, by itself because it is the last that laboratories write.
const FEMTO: (&str, i32) = ("f", -15);

/// Reads a code of UCUM (case-sensitive); `None` for what does not convert by arithmetic alone.
#[must_use]
pub fn canonical(code: &str) -> Option<Canonical> {
    if code.is_empty() || code.len() > CODE_BYTES_MAX || code.contains(['{', '(', ' ']) {
        return None;
    }
    let mut sum = Sum { shift: 0, factor: 1, powers: BTreeMap::new() };
    let mut rest = code;
    let mut sign = 1;
    if let Some(after) = rest.strip_prefix('/') {
        (rest, sign) = (after, -1);
    }
    loop {
        let end = end_of_term(rest);
        let (term, after) = rest.split_at_checked(end)?;
        sum.take(term, sign)?;
        let mut letters = after.chars();
        match letters.next() {
            None => break,
            Some('.') => sign = 1,
            Some(_) => sign = -1,
        }
        rest = letters.as_str();
    }
    Some(sum.canonical())
}

/// Points and strokes within brackets belong to the symbol.
fn end_of_term(text: &str) -> usize {
    let mut is_bracketed = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => is_bracketed = true,
            ']' => is_bracketed = false,
            '.' | '/' if !is_bracketed => return at,
            _ => {}
        }
    }
    text.len()
}

struct Sum {
    shift: i32,
    factor: u64,
    powers: BTreeMap<&'static str, i32>,
}

impl Sum {
    fn take(&mut self, term: &str, sign: i32) -> Option<()> {
        if let Some(power) = term.strip_prefix("10*").or_else(|| term.strip_prefix("10^")) {
            self.shift += sign * if power.is_empty() { 1 } else { bounded(power)? };
            return Some(());
        }
        if term == "1" {
            return Some(());
        }
        let digits = term.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let symbol = digits.strip_suffix(['-', '+']).unwrap_or(digits);
        let power = term.get(symbol.len()..).filter(|text| !text.is_empty()).map_or(Some(1), bounded)?;
        if power == 0 {
            return None;
        }
        let (shift, factor, base) = atom(symbol)?;
        let power = sign * power;
        self.shift += shift * power;
        if factor != 1 {
            // A factor below the line would not be whole; only spans of time are written so, and they stay as they are.
            if power != 1 {
                return self.power(raw(symbol)?, power);
            }
            self.factor = self.factor.checked_mul(factor)?;
        }
        match base {
            "" => Some(()),
            "m3" => self.power("m", 3 * power),
            base => self.power(base, power),
        }
    }

    fn power(&mut self, base: &'static str, power: i32) -> Option<()> {
        let all = self.powers.entry(base).or_insert(0);
        *all += power;
        (all.abs() <= POWER_MAX).then_some(())
    }

    fn canonical(self) -> Canonical {
        let mut unit = String::new();
        for (base, power) in self.powers.into_iter().filter(|(_, power)| *power != 0) {
            if !unit.is_empty() {
                unit.push('.');
            }
            unit.push_str(base);
            if power != 1 {
                // Writing to a string does not fail.
                let _written = write!(unit, "{power}");
            }
        }
        if unit.is_empty() {
            unit.push('1');
        }
        Canonical { shift: self.shift, factor: self.factor, unit }
    }
}

fn bounded(text: &str) -> Option<i32> {
    text.parse().ok().filter(|power: &i32| power.abs() <= POWER_MAX)
}

/// The symbol itself, of those that have a factor.
fn raw(symbol: &str) -> Option<&'static str> {
    DERIVED.iter().find(|(name, ..)| *name == symbol).map(|(name, ..)| *name)
}

/// Tens, factor and base of a symbol, its prefix read.
fn atom(symbol: &str) -> Option<(i32, u64, &'static str)> {
    if let Some(found) = bare(symbol) {
        return Some(found);
    }
    let (shift, rest) = PREFIXES
        .iter()
        .chain([&FEMTO])
        .filter_map(|(prefix, shift)| Some((*shift, symbol.strip_prefix(prefix)?)))
        .find(|(_, rest)| is_metric(rest))?;
    let (own, factor, base) = bare(rest)?;
    Some((own + shift, factor, base))
}

fn bare(symbol: &str) -> Option<(i32, u64, &'static str)> {
    if let Some((_, shift, factor, base)) = DERIVED.iter().find(|(name, ..)| *name == symbol) {
        return Some((*shift, *factor, base));
    }
    METRIC.iter().chain(&BRACKETED).find(|name| **name == symbol).map(|name| (0, 1, *name))
}

fn is_metric(symbol: &str) -> bool {
    matches!(symbol, "l" | "L" | "t" | "[IU]") || METRIC.contains(&symbol) || BRACKETED.contains(&symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, expect: &str) {
        let found = canonical(code).map(|Canonical { shift, factor, unit }| match factor {
            1 => format!("e{shift} {unit}"),
            factor => format!("{factor}e{shift} {unit}"),
        });
        assert_eq!(found.as_deref().unwrap_or("-"), expect, "{code}");
    }

    #[test]
    fn prefixes_are_tens() {
        check("g", "e0 g");
        check("mg", "e-3 g");
        check("ug", "e-6 g");
        check("kg", "e3 g");
        check("fL", "e-18 m3");
        check("dL", "e-4 m3");
        check("mmol", "e-3 mol");
        check("cm", "e-2 m");
        check("mm[Hg]", "e-3 m[Hg]");
        check("k[IU]", "e3 [iU]");
        check("%", "e-2 1");
    }

    #[test]
    fn products_and_powers_are_added_up() {
        check("mg/dL", "e1 g.m-3");
        check("g/L", "e3 g.m-3");
        check("10*3/uL", "e12 m-3");
        check("10*9/L", "e12 m-3");
        check("10*12/L", "e15 m-3");
        check("kg/m2", "e3 g.m-2");
        check("mmol/L", "e0 m-3.mol");
        check("ug/kg/min", "e-9 min-1");
        check("/min", "e0 min-1");
        check("mg.h/L", "3600e0 g.m-3.s");
    }

    #[test]
    fn time_and_customary_units_have_factors() {
        check("min", "60e0 s");
        check("d", "86400e0 s");
        check("[lb_av]", "45359237e-5 g");
        check("[in_i]", "254e-4 m");
    }

    #[test]
    fn what_does_not_convert_is_left_out() {
        for code in
            ["", "Cel", "{score}", "mL/min/{1.73_m2}", "mg/(kg.d)", "TAB", "mcg", "10*999", "m0", "a b", "/", "mg//L"]
        {
            check(code, "-");
        }
    }
}
