//! JSON Patch (RFC 6902), as far as it must be read to know what it touches.

use bascule_fhir::{ResourceType, compartment};
use bascule_policy::{Condition, WriteNarrowing};
use serde_json::Value;

use crate::refuse::Unwritable;
use crate::write::{Leaf, gather, permitted as leaf_permitted};

/// What a patch touches: values that it sets, and paths that it removes, tests or copies.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Touched {
    set: Vec<Leaf>,
    named: Vec<String>,
}

impl Touched {
    /// An element is given a value.
    pub(crate) fn sets(&mut self, path: String, value: &Value) {
        self.named.push(path.clone());
        gather(value, path, &mut self.set);
    }

    /// An element is removed, tested or moved.
    pub(crate) fn names(&mut self, path: String) {
        self.named.push(path);
    }

    /// Every element that it names or gives a value.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &str> {
        let set = self.set.iter().map(|leaf| leaf.path.as_str());
        // What is set is told by its leaves; of the rest the name is all that is said.
        let bare = self.named.iter().map(String::as_str).filter(|path| !self.sets_below(path));
        set.chain(bare)
    }

    fn sets_below(&self, path: &str) -> bool {
        let prefix = format!("{path}.");
        self.set.iter().any(|leaf| leaf.path == path || leaf.path.starts_with(&prefix))
    }

    /// The elements, as they are named.
    #[cfg(test)]
    pub(crate) fn paths(&self) -> Vec<&str> {
        self.named.iter().map(String::as_str).collect()
    }

    /// The elements that are given values.
    #[cfg(test)]
    pub(crate) fn leaves(&self) -> Vec<&str> {
        self.set.iter().map(|leaf| leaf.path.as_str()).collect()
    }
}

/// Reads the operations; `None` if they are not JSON Patch.
pub(crate) fn touched(operations: &Value) -> Option<Touched> {
    let mut touched = Touched::default();
    for operation in operations.as_array()? {
        let text = |name: &str| operation.get(name).and_then(Value::as_str);
        let path = dotted(text("path")?)?;
        match text("op")? {
            "add" | "replace" => {
                touched.sets(path, operation.get("value")?);
            }
            "test" | "remove" => touched.named.push(path),
            "move" | "copy" => touched.named.extend([dotted(text("from")?)?, path]),
            _ => return None,
        }
    }
    Some(touched)
}

/// Whether a way of writing allows it. A test is an oracle, so that it needs the element as a write does; and no patch
/// moves a resource between compartments.
pub(crate) fn permitted(way: &WriteNarrowing, resource: ResourceType, touched: &Touched) -> Result<(), Unwritable> {
    for leaf in &touched.set {
        leaf_permitted(way, resource, leaf)?;
    }
    for path in &touched.named {
        let set = touched.set.iter().any(|leaf| leaf.path == *path || leaf.path.starts_with(&format!("{path}.")));
        let reached = way.elements.reaches(resource, path) || (set && reaches_some(way, resource, path, touched));
        if !reached {
            return Err(Unwritable::Element(path.clone()));
        }
        if moves(&way.conditions, resource, path) {
            return Err(Unwritable::Outside);
        }
        let bound = |name: &String| name == path || name.starts_with(&format!("{path}."));
        if !set && way.values.keys().chain(way.references.keys()).any(bound) {
            return Err(Unwritable::Value(path.clone()));
        }
    }
    Ok(())
}

/// An added element whose every part may be set.
fn reaches_some(way: &WriteNarrowing, resource: ResourceType, path: &str, touched: &Touched) -> bool {
    let prefix = format!("{path}.");
    touched
        .set
        .iter()
        .filter(|leaf| leaf.path == path || leaf.path.starts_with(&prefix))
        .all(|leaf| way.elements.reaches(resource, &leaf.path))
}

