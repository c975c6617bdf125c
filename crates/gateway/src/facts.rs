//! Gathers exactly the facts that policy says it needs. What the shelf cannot say is `Unknown`, never a guess.

use bascule_audit::Recipient;
use bascule_fhir::Timestamp;
use bascule_policy::{Fact, Facts, Needs};
use bascule_store::user::Status;
use bascule_store::{Store, StoreError};

/// A relation that was not seen for longer is not one: 30 days.
const RELATION_SECONDS_MAX: i64 = 30 * 86_400;

/// The facts of a decision. Records that no shelf keeps cannot be on file, so they are known to be none.
pub(crate) fn gather(store: &Store, api: &str, needs: &Needs, now: Timestamp) -> Facts {
    let mut facts = Facts::nothing_on_file();
    if let Some(organization) = &needs.organization {
        let found = store.organization(organization).map(|found| found.map(|(organization, _)| organization));
        facts.organization = fact(found, "organization");
        facts.agreements = fact(store.agreements_of(organization), "agreements");
    }
    if let Some(practitioner) = &needs.relations_of {
        let since = now.plus_seconds(-RELATION_SECONDS_MAX);
        facts.relations = fact(store.relations_of(practitioner, since), "relations");
        facts.relations_as_of = match store.relations_as_of() {
            Ok(Some(seen)) => Fact::Known(seen),
            Ok(None) | Err(_) => Fact::Unknown,
        };
    }
    if let Some(user) = &needs.emergencies_of {
        facts.emergencies = fact(store.emergencies_of(user, api, now), "emergency access");
    }
    if let Some(user) = &needs.reasons_of {
        facts.reasons = fact(store.reasons_of(user, api, now), "reasons");
    }
    if let Some(patient) = &needs.care_team_of {
        let since = now.plus_seconds(-RELATION_SECONDS_MAX);
        facts.care_team = fact(store.care_team_of(patient, since, now), "care team");
    }
    facts
}

/// What is on file about an organization that something is to be disclosed to. One that is not active is not on file.
pub(crate) fn of_organization(store: &Store, id: &str) -> Facts {
    let active = |(organization, status)| (status == Status::Active).then_some(organization);
    let found = store.organization(id).map(|found| found.and_then(active));
    Facts {
        organization: fact(found, "organization"),
        agreements: fact(store.agreements_of(id), "agreements"),
        ..Facts::nothing_on_file()
    }
}

fn fact<T>(found: Result<T, StoreError>, what: &'static str) -> Fact<T> {
    found.map_or_else(
        |error| {
            tracing::error!(%error, what, "a fact cannot be looked up");
            Fact::Unknown
        },
        Fact::Known,
    )
}

/// To whom it goes, as the accounting of disclosures must tell it later.
pub(crate) fn recipient(facts: &Facts) -> Option<Recipient> {
    let organization = facts.organization.known()?.as_ref()?;
    Some(Recipient { name: organization.name.clone(), address: organization.address.clone() })
}
