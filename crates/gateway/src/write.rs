//! The body of a write, before it goes anywhere: what it may set, whose it may be, and what it must not erase.
//!
//! What the writer could not see survives an update: elements that are not granted are taken from the resource as it is,
//! under `If-Match`, so that nothing changes in between.

use bascule_audit::PatientPart;
use bascule_fhir::{Id, Interaction, Reference, ResourceType, Target, compartment, json};
use bascule_policy::{Elements, Permit, WriteNarrowing};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use crate::apis::Served;
use crate::gateway::Gateway;
use crate::identity::Behalf;
use crate::judge::{Bases, holds};
use crate::matching::{self, Match};
use crate::narrow::{self, Sent};
use crate::record::Visit;
use crate::refuse::{Refusal, Unwritable};
use crate::rewrite::moved_body;
use crate::upstream::{Content, Reply};
use crate::{links, outbound, patch, path_patch};

/// The extension that stands for a value that is not told.
const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
pub(crate) const JSON_PATCH: HeaderValue = HeaderValue::from_static("application/json-patch+json");

/// What goes upstream with a permitted request.
///
/// # Errors
/// [`Refusal::Unwritable`], by what is amiss with the body; or what reading the resource as it is met.
pub(crate) async fn prepare(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    body: &Bytes,
) -> Result<Sent, Refusal> {
    outbound::says(visit, permit, body)?;
    match &permit.asked().interaction {
        Interaction::Create { resource, unless } => {
            let value = written(body, *resource, None)?;
            create(served, visit, permit, *resource, &value).await?;
            let Some(query) = unless else { return Ok(sent(served, body)) };
            match matching::find(gateway, served, visit, permit, *resource, query).await? {
                Match::One(found) => Ok(Sent { aim: id_of(&found), ..Sent::default() }),
                Match::Hidden => Ok(Sent { unconditional: true, ..sent(served, body) }),
                Match::Nothing => Ok(sent(served, body)),
            }
        }
        Interaction::Update { resource, target } => {
            update(gateway, served, visit, permit, (*resource, target), body).await
        }
        Interaction::Patch { resource, target } => {
            change(gateway, served, visit, permit, (*resource, target), body).await
        }
        Interaction::Delete { resource, target } => {
            let before = before(gateway, served, visit, permit, (*resource, target)).await?;
            Ok(aimed(Sent::default(), target, before.as_ref()))
        }
        Interaction::Operation { .. } if !body.is_empty() => Ok(sent(served, body)),
        _ => Ok(Sent::default()),
    }
}

async fn create(
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    resource: ResourceType,
    value: &Value,
) -> Result<(), Refusal> {
    let change = Change { resource, before: None, after: value };
    let way = allowed(permit, &change, &bases(served))?;
    targets(served, visit, way, &change).await?;
    visit.written = owners(served, value);
    Ok(())
}

/// What a reference newly names must be as the permit says: the slot that a patient books is free. It is read here, at
/// the last moment before the write; what happens between the two is for the system behind to refuse.
async fn targets(served: &Served, visit: &Visit, way: &WriteNarrowing, change: &Change<'_>) -> Result<(), Refusal> {
    let old = change.before.map(leaves).unwrap_or_default();
    for (target, values) in way.targets.iter() {
        let Some((path, element)) = target.rsplit_once('.') else { continue };
        let named = format!("{path}.reference");
        for leaf in leaves(change.after).iter().filter(|leaf| leaf.path == named && !old.contains(leaf)) {
            let wrong = || Refusal::Unwritable(Unwritable::Value(named.clone()));
            let reference = leaf.value.as_str().and_then(|text| Reference::parse(text).ok()).ok_or_else(wrong)?;
            let bases = bases(served);
            let (kind, id) = bases.local(&reference).ok_or_else(wrong)?;
            let found = current(served, &visit.behalf()?, kind, id).await?.ok_or_else(wrong)?;
            let value = found.get(element).and_then(Value::as_str).ok_or_else(wrong)?;
            if !values.iter().any(|one| one == value) {
                return Err(wrong());
            }
        }
    }
    Ok(())
}

