//! One request in FHIR's terms, whether it came by itself or in a Bundle, and its answer.

use bascule_fhir::{Id, Level, Parameter, Query, ResourceType, Within};
use bytes::Bytes;
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use crate::{Handling, Refusal};

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) verb: Verb,
    /// URL and form together.
    pub(crate) query: Query,
    pub(crate) conditions: Conditions,
    pub(crate) content: Content,
    pub(crate) body: Bytes,
    /// The body, if it was read already (as an entry of a Bundle).
    pub(crate) value: Option<serde_json::Value>,
}

/// What kind of body came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// FHIR JSON, or nothing said.
    Json,
    /// RFC 6902.
    JsonPatch,
    /// JSON that does not say that it is FHIR; as a patch that is no Parameters, RFC 7396.
    PlainJson,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verb {
    Capabilities,
    Read(ResourceType, Id),
    Vread(ResourceType, Id, Id),
    History(Level),
    Search(Within),
    Create(ResourceType),
    Update(ResourceType, Option<Id>),
    Patch(ResourceType, Option<Id>),
    Delete(ResourceType, Option<Id>),
    Operation {
        on: Level,
        name: String,
        post: bool,
    },
    Bundle,
    /// `GET|DELETE _jobs/id`
    Job {
        id: String,
        cancel: bool,
    },
    /// `GET _jobs/id/name`
    JobFile {
        id: String,
        name: String,
    },
}

/// Headers that change what is done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    pub(crate) if_match: Option<String>,
    pub(crate) if_none_match: Option<String>,
    pub(crate) if_modified_since: Option<String>,
    pub(crate) if_none_exist: Option<String>,
    pub(crate) prefer: Prefer,
}

/// `Prefer`
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Prefer {
    pub(crate) returns: Option<Returns>,
    pub(crate) handling: Option<Handling>,
    pub(crate) asynchronous: bool,
}

/// `Prefer: return=`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returns {
    /// The resource as it is now.
    Representation,
    /// Nothing.
    Minimal,
    /// What was thought of it.
    Outcome,
}

impl Prefer {
    /// Reads the header's values; words that are not known are not obeyed.
    pub(crate) fn read<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut prefer = Self::default();
        for word in values.flat_map(|value| value.split([',', ';'])).map(str::trim) {
            match word {
                "return=minimal" => prefer.returns = Some(Returns::Minimal),
                "return=representation" => prefer.returns = Some(Returns::Representation),
                "return=OperationOutcome" => prefer.returns = Some(Returns::Outcome),
                "handling=strict" => prefer.handling = Some(Handling::Strict),
                "handling=lenient" => prefer.handling = Some(Handling::Lenient),
                "respond-async" => prefer.asynchronous = true,
                _ => {}
            }
        }
        prefer
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// JSON.
    pub(crate) body: Option<String>,
    /// `W/"3"`
    pub(crate) etag: Option<String>,
    /// Microseconds since 1970.
    pub(crate) modified: Option<bascule_fhir::Timestamp>,
    /// Relative to the base, or whole.
    pub(crate) location: Option<String>,
    /// Headers of long work.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// If it is not FHIR JSON.
    pub(crate) content_type: Option<&'static str>,
    /// A file to be sent in place of the body.
    pub(crate) file: Option<std::path::PathBuf>,
}

impl Answer {
    /// A status and a JSON body.
    pub(crate) fn json(status: StatusCode, body: impl Into<String>) -> Self {
        Self { body: Some(body.into()), ..Self::empty(status) }
    }

    /// A status alone.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            body: None,
            etag: None,
            modified: None,
            location: None,
            headers: Vec::new(),
            content_type: None,
            file: None,
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let etag = refusal.etag.clone();
        Self { etag, ..Self::json(refusal.status, refusal.outcome().to_string()) }
    }
}

