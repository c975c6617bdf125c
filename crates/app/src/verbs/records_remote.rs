//! A records command to a server elsewhere: `--server URL`, with the token of an administrator who signed in with two factors.

use std::path::Path;

use bascule_wire::{Client, ClientSettings, collect, full};
use http::{Request, StatusCode, header};
use serde_json::Value;

use crate::admin::{Act, Outcome, http as door};
use crate::config;

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The variable that holds the token, unless a file does.
const TOKEN: &str = "BASCULE_TOKEN";

/// Sends an act.
pub(super) async fn ask(
    server: &str,
    token_file: Option<&Path>,
    ca: Option<&Path>,
    act: &Act,
) -> Result<Outcome, String> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let token = match token_file {
        Some(file) => read(file)?,
        None => config::environment(TOKEN).ok_or(format!("no token: set {TOKEN} or name a file with --token-file"))?,
    };
    let ca_pem = ca.map(read).transpose()?;
    let client =
        Client::new(&ClientSettings { ca_pem, ..ClientSettings::default() }).map_err(|error| error.to_string())?;
    let body = serde_json::to_vec(act).map_err(|error| error.to_string())?;
    let request = Request::post(format!("{}{}", server.trim_end_matches('/'), door::PATH))
        .header(header::AUTHORIZATION, format!("Bearer {}", token.trim()))
        .header(header::CONTENT_TYPE, "application/json")
        .body(full(body))
        .map_err(|error| error.to_string())?;
    let answer = client.send(request).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = collect(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(|error| error.to_string())?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    match (status, body.get("done")) {
        (StatusCode::OK, Some(value)) => Ok(Outcome::Done(value.clone())),
        _ => match text("refused").or_else(|| text("error_description")) {
            Some(sentence) => Ok(Outcome::Refused(sentence)),
            None => Err(format!("{server} answered {status}")),
        },
    }
}