async fn update(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    (resource, target): (ResourceType, &Target),
    body: &Bytes,
) -> Result<Sent, Refusal> {
    let id = match target {
        Target::Instance(id) => Some(id),
        Target::Matching(_) => None,
    };
    let value = written(body, resource, id)?;
    let Some(before) = before(gateway, served, visit, permit, (resource, target)).await? else {
        create(served, visit, permit, resource, &value).await?;
        return Ok(sent(served, body));
    };
    let value = named_like(&before, value)?;
    let changed = Change { resource, before: Some(&before), after: &value };
    let way = allowed(permit, &changed, &bases(served))?;
    targets(served, visit, way, &changed).await?;
    let body = match &*way.elements {
        Elements::Whole => Bytes::from(value.to_string()),
        elements => Bytes::from(merged(resource, elements, &before, &value).to_string()),
    };
    Ok(aimed(sent(served, &body), target, Some(&before)))
}

/// The body of a conditional update under the id of what it found; another id than that is a mistake.
fn named_like(before: &Value, mut value: Value) -> Result<Value, Refusal> {
    let id = before.get("id").cloned().unwrap_or_default();
    let fields = value.as_object_mut().ok_or(Refusal::Unwritable(Unwritable::Mismatch))?;
    if fields.entry("id").or_insert_with(|| id.clone()) == &id {
        Ok(value)
    } else {
        Err(Refusal::Unwritable(Unwritable::Mismatch))
    }
}

async fn change(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    (resource, target): (ResourceType, &Target),
    body: &Bytes,
) -> Result<Sent, Refusal> {
    let kind = visit.head.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = Kind::of(kind.unwrap_or_default()).ok_or(Refusal::Unwritable(Unwritable::PatchKind))?;
    let operations = json::parse(body).map_err(|_| not_json())?;
    let touched = match kind {
        Kind::Json => patch::touched(&operations),
        Kind::FhirPath => path_patch::touched(resource, &operations),
    };
    let touched = touched.ok_or_else(not_json)?;
    outbound::patches(visit, resource, &touched)?;
    let before = before(gateway, served, visit, permit, (resource, target)).await?;
    let fits = |way: &&WriteNarrowing| patch::permitted(way, resource, &touched).is_ok();
    if !permit.writes().iter().any(|way| fits(&way)) {
        let fault = permit.writes().first().map(|way| patch::permitted(way, resource, &touched));
        return Err(fault.and_then(Result::err).map_or_else(not_json, Refusal::Unwritable));
    }
    let sent = Sent { patch_type: (kind == Kind::Json).then_some(JSON_PATCH), ..sent(served, body) };
    Ok(aimed(sent, target, before.as_ref()))
}

/// The kinds of patch that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    FhirPath,
}

impl Kind {
    fn of(content_type: &str) -> Option<Self> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Some(Self::Json),
            "application/fhir+json" => Some(Self::FhirPath),
            _ => None,
        }
    }
}

/// What is sent, at the version that was read and, of a conditional write, at the one resource that was found.
fn aimed(sent: Sent, target: &Target, before: Option<&Value>) -> Sent {
    let aim = before.and_then(id_of).filter(|_| matches!(target, Target::Matching(_)));
    Sent { if_match: before.and_then(version), aim, ..sent }
}

fn id_of(resource: &Value) -> Option<Id> {
    resource.get("id").and_then(Value::as_str).and_then(Id::parse)
}

/// The resource as it is, if the permit makes it matter: its conditions must hold before the write too.
async fn before(
    gateway: &Gateway,
    served: &Served,
    visit: &mut Visit,
    permit: &Permit,
    (resource, target): (ResourceType, &Target),
) -> Result<Option<Value>, Refusal> {
    let deletes = matches!(permit.asked().interaction, Interaction::Delete { .. });
    if matches!(target, Target::Instance(_)) && !deletes {
        names_version(served, visit, permit, resource)?;
    }
    let free = permit.writes().iter().any(|way| way.conditions.is_empty() && *way.elements == Elements::Whole);
    if free && !deletes {
        return Ok(None);
    }
    let current = match target {
        Target::Instance(id) => {
            let behalf = Behalf::Caller(permit.principal(), &visit.head);
            current(served, &behalf, resource, id).await?
        }
        Target::Matching(query) => match matching::find(gateway, served, visit, permit, resource, query).await? {
            Match::One(found) => Some(found),
            Match::Hidden | Match::Nothing => None,
        },
    };
    let Some(current) = current else {
        // An update does not create, and what is not there is told like what may not be seen.
        return Err(Refusal::NotFound);
    };
    let bases = bases(served);
    let reaches = |way: &WriteNarrowing| way.conditions.iter().all(|one| holds(one, &current, &bases));
    if !permit.writes().iter().any(reaches) {
        return Err(Refusal::NotFound);
    }
    visit.written = owners(served, &current);
    if let Some(asked) = visit.head.header("if-match") {
        let now = version(&current);
        if now.as_ref().and_then(|now| now.to_str().ok()).is_some_and(|now| bare(now) != bare(asked)) {
            return Err(Refusal::Unwritable(Unwritable::Changed));
        }
    }
    Ok(Some(current))
}

