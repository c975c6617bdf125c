//! OBX-2 and OBX-5: what was observed, by its type.

use std::str::FromStr as _;

use bascule_hl7::{Segment, Timestamp};
use serde_json::{Number, Value, json};

use super::code::{concept, system};
use super::object::{Object, token};
use super::partner::Partner;

const UCUM: &str = "http://unitsofmeasure.org";

/// The element `value[x]` of an observation, `None` if OBX-5 says nothing. What is not of the type that OBX-2 announces is kept
/// as text: a result is never dropped for its form.
pub(crate) fn value(obx: &Segment<'_>, partner: &Partner) -> Option<(&'static str, Value)> {
    let single = obx.field(5).repetitions().nth(1).is_none();
    let typed = match obx.text(2, 1).as_deref().filter(|_| single) {
        Some("NM") => number(obx, partner).map(|quantity| ("valueQuantity", quantity)),
        Some("SN") => structured(obx, partner),
        Some("CE" | "CWE" | "CNE" | "CF") => {
            concept(obx.field(5).first(), partner).map(|concept| ("valueCodeableConcept", concept))
        }
        Some("DT" | "TS" | "DTM") => {
            let time = obx.text(5, 1).and_then(|text| Timestamp::read(text.trim()));
            time.map(|time| ("valueDateTime", Value::from(time.to_date_time(partner.offset_minutes))))
        }
        Some("TM") => {
            obx.text(5, 1).and_then(|text| time_of_day(text.trim())).map(|time| ("valueTime", Value::from(time)))
        }
        _ => None,
    };
    typed.or_else(|| text(obx).map(|text| ("valueString", Value::from(text))))
}

/// OBX-5 as text, repetitions as lines.
pub(crate) fn text(obx: &Segment<'_>) -> Option<String> {
    let lines: Vec<String> = match obx.text(2, 1).as_deref() {
        Some("TX" | "FT" | "ST") => obx.field(5).repetitions().map(|line| joined(line)).collect(),
        _ => obx.field(5).whole().into_iter().collect(),
    };
    let text = lines.join("\n").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// A line of text, with component delimiters that the sender did not escape.
fn joined(line: bascule_hl7::Repetition<'_>) -> String {
    let parts = (1..=line.components()).map(|number| line.component(number).text().unwrap_or_default());
    parts.collect::<Vec<_>>().join("^")
}

fn number(obx: &Segment<'_>, partner: &Partner) -> Option<Value> {
    let number = decimal(&obx.text(5, 1)?)?;
    Some(quantity(obx, partner).with("value", number).done())
}

/// SN: comparator, number, separator, number.
fn structured(obx: &Segment<'_>, partner: &Partner) -> Option<(&'static str, Value)> {
    let sn = obx.field(5).first();
    let first = sn.text(2).and_then(|text| decimal(&text));
    let second = sn.text(4).and_then(|text| decimal(&text));
    match (sn.text(3).as_deref(), first, second) {
        (Some("-"), Some(low), Some(high)) => {
            let side = |number| quantity(obx, partner).with("value", number).done();
            Some(("valueRange", json!({ "low": side(low), "high": side(high) })))
        }
        (Some("/" | ":"), Some(numerator), Some(denominator)) => Some((
            "valueRatio",
            json!({ "numerator": { "value": numerator }, "denominator": { "value": denominator } }),
        )),
        (None, Some(number), None) => {
            let comparator = sn.text(1).filter(|sign| matches!(sign.as_str(), "<" | "<=" | ">" | ">="));
            let plain = matches!(sn.text(1).as_deref(), None | Some("=")) || comparator.is_some();
            let quantity = quantity(obx, partner).with("value", number).with("comparator", comparator.map(Value::from));
            plain.then(|| ("valueQuantity", quantity.done()))
        }
        _ => None,
    }
}

/// Unit and its code out of OBX-6; a unit without a named system is only shown.
fn quantity(obx: &Segment<'_>, partner: &Partner) -> Object {
    let unit = obx.field(6).first();
    let code = unit.text(1).and_then(|code| token(&code));
    let named = unit.text(3).map(|name| system(&name, partner)).filter(|uri| uri == UCUM);
    let shown = unit.text(2).or_else(|| unit.text(1));
    let quantity = Object::default().text("unit", shown);
    match (named, code) {
        (Some(uri), Some(code)) => quantity.with("system", Value::from(uri)).with("code", Value::from(code)),
        _ => quantity,
    }
}

/// A decimal of FHIR, kept to the digit; `None` if the text is not one.
pub(crate) fn decimal(text: &str) -> Option<Value> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let plain =
        !digits.is_empty() && digits.len() <= 30 && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !plain || digits.matches('.').count() > 1 || digits == "." {
        return None;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        trimmed => trimmed,
    };
    let written = if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
    Number::from_str(&written).ok().map(Value::Number)
}

