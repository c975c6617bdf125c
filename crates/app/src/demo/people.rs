//! Enters the cast into the bridge: through the same handler that an administrator's command uses.

use std::collections::BTreeMap;

use bascule_demo::cast::{App, CHART, Cast, PORTAL, Proof, User};
use bascule_demo::portal::PortalSettings;
use serde_json::{Value, json};

use super::bank::Bank;
use super::folder::DemoFolder;
use super::key;
use super::sign_in::{EXPERIMENT, EXPERIMENT_REDIRECT};
use super::state::{DemoClient, DemoUser};
use crate::admin::records::Records;
use crate::admin::{Act, Outcome};

/// The organizations of the demo: id, name, class, address, and from when there is an agreement.
const ORGANIZATIONS: [(&str, &str, &str, &str, Option<&str>); 3] = [
    ("eastside", "Eastside Family Clinic", "treating-provider", "7 East Quay, Mercy, ME 00000", None),
    ("mercy", "Mercy Hospital", "workforce", "1 Harbour Road, Mercy, ME 00000", None),
    (
        "farsight",
        "Farsight Scheduling Inc.",
        "business-associate",
        "22 Long Street, Farsight, ME 00000",
        Some("2026-01-01"),
    ),
];

/// Organizations and agreements.
pub(super) async fn enter_organizations(records: &Records) -> Result<(), String> {
    for (id, name, class, address, since) in ORGANIZATIONS {
        let (id, name) = (id.to_owned(), name.to_owned());
        let act = Act::OrganizationAdd {
            id: id.clone(),
            name,
            class: Some(class.to_owned()),
            address: Some(address.to_owned()),
        };
        done(records, act).await?;
        if let Some(from) = since {
            let agreement = Act::AgreementAdd {
                id: format!("baa-{id}"),
                organization: id,
                kind: "baa".to_owned(),
                from: from.to_owned(),
                until: None,
                purposes: vec!["HOPERAT".to_owned()],
                citation: None,
            };
            done(records, agreement).await?;
        }
    }
    Ok(())
}

/// Who treats whom, said anew at each start, as a feed would.
pub(super) async fn enter_relations(records: &Records, bank: &Bank) -> Result<(), String> {
    for (practitioner, patient) in Cast::leading().care {
        if bank.has(&format!("Patient/{patient}")).await {
            let (patient, practitioner) = ((*patient).to_owned(), (*practitioner).to_owned());
            let act = Act::RelationAdd { patient, practitioner, kind: "care-team".to_owned(), until: None };
            done(records, act).await?;
        }
    }
    Ok(())
}

/// Those of the cast whose record is in the EHR, each with a password of their own.
pub(super) async fn enter_users(records: &Records, bank: &Bank) -> Result<BTreeMap<String, DemoUser>, String> {
    let mut entered = BTreeMap::new();
    for user in Cast::leading().users {
        if user.fhir_user.is_empty() || bank.has(user.fhir_user).await {
            let (name, kept) = enter_user(records, user).await?;
            entered.insert(name, kept);
        }
    }
    Ok(entered)
}

async fn enter_user(records: &Records, user: &User) -> Result<(String, DemoUser), String> {
    let kept = DemoUser {
        password: String::new(),
        name: user.name.to_owned(),
        role: user.role.to_owned(),
        patient: user.patient.map(ToOwned::to_owned),
        about: user.about.to_owned(),
    };
    add(records, user.username, user.fhir_user, kept).await
}

/// A patient of a loaded data set.
pub(super) async fn enter_patient(
    records: &Records,
    login: &str,
    id: &str,
    name: &str,
) -> Result<(String, DemoUser), String> {
    let kept = DemoUser {
        password: String::new(),
        name: name.to_owned(),
        role: "patient".to_owned(),
        patient: Some(id.to_owned()),
        about: format!("{name}, out of the loaded data"),
    };
    add(records, login, &format!("Patient/{id}"), kept).await
}

async fn add(records: &Records, login: &str, own: &str, kept: DemoUser) -> Result<(String, DemoUser), String> {
    let act = Act::UserAdd {
        name: login.to_owned(),
        display: Some(kept.name.clone()),
        roles: roles_of(login, &kept.role),
        fhir_user: (!own.is_empty()).then(|| own.to_owned()),
        patient: kept.patient.clone(),
    };
    let value = done(records, act).await?;
    let password = value.get("password").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok((login.to_owned(), DemoUser { password, ..kept }))
}

/// Who stands for somebody is a representative beside what they are themselves.
fn roles_of(login: &str, role: &str) -> Vec<String> {
    let also = (login == super::records::REPRESENTATIVE.0).then_some("personal-representative");
    std::iter::once(role).chain(also).map(ToOwned::to_owned).collect()
}

