//! The one handler of administrators' acts: it checks, changes the shelf, and says so in the log before it answers.

use std::sync::Arc;

use bascule_audit::{Entry, SystemEvent};
use bascule_crypto::Secret;
use bascule_fhir::{Id, ResourceType, Timestamp};
use bascule_policy::party::{Agreement, Organization, Relation};
use bascule_smart::client::ClientMetadata;
use bascule_store::client::Client;
use bascule_store::delivery::Queue;
use bascule_store::keys::Retention;
use bascule_store::log::Log;
use bascule_store::relation::Seen;
use bascule_store::user::{NewUser, Status, User, UserPatient, parse_reference};
use bascule_store::{Store, StoreError, random};
use serde_json::{Value, json};

use super::parties::known_class;
use super::policy::PolicyControl;
use super::{Act, Outcome};
use crate::clock;
use crate::day::{end_of_day, start_of_day};

/// The records of a house, and its log.
pub(crate) struct Records {
    pub(crate) store: Arc<Store>,
    pub(crate) log: Log,
    /// The API in which patient ids given to `user add` count.
    pub(crate) api: String,
    /// Every API.
    pub(crate) apis: Vec<String>,
    /// How long the log's keys are kept.
    pub(crate) retention: Retention,
    /// Messages of partners on their way.
    pub(crate) deliveries: Arc<Queue>,
    /// The policy in force, and the way to change it.
    pub(crate) policy: Arc<PolicyControl>,
}

/// Why an act was refused, in a sentence with its mend.
pub(super) struct Refused(pub(super) String);

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

pub(super) type Acted = Result<(Value, Option<String>), Refused>;

impl Records {
    /// Does it, keeps it in the log, answers.
    pub(crate) async fn act(&self, act: Act, by: &str) -> Outcome {
        let now = clock::now();
        let name = act.name();
        let act = match act {
            Act::LogFlush => return self.flush().await,
            Act::LogRead { what, shown } => {
                let event = SystemEvent::Read { act: what, shown, by: by.to_owned() };
                return self.say(&event, now, Value::Null).await;
            }
            Act::ReviewList { all } => return self.reviews(all),
            Act::ReviewClose { number, note, signed } => return self.close_review(number, &note, signed, now).await,
            Act::ReviewDigest { days } => return self.digest(days, now),
            Act::Observed { draft, api } => return self.observed(draft, api.as_deref()),
            Act::LogSuspend { recipient, until, statement } => {
                return self.suspend(recipient, &until, &statement, by, now).await;
            }
            Act::LogDrill => return self.drill(by, now).await,
            Act::LogReview { kind, from, to, note } => {
                let event = SystemEvent::Review { what: kind, from, to, note, by: by.to_owned() };
                return self.say(&event, now, Value::Null).await;
            }
            Act::Policy { act_on, signed } => {
                return match self.policy.act(act_on, signed, now).await {
                    Ok(value) => Outcome::Done(value),
                    Err(sentence) => Outcome::Refused(sentence),
                };
            }
            Act::People { what } => return self.about_people(what, by, now).await,
            Act::LogShred { subject, reason } => return self.shred(subject, &reason, now).await,
            Act::LogHold { subject, matter } => return self.hold(subject, &matter, by, true, now).await,
            Act::LogLift { subject, matter } => return self.hold(subject, &matter, by, false, now).await,
            act => act,
        };
        let (value, changed) = match self.perform(act, by, now) {
            Ok(done) => done,
            Err(Refused(sentence)) => return Outcome::Refused(sentence),
        };
        match changed {
            None => Outcome::Done(value),
            Some(record) => {
                let event = SystemEvent::Changed { what: name.to_owned(), from: by.to_owned(), to: record };
                self.say(&event, now, value).await
            }
        }
    }

    pub(super) async fn say(&self, event: &SystemEvent, now: Timestamp, value: Value) -> Outcome {
        match self.tell(event, now).await {
            Ok(()) => Outcome::Done(value),
            Err(error) => Outcome::Refused(error),
        }
    }

    /// Keeps in the log that something was done.
    pub(crate) async fn tell(&self, event: &SystemEvent, now: Timestamp) -> Result<(), String> {
        let kept = self.log.append(Entry::system(event, now), None).await;
        kept.map(drop).map_err(|error| format!("it was done and could not be logged: {error}"))
    }

