//! The Patient itself, relatives, consent and the provenance of all that was written.

use serde_json::{Value, json};

use super::super::chart::Chart;
use super::super::code::{hl7, hl7_coding, identifier, refer, refer_named, snomed};
use super::super::dice::Dice;
use super::super::house::phone;
use super::super::moment::{Moment, date, plus_years};
use super::super::names::Culture;
use super::super::person::{Bond, Person, Sex};

/// How many targets one Provenance names.
const PROVENANCE_TARGETS_MAX: usize = 60;

/// The Patient.
pub(in super::super) fn patient(chart: &mut Chart<'_>) {
    let person = chart.person;
    let id = person.id();
    let body = json!({
        "profile": "us-core-patient",
        "text": super::super::code::narrative(&format!("{}, born {}", person.name(), date(person.birth))),
        "extension": extensions(person),
        "identifier": [
            {"use": "usual", "type": hl7("v2-0203", "MR", "Medical record number"), "system": "https://mercy.example/mrn", "value": mrn(person.number)},
            {"use": "secondary", "system": "https://evergreen.example/person", "value": format!("EG-{id}")},
        ],
        "active": person.death.is_none(),
        "name": names(person),
        "telecom": telecom(person),
        "gender": person.sex.word(),
        "birthDate": date(person.birth),
        "deceasedDateTime": person.death.map(|day| Moment::at(day, 4, 40).text()),
        "address": [home(person)],
        "communication": [{
            "language": {"coding": [{"system": "urn:ietf:bcp:47", "code": person.culture.language, "display": person.culture.language_name}], "text": person.culture.language_name},
            "preferred": true,
        }],
        "generalPractitioner": [chart.physician().refer()],
        "managingOrganization": refer_named("Organization/mercy", "Mercy Hospital"),
    });
    chart.add_as("Patient", &id, body);
}

/// The medical record number of the patient `number`.
fn mrn(number: u32) -> String {
    format!("MRN-{:06}", 100_000 + u64::from(number))
}

fn names(person: &Person) -> Value {
    let official =
        json!({"use": "official", "text": person.name(), "family": person.family.0, "given": [person.given.0]});
    let mut all = vec![official];
    if person.given.0 != person.given.1 || person.family.0 != person.family.1 {
        let latin = format!("{} {}", person.given.1, person.family.1);
        all.push(json!({"use": "usual", "text": latin, "family": person.family.1, "given": [person.given.1]}));
    }
    if person.kin.iter().any(|(_, bond)| *bond == Bond::Spouse) && person.sex == Sex::Female {
        let until = date(plus_years(person.birth, 26));
        let before = person.culture.family(&mut Dice::fixed(person.number));
        all.push(json!({"use": "old", "family": before.0, "given": [person.given.0], "period": {"end": until}}));
    }
    Value::Array(all)
}

fn telecom(person: &Person) -> Value {
    json!([
        {"system": "phone", "value": phone(person.number), "use": "mobile"},
        {"system": "email", "value": format!("{}@mail.example.org", person.id()), "use": "home"},
    ])
}

fn home(person: &Person) -> Value {
    json!({
        "use": "home", "line": [person.street], "city": "Harbor Falls", "state": "AZ",
        "postalCode": "85999", "country": "US", "period": {"start": date(person.birth)},
    })
}

fn extensions(person: &Person) -> Value {
    let core = |name: &str| format!("http://hl7.org/fhir/us/core/StructureDefinition/{name}");
    let category = |code: &str, say: &str| json!({"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": code, "display": say}});
    let hispanic = std::ptr::eq::<Culture>(person.culture, &super::super::names::SPANISH);
    let ethnicity = if hispanic { ("2135-2", "Hispanic or Latino") } else { ("2186-5", "Not Hispanic or Latino") };
    let (race, race_say) = person.culture.race;
    let (birth_sex, sex, identity) = match person.sex {
        Sex::Female => ("F", "248152002", snomed("446141000124107", "Woman")),
        Sex::Male => ("M", "248153007", snomed("446151000124109", "Man")),
    };
    json!([
        {"url": core("us-core-race"), "extension": [category(race, race_say), {"url": "text", "valueString": race_say}]},
        {"url": core("us-core-ethnicity"), "extension": [category(ethnicity.0, ethnicity.1), {"url": "text", "valueString": ethnicity.1}]},
        {"url": core("us-core-birthsex"), "valueCode": birth_sex},
        {"url": core("us-core-sex"), "valueCode": sex},
        {"url": core("us-core-genderIdentity"), "valueCodeableConcept": identity.concept()},
    ])
}

