//! `bascule policy observe-report|draft`: what enforcing would have done, and the least grants that would have served.

use serde_json::Value;

use crate::admin::{Act, Outcome};
use crate::cli::RecordsArgs;
use crate::exit::Exit;
use crate::terminal;
use crate::verbs::records;

use super::{change, said};

/// Shows the report or the draft.
pub(super) async fn run(draft: bool, api: Option<&str>, records: &RecordsArgs) -> Result<String, Exit> {
    let settings = change::settings(records)?;
    let act = Act::Observed { draft, api: api.map(ToOwned::to_owned) };
    match records::ask(settings, &act).await {
        Ok(Outcome::Done(value)) => {
            let text = value.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
            let shown = if records.json { format!("{value:#}") } else { text };
            if draft || value.get("quiet") == Some(&Value::Bool(true)) {
                return Ok(shown);
            }
            terminal::line(shown.trim_end());
            Err(Exit::Found)
        }
        Ok(Outcome::Refused(sentence)) => Err(said(&sentence)),
        Err(sentence) => Err(terminal::failed(&sentence)),
    }
}
