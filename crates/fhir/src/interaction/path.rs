//! A path as one of FHIR's shapes, before the method is looked at.

use super::error::{PATH_BYTES_MAX, ParseError, SegmentFault};
use super::{Level, Within};
use crate::query::percent_decoded;
use crate::{Id, ResourceType, compartment};

/// An operation's name at most.
const OPERATION_BYTES_MAX: usize = 64;

/// What a path may look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// The base itself.
    System,
    /// `metadata`
    Metadata,
    /// `…/_search` and compartments: a search, by GET only if the flag is false.
    Search { within: Within, by_form: bool },
    /// `Type`
    Type(ResourceType),
    /// `Type/id`
    Instance(ResourceType, Id),
    /// `Type/id/_history/version`
    Version(ResourceType, Id, Id),
    /// `…/_history`
    History(Level),
    /// `…/$name`
    Operation(Level, String),
    /// `_bulk/token`
    Bulk(String),
}

/// The shape of a path relative to the API's base; one slash at the start means nothing.
pub(super) fn shape(path: &str) -> Result<Shape, ParseError> {
    if path.len() > PATH_BYTES_MAX {
        return Err(ParseError::PathTooLong);
    }
    let relative = path.strip_prefix('/').unwrap_or(path);
    if relative.is_empty() {
        return Ok(Shape::System);
    }
    let segments = relative.split('/').map(segment).collect::<Result<Vec<String>, SegmentFault>>()?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["metadata"] => Ok(Shape::Metadata),
        [operation] if operation.starts_with('$') => named(Level::System, operation),
        ["_history"] => Ok(Shape::History(Level::System)),
        ["_bulk", token] => Ok(Shape::Bulk((*token).to_owned())),
        ["_search"] => Ok(Shape::Search { within: Within::System, by_form: true }),
        [first, rest @ ..] => of_type(kind(first)?, rest),
        [] => Ok(Shape::System),
    }
}

fn of_type(resource: ResourceType, rest: &[&str]) -> Result<Shape, ParseError> {
    match rest {
        [] => Ok(Shape::Type(resource)),
        ["_history"] => Ok(Shape::History(Level::Type(resource))),
        ["_bulk", token] => Ok(Shape::Bulk((*token).to_owned())),
        ["_search"] => Ok(Shape::Search { within: Within::Type(resource), by_form: true }),
        [operation] if operation.starts_with('$') => named(Level::Type(resource), operation),
        [first, rest @ ..] => of_instance(resource, id(first)?, rest),
    }
}

fn of_instance(resource: ResourceType, id: Id, rest: &[&str]) -> Result<Shape, ParseError> {
    match rest {
        [] => Ok(Shape::Instance(resource, id)),
        ["_history"] => Ok(Shape::History(Level::Instance(resource, id))),
        ["_history", version] => Ok(Shape::Version(resource, id, self::id(version)?)),
        [operation] if operation.starts_with('$') => named(Level::Instance(resource, id), operation),
        [member] => in_compartment(resource, id, member, false),
        [member, "_search"] => in_compartment(resource, id, member, true),
        _ => Err(ParseError::Shape),
    }
}

fn in_compartment(of: ResourceType, id: Id, member: &str, by_form: bool) -> Result<Shape, ParseError> {
    if member.starts_with('_') {
        return Err(ParseError::Shape);
    }
    let resource = if member == "*" { None } else { Some(kind(member)?) };
    if !compartment::exists(of) {
        return Err(ParseError::NoCompartment);
    }
    Ok(Shape::Search { within: Within::Compartment { of, id, resource }, by_form })
}

fn kind(segment: &str) -> Result<ResourceType, ParseError> {
    ResourceType::parse(segment)
        .ok_or_else(|| ParseError::UnknownType { did_you_mean: ResourceType::nearest(segment).map(ResourceType::name) })
}

fn id(segment: &str) -> Result<Id, ParseError> {
    Id::parse(segment).ok_or(ParseError::Id)
}

/// `$everything` without its sign.
fn named(level: Level, segment: &str) -> Result<Shape, ParseError> {
    let name = segment.strip_prefix('$').unwrap_or(segment);
    let sound = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= OPERATION_BYTES_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if sound { Ok(Shape::Operation(level, name.to_owned())) } else { Err(ParseError::OperationName) }
}

/// One segment, decoded once; nothing in it may be read as another path by anybody behind us.
fn segment(raw: &str) -> Result<String, SegmentFault> {
    let bytes = percent_decoded(raw.as_bytes(), false).ok_or(SegmentFault::Encoding)?;
    let text = String::from_utf8(bytes).map_err(|_| SegmentFault::Encoding)?;
    if text.is_empty() {
        return Err(SegmentFault::Empty);
    }
    if text.chars().any(char::is_control) {
        return Err(SegmentFault::Control);
    }
    if text.contains(['/', '\\']) {
        return Err(SegmentFault::EncodedSlash);
    }
    if text.bytes().all(|byte| byte == b'.') {
        return Err(SegmentFault::Dots);
    }
    Ok(text)
}
