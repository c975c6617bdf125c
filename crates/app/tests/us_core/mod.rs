//! US Core over the demo's hospital: every search that (g)(10) certification asks for finds what it must, every element that
//! must be supported stands somewhere, and the operations that go with it answer.

use std::collections::BTreeMap;

use bascule_demo::hospital::{Hospital, Seed};
use bascule_ehr::{Access, Ehr, LoadItem, Settings};
use http_body_util::{BodyExt as _, Empty};
use serde_json::Value;
use time::macros::date;
use tower::ServiceExt as _;

/// Where the EHR says that it is.
const BASE: &str = "http://ehr.test/fhir";

struct Clinic {
    ehr: Ehr,
    _folder: tempfile::TempDir,
}

impl Clinic {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ehr = Ehr::open(Settings::new(folder.path().join("ehr.db"), BASE, Access::Open)).unwrap();
        let all = Hospital::generate(Seed::new(1), 60, date!(2026 - 11 - 24));
        let items = all.map(|body| Ok(LoadItem { place: body["id"].to_string(), text: body.to_string().into_bytes() }));
        // Strict validation: what is not R4 would be refused here.
        let summary = tokio::task::block_in_place(|| ehr.load_then_index(items, |_| {}, |_| {}).unwrap());
        assert_eq!(summary.refused, 0, "{:?}", summary.refusals);
        Self { ehr, _folder: folder }
    }

    async fn send(&self, path: &str, headers: &[(&str, &str)]) -> http::Response<String> {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{BASE}/{path}") };
        let url = url.replace('|', "%7C").replace(' ', "%20");
        let escaped: String = url
            .chars()
            .map(|letter| match letter {
                letter if letter.is_ascii() => letter.to_string(),
                other => other.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect(),
            })
            .collect();
        let mut request = http::Request::builder().uri(escaped);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
        let (parts, body) = self.ehr.router().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        http::Response::from_parts(parts, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn bundle(&self, path: &str) -> Value {
        let answer = self.send(path, &[]).await;
        assert_eq!(answer.status(), 200, "{path}: {}", answer.body());
        serde_json::from_str(answer.body()).unwrap()
    }

    /// All matches of a search, page after page.
    async fn found(&self, path: &str) -> Vec<Value> {
        let mut next = Some(path.to_owned());
        let mut all = Vec::new();
        while let Some(path) = next {
            let bundle = self.bundle(&path).await;
            let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
            all.extend(
                entries
                    .into_iter()
                    .filter(|entry| entry["search"]["mode"] == "match")
                    .map(|mut entry| entry["resource"].take()),
            );
            let links = bundle["link"].as_array().cloned().unwrap_or_default();
            next = links
                .iter()
                .find(|link| link["relation"] == "next")
                .map(|link| link["url"].as_str().unwrap().to_owned());
        }
        all
    }
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The first value at a path, arrays entered.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| match value {
        Value::Array(items) => items.first()?.get(name),
        other => other.get(name),
    })
}

fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    match at(value, path)? {
        Value::Array(items) => items.first()?.as_str(),
        other => other.as_str(),
    }
}

/// `system|code` of a code, Coding or CodeableConcept.
fn token(value: &Value, path: &str) -> Option<String> {
    let place = at(value, path)?;
    let place = place.as_array().map_or(Some(place), |items| items.first())?;
    let coding = at(place, "coding").map_or(place, |codings| codings.as_array().map_or(codings, |all| &all[0]));
    match coding {
        Value::String(code) => Some(code.clone()),
        coding => Some(format!(
            "{}|{}",
            text(coding, "system").unwrap_or_default(),
            text(coding, "code").or(text(coding, "value"))?
        )),
    }
}

