//! A hard panel walls clinicians in by what a feed says: it is taken only while the feed is fresh.

use std::collections::BTreeMap;

use bascule_fhir::Timestamp;
use bascule_policy::Policy;
use bascule_policy::rules::{NoRelation, Patients};
use bascule_store::Store;

/// Whether every hard panel of the policy has a fresh feed of relations.
///
/// # Errors
/// A sentence with its mend.
pub(crate) fn check(policy: &Policy, store: &Store, now: Timestamp) -> Result<(), String> {
    walled(policy).into_iter().try_for_each(|(api, role)| fresh(policy, store, role, api, now))
}

/// The APIs in which some role has a hard panel, with the role.
fn walled(policy: &Policy) -> BTreeMap<&str, &str> {
    let hard = policy.roles().filter(|role| role.no_relation == NoRelation::Refuse);
    let grants = hard.flat_map(|role| role.grants.iter().map(move |grant| (grant, role.name.as_ref())));
    grants
        .filter(|(grant, _)| grant.terms.patients == Patients::Related)
        .flat_map(|(grant, role)| grant.apis.iter().map(move |api| (api.as_str(), role)))
        .collect()
}

fn fresh(policy: &Policy, store: &Store, role: &str, api: &str, now: Timestamp) -> Result<(), String> {
    let as_of = store.relations_as_of(api).map_err(|error| error.to_string())?;
    let minutes = policy.settings().relations_age_minutes_max;
    let seconds = i64::try_from(minutes).unwrap_or(i64::MAX / 60).saturating_mul(60);
    let said = match as_of {
        Some(as_of) if as_of.plus_seconds(seconds) >= now => return Ok(()),
        Some(as_of) => format!("it last spoke at {}, and relations count for {minutes} minutes", as_of.to_instant()),
        None => "it never spoke".to_owned(),
    };
    Err(format!(
        "role `{role}` has a hard panel (no-relation = \"refuse\"), and the feed of relations of `{api}` is not fresh: {said}; bring \
         the feed first, or write no-relation = \"ask\""
    ))
}

/// The first role that refuses where no relation is known.
pub(crate) fn hard(policy: &Policy) -> Option<&str> {
    let walls = |role: &&bascule_policy::rules::Role| {
        role.no_relation == NoRelation::Refuse
            && role.grants.iter().any(|grant| grant.terms.patients == Patients::Related)
    };
    policy.roles().find(walls).map(|role| role.name.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bascule_policy::PolicyFile;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn policy(no_relation: &str) -> Policy {
        let text = format!(
            "[role.ward]\ntitle = \"W\"\npurpose = [\"TREAT\"]\napi = \"ehr\"\nno-relation = \"{no_relation}\"\n[[role.ward.grant]]\nresource = \"Patient\"\npatients = \"related\"\ninteractions = [\"read\"]\nelements = \"*\"\n"
        );
        Policy::load(&[PolicyFile { name: "p.toml".to_owned(), text }]).unwrap()
    }

    #[test]
    fn a_hard_panel_without_a_feed_is_refused_and_a_soft_one_is_not() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("bascule.db"), NOW).unwrap();
        assert!(check(&policy("ask"), &store, NOW).is_ok());
        let refused = check(&policy("refuse"), &store, NOW).unwrap_err();
        assert!(refused.contains("ward") && refused.contains("never spoke"), "{refused}");
    }
}
