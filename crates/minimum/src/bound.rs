//! What the invariants of R4 ask of elements beyond their number: some hold others up, and a resource of which a part was
//! left out has to stay valid all the same.
//!
//! The names are those of the specification's constraints (`ait-1`, `tim-2`); a constraint that leaving something out
//! cannot break is not here.

use bascule_fhir::element::Element;

/// Elements of which R4 wants one to be there where one was, by the type that holds them. A name of a choice is its stem.
const TOGETHER: &[(&str, &[&str])] = &[
    ("AllergyIntolerance", &["clinicalStatus"]),            // ait-1
    ("Appointment", &["start"]),                            // app-2, app-3
    ("Appointment", &["end"]),                              // app-2, app-3
    ("Appointment.participant", &["type", "actor"]),        // app-1
    ("AppointmentResponse", &["participantType", "actor"]), // apr-1
    ("Composition.section", &["text", "entry", "section"]), // cmp-1
    ("Condition.stage", &["summary", "assessment"]),        // con-1
    ("Condition", &["clinicalStatus"]),                     // con-3, con-5
    ("Consent", &["policy", "policyRule"]),                 // ppc-1
    ("CoverageEligibilityResponse.insurance.item", &["category", "productOrService"]), // ces-1
    ("DataRequirement.codeFilter", &["path", "searchParam"]), // drq-1
    ("DataRequirement.dateFilter", &["path", "searchParam"]), // drq-2
    ("ElementDefinition.slicing", &["discriminator", "description"]), // eld-1
    ("Goal.target", &["measure"]),                          // gol-1
    ("Immunization.education", &["documentType", "reference"]), // imm-1
    ("ImmunizationRecommendation.recommendation", &["vaccineCode", "targetDisease"]), // imr-1
    ("InsurancePlan", &["name", "identifier"]),             // ipn-1
    ("MeasureReport.group.stratifier.stratum", &["value", "component"]), // mrp-2
    ("MedicationAdministration.dosage", &["dose", "rate"]), // mad-1
    ("MolecularSequence.referenceSeq", &["genomeBuild", "referenceSeqId", "referenceSeqPointer", "referenceSeqString"]), // msq-6
    ("MolecularSequence.referenceSeq", &["chromosome"]), // msq-5
    ("NutritionOrder", &["oralDiet", "supplement", "enteralFormula"]), // nor-1
    ("Observation.referenceRange", &["low", "high", "text"]), // obs-3
    ("Organization", &["name", "identifier"]),           // org-1
    ("Patient.contact", &["name", "telecom", "address", "organization"]), // pat-1
    ("Questionnaire.item", &["item"]),                   // que-1
    ("RequestGroup.action", &["resource", "action"]),    // rqg-1
    ("Timing.repeat", &["durationUnit"]),                // tim-1
    ("Timing.repeat", &["periodUnit"]),                  // tim-2
    ("Timing.repeat", &["when"]),                        // tim-9
    ("TriggerDefinition", &["data"]),                    // trd-2, trd-3
    ("TriggerDefinition", &["name"]),                    // trd-3
    ("ValueSet.compose.include", &["valueSet", "system"]), // vsd-1
];

/// Required codes whose value an invariant reads, so that nothing can stand in their place. They say what kind of thing
/// the resource is, nothing about anybody.
const ALWAYS: &[(&str, &str)] = &[
    ("Group", "actual"),                       // grp-1
    ("List", "mode"),                          // lst-2, lst-3
    ("MolecularSequence", "coordinateSystem"), // msq-3
    ("Questionnaire.item", "type"),            // que-1 to que-11
];

/// Elements that are valid only beside the value of another one.
const NEEDS: &[(&str, &str, &str)] = &[
    ("Condition", "abatement", "clinicalStatus"), // con-4
    ("Timing.repeat", "countMax", "count"),       // tim-8
    ("Timing.repeat", "durationMax", "duration"), // tim-7
    ("Timing.repeat", "periodMax", "period"),     // tim-6
];

/// Elements that R4 asks for unless another one says that they need not be: where that one is withheld, nobody can tell.
const UNLESS: &[(&str, &str, &str)] = &[
    ("Appointment", "start", "status"), // app-3
    ("Appointment", "end", "status"),   // app-3
];

/// The element that says why this one need not be there.
pub(crate) fn excused_by(type_name: &str, stem: &str) -> Option<&'static str> {
    UNLESS.iter().find(|(holder, one, _)| *holder == type_name && *one == stem).map(|(.., other)| *other)
}

/// The groups of which one has to be there where one was.
pub(crate) fn together(type_name: &str) -> impl Iterator<Item = &'static [&'static str]> {
    TOGETHER.iter().filter(move |(holder, _)| *holder == type_name).map(|(_, group)| *group)
}

/// Whether the element leaves with whatever else of its holder does.
pub(crate) fn always_leaves(type_name: &str, name: &str) -> bool {
    ALWAYS.contains(&(type_name, name))
}

/// The element without which this one does not leave.
pub(crate) fn needed(type_name: &str, element: &Element) -> Option<&'static str> {
    let stem = element.choice.unwrap_or(element.name);
    NEEDS.iter().find(|(holder, one, _)| *holder == type_name && *one == stem).map(|(.., other)| *other)
}

/// How many items an array has to have at least, where it has any.
pub(crate) fn items_min(type_name: &str, name: &str) -> usize {
    if (type_name, name) == ("Linkage", "item") { 2 } else { 1 } // lnk-1
}

#[cfg(test)]
mod tests {
    use super::*;
    use bascule_fhir::element::children;

    #[test]
    fn every_name_of_the_tables_is_one_of_r4() {
        let has = |holder: &str, stem: &str| {
            children(holder).is_some_and(|all| all.iter().any(|one| one.choice.unwrap_or(one.name) == stem))
        };
        for (holder, group) in TOGETHER {
            for stem in *group {
                assert!(has(holder, stem), "{holder}.{stem}");
            }
        }
        for (holder, name) in ALWAYS {
            assert!(has(holder, name), "{holder}.{name}");
        }
        for (holder, one, other) in NEEDS.iter().chain(UNLESS) {
            assert!(has(holder, one) && has(holder, other), "{holder}.{one}");
        }
    }
}
