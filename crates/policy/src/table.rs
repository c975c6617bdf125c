//! The whole policy as one table that an auditor can read: every role, what it reaches of which type, by which
//! interaction. A committed copy of it makes every change of the rules a visible line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use bascule_fhir::{InteractionKind, ResourceType};

use crate::describe::{elements, whose};
use crate::policy::{Cell, Policy, Reach};
use crate::rules::Role;

impl Policy {
    /// The table, role by role.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        for role in self.roles() {
            self.table_of(role, &mut out);
        }
        out
    }

    /// One role of the table, for who reads it aloud; with the reason of each grant.
    #[must_use]
    pub fn show(&self, role: &str) -> Option<String> {
        let role = self.role(role)?;
        let mut out = String::new();
        self.table_of(role, &mut out);
        for grant in &role.calls {
            let because = grant.because.as_deref().unwrap_or("no reason given");
            let _ = writeln!(out, "  {} ({}:{}): {because}", grant.id, role.file, grant.line);
        }
        for grant in &role.grants {
            let because = grant.because.as_deref().unwrap_or("no reason given");
            let _ = writeln!(out, "  {} ({}:{}): {because}", grant.id, role.file, grant.line);
        }
        Some(out)
    }

    fn table_of(&self, role: &Role, out: &mut String) {
        let treats = if role.treating { "; treats, may open emergency access" } else { "" };
        let _ = writeln!(out, "{}: {} ({}){treats}", role.name, role.title, role.purposes.join(", "));
        for what in &role.keeps {
            let _ = writeln!(out, "  looks after the {} of the house", what.name());
        }
        for api in role.grants.iter().flat_map(|grant| &grant.apis).collect::<BTreeSet<_>>() {
            for (line, types) in self.lines(role, api) {
                let _ = writeln!(out, "  {api}  {}", types.join(" "));
                let _ = writeln!(out, "{line}");
            }
        }
        self.table_of_calls(role, out);
        for deny in &role.denies {
            let _ = writeln!(out, "  denied by {}: {}", deny.id, deny.because.as_deref().unwrap_or("no reason given"));
        }
        out.push('\n');
    }

    /// What is the same for several types is one line.
    fn lines(&self, role: &Role, api: &str) -> Vec<(String, Vec<&'static str>)> {
        let mut lines: Vec<(String, Vec<&'static str>)> = Vec::new();
        for resource in ResourceType::all() {
            let line = self.line(role, api, resource);
            if line.is_empty() {
                continue;
            }
            match lines.iter_mut().find(|(known, _)| *known == line) {
                Some((_, types)) => types.push(resource.name()),
                None => lines.push((line, vec![resource.name()])),
            }
        }
        lines
    }

    fn line(&self, role: &Role, api: &str, resource: ResourceType) -> String {
        let mut blocks: BTreeMap<String, BTreeSet<InteractionKind>> = BTreeMap::new();
        for kind in InteractionKind::ALL {
            let Some(Cell::Granted(reaches)) = self.cell(&role.name, api, resource, kind) else { continue };
            for reach in reaches.iter() {
                blocks.entry(block(reach, kind)).or_default().insert(kind);
            }
        }
        let mut lines: Vec<String> = Vec::new();
        for (text, kinds) in blocks {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            lines.push(format!("      {}: {text}", names.join(", ")));
        }
        lines.sort();
        lines.join("\n")
    }
}

fn block(reach: &Reach, kind: InteractionKind) -> String {
    let mut text = whose(&reach.terms, reach.no_relation);
    if !reach.terms.only_count {
        let _ = write!(text, "\n          shows {}", elements(&reach.elements));
    }
    if kind == InteractionKind::Search
        && let Some(listed) = &reach.search.listed
    {
        let _ = write!(
            text,
            "\n          searches by {}",
            if listed.is_empty() {
                "nothing".to_owned()
            } else {
                listed.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            }
        );
    }
    if kind == InteractionKind::Operation {
        let names: Vec<String> = reach.operations.iter().map(|name| format!("${name}")).collect();
        let _ = write!(text, "\n          operations {}", names.join(", "));
    }
    if matches!(kind, InteractionKind::Create | InteractionKind::Update | InteractionKind::Patch)
        && let Some(writes) = &reach.writes
    {
        let _ = write!(text, "\n          sets {}", elements(&writes.elements));
        for (path, values) in writes.targets.iter() {
            let _ = write!(text, "\n          only where {path} is {}", values.join(" or "));
        }
        for (path, values) in writes.values.iter() {
            let _ = write!(text, "\n          {path} to {}", values.join(" or "));
        }
    }
    text
}
