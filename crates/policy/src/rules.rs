//! The rules as they were written, resolved: roles with their grants and denies, and the settings of the policy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bascule_fhir::{InteractionKind, ResourceType, Timestamp};

use crate::Exposure;
use crate::call::CallGrant;
use crate::label::Label;
use crate::mask::MARK;
use crate::{Elements, schema};

/// A role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its name: `scheduler`.
    pub name: Arc<str>,
    /// Who that is, in words.
    pub title: String,
    /// Purposes of use that its members may act for; the first is meant when none is asserted.
    pub purposes: Vec<Arc<str>>,
    /// Whether its members treat patients: they may open emergency access.
    pub treating: bool,
    /// What happens where a grant wants a relation with the patient and none is known.
    pub no_relation: NoRelation,
    /// What of the house its members look after.
    pub keeps: BTreeSet<Keeps>,
    /// The file that it stands in.
    pub file: String,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// What it may do at APIs that do not speak FHIR.
    pub calls: Vec<CallGrant>,
    /// What it may not do, whoever grants it.
    pub denies: Vec<Deny>,
}

/// One grant.
#[derive(Debug, Clone)]
pub struct Grant {
    /// `scheduler.grant[0]`
    pub id: Arc<str>,
    /// Its line in the role's file.
    pub line: usize,
    /// The APIs that it is about.
    pub apis: Vec<String>,
    /// The types, and what of each may leave.
    pub elements: BTreeMap<ResourceType, Arc<Elements>>,
    /// What may be done.
    pub interactions: BTreeSet<InteractionKind>,
    /// Operations by name, without `$`.
    pub operations: BTreeSet<String>,
    /// The parameters that may be used; `None` is all whose elements are granted.
    pub search: Option<Arc<BTreeSet<String>>>,
    /// What a write may set.
    pub writes: Writes,
    /// What a request may say to another organization whose system is behind the API, by type.
    pub discloses: BTreeMap<ResourceType, Arc<Elements>>,
    /// Under which terms.
    pub terms: Terms,
    /// Why, for who reads the file.
    pub because: Option<String>,
}

/// What a write may set, by the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writes {
    /// Elements by type.
    pub elements: BTreeMap<ResourceType, Arc<Elements>>,
    /// The only values that an element may be given.
    pub values: Arc<BTreeMap<String, Vec<String>>>,
    /// Whom a reference may name.
    pub references: BTreeMap<String, Named>,
    /// What the resource that a reference names must be.
    pub targets: Arc<BTreeMap<String, Vec<String>>>,
}

/// Whom a reference in a written body may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    /// The patient in context.
    OwnPatient,
    /// A member of the patient's care team.
    OwnCareTeam,
}

/// One deny: it wins over every grant of every role of the principal.
#[derive(Debug, Clone)]
pub struct Deny {
    /// `scheduler.deny[0]`
    pub id: Arc<str>,
    /// Its line in the role's file.
    pub line: usize,
    /// The APIs that it is about.
    pub apis: Vec<String>,
    /// The types; `None` is every type.
    pub types: Option<BTreeSet<ResourceType>>,
    /// The interactions; `None` is all.
    pub interactions: Option<BTreeSet<InteractionKind>>,
    /// What exactly.
    pub what: Denied,
    /// Why, for who reads the file.
    pub because: Option<String>,
}

/// What a deny takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// The interaction itself.
    Interaction,
    /// These elements, by JSON names.
    Elements(BTreeSet<String>),
    /// These search parameters.
    Search(BTreeSet<String>),
    /// Resources with one of these labels.
    Labels(Arc<[Label]>),
    /// What is named so at APIs that do not speak FHIR: properties, attributes, segments and fields.
    Names(BTreeSet<String>),
}

/// Under which terms a grant acts. Grants under the same terms are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terms {
    /// Whose data.
    pub patients: Patients,
    /// The kinds of relation that count; empty is any.
    pub relations: Vec<String>,
    /// The purposes of use.
    pub purposes: Vec<Arc<str>>,
    /// Only clients of these organizations; empty is any.
    pub organizations: Vec<String>,
    /// Only while the API has one of these exposures; empty is any.
    pub exposures: Vec<Exposure>,
    /// Only at these hours.
    pub hours: Option<Hours>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not at or after.
    pub until: Option<Timestamp>,
    /// Only how many there are (`_summary=count`), never which.
    pub only_count: bool,
    /// Only while emergency access is open.
    pub emergency: bool,
}

