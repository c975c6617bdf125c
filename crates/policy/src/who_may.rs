//! Who may see an element: every role and condition that reaches it. The grants are finite, so the answer is exact.

mod call;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bascule_fhir::{InteractionKind, ResourceType};

use crate::describe::whose;
use crate::fault::suggest;
use crate::label::Label;
use crate::policy::{Cell, Policy, Reach};
use crate::rules::{Grant, Patients, Role};
use crate::{Elements, Shown, schema};

pub use call::{CallRow, WhoMayCall};

/// The interactions that show an element.
const SHOWING: [InteractionKind; 5] = [
    InteractionKind::Read,
    InteractionKind::Vread,
    InteractionKind::Search,
    InteractionKind::History,
    InteractionKind::Operation,
];

/// Who may see an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhoMay {
    /// `Observation.valueQuantity`, or `Observation` for anything of the type.
    pub path: String,
    /// Who sees it.
    pub rows: Vec<Row>,
    /// Roles that reach the type and not the element: they see it only where minimum necessary does not act on their
    /// recipient (a verified treating provider, an authorization, a law).
    pub under_exemption_only: Vec<String>,
    /// Roles that may search by it.
    pub searched_by: Vec<String>,
    /// Roles that may write it.
    pub written_by: Vec<String>,
    /// Roles that may say it to the organization whose system is behind the API.
    pub disclosed_by: Vec<String>,
    /// Apps through which people act, if the asker brought them.
    pub apps: Vec<String>,
}

/// One role under one set of terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The role.
    pub role: String,
    /// The API.
    pub api: String,
    /// Whose, and when.
    pub whose: String,
    /// `whole`; `element` where the element lists act; `masked`, or `part` where a profile lets a part out.
    pub extent: &'static str,
    /// By which interactions.
    pub interactions: BTreeSet<InteractionKind>,
    /// The rule.
    pub rule: String,
    /// Why, as the file says.
    pub because: String,
    /// Clients of the role, if the asker brought them.
    pub clients: Vec<String>,
}

/// What is asked beside the path.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// A label that the resource bears.
    pub label: Option<Label>,
    /// Clients by role of their own, to be named in the answer.
    pub clients: BTreeMap<String, Vec<String>>,
    /// Apps through which people act, under the roles of these.
    pub apps: Vec<String>,
}

impl Policy {
    /// Who may see `Type.element` (or anything of `Type`).
    ///
    /// # Errors
    /// What is wrong with the path, with what may have been meant.
    pub fn who_may(&self, path: &str, question: &Question) -> Result<WhoMay, String> {
        let (resource, paths) = parse(path)?;
        let mut answer = WhoMay {
            path: path.to_owned(),
            rows: Vec::new(),
            under_exemption_only: Vec::new(),
            searched_by: Vec::new(),
            written_by: Vec::new(),
            disclosed_by: Vec::new(),
            apps: question.apps.clone(),
        };
        for role in self.roles() {
            let before = answer.rows.len();
            let mut reaches_type = false;
            for api in role.grants.iter().flat_map(|grant| &grant.apis).collect::<BTreeSet<_>>() {
                for reach in self.showing(&role.name, api, resource) {
                    reaches_type = true;
                    self.add(&mut answer, api, reach, resource, &paths, question);
                }
                self.add_other_uses(&mut answer, &role.name, api, resource, &paths);
                if self.discloses(role, api, resource, &paths) && !answer.disclosed_by.contains(&role.name.to_string())
                {
                    answer.disclosed_by.push(role.name.to_string());
                }
            }
            if reaches_type && answer.rows.len() == before {
                answer.under_exemption_only.push(role.name.to_string());
            }
        }
        Ok(answer)
    }

    /// The label that a word names: `system|code`, or the code alone of a label that the policy itself knows (`SUD`).
    #[must_use]
    pub fn label(&self, word: &str) -> Option<Label> {
        let settings = self.settings();
        let known = settings.sensitive.iter().chain(settings.minor_consented.iter());
        Label::parse(word).or_else(|| known.into_iter().find(|label| label.code == word).cloned())
    }

