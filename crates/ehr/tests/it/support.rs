//! A server in a temporary folder and a client that asks it.

use axum::body::{Body, to_bytes};
use bascule_ehr::{Access, Ehr, Settings};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

pub(crate) const BASE: &str = "http://ehr.test/fhir";

pub(crate) struct Client {
    pub(crate) ehr: Ehr,
    router: axum::Router,
    folder: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// `Type/id` of the matches, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let bundle = self.json();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .filter(|entry| entry["search"]["mode"] != "outcome")
            .map(|entry| {
                let resource = &entry["resource"];
                format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
            })
            .collect()
    }

    pub(crate) fn link(&self, relation: &str) -> Option<String> {
        let bundle = self.json();
        let links = bundle["link"].as_array().cloned().unwrap_or_default();
        links.iter().find(|link| link["relation"] == relation).map(|link| link["url"].as_str().unwrap().to_owned())
    }
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(folder.path().join("ehr.db"), BASE, Access::Open);
        settings.readers = 2;
        change(&mut settings);
        let ehr = Ehr::open(settings).unwrap();
        Self { router: ehr.router(), ehr, folder }
    }

    /// The file of its database.
    pub(crate) fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("ehr.db")
    }

    /// The same file, opened again.
    pub(crate) fn again(self) -> Self {
        let Self { ehr, router, folder } = self;
        drop((ehr, router));
        let ehr = Ehr::open(Settings::new(folder.path().join("ehr.db"), BASE, Access::Open)).unwrap();
        Self { router: ehr.router(), ehr, folder }
    }

    /// A path with a query, relative to the base or absolute.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{BASE}/{path}") };
        let mut request = Request::builder().method(method.parse::<Method>().unwrap()).uri(escaped(&url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/fhir+json")], body.to_string()).await
    }

    pub(crate) async fn put(&self, body: &Value) -> Answer {
        let path = format!("{}/{}", body["resourceType"].as_str().unwrap(), body["id"].as_str().unwrap());
        self.send("PUT", &path, &[("content-type", "application/fhir+json")], body.to_string()).await
    }

    /// Puts all, each of which must be accepted.
    pub(crate) async fn store(&self, all: &[Value]) {
        for one in all {
            let answer = self.put(one).await;
            assert!(answer.status.is_success(), "{one}: {}", answer.text);
        }
    }

    /// Asks and compares the names that are found, sorted.
    pub(crate) async fn finds(&self, path: &str, expect: &[&str]) {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let mut names = answer.names();
        names.sort();
        assert_eq!(names, expect, "{path}");
    }
}

/// What a client library would escape.
fn escaped(url: &str) -> String {
    let escape = |character: char| match character {
        ' ' => "%20".to_owned(),
        '|' => "%7C".to_owned(),
        other if other.is_ascii() => other.to_string(),
        other => other.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect(),
    };
    url.chars().map(escape).collect()
}

/// The folder of shared data; without it a test says that it was skipped.
#[expect(clippy::disallowed_methods, reason = "a test finds its data by the environment")]
pub(crate) fn shared() -> Option<std::path::PathBuf> {
    let folder = std::env::var("BASCULE_SHARED").ok().map(std::path::PathBuf::from);
    if folder.is_none() {
        println!("skipped: BASCULE_SHARED is not set");
    }
    folder
}

/// The lines of a gzipped file.
pub(crate) fn lines(path: &std::path::Path) -> Vec<String> {
    use std::io::BufRead;
    let file = flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap());
    std::io::BufReader::new(file).lines().map(|line| line.unwrap()).filter(|line| !line.trim().is_empty()).collect()
}