    async fn flush(&self) -> Outcome {
        match self.log.flush().await {
            Ok(checkpoint) => Outcome::Done(checkpoint.into()),
            Err(error) => Outcome::Refused(error.to_string()),
        }
    }

    fn perform(&self, act: Act, by: &str, now: Timestamp) -> Acted {
        match act {
            Act::UserAdd { name, display, roles, fhir_user, patient } => {
                self.add_user(name, display, roles, fhir_user.as_deref(), patient.as_deref(), now)
            }
            Act::Mode { api, say, because } => self.mode(&api, say.as_deref(), because.as_deref(), now),
            Act::UserReset { name } => self.reset_user(&name, now),
            Act::UserDisable { name } => {
                let user = self.user(&name)?;
                self.store.set_user_status(&user.id, Status::Disabled, now)?;
                changed(json!({ "name": name, "status": "disabled" }), user.id)
            }
            Act::UserList => listed(self.store.users()?.iter().map(user_row)),
            Act::ClientAdd { metadata, id, organization, roles } => {
                self.add_client(&metadata, id, organization, roles, now)
            }
            Act::ClientRotate { id } => {
                let secret = random::text(&self.store.rotate_client_secret(&id, now, now)?);
                changed(json!({ "client_id": id, "client_secret": secret }), id)
            }
            Act::ClientDisable { id } => {
                self.store.set_client_status(&id, Status::Disabled, now)?;
                changed(json!({ "client_id": id, "status": "disabled" }), id)
            }
            Act::ClientList => listed(self.store.clients()?.iter().map(client_row)),
            Act::OrganizationAdd { id, name, class, address } => self.add_organization(id, name, class, address, now),
            Act::OrganizationList => listed(self.store.organizations()?.iter().map(organization_row)),
            Act::OrganizationVerify { id, on, by: whom } => self.verify_organization(&id, &on, &whom, now),
            Act::OrganizationClassify { id, class } => self.classify_organization(&id, class),
            Act::OrganizationReference { id, reference } => self.reference_organization(&id, &reference),
            Act::AgreementAdd { id, organization, kind, from, until, purposes, citation } => {
                let agreement =
                    Agreement { citation, ..agreement(id, organization, kind, &from, until.as_deref(), purposes)? };
                self.add_agreement(&agreement)
            }
            Act::AgreementEnd { id, because } => self.end_agreement(&id, &because, now),
            Act::Filed { act_on } => self.filed(act_on, by, now),
            Act::Link { act_on } => self.linked(act_on, by, now),
            Act::AgreementList => listed(self.store.agreements()?.iter().map(agreement_row)),
            Act::RelationAdd { patient, practitioner, kind, until } => {
                self.add_relation(&patient, &practitioner, kind, until.as_deref(), by, now)
            }
            Act::RelationEnd { patient, practitioner, kind } => self.end_relation(&patient, &practitioner, &kind, now),
            Act::RelationList => listed(self.store.relations()?.iter().map(relation_row)),
            Act::AlertList => listed(self.store.alerts(true)?.iter().map(alert_row)),
            Act::AlertClose { number, note } => {
                self.store.acknowledge_alert(number, &format!("{by}: {note}"), now)?;
                changed(json!({ "number": number, "status": "closed" }), format!("alert {number}"))
            }
            Act::Exchange { act_on } => act_on.perform(&self.deliveries, now).map_err(Refused),
            Act::LogFlush
            | Act::LogDrill
            | Act::LogSuspend { .. }
            | Act::LogReview { .. }
            | Act::LogRead { .. }
            | Act::LogShred { .. }
            | Act::LogHold { .. }
            | Act::LogLift { .. }
            | Act::ReviewList { .. }
            | Act::ReviewClose { .. }
            | Act::ReviewDigest { .. }
            | Act::Observed { .. }
            | Act::People { .. }
            | Act::Policy { .. } => {
                Err(Refused("an act of the log, the policy or the reviews, not of the records".to_owned()))
            }
        }
    }

    fn user(&self, name: &str) -> Result<User, Refused> {
        let missing = || Refused(format!("there is no user `{name}`; see `bascule user list`"));
        self.store.user_by_login(name)?.ok_or_else(missing)
    }

