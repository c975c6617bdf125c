//! The queue of access that somebody must look at: listed, signed off, and summed up for the privacy officer.

use bascule_audit::{Entry, SystemEvent};
use bascule_fhir::{Id, Timestamp};
use bascule_policy::change::{another, check_reason};
use bascule_policy::rules::Keeps;
use bascule_store::care::Review;
use serde_json::{Value, json};

use super::Outcome;
use super::policy::{Signed, keeper};
use super::records::Records;

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

impl Records {
    /// The queue.
    pub(super) fn reviews(&self, all: bool) -> Outcome {
        match self.store.reviews(!all) {
            Ok(rows) => Outcome::Done(Value::Array(rows.iter().map(|row| self.row(row)).collect())),
            Err(error) => Outcome::Refused(error.to_string()),
        }
    }

    /// Signs one off. The sign-off is in the log before it is kept.
    pub(super) async fn close_review(
        &self,
        number: i64,
        note: &str,
        signed: Option<Signed>,
        now: Timestamp,
    ) -> Outcome {
        match self.closed(number, note, signed, now).await {
            Ok(value) => Outcome::Done(value),
            Err(sentence) => Outcome::Refused(sentence),
        }
    }

    async fn closed(&self, number: i64, note: &str, signed: Option<Signed>, now: Timestamp) -> Result<Value, String> {
        check_reason(note).map_err(|_| "say what was found: --note \"…\", at most 500 letters".to_owned())?;
        let officer = keeper(&self.store, &self.policy.live().load_full(), Keeps::Reviews, signed, now).await?;
        let review = self.store.review(number).map_err(|error| error.to_string())?;
        if review.closed.is_some() {
            return Err(format!("review {number} was signed off before"));
        }
        another(&review.review.user, &officer.id)
            .map_err(|_| "nobody signs off the own access; another person must".to_owned())?;
        let event = SystemEvent::Administration {
            act: "review.close".to_owned(),
            record: format!("{number}: {note}"),
            by: officer.id.clone(),
        };
        let logged = self.log.append(Entry::system(&event, now), None).await;
        logged.map_err(|error| format!("nothing was signed off, since it could not be logged: {error}"))?;
        self.store.close_review(number, &officer.id, note, now).map_err(|error| error.to_string())?;
        Ok(self.row(&self.store.review(number).map_err(|error| error.to_string())?))
    }

    /// What the privacy officer should see of the last days.
    pub(super) fn digest(&self, days: u32, now: Timestamp) -> Outcome {
        match self.digested(days, now) {
            Ok(value) => Outcome::Done(value),
            Err(error) => Outcome::Refused(error.to_string()),
        }
    }

    fn digested(&self, days: u32, now: Timestamp) -> Result<Value, bascule_store::StoreError> {
        let since = now.plus_seconds(-DAY_SECONDS * i64::from(days));
        let emergencies = self.store.emergencies_since(since)?;
        let waiting = self.store.reviews(true)?;
        let oldest = waiting.iter().map(|review| review.first).min();
        let rows = emergencies.iter().map(|(api, one)| {
            json!({
                "at": one.from.to_instant(),
                "until": one.until.to_instant(),
                "user": self.login(&one.user),
                "api": api,
                "patient": one.patient.as_ref().map_or("not identified", Id::as_str),
                "reason": one.reason,
                "second_proof": one.stepped_up,
            })
        });
        Ok(json!({
            "since": since.to_instant(),
            "emergencies": rows.collect::<Vec<_>>(),
            "without_second_proof": emergencies.iter().filter(|(_, one)| !one.stepped_up).count(),
            "reviews_waiting": waiting.len(),
            "reviews_flagged": waiting.iter().filter(|review| review.review.flagged).count(),
            "oldest_waits_days": oldest.map(|first| (now.seconds() - first.seconds()) / DAY_SECONDS),
        }))
    }

    fn row(&self, review: &Review) -> Value {
        let seen = &review.review;
        let closed = review.closed.as_ref();
        json!({
            "number": review.number,
            "kind": seen.kind.name(),
            "flagged": seen.flagged,
            "user": self.login(&seen.user),
            "client": seen.client,
            "api": seen.api,
            "patient": seen.patient,
            "why": seen.why,
            "first": review.first.to_instant(),
            "last": review.last.to_instant(),
            "times": review.times,
            "request": seen.request,
            "closed_by": closed.map(|(_, by, _)| self.login(by)),
            "note": closed.map(|(_, _, note)| note),
        })
    }

    /// A user's login, as people know it; the id if there is none any more.
    fn login(&self, id: &str) -> String {
        self.store.user(id).ok().flatten().map_or_else(|| id.to_owned(), |user| user.login)
    }
}
