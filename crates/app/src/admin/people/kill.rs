//! Kill and preserve: every token and session of a client, user or organization ends before anything else is done; then the
//! evidence of what it did is held against destruction.

use std::collections::BTreeSet;
use std::sync::Arc;

use bascule_audit::Opened;
use bascule_fhir::Timestamp;
use bascule_store::keys::Subject;
use bascule_store::log::LogError;
use bascule_store::log::read::{Cursor, LogReader};
use bascule_store::preserved::Preserved;
use bascule_store::user::Status;
use serde_json::{Value, json};

use super::{Acted, Target, changed, text};
use crate::admin::records::Records;

/// Patients whose keys are held one by one; the months are held in any case.
const PATIENTS_HELD_MAX: usize = 1_000;

/// What the evidence consists of.
#[derive(Default)]
struct Evidence {
    entries: u64,
    months: BTreeSet<String>,
    patients: BTreeSet<(String, String)>,
}

/// Who is meant, as entries name them.
struct Who {
    clients: Vec<String>,
    user: Option<String>,
}

impl Who {
    fn did(&self, entry: &Opened) -> bool {
        let client = entry.about().client.as_ref().is_some_and(|client| self.clients.contains(client));
        let user = entry.agent.as_ref().and_then(|agent| agent.subject.as_ref());
        client || (self.user.is_some() && user == self.user.as_ref())
    }
}

impl Records {
    pub(super) async fn kill(&self, target: Target, id: &str, reason: &str, by: &str, now: Timestamp) -> Acted {
        if reason.trim().is_empty() {
            return Err("say why: --reason".to_owned());
        }
        let (who, ended) = self.end(target, id, now)?;
        let record = who.user.clone().unwrap_or_else(|| id.to_owned());
        let matter = format!("kill {} {record}", target.name());
        let held = self.preserve(who, &matter, by, now).await;
        let evidence =
            held.map_err(|error| format!("all access has ended; the evidence could not be held: {error}"))?;
        let kept = Preserved {
            number: 0,
            kind: target.name().to_owned(),
            subject: record.clone(),
            reason: reason.to_owned(),
            by: by.to_owned(),
            at: now,
            held: json!({
                "matter": matter, "entries": evidence.entries, "months": evidence.months,
                "patients": evidence.patients.len(),
            })
            .to_string(),
        };
        let number = self.store.preserve(&kept).map_err(text)?;
        let shown = json!({
            "ended": ended, target.name(): id, "status": "disabled", "evidence": number, "entries": evidence.entries,
            "months-held": evidence.months, "patients-held": evidence.patients.len().min(PATIENTS_HELD_MAX),
            "matter": matter,
        });
        changed(shown, format!("{} {record}", target.name()))
    }

    /// Ends everything; what counts is the next request.
    fn end(&self, target: Target, id: &str, now: Timestamp) -> Result<(Who, usize), String> {
        let store = &self.store;
        match target {
            Target::Client => {
                let ended = store.end_grants_of_client(id, "killed", now).map_err(text)?;
                store.set_client_status(id, Status::Disabled, now).map_err(text)?;
                Ok((Who { clients: vec![id.to_owned()], user: None }, ended))
            }
            Target::User => {
                let user = self.named(id)?;
                let ended = store.end_grants_of_user(&user.id, "killed", now).map_err(text)?;
                store.set_user_status(&user.id, Status::Disabled, now).map_err(text)?;
                Ok((Who { clients: Vec::new(), user: Some(user.id) }, ended))
            }
            Target::Organization => {
                store.set_organization_status(id, Status::Disabled).map_err(text)?;
                let ended = store.end_grants_of_organization(id, "killed", now).map_err(text)?;
                let clients = store.clients().map_err(text)?.into_iter();
                let own = clients.filter(|client| client.organization.as_deref() == Some(id)).map(|client| client.id);
                Ok((Who { clients: own.collect(), user: None }, ended))
            }
        }
    }

    async fn preserve(&self, who: Who, matter: &str, by: &str, now: Timestamp) -> Result<Evidence, String> {
        let said = |error: LogError| error.to_string();
        // Everything that was acknowledged counts, not only what has been published.
        self.log.flush().await.map_err(said)?;
        let (folder, keys) = (self.log.settings().folder.clone(), Arc::clone(self.log.keys()));
        let gather = move || {
            let mut evidence = Evidence::default();
            LogReader::open(&folder, keys)?.each(&Cursor::default(), |entry| {
                if who.did(&entry) {
                    evidence.add(&entry);
                }
                Ok(true)
            })?;
            Ok(evidence)
        };
        let gathered = tokio::task::spawn_blocking(gather).await.map_err(|error| error.to_string())?;
        let evidence: Evidence = gathered.map_err(said)?;
        for month in &evidence.months {
            self.log.set_hold(&Subject::Month(month.clone()), matter, by, true, now).await.map_err(said)?;
        }
        for (api, reference) in evidence.patients.iter().take(PATIENTS_HELD_MAX) {
            let subject = Subject::Patient { api: api.clone(), reference: reference.clone() };
            self.log.set_hold(&subject, matter, by, true, now).await.map_err(said)?;
        }
        Ok(evidence)
    }
}

impl Evidence {
    fn add(&mut self, entry: &Opened) {
        self.entries += 1;
        self.months.insert(entry.about().epoch.clone());
        let api = entry.about().api.clone().unwrap_or_default();
        for patient in entry.patients.iter().flatten() {
            if self.patients.len() <= PATIENTS_HELD_MAX {
                self.patients.insert((api.clone(), patient.reference.clone()));
            }
        }
    }
}

/// A row of what is kept.
pub(super) fn row(kept: &Preserved) -> Value {
    json!({
        "number": kept.number,
        "at": kept.at.to_instant(),
        "what": format!("{} {}", kept.kind, kept.subject),
        "reason": kept.reason,
        "by": kept.by,
        "held": serde_json::from_str::<Value>(&kept.held).unwrap_or_default(),
    })
}