/// Who can see a resource's version says which one is changed, or two who write at once erase each other's words. Who
/// cannot see it changes the version that the bridge reads.
fn names_version(served: &Served, visit: &Visit, permit: &Permit, resource: ResourceType) -> Result<(), Refusal> {
    let seen = permit.narrowing().types.get(&resource).is_some_and(|seen| links::shows_version(&seen.elements));
    let named = visit.head.headers.contains_key(http::header::IF_MATCH);
    if named || !seen || !served.upstream.versions() {
        Ok(())
    } else {
        Err(Refusal::Unwritable(Unwritable::Unversioned))
    }
}

async fn current(
    served: &Served,
    behalf: &Behalf<'_>,
    resource: ResourceType,
    id: &Id,
) -> Result<Option<Value>, Refusal> {
    let call = narrow::page(&format!("/{resource}/{id}"));
    let reply = served.upstream.send(call, &HeaderMap::new(), behalf).await.map_err(Refusal::Upstream)?;
    match reply {
        Reply { status, content: Content::Held(body), .. } if status.is_success() => {
            json::parse(&body).map(Some).map_err(|fault| Refusal::unfilterable(&fault.to_string()))
        }
        Reply { status, .. } if matches!(status.as_u16(), 404 | 410) => Ok(None),
        _ => Err(Refusal::unfilterable("the resource to be changed cannot be read")),
    }
}

/// A resource on its way to be written, beside what it was.
struct Change<'a> {
    resource: ResourceType,
    before: Option<&'a Value>,
    after: &'a Value,
}

/// The first way of the permit that allows the change.
fn allowed<'p>(permit: &'p Permit, change: &Change<'_>, bases: &Bases<'_>) -> Result<&'p WriteNarrowing, Refusal> {
    let mut fault = Unwritable::Element("*".to_owned());
    for way in permit.writes() {
        match fits(way, change, bases) {
            Ok(()) => return Ok(way),
            Err(found) => fault = found,
        }
    }
    Err(Refusal::Unwritable(fault))
}

fn fits(way: &WriteNarrowing, change: &Change<'_>, bases: &Bases<'_>) -> Result<(), Unwritable> {
    let Change { resource, before, after } = change;
    if is_subsetted(after) || is_masked(after) {
        return Err(Unwritable::Subsetted);
    }
    let old = before.map(leaves).unwrap_or_default();
    for leaf in leaves(after) {
        if leaf.is_ours() || old.contains(&leaf) {
            continue;
        }
        permitted(way, *resource, &leaf)?;
    }
    if !way.conditions.iter().all(|condition| holds(condition, after, bases)) {
        return Err(Unwritable::Outside);
    }
    Ok(())
}

/// Whether a value may be given to an element.
pub(crate) fn permitted(way: &WriteNarrowing, resource: ResourceType, leaf: &Leaf) -> Result<(), Unwritable> {
    if !way.elements.reaches(resource, &leaf.path) {
        return Err(Unwritable::Element(leaf.path.clone()));
    }
    let value = leaf.value.as_str().map_or_else(|| leaf.value.to_string(), ToOwned::to_owned);
    if way.values.get(&leaf.path).is_some_and(|values| !values.contains(&value)) {
        return Err(Unwritable::Value(leaf.path.clone()));
    }
    // A reference by identifier alone says of nobody whether it is the one whom it may name.
    let bound = way.references.keys().map(String::as_str);
    let bound = bound.chain(way.targets.keys().filter_map(|target| target.rsplit_once('.')).map(|(path, _)| path));
    if bound.into_iter().any(|path| is_identifier_of(path, &leaf.path)) {
        return Err(Unwritable::Value(leaf.path.clone()));
    }
    let named = leaf.path.strip_suffix(".reference").and_then(|path| way.references.get(path));
    if named.or_else(|| way.references.get(&leaf.path)).is_some_and(|references| !references.contains(&value)) {
        return Err(Unwritable::Value(leaf.path.clone()));
    }
    Ok(())
}

fn is_identifier_of(reference: &str, path: &str) -> bool {
    path.strip_prefix(reference).is_some_and(|rest| rest.starts_with(".identifier"))
}

