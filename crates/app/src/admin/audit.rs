//! Acts on the log's keys: shredding and legal holds. The log itself says what was done, and what was refused.

use std::sync::Arc;

use bascule_audit::SystemEvent;
use bascule_audit::accounting::Suspension;
use bascule_fhir::{Id, Timestamp};
use bascule_store::keys::Subject;
use bascule_store::log::LogError;
use bascule_store::log::read::{Cursor, LogReader};
use serde_json::json;

use super::records::Records;
use super::{LogSubject, Outcome};
use crate::day::{end_of_day, start_of_day};

impl Records {
    /// Destroys the keys of a month or a patient, if retention and holds allow it.
    pub(super) async fn shred(&self, subject: LogSubject, reason: &str, now: Timestamp) -> Outcome {
        let subject = match self.subject(subject) {
            Ok(subject) => subject,
            Err(sentence) => return Outcome::Refused(sentence),
        };
        match self.shredded(subject, reason, now).await {
            Ok(on) => Outcome::Done(json!({ "shredded": on })),
            Err(sentence) => Outcome::Refused(sentence),
        }
    }

    /// Suspends what accountings tell of a recipient, and says so in the log. The recipient's name stands there in clear: it is an
    /// agency's, not a person's.
    pub(super) async fn suspend(
        &self,
        recipient: String,
        until: &str,
        statement: &str,
        by: &str,
        now: Timestamp,
    ) -> Outcome {
        let Some(until) = end_of_day(until) else {
            return Outcome::Refused(format!("`{until}` is not a day; write 2026-12-31"));
        };
        let to = format!("{recipient} until {}: {statement}", until.to_instant());
        if let Err(error) = self.store.suspend(&Suspension { recipient, until }, now) {
            return Outcome::Refused(error.to_string());
        }
        let event = SystemEvent::Changed { what: "accounting-suspension".to_owned(), from: by.to_owned(), to };
        self.say(&event, now, json!({ "suspended-until": until.to_instant() })).await
    }

    /// Tries the emergency reserve out, and says so in the log, also if it fails.
    pub(super) async fn drill(&self, by: &str, now: Timestamp) -> Outcome {
        let log = self.log.clone();
        let done = tokio::task::spawn_blocking(move || log.drill_emergency()).await;
        let result = match done {
            Ok(Ok(())) => "passed".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let event =
            SystemEvent::Drill { what: "emergency-reserve".to_owned(), result: result.clone(), by: by.to_owned() };
        let state = self.log.emergency().unwrap_or_default();
        let said = json!({ "drill": "emergency-reserve", "result": result, "bytes": state.bytes_max });
        match self.say(&event, now, said).await {
            Outcome::Done(_) if result != "passed" => Outcome::Refused(format!("the drill failed: {result}")),
            outcome => outcome,
        }
    }

    async fn shredded(&self, subject: Subject, reason: &str, now: Timestamp) -> Result<String, String> {
        let text = |error: LogError| error.to_string();
        let on = self.log.keys().describe(&subject).map_err(|error| error.to_string())?;
        let last = match &subject {
            Subject::Month(month) => last_of_month(month).ok_or_else(|| no_month(month))?,
            Subject::Patient { api, reference } => {
                // Everything that was acknowledged counts, not only what has been published.
                self.log.flush().await.map_err(text)?;
                let last = self.last_about(api.clone(), reference.clone()).await?;
                last.ok_or("no entry that can be opened is about this patient: there is nothing to destroy")?
            }
        };
        self.log.shred(&subject, last, self.retention, reason, now).await.map_err(text)?;
        Ok(on)
    }

    /// When the newest entry about a patient was made.
    async fn last_about(&self, api: String, reference: String) -> Result<Option<Timestamp>, String> {
        let (folder, keys) = (self.log.settings().folder.clone(), Arc::clone(self.log.keys()));
        let read = move || {
            let mut last = None;
            LogReader::open(&folder, keys)?.each(&Cursor::default(), |entry| {
                if entry.about().api.as_deref() == Some(&api) && entry.is_about(&reference) {
                    last = last.max(Some(entry.at()));
                }
                Ok(true)
            })?;
            Ok(last)
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
        read.map_err(|error: LogError| error.to_string())
    }

    /// Sets or lifts a legal hold.
    pub(super) async fn hold(&self, subject: LogSubject, matter: &str, by: &str, set: bool, now: Timestamp) -> Outcome {
        match self.held(subject, matter, by, set, now).await {
            Ok(matters) => Outcome::Done(json!({ "held-for": matters })),
            Err(sentence) => Outcome::Refused(sentence),
        }
    }

    async fn held(
        &self,
        subject: LogSubject,
        matter: &str,
        by: &str,
        set: bool,
        now: Timestamp,
    ) -> Result<Vec<String>, String> {
        let subject = self.subject(subject)?;
        let holds = || self.log.keys().holds(&subject).map_err(|error| error.to_string());
        let before = holds()?;
        if !set && !before.iter().any(|held| held == matter) {
            let held = if before.is_empty() { "it is not held".to_owned() } else { before.join(", ") };
            return Err(format!("there is no hold for `{matter}`; held for: {held}"));
        }
        self.log.set_hold(&subject, matter, by, set, now).await.map_err(|error| error.to_string())?;
        holds()
    }

    fn subject(&self, subject: LogSubject) -> Result<Subject, String> {
        match subject {
            LogSubject::Month(month) if last_of_month(&month).is_some() => Ok(Subject::Month(month)),
            LogSubject::Month(month) => Err(no_month(&month)),
            LogSubject::Patient(named) => {
                let (api, id) = named.split_once('/').unwrap_or((&self.api, &named));
                let id = Id::parse(id).ok_or_else(|| format!("`{id}` is not a FHIR id"))?;
                Ok(Subject::Patient { api: api.to_owned(), reference: format!("Patient/{}", id.as_str()) })
            }
        }
    }
}

fn no_month(month: &str) -> String {
    format!("`{month}` is not a month; write 2026-11")
}

/// The last instant of a month, `YYYY-MM`, in UTC.
fn last_of_month(month: &str) -> Option<Timestamp> {
    start_of_day(&format!("{month}-01"))?;
    let (year, number) = month.split_once('-')?;
    let (year, number) = (year.parse::<u32>().ok()?, number.parse::<u32>().ok()?);
    let next = if number == 12 { (year + 1, 1) } else { (year, number + 1) };
    let after = start_of_day(&format!("{:04}-{:02}-01", next.0, next.1))?;
    Some(Timestamp::from_micros(after.micros() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(month: &str, last: Option<&str>) {
        let found = last_of_month(month).map(|at| at.to_instant());
        assert!(
            found.as_deref().map(|text| &text[..19]) == last,
            "the last second of {month} is {found:?}, not {last:?}"
        );
    }

    #[test]
    fn a_month_ends_before_the_next_begins() {
        check("2026-11", Some("2026-11-30T23:59:59"));
        check("2026-12", Some("2026-12-31T23:59:59"));
        check("2028-02", Some("2028-02-29T23:59:59"));
    }

    #[test]
    fn what_is_no_month_has_no_end() {
        for text in ["2026-13", "2026", "2026-11-01", "", "x-y", "2026-1"] {
            check(text, None);
        }
    }
}
