//! The definitions as they lie in the folder, and short ways to look into their JSON.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;

/// The bundles that the tables are made of, as their resources.
pub(crate) struct Definitions {
    /// Every `SearchParameter`.
    pub(crate) search_parameters: Vec<Value>,
    /// Every `StructureDefinition` and `CompartmentDefinition` of the resources.
    pub(crate) resources: Vec<Value>,
    /// Every `StructureDefinition` of the data types.
    pub(crate) types: Vec<Value>,
    /// The elements as R4 publishes them one by one.
    pub(crate) data_elements: Vec<Value>,
    /// Every `ValueSet` and `CodeSystem`.
    pub(crate) terminology: Vec<Value>,
}

impl Definitions {
    /// Reads the folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        Ok(Self {
            search_parameters: bundle(folder, "search-parameters.json")?,
            resources: bundle(folder, "profiles-resources.json")?,
            types: bundle(folder, "profiles-types.json")?,
            data_elements: bundle(folder, "dataelements.json")?
                .iter()
                .flat_map(|definition| definition.pointer("/snapshot/element").and_then(Value::as_array).cloned())
                .flatten()
                .collect(),
            terminology: [bundle(folder, "valuesets.json")?, bundle(folder, "v3-codesystems.json")?].concat(),
        })
    }

    /// The structures that R4 defines: resources and types, not the profiles of them.
    pub(crate) fn structures(&self) -> impl Iterator<Item = &Value> {
        self.types
            .iter()
            .chain(&self.resources)
            .filter(|definition| text(definition, "resourceType") == "StructureDefinition")
            .filter(|definition| {
                text(definition, "kind") != "logical" && text(definition, "derivation") != "constraint"
            })
            .filter(|definition| text(definition, "fhirVersion") == "4.0.1")
    }

    /// The search parameters of each type that R4's base CapabilityStatement lists; others are of later releases.
    pub(crate) fn listed_parameters(&self) -> HashSet<(&str, &str)> {
        let base = self.resources.iter().filter(|definition| {
            text(definition, "resourceType") == "CapabilityStatement" && text(definition, "id") == "base"
        });
        base.flat_map(|statement| list(statement, "rest"))
            .flat_map(|rest| list(rest, "resource"))
            .flat_map(|resource| {
                list(resource, "searchParam").iter().map(|parameter| (text(resource, "type"), text(parameter, "name")))
            })
            .collect()
    }

    /// The names of the concrete resource types, sorted.
    pub(crate) fn concrete(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .structures()
            .filter(|definition| text(definition, "kind") == "resource" && !flag(definition, "abstract"))
            .map(|definition| text(definition, "name"))
            .collect();
        names.sort_unstable();
        names
    }
}

fn bundle(folder: &Path, name: &str) -> Result<Vec<Value>, String> {
    let path = folder.join(name);
    let bytes = std::fs::read(&path).map_err(|fault| format!("{}: {fault}", path.display()))?;
    let whole: Value = serde_json::from_slice(&bytes).map_err(|fault| format!("{name}: {fault}"))?;
    let resources = list(&whole, "entry").iter().filter_map(|entry| entry.get("resource")).cloned().collect();
    Ok(resources)
}

/// A string member, or nothing.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// An array member, or an empty one.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The strings of an array member.
pub(crate) fn texts<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    list(value, name).iter().filter_map(Value::as_str).collect()
}

/// A boolean member; absent is false.
pub(crate) fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}
