//! The table of elements: every resource type, data type and backbone element with its own children.
//!
//! `@Type Base` opens a type (`!` before the name marks a primitive); inherited children stand at the base only.
//! A line is `name TAB type TAB cardinality TAB flags TAB value set`. An element of several types has a line for each
//! of its JSON names. Cardinality is left empty for `0..1`; flags are `S` (in the summary), `M` (modifier) and, for a
//! choice, the length of the name before `[x]`, and `P` for a plain
//! string that cannot have extensions (`Element.id`); the value set stands only where its binding is required.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde_json::Value;

use super::definitions::{Definitions, flag, list, text, texts};

/// The body of `elements.txt`.
pub(crate) fn table(definitions: &Definitions) -> Result<String, String> {
    let published: HashMap<&str, &Value> =
        definitions.data_elements.iter().map(|element| (text(element, "path"), element)).collect();
    let mut types = BTreeMap::new();
    for structure in definitions.structures() {
        collect(structure, &published, &mut types)?;
    }
    let mut body = String::new();
    for (head, rows) in types {
        let _ = writeln!(body, "@{head}");
        for row in rows {
            let _ = writeln!(body, "{row}");
        }
    }
    Ok(body)
}

/// The rows of one structure, under the heads of its types.
fn collect(
    structure: &Value,
    published: &HashMap<&str, &Value>,
    types: &mut BTreeMap<String, Vec<String>>,
) -> Result<(), String> {
    let name = text(structure, "name");
    let primitive = text(structure, "kind") == "primitive-type";
    let base = text(structure, "baseDefinition").rsplit('/').next().unwrap_or_default();
    let mark = if primitive { "!" } else { "" };
    let mut heads = HashMap::from([(name.to_owned(), format!("{mark}{name} {base}").trim_end().to_owned())]);
    types.insert(heads.get(name).cloned().unwrap_or_default(), Vec::new());
    let snapshot = structure.pointer("/snapshot/element").and_then(Value::as_array);
    let mut elements: Vec<&Value> = snapshot.into_iter().flatten().skip(1).collect();
    elements.extend(dropped(name, &elements, published));
    for element in elements {
        let path = text(element, "path");
        let own = text(element.get("base").unwrap_or(&Value::Null), "path").starts_with(&format!("{name}."));
        if !own || is_addition(path) || (primitive && path.ends_with(".value")) {
            continue;
        }
        let element = corrected(structure, element, published);
        let (parent, last) = path.rsplit_once('.').unwrap_or_default();
        if let Some(backbone) = backbone(element) {
            let head = format!("{path} {backbone}");
            heads.insert(path.to_owned(), head.clone());
            types.insert(head, Vec::new());
        }
        let head = heads.get(parent).ok_or_else(|| format!("{path} has no parent"))?;
        types.entry(head.clone()).or_default().extend(rows(path, last, element)?);
    }
    Ok(())
}

/// Elements that R4 publishes and the structure has lost.
fn dropped<'a>(name: &str, elements: &[&Value], published: &HashMap<&str, &'a Value>) -> Vec<&'a Value> {
    let mut lost: Vec<&Value> = published
        .iter()
        .filter(|(path, _)| path.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
        .filter(|(path, _)| !elements.iter().any(|element| text(element, "path") == **path))
        .map(|(_, element)| *element)
        .collect();
    lost.sort_by_key(|element| text(element, "path"));
    lost
}

/// R4's own data element where the structure of a resource says otherwise.
fn corrected<'a>(structure: &Value, element: &'a Value, published: &HashMap<&str, &'a Value>) -> &'a Value {
    if text(structure, "kind") == "resource" {
        published.get(text(element, "path")).copied().unwrap_or(element)
    } else {
        element
    }
}

/// What the definitions at hand have beyond R4 4.0.1: parts of later releases and of one vendor's server.
const ADDITIONS: [&str; 38] = [
    "Binary.url",
    "DeviceDefinition.bodySite",
    "DeviceDefinition.classification",
    "EvidenceVariable.characteristic.definitionByCombination",
    "EvidenceVariable.characteristic.definitionByTypeAndValue",
    "EvidenceVariable.characteristic.definitionCanonical",
    "EvidenceVariable.characteristic.definitionCodeableConcept",
    "EvidenceVariable.characteristic.definitionExpression",
    "EvidenceVariable.characteristic.definitionId",
    "EvidenceVariable.characteristic.definitionReference",
    "EvidenceVariable.characteristic.duration[x]",
    "EvidenceVariable.characteristic.instances[x]",
    "EvidenceVariable.characteristic.linkId",
    "EvidenceVariable.characteristic.note",
    "EvidenceVariable.characteristic.timeFromEvent",
    "HealthcareService.offeredIn",
    "Meta.account",
    "Meta.accounts",
    "Meta.author",
    "Meta.compartment",
    "Meta.deleted",
    "Meta.onBehalfOf",
    "Meta.project",
    "ObservationDefinition.publisher",
    "ResearchStudy.associatedParty",
    "ResearchStudy.classifier",
    "ResearchStudy.comparisonGroup",
    "ResearchStudy.descriptionSummary",
    "ResearchStudy.label",
    "ResearchStudy.name",
    "ResearchStudy.objective.description",
    "ResearchStudy.outcomeMeasure",
    "ResearchStudy.progressStatus",
    "ResearchStudy.recruitment",
    "ResearchStudy.region",
    "ResearchStudy.result",
    "ResearchStudy.studyDesign",
    "ResearchStudy.whyStopped",
];

