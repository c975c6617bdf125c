//! What is known of a request on its way, so that however the walk ends, the entry can say it.

use std::collections::BTreeMap;
use std::time::Instant;

use bascule_audit::parts::RESOURCES_MAX;
use bascule_audit::{AccessFacts, AgentPart, Digests, Inner, PatientPart, Recipient, ResourceVersion};
use bascule_crypto::digest::sha256;
use bascule_crypto::hex;
use bascule_minimum::{Released, ReleasedResource};
use bascule_policy::{Asked, Disclosure, Duty, Permit};
use bascule_smart::Principal;
use bascule_store::log::Intent;

use tokio::sync::OwnedSemaphorePermit;

use crate::head::Head;
use crate::identity::Behalf;
use crate::refuse::Refusal;

/// Purposes whose disclosures the accounting leaves out (45 CFR 164.528(a)(1)): treatment, payment, operations, and the
/// individual's own.
const NOT_ACCOUNTED: [&str; 4] = ["TREAT", "HPAYMT", "HOPERAT", "PATRQT"];

/// One request, as far as its walk has come.
pub(crate) struct Visit {
    /// What the door read.
    pub(crate) head: Head,
    /// The API.
    pub(crate) api: String,
    /// What is asked, in the caller's words; sealed in the entry.
    pub(crate) said: String,
    /// What is asked.
    pub(crate) asked: Option<Asked>,
    /// Who asks.
    pub(crate) principal: Option<Principal>,
    /// To whom it goes.
    pub(crate) recipient: Option<Recipient>,
    /// What may be said to the organization behind the API, if it is another.
    pub(crate) disclosure: Option<Disclosure>,
    /// The permit.
    pub(crate) permit: Option<Permit>,
    /// The durable intent, until the entry closes it.
    pub(crate) intent: Option<Intent>,
    /// Digests of the bodies that went by.
    pub(crate) digests: Digests,
    /// Patients of a body that was written.
    pub(crate) written: Vec<PatientPart>,
    /// What became of the entries of a batch.
    pub(crate) inner: Vec<Inner>,
    /// Path and query behind the upstream's base of the call that was made.
    pub(crate) address: String,
    /// Matches of the upstream's page that an earlier page has shown.
    pub(crate) used: usize,
    /// Which part of the allowed patients is asked for, and how many parts there are.
    pub(crate) part: (usize, usize),
    /// Whether its answer must be held, because it stands within another.
    pub(crate) held_only: bool,
    /// Its place among the requests at once, given back when it ends.
    pub(crate) place: Option<OwnedSemaphorePermit>,
    started: Instant,
}

impl Visit {
    /// A request that has just come in.
    pub(crate) fn new(head: Head, api: String, said: String) -> Self {
        Self {
            head,
            api,
            said,
            asked: None,
            principal: None,
            recipient: None,
            disclosure: None,
            permit: None,
            intent: None,
            digests: Digests::default(),
            written: Vec::new(),
            inner: Vec::new(),
            address: String::new(),
            used: 0,
            part: (0, 1),
            held_only: false,
            place: None,
            started: Instant::now(),
        }
    }

    /// When it came in.
    pub(crate) const fn started(&self) -> Instant {
        self.started
    }

    /// What can be said now.
    pub(crate) fn facts(&self, status: u16) -> AccessFacts {
        let permit = self.permit.as_ref();
        let interaction = self.asked.as_ref().map(|asked| &asked.interaction);
        let resource = interaction.and_then(|interaction| interaction.resource());
        let owned = |text: &str| text.to_owned();
        AccessFacts {
            request_id: self.head.request_id.clone(),
            api: self.api.clone(),
            interaction: interaction.map_or("unknown", |interaction| interaction.kind().name()).to_owned(),
            resource: resource.map(|resource| resource.name().to_owned()),
            status,
            duration_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            client: self.principal.as_ref().map(|principal| owned(principal.client())),
            purpose: permit.map(|permit| owned(permit.purpose())),
            role: permit.map(|permit| owned(permit.role())),
            rule: permit.map(|permit| owned(permit.rule())),
            policy: permit.map(|permit| owned(permit.policy_hash())),
            agreement: permit.map(|permit| owned(self.agreement(permit))),
            observed: permit.and_then(Permit::would_refuse).map(|reason| crate::refuse::cause_of(reason).to_owned()),
            disclosure: permit.is_some_and(|permit| self.is_accounted(permit)),
            break_glass: permit
                .is_some_and(|permit| permit.duties().iter().any(|duty| matches!(duty, Duty::Emergency { .. }))),
            inner: self.inner.clone(),
            agent: self.agent(),
            patients: self.written.clone(),
            ..AccessFacts::default()
        }
    }