/// Decodes `a=b&c=d`.
pub(crate) fn query(text: &str) -> Query {
    let pairs = form_urlencoded::parse(text.as_bytes());
    Query {
        parameters: pairs
            .map(|(name, value)| Parameter { name: name.into_owned(), value: value.into_owned() })
            .collect(),
    }
}

/// Encodes a query for a link.
pub(crate) fn encode(parameters: &[Parameter]) -> String {
    let mut writer = form_urlencoded::Serializer::new(String::new());
    for parameter in parameters {
        writer.append_pair(&parameter.name, &parameter.value);
    }
    // These are safe in a query and in nearly every search; without them a link can be read.
    writer.finish().replace("%3A", ":").replace("%7C", "|").replace("%2C", ",").replace("%2F", "/").replace("%24", "$")
}

/// Reads method and path (relative to the base, without the query).
pub(crate) fn verb(method: &Method, path: &str) -> Result<Verb, Refusal> {
    let mut segments = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let decoded = percent_decode_str(segment).decode_utf8();
        segments.push(decoded.map_err(|_| Refusal::invalid("the path is not UTF-8"))?.into_owned());
    }
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match *method {
        Method::GET | Method::HEAD => get(&segments),
        Method::POST => post(&segments),
        Method::PUT => on(&segments, "PUT").map(|(resource, id)| Verb::Update(resource, id)),
        Method::PATCH => on(&segments, "PATCH").map(|(resource, id)| Verb::Patch(resource, id)),
        Method::DELETE => match segments.as_slice() {
            ["_jobs", id] => Ok(Verb::Job { id: (*id).to_owned(), cancel: true }),
            other => on(other, "DELETE").map(|(resource, id)| Verb::Delete(resource, id)),
        },
        _ => Err(method_not_allowed("GET, HEAD, POST, PUT, PATCH and DELETE")),
    }
}

fn get(segments: &[&str]) -> Result<Verb, Refusal> {
    Ok(match segments {
        [] => Verb::Search(Within::System),
        ["metadata"] => Verb::Capabilities,
        ["_history"] => Verb::History(Level::System),
        ["_jobs", id] => Verb::Job { id: (*id).to_owned(), cancel: false },
        ["_jobs", id, name] => Verb::JobFile { id: (*id).to_owned(), name: (*name).to_owned() },
        [operation] if operation.starts_with('$') => operation_of(Level::System, operation, false),
        [type_name] => Verb::Search(Within::Type(resource(type_name)?)),
        [type_name, "_history"] => Verb::History(Level::Type(resource(type_name)?)),
        [type_name, operation] if operation.starts_with('$') => {
            operation_of(Level::Type(resource(type_name)?), operation, false)
        }
        [type_name, id] => Verb::Read(resource(type_name)?, self::id(id)?),
        [type_name, id, "_history"] => Verb::History(Level::Instance(resource(type_name)?, self::id(id)?)),
        [type_name, id, operation] if operation.starts_with('$') => {
            operation_of(Level::Instance(resource(type_name)?, self::id(id)?), operation, false)
        }
        [type_name, id, within] => compartment(type_name, id, within)?,
        [type_name, id, "_history", version] => Verb::Vread(resource(type_name)?, self::id(id)?, self::id(version)?),
        _ => return Err(no_such_path()),
    })
}

fn post(segments: &[&str]) -> Result<Verb, Refusal> {
    Ok(match segments {
        [] => Verb::Bundle,
        ["_search"] => Verb::Search(Within::System),
        [operation] if operation.starts_with('$') => operation_of(Level::System, operation, true),
        [type_name] => Verb::Create(resource(type_name)?),
        [type_name, "_search"] => Verb::Search(Within::Type(resource(type_name)?)),
        [type_name, operation] if operation.starts_with('$') => {
            operation_of(Level::Type(resource(type_name)?), operation, true)
        }
        [type_name, id, operation] if operation.starts_with('$') => {
            operation_of(Level::Instance(resource(type_name)?, self::id(id)?), operation, true)
        }
        [type_name, id, within, "_search"] => compartment(type_name, id, within)?,
        _ => return Err(no_such_path()),
    })
}

