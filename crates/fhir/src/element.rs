//! What every type is made of: its elements with type, cardinality, summary and modifier flags, reference targets
//! and required value sets. A table, not a struct per resource.
//!
//! Types are resources (`Patient`), data types (`HumanName`), primitives (`date`) and backbone elements by their path
//! (`Patient.contact`). An element of several types is listed once for each of its JSON names (`valueQuantity`,
//! `valueString`), so an element has exactly one type.

mod path;
mod table;

pub use path::{NoSuchElement, PATH_STEPS_MAX, ResolvedPath, Step, resolve};

use crate::ResourceType;
use table::TABLE;

/// A type and its elements, those of its bases first.
#[derive(Debug)]
pub struct Type {
    /// `Patient`, `HumanName`, `date`, `Patient.contact`.
    pub name: &'static str,
    /// What it inherits from: `DomainResource`, `BackboneElement`, `string` for `code`; nothing for the two roots.
    pub base: Option<&'static str>,
    /// Whether its JSON is a bare value; `_name` beside it then carries its id and extensions.
    pub primitive: bool,
    elements: Vec<Element>,
    by_name: Vec<u16>,
}

/// One element of a type, by one JSON name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// The name in JSON: `valueQuantity`.
    pub name: &'static str,
    /// For one form of a choice, the part before `[x]`: `value`.
    pub choice: Option<&'static str>,
    /// Its type. `Resource` is any resource; its `resourceType` says which.
    pub type_name: &'static str,
    /// How often it must be there.
    pub min: u32,
    /// How often it may be there; `None` is without bound. More than one is a JSON array.
    pub max: Option<u32>,
    /// Whether `_summary=true` shows it.
    pub summary: bool,
    /// Whether it may change the meaning of what holds it.
    pub modifier: bool,
    /// Whether it is a bare string that can have no extensions (`Element.id`, `Narrative.div`).
    pub plain: bool,
    targets: &'static str,
    value_set: &'static str,
    kind: u16,
}

/// The elements of a type, or nothing if there is no such type.
#[must_use]
pub fn children(type_name: &str) -> Option<&'static [Element]> {
    Type::find(type_name).map(Type::elements)
}

/// The element of that JSON name.
#[must_use]
pub fn child(type_name: &str, name: &str) -> Option<&'static Element> {
    Type::find(type_name)?.child(name)
}

/// Whether the type's JSON is a bare value.
#[must_use]
pub fn is_primitive(type_name: &str) -> bool {
    Type::find(type_name).is_some_and(|found| found.primitive)
}

/// Whether a type is `ancestor` or inherits from it: `Age` is a `Quantity`, `Patient` a `DomainResource`.
#[must_use]
pub fn is_a(type_name: &str, ancestor: &str) -> bool {
    let mut at = Some(type_name);
    while let Some(name) = at {
        if name == ancestor {
            return true;
        }
        at = Type::find(name).and_then(|found| found.base);
    }
    false
}

/// Whether the element says again, for the eye, what other elements say: `Reference.display`, `Coding.display`,
/// `CodeableConcept.text`, and the narrative (`DomainResource.text`, `Narrative.div`).
#[must_use]
pub fn is_display_copy(type_name: &str, child_name: &str) -> bool {
    match child_name {
        "display" => matches!(type_name, "Reference" | "Coding"),
        "text" => type_name == "CodeableConcept" || is_a(type_name, "DomainResource"),
        "div" => type_name == "Narrative",
        _ => false,
    }
}

