//! What the claims of another provider mean here: who somebody is, which roles, which records. What is not said means no.

use std::collections::BTreeMap;

use bascule_fhir::{Id, ResourceType};
use serde_json::{Map, Value};

/// Values of one claim that are looked at: a person may be in many groups.
const VALUES_MAX: usize = 2_048;
/// Characters of the longest value that is taken.
const VALUE_CHARACTERS_MAX: usize = 256;

/// How the claims of a provider are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimsMap {
    /// The claim that names the person for good: `sub`, or `oid` where `sub` differs from app to app.
    pub subject: String,
    /// The claim that people know themselves by: `preferred_username`, `upn`.
    pub login: String,
    /// The claim with the name for pages.
    pub name: String,
    /// The claim with the address.
    pub email: String,
    /// Claims without which nobody comes in, each with the values of which one must be there; no value means any.
    pub required: BTreeMap<String, Vec<String>>,
    /// The claim whose values stand for roles.
    pub role_claim: String,
    /// Values there, and the roles here; others are none.
    pub roles: BTreeMap<String, Vec<String>>,
    /// Where the own Practitioner is named.
    pub practitioner: Option<RecordClaim>,
    /// Where the own Patient is named.
    pub patient: Option<PatientClaim>,
}

/// A claim that names a record: `Practitioner/1`, a bare id, or an address below `base`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordClaim {
    /// Its name.
    pub claim: String,
    /// The FHIR base that an address must lie below; without it no address is taken.
    pub base: Option<String>,
}

/// A claim that names the own patient record, and what must be said beside for it to be believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatientClaim {
    /// Where the record is named.
    pub record: RecordClaim,
    /// The API in which the id counts.
    pub api: String,
    /// Claims that assure it (`acr`, an identity assurance level), each with the values of which one must be there.
    pub assured: BTreeMap<String, Vec<String>>,
}

/// A patient record of a person's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedPatient {
    /// The API in which the id counts.
    pub api: String,
    /// The id.
    pub patient: Id,
    /// What the person sees.
    pub label: String,
}

/// Who a person is here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapped {
    /// The value of the subject's claim.
    pub subject: String,
    /// What they know themselves by.
    pub login: String,
    /// Their name.
    pub name: String,
    /// Where to write to.
    pub email: Option<String>,
    /// Role names.
    pub roles: Vec<String>,
    /// Their own resource.
    pub fhir_user: Option<(ResourceType, Id)>,
    /// Their own records.
    pub patients: Vec<MappedPatient>,
    /// What was left out, in sentences that name claims and never values: for the dry run.
    pub notes: Vec<String>,
}

/// Why claims let nobody in. It names claims, never their values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMapped {
    /// A claim that is needed is not there, or is no text.
    #[error("the claim `{claim}` is missing, or is not a short text")]
    Missing {
        /// Its name.
        claim: String,
    },
    /// A required claim has another value.
    #[error("the claim `{claim}` does not have a value that is required")]
    Required {
        /// Its name.
        claim: String,
    },
    /// The provider left the groups out because there are too many.
    #[error("the provider left the claim `{claim}` out because it has too many values; they must be asked for")]
    Overage {
        /// Its name.
        claim: String,
    },
    /// Nothing stands for a role.
    #[error("no value of the claim `{claim}` stands for a role here")]
    NoRole {
        /// Its name.
        claim: String,
    },
}

impl NotMapped {
    /// A code for the log.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "claim-missing",
            Self::Required { .. } => "claim-required",
            Self::Overage { .. } => "groups-overage",
            Self::NoRole { .. } => "no-role",
        }
    }
}

