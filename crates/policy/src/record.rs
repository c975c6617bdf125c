//! Records about a patient that decide: restriction, authorization, representation, hold, identity link, emergency
//! access, reason. Each has a beginning and an end, and acts only between them.

use std::collections::BTreeMap;

use bascule_fhir::{Id, ResourceType, Timestamp};

use crate::label::Label;

/// When a record acts: from its first instant until the first at which it no longer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// First instant.
    pub from: Timestamp,
    /// First instant after it; `None` is open.
    pub until: Option<Timestamp>,
}

impl Period {
    /// Whether the record acts now.
    #[must_use]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }

    /// The time in which both act, if there is any.
    #[must_use]
    pub fn common(self, other: Self) -> Option<Self> {
        let until = match (self.until, other.until) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        let from = self.from.max(other.from);
        until.is_none_or(|until| from < until).then_some(Self { from, until })
    }
}

/// A restriction that a patient asked for and was granted (164.522(a)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restriction {
    /// The record's id.
    pub id: String,
    /// Whose.
    pub patient: Id,
    /// Towards whom: organization, client or user ids; empty is everybody but the patient.
    pub towards: Vec<String>,
    /// Every payer: paid out of pocket in full (164.522(a)(1)(vi)).
    pub health_plans: bool,
    /// Only for these purposes; empty is every purpose.
    pub purposes: Vec<String>,
    /// Only these types; empty is every type.
    pub types: Vec<ResourceType>,
    /// Only resources with one of these labels; empty is every resource.
    pub labels: Vec<Label>,
    /// When.
    pub period: Period,
}

/// An authorization that a patient signed (164.508).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The record's id.
    pub id: String,
    /// Whose.
    pub patient: Id,
    /// To which organization or client.
    pub recipient: String,
    /// Whether it is one for psychotherapy notes (164.508(a)(2)), which no other covers.
    pub psychotherapy_notes: bool,
    /// When.
    pub period: Period,
}

/// Somebody stands for a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Representation {
    /// The record's id.
    pub id: String,
    /// Who stands for the patient: a user's id.
    pub user: String,
    /// The patient.
    pub patient: Id,
    /// On what ground: `parent`, `guardian-of-minor`, `guardian`, `health-care-proxy`, `executor`, …
    pub basis: String,
    /// The document that shows it.
    pub document: String,
    /// Types that it covers; empty is all.
    pub scope: Vec<ResourceType>,
    /// When; for a minor's parent it ends at the age that the site sets.
    pub period: Period,
    /// Who verified it.
    pub verified_by: String,
    /// Suspended on suspected abuse (164.502(g)(5)).
    pub suspended: bool,
}

impl Representation {
    /// Whether it is of a minor: what the minor consented to alone is none of the representative's (164.502(g)(3)).
    #[must_use]
    pub fn is_of_minor(&self) -> bool {
        matches!(self.basis.as_str(), "parent" | "guardian-of-minor")
    }
}

/// A named professional withholds an item from the patient's own lane (164.524(a)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The record's id.
    pub id: String,
    /// Whose.
    pub patient: Id,
    /// What.
    pub item: (ResourceType, Id),
    /// The ground, with its citation.
    pub ground: String,
    /// The professional.
    pub by: String,
    /// When; a hold without an end is not one.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// When it is looked at again.
    pub review: Timestamp,
}

/// One identity link: the same person in another API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The patient's id there.
    pub id: Id,
    /// Who says so: an imported table, a registrar.
    pub source: String,
    /// Since when; a merge or unmerge ends one link and begins another.
    pub period: Period,
}

/// The identity links of one person, by API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links(pub BTreeMap<String, Vec<Link>>);

impl Links {
    /// The ids of the person in that API now.
    pub fn ids_in<'a>(&'a self, api: &str, now: Timestamp) -> impl Iterator<Item = &'a Id> {
        self.0.get(api).into_iter().flatten().filter(move |link| link.period.holds_at(now)).map(|link| &link.id)
    }
}

/// Emergency access that a user of a treating role opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emergency {
    /// The record's id.
    pub id: String,
    /// The user.
    pub user: String,
    /// The patient; `None` is a patient who is new or not identified yet.
    pub patient: Option<Id>,
    /// Why.
    pub reason: String,
    /// Whether the user proved themselves a second time when opening it.
    pub stepped_up: bool,
    /// From when.
    pub from: Timestamp,
    /// Until when: emergency access always ends.
    pub until: Timestamp,
}

/// A user said why they open a record without a known relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessReason {
    /// The user.
    pub user: String,
    /// The patient.
    pub patient: Id,
    /// The reason's code or words.
    pub reason: String,
    /// How long it serves.
    pub period: Period,
}
