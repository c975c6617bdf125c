//! `bascule policy`: who may see this, what a change opens and closes, the whole table.

use std::path::Path;

use bascule_policy::diff::diff;
use bascule_policy::who_may::Question;
use bascule_policy::{Label, Policy};

use crate::cli::{PolicyVerb, RecordsArgs};
use crate::exit::Exit;
use crate::{config, policy_folder, terminal};

/// Answers from files alone: no server, no record.
pub(crate) fn run(verb: PolicyVerb) -> Exit {
    let answered = match &verb {
        PolicyVerb::WhoMay { element, label, records } => who_may(element, label.as_deref(), records),
        PolicyVerb::Table { records } => in_force(records).map(|policy| policy.table()),
        PolicyVerb::Diff { old, new } => differ(old, new),
    };
    match answered {
        Ok(text) => {
            terminal::line(text.trim_end());
            Exit::Done
        }
        Err(exit) => exit,
    }
}

fn in_force(records: &RecordsArgs) -> Result<Policy, Exit> {
    let file = config::found_here(records.config.as_deref());
    let settings = config::load(&file).map_err(|faults| terminal::faults(&faults, "Nothing was read."))?;
    load(&settings.policy)
}

fn load(folder: &Path) -> Result<Policy, Exit> {
    policy_folder::load(folder).map_err(|faults| terminal::faults(&faults, "Nothing was read."))
}

fn said(sentence: &str) -> Exit {
    terminal::error(sentence);
    Exit::Usage
}

fn who_may(element: &str, label: Option<&str>, records: &RecordsArgs) -> Result<String, Exit> {
    let label = match label {
        None => None,
        Some(word) => {
            Some(Label::parse(word).ok_or_else(|| said(&format!("`{word}` is not a label; write `system|code`")))?)
        }
    };
    let question = Question { label, ..Question::default() };
    let answer = in_force(records)?.who_may(element, &question).map_err(|sentence| said(&sentence))?;
    Ok(answer.to_string())
}

fn differ(old: &Path, new: &Path) -> Result<String, Exit> {
    Ok(diff(&load(old)?, &load(new)?).to_string())
}
