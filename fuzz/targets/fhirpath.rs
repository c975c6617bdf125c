//! An expression, a newline, and the JSON that it is evaluated on; dotted paths too.
#![no_main]

use bascule_fhir::fhirpath::{self, Expression};
use bascule_fhir::{ResourceType, compartment, element};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (expression, json) = text.split_once('\n').unwrap_or((text, "{}"));
    let _ = element::resolve("Patient", expression).map_err(|fault| fault.to_string());
    let Ok(resource) = serde_json::from_str::<serde_json::Value>(json) else { return };
    if let Ok(expression) = Expression::parse(expression) {
        if let Ok(found) = fhirpath::select_within(&resource, &expression, 100_000) {
            assert!(found.iter().all(fhirpath::Found::has_value));
        }
        let _ = expression.paths();
    }
    let _ = compartment::owners(ResourceType::PATIENT, &resource);
});
