//! The naive twin of the filter: the same rules on a parsed tree, written as plainly as can be.

use bascule_fhir::element::{self, Element};
use bascule_policy::{Elements, Mask, Narrowing, Profile, TotalRule, Treatment};
use serde_json::{Map, Value, json};

use super::support::{PUBLIC, UPSTREAM, kind, page};
use crate::masking::{Coded, Masked};
use crate::rewrite::Rewrite;

type Paths<'p> = Vec<Vec<&'p str>>;

/// What holds for a whole resource.
#[derive(Clone, Copy)]
struct World<'w> {
    narrowing: &'w Narrowing,
    profile: Option<Profile>,
    root: &'w str,
    rewrite: &'w Rewrite<'w>,
}

/// What leaves of a resource that may leave. Values in the place of masked ones come from the filter's own functions,
/// which have tests of their own; where they stand does not.
pub(crate) fn resource_with(narrowing: &Narrowing, value: &Value, rewrite: &Rewrite<'_>) -> Option<Value> {
    let name = value.get("resourceType")?.as_str()?;
    let granted = narrowing.types.get(&bascule_fhir::ResourceType::parse(name)?)?;
    let elements = &*granted.elements;
    if *elements == Elements::Whole {
        return Some(rewritten(name, value));
    }
    let world = World { narrowing, profile: elements.profile(), root: name, rewrite };
    let paths = elements.named().into_iter().flatten().map(|path| path.split('.').collect()).collect();
    let mut left =
        object(world, name, value.as_object()?, elements.named().is_none(), &paths, true).unwrap_or_default();
    tag(&mut left);
    Some(Value::Object(left))
}

/// As [`resource_with`], with what the tests' addresses are turned into and nothing that masks need.
pub(crate) fn resource(narrowing: &Narrowing, value: &Value) -> Option<Value> {
    resource_with(narrowing, value, &Rewrite::new(UPSTREAM, PUBLIC, &page))
}

/// What leaves of a Bundle.
pub(crate) fn bundle(narrowing: &Narrowing, value: &Value) -> Value {
    let mut left = Map::new();
    let mut dropped = false;
    for (key, value) in value.as_object().into_iter().flatten() {
        match key.as_str() {
            "resourceType" | "id" | "type" | "timestamp" | "language" | "implicitRules" => {
                left.insert(key.clone(), value.clone());
            }
            "link" => {
                let links: Vec<Value> = value.as_array().into_iter().flatten().filter_map(link).collect();
                if !links.is_empty() {
                    left.insert(key.clone(), Value::Array(links));
                }
            }
            "entry" => {
                let entries = value.as_array().into_iter().flatten();
                let kept: Vec<Value> = entries.clone().filter_map(|one| entry(narrowing, one)).collect();
                dropped = kept.len() < entries.count();
                if !kept.is_empty() {
                    left.insert(key.clone(), Value::Array(kept));
                }
            }
            _ => {}
        }
    }
    if let Some(total) = value.get("total").filter(|_| narrowing.total == TotalRule::Exact && !dropped) {
        left.insert("total".to_owned(), total.clone());
    }
    Value::Object(left)
}

fn link(value: &Value) -> Option<Value> {
    let relation = value.get("relation")?.as_str()?;
    let url = page(relation, value.get("url")?.as_str()?)?;
    Some(json!({ "relation": relation, "url": url }))
}

fn entry(narrowing: &Narrowing, value: &Value) -> Option<Value> {
    let mut left = Map::new();
    for (key, value) in value.as_object()? {
        let kept = match key.as_str() {
            "resource" => resource(narrowing, value)?,
            "fullUrl" => public(value),
            "search" => json!({ "mode": value.get("mode")? }),
            "request" => json!({ "method": value.get("method")?, "url": public(value.get("url")?) }),
            _ => continue,
        };
        left.insert(key.clone(), kept);
    }
    left.contains_key("resource").then_some(Value::Object(left))
}

