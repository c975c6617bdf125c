//! Who plays in the demonstration: the persons that the welcome names and the apps that connect, as plain values.
//!
//! Usernames, roles and FHIR references only. Passwords and keys are made anew in each data folder by whoever
//! enters these values into the bridge; none stands here.

/// Somebody who can sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// What is typed at the sign-in.
    pub username: &'static str,
    /// The person's name, as the person writes it.
    pub name: &'static str,
    /// The name of the bridge's role.
    pub role: &'static str,
    /// `Patient/…` or `Practitioner/…`; empty for who has no record in the hospital.
    pub fhir_user: &'static str,
    /// Id of the Patient whose portal this user opens.
    pub patient: Option<&'static str>,
    /// One line for the welcome.
    pub about: &'static str,
}

/// How an app proves which app it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A public client: authorization code with PKCE, no secret.
    Pkce,
    /// A backend: client credentials with a signed assertion; the key pair is made in the data folder.
    PrivateKeyJwt,
}

/// An app that connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct App {
    /// OAuth `client_id`.
    pub client_id: &'static str,
    /// As people call it.
    pub name: &'static str,
    /// How it proves itself.
    pub proof: Proof,
    /// The role of the app itself, if it acts without a user.
    pub role: Option<&'static str>,
    /// SMART scopes it asks for.
    pub scopes: &'static [&'static str],
    /// Id of the Organization that runs it.
    pub organization: &'static str,
    /// One line for the welcome.
    pub about: &'static str,
}

/// A patient by the name that others share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Id of the Patient.
    pub patient: &'static str,
    /// The whole name.
    pub name: &'static str,
    /// What this one is in the family.
    pub bond: &'static str,
}

/// The whole cast.
#[derive(Debug, Clone, Copy)]
pub struct Cast {
    /// Who can sign in; patients first.
    pub users: &'static [User],
    /// Which apps connect; the portal first.
    pub apps: &'static [App],
    /// The family in which grandfather, father and son bear one name.
    pub family: &'static [Member],
    /// Who treats whom by a standing relation: ids of Practitioner and Patient.
    pub care: &'static [(&'static str, &'static str)],
}

impl Cast {
    /// The cast of every hospital. A hospital of fewer than [`Cast::patients_min`] patients lacks some.
    #[must_use]
    pub const fn leading() -> Self {
        Self { users: &USERS, apps: &APPS, family: &FAMILY, care: &CARE }
    }

    /// How many patients a hospital needs for everybody of the cast to be in it.
    #[must_use]
    pub const fn patients_min() -> u32 {
        crate::hospital::LEADING
    }

    /// The user of that name.
    #[must_use]
    pub fn user(&self, username: &str) -> Option<&'static User> {
        self.users.iter().find(|user| user.username == username)
    }

    /// The app with that `client_id`.
    #[must_use]
    pub fn app(&self, client_id: &str) -> Option<&'static App> {
        self.apps.iter().find(|app| app.client_id == client_id)
    }

    /// Those who sign in at the portal.
    pub fn patients(&self) -> impl Iterator<Item = &'static User> {
        self.users.iter().filter(|user| user.patient.is_some())
    }
}

/// `client_id` of the portal.
pub const PORTAL: &str = "portal";
/// `client_id` of the clinicians' chart beside the portal.
pub const CHART: &str = "mercy-chart";
/// `client_id` of the scheduling app.
pub const SCHEDULER: &str = "scheduler-app";
/// `client_id` of the backend that may only count.
pub const COUNTER: &str = "auditor-counts";

/// `client_id` of the laboratory's system, whose HL7 v2 messages the bridge carries into the chart.
pub const LABORATORY: &str = "mercy-lab";

static USERS: [User; 9] = [
    User {
        username: "amelie",
        name: "Amélie Vasterœuil",
        role: "patient",
        fhir_user: "Patient/p0001",
        patient: Some("p0001"),
        about: "lives with diabetes; three years of results",
    },
    User {
        username: "yusuf",
        name: "يوسف الزهيري",
        role: "patient",
        fhir_user: "Patient/p0002",
        patient: Some("p0002"),
        about: "writes from right to left; asthma and a forearm that has healed",
    },
    User {
        username: "mateo",
        name: "Mateo Castellanos Rey",
        role: "patient",
        fhir_user: "Patient/p0005",
        patient: Some("p0005"),
        about: "shares his name with his father and his son",
    },
    User {
        username: "maren",
        name: "Maren Holloway-Quist",
        role: "patient",
        fhir_user: "Patient/p0003",
        patient: Some("p0003"),
        about: "a nurse of this hospital, here as a patient",
    },
    User {
        username: "dr.halvorsen",
        name: "Dr. Ingrid Halvorsen-Mbeki",
        role: "physician",
        fhir_user: "Practitioner/halvorsen",
        patient: None,
        about: "family physician of every fifth patient",
    },
    User {
        username: "care.halvorsen",
        name: "Dr. Ingrid Halvorsen-Mbeki",
        role: "care-manager",
        fhir_user: "Practitioner/halvorsen",
        patient: None,
        about: "the same physician as care manager: sees her own panel and nobody else",
    },
    User {
        username: "nurse.quist",
        name: "Maren Holloway-Quist",
        role: "nurse",
        fhir_user: "Practitioner/quist",
        patient: None,
        about: "the same nurse, at work",
    },
    User {
        username: "admin.castell",
        name: "Robin Castell",
        role: "administrator",
        fhir_user: "",
        patient: None,
        about: "keeps the directory and proposes changes of the policy; sees no patient",
    },
    User {
        username: "privacy.osei",
        name: "Abena Osei-Lindqvist",
        role: "privacy-officer",
        fhir_user: "",
        patient: None,
        about: "looks at access that goes to review, and approves changes of the policy",
    },
];

