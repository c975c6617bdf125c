//! `_sort`: the least value of a parameter ascending, the greatest descending; resources without a value come last.

use bascule_fhir::{ResourceType, SearchKind};

use super::clause::Clause;
use super::compile::Compiler;
use super::parse::Scope;
use crate::Refusal;

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortKey {
    /// The parameter.
    pub(crate) name: String,
    /// Greatest first.
    pub(crate) descending: bool,
}

/// Keys of a sort.
const KEYS_MAX: usize = 4;

impl SortKey {
    /// Reads `date,-name`; each must be a parameter of every type that is searched.
    pub(super) fn read(
        scope: &Scope<'_>,
        branches: &[(ResourceType, Vec<Clause>)],
        value: &str,
    ) -> Result<Vec<Self>, Refusal> {
        let keys: Vec<Self> = value
            .split(',')
            .map(|one| Self { name: one.trim_start_matches('-').to_owned(), descending: one.starts_with('-') })
            .collect();
        if keys.len() > KEYS_MAX {
            return Err(Refusal::unsupported(format!("`_sort` takes at most {KEYS_MAX} keys")));
        }
        for key in &keys {
            for (resource, _) in branches {
                key.check(scope, *resource)?;
            }
        }
        Ok(keys)
    }

    fn check(&self, scope: &Scope<'_>, resource: ResourceType) -> Result<(), Refusal> {
        let name = &self.name;
        let kind = scope.definitions.named(resource, name).map(|indexed| indexed.parameter.kind);
        match kind {
            Some(SearchKind::Composite | SearchKind::Special) => {
                Err(Refusal::unsupported(format!("`_sort`: `{name}` has no order")))
            }
            Some(_) if !matches!(name.as_str(), "_text" | "_content" | "_query") => Ok(()),
            _ => Err(Refusal::invalid(format!("`_sort`: {resource} has no search parameter `{name}`"))),
        }
    }

    /// The value of the key for a row `r`; never null.
    pub(super) fn expression(&self, compiler: &mut Compiler<'_>, scope: &Scope<'_>, resource: ResourceType) -> String {
        match self.name.as_str() {
            "_id" => return "r.id".to_owned(),
            "_lastUpdated" => return "r.updated".to_owned(),
            _ => {}
        }
        let Some(indexed) = scope.definitions.named(resource, &self.name) else { return "0".to_owned() };
        let parameter = compiler.bind(indexed.code);
        let (table, low, high, first, last) = match indexed.parameter.kind {
            SearchKind::Date => ("date", "low", "high", "9223372036854775807", "-9223372036854775808"),
            SearchKind::Number => ("number", "low", "low", MOST, LEAST),
            SearchKind::Quantity => ("quantity", "low", "low", MOST, LEAST),
            SearchKind::String => ("string", "folded", "folded", LAST_TEXT, "''"),
            SearchKind::Uri => ("uri", "value", "value", LAST_TEXT, "''"),
            SearchKind::Reference => {
                let (of, last) = if self.descending { ("MAX", "''") } else { ("MIN", LAST_TEXT) };
                return format!(
                    "COALESCE((SELECT {of}(t.id) FROM reference s JOIN resource t ON t.pk = s.target \
                     WHERE s.parameter = {parameter} AND s.pk = r.pk), {last})"
                );
            }
            _ => ("token", "code", "code", LAST_TEXT, "''"),
        };
        let (of, column, missing) = if self.descending { ("MAX", high, last) } else { ("MIN", low, first) };
        let value = if matches!(table, "token" | "uri") {
            // Their key does not lead from a resource to its rows: all rows are gathered once.
            let keys =
                format!("SELECT pk, {of}({column}) AS key FROM {table} WHERE parameter = {parameter} GROUP BY pk");
            format!("SELECT s.key FROM ({keys}) s WHERE s.pk = r.pk")
        } else {
            // Not the bare column: its least value would be sought along the index of all values.
            let column = if table == "string" { format!("s.{column} || ''") } else { format!("s.{column} + 0") };
            format!("SELECT {of}({column}) FROM {table} s WHERE s.parameter = {parameter} AND s.pk = r.pk")
        };
        format!("COALESCE(({value}), {missing})")
    }
}

/// Above every text.
const LAST_TEXT: &str = "'\u{10FFFF}'";
/// The greatest number that there is; no quantity begins there.
const MOST: &str = "1.7976931348623157e308";
/// The least; only what is known as less than something begins there.
const LEAST: &str = "-1.7976931348623157e308";
