//! Chores of the workspace: `cargo xtask gen DEFINITIONS_DIR` makes the committed FHIR tables,
//! `cargo xtask tidy` checks that the house is laid out as its page says.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a chore speaks to the terminal")]

mod r#gen;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask tidy | gen DEFINITIONS_DIR";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["gen", definitions] => r#gen::run(definitions.as_ref()),
        ["tidy"] => tidy::run(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("xtask: {fault}");
            ExitCode::FAILURE
        }
    }
}
