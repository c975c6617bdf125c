//! Codes and the small FHIR datatypes that every story writes.

use serde_json::{Number, Value, json};

pub(super) const LOINC: &str = "http://loinc.org";
pub(super) const SNOMED: &str = "http://snomed.info/sct";
pub(super) const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
pub(super) const CVX: &str = "http://hl7.org/fhir/sid/cvx";
pub(super) const ICD10: &str = "http://hl7.org/fhir/sid/icd-10-cm";
pub(super) const UCUM: &str = "http://unitsofmeasure.org";

/// A code of a system, with our own words for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code {
    pub(super) system: &'static str,
    pub(super) code: &'static str,
    pub(super) say: &'static str,
}

pub(super) const fn code(system: &'static str, code: &'static str, say: &'static str) -> Code {
    Code { system, code, say }
}

pub(super) const fn loinc(value: &'static str, say: &'static str) -> Code {
    code(LOINC, value, say)
}

pub(super) const fn snomed(value: &'static str, say: &'static str) -> Code {
    code(SNOMED, value, say)
}

pub(super) const fn rxnorm(value: &'static str, say: &'static str) -> Code {
    code(RXNORM, value, say)
}

pub(super) const fn cvx(value: &'static str, say: &'static str) -> Code {
    code(CVX, value, say)
}

pub(super) const fn icd(value: &'static str, say: &'static str) -> Code {
    code(ICD10, value, say)
}

impl Code {
    /// As a Coding.
    pub(super) fn coding(self) -> Value {
        json!({"system": self.system, "code": self.code, "display": self.say})
    }

    /// As a CodeableConcept of this one coding.
    pub(super) fn concept(self) -> Value {
        json!({"coding": [self.coding()], "text": self.say})
    }
}

/// A CodeableConcept of a code of HL7's own terminology, named by the last part of its system's address.
pub(super) fn hl7(system: &str, code: &str, say: &str) -> Value {
    json!({"coding": [hl7_coding(system, code, say)], "text": say})
}

/// A Coding of HL7's own terminology.
pub(super) fn hl7_coding(system: &str, code: &str, say: &str) -> Value {
    json!({"system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": code, "display": say})
}

/// `body` with `key` set to `value`; what is no object stays as it is.
pub(super) fn with(mut body: Value, key: &str, value: Value) -> Value {
    if let Some(map) = body.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
    body
}

/// `{"reference": …}` alone.
pub(super) fn refer(to: &str) -> Value {
    json!({"reference": to})
}

/// A reference with the name of what it points at.
pub(super) fn refer_named(to: &str, say: &str) -> Value {
    json!({"reference": to, "display": say})
}

/// A decimal with exactly `places` digits after the point: FHIR keeps `7.0` apart from `7`.
pub(super) fn decimal(value: f64, places: usize) -> Value {
    let text = format!("{value:.places$}");
    let text = if text.trim_start_matches(['-', '0', '.']).is_empty() { text.replace('-', "") } else { text };
    text.parse::<Number>().map_or(Value::Null, Value::Number)
}

/// A Quantity in a UCUM unit.
pub(super) fn quantity(value: f64, places: usize, unit: &str) -> Value {
    json!({"value": decimal(value, places), "unit": spoken(unit), "system": UCUM, "code": unit})
}

/// An amount of money in US dollars, from cents.
pub(super) fn dollars(cents: i64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "amounts of a bill are far below 2^53 cents")]
    let value = cents as f64 / 100.0;
    json!({"value": decimal(value, 2), "currency": "USD"})
}

/// An identifier of the hospital's own numbering.
pub(super) fn identifier(kind: &str, value: &str) -> Value {
    json!({"system": format!("https://mercy.example/{kind}"), "value": value})
}

/// A narrative of one sentence.
pub(super) fn narrative(sentence: &str) -> Value {
    let safe = sentence.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{safe}</p></div>")})
}

/// How people write a UCUM unit.
fn spoken(unit: &str) -> &str {
    match unit {
        "mm[Hg]" => "mmHg",
        "/min" => "per minute",
        "Cel" => "°C",
        "{score}" => "points",
        "{copies}/mL" => "copies/mL",
        "10*3/uL" => "thousand/µL",
        "10*6/uL" => "million/µL",
        "{cells}/uL" | "/uL" => "cells/µL",
        "mL/min/{1.73_m2}" => "mL/min/1.73 m²",
        "mg/g{creat}" => "mg/g",
        "kg/m2" => "kg/m²",
        "{tbl}" => "tablets",
        "{capsule}" => "capsules",
        "{inhalation}" => "puffs",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_keeps_its_places() {
        assert_eq!(decimal(7.0, 1).to_string(), "7.0");
        assert_eq!(decimal(-0.04, 1).to_string(), "0.0");
        assert_eq!(decimal(12.345, 0).to_string(), "12");
    }

    #[test]
    fn a_narrative_escapes_its_sentence() {
        assert!(narrative("a < b & c").to_string().contains("a &lt; b &amp; c"));
    }
}
