//! The manifest of an export: read from the upstream's, said anew. Counts stay behind, since they count what is withheld,
//! and so do the lists of what was deleted, of which nobody can tell any more whose it was.

use bascule_fhir::ResourceType;
use bascule_policy::Permit;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Files of one export.
const FILES_MAX: usize = 100_000;

/// As far as it is believed.
pub(super) struct Manifest {
    time: String,
    /// Whether the files are asked for with a credential.
    pub(super) requires_access_token: bool,
    /// Type and address of each file.
    output: Vec<(String, String)>,
    errors: Vec<(String, String)>,
}

impl Manifest {
    /// Reads it; `None` if it is not one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let time = value.get("transactionTime")?.as_str()?;
        OffsetDateTime::parse(time, &Rfc3339).ok()?;
        Some(Self {
            time: time.to_owned(),
            requires_access_token: value.get("requiresAccessToken").and_then(Value::as_bool).unwrap_or(true),
            output: files(value.get("output")?)?,
            errors: value.get("error").map_or_else(|| Some(Vec::new()), files)?,
        })
    }

    /// What the client is told. `seal` makes the address of a file; what has none is left out.
    pub(super) fn said(&self, permit: &Permit, request: &str, seal: impl Fn(&str, &str) -> Option<String>) -> Value {
        let told = |files: &[(String, String)]| -> Vec<Value> {
            let files = files.iter().filter(|(of, _)| leaves(permit, of));
            files.filter_map(|(of, url)| Some(json!({ "type": of, "url": seal(of, url)? }))).collect()
        };
        json!({
            "transactionTime": self.time,
            "request": request,
            "requiresAccessToken": true,
            "output": told(&self.output),
            "error": told(&self.errors),
        })
    }
}

/// Whether a file of that type may be fetched: a type of the permit, or what the upstream says of its own failures.
pub(super) fn leaves(permit: &Permit, of: &str) -> bool {
    of == "OperationOutcome"
        || ResourceType::parse(of).is_some_and(|resource| permit.narrowing().types.contains_key(&resource))
}

fn files(value: &Value) -> Option<Vec<(String, String)>> {
    let files = value.as_array().filter(|files| files.len() <= FILES_MAX)?;
    let text = |file: &Value, name: &str| file.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    files.iter().map(|file| Some((text(file, "type")?, text(file, "url")?))).collect()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
pub(super) fn http_date(seconds: i64) -> String {
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Ok(at) = OffsetDateTime::from_unix_timestamp(seconds) else { return String::new() };
    let day = days.get(usize::from(at.weekday().number_days_from_monday())).copied().unwrap_or_default();
    let month = months.get(usize::from(u8::from(at.month())).saturating_sub(1)).copied().unwrap_or_default();
    let (hour, minute, second) = at.to_hms();
    format!("{day}, {:02} {month} {} {hour:02}:{minute:02}:{second:02} GMT", at.day(), at.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_http_has_it() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn what_is_no_manifest_is_not_read_as_one() {
        for text in [
            "[]",
            r#"{"output":[]}"#,
            r#"{"transactionTime":"soon","output":[]}"#,
            r#"{"transactionTime":"2026-01-01T00:00:00Z","output":[{"type":"Patient"}]}"#,
        ] {
            assert!(Manifest::read(text.as_bytes()).is_none(), "{text}");
        }
        let sound = r#"{"transactionTime":"2026-01-01T00:00:00Z","output":[{"type":"Patient","url":"u","count":7}]}"#;
        assert!(Manifest::read(sound.as_bytes()).unwrap().requires_access_token, "what is not said is the stricter");
    }
}
