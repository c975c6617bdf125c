//! Organizations and agreements: classified, verified, ended. Each acts on the next request.

use bascule_fhir::Timestamp;
use bascule_policy::party::{Agreement, Organization, RecipientClass};
use bascule_store::user::Status;
use serde_json::json;

use super::records::{Acted, Records, Refused, agreement_row, changed, organization_row};
use crate::day::start_of_day;

/// Refuses a word that is no class of recipient.
pub(super) fn known_class(class: &str) -> Result<(), Refused> {
    if RecipientClass::parse(class).is_some() {
        return Ok(());
    }
    let known = RecipientClass::ALL.map(RecipientClass::name);
    let near = bascule_policy::fault::suggest(class, known);
    let mend = if near.is_empty() { format!("choose one of {}", known.join(", ")) } else { near };
    Err(Refused(format!("there is no class `{class}`; {mend}")))
}

impl Records {
    fn organization(&self, id: &str) -> Result<(Organization, Status), Refused> {
        let missing = || Refused(format!("there is no organization `{id}`; see `bascule organization list`"));
        self.store.organization(id)?.ok_or_else(missing)
    }

    /// Says that somebody verified on a day that it is what its class says: what a treating provider's exemption needs
    /// (164.514(h), 164.502(b)(2)(i)).
    pub(super) fn verify_organization(&self, id: &str, on: &str, by: &str, now: Timestamp) -> Acted {
        let day = start_of_day(on).ok_or_else(|| Refused(format!("`{on}` is not a day; write 2026-12-31")))?;
        if day > now {
            return Err(Refused(format!("`{on}` is still to come: it is verified when somebody has looked")));
        }
        let (organization, status) = self.organization(id)?;
        if organization.class.is_none() {
            return Err(Refused(format!("`{id}` has no class that could be verified; classify it first")));
        }
        let organization = Organization { verified: Some(day), ..organization };
        self.store.update_organization(&organization)?;
        changed(organization_row(&(organization, status)), format!("{id}, on {on}, by {by}"))
    }

    /// Gives it a class. What was verified was the earlier class.
    pub(super) fn classify_organization(&self, id: &str, class: String) -> Acted {
        known_class(&class)?;
        let (organization, status) = self.organization(id)?;
        let said = format!("{id} as {class}");
        let organization = Organization { class: Some(class), verified: None, ..organization };
        self.store.update_organization(&organization)?;
        changed(organization_row(&(organization, status)), said)
    }

    /// Says how the chart names it. Consents that are read from a chart are understood so when they are next read.
    pub(super) fn reference_organization(&self, id: &str, reference: &str) -> Acted {
        self.store.add_organization_reference(id, reference)?;
        for api in &self.apis {
            self.store.set_feed(&bascule_gateway::consents::feed(api), None)?;
        }
        changed(json!({ "id": id, "reference": reference }), format!("{id} as {reference}"))
    }

    pub(super) fn add_agreement(&self, agreement: &Agreement) -> Acted {
        if agreement.kind == "required-by-law" && agreement.citation.is_none() {
            return Err(Refused("what is required by law names the law: --citation TEXT".to_owned()));
        }
        self.store.add_agreement(agreement)?;
        changed(agreement_row(agreement), agreement.id.clone())
    }

    /// Ends an agreement now. Where none other of the kind is in force that the class requires, every grant of the
    /// organization's clients ends with it (164.504(e)(1)(ii)).
    pub(super) fn end_agreement(&self, id: &str, because: &str, now: Timestamp) -> Acted {
        let agreement = self.store.end_agreement(id, now)?;
        let (organization, _) = self.organization(&agreement.organization)?;
        let required =
            organization.class.as_deref().and_then(RecipientClass::parse).and_then(RecipientClass::agreement_kind);
        let others = self.store.agreements_of(&organization.id)?;
        let stands = others.iter().any(|other| Some(other.kind.as_str()) == required && other.in_force_at(now));
        let ended = if required.is_some() && !stands {
            self.store.end_grants_of_organization(&organization.id, "agreement ended", now)?
        } else {
            0
        };
        let mut row = agreement_row(&agreement);
        if let Some(row) = row.as_object_mut() {
            row.insert("grants-ended".to_owned(), ended.into());
        }
        changed(row, format!("{id}: {because}"))
    }
}
