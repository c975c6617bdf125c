//! What the filter asks of the table of R4 elements, and the rule of what a grant does not imply.

use bascule_fhir::ResourceType;
use bascule_fhir::compartment::{self, CompartmentPath};
use bascule_fhir::element::{self, Element, Step};

/// The elements of a type; none if there is no such type.
pub(crate) fn children(type_name: &str) -> &'static [Element] {
    element::children(type_name).unwrap_or_default()
}

/// Whether the grant of an object of `parent` does not bring its `child` along: display copies, narrative,
/// extensions and contained resources leave only if they are named. What is in a named extension is its own.
pub(crate) fn needs_own_name(parent: &str, child: &Element) -> bool {
    match child.type_name {
        "Extension" => parent != "Extension",
        "Narrative" => true,
        "Resource" => child.name == "contained",
        "string" => element::is_display_copy(parent, child.name),
        _ => false,
    }
}

/// Whether the element holds the address of something that the upstream serves.
pub(crate) fn is_address(parent: &str, child: &Element) -> bool {
    child.type_name == "url" || (child.type_name == "uri" && parent.starts_with("Bundle."))
}

/// The bit of a compartment; none if R4 has no compartment of that type.
pub(crate) fn compartment_bit(of: ResourceType) -> u8 {
    let found = compartment::COMPARTMENTS.iter().position(|other| *other == of);
    found.map_or(0, |place| 1 << place)
}

/// A path to a reference that places a resource in a compartment, as JSON names or names of choices, and the bit.
pub(crate) type Actor = (Vec<&'static str>, u8);

/// Every path that places a resource of this type in a compartment.
pub(crate) fn actors(resource: ResourceType) -> Vec<Actor> {
    let of_one =
        |of: &ResourceType| compartment::paths(*of, resource).iter().map(|one| actor(*of, one)).collect::<Vec<_>>();
    compartment::COMPARTMENTS.iter().flat_map(of_one).collect()
}

fn actor(of: ResourceType, path: &CompartmentPath) -> Actor {
    let name = |step: &Step| match step.elements.as_slice() {
        [only] => only.name,
        several => several.first().and_then(|first| first.choice).unwrap_or_default(),
    };
    (path.path.steps.iter().map(name).collect(), compartment_bit(of))
}
