//! `bascule check`: every fault of configuration, policy and certificates at once. Nothing is started, nothing changed.

use bascule_policy::fault::Fault;
use bascule_policy::{Mode, Policy};
use bascule_store::Store;
use bascule_wire::{ReloadableTls, TlsFiles};
use serde_json::json;

use crate::admin::policy::panel;
use crate::cli::CheckArgs;
use crate::config::{self, Settings};
use crate::exit::Exit;
use crate::{clock, policy_folder, terminal};

/// A certificate that ends within this many days is warned of.
const CERTIFICATE_DAYS_WARN: i64 = 30;

/// What a check found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) faults: Vec<Fault>,
    pub(crate) warnings: Vec<String>,
    pub(crate) policy_hash: Option<String>,
}

/// Checks and reports.
pub(crate) fn run(args: &CheckArgs) -> Exit {
    let file = &args.config.config;
    let found = match config::load(file) {
        Ok(settings) => check(&settings, &file.display().to_string()),
        Err(faults) => Found { faults, ..Found::default() },
    };
    if args.json {
        terminal::line(&format!("{:#}", as_json(&found)));
    } else {
        for warning in &found.warnings {
            terminal::note(&format!("warning: {warning}"));
        }
        if found.faults.is_empty() {
            let hash = found.policy_hash.as_deref().unwrap_or_default();
            terminal::line(&format!("{} is sound; policy {}", file.display(), hash.get(..16).unwrap_or(hash)));
        } else {
            terminal::faults(&found.faults, "Nothing was started.");
        }
    }
    if found.faults.is_empty() { Exit::Done } else { Exit::Usage }
}

/// Checks what lies beyond the text: certificates, policy, authorities of upstreams.
pub(crate) fn check(settings: &Settings, file: &str) -> Found {
    let mut found = beside_policy(settings, file);
    match policy_folder::load(&settings.policy, &settings.api_names()) {
        Ok(policy) => {
            check_roles(settings, &policy, file, &mut found);
            found.policy_hash = Some(policy.hash().to_owned());
            found.faults.extend(check_panel(settings, &policy));
        }
        Err(faults) => found.faults.extend(faults),
    }
    found
}

/// A hard panel needs a fresh feed of relations; whether it is, stands on the shelf of the house.
fn check_panel(settings: &Settings, policy: &Policy) -> Option<Fault> {
    panel::hard(policy)?;
    let folder = settings.policy.display().to_string();
    let shelf = settings.store.join("bascule.db");
    let checked = if shelf.exists() {
        let store = Store::open(&shelf, clock::now()).map_err(|error| error.to_string());
        store.and_then(|store| panel::check(policy, &store, clock::now()))
    } else {
        Err("a policy with a hard panel is no first policy: the house has no feed of relations yet".to_owned())
    };
    checked.err().map(|said| Fault::of_file(&folder, said, ""))
}

/// All but the policy: a house with a faulty policy folder goes on with the last accepted one.
pub(crate) fn beside_policy(settings: &Settings, file: &str) -> Found {
    let mut found = Found::default();
    check_certificate(settings, file, &mut found);
    found.warnings.extend(settings.dangerous.iter().map(|said| format!("[dangerous] {said}")));
    if settings.audit.witnesses.is_empty() {
        let without = "the audit log has no witness: whoever holds its signing key could write another history; name one \
                       outside this organization under [audit] witness";
        found.warnings.push(without.to_owned());
    }
    for (api, named) in settings.gateway.apis.iter().zip(&settings.named) {
        if named.owner.is_none() {
            found
                .warnings
                .push(format!("api `{}` has no owner; write owner = \"name@hospital.example\"", api.api.name));
        }
        if api.upstream.url.scheme() == "http" {
            found.warnings.push(format!("api `{}` reaches its upstream without TLS, on this machine", api.api.name));
        }
        if let Mode::Observe { until, owner, .. } | Mode::Canary { until, owner, .. } = &api.api.mode {
            let (name, until) = (&api.api.name, until.to_instant());
            found.warnings.push(format!("api `{name}` only observes until {until}; {owner} answers for it"));
        }
    }
    found
}

/// A role that a provider's claims stand for must be one that the policy knows: a slip there lets nobody do anything.
fn check_roles(settings: &Settings, policy: &bascule_policy::Policy, file: &str, found: &mut Found) {
    for provider in &settings.providers {
        for role in provider.claims.roles.values().flatten().filter(|role| policy.role(role).is_none()) {
            let message =
                format!("provider `{}` gives the role `{role}`, which the policy does not have", provider.name);
            let known = policy.roles().map(|role| role.name.as_ref());
            let near = bascule_policy::fault::suggest(role, known);
            let mend = if near.is_empty() { "write a role of the policy folder".to_owned() } else { near };
            found.faults.push(Fault::of_file(file, message, mend));
        }
    }
}

fn check_certificate(settings: &Settings, file: &str, found: &mut Found) {
    if let Some(Err(error)) = mutual_tls_files(settings).map(ReloadableTls::load) {
        found.faults.push(Fault::of_file(file, format!("[listen.mtls]: {error}"), "name a PEM file of authorities"));
    }
    let tls = ReloadableTls::load(tls_files(settings));
    match tls.and_then(|tls| tls.days_left()) {
        Ok(days) if days < CERTIFICATE_DAYS_WARN => {
            let certificate = settings.listen.certificate.display();
            found.warnings.push(format!("the certificate {certificate} ends in {days} days; renew it and send SIGHUP"));
        }
        Ok(_) => {}
        Err(error) => found.faults.push(Fault::of_file(
            file,
            format!("[listen] tls: {error}"),
            "name a PEM certificate chain and its key",
        )),
    }
}

/// The files of the listener.
pub(crate) fn tls_files(settings: &Settings) -> TlsFiles {
    TlsFiles {
        certificate: settings.listen.certificate.clone(),
        key: settings.listen.key.clone(),
        client_ca: settings.listen.client_ca.clone(),
        self_signed_clients: settings.listen.self_signed_clients,
    }
}

/// The files of the second listener, if there is one: the same certificate, and what it asks of clients.
pub(crate) fn mutual_tls_files(settings: &Settings) -> Option<TlsFiles> {
    let second = settings.listen.mtls.as_ref()?;
    Some(TlsFiles {
        client_ca: second.client_ca.clone(),
        self_signed_clients: second.self_signed,
        ..tls_files(settings)
    })
}

fn as_json(found: &Found) -> serde_json::Value {
    let faults = found.faults.iter().map(|fault| {
        json!({
            "file": fault.file,
            "line": fault.line,
            "column": fault.column,
            "message": fault.message,
            "mend": fault.mend,
        })
    });
    json!({ "faults": faults.collect::<Vec<_>>(), "warnings": found.warnings, "policy": found.policy_hash })
}
