//! Change control: who may put which policy in force, from when, and what the log says of it. Values and rules only;
//! the doors keep the bundles and swap the running one whole, so that no request sees half a policy.

use std::collections::VecDeque;
use std::sync::Arc;

use bascule_fhir::Timestamp;

use crate::diff::{Difference, diff};
use crate::policy::Policy;

/// Seconds within which an emergency change, made by one person, must be reviewed by another.
pub const REVIEW_SECONDS_MAX: i64 = 24 * 3_600;

/// Policies that were in force and can be rolled back to.
pub const HISTORY_MAX: usize = 32;

/// What somebody asks to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Who wrote it: a user's id.
    pub author: String,
    /// Who approves it: another user's id; nobody in an emergency.
    pub approver: Option<String>,
    /// Whether it cannot wait for another person.
    pub emergency: bool,
    /// Why.
    pub reason: String,
    /// From when; `None` is at once.
    pub from: Option<Timestamp>,
}

/// A change that was accepted, as the log says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Hash of the policy before.
    pub before: String,
    /// Hash of the policy after.
    pub after: String,
    /// Who, why, from when.
    pub proposal: Proposal,
    /// What exactly opens and closes.
    pub difference: Difference,
    /// When another person must have looked at it, for an emergency change.
    pub review_by: Option<Timestamp>,
}

/// Why a change is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody says why.
    #[error("a change of the policy needs a reason")]
    NoReason,
    /// Nobody approves it.
    #[error(
        "a change of the policy needs the approval of another person; an emergency change is reviewed within 24 hours"
    )]
    NoApprover,
    /// Its author approves it.
    #[error("whoever wrote a change cannot approve it")]
    OwnApproval,
    /// It begins before now.
    #[error("a change cannot begin in the past")]
    InThePast,
    /// There is nothing to go back to.
    #[error("there is no earlier policy to go back to")]
    NothingEarlier,
}

/// The policy in force, those before it, and those that are scheduled.
#[derive(Debug)]
pub struct Running {
    current: Arc<Policy>,
    earlier: VecDeque<Arc<Policy>>,
    scheduled: Vec<(Timestamp, Arc<Policy>)>,
}

impl Running {
    /// The first policy of a house, loaded at its start.
    #[must_use]
    pub const fn begin(policy: Arc<Policy>) -> Self {
        Self { current: policy, earlier: VecDeque::new(), scheduled: Vec::new() }
    }

    /// The policy in force. A request takes it once and is decided by it to its end.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.current)
    }

    /// Puts a policy in force, at once or from a later instant.
    ///
    /// # Errors
    /// [`Refused`], and what was in force stays.
    pub fn apply(&mut self, next: Policy, proposal: Proposal, now: Timestamp) -> Result<Accepted, Refused> {
        check(&proposal, now)?;
        let accepted = self.accepted(&next, proposal, now);
        match accepted.proposal.from {
            Some(from) if from > now => {
                self.scheduled.push((from, Arc::new(next)));
                self.scheduled.sort_by_key(|(from, _)| *from);
            }
            _ => self.put(Arc::new(next)),
        }
        Ok(accepted)
    }

    /// Goes back to the policy before.
    ///
    /// # Errors
    /// [`Refused`], and what was in force stays.
    pub fn rollback(&mut self, proposal: Proposal, now: Timestamp) -> Result<Accepted, Refused> {
        check(&proposal, now)?;
        let earlier = self.earlier.pop_back().ok_or(Refused::NothingEarlier)?;
        let accepted = self.accepted(&earlier, proposal, now);
        self.current = earlier;
        Ok(accepted)
    }

    /// Puts in force what is due; the hashes of what came into force, in order.
    pub fn tick(&mut self, now: Timestamp) -> Vec<String> {
        let due: Vec<Arc<Policy>> = {
            let count = self.scheduled.partition_point(|(from, _)| *from <= now);
            self.scheduled.drain(..count).map(|(_, policy)| policy).collect()
        };
        let hashes = due.iter().map(|policy| policy.hash().to_owned()).collect();
        due.into_iter().for_each(|policy| self.put(policy));
        hashes
    }

    fn put(&mut self, next: Arc<Policy>) {
        self.earlier.push_back(std::mem::replace(&mut self.current, next));
        if self.earlier.len() > HISTORY_MAX {
            self.earlier.pop_front();
        }
    }

    fn accepted(&self, next: &Policy, proposal: Proposal, now: Timestamp) -> Accepted {
        Accepted {
            before: self.current.hash().to_owned(),
            after: next.hash().to_owned(),
            difference: diff(&self.current, next),
            review_by: (proposal.approver.is_none()).then(|| now.plus_seconds(REVIEW_SECONDS_MAX)),
            proposal,
        }
    }
}

