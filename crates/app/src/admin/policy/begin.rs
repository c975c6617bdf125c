//! Which policy a start puts in force: that of the configured folder if it changed since the last acceptance, else the
//! accepted one; the accepted one as well if the folder is faulty.

use std::collections::BTreeMap;
use std::path::Path;

use bascule_fhir::Timestamp;
use bascule_policy::fault::Fault;
use bascule_policy::{ApiKind, Policy, PolicyFile};
use bascule_store::policy_change::InForce;
use bascule_store::{Store, StoreError};

use super::panel;
use crate::policy_folder;

/// The policy that a house begins with, before anything was said of it.
pub(crate) struct Begun {
    /// The policy.
    pub(crate) policy: Policy,
    /// Hash of the configured folder, as far as it could be read.
    pub(crate) folder_hash: String,
    /// How it came.
    pub(crate) how: How,
}

/// How the policy of a start came.
pub(crate) enum How {
    /// Nothing was ever in force; these are its files.
    First(Vec<(String, String)>),
    /// It is the one that was in force.
    Same,
    /// The configured folder holds another than when the last one was accepted; these are its files.
    Folder(Vec<(String, String)>),
    /// The configured folder is faulty; in a sentence.
    Fallback(String),
}

/// What a start puts in force. Nothing is written.
///
/// # Errors
/// Every fault of the folder, if nothing was ever accepted.
pub(crate) fn begin(
    folder: &Path,
    apis: &BTreeMap<String, ApiKind>,
    store: &Store,
    now: Timestamp,
) -> Result<Begun, Vec<Fault>> {
    let accepted = match accepted(store) {
        Ok(accepted) => accepted,
        Err(sentence) => {
            tracing::error!("the accepted policy cannot be taken: {sentence}");
            None
        }
    };
    let read = policy_folder::files(folder).map_err(|fault| vec![*fault]);
    match read.and_then(|files| Policy::load_for(&files, apis).map(|policy| (policy, policy_folder::named(files)))) {
        Ok((policy, files)) => {
            let folder_hash = policy.hash().to_owned();
            let known = accepted.as_ref().is_some_and(|(held, _)| held.folder_hash == folder_hash);
            if !known && let Err(said) = panel::check(&policy, store, now) {
                let fault = Fault::of_file(&folder.display().to_string(), said, "");
                let Some((held, policy)) = accepted else { return Err(vec![fault]) };
                let how = How::Fallback(self::said(std::slice::from_ref(&fault)));
                return Ok(Begun { policy, folder_hash: held.folder_hash, how });
            }
            Ok(match accepted {
                Some((held, policy)) if held.folder_hash == folder_hash => {
                    Begun { policy, folder_hash, how: How::Same }
                }
                Some(_) => Begun { policy, folder_hash, how: How::Folder(files) },
                None => Begun { policy, folder_hash, how: How::First(files) },
            })
        }
        Err(faults) => {
            let Some((held, policy)) = accepted else { return Err(faults) };
            let said = said(&faults);
            Ok(Begun { policy, folder_hash: held.folder_hash, how: How::Fallback(said) })
        }
    }
}

fn said(faults: &[Fault]) -> String {
    let first = faults.first().map_or_else(String::new, |fault| {
        let name = Path::new(&fault.file).file_name().unwrap_or_default().to_string_lossy().into_owned();
        format!("; first {name}:{}: {}", fault.line, fault.message)
    });
    format!("the policy folder has {} faults, so the last accepted policy stays in force{first}", faults.len())
}

/// The policy that was last in force; a sentence if it is not what its hash says.
pub(crate) fn accepted(store: &Store) -> Result<Option<(InForce, Policy)>, String> {
    let Some(held) = store.policy_in_force().map_err(|error| error.to_string())? else { return Ok(None) };
    let policy = kept(store, &held.hash)?;
    Ok(Some((held, policy)))
}

