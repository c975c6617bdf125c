//! Which headers pass, in either direction. What is not on a list stays: `Authorization`, `Cookie`, `Forwarded`,
//! `X-Forwarded-*`, and everything that nobody thought of.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_LOCATION, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH,
    LAST_MODIFIED, LOCATION, PRAGMA, RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue};

/// The name under which every answer carries the request's id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `Prefer`, as FHIR uses it.
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// FHIR's JSON.
pub(crate) const FHIR_JSON: HeaderValue = HeaderValue::from_static("application/fhir+json; charset=utf-8");
/// Nobody on the way may keep an answer with health data.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Preferences that go upstream. Not among them: `respond-async`, whose answer would come by another way.
const PREFERENCES: [&str; 5] =
    ["return=minimal", "return=representation", "return=OperationOutcome", "handling=strict", "handling=lenient"];
/// Of the upstream's headers, those that leave as they are. URLs and validators are looked at by name.
const TO_CLIENT: [HeaderName; 2] = [LAST_MODIFIED, RETRY_AFTER];

/// The head of a request to an upstream.
pub(crate) fn to_upstream(
    asked: &HeaderMap,
    credential: Option<&HeaderValue>,
    content_type: Option<HeaderValue>,
    request_id: &str,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(value) = asked.get(IF_MATCH) {
        headers.insert(IF_MATCH, value.clone());
    }
    let preferred = asked.get(PREFER).and_then(|value| value.to_str().ok()).and_then(preference);
    if let Some(preferred) = preferred {
        headers.insert(PREFER, HeaderValue::from_static(preferred));
    }
    headers.insert(ACCEPT, HeaderValue::from_static("application/fhir+json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if let Some(credential) = credential {
        headers.insert(AUTHORIZATION, credential.clone());
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers
}

fn preference(line: &str) -> Option<&'static str> {
    let asked = line.split([',', ';']).map(str::trim);
    asked.into_iter().find_map(|asked| PREFERENCES.into_iter().find(|known| known.eq_ignore_ascii_case(asked)))
}

/// The head of an answer with a body from an upstream. `move_url` gives the bridge's address for an upstream's;
/// `validators` says whether an `ETag` may leave, which tells of changes to what is withheld.
pub(crate) fn to_client(
    answered: &HeaderMap,
    move_url: impl Fn(&str) -> Option<String>,
    validators: bool,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in TO_CLIENT {
        if let Some(value) = answered.get(&name).filter(|_| validators || name != LAST_MODIFIED) {
            headers.insert(name, value.clone());
        }
    }
    if let Some(value) = answered.get(ETAG).filter(|_| validators) {
        headers.insert(ETAG, value.clone());
    }
    for name in [LOCATION, CONTENT_LOCATION] {
        let moved = answered.get(&name).and_then(|value| value.to_str().ok()).and_then(&move_url);
        if let Some(moved) = moved.and_then(|moved| HeaderValue::from_str(&moved).ok()) {
            headers.insert(name, moved);
        }
    }
    headers
}

/// What every answer about a person carries.
pub(crate) fn private(headers: &mut HeaderMap, request_id: &str) {
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
}

/// Whether the caller takes FHIR JSON: `Accept` is missing, or names JSON or anything.
pub(crate) fn takes_json(headers: &HeaderMap) -> bool {
    let mut named = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    named.peek().is_none() || named.any(|line| line.split(',').any(is_json_range))
}

fn is_json_range(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let refused = parts
        .any(|parameter| parameter.strip_prefix("q=").is_some_and(|weight| weight.trim_matches(['0', '.']).is_empty()));
    let json = ["application/fhir+json", "application/json", "application/json+fhir", "application/*", "*/*"];
    !refused && (media.is_empty() || json.iter().any(|known| media.eq_ignore_ascii_case(known)))
}

/// Whether a content type is JSON.
pub(crate) fn is_json(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_callers_credentials_and_route_stay_here() {
        let asked = map(&[
            ("authorization", "Bearer callers"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4"),
            ("if-match", "W/\"1\""),
            ("x-unthought-of", "x"),
        ]);
        let ours = HeaderValue::from_static("Bearer ours");
        let sent = to_upstream(&asked, Some(&ours), None, "r1");
        let mut names: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "accept-encoding", "authorization", "if-match", "x-request-id"]);
        assert_eq!(sent.get("authorization").unwrap(), "Bearer ours");
        assert!(!to_upstream(&asked, None, None, "r1").contains_key("authorization"));
    }

    #[test]
    fn an_answer_by_another_way_is_not_asked_for() {
        let prefer = |line: &'static str| {
            let sent = to_upstream(&map(&[("prefer", line)]), None, None, "r1");
            sent.get("prefer").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(prefer("return=representation").as_deref(), Some("return=representation"));
        assert_eq!(prefer("respond-async, return=minimal").as_deref(), Some("return=minimal"));
        assert_eq!(prefer("respond-async"), None);
    }

    #[test]
    fn an_upstreams_own_headers_stay_there() {
        let answered = map(&[
            ("set-cookie", "session=1"),
            ("server", "ehr/1"),
            ("etag", "W/\"3\""),
            ("location", "http://ehr/fhir/Patient/1/_history/1"),
        ]);
        let moved = |url: &str| crate::rewrite::moved_url(url, "http://ehr/fhir", "https://b/fhir");
        let left = to_client(&answered, moved, false);
        assert_eq!(left.len(), 1);
        assert_eq!(left.get("location").unwrap(), "https://b/fhir/Patient/1/_history/1");
        assert!(to_client(&answered, moved, true).contains_key("etag"));
    }

    #[test]
    fn a_location_elsewhere_is_not_passed_on() {
        let answered = map(&[("location", "http://other.internal/x")]);
        let moved = |url: &str| crate::rewrite::moved_url(url, "http://ehr/fhir", "https://b/fhir");
        assert!(to_client(&answered, moved, true).is_empty());
    }

    #[test]
    fn xml_alone_is_not_taken() {
        for (accept, takes) in [
            ("application/fhir+xml", false),
            ("application/fhir+json;q=0, application/fhir+xml", false),
            ("application/fhir+json", true),
            ("text/html, */*;q=0.1", true),
            ("application/json", true),
        ] {
            let headers: HeaderMap = [(ACCEPT, HeaderValue::from_static(accept))].into_iter().collect();
            assert_eq!(takes_json(&headers), takes, "{accept}");
        }
        assert!(takes_json(&HeaderMap::new()));
    }

    #[test]
    fn json_is_told_from_what_looks_like_it() {
        assert!(is_json("application/fhir+json; charset=utf-8"));
        assert!(is_json("application/json"));
        assert!(!is_json("application/fhir+xml"));
        assert!(!is_json("text/html"));
    }
}
