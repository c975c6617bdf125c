//! `bascule policy simulate`: what the policy would say. The API is imagined too, as exposed as can be, so that only the
//! rules speak.

use bascule_fhir::Id;
use bascule_policy::explain::{Simulation, asked};
use bascule_policy::{Api, ApiKind, Exposure, Mode, RecipientClass};
use bascule_smart::Requested;

use super::{in_force, said};
use crate::cli::PolicyVerb;
use crate::clock;
use crate::exit::Exit;

/// Simulates one request.
pub(super) async fn run(verb: &PolicyVerb) -> Result<String, Exit> {
    let PolicyVerb::Simulate { request, role, scope, api, patient, purpose, class, verified, no_agreement, records } =
        verb
    else {
        return Err(Exit::Usage);
    };
    let policy = in_force(records).await?;
    let scopes = Requested::parse(scope).map_err(|fault| said(&fault.to_string()))?;
    if let Some(unknown) = scopes.unknown.first() {
        return Err(said(&format!("`{unknown}` is no scope")));
    }
    let class = RecipientClass::parse(class).ok_or_else(|| {
        let known = RecipientClass::ALL.map(RecipientClass::name).join(" | ");
        said(&format!("`{class}` is no class of recipient; choose one of {known}"))
    })?;
    let simulation = Simulation {
        roles: role.clone(),
        scopes: scopes.scopes,
        patient: patient.as_deref().and_then(Id::parse),
        fhir_user: None,
        purpose: purpose.clone(),
        class,
        verified: *verified,
        agreement: !no_agreement,
    };
    let imagined = Api {
        name: api.clone(),
        kind: ApiKind::Fhir,
        service: "ehr".to_owned(),
        exposure: Exposure::ThirdParty,
        mode: Mode::Enforce,
    };
    let asked = asked(api, request).map_err(|sentence| said(&sentence))?;
    let explanation = simulation.explain(&policy, asked, &imagined, clock::now());
    explanation.map(|explanation| explanation.to_string()).map_err(|fault| said(&fault.to_string()))
}
