//! FHIR Consents that are imported from a file: a resource, a Bundle, or one resource a line.

use bascule_fhir::Timestamp;
use bascule_gateway::consents::{Groups, Origin, read};
use bascule_store::filed::{Filed, Record};
use serde_json::Value;

use crate::admin::records::{Records, Refused};

impl Records {
    /// The consents of a text, as records of an API.
    pub(super) fn consents_of_fhir(
        &self,
        text: &str,
        source: &str,
        api: Option<&str>,
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<Filed>, Refused> {
        let api = api.unwrap_or(&self.api);
        if !self.apis.iter().any(|known| known == api) {
            return Err(Refused(format!("there is no API `{api}`; --api is one of {}", self.apis.join(", "))));
        }
        let organizations = self.store.organization_references()?;
        // Who a care team is today is asked of the chart; a file does not say it.
        let groups = Groups::new();
        let origin = Origin { api, bases: &[], organizations: &organizations, groups: &groups };
        let mut filed = Vec::new();
        for (number, resource) in resources(text)?.iter().enumerate() {
            let unread = || {
                let said =
                    format!("resource {} is no Consent with an id and a patient; nothing was imported", number + 1);
                Refused(said)
            };
            let consent = read(resource, &origin).ok_or_else(unread)?;
            filed.extend(consent.says.into_iter().enumerate().map(|(part, says)| Filed {
                id: format!("{source}:Consent/{}#{part}", consent.id),
                api: api.to_owned(),
                record: Record::Consent(says),
                source: source.to_owned(),
                filed_by: by.to_owned(),
                filed_at: now,
                ended: None,
            }));
        }
        Ok(filed)
    }
}

fn resources(text: &str) -> Result<Vec<Value>, Refused> {
    let whole: Result<Value, _> = serde_json::from_str(text);
    if let Ok(value) = whole {
        let entries = value.get("entry").and_then(Value::as_array);
        return Ok(match entries {
            Some(entries) => entries.iter().filter_map(|entry| entry.get("resource").cloned()).collect(),
            None => vec![value],
        });
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let at = |error| Refused(format!("line {}: {error}; nothing was imported", number + 1));
            serde_json::from_str(line).map_err(at)
        })
        .collect()
}
