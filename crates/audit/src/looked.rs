//! Who has looked at my record: the patient's own view of the log, in words that a person understands.
//!
//! It shows less than the log on purpose: what is under a suspension (164.528(a)(2)) and what a viewer may not know of (a
//! confidential visit, for a parent or a representative) is left out, and where policy says so a role stands for a name.

use serde::Serialize;

use crate::accounting::Suspension;
use crate::clear::Kind;
use crate::opened::Opened;
use bascule_fhir::Timestamp;

/// What is asked, and what the viewer may see.
pub struct LookedRequest<'a> {
    /// `Patient/1`
    pub patient: &'a str,
    /// Who looks: entries by this user are "you".
    pub viewer: Option<&'a str>,
    /// Show a staff member's role, not the name.
    pub roles_only: bool,
    /// Suspensions on file.
    pub suspensions: &'a [Suspension],
    /// What this viewer may not know of: the door asks policy, and says so here, entry by entry.
    pub hidden: &'a dyn Fn(&Opened) -> bool,
    /// When it is asked.
    pub now: Timestamp,
}

/// One line of the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// When, as a FHIR instant.
    pub at: String,
    /// Who.
    pub who: String,
    /// What, in plain words.
    pub what: String,
    /// Why, in plain words.
    pub why: String,
    /// Whether the emergency rule was used.
    pub emergency: bool,
    /// Where it stands in the log.
    pub entry: String,
}

/// The looks at a patient's record, the newest first.
pub fn looks<'a>(request: &LookedRequest<'_>, entries: impl Iterator<Item = &'a Opened>) -> Vec<Look> {
    let mut looks: Vec<(Timestamp, Look)> = entries
        .filter(|entry| entry.may_have_shown() && entry.is_about(request.patient) && !is_hidden(request, entry))
        .map(|entry| (entry.at(), look(request, entry)))
        .collect();
    looks.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    looks.into_iter().map(|(_, look)| look).collect()
}

fn is_hidden(request: &LookedRequest<'_>, entry: &Opened) -> bool {
    let recipient = entry.agent.as_ref().and_then(|agent| agent.recipient.as_ref());
    let suspended = request.suspensions.iter().any(|suspension| {
        request.now < suspension.until && recipient.is_some_and(|recipient| recipient.name == suspension.recipient)
    });
    suspended || (request.hidden)(entry)
}

fn look(request: &LookedRequest<'_>, entry: &Opened) -> Look {
    let about = entry.about();
    Look {
        at: entry.at().to_instant(),
        who: who(request, entry),
        what: what(request, entry),
        why: why(about.purpose.as_deref(), about.break_glass),
        emergency: about.break_glass,
        entry: format!("{} {}", entry.position.origin, entry.position.index),
    }
}

fn who(request: &LookedRequest<'_>, entry: &Opened) -> String {
    let Some(agent) = &entry.agent else {
        return entry.about().client.clone().unwrap_or_else(|| "not recorded".to_owned());
    };
    if request.viewer.is_some() && agent.subject.as_deref() == request.viewer {
        return "you".to_owned();
    }
    let role = agent.roles.first().cloned().or_else(|| entry.about().role.clone());
    let name = agent.name.clone().filter(|_| !request.roles_only);
    let organization =
        agent.recipient.as_ref().map(|recipient| recipient.name.clone()).or_else(|| agent.organization.clone());
    let person = match (name, role) {
        (Some(name), Some(role)) => Some(format!("{name} ({role})")),
        (Some(name), None) => Some(name),
        (None, Some(role)) => Some(role),
        (None, None) => None,
    };
    match (person, organization) {
        (Some(person), Some(organization)) => format!("{person}, {organization}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => entry.about().client.clone().unwrap_or_else(|| "not recorded".to_owned()),
    }
}

fn what(request: &LookedRequest<'_>, entry: &Opened) -> String {
    let about = entry.about();
    let own = entry.patients.iter().flatten().filter(|patient| patient.reference == request.patient);
    let mut kinds: Vec<&str> = own
        .flat_map(|patient| &patient.resources)
        .filter_map(|resource| resource.reference.split('/').next())
        .map(plain_type)
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        kinds.push(about.resource.as_deref().map_or("your record", plain_type));
    }
    let verb = match (entry.clear.kind, about.interaction.as_deref()) {
        (Kind::Unknown | Kind::BrokenOff, _) => "may have seen",
        (_, Some("create")) => "added",
        (_, Some("update" | "patch")) => "changed",
        (_, Some("delete")) => "removed",
        _ => "saw",
    };
    format!("{verb} {}", kinds.join(", "))
}

