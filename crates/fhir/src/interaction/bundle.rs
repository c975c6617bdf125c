//! A batch or transaction: each entry is a request of its own, read by the same rules.

use serde_json::Value;

use super::error::{BATCH_ENTRIES_MAX, BundleFault, EntryFault, ParseError};
use super::{BatchEntry, BatchKind, Interaction, Request, Target};
use crate::{Id, ResourceType, json};

pub(super) fn parse(body: Option<&[u8]>) -> Result<Interaction, ParseError> {
    bundle(body).map_err(ParseError::Bundle)
}

fn bundle(body: Option<&[u8]>) -> Result<Interaction, BundleFault> {
    let bundle = json::parse(body.ok_or(BundleFault::Missing)?).map_err(BundleFault::Json)?;
    if text(&bundle, "resourceType") != Some("Bundle") {
        return Err(BundleFault::NotABundle);
    }
    let kind = match text(&bundle, "type") {
        Some("batch") => BatchKind::Batch,
        Some("transaction") => BatchKind::Transaction,
        _ => return Err(BundleFault::Type),
    };
    let entries = match bundle.get("entry") {
        None => &[][..],
        Some(Value::Array(entries)) => entries.as_slice(),
        Some(_) => return Err(BundleFault::NotABundle),
    };
    if entries.len() > BATCH_ENTRIES_MAX {
        return Err(BundleFault::TooManyEntries);
    }
    let entries = entries.iter().enumerate().map(|(index, value)| {
        let interaction = entry(value).map_err(|fault| BundleFault::Entry { index, fault: Box::new(fault) })?;
        Ok(BatchEntry { index, interaction })
    });
    Ok(Interaction::Batch { kind, entries: entries.collect::<Result<Vec<BatchEntry>, BundleFault>>()? })
}

fn entry(entry: &Value) -> Result<Interaction, EntryFault> {
    let request = entry.get("request").ok_or(EntryFault::NoRequest)?;
    let (Some(method), Some(url)) = (text(request, "method"), text(request, "url")) else {
        return Err(EntryFault::NoRequest);
    };
    if url.contains("://") || url.starts_with("urn:") {
        return Err(EntryFault::AbsoluteUrl);
    }
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    if method == "POST" && path.trim_start_matches('/').is_empty() {
        return Err(EntryFault::Nested);
    }
    let if_none_exist = text(request, "ifNoneExist");
    let request = Request { method, path, query, if_none_exist, ..Request::default() };
    let interaction = Interaction::parse(&request).map_err(EntryFault::Request)?;
    if matches!(interaction, Interaction::Batch { .. } | Interaction::Page { .. }) {
        return Err(EntryFault::Nested);
    }
    agrees(&interaction, entry.get("resource"))?;
    Ok(interaction)
}

/// What is written is of the type, and under the id, that the URL names: what is decided is what is done.
fn agrees(interaction: &Interaction, resource: Option<&Value>) -> Result<(), EntryFault> {
    let agree = match interaction {
        Interaction::Create { resource: kind, .. } => of_type(resource, *kind),
        Interaction::Update { resource: kind, target: Target::Instance(id) } => {
            of_type(resource, *kind) && of_id(resource, id)
        }
        Interaction::Update { resource: kind, target: Target::Matching(_) } => of_type(resource, *kind),
        Interaction::Patch { .. } => resource.is_some(),
        _ => true,
    };
    if agree { Ok(()) } else { Err(EntryFault::ResourceMismatch) }
}

fn of_type(resource: Option<&Value>, kind: ResourceType) -> bool {
    resource.is_some_and(|resource| text(resource, "resourceType") == Some(kind.name()))
}

fn of_id(resource: Option<&Value>, id: &Id) -> bool {
    resource.and_then(|resource| text(resource, "id")) == Some(id.as_str())
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}