    /// What is said of a walk that ended early. After a permit it is an access that came to nothing; before, a refusal.
    pub(crate) fn facts_of(&self, refusal: &Refusal) -> AccessFacts {
        let mut facts = self.facts(refusal.status().as_u16());
        facts.cause = Some(refusal.cause().to_owned());
        facts.disclosure = false;
        if let Refusal::Denied(denial) = refusal {
            facts.rule = Some(denial.rule.clone());
            facts.policy = Some(denial.policy_hash.clone());
            facts.agent.detail = Some(refusal.sentence());
        }
        facts
    }

    /// What is said of an answer that leaves.
    pub(crate) fn facts_with(&self, status: u16, released: &Released) -> AccessFacts {
        let mut facts = self.facts(status);
        facts.withheld = released.withheld_elements().to_vec();
        facts.withheld_resources = released.withheld_resources();
        let left = patients(released.resources());
        if !left.is_empty() {
            facts.patients = left;
        }
        facts
    }

    /// On whose behalf it goes upstream.
    ///
    /// # Errors
    /// [`Refusal::Fault`] before anybody was found to ask.
    pub(crate) fn behalf(&self) -> Result<Behalf<'_>, Refusal> {
        let principal = self.principal.as_ref().ok_or(Refusal::Fault { at: "principal" })?;
        Ok(Behalf::Caller(principal, &self.head))
    }

    /// The patients of a body that was written, by id.
    pub(crate) fn written_ids(&self) -> Vec<&str> {
        ids_of(&self.written)
    }

    /// Whether the accounting of disclosures tells of it: it goes to another organization, for a purpose that is not
    /// exempt.
    fn is_accounted(&self, permit: &Permit) -> bool {
        let leaves = self.disclosure.is_some() || permit.principal().organization().is_some();
        leaves && !NOT_ACCOUNTED.contains(&permit.purpose())
    }

    /// The agreement with who receives: with the organization behind the API where what is asked is disclosed to it.
    fn agreement<'v>(&'v self, permit: &'v Permit) -> &'v str {
        self.disclosure.as_ref().map_or_else(|| permit.agreement(), |disclosure| &disclosure.agreement)
    }

    fn agent(&self) -> AgentPart {
        let principal = self.principal.as_ref();
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        AgentPart {
            address: some(&self.head.address),
            user_agent: some(&self.head.user_agent),
            query: some(&self.said),
            digests: (self.digests != Digests::default()).then(|| self.digests.clone()),
            fhir_user: principal.and_then(Principal::fhir_user).map(|(resource, id)| format!("{resource}/{id}")),
            organization: principal.and_then(Principal::organization).map(ToOwned::to_owned),
            recipient: self.recipient.clone(),
            roles: principal.map(|principal| principal.roles().to_vec()).unwrap_or_default(),
            scopes: principal.map(|principal| principal.scopes().to_string()),
            subject: principal.and_then(Principal::user).map(ToOwned::to_owned),
            token_id: principal.map(|principal| principal.token_id().to_owned()),
            ..AgentPart::default()
        }
    }
}

/// Resources that one entry names over all its patients; of the others only the number is kept.
const NAMED_MAX: usize = 20_000;

/// The resources that left, by patient, as far as an entry names them.
#[derive(Debug, Default)]
pub(crate) struct Patients {
    parts: BTreeMap<String, PatientPart>,
    named: usize,
}

impl Patients {
    /// Adds what has left meanwhile.
    pub(crate) fn add(&mut self, resources: &[ReleasedResource]) {
        for one in resources {
            let Some(id) = &one.id else { continue };
            for patient in &one.patients {
                let part = self.parts.entry(patient.clone()).or_insert_with(|| PatientPart {
                    reference: format!("Patient/{patient}"),
                    ..PatientPart::default()
                });
                if part.resources.len() < RESOURCES_MAX && self.named < NAMED_MAX {
                    self.named += 1;
                    let reference = format!("{}/{id}", one.resource);
                    part.resources.push(ResourceVersion { reference, version: one.version.clone() });
                } else {
                    part.resources_unnamed += 1;
                }
            }
        }
    }

    /// As the entry has them.
    pub(crate) fn into_parts(self) -> Vec<PatientPart> {
        self.parts.into_values().collect()
    }
}

/// Patients by id.
pub(crate) fn ids_of(patients: &[PatientPart]) -> Vec<&str> {
    patients.iter().filter_map(|patient| patient.reference.strip_prefix("Patient/")).collect()
}

/// The patients of what left at once.
fn patients(resources: &[ReleasedResource]) -> Vec<PatientPart> {
    let mut patients = Patients::default();
    patients.add(resources);
    patients.into_parts()
}

/// Hex SHA-256 of a body.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(&sha256(bytes))
}
