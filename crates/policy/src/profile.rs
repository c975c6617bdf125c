//! Profiles of de-identification: what of any resource may leave, told from the FHIR type of each element, so that an
//! element that nobody thought of is judged like every other. A profile narrows what a grant names; it never widens it.
//!
//! | profile | clause (45 CFR) | what it takes |
//! |---|---|---|
//! | `safe-harbor` | 164.514(b)(2) | the 18 identifiers removed; no actual knowledge, which nobody can check from here |
//! | `expert` | 164.514(b)(1) | a determination on file for the recipient; only here codes may be made with a key |
//! | `limited-data-set` | 164.514(e) | 16 direct identifiers removed, and a data use agreement in force |
//!
//! In each of them free text, images and whatever is not known here stay. The profile says what the filter did; that
//! the result identifies nobody is the judgement of a person.

use bascule_fhir::element::Element;

use crate::mask::Mask;

/// A profile. The order is by strictness, the strictest first: where two meet, the first acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// De-identified by removal.
    SafeHarbor,
    /// De-identified as an expert has determined.
    Expert,
    /// Not de-identified: still protected, under an agreement.
    LimitedDataSet,
}

/// What a profile makes of an element that a grant names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It leaves as it is; of an object, what its own elements may.
    Keep,
    /// It leaves masked.
    Mask(Mask),
    /// It stays.
    Withhold,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::SafeHarbor, Self::Expert, Self::LimitedDataSet];

    /// The word in policy files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SafeHarbor => "safe-harbor",
            Self::Expert => "expert",
            Self::LimitedDataSet => "limited-data-set",
        }
    }

    /// The clause that it carries out.
    #[must_use]
    pub const fn clause(self) -> &'static str {
        match self {
            Self::SafeHarbor => "45 CFR 164.514(b)(2)",
            Self::Expert => "45 CFR 164.514(b)(1)",
            Self::LimitedDataSet => "45 CFR 164.514(e)",
        }
    }

    /// The kind of agreement with the recipient that must be in force, whatever the recipient's class.
    #[must_use]
    pub const fn agreement_kind(self) -> Option<&'static str> {
        match self {
            Self::SafeHarbor => None,
            Self::Expert => Some("expert-determination"),
            Self::LimitedDataSet => Some("data-use"),
        }
    }

    /// Whether codes may be made with a key, so that the same value has the same code in every answer. Under the others a
    /// code is random, because one that can be had from the value again is derived from the person.
    #[must_use]
    pub const fn keys_codes(self) -> bool {
        matches!(self, Self::Expert)
    }

    /// What becomes of an element of `parent`.
    #[must_use]
    pub fn treatment(self, parent: &str, element: &Element) -> Treatment {
        if element.is_primitive() { self.primitive(parent, element) } else { self.object(parent, element) }
    }

    fn object(self, parent: &str, element: &Element) -> Treatment {
        let strict = self == Self::SafeHarbor;
        match element.type_name {
            // A place on the map is smaller than a state, and smaller than a ZIP code.
            "Location.position" => Treatment::Withhold,
            "Identifier" if self == Self::Expert => Treatment::Keep,
            "Age" | "Quantity" if strict => Treatment::Mask(Mask::PooledAge),
            // Ages as ranges cannot be pooled without knowing the unit of both ends.
            "Range" if strict && tells_age(element) => Treatment::Withhold,
            "Meta" | "Address" | "Reference" | "Coding" | "CodeableConcept" | "Quantity" | "SimpleQuantity" | "Age"
            | "Duration" | "Count" | "Distance" | "Money" | "MoneyQuantity" | "Range" | "Ratio" | "Period"
            | "Timing" | "Dosage" => Treatment::Keep,
            // A part of a resource or of a type, judged by its own elements: `Observation.component`.
            part if part.contains('.') && part.starts_with(root(parent)) => Treatment::Keep,
            _ => Treatment::Withhold,
        }
    }

    fn primitive(self, parent: &str, element: &Element) -> Treatment {
        let strict = self == Self::SafeHarbor;
        match (parent, element.name, element.type_name) {
            // Of an object of a type, `id` is there to be pointed at; of a resource it is its number.
            (_, "id", "id") => Treatment::Mask(Mask::Code),
            ("Reference", "reference", _) => Treatment::Mask(Mask::Code),
            ("Identifier", "value", _) if self == Self::Expert => Treatment::Mask(Mask::Code),
            ("Address", "postalCode", _) if strict => Treatment::Mask(Mask::Zip3),
            ("Address", "state" | "country", _) => Treatment::Keep,
            ("Address", "city" | "postalCode", _) if !strict => Treatment::Keep,
            (
                "Coding" | "Quantity" | "SimpleQuantity" | "Age" | "Duration" | "Count" | "Distance" | "Money",
                "system",
                _,
            )
            | ("Coding", "version", _)
            | ("Reference", "type", _)
            | ("Meta", "profile", _) => Treatment::Keep,
            ("Meta", "versionId", _) if !strict => Treatment::Keep,
            (_, _, "boolean" | "code" | "decimal" | "integer" | "positiveInt" | "unsignedInt") => Treatment::Keep,
            (_, _, "date" | "dateTime") if strict => Treatment::Mask(Mask::PooledYear),
            (_, _, "date" | "dateTime" | "instant" | "time") if !strict => Treatment::Keep,
            _ => Treatment::Withhold,
        }
    }

    /// Whether a grant under this profile may ask for the mask on an element that the profile treats so.
    #[must_use]
    pub fn allows(self, mask: Mask, treatment: Treatment) -> bool {
        match treatment {
            Treatment::Keep => true,
            Treatment::Mask(own) => own == mask,
            Treatment::Withhold => false,
        }
    }
}

/// Whether an element of this name holds an age or a time of life.
fn tells_age(element: &Element) -> bool {
    matches!(element.choice.unwrap_or(element.name), "age" | "onset" | "abatement" | "deceased" | "born" | "occurrence")
}

/// The first part of a type's name.
fn root(type_name: &str) -> &str {
    type_name.split('.').next().unwrap_or(type_name)
}
