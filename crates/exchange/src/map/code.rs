//! Codes: CE, CWE and IS become CodeableConcepts; table 0396 names the systems.

use bascule_hl7::{Field, Repetition};
use serde_json::{Value, json};

use super::object::{Object, token};
use super::partner::Partner;

const SYSTEMS: [(&str, &str); 22] = [
    ("LN", "http://loinc.org"),
    ("SCT", "http://snomed.info/sct"),
    ("SNM", "http://snomed.info/sct"),
    ("SNOMED", "http://snomed.info/sct"),
    ("SNOMEDCT", "http://snomed.info/sct"),
    ("I10", "http://hl7.org/fhir/sid/icd-10"),
    ("I10C", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("ICD-10-CM", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("I10P", "http://www.cms.gov/Medicare/Coding/ICD10"),
    ("I9", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("I9C", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("C4", "http://www.ama-assn.org/go/cpt"),
    ("CPT", "http://www.ama-assn.org/go/cpt"),
    ("NDC", "http://hl7.org/fhir/sid/ndc"),
    ("RXNORM", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    ("CVX", "http://hl7.org/fhir/sid/cvx"),
    ("MVX", "http://hl7.org/fhir/sid/mvx"),
    ("UCUM", "http://unitsofmeasure.org"),
    ("CDCREC", "urn:oid:2.16.840.1.113883.6.238"),
    ("NCIT", "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"),
    ("NPI", "http://hl7.org/fhir/sid/us-npi"),
    ("NUBC", "https://www.nubc.org/CodeSystem/RevenueCodes"),
];

/// The URI of a coding system of table 0396; a local one is the partner's own.
pub(crate) fn system(name: &str, partner: &Partner) -> String {
    let name = name.trim();
    if let Some((_, uri)) = SYSTEMS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return (*uri).to_owned();
    }
    let table = name.strip_prefix("HL7").map(|digits| digits.trim_start_matches('0'));
    match table.and_then(|digits| digits.parse::<u16>().ok()) {
        Some(number) => format!("http://terminology.hl7.org/CodeSystem/v2-{number:04}"),
        None => partner.own(&format!("codes-{name}")),
    }
}

/// A CE or CWE as a CodeableConcept, `None` if it says nothing.
pub(crate) fn concept(coded: Repetition<'_>, partner: &Partner) -> Option<Value> {
    concept_of(coded, partner, None)
}

/// As `concept`, for a field whose codes are of HL7 table `table` unless it says otherwise.
pub(crate) fn concept_of(coded: Repetition<'_>, partner: &Partner, table: Option<&str>) -> Option<Value> {
    let codings = [1, 4, 10].into_iter().filter_map(|first| coding(coded, first, partner, table));
    let text = coded.text(9).or_else(|| coded.text(2)).or_else(|| coded.text(5));
    Object::default().list("coding", codings).text("text", text).some()
}

fn coding(coded: Repetition<'_>, first: usize, partner: &Partner, table: Option<&str>) -> Option<Value> {
    let code = token(&coded.text(first)?)?;
    let system = match (coded.text(first.saturating_add(2)), table) {
        (Some(name), _) => Some(system(&name, partner)),
        (None, Some(table)) if first == 1 => Some(system(table, partner)),
        (None, _) => Some(partner.own("codes")),
    };
    Object::default()
        .with("system", system.map(Value::from))
        .with("code", Value::from(code))
        .text("display", coded.text(first.saturating_add(1)))
        .some()
}

/// The CodeableConcepts of all repetitions of a field.
pub(crate) fn concepts(field: Field<'_>, partner: &Partner, table: Option<&str>) -> Vec<Value> {
    field.repetitions().filter_map(|coded| concept_of(coded, partner, table)).collect()
}

/// A concept of one coding that this room chose.
pub(crate) fn fixed(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::partner::example;

    #[test]
    fn systems_of_table_0396_are_uris() {
        let check = |name, uri: &str| assert_eq!(system(name, &example()), uri);
        check("LN", "http://loinc.org");
        check("sct", "http://snomed.info/sct");
        check("HL70078", "http://terminology.hl7.org/CodeSystem/v2-0078");
        check("99zzz or L", "http://lab.example/codes-99zzz%20or%20L");
    }
}
