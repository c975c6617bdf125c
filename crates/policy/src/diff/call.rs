//! What opens and closes at APIs that do not speak FHIR.

use std::collections::{BTreeMap, BTreeSet};

use super::circumstance::{self, Circumstance, Space};
use crate::call::{Action, Left};
use crate::label::Label;
use crate::policy::Policy;

/// A thing that a grant of calls lets do by one action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallThing {
    /// To ask at all; it counts as this type, under which scopes and consents act.
    Action(String),
    /// To be shown the whole body.
    Whole,
    /// To be shown what is named so.
    Shown(String),
    /// To say what is named so; `*` is anything.
    Said(String),
    /// To ask by it.
    Search(String),
    /// To have bodies of that media type pass whole.
    Opaque(String),
    /// To be shown items with this label, as far as denies go.
    Labelled(Label),
}

/// What changes for one role on one API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallChange {
    /// The role.
    pub role: String,
    /// The API.
    pub api: String,
    /// The action.
    pub action: Action,
    /// The thing.
    pub thing: CallThing,
    /// Under these circumstances.
    pub circumstances: BTreeSet<Circumstance>,
}

type Place = (String, String, Action, CallThing);

/// What opens, and what closes.
pub(super) fn compare(space: &Space, old: &Policy, new: &Policy) -> (Vec<CallChange>, Vec<CallChange>) {
    let labels = super::labels([old, new]);
    let names = names([old, new]);
    let actions = actions([old, new]);
    let (before, after) =
        (places(space, old, &labels, &names, &actions), places(space, new, &labels, &names, &actions));
    (gained(&before, &after), gained(&after, &before))
}

fn gained(
    from: &BTreeMap<Place, BTreeSet<Circumstance>>,
    to: &BTreeMap<Place, BTreeSet<Circumstance>>,
) -> Vec<CallChange> {
    let mut changes = Vec::new();
    for ((role, api, action, thing), circumstances) in to {
        let known = from.get(&(role.clone(), api.clone(), action.clone(), thing.clone()));
        let more: BTreeSet<Circumstance> =
            circumstances.iter().filter(|one| known.is_none_or(|known| !known.contains(*one))).cloned().collect();
        if !more.is_empty() {
            changes.push(CallChange {
                role: role.clone(),
                api: api.clone(),
                action: action.clone(),
                thing: thing.clone(),
                circumstances: more,
            });
        }
    }
    changes
}

/// Every action that either policy names: a grant of `ADT^*` is told from one of `ADT^A01` by both.
fn actions(policies: [&Policy; 2]) -> BTreeSet<Action> {
    let grants = policies.into_iter().flat_map(Policy::roles).flat_map(|role| &role.calls);
    grants.flat_map(|grant| grant.actions.iter().cloned()).collect()
}

/// Every name by which the two are told apart.
fn names(policies: [&Policy; 2]) -> BTreeSet<String> {
    let grants = policies.into_iter().flat_map(Policy::roles).flat_map(|role| &role.calls);
    grants
        .flat_map(|grant| [&grant.shows, &grant.writes])
        .filter_map(|names| names.named())
        .flatten()
        .cloned()
        .collect()
}

fn places(
    space: &Space,
    policy: &Policy,
    labels: &BTreeSet<Label>,
    names: &BTreeSet<String>,
    actions: &BTreeSet<Action>,
) -> BTreeMap<Place, BTreeSet<Circumstance>> {
    let mut all: BTreeMap<Place, BTreeSet<Circumstance>> = BTreeMap::new();
    for role in policy.roles() {
        for (grant, api) in role.calls.iter().flat_map(|grant| grant.apis.iter().map(move |api| (grant, api))) {
            let circumstances = space.covered(&grant.terms, role.no_relation);
            for action in actions.iter().filter(|action| grant.is_about(api, action)) {
                let denies = policy.denies().iter().chain(&role.denies);
                let Ok(left) = grant.less(api, action, denies) else { continue };
                for thing in things(action, &left, &grant.counts_as.to_string(), labels, names) {
                    let place = (role.name.to_string(), api.clone(), action.clone(), thing);
                    all.entry(place).or_default().extend(circumstances.iter().cloned());
                }
            }
        }
    }
    all
}

fn things(
    action: &Action,
    left: &Left,
    counts_as: &str,
    labels: &BTreeSet<Label>,
    names: &BTreeSet<String>,
) -> Vec<CallThing> {
    let mut things = vec![CallThing::Action(counts_as.to_owned())];
    if action.shows() {
        things.extend(left.shows.named().is_none().then_some(CallThing::Whole));
        things.extend(names.iter().filter(|name| left.shows.reaches(name)).cloned().map(CallThing::Shown));
    }
    if action.says() {
        things.extend(left.writes.named().is_none().then(|| CallThing::Said("*".to_owned())));
        things.extend(names.iter().filter(|name| left.writes.reaches(name)).cloned().map(CallThing::Said));
    }
    things.extend(left.search.iter().cloned().map(CallThing::Search));
    things.extend(left.opaque.iter().cloned().map(CallThing::Opaque));
    things.extend(labels.iter().filter(|label| !left.labels.contains(label)).cloned().map(CallThing::Labelled));
    things
}

/// Changes that are alike are one line.
pub(super) fn lines(changes: &[CallChange]) -> Vec<String> {
    let mut grouped: BTreeMap<(&str, &str, &Action, String), Vec<String>> = BTreeMap::new();
    for change in changes {
        let when = circumstance::phrase(&change.circumstances);
        let place = (change.role.as_str(), change.api.as_str(), &change.action, when);
        grouped.entry(place).or_default().push(change.thing.to_string());
    }
    let line = |((role, api, action, when), things): ((&str, &str, &Action, String), Vec<String>)| {
        format!("{role}  {api} {action}: {} [{when}]", things.join(", "))
    };
    grouped.into_iter().map(line).collect()
}

impl std::fmt::Display for CallThing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Action(counts_as) => write!(f, "may ask, as of {counts_as}"),
            Self::Whole => f.write_str("whole"),
            Self::Shown(name) => f.write_str(name),
            Self::Said(name) => write!(f, "say {name}"),
            Self::Search(name) => write!(f, "search by {name}"),
            Self::Opaque(media) => write!(f, "{media} whole"),
            Self::Labelled(label) => write!(f, "labelled {label}"),
        }
    }
}
