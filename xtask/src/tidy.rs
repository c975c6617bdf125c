//! Whether the house is laid out as its page says: a head on every file, arrows only downwards, no overlong file,
//! nothing of one machine, no person who might be real, no world in the rooms below the shelf, no proof that anybody can make.

mod arrows;
mod conformance;
mod people;
mod rooms;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};

/// Something out of place: where, what, and the mend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    file: String,
    line: usize,
    what: String,
}

impl Fault {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Prints every fault; an error says how many there are.
pub(crate) fn run() -> Result<(), String> {
    let faults = check(&root())?;
    for fault in &faults {
        println!("{fault}");
    }
    match faults.len() {
        0 => {
            println!("tidy");
            Ok(())
        }
        1 => Err("1 thing is out of place".to_owned()),
        several => Err(format!("{several} things are out of place")),
    }
}

/// Every fault of the tree, in the order of its files.
fn check(root: &Path) -> Result<Vec<Fault>, String> {
    let mut files = Vec::new();
    collect(root, &mut files).map_err(|fault| format!("{}: {fault}", root.display()))?;
    files.sort();
    let mut faults = Vec::new();
    let mut conformance = conformance::Conformance::default();
    for path in files {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let Ok(content) = std::fs::read_to_string(&path) else { continue };
        conformance.read(&name, &content);
        faults.extend(text::faults(&name, &content));
        faults.extend(people::faults(&name, &content));
        faults.extend(arrows::faults(&name, &content));
        faults.extend(rooms::faults(&name, &content));
    }
    faults.extend(conformance.faults());
    faults.sort();
    Ok(faults)
}

/// Every file that belongs to the project; what is built, fetched or hidden does not (`.ci` and `.cargo` do).
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let hidden = name.starts_with('.') && !matches!(name.as_ref(), ".ci" | ".cargo");
        if hidden
            || matches!(
                name.as_ref(),
                "target" | "node_modules" | "corpus" | "artifacts" | "bascule-demo" | "Cargo.lock"
            )
        {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let faults: Vec<String> = check(&root()).unwrap().iter().map(ToString::to_string).collect();
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    }
}
