//! `bascule policy simulate`: what the policy would say. The API is imagined too, as exposed as can be, so that only the
//! rules speak.

use bascule_fhir::Id;
use bascule_policy::call::Call;
use bascule_policy::explain::{Simulation, asked};
use bascule_policy::{Api, ApiKind, Exposure, Mode, RecipientClass};
use bascule_smart::Requested;

use super::{in_force, said};
use crate::cli::PolicyVerb;
use crate::clock;
use crate::exit::Exit;

/// Simulates one request.
pub(super) async fn run(verb: &PolicyVerb) -> Result<String, Exit> {
    let PolicyVerb::Simulate {
        request,
        role,
        scope,
        api,
        kind,
        patient,
        purpose,
        class,
        verified,
        no_agreement,
        records,
    } = verb
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
    let kind = ApiKind::parse(kind)
        .ok_or_else(|| said(&format!("`{kind}` is no kind of API; choose one of fhir | rest | dicomweb | hl7v2")))?;
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
    let imagined =
        Api { name: api.clone(), kind, service: "ehr".to_owned(), exposure: Exposure::ThirdParty, mode: Mode::Enforce };
    let explanation = if kind == ApiKind::Fhir {
        let asked = asked(api, request).map_err(|sentence| said(&sentence))?;
        simulation.explain(&policy, asked, &imagined, clock::now())
    } else {
        let call = Call::asked(kind, api, request).map_err(|(sentence, mend)| said(&format!("{sentence}; {mend}")))?;
        simulation.explain_call(&policy, call, &imagined, clock::now())
    };
    explanation.map(|explanation| explanation.to_string()).map_err(|fault| said(&fault.to_string()))
}