fn plain_type(resource: &str) -> &str {
    match resource {
        "Patient" => "your name and contact details",
        "Observation" | "DiagnosticReport" => "test results and measurements",
        "Condition" => "diagnoses",
        "MedicationRequest" | "MedicationStatement" | "MedicationDispense" | "Medication" => "medications",
        "AllergyIntolerance" => "allergies",
        "Appointment" | "Schedule" | "Slot" => "appointments",
        "Encounter" => "visits",
        "Immunization" => "vaccinations",
        "Procedure" => "procedures",
        "DocumentReference" | "Binary" => "documents",
        "ImagingStudy" | "Media" => "images",
        "Claim" | "ExplanationOfBenefit" | "Coverage" => "bills and insurance",
        "Communication" => "messages",
        "CarePlan" | "CareTeam" | "Goal" => "care plans",
        _ => "other parts of your record",
    }
}

fn why(purpose: Option<&str>, emergency: bool) -> String {
    if emergency {
        return "in an emergency".to_owned();
    }
    match purpose {
        Some("TREAT" | "CAREMGT" | "COC") => "for your care".to_owned(),
        Some("HPAYMT" | "CLMATTCH" | "COVERAGE") => "for billing".to_owned(),
        Some("HOPERAT" | "HQUALIMP" | "HSYSADMIN") => "to run the hospital".to_owned(),
        Some("PATRQT" | "FAMRQT") => "at your request".to_owned(),
        Some("PUBHLTH") => "for public health, as the law asks".to_owned(),
        Some("HRESCH") => "for research".to_owned(),
        Some("HLEGAL") => "for a legal matter".to_owned(),
        Some("ETREAT" | "BTG") => "in an emergency".to_owned(),
        Some(_) | None => "no purpose was stated".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::tests::opened;
    use crate::entry::{AccessFacts, Entry};
    use crate::parts::{AgentPart, PatientPart, ResourceVersion};

    fn entry(index: u64, subject: &str, resource: &str) -> Opened {
        let facts = AccessFacts {
            status: 200,
            interaction: "read".into(),
            purpose: Some("TREAT".into()),
            agent: AgentPart {
                subject: Some(subject.into()),
                name: Some("Amal Haddad".into()),
                roles: vec!["physician".into()],
                ..AgentPart::default()
            },
            patients: vec![PatientPart {
                reference: "Patient/1".into(),
                resources: vec![ResourceVersion { reference: resource.into(), version: None }],
                ..PatientPart::default()
            }],
            ..AccessFacts::default()
        };
        opened(index, &Entry::disclosure(facts, Timestamp::from_seconds(i64::try_from(index).unwrap())))
    }

    fn request<'a>(roles_only: bool, hidden: &'a dyn Fn(&Opened) -> bool) -> LookedRequest<'a> {
        LookedRequest {
            patient: "Patient/1",
            viewer: Some("anna"),
            roles_only,
            suspensions: &[],
            hidden,
            now: Timestamp::from_seconds(100),
        }
    }

    #[test]
    fn words_are_those_of_a_person() {
        let entries = [entry(1, "amal", "Observation/o1"), entry(2, "anna", "Condition/c1")];
        let looks = looks(&request(false, &|_| false), entries.iter());
        assert_eq!(looks[0].who, "you");
        assert_eq!(looks[1].who, "Amal Haddad (physician)");
        assert_eq!(looks[1].what, "saw test results and measurements");
        assert_eq!(looks[1].why, "for your care");
    }

    #[test]
    fn a_role_can_stand_for_the_name_and_the_name_is_nowhere() {
        let looks = looks(&request(true, &|_| false), [entry(1, "amal", "Observation/o1")].iter());
        assert_eq!(looks[0].who, "physician");
        assert!(!serde_json::to_string(&looks).unwrap().contains("Amal"));
    }

    #[test]
    fn a_confidential_visit_is_not_there() {
        let entries = [entry(1, "amal", "Observation/o1"), entry(2, "amal", "Encounter/confidential")];
        let hide =
            |entry: &Opened| {
                entry.patients.iter().flatten().any(|patient| {
                    patient.resources.iter().any(|resource| resource.reference == "Encounter/confidential")
                })
            };
        let looks = looks(&request(false, &hide), entries.iter());
        assert_eq!(looks.len(), 1);
        assert_eq!(looks[0].entry, "log 1");
    }
}
