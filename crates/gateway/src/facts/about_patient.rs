//! What was filed about a patient, under every id that the person has. What lets in follows an identity link only while
//! it holds; what keeps back follows it for good, unless the link was wrong: so that no end of a link opens anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use bascule_fhir::Id;
use bascule_policy::party::Consent;
use bascule_policy::record::{Authorization, Period, Restriction};
use bascule_store::StoreError;
use bascule_store::filed::{Filed, Record, Records};

use super::{Question, Shelf};

/// What decides, with the ids of the API asked.
#[derive(Debug, Default)]
pub(super) struct About {
    pub(super) consents: Arc<Vec<Consent>>,
    pub(super) restrictions: Arc<Vec<Restriction>>,
    pub(super) authorizations: Arc<Vec<Authorization>>,
    /// The APIs whose consents must be known for this to be all.
    pub(super) apis: BTreeSet<String>,
}

/// What was filed about these patients of the API asked.
pub(super) fn about(shelf: &Shelf<'_>, patients: &[Id], question: &Question<'_>) -> Result<About, StoreError> {
    let records = shelf.store.filed_memory()?;
    let mut about = About { apis: [question.api.to_owned()].into(), ..About::default() };
    for patient in patients {
        about.add_patient(shelf, &records, question, patient)?;
    }
    Ok(about)
}

impl About {
    /// Adds what was filed about a patient under this id and every other.
    fn add_patient(
        &mut self,
        shelf: &Shelf<'_>,
        records: &Records,
        question: &Question<'_>,
        patient: &Id,
    ) -> Result<(), StoreError> {
        for filed in records.of_patient(question.api, patient) {
            self.add(filed, patient, Link::Same);
        }
        let known = shelf.store.identities_of(&(question.api.to_owned(), patient.clone()))?;
        for (api, other, period) in known.ever() {
            if !self.apis.contains(api) {
                self.apis.insert(api.to_owned());
            }
            let link = period.map_or(Link::Ended, Link::Holds);
            for filed in records.of_patient(api, other) {
                self.add(filed, patient, link);
            }
        }
        Ok(())
    }

    /// Adds a record as one of `patient`, to whom it came over `link`.
    pub(super) fn add(&mut self, filed: &Filed, patient: &Id, link: Link) {
        match &filed.record {
            Record::Consent(consent) => self.add_consent(consent, patient, link),
            Record::Restriction(restriction) => {
                Arc::make_mut(&mut self.restrictions)
                    .push(Restriction { patient: patient.clone(), ..restriction.clone() });
            }
            Record::Authorization(authorization) => {
                if let Some(period) = link.over(authorization.period) {
                    Arc::make_mut(&mut self.authorizations).push(Authorization {
                        patient: patient.clone(),
                        period,
                        ..authorization.clone()
                    });
                }
            }
            Record::Representation(_) | Record::Hold(_) => {}
        }
    }

    fn add_consent(&mut self, consent: &Consent, patient: &Id, link: Link) {
        match link {
            Link::Same => Arc::make_mut(&mut self.consents).push(consent.clone()),
            Link::Holds(_) | Link::Ended => Arc::make_mut(&mut self.consents).extend(linked(consent, patient, link)),
        }
    }
}

/// How a record came to a patient.
#[derive(Debug, Clone, Copy)]
pub(super) enum Link {
    /// It was filed under this very id.
    Same,
    /// Over a link that holds in that time.
    Holds(Period),
    /// Over a link that has ended, or never held together with the other.
    Ended,
}

impl Link {
    /// When a record that lets in acts, if ever.
    fn over(self, period: Period) -> Option<Period> {
        match self {
            Self::Same => Some(period),
            Self::Holds(link) => period.common(link),
            Self::Ended => None,
        }
    }
}

/// A consent of one id as consents of another: what it permits while the link holds, and what it denies for good.
fn linked(consent: &Consent, patient: &Id, link: Link) -> Vec<Consent> {
    let mut all: Vec<Consent> = permits(consent, patient, link).into_iter().collect();
    all.extend(denies(consent, patient, link));
    all
}

/// The permitting provision itself; its exceptions stand beside it, since a denial wins.
fn permits(consent: &Consent, patient: &Id, link: Link) -> Option<Consent> {
    // Items are named by ids of the other API, and are no items of this one.
    if !consent.permit || !consent.items.is_empty() {
        return None;
    }
    let period = link.over(Period { from: consent.from, until: consent.until })?;
    Some(Consent {
        patient: patient.clone(),
        from: period.from,
        until: period.until,
        exceptions: Vec::new(),
        ..consent.clone()
    })
}

/// Denying provisions, each with those of its exceptions that still let somebody in.
fn denies(consent: &Consent, patient: &Id, link: Link) -> Vec<Consent> {
    if !consent.items.is_empty() {
        return Vec::new();
    }
    if !consent.permit {
        let exceptions = consent.exceptions.iter().filter_map(|exception| {
            let opened = permits(exception, patient, link)?;
            let closed = exception.exceptions.iter().flat_map(|inner| denies(inner, patient, link));
            Some(Consent { exceptions: closed.collect(), ..opened })
        });
        return vec![Consent { patient: patient.clone(), exceptions: exceptions.collect(), ..consent.clone() }];
    }
    // A denial within a permit, on its own: no longer than the permit said, and about no more.
    let denials = consent.exceptions.iter().filter(|exception| !exception.permit);
    denials
        .filter_map(|denial| denial.clone().within(consent))
        .flat_map(|denial| denies(&denial, patient, link))
        .collect()
}
