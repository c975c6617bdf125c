//! The conditions of a permit, as each resource is held against them.

use std::borrow::Cow;
use std::cell::OnceCell;

use bascule_fhir::{Id, ResourceType, compartment};
use bascule_policy::Condition;
use bascule_policy::label::Label;
use serde_json::Value;

use crate::matches;
use crate::rewrite::Rewrite;
use crate::table;

/// A condition, ready to be asked of every resource.
#[derive(Debug)]
pub(crate) enum Check {
    /// In the compartment of one of these.
    InCompartment { of: ResourceType, bit: u8, ids: Ids },
    /// One of these.
    IsOneOf(Ids),
    /// Matching one of these searches.
    Matches(Vec<Vec<(String, String)>>),
    /// Labelled with one of these.
    HasLabel(Vec<Label>),
    /// Not all of these.
    Not(Vec<Check>),
    /// All of one of these.
    AnyOf(Vec<Vec<Check>>),
}

/// Ids, sorted, so that thousands cost no more than a few.
#[derive(Debug)]
pub(crate) struct Ids(Box<[Box<str>]>);

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    Holds,
    Fails,
    /// The resource does not say.
    Unknown,
}

/// What is known of a resource when its end is reached.
#[derive(Debug)]
pub(crate) struct Known<'k> {
    pub(crate) resource: ResourceType,
    pub(crate) id: Option<&'k str>,
    /// References at paths of compartments, with the bits of these.
    pub(crate) references: &'k [(u8, Cow<'k, str>)],
    /// All of it, if it is there at all.
    bytes: Option<&'k [u8]>,
    /// All of it as a tree: only for the rare conditions that need one.
    tree: OnceCell<Option<Value>>,
    pub(crate) rewrite: &'k Rewrite<'k>,
}

impl<'k> Known<'k> {
    /// What is known of a resource that is `bytes`, or of one that is not there.
    pub(crate) const fn new(
        resource: ResourceType,
        id: Option<&'k str>,
        references: &'k [(u8, Cow<'k, str>)],
        bytes: Option<&'k [u8]>,
        rewrite: &'k Rewrite<'k>,
    ) -> Self {
        Self { resource, id, references, bytes, tree: OnceCell::new(), rewrite }
    }

    /// Whether all of the checks hold.
    pub(crate) fn meets(&self, checks: &[Check]) -> bool {
        checks.iter().all(|check| check.judge(self, true) == Truth::Holds)
    }

    /// The resource as a tree; none if it is not there.
    fn tree(&self) -> Option<&Value> {
        self.tree.get_or_init(|| serde_json::from_slice(self.bytes?).ok()).as_ref()
    }
}

impl Ids {
    fn new(ids: &[Id]) -> Self {
        let mut ids: Vec<Box<str>> = ids.iter().map(|id| id.as_str().into()).collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids.into_boxed_slice())
    }

    fn contain(&self, id: &str) -> bool {
        self.contain_bytes(id.as_bytes())
    }

    fn contain_bytes(&self, id: &[u8]) -> bool {
        self.0.binary_search_by(|other| other.as_bytes().cmp(id)).is_ok()
    }
}

impl Check {
    /// Prepares a condition.
    pub(crate) fn of(condition: &Condition) -> Self {
        let all = |conditions: &[Condition]| conditions.iter().map(Self::of).collect::<Vec<_>>();
        match condition {
            Condition::InCompartment { of, ids } => {
                Self::InCompartment { of: *of, bit: table::compartment_bit(*of), ids: Ids::new(ids) }
            }
            Condition::IsOneOf(ids) => Self::IsOneOf(Ids::new(ids)),
            Condition::Matches { any_of } => Self::Matches(any_of.clone()),
            Condition::HasLabel(labels) => Self::HasLabel(labels.to_vec()),
            Condition::Not(conditions) => Self::Not(all(conditions)),
            Condition::AnyOf(alternatives) => Self::AnyOf(alternatives.iter().map(|one| all(one)).collect()),
        }
    }

