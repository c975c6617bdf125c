//! Which facts a decision will ask for.

use bascule_fhir::{Id, Interaction, ResourceType};
use bascule_smart::Principal;
use bascule_smart::scope::{Context, Scope};

use super::patients;
use crate::decision::Asked;
use crate::facts::Needs;
use crate::policy::Policy;
use crate::rules::{Grant, Named, Patients, Role, Terms};

pub(super) fn needs(policy: &Policy, principal: &Principal, asked: &Asked) -> Needs {
    let roles: Vec<&Role> = principal.roles().iter().filter_map(|name| policy.role(name)).collect();
    let terms: Vec<&Terms> = roles.iter().flat_map(|role| &role.grants).map(|grant| &grant.terms).collect();
    let mut needs = of_terms(&roles, &terms, principal, &asked.api, patients::named(&asked.interaction));
    let own_team = |grant: &Grant| grant.writes.references.values().any(|named| *named == Named::OwnCareTeam);
    if writes(&asked.interaction) && roles.iter().flat_map(|role| &role.grants).any(own_team) {
        needs.care_team_of = principal.patient().cloned();
    }
    needs
}

/// What the terms of the principal's grants ask for, of a request that names these patients.
pub(super) fn of_terms(
    roles: &[&Role],
    terms: &[&Terms],
    principal: &Principal,
    api: &str,
    named: Option<Vec<Id>>,
) -> Needs {
    let whose = |test: fn(Patients) -> bool| terms.iter().any(|terms| test(terms.patients));
    let mut needs = Needs { organization: principal.organization().map(str::to_owned), ..Needs::default() };
    let home = principal.apis().first();
    if whose(|patients| !patients.is_individual()) || roles.is_empty() {
        ask_consents(&mut needs, principal, api, named);
    }
    if let Some(patient) = principal.patient() {
        needs.links_of = home.map(|home| (home.clone(), patient.clone()));
        if whose(Patients::is_individual) {
            needs.holds_of = Some(patient.clone());
        }
        if whose(|patients| patients == Patients::Represented) {
            needs.representations_of = principal.user().map(|user| (user.to_owned(), patient.clone()));
        }
    }
    if whose(|patients| patients == Patients::Related) {
        needs.relations_of =
            principal.fhir_user().filter(|(kind, _)| *kind == ResourceType::PRACTITIONER).map(|(_, id)| id.clone());
        needs.reasons_of = principal.user().map(str::to_owned);
    }
    if roles.iter().any(|role| role.treating) {
        needs.emergencies_of = principal.user().map(str::to_owned);
    }
    needs
}

/// Of the patients named; of the one in context, if the token is for that one only; else of all.
fn ask_consents(needs: &mut Needs, principal: &Principal, api: &str, named: Option<Vec<Id>>) {
    let home = principal.apis().first().is_none_or(|first| first == api);
    let only_context = principal
        .scopes()
        .0
        .iter()
        .all(|scope| !matches!(scope, Scope::Resource { context: Context::User | Context::System, .. }));
    match (named, principal.patient()) {
        (Some(named), _) => needs.consents_of = named,
        (None, Some(patient)) if only_context && home => needs.consents_of = vec![patient.clone()],
        (None, _) => needs.consents_of_all = true,
    }
}

const fn writes(interaction: &Interaction) -> bool {
    matches!(interaction, Interaction::Create { .. } | Interaction::Update { .. } | Interaction::Patch { .. })
}
