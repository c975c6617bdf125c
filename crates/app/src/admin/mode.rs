//! What somebody says of an API's mode while the house runs: one command takes a canary back, ends observing, or leaves the
//! configuration to speak for itself again.

use bascule_fhir::Timestamp;
use bascule_store::mode::ModeWord;
use serde_json::json;

use super::records::{Acted, Records, Refused};

/// The word that takes every word back.
const CONFIGURED: &str = "configured";

impl Records {
    /// Says it, or tells what was said. It acts on the next request, and is in the log.
    pub(super) fn mode(&self, api: &str, say: Option<&str>, because: Option<&str>, now: Timestamp) -> Acted {
        if !self.apis.iter().any(|known| known == api) {
            return Err(Refused(format!("there is no API `{api}`; choose one of {}", self.apis.join(", "))));
        }
        let Some(say) = say else {
            let said = self.store.mode_said(api)?;
            let word = said.map_or(CONFIGURED, |(word, _)| word.name());
            let since = said.map(|(_, since)| since.to_instant());
            return Ok((json!({ "api": api, "mode": word, "since": since }), None));
        };
        let word = match ModeWord::ALL.into_iter().find(|word| word.name() == say) {
            Some(word) => Some(word),
            None if say == CONFIGURED => None,
            None => {
                let said =
                    format!("`{say}` is no mode that can be said; choose one of enforce | observe | {CONFIGURED}");
                return Err(Refused(said));
            }
        };
        let because = because.map(str::trim).filter(|because| !because.is_empty());
        let because = because.ok_or_else(|| Refused("say why: --because \"…\"".to_owned()))?;
        self.store.say_mode(api, word, now)?;
        Ok((json!({ "api": api, "mode": say, "since": now.to_instant() }), Some(format!("{api} {say}: {because}"))))
    }
}