/// The resource as it will be: elements that the writer may set as the writer says, all others as they are. Of an element
/// that may be set in part, nothing changes unless all that is there may be set.
fn merged(resource: ResourceType, elements: &Elements, before: &Value, after: &Value) -> Value {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else { return after.clone() };
    let settable = |name: &str, value: &Value| {
        let mut within = Vec::new();
        gather(value, name.trim_start_matches('_').to_owned(), &mut within);
        !within.is_empty() && within.iter().all(|leaf| elements.reaches(resource, &leaf.path))
    };
    let mut merged = Map::new();
    for (name, value) in old {
        if !settable(name, value) || matches!(name.as_str(), "resourceType" | "id" | "meta") {
            merged.insert(name.clone(), value.clone());
        }
    }
    for (name, value) in new {
        if !merged.contains_key(name) {
            merged.insert(name.clone(), value.clone());
        }
    }
    Value::Object(merged)
}

/// One primitive of a resource: where it stands, without indices, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaf {
    /// `participant.actor.reference`
    pub(crate) path: String,
    /// The value.
    pub(crate) value: Value,
}

impl Leaf {
    /// What the server itself says of a resource.
    fn is_ours(&self) -> bool {
        matches!(self.path.as_str(), "resourceType" | "id" | "meta.versionId" | "meta.lastUpdated" | "meta.source")
    }
}

fn leaves(resource: &Value) -> Vec<Leaf> {
    let mut all = Vec::new();
    gather(resource, String::new(), &mut all);
    all
}

/// Adds the primitives below `path`. `_birthDate` is `birthDate` itself: what stands in it is an extension of that.
pub(crate) fn gather(value: &Value, path: String, into: &mut Vec<Leaf>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.trim_start_matches('_');
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                gather(value, path, into);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| gather(value, path.clone(), into)),
        Value::Null => {}
        _ => into.push(Leaf { path, value: value.clone() }),
    }
}

fn is_subsetted(resource: &Value) -> bool {
    let tags = resource.pointer("/meta/tag").and_then(Value::as_array);
    tags.is_some_and(|tags| tags.iter().any(|tag| tag.get("code").and_then(Value::as_str) == Some("SUBSETTED")))
}

/// Whether a value in it was masked on the way out: an extension `data-absent-reason` with the code `masked`.
fn is_masked(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str);
            let masked = text("url") == Some(ABSENT) && text("valueCode") == Some("masked");
            masked || fields.values().any(is_masked)
        }
        Value::Array(values) => values.iter().any(is_masked),
        _ => false,
    }
}

/// The body as the resource that the path names.
fn written(body: &Bytes, resource: ResourceType, id: Option<&Id>) -> Result<Value, Refusal> {
    let value = json::parse(body).map_err(|_| not_json())?;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let same = text("resourceType") == Some(resource.name()) && id.is_none_or(|id| text("id") == Some(id.as_str()));
    if same { Ok(value) } else { Err(Refusal::Unwritable(Unwritable::Mismatch)) }
}

fn not_json() -> Refusal {
    Refusal::NotJson { what: "the body is not the JSON that this interaction takes" }
}

/// The patients whose compartments the resource lies in, for the record.
fn owners(served: &Served, resource: &Value) -> Vec<PatientPart> {
    let owners = compartment::owners(ResourceType::PATIENT, resource);
    let local = owners.iter().filter_map(|owner| bases(served).local(owner));
    let mut references: Vec<String> = local.map(|(resource, id)| format!("{resource}/{id}")).collect();
    references.sort_unstable();
    references.dedup();
    references.into_iter().map(|reference| PatientPart { reference, ..PatientPart::default() }).collect()
}

fn bases(served: &Served) -> Bases<'_> {
    Bases { public: &served.public_base, upstream: served.upstream.base() }
}

/// With addresses on the bridge turned into the upstream's.
fn sent(served: &Served, body: &Bytes) -> Sent {
    let moved = moved_body(body, &served.public_base, served.upstream.base());
    Sent { body: Bytes::from(moved), ..Sent::default() }
}

/// `W/"3"` of the resource as it is.
fn version(resource: &Value) -> Option<HeaderValue> {
    let version = resource.pointer("/meta/versionId").and_then(Value::as_str)?;
    HeaderValue::from_str(&format!("W/\"{version}\"")).ok()
}

fn bare(etag: &str) -> &str {
    etag.trim().trim_start_matches("W/").trim_matches('"')
}
