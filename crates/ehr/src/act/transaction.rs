//! transaction: all entries or none. Identities first (what will each entry's resource be called?), then the references
//! between entries, then the changes in FHIR's order: DELETE, POST, PUT and PATCH, GET.

use std::collections::{HashMap, HashSet};

use bascule_fhir::{Id, ResourceType};
use http::StatusCode;
use serde_json::Value;

use super::condition::{check_version, none_exist, only_match};
use super::entry::Entry;
use super::write::{Change, answer, check_type, new_id, same_id};
use crate::ask::{Answer, Ask, Prefer, Returns, Verb, query};
use crate::server::Server;
use crate::store::{Method, Outcome, Prepared, Session, Version};
use crate::{Issue, Refusal, validate};

/// A transaction that was read and validated.
pub(super) struct Transaction {
    entries: Vec<Entry>,
    remarks: Vec<Vec<Issue>>,
}

/// What an entry's resource is called.
enum Identity {
    /// Under that id it will be written.
    Write(ResourceType, Id),
    /// A conditional create found it.
    Exists(Version),
    /// It has none, or keeps its own.
    Other,
}

impl Transaction {
    /// Reads and validates every entry.
    pub(super) fn read(server: &Server, entries: Vec<Value>, mut prefer: Prefer) -> Result<Self, Refusal> {
        prefer.returns.get_or_insert(Returns::Minimal);
        let mut read = Vec::with_capacity(entries.len());
        let mut remarks = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let entry = Entry::read(entry, index, server.base(), prefer)?;
            remarks.push(validated(server, &entry.ask).map_err(|refusal| refusal.within(index))?);
            read.push(entry);
        }
        Ok(Self { entries: read, remarks })
    }

    /// Makes it, on the writer. The answers stand in the order of the entries.
    pub(super) fn make(mut self, server: &Server, session: &mut Session<'_>) -> Result<Vec<Answer>, Refusal> {
        let identities = self.identities(session)?;
        self.resolve(session, &identities)?;
        let mut order: Vec<(usize, Entry, Identity)> = self
            .entries
            .into_iter()
            .zip(identities)
            .enumerate()
            .map(|(at, (entry, identity))| (at, entry, identity))
            .collect();
        order.sort_by_key(|(_, entry, _)| rank(&entry.ask.verb));
        let mut answers: Vec<Option<Answer>> = self.remarks.iter().map(|_| None).collect();
        for (at, entry, identity) in order {
            let remarks = self.remarks.get(at).map(Vec::as_slice).unwrap_or_default();
            let done = one(server, session, entry.ask, identity, remarks).map_err(|refusal| refusal.within(at))?;
            if let Some(place) = answers.get_mut(at) {
                *place = Some(done);
            }
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Answer::empty(StatusCode::OK))).collect())
    }

    fn identities(&self, session: &Session<'_>) -> Result<Vec<Identity>, Refusal> {
        let mut taken = HashSet::new();
        let mut all = Vec::with_capacity(self.entries.len());
        for (at, entry) in self.entries.iter().enumerate() {
            let identity = identity(session, &entry.ask).map_err(|refusal| refusal.within(at))?;
            let name = match (&identity, &entry.ask.verb) {
                (Identity::Write(resource, id), _) => Some((*resource, id.clone())),
                (_, Verb::Delete(resource, Some(id)) | Verb::Patch(resource, Some(id))) => {
                    Some((*resource, id.clone()))
                }
                _ => None,
            };
            if name.is_some_and(|name| !taken.insert(name)) {
                return Err(Refusal::invalid("two entries of the transaction change the same resource").within(at));
            }
            all.push(identity);
        }
        Ok(all)
    }

    /// Puts the names that resources will have in place of those that the Bundle gave them.
    fn resolve(&mut self, session: &Session<'_>, identities: &[Identity]) -> Result<(), Refusal> {
        let mut names = HashMap::new();
        for (entry, identity) in self.entries.iter().zip(identities) {
            let name = match identity {
                Identity::Write(resource, id) => format!("{resource}/{id}"),
                Identity::Exists(version) => format!("{}/{}", version.resource, version.id),
                Identity::Other => continue,
            };
            if let Some(full_url) = &entry.full_url {
                names.insert(full_url.clone(), name);
            }
        }
        let mut resolver = Resolver { session, names, found: HashMap::new() };
        for (at, entry) in self.entries.iter_mut().enumerate() {
            if let Some(value) = &mut entry.ask.value {
                resolver.walk(value).map_err(|refusal| refusal.within(at))?;
            }
        }
        Ok(())
    }
}

fn validated(server: &Server, ask: &Ask) -> Result<Vec<Issue>, Refusal> {
    match (&ask.verb, &ask.value) {
        (Verb::Create(resource) | Verb::Update(resource, _), Some(value)) => {
            check_type(value, *resource)?;
            validate::check(server.settings.validation, *resource, value)
        }
        (Verb::Create(_) | Verb::Update(..), None) => Err(Refusal::invalid("a POST or PUT entry needs its resource")),
        (Verb::Bundle | Verb::Operation { .. } | Verb::Job { .. } | Verb::JobFile { .. }, _) => Err(
            Refusal::unsupported("operations and Bundles are not done within a transaction; send them by themselves"),
        ),
        _ => Ok(Vec::new()),
    }
}

