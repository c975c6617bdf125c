//! `bascule policy explain`: the entry of a request, the rule that decided it with its file and line, and the decision
//! taken again with the policy as it was then; or what every role would be told of a request that is only imagined.

use std::fmt::Write as _;

use bascule_audit::{Decision, Opened};
use bascule_fhir::interaction::Request;
use bascule_policy::explain::{Explanation, Simulation, asked, patients};
use bascule_policy::{Api, Fact, Policy, RecipientClass};
use bascule_smart::{Requested, Scopes};
use bascule_store::Store;
use serde_json::{Value, json};

use crate::cli::RecordsArgs;
use crate::config::Settings;
use crate::exit::Exit;
use crate::verbs::audit;
use crate::{clock, terminal};

use super::{in_force, kept, said};

/// What a token may ask at most, where the entry does not tell its scopes.
const EVERYTHING: &str = "user/*.cruds";

/// Explains a request of the log, or one that is imagined.
pub(super) async fn run(request: &str, roles: &[String], records: &RecordsArgs) -> Result<String, Exit> {
    let imagined = request.contains([' ', '?', '/']) || request.starts_with(|letter: char| letter.is_ascii_uppercase());
    if imagined { imagine(request, roles, records).await } else { recorded(request, records).await }
}

/// What each role would be told, at the first API of the house and with nothing on file.
async fn imagine(request: &str, roles: &[String], records: &RecordsArgs) -> Result<String, Exit> {
    let policy = in_force(records).await?;
    let settings = super::change::settings(records)?;
    let Some(api) = settings.gateway.apis.first().map(|entry| &entry.api) else { return Err(said("there is no API")) };
    let all: Vec<String> = policy.roles().map(|role| role.name.to_string()).collect();
    let one = |role: &str| -> Result<Explanation, Exit> {
        let asked = asked(&api.name, request).map_err(|sentence| said(&sentence))?;
        let patient = patients(&asked.interaction).into_iter().next();
        let simulation = Simulation {
            roles: vec![role.to_owned()],
            scopes: scopes(EVERYTHING),
            patient,
            fhir_user: None,
            purpose: None,
            class: RecipientClass::Workforce,
            verified: false,
            agreement: true,
        };
        simulation.explain(&policy, asked, api, clock::now()).map_err(|fault| said(&fault.to_string()))
    };
    if let [role] = roles {
        return one(role).map(|explanation| explanation.to_string());
    }
    let mut out = String::new();
    for role in if roles.is_empty() { &all } else { roles } {
        let explanation = one(role)?;
        let _ = writeln!(out, "{role:<24} {}", explanation.outcome);
    }
    Ok(out)
}

async fn recorded(request: &str, records: &RecordsArgs) -> Result<String, Exit> {
    let settings = audit::settings(records).map_err(|sentence| said(&sentence))?;
    audit::flush(&settings).await.map_err(|sentence| said(&sentence))?;
    let hits = {
        let reader = audit::reader(&settings).map_err(|sentence| said(&sentence))?;
        audit::by_request(&reader, request).map_err(|error| said(&error.to_string()))?
    };
    audit::said(settings.clone(), "explain", hits.len()).await.map_err(|sentence| said(&sentence))?;
    if hits.is_empty() {
        return Err(said(&format!("the log has no request `{request}`; it stands in the answer's X-Request-Id")));
    }
    let mut told = Vec::new();
    for hit in &hits {
        told.push(tell(hit, &settings, records).await?);
    }
    if records.json {
        return Ok(format!("{:#}", Value::Array(told)));
    }
    Ok(told.iter().map(text).collect::<Vec<_>>().join("\n"))
}