fn time_of_day(text: &str) -> Option<String> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let part = |from: usize| digits.get(from..from.saturating_add(2));
    let (hour, minute, second) = (part(0)?, part(2)?, part(4).unwrap_or("00"));
    let real = hour < "24" && minute < "60" && second < "60";
    real.then(|| format!("{hour}:{minute}:{second}"))
}

/// OBX-7: limits if it reads `low-high`, `<high` or `>low`, else text.
pub(crate) fn range(obx: &Segment<'_>, partner: &Partner) -> Option<Value> {
    let text = obx.field(7).whole()?.trim().to_owned();
    let side = |number| quantity(obx, partner).with("value", number).done();
    let is_number = matches!(obx.text(2, 1).as_deref(), Some("NM" | "SN"));
    let read = text.split_once('-').and_then(|(low, high)| Some((decimal(low)?, decimal(high)?)));
    let limits = match read.filter(|_| is_number) {
        Some((low, high)) => Object::default().with("low", side(low)).with("high", side(high)),
        None => Object::default(),
    };
    limits.text("text", Some(text)).some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::partner::example;
    use bascule_hl7::{Limits, Message};

    fn check(obx: &str, expect: Option<(&str, Value)>) {
        let bytes = format!("MSH|^~\\&|||||||ORU^R01|1|P|2.5\rOBX|1|{obx}\r");
        let message = Message::read(bytes.as_bytes(), &Limits::default()).unwrap();
        let found = value(message.first("OBX").unwrap(), &example());
        assert_eq!(found, expect, "{obx}");
    }

    #[test]
    fn a_value_is_of_its_type() {
        check(
            "NM|c||6.30|mmol/L^^UCUM",
            Some((
                "valueQuantity",
                json!({ "value": decimal("6.30"), "unit": "mmol/L", "system": UCUM, "code": "mmol/L" }),
            )),
        );
        check("SN|c||>^100", Some(("valueQuantity", json!({ "value": decimal("100"), "comparator": ">" }))));
        check(
            "SN|c||^1^-^5|u",
            Some((
                "valueRange",
                json!({ "low": { "value": decimal("1"), "unit": "u" }, "high": { "value": decimal("5"), "unit": "u" } }),
            )),
        );
        check(
            "SN|c||^1^:^128",
            Some((
                "valueRatio",
                json!({ "numerator": { "value": decimal("1") }, "denominator": { "value": decimal("128") } }),
            )),
        );
        check(
            "CE|c||27268008^Salmonella^SCT",
            Some((
                "valueCodeableConcept",
                json!({ "coding": [{ "system": "http://snomed.info/sct", "code": "27268008", "display": "Salmonella" }], "text": "Salmonella" }),
            )),
        );
        check("TM|c||0930", Some(("valueTime", json!("09:30:00"))));
        check("DT|c||20260203", Some(("valueDateTime", json!("2026-02-03"))));
        check("FT|c||one\\.br\\two~three^four", Some(("valueString", json!("one\ntwo\nthree^four"))));
    }

    #[test]
    fn what_is_not_of_its_type_is_kept_as_text() {
        check("NM|c||60~120", Some(("valueString", json!("60~120"))));
        check("NM|c||see note", Some(("valueString", json!("see note"))));
        check("SN|c||~^5", Some(("valueString", json!("~^5"))));
        check("NM|c||", None);
        check("ST|c||\"\"", None);
    }

    #[test]
    fn a_decimal_is_kept_to_the_digit() {
        let written = |text| decimal(text).map(|number| number.to_string());
        assert_eq!(written("007.50").as_deref(), Some("7.50"));
        assert_eq!(written("-.5").as_deref(), Some("-0.5"));
        assert_eq!(written("5.").as_deref(), Some("5"));
        for text in ["", ".", "1e5", "1,5", "1.2.3", "NaN", "--1"] {
            assert_eq!(written(text), None, "{text}");
        }
    }
}