impl ClaimsMap {
    /// Who these claims speak of.
    ///
    /// # Errors
    /// [`NotMapped`]: nobody here.
    pub fn map(&self, claims: &Map<String, Value>) -> Result<Mapped, NotMapped> {
        let needed = |name: &str| text(claims, name).ok_or_else(|| NotMapped::Missing { claim: name.to_owned() });
        for (claim, values) in &self.required {
            if !holds(claims, claim, values) {
                return Err(NotMapped::Required { claim: claim.clone() });
            }
        }
        let (subject, login) = (needed(&self.subject)?, needed(&self.login)?);
        let mut mapped = Mapped {
            subject,
            name: text(claims, &self.name).unwrap_or_else(|| login.clone()),
            email: text(claims, &self.email),
            roles: self.roles_of(claims)?,
            login,
            ..Mapped::default()
        };
        self.records(claims, &mut mapped);
        Ok(mapped)
    }

    fn roles_of(&self, claims: &Map<String, Value>) -> Result<Vec<String>, NotMapped> {
        let claim = || self.role_claim.clone();
        if let Some(kind) = self.kind_of(claims) {
            let roles = self.roles.get(kind).cloned().unwrap_or_default();
            return if roles.is_empty() { Err(NotMapped::NoRole { claim: claim() }) } else { Ok(roles) };
        }
        let mut values = texts(claims, &self.role_claim).peekable();
        if values.peek().is_none() {
            return Err(match left_out(claims, &self.role_claim) {
                true => NotMapped::Overage { claim: claim() },
                false => NotMapped::Missing { claim: claim() },
            });
        }
        let mut roles: Vec<String> = values.filter_map(|value| self.roles.get(value)).flatten().cloned().collect();
        roles.sort();
        roles.dedup();
        if roles.is_empty() { Err(NotMapped::NoRole { claim: claim() }) } else { Ok(roles) }
    }

    /// Where the claim of the roles is the one that names a record (an EHR's `fhirUser`), what kind of record that is.
    fn kind_of(&self, claims: &Map<String, Value>) -> Option<&'static str> {
        let practitioner = self.practitioner.as_ref().map(|rule| (rule, ResourceType::PRACTITIONER));
        let patient = self.patient.as_ref().map(|rule| (&rule.record, ResourceType::PATIENT));
        let named = |(rule, kind): (&RecordClaim, ResourceType)| {
            // A bare id says nothing about its kind.
            let whole = text(claims, &rule.claim).is_some_and(|value| value.contains('/'));
            (rule.claim == self.role_claim && whole && rule.id_of(claims, kind).is_some()).then(|| kind.name())
        };
        practitioner.and_then(named).or_else(|| patient.and_then(named))
    }

    /// The records that the claims name. One that is not named is not linked; nobody guesses it.
    fn records(&self, claims: &Map<String, Value>, mapped: &mut Mapped) {
        if let Some(rule) = &self.practitioner {
            match rule.id_of(claims, ResourceType::PRACTITIONER) {
                Some(id) => mapped.fhir_user = Some((ResourceType::PRACTITIONER, id)),
                None => mapped.notes.push(format!("`{}` names no Practitioner, so none is linked", rule.claim)),
            }
        }
        let Some(rule) = &self.patient else { return };
        let Some(id) = rule.record.id_of(claims, ResourceType::PATIENT) else {
            mapped.notes.push(format!("`{}` names no Patient, so none is linked", rule.record.claim));
            return;
        };
        if let Some((claim, _)) = rule.assured.iter().find(|(claim, values)| !holds(claims, claim, values)) {
            mapped.notes.push(format!("`{claim}` does not assure the patient record, so none is linked"));
            return;
        }
        let label = mapped.name.clone();
        mapped.fhir_user.get_or_insert((ResourceType::PATIENT, id.clone()));
        mapped.patients.push(MappedPatient { api: rule.api.clone(), patient: id, label });
    }
}

impl RecordClaim {
    fn id_of(&self, claims: &Map<String, Value>, wanted: ResourceType) -> Option<Id> {
        let value = text(claims, &self.claim)?;
        let relative = match (value.contains("://"), &self.base) {
            (false, _) => value.as_str(),
            (true, Some(base)) => value.strip_prefix(base.trim_end_matches('/'))?.strip_prefix('/')?,
            (true, None) => return None,
        };
        match relative.split_once('/') {
            None => Id::parse(relative),
            Some((kind, id)) if ResourceType::parse(kind) == Some(wanted) => Id::parse(id),
            Some(_) => None,
        }
    }
}

