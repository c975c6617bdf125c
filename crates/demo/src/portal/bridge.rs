//! The bridge as the portal sees it: FHIR over https, with the patient's token.

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use bascule_wire::{Client, ClientSettings, collect, empty, full};
use form_urlencoded::Serializer;
use serde_json::Value;

use super::settings::{PortalError, PortalSettings};
use super::trouble::Trouble;

const REQUEST_ID: &str = "x-request-id";
/// The longest sentence of the bridge that is shown, in characters.
const WORDS_MAX: usize = 300;

/// The bridge's FHIR base, and the client that reaches it.
#[derive(Clone)]
pub(super) struct Bridge {
    client: Client,
    base: String,
    answer_bytes_max: usize,
    pages_max: usize,
}

/// An answer: status, headers, and the whole body.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    fn request_id(&self) -> Option<String> {
        self.headers.get(REQUEST_ID)?.to_str().ok().map(str::to_owned)
    }
}

/// What a search found. `whole`: there was no further page.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) resources: Vec<Value>,
    pub(super) whole: bool,
}

impl Bridge {
    pub(super) fn new(settings: &PortalSettings) -> Result<Self, PortalError> {
        let wire = ClientSettings { ca_pem: settings.ca_pem.clone(), ..ClientSettings::default() };
        Ok(Self {
            client: Client::new(&wire)?,
            base: settings.bridge_fhir_base.clone(),
            answer_bytes_max: settings.answer_bytes_max,
            pages_max: settings.search_pages_max,
        })
    }

    /// The FHIR base, which is also what a token must be for.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// `{base}/.well-known/smart-configuration`
    pub(super) async fn discover(&self) -> Result<Value, Trouble> {
        self.json(&format!("{}/.well-known/smart-configuration", self.base), None).await
    }

    /// `GET {base}/{path}`
    pub(super) async fn read(&self, token: &str, path: &str) -> Result<Value, Trouble> {
        self.json(&format!("{}/{path}", self.base), Some(token)).await
    }

    /// `GET {scheme and host of the base}/audit/looked`: who has looked at the record of the token's patient.
    pub(super) async fn looked(&self, token: &str) -> Result<Value, Trouble> {
        let unreadable = || Trouble::Unreadable { what: "its address cannot be read", request_id: None };
        let base = url::Url::parse(&self.base).map_err(|_| unreadable())?;
        let url = base.join("/audit/looked").map_err(|_| unreadable())?;
        self.json(url.as_str(), Some(token)).await
    }

    /// `POST {scheme and host of the base}/oauth/launch`: puts a launch of an app about a patient ready, and says where the
    /// app begins.
    pub(super) async fn launch(&self, token: &str, app: &str, patient: &str) -> Result<String, Trouble> {
        let unreadable = |what| Trouble::Unreadable { what, request_id: None };
        let base = url::Url::parse(&self.base).map_err(|_| unreadable("its address cannot be read"))?;
        let url = base.join("/oauth/launch").map_err(|_| unreadable("its address cannot be read"))?;
        let asked = serde_json::json!({ "client_id": app, "patient": patient, "need_patient_banner": true });
        let said = ("application/json", asked.to_string());
        let answer = accepted(self.send(Method::POST, url.as_str(), Some(token), Some(said)).await?, true)?;
        let made: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let address = made.get("launch_uri").and_then(Value::as_str).map(str::to_owned);
        address.ok_or_else(|| unreadable("no app is registered to be launched"))
    }

    /// The first page of a search.
    pub(super) async fn search_first(&self, token: &str, kind: &str, query: &[(&str, &str)]) -> Result<Found, Trouble> {
        self.search_pages(token, kind, query, 1).await
    }

    /// A search, its further pages followed.
    pub(super) async fn search(&self, token: &str, kind: &str, query: &[(&str, &str)]) -> Result<Found, Trouble> {
        self.search_pages(token, kind, query, self.pages_max).await
    }

    async fn search_pages(
        &self,
        token: &str,
        kind: &str,
        query: &[(&str, &str)],
        pages_max: usize,
    ) -> Result<Found, Trouble> {
        let query = Serializer::new(String::new()).extend_pairs(query).finish();
        let mut next = Some(format!("{}/{kind}?{query}", self.base));
        let mut found = Found::default();
        for _ in 0..pages_max {
            let Some(url) = next else { break };
            let bundle = self.json(&url, Some(token)).await?;
            next = next_link(&bundle).map(|link| self.own(link)).transpose()?;
            found.resources.extend(matches(bundle));
        }
        found.whole = next.is_none();
        Ok(found)
    }

    /// A link of the bridge itself: the token goes nowhere else.
    fn own(&self, link: &str) -> Result<String, Trouble> {
        let inside = link.strip_prefix(&self.base).is_some_and(|rest| rest.starts_with(['/', '?']) || rest.is_empty());
        if inside {
            return Ok(link.to_owned());
        }
        Err(Trouble::Unreadable { what: "its next page is at another address", request_id: None })
    }

    /// Creates a resource.
    pub(super) async fn create(&self, token: &str, kind: &str, body: &Value) -> Result<(), Trouble> {
        let url = format!("{}/{kind}", self.base);
        let said = ("application/fhir+json", body.to_string());
        self.send(Method::POST, &url, Some(token), Some(said)).await.and_then(|answer| accepted(answer, true)).map(drop)
    }