const fn rank(verb: &Verb) -> u8 {
    match verb {
        Verb::Delete(..) => 0,
        Verb::Create(_) => 1,
        Verb::Update(..) | Verb::Patch(..) => 2,
        _ => 3,
    }
}

fn identity(session: &Session<'_>, ask: &Ask) -> Result<Identity, Refusal> {
    Ok(match &ask.verb {
        Verb::Create(resource) => {
            let condition = ask.conditions.if_none_exist.as_ref().map(|text| none_exist(*resource, text));
            match condition.map(|condition| only_match(&session.scope(), *resource, &condition)).transpose()?.flatten()
            {
                Some(found) => Identity::Exists(found),
                None => Identity::Write(*resource, new_id()?),
            }
        }
        Verb::Update(resource, Some(id)) => Identity::Write(*resource, id.clone()),
        Verb::Update(resource, None) => {
            let found = only_match(&session.scope(), *resource, &ask.query)?.and_then(|found| Id::parse(&found.id));
            let own = ask.value.as_ref().and_then(|value| value.get("id")?.as_str()).and_then(Id::parse);
            Identity::Write(*resource, found.or(own).map_or_else(new_id, Ok)?)
        }
        _ => Identity::Other,
    })
}

fn one(
    server: &Server,
    session: &mut Session<'_>,
    mut ask: Ask,
    identity: Identity,
    remarks: &[Issue],
) -> Result<Answer, Refusal> {
    let returns = ask.conditions.prefer.returns.unwrap_or(Returns::Minimal);
    match (identity, ask.value.take()) {
        (Identity::Exists(found), _) => Ok(answer(StatusCode::OK, &found, returns, remarks)),
        (Identity::Write(resource, id), Some(value)) => {
            if let Verb::Update(_, Some(own)) = &ask.verb {
                same_id(&value, own)?;
            }
            let before = session.current(resource, id.as_str())?;
            let living = before.as_ref().filter(|version| version.method != Method::Delete);
            check_version(ask.conditions.if_match.as_deref(), living)?;
            let prepared = Prepared::new(session.definitions, resource, id, value);
            let written = session.put_after(prepared, before)?;
            let status = if written.outcome == Outcome::Created { StatusCode::CREATED } else { StatusCode::OK };
            Ok(answer(status, &written.version, returns, remarks))
        }
        (_, value) => {
            ask.value = value;
            match ask.verb {
                Verb::Delete(..) | Verb::Patch(..) => Change::prepare(server, ask)?.make(server, session),
                _ => super::look(server, &session.scope(), &ask),
            }
        }
    }
}

/// Finds the names of the Bundle in resources.
struct Resolver<'a, 'b> {
    session: &'a Session<'b>,
    names: HashMap<String, String>,
    found: HashMap<String, String>,
}

impl Resolver<'_, '_> {
    fn walk(&mut self, value: &mut Value) -> Result<(), Refusal> {
        match value {
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.walk(item)),
            Value::Object(fields) => {
                for (name, value) in fields.iter_mut() {
                    match value {
                        Value::String(text) if name == "reference" => self.reference(text)?,
                        Value::String(text) if name == "div" => self.narrative(text),
                        // `urn:uuid:` in uri, oid and uuid elements means the entry too.
                        Value::String(text) if text.starts_with("urn:") => self.name(text),
                        other => self.walk(other)?,
                    }
                }
                Ok(())
            }
            Value::String(text) if text.starts_with("urn:") => {
                self.name(text);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn name(&self, text: &mut String) {
        if let Some(name) = self.names.get(text.as_str()) {
            name.clone_into(text);
        }
    }

    fn reference(&mut self, text: &mut String) -> Result<(), Refusal> {
        self.name(text);
        let Some((type_name, condition)) = text.split_once('?') else { return Ok(()) };
        let Some(resource) = ResourceType::parse(type_name) else { return Ok(()) };
        if let Some(name) = self.found.get(text.as_str()) {
            name.clone_into(text);
            return Ok(());
        }
        let found = only_match(&self.session.scope(), resource, &query(condition))?;
        let Some(found) = found else {
            let mend = "create it first, or reference an entry of the Bundle by its fullUrl";
            let refusal =
                Refusal::precondition("not-found", format!("a conditional reference matches no {resource}: {mend}"));
            return Err(refusal);
        };
        let name = format!("{}/{}", found.resource, found.id);
        self.found.insert(text.clone(), name.clone());
        *text = name;
        Ok(())
    }

    fn narrative(&self, text: &mut String) {
        for (full_url, name) in self.names.iter().filter(|(full_url, _)| full_url.starts_with("urn:")) {
            if text.contains(full_url.as_str()) {
                *text = text.replace(full_url.as_str(), name);
            }
        }
    }
}
