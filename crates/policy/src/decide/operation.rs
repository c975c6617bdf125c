//! Operations that need more than their name in a grant, and those that pass for nobody.

use bascule_smart::Principal;
use bascule_smart::scope::Scope;

use super::No;
use crate::decision::DenialReason;

/// Operations that change or remove what is there. A name in a grant is not enough: the token must let change and delete.
const OVERWRITING: [&str; 7] =
    ["merge", "import", "process-message", "bulk-delete", "expunge", "purge", "cascade-delete"];

/// Whether an operation may be asked for at all.
pub(super) fn passes(principal: &Principal, name: &str) -> Result<(), No> {
    if is_unfiltered(name) {
        return Err(No::not_supported(
            "a GraphQL answer has whatever shape its question gives it, so that nothing in it can be held back: ask with \
             read, search and `_include`",
        ));
    }
    if OVERWRITING.contains(&name) && !may_overwrite(principal) {
        let wanted = "system/*.ud".to_owned();
        return Err(No::because(DenialReason::ScopeMissing { wanted }, "scope"));
    }
    Ok(())
}

/// Operations whose answers have no shape that a grant could be held against. No policy may name them.
pub(crate) fn is_unfiltered(name: &str) -> bool {
    name == "graphql"
}

fn may_overwrite(principal: &Principal) -> bool {
    principal.scopes().0.iter().any(|scope| {
        matches!(scope, Scope::Resource { resource: None, rights, narrowing, .. } if rights.update && rights.delete && narrowing.is_empty())
    })
}