/// The apps of the cast, and a public one for experiments on the command line.
pub(super) async fn enter_clients(
    records: &Records,
    folder: &DemoFolder,
    portal_redirect: &str,
) -> Result<BTreeMap<String, DemoClient>, String> {
    let mut entered = BTreeMap::new();
    for app in Cast::leading().apps {
        let redirect = (app.proof == Proof::Pkce).then(|| redirect_of(app.client_id, portal_redirect));
        entered.insert(app.client_id.to_owned(), enter_app(records, folder, app, redirect).await?);
    }
    let scope = "openid fhirUser launch/patient offline_access patient/*.cruds user/*.cruds";
    let metadata = json!({
        "client_name": "Experiments on the command line",
        "redirect_uris": [EXPERIMENT_REDIRECT],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": scope,
        "bascule_apis": ["ehr", "lab"],
    });
    add_client(records, EXPERIMENT, &metadata, "mercy", None).await?;
    let redirect_uri = Some(EXPERIMENT_REDIRECT.to_owned());
    let name = "Experiments on the command line".to_owned();
    entered.insert(EXPERIMENT.to_owned(), DemoClient { name, scope: scope.to_owned(), key: None, redirect_uri });
    Ok(entered)
}

/// Where a browser app is come back to: the chart stands beside the portal.
fn redirect_of(client: &str, portal_redirect: &str) -> String {
    match portal_redirect.strip_suffix(PortalSettings::REDIRECT_PATH) {
        Some(origin) if client == CHART => format!("{origin}{}", PortalSettings::CHART_REDIRECT_PATH),
        _ => portal_redirect.to_owned(),
    }
}

/// Where a chart launches the portal.
fn launch_of(portal_redirect: &str) -> Option<String> {
    let origin = portal_redirect.strip_suffix(PortalSettings::REDIRECT_PATH)?;
    Some(format!("{origin}{}", PortalSettings::LAUNCH_PATH))
}

async fn enter_app(
    records: &Records,
    folder: &DemoFolder,
    app: &App,
    redirect: Option<String>,
) -> Result<DemoClient, String> {
    let scope = app.scopes.join(" ");
    let mut metadata = json!({ "client_name": app.name, "scope": scope, "bascule_apis": ["ehr"] });
    let mut put = |name: &str, value: Value| {
        if let Some(members) = metadata.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    let key = match app.proof {
        Proof::Pkce => {
            put("token_endpoint_auth_method", json!("none"));
            put("grant_types", json!(["authorization_code", "refresh_token"]));
            put("redirect_uris", json!(redirect.iter().collect::<Vec<_>>()));
            let launch = redirect.as_deref().filter(|_| app.client_id == PORTAL).and_then(launch_of);
            if let Some(address) = launch {
                put("initiate_login_uri", json!(address));
            }
            None
        }
        Proof::PrivateKeyJwt => {
            let file = folder.key(app.client_id);
            put("token_endpoint_auth_method", json!("private_key_jwt"));
            put("grant_types", json!(["client_credentials"]));
            put("jwks", key::make(&file, app.client_id)?);
            Some(file.display().to_string())
        }
    };
    add_client(records, app.client_id, &metadata, app.organization, app.role).await?;
    Ok(DemoClient { name: app.name.to_owned(), scope, key, redirect_uri: redirect })
}

async fn add_client(
    records: &Records,
    id: &str,
    metadata: &Value,
    organization: &str,
    role: Option<&str>,
) -> Result<(), String> {
    let act = Act::ClientAdd {
        metadata: metadata.to_string(),
        id: Some(id.to_owned()),
        organization: Some(organization.to_owned()),
        roles: role.map(ToOwned::to_owned).into_iter().collect(),
    };
    done(records, act).await.map(drop)
}

pub(super) async fn done(records: &Records, act: Act) -> Result<Value, String> {
    match records.act(act, "demo").await {
        Outcome::Done(value) => Ok(value),
        Outcome::Refused(sentence) => Err(sentence),
    }
}

/// The portal may stand on another port than last time: its redirect URI moves with it, and the chart's. A demo of before
/// there was a chart has none.
pub(super) fn move_portal(records: &Records, state: &mut super::state::State, redirect: &str) -> Result<(), String> {
    let said = |error: bascule_store::StoreError| error.to_string();
    for name in [PORTAL, CHART] {
        let Some(kept) = state.clients.get_mut(name) else { continue };
        let redirect = redirect_of(name, redirect);
        if kept.redirect_uri.as_ref() == Some(&redirect) {
            continue;
        }
        let client = records.store.client(name).map_err(said)?;
        let mut metadata = client.ok_or("the portal is not registered; start over with --fresh")?.metadata;
        metadata.redirect_uris = vec![redirect.clone()];
        metadata.launch_uri = metadata.launch_uri.and_then(|_| launch_of(&redirect));
        records.store.update_client(name, &metadata).map_err(said)?;
        kept.redirect_uri = Some(redirect);
    }
    Ok(())
}