fn object(
    world: World<'_>,
    type_name: &str,
    members: &Map<String, Value>,
    named: bool,
    paths: &Paths<'_>,
    root: bool,
) -> Option<Map<String, Value>> {
    let mut left = Map::new();
    for (key, value) in members {
        if root && key == "resourceType" {
            left.insert(key.clone(), value.clone());
            continue;
        }
        let sibling =
            key.strip_prefix('_').and_then(|name| element::child(type_name, name)).filter(|one| one.has_sibling());
        let Some(element) = element::child(type_name, key).or(sibling) else { continue };
        let rests = through(paths, element);
        let is_named = rests.iter().any(Vec::is_empty)
            || (root && element.name == "id")
            || (element.plain && element.min > 0 && element.name != "div")
            || matches!(
                (type_name, element.name),
                ("Group", "actual")
                    | ("List", "mode")
                    | ("MolecularSequence", "coordinateSystem")
                    | ("Questionnaire.item", "type")
            )
            || (named && !alone(type_name, element));
        let needed = match (type_name, element.choice.unwrap_or(element.name)) {
            ("Condition", "abatement") => Some("clinicalStatus"),
            ("Timing.repeat", "countMax") => Some("count"),
            ("Timing.repeat", "durationMax") => Some("duration"),
            ("Timing.repeat", "periodMax") => Some("period"),
            _ => None,
        };
        if needed.is_some_and(|other| !named && !paths.iter().any(|path| path[..] == [other])) {
            continue;
        }
        let plain = rests.iter().any(Vec::is_empty) || (named && !alone(type_name, element));
        let treatment = world.profile.map(|profile| profile.treatment(type_name, element));
        let by_name = mask_in(paths, element).filter(|_| !plain);
        let mask = match treatment {
            Some(Treatment::Withhold) => continue,
            Some(Treatment::Mask(mask)) if sibling.is_none() && (is_named || by_name.is_some()) => Some(mask),
            Some(Treatment::Mask(_)) => continue,
            _ => by_name.filter(|_| sibling.is_none()),
        };
        if let Some(mask) = mask {
            let coded = match (root && element.name == "id", type_name, element.name) {
                (true, ..) => Coded::Id,
                (_, "Reference", "reference") => Coded::Reference,
                _ => Coded::Text,
            };
            let masked = Masked { mask, profile: world.profile };
            if let Some(instead) = masked.of(value, world.root, coded, world.rewrite) {
                left.insert(key.clone(), instead);
            }
            continue;
        }
        let deeper: Paths<'_> = rests.into_iter().filter(|rest| !rest.is_empty()).collect();
        let kept = if sibling.is_some() {
            if deeper.is_empty() { None } else { siblings(world, element, value, is_named, &deeper) }
        } else if is_named || (!deeper.is_empty() && !element.is_primitive()) {
            content(world, type_name, element, value, is_named, &deeper, root)
        } else {
            None
        };
        if let Some(kept) = kept {
            left.insert(key.clone(), kept);
        }
    }
    if left.is_empty() && !root {
        return None;
    }
    if type_name == "Extension" && !left.keys().any(|key| key != "url" && key != "id") {
        return None;
    }
    mask_required(type_name, members, &mut left);
    Some(left)
}

fn content(
    world: World<'_>,
    parent: &str,
    element: &Element,
    value: &Value,
    named: bool,
    deeper: &Paths<'_>,
    root: bool,
) -> Option<Value> {
    if element.type_name == "Resource" {
        let one = |value: &Value| resource_with(world.narrowing, value, world.rewrite);
        return match value {
            Value::Array(items) => filled(items.iter().filter_map(one).collect()),
            _ => one(value),
        };
    }
    if element.is_primitive() {
        return match value {
            Value::Null | Value::Object(_) => None,
            Value::Array(items) => {
                let foreign = items.iter().any(|item| item.is_array() || item.is_object());
                let some = items.iter().any(|item| !item.is_null());
                (some && !foreign)
                    .then(|| Value::Array(items.iter().map(|item| addressed(parent, element, item)).collect()))
            }
            _ => Some(addressed(parent, element, value)),
        };
    }
    let is_meta = root && element.name == "meta";
    let one = |value: &Value| {
        let mut left = object(world, element.type_name, value.as_object()?, named, deeper, false);
        if is_meta && !value.get("tag").is_none_or(Value::is_array) {
            left.as_mut().map(|left| left.remove("tag"));
        }
        left.map(Value::Object)
    };
    match value {
        Value::Array(_) if is_meta => None,
        Value::Array(items) => filled(items.iter().filter_map(one).collect()),
        _ => one(value),
    }
}