    /// Changes a resource by a JSON Patch, in the version that is there now.
    pub(super) async fn patch(&self, token: &str, path: &str, operations: &Value) -> Result<(), Trouble> {
        let url = format!("{}/{path}", self.base);
        let now = self.read(token, path).await?;
        let version = now.pointer("/meta/versionId").and_then(Value::as_str);
        let said = ("application/json-patch+json", operations.to_string());
        let mut request = Self::request(Method::PATCH, &url, Some(token), Some(said))?;
        let named = version.and_then(|version| HeaderValue::from_str(&format!("W/\"{version}\"")).ok());
        if let Some(named) = named {
            request.headers_mut().insert(IF_MATCH, named);
        }
        self.answer(request).await.and_then(|answer| accepted(answer, true)).map(drop)
    }

    async fn json(&self, url: &str, token: Option<&str>) -> Result<Value, Trouble> {
        let answer = accepted(self.send(Method::GET, url, token, None).await?, token.is_some())?;
        serde_json::from_slice(&answer.body).map_err(|_| Trouble::Unreadable {
            what: "not in a form that can be read",
            request_id: answer.request_id(),
        })
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        token: Option<&str>,
        said: Option<(&'static str, String)>,
    ) -> Result<Answer, Trouble> {
        self.answer(Self::request(method, url, token, said)?).await
    }

    fn request(
        method: Method,
        url: &str,
        token: Option<&str>,
        said: Option<(&'static str, String)>,
    ) -> Result<Request<bascule_wire::Body>, Trouble> {
        let mut request = Request::new(empty());
        if let Some((kind, body)) = said {
            *request.body_mut() = full(body);
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        *request.method_mut() = method;
        *request.uri_mut() =
            url.parse().map_err(|_| Trouble::Unreadable { what: "its address cannot be read", request_id: None })?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/fhir+json, application/json"));
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Trouble::SessionOver)?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(request)
    }

    /// Sends what an OAuth library asks to be sent.
    pub(super) async fn post(&self, request: Request<Vec<u8>>) -> Result<Answer, Trouble> {
        self.answer(request.map(full)).await
    }

    async fn answer(&self, request: Request<bascule_wire::Body>) -> Result<Answer, Trouble> {
        let response =
            self.client.send(request).await.map_err(|error| Trouble::Unreachable { why: error.to_string() })?;
        let (head, body) = response.into_parts();
        let body = collect(body, self.answer_bytes_max)
            .await
            .map_err(|error| Trouble::Unreachable { why: error.to_string() })?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_vec() })
    }
}

/// The answer, if it is one to go on with.
fn accepted(answer: Answer, signed_in: bool) -> Result<Answer, Trouble> {
    if answer.status == StatusCode::UNAUTHORIZED && signed_in {
        return Err(Trouble::SessionOver);
    }
    if !answer.status.is_success() {
        let words = outcome_words(&answer.body);
        return Err(Trouble::Refused { status: answer.status, words, request_id: answer.request_id() });
    }
    Ok(answer)
}

fn next_link(bundle: &Value) -> Option<&str> {
    let links = bundle.get("link")?.as_array()?;
    links.iter().find(|link| link.get("relation").and_then(Value::as_str) == Some("next"))?.get("url")?.as_str()
}

/// The resources that matched, without what was included or said about the search.
fn matches(bundle: Value) -> Vec<Value> {
    let Value::Object(mut bundle) = bundle else { return Vec::new() };
    let Some(Value::Array(entries)) = bundle.remove("entry") else { return Vec::new() };
    let matched =
        |entry: &Value| entry.pointer("/search/mode").and_then(Value::as_str).is_none_or(|mode| mode == "match");
    entries.into_iter().filter(matched).filter_map(|mut entry| entry.get_mut("resource").map(Value::take)).collect()
}

/// The sentence of an OperationOutcome.
fn outcome_words(body: &[u8]) -> Option<String> {
    let outcome: Value = serde_json::from_slice(body).ok()?;
    let issue = outcome.pointer("/issue/0")?;
    let words = issue.pointer("/details/text").or_else(|| issue.get("diagnostics"))?.as_str()?;
    Some(words.trim_end_matches('.').chars().take(WORDS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bridge() -> Bridge {
        Bridge::new(&PortalSettings::new("https://localhost:2", "https://localhost:1/fhir", "portal")).unwrap()
    }

    #[test]
    fn a_next_link_to_elsewhere_is_not_followed() {
        for link in [
            "https://elsewhere.example/fhir?page=2",
            "https://localhost:1/fhirx?page=2",
            "http://localhost:1/fhir?page=2",
        ] {
            assert!(bridge().own(link).is_err(), "{link}");
        }
        assert!(bridge().own("https://localhost:1/fhir?page=2").is_ok());
        assert!(bridge().own("https://localhost:1/fhir/Observation?page=2").is_ok());
    }

    #[test]
    fn included_resources_are_not_matches() {
        let bundle = json!({"entry": [
            {"resource": {"id": "a"}, "search": {"mode": "match"}},
            {"resource": {"id": "b"}, "search": {"mode": "include"}},
            {"resource": {"id": "c"}},
        ]});
        let ids: Vec<Value> = matches(bundle).into_iter().filter_map(|body| body.get("id").cloned()).collect();
        assert_eq!(ids, [json!("a"), json!("c")]);
    }

    #[test]
    fn the_sentence_of_an_outcome_is_cut_to_its_bound() {
        let body = json!({"issue": [{"details": {"text": "x".repeat(1000)}}]}).to_string();
        assert_eq!(outcome_words(body.as_bytes()).map(|words| words.len()), Some(WORDS_MAX));
    }
}
