//! Makes the tables in `crates/fhir/src/tables` from FHIR's own definitions (R4, 4.0.1; they are CC0).
//!
//! The definitions are read from a folder that holds `search-parameters.json`, `profiles-resources.json`,
//! `profiles-types.json`, `dataelements.json`, `valuesets.json` and `v3-codesystems.json` as HL7 publishes them.

mod codes;
mod compartments;
mod definitions;
mod elements;
mod search;

use std::path::{Path, PathBuf};

use definitions::Definitions;

/// What every table says of itself in its first lines.
const HEAD: &str = "# Made by `cargo xtask gen` from the definitions of HL7 FHIR R4 (4.0.1), which are in the public domain (CC0).\n\
                    # FHIR is a registered trademark of Health Level Seven International. Do not edit by hand.\n";

/// Reads the definitions and writes every table.
pub(crate) fn run(folder: &Path) -> Result<(), String> {
    let definitions = Definitions::read(folder)?;
    write("search.txt", &search::table(&definitions)?)?;
    let elements = elements::table(&definitions)?;
    write("elements.txt", &elements)?;
    write("compartments.txt", &compartments::table(&definitions)?)?;
    write("codes.txt", &codes::table(&definitions, &elements))
}

fn write(name: &str, body: &str) -> Result<(), String> {
    let path = tables().join(name);
    let text = format!("{HEAD}{body}");
    std::fs::write(&path, &text).map_err(|fault| format!("{}: {fault}", path.display()))?;
    println!("{name}: {} lines, {} bytes", text.lines().count(), text.len());
    Ok(())
}

fn tables() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/fhir/src/tables")
}
