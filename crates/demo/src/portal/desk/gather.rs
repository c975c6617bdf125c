//! What each page needs, asked of the bridge at once, and put into the page.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::http::HeaderMap;
use maud::Markup;
use serde_json::Value;

use super::super::House;
use super::super::bridge::Found;
use super::super::pages::{self, Frame, Health, Overview, Part, Results};
use super::super::record::{self, Attachment, Patient};
use super::super::session::Session;
use super::super::trouble::Trouble;
use super::cookies;

/// Entries of one page of a search.
const COUNT: &str = "200";

/// Somebody who is signed in, and the clock of this request.
pub(super) struct Visit<'a> {
    pub(super) house: &'a House,
    pub(super) session: Session,
    /// Whether a search had more pages than are followed.
    cut: AtomicBool,
}

impl<'a> Visit<'a> {
    pub(super) fn begin(house: &'a House, headers: &HeaderMap) -> Result<Self, Trouble> {
        let found = cookies::session_key(headers).and_then(|key| house.sessions.find(key, Instant::now()));
        Ok(Self { house, session: found.ok_or(Trouble::SessionOver)?, cut: AtomicBool::new(false) })
    }

    pub(super) async fn patient(&self) -> Result<Patient, Trouble> {
        let body = self.house.bridge.read(&self.session.token, &format!("Patient/{}", self.session.patient)).await?;
        Ok(record::patient(&body))
    }

    /// All of a type about this patient.
    async fn all(&self, kind: &str, more: &[(&str, &str)]) -> Part<Vec<Value>> {
        let mut query = vec![("patient", self.session.patient.as_str()), ("_count", COUNT)];
        query.extend_from_slice(more);
        let found = self.house.bridge.search(&self.session.token, kind, &query).await?;
        self.cut.fetch_or(!found.whole, Ordering::Relaxed);
        Ok(found.resources)
    }

    /// The first few of a type about this patient.
    async fn few(&self, kind: &str, more: &[(&str, &str)]) -> Part<Vec<Value>> {
        let mut query = vec![("patient", self.session.patient.as_str()), ("_count", "50")];
        query.extend_from_slice(more);
        let Found { resources, .. } = self.house.bridge.search_first(&self.session.token, kind, &query).await?;
        Ok(resources)
    }

    fn frame<'p>(&'p self, patient: &'p Patient) -> Frame<'p> {
        Frame { patient: Some(patient), cut: self.cut.load(Ordering::Relaxed), ..self.house.frame() }
    }
}

/// A part whose session has ended ends the whole page: there is nothing to show beside it.
fn part<T>(found: Part<Vec<Value>>, read: impl Fn(&[Value]) -> Vec<T>) -> Result<Part<Vec<T>>, Trouble> {
    match found {
        Err(Trouble::SessionOver) => Err(Trouble::SessionOver),
        Err(trouble) => Ok(Err(trouble)),
        Ok(bodies) => Ok(Ok(read(&bodies))),
    }
}

pub(super) async fn overview(house: &House, headers: &HeaderMap) -> Result<Markup, Trouble> {
    let visit = Visit::begin(house, headers)?;
    let (patient, appointments, results, medicines, conditions, allergies) = tokio::join!(
        visit.patient(),
        visit.all("Appointment", &[]),
        visit.few("Observation", &[("category", "laboratory"), ("_sort", "-date")]),
        visit.all("MedicationRequest", &[("status", "active")]),
        visit.all("Condition", &[("category", "problem-list-item")]),
        visit.all("AllergyIntolerance", &[]),
    );
    let patient = patient?;
    let parts = Overview {
        appointments: part(appointments, record::appointments)?,
        results: part(results, record::series)?,
        medicines: part(medicines, |bodies| record::medicines(bodies, &[]))?,
        conditions: part(conditions, record::conditions)?,
        allergies: part(allergies, record::allergies)?,
    };
    Ok(pages::overview(visit.frame(&patient), &patient, &parts))
}

pub(super) async fn results(house: &House, headers: &HeaderMap) -> Result<Markup, Trouble> {
    let visit = Visit::begin(house, headers)?;
    let (patient, laboratory, measured) = tokio::join!(
        visit.patient(),
        visit.all("Observation", &[("category", "laboratory")]),
        visit.all("Observation", &[("category", "vital-signs")]),
    );
    let patient = patient?;
    let parts = Results { laboratory: part(laboratory, record::series)?, measured: part(measured, record::series)? };
    Ok(pages::results(visit.frame(&patient), &parts))
}