/// A short text.
fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    let value = match claims.get(name)? {
        Value::String(text) => text.clone(),
        // Numbers of employees and patients are numbers to some providers.
        Value::Number(number) => number.to_string(),
        // AD FS makes a list of one where a claim has two rules.
        Value::Array(list) if list.len() == 1 => list.first()?.as_str()?.to_owned(),
        _ => return None,
    };
    let value = value.trim().to_owned();
    let sound =
        !value.is_empty() && value.chars().count() <= VALUE_CHARACTERS_MAX && !value.chars().any(char::is_control);
    sound.then_some(value)
}

/// A text or a list of texts: AD FS writes one group as a text, two as a list.
fn texts<'a>(claims: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a str> {
    let value = claims.get(name);
    let one = value.and_then(Value::as_str);
    let many = value.and_then(Value::as_array).into_iter().flatten().take(VALUES_MAX).filter_map(Value::as_str);
    one.into_iter().chain(many)
}

/// Whether a claim has one of these values; with none named, whether it has any.
fn holds(claims: &Map<String, Value>, claim: &str, values: &[String]) -> bool {
    match claims.get(claim) {
        Some(Value::Bool(flag)) => *flag && (values.is_empty() || values.iter().any(|value| value == "true")),
        _ => texts(claims, claim).any(|said| values.is_empty() || values.iter().any(|value| value == said)),
    }
}

