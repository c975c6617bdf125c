//! Which representation is asked for and which was sent. This server speaks JSON.

use bascule_fhir::{Query, ResourceType};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap};
use serde_json::json;

use crate::ask::{Content, Verb, query};
use crate::{Issue, Refusal};

/// How the body is to look.
pub(super) struct Wants {
    pub(super) pretty: bool,
}

impl Wants {
    /// `_pretty=true`
    pub(super) fn read(_headers: &HeaderMap, asked: Option<&str>) -> Self {
        let asked = query(asked.unwrap_or_default());
        let pretty = asked.named("_pretty").any(|parameter| parameter.value == "true");
        Self { pretty }
    }
}

/// Refuses whoever wants something else than JSON.
pub(super) fn accept(headers: &HeaderMap, asked: Option<&str>) -> Result<(), Refusal> {
    let asked = query(asked.unwrap_or_default());
    if asked.named("_format").next().is_some() {
        return format(&asked);
    }
    let mut accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if accepts.peek().is_none() {
        return Ok(());
    }
    if accepts.flat_map(|value| value.split(',')).any(is_acceptable) { Ok(()) } else { Err(not_acceptable()) }
}

/// The same of `_format`, wherever it stands: in the URL, in a search's form, in an entry of a Bundle.
pub(crate) fn format(asked: &Query) -> Result<(), Refusal> {
    if asked.named("_format").all(|format| is_json(&format.value)) { Ok(()) } else { Err(not_acceptable()) }
}

fn is_acceptable(range: &str) -> bool {
    let media = bare(range);
    is_json(&media)
        || matches!(
            media.as_str(),
            "*/*" | "application/*" | "text/*" | "application/fhir+ndjson" | "application/ndjson"
        )
        || !(media.contains("xml")
            || media.contains("turtle")
            || media.contains("html")
            || media.starts_with("text/plain"))
}

fn is_json(format: &str) -> bool {
    // A `+` that nobody escaped arrives as a space.
    matches!(
        bare(format).replace(' ', "+").as_str(),
        "json"
            | "application/json"
            | "application/fhir+json"
            | "text/json"
            | "application/json+fhir"
            | "ndjson"
            | "application/fhir+ndjson"
            | "application/ndjson"
    )
}

fn bare(media: &str) -> String {
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn not_acceptable() -> Refusal {
    let text =
        "this server reads and answers JSON only: send Accept and Content-Type application/fhir+json, or _format=json";
    Refusal::new(StatusCode::NOT_ACCEPTABLE, Issue::error("not-supported", text))
}

/// What a body is.
pub(super) enum Kind {
    /// A search's form.
    Form,
    /// A resource or a patch.
    Of(Content),
    /// Bytes for a Binary, with their media type.
    Binary(String),
}

/// Tells what was sent, or refuses it.
pub(super) fn content(headers: &HeaderMap, verb: &Verb, has_body: bool) -> Result<Kind, Refusal> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(bare).unwrap_or_default();
    if matches!(verb, Verb::Search(_))
        || (media == "application/x-www-form-urlencoded" && matches!(verb, Verb::Operation { .. }))
    {
        return if !has_body || media == "application/x-www-form-urlencoded" {
            Ok(Kind::Form)
        } else {
            Err(unsupported("a search is posted as application/x-www-form-urlencoded"))
        };
    }
    if has_body && matches!(media.as_str(), "application/json" | "application/merge-patch+json") {
        return Ok(Kind::Of(Content::PlainJson));
    }
    if !has_body || is_json(&media) || media.is_empty() {
        return Ok(Kind::Of(Content::Json));
    }
    match verb {
        _ if media == "application/json-patch+json" => Ok(Kind::Of(Content::JsonPatch)),
        // Other XML may be what a Binary holds; this is a resource written as XML.
        Verb::Create(_) | Verb::Update(..)
            if matches!(media.as_str(), "application/fhir+xml" | "application/xml+fhir") =>
        {
            Err(not_acceptable())
        }
        Verb::Create(resource) | Verb::Update(resource, _) if *resource == ResourceType::BINARY => {
            Ok(Kind::Binary(media))
        }
        _ if media.contains("xml") => Err(not_acceptable()),
        _ => Err(unsupported(
            "this server reads JSON only: send Content-Type: application/fhir+json (a patch: application/json-patch+json, application/merge-patch+json)",
        )),
    }
}

fn unsupported(text: &str) -> Refusal {
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Issue::error("not-supported", text))
}

/// Bytes of another media type become a Binary.
pub(super) fn binary(media: &str, verb: &Verb, body: &Bytes) -> Bytes {
    let mut binary = json!({ "resourceType": "Binary", "contentType": media, "data": STANDARD.encode(body) });
    if let (Verb::Update(_, Some(id)), Some(fields)) = (verb, binary.as_object_mut()) {
        fields.insert("id".to_owned(), json!(id.as_str()));
    }
    Bytes::from(binary.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept: Option<&str>, query: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, accept.parse().unwrap());
        }
        super::accept(&headers, query).is_ok()
    }

    #[test]
    fn json_is_given_and_xml_refused() {
        for accept in [
            None,
            Some("*/*"),
            Some("application/fhir+json"),
            Some("application/json;q=0.9"),
            Some("application/fhir+xml, application/json"),
        ] {
            assert!(check(accept, None), "{accept:?}");
        }
        for accept in ["application/fhir+xml", "application/xml", "text/turtle", "text/html"] {
            assert!(!check(Some(accept), None), "{accept}");
        }
        assert!(check(Some("application/fhir+xml"), Some("_format=json")));
        assert!(check(None, Some("_format=application/fhir+json")));
        assert!(!check(Some("application/json"), Some("_format=xml")));
    }
}
