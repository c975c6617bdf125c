//! A resource against the element table, element by element.

use bascule_fhir::{Element, ResourceType, Type, codes};
use serde_json::{Map, Value};

use super::at::At;
use super::{ISSUES_MAX, narrative, primitive};
use crate::Issue;
use crate::index::reference::{Target, target};

/// Objects within objects.
const DEPTH_MAX: usize = 64;

/// Checks a resource.
pub(super) fn resource(resource: ResourceType, value: &Value, issues: &mut Vec<Issue>) {
    let (Some(fields), Some(kind)) = (value.as_object(), Type::of(resource)) else {
        issues.push(Issue::error("structure", "a resource must be a JSON object").at(resource.name()));
        return;
    };
    Walk { issues, depth: 0 }.object(kind, fields, &At::root(resource.name()), true);
}

struct Walk<'a> {
    issues: &'a mut Vec<Issue>,
    depth: usize,
}

impl Walk<'_> {
    fn fault(&mut self, code: &'static str, path: &At<'_>, text: impl Into<String>) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue::error(code, text).at(path.to_string()));
        }
    }

    fn object(&mut self, kind: &'static Type, fields: &Map<String, Value>, path: &At<'_>, is_resource: bool) {
        if fields.is_empty() {
            return self.fault("structure", path, "an object must not be empty: leave the element out");
        }
        if self.depth >= DEPTH_MAX {
            return self.fault("too-long", path, format!("elements stand more than {DEPTH_MAX} deep"));
        }
        self.depth += 1;
        for (name, value) in fields {
            if is_resource && name == "resourceType" {
                continue;
            }
            self.member(kind, fields, name, value, path);
        }
        self.cardinality(kind, fields, path);
        self.depth -= 1;
    }

    fn member(&mut self, kind: &'static Type, fields: &Map<String, Value>, name: &str, value: &Value, path: &At<'_>) {
        if let Some(element) = kind.child(name) {
            // Only a list may have holes that its `_name` fills; of anything else `null` is wrong, or its own sibling.
            let sibling =
                if element.has_sibling() && may_have_holes(value) { fields.get(&format!("_{name}")) } else { None };
            return self.element(element, value, sibling, &path.name(place(element)));
        }
        match kind.sibling_of(name) {
            Some(element) => self.sibling(element, value, fields, &path.name(name)),
            None => {
                let near = nearest(kind, name).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                self.fault("structure", &path.name(name), format!("{} has no element `{name}`{near}", kind.name));
            }
        }
    }

    fn element(&mut self, element: &'static Element, value: &Value, sibling: Option<&Value>, path: &At<'_>) {
        match (element.is_array(), value) {
            (true, Value::Array(items)) if items.is_empty() => {
                self.fault("structure", path, "an array must not be empty: leave the element out");
            }
            (true, Value::Array(items)) => {
                if element.max.is_some_and(|max| items.len() > usize::try_from(max).unwrap_or(usize::MAX)) {
                    self.fault("structure", path, format!("may stand at most {} times", element.max.unwrap_or(0)));
                }
                for (at, item) in items.iter().enumerate() {
                    let has_sibling = sibling.and_then(|all| all.get(at)).is_some_and(Value::is_object);
                    self.one(element, item, has_sibling, &path.index(at));
                }
            }
            (true, _) => self.fault("structure", path, "may repeat, so it must be an array: put it in [ ]"),
            (false, Value::Array(_)) => {
                self.fault("structure", path, "stands at most once, so it must not be an array")
            }
            (false, value) => self.one(element, value, sibling.is_some_and(Value::is_object), path),
        }
    }

    fn one(&mut self, element: &'static Element, value: &Value, has_sibling: bool, path: &At<'_>) {
        if value.is_null() {
            if !(has_sibling && element.is_primitive()) {
                self.fault("structure", path, "must not be null: leave the element out");
            }
            return;
        }
        if element.is_primitive() {
            return self.primitive(element, value, path);
        }
        let Some(fields) = value.as_object() else {
            return self.fault("structure", path, format!("must be an object of type {}", element.type_name));
        };
        if element.type_name == "Resource" {
            return self.inner(fields, path);
        }
        let Some(kind) = element.kind() else { return };
        self.object(kind, fields, path, false);
        match element.type_name {
            "Reference" => self.reference(element, fields, path),
            "CodeableConcept" => self.concept(element, fields, path),
            "Coding" => self.coding(element, fields, path),
            "Extension" => self.extension(fields, path),
            _ => {}
        }
    }

    fn primitive(&mut self, element: &'static Element, value: &Value, path: &At<'_>) {
        if let Some(fault) = primitive::fault(element.type_name, value) {
            return self.fault("value", path, fault);
        }
        let text = value.as_str().unwrap_or_default();
        if element.type_name == "xhtml"
            && let Some(fault) = narrative::fault(text)
        {
            return self.fault("structure", path, fault);
        }
        if element.type_name != "code" {
            return;
        }
        let list = element.required_value_set().and_then(|url| codes::list(&url));
        if let Some(list) = list.filter(|list| !list.has(text)) {
            let some =
                list.systems().flat_map(|(_, codes)| codes.iter().copied()).take(CODES_SHOWN).collect::<Vec<_>>();
            self.fault("code-invalid", path, format!("is not of {}; its codes are {} …", list.url, some.join(", ")));
        }
    }

    fn inner(&mut self, fields: &Map<String, Value>, path: &At<'_>) {
        let name = fields.get("resourceType").and_then(Value::as_str).unwrap_or_default();
        match ResourceType::parse(name).and_then(Type::of) {
            Some(kind) => self.object(kind, fields, path, true),
            None => self.fault("structure", path, "must be a resource of R4, with its resourceType"),
        }
    }

    /// `_name`: the id and extensions of a primitive.
    fn sibling(&mut self, element: &'static Element, value: &Value, fields: &Map<String, Value>, path: &At<'_>) {
        let Some(kind) = Type::find("Element") else { return };
        match (element.is_array(), value) {
            (true, Value::Array(items)) => {
                let values = fields.get(element.name).and_then(Value::as_array).map_or(items.len(), Vec::len);
                if values != items.len() {
                    self.fault("structure", path, format!("must have as many members as `{}`", element.name));
                }
                for (at, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
                    self.sibling_one(kind, item, &path.index(at));
                }
            }
            (true, _) => self.fault("structure", path, format!("must be an array like `{}`", element.name)),
            (false, _) => self.sibling_one(kind, value, path),
        }
    }

    fn sibling_one(&mut self, kind: &'static Type, value: &Value, path: &At<'_>) {
        match value.as_object() {
            Some(fields) => self.object(kind, fields, path, false),
            None => self.fault("structure", path, "must be an object with `id` or `extension`"),
        }
    }

    /// Every element as often as it must be; of a choice, one form.
    fn cardinality(&mut self, kind: &'static Type, fields: &Map<String, Value>, path: &At<'_>) {
        let has = |name: &str| fields.contains_key(name) || fields.contains_key(&format!("_{name}"));
        let mut rest = kind.elements();
        while let Some(element) = rest.first() {
            // The forms of a choice stand together.
            let same = |other: &&Element| element.choice.is_some() && other.choice == element.choice;
            let (forms, behind) = rest.split_at(rest.iter().take_while(same).count().max(1));
            rest = behind;
            if let Some(choice) = element.choice {
                self.choice(choice, forms, fields, path);
            } else if element.min > 0 && !has(element.name) {
                let text = format!("is required: {} must have {}", kind.name, element.name);
                self.fault("required", &path.name(element.name), text);
            }
        }
    }

    fn choice(&mut self, choice: &str, forms: &[Element], fields: &Map<String, Value>, path: &At<'_>) {
        let is_form = |name: &str| forms.iter().find(|form| form.name == name);
        let begins = |name: &str| name.starts_with(choice);
        let mut found: Vec<&str> = Vec::new();
        for name in fields.keys().map(|name| name.strip_prefix('_').unwrap_or(name)).filter(|name| begins(name)) {
            found.extend(is_form(name).map(|form| form.name));
        }
        found.sort_unstable();
        found.dedup();
        let min = forms.iter().map(|form| form.min).max().unwrap_or(0);
        if found.len() > 1 {
            let text = format!("may stand in one form only, not as {}", found.join(" and "));
            self.fault("structure", &path.name(choice), text);
        } else if min > 0 && found.is_empty() {
            self.fault("required", &path.name(choice), format!("is required: one form of {choice}[x]"));
        }
    }

    fn reference(&mut self, element: &'static Element, fields: &Map<String, Value>, path: &At<'_>) {
        let literal = fields.get("reference").and_then(Value::as_str);
        let kind = match literal.map(|text| target(text, "")) {
            Some(Target::Here(resource, _)) => Some(resource),
            _ => fields.get("type").and_then(Value::as_str).and_then(ResourceType::parse),
        };
        if let Some(kind) = kind.filter(|kind| !element.may_point_at(*kind)) {
            let may: Vec<_> = element.targets().collect();
            self.fault("value", path, format!("must not point at a {kind}, but at {}", may.join(", ")));
        }
    }

    fn concept(&mut self, element: &'static Element, fields: &Map<String, Value>, path: &At<'_>) {
        let Some(list) = element.required_value_set().and_then(|url| codes::list(&url)) else { return };
        let codings = fields.get("coding").and_then(Value::as_array);
        let mut codings = codings.into_iter().flatten().filter_map(Value::as_object).peekable();
        if codings.peek().is_some() && !codings.any(|coding| is_listed(list, coding)) {
            self.fault("code-invalid", path, format!("has no coding of {}", list.url));
        }
    }

    fn coding(&mut self, element: &'static Element, fields: &Map<String, Value>, path: &At<'_>) {
        let Some(list) = element.required_value_set().and_then(|url| codes::list(&url)) else { return };
        if fields.contains_key("code") && !is_listed(list, fields) {
            self.fault("code-invalid", path, format!("is not of {}", list.url));
        }
    }

    /// ext-1: a value or extensions, not both.
    fn extension(&mut self, fields: &Map<String, Value>, path: &At<'_>) {
        let has_value = fields.keys().any(|name| name.trim_start_matches('_').starts_with("value"));
        if has_value == fields.contains_key("extension") {
            self.fault("invariant", path, "an extension must have either a value or extensions of its own");
        }
    }
}

