//! The house and its people: organizations, locations, practitioners and their roles. The same in every hospital.

use serde_json::{Value, json};
use time::Date;

use super::code::{self, Code, identifier, refer, refer_named, snomed};
use super::planned;
use super::stories;

/// Where a practitioner works and what as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Staff {
    /// Logical id of the Practitioner.
    pub(super) id: &'static str,
    given: &'static str,
    family: &'static str,
    prefix: &'static str,
    gender: &'static str,
    /// NUCC provider taxonomy code and our words for it.
    specialty: (&'static str, &'static str),
    organization: &'static str,
    pub(super) location: &'static str,
}

impl Staff {
    /// `Practitioner/…`
    pub(super) fn reference(&self) -> String {
        format!("Practitioner/{}", self.id)
    }

    /// As patients call them.
    pub(super) fn name(&self) -> String {
        [self.prefix, self.given, self.family]
            .iter()
            .filter(|part| !part.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// A reference with the name.
    pub(super) fn refer(&self) -> Value {
        refer_named(&self.reference(), &self.name())
    }
}

const fn staff(
    id: &'static str,
    name: (&'static str, &'static str, &'static str),
    gender: &'static str,
    specialty: (&'static str, &'static str),
    place: (&'static str, &'static str),
) -> Staff {
    let (prefix, given, family) = name;
    let (organization, location) = place;
    Staff { id, given, family, prefix, gender, specialty, organization, location }
}

const FAMILY_MEDICINE: (&str, &str) = ("207Q00000X", "Family medicine");
const CLINIC: (&str, &str) = ("mercy", "clinic");

/// Family physicians: everybody has one of these.
pub(super) static FAMILY_PHYSICIANS: [Staff; 5] = [
    staff("halvorsen", ("Dr.", "Ingrid", "Halvorsen-Mbeki"), "female", FAMILY_MEDICINE, CLINIC),
    staff("okonjo", ("Dr.", "Chidi", "Okonjo"), "male", FAMILY_MEDICINE, CLINIC),
    staff("marchetti", ("Dr.", "Giulia", "Marchetti"), "female", FAMILY_MEDICINE, CLINIC),
    staff("tanaka", ("Dr.", "健", "田中"), "male", FAMILY_MEDICINE, CLINIC),
    staff("strand", ("Dr.", "Øystein", "Strand"), "male", FAMILY_MEDICINE, CLINIC),
];

pub(super) static OPHTHALMOLOGIST: Staff = staff(
    "brennan",
    ("Dr.", "Niamh", "Brennan"),
    "female",
    ("207W00000X", "Ophthalmology"),
    ("lakeside-eye", "eye-center"),
);
pub(super) static OBSTETRICIAN: Staff =
    staff("desai", ("Dr.", "Kavita", "Desai"), "female", ("207V00000X", "Obstetrics and gynecology"), CLINIC);
pub(super) static EMERGENCY_PHYSICIAN: Staff =
    staff("kowal", ("Dr.", "Radosław", "Kowal"), "male", ("207P00000X", "Emergency medicine"), ("mercy", "emergency"));
pub(super) static RADIOLOGIST: Staff = staff(
    "lindqvist",
    ("Dr.", "Sven", "Lindqvist"),
    "male",
    ("2085R0202X", "Diagnostic radiology"),
    ("northlight", "imaging"),
);
pub(super) static THERAPIST: Staff =
    staff("abara", ("Dr.", "Nneka", "Abara"), "female", ("103TC0700X", "Clinical psychology"), ("farsight", "video"));
pub(super) static HOSPITALIST: Staff =
    staff("varga", ("Dr.", "Ágnes", "Varga"), "female", ("208M00000X", "Hospital medicine"), ("mercy", "ward"));
pub(super) static INFECTIOLOGIST: Staff =
    staff("haile", ("Dr.", "Selam", "Haile"), "female", ("207RI0200X", "Infectious disease"), CLINIC);
pub(super) static PATHOLOGIST: Staff = staff(
    "petrov",
    ("Dr.", "Мила", "Петрова"),
    "female",
    ("207ZP0105X", "Laboratory medicine"),
    ("cedar-lab", "laboratory"),
);
pub(super) static PHARMACIST: Staff =
    staff("ferreira", ("", "João", "Ferreira"), "male", ("183500000X", "Pharmacy"), ("corner-pharmacy", "pharmacy"));
/// The nurse who is a patient too; the Patient of the same person is one of the cast.
pub(super) static NURSE: Staff =
    staff("quist", ("", "Maren", "Holloway-Quist"), "female", ("163W00000X", "Nursing"), CLINIC);

static SPECIALISTS: [&Staff; 10] = [
    &OPHTHALMOLOGIST,
    &OBSTETRICIAN,
    &EMERGENCY_PHYSICIAN,
    &RADIOLOGIST,
    &THERAPIST,
    &HOSPITALIST,
    &INFECTIOLOGIST,
    &PATHOLOGIST,
    &PHARMACIST,
    &NURSE,
];

/// Everybody who works here.
pub(super) fn everybody() -> impl Iterator<Item = &'static Staff> {
    FAMILY_PHYSICIANS.iter().chain(SPECIALISTS)
}

/// Organizations: id, name, what it is.
static ORGANIZATIONS: [(&str, &str, &str, &str); 7] = [
    ("mercy", "Mercy Hospital", "prov", "Healthcare provider"),
    ("cedar-lab", "Cedar Reference Laboratory", "prov", "Healthcare provider"),
    ("northlight", "Northlight Imaging", "prov", "Healthcare provider"),
    ("corner-pharmacy", "Corner Pharmacy", "prov", "Healthcare provider"),
    ("lakeside-eye", "Lakeside Eye Center", "prov", "Healthcare provider"),
    ("farsight", "Farsight Telehealth", "bus", "Business"),
    ("evergreen", "Evergreen Health Plan", "pay", "Payer"),
];

/// Locations: id, name, organization, what kind of place.
static LOCATIONS: [(&str, &str, &str, Code); 8] = [
    ("clinic", "Mercy family clinic", "mercy", snomed("35971002", "Outpatient clinic")),
    ("emergency", "Mercy emergency department", "mercy", snomed("225728007", "Emergency department")),
    ("ward", "Mercy ward 3 East", "mercy", snomed("225746001", "Ward")),
    ("imaging", "Northlight imaging suite", "northlight", snomed("309964003", "Radiology department")),
    ("laboratory", "Cedar laboratory", "cedar-lab", snomed("261904005", "Laboratory")),
    ("pharmacy", "Corner Pharmacy, Main Street", "corner-pharmacy", snomed("264372000", "Pharmacy")),
    ("eye-center", "Lakeside Eye Center, first floor", "lakeside-eye", snomed("35971002", "Outpatient clinic")),
    (
        "video",
        "Farsight video room",
        "farsight",
        code::code("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "COMM", "Community place"),
    ),
];

/// The name of the location with this id.
pub(super) fn location_name(id: &str) -> &'static str {
    LOCATIONS.iter().find(|row| row.0 == id).map_or("", |row| row.1)
}

/// Every resource of the house, in an order in which references point backwards.
pub(super) fn resources(anchor: Date) -> Vec<Value> {
    let mut all: Vec<Value> =
        ORGANIZATIONS.iter().zip(0_u32..).map(|(row, number)| organization(*row, number)).collect();
    all.extend(LOCATIONS.iter().map(|row| location(*row)));
    all.extend(everybody().zip(0_u32..).map(|(person, number)| practitioner(person, number)));
    all.extend(everybody().map(role));
    all.extend(stories::medicines());
    all.extend(planned::schedules(anchor));
    all
}

fn organization((id, name, kind, say): (&str, &str, &str, &str), number: u32) -> Value {
    json!({
        "resourceType": "Organization", "id": id,
        "meta": {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-organization"]},
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": npi(99_000 + number)}],
        "active": true,
        "type": [code::hl7("organization-type", kind, say)],
        "name": name,
        "telecom": [{"system": "phone", "value": phone(number)}, {"system": "email", "value": format!("office@{id}.example.org")}],
        "address": [address(&format!("{} Harbor Street", 100 + number))],
    })
}

fn location((id, name, organization, kind): (&str, &str, &str, Code)) -> Value {
    json!({
        "resourceType": "Location", "id": id,
        "meta": {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-location"]},
        "status": "active", "name": name, "mode": "instance",
        "type": [kind.concept()],
        "telecom": [{"system": "phone", "value": "555-0100"}],
        "address": address("100 Harbor Street"),
        "managingOrganization": refer(&format!("Organization/{organization}")),
    })
}

fn practitioner(person: &Staff, number: u32) -> Value {
    let name = json!({"use": "official", "family": person.family, "given": [person.given]});
    let name = if person.prefix.is_empty() { name } else { code::with(name, "prefix", json!([person.prefix])) };
    json!({
        "resourceType": "Practitioner", "id": person.id,
        "meta": {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-practitioner"]},
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": npi(10_000 + number)}, identifier("staff", person.id)],
        "active": true,
        "name": [name],
        "telecom": [{"system": "phone", "value": phone(40 + number), "use": "work"},
                    {"system": "email", "value": format!("{}@mercy.example.org", person.id), "use": "work"}],
        "address": [address("100 Harbor Street")],
        "gender": person.gender,
    })
}

fn role(person: &'static Staff) -> Value {
    let (specialty, say) = person.specialty;
    let what = json!([{"coding": [{"system": "http://nucc.org/provider-taxonomy", "code": specialty, "display": say}], "text": say}]);
    json!({
        "resourceType": "PractitionerRole", "id": format!("{}-role", person.id),
        "meta": {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-practitionerrole"]},
        "active": true,
        "practitioner": person.refer(),
        "organization": refer(&format!("Organization/{}", person.organization)),
        "code": what, "specialty": what,
        "location": [refer_named(&format!("Location/{}", person.location), location_name(person.location))],
        "telecom": [{"system": "phone", "value": "555-0100", "use": "work"}],
    })
}

pub(super) fn address(line: &str) -> Value {
    json!({"use": "work", "type": "physical", "line": [line], "city": "Harbor Falls", "state": "AZ", "postalCode": "85999", "country": "US"})
}

/// A telephone number of those that nobody has.
pub(super) fn phone(number: u32) -> String {
    format!("555-01{:02}", number % 100)
}

/// A provider number with its check digit. Real ones begin with 1 or 2; these begin with 9.
fn npi(number: u32) -> String {
    let body = format!("9{:08}", number % 100_000_000);
    format!("{body}{}", luhn(&format!("80840{body}")))
}

fn luhn(digits: &str) -> u32 {
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum();
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_is_that_of_the_published_example() {
        // 1234567893 is the example of the NPI standard itself.
        assert_eq!(luhn("80840123456789"), 3);
    }

    #[test]
    fn nobody_works_here_twice() {
        let ids: std::collections::BTreeSet<_> = everybody().map(|person| person.id).collect();
        assert_eq!(ids.len(), everybody().count());
    }
}
