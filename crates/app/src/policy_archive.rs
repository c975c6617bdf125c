//! Every policy that was ever in force, by its hash, in the data folder: so that it can be shown what the rules were on a day.
//!
//! **Trust**: who can rewrite a file here is found by its hash, which stands in every entry that the policy decided.

use std::path::{Path, PathBuf};

use bascule_policy::PolicyFile;

use crate::policy_folder;

/// The names of the files as they were loaded; the hash is over these too.
const NAMES: &str = "names.json";

/// Keeps the files of a policy, unless they are kept already.
///
/// # Errors
/// In words.
pub(crate) fn keep(store: &Path, policy_folder: &Path, hash: &str) -> Result<(), String> {
    let folder = folder(store, hash);
    if folder.exists() {
        return Ok(());
    }
    let files = policy_folder::files(policy_folder).map_err(|fault| fault.message.clone())?;
    let read = bascule_policy::Policy::load(&files).map_err(|_| "the policy changed while it was read".to_owned())?;
    if read.hash() != hash {
        return Err("the policy changed while it was read; it is kept at the next start".to_owned());
    }
    let said = |error: std::io::Error| format!("{}: {error}", folder.display());
    let unfinished = folder.with_extension("new");
    let _left_over = std::fs::remove_dir_all(&unfinished);
    std::fs::create_dir_all(&unfinished).map_err(said)?;
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    std::fs::write(unfinished.join(NAMES), serde_json::to_string(&names).unwrap_or_default()).map_err(said)?;
    for file in &files {
        let name = Path::new(&file.name).file_name().unwrap_or_default().to_owned();
        std::fs::write(unfinished.join(name), &file.text).map_err(said)?;
    }
    std::fs::rename(&unfinished, &folder).map_err(said)
}

/// The files of the policy with that hash, if it was kept and still has that hash.
pub(crate) fn files(store: &Path, hash: &str) -> Option<Vec<PolicyFile>> {
    let plain = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let folder = Some(folder(store, hash)).filter(|_| plain)?;
    let names: Vec<String> = serde_json::from_str(&std::fs::read_to_string(folder.join(NAMES)).ok()?).ok()?;
    let read = |name: String| {
        let text = std::fs::read_to_string(folder.join(Path::new(&name).file_name()?)).ok()?;
        Some(PolicyFile { name, text })
    };
    let files = names.into_iter().map(read).collect::<Option<Vec<_>>>()?;
    let read = bascule_policy::Policy::load(&files).ok()?;
    (read.hash() == hash).then_some(files)
}

fn folder(store: &Path, hash: &str) -> PathBuf {
    store.join("policies").join(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_found_by_its_hash_and_one_that_was_rewritten_is_not() {
        let root = tempfile::tempdir().unwrap();
        let policy = root.path().join("policy");
        std::fs::create_dir(&policy).unwrap();
        for (name, text) in bascule_policy::shipped::FILES {
            std::fs::write(policy.join(Path::new(name).file_name().unwrap()), text).unwrap();
        }
        let hash = policy_folder::load(&policy).unwrap().hash().to_owned();
        keep(root.path(), &policy, &hash).unwrap();
        keep(root.path(), &policy, &hash).unwrap();
        assert_eq!(files(root.path(), &hash).unwrap().len(), bascule_policy::shipped::FILES.len());
        assert!(files(root.path(), "../policy").is_none());
        let file = folder(root.path(), &hash).join("nurse.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text + "\n# changed\n").unwrap();
        assert!(files(root.path(), &hash).is_none());
    }
}
