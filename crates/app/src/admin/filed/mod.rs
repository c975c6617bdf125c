//! Records about patients and links between their ids, as administrators file, end, list and import them.

mod act;
mod fhir;
mod link;
mod made;
mod shown;

pub(crate) use act::{Add, FiledAct, LinkAct};
pub(crate) use made::{BASES, Names};

use bascule_fhir::Timestamp;
use bascule_store::filed::{Ended, Filed, Gone, Kind, Record};
use serde_json::json;

use super::records::{Acted, Records, Refused, changed, listed};

/// Lines of an import at most.
const IMPORT_LINES_MAX: usize = 100_000;

impl Records {
    /// Performs an act on a record about a patient.
    pub(super) fn filed(&self, act: FiledAct, by: &str, now: Timestamp) -> Acted {
        match act {
            FiledAct::Add { kind, add } => {
                let filed = self.made(kind.into(), *add, by, now)?;
                self.store.file(&filed)?;
                changed(shown::row(&filed), name(&filed))
            }
            FiledAct::End { kind, id, because } => {
                let ended = Ended { by: by.to_owned(), at: now, because };
                let filed = self.store.end_filed(kind.into(), &id, &ended)?;
                changed(shown::row(&filed), name(&filed))
            }
            FiledAct::Suspend { id, suspended, because } => self.stand_back(&id, suspended, because, by, now),
            FiledAct::List { kind, patient } => {
                let patient = patient.as_deref().map(|patient| self.patient(patient)).transpose()?;
                let all = self.store.filed(kind.into())?;
                let of = |filed: &&Filed| {
                    patient.as_ref().is_none_or(|(api, id)| filed.api == *api && filed.record.patient() == id)
                };
                listed(all.iter().filter(of).map(shown::row))
            }
            FiledAct::Import { kind, text, source, api } => {
                self.bring_in(kind.into(), &text, &source, api.as_deref(), by, now)
            }
        }
    }

    /// Stops a representation on suspected abuse, or lets it act again (164.502(g)(5)).
    fn stand_back(&self, id: &str, suspended: bool, because: String, by: &str, now: Timestamp) -> Acted {
        if because.trim().is_empty() {
            return Err(Refused("say why, for whoever looks at it later: --because TEXT".to_owned()));
        }
        let mut filed = self.store.filed_one(Kind::Representation, id)?;
        let Record::Representation(represented) = &mut filed.record else {
            return Err(Refused(format!("`{id}` is not a representation")));
        };
        represented.record.suspended = suspended;
        self.store.amend_filed(&filed)?;
        if suspended {
            self.alert("representation-suspended", &format!("{}: {because} (by {by})", name(&filed)), now)?;
        }
        changed(shown::row(&filed), format!("{}: {because}", name(&filed)))
    }

    /// Brings records in, all of them or none: one JSON object a line with the same words as `add`, or, of consents, a
    /// FHIR Consent, a Bundle of them, or NDJSON. An import of the same source replaces records of the same id.
    fn bring_in(&self, kind: Kind, text: &str, source: &str, api: Option<&str>, by: &str, now: Timestamp) -> Acted {
        let told = if kind == Kind::Consent && is_fhir(text) {
            self.consents_of_fhir(text, source, api, by, now)?
        } else {
            self.records_of_lines(kind, text, source, by, now)?
        };
        let synced = self.store.sync_filed(kind, source, &told, &Gone::Nothing, now)?;
        let row = json!({ "read": told.len(), "added": synced.added, "changed": synced.changed });
        changed(row, format!("{} records of {source}: {} added, {} changed", kind.name(), synced.added, synced.changed))
    }

    fn records_of_lines(
        &self,
        kind: Kind,
        text: &str,
        source: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<Filed>, Refused> {
        let lines = || text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        if lines().count() > IMPORT_LINES_MAX {
            return Err(Refused(format!("more than {IMPORT_LINES_MAX} lines: bring them in parts")));
        }
        let one = |(number, line): (usize, &str)| {
            let at = |said: String| Refused(format!("line {}: {said}; nothing was imported", number + 1));
            let add: Add = serde_json::from_str(line).map_err(|error| at(error.to_string()))?;
            if add.id.is_none() {
                return Err(at("it has no `id`, by which a later import would find it again".to_owned()));
            }
            let filed = self.made(kind, add, by, now).map_err(|Refused(said)| at(said))?;
            Ok(Filed { source: source.to_owned(), ..filed })
        };
        lines().map(one).collect()
    }

    /// Raises an alert to the privacy officer.
    pub(super) fn alert(&self, rule: &str, said: &str, now: Timestamp) -> Result<(), Refused> {
        self.store.raise_alert(&bascule_store::alert::NewAlert {
            at: now,
            rule: rule.to_owned(),
            severity: "high".to_owned(),
            client: None,
            user: None,
            api: None,
            said: said.to_owned(),
        })?;
        Ok(())
    }
}

/// How the log names a record: by its id alone, never by the patient's.
fn name(filed: &Filed) -> String {
    format!("{} {}", filed.record.kind().name(), filed.id)
}

fn is_fhir(text: &str) -> bool {
    text.contains("\"resourceType\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_word_that_nobody_knows_is_refused() {
        assert!(serde_json::from_str::<Add>(r#"{"patient": "ehr/p1", "colour": "blue"}"#).is_err());
        let add: Add = serde_json::from_str(r#"{"patient": "ehr/p1", "health-plans": true}"#).unwrap();
        assert!(add.health_plans);
    }

    #[test]
    fn the_log_names_a_record_without_its_patient() {
        let value = serde_json::to_value(FiledAct::List { kind: Names::Hold, patient: None }).unwrap();
        assert_eq!(value, serde_json::json!({ "do": "list", "kind": "hold", "patient": null }));
    }

    #[test]
    fn fhir_is_told_from_lines_of_ours() {
        let fhir: serde_json::Value = serde_json::json!({ "resourceType": "Consent" });
        assert!(is_fhir(&fhir.to_string()));
        assert!(!is_fhir(r#"{"patient": "ehr/p1"}"#));
    }
}
