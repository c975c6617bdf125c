//! From a request's words to the one interaction that they mean, or to the reason why they mean none.

use super::error::{PAGE_TOKEN_BYTES_MAX, ParseError};
use super::path::{Shape, shape};
use super::{Interaction, Level, Target, Within, bundle};
use crate::query::{Control, Include, ParameterName};
use crate::{Query, ResourceType};

/// A request as it came over the wire, cut at the API's base.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method. `X-HTTP-Method-Override` and its like are never looked at.
    pub method: &'a str,
    /// The path behind the API's base, percent-encoded as it was received.
    pub path: &'a str,
    /// What stands after `?`.
    pub query: Option<&'a str>,
    /// The body, if its type is `application/x-www-form-urlencoded`.
    pub form: Option<&'a [u8]>,
    /// The body, if its type is JSON. Only a batch or transaction is read here.
    pub body: Option<&'a [u8]>,
    /// The header `If-None-Exist`.
    pub if_none_exist: Option<&'a str>,
}

/// What a read may say of its answer.
const READ: [&str; 4] = ["_elements", "_summary", "_format", "_pretty"];
/// What a history may say.
const HISTORY: [&str; 10] =
    ["_count", "_since", "_at", "_list", "_sort", "_type", "_elements", "_summary", "_format", "_pretty"];

/// FHIR's methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// Methods are written in capitals; `HEAD` asks what `GET` asks.
    fn parse(word: &str) -> Result<Self, ParseError> {
        match word {
            "GET" | "HEAD" => Ok(Self::Get),
            "POST" => Ok(Self::Post),
            "PUT" => Ok(Self::Put),
            "PATCH" => Ok(Self::Patch),
            "DELETE" => Ok(Self::Delete),
            _ => Err(ParseError::Method),
        }
    }
}

impl Interaction {
    /// Reads a request of R4's RESTful API. Strict: what has no meaning is an error, never a default.
    ///
    /// # Errors
    ///
    /// [`ParseError`]: what is wrong, where, and the mend.
    pub fn parse(request: &Request<'_>) -> Result<Self, ParseError> {
        let method = Method::parse(request.method)?;
        let shape = shape(request.path)?;
        let searches = matches!(&shape, Shape::Search { by_form: true, .. }) && method == Method::Post;
        if request.form.is_some() && !searches {
            return Err(ParseError::UnexpectedForm);
        }
        let creates = matches!((&shape, method), (Shape::Type(_), Method::Post));
        if request.if_none_exist.is_some() && !creates {
            return Err(ParseError::IfNoneExistMisplaced);
        }
        let query = Query::parse(request.query.unwrap_or_default())?;
        of_shape(shape, method, query, request)
    }
}

fn of_shape(shape: Shape, method: Method, query: Query, request: &Request<'_>) -> Result<Interaction, ParseError> {
    match (shape, method) {
        (Shape::System, Method::Get) => system(query),
        (Shape::System, Method::Post) => {
            only_written_form(&query)?;
            bundle::parse(request.body)
        }
        (Shape::System, _) => mend("GET searches the whole system, POST takes a batch or transaction"),
        (Shape::Metadata, Method::Get) => {
            only(&query, &["_format", "_pretty", "_summary", "_elements", "mode"])?;
            Ok(Interaction::Capabilities)
        }
        (Shape::Metadata, _) => mend("use GET"),
        (Shape::Search { within, .. }, Method::Get) => search(within, query),
        (Shape::Search { within, by_form: true }, Method::Post) => {
            search(within, merged(query, request.form.unwrap_or_default())?)
        }
        (Shape::Search { by_form: true, .. }, _) => mend("POST a form to `_search`"),
        (Shape::Search { by_form: false, .. }, _) => mend("GET searches a compartment; write to `Type/id`"),
        (Shape::Type(resource), method) => on_type(resource, method, query, request),
        (Shape::Instance(resource, id), method) => on_instance(resource, Target::Instance(id), method, query),
        (Shape::Version(resource, id, version), Method::Get) => {
            only_written_form(&query)?;
            Ok(Interaction::Vread { resource, id, version })
        }
        (Shape::Version(..), _) => mend("a version can only be read, with GET"),
        (Shape::History(on), Method::Get) => {
            only(&query, &HISTORY)?;
            Ok(Interaction::History { on, query })
        }
        (Shape::History(_), _) => mend("history can only be read, with GET"),
        (Shape::Operation(on, name), Method::Get | Method::Post) => Ok(Interaction::Operation { on, name, query }),
        (Shape::Bulk(token), Method::Get | Method::Delete) => {
            only(&query, &[])?;
            let cancel = method == Method::Delete;
            if is_token(&token) { Ok(Interaction::Bulk { token, cancel }) } else { Err(ParseError::PageToken) }
        }
        (Shape::Bulk(_), _) => mend("ask for an export's state with GET, end it with DELETE"),
        (Shape::Operation(..), _) => mend("an operation is called with GET or POST"),
    }
}