static APPS: [App; 6] = [
    App {
        client_id: PORTAL,
        name: "Mercy patient portal",
        proof: Proof::Pkce,
        role: None,
        scopes: &["launch", "launch/patient", "patient/*.rs", "patient/Communication.c", "patient/Appointment.u"],
        organization: "mercy",
        about: "shows patients their own record; a chart may launch it",
    },
    App {
        client_id: CHART,
        name: "Mercy chart",
        proof: Proof::Pkce,
        role: None,
        scopes: &crate::portal::PortalSettings::CHART_SCOPES,
        organization: "mercy",
        about: "lists a clinician's patients, and launches the portal about one",
    },
    App {
        client_id: SCHEDULER,
        name: "Harbor Scheduling",
        proof: Proof::PrivateKeyJwt,
        role: Some("scheduler"),
        scopes: &["system/Appointment.rs", "system/Schedule.rs", "system/Slot.rs", "system/Patient.rs"],
        organization: "farsight",
        about: "sees the times of appointments and whom to call, and no diagnosis",
    },
    App {
        client_id: "eastside-clinic",
        name: "Eastside Family Clinic",
        proof: Proof::PrivateKeyJwt,
        role: Some("outside-provider"),
        scopes: &["system/*.rs"],
        organization: "eastside",
        about: "an outside provider; sees more once somebody has verified that it is one",
    },
    App {
        client_id: COUNTER,
        name: "Count auditor",
        proof: Proof::PrivateKeyJwt,
        role: Some("auditor-counts"),
        scopes: &["system/*.s"],
        organization: "mercy",
        about: "counts resources of every type, and reads none",
    },
    App {
        client_id: LABORATORY,
        name: "Mercy laboratory system",
        proof: Proof::PrivateKeyJwt,
        role: Some("lab"),
        scopes: &[
            "system/Patient.rs",
            "system/ServiceRequest.rs",
            "system/Specimen.cruds",
            "system/Observation.cruds",
            "system/DiagnosticReport.cruds",
            "system/Provenance.crs",
        ],
        organization: "mercy",
        about: "reports results over HL7 v2, on orders that the chart has",
    },
];

/// The leading patients are treated by those who sign in; of all others they must say why they open the record.
static CARE: [(&str, &str); 16] = [
    ("halvorsen", "p0001"),
    ("halvorsen", "p0002"),
    ("halvorsen", "p0003"),
    ("halvorsen", "p0004"),
    ("halvorsen", "p0005"),
    ("halvorsen", "p0006"),
    ("halvorsen", "p0007"),
    ("halvorsen", "p0008"),
    ("quist", "p0001"),
    ("quist", "p0002"),
    ("quist", "p0003"),
    ("quist", "p0004"),
    ("quist", "p0005"),
    ("quist", "p0006"),
    ("quist", "p0007"),
    ("quist", "p0008"),
];

static FAMILY: [Member; 5] = [
    Member { patient: "p0004", name: "Mateo Castellanos Rey", bond: "grandfather" },
    Member { patient: "p0005", name: "Mateo Castellanos Rey", bond: "father" },
    Member { patient: "p0006", name: "Lucía Castellanos Rey", bond: "mother" },
    Member { patient: "p0007", name: "Mateo Castellanos Rey", bond: "son" },
    Member { patient: "p0008", name: "Inés Castellanos Rey", bond: "daughter" },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hospital::{Hospital, Seed};
    use std::collections::BTreeMap;
    use time::macros::date;

    /// Every name of the hospital by reference.
    fn names() -> BTreeMap<String, String> {
        let hospital = Hospital::new(Seed::new(9), Cast::patients_min(), date!(2026 - 11 - 24));
        hospital
            .resources()
            .filter_map(|body| {
                let kind = body["resourceType"].as_str()?;
                let name = body["name"].as_array()?.first()?;
                let given = name["given"].as_array()?.first()?.as_str()?;
                let prefix = name["prefix"].as_array().and_then(|all| all.first()?.as_str());
                let whole =
                    [prefix, Some(given), name["family"].as_str()].into_iter().flatten().collect::<Vec<_>>().join(" ");
                Some((format!("{kind}/{}", body["id"].as_str()?), whole))
            })
            .collect()
    }

    #[test]
    fn everybody_who_signs_in_is_in_the_hospital_under_that_name() {
        let names = names();
        for user in Hospital::cast().users.iter().filter(|user| !user.fhir_user.is_empty()) {
            assert_eq!(names.get(user.fhir_user).map(String::as_str), Some(user.name), "{}", user.username);
        }
        for member in Hospital::cast().family {
            assert_eq!(names.get(&format!("Patient/{}", member.patient)).map(String::as_str), Some(member.name));
        }
    }

    #[test]
    fn nobody_signs_in_under_two_names() {
        let users = Hospital::cast().users;
        let names: std::collections::BTreeSet<_> = users.iter().map(|user| user.username).collect();
        assert_eq!(names.len(), users.len());
    }
}