/// Whose data a grant is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Patients {
    /// Everybody's.
    Everyone,
    /// That of the patient in context, who is the user.
    Own,
    /// That of the patient in context, for whom the user stands by a record.
    Represented,
    /// That of the patient in context, who was chosen when the app was launched.
    Context,
    /// That of patients with whom the user has a relation.
    Related,
    /// The user's own resource (`fhirUser`).
    Myself,
}

/// What happens where a relation is wanted and none is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoRelation {
    /// Let in; the access goes to review.
    #[default]
    Review,
    /// The user is asked for a reason, then let in; the access goes to review.
    Ask,
    /// Refuse: a hard panel. It is suspended, with an alert, while the feed of relations is stale.
    Refuse,
}

/// What of the house itself the members of a role look after, beside what they may ask of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keeps {
    /// They propose changes of the policy, approve those of others, and review those that could not wait.
    Policy,
    /// They look at access that goes to review, and sign it off.
    Reviews,
}

impl Keeps {
    /// Every word.
    pub const ALL: [Self; 2] = [Self::Policy, Self::Reviews];

    /// The word in policy files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Reviews => "reviews",
        }
    }
}

/// No role of the person looks after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no role of yours looks after the {} of the house; a role does with keeps = [\"{}\"]", .0.name(), .0.name())]
pub struct NotKept(pub Keeps);

/// Hours of the day at a fixed offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hours {
    /// First minute of the day.
    pub from: u16,
    /// First minute after; if it is not later than `from`, the hours run over midnight.
    pub until: u16,
    /// Minutes east of UTC.
    pub offset: i16,
}

/// What the policy says beside its roles.
#[derive(Debug, Clone)]
pub struct Settings {
    /// With no consent on file, these purposes are permitted, by API; `None` as key is every other API.
    pub consent_default: BTreeMap<Option<String>, Vec<String>>,
    /// Labels of 42 CFR Part 2: a consent must name them.
    pub part2: Arc<[Label]>,
    /// Labels of psychotherapy notes: an authorization must name them.
    pub psychotherapy: Arc<[Label]>,
    /// Labels of services to which a minor consented alone: hidden from who represents the minor.
    pub minor_consented: Arc<[Label]>,
    /// Both of the former: what nobody but the individual sees without a record that names it.
    pub sensitive: Arc<[Label]>,
    /// A feed of relations older than this is not known.
    pub relations_age_minutes_max: u64,
    /// APIs of these exposures take only tokens that are bound to a key or certificate of who shows them.
    pub sender_constrained: Vec<Exposure>,
    /// Purposes that go on, under review, while the consents of an API are not known; by API. None unless named.
    pub without_consents: BTreeMap<String, Vec<String>>,
    /// The birthday on which a parent's representation of a minor ends, in years.
    pub majority_years: u8,
    /// How long emergency access stays open.
    pub emergency_minutes_max: u64,
    /// How long a reason for access without a known relation serves.
    pub reason_minutes_max: u64,
}

impl Settings {
    /// Whether a purpose goes on, under review, while the consents of the API are not known.
    #[must_use]
    pub fn goes_on_without_consents(&self, api: &str, purpose: &str) -> bool {
        self.without_consents.get(api).is_some_and(|purposes| purposes.iter().any(|one| one == purpose))
    }
}

impl Hours {
    /// Whether the moment lies in the hours.
    #[must_use]
    pub fn hold_at(self, now: Timestamp) -> bool {
        let minute = (now.seconds().div_euclid(60) + i64::from(self.offset)).rem_euclid(1_440);
        let (from, until) = (i64::from(self.from), i64::from(self.until));
        if from < until { (from..until).contains(&minute) } else { minute >= from || minute < until }
    }
}

impl Terms {
    /// Whether organization, exposure, hours and dates are those of the terms.
    #[must_use]
    pub fn stand(&self, organization: &str, exposure: Exposure, now: Timestamp) -> bool {
        (self.organizations.is_empty() || self.organizations.iter().any(|one| one == organization))
            && (self.exposures.is_empty() || self.exposures.contains(&exposure))
            && self.hours.is_none_or(|hours| hours.hold_at(now))
            && self.from.is_none_or(|from| from <= now)
            && self.until.is_none_or(|until| now < until)
    }
}

impl Patients {
    /// Every word.
    pub const ALL: [Self; 6] =
        [Self::Everyone, Self::Own, Self::Represented, Self::Context, Self::Related, Self::Myself];

