//! The chart, as the door reaches it: through the bridge, over HTTP, as a client with a token of its own.

use std::sync::Arc;

use bascule_fhir::Timestamp;
use bascule_wire::{Client, collect, empty, full};
use http::{Method, Request, StatusCode, header};
use serde_json::Value;

use crate::map::Identifier;
use crate::token::Tokens;

/// Bytes of an answer of the chart.
const ANSWER_BYTES_MAX: usize = 32 << 20;
const FHIR_JSON: &str = "application/fhir+json";

/// Where the chart is, and as whom it is asked.
#[derive(Clone)]
pub struct ChartSettings {
    /// The FHIR base URL at the bridge, without a slash at the end.
    pub base: String,
    /// The bridge's token endpoint.
    pub token_url: String,
    /// The client that this partner's messages come as.
    pub client_id: String,
    /// `kid` of its key.
    pub key_id: Option<String>,
    /// PEM of its P-384 key.
    pub key_pem: Vec<u8>,
    /// The scopes that it asks for.
    pub scope: String,
    /// The clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl std::fmt::Debug for ChartSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChartSettings")
            .field("base", &self.base)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Why something did not come into the chart. The words hold no value of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It may go well another time.
    Later(String),
    /// It will not, as it is.
    Refused(String),
}

/// The chart.
pub struct Chart {
    client: Client,
    settings: ChartSettings,
    tokens: Tokens,
}

impl Chart {
    /// The chart behind `client`, which brings trust and time-outs.
    #[must_use]
    pub fn new(client: Client, settings: ChartSettings) -> Self {
        Self { client, settings, tokens: Tokens::default() }
    }

    /// The resources of a type that bear one of the identifiers, each once.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn find(&self, kind: &str, identifiers: &[Identifier]) -> Result<Vec<Value>, Trouble> {
        if identifiers.is_empty() {
            return Ok(Vec::new());
        }
        let any = identifiers.iter().map(Identifier::token).collect::<Vec<_>>().join(",");
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("identifier", &any)
            .append_pair("_count", "20")
            .finish();
        let answer = self.ask(Method::GET, &format!("/{kind}?{query}"), None).await?;
        let entries = answer.get("entry").and_then(Value::as_array).cloned().unwrap_or_default();
        let resources = entries.into_iter().filter_map(|mut entry| entry.get_mut("resource").map(Value::take));
        Ok(resources.filter(|resource| resource.get("resourceType").and_then(Value::as_str) == Some(kind)).collect())
    }

    /// Sends a transaction.
    ///
    /// # Errors
    /// [`Trouble`]; nothing of it is in the chart then.
    pub async fn submit(&self, bundle: &Value) -> Result<(), Trouble> {
        self.ask(Method::POST, "", Some(bundle)).await.map(drop)
    }

    /// Is there a resource at this path?
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn has(&self, path: &str) -> Result<bool, Trouble> {
        match self.once(&Method::GET, path, None).await? {
            (StatusCode::OK, _) => Ok(true),
            (StatusCode::NOT_FOUND | StatusCode::GONE, _) => Ok(false),
            (status, answer) => Err(judge(status, &answer)),
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Trouble> {
        let (mut status, mut answer) = self.once(&method, path, body).await?;
        if status == StatusCode::UNAUTHORIZED {
            self.tokens.forget().await;
            (status, answer) = self.once(&method, path, body).await?;
        }
        if status.is_success() { Ok(answer) } else { Err(judge(status, &answer)) }
    }

    async fn once(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<(StatusCode, Value), Trouble> {
        let token = self.tokens.token(&self.client, &self.settings).await?;
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.settings.base))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::ACCEPT, FHIR_JSON)
            .header(header::CONTENT_TYPE, FHIR_JSON)
            .header("prefer", "return=minimal")
            .body(body.map_or_else(empty, |body| full(body.to_string())))
            .map_err(|error| Trouble::Refused(error.to_string()))?;
        let answer = self.client.send(request).await.map_err(|error| Trouble::Later(error.to_string()))?;
        let status = answer.status();
        let bytes =
            collect(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(|error| Trouble::Later(error.to_string()))?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }
}

/// Time-outs, conflicts, full queues and broken servers pass; what is refused for itself does not.
fn judge(status: StatusCode, answer: &Value) -> Trouble {
    let issues = answer.get("issue").and_then(Value::as_array).cloned().unwrap_or_default();
    let word = |issue: &Value, name: &str| issue.get(name).and_then(Value::as_str).map(str::to_owned);
    let said: Vec<String> = issues
        .iter()
        .take(3)
        .filter_map(|issue| {
            let place = issue
                .get("expression")
                .and_then(Value::as_array)
                .and_then(|list| list.first()?.as_str().map(str::to_owned));
            word(issue, "code").map(|code| place.map_or(code.clone(), |place| format!("{code} at {place}")))
        })
        .collect();
    let text = format!("the chart answered {} {}", status.as_u16(), said.join(", ")).trim_end().to_owned();
    let passes = status.is_server_error() || matches!(status.as_u16(), 401 | 408 | 409 | 412 | 423 | 425 | 429);
    if passes { Trouble::Later(text) } else { Trouble::Refused(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_may_pass_is_tried_again_and_no_value_is_repeated() {
        let outcome = json!({ "issue": [{ "code": "value", "expression": ["Patient.birthDate"], "diagnostics": "SECRET is no date" }] });
        assert_eq!(
            judge(StatusCode::UNPROCESSABLE_ENTITY, &outcome),
            Trouble::Refused("the chart answered 422 value at Patient.birthDate".into())
        );
        for status in [500, 502, 503, 504, 429, 412, 409, 401] {
            assert!(
                matches!(judge(StatusCode::from_u16(status).unwrap(), &Value::Null), Trouble::Later(_)),
                "{status}"
            );
        }
        for status in [400, 403, 404, 422] {
            assert!(
                matches!(judge(StatusCode::from_u16(status).unwrap(), &Value::Null), Trouble::Refused(_)),
                "{status}"
            );
        }
    }
}