/// Not R4: one of [`ADDITIONS`] or a part of it.
fn is_addition(path: &str) -> bool {
    ADDITIONS
        .iter()
        .any(|addition| path.strip_prefix(addition).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// `BackboneElement` or `Element`, if the element's children are defined here.
fn backbone(element: &Value) -> Option<&str> {
    let types = list(element, "type");
    let code = types.first().map(|kind| text(kind, "code"))?;
    let is_part = ["BackboneElement", "Element"].contains(&code);
    (is_part && types.len() == 1).then_some(code)
}

/// One row, or one for each type of a choice.
fn rows(path: &str, last: &str, element: &Value) -> Result<Vec<String>, String> {
    let tail = tail(element, last.strip_suffix("[x]").map(str::len));
    let Some(stem) = last.strip_suffix("[x]") else {
        let kind = match list(element, "type") {
            [] => text(element, "contentReference").trim_start_matches('#').to_owned(),
            [_] if backbone(element).is_some() => path.to_owned(),
            [only] => type_name(path, only),
            more => return Err(format!("{path} has {} types and is no choice", more.len())),
        };
        return Ok(vec![row(last, &kind, &tail)]);
    };
    let kinds = list(element, "type").iter().map(|kind| {
        let name = type_name(path, kind);
        row(&format!("{stem}{}", upper_first(text(kind, "code"))), &name, &tail)
    });
    Ok(kinds.collect())
}

fn row(name: &str, kind: &str, tail: &str) -> String {
    format!("{name}\t{kind}\t{tail}").trim_end().to_owned()
}

/// Cardinality, flags and value set.
fn tail(element: &Value, choice: Option<usize>) -> String {
    let min = element.get("min").and_then(Value::as_u64).unwrap_or_default();
    let cardinality = format!("{min}..{}", text(element, "max"));
    let summary = if flag(element, "isSummary") { "S" } else { "" };
    let modifier = if flag(element, "isModifier") { "M" } else { "" };
    let plain = if is_plain(element) { "P" } else { "" };
    let choice = choice.map(|length| length.to_string()).unwrap_or_default();
    let cardinality = if cardinality == "0..1" { "" } else { &cardinality };
    format!("{cardinality}\t{summary}{modifier}{plain}{choice}\t{}", value_set(element))
}

/// Whether the element is a bare string of FHIRPath's own, or XHTML: no `_name` beside it.
fn is_plain(element: &Value) -> bool {
    list(element, "type").iter().any(|kind| {
        let code = text(kind, "code");
        code.starts_with("http://hl7.org/fhirpath/") || code == "xhtml"
    })
}

/// The value set of a required binding, short if it is FHIR's own.
fn value_set(element: &Value) -> &str {
    let binding = element.get("binding").unwrap_or(&Value::Null);
    if text(binding, "strength") != "required" {
        return "";
    }
    let canonical = text(binding, "valueSet");
    let canonical = canonical.split('|').next().unwrap_or(canonical);
    canonical.strip_prefix("http://hl7.org/fhir/ValueSet/").unwrap_or(canonical)
}

/// `Reference(Patient|Group)`, `canonical(ValueSet)`, `string`.
fn type_name(path: &str, kind: &Value) -> String {
    const STRUCTURE: &str = "http://hl7.org/fhir/StructureDefinition/";
    let code = text(kind, "code");
    if code.starts_with("http://hl7.org/fhirpath/") {
        return if path == "Resource.id" { "id".to_owned() } else { system_type(kind) };
    }
    let mut targets: Vec<&str> =
        texts(kind, "targetProfile").into_iter().filter_map(|url| url.strip_prefix(STRUCTURE)).collect();
    targets.sort_unstable();
    if targets.is_empty() { code.to_owned() } else { format!("{code}({})", targets.join("|")) }
}

/// The FHIR type that an extension gives for a type of FHIRPath's own.
fn system_type(kind: &Value) -> String {
    let named = list(kind, "extension")
        .iter()
        .find(|extension| text(extension, "url").ends_with("structuredefinition-fhir-type"))
        .map(|extension| text(extension, "valueUrl"));
    named.unwrap_or("string").to_owned()
}

fn upper_first(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}
