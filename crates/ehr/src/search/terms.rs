//! `:in`, `:not-in`, `:above` and `:below` of token parameters, as far as the value sets and code systems that are
//! stored here list their codes.

use bascule_fhir::ResourceType;
use serde_json::Value;

use super::clause::{Clause, Condition, RowTest};
use super::parse::Scope;
use super::test::{token, with_implied};
use crate::Refusal;
use crate::index::Indexed;
use crate::index::reference::local;
use crate::store::{Method, Version, current, current_by_key};

/// Codes that one value set may bring into a search.
const CODES_MAX: usize = 5_000;
/// Value sets within value sets; whoever stores them may have made a circle of them.
const SETS_DEEP_MAX: usize = 8;

impl Scope<'_> {
    /// The clause of one of the four modifiers.
    pub(super) fn terms(&self, indexed: &Indexed, modifier: &str, value: &str) -> Result<Clause, Refusal> {
        let conditions = match modifier {
            "in" | "not-in" => self.value_set(value, 0)?,
            _ => self.hierarchy(modifier == "below", value)?,
        };
        if conditions.len() > CODES_MAX {
            return Err(Refusal::unsupported(format!("the value set has more than {CODES_MAX} codes")));
        }
        let parameter = indexed.code;
        let conditions = conditions.into_iter().flat_map(|condition| with_implied(indexed, condition));
        let any = conditions.map(|condition| RowTest { parameter, condition }).collect();
        Ok(Clause::Rows { any, negated: modifier == "not-in" })
    }

    fn value_set(&self, value: &str, depth: usize) -> Result<Vec<Condition>, Refusal> {
        if depth > SETS_DEEP_MAX {
            return Err(Refusal::unsupported(format!("value sets include each other more than {SETS_DEEP_MAX} deep")));
        }
        let set = match self.definition("ValueSet", value)? {
            Some(set) => set,
            None => {
                return listed(value)
                    .ok_or_else(|| unknown("value set", "a stored ValueSet, by Type/id or by its url"));
            }
        };
        if let Some(contains) = set.pointer("/expansion/contains") {
            let mut conditions = Vec::new();
            expanded(contains, &mut conditions);
            return Ok(conditions);
        }
        if set.pointer("/compose/exclude").is_some() {
            return Err(cannot_expand());
        }
        let includes = set.pointer("/compose/include").and_then(Value::as_array).ok_or_else(cannot_expand)?;
        let mut conditions = Vec::new();
        for include in includes {
            self.included(include, depth, &mut conditions)?;
            if conditions.len() > CODES_MAX {
                break;
            }
        }
        Ok(conditions)
    }

    fn included(&self, include: &Value, depth: usize, conditions: &mut Vec<Condition>) -> Result<(), Refusal> {
        if include.get("filter").is_some() {
            return Err(cannot_expand());
        }
        let system = include.get("system").and_then(Value::as_str);
        let concepts = include.get("concept").and_then(Value::as_array);
        match (system, concepts) {
            (Some(system), Some(concepts)) => {
                let codes = concepts.iter().filter_map(|concept| concept.get("code")?.as_str());
                conditions.extend(codes.map(|code| Condition::SystemCode(system.to_owned(), code.to_owned())));
            }
            (Some(system), None) => conditions.push(Condition::System(system.to_owned())),
            (None, _) => {
                let sets = include.get("valueSet").and_then(Value::as_array).ok_or_else(cannot_expand)?;
                match sets.as_slice() {
                    [only] => conditions.extend(self.value_set(only.as_str().unwrap_or_default(), depth + 1)?),
                    _ => return Err(cannot_expand()),
                }
            }
        }
        Ok(())
    }

    /// The code and what the stored code system places beneath (or above) it.
    fn hierarchy(&self, below: bool, value: &str) -> Result<Vec<Condition>, Refusal> {
        let Condition::SystemCode(system, code) = token(value) else {
            return Err(Refusal::invalid("`:above` and `:below` ask for system|code"));
        };
        let mend = "a stored CodeSystem of that url";
        let found = self.definition("CodeSystem", &system)?.ok_or_else(|| unknown("code system", mend))?;
        let mut path = Vec::new();
        let codes = found
            .get("concept")
            .and_then(|concepts| related(concepts, &code, below, &mut path))
            .unwrap_or_else(|| vec![code.clone()]);
        Ok(codes.into_iter().map(|code| Condition::SystemCode(system.clone(), code)).collect())
    }

    /// A stored definition, by `Type/id` or by its URL.
    fn definition(&self, type_name: &str, name: &str) -> Result<Option<Value>, Refusal> {
        let Some(resource) = ResourceType::parse(type_name) else { return Ok(None) };
        let found = match local(name).filter(|(kind, _)| *kind == resource) {
            Some((_, id)) => current(self.connection, self.codes, resource, &id)?,
            None => self.definition_by_url(resource, name)?,
        };
        found
            .filter(|version| version.method != Method::Delete)
            .map(|version| serde_json::from_str(&version.body).map_err(|cause| Refusal::fault(&cause)))
            .transpose()
    }

    fn definition_by_url(&self, resource: ResourceType, url: &str) -> Result<Option<Version>, Refusal> {
        let Some(indexed) = self.definitions.named(resource, "url") else { return Ok(None) };
        let url = url.split('|').next().unwrap_or(url);
        let test = RowTest { parameter: indexed.code, condition: Condition::Uri(url.to_owned()) };
        let clauses = [Clause::Rows { any: vec![test], negated: false }];
        match super::find_all(self, resource, &clauses, 1)?.first() {
            Some(key) => current_by_key(self.connection, self.codes, *key),
            None => Ok(None),
        }
    }
}

