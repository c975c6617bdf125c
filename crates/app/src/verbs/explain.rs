//! `bascule user explain`: what a provider's claims mean here. It reads the configuration and a file, and changes nothing.

use bascule_gateway::smart::federation::ProviderSettings;
use bascule_smart::federation::Mapped;
use serde_json::{Value, json};

use crate::cli::ExplainArgs;
use crate::config;
use crate::exit::Exit;
use crate::terminal;

/// Explains. Nobody comes in with claims that mean nothing: that is a finding.
pub(crate) fn run(args: &ExplainArgs) -> Exit {
    let settings = match config::load(&config::found_here(args.records.config.as_deref())) {
        Ok(settings) => settings,
        Err(faults) => return terminal::faults(&faults, "Nothing was explained."),
    };
    let provider = match chosen(&settings.providers, args.provider.as_deref()) {
        Ok(provider) => provider,
        Err(sentence) => return usage(&sentence),
    };
    let claims = std::fs::read_to_string(&args.claims).map_err(|error| error.to_string());
    let claims = claims.and_then(|text| serde_json::from_str::<Value>(&text).map_err(|error| error.to_string()));
    let claims = match claims {
        Ok(Value::Object(claims)) => claims,
        Ok(_) => return usage("the claims are no JSON object"),
        Err(error) => return usage(&format!("the claims cannot be read: {error}")),
    };
    match provider.claims.map(&claims) {
        Ok(mapped) => {
            show(&mapped, &provider.name, args.records.json);
            Exit::Done
        }
        Err(fault) => {
            if args.records.json {
                let said = json!({"provider": provider.name, "in": false, "because": fault.to_string()});
                terminal::line(&format!("{said:#}"));
            } else {
                terminal::line(&format!("nobody: {fault}"));
            }
            Exit::Found
        }
    }
}

fn usage(sentence: &str) -> Exit {
    terminal::error(sentence);
    Exit::Usage
}

fn chosen<'a>(providers: &'a [ProviderSettings], name: Option<&str>) -> Result<&'a ProviderSettings, String> {
    match (name, providers) {
        (_, []) => Err("the configuration has no [[provider]]".to_owned()),
        (None, [only]) => Ok(only),
        (None, _) => Err("there are several providers: name one with --provider".to_owned()),
        (Some(name), all) => {
            all.iter().find(|one| one.name == name).ok_or_else(|| format!("there is no provider \"{name}\""))
        }
    }
}

fn show(mapped: &Mapped, provider: &str, json: bool) {
    let fhir_user = mapped.fhir_user.as_ref().map(|(kind, id)| format!("{kind}/{id}"));
    let patients: Vec<String> = mapped.patients.iter().map(|one| format!("{} at {}", one.patient, one.api)).collect();
    if json {
        let said = json!({"provider": provider, "in": true, "subject": mapped.subject, "login": mapped.login,
            "name": mapped.name, "email": mapped.email, "roles": mapped.roles, "fhir_user": fhir_user,
            "patients": patients, "notes": mapped.notes});
        terminal::line(&format!("{said:#}"));
        return;
    }
    let rows = [
        ("subject", mapped.subject.clone()),
        ("login", mapped.login.clone()),
        ("name", mapped.name.clone()),
        ("roles", mapped.roles.join(", ")),
        ("own resource", fhir_user.unwrap_or_else(|| "none".to_owned())),
        ("own patients", if patients.is_empty() { "none".to_owned() } else { patients.join(", ") }),
    ];
    for (name, value) in rows {
        terminal::line(&format!("{name:<14} {value}"));
    }
    for note in &mapped.notes {
        terminal::line(&format!("note           {note}"));
    }
}
