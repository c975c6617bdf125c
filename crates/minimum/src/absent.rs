//! What stands in the place of a required element that is withheld, so that what leaves is still valid FHIR.

use bascule_fhir::element::Element;

use crate::bound;
use crate::table;

/// FHIR R4, extension `data-absent-reason`: the information is not available due to security, privacy or related reasons.
const MASKED: &str =
    r#""extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]"#;

/// A narrative needs an XHTML `div` with words in it, and a `div` has no extensions.
const MASKED_DIV: &str = r#""<div xmlns=\"http://www.w3.org/1999/xhtml\">Withheld</div>""#;

/// The tag of a resource of which a part was left out (FHIR R4, search `_elements`).
pub(crate) const SUBSETTED: &str =
    r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#;

/// Required elements in required elements, at most.
const DEPTH_MAX: usize = 8;

/// `"code":{"extension":[…]}`, `"_status":{"extension":[…]}`, in an array where the element is one.
pub(crate) fn masked_member(parent: &str, element: &Element) -> String {
    member(parent, element, DEPTH_MAX)
}

fn member(parent: &str, element: &Element, depth: usize) -> String {
    if element.type_name == "xhtml" {
        return format!(r#""{}":{MASKED_DIV}"#, element.name);
    }
    let name = if element.has_sibling() { format!("_{}", element.name) } else { element.name.to_owned() };
    let value = object(element, depth);
    if !element.is_array() {
        return format!(r#""{name}":{value}"#);
    }
    let items = vec![value; bound::items_min(parent, element.name)];
    format!(r#""{name}":[{}]"#, items.join(","))
}

fn object(element: &Element, depth: usize) -> String {
    let mut members = vec![MASKED.to_owned()];
    if depth > 0 && !element.is_primitive() {
        let elements = table::children(element.type_name);
        let one_of = bound::together(element.type_name).filter(|group| group.len() > 1);
        for stem in one_of.filter_map(|group| group.first()) {
            if let Some(child) = elements.iter().find(|child| child.choice.unwrap_or(child.name) == *stem) {
                members.push(member(element.type_name, child, depth - 1));
            }
        }
        let mut choices = Vec::new();
        for child in elements.iter().filter(|child| child.min > 0) {
            let group = child.choice.unwrap_or(child.name);
            if !choices.contains(&group) {
                choices.push(group);
                members.push(member(element.type_name, child, depth - 1));
            }
        }
    }
    format!("{{{}}}", members.join(","))
}
