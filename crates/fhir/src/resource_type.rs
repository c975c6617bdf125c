//! The resource types of FHIR R4 (4.0.1), as a number that costs nothing to compare.

use std::fmt;

/// A concrete R4 resource type: `Patient`, `Observation`, … Never `Resource` or `DomainResource`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceType(u8);

impl ResourceType {
    /// `Appointment`
    pub const APPOINTMENT: Self = Self::named("Appointment");
    /// `Binary`
    pub const BINARY: Self = Self::named("Binary");
    /// `Bundle`
    pub const BUNDLE: Self = Self::named("Bundle");
    /// `Device`
    pub const DEVICE: Self = Self::named("Device");
    /// `Encounter`
    pub const ENCOUNTER: Self = Self::named("Encounter");
    /// `OperationOutcome`
    pub const OPERATION_OUTCOME: Self = Self::named("OperationOutcome");
    /// `Parameters`
    pub const PARAMETERS: Self = Self::named("Parameters");
    /// `Patient`
    pub const PATIENT: Self = Self::named("Patient");
    /// `Practitioner`
    pub const PRACTITIONER: Self = Self::named("Practitioner");
    /// `RelatedPerson`
    pub const RELATED_PERSON: Self = Self::named("RelatedPerson");

    /// The type of this name, spelled exactly as FHIR spells it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let letter = usize::from(name.bytes().next()?.checked_sub(b'A')?);
        let (from, to) = (*BY_LETTER.get(letter)?, *BY_LETTER.get(letter + 1)?);
        let named = NAMES.get(usize::from(from)..usize::from(to))?;
        let place = named.iter().position(|other| *other == name)?;
        u8::try_from(place).ok().map(|place| Self(from + place))
    }

    /// The type whose name is near to this one: another case, a letter or two wrong. For error messages only.
    #[must_use]
    pub fn nearest(name: &str) -> Option<Self> {
        if name.len() > NEAR_BYTES_MAX {
            return None;
        }
        let wrong = name.to_ascii_lowercase();
        let distance = |one: Self| strsim::damerau_levenshtein(&one.name().to_ascii_lowercase(), &wrong);
        let (distance, nearest) = Self::all().map(|one| (distance(one), one)).min()?;
        (distance <= name.len() / 3).then_some(nearest)
    }

    /// The name as FHIR spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    /// A dense number from 0, for tables by type; less than [`ResourceType::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Whether it has narrative, contained resources and extensions: all but `Binary`, `Bundle` and `Parameters`.
    #[must_use]
    pub const fn is_domain_resource(self) -> bool {
        !matches!(self.0, Self::BINARY_INDEX | Self::BUNDLE_INDEX | Self::PARAMETERS_INDEX)
    }

    const BINARY_INDEX: u8 = Self::BINARY.0;
    const BUNDLE_INDEX: u8 = Self::BUNDLE.0;
    const PARAMETERS_INDEX: u8 = Self::PARAMETERS.0;

    /// How many types there are.
    pub const COUNT: usize = NAMES.len();

    /// Every type, by name.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..NAMES.len()).filter_map(|index| u8::try_from(index).ok()).map(Self)
    }

    const fn named(name: &str) -> Self {
        let mut index = 0_u8;
        while (index as usize) < NAMES.len() {
            if same(NAMES.as_slice().split_at(index as usize).1, name) {
                return Self(index);
            }
            index += 1;
        }
        Self(u8::MAX)
    }
}

/// How many names begin with a letter before `A`, before `B`, and so on: where those of a letter are found.
const BY_LETTER: [u8; 27] = {
    let mut counts = [0_u8; 27];
    let mut letters: &mut [u8] = &mut counts;
    let mut letter = b'A';
    while let [count, rest @ ..] = letters {
        let mut names: &[&str] = &NAMES;
        while let [name, others @ ..] = names {
            if let [first, ..] = name.as_bytes()
                && *first < letter
            {
                *count += 1;
            }
            names = others;
        }
        letters = rest;
        letter += 1;
    }
    counts
};