    fn add_user(
        &self,
        login: String,
        display: Option<String>,
        roles: Vec<String>,
        fhir_user: Option<&str>,
        patient: Option<&str>,
        now: Timestamp,
    ) -> Acted {
        self.known_roles(&roles)?;
        let own = fhir_user.map(own_resource).transpose()?;
        let name = display.unwrap_or_else(|| login.clone());
        let patients = match patient {
            None => Vec::new(),
            Some(id) => {
                let patient = Id::parse(id).ok_or_else(|| Refused(format!("`{id}` is not a FHIR id")))?;
                vec![UserPatient { api: self.api.clone(), patient, label: name.clone(), kind: "self".to_owned() }]
            }
        };
        let password = random::text(&random::token()?);
        let new = NewUser { id: None, login, name, email: None, roles, fhir_user: own, patients, external: None };
        let user = self.store.add_user(&new, Some(&Secret::new(password.clone())), now)?;
        changed(json!({ "name": user.login, "password": password }), user.id)
    }

    /// Refuses a role that the policy in force does not have: nobody could tell it from one that opens nothing.
    fn known_roles(&self, roles: &[String]) -> Result<(), Refused> {
        let policy = self.policy.live().load();
        let Some(unknown) = roles.iter().find(|role| policy.role(role).is_none()) else { return Ok(()) };
        let near = bascule_policy::fault::suggest(unknown, policy.roles().map(|role| role.name.as_ref()));
        let all =
            || format!("the policy has {}", policy.roles().map(|role| &*role.name).collect::<Vec<_>>().join(", "));
        let mend = if near.is_empty() { all() } else { near };
        Err(Refused(format!("there is no role `{unknown}`; {mend}")))
    }

    fn reset_user(&self, name: &str, now: Timestamp) -> Acted {
        let user = self.user(name)?;
        let password = random::text(&random::token()?);
        self.store.set_password(&user.id, &Secret::new(password.clone()), now)?;
        changed(json!({ "name": name, "password": password }), user.id)
    }

    fn add_client(
        &self,
        metadata: &str,
        id: Option<String>,
        organization: Option<String>,
        roles: Vec<String>,
        now: Timestamp,
    ) -> Acted {
        let value =
            serde_json::from_str(metadata).map_err(|error| Refused(format!("the metadata is not JSON: {error}")))?;
        let mut metadata = ClientMetadata::parse(&value).map_err(|error| Refused(error.to_string()))?;
        if let [first, ..] = metadata.unknown.as_slice() {
            return Err(Refused(format!("the metadata has no member `{first}`; see docs/operating.md")));
        }
        if !roles.is_empty() {
            metadata.roles = roles;
        }
        self.known_roles(&metadata.roles)?;
        let id = id.map_or_else(random::id, Ok)?;
        let uses_secret = metadata.auth_method.uses_secret();
        self.store.add_client(&Client {
            id: id.clone(),
            organization,
            metadata,
            status: Status::Active,
            created: now,
        })?;
        let mut row = json!({ "client_id": id });
        if uses_secret && let Some(row) = row.as_object_mut() {
            let secret = random::text(&self.store.rotate_client_secret(&id, now, now)?);
            row.insert("client_secret".to_owned(), secret.into());
        }
        changed(row, id)
    }

    fn add_organization(
        &self,
        id: String,
        name: String,
        class: Option<String>,
        address: Option<String>,
        now: Timestamp,
    ) -> Acted {
        if let Some(class) = &class {
            known_class(class)?;
        }
        let organization = Organization { id, name, address, class, verified: None };
        self.store.add_organization(&organization, now)?;
        if organization.class.is_none() {
            let said =
                format!("organization {} has no class: its clients are refused until it has one", organization.id);
            self.alert("organization-unclassified", &said, now)?;
        }
        changed(json!({ "id": organization.id, "name": organization.name }), organization.id)
    }

    fn add_relation(
        &self,
        patient: &str,
        practitioner: &str,
        kind: String,
        until: Option<&str>,
        by: &str,
        now: Timestamp,
    ) -> Acted {
        let (api, patient) = self.patient(patient)?;
        let until = until.map(last_day).transpose()?;
        let relation = Relation { patient, practitioner: fhir_id(practitioner)?, kind, from: now, until };
        self.store.put_relation(&api, &relation, by, now)?;
        let seen = Seen { relation, seen: now, api, source: by.to_owned() };
        changed(relation_row(&seen), "relation".to_owned())
    }

