//! The table of compartments: for each of the five, per type the search parameters that lead to its owner.
//!
//! `@Patient` opens a compartment; a line is `Type TAB parameter,parameter`. That a resource is in its own
//! compartment is understood and not listed.

use std::fmt::Write as _;

use serde_json::Value;

use super::definitions::{Definitions, list, text, texts};

/// The body of `compartments.txt`.
pub(crate) fn table(definitions: &Definitions) -> Result<String, String> {
    let mut compartments: Vec<&Value> = definitions
        .resources
        .iter()
        .filter(|definition| text(definition, "resourceType") == "CompartmentDefinition")
        .collect();
    compartments.sort_by_key(|compartment| text(compartment, "code"));
    if compartments.len() != 5 {
        return Err(format!("{} compartments instead of R4's five", compartments.len()));
    }
    let mut body = String::new();
    for compartment in compartments {
        let _ = writeln!(body, "@{}", text(compartment, "code"));
        for member in list(compartment, "resource") {
            let parameters: Vec<&str> =
                texts(member, "param").into_iter().filter(|parameter| *parameter != "{def}").collect();
            if !parameters.is_empty() {
                let _ = writeln!(body, "{}\t{}", text(member, "code"), parameters.join(","));
            }
        }
    }
    Ok(body)
}
