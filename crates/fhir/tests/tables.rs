//! The tables as a whole: how much they hold, that they agree with each other, and that they know all of what the
//! official R4 examples are made of.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test says so and stops")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};

use bascule_fhir::element::{self, Type};
use bascule_fhir::{ResourceType, SearchKind, codes, compartment, fhirpath, search};
use expect_test::expect;
use serde_json::Value;

#[test]
fn the_tables_hold_what_r4_publishes() {
    let own = |resource: ResourceType| search::parameters(resource).filter(move |one| one.base == resource.name());
    let kinds = |kind: SearchKind| ResourceType::all().flat_map(own).filter(|one| one.kind == kind).count();
    let lines = [
        ("resource types", ResourceType::COUNT),
        ("types", Type::all().count()),
        ("primitives", Type::all().filter(|kind| kind.primitive).count()),
        ("backbone elements", Type::all().filter(|kind| kind.name.contains('.')).count()),
        ("elements, inherited too", Type::all().map(|kind| kind.elements().len()).sum()),
        ("modifiers", Type::all().flat_map(Type::elements).filter(|element| element.modifier).count()),
        ("search parameters of types", ResourceType::all().flat_map(own).count()),
        ("of them tokens", kinds(SearchKind::Token)),
        ("of them strings", kinds(SearchKind::String)),
        ("of them references", kinds(SearchKind::Reference)),
        ("of them dates", kinds(SearchKind::Date)),
        ("of them quantities", kinds(SearchKind::Quantity)),
        ("of them numbers", kinds(SearchKind::Number)),
        ("of them uris", kinds(SearchKind::Uri)),
        ("of them composites", kinds(SearchKind::Composite)),
        ("of them special", kinds(SearchKind::Special)),
        ("value sets", codes::all().count()),
        ("codes", codes::all().flat_map(codes::CodeList::systems).map(|(_, codes)| codes.len()).sum()),
        ("members of the patient compartment", compartment::members(ResourceType::PATIENT).count()),
    ];
    let shown: String = lines.iter().map(|(name, count)| format!("{name}: {count}\n")).collect();
    expect![[r#"
        resource types: 146
        types: 682
        primitives: 20
        backbone elements: 473
        elements, inherited too: 8247
        modifiers: 904
        search parameters of types: 1697
        of them tokens: 668
        of them strings: 199
        of them references: 517
        of them dates: 139
        of them quantities: 40
        of them numbers: 6
        of them uris: 55
        of them composites: 72
        of them special: 1
        value sets: 224
        codes: 2066
        members of the patient compartment: 66
    "#]]
    .assert_eq(&shown);
}

#[test]
fn every_search_expression_leads_to_elements() {
    for resource in ResourceType::all() {
        for parameter in search::parameters(resource) {
            for path in parameter.parsed().map(fhirpath::Expression::paths).unwrap_or_default() {
                let found = path.is_empty() || element::resolve(resource.name(), &path).is_ok();
                assert!(found, "{resource}.{}: {path}", parameter.code);
            }
        }
    }
}

#[test]
fn parts_of_a_composite_lead_to_elements() {
    for resource in ResourceType::all() {
        for parameter in search::parameters(resource).filter(|one| one.kind == SearchKind::Composite) {
            for whole in parameter.parsed().unwrap().paths() {
                for component in &parameter.components {
                    for part in component.parsed().unwrap().paths() {
                        let path = if whole.is_empty() { part } else { format!("{whole}.{part}") };
                        assert!(element::resolve(resource.name(), &path).is_ok(), "{resource}: {path}");
                    }
                }
            }
        }
    }
}

/// Each line of the examples; nothing, and a word about it, where they are not at hand.
fn examples() -> Vec<Value> {
    let Some(shared) = std::env::var_os("BASCULE_SHARED") else {
        println!("skipped: BASCULE_SHARED is not set, so the official R4 examples are not at hand");
        return Vec::new();
    };
    let path = std::path::Path::new(&shared).join("data/fhir/r4-examples.ndjson.gz");
    let file = std::fs::File::open(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

/// Every member that the table does not know, and every code that its value set does not have.
fn walk(kind: &Type, value: &Value, path: &str, odd: &mut BTreeSet<String>) {
    let Some(members) = value.as_object() else {
        odd.insert(format!("{path} is no object"));
        return;
    };
    for (name, member) in members {
        let at = format!("{path}.{name}");
        if name == "resourceType" {
            continue;
        }
        if let Some(element) = kind.child(name) {
            if element.is_array() != member.is_array() {
                odd.insert(format!("{at} is an array: {}", member.is_array()));
            }
            let items = member.as_array().map_or(std::slice::from_ref(member), Vec::as_slice);
            for item in items.iter().filter(|item| !item.is_null()) {
                let list = element.required_value_set().and_then(|url| codes::list(&url));
                if let (Some(list), Some(code)) = (list, item.as_str())
                    && !list.has(code)
                {
                    odd.insert(format!("{at} has the code {code}"));
                }
                let of = resource_or(element.kind().unwrap(), item);
                match of.primitive {
                    true if item.is_object() => {
                        odd.insert(format!("{at} is an object"));
                    }
                    true => {}
                    false => walk(of, item, &at, odd),
                }
            }
        } else if kind.sibling_of(name).is_none() {
            odd.insert(format!("{at} is unknown"));
        }
    }
}

fn resource_or(kind: &'static Type, value: &Value) -> &'static Type {
    let named = value.get("resourceType").and_then(Value::as_str).filter(|_| kind.name == "Resource");
    named.and_then(Type::find).unwrap_or(kind)
}

#[test]
fn the_official_examples_have_no_element_and_no_code_that_the_tables_lack() {
    let mut odd = BTreeSet::new();
    let examples = examples();
    if examples.is_empty() {
        return;
    }
    for example in examples {
        let name = example["resourceType"].as_str().unwrap_or_default();
        match Type::find(name) {
            Some(kind) => walk(kind, &example, name, &mut odd),
            None => {
                odd.insert(format!("{name} is no type"));
            }
        }
    }
    let shown: Vec<String> = odd.into_iter().collect();
    expect![" is no type"].assert_eq(&shown.join("\n"));
}

/// The types that a parameter of each kind may find.
fn fits(kind: SearchKind, type_name: &str) -> bool {
    let types: &[&str] = match kind {
        SearchKind::Token => &[
            "code",
            "Coding",
            "CodeableConcept",
            "Identifier",
            "ContactPoint",
            "boolean",
            "string",
            "uri",
            "id",
            "canonical",
        ],
        SearchKind::String => &["string", "HumanName", "Address", "markdown", "Annotation"],
        SearchKind::Reference => &["Reference", "canonical", "uri"],
        SearchKind::Date => &["date", "dateTime", "instant", "Period", "Timing"],
        SearchKind::Quantity => &["Quantity", "Range", "Money", "SampledData"],
        SearchKind::Number => &["decimal", "integer", "Range"],
        SearchKind::Uri => &["uri", "canonical", "url", "oid"],
        SearchKind::Composite | SearchKind::Special => return true,
    };
    types.iter().any(|one| element::is_a(type_name, one))
        || kind == SearchKind::Reference && element::is_a(type_name, "Resource")
}

#[test]
fn search_parameters_find_values_of_their_kind_in_the_official_examples() {
    let (mut found, mut odd) = (BTreeMap::<(&str, &str), usize>::new(), BTreeSet::new());
    let examples = examples();
    for example in &examples {
        let Some(resource) = example["resourceType"].as_str().and_then(ResourceType::parse) else { continue };
        for parameter in search::parameters(resource) {
            let Some(expression) = parameter.parsed() else { continue };
            for value in fhirpath::select(example, expression) {
                *found.entry((resource.name(), parameter.code)).or_default() += 1;
                match value.type_name() {
                    Some(name) if fits(parameter.kind, name) => {}
                    name => {
                        odd.insert(format!("{resource}.{} ({}) finds {name:?}", parameter.code, parameter.kind.name()));
                    }
                }
            }
        }
    }
    if examples.is_empty() {
        return;
    }
    let shown: Vec<String> = odd.into_iter().collect();
    let counts = format!("{} parameters find {} values", found.len(), found.values().sum::<usize>());
    expect![[r#"
        CarePlan.activity-date (date) finds Some("string")
        Consent.source-reference (reference) finds Some("Attachment")
        Immunization.date (date) finds Some("string")"#]]
    .assert_eq(&shown.join("\n"));
    expect!["1673 parameters find 94211 values"].assert_eq(&counts);
}
