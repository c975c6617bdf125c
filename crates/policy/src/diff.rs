//! What a new policy opens and closes against an old one, exactly: the grants are finite, so both are compared over
//! every role, API, type, interaction, thing and circumstance.

mod call;
mod circumstance;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bascule_fhir::{InteractionKind, ResourceType};

use crate::label::Label;
use crate::policy::{Cell, Policy, Reach};
use crate::rules::{Denied, Grant, Role};
use crate::{Elements, Mask, Shown, mask, schema};

pub use call::{CallChange, CallThing};
pub use circumstance::{Circumstance, Handling, Space};

/// A thing that a grant lets do in one interaction on one type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    /// To ask at all.
    Interaction,
    /// To be shown the whole resource, with narrative, extensions and display copies.
    Whole,
    /// To be shown an element.
    Element(String),
    /// To be shown an element masked.
    Masked(String, Mask),
    /// To be shown a part of an element, as a profile has it.
    Part(String),
    /// To search by a parameter.
    Search(String),
    /// To sort by a parameter.
    Sort(String),
    /// To call an operation.
    Operation(String),
    /// To set an element (any value, unless values are named).
    Set(String),
    /// To give an element a value, or a reference that names these.
    Value(String, String),
    /// To be shown resources with this label, as far as denies go.
    Labelled(Label),
    /// To say an element to the organization whose system is behind the API.
    Disclose(String),
}

/// What changes for one role on one API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The role.
    pub role: String,
    /// The API.
    pub api: String,
    /// The type.
    pub resource: ResourceType,
    /// The interaction.
    pub kind: InteractionKind,
    /// The thing.
    pub thing: Thing,
    /// Under these circumstances.
    pub circumstances: BTreeSet<Circumstance>,
}

/// What opens and what closes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Permitted by the new policy and not by the old one.
    pub opens: Vec<Change>,
    /// Permitted by the old policy and not by the new one.
    pub closes: Vec<Change>,
    /// Permitted by the new policy and not by the old one, at APIs that do not speak FHIR.
    pub calls_open: Vec<CallChange>,
    /// Permitted by the old policy and not by the new one, at APIs that do not speak FHIR.
    pub calls_close: Vec<CallChange>,
    /// Settings that changed, in words.
    pub settings: Vec<String>,
}

/// Compares two policies.
#[must_use]
pub fn diff(old: &Policy, new: &Policy) -> Difference {
    let space = Space::of([old, new]);
    let (calls_open, calls_close) = call::compare(&space, old, new);
    let settings = settings::changed(old, new);
    let mut difference = Difference { calls_open, calls_close, settings, ..Difference::default() };
    let roles: BTreeSet<&str> = old.roles().chain(new.roles()).map(|role| role.name.as_ref()).collect();
    let apis: BTreeSet<&str> = old.apis().union(&new.apis()).copied().collect();
    for role in roles {
        for api in &apis {
            for resource in ResourceType::all() {
                for kind in InteractionKind::ALL {
                    compare(&mut difference, &space, [old, new], (role, api, resource, kind));
                }
            }
        }
    }
    difference
}

type Place<'a> = (&'a str, &'a str, ResourceType, InteractionKind);

fn compare(difference: &mut Difference, space: &Space, [old, new]: [&Policy; 2], place: Place<'_>) {
    let (role, api, resource, kind) = place;
    let (before, after) = (reaches(old, place), reaches(new, place));
    if before.is_empty() && after.is_empty() {
        return;
    }
    let mut paths = named(resource, before.iter().chain(&after).copied());
    paths.extend([old, new].into_iter().flat_map(|policy| disclosed_paths(policy, place)));
    let named = Named { paths, labels: labels([old, new]) };
    let of = |policy: &Policy, reaches: &[&Reach]| {
        let mut all = things(space, resource, kind, reaches, &named);
        if !reaches.is_empty() {
            disclosures(space, policy, place, &named, &mut all);
        }
        all
    };
    let (before, after) = (of(old, &before), of(new, &after));
    for (from, to, list) in [(&before, &after, &mut difference.opens), (&after, &before, &mut difference.closes)] {
        for (thing, circumstances) in to {
            let known = from.get(thing);
            let gained: BTreeSet<Circumstance> =
                circumstances.iter().filter(|one| known.is_none_or(|known| !known.contains(*one))).cloned().collect();
            if !gained.is_empty() {
                list.push(Change {
                    role: role.to_owned(),
                    api: api.to_owned(),
                    resource,
                    kind,
                    thing: thing.clone(),
                    circumstances: gained,
                });
            }
        }
    }
}

