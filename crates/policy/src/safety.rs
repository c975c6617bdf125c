//! What care cannot do without knowing.

/// Types of allergies, medications, problems and results: that something of them is withheld is told to who treats.
pub const SAFETY_TYPES: [&str; 8] = [
    "AllergyIntolerance",
    "Condition",
    "DiagnosticReport",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
];
