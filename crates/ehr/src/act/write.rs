//! create, update, patch and delete, each also conditional.

use bascule_fhir::{Id, Parameter, Query, ResourceType};
use http::StatusCode;
use serde_json::Value;

use super::condition::{check_version, none_exist, only_match};
use crate::ask::{Answer, Ask, Content, Returns, Verb, encode};
use crate::bundle::etag;
use crate::error::outcome;
use crate::server::Server;
use crate::store::{Method, Outcome, Prepared, Session, Version, Written};
use crate::{Issue, Refusal, patch, validate};

/// A change that was read and checked as far as that needs no turn on the writer.
pub(crate) struct Change {
    ask: Ask,
    /// The resource of a create or update.
    value: Option<Value>,
    /// The same with its index rows, if its id is known already.
    prepared: Option<Prepared>,
    /// What validation remarked.
    remarks: Vec<Issue>,
}

/// A condition in the address of a create is no R4, but some clients write it there: it is read as `If-None-Exist`. To
/// ignore it would make a second of what is there.
fn condition_of_address(query: &Query) -> Option<String> {
    let general = ["_format", "_pretty", "_summary", "_elements"];
    let narrows = |parameter: &&Parameter| !general.contains(&parameter.name.as_str());
    let condition: Vec<_> = query.parameters.iter().filter(narrows).cloned().collect();
    (!condition.is_empty()).then(|| encode(&condition))
}

impl Change {
    /// Reads and checks.
    pub(crate) fn prepare(server: &Server, mut ask: Ask) -> Result<Self, Refusal> {
        let (Verb::Create(resource) | Verb::Update(resource, _)) = ask.verb else {
            return Ok(Self { ask, value: None, prepared: None, remarks: Vec::new() });
        };
        if matches!(ask.verb, Verb::Create(_)) {
            match (condition_of_address(&ask.query), &ask.conditions.if_none_exist) {
                (Some(_), Some(_)) => {
                    let text = "a create has one condition: leave it out of the address, or leave If-None-Exist out";
                    return Err(Refusal::invalid(text));
                }
                (Some(condition), None) => ask.conditions.if_none_exist = Some(condition),
                (None, _) => {}
            }
        }
        let value = match ask.value.take() {
            Some(value) => value,
            None => parse_resource(&ask, resource)?,
        };
        check_type(&value, resource)?;
        let remarks = validate::check(server.settings.validation, resource, &value)?;
        let id = match &ask.verb {
            Verb::Update(_, Some(id)) => Some(same_id(&value, id)?),
            Verb::Create(_) if ask.conditions.if_none_exist.is_none() => Some(new_id()?),
            _ => None,
        };
        let (value, prepared) = match id {
            Some(id) => (None, Some(Prepared::new(&server.store.definitions, resource, id, value))),
            None => (Some(value), None),
        };
        Ok(Self { ask, value, prepared, remarks })
    }

    /// Makes it, on the writer.
    pub(crate) fn make(self, server: &Server, session: &mut Session<'_>) -> Result<Answer, Refusal> {
        let returns = self.ask.conditions.prefer.returns.unwrap_or(Returns::Representation);
        match self.ask.verb.clone() {
            Verb::Create(resource) => self.create(session, resource, returns),
            Verb::Update(resource, id) => self.update(session, resource, id, returns),
            Verb::Patch(resource, id) => self.patch(server, session, resource, id, returns),
            Verb::Delete(resource, id) => delete(session, resource, id.as_ref(), &self.ask),
            _ => Err(Refusal::unsupported("this is not done by writing")),
        }
    }

    fn create(self, session: &mut Session<'_>, resource: ResourceType, returns: Returns) -> Result<Answer, Refusal> {
        if let Some(condition) = &self.ask.conditions.if_none_exist
            && let Some(found) = only_match(&session.scope(), resource, &none_exist(resource, condition))?
        {
            return Ok(answer(StatusCode::OK, &found, returns, &self.remarks));
        }
        let prepared = match (self.prepared, self.value) {
            (Some(prepared), _) => prepared,
            (None, Some(value)) => Prepared::new(session.definitions, resource, new_id()?, value),
            (None, None) => return Err(no_body()),
        };
        let written = session.put_new(prepared)?;
        Ok(answer(StatusCode::CREATED, &written.version, returns, &self.remarks))
    }

    fn update(
        self,
        session: &mut Session<'_>,
        resource: ResourceType,
        id: Option<Id>,
        returns: Returns,
    ) -> Result<Answer, Refusal> {
        let prepared = match (self.prepared, self.value, id) {
            (Some(prepared), ..) => prepared,
            (None, Some(value), None) => {
                let id = target(session, resource, &self.ask.query, &value)?;
                Prepared::new(session.definitions, resource, id, value)
            }
            _ => return Err(no_body()),
        };
        let before = session.current(resource, prepared.id.as_str())?;
        let living = before.as_ref().filter(|version| version.method != Method::Delete);
        check_version(self.ask.conditions.if_match.as_deref(), living)?;
        if living.is_some() && self.ask.conditions.if_none_match.as_deref().is_some_and(|tag| tag.trim() == "*") {
            return Err(Refusal::precondition("conflict", "If-None-Match: * asks for a new resource, but it exists"));
        }
        let Written { outcome, version } = session.put_after(prepared, before)?;
        let status = if outcome == Outcome::Created { StatusCode::CREATED } else { StatusCode::OK };
        Ok(answer(status, &version, returns, &self.remarks))
    }

