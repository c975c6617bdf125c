//! `bascule policy`: who may see this, what a change opens and closes, the whole table.

use std::path::Path;

use bascule_fhir::Id;
use bascule_policy::Policy;
use bascule_policy::diff::diff;
use bascule_policy::who_may::Question;

use bascule_policy::explain::{Simulation, asked};
use bascule_policy::{Api, ApiKind, Exposure, Mode, RecipientClass};
use bascule_smart::Requested;

use crate::cli::{PolicyVerb, RecordsArgs};
use crate::exit::Exit;
use crate::{clock, config, policy_folder, terminal};

/// Answers from files alone: no server, no record.
pub(crate) fn run(verb: PolicyVerb) -> Exit {
    let answered = match &verb {
        PolicyVerb::WhoMay { element, label, records } => who_may(element, label.as_deref(), records),
        PolicyVerb::Table { records } => in_force(records).map(|policy| policy.table()),
        PolicyVerb::Diff { old, new } => differ(old, new),
        PolicyVerb::Simulate { .. } => simulate(&verb),
    };
    match answered {
        Ok(text) => {
            terminal::line(text.trim_end());
            Exit::Done
        }
        Err(exit) => exit,
    }
}

fn in_force(records: &RecordsArgs) -> Result<Policy, Exit> {
    let file = config::found_here(records.config.as_deref());
    let settings = config::load(&file).map_err(|faults| terminal::faults(&faults, "Nothing was read."))?;
    load(&settings.policy)
}

fn load(folder: &Path) -> Result<Policy, Exit> {
    policy_folder::load(folder).map_err(|faults| terminal::faults(&faults, "Nothing was read."))
}

fn said(sentence: &str) -> Exit {
    terminal::error(sentence);
    Exit::Usage
}

fn who_may(element: &str, label: Option<&str>, records: &RecordsArgs) -> Result<String, Exit> {
    let policy = in_force(records)?;
    let label = match label {
        None => None,
        Some(word) => {
            let known = policy.label(word);
            Some(
                known
                    .ok_or_else(|| said(&format!("`{word}` is no label that the policy knows; write `system|code`")))?,
            )
        }
    };
    let question = Question { label, ..Question::default() };
    let answer = policy.who_may(element, &question).map_err(|sentence| said(&sentence))?;
    Ok(answer.to_string())
}

fn differ(old: &Path, new: &Path) -> Result<String, Exit> {
    Ok(diff(&load(old)?, &load(new)?).to_string())
}

/// What the policy would say; the API is imagined too, as exposed as can be, so that only the rules speak.
fn simulate(verb: &PolicyVerb) -> Result<String, Exit> {
    let PolicyVerb::Simulate { request, role, scope, api, patient, purpose, class, verified, no_agreement, records } =
        verb
    else {
        return Err(Exit::Usage);
    };
    let policy = in_force(records)?;
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
