//! Groups of patients, for bulk export and for panels.

use serde_json::{Value, json};

use super::Hospital;
use super::code::{identifier, refer, snomed};
use super::person::Person;

/// The most members one Group names.
const GROUP_MEMBERS_MAX: usize = 1_000;

/// The groups of a hospital; none if it has no patients.
pub(super) fn groups(hospital: Hospital) -> impl Iterator<Item = Value> {
    let all = group(hospital, "all-patients", "All patients of the family clinic", |_| true);
    let diabetes = group(hospital, "diabetes", "Patients with diabetes", |person| person.problems.diabetes.is_some());
    [all, diabetes].into_iter().flatten()
}

fn group(hospital: Hospital, id: &str, name: &str, belongs: impl Fn(&Person) -> bool) -> Option<Value> {
    let members: Vec<Value> = (0..hospital.patients)
        .map(|number| hospital.person(number))
        .filter(|person| belongs(person))
        .take(GROUP_MEMBERS_MAX)
        .map(|person| json!({"entity": refer(&format!("Patient/{}", person.id()))}))
        .collect();
    (!members.is_empty()).then(|| {
        json!({
            "resourceType": "Group", "id": id,
            "identifier": [identifier("group", id)],
            "active": true, "type": "person", "actual": true,
            "code": snomed("116154003", "Patient").concept(),
            "name": name, "quantity": members.len(),
            "managingEntity": refer("Organization/mercy"),
            "member": members,
        })
    })
}