/// Whether the provider says that it left a claim out: Entra ID's group overage, in both of its forms.
fn left_out(claims: &Map<String, Value>, claim: &str) -> bool {
    let elsewhere = claims.get("_claim_names").is_some_and(|names| names.get(claim).is_some());
    elsewhere || (claim == "groups" && claims.get("hasgroups").is_some_and(|flag| *flag == Value::Bool(true)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map() -> ClaimsMap {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        ClaimsMap {
            subject: "sub".into(),
            login: "preferred_username".into(),
            name: "name".into(),
            email: "email".into(),
            required: [("amr".to_owned(), values(&["mfa", "hwk"]))].into(),
            role_claim: "groups".into(),
            roles: [
                ("g-phys".to_owned(), values(&["physician"])),
                ("g-lead".to_owned(), values(&["physician", "administrator"])),
            ]
            .into(),
            practitioner: Some(RecordClaim { claim: "fhirUser".into(), base: Some("https://ehr.example/fhir".into()) }),
            patient: Some(PatientClaim {
                record: RecordClaim { claim: "patient_id".into(), base: None },
                api: "ehr".into(),
                assured: [("acr".to_owned(), values(&["urn:ial2"]))].into(),
            }),
        }
    }

    fn claims(change: impl FnOnce(&mut Value)) -> Map<String, Value> {
        let mut claims = json!({
            "sub": "s-1", "preferred_username": "amal", "name": "Amal", "amr": ["pwd", "mfa"],
            "groups": ["g-all", "g-phys"], "fhirUser": "https://ehr.example/fhir/Practitioner/dr1",
        });
        change(&mut claims);
        claims.as_object().unwrap().clone()
    }

    fn check(change: impl FnOnce(&mut Value)) -> Result<Mapped, NotMapped> {
        map().map(&claims(change))
    }

    #[test]
    fn a_group_stands_for_a_role_and_an_unknown_one_for_none() {
        let mapped = check(|_| ()).unwrap();
        assert_eq!(mapped.roles, ["physician"]);
        assert_eq!(mapped.fhir_user, Some((ResourceType::PRACTITIONER, Id::parse("dr1").unwrap())));
        assert_eq!(check(|c| c["groups"] = json!(["g-lead", "g-phys"])).unwrap().roles, ["administrator", "physician"]);
        assert_eq!(check(|c| c["groups"] = json!("g-phys")).unwrap().roles, ["physician"], "AD FS: one as a text");
        assert_eq!(check(|c| c["groups"] = json!(["g-all"])), Err(NotMapped::NoRole { claim: "groups".into() }));
    }

    #[test]
    fn what_is_missing_means_no() {
        for name in ["sub", "preferred_username", "groups"] {
            let missing = check(|c| drop(c.as_object_mut().unwrap().remove(name)));
            assert_eq!(missing, Err(NotMapped::Missing { claim: name.into() }), "{name}");
        }
        for amr in [json!(["pwd"]), json!([]), json!(null), json!({"mfa": true})] {
            assert_eq!(check(|c| c["amr"] = amr.clone()), Err(NotMapped::Required { claim: "amr".into() }), "{amr}");
        }
    }

    #[test]
    fn an_ehr_tells_roles_by_the_kind_of_the_fhir_user() {
        let rule = || RecordClaim { claim: "fhirUser".into(), base: Some("https://ehr.example/fhir".into()) };
        let ehr = ClaimsMap {
            required: BTreeMap::new(),
            role_claim: "fhirUser".into(),
            roles: [("Practitioner".to_owned(), vec!["physician".to_owned()])].into(),
            practitioner: Some(rule()),
            patient: Some(PatientClaim { record: rule(), api: "ehr".into(), assured: BTreeMap::new() }),
            ..map()
        };
        let of = |value: &str| ehr.map(&claims(|c| c["fhirUser"] = json!(value))).map(|mapped| mapped.roles);
        assert_eq!(of("https://ehr.example/fhir/Practitioner/dr1").unwrap(), ["physician"]);
        for other in ["https://ehr.example/fhir/Patient/p1", "https://evil.example/fhir/Practitioner/dr1", "dr1"] {
            assert!(of(other).is_err(), "{other}");
        }
    }

    #[test]
    fn left_out_groups_are_told_from_none() {
        let overage = Err(NotMapped::Overage { claim: "groups".into() });
        let without = |c: &mut Value| drop(c.as_object_mut().unwrap().remove("groups"));
        let entra = check(|c| {
            without(c);
            c["_claim_names"] = json!({"groups": "src1"});
            c["_claim_sources"] = json!({"src1": {"endpoint": "https://graph.example/x"}});
        });
        assert_eq!(entra, overage);
        let implicit = check(|c| {
            without(c);
            c["hasgroups"] = json!(true);
        });
        assert_eq!(implicit, overage);
    }

    #[test]
    fn a_record_is_linked_by_a_claim_of_the_right_kind_and_place_only() {
        let fhir_user = |value: &str| check(|c| c["fhirUser"] = json!(value)).unwrap().fhir_user.is_some();
        assert!(fhir_user("dr1") && fhir_user("Practitioner/dr1"));
        for other in [
            "Patient/dr1",
            "https://evil.example/fhir/Practitioner/dr1",
            "https://ehr.example/fhirs/Practitioner/dr1",
            "https://ehr.example/fhir/Practitioner/dr1/_history/1",
            "Practitioner/../dr1",
            "a b",
        ] {
            assert!(!fhir_user(other), "{other}");
        }
    }

    #[test]
    fn a_patient_is_linked_by_an_assured_claim_only() {
        let mapped = |acr: &str| {
            check(|c| {
                c["patient_id"] = json!("p1");
                c["acr"] = json!(acr);
            })
            .unwrap()
        };
        assert_eq!(mapped("urn:ial2").patients[0].patient, Id::parse("p1").unwrap());
        let unassured = mapped("urn:ial1");
        assert!(unassured.patients.is_empty());
        assert!(unassured.notes.iter().any(|note| note.contains("`acr`")), "{:?}", unassured.notes);
    }

    #[test]
    fn no_refusal_tells_a_value() {
        let said = check(|c| c["groups"] = json!(["secret-group"])).unwrap_err().to_string();
        assert!(!said.contains("secret-group"), "{said}");
    }
}
