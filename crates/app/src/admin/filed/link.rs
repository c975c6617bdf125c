//! Identity links: which ids of which APIs are the same person.

use bascule_fhir::{Id, Timestamp};
use bascule_store::identity::{Identity, Told};
use serde_json::{Value, json};

use super::LinkAct;
use crate::admin::records::{Acted, Records, Refused, changed, listed};

/// Rows of an imported table at most.
const ROWS_MAX: usize = 5_000_000;
/// Its columns.
const COLUMNS: [&str; 4] = ["system", "identifier", "api", "patient"];

impl Records {
    /// Performs an act on identity links. Each acts on the next request.
    pub(in crate::admin) fn linked(&self, act: LinkAct, by: &str, now: Timestamp) -> Acted {
        match act {
            LinkAct::Add { one, other, identifier, source } => {
                let (one, other) = (self.patient(&one)?, self.patient(&other)?);
                if one == other {
                    return Err(Refused("a link is between two ids".to_owned()));
                }
                let identifier = identifier.as_deref().map(system_and_value).transpose()?;
                self.store.link(&one, &other, identifier.as_ref(), &source, by, now)?;
                let row = json!({ "linked": [written(&one), written(&other)], "source": source });
                changed(row, format!("a link between {} and {}, by {source}", one.0, other.0))
            }
            LinkAct::End { patient, wrong, because } => {
                let patient = self.patient(&patient)?;
                self.store.unlink(&patient, wrong, &because, now)?;
                let how = if wrong { "was wrong" } else { "ended" };
                changed(json!({ "unlinked": written(&patient) }), format!("a link of {} {how}: {because}", patient.0))
            }
            LinkAct::Import { text, source } => {
                let table = self.table(&text)?;
                let imported = self.store.import_identities(&table, &source, by, now)?;
                let row = json!({
                    "read": table.len(), "added": imported.added, "ended": imported.ended,
                    "unchanged": imported.unchanged,
                });
                changed(row, format!("links of {source}: {} added, {} ended", imported.added, imported.ended))
            }
            LinkAct::List { patient } => {
                let of = patient.as_deref().map(|patient| self.patient(patient)).transpose()?;
                let all = self.store.identities()?;
                let persons: Vec<&String> = all
                    .iter()
                    .filter(|row| of.as_ref().is_some_and(|(api, id)| row.api == *api && row.patient == *id))
                    .map(|row| &row.person)
                    .collect();
                listed(all.iter().filter(|row| of.is_none() || persons.contains(&&row.person)).map(row))
            }
        }
    }

    /// A table with a header line: `system,identifier,api,patient`, as a master patient index writes it out (IHE PIXm:
    /// the identifiers that stand for one person).
    fn table(&self, text: &str) -> Result<Vec<Told>, Refused> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let header = lines.next().map(|(_, line)| line.split(',').map(str::trim).collect::<Vec<_>>());
        if header.as_deref() != Some(&COLUMNS) {
            return Err(Refused(format!("the first line is not `{}`", COLUMNS.join(","))));
        }
        let mut table = Vec::new();
        for (number, line) in lines {
            let at = |said: &str| Refused(format!("line {}: {said}; nothing was imported", number + 1));
            if table.len() >= ROWS_MAX {
                return Err(at("more rows than are taken"));
            }
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            let [system, value, api, patient] = cells.as_slice() else { return Err(at("it has not four columns")) };
            if system.is_empty() || value.is_empty() {
                return Err(at("system or identifier is empty"));
            }
            if !self.apis.iter().any(|known| known == api) {
                return Err(at(&format!("there is no API `{api}`")));
            }
            let patient = Id::parse(patient).ok_or_else(|| at(&format!("`{patient}` is not a FHIR id")))?;
            let identifier = ((*system).to_owned(), (*value).to_owned());
            table.push(Told { identifier, api: (*api).to_owned(), patient });
        }
        Ok(table)
    }
}

fn system_and_value(text: &str) -> Result<(String, String), Refused> {
    let parts = text.split_once('|').filter(|(system, value)| !system.is_empty() && !value.is_empty());
    let said = || Refused(format!("`{text}` is not an identifier; write system|value"));
    parts.map(|(system, value)| (system.to_owned(), value.to_owned())).ok_or_else(said)
}

fn written((api, id): &(String, Id)) -> String {
    format!("{api}/{id}")
}

fn row(identity: &Identity) -> Value {
    let identifier = identity.identifier.as_ref().map(|(system, value)| format!("{system}|{value}"));
    json!({
        "person": identity.person,
        "patient": format!("{}/{}", identity.api, identity.patient),
        "identifier": identifier,
        "source": identity.source,
        "from": identity.period.from.to_instant(),
        "until": identity.period.until.map(Timestamp::to_instant),
        "ended": identity.ended_because.as_ref().map(|because| {
            if identity.wrong { format!("was wrong: {because}") } else { because.clone() }
        }),
    })
}
