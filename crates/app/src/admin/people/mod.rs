//! Acts about people, apps that wait, emergencies and misuse.

mod act;
mod csv;
mod emergency;
mod import;
mod kill;
mod link_code;

use bascule_audit::SystemEvent;
use bascule_fhir::Timestamp;
use bascule_store::StoreError;
use bascule_store::user::{Status, User};
use serde_json::{Value, json};

pub(crate) use act::{PeopleAct, Target};

use link_code::LinkAsked;

use super::Outcome;
use super::records::Records;

/// What came of an act: what is shown, and the record that changed.
type Acted = Result<(Value, Option<String>), String>;

fn text(error: StoreError) -> String {
    error.to_string()
}

impl Records {
    /// Does it, keeps it in the log, answers.
    pub(super) async fn about_people(&self, act: PeopleAct, by: &str, now: Timestamp) -> Outcome {
        let name = act.name();
        let acted = match act {
            PeopleAct::Kill { target, id, reason } => self.kill(target, &id, &reason, by, now).await,
            act => self.change_people(act, by, now),
        };
        match acted {
            Err(sentence) => Outcome::Refused(sentence),
            Ok((value, None)) => Outcome::Done(value),
            Ok((value, Some(record))) => {
                let event = SystemEvent::Administration { act: name.to_owned(), record, by: by.to_owned() };
                self.say(&event, now, value).await
            }
        }
    }

    fn change_people(&self, act: PeopleAct, by: &str, now: Timestamp) -> Acted {
        match act {
            PeopleAct::UserEnable { name } => {
                let user = self.named(&name)?;
                self.store.set_user_status(&user.id, Status::Active, now).map_err(text)?;
                changed(json!({ "name": name, "status": "active" }), user.id)
            }
            PeopleAct::UserForgetSecondFactor { name } => {
                let user = self.named(&name)?;
                self.store.remove_second_factors(&user.id).map_err(text)?;
                self.store.forget_browsers(&user.id).map_err(text)?;
                self.store.end_sessions_of(&user.id, now).map_err(text)?;
                changed(json!({ "name": name, "second-factor": false }), user.id)
            }
            PeopleAct::UserLinkCode { patient, api, kind, label, document, born, hours } => {
                let asked = LinkAsked { patient, api, kind, label, document, born, hours };
                self.link_code(asked, by, now)
            }
            PeopleAct::UserImport { csv, complete } => self.import(&csv, complete, now),
            PeopleAct::ClientPending => self.pending_clients(),
            PeopleAct::ClientApprove { id, organization, roles } => self.approve(&id, &organization, roles, now),
            PeopleAct::ClientRefuse { id, reason } => {
                self.waiting(&id)?;
                self.store.set_client_status(&id, Status::Disabled, now).map_err(text)?;
                changed(json!({ "client_id": id, "status": "refused", "reason": reason }), id)
            }
            PeopleAct::ClientEnable { id } => {
                if self.waiting(&id).is_ok() {
                    return Err(format!("`{id}` waits for an approval: `bascule client approve {id}`"));
                }
                self.store.set_client_status(&id, Status::Active, now).map_err(text)?;
                changed(json!({ "client_id": id, "status": "active" }), id)
            }
            PeopleAct::OrganizationDisable { id } => {
                self.store.set_organization_status(&id, Status::Disabled).map_err(text)?;
                self.store.end_grants_of_organization(&id, "organization disabled", now).map_err(text)?;
                changed(json!({ "id": id, "status": "disabled" }), id)
            }
            PeopleAct::OrganizationEnable { id } => {
                self.store.set_organization_status(&id, Status::Active).map_err(text)?;
                changed(json!({ "id": id, "status": "active" }), id)
            }
            PeopleAct::EmergencySeal { name, roles, display } => self.seal(name, roles, display, now),
            PeopleAct::EmergencyReseal { name } => self.reseal(&name, now),
            PeopleAct::EmergencyDrill { name } => self.announce_drill(&name, now),
            PeopleAct::EmergencyReview { number, note } => {
                self.store.review_broken_seal(number, by, &note, now).map_err(text)?;
                changed(json!({ "number": number, "reviewed-by": by }), format!("use {number}"))
            }
            PeopleAct::EmergencyList => self.sealed(now),
            PeopleAct::Preserved => {
                let rows = self.store.preserved().map_err(text)?;
                Ok((Value::Array(rows.iter().map(kill::row).collect()), None))
            }
            PeopleAct::Kill { .. } => Err("ended elsewhere".to_owned()),
        }
    }

    /// The user of that name.
    fn named(&self, name: &str) -> Result<User, String> {
        let missing = || format!("there is no user `{name}`; see `bascule user list`");
        self.store.user_by_login(name).map_err(text)?.ok_or_else(missing)
    }

    fn waiting(&self, id: &str) -> Result<bascule_store::client::Client, String> {
        let client = self.store.client(id).map_err(text)?;
        client
            .filter(|client| client.status == Status::Waiting)
            .ok_or_else(|| format!("no client `{id}` waits for an approval; see `bascule client pending`"))
    }

    fn pending_clients(&self) -> Acted {
        let clients = self.store.clients().map_err(text)?;
        let waiting = clients.iter().filter(|client| client.status == Status::Waiting);
        let rows = waiting.map(|client| {
            json!({
                "client_id": client.id,
                "name": client.metadata.client_name,
                "redirect_uris": client.metadata.redirect_uris,
                "scope": client.metadata.scope.to_string(),
                "auth": client.metadata.auth_method.name(),
                "contacts": client.metadata.contacts,
                "since": client.created.to_instant(),
            })
        });
        Ok((Value::Array(rows.collect()), None))
    }

    /// A client belongs to an organization from the moment that it may act.
    fn approve(&self, id: &str, organization: &str, roles: Vec<String>, now: Timestamp) -> Acted {
        let mut client = self.waiting(id)?;
        let known = self.store.organization(organization).map_err(text)?;
        known.ok_or_else(|| format!("there is no organization `{organization}`; see `bascule organization list`"))?;
        client.metadata.roles = roles;
        self.store.update_client(id, &client.metadata).map_err(text)?;
        self.store.set_client_organization(id, organization).map_err(text)?;
        self.store.set_client_status(id, Status::Active, now).map_err(text)?;
        changed(json!({ "client_id": id, "organization": organization, "status": "active" }), id.to_owned())
    }
}

fn changed(value: Value, record: String) -> Acted {
    Ok((value, Some(record)))
}