    /// Whether it holds. Where only what holds for certain counts (`certain`), less has to be looked at.
    fn judge(&self, known: &Known<'_>, certain: bool) -> Truth {
        match self {
            Self::InCompartment { of, bit, ids } => in_compartment(known, (*of, *bit, ids), certain),
            Self::IsOneOf(ids) => known.id.map_or(Truth::Unknown, |id| truth(ids.contain(id))),
            Self::Matches(any_of) => any(any_of.iter().map(|one| known.matches(one))),
            Self::HasLabel(labels) => known.has_label(labels),
            Self::Not(checks) => match all(checks.iter().map(|check| check.judge(known, false))) {
                Truth::Fails => Truth::Holds,
                Truth::Holds | Truth::Unknown => Truth::Fails,
            },
            Self::AnyOf(alternatives) => {
                any(alternatives.iter().map(|one| all(one.iter().map(|check| check.judge(known, certain)))))
            }
        }
    }
}

impl Known<'_> {
    fn matches(&self, search: &[(String, String)]) -> Truth {
        let Some(tree) = self.tree() else { return Truth::Unknown };
        all(search.iter().map(|(name, value)| matches::matches(self, tree, name, value)))
    }

    /// Whether `meta.security` of the resource, or of anything in it, has one of the labels.
    fn has_label(&self, labels: &[Label]) -> Truth {
        let Some(bytes) = self.bytes else { return Truth::Unknown };
        let silent =
            memchr::memmem::find(bytes, b"security").is_none() && memchr::memmem::find(bytes, b"\\u").is_none();
        if silent {
            return Truth::Fails;
        }
        self.tree().map_or(Truth::Unknown, |tree| labelled(tree, labels))
    }
}

fn in_compartment(known: &Known<'_>, (of, bit, ids): (ResourceType, u8, &Ids), certain: bool) -> Truth {
    let itself = known.resource == of && known.id.is_some_and(|id| ids.contain(id));
    let of_theirs = |reference: &str| {
        let target = known.rewrite.target(reference.as_bytes());
        target.is_some_and(|(resource, id)| resource == of.name().as_bytes() && ids.contain_bytes(id))
    };
    if itself || known.references.iter().any(|(bits, reference)| bits & bit != 0 && of_theirs(reference)) {
        return Truth::Holds;
    }
    if !certain && (known.bytes.is_none() || says_no_literal(known, of)) {
        return Truth::Unknown;
    }
    Truth::Fails
}

/// Whether some reference that decides on the compartment points at something that it does not name.
fn says_no_literal(known: &Known<'_>, of: ResourceType) -> bool {
    let Some(tree) = known.tree() else { return true };
    let paths = compartment::paths(of, known.resource);
    paths.iter().flat_map(|one| one.path.values(tree)).any(|reference| {
        let literal = reference.get("reference").and_then(Value::as_str);
        literal.is_none_or(|literal| known.rewrite.target(literal.as_bytes()).is_none())
    })
}

fn labelled(tree: &Value, labels: &[Label]) -> Truth {
    match tree {
        Value::Array(items) => any(items.iter().map(|item| labelled(item, labels))),
        Value::Object(members) => {
            let codings = members.get("meta").and_then(|meta| meta.get("security"));
            let here = codings.map_or(Truth::Fails, |codings| bears(codings, labels));
            any(std::iter::once(here).chain(members.values().map(|value| labelled(value, labels))))
        }
        _ => Truth::Fails,
    }
}

fn bears(codings: &Value, labels: &[Label]) -> Truth {
    let Some(codings) = codings.as_array() else { return Truth::Unknown };
    any(codings.iter().map(|coding| {
        let part = |name: &str| coding.get(name).and_then(Value::as_str);
        match (part("system"), part("code")) {
            (Some(system), Some(code)) => {
                truth(labels.iter().any(|label| label.system == system && label.code == code))
            }
            _ => Truth::Unknown,
        }
    }))
}

pub(crate) const fn truth(holds: bool) -> Truth {
    if holds { Truth::Holds } else { Truth::Fails }
}

/// Holds if one holds; is unknown if one of them might.
pub(crate) fn any(truths: impl Iterator<Item = Truth>) -> Truth {
    let mut found = Truth::Fails;
    for truth in truths {
        match truth {
            Truth::Holds => return Truth::Holds,
            Truth::Unknown => found = Truth::Unknown,
            Truth::Fails => {}
        }
    }
    found
}

/// Holds if all hold; is unknown if none fails and one might.
pub(crate) fn all(truths: impl Iterator<Item = Truth>) -> Truth {
    let mut found = Truth::Holds;
    for truth in truths {
        match truth {
            Truth::Fails => return Truth::Fails,
            Truth::Unknown => found = Truth::Unknown,
            Truth::Holds => {}
        }
    }
    found
}
