//! What everybody has to do: the same elements stay, the same tag is set.

/// Elements of a Patient that stay, whole but for what is named below.
pub const PATIENT: [&str; 9] =
    ["resourceType", "id", "meta", "identifier", "active", "name", "telecom", "birthDate", "managingOrganization"];

/// Elements of an Observation that stay.
pub const OBSERVATION: [&str; 14] = [
    "resourceType",
    "id",
    "meta",
    "status",
    "category",
    "code",
    "subject",
    "encounter",
    "effectiveDateTime",
    "issued",
    "valueQuantity",
    "interpretation",
    "referenceRange",
    "method",
];

/// References that lose their `display`.
pub const REFERENCES: [&str; 2] = ["subject", "managingOrganization"];

/// The elements that stay of that type.
pub fn kept(resource: &str) -> &'static [&'static str] {
    match resource {
        "Patient" => &PATIENT,
        _ => &OBSERVATION,
    }
}

/// As a policy writes it: display copies are elements of their own.
pub const PATIENT_POLICY: &str =
    "id meta identifier identifier.type.coding.display active name telecom birthDate managingOrganization";

/// As a policy writes it.
pub const OBSERVATION_POLICY: &str = "id meta status category category.text category.coding.display code code.text \
    code.coding.display subject encounter effective[x] issued value[x] interpretation interpretation.text \
    interpretation.coding.display referenceRange referenceRange.type.text referenceRange.type.coding.display method";

/// The tag of a resource that was cut.
pub const TAGS: &str =
    r#"[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]"#;

/// The upstream's base.
pub const UPSTREAM: &str = "http://ehr.internal/fhir";
/// Ours.
pub const PUBLIC: &str = "https://bridge.example/ehr";