/// Relatives: those of the household, and for those who live alone a friend to call.
pub(in super::super) fn relatives(chart: &mut Chart<'_>) {
    let kin = chart.person.kin.clone();
    for (other, bond) in kin {
        let relative = Person::plan(chart.seed, other, u32::MAX, chart.anchor);
        related(chart, bond, &names(&relative), Some(&relative));
    }
    if chart.person.kin.is_empty() {
        let given = chart.person.culture.woman(&mut chart.dice);
        let name = json!([{"use": "usual", "family": chart.person.family.1, "given": [given.1]}]);
        related(chart, Bond::Sibling, &name, None);
    }
}

fn related(chart: &mut Chart<'_>, bond: Bond, name: &Value, person: Option<&Person>) {
    let (code, say) = match bond {
        Bond::Mother => ("MTH", "mother"),
        Bond::Father => ("FTH", "father"),
        Bond::Grandfather => ("GRFTH", "grandfather"),
        Bond::Child => ("CHILD", "child"),
        Bond::Spouse => ("SPS", "spouse"),
        Bond::Sibling => ("SIB", "sibling"),
    };
    let body = json!({
        "profile": "us-core-relatedperson",
        "active": true,
        "patient": chart.subject(),
        "relationship": [hl7("v3-RoleCode", code, say)],
        "name": name,
        "telecom": [{"system": "phone", "value": phone(person.map_or(chart.person.number + 50, |relative| relative.number))}],
        "gender": person.map(|relative| relative.sex.word()),
        "birthDate": person.map(|relative| date(relative.birth)),
        "address": [home(chart.person)],
    });
    chart.add("RelatedPerson", body);
}

/// The patient's say on sharing: most permit it, some opt out of research.
pub(in super::super) fn consent(chart: &mut Chart<'_>) {
    let refuses = chart.dice.chance(12);
    let day = chart.person.first_day(chart.anchor);
    let provision = if refuses {
        json!({"type": "deny", "purpose": [hl7_coding("v3-ActReason", "HRESCH", "healthcare research")]})
    } else {
        json!({"type": "permit", "purpose": [hl7_coding("v3-ActReason", "TREAT", "treatment"), hl7_coding("v3-ActReason", "HPAYMT", "payment")]})
    };
    let body = json!({
        "identifier": [identifier("consent", &chart.person.id())],
        "status": "active",
        "scope": hl7("consentscope", "patient-privacy", "Privacy consent"),
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0", "display": "Consent document"}]}],
        "patient": chart.subject(),
        "dateTime": Moment::at(day, 9, 5).text(),
        "performer": [chart.subject()],
        "organization": [refer("Organization/mercy")],
        "policyRule": hl7("v3-ActCode", "OPTIN", "opt-in"),
        "provision": provision,
    });
    chart.add("Consent", body);
}

/// Who wrote all of it: one Provenance for each [`PROVENANCE_TARGETS_MAX`] resources.
pub(in super::super) fn provenance(chart: &mut Chart<'_>) {
    let targets: Vec<Value> = chart
        .resources()
        .iter()
        .map(|body| refer(&format!("{}/{}", text(body, "resourceType"), text(body, "id"))))
        .collect();
    let recorded = Moment::at(chart.person.last_day(chart.anchor), 6, 0).text();
    let agent = |kind: Value| {
        json!({
            "type": kind,
            "who": chart.physician().refer(),
            "onBehalfOf": refer_named("Organization/mercy", "Mercy Hospital"),
        })
    };
    let transmitter = json!({"coding": [{
        "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type",
        "code": "transmitter", "display": "Transmitter",
    }], "text": "Transmitter"});
    let agents = json!([agent(hl7("provenance-participant-type", "author", "Author")), agent(transmitter)]);
    for part in targets.chunks(PROVENANCE_TARGETS_MAX) {
        let body = json!({
            "profile": "us-core-provenance",
            "target": part, "recorded": recorded,
            "activity": {"coding": [hl7_coding("v3-DataOperation", "CREATE", "create")]},
            "agent": agents,
        });
        chart.add("Provenance", body);
    }
}

fn text<'a>(body: &'a Value, key: &str) -> &'a str {
    body[key].as_str().unwrap_or_default()
}