/// A policy that was kept.
///
/// # Errors
/// A sentence, if it is not there, not what its hash says, or not a policy for this version.
pub(crate) fn kept(store: &Store, hash: &str) -> Result<Policy, String> {
    let files = store.kept_policy(hash).map_err(|error: StoreError| error.to_string())?;
    let policy = load(files)?;
    if policy.hash() == hash {
        Ok(policy)
    } else {
        Err(format!("what is kept as policy {hash} is another: it was tampered with"))
    }
}

fn load(files: Vec<(String, String)>) -> Result<Policy, String> {
    let files = files.into_iter().map(|(name, text)| PolicyFile { name, text }).collect::<Vec<_>>();
    Policy::load(&files).map_err(|faults| bascule_policy::fault::render(&faults, "It was kept by another version."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn write(folder: &Path, element: &str) {
        let text = format!(
            "[role.desk]\ntitle = \"D\"\npurpose = [\"HOPERAT\"]\napi = \"ehr\"\n[[role.desk.grant]]\nresource = \"Patient\"\ninteractions = [\"read\"]\nelements = [\"{element}\"]\n"
        );
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("desk.toml"), text).unwrap();
    }

    fn apis() -> BTreeMap<String, ApiKind> {
        [("ehr".to_owned(), ApiKind::Fhir)].into()
    }

    fn accept(folder: &Path, store: &Store, folder_hash: Option<&str>) -> String {
        let files = policy_folder::named(policy_folder::files(folder).unwrap());
        let policy = load(files.clone()).unwrap();
        store.keep_policy(policy.hash(), &files, NOW).unwrap();
        store.begin_policy(policy.hash(), folder_hash.unwrap_or(policy.hash()), NOW).unwrap();
        policy.hash().to_owned()
    }

    fn house() -> (tempfile::TempDir, Store, std::path::PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("bascule.db"), NOW).unwrap();
        let folder = home.path().join("policy");
        (home, store, folder)
    }

    #[test]
    fn a_faulty_folder_falls_back_to_what_was_accepted_and_says_so() {
        let (_home, store, folder) = house();
        write(&folder, "no-such-element");
        assert!(begin(&folder, &apis(), &store, NOW).is_err());
        write(&folder, "name");
        let hash = accept(&folder, &store, None);
        write(&folder, "no-such-element");
        let begun = begin(&folder, &apis(), &store, NOW).unwrap();
        assert_eq!(begun.policy.hash(), hash);
        let How::Fallback(said) = begun.how else { panic!("it does not say so") };
        assert!(said.contains("desk.toml:8"), "{said}");
    }

    #[test]
    fn what_was_applied_outlives_a_restart_until_the_folder_changes() {
        let (home, store, folder) = house();
        let other = home.path().join("other");
        write(&folder, "name");
        write(&other, "telecom");
        let before = accept(&folder, &store, None);
        let applied = accept(&other, &store, Some(&before));
        assert_eq!(begin(&folder, &apis(), &store, NOW).unwrap().policy.hash(), applied);
        write(&folder, "gender");
        let begun = begin(&folder, &apis(), &store, NOW).unwrap();
        assert!(matches!(begun.how, How::Folder(_)) && begun.policy.hash() == begun.folder_hash);
        assert_ne!(begun.folder_hash, before);
    }

    #[test]
    fn a_kept_policy_that_is_not_what_its_hash_says_is_not_taken() {
        let (_home, store, folder) = house();
        write(&folder, "name");
        let files = policy_folder::named(policy_folder::files(&folder).unwrap());
        store.keep_policy("another-hash", &files, NOW).unwrap();
        store.begin_policy("another-hash", "-", NOW).unwrap();
        assert!(accepted(&store).unwrap_err().contains("tampered"));
        write(&folder, "no-such-element");
        assert!(begin(&folder, &apis(), &store, NOW).is_err(), "there is nothing to fall back to");
    }
}