fn unknown(what: &str, mend: &str) -> Refusal {
    Refusal::unsupported(format!("the {what} is not known here; it must be {mend}"))
}

fn cannot_expand() -> Refusal {
    Refusal::unsupported(
        "the value set cannot be expanded here: it filters, excludes or intersects; store its expansion",
    )
}

/// Value sets that R4 itself binds are known without being stored.
fn listed(url: &str) -> Option<Vec<Condition>> {
    let list = bascule_fhir::codes::list(url).filter(|list| !list.open)?;
    let code = |system: &str, code: &str| Condition::SystemCode(system.to_owned(), code.to_owned());
    Some(list.systems().flat_map(|(system, codes)| codes.iter().map(move |one| code(system, one))).collect())
}

fn expanded(contains: &Value, conditions: &mut Vec<Condition>) {
    for item in contains.as_array().into_iter().flatten() {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_heading = item.get("abstract").and_then(Value::as_bool).unwrap_or(false);
        if !text("code").is_empty() && !is_heading {
            conditions.push(Condition::SystemCode(text("system"), text("code")));
        }
        if let Some(inner) = item.get("contains") {
            expanded(inner, conditions);
        }
    }
}

/// Beneath: the code and its descendants. Above: the code and its ancestors.
fn related(concepts: &Value, code: &str, below: bool, path: &mut Vec<String>) -> Option<Vec<String>> {
    for concept in concepts.as_array()? {
        let own = concept.get("code").and_then(Value::as_str).unwrap_or_default();
        path.push(own.to_owned());
        if own == code {
            let mut all = if below { vec![own.to_owned()] } else { path.clone() };
            if below {
                descendants(concept, &mut all);
            }
            return Some(all);
        }
        if let Some(found) = concept.get("concept").and_then(|inner| related(inner, code, below, path)) {
            return Some(found);
        }
        path.pop();
    }
    None
}

fn descendants(concept: &Value, all: &mut Vec<String>) {
    for inner in concept.get("concept").and_then(Value::as_array).into_iter().flatten() {
        all.extend(inner.get("code").and_then(Value::as_str).map(str::to_owned));
        descendants(inner, all);
    }
}
