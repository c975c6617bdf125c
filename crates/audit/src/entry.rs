//! The entry: what is said about one request, or about the bridge itself.

use bascule_fhir::Timestamp;

use crate::ENTRY_PATIENTS_MAX;
use crate::clear::{Clear, Decision, INNER_MAX, Inner, Kind, Outcome, Piece, WITHHELD_MAX, word, worded};
use crate::parts::{AgentPart, Digests, PatientPart, bounded_text};
use crate::system::SystemEvent;

/// What is known about an access when it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessFacts {
    /// The request's id, which the bridge gave.
    pub request_id: String,
    /// The API asked.
    pub api: String,
    /// `read`, `search`, …
    pub interaction: String,
    /// The type asked for.
    pub resource: Option<String>,
    /// Status code of the answer; 0 while there is none.
    pub status: u16,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// The OAuth client, if one is known.
    pub client: Option<String>,
    /// Purpose of use.
    pub purpose: Option<String>,
    /// The role whose rule decided.
    pub role: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// Hex SHA-256 of the policy that decided.
    pub policy: Option<String>,
    /// The agreement that covers the recipient.
    pub agreement: Option<String>,
    /// Why not, as a code (`scope-missing`).
    pub cause: Option<String>,
    /// In observe mode, why enforcing would have refused, as a code.
    pub observed: Option<String>,
    /// Element paths kept back.
    pub withheld: Vec<String>,
    /// Resources kept back whole.
    pub withheld_resources: u64,
    /// How many refusals this stands for, if it is a count of them.
    pub times: u64,
    /// Whether it counts for an accounting of disclosures.
    pub disclosure: bool,
    /// Whether the emergency rule was used.
    pub break_glass: bool,
    /// The interactions of a batch.
    pub inner: Vec<Inner>,
    /// Of the bodies that passed.
    pub digests: Option<Digests>,
    /// Who asked.
    pub agent: AgentPart,
    /// Whose data.
    pub patients: Vec<PatientPart>,
}

/// What is said. Its fields are private: an entry is made by the constructors here and changed by nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub(crate) clear: Clear,
    pub(crate) agent: Option<AgentPart>,
    pub(crate) patients: Vec<PatientPart>,
    /// Said keyed, by sealing.
    pub(crate) digests: Option<Digests>,
}

impl Entry {
    /// A request is about to go upstream.
    #[must_use]
    pub fn intent(facts: AccessFacts, now: Timestamp) -> Self {
        Self::of(Kind::Intent, Some(Decision::Permit), Outcome::Success, facts, now)
    }

    /// An answer leaves. Its outcome is that of its status.
    #[must_use]
    pub fn disclosure(facts: AccessFacts, now: Timestamp) -> Self {
        let outcome = Outcome::of_status(facts.status);
        Self::of(Kind::Access, Some(Decision::Permit), outcome, facts, now)
    }

    /// A request was refused: by policy, or before it reached policy.
    #[must_use]
    pub fn refusal(facts: AccessFacts, now: Timestamp) -> Self {
        let outcome = Outcome::of_status(facts.status.max(400));
        Self::of(Kind::Refusal, Some(Decision::Refuse), outcome, facts, now)
    }

    /// An answer was broken off midway: some of it may have left.
    #[must_use]
    pub fn broken_off(facts: AccessFacts, now: Timestamp) -> Self {
        Self::of(Kind::BrokenOff, Some(Decision::Permit), Outcome::Serious, facts, now)
    }

    /// Something happened to the bridge itself.
    #[must_use]
    pub fn system(event: &SystemEvent, now: Timestamp) -> Self {
        let mut clear = blank(Kind::System, Outcome::Success, now);
        clear.system = Some(event.to_value());
        Self { clear, agent: None, patients: Vec::new(), digests: None }
    }