fn check(proposal: &Proposal, now: Timestamp) -> Result<(), Refused> {
    if proposal.reason.trim().is_empty() {
        return Err(Refused::NoReason);
    }
    if proposal.from.is_some_and(|from| from < now) {
        return Err(Refused::InThePast);
    }
    match &proposal.approver {
        Some(approver) if *approver == proposal.author => Err(Refused::OwnApproval),
        None if !proposal.emergency => Err(Refused::NoApprover),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PolicyFile;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn policy(element: &str) -> Policy {
        let text = format!(
            "[role.desk]\ntitle = \"D\"\npurpose = [\"HOPERAT\"]\napi = \"ehr\"\n[[role.desk.grant]]\nresource = \"Patient\"\ninteractions = [\"read\"]\nelements = [\"{element}\"]\n"
        );
        Policy::load(&[PolicyFile { name: "p.toml".to_owned(), text }]).unwrap()
    }

    fn proposal() -> Proposal {
        Proposal {
            author: "amal".to_owned(),
            approver: Some("bo".to_owned()),
            emergency: false,
            reason: "a new form".to_owned(),
            from: None,
        }
    }

    #[test]
    fn another_person_approves() {
        let mut running = Running::begin(Arc::new(policy("name")));
        for (proposal, expected) in [
            (Proposal { approver: Some("amal".to_owned()), ..proposal() }, Refused::OwnApproval),
            (Proposal { approver: None, ..proposal() }, Refused::NoApprover),
            (Proposal { reason: " ".to_owned(), ..proposal() }, Refused::NoReason),
            (Proposal { from: Some(NOW.plus_seconds(-1)), ..proposal() }, Refused::InThePast),
        ] {
            assert_eq!(running.apply(policy("telecom"), proposal, NOW), Err(expected));
        }
        assert_eq!(running.policy().hash(), policy("name").hash());
        let accepted = running.apply(policy("telecom"), proposal(), NOW).unwrap();
        assert_eq!(accepted.after, running.policy().hash());
        assert!(!accepted.difference.opens.is_empty() && accepted.review_by.is_none());
    }

    #[test]
    fn an_emergency_change_is_reviewed_within_a_day() {
        let mut running = Running::begin(Arc::new(policy("name")));
        let alone = Proposal { approver: None, emergency: true, ..proposal() };
        let accepted = running.apply(policy("telecom"), alone, NOW).unwrap();
        assert_eq!(accepted.review_by, Some(NOW.plus_seconds(REVIEW_SECONDS_MAX)));
    }

    #[test]
    fn a_rollback_is_a_change_like_any_other() {
        let mut running = Running::begin(Arc::new(policy("name")));
        assert_eq!(running.rollback(proposal(), NOW), Err(Refused::NothingEarlier));
        let first = running.policy();
        running.apply(policy("telecom"), proposal(), NOW).unwrap();
        let held = running.policy();
        let accepted = running.rollback(proposal(), NOW).unwrap();
        assert_eq!(accepted.after, first.hash());
        // Who took the policy before goes on with it whole.
        assert_eq!(held.hash(), accepted.before);
    }

    #[test]
    fn a_scheduled_change_waits_for_its_time() {
        let mut running = Running::begin(Arc::new(policy("name")));
        let later = Proposal { from: Some(NOW.plus_seconds(60)), ..proposal() };
        running.apply(policy("telecom"), later, NOW).unwrap();
        assert_eq!(running.policy().hash(), policy("name").hash());
        assert!(running.tick(NOW.plus_seconds(59)).is_empty());
        assert_eq!(running.tick(NOW.plus_seconds(60)), [policy("telecom").hash()]);
        assert_eq!(running.policy().hash(), policy("telecom").hash());
    }
}
