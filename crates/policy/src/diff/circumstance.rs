//! The finite space of circumstances in which two policies are compared: whose data, for what purpose, which
//! organization and exposure, in which window of time, in an emergency or not.

use std::collections::BTreeSet;

use bascule_fhir::Timestamp;

use crate::Exposure;
use crate::policy::Policy;
use crate::rules::{Hours, NoRelation, Patients, Role, Terms};

/// Whose data, seen from the user, and how it is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Handling {
    /// The patient in context, who is the user.
    Own,
    /// The patient in context, for whom the user stands.
    Represented,
    /// The patient in context, chosen at launch.
    InContext,
    /// A patient with a relation.
    Related,
    /// The user's own resource.
    Myself,
    /// Anybody, without further ado.
    Anybody,
    /// Anybody, and it goes to review.
    AnybodyReviewed,
    /// Anybody, after a reason was given.
    AnybodyWithReason,
}

/// One circumstance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Circumstance {
    /// Whose data.
    pub handling: Handling,
    /// By which kind of relation, where there is one; `None` is one that no rule names.
    pub relation: Option<String>,
    /// For what purpose.
    pub purpose: String,
    /// Of which organization the client is; `None` is one that no rule names.
    pub organization: Option<String>,
    /// How exposed the API is.
    pub exposure: Exposure,
    /// The window of time, as a number into [`Space`]; 0 is outside all windows.
    pub window: usize,
    /// Whether emergency access is open.
    pub emergency: bool,
}

type Window = (Option<Hours>, Option<Timestamp>, Option<Timestamp>);

/// Everything that the rules of some policies tell apart.
#[derive(Debug, Clone)]
pub struct Space {
    purposes: BTreeSet<String>,
    organizations: BTreeSet<Option<String>>,
    relations: BTreeSet<Option<String>>,
    windows: Vec<Window>,
}

impl Handling {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Own,
        Self::Represented,
        Self::InContext,
        Self::Related,
        Self::Myself,
        Self::Anybody,
        Self::AnybodyReviewed,
        Self::AnybodyWithReason,
    ];

    const fn words(self) -> &'static str {
        match self {
            Self::Own => "own record",
            Self::Represented => "whom the user represents",
            Self::InContext => "patient in launch context",
            Self::Related => "patients with a relation",
            Self::Myself => "the user's own resource",
            Self::Anybody => "every patient",
            Self::AnybodyReviewed => "every patient, reviewed",
            Self::AnybodyWithReason => "every patient, reason asked",
        }
    }
}

impl Space {
    /// The space of what these policies tell apart.
    #[must_use]
    pub fn of<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Self {
        let mut space = Self {
            purposes: BTreeSet::new(),
            organizations: [None].into(),
            relations: [None].into(),
            windows: vec![(None, None, None)],
        };
        let of = |role: &'a Role| {
            role.grants.iter().map(|grant| &grant.terms).chain(role.calls.iter().map(|grant| &grant.terms))
        };
        for terms in policies.into_iter().flat_map(Policy::roles).flat_map(of) {
            space.purposes.extend(terms.purposes.iter().map(ToString::to_string));
            space.relations.extend(terms.relations.iter().cloned().map(Some));
            space.organizations.extend(terms.organizations.iter().cloned().map(Some));
            let window = window(terms);
            if !space.windows.contains(&window) {
                space.windows.push(window);
            }
        }
        space
    }

    /// Every circumstance.
    #[must_use]
    pub fn all(&self) -> Vec<Circumstance> {
        let mut all = Vec::new();
        for (handling, relation) in Handling::ALL.into_iter().flat_map(|handling| self.relations_of(handling)) {
            for (purpose, organization) in
                self.purposes.iter().flat_map(|one| self.organizations.iter().map(move |two| (one, two)))
            {
                for (exposure, window) in
                    Exposure::ALL.into_iter().flat_map(|one| (0..self.windows.len()).map(move |two| (one, two)))
                {
                    all.extend([false, true].map(|emergency| Circumstance {
                        handling,
                        relation: relation.clone(),
                        purpose: purpose.clone(),
                        organization: organization.clone(),
                        exposure,
                        window,
                        emergency,
                    }));
                }
            }
        }
        all
    }

    fn relations_of(&self, handling: Handling) -> Vec<(Handling, Option<String>)> {
        let none: BTreeSet<Option<String>> = [None].into();
        let kinds = if handling == Handling::Related { &self.relations } else { &none };
        kinds.iter().map(|kind| (handling, kind.clone())).collect()
    }

    /// The circumstances under which terms act.
    #[must_use]
    pub fn covered(&self, terms: &Terms, no_relation: NoRelation) -> BTreeSet<Circumstance> {
        self.all().into_iter().filter(|one| self.covers(terms, no_relation, one)).collect()
    }

    /// Whether the terms act in this circumstance.
    #[must_use]
    pub fn covers(&self, terms: &Terms, no_relation: NoRelation, one: &Circumstance) -> bool {
        let window = window(terms);
        let in_window = window == (None, None, None) || self.windows.get(one.window) == Some(&window);
        handles(terms, no_relation, one)
            && in_window
            && terms.purposes.iter().any(|purpose| purpose.as_ref() == one.purpose)
            && (terms.organizations.is_empty()
                || one.organization.as_ref().is_some_and(|name| terms.organizations.contains(name)))
            && (terms.exposures.is_empty() || terms.exposures.contains(&one.exposure))
            && (!terms.emergency || one.emergency)
    }
}