    /// The word in policy files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::Own => "own",
            Self::Represented => "represented",
            Self::Context => "in-context",
            Self::Related => "related",
            Self::Myself => "myself",
        }
    }

    /// How it is said in tables: `every patient`.
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Everyone => "every patient",
            Self::Own => "own record",
            Self::Represented => "the record of whom the user represents",
            Self::Context => "patient in launch context",
            Self::Related => "patients with a relation",
            Self::Myself => "the user's own resource",
        }
    }

    /// Whether it is about one patient, who must be in context.
    #[must_use]
    pub const fn needs_context(self) -> bool {
        matches!(self, Self::Own | Self::Represented | Self::Context)
    }

    /// Whether the individual, or who stands for the individual, is the recipient.
    #[must_use]
    pub const fn is_individual(self) -> bool {
        matches!(self, Self::Own | Self::Represented)
    }
}

impl Named {
    /// The word in policy files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OwnPatient => "own-patient",
            Self::OwnCareTeam => "own-care-team",
        }
    }
}

impl NoRelation {
    /// Every word.
    pub const ALL: [Self; 3] = [Self::Review, Self::Ask, Self::Refuse];

    /// The word in policy files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Ask => "ask",
            Self::Refuse => "refuse",
        }
    }
}

impl Role {
    /// The APIs that its grants name, as often as they do.
    pub fn apis(&self) -> impl Iterator<Item = &str> {
        let calls = self.calls.iter().flat_map(|grant| &grant.apis);
        self.grants.iter().flat_map(|grant| &grant.apis).chain(calls).map(String::as_str)
    }
}

impl Deny {
    /// Whether it is about this.
    #[must_use]
    pub fn is_about(&self, api: &str, resource: ResourceType, kind: InteractionKind) -> bool {
        self.apis.iter().any(|name| name == api)
            && self.types.as_ref().is_none_or(|types| types.contains(&resource))
            && self.interactions.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }
}

impl Settings {
    /// The purposes that need no consent on this API.
    #[must_use]
    pub fn consent_default(&self, api: &str) -> &[String] {
        let own = self.consent_default.iter().find(|(key, _)| key.as_deref() == Some(api));
        own.or_else(|| self.consent_default.get_key_value(&None)).map_or(&[], |(_, purposes)| purposes)
    }
}

/// `elements` without the denied ones. What is left of an element that is only partly denied is spelled out.
#[must_use]
pub(crate) fn without(resource: ResourceType, elements: &Elements, denied: &BTreeSet<String>) -> Elements {
    let mut left: BTreeSet<String> = match elements.named() {
        None => schema::top_elements(resource).map(str::to_owned).collect(),
        Some(named) => named.clone(),
    };
    for path in denied {
        take(resource, &mut left, path);
    }
    match elements.profile() {
        Some(profile) => Elements::Profiled { profile, named: Some(left) },
        None => Elements::Only(left),
    }
}

/// Takes `path` and everything below it out; an element above it is replaced by its parts, step by step.
pub(crate) fn take(resource: ResourceType, left: &mut BTreeSet<String>, path: &str) {
    left.retain(|named| named != path && !named.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', MARK])));
    let above: Vec<&str> = path.match_indices('.').filter_map(|(at, _)| path.get(..at)).collect();
    for ancestor in above {
        if left.remove(ancestor) {
            let parts = schema::below(resource, ancestor);
            left.extend(parts.iter().map(|part| format!("{ancestor}.{part}")));
            left.remove(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_run_over_midnight_and_have_an_offset() {
        let night = Hours { from: 22 * 60, until: 6 * 60, offset: -300 };
        assert!(night.hold_at(Timestamp::from_seconds(3 * 3600)));
        assert!(!night.hold_at(Timestamp::from_seconds(15 * 3600)));
        let day = Hours { from: 7 * 60, until: 19 * 60, offset: 0 };
        assert!(day.hold_at(Timestamp::from_seconds(7 * 3600)));
        assert!(!day.hold_at(Timestamp::from_seconds(19 * 3600)));
    }

    #[test]
    fn a_denied_part_leaves_the_other_parts() {
        let whole = Elements::Only(["participant".to_owned(), "status".to_owned()].into());
        let left = without(ResourceType::APPOINTMENT, &whole, &["participant.actor.display".to_owned()].into());
        assert!(left.reaches(ResourceType::APPOINTMENT, "participant.actor.reference"));
        assert!(left.reaches(ResourceType::APPOINTMENT, "participant.status"));
        assert!(!left.reaches(ResourceType::APPOINTMENT, "participant.actor.display"));
        let masked = Elements::Only(["birthDate|year".to_owned()].into());
        assert!(without(ResourceType::PATIENT, &masked, &["birthDate".to_owned()].into()).is_empty());
        let without_name = without(ResourceType::PATIENT, &Elements::Whole, &["name".to_owned()].into());
        assert!(!without_name.reaches(ResourceType::PATIENT, "name.family"));
        assert!(without_name.reaches(ResourceType::PATIENT, "birthDate"));
    }
}