impl Type {
    /// The type of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        TABLE.find(name)
    }

    /// The type of a resource.
    #[must_use]
    pub fn of(resource: ResourceType) -> Option<&'static Self> {
        TABLE.of(resource)
    }

    /// Every type of the table, by name.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        TABLE.types.iter()
    }

    /// Its elements, in the order of the definition.
    #[must_use]
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// The element of that JSON name (`valueQuantity`, not `value[x]`, not `_value`).
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Element> {
        let at = self.by_name.binary_search_by(|at| self.name_at(*at).cmp(name)).ok()?;
        self.by_name.get(at).and_then(|at| self.elements.get(usize::from(*at)))
    }

    /// Every form of the choice of that stem: `value` gives `valueQuantity`, `valueString`, …; empty if there is none.
    #[must_use]
    pub fn forms(&self, stem: &str) -> &[Element] {
        let is_form = |element: &Element| element.choice == Some(stem);
        let Some(start) = self.elements.iter().position(is_form) else { return &[] };
        let rest = self.elements.get(start..).unwrap_or_default();
        let end = rest.iter().position(|element| !is_form(element)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    /// The element whose id and extensions stand under that JSON name: `_birthDate` gives `birthDate`.
    #[must_use]
    pub fn sibling_of(&self, underscored: &str) -> Option<&Element> {
        underscored.strip_prefix('_').and_then(|name| self.child(name)).filter(|element| element.has_sibling())
    }

    /// Whether any of its elements may have a `_name` beside it.
    #[must_use]
    pub fn has_siblings(&self) -> bool {
        self.elements.iter().any(Element::has_sibling)
    }

    fn name_at(&self, at: u16) -> &str {
        self.elements.get(usize::from(at)).map_or("", |element| element.name)
    }
}

impl Element {
    /// The definition of its type.
    #[must_use]
    pub fn kind(&self) -> Option<&'static Type> {
        TABLE.types.get(usize::from(self.kind))
    }

    /// Whether its JSON is an array.
    #[must_use]
    pub const fn is_array(&self) -> bool {
        !matches!(self.max, Some(0 | 1))
    }

    /// Whether its JSON is a bare value.
    #[must_use]
    pub fn is_primitive(&self) -> bool {
        self.kind().is_some_and(|kind| kind.primitive)
    }

    /// Whether a `_name` beside it may carry its id and extensions.
    #[must_use]
    pub fn has_sibling(&self) -> bool {
        !self.plain && self.is_primitive()
    }

    /// The name in definitions and policy files: `value[x]` for every form of that choice.
    #[must_use]
    pub fn defined_name(&self) -> String {
        self.choice.map_or_else(|| self.name.to_owned(), |choice| format!("{choice}[x]"))
    }

    /// The types that a reference or canonical may point at, as the definition lists them; empty and `Resource` are any.
    pub fn targets(&self) -> impl Iterator<Item = &'static str> {
        self.targets.split('|').filter(|target| !target.is_empty())
    }

    /// Whether a reference may point at that type.
    #[must_use]
    pub fn may_point_at(&self, resource: ResourceType) -> bool {
        self.targets.is_empty() || self.targets().any(|target| target == "Resource" || target == resource.name())
    }

    /// The canonical URL of the value set that its code must be from.
    #[must_use]
    pub fn required_value_set(&self) -> Option<String> {
        match self.value_set {
            "" => None,
            absolute if absolute.contains("://") => Some(absolute.to_owned()),
            short => Some(format!("http://hl7.org/fhir/ValueSet/{short}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_type_has_elements_and_every_element_a_type() {
        for resource in ResourceType::all() {
            let elements = children(resource.name()).unwrap_or_else(|| panic!("no {resource}"));
            assert!(elements.iter().any(|element| element.name == "id"), "{resource}");
            assert_eq!(resource.is_domain_resource(), is_a(resource.name(), "DomainResource"), "{resource}");
        }
        for found in Type::all() {
            for element in found.elements() {
                let kind = element.kind().unwrap_or_else(|| panic!("{}.{}", found.name, element.name));
                assert_eq!(kind.name, element.type_name, "{}.{}", found.name, element.name);
                assert_eq!(found.child(element.name), Some(element));
            }
        }
    }

    #[test]
    fn elements_say_what_the_definition_says() {
        let status = child("Observation", "status").unwrap();
        assert_eq!((status.type_name, status.min, status.max), ("code", 1, Some(1)));
        assert!(status.summary && status.modifier && !status.is_array());
        assert_eq!(status.required_value_set().as_deref(), Some("http://hl7.org/fhir/ValueSet/observation-status"));
        let actor = child("Appointment.participant", "actor").unwrap();
        assert!(actor.may_point_at(ResourceType::PATIENT) && !actor.may_point_at(ResourceType::BINARY));
        assert_eq!(child("Appointment", "participant").unwrap().type_name, "Appointment.participant");
        assert!(child("Bundle.entry", "resource").unwrap().targets().next().is_none());
    }

    #[test]
    fn a_choice_is_listed_by_each_json_name() {
        let value = child("Observation", "valueQuantity").unwrap();
        assert_eq!((value.choice, value.type_name), (Some("value"), "Quantity"));
        assert_eq!(value.defined_name(), "value[x]");
        assert!(child("Observation", "value[x]").is_none());
        assert_eq!(Type::find("Extension").unwrap().forms("value").len(), 50);
        for kind in Type::all() {
            for element in kind.elements().iter().filter(|element| element.choice.is_some()) {
                assert!(kind.forms(element.choice.unwrap()).contains(element), "forms of a choice stand together");
            }
        }
        assert!(Type::find("Observation").unwrap().forms("code").is_empty());
    }

    #[test]
    fn recursion_leads_back() {
        assert_eq!(child("Questionnaire.item", "item").unwrap().type_name, "Questionnaire.item");
        assert_eq!(child("Bundle.entry", "link").unwrap().type_name, "Bundle.link");
    }

    #[test]
    fn only_elements_of_r4_are_there() {
        assert!(child("Meta", "project").is_none());
        assert!(child("ResearchStudy", "comparisonGroup").is_none());
        assert!(child("EvidenceVariable.characteristic", "participantEffectivePeriod").is_some());
        assert!(children("SubscriptionStatus").is_none());
    }

    #[test]
    fn primitives_have_siblings_but_plain_strings_do_not() {
        let patient = Type::find("Patient").unwrap();
        assert_eq!(patient.sibling_of("_birthDate").map(|element| element.name), Some("birthDate"));
        assert!(patient.sibling_of("_name").is_none());
        assert!(patient.sibling_of("birthDate").is_none());
        assert!(!child("HumanName", "id").unwrap().has_sibling());
        assert!(!child("Narrative", "div").unwrap().has_sibling());
        assert!(Type::find("HumanName").unwrap().has_siblings());
        assert!(!Type::find("Element").unwrap().has_siblings());
    }

    #[test]
    fn display_copies_are_named() {
        assert!(is_display_copy("Reference", "display"));
        assert!(is_display_copy("Coding", "display"));
        assert!(is_display_copy("CodeableConcept", "text"));
        assert!(is_display_copy("Patient", "text"));
        assert!(is_display_copy("Narrative", "div"));
        assert!(!is_display_copy("HumanName", "text"));
        assert!(!is_display_copy("Coding", "code"));
    }

    #[test]
    fn inheritance_is_followed() {
        assert!(is_a("Age", "Quantity") && is_a("Age", "Element") && is_a("code", "string"));
        assert!(!is_a("Quantity", "Age") && !is_a("Nothing", "Element"));
    }
}
