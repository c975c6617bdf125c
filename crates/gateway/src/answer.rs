//! The only makers of a body that came from an upstream. Each asks for the proofs that it may leave and is recorded.

use bascule_minimum::Released;
use bascule_store::log::{Intent, Receipt};
use bascule_wire::BodyError;
use bascule_wire::{Body, boxed, empty, full};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::channel::{Channel, Sender};

use crate::headers;

/// An answer on its way to the client.
///
/// Its body is made here and nowhere else: of what was released *and* recorded, of a stream whose intent is durable, or
/// of none.
pub(crate) struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Content,
}

enum Content {
    None,
    Held(Bytes),
    Stream(Body),
}

impl Response {
    /// Bytes that were released, after their record is durable.
    pub(crate) fn held(released: Released, receipt: &Receipt) -> Self {
        Self::of(Content::Held(Bytes::from(released.into_body())), Some(receipt))
    }

    /// No bytes at all, after the record is durable.
    pub(crate) fn bare(receipt: &Receipt) -> Self {
        Self::of(Content::None, Some(receipt))
    }

    /// Something that the house says of itself to whom it concerns, after the record is durable. No byte of it came from an upstream.
    pub(crate) fn told(body: Vec<u8>, receipt: &Receipt) -> Self {
        let mut told = Self::of(Content::Held(Bytes::from(body)), Some(receipt));
        told.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        told
    }

    /// A stream that a filter fills, after the intent is durable. What is sent must come from the filter: the sender
    /// goes to [`crate::stream`] only, which alone calls this.
    pub(crate) fn stream(_intent: &Intent) -> (Self, Sender<Bytes, BodyError>) {
        let (sender, channel) = Channel::new(1);
        (Self::of(Content::Stream(boxed(channel)), None), sender)
    }

    /// The answer to a batch: each part was released and recorded by itself, or says why it was not.
    pub(crate) fn batch(kind: &str, parts: Vec<Part>, receipt: &Receipt) -> Self {
        let mut bytes = format!("{{\"resourceType\":\"Bundle\",\"type\":\"{kind}-response\",\"entry\":[").into_bytes();
        for (place, part) in parts.iter().enumerate() {
            if place > 0 {
                bytes.push(b',');
            }
            part.write(&mut bytes);
        }
        bytes.extend_from_slice(b"]}");
        Self::of(Content::Held(Bytes::from(bytes)), Some(receipt))
    }

    /// The manifest of an export: made here of what may be told, after its record is durable.
    pub(crate) fn manifest(said: &serde_json::Value, receipt: &Receipt) -> Self {
        let mut response = Self::of(Content::Held(Bytes::from(said.to_string())), Some(receipt));
        response.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    fn of(body: Content, receipt: Option<&Receipt>) -> Self {
        let mut headers = HeaderMap::new();
        if !matches!(body, Content::None) {
            headers.insert(CONTENT_TYPE, headers::FHIR_JSON);
        }
        if let Some(line) = receipt.and_then(|receipt| HeaderValue::from_str(&receipt.header()).ok()) {
            headers.insert("audit-receipt", line);
        }
        Self { status: StatusCode::OK, headers, body }
    }

    /// With that status and those headers of the upstream that may leave.
    pub(crate) fn with(mut self, status: StatusCode, headers: HeaderMap) -> Self {
        self.status = status;
        self.headers.extend(headers);
        self
    }

    /// As HTTP.
    pub(crate) fn into_http(self, request_id: &str) -> http::Response<Body> {
        let mut response = http::Response::new(match self.body {
            Content::None => empty(),
            Content::Held(bytes) => full(bytes),
            Content::Stream(body) => body,
        });
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        headers::private(response.headers_mut(), request_id);
        response
    }

    /// As an entry of a batch. A stream has no place there, and its walk never makes one.
    pub(crate) fn into_part(self) -> Part {
        let text = |name: http::header::HeaderName| {
            self.headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
        };
        Part {
            status: self.status,
            location: text(http::header::LOCATION),
            etag: text(http::header::ETAG),
            resource: match self.body {
                Content::Held(bytes) => Some(bytes),
                Content::None | Content::Stream(_) => None,
            },
            outcome: None,
        }
    }
}

/// One entry of a batch's answer.
pub(crate) struct Part {
    status: StatusCode,
    location: Option<String>,
    etag: Option<String>,
    resource: Option<Bytes>,
    outcome: Option<serde_json::Value>,
}

impl Part {
    /// An entry that was refused.
    pub(crate) const fn refused(status: StatusCode, outcome: serde_json::Value) -> Self {
        Self { status, location: None, etag: None, resource: None, outcome: Some(outcome) }
    }

    /// Its status.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        if let Some(resource) = &self.resource {
            out.extend_from_slice(b"\"resource\":");
            out.extend_from_slice(resource);
            out.push(b',');
        }
        let mut response = serde_json::Map::new();
        response.insert("status".to_owned(), self.status.to_string().into());
        for (name, value) in [("location", &self.location), ("etag", &self.etag)] {
            if let Some(value) = value {
                response.insert(name.to_owned(), value.clone().into());
            }
        }
        if let Some(outcome) = &self.outcome {
            response.insert("outcome".to_owned(), outcome.clone());
        }
        out.extend_from_slice(b"\"response\":");
        out.extend_from_slice(serde_json::Value::Object(response).to_string().as_bytes());
        out.push(b'}');
    }
}
