//! The policy folder: its TOML files, read whole, in the order of their names.

use std::collections::BTreeMap;
use std::path::Path;

use bascule_policy::fault::Fault;
use bascule_policy::{ApiKind, Policy, PolicyFile};

/// Files of a policy folder; more is a mistake.
const FILES_MAX: usize = 1_000;

/// Reads and checks the policy of a folder for a house that has these APIs.
///
/// # Errors
/// Every fault of every file.
pub(crate) fn load(folder: &Path, apis: &BTreeMap<String, ApiKind>) -> Result<Policy, Vec<Fault>> {
    Policy::load_for(&files(folder).map_err(|fault| vec![*fault])?, apis)
}

/// Reads and checks the policy of a folder, whatever the house.
///
/// # Errors
/// Every fault of every file.
pub(crate) fn load_any(folder: &Path) -> Result<Policy, Vec<Fault>> {
    Policy::load(&files(folder).map_err(|fault| vec![*fault])?)
}

/// The files by the names alone, as they are kept: the same files are the same policy wherever they lie.
pub(crate) fn named(files: Vec<PolicyFile>) -> Vec<(String, String)> {
    let name = |file: &PolicyFile| Path::new(&file.name).file_name().unwrap_or_default().to_string_lossy().into_owned();
    files.into_iter().map(|file| (name(&file), file.text)).collect()
}

/// The files of a policy folder.
///
/// # Errors
/// If one cannot be read, or there are none or too many.
pub(crate) fn files(folder: &Path) -> Result<Vec<PolicyFile>, Box<Fault>> {
    let shown = folder.display().to_string();
    let fault = |error: std::io::Error| {
        let mend = "[policy] folder = …, with a file for each role";
        Box::new(Fault::of_file(&shown, format!("cannot read the policy folder: {error}"), mend))
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() || paths.len() > FILES_MAX {
        let mend = "put one .toml file for each role into it";
        return Err(Box::new(Fault::of_file(&shown, format!("{} policy files", paths.len()), mend)));
    }
    paths
        .into_iter()
        .map(|path| {
            let name = path.display().to_string();
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok(PolicyFile { name, text }),
                Err(error) => {
                    Err(Box::new(Fault::of_file(&name, format!("cannot read it: {error}"), "mend its permissions")))
                }
            }
        })
        .collect()
}
