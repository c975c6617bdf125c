//! What observing saw, as a report or as a draft of the least grants that would have served it.

use bascule_policy::observed::{ObserveReport, Observed, draft};
use serde_json::json;

use super::Outcome;
use super::records::Records;

impl Records {
    /// The report, or the draft, of one API or of all.
    pub(super) fn observed(&self, as_draft: bool, api: Option<&str>) -> Outcome {
        let seen = match self.store.observed() {
            Ok(seen) => seen,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let seen: Vec<(Observed, u64)> =
            seen.into_iter().filter(|(one, _)| api.is_none_or(|api| one.api == api)).collect();
        if seen.is_empty() {
            let none = "nothing was observed: set mode = { observe = { … } } of an API, and let its clients work";
            return Outcome::Refused(none.to_owned());
        }
        let counted = || seen.iter().map(|(one, times)| (one, *times));
        let report = ObserveReport::of(counted());
        let text = if as_draft { draft(counted()) } else { report.to_string() };
        Outcome::Done(json!({ "text": text, "quiet": report.is_quiet() }))
    }
}