const fn window(terms: &Terms) -> Window {
    (terms.hours, terms.from, terms.until)
}

fn handles(terms: &Terms, no_relation: NoRelation, one: &Circumstance) -> bool {
    let handling = one.handling;
    if terms.emergency {
        return true;
    }
    match terms.patients {
        Patients::Everyone => true,
        Patients::Own => handling == Handling::Own,
        Patients::Represented => handling == Handling::Represented,
        Patients::Context => matches!(handling, Handling::InContext | Handling::Own | Handling::Represented),
        Patients::Myself => handling == Handling::Myself,
        Patients::Related if handling == Handling::Related && is_counted(terms, one) => true,
        Patients::Related => match no_relation {
            NoRelation::Review => matches!(handling, Handling::AnybodyReviewed | Handling::AnybodyWithReason),
            NoRelation::Ask => handling == Handling::AnybodyWithReason,
            NoRelation::Refuse => false,
        },
    }
}

/// Whether the relation is of a kind that the terms count.
fn is_counted(terms: &Terms, one: &Circumstance) -> bool {
    terms.relations.is_empty() || one.relation.as_ref().is_some_and(|kind| terms.relations.contains(kind))
}

/// A set of circumstances in words: whose data, for what, and what else is not open to all.
pub(super) fn phrase(circumstances: &BTreeSet<Circumstance>) -> String {
    let whose: BTreeSet<Handling> = circumstances.iter().map(|one| one.handling).collect();
    let widest = if whose.contains(&Handling::Anybody) {
        vec![Handling::Anybody.words()]
    } else {
        whose.iter().map(|one| one.words()).collect()
    };
    let freely = whose.contains(&Handling::Anybody) && !whose.contains(&Handling::AnybodyReviewed);
    let purposes: BTreeSet<&str> = circumstances.iter().map(|one| one.purpose.as_str()).collect();
    let mut text = format!("{}; {}", widest.join(", "), purposes.into_iter().collect::<Vec<_>>().join(" "));
    if freely {
        text.push_str("; without review");
    }
    if circumstances.iter().all(|one| one.emergency) {
        text.push_str("; emergency access");
    }
    if circumstances.iter().all(|one| one.relation.is_some()) {
        let kinds: BTreeSet<&str> = circumstances.iter().filter_map(|one| one.relation.as_deref()).collect();
        text.push_str(&format!("; related by {}", kinds.into_iter().collect::<Vec<_>>().join(" or ")));
    }
    let organizations: BTreeSet<&str> = circumstances.iter().filter_map(|one| one.organization.as_deref()).collect();
    if circumstances.iter().all(|one| one.organization.is_some()) {
        text.push_str(&format!("; only {}", organizations.into_iter().collect::<Vec<_>>().join(", ")));
    }
    let exposures: BTreeSet<Exposure> = circumstances.iter().map(|one| one.exposure).collect();
    if exposures.len() < Exposure::ALL.len() {
        text.push_str(&format!(
            "; only while {}",
            exposures.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ")
        ));
    }
    if circumstances.iter().all(|one| one.window > 0) {
        text.push_str("; only at some times");
    }
    text
}