fn siblings(world: World<'_>, element: &Element, value: &Value, named: bool, deeper: &Paths<'_>) -> Option<Value> {
    let one = |value: &Value| object(world, "Element", value.as_object()?, named, deeper, false).map(Value::Object);
    match value {
        Value::Array(items) if element.is_array() && named => {
            let kept: Vec<Value> = items.iter().map(|item| one(item).unwrap_or_default()).collect();
            kept.iter().any(|item| !item.is_null()).then_some(Value::Array(kept))
        }
        Value::Array(items) => filled(items.iter().filter_map(one).collect()),
        _ => one(value),
    }
}

fn filled(items: Vec<Value>) -> Option<Value> {
    (!items.is_empty()).then_some(Value::Array(items))
}

/// Whether the child does not come with its parent.
fn alone(parent: &str, child: &Element) -> bool {
    match (parent, child.name, child.type_name) {
        ("Reference" | "Coding", "display", _) | ("CodeableConcept", "text", _) | (_, "contained", _) => true,
        (_, _, "Narrative") => true,
        (parent, _, "Extension") => parent != "Extension",
        _ => false,
    }
}

fn through<'p>(paths: &Paths<'p>, element: &Element) -> Paths<'p> {
    let choice = element.choice.map(|choice| format!("{choice}[x]"));
    let goes = |path: &&Vec<&str>| path[0] == element.name || Some(path[0]) == choice.as_deref();
    paths.iter().filter(goes).map(|path| path[1..].to_vec()).collect()
}

/// The mask that the element is named with.
fn mask_in(paths: &Paths<'_>, element: &Element) -> Option<Mask> {
    let choice = element.choice.map(|choice| format!("{choice}[x]"));
    let last = paths.iter().filter(|path| path.len() == 1).filter_map(|path| path[0].split_once('|'));
    let own = last.filter(|(name, _)| *name == element.name || Some(*name) == choice.as_deref());
    own.filter_map(|(_, mask)| Mask::parse(mask)).min()
}

fn mask_required(type_name: &str, members: &Map<String, Value>, left: &mut Map<String, Value>) {
    let elements = element::children(type_name).unwrap();
    let names = |stem: &str| -> Vec<String> {
        let forms = elements.iter().filter(|other| other.choice.unwrap_or(other.name) == stem);
        forms.flat_map(|other| [other.name.to_owned(), format!("_{}", other.name)]).collect()
    };
    let kept: Vec<String> = left.keys().cloned().collect();
    let numbered = elements.iter().filter(|one| one.min > 0).map(|one| vec![one.choice.unwrap_or(one.name)]);
    for group in numbered.chain(crate::bound::together(type_name).map(<[&str]>::to_vec)) {
        let was = group.iter().find(|stem| names(stem).iter().any(|name| members.contains_key(name)));
        let is = group.iter().any(|stem| names(stem).iter().any(|name| left.contains_key(name)));
        // Without its status nobody can tell why an appointment has no time.
        let unexcused = type_name == "Appointment"
            && matches!(group[0], "start" | "end")
            && ["status", "_status"].iter().any(|name| members.contains_key(*name))
            && !kept.iter().any(|name| matches!(name.as_str(), "status" | "_status"));
        let was = was.or_else(|| group.first().filter(|_| unexcused));
        if let (Some(stem), false) = (was, is) {
            let first = elements.iter().find(|one| one.choice.unwrap_or(one.name) == *stem).unwrap();
            let (name, value) = masked(first);
            let value = if (type_name, &*name) == ("Linkage", "item") { json!([value[0], value[0]]) } else { value };
            left.insert(name, value);
        }
    }
}