    fn end_relation(&self, patient: &str, practitioner: &str, kind: &str, now: Timestamp) -> Acted {
        let (api, patient) = self.patient(patient)?;
        let practitioner = fhir_id(practitioner)?;
        self.store.end_relation(&api, &patient, &practitioner, kind, now)?;
        changed(json!({ "ended": kind, "practitioner": practitioner.as_str() }), "relation".to_owned())
    }
}

fn fhir_id(text: &str) -> Result<Id, Refused> {
    Id::parse(text).ok_or_else(|| Refused(format!("`{text}` is not a FHIR id")))
}

pub(super) fn changed(value: Value, record: String) -> Acted {
    Ok((value, Some(record)))
}

pub(super) fn listed(rows: impl Iterator<Item = Value>) -> Acted {
    Ok((Value::Array(rows.collect()), None))
}

fn own_resource(text: &str) -> Result<(ResourceType, Id), Refused> {
    parse_reference(text).ok_or_else(|| Refused(format!("`{text}` is not a reference; write `Practitioner/d1`")))
}

pub(super) fn last_day(day: &str) -> Result<Timestamp, Refused> {
    end_of_day(day).ok_or_else(|| Refused(format!("`{day}` is not a day; write 2026-12-31")))
}

/// Kinds of agreements.
const AGREEMENTS: [&str; 5] = ["baa", "data-use", "required-by-law", "expert-determination", "none-needed"];

fn agreement(
    id: String,
    organization: String,
    kind: String,
    from: &str,
    until: Option<&str>,
    purposes: Vec<String>,
) -> Result<Agreement, Refused> {
    if !AGREEMENTS.contains(&kind.as_str()) {
        return Err(Refused(format!("there is no kind `{kind}`; choose one of {}", AGREEMENTS.join(", "))));
    }
    let from = start_of_day(from).ok_or_else(|| Refused(format!("`{from}` is not a day; write 2026-12-31")))?;
    let until = until.map(last_day).transpose()?;
    if until.is_some_and(|until| until <= from) {
        return Err(Refused("the agreement would end before it begins".to_owned()));
    }
    Ok(Agreement { id, organization, kind, from, until, purposes, citation: None })
}

fn user_row(user: &User) -> Value {
    let own = user.fhir_user.as_ref().map(|(resource, id)| format!("{resource}/{id}"));
    json!({ "name": user.login, "roles": user.roles, "fhir-user": own, "status": user.status.name() })
}

fn client_row(client: &Client) -> Value {
    json!({
        "client_id": client.id,
        "name": client.metadata.client_name,
        "organization": client.organization,
        "roles": client.metadata.roles,
        "grant_types": client.metadata.grant_types.iter().map(|grant| grant.name()).collect::<Vec<_>>(),
        "scope": client.metadata.scope.to_string(),
        "status": client.status.name(),
    })
}

pub(super) fn organization_row((organization, status): &(Organization, Status)) -> Value {
    json!({
        "id": organization.id,
        "name": organization.name,
        "class": organization.class,
        "verified": organization.verified.map(Timestamp::to_instant),
        "address": organization.address,
        "status": status.name(),
    })
}

pub(super) fn agreement_row(agreement: &Agreement) -> Value {
    json!({
        "id": agreement.id,
        "organization": agreement.organization,
        "kind": agreement.kind,
        "from": agreement.from.to_instant(),
        "until": agreement.until.map(Timestamp::to_instant),
        "purposes": agreement.purposes,
        "citation": agreement.citation,
    })
}

fn relation_row(seen: &Seen) -> Value {
    let relation = &seen.relation;
    json!({
        "api": seen.api,
        "patient": relation.patient.as_str(),
        "practitioner": relation.practitioner.as_str(),
        "kind": relation.kind,
        "from": relation.from.to_instant(),
        "until": relation.until.map(Timestamp::to_instant),
        "source": seen.source,
        "seen": seen.seen.to_instant(),
    })
}

fn alert_row(alert: &bascule_store::alert::Alert) -> Value {
    let raised = &alert.alert;
    json!({
        "number": alert.number,
        "at": raised.at.to_instant(),
        "severity": raised.severity,
        "rule": raised.rule,
        "client": raised.client,
        "said": raised.said,
    })
}