    fn patch(
        self,
        server: &Server,
        session: &mut Session<'_>,
        resource: ResourceType,
        id: Option<Id>,
        returns: Returns,
    ) -> Result<Answer, Refusal> {
        let found = match &id {
            Some(id) => session.current(resource, id.as_str())?.filter(|version| version.method != Method::Delete),
            None => only_match(&session.scope(), resource, &self.ask.query)?,
        };
        let missing = || Refusal::not_found(format!("there is no {resource} to patch"));
        let before = found.ok_or_else(missing)?;
        check_version(self.ask.conditions.if_match.as_deref(), Some(&before))?;
        let old: Value = serde_json::from_str(&before.body).map_err(|cause| Refusal::fault(&cause))?;
        let value = patch::apply(&self.ask, resource, old)?;
        check_type(&value, resource)?;
        let id = Id::parse(&before.id).ok_or_else(missing)?;
        let id = same_id(&value, &id)?;
        let remarks = validate::check(server.settings.validation, resource, &value)?;
        let prepared = Prepared::new(session.definitions, resource, id, value);
        let written = session.put_after(prepared, Some(before))?;
        Ok(answer(StatusCode::OK, &written.version, returns, &remarks))
    }
}

/// Which resource a conditional update is aimed at.
fn target(session: &Session<'_>, resource: ResourceType, query: &Query, value: &Value) -> Result<Id, Refusal> {
    let own = value.get("id").and_then(Value::as_str);
    let own = own.map(|id| Id::parse(id).ok_or_else(bad_id)).transpose()?;
    match (only_match(&session.scope(), resource, query)?, own) {
        (None, None) => new_id(),
        (None, Some(own)) => match session.current(resource, own.as_str())? {
            Some(there) if there.method != Method::Delete => {
                let text =
                    "nothing matches the condition, but the id in the body is taken: leave the id out, or update by id";
                Err(Refusal::new(StatusCode::CONFLICT, Issue::error("conflict", text)))
            }
            _ => Ok(own),
        },
        (Some(found), own) if own.as_ref().is_none_or(|own| own.as_str() == found.id) => {
            Id::parse(&found.id).ok_or_else(bad_id)
        }
        (Some(_), _) => {
            Err(Refusal::invalid("the id in the body is not that of the resource that matches the condition"))
        }
    }
}

fn delete(session: &mut Session<'_>, resource: ResourceType, id: Option<&Id>, ask: &Ask) -> Result<Answer, Refusal> {
    let found = match id {
        Some(id) => session.current(resource, id.as_str())?.filter(|version| version.method != Method::Delete),
        None => only_match(&session.scope(), resource, &ask.query)?,
    };
    check_version(ask.conditions.if_match.as_deref(), found.as_ref())?;
    let Some(found) = found else { return Ok(Answer::empty(StatusCode::NO_CONTENT)) };
    let ended = session.end(resource, &found.id)?;
    Ok(Answer { etag: ended.map(|ended| etag(ended.version)), ..Answer::empty(StatusCode::NO_CONTENT) })
}

/// The body as a resource.
fn parse_resource(ask: &Ask, resource: ResourceType) -> Result<Value, Refusal> {
    if ask.content == Content::JsonPatch {
        return Err(Refusal::invalid("a JSON Patch goes with PATCH"));
    }
    if ask.body.is_empty() {
        return Err(no_body());
    }
    serde_json::from_slice(&ask.body).map_err(|cause| {
        let text = format!("the body is not JSON that can be read as a {resource}: {cause}");
        Refusal::new(StatusCode::BAD_REQUEST, Issue::error("structure", text))
    })
}

fn no_body() -> Refusal {
    Refusal::invalid("a resource was expected as the body")
}

fn bad_id() -> Refusal {
    Refusal::invalid("an id has 1 to 64 letters, digits, `-` and `.`")
}

pub(super) fn check_type(value: &Value, resource: ResourceType) -> Result<(), Refusal> {
    match value.get("resourceType").and_then(Value::as_str) {
        Some(found) if found == resource.name() => Ok(()),
        Some(_) => Err(Refusal::invalid(format!("the path says {resource}, the body's resourceType another type"))
            .at("resourceType")),
        None => Err(Refusal::invalid(format!("the body has no resourceType; add \"resourceType\": \"{resource}\""))
            .at("resourceType")),
    }
}

/// The id of an update: in the body it must be there and the same.
pub(super) fn same_id(value: &Value, id: &Id) -> Result<Id, Refusal> {
    match value.get("id").and_then(Value::as_str) {
        Some(found) if found == id.as_str() => Ok(id.clone()),
        Some(_) => Err(Refusal::invalid("the id in the body is not the one in the URL").at("id")),
        None => Err(Refusal::invalid("the body has no id; an update must carry the id of the URL").at("id")),
    }
}

/// A new id.
pub(super) fn new_id() -> Result<Id, Refusal> {
    Id::parse(&uuid::Uuid::new_v4().to_string()).ok_or_else(bad_id)
}

/// The answer to a write.
pub(super) fn answer(status: StatusCode, version: &Version, returns: Returns, remarks: &[Issue]) -> Answer {
    let body = match returns {
        Returns::Representation => Some(version.body.clone()),
        Returns::Minimal => None,
        Returns::Outcome if remarks.is_empty() => {
            let done =
                Issue { severity: "information", code: "informational", text: "stored".to_owned(), expression: None };
            Some(outcome(&[done]).to_string())
        }
        Returns::Outcome => Some(outcome(remarks).to_string()),
    };
    Answer {
        body,
        etag: Some(etag(version.version)),
        modified: Some(version.updated),
        location: Some(format!("{}/{}/_history/{}", version.resource, version.id, version.version)),
        ..Answer::empty(status)
    }
}