    /// Whether a grant of the role lets it be said to the organization behind the API.
    fn discloses(&self, role: &Role, api: &str, resource: ResourceType, paths: &[String]) -> bool {
        let denies = || self.denies().iter().chain(&role.denies);
        let said = |grant: &Grant| grant.disclosed(api, resource, InteractionKind::Search, denies());
        let all = role.grants.iter().filter_map(said).collect::<Vec<_>>();
        all.iter().any(|elements| paths.iter().any(|path| elements.reaches(resource, path)))
    }

    /// Every reach that shows the type, with its interaction.
    fn showing(&self, role: &str, api: &str, resource: ResourceType) -> Vec<(InteractionKind, &Reach)> {
        let mut found = Vec::new();
        for kind in SHOWING {
            if let Some(Cell::Granted(reaches)) = self.cell(role, api, resource, kind) {
                found
                    .extend(reaches.iter().filter(|reach| !reach.terms.only_count).map(|reach| (kind, reach.as_ref())));
            }
        }
        found
    }

    fn add(
        &self,
        answer: &mut WhoMay,
        api: &str,
        (kind, reach): (InteractionKind, &Reach),
        resource: ResourceType,
        paths: &[String],
        question: &Question,
    ) {
        let individual = reach.terms.patients.is_individual();
        let shown = paths.iter().filter_map(|path| reach.elements.shown(resource, path)).filter(|shown| {
            // A part that is named by itself is its own question; what a profile leaves is not named by anybody.
            *shown != Shown::Part || reach.elements.profile().is_some()
        });
        let shown = shown.min();
        let shows = paths.is_empty() || individual || shown.is_some();
        let Some(label) = self.label_terms(reach, resource, question.label.as_ref()).filter(|_| shows) else { return };
        let consent = if self.asks_consent(reach, api, resource) { "; with a consent of the patient" } else { "" };
        let label = if label.is_empty() { consent } else { label };
        let whose = format!("{}{label}", whose(&reach.terms, reach.no_relation));
        let extent = match (reach.elements.as_ref(), shown) {
            _ if individual => "whole",
            (Elements::Whole, _) => "whole",
            (_, Some(Shown::Masked(_))) => "masked",
            (_, Some(Shown::Part)) => "part",
            _ => "element",
        };
        let role = reach.role.to_string();
        if let Some(row) = answer
            .rows
            .iter_mut()
            .find(|row| row.role == role && row.api == api && row.whose == whose && row.extent == extent)
        {
            row.interactions.insert(kind);
            return;
        }
        answer.rows.push(Row {
            clients: question.clients.get(&role).cloned().unwrap_or_default(),
            role,
            api: api.to_owned(),
            whose,
            extent,
            interactions: [kind].into(),
            rule: reach.rule.to_string(),
            because: self.because(reach),
        });
    }

