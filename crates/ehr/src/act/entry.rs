//! An entry of a batch or transaction: the request that it is, and its answer as an entry.

use bascule_fhir::Query;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::Refusal;
use crate::ask::{Answer, Ask, Conditions, Content, Prefer, query, verb};

/// One entry.
pub(super) struct Entry {
    pub(super) full_url: Option<String>,
    pub(super) ask: Ask,
}

impl Entry {
    /// Reads `entry[index]`.
    pub(super) fn read(entry: Value, index: usize, base: &str, prefer: Prefer) -> Result<Self, Refusal> {
        let at = |name: &str| format!("Bundle.entry[{index}].{name}");
        let Value::Object(mut entry) = entry else {
            return Err(Refusal::invalid("an entry must be an object").at(at("request")));
        };
        let request = entry.get("request").cloned().unwrap_or_default();
        let text = |name: &str| request.get(name).and_then(Value::as_str).map(str::to_owned);
        let method = text("method").and_then(|method| method.parse::<Method>().ok());
        let method = method.ok_or_else(|| {
            Refusal::invalid("each entry needs request.method: GET, POST, PUT, PATCH or DELETE")
                .at(at("request.method"))
        })?;
        let url = text("url").ok_or_else(|| Refusal::invalid("each entry needs request.url").at(at("request.url")))?;
        let relative = url.strip_prefix(base).unwrap_or(&url).trim_start_matches('/');
        let (path, asked) = relative.split_once('?').map_or((relative, None), |(path, asked)| (path, Some(asked)));
        let verb = verb(&method, path).map_err(|refusal| refusal.at(at("request.url")))?;
        let query = asked.map_or_else(Query::default, query);
        crate::http::format(&query).map_err(|refusal| refusal.at(at("request.url")))?;
        let conditions = Conditions {
            if_match: text("ifMatch"),
            if_none_match: text("ifNoneMatch"),
            if_modified_since: text("ifModifiedSince"),
            if_none_exist: text("ifNoneExist"),
            prefer,
        };
        let ask = Ask {
            verb,
            query,
            conditions,
            content: Content::Json,
            body: Bytes::new(),
            value: entry.shift_remove("resource"),
        };
        let full_url = entry.get("fullUrl").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { full_url, ask })
    }
}

/// The answer as an entry of the answering Bundle.
pub(super) fn answered(base: &str, answer: &Answer) -> String {
    let mut response = json!({ "status": status(answer.status) });
    if let Some(fields) = response.as_object_mut() {
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), Value::String(value));
            }
        };
        put("location", answer.location.clone());
        put("etag", answer.etag.clone());
        put("lastModified", answer.modified.map(bascule_fhir::Timestamp::to_instant));
    }
    let is_fault = answer.status.is_client_error() || answer.status.is_server_error();
    match &answer.body {
        Some(outcome) if is_fault => {
            let response = response.to_string();
            let open = response.strip_suffix('}').unwrap_or(&response);
            format!(r#"{{"response":{open},"outcome":{outcome}}}}}"#)
        }
        Some(body) => {
            let full_url = answer.location.as_deref().and_then(|location| location.split("/_history/").next());
            let full_url = full_url
                .map(|name| format!(r#""fullUrl":{},"#, Value::from(format!("{base}/{name}"))))
                .unwrap_or_default();
            format!(r#"{{{full_url}"resource":{body},"response":{response}}}"#)
        }
        None => format!(r#"{{"response":{response}}}"#),
    }
}

fn status(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()).trim_end().to_owned()
}