/// An entry and, where the policy of then is kept, the decision taken again by it.
async fn tell(entry: &Opened, settings: &Settings, records: &RecordsArgs) -> Result<Value, Exit> {
    let mut row = audit::row(entry);
    let clear = entry.about();
    let mut put = |name: &str, value: Value| {
        if let Some(members) = row.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    put("reason", json!(entry.agent.as_ref().and_then(|agent| agent.detail.clone())));
    let Some(hash) = clear.policy.as_deref() else {
        put("again", json!("no policy was asked: the request ended before its decision"));
        return Ok(row);
    };
    put("policy", json!(hash));
    put("observed", json!(clear.observed.as_ref().map(|cause| format!("enforcing would refuse: {cause}"))));
    let (policy, _) = kept(hash, records).await?;
    put("rules", json!(clear.rule.as_deref().map(|rule| policy.cite(rule))));
    match again(entry, &policy, settings) {
        Ok((explanation, notes)) => {
            let was = clear.decision == Some(Decision::Permit);
            put("again", json!(explanation.to_string()));
            put("notes", json!(notes));
            // What was only observed is decided again as enforcing would.
            put("same", json!(was == explanation.permitted || clear.observed.is_some()));
        }
        Err(why) => put("again", json!(format!("it cannot be decided again: {why}"))),
    }
    Ok(row)
}

/// Decides again, by the policy of then, with what the entry tells and with the records as they are now.
fn again(entry: &Opened, policy: &Policy, settings: &Settings) -> Result<(Explanation, Vec<&'static str>), String> {
    let clear = entry.about();
    let agent = entry.agent.as_ref().ok_or("the keys of its sealed part are gone")?;
    let query = entry.patients.iter().flatten().find_map(|patient| patient.query.clone());
    let said = agent.query.clone().or(query).ok_or("the entry does not tell what was asked")?;
    let name = clear.api.as_deref().unwrap_or_default();
    let found = settings.gateway.apis.iter().find(|one| one.api.name == name);
    let api: &Api = &found.ok_or_else(|| format!("there is no API `{name}` any more"))?.api;
    let asked = interaction(name, &said)?;
    let store = Store::open(&settings.store.join("bascule.db"), clock::now()).map_err(|error| error.to_string())?;
    let user = agent.subject.as_deref().map(|id| store.user(id)).transpose().map_err(|error| error.to_string())?;
    let user = user.flatten();
    let mut notes = vec!["the recipient's organization, agreements and the user are taken as they are on file now"];
    let patient = user.as_ref().and_then(|user| user.patients.iter().find(|one| one.api == name));
    if patient.is_some() {
        notes.push("the patient in context is taken to be the user's own");
    }
    let scopes = match agent.scopes.as_deref() {
        Some(text) => self::scopes(text),
        None => {
            notes.push("the entry does not tell the token's scopes: any scope is assumed");
            self::scopes(EVERYTHING)
        }
    };
    let organization = match &agent.organization {
        Some(id) => store.organization(id).map_err(|error| error.to_string())?.map(|(organization, _)| organization),
        None => None,
    };
    let agreements = match &agent.organization {
        Some(id) => store.agreements_of(id).map_err(|error| error.to_string())?,
        None => Vec::new(),
    };
    let simulation = Simulation {
        roles: agent.roles.clone(),
        scopes,
        patient: patient.map(|one| one.patient.clone()),
        fhir_user: user.and_then(|user| user.fhir_user),
        purpose: clear.purpose.clone(),
        class: RecipientClass::Workforce,
        verified: false,
        agreement: true,
    };
    let at = entry.at();
    let principal = simulation.principal(name, at).map_err(|fault| fault.to_string())?;
    let mut facts = simulation.facts(at);
    facts.organization = Fact::Known(organization);
    facts.agreements = Fact::Known(agreements);
    let needed = bascule_policy::explain::needs(&policy.needs(&principal, &asked));
    if needed.iter().any(|fact| *fact != "the client's organization and agreements") {
        notes.push("consents, relations and other records are taken to be none");
    }
    Ok((policy.explain(principal, asked, &facts, api, at), notes))
}

fn interaction(api: &str, said: &str) -> Result<bascule_policy::Asked, String> {
    let (method, target) = said.split_once(' ').ok_or("the entry does not tell what was asked")?;
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    // What came as a form by POST is told as the search that it is.
    let method = if method == "POST" && query.is_some() { "GET" } else { method };
    let request = Request { method, path, query, ..Request::default() };
    let parsed = bascule_fhir::Interaction::parse(&request).map_err(|fault| fault.to_string())?;
    Ok(bascule_policy::Asked { api: api.to_owned(), interaction: parsed })
}

fn scopes(text: &str) -> Scopes {
    Requested::parse(text).map(|requested| requested.scopes).unwrap_or_default()
}

/// An explained entry for a terminal.
fn text(row: &Value) -> String {
    let text = |name: &str| row.get(name).map_or_else(|| "-".to_owned(), terminal::cell);
    let mut out = format!("{}: {} {}\n", text("decision"), text("interaction"), text("resource"));
    for name in [
        "at", "status", "client", "role", "purpose", "user", "patients", "policy", "rules", "cause", "reason",
        "observed", "withheld",
    ] {
        let shown = text(name);
        if shown != "-" && !shown.is_empty() {
            let _ = writeln!(out, "  {name:11}{shown}");
        }
    }
    let _ = writeln!(out, "\ndecided again by the policy of then:\n{}", text("again"));
    if row.get("same") == Some(&Value::Bool(false)) {
        let _ = writeln!(out, "  the decision would be another now; what differs stands on file, not in the policy");
    }
    for note in row.get("notes").and_then(Value::as_array).into_iter().flatten() {
        let _ = writeln!(out, "  note       {}", terminal::cell(note));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_entry_tells_is_read_again() {
        let asked = interaction("ehr", "GET /Observation?code=x").unwrap();
        assert_eq!(asked.interaction.kind().name(), "search");
        assert_eq!(interaction("ehr", "POST /Observation?patient=1").unwrap().interaction.kind().name(), "search");
        assert!(interaction("ehr", "nonsense").is_err());
    }

    #[test]
    fn scopes_that_cannot_be_read_grant_nothing() {
        assert!(scopes("\u{1}").is_empty());
    }
}
