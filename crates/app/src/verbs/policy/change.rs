//! `bascule policy apply|schedule|rollback|approve|withdraw|review|changes|status`: asks the running house, or opens it
//! for the while.

use std::path::Path;

use bascule_fhir::Timestamp;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::admin::policy::{PolicyAct, Signed};
use crate::admin::{Act, Outcome};
use crate::cli::{ChangeArgs, RecordsArgs, SignArgs};
use crate::day::start_of_day;
use crate::exit::Exit;
use crate::verbs::records;
use crate::{config, policy_folder, terminal};

use super::said;

/// Proposes a folder, for at once or for later.
pub(super) async fn apply(
    folder: &Path,
    from: Option<&str>,
    emergency: bool,
    change: &ChangeArgs,
) -> Result<String, Exit> {
    let from = from.map(instant).transpose().map_err(|sentence| said(&sentence))?;
    let settings = settings(&change.sign.records)?;
    let files = policy_folder::files(folder).map_err(|fault| terminal::faults(&[*fault], "Nothing was changed."))?;
    // Faults are shown here, with the paths that the person knows.
    bascule_policy::Policy::load_for(&files, &settings.api_names())
        .map_err(|faults| terminal::faults(&faults, "Nothing was changed."))?;
    let files = policy_folder::named(files);
    let from = from.map(Timestamp::seconds);
    changed(PolicyAct::Propose { files, reason: change.reason.clone(), emergency, from }, &change.sign).await
}

/// Proposes to go back to the policy before.
pub(super) async fn rollback(emergency: bool, change: &ChangeArgs) -> Result<String, Exit> {
    changed(PolicyAct::Rollback { reason: change.reason.clone(), emergency }, &change.sign).await
}

/// An act on a change, by its number.
pub(super) async fn changed(act: PolicyAct, sign: &SignArgs) -> Result<String, Exit> {
    let signed = signed(sign).map_err(|sentence| said(&sentence))?;
    let value = ask(act, Some(signed), &sign.records).await?;
    Ok(if sign.records.json { format!("{value:#}") } else { told(&value) })
}

/// Every change.
pub(super) async fn changes(records: &RecordsArgs) -> Result<String, Exit> {
    let value = ask(PolicyAct::Changes, None, records).await?;
    match value {
        Value::Array(rows) if !records.json => {
            terminal::table(&rows);
            Ok(String::new())
        }
        other => Ok(format!("{other:#}")),
    }
}

/// What is in force.
pub(super) async fn status(records: &RecordsArgs) -> Result<String, Exit> {
    let value = ask(PolicyAct::Status, None, records).await?;
    Ok(if records.json { format!("{value:#}") } else { members(&value, &[]) })
}

pub(super) fn settings(records: &RecordsArgs) -> Result<config::Settings, Exit> {
    let file = config::found_here(records.config.as_deref());
    config::load(&file).map_err(|faults| terminal::faults(&faults, "Nothing was changed."))
}

/// What was said of an API's mode, or says it.
pub(super) async fn mode(
    api: &str,
    say: Option<&str>,
    because: Option<&str>,
    records: &RecordsArgs,
) -> Result<String, Exit> {
    let text = |word: Option<&str>| word.map(ToOwned::to_owned);
    let act = Act::Mode { api: api.to_owned(), say: text(say), because: text(because) };
    match records::ask(settings(records)?, &act).await {
        Ok(Outcome::Done(value)) if records.json => Ok(format!("{value:#}")),
        Ok(Outcome::Done(value)) => {
            let part = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
            let since = if part("since").is_empty() { String::new() } else { format!(", said {}", part("since")) };
            Ok(format!("{}: {}{since}", part("api"), part("mode")))
        }
        Ok(Outcome::Refused(sentence)) => Err(said(&sentence)),
        Err(sentence) => Err(terminal::failed(&sentence)),
    }
}

/// Asks the house.
pub(super) async fn ask(act: PolicyAct, signed: Option<Signed>, records: &RecordsArgs) -> Result<Value, Exit> {
    let settings = settings(records)?;
    match records::ask(settings, &Act::Policy { act_on: act, signed }).await {
        Ok(Outcome::Done(value)) => Ok(value),
        Ok(Outcome::Refused(sentence)) => Err(said(&sentence)),
        Err(sentence) => Err(terminal::failed(&sentence)),
    }
}

/// Name and password of the person at the keyboard, or of the file.
pub(in crate::verbs) fn signed(sign: &SignArgs) -> Result<Signed, String> {
    let password = match &sign.password_file {
        Some(file) if file.as_os_str() == "-" => {
            std::io::read_to_string(std::io::stdin()).map_err(|error| format!("standard input: {error}"))?
        }
        Some(file) => std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?,
        None => terminal::ask_secret(&format!("Password of {}", sign.login))
            .ok_or("there is no terminal to ask for the password at; name a file: --password-file FILE")?,
    };
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Signed { login: sign.login.clone(), password, code: sign.code.clone() })
}

fn instant(text: &str) -> Result<Timestamp, String> {
    let parsed = OffsetDateTime::parse(text, &Rfc3339).ok();
    let parsed = parsed.map(|moment| Timestamp::from_seconds(moment.unix_timestamp()));
    let wrong = || format!("`{text}` is neither a day nor an instant; write 2027-01-31, or 2027-01-31T06:00:00Z");
    parsed.or_else(|| start_of_day(text)).ok_or_else(wrong)
}

/// A change for a terminal: what it opens first, then who and when.
fn told(value: &Value) -> String {
    let difference = value.get("difference").and_then(Value::as_str).unwrap_or_default();
    let number = value.get("number").map(terminal::cell).unwrap_or_default();
    let next = match value.get("state").and_then(Value::as_str) {
        Some("proposed") => format!("another person approves it: bascule policy approve {number} --as NAME"),
        Some("scheduled") => "it acts from its time on".to_owned(),
        Some("done") if value.get("review_by").is_some_and(Value::is_string) && value["reviewed_by"].is_null() => {
            format!("it acts; another person reviews it: bascule policy review {number} --as NAME --note \"…\"")
        }
        Some("done") => "it acts".to_owned(),
        _ => "it will not act".to_owned(),
    };
    format!("{}\n\n{}\n{next}", difference.trim_end(), members(value, &["difference"]))
}

fn members(value: &Value, but: &[&str]) -> String {
    let members = value.as_object().into_iter().flatten().filter(|(name, _)| !but.contains(&name.as_str()));
    let lines = members.map(|(name, value)| format!("{name:<12} {}", terminal::cell(value)));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_day_or_an_instant() {
        assert_eq!(instant("2027-01-31"), instant("2027-01-31T00:00:00Z"));
        assert_eq!(instant("2027-01-31T07:00:00+01:00"), instant("2027-01-31T06:00:00Z"));
        for wrong in ["tomorrow", "2027-01-31T06:00:00", "2027-13-01", ""] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }
}