    /// The end of an intent that nobody closed. Its sealed parts stay in the intent's own record, which the log keeps
    /// inside this entry.
    #[must_use]
    pub fn unknown(intent: &str, now: Timestamp) -> Self {
        let mut clear = blank(Kind::Unknown, Outcome::Serious, now);
        clear.intent = Some(word(intent));
        Self { clear, agent: None, patients: Vec::new(), digests: None }
    }

    /// When.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.clear.at)
    }

    /// The clear part, as far as it is known before sealing.
    #[must_use]
    pub const fn clear(&self) -> &Clear {
        &self.clear
    }

    /// The patients, in the order of their sealed parts, each as (API, reference).
    pub fn patients(&self) -> impl Iterator<Item = (&str, &str)> {
        let api = self.clear.api.as_deref().unwrap_or_default();
        self.patients.iter().map(move |patient| (api, patient.reference.as_str()))
    }

    /// The pieces of an entry with more patients than one can hold: itself, then its continuations.
    #[must_use]
    pub fn into_pieces(self) -> Vec<Self> {
        let mut groups = grouped(self.patients);
        let of = groups.len() as u64;
        if of <= 1 {
            return vec![Self { patients: groups.pop().unwrap_or_default(), ..self }];
        }
        let Self { clear, mut agent, mut digests, .. } = self;
        let piece = |(place, patients): (usize, Vec<PatientPart>)| {
            let kind = if place == 0 { clear.kind } else { Kind::Continuation };
            let piece = Some(Piece { number: place as u64 + 1, of });
            Self {
                clear: Clear { kind, piece, ..clear.clone() },
                agent: agent.take(),
                patients,
                digests: digests.take(),
            }
        };
        groups.into_iter().enumerate().map(piece).collect()
    }

    /// The same entry with only what must be said, for one that would be longer than a log can hold: numbers stand for
    /// the lists.
    #[must_use]
    pub fn lean(mut self) -> Self {
        let clear = &mut self.clear;
        clear.inner_unnamed += std::mem::take(&mut clear.inner).len() as u64;
        clear.withheld_unnamed += std::mem::take(&mut clear.withheld).len() as u64;
        if let Some(agent) = &mut self.agent {
            (agent.query, agent.detail) = (None, None);
        }
        for patient in &mut self.patients {
            patient.resources_unnamed += std::mem::take(&mut patient.resources).len() as u64;
            patient.query = None;
        }
        self
    }

    fn of(kind: Kind, decision: Option<Decision>, outcome: Outcome, facts: AccessFacts, now: Timestamp) -> Self {
        let words = |text: Option<String>| text.map(worded);
        let inner_unnamed = facts.inner.len().saturating_sub(INNER_MAX) as u64;
        let withheld_unnamed = facts.withheld.len().saturating_sub(WITHHELD_MAX) as u64;
        let clear = Clear {
            agreement: words(facts.agreement),
            api: Some(worded(facts.api)),
            break_glass: facts.break_glass,
            cause: words(facts.cause),
            client: words(facts.client),
            decision,
            disclosure: facts.disclosure,
            duration_us: facts.duration_us,
            inner: facts.inner.into_iter().take(INNER_MAX).map(plain_inner).collect(),
            inner_unnamed,
            interaction: Some(worded(facts.interaction)),
            observed: words(facts.observed),
            patients: facts.patients.len() as u64,
            policy: words(facts.policy),
            purpose: words(facts.purpose),
            request: Some(worded(facts.request_id)),
            resource: words(facts.resource),
            role: words(facts.role),
            rule: words(facts.rule),
            status: facts.status,
            withheld: facts.withheld.into_iter().take(WITHHELD_MAX).map(worded).collect(),
            withheld_resources: facts.withheld_resources,
            withheld_unnamed,
            times: facts.times,
            ..blank(kind, outcome, now)
        };
        let mut agent = facts.agent;
        let mut patients: Vec<_> = facts.patients.into_iter().map(PatientPart::bounded).collect();
        // What was asked may name whose data it is: of one patient, it goes when the patient's key is destroyed.
        if let [only] = patients.as_mut_slice()
            && only.query.is_none()
        {
            only.query = agent.query.take().map(bounded_text);
        }
        Self { clear, agent: Some(agent.bounded()), patients, digests: facts.digests }
    }
}

