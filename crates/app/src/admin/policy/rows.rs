//! Changes and the policy in force, as a person sees them.

use bascule_fhir::Timestamp;
use bascule_policy::Policy;
use bascule_store::Store;
use bascule_store::policy_change::{ChangeState, PolicyChange};
use serde_json::{Value, json};

use super::text;

/// A change as a line of the list.
pub(super) fn line(change: &PolicyChange) -> Value {
    let asked = &change.change;
    json!({
        "number": change.number,
        "kind": asked.kind.name(),
        "state": change.state.name(),
        "after": short(&asked.after),
        "author": asked.author,
        "approver": change.approver,
        "proposed": change.proposed.to_instant(),
        "from": asked.from.map(Timestamp::to_instant),
        "review_by": asked.review_by.map(Timestamp::to_instant),
        "reviewed_by": change.reviewed.as_ref().map(|(_, by, _)| by),
        "reason": asked.reason,
    })
}

/// A change whole.
pub(super) fn change(change: &PolicyChange) -> Value {
    let mut row = line(change);
    if let Some(members) = row.as_object_mut() {
        members.insert("before".to_owned(), change.change.before.clone().into());
        members.insert("after".to_owned(), change.change.after.clone().into());
        members.insert("difference".to_owned(), change.change.difference.clone().into());
    }
    row
}

/// What is in force, since when, by whom, and what waits.
pub(super) fn status(
    store: &Store,
    policy: &Policy,
    folder_hash: &str,
    fallback: Option<&str>,
) -> Result<Value, String> {
    let held = store.policy_in_force().map_err(text)?.filter(|held| held.hash == policy.hash());
    let by = match held.as_ref().and_then(|held| held.change) {
        Some(number) => Some(store.policy_change(number).map_err(text)?),
        None => None,
    };
    let changes = store.policy_changes().map_err(text)?;
    let numbers = |wanted: &dyn Fn(&PolicyChange) -> bool| {
        changes.iter().filter(|change| wanted(change)).map(|change| change.number).collect::<Vec<_>>()
    };
    let unreviewed = |change: &PolicyChange| {
        change.state == ChangeState::Done && change.change.review_by.is_some() && change.reviewed.is_none()
    };
    Ok(json!({
        "hash": policy.hash(),
        "since": held.as_ref().map(|held| held.at.to_instant()),
        "change": by.as_ref().map(|change| change.number),
        "author": by.as_ref().map(|change| change.change.author.clone()),
        "approver": by.as_ref().and_then(|change| change.approver.clone()),
        "reason": by.as_ref().map(|change| change.change.reason.clone()),
        "folder": if folder_hash == policy.hash() { "the same" } else { "another policy than the one in force" },
        "fallback": fallback,
        "proposed": numbers(&|change| change.state == ChangeState::Proposed),
        "scheduled": numbers(&|change| change.state == ChangeState::Scheduled),
        "unreviewed": numbers(&unreviewed),
    }))
}

fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}