fn masked(element: &Element) -> (String, Value) {
    if element.name == "div" {
        return ("div".to_owned(), json!("<div xmlns=\"http://www.w3.org/1999/xhtml\">Withheld</div>"));
    }
    let mut value = json!({ "extension": [{ "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked" }] });
    if !element.is_primitive() {
        let children = element::children(element.type_name).unwrap();
        for group in crate::bound::together(element.type_name).filter(|group| group.len() > 1) {
            let first = children.iter().find(|child| child.choice.unwrap_or(child.name) == group[0]).unwrap();
            let (name, inner) = masked(first);
            value[name] = inner;
        }
        let mut choices = Vec::new();
        for child in children.iter().filter(|child| child.min > 0) {
            if child.choice.is_none() || !choices.contains(&child.choice) {
                choices.push(child.choice);
                let (name, inner) = masked(child);
                value[name] = inner;
            }
        }
    }
    let value = if element.is_array() { json!([value]) } else { value };
    let name = if element.is_primitive() { format!("_{}", element.name) } else { element.name.to_owned() };
    (name, value)
}

fn tag(left: &mut Map<String, Value>) {
    if matches!(left["resourceType"].as_str(), Some("OperationOutcome" | "Bundle" | "Parameters")) {
        return;
    }
    let subsetted =
        json!({ "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED" });
    let meta = left.entry("meta").or_insert_with(|| json!({}));
    let tags = meta.as_object_mut().unwrap().entry("tag").or_insert_with(|| json!([])).as_array_mut().unwrap();
    if !tags.iter().any(|tag| tag.get("code") == Some(&json!("SUBSETTED"))) {
        tags.push(subsetted);
    }
}

/// A primitive with its address turned into ours, if it is one.
fn addressed(parent: &str, element: &Element, value: &Value) -> Value {
    let address = (parent == "Reference" && element.name == "reference")
        || element.type_name == "url"
        || (element.type_name == "uri" && parent.starts_with("Bundle."));
    if address { public(value) } else { value.clone() }
}

fn public(value: &Value) -> Value {
    match value.as_str().and_then(|text| text.strip_prefix(UPSTREAM)) {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?', '#']) => json!(format!("{PUBLIC}{rest}")),
        _ => value.clone(),
    }
}

/// The whole of it, with addresses turned into ours.
fn rewritten(type_name: &str, value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let left = members.iter().map(|(key, value)| {
        let sibling =
            key.strip_prefix('_').and_then(|name| element::child(type_name, name)).filter(|one| one.has_sibling());
        let one = |value: &Value| match (element::child(type_name, key), sibling) {
            (_, Some(_)) => rewritten("Element", value),
            (Some(element), _) if element.type_name == "Resource" => {
                rewritten(value.get("resourceType").and_then(Value::as_str).unwrap_or_default(), value)
            }
            (Some(element), _) if element.is_primitive() => addressed(type_name, element, value),
            (Some(element), _) => rewritten(element.type_name, value),
            _ => value.clone(),
        };
        let value = match value {
            Value::Array(items) => Value::Array(items.iter().map(one).collect()),
            _ => one(value),
        };
        (key.clone(), value)
    });
    Value::Object(left.collect())
}

/// Every dotted path of a resource, as R4 knows it.
pub(crate) fn paths_of(type_name: &str, value: &Value) -> Vec<String> {
    let mut all = Vec::new();
    collect(type_name, value, "", &mut all);
    all.sort_unstable();
    all.dedup();
    all
}

fn collect(type_name: &str, value: &Value, prefix: &str, all: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(type_name, item, prefix, all)),
        Value::Object(members) => {
            for (key, value) in members {
                let name = key.strip_prefix('_').unwrap_or(key);
                let Some(element) = element::child(type_name, name) else { continue };
                let path = format!("{prefix}{name}");
                let below = if element.is_primitive() { "Element" } else { element.type_name };
                collect(below, value, &format!("{path}."), all);
                if let Some(choice) = element.choice {
                    all.push(format!("{prefix}{choice}[x]"));
                }
                all.push(path);
            }
        }
        _ => {}
    }
}

/// A narrowing that holds one type only is enough for what the twin asks of contained resources.
pub(crate) fn of_types(types: &[(&str, Elements)]) -> Narrowing {
    let types = types.iter().map(|(name, elements)| {
        let elements = std::sync::Arc::new(elements.clone());
        (kind(name), bascule_policy::TypeNarrowing::new(elements, Vec::new()))
    });
    Narrowing { types: types.collect(), total: TotalRule::Exact }
}