fn reaches<'a>(policy: &'a Policy, (role, api, resource, kind): Place<'_>) -> Vec<&'a Reach> {
    match policy.cell(role, api, resource, kind) {
        Some(Cell::Granted(reaches)) => reaches.iter().map(AsRef::as_ref).collect(),
        Some(Cell::Denied(_)) | None => Vec::new(),
    }
}

/// The grants of the role that let say anything of the type to the organization behind the API, with what they let say.
fn disclosing<'a>(policy: &'a Policy, (role, api, resource, kind): Place<'_>) -> Vec<(&'a Role, &'a Grant, Elements)> {
    let Some(role) = policy.role(role) else { return Vec::new() };
    let denies = || policy.denies().iter().chain(&role.denies);
    let said =
        |grant: &'a Grant| grant.disclosed(api, resource, kind, denies()).map(|elements| (role, grant, elements));
    role.grants.iter().filter_map(said).collect()
}

fn disclosed_paths(policy: &Policy, place: Place<'_>) -> BTreeSet<String> {
    let all = disclosing(policy, place);
    all.iter().filter_map(|(_, _, elements)| elements.named()).flatten().cloned().collect()
}

/// What may be said to the organization behind the API, in any interaction that is granted.
fn disclosures(
    space: &Space,
    policy: &Policy,
    place: Place<'_>,
    named: &Named,
    all: &mut BTreeMap<Thing, BTreeSet<Circumstance>>,
) {
    for (role, grant, elements) in disclosing(policy, place) {
        let circumstances = space.covered(&grant.terms, role.no_relation);
        for path in named.paths.iter().filter(|path| elements.reaches(place.2, path)) {
            all.entry(Thing::Disclose(path.clone())).or_default().extend(circumstances.iter().cloned());
        }
    }
}

/// By what the two are told apart.
struct Named {
    paths: BTreeSet<String>,
    labels: BTreeSet<Label>,
}

/// The labels that any deny names.
fn labels(policies: [&Policy; 2]) -> BTreeSet<Label> {
    let denies = policies
        .into_iter()
        .flat_map(|policy| policy.denies().iter().chain(policy.roles().flat_map(|role| &role.denies)));
    let named = denies.filter_map(|deny| match &deny.what {
        Denied::Labels(labels) => Some(labels),
        _ => None,
    });
    named.flat_map(|labels| labels.iter().cloned()).collect()
}

/// The paths by which the two are told apart: those that either names, and the type's own elements.
fn named<'a>(resource: ResourceType, reaches: impl Iterator<Item = &'a Reach>) -> BTreeSet<String> {
    let mut paths: BTreeSet<String> = schema::top_elements(resource).map(str::to_owned).collect();
    for reach in reaches {
        let written = reach.writes.as_ref().map(|writes| writes.elements.as_ref());
        if let Some(writes) = &reach.writes {
            paths.extend(writes.values.keys().chain(writes.references.keys()).cloned());
            paths.extend(
                writes.targets.keys().filter_map(|path| path.rsplit_once('.')).map(|(path, _)| path.to_owned()),
            );
        }
        for elements in [Some(reach.elements.as_ref()), written].into_iter().flatten() {
            paths.extend(elements.named().into_iter().flatten().map(|path| mask::split(path).0.to_owned()));
        }
    }
    paths
}

/// Every thing that the reaches let do, with the circumstances under which they do.
fn things(
    space: &Space,
    resource: ResourceType,
    kind: InteractionKind,
    reaches: &[&Reach],
    named: &Named,
) -> BTreeMap<Thing, BTreeSet<Circumstance>> {
    let mut all: BTreeMap<Thing, BTreeSet<Circumstance>> = BTreeMap::new();
    for reach in reaches {
        let circumstances = space.covered(&reach.terms, reach.no_relation);
        for thing in things_of(reach, resource, kind, named) {
            all.entry(thing).or_default().extend(circumstances.iter().cloned());
        }
    }
    all
}

