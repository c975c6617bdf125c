//! Who may see what is named at an API that does not speak FHIR: `visits:patient.name`, `pacs:PatientBirthDate`, `adt:PID-5`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Question;
use crate::call::{Action, CallGrant, Left};
use crate::describe::whose;
use crate::fault::suggest;
use crate::label::Label;
use crate::policy::Policy;
use crate::rules::{Patients, Role};
use crate::schema;

/// Who may see it, say it, and ask by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhoMayCall {
    /// As asked.
    pub path: String,
    /// Who sees it.
    pub rows: Vec<CallRow>,
    /// Who gets bodies that are not looked into, so that it may be in them.
    pub opaque: Vec<CallRow>,
    /// Roles that ask by it.
    pub searched_by: Vec<String>,
    /// Roles that write it.
    pub written_by: Vec<String>,
}

/// One role under one set of terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRow {
    /// The role.
    pub role: String,
    /// Whose, and when.
    pub whose: String,
    /// By which operations, transactions or messages.
    pub actions: Vec<String>,
    /// The rule.
    pub rule: String,
    /// Why, as the file says.
    pub because: String,
    /// Clients of the role, if the asker brought them.
    pub clients: Vec<String>,
}

impl Policy {
    /// Every role's grants of calls at an API, each with what the denies leave of it, action by action.
    pub(crate) fn calls_at<'a>(
        &'a self,
        api: &'a str,
    ) -> impl Iterator<Item = (&'a Role, &'a CallGrant, &'a Action, Left)> {
        self.roles().flat_map(move |role| self.calls_of(role, api))
    }

    /// Those of one role.
    pub(crate) fn calls_of<'a>(
        &'a self,
        role: &'a Role,
        api: &'a str,
    ) -> impl Iterator<Item = (&'a Role, &'a CallGrant, &'a Action, Left)> {
        let here = role.calls.iter().filter(move |grant| grant.apis.iter().any(|name| name == api));
        here.flat_map(|grant| grant.actions.iter().map(move |action| (grant, action))).filter_map(
            move |(grant, action)| {
                let denies = self.denies().iter().chain(&role.denies);
                grant.less(api, action, denies).ok().map(|left| (role, grant, action, left))
            },
        )
    }

    /// Who may see `API:NAME`.
    ///
    /// # Errors
    /// What is wrong with the question, with what may have been meant.
    pub fn who_may_call(&self, path: &str, question: &Question) -> Result<WhoMayCall, String> {
        let (api, name) = path.split_once(':').ok_or_else(|| format!("`{path}` names no api; write `API:NAME`"))?;
        let grants = self.roles().flat_map(|role| &role.calls);
        let apis: BTreeSet<&str> = grants.flat_map(|grant| &grant.apis).map(String::as_str).collect();
        if !apis.contains(api) {
            return Err(format!("no role grants anything at `{api}` in words of its own kind; {}", suggest(api, apis)));
        }
        let mut answer = WhoMayCall {
            path: path.to_owned(),
            rows: Vec::new(),
            opaque: Vec::new(),
            searched_by: Vec::new(),
            written_by: Vec::new(),
        };
        for (role, grant, action, left) in self.calls_at(api) {
            let individual = grant.terms.patients.is_individual();
            if action.shows() && (individual && left.lifted.reaches(name) || left.shows.reaches(name)) {
                self.add_call(&mut answer.rows, role, grant, action, &left, question);
            }
            if !left.opaque.is_empty() {
                self.add_call(&mut answer.opaque, role, grant, action, &left, question);
            }
            let own = role.name.to_string();
            if left.search.contains(name) && !answer.searched_by.contains(&own) {
                answer.searched_by.push(own.clone());
            }
            if action.says() && left.writes.reaches(name) && !answer.written_by.contains(&own) {
                answer.written_by.push(own);
            }
        }
        Ok(answer)
    }

    fn add_call(
        &self,
        rows: &mut Vec<CallRow>,
        role: &Role,
        grant: &CallGrant,
        action: &Action,
        left: &Left,
        question: &Question,
    ) {
        let Some(label) = self.call_label_terms(grant, left, question.label.as_ref()) else { return };
        let whose = format!("{}{label}", whose(&grant.terms, role.no_relation));
        if let Some(row) = rows.iter_mut().find(|row| row.rule == grant.id.as_ref() && row.whose == whose) {
            row.actions.push(action.to_string());
            return;
        }
        rows.push(CallRow {
            role: role.name.to_string(),
            whose,
            actions: vec![action.to_string()],
            rule: grant.id.to_string(),
            because: grant.because.clone().unwrap_or_default(),
            clients: question.clients.get(role.name.as_ref()).cloned().unwrap_or_default(),
        });
    }

    /// What a label asks beside, or that no consent is on file; `None` where it shuts the grant.
    fn call_label_terms(&self, grant: &CallGrant, left: &Left, label: Option<&Label>) -> Option<&'static str> {
        let settings = self.settings();
        let individual = grant.terms.patients.is_individual();
        if let Some(label) = label {
            if left.labels.contains(label) {
                return None;
            }
            if grant.terms.patients == Patients::Represented && settings.minor_consented.contains(label) {
                return Some("; not of a minor, by a parent or guardian");
            }
            if !individual && settings.psychotherapy.contains(label) {
                return Some("; with an authorization that names psychotherapy notes");
            }
            if !individual && settings.part2.contains(label) && !grant.terms.emergency {
                return Some("; with a consent of the patient that names the label");
            }
        }
        let api = grant.apis.first().map_or("", String::as_str);
        let default = settings.consent_default(api);
        let free = grant.terms.purposes.iter().any(|purpose| default.iter().any(|one| one == purpose.as_ref()));
        let asks = !individual && !free && schema::in_patient_compartment(grant.counts_as);
        Some(if asks { "; with a consent of the patient" } else { "" })
    }
}