/// Whether the first of `names` is `name`; const, so that the constants above are checked numbers.
const fn same(names: &[&str], name: &str) -> bool {
    let Some(first) = names.first() else { return false };
    let (mut left, mut right) = (first.as_bytes(), name.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    while let ([a, rest_left @ ..], [b, rest_right @ ..]) = (left, right) {
        if *a != *b {
            return false;
        }
        left = rest_left;
        right = rest_right;
    }
    true
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is longer than this is near to none, and is not compared: comparing costs its length for every type.
const NEAR_BYTES_MAX: usize = 40;

/// Sorted by byte, so that `parse` can search.
const NAMES: [&str; 146] = [
    "Account",
    "ActivityDefinition",
    "AdverseEvent",
    "AllergyIntolerance",
    "Appointment",
    "AppointmentResponse",
    "AuditEvent",
    "Basic",
    "Binary",
    "BiologicallyDerivedProduct",
    "BodyStructure",
    "Bundle",
    "CapabilityStatement",
    "CarePlan",
    "CareTeam",
    "CatalogEntry",
    "ChargeItem",
    "ChargeItemDefinition",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "CodeSystem",
    "Communication",
    "CommunicationRequest",
    "CompartmentDefinition",
    "Composition",
    "ConceptMap",
    "Condition",
    "Consent",
    "Contract",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "DetectedIssue",
    "Device",
    "DeviceDefinition",
    "DeviceMetric",
    "DeviceRequest",
    "DeviceUseStatement",
    "DiagnosticReport",
    "DocumentManifest",
    "DocumentReference",
    "EffectEvidenceSynthesis",
    "Encounter",
    "Endpoint",
    "EnrollmentRequest",
    "EnrollmentResponse",
    "EpisodeOfCare",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "GraphDefinition",
    "Group",
    "GuidanceResponse",
    "HealthcareService",
    "ImagingStudy",
    "Immunization",
    "ImmunizationEvaluation",
    "ImmunizationRecommendation",
    "ImplementationGuide",
    "InsurancePlan",
    "Invoice",
    "Library",
    "Linkage",
    "List",
    "Location",
    "Measure",
    "MeasureReport",
    "Media",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationKnowledge",
    "MedicationRequest",
    "MedicationStatement",
    "MedicinalProduct",
    "MedicinalProductAuthorization",
    "MedicinalProductContraindication",
    "MedicinalProductIndication",
    "MedicinalProductIngredient",
    "MedicinalProductInteraction",
    "MedicinalProductManufactured",
    "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect",
    "MessageDefinition",
    "MessageHeader",
    "MolecularSequence",
    "NamingSystem",
    "NutritionOrder",
    "Observation",
    "ObservationDefinition",
    "OperationDefinition",
    "OperationOutcome",
    "Organization",
    "OrganizationAffiliation",
    "Parameters",
    "Patient",
    "PaymentNotice",
    "PaymentReconciliation",
    "Person",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RequestGroup",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "ResearchStudy",
    "ResearchSubject",
    "RiskAssessment",
    "RiskEvidenceSynthesis",
    "Schedule",
    "SearchParameter",
    "ServiceRequest",
    "Slot",
    "Specimen",
    "SpecimenDefinition",
    "StructureDefinition",
    "StructureMap",
    "Subscription",
    "Substance",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "SubstanceSpecification",
    "SupplyDelivery",
    "SupplyRequest",
    "Task",
    "TerminologyCapabilities",
    "TestReport",
    "TestScript",
    "ValueSet",
    "VerificationResult",
    "VisionPrescription",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_found_again() {
        assert!(NAMES.is_sorted());
        for resource in ResourceType::all() {
            assert_eq!(ResourceType::parse(resource.name()), Some(resource));
        }
        assert_eq!(ResourceType::parse("patient"), None);
        assert_eq!(ResourceType::parse("DomainResource"), None);
    }

    #[test]
    fn a_slip_is_near_and_a_stranger_is_not() {
        let near = |name: &str| ResourceType::nearest(name).map(ResourceType::name);
        assert_eq!(near("patient"), Some("Patient"));
        assert_eq!(near("Obsrevation"), Some("Observation"));
        assert_eq!(near("Zebra"), None);
        assert_eq!(near(""), None);
        assert_eq!(near(&"Patient".repeat(300)), None);
    }

    #[test]
    fn constants_are_their_names() {
        assert_eq!(ResourceType::PATIENT.name(), "Patient");
        assert_eq!(ResourceType::BUNDLE.name(), "Bundle");
        assert_eq!(ResourceType::OPERATION_OUTCOME.name(), "OperationOutcome");
    }
}