    /// What a label asks beside; `None` where it shuts the reach.
    fn label_terms(&self, reach: &Reach, resource: ResourceType, label: Option<&Label>) -> Option<&'static str> {
        let Some(label) = label else { return Some("") };
        let settings = self.settings();
        if reach.labels_denied.as_ref().is_some_and(|labels| labels.contains(label)) {
            return None;
        }
        if reach.terms.patients == Patients::Represented && settings.minor_consented.contains(label) {
            return Some("; not of a minor, by a parent or guardian");
        }
        if reach.terms.patients.is_individual() || !schema::in_patient_compartment(resource) {
            return Some("");
        }
        if settings.psychotherapy.contains(label) {
            return Some("; with an authorization that names psychotherapy notes");
        }
        if settings.part2.contains(label) {
            return Some(if reach.terms.emergency {
                ""
            } else {
                "; with a consent of the patient that names the label"
            });
        }
        Some("")
    }

    /// Whether none of its purposes is permitted without a consent on file.
    fn asks_consent(&self, reach: &Reach, api: &str, resource: ResourceType) -> bool {
        let default = self.settings().consent_default(api);
        !reach.terms.patients.is_individual()
            && schema::in_patient_compartment(resource)
            && !reach.terms.purposes.iter().any(|purpose| default.iter().any(|one| one == purpose.as_ref()))
    }

    fn because(&self, reach: &Reach) -> String {
        let first = reach.rule.split('+').next().unwrap_or_default();
        self.grant(first).and_then(|grant| grant.because.clone()).unwrap_or_default()
    }

    /// The grant of that rule.
    #[must_use]
    pub fn grant(&self, rule: &str) -> Option<&Grant> {
        self.roles().flat_map(|role| &role.grants).find(|grant| grant.id.as_ref() == rule)
    }

    fn add_other_uses(&self, answer: &mut WhoMay, role: &str, api: &str, resource: ResourceType, paths: &[String]) {
        let reads = |code: &&str| {
            let leaves = schema::reads(resource, code).and_then(|reads| reads.leaves.as_ref());
            leaves.is_some_and(|leaves| leaves.iter().any(|leaf| paths.iter().any(|path| is_within(leaf, path))))
        };
        if let Some(Cell::Granted(reaches)) = self.cell(role, api, resource, InteractionKind::Search)
            && reaches.iter().any(|reach| reach.search.plain.iter().any(&reads))
            && !answer.searched_by.iter().any(|known| known == role)
        {
            answer.searched_by.push(role.to_owned());
        }
        for kind in [InteractionKind::Create, InteractionKind::Update, InteractionKind::Patch] {
            if let Some(Cell::Granted(reaches)) = self.cell(role, api, resource, kind)
                && reaches
                    .iter()
                    .filter_map(|reach| reach.writes.as_ref())
                    .any(|writes| paths.iter().any(|path| writes.elements.reaches(resource, path)))
                && !answer.written_by.iter().any(|known| known == role)
            {
                answer.written_by.push(role.to_owned());
            }
        }
    }
}

fn is_within(path: &str, above: &str) -> bool {
    path == above || path.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'))
}

/// The type and the JSON names of the element.
fn parse(path: &str) -> Result<(ResourceType, Vec<String>), String> {
    let (name, element) = path.split_once('.').unwrap_or((path, ""));
    let Some(resource) = ResourceType::parse(name) else {
        return Err(format!(
            "no such resource type: `{name}`; {}",
            suggest(name, ResourceType::all().map(ResourceType::name))
        ));
    };
    if element.is_empty() {
        return Ok((resource, Vec::new()));
    }
    schema::element(resource, element).map(|paths| (resource, paths)).map_err(|fault| fault.to_string())
}

/// A page that can be read aloud.
impl fmt::Display for WhoMay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.path)?;
        let role = width(self.rows.iter().map(|row| row.role.as_str()));
        let whose = width(self.rows.iter().map(|row| row.whose.as_str()));
        let apis: BTreeSet<&str> = self.rows.iter().map(|row| row.api.as_str()).collect();
        for row in &self.rows {
            let how: Vec<&str> = row.interactions.iter().map(|kind| kind.name()).collect();
            // Where the answer is about one API only, its name says nothing.
            let at = if apis.len() > 1 { format!(" at {}", row.api) } else { String::new() };
            let line = format!("  {:role$}  {:whose$}  {:7}  {}{at}", row.role, row.whose, row.extent, how.join(", "));
            writeln!(f, "{}", line.trim_end())?;
            if !row.because.is_empty() {
                writeln!(f, "  {:role$}  {}: {}", "", row.rule, row.because)?;
            }
            if !row.clients.is_empty() {
                writeln!(f, "  {:role$}  clients: {}", "", row.clients.join(", "))?;
            }
        }
        writeln!(f, "nobody else.")?;
        for (what, roles) in [
            (
                "only where minimum necessary does not act (verified treating provider, authorization, law)",
                &self.under_exemption_only,
            ),
            ("may search by it", &self.searched_by),
            ("may write it", &self.written_by),
            ("may say it to the organization behind the api", &self.disclosed_by),
            ("people of these roles act through", &self.apps),
        ] {
            if !roles.is_empty() {
                writeln!(f, "{what}: {}", roles.join(", "))?;
            }
        }
        Ok(())
    }
}

fn width<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}
