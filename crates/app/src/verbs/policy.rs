//! `bascule policy`: who may see this, why that was refused, what a change opens and closes, and the change itself.

mod change;
mod clients;
mod explain;
mod observe;
mod simulate;

pub(super) use self::change::signed;

use std::path::Path;

use bascule_policy::diff::diff;
use bascule_policy::who_may::Question;
use bascule_policy::{Policy, PolicyFile};
use serde_json::Value;

use crate::admin::policy::PolicyAct;
use crate::admin::{Act, Outcome, socket};
use crate::cli::{PolicyVerb, RecordsArgs};
use crate::exit::Exit;
use crate::{policy_folder, terminal};

/// Answers from the policy in force, from the log (`explain`), or changes it through the house.
pub(crate) async fn run(verb: PolicyVerb) -> Exit {
    match answer(verb).await {
        Ok(text) => {
            if !text.is_empty() {
                terminal::line(text.trim_end());
            }
            Exit::Done
        }
        Err(exit) => exit,
    }
}

async fn answer(verb: PolicyVerb) -> Result<String, Exit> {
    match &verb {
        PolicyVerb::Explain { request, role, records } => explain::run(request, role, records).await,
        PolicyVerb::ObserveReport { api, records } => observe::run(false, api.as_deref(), records).await,
        PolicyVerb::Draft { api, records } => observe::run(true, api.as_deref(), records).await,
        PolicyVerb::Mode { api, say, because, records } => {
            change::mode(api, say.as_deref(), because.as_deref(), records).await
        }
        PolicyVerb::Status { records } => change::status(records).await,
        PolicyVerb::Show { role, records } => show(role.as_deref(), records).await,
        PolicyVerb::Apply { folder, emergency, change } => change::apply(folder, None, *emergency, change).await,
        PolicyVerb::Schedule { folder, from, change } => change::apply(folder, Some(from), false, change).await,
        PolicyVerb::Rollback { emergency, change } => change::rollback(*emergency, change).await,
        PolicyVerb::Approve { number, sign } => change::changed(PolicyAct::Approve { number: *number }, sign).await,
        PolicyVerb::Withdraw { number, sign } => change::changed(PolicyAct::Withdraw { number: *number }, sign).await,
        PolicyVerb::Review { number, note, sign } => {
            change::changed(PolicyAct::Review { number: *number, note: note.clone() }, sign).await
        }
        PolicyVerb::Changes { records } => change::changes(records).await,
        PolicyVerb::WhoMay { element, label, records } => who_may(element, label.as_deref(), records).await,
        PolicyVerb::Table { records } => in_force(records).await.map(|policy| policy.table()),
        PolicyVerb::Diff { old, new, records } => differ(old, new.as_deref(), records).await,
        PolicyVerb::Simulate { .. } => simulate::run(&verb).await,
    }
}

/// The policy in force: that of the running house, or, if none runs, that of the configured folder.
async fn in_force(records: &RecordsArgs) -> Result<Policy, Exit> {
    let settings = change::settings(records)?;
    let act = Act::Policy { act_on: PolicyAct::Files { which: None }, signed: None };
    match socket::ask(&settings.store, &act).await {
        Ok(Some(Outcome::Done(value))) => loaded(&value),
        Ok(Some(Outcome::Refused(sentence))) => Err(said(&sentence)),
        Ok(None) => policy_folder::load(&settings.policy, &settings.api_names())
            .map_err(|faults| terminal::faults(&faults, "Nothing was read.")),
        Err(error) => Err(terminal::failed(&format!("admin.sock: {error}"))),
    }
}

/// A policy that was in force, by the beginning of its hash or the day; and what the house says of it.
async fn kept(which: &str, records: &RecordsArgs) -> Result<(Policy, Value), Exit> {
    let told = change::ask(PolicyAct::Files { which: Some(which.to_owned()) }, None, records).await?;
    Ok((loaded(&told)?, told))
}

fn loaded(value: &Value) -> Result<Policy, Exit> {
    let files: Vec<(String, String)> = serde_json::from_value(value.get("files").cloned().unwrap_or_default())
        .map_err(|error| {
            terminal::failed(&format!(
                "the house did not tell its policy: {error}; use the same version of the program"
            ))
        })?;
    let files = files.into_iter().map(|(name, text)| PolicyFile { name, text }).collect::<Vec<_>>();
    Policy::load(&files).map_err(|faults| terminal::faults(&faults, "Nothing was read."))
}

fn said(sentence: &str) -> Exit {
    terminal::error(sentence);
    Exit::Usage
}

async fn who_may(element: &str, label: Option<&str>, records: &RecordsArgs) -> Result<String, Exit> {
    let policy = in_force(records).await?;
    let label = match label {
        None => None,
        Some(word) => {
            let known = policy.label(word);
            Some(
                known
                    .ok_or_else(|| said(&format!("`{word}` is no label that the policy knows; write `system|code`")))?,
            )
        }
    };
    let (clients, apps) = clients::that_reach(element, records).await?;
    let question = Question { label, clients, apps };
    let answer = if element.contains(':') {
        policy.who_may_call(element, &question).map(|answer| answer.to_string())
    } else {
        policy.who_may(element, &question).map(|answer| answer.to_string())
    };
    answer.map_err(|sentence| said(&sentence))
}

async fn show(role: Option<&str>, records: &RecordsArgs) -> Result<String, Exit> {
    let policy = in_force(records).await?;
    let head = format!("policy {}\n\n", policy.hash());
    let Some(role) = role else { return Ok(head + &policy.table()) };
    let shown = policy.show(role).ok_or_else(|| {
        let known = policy.roles().map(|role| role.name.as_ref()).collect::<Vec<_>>().join(", ");
        said(&format!("there is no role `{role}`; choose one of {known}"))
    })?;
    Ok(head + &shown)
}

async fn differ(old: &str, new: Option<&str>, records: &RecordsArgs) -> Result<String, Exit> {
    let (old, from) = named(old, records).await?;
    let (new, to) = match new {
        Some(new) => named(new, records).await?,
        None => (in_force(records).await?, "the policy in force".to_owned()),
    };
    Ok(format!("from {from}\nto   {to}\n{}", diff(&old, &new)))
}

/// A folder if there is one, else a policy that was in force; and what it is, in words.
async fn named(which: &str, records: &RecordsArgs) -> Result<(Policy, String), Exit> {
    if Path::new(which).is_dir() {
        let loaded = policy_folder::load_any(Path::new(which));
        let policy = loaded.map_err(|faults| terminal::faults(&faults, "Nothing was read."))?;
        return Ok((policy, format!("the folder {which}")));
    }
    let kept = kept(which, records).await?;
    let short = kept.1.get("hash").and_then(Value::as_str).unwrap_or_default().get(..12).unwrap_or_default().to_owned();
    let since = kept
        .1
        .get("since")
        .and_then(Value::as_str)
        .map_or_else(String::new, |since| format!(", in force since {since}"));
    let first = kept.1.get("first").and_then(Value::as_bool) == Some(true);
    let first = if first { "; none was before it" } else { "" };
    Ok((kept.0, format!("policy {short}{since}{first}")))
}