fn things_of(reach: &Reach, resource: ResourceType, kind: InteractionKind, named: &Named) -> Vec<Thing> {
    let mut things = vec![Thing::Interaction];
    if !reach.terms.only_count {
        if *reach.elements == Elements::Whole {
            things.push(Thing::Whole);
        }
        let shown = |label: &&Label| !reach.labels_denied.as_ref().is_some_and(|denied| denied.contains(label));
        things.extend(named.labels.iter().filter(shown).cloned().map(Thing::Labelled));
        things.extend(named.paths.iter().filter_map(|path| match reach.elements.shown(resource, path)? {
            Shown::Plain => Some(Thing::Element(path.clone())),
            Shown::Masked(mask) => Some(Thing::Masked(path.clone(), mask)),
            Shown::Part if reach.elements.profile().is_some() => Some(Thing::Part(path.clone())),
            Shown::Part => None,
        }));
    }
    if kind == InteractionKind::Search {
        things.extend(reach.search.plain.iter().map(|code| Thing::Search((*code).to_owned())));
        things.extend(reach.search.sorts.iter().map(|code| Thing::Sort((*code).to_owned())));
    }
    if kind == InteractionKind::Operation {
        things.extend(reach.operations.iter().cloned().map(Thing::Operation));
    }
    if matches!(kind, InteractionKind::Create | InteractionKind::Update | InteractionKind::Patch)
        && let Some(writes) = &reach.writes
    {
        for path in named.paths.iter().filter(|path| writes.elements.reaches(resource, path)) {
            if let Some(whom) = writes.references.get(path) {
                things.push(Thing::Value(path.clone(), whom.name().to_owned()));
                continue;
            }
            let named = |target: &&String| target.rsplit_once('.').is_some_and(|(named, _)| named == path);
            if let Some(target) = writes.targets.keys().find(named) {
                let values = writes.targets.get(target).into_iter().flatten();
                things.extend(values.map(|value| Thing::Value(path.clone(), format!("one of {target} {value}"))));
                continue;
            }
            match writes.values.get(path) {
                None => things.push(Thing::Set(path.clone())),
                Some(values) => things.extend(values.iter().map(|value| Thing::Value(path.clone(), value.clone()))),
            }
        }
    }
    things
}

impl Difference {
    /// Whether nothing changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.opens.is_empty()
            && self.closes.is_empty()
            && self.calls_open.is_empty()
            && self.calls_close.is_empty()
            && self.settings.is_empty()
    }
}

/// What opens first; changes that are alike in several interactions are one line.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "nothing opens, nothing closes.");
        }
        let (opens, closes) = ((&self.opens, &self.calls_open), (&self.closes, &self.calls_close));
        for (sign, title, (changes, calls)) in [("+", "opens", opens), ("-", "closes", closes)] {
            if changes.is_empty() && calls.is_empty() {
                writeln!(f, "nothing {title}.")?;
                continue;
            }
            writeln!(f, "{title}:")?;
            for line in lines(changes).into_iter().chain(call::lines(calls)) {
                writeln!(f, "{sign} {line}")?;
            }
        }
        for line in &self.settings {
            writeln!(f, "! {line}")?;
        }
        Ok(())
    }
}

fn lines(changes: &[Change]) -> Vec<String> {
    let mut grouped: BTreeMap<(&str, &str, ResourceType, String, String), Vec<String>> = BTreeMap::new();
    let mut kinds: BTreeMap<(&str, &str, ResourceType, &Thing, String), BTreeSet<InteractionKind>> = BTreeMap::new();
    for change in changes {
        let when = circumstance::phrase(&change.circumstances);
        kinds.entry((&change.role, &change.api, change.resource, &change.thing, when)).or_default().insert(change.kind);
    }
    for ((role, api, resource, thing, when), kinds) in kinds {
        let kinds = kinds.into_iter().map(InteractionKind::name).collect::<Vec<_>>().join(", ");
        grouped.entry((role, api, resource, kinds, when)).or_default().push(thing.to_string());
    }
    grouped
        .into_iter()
        .map(|((role, api, resource, kinds, when), things)| {
            format!("{role}  {api} {resource} {kinds}: {} [{when}]", things.join(", "))
        })
        .collect()
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interaction => f.write_str("may ask"),
            Self::Whole => f.write_str("whole"),
            Self::Element(path) => f.write_str(path),
            Self::Masked(path, mask) => write!(f, "{path} as {}", mask.name()),
            Self::Part(path) => write!(f, "a part of {path}"),
            Self::Search(code) => write!(f, "search by {code}"),
            Self::Sort(code) => write!(f, "sort by {code}"),
            Self::Operation(name) => write!(f, "${name}"),
            Self::Set(path) => write!(f, "set {path}"),
            Self::Value(path, value) => write!(f, "set {path} to {value}"),
            Self::Labelled(label) => write!(f, "labelled {label}"),
            Self::Disclose(path) => write!(f, "disclose {path}"),
        }
    }
}

#[cfg(test)]
mod tests;
