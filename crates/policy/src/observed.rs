//! What observing showed: a report of what enforcing would have done, and a draft of the least grants that would have
//! served the traffic, for a person to review.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use bascule_fhir::{InteractionKind, ResourceType, Timestamp};
use bascule_smart::Principal;

use crate::Api;
use crate::decision::Permit;
use crate::describe;
use crate::schema;
use crate::search::{Use, usage};

/// One decision of an API that is observed, without anything of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The API.
    pub api: String,
    /// The client.
    pub client: String,
    /// The role.
    pub role: String,
    /// The type.
    pub resource: ResourceType,
    /// The interaction.
    pub kind: InteractionKind,
    /// The parameters that were used, by name.
    pub parameters: Vec<String>,
    /// The elements that left, by path, if they were told; empty is not told.
    pub elements: Vec<String>,
    /// Why enforcing would have refused, in words.
    pub would_refuse: Option<String>,
    /// What enforcing would have left of the type.
    pub would_show: Option<String>,
}

impl Observed {
    /// What a permit of an observed API tells. `elements` are the paths that left, as the filter saw them.
    #[must_use]
    pub fn of(permit: &Permit, elements: Vec<String>) -> Option<Self> {
        use bascule_fhir::Interaction;
        let asked = permit.asked();
        let resource = asked.interaction.resource()?;
        let query = match &asked.interaction {
            Interaction::Search { query, .. } | Interaction::Read { query, .. } => Some(query),
            _ => None,
        };
        let would = permit.would_narrow().and_then(|narrowing| narrowing.types.get(&resource));
        Some(Self {
            api: asked.api.clone(),
            client: permit.principal().client().to_owned(),
            role: permit.role().to_owned(),
            resource,
            kind: asked.interaction.kind(),
            parameters: query.map(names).unwrap_or_default(),
            elements,
            would_refuse: permit.would_refuse().map(describe::reason),
            would_show: would.map(|narrowing| describe::elements(&narrowing.elements)),
        })
    }
}

/// Whether the rules of this principal's flow are only observed at that API now.
#[must_use]
pub fn is_observed(api: &Api, principal: &Principal, now: Timestamp) -> bool {
    crate::decide::is_observed(api, principal, now)
}

/// The parameters by the names that a grant uses: the plain code, `_sort:key`.
fn names(query: &bascule_fhir::Query) -> Vec<String> {
    let mut names = Vec::new();
    for parameter in &query.parameters {
        match usage(parameter) {
            Use::Plain { code, .. } | Use::Chain { code, .. } => names.push(code.to_owned()),
            Use::Sort(keys) => names.extend(keys.iter().map(|key| format!("_sort:{key}"))),
            _ => {}
        }
    }
    names
}

/// What enforcing would have done, by client and role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObserveReport {
    /// Each line with how often.
    lines: BTreeMap<(String, String, String), u64>,
    /// Requests that enforcing would have served just so.
    served: u64,
}

impl ObserveReport {
    /// The report of these.
    #[must_use]
    pub fn of<'a>(observed: impl IntoIterator<Item = (&'a Observed, u64)>) -> Self {
        let mut report = Self::default();
        for (one, times) in observed {
            let what = match (&one.would_refuse, &one.would_show) {
                (Some(reason), _) => {
                    format!("refused: {} of {}: {reason}", one.kind.name(), one.resource)
                }
                (None, Some(shown)) => format!("narrowed: {} of {} to {shown}", one.kind.name(), one.resource),
                (None, None) => {
                    report.served += times;
                    continue;
                }
            };
            *report.lines.entry((one.client.clone(), one.role.clone(), what)).or_default() += times;
        }
        report
    }

    /// Whether enforcing would have changed nothing.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.lines.is_empty()
    }
}

impl fmt::Display for ObserveReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} requests would have been served as they were.", self.served)?;
        for ((client, role, what), times) in &self.lines {
            writeln!(f, "{times:>7}  {client} as {role}  {what}")?;
        }
        Ok(())
    }
}

/// The least grants that would have served what was observed, as a policy file. Elements that were not told are drafted
/// as `"*"` with a note, since nothing less is known to suffice.
#[must_use]
pub fn draft<'a>(observed: impl IntoIterator<Item = (&'a Observed, u64)>) -> String {
    let mut roles: BTreeMap<&str, BTreeMap<(&str, ResourceType), Drafted>> = BTreeMap::new();
    for (one, times) in observed {
        let role = if one.role.is_empty() { "unnamed" } else { &one.role };
        let drafted = roles.entry(role).or_default().entry((&one.api, one.resource)).or_default();
        drafted.times += times;
        drafted.kinds.insert(one.kind);
        drafted.parameters.extend(one.parameters.iter().cloned());
        drafted.untold |= one.elements.is_empty();
        // What is not an element by our tables cannot be granted by name.
        let known = one.elements.iter().filter(|path| schema::element(one.resource, path).is_ok());
        drafted.elements.extend(known.cloned());
    }
    let mut text = String::from(
        "# A draft of what observed traffic used. Nothing here is granted before a person has read it and said why.\n",
    );
    for (role, grants) in roles {
        let _ = writeln!(
            text,
            "\n[role.{role}]\ntitle   = \"\"          # say who that is\npurpose = []          # say for what"
        );
        for ((api, resource), drafted) in grants {
            drafted.write(&mut text, role, api, resource);
        }
    }
    text
}

