//! Documents: what there is, and the text of one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::words::When;
use super::read::{concept, display, first_when, id, text};

/// A document as a list shows it.
#[derive(Debug, Clone)]
pub(in super::super) struct Document {
    pub(in super::super) id: String,
    pub(in super::super) title: String,
    /// What it is about, if that says more than the title.
    pub(in super::super) about: Option<String>,
    pub(in super::super) when: Option<When>,
    pub(in super::super) author: Option<String>,
}

/// What a document holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Attachment {
    /// Its text.
    Text(String),
    /// It is kept at this address, relative to the FHIR base.
    At(String),
    /// Something that the portal does not show, by its content type.
    Other(String),
    /// Nothing.
    Nothing,
}

/// Documents, newest first.
pub(in super::super) fn documents(bodies: &[Value]) -> Vec<Document> {
    let mut all: Vec<Document> =
        bodies.iter().filter(|body| text(body, "/status") == Some("current")).map(document).collect();
    all.sort_by_key(|document| std::cmp::Reverse(document.when));
    all
}

/// Reads one DocumentReference.
pub(in super::super) fn document(body: &Value) -> Document {
    let kind = concept(body, "/type");
    let about = text(body, "/description").map(str::to_owned);
    let title = kind.or_else(|| about.clone()).unwrap_or_else(|| String::from("Document"));
    Document {
        id: id(body),
        about: about.filter(|about| *about != title),
        title,
        when: first_when(body, &["/context/period/start", "/date"]),
        author: display(body, "/author/0"),
    }
}

/// The first attachment of a DocumentReference, or the content of a Binary. `base` is the FHIR base.
pub(in super::super) fn attachment(body: &Value, base: &str) -> Attachment {
    let whole =
        if text(body, "/resourceType") == Some("Binary") { Some(body) } else { body.pointer("/content/0/attachment") };
    let Some(part) = whole else { return Attachment::Nothing };
    let kind = text(part, "/contentType").unwrap_or_default();
    if let Some(data) = text(part, "/data") {
        return if kind.starts_with("text/plain") { plain(data) } else { Attachment::Other(kind.to_owned()) };
    }
    match text(part, "/url").map(|url| url.strip_prefix(base).unwrap_or(url).trim_start_matches('/')) {
        Some(path) if is_binary(path) => Attachment::At(path.to_owned()),
        Some(_) => Attachment::Other(kind.to_owned()),
        None => Attachment::Nothing,
    }
}

fn plain(data: &str) -> Attachment {
    match STANDARD.decode(data).map(String::from_utf8) {
        Ok(Ok(text)) => Attachment::Text(text),
        _ => Attachment::Other(String::from("text in an unknown encoding")),
    }
}

/// `Binary/{id}` and nothing else: the token is for no other road.
fn is_binary(path: &str) -> bool {
    path.strip_prefix("Binary/").is_some_and(|id| bascule_fhir::Id::parse(id).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BASE: &str = "https://b.example/fhir";

    fn check(part: Value, expect: Attachment) {
        assert_eq!(attachment(&json!({"content": [{"attachment": part}]}), BASE), expect);
    }

    #[test]
    fn a_text_is_shown_and_a_picture_is_named() {
        check(json!({"contentType": "text/plain; charset=utf-8", "data": "aGk="}), Attachment::Text("hi".into()));
        check(json!({"contentType": "image/jpeg", "data": "aGk="}), Attachment::Other("image/jpeg".into()));
    }

    #[test]
    fn only_a_binary_of_the_bridge_is_fetched() {
        check(json!({"url": "Binary/x1"}), Attachment::At("Binary/x1".into()));
        check(json!({"url": "https://b.example/fhir/Binary/x1"}), Attachment::At("Binary/x1".into()));
        for url in ["https://elsewhere.example/Binary/x1", "Patient/p2", "Binary/../Patient/p2", "Binary/x?y=1"] {
            check(json!({"url": url, "contentType": "text/plain"}), Attachment::Other("text/plain".into()));
        }
    }
}
