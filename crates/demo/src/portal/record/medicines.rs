//! Medicines: what is taken and how, and what was taken before.

use serde_json::Value;

use super::super::words::When;
use super::read::{concept, display, number, text, when};

/// A medicine as it was ordered.
#[derive(Debug, Clone)]
pub(in super::super) struct Medicine {
    pub(in super::super) name: String,
    pub(in super::super) how: Option<String>,
    pub(in super::super) ordered: Option<When>,
    pub(in super::super) by: Option<String>,
    pub(in super::super) refills: Option<u32>,
    /// Whether it is taken now.
    pub(in super::super) current: bool,
    /// When the pharmacy last handed it over.
    pub(in super::super) fetched: Option<When>,
}

/// Orders, newest first, with the last dispense of each.
pub(in super::super) fn medicines(requests: &[Value], dispenses: &[Value]) -> Vec<Medicine> {
    let mut all: Vec<Medicine> = requests
        .iter()
        .filter(|body| text(body, "/status") != Some("entered-in-error"))
        .map(|body| one(body, dispenses))
        .collect();
    all.sort_by_key(|medicine| std::cmp::Reverse(medicine.ordered));
    all
}

fn one(body: &Value, dispenses: &[Value]) -> Medicine {
    let own = text(body, "/id").map(|id| format!("MedicationRequest/{id}"));
    let fetched = dispenses
        .iter()
        .filter(|dispense| {
            own.is_some()
                && text(dispense, "/authorizingPrescription/0/reference")
                    .is_some_and(|to| own.as_deref().is_some_and(|own| to.ends_with(own)))
        })
        .filter_map(|dispense| when(dispense, "/whenHandedOver"))
        .max();
    Medicine {
        name: concept(body, "/medicationCodeableConcept")
            .or_else(|| display(body, "/medicationReference"))
            .unwrap_or_else(|| String::from("Medicine")),
        how: text(body, "/dosageInstruction/0/text").map(str::to_owned),
        ordered: when(body, "/authoredOn"),
        by: display(body, "/requester"),
        refills: number(body, "/dispenseRequest/numberOfRepeatsAllowed").and_then(|(words, _)| words.parse().ok()),
        current: text(body, "/status") == Some("active"),
        fetched,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_dispense_of_the_same_order_is_found() {
        let request = json!({"id": "r1", "status": "active", "medicationCodeableConcept": {"text": "Metformin"}});
        let handed =
            |day: &str, order: &str| json!({"whenHandedOver": day, "authorizingPrescription": [{"reference": order}]});
        let dispenses = [
            handed("2026-03-02", "MedicationRequest/r1"),
            handed("2026-06-02", "https://bridge.example/fhir/MedicationRequest/r1"),
            handed("2026-09-02", "MedicationRequest/r2"),
        ];
        let all = medicines(&[request], &dispenses);
        assert_eq!(all[0].fetched, When::parse("2026-06-02"));
        assert!(all[0].current);
    }
}