/// Bytes of sealed parts that one piece carries, about.
const PIECE_BYTES: usize = 24_000;

/// Patients in groups that fit into one entry each. There is always at least one group.
fn grouped(patients: Vec<PatientPart>) -> Vec<Vec<PatientPart>> {
    let mut groups = vec![Vec::new()];
    let mut bytes = 0;
    for patient in patients {
        let more = patient.bytes_about();
        let last_is_full = groups.last().is_some_and(|group: &Vec<_>| {
            !group.is_empty() && (bytes + more > PIECE_BYTES || group.len() >= ENTRY_PATIENTS_MAX)
        });
        if last_is_full {
            groups.push(Vec::new());
            bytes = 0;
        }
        bytes += more;
        if let Some(group) = groups.last_mut() {
            group.push(patient);
        }
    }
    groups
}

fn plain_inner(inner: Inner) -> Inner {
    Inner {
        cause: inner.cause.map(worded),
        interaction: worded(inner.interaction),
        resource: inner.resource.map(worded),
        rule: worded(inner.rule),
        ..inner
    }
}

fn blank(kind: Kind, outcome: Outcome, now: Timestamp) -> Clear {
    Clear {
        agreement: None,
        api: None,
        at: now.micros(),
        break_glass: false,
        cause: None,
        client: None,
        decision: None,
        digests: None,
        disclosure: false,
        duration_us: 0,
        epoch: String::new(),
        id: String::new(),
        inner: Vec::new(),
        inner_unnamed: 0,
        intent: None,
        interaction: None,
        kind,
        observed: None,
        outcome,
        patients: 0,
        piece: None,
        policy: None,
        purpose: None,
        request: None,
        resource: None,
        role: None,
        rule: None,
        status: 0,
        system: None,
        times: 0,
        withheld: Vec::new(),
        withheld_resources: 0,
        withheld_unnamed: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::ResourceVersion;

    #[test]
    fn patients_with_many_resources_are_spread_over_more_pieces() {
        let resource =
            |number: usize| ResourceVersion { reference: format!("Observation/{number:064}"), version: None };
        let patient = |number: usize| PatientPart {
            reference: format!("Patient/{number}"),
            resources: (0..500).map(resource).collect(),
            ..PatientPart::default()
        };
        let facts = AccessFacts { patients: (0..20).map(patient).collect(), ..AccessFacts::default() };
        let pieces = Entry::disclosure(facts, Timestamp::from_seconds(1)).into_pieces();
        assert_eq!(pieces.iter().map(|piece| piece.patients.len()).sum::<usize>(), 20);
        assert!(pieces.len() >= 8, "{}", pieces.len());
        assert_eq!(pieces[0].patients[0].resources_unnamed, 400);
        assert_eq!(pieces[0].clone().lean().patients[0].resources_unnamed, 500);
    }

    #[test]
    fn an_entry_with_many_patients_becomes_numbered_pieces() {
        let patient = |number: usize| PatientPart { reference: format!("Patient/{number}"), ..PatientPart::default() };
        let facts = AccessFacts { patients: (0..250).map(patient).collect(), ..AccessFacts::default() };
        let pieces = Entry::disclosure(facts, Timestamp::from_seconds(1)).into_pieces();
        let shape: Vec<_> = pieces.iter().map(|piece| (piece.clear.kind, piece.patients.len())).collect();
        assert_eq!(shape, [(Kind::Access, 100), (Kind::Continuation, 100), (Kind::Continuation, 50)]);
        assert!(pieces.iter().all(|piece| piece.clear.patients == 250));
        assert!(pieces[0].agent.is_some() && pieces[1].agent.is_none());
    }
}