fn moves(conditions: &[Condition], resource: ResourceType, path: &str) -> bool {
    let root = path.split('.').next().unwrap_or(path);
    conditions.iter().any(|condition| match condition {
        Condition::InCompartment { of, .. } => compartment::parameters(*of, resource).iter().any(|code| {
            bascule_fhir::search::parameter(resource, code)
                .is_some_and(|parameter| parameter.expression.split('|').any(|one| one.trim().starts_with(root)))
        }),
        Condition::IsOneOf(_) => root == "id",
        // Labels stand in `meta`, and in that of what is contained.
        Condition::HasLabel(_) => matches!(root, "meta" | "contained"),
        Condition::Not(all) => moves(all, resource, path),
        Condition::AnyOf(any) => any.iter().any(|all| moves(all, resource, path)),
        // What cannot be told from the patch alone may not be touched at all.
        Condition::Matches { .. } => true,
    })
}

/// `/participant/0/status` as `participant.status`.
fn dotted(pointer: &str) -> Option<String> {
    let steps = pointer.strip_prefix('/')?.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
    let names = steps.filter(|step| step != "-" && !step.bytes().all(|byte| byte.is_ascii_digit()));
    let path: Vec<String> = names.map(|name| name.trim_start_matches('_').to_owned()).collect();
    (!path.is_empty()).then(|| path.join("."))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use bascule_fhir::Id;
    use bascule_policy::Elements;
    use serde_json::json;

    use super::*;

    fn way(elements: &[&str]) -> WriteNarrowing {
        let named: BTreeSet<String> = elements.iter().map(|path| (*path).to_owned()).collect();
        let values = BTreeMap::from([("status".to_owned(), vec!["cancelled".to_owned()])]);
        let own = Condition::InCompartment { of: ResourceType::PATIENT, ids: [Id::parse("a").unwrap()].into() };
        WriteNarrowing {
            targets: std::sync::Arc::default(),
            elements: Arc::new(Elements::Only(named)),
            values: Arc::new(values),
            references: BTreeMap::new(),
            conditions: vec![own],
        }
    }

    fn check(operations: Value, expect: Result<(), Unwritable>) {
        let touched = touched(&operations).unwrap();
        assert_eq!(permitted(&way(&["status", "start"]), ResourceType::APPOINTMENT, &touched), expect, "{operations}");
    }

    #[test]
    fn a_patch_sets_granted_elements_to_granted_values() {
        check(json!([{ "op": "replace", "path": "/start", "value": "2026-01-01T10:00:00Z" }]), Ok(()));
        check(json!([{ "op": "replace", "path": "/status", "value": "cancelled" }]), Ok(()));
        let value = Err(Unwritable::Value("status".into()));
        check(json!([{ "op": "replace", "path": "/status", "value": "arrived" }]), value.clone());
        check(json!([{ "op": "copy", "from": "/start", "path": "/status" }]), value);
    }

    #[test]
    fn a_hidden_element_can_be_neither_tested_nor_copied_nor_removed() {
        let hidden = Err(Unwritable::Element("description".into()));
        check(json!([{ "op": "test", "path": "/description", "value": "x" }]), hidden.clone());
        check(json!([{ "op": "remove", "path": "/description" }]), hidden.clone());
        check(json!([{ "op": "copy", "from": "/description", "path": "/start" }]), hidden.clone());
        check(json!([{ "op": "add", "path": "/description", "value": "x" }]), hidden);
    }

    #[test]
    fn no_patch_moves_a_resource_to_another_patient() {
        let operations = json!([{ "op": "replace", "path": "/participant/0/actor/reference", "value": "Patient/b" }]);
        let touched = touched(&operations).unwrap();
        let way = way(&["participant.actor.reference"]);
        assert_eq!(permitted(&way, ResourceType::APPOINTMENT, &touched), Err(Unwritable::Outside));
    }

    #[test]
    fn what_is_no_patch_is_not_read_as_one() {
        for operations in [json!({}), json!([{ "op": "erase", "path": "/x" }]), json!([{ "op": "add", "path": "x" }])] {
            assert_eq!(touched(&operations), None, "{operations}");
        }
    }
}