/// A page that can be read aloud.
impl fmt::Display for WhoMayCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.path)?;
        rows(f, &self.rows)?;
        writeln!(f, "nobody else.")?;
        if !self.opaque.is_empty() {
            writeln!(f, "in bodies that are not looked into:")?;
            rows(f, &self.opaque)?;
        }
        for (what, roles) in [("may search by it", &self.searched_by), ("may write it", &self.written_by)] {
            if !roles.is_empty() {
                writeln!(f, "{what}: {}", roles.join(", "))?;
            }
        }
        Ok(())
    }
}

fn rows(f: &mut fmt::Formatter<'_>, rows: &[CallRow]) -> fmt::Result {
    let width = |texts: fn(&CallRow) -> &str| rows.iter().map(|row| texts(row).chars().count()).max().unwrap_or(0);
    let (role, whose) = (width(|row| &row.role), width(|row| &row.whose));
    for row in rows {
        writeln!(f, "  {:role$}  {:whose$}  {}", row.role, row.whose, row.actions.join(", "))?;
        let because = if row.because.is_empty() { "no reason given" } else { &row.because };
        writeln!(f, "  {:role$}  {}: {because}", "", row.rule)?;
        if !row.clients.is_empty() {
            writeln!(f, "  {:role$}  clients: {}", "", row.clients.join(", "))?;
        }
    }
    Ok(())
}

impl Policy {
    /// The grants of calls of one role, for its part of the table.
    pub(crate) fn table_of_calls(&self, role: &Role, out: &mut String) {
        use std::fmt::Write as _;
        let apis: BTreeSet<&String> = role.calls.iter().flat_map(|grant| &grant.apis).collect();
        for api in apis {
            let mut blocks: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (_, grant, action, left) in self.calls_of(role, api) {
                blocks.entry(block(role, grant, action, &left)).or_default().push(action.to_string());
            }
            for (block, actions) in blocks {
                let _ = writeln!(out, "  {api}  {}\n{block}", actions.join(", "));
            }
        }
    }
}

fn block(role: &Role, grant: &CallGrant, action: &Action, left: &Left) -> String {
    use std::fmt::Write as _;
    let mut text = format!("      as {}: {}", grant.counts_as, whose(&grant.terms, role.no_relation));
    if action.shows() {
        let _ = write!(text, "\n          shows {}", left.shows);
    }
    if action.says() && !left.writes.is_empty() {
        let _ = write!(text, "\n          says {}", left.writes);
    }
    if !left.search.is_empty() {
        let _ = write!(
            text,
            "\n          searches by {}",
            left.search.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        );
    }
    if !left.opaque.is_empty() {
        let _ = write!(
            text,
            "\n          passes whole {}",
            left.opaque.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        );
    }
    text
}