pub(super) async fn medicines(house: &House, headers: &HeaderMap) -> Result<Markup, Trouble> {
    let visit = Visit::begin(house, headers)?;
    let (patient, requests, dispenses) =
        tokio::join!(visit.patient(), visit.all("MedicationRequest", &[]), visit.all("MedicationDispense", &[]));
    let patient = patient?;
    // When the pharmacy's part is missing, the orders are still worth showing.
    let dispenses = dispenses.unwrap_or_default();
    let found = part(requests, |bodies| record::medicines(bodies, &dispenses))?;
    Ok(pages::medicines(visit.frame(&patient), &found))
}

pub(super) async fn appointments(house: &House, headers: &HeaderMap, notice: Option<&str>) -> Result<Markup, Trouble> {
    let visit = Visit::begin(house, headers)?;
    let (patient, found) = tokio::join!(visit.patient(), visit.all("Appointment", &[]));
    let (patient, found) = (patient?, part(found, record::appointments)?);
    Ok(pages::appointments(visit.frame(&patient), &found, visit.session.may.cancel_appointments, notice))
}

pub(super) async fn cancel(house: &House, headers: &HeaderMap, id: &str) -> Result<Markup, Trouble> {
    let visit = Visit::begin(house, headers)?;
    let path = format!("Appointment/{}", bascule_fhir::Id::parse(id).ok_or(Trouble::NoSuchPage)?);
    let (patient, body) = tokio::join!(visit.patient(), house.bridge.read(&visit.session.token, &path));
    let (patient, body) = (patient?, body?);
    Ok(pages::cancel(visit.frame(&patient), &record::appointment(&body)))
}

pub(super) async fn health(house: &House, headers: &HeaderMap) -> Result<Markup, Trouble> {
    let visit = Visit::begin(house, headers)?;
    let (patient, conditions, allergies, vaccines) = tokio::join!(
        visit.patient(),
        visit.all("Condition", &[("category", "problem-list-item")]),
        visit.all("AllergyIntolerance", &[]),
        visit.all("Immunization", &[]),
    );
    let patient = patient?;
    let parts = Health {
        conditions: part(conditions, record::conditions)?,
        allergies: part(allergies, record::allergies)?,
        vaccines: part(vaccines, record::vaccines)?,
    };
    Ok(pages::health(visit.frame(&patient), &parts))
}

pub(super) async fn documents(house: &House, headers: &HeaderMap) -> Result<Markup, Trouble> {
    let visit = Visit::begin(house, headers)?;
    let (patient, found) = tokio::join!(visit.patient(), visit.all("DocumentReference", &[]));
    let patient = patient?;
    Ok(pages::documents(visit.frame(&patient), &part(found, record::documents)?))
}

pub(super) async fn document(house: &House, headers: &HeaderMap, id: &str) -> Result<Markup, Trouble> {
    let visit = Visit::begin(house, headers)?;
    let id = bascule_fhir::Id::parse(id).ok_or(Trouble::NoSuchPage)?;
    let path = format!("DocumentReference/{id}");
    let (patient, body) = tokio::join!(visit.patient(), house.bridge.read(&visit.session.token, &path));
    let (patient, body) = (patient?, body?);
    let text = match record::attachment(&body, house.bridge.base()) {
        Attachment::At(path) => {
            let binary = house.bridge.read(&visit.session.token, &path).await;
            binary.map(|binary| record::attachment(&binary, house.bridge.base()))
        }
        here => Ok(here),
    };
    Ok(pages::document(visit.frame(&patient), &record::document(&body), &text))
}

pub(super) async fn looks(house: &House, headers: &HeaderMap) -> Result<Markup, Trouble> {
    let visit = Visit::begin(house, headers)?;
    let (patient, found) = tokio::join!(visit.patient(), house.bridge.looked(&visit.session.token));
    let patient = patient?;
    let found = match found {
        Err(Trouble::SessionOver) => return Err(Trouble::SessionOver),
        found => found.map(|body| record::looks(&body)),
    };
    Ok(pages::looks(visit.frame(&patient), &found))
}

pub(super) async fn messages(house: &House, headers: &HeaderMap, notice: Option<&str>) -> Result<Markup, Trouble> {
    let visit = Visit::begin(house, headers)?;
    let (patient, found) = tokio::join!(visit.patient(), visit.all("Communication", &[]));
    let (patient, found) = (patient?, part(found, record::messages)?);
    let may_write = visit.session.may.write_messages && patient.physician_reference.is_some();
    let to = patient.physician.as_deref().filter(|_| may_write);
    Ok(pages::messages(visit.frame(&patient), &found, to, notice))
}