/// What `$name` in a search stands for, from a resource that it must find.
fn given(resource: &Value, name: &str) -> Option<String> {
    let first = |paths: &[&str]| paths.iter().find_map(|path| text(resource, path)).map(str::to_owned);
    if let Some(name) = name.strip_prefix('+') {
        let places: &[&str] = match name {
            "onset-date" => &["onsetDateTime"],
            "recorded-date" => &["recordedDate"],
            "abatement-date" => &["abatementDateTime"],
            "target-date" => &["target.dueDate"],
            "authoredon" | "authored" => &["authoredOn", "authored"],
            "period" => &["context.period.start"],
            _ => &[
                "effectiveDateTime",
                "period.start",
                "performedDateTime",
                "performedPeriod.start",
                "occurrenceDateTime",
                "date",
            ],
        };
        return first(places).map(|date| format!("ge{}", &date[..10]));
    }
    match name {
        "id" => first(&["id"]),
        "patient" => first(&["subject.reference", "patient.reference", "beneficiary.reference"]),
        "name" => first(&["name.family", "name"]),
        "family" => first(&["name.family"]),
        "birthdate" => first(&["birthDate"]),
        "death-date" => first(&["deceasedDateTime"]).map(|date| date[..10].to_owned()),
        "city" => first(&["address.city"]),
        "state" => first(&["address.state"]),
        "encounter" => first(&["encounter.reference"]),
        "practitioner" => first(&["practitioner.reference"]),
        "location" => first(&["location.location.reference"]),
        "clinical-status" => token(resource, "clinicalStatus"),
        "lifecycle-status" => first(&["lifecycleStatus"]),
        other => token(resource, other),
    }
}