/// A page of an earlier answer, or a search of every type.
fn system(query: Query) -> Result<Interaction, ParseError> {
    match query.parameters.as_slice() {
        [] => Err(ParseError::NoParameters),
        [only] if only.name == "page" => page(&only.value),
        _ => search(Within::System, query),
    }
}

fn page(token: &str) -> Result<Interaction, ParseError> {
    if is_token(token) { Ok(Interaction::Page { token: token.to_owned() }) } else { Err(ParseError::PageToken) }
}

/// Whether the text has the form of a token that the bridge gives out.
fn is_token(text: &str) -> bool {
    text.len() <= PAGE_TOKEN_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'='))
}

fn on_type(
    resource: ResourceType,
    method: Method,
    query: Query,
    request: &Request<'_>,
) -> Result<Interaction, ParseError> {
    match method {
        Method::Get => search(Within::Type(resource), query),
        Method::Post => {
            only_written_form(&query)?;
            Ok(Interaction::Create { resource, unless: request.if_none_exist.map(unless).transpose()? })
        }
        Method::Put | Method::Patch | Method::Delete => {
            on_instance(resource, Target::Matching(criteria(query)?), method, Query::default())
        }
    }
}

fn on_instance(
    resource: ResourceType,
    target: Target,
    method: Method,
    query: Query,
) -> Result<Interaction, ParseError> {
    if method != Method::Get {
        only_written_form(&query)?;
    }
    match (method, target) {
        (Method::Get, Target::Instance(id)) => {
            only(&query, &READ)?;
            Ok(Interaction::Read { resource, id, query })
        }
        (Method::Put, target) => Ok(Interaction::Update { resource, target }),
        (Method::Patch, target) => Ok(Interaction::Patch { resource, target }),
        (Method::Delete, target) => Ok(Interaction::Delete { resource, target }),
        (Method::Get | Method::Post, _) => mend("POST to the type creates; PUT or PATCH changes this resource"),
    }
}

/// A search whose every name and inclusion has one of FHIR's forms.
fn search(within: Within, query: Query) -> Result<Interaction, ParseError> {
    known(&query)?;
    if within == Within::System && query.is_empty() {
        return Err(ParseError::NoParameters);
    }
    Ok(Interaction::Search { within, query })
}

fn known(query: &Query) -> Result<(), ParseError> {
    for (parameter, at) in query.parameters.iter().zip(1..) {
        let name = ParameterName::parse(&parameter.name).map_err(|fault| ParseError::Name { at, fault })?;
        if let ParameterName::Include { reverse, iterate } = name {
            Include::parse(&parameter.value, reverse, iterate).map_err(ParseError::Include)?;
        }
    }
    Ok(())
}

/// The criteria of a conditional write: filters only, at least one.
fn criteria(mut query: Query) -> Result<Query, ParseError> {
    known(&query)?;
    for (parameter, at) in query.parameters.iter().zip(1..) {
        let filters = ParameterName::parse(&parameter.name).is_ok_and(|name| name.filters());
        if !filters && !is_written_form(&parameter.name) {
            return Err(ParseError::UnexpectedParameter { at });
        }
    }
    query.parameters.retain(|parameter| !is_written_form(&parameter.name));
    if query.is_empty() { Err(ParseError::NoCriteria) } else { Ok(query) }
}

/// The criteria of `If-None-Exist`, with or without their `?`.
fn unless(header: &str) -> Result<Query, ParseError> {
    let query = Query::parse(header.strip_prefix('?').unwrap_or(header)).map_err(ParseError::IfNoneExist)?;
    match criteria(query) {
        Err(ParseError::NoCriteria) => Err(ParseError::IfNoneExistMisplaced),
        other => other,
    }
}

/// The query and then the form, under one bound.
fn merged(mut query: Query, form: &[u8]) -> Result<Query, ParseError> {
    query.parameters.extend(Query::parse_form(form)?.parameters);
    if query.parameters.len() > crate::query::PARAMETERS_MAX {
        return Err(ParseError::Query(crate::query::QueryError::TooMany));
    }
    Ok(query)
}

fn is_written_form(name: &str) -> bool {
    matches!(Control::parse(name), Some(Control::Format | Control::Pretty))
}

/// Nothing but how the answer is written.
fn only_written_form(query: &Query) -> Result<(), ParseError> {
    only(query, &["_format", "_pretty"])
}

fn only(query: &Query, names: &[&str]) -> Result<(), ParseError> {
    let unexpected = query.parameters.iter().zip(1..).find(|(parameter, _)| !names.contains(&parameter.name.as_str()));
    unexpected.map_or(Ok(()), |(_, at)| Err(ParseError::UnexpectedParameter { at }))
}

fn mend<T>(mend: &'static str) -> Result<T, ParseError> {
    Err(ParseError::MethodForShape { mend })
}

impl Level {
    /// The type that it names.
    #[must_use]
    pub const fn resource(&self) -> Option<ResourceType> {
        match self {
            Self::System => None,
            Self::Type(resource) | Self::Instance(resource, _) => Some(*resource),
        }
    }
}
