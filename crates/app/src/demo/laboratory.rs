//! The demo's laboratory: a second FHIR server whose ids are its own. Its `p0001` is somebody else than the hospital's, and
//! the hospital's `p0001` is its `p0004`: only a link says so.

use bascule_ehr::{Access, Ehr, LoadItem, Settings, Validation};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::folder::DemoFolder;

/// Id, given and family name, and the value of the last HbA1c in percent.
const PATIENTS: [(&str, &str, &str, f64); 5] = [
    ("p0001", "Thorvald", "Exampleson", 5.1),
    ("p0002", "Amara", "Placeholder-Nwosu", 5.4),
    ("p0003", "Jun", "Specimen", 5.0),
    ("p0004", "Amélie", "Vasterœuil", 7.2),
    ("p0005", "Priya", "Demonstrand", 6.1),
];

/// The hospital's id of a patient, and the laboratory's id of the same person.
pub(super) const SAME: (&str, &str) = ("p0001", "p0004");

/// Opens it, fills it, and serves it until `shutdown`; answers its base.
pub(super) async fn open(
    folder: &DemoFolder,
    bearer: &str,
    day: &str,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<String, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let base = format!("http://{}/fhir", listener.local_addr().map_err(|error| error.to_string())?);
    let access = Access::Bearer(bearer.to_owned());
    let settings =
        Settings { validation: Validation::Lenient, ..Settings::new(folder.laboratory(), base.clone(), access) };
    let ehr = Ehr::open(settings).map_err(|error| error.to_string())?;
    let (filled, resources) = (ehr.clone(), resources(day));
    let items = resources.into_iter().map(|resource| {
        let text = serde_json::to_vec(&resource).unwrap_or_default();
        Ok(LoadItem { place: "synthetic laboratory".to_owned(), text })
    });
    let loaded = tokio::task::spawn_blocking(move || filled.load(items, |_| {})).await;
    let loaded = loaded.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    if let Some((place, why)) = loaded.refusals.first() {
        return Err(format!("{place}: {why}"));
    }
    tokio::spawn(async move {
        if let Err(error) = ehr.serve(listener, shutdown).await {
            tracing::error!(%error, "the laboratory ended");
        }
    });
    Ok(base)
}

fn resources(day: &str) -> Vec<Value> {
    PATIENTS.iter().flat_map(|(id, given, family, value)| of_patient(id, given, family, *value, day)).collect()
}

fn of_patient(id: &str, given: &str, family: &str, value: f64, day: &str) -> [Value; 3] {
    let subject = json!({ "reference": format!("Patient/{id}") });
    let code = json!({ "coding": [{ "system": "http://loinc.org", "code": "4548-4" }] });
    let result = format!("hba1c-{id}");
    [
        json!({ "resourceType": "Patient", "id": id, "name": [{ "family": family, "given": [given] }] }),
        json!({
            "resourceType": "Observation", "id": result, "status": "final", "code": code, "subject": subject,
            "category": [{ "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory" }] }],
            "effectiveDateTime": day,
            "valueQuantity": { "value": value, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%" },
        }),
        json!({
            "resourceType": "DiagnosticReport", "id": format!("report-{id}"), "status": "final", "code": code,
            "subject": subject, "effectiveDateTime": day, "result": [{ "reference": format!("Observation/{result}") }],
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_person_whom_the_link_names_is_in_it_under_another_id() {
        let all = resources("2026-11-24");
        let named = |id: &str| all.iter().find(|one| one["id"] == id).map(|one| one["name"][0]["family"].clone());
        assert_eq!(named(SAME.1), Some(json!("Vasterœuil")));
        assert_ne!(named(SAME.0), named(SAME.1));
    }
}