/// The search with every `$name` filled in.
fn filled(search: &str, resource: &Value) -> Option<String> {
    let mut pieces = search.split('$');
    let mut whole = pieces.next()?.to_owned();
    for piece in pieces {
        let end = piece.find('&').unwrap_or(piece.len());
        whole.push_str(&given(resource, &piece[..end])?);
        whole.push_str(&piece[end..]);
    }
    Some(whole)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_search_of_us_core_finds_what_it_must() {
    let clinic = Clinic::open();
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for line in lines(include_str!("searches.txt")) {
        let (_, search) = line.split_once(": ").unwrap();
        let (kind, parameters) = search.split_once('?').unwrap();
        let fixed: Vec<&str> = parameters.split('&').filter(|one| !one.contains('$')).collect();
        let candidates = clinic.found(&format!("{kind}?_count=300&{}", fixed.join("&"))).await;
        let Some((wanted, search)) = candidates.iter().find_map(|one| Some((one, filled(search, one)?))) else {
            wrong.push(format!("{line}: none of {} could be asked for", candidates.len()));
            continue;
        };
        asked += 1;
        let found = clinic.found(&format!("{search}&_count=500")).await;
        let patient = given(wanted, "patient").filter(|_| search.contains("patient="));
        let is_other =
            |one: &&Value| one["resourceType"] != kind || patient.is_some() && given(one, "patient") != patient;
        if !found.iter().any(|one| one["id"] == wanted["id"]) {
            wrong.push(format!("{search}: {}/{} is not among {}", kind, wanted["id"], found.len()));
        } else if let Some(other) = found.iter().find(is_other) {
            wrong.push(format!("{search}: found {other}"));
        }
        if patient.is_some() {
            let none = clinic.found(&search.replace(patient.as_deref().unwrap_or_default(), "Patient/nobody")).await;
            assert!(none.is_empty(), "{search} finds something of nobody");
        }
    }
    assert!(asked > 100, "only {asked} searches");
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
}

fn stands(value: &Value, path: &[&str]) -> bool {
    match (value, path) {
        (Value::Array(items), _) => items.iter().any(|item| stands(item, path)),
        (value, []) => !value.is_null(),
        (value, [name, rest @ ..]) => value.get(name).is_some_and(|inner| stands(inner, rest)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_element_that_must_be_supported_stands_somewhere() {
    let clinic = Clinic::open();
    let mut missing = Vec::new();
    for line in lines(include_str!("must_support.txt")) {
        let mut parts = line.splitn(3, ": ");
        let (profile, search, elements) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let all = clinic.found(&format!("{search}{}_count=1000", if search.contains('?') { '&' } else { '?' })).await;
        assert!(!all.is_empty(), "no {profile}");
        for element in elements.split_whitespace() {
            // What must stand in each of them.
            if let Some(element) = element.strip_prefix('!') {
                let lacks =
                    |one: &&Value| !element.split('|').any(|path| stands(one, &path.split('.').collect::<Vec<_>>()));
                if let Some(one) = all.iter().find(lacks) {
                    missing.push(format!("{profile}: {}/{} has no {element}", one["resourceType"], one["id"]));
                }
                continue;
            }
            let is_there = match element.strip_prefix("extension(").and_then(|rest| rest.strip_suffix(')')) {
                Some(url) => all
                    .iter()
                    .any(|one| one["extension"].as_array().is_some_and(|all| all.iter().any(|one| one["url"] == url))),
                None => element.split('|').any(|path| {
                    let path: Vec<&str> = path.split('.').collect();
                    all.iter().any(|one| stands(one, &path))
                }),
            };
            if !is_there {
                missing.push(format!("{profile}: {element} in none of {}", all.len()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// `_revinclude=Provenance:target` brings who made it, for every profile that US Core asks it of.
#[tokio::test(flavor = "multi_thread")]
async fn provenance_comes_with_everything() {
    let clinic = Clinic::open();
    for search in [
        "Patient?_id=",
        "AllergyIntolerance?patient=",
        "CarePlan?patient=",
        "CareTeam?patient=",
        "Condition?patient=",
        "Coverage?patient=",
        "DiagnosticReport?patient=",
        "DocumentReference?patient=",
        "Encounter?patient=",
        "Goal?patient=",
        "Immunization?patient=",
        "MedicationDispense?patient=",
        "MedicationRequest?patient=",
        "Observation?patient=",
        "Procedure?patient=",
        "QuestionnaireResponse?patient=",
        "RelatedPerson?patient=",
        "ServiceRequest?patient=",
    ] {
        let mut seen: BTreeMap<bool, usize> = BTreeMap::new();
        for number in 1..=60 {
            let bundle = clinic.bundle(&format!("{search}p{number:04}&_count=20&_revinclude=Provenance:target")).await;
            let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
            if entries.is_empty() {
                continue;
            }
            let provenances: Vec<&Value> =
                entries.iter().filter(|one| one["resource"]["resourceType"] == "Provenance").collect();
            assert!(provenances.iter().all(|one| one["search"]["mode"] == "include"));
            *seen.entry(!provenances.is_empty()).or_default() += 1;
        }
        assert!(seen.contains_key(&true), "{search}: no Provenance came: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_exported_and_documents_found() {
    let clinic = Clinic::open();
    let groups = clinic.found("Group").await;
    let group = groups.iter().find(|group| group["member"].is_array()).expect("a group with members");
    let path = format!("Group/{}/$export", group["id"].as_str().unwrap());
    let begun = clinic.send(&path, &[("prefer", "respond-async"), ("accept", "application/fhir+json")]).await;
    assert_eq!(begun.status(), 202, "{}", begun.body());
    let place = begun.headers()["content-location"].to_str().unwrap().to_owned();
    let manifest = loop {
        let state = clinic.send(&place, &[]).await;
        if state.status() != 202 {
            break serde_json::from_str::<Value>(state.body()).unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let kinds: Vec<&str> =
        manifest["output"].as_array().unwrap().iter().map(|one| one["type"].as_str().unwrap()).collect();
    for kind in [
        "Patient",
        "AllergyIntolerance",
        "CarePlan",
        "CareTeam",
        "Condition",
        "Coverage",
        "DiagnosticReport",
        "DocumentReference",
        "Encounter",
        "Goal",
        "Immunization",
        "Location",
        "MedicationDispense",
        "MedicationRequest",
        "Observation",
        "Organization",
        "Practitioner",
        "Procedure",
        "Provenance",
        "ServiceRequest",
    ] {
        assert!(kinds.contains(&kind), "the export of a group has no {kind}: {kinds:?}");
    }
    let members = group["member"].as_array().unwrap().iter().filter(|one| one["inactive"] != true).count();
    let patients = manifest["output"].as_array().unwrap().iter().find(|one| one["type"] == "Patient").unwrap();
    assert_eq!(patients["count"].as_u64().unwrap() as usize, members);
    let document = clinic.found("DocumentReference?_count=1").await.remove(0);
    let patient = given(&document, "patient").unwrap().replace("Patient/", "");
    let found = clinic.found(&format!("DocumentReference/$docref?patient={patient}")).await;
    assert!(found.iter().all(|one| one["resourceType"] == "DocumentReference"));
}