#[derive(Default)]
struct Drafted {
    times: u64,
    kinds: BTreeSet<InteractionKind>,
    parameters: BTreeSet<String>,
    elements: BTreeSet<String>,
    untold: bool,
}

impl Drafted {
    fn write(mut self, text: &mut String, role: &str, api: &str, resource: ResourceType) {
        // A parameter is granted only with the elements that it reads.
        for code in &self.parameters {
            let plain = code.trim_start_matches("_sort:");
            let leaves = schema::reads(resource, plain).and_then(|reads| reads.leaves.clone());
            self.elements.extend(leaves.into_iter().flatten());
        }
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        let _ = writeln!(
            text,
            "\n[[role.{role}.grant]]         # {} requests\napi          = \"{api}\"\nresource     = \"{resource}\"\ninteractions = {}",
            self.times,
            list(&kinds)
        );
        if self.kinds.contains(&InteractionKind::Search) {
            let parameters: Vec<&str> = self.parameters.iter().map(String::as_str).collect();
            let _ = writeln!(text, "search       = {}", list(&parameters));
        }
        if self.untold {
            let _ = writeln!(text, "elements     = \"*\"            # not told; name them");
        } else {
            let elements: Vec<&str> = self.elements.iter().map(String::as_str).collect();
            let _ = writeln!(text, "elements     = {}", list(&elements));
        }
        let _ = writeln!(text, "because      = \"\"");
    }
}

fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn observed(kind: InteractionKind, elements: &[&str]) -> Observed {
        Observed {
            api: "ehr".to_owned(),
            client: "app".to_owned(),
            role: "scheduler".to_owned(),
            resource: ResourceType::APPOINTMENT,
            kind,
            parameters: if kind == InteractionKind::Search {
                vec!["date".to_owned(), "_sort:date".to_owned()]
            } else {
                Vec::new()
            },
            elements: elements.iter().map(|path| (*path).to_owned()).collect(),
            would_refuse: None,
            would_show: None,
        }
    }

    #[test]
    fn a_draft_is_the_least_that_would_have_served() {
        let seen = [observed(InteractionKind::Search, &["status"]), observed(InteractionKind::Read, &["end"])];
        let text = draft(seen.iter().map(|one| (one, 1)));
        expect![[r##"
            # A draft of what observed traffic used. Nothing here is granted before a person has read it and said why.

            [role.scheduler]
            title   = ""          # say who that is
            purpose = []          # say for what

            [[role.scheduler.grant]]         # 2 requests
            api          = "ehr"
            resource     = "Appointment"
            interactions = ["read", "search"]
            search       = ["_sort:date", "date"]
            elements     = ["end", "start", "status"]
            because      = ""
        "##]]
        .assert_eq(&text);
        // Once a person has filled it in, it loads.
        let filled =
            text.replace("title   = \"\"", "title   = \"S\"").replace("purpose = []", "purpose = [\"HOPERAT\"]");
        let file = crate::PolicyFile { name: "draft.toml".to_owned(), text: filled };
        let policy =
            crate::Policy::load(&[file]).unwrap_or_else(|faults| panic!("{}", crate::fault::render(&faults, "")));
        assert_eq!(policy.roles().count(), 1);
    }

    #[test]
    fn a_report_counts_what_enforcing_would_have_done() {
        let refused = Observed {
            would_refuse: Some("the parameter `reason-code` is not granted or not known".to_owned()),
            ..observed(InteractionKind::Search, &[])
        };
        let narrowed = Observed { would_show: Some("start".to_owned()), ..observed(InteractionKind::Read, &[]) };
        let seen = [(refused, 2), (narrowed, 1), (observed(InteractionKind::Read, &["start"]), 1)];
        let told = |seen: &[(Observed, u64)]| ObserveReport::of(seen.iter().map(|(one, times)| (one, *times)));
        expect![[r#"
            1 requests would have been served as they were.
                  1  app as scheduler  narrowed: read of Appointment to start
                  2  app as scheduler  refused: search of Appointment: the parameter `reason-code` is not granted or not known
        "#]].assert_eq(&told(&seen).to_string());
        assert!(told(&seen[2..]).is_quiet());
    }
}