fn operation_of(on: Level, segment: &str, post: bool) -> Verb {
    Verb::Operation { on, name: segment.trim_start_matches('$').to_owned(), post }
}

fn compartment(type_name: &str, id: &str, within: &str) -> Result<Verb, Refusal> {
    let of = resource(type_name)?;
    if !bascule_fhir::compartment::exists(of) {
        return Err(Refusal::not_found(format!(
            "{of} has no compartment; Patient, Encounter, Practitioner, RelatedPerson and Device do"
        )));
    }
    let resource = if within == "*" { None } else { Some(resource(within)?) };
    Ok(Verb::Search(Within::Compartment { of, id: self::id(id)?, resource }))
}

fn on(segments: &[&str], method: &str) -> Result<(ResourceType, Option<Id>), Refusal> {
    match segments {
        [type_name] => Ok((resource(type_name)?, None)),
        [type_name, id] => Ok((resource(type_name)?, Some(self::id(id)?))),
        _ => Err(method_not_allowed(&format!("{method} on Type/id or Type?search"))),
    }
}

fn resource(name: &str) -> Result<ResourceType, Refusal> {
    ResourceType::parse(name)
        .ok_or_else(|| Refusal::not_found("the path names something that is no resource type of R4"))
}

fn id(text: &str) -> Result<Id, Refusal> {
    Id::parse(text).ok_or_else(|| Refusal::invalid("an id has 1 to 64 letters, digits, `-` and `.`"))
}

fn no_such_path() -> Refusal {
    Refusal::not_found("there is nothing at this path; /metadata lists what this server has")
}

fn method_not_allowed(allowed: &str) -> Refusal {
    let text = format!("this method is not allowed here; allowed: {allowed}");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, crate::Issue::error("not-supported", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, path: &str, expect: &str) {
        let found = match verb(method, path) {
            Ok(verb) => format!("{verb:?}"),
            Err(refusal) => refusal.status.as_u16().to_string(),
        };
        assert_eq!(found, expect, "{method} {path}");
    }

    #[test]
    fn every_path_of_the_restful_api_is_one_verb() {
        check(&Method::GET, "metadata", "Capabilities");
        check(&Method::GET, "Patient/1", "Read(Patient, Id(\"1\"))");
        check(&Method::GET, "/Patient/1/_history/2", "Vread(Patient, Id(\"1\"), Id(\"2\"))");
        check(&Method::GET, "Patient/1/_history", "History(Instance(Patient, Id(\"1\")))");
        check(&Method::GET, "Patient/_history", "History(Type(Patient))");
        check(&Method::GET, "_history", "History(System)");
        check(&Method::GET, "", "Search(System)");
        check(&Method::POST, "Patient/_search", "Search(Type(Patient))");
        check(&Method::POST, "", "Bundle");
        check(&Method::PUT, "Patient", "Update(Patient, None)");
        check(&Method::DELETE, "Patient/1", "Delete(Patient, Some(Id(\"1\")))");
        check(
            &Method::GET,
            "Patient/1/Observation",
            "Search(Compartment { of: Patient, id: Id(\"1\"), resource: Some(Observation) })",
        );
        check(
            &Method::GET,
            "Patient/1/$everything",
            "Operation { on: Instance(Patient, Id(\"1\")), name: \"everything\", post: false }",
        );
    }

    #[test]
    fn other_paths_are_refused() {
        check(&Method::GET, "patient", "404");
        check(&Method::GET, "Patient/a%2Fb", "400");
        check(&Method::GET, "Observation/1/Patient", "404");
        check(&Method::PUT, "Patient/1/2", "405");
        check(&Method::POST, "Patient/1", "404");
        check(&Method::OPTIONS, "Patient", "405");
    }
}
