//! What the program says to a terminal. Nothing else prints.

use std::fmt::Display;
use std::io::Write as _;

use bascule_policy::fault::{self, Fault};
use serde_json::Value;

use crate::exit::Exit;

/// A line of the answer. A reader that has gone away (`| head`) is no error.
pub(crate) fn line(text: &str) {
    let _gone = writeln!(std::io::stdout(), "{text}");
}

/// A line about the work, beside the answer.
pub(crate) fn note(text: &str) {
    let _gone = writeln!(std::io::stderr(), "{text}");
}

/// What was wrong and how to mend it.
pub(crate) fn error(sentence: &str) {
    note(&format!("error: {sentence}"));
}

/// Our fault, or the machine's.
pub(crate) fn failed(error: &dyn Display) -> Exit {
    self::error(&error.to_string());
    Exit::Fault
}

/// Every fault of a configuration.
pub(crate) fn faults(faults: &[Fault], outcome: &str) -> Exit {
    note(fault::render(faults, outcome).trim_end());
    Exit::Usage
}

/// Asks for a secret at a terminal, without showing what is typed; `None` if there is no terminal.
pub(crate) fn ask_secret(question: &str) -> Option<String> {
    use std::io::IsTerminal as _;
    if !std::io::stdin().is_terminal() {
        return None;
    }
    let _gone = write!(std::io::stderr(), "{question}: ");
    let echo = |mode: &str| std::process::Command::new("stty").arg(mode).status().is_ok_and(|status| status.success());
    let hidden = echo("-echo");
    let mut typed = String::new();
    let read = std::io::stdin().read_line(&mut typed);
    if hidden {
        echo("echo");
        note("");
    }
    read.ok().map(|_| typed.trim_end_matches(['\r', '\n']).to_owned())
}

/// Rows of records, with a head.
pub(crate) fn table(rows: &[Value]) {
    let Some(names) = rows.first().and_then(Value::as_object).map(|row| row.keys().cloned().collect::<Vec<_>>()) else {
        return line("none");
    };
    let cells =
        rows.iter().map(|row| names.iter().map(|name| cell(row.get(name).unwrap_or(&Value::Null))).collect::<Vec<_>>());
    let table = std::iter::once(names.clone()).chain(cells).collect::<Vec<_>>();
    let width = |column: usize| {
        table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths = (0..names.len()).map(width).collect::<Vec<_>>();
    for row in &table {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect::<Vec<_>>();
        line(padded.join("  ").trim_end());
    }
}

/// A value in a cell.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
