//! Change control: who may put which policy in force, from when, and who must look at it. Values and rules only; the
//! doors keep the bundles and swap the running one whole, so that no request sees half a policy.

use bascule_fhir::Timestamp;

use crate::policy::Policy;
use crate::rules::{Keeps, NotKept, Role};

/// Seconds within which an emergency change, made by one person, must be reviewed by another.
pub const REVIEW_SECONDS_MAX: i64 = 24 * 3_600;
/// Letters of a reason.
pub const REASON_LETTERS_MAX: usize = 500;
/// Seconds ahead for which a change may be scheduled: a year.
pub const SCHEDULE_SECONDS_MAX: i64 = 366 * 86_400;

/// What somebody asks to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Whether it cannot wait for another person.
    pub emergency: bool,
    /// Why.
    pub reason: String,
    /// From when; `None` is at once.
    pub from: Option<Timestamp>,
}

/// What becomes of a proposal that is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another person must approve it first.
    Approval,
    /// It acts now, and another person must have looked at it by then.
    Emergency {
        /// The last moment for the review.
        review_by: Timestamp,
    },
}

/// What becomes of a proposal that was approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approved {
    /// It acts now.
    Now,
    /// It acts from then on.
    From(Timestamp),
}

/// Why a change is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody says why.
    #[error("a change of the policy needs a reason: --reason \"…\"")]
    NoReason,
    /// The reason is a letter.
    #[error("the reason is longer than {REASON_LETTERS_MAX} letters; say it shorter")]
    LongReason,
    /// Its author approves it, or reviews it.
    #[error("whoever wrote a change can neither approve nor review it; another person must")]
    OwnApproval,
    /// It begins before now.
    #[error("a change cannot begin in the past")]
    InThePast,
    /// It begins later than anybody can foresee.
    #[error("a change cannot be scheduled for more than a year ahead")]
    TooFarAhead,
    /// What cannot wait is scheduled.
    #[error("what cannot wait is not scheduled: leave out --emergency, or --from")]
    ScheduledEmergency,
    /// Another policy came into force since it was proposed: its difference is not what was looked at.
    #[error("another policy is in force than when this was proposed, so its difference is another; propose it again")]
    Outdated,
    /// The person has no such right.
    #[error(transparent)]
    NotKept(#[from] NotKept),
}

impl Policy {
    /// The role by which a member of these roles looks after that.
    ///
    /// # Errors
    /// [`NotKept`] if none of them does.
    pub fn keeper<'a>(&self, roles: impl IntoIterator<Item = &'a str>, what: Keeps) -> Result<&Role, NotKept> {
        let mut kept = roles.into_iter().filter_map(|name| self.role(name)).filter(|role| role.keeps.contains(&what));
        kept.next().ok_or(NotKept(what))
    }
}

impl Proposal {
    /// Whether it is in order, and what is next.
    ///
    /// # Errors
    /// [`Refused`], and what is in force stays.
    pub fn check(&self, now: Timestamp) -> Result<Next, Refused> {
        check_reason(&self.reason)?;
        match self.from {
            Some(from) if from < now => Err(Refused::InThePast),
            Some(from) if from > now.plus_seconds(SCHEDULE_SECONDS_MAX) => Err(Refused::TooFarAhead),
            Some(_) if self.emergency => Err(Refused::ScheduledEmergency),
            None if self.emergency => Ok(Next::Emergency { review_by: now.plus_seconds(REVIEW_SECONDS_MAX) }),
            Some(_) | None => Ok(Next::Approval),
        }
    }

    /// What becomes of it when `approver` approves what `author` wrote against the policy `before`, while `current` is in
    /// force. Author and approver are users' ids.
    ///
    /// # Errors
    /// [`Refused`], and what is in force stays.
    pub fn approve(
        &self,
        author: &str,
        approver: &str,
        before: &str,
        current: &str,
        now: Timestamp,
    ) -> Result<Approved, Refused> {
        another(author, approver)?;
        if before != current {
            return Err(Refused::Outdated);
        }
        Ok(match self.from {
            Some(from) if from > now => Approved::From(from),
            Some(_) | None => Approved::Now,
        })
    }
}

/// Whether a reason is one.
///
/// # Errors
/// [`Refused`] if it says nothing or too much.
pub fn check_reason(reason: &str) -> Result<(), Refused> {
    match reason.trim() {
        "" => Err(Refused::NoReason),
        text if text.chars().count() > REASON_LETTERS_MAX => Err(Refused::LongReason),
        _ => Ok(()),
    }
}

/// Whether the second person is another than the first.
///
/// # Errors
/// [`Refused::OwnApproval`].
pub fn another(author: &str, other: &str) -> Result<(), Refused> {
    if author == other { Err(Refused::OwnApproval) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PolicyFile;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn proposal() -> Proposal {
        Proposal { emergency: false, reason: "a new form".to_owned(), from: None }
    }

    #[test]
    fn a_change_needs_a_reason_and_a_time_that_can_be_waited_for() {
        for (proposal, expected) in [
            (Proposal { reason: " ".to_owned(), ..proposal() }, Refused::NoReason),
            (Proposal { reason: "x".repeat(501), ..proposal() }, Refused::LongReason),
            (Proposal { from: Some(NOW.plus_seconds(-1)), ..proposal() }, Refused::InThePast),
            (Proposal { from: Some(NOW.plus_seconds(SCHEDULE_SECONDS_MAX + 1)), ..proposal() }, Refused::TooFarAhead),
            (Proposal { from: Some(NOW.plus_seconds(60)), emergency: true, ..proposal() }, Refused::ScheduledEmergency),
        ] {
            assert_eq!(proposal.check(NOW), Err(expected));
        }
        assert_eq!(proposal().check(NOW), Ok(Next::Approval));
    }

    #[test]
    fn an_emergency_change_is_reviewed_within_a_day() {
        let alone = Proposal { emergency: true, ..proposal() };
        let review_by = NOW.plus_seconds(REVIEW_SECONDS_MAX);
        assert_eq!(alone.check(NOW), Ok(Next::Emergency { review_by }));
    }

    #[test]
    fn another_person_approves_what_is_still_the_same_difference() {
        let approve = |approver, before| proposal().approve("amal", approver, before, "a", NOW);
        assert_eq!(approve("amal", "a"), Err(Refused::OwnApproval));
        assert_eq!(approve("bo", "b"), Err(Refused::Outdated));
        assert_eq!(approve("bo", "a"), Ok(Approved::Now));
        let later = Proposal { from: Some(NOW.plus_seconds(60)), ..proposal() };
        assert_eq!(later.approve("amal", "bo", "a", "a", NOW), Ok(Approved::From(NOW.plus_seconds(60))));
    }

    #[test]
    fn only_a_role_that_keeps_the_policy_may_change_it() {
        let text = "[role.officer]\ntitle = \"O\"\npurpose = [\"HOPERAT\"]\nkeeps = [\"policy\"]\n";
        let policy = Policy::load(&[PolicyFile { name: "p.toml".to_owned(), text: text.to_owned() }]).unwrap();
        assert_eq!(policy.keeper(["nobody", "officer"], Keeps::Policy).unwrap().name.as_ref(), "officer");
        assert_eq!(policy.keeper(["officer"], Keeps::Reviews).unwrap_err(), NotKept(Keeps::Reviews));
        assert!(policy.keeper([], Keeps::Policy).is_err());
    }
}
