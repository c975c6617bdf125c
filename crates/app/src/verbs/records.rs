//! `bascule user|client|organization|agreement|relation|alert|consent|…`: asks the running house, or opens it.

use std::sync::Arc;

use bascule_store::keys::Retention;
use serde_json::Value;

use crate::admin::people::PeopleAct;
use crate::admin::records::Records;
use crate::admin::{Act, Outcome, socket};
use crate::cli::{AgreementVerb, AlertVerb, ClientVerb, OrganizationVerb, RecordsArgs, RelationVerb, UserVerb};
use crate::config::{self, Settings};
use crate::exit::Exit;
use crate::house::House;
use crate::{clock, terminal};

/// Performs an act and shows what came of it.
pub(crate) async fn run((act, args): (Act, RecordsArgs)) -> Exit {
    if let Some(server) = &args.server {
        let asked = super::records_remote::ask(server, args.token_file.as_deref(), args.ca.as_deref(), &act).await;
        return match asked {
            Ok(outcome) => came_of(outcome, args.json),
            Err(sentence) => terminal::failed(&sentence),
        };
    }
    let file = config::found_here(args.config.as_deref());
    let settings = match config::load(&file) {
        Ok(settings) => settings,
        Err(faults) => return terminal::faults(&faults, "Nothing was changed."),
    };
    let outcome = match ask(settings, &act).await {
        Ok(outcome) => outcome,
        Err(sentence) => return terminal::failed(&sentence),
    };
    came_of(outcome, args.json)
}

/// The same for acts about people.
pub(crate) async fn run_people((what, args): (PeopleAct, RecordsArgs)) -> Exit {
    run((Act::People { what }, args)).await
}

fn came_of(outcome: Outcome, json: bool) -> Exit {
    match outcome {
        Outcome::Done(value) => {
            show(&value, json);
            Exit::Done
        }
        Outcome::Refused(sentence) => {
            terminal::error(&sentence);
            Exit::Usage
        }
    }
}

/// Asks the running house, or opens it for the while.
pub(crate) async fn ask(settings: Settings, act: &Act) -> Result<Outcome, String> {
    match socket::ask(&settings.store, act).await {
        Ok(Some(outcome)) => Ok(outcome),
        Ok(None) => {
            crate::witnessing::before_opening(&settings).await?;
            let house = House::open(settings, clock::now()).map_err(|error| error.to_string())?;
            let outcome = Records::of(&house).act(act.clone(), "command").await;
            house.close().await;
            Ok(outcome)
        }
        Err(error) => Err(format!("admin.sock: {error}")),
    }
}

impl Records {
    /// The records of an open house.
    pub(crate) fn of(house: &House) -> Self {
        let api = house.settings.gateway.apis.first().map_or_else(String::new, |entry| entry.api.name.clone());
        let apis = house.settings.gateway.apis.iter().map(|entry| entry.api.name.clone()).collect();
        let retention = Retention { years: house.settings.audit.retention_years };
        Self {
            store: Arc::clone(&house.store),
            deliveries: Arc::clone(&house.deliveries),
            log: house.log.clone(),
            api,
            apis,
            retention,
            policy: Arc::clone(&house.policy),
        }
    }
}

fn show(value: &Value, json: bool) {
    match value {
        _ if json => terminal::line(&format!("{value:#}")),
        Value::Array(rows) => terminal::table(rows),
        Value::Object(record) => {
            for (name, value) in record {
                terminal::line(&format!("{name:<14} {}", terminal::cell(value)));
            }
        }
        other => terminal::line(&terminal::cell(other)),
    }
}

fn people((what, records): (PeopleAct, RecordsArgs)) -> (Act, RecordsArgs) {
    (Act::People { what }, records)
}

impl UserVerb {
    /// # Errors
    /// If a feed cannot be read.
    pub(crate) fn into_act(self) -> std::io::Result<(Act, RecordsArgs)> {
        Ok(match self {
            Self::More(more) => people(more.into_act()?),
            Self::Explain(_) => return Err(std::io::Error::other("an explanation changes nothing")),
            Self::Add { name, roles, fhir_user, patient, display, records } => {
                (Act::UserAdd { name, display, roles, fhir_user, patient }, records)
            }
            Self::Reset { name, records } => (Act::UserReset { name }, records),
            Self::Disable { name, records } => (Act::UserDisable { name }, records),
            Self::List { records } => (Act::UserList, records),
        })
    }
}

impl ClientVerb {
    /// # Errors
    /// If the metadata file cannot be read.
    pub(crate) fn into_act(self) -> std::io::Result<(Act, RecordsArgs)> {
        Ok(match self {
            Self::Add { file, id, organization, roles, records } => {
                let metadata = if file.as_os_str() == "-" {
                    std::io::read_to_string(std::io::stdin())?
                } else {
                    std::fs::read_to_string(&file)?
                };
                (Act::ClientAdd { metadata, id, organization, roles }, records)
            }
            Self::Rotate { id, records } => (Act::ClientRotate { id }, records),
            Self::Disable { id, records } => (Act::ClientDisable { id }, records),
            Self::Key { .. } => return Err(std::io::Error::other("a key of the bridge's own is no record")),
            Self::List { records } => (Act::ClientList, records),
            Self::More(more) => people(more.into_act()),
        })
    }
}

impl OrganizationVerb {
    pub(crate) fn into_act(self) -> (Act, RecordsArgs) {
        match self {
            Self::Add { id, name, class, address, records } => {
                (Act::OrganizationAdd { id, name, class, address }, records)
            }
            Self::Verify { id, on, by, records } => (Act::OrganizationVerify { id, on, by }, records),
            Self::Classify { id, class, records } => (Act::OrganizationClassify { id, class }, records),
            Self::Reference { id, reference, records } => (Act::OrganizationReference { id, reference }, records),
            Self::List { records } => (Act::OrganizationList, records),
            Self::More(more) => people(more.into_act()),
        }
    }
}

impl AgreementVerb {
    pub(crate) fn into_act(self) -> (Act, RecordsArgs) {
        match self {
            Self::Add { id, organization, kind, from, until, purposes, citation, records } => {
                (Act::AgreementAdd { id, organization, kind, from, until, purposes, citation }, records)
            }
            Self::End { id, because, records } => (Act::AgreementEnd { id, because }, records),
            Self::List { records } => (Act::AgreementList, records),
        }
    }
}

impl RelationVerb {
    pub(crate) fn into_act(self) -> (Act, RecordsArgs) {
        match self {
            Self::Add { patient, practitioner, kind, until, records } => {
                (Act::RelationAdd { patient, practitioner, kind, until }, records)
            }
            Self::End { patient, practitioner, kind, records } => {
                (Act::RelationEnd { patient, practitioner, kind }, records)
            }
            Self::List { records } => (Act::RelationList, records),
        }
    }
}

impl AlertVerb {
    pub(crate) fn into_act(self) -> (Act, RecordsArgs) {
        match self {
            Self::List { records } => (Act::AlertList, records),
            Self::Close { id, note, records } => (Act::AlertClose { number: id, note }, records),
        }
    }
}