/// Codes that a complaint names.
const CODES_SHOWN: usize = 8;

fn is_listed(list: &codes::CodeList, coding: &Map<String, Value>) -> bool {
    let text = |name: &str| coding.get(name).and_then(Value::as_str).unwrap_or_default();
    list.has_coding(text("system"), text("code"))
}

fn may_have_holes(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(Value::is_null),
        _ => false,
    }
}

/// In FHIRPath a choice is named without its type.
fn place(element: &Element) -> &'static str {
    element.choice.unwrap_or(element.name)
}

/// The element whose name is one slip away.
fn nearest(kind: &'static Type, name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let is_near = |element: &&Element| {
        let other = element.name.to_ascii_lowercase();
        other == lower || other.trim_end_matches('s') == lower.trim_end_matches('s') || is_one_off(&other, &lower)
    };
    let choice = kind.elements().iter().find(|element| element.choice == Some(name));
    kind.elements().iter().find(is_near).or(choice).map(|element| element.name)
}

/// One letter more, fewer or other.
fn is_one_off(one: &str, other: &str) -> bool {
    let common = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let tail = |text: &str, skip: usize| text.as_bytes().get(common + skip..).map(<[u8]>::to_vec);
    one.len() > 3
        && (tail(one, 1) == tail(other, 0) || tail(one, 0) == tail(other, 1) || tail(one, 1) == tail(other, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(value: Value, expect: &[&str]) {
        let kind = ResourceType::parse(value["resourceType"].as_str().unwrap()).unwrap();
        let found: Vec<_> = super::super::issues(kind, &value)
            .into_iter()
            .map(|issue| format!("{} {}", issue.expression.unwrap_or_default(), issue.code))
            .collect();
        assert_eq!(found, expect, "{value}");
    }

    #[test]
    fn a_valid_resource_has_no_issue() {
        check(
            json!({ "resourceType": "Patient", "id": "1", "name": [{ "family": "A", "_family": { "extension": [{ "url": "u", "valueString": "x" }] } }], "gender": "male", "birthDate": "1970", "deceasedBoolean": false }),
            &[],
        );
        check(
            json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" }, "valueQuantity": { "value": 1.50 }, "subject": { "reference": "Patient/1" } }),
            &[],
        );
        check(
            json!({ "resourceType": "Patient", "_birthDate": { "extension": [{ "url": "u", "valueCode": "unknown" }] } }),
            &[],
        );
    }

    #[test]
    fn each_fault_is_told_at_its_element() {
        check(json!({ "resourceType": "Patient", "nam": [] }), &["Patient.nam structure"]);
        check(json!({ "resourceType": "Patient", "name": { "family": "A" } }), &["Patient.name structure"]);
        check(json!({ "resourceType": "Patient", "gender": ["male"] }), &["Patient.gender structure"]);
        check(json!({ "resourceType": "Patient", "gender": "m" }), &["Patient.gender code-invalid"]);
        check(json!({ "resourceType": "Patient", "birthDate": "1.1.1970" }), &["Patient.birthDate value"]);
        check(json!({ "resourceType": "Patient", "active": "true" }), &["Patient.active value"]);
        check(json!({ "resourceType": "Patient", "name": [] }), &["Patient.name structure"]);
        check(json!({ "resourceType": "Patient", "name": [{}] }), &["Patient.name[0] structure"]);
        check(json!({ "resourceType": "Patient", "name": [null] }), &["Patient.name[0] structure"]);
        check(
            json!({ "resourceType": "Patient", "deceasedBoolean": true, "deceasedDateTime": "2020" }),
            &["Patient.deceased structure"],
        );
        check(json!({ "resourceType": "Observation", "code": { "text": "x" } }), &["Observation.status required"]);
        check(
            json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" }, "subject": { "reference": "Organization/1" } }),
            &["Observation.subject value"],
        );
        check(json!({ "resourceType": "Patient", "contained": [{ "id": "x" }] }), &["Patient.contained[0] structure"]);
        check(json!({ "resourceType": "Patient", "extension": [{ "url": "u" }] }), &["Patient.extension[0] invariant"]);
        check(
            json!({ "resourceType": "Patient", "text": { "status": "generated", "div": "<div><script/></div>" } }),
            &["Patient.text.div structure"],
        );
    }

    #[test]
    fn a_slip_is_answered_with_what_was_meant() {
        let issues =
            super::super::issues(ResourceType::PATIENT, &json!({ "resourceType": "Patient", "birthdate": "1970" }));
        assert!(issues[0].text.contains("`birthDate`"), "{}", issues[0].text);
    }
}
