//! Bundles as text: resources go in as they are stored, without being read again.

use bascule_fhir::Timestamp;
use serde_json::{Value, json};

use crate::store::{Method, Version};

/// A Bundle in the making.
pub(crate) struct Bundle {
    kind: &'static str,
    total: Option<i64>,
    links: Vec<(&'static str, String)>,
    entries: Vec<String>,
}

impl Bundle {
    /// Of that type, empty.
    pub(crate) fn new(kind: &'static str) -> Self {
        Self { kind, total: None, links: Vec::new(), entries: Vec::new() }
    }

    /// How many there are in all.
    pub(crate) fn total(&mut self, total: Option<i64>) {
        self.total = total;
    }

    /// A link.
    pub(crate) fn link(&mut self, relation: &'static str, url: String) {
        self.links.push((relation, url));
    }

    /// A resource found.
    pub(crate) fn found(&mut self, full_url: &str, resource: &str, mode: &str) {
        let full_url = Value::from(full_url);
        self.entries.push(format!(r#"{{"fullUrl":{full_url},"resource":{resource},"search":{{"mode":"{mode}"}}}}"#));
    }

    /// What is to be said beside what was found.
    pub(crate) fn outcome(&mut self, outcome: &Value) {
        self.entries.push(format!(r#"{{"resource":{outcome},"search":{{"mode":"outcome"}}}}"#));
    }

    /// A version of a resource, as history tells it.
    pub(crate) fn version(&mut self, base: &str, version: &Version) {
        let name = format!("{}/{}", version.resource, version.id);
        let (method, url, status) = match version.method {
            Method::Create => ("POST", version.resource.name().to_owned(), "201"),
            Method::Update => ("PUT", name.clone(), "200"),
            Method::Delete => ("DELETE", name.clone(), "204"),
        };
        let full_url = Value::from(format!("{base}/{name}"));
        let resource = if version.body.is_empty() { String::new() } else { format!(r#""resource":{},"#, version.body) };
        let request = json!({ "method": method, "url": url });
        let response =
            json!({ "status": status, "etag": etag(version.version), "lastModified": version.updated.to_instant() });
        self.entries.push(format!(r#"{{"fullUrl":{full_url},{resource}"request":{request},"response":{response}}}"#));
    }

    /// An entry that is already text.
    pub(crate) fn entry(&mut self, entry: String) {
        self.entries.push(entry);
    }

    /// The Bundle.
    pub(crate) fn write(self, now: Timestamp) -> String {
        let id = uuid::Uuid::new_v4();
        let mut text = format!(
            r#"{{"resourceType":"Bundle","id":"{id}","meta":{{"lastUpdated":"{}"}},"type":"{}""#,
            now.to_instant(),
            self.kind
        );
        if let Some(total) = self.total {
            text.push_str(&format!(r#","total":{total}"#));
        }
        if !self.links.is_empty() {
            let links: Vec<Value> =
                self.links.iter().map(|(relation, url)| json!({ "relation": relation, "url": url })).collect();
            text.push_str(&format!(r#","link":{}"#, Value::from(links)));
        }
        if !self.entries.is_empty() {
            text.push_str(r#","entry":["#);
            text.push_str(&self.entries.join(","));
            text.push(']');
        }
        text.push('}');
        text
    }
}

/// The weak entity tag of a version.
pub(crate) fn etag(version: i64) -> String {
    format!("W/\"{version}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_json_and_keeps_the_digits() {
        let mut bundle = Bundle::new("searchset");
        bundle.total(Some(1));
        bundle.link("self", "http://ehr/Patient?name=\"a\"".to_owned());
        bundle.found("http://ehr/Observation/1", r#"{"resourceType":"Observation","valueDecimal":1.50}"#, "match");
        let text = bundle.write(Timestamp::from_micros(0));
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["total"], 1);
        assert!(text.contains("1.50"));
    }

    #[test]
    fn an_empty_bundle_has_no_empty_arrays() {
        assert!(!Bundle::new("history").write(Timestamp::from_micros(0)).contains('['));
    }
}
