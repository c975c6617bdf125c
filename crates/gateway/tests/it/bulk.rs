//! Bulk export against the bridge, group by group of the bulk data conformance suites: first with nothing withheld, so that the
//! protocol is whole; then with what a role withholds, and for who may not.

use bascule_gateway::Limits;
use http::Method;
use serde_json::{Value, json};

use crate::house::{Answer, Caller, House, PUBLIC, hospital};
use crate::upstream::{Asked, Toy, reply};

const KICK_OFF: [(&str, &str); 2] = [("accept", "application/fhir+json"), ("prefer", "respond-async")];
/// Backends that export: all of everything, and codes only.
const POLICY: &str = r#"
[role.exporter]
title   = "Exports all"
purpose = ["HOPERAT"]
api     = "ehr"

[[role.exporter.grant]]
resource   = ["Patient", "Observation", "Appointment", "Group"]
operations = ["export"]
elements   = "*"

[role.counter]
title   = "Exports codes of groups"
purpose = ["HOPERAT"]
api     = "ehr"

[[role.counter.grant]]
resource     = ["Patient", "Group"]
operations   = ["export-group"]
elements     = ["id"]

[[role.counter.grant]]
resource     = "Observation"
operations   = ["export-group"]
search       = ["status"]
elements     = ["id", "status", "subject.reference"]
"#;

/// An upstream that exports: ready at the second question, files of every type.
async fn exporting() -> Toy {
    let ended = std::sync::atomic::AtomicBool::new(false);
    let asked_before = std::sync::atomic::AtomicUsize::new(0);
    Toy::answering(hospital(), move |resources, asked, base| {
        use std::sync::atomic::Ordering::Relaxed;
        let gone = || reply(404, json!({ "resourceType": "OperationOutcome" }), &[]);
        match (asked.method.as_str(), asked.address.split('?').next().unwrap()) {
            ("GET" | "POST", path) if path.ends_with("$export") => {
                ended.store(false, Relaxed);
                asked_before.store(0, Relaxed);
                reply(202, json!({}), &[("content-location", &format!("{base}/jobs/7"))])
            }
            ("DELETE", "/jobs/7") => {
                ended.store(true, Relaxed);
                reply(202, json!({}), &[])
            }
            (_, path) if path.starts_with("/jobs/7") && ended.load(Relaxed) => gone(),
            ("GET", "/jobs/7") if asked_before.fetch_add(1, Relaxed) == 0 => {
                reply(202, json!({}), &[("retry-after", "3"), ("x-progress", "2 of 6 resources")])
            }
            ("GET", "/jobs/7") => reply(200, manifest(base), &[]),
            ("GET", path) => match path.strip_prefix("/jobs/7/") {
                Some(kind) => lines(resources, kind),
                None => gone(),
            },
            _ => gone(),
        }
    })
    .await
}

fn manifest(base: &str) -> Value {
    let file = |kind: &str| json!({ "type": kind, "url": format!("{base}/jobs/7/{kind}"), "count": 2 });
    json!({
        "transactionTime": "2026-11-24T00:00:00Z", "request": format!("{base}/$export?internal=1"),
        "requiresAccessToken": true,
        "output": [file("Patient"), file("Observation"), file("Appointment"), file("Condition"),
            { "type": "Patient", "url": "http://admin.internal/secret" }],
        "deleted": [file("Bundle")], "error": [], "extension": { "internal": "SECRET" },
    })
}

fn lines(resources: &[Value], kind: &str) -> http::Response<bascule_wire::Body> {
    let lines = resources.iter().filter(|one| one["resourceType"] == kind).map(|one| format!("{one}\n"));
    http::Response::builder()
        .header("content-type", "application/fhir+ndjson")
        .body(bascule_wire::full(lines.collect::<String>()))
        .unwrap()
}

async fn house(toy: &Toy) -> House {
    let house = House::before(toy.address).await;
    house.add_policy(POLICY);
    house
}

fn backend(house: &House, role: &str) -> String {
    house.backend(&Caller { roles: &[role], scopes: "system/*.rs", patient: None, fhir_user: None, purpose: "HOPERAT" })
}

async fn kick_off(house: &House, token: &str, address: &str) -> Answer {
    house.ask(Method::GET, token, address, &KICK_OFF, "").await
}

/// Where the state of an export is asked for, behind the API's base.
fn place(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.headers["content-location"].to_str().unwrap().strip_prefix(PUBLIC).unwrap().to_owned()
}

/// The manifest of an export that has been waited for.
async fn waited(house: &House, token: &str, address: &str) -> (String, Value) {
    let place = place(&kick_off(house, token, address).await);
    assert_eq!(house.get(token, &place).await.status, 202);
    let done = house.get(token, &place).await;
    assert_eq!(done.status, 200, "{}", done.text);
    (place, done.json())
}

fn files(manifest: &Value) -> Vec<(String, String)> {
    let text = |file: &Value, name: &str| file[name].as_str().unwrap().to_owned();
    let local = |url: String| url.strip_prefix(PUBLIC).unwrap().to_owned();
    manifest["output"].as_array().unwrap().iter().map(|file| (text(file, "type"), local(text(file, "url")))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bd_1_the_statement_names_the_operation() {
    let toy = exporting().await;
    let said = house(&toy).await.get("", "/metadata").await.json();
    assert!(said.to_string().contains("OperationDefinition/export"), "at the system: {said}");
    let group = said["rest"][0]["resource"].as_array().unwrap().iter().find(|one| one["type"] == "Group").unwrap();
    assert_eq!(group["operation"][0]["name"], "export");
}

#[tokio::test(flavor = "multi_thread")]
async fn bd_2_bt_1_nobody_and_a_made_up_token_export_nothing() {
    let toy = exporting().await;
    let house = house(&toy).await;
    for address in ["/$export", "/Patient/$export", "/Group/g/$export"] {
        assert_eq!(kick_off(&house, "", address).await.status, 401);
        assert_eq!(kick_off(&house, "made-up", address).await.status, 401);
    }
    assert_eq!(toy.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bd_3_to_bd_6_an_export_goes_from_kick_off_to_manifest() {
    let toy = exporting().await;
    let house = house(&toy).await;
    let token = backend(&house, "exporter");
    for address in ["/$export", "/Patient/$export", "/Group/g/$export"] {
        toy.asked();
        let kicked = kick_off(&house, &token, address).await;
        let place = place(&kicked);
        let asked: Vec<Asked> = toy.asked();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].headers["prefer"], "respond-async");
        assert!(asked[0].address.contains("_type=Appointment%2CGroup%2CObservation%2CPatient"), "{}", asked[0].address);
        let running = house.get(&token, &place).await;
        assert_eq!((running.status, running.headers["retry-after"].to_str().unwrap()), (202, "3"));
        assert!(!running.headers["x-progress"].to_str().unwrap().contains('6'), "a number tells of what is withheld");
        let done = house.get(&token, &place).await;
        assert_eq!(done.headers["content-type"], "application/json");
        assert!(done.headers.contains_key("expires"));
        assert_eq!(done.headers["cache-control"], "no-store");
        let manifest = done.json();
        assert_eq!(manifest["transactionTime"], "2026-11-24T00:00:00Z");
        assert_eq!(manifest["request"], format!("{PUBLIC}{address}"));
        assert_eq!(manifest["requiresAccessToken"], true);
        assert_eq!(manifest["error"], json!([]));
        let types: Vec<String> = files(&manifest).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(types, ["Patient", "Observation", "Appointment"], "what is not granted is not listed");
        let upstream = toy.address.to_string();
        assert!(!done.text.contains(&upstream) && !done.text.contains("internal"), "{}", done.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bd_7_bd_8_bd_9_bt_17_files_need_the_token_and_hold_what_they_say() {
    let toy = exporting().await;
    let house = house(&toy).await;
    let token = backend(&house, "exporter");
    let (_, manifest) = waited(&house, &token, "/Group/g/$export").await;
    let mut patients = 0;
    for (kind, address) in files(&manifest) {
        assert_eq!(house.get("", &address).await.status, 401);
        let accept = [("accept", "application/fhir+ndjson")];
        let file = house.ask(Method::GET, &token, &address, &accept, "").await;
        assert_eq!(file.status, 200, "{}", file.text);
        assert_eq!(file.headers["content-type"], "application/fhir+ndjson");
        assert_eq!(file.headers["cache-control"], "no-store");
        for line in file.text.lines() {
            let resource: Value = serde_json::from_str(line).unwrap();
            assert_eq!(resource["resourceType"], kind.as_str());
            patients += usize::from(kind == "Patient");
        }
        let whole: Vec<Value> = hospital().into_iter().filter(|one| one["resourceType"] == kind.as_str()).collect();
        let came: Vec<Value> = file.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(came, whole, "nothing is withheld here");
    }
    assert!(patients >= 2);
    let entries = house.entries().await;
    let files: Vec<&Value> = entries.iter().filter(|entry| entry["patients"].as_u64().unwrap_or(0) > 0).collect();
    assert_eq!(files.len(), 3, "each file has its entry with its patients: {entries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bd_11_bd_12_bt_20_an_export_that_is_ended_is_gone_with_its_files() {
    let toy = exporting().await;
    let house = house(&toy).await;
    let token = backend(&house, "exporter");
    let (place, manifest) = waited(&house, &token, "/$export").await;
    assert_eq!(house.ask(Method::DELETE, &token, &place, &[], "").await.status, 202);
    let gone = house.get(&token, &place).await;
    assert_eq!((gone.status, gone.json()["resourceType"].clone()), (404, json!("OperationOutcome")));
    assert_eq!(house.get(&token, &files(&manifest)[0].1).await.status, 404);
    assert_eq!(house.ask(Method::DELETE, &token, &files(&manifest)[0].1, &[], "").await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn bd_13_bd_14_the_formats_and_a_moment_are_taken() {
    let toy = exporting().await;
    let house = house(&toy).await;
    let token = backend(&house, "exporter");
    for address in [
        "/$export?_outputFormat=application/fhir%2Bndjson",
        "/$export?_outputFormat=application%2Ffhir+ndjson",
        "/$export?_outputFormat=application/ndjson",
        "/Patient/$export?_outputFormat=ndjson",
        "/$export?_since=2026-01-01T00:00:00Z",
        "/$export?_since=2026-01-01T00:00:00%2B01:00&_type=Patient,Observation",
        "/$export?_typeFilter=Observation%3Fstatus%3Dfinal",
    ] {
        let place = place(&kick_off(&house, &token, address).await);
        assert_eq!(house.ask(Method::DELETE, &token, &place, &[], "").await.status, 202, "{address}");
    }
    let parameters =
        json!({ "resourceType": "Parameters", "parameter": [{ "name": "_type", "valueString": "Patient" }] });
    let headers: Vec<_> = KICK_OFF.into_iter().chain([("content-type", "application/fhir+json")]).collect();
    toy.asked();
    let posted = house.ask(Method::POST, &token, "/Patient/$export", &headers, &parameters.to_string()).await;
    assert_eq!(posted.status, 202, "{}", posted.text);
    assert_eq!(toy.asked()[0].address, "/Patient/$export?_type=Patient");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_named_patients_asks_for_them_and_lets_out_nobody_else() {
    let toy = exporting().await;
    let house = house(&toy).await;
    let token = backend(&house, "exporter");
    let named = |who: &str| {
        json!({ "resourceType": "Parameters", "parameter": [
            { "name": "_type", "valueString": "Patient,Observation,Appointment" },
            { "name": "_since", "valueInstant": "2026-01-01T00:00:00+01:00" },
            { "name": "patient", "valueReference": { "reference": who } },
        ]})
    };
    let headers: Vec<_> = KICK_OFF.into_iter().chain([("content-type", "application/fhir+json")]).collect();
    toy.asked();
    let begun = house.ask(Method::POST, &token, "/Patient/$export", &headers, &named("Patient/a").to_string()).await;
    let place = place(&begun);
    let asked: Vec<Asked> = toy.asked();
    assert_eq!((asked[0].method.as_str(), asked[0].address.as_str()), ("POST", "/Patient/$export"));
    let sent: Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(sent, named("Patient/a"), "named in a body, as the standard has it");
    assert_eq!(house.get(&token, &place).await.status, 202);
    let manifest = house.get(&token, &place).await.json();
    let mut came = 0;
    for (_, address) in files(&manifest) {
        // The upstream exports everybody, whatever it was asked.
        for line in house.get(&token, &address).await.text.lines() {
            let resource: Value = serde_json::from_str(line).unwrap();
            let whole = resource.to_string();
            assert!(resource["id"] == "a" || whole.contains("Patient/a"), "{whole}");
            came += 1;
        }
    }
    assert!(came >= 2, "{came}");
    for (address, body) in [
        ("/$export", named("Patient/a")),
        ("/Patient/$export", named("Group/g")),
        ("/Patient/$export", named("urn:uuid:0f2e1c1e-0000-4000-8000-000000000000")),
        (
            "/Patient/$export",
            json!({ "resourceType": "Parameters", "parameter": [
            { "name": "patient", "valueReference": { "identifier": { "value": "1" } } }] }),
        ),
    ] {
        let refused = house.ask(Method::POST, &token, address, &headers, &body.to_string()).await;
        assert!(matches!(refused.status, 400 | 403), "{address} {body}: {}", refused.text);
    }
}

/// The state of an export whose files lie on another host.
async fn elsewhere(files: std::net::SocketAddr) -> Toy {
    Toy::answering(hospital(), move |_, asked, base| match (asked.method.as_str(), asked.address.as_str()) {
        ("GET", "/jobs/8") => reply(
            200,
            json!({ "transactionTime": "2026-11-24T00:00:00Z", "requiresAccessToken": true, "error": [],
                "output": [{ "type": "Patient", "url": format!("http://{files}/fhir/jobs/7/Patient") },
                    { "type": "Patient", "url": format!("http://user@{files}/fhir/jobs/7/Patient") },
                    { "type": "Patient", "url": "http://127.0.0.1:9/fhir/jobs/7/Patient" }] }),
            &[],
        ),
        _ => reply(202, json!({}), &[("content-location", &format!("{base}/jobs/8"))]),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_on_another_host_are_fetched_if_the_house_names_it() {
    let host = exporting().await;
    for named in [true, false] {
        let toy = elsewhere(host.address).await;
        let origin = format!("http://{}", host.address);
        let house = House::changed(&format!("http://{}/fhir", toy.address), Limits::default(), |api| {
            api.upstream.files = if named { vec![origin.parse().unwrap()] } else { Vec::new() };
        })
        .await;
        house.add_policy(POLICY);
        let token = backend(&house, "exporter");
        let place = place(&kick_off(&house, &token, "/Patient/$export").await);
        let manifest = house.get(&token, &place).await.json();
        let files = files(&manifest);
        assert_eq!(files.len(), usize::from(named), "{manifest}");
        for (_, address) in files {
            let file = house.get(&token, &address).await;
            assert_eq!((file.status, file.text.lines().count()), (200, 2), "{}", file.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bt_18_bt_19_a_kick_off_that_is_not_whole_is_refused() {
    let toy = exporting().await;
    let house = house(&toy).await;
    let token = backend(&house, "exporter");
    let refused = |answer: &Answer| {
        assert!((400..500).contains(&answer.status), "{}", answer.status);
        assert_eq!(answer.json()["resourceType"], "OperationOutcome");
    };
    for headers in [&KICK_OFF[..1], &KICK_OFF[1..], &[]] {
        refused(&house.ask(Method::GET, &token, "/$export", headers, "").await);
    }
    for address in [
        "/$export?_outputFormat=text/csv",
        "/$export?_since=yesterday",
        "/$export?_since=2126-01-01T00:00:00Z",
        "/$export?_type=Pacient",
        "/$export?patient=Patient/a",
        "/$export?_typeFilter=status%3Dfinal",
        "/$export?colour=blue",
        "/Observation/$export",
        "/Group/g/$export?_type=Condition",
    ] {
        refused(&kick_off(&house, &token, address).await);
    }
    let lenient = [KICK_OFF[0], ("prefer", "respond-async, handling=lenient")];
    toy.asked();
    place(&house.ask(Method::GET, &token, "/$export", &lenient, "").await);
    assert_eq!(toy.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_11_of_each_line_leaves_what_is_granted_and_no_copy_of_the_rest() {
    let toy = exporting().await;
    let house = house(&toy).await;
    let token = backend(&house, "counter");
    let (_, manifest) = waited(&house, &token, "/Group/g/$export").await;
    let types: Vec<String> = files(&manifest).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(types, ["Patient", "Observation"]);
    for (_, address) in files(&manifest) {
        let file = house.get(&token, &address).await;
        assert_eq!(file.text.lines().count(), 2, "{}", file.text);
        for hidden in ["TOKEN-OF", "DISPLAY", "Alpha", "Beta", "1980", "555"] {
            assert!(!file.text.contains(hidden), "{hidden}: {}", file.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_export_a_group_may_not_export_the_system_or_search_by_what_is_hidden() {
    let toy = exporting().await;
    let house = house(&toy).await;
    let token = backend(&house, "counter");
    for address in [
        "/$export",
        "/Patient/$export",
        "/Group/g/$export?_type=Appointment",
        "/Group/g/$export?_typeFilter=Observation%3Fcode%3Dx",
        "/Group/g/$export?_typeFilter=Patient%3Fname%3Dx",
    ] {
        assert_eq!(kick_off(&house, &token, address).await.status, 403, "{address}");
    }
    let person = house.token(&Caller {
        roles: &["exporter"],
        scopes: "user/*.rs",
        patient: None,
        fhir_user: None,
        purpose: "HOPERAT",
    });
    assert_eq!(kick_off(&house, &person, "/$export").await.status, 403, "an export is for systems");
    let scheduler = backend(&house, "scheduler");
    assert_eq!(kick_off(&house, &scheduler, "/$export").await.status, 403);
    assert_eq!(toy.asked().len(), 0);
    let bundle = json!({ "resourceType": "Bundle", "type": "batch", "entry": [
        { "request": { "method": "GET", "url": "$export" } },
    ]});
    let headers: Vec<_> = KICK_OFF.into_iter().chain([("content-type", "application/fhir+json")]).collect();
    for kind in ["batch", "transaction"] {
        let mut bundle = bundle.clone();
        bundle["type"] = json!(kind);
        let answer = house.ask(Method::POST, &backend(&house, "exporter"), "", &headers, &bundle.to_string()).await;
        assert!(!answer.text.contains("202"), "{}", answer.text);
    }
    assert_eq!(toy.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_addresses_of_an_export_are_for_one_client_under_one_policy() {
    let toy = exporting().await;
    let house = house(&toy).await;
    let token = backend(&house, "exporter");
    let (place, manifest) = waited(&house, &token, "/$export").await;
    let file = files(&manifest)[0].1.clone();
    let page = format!("?page={}", file.strip_prefix("/_bulk/").unwrap());
    assert_eq!(house.get(&token, &page).await.status, 403, "a file is no page");
    let other = house.scheduler();
    toy.asked();
    for address in [&place, &file] {
        assert_eq!(house.get(&other, address).await.status, 403);
        assert_eq!(house.ask(Method::DELETE, &other, address, &[], "").await.status, 403);
    }
    house.change_policy();
    house.add_policy(&format!("{POLICY}\n# reviewed"));
    for address in [&place, &file] {
        assert_eq!(house.get(&token, address).await.status, 403);
    }
    assert_eq!(toy.asked().len(), 0, "nothing of it is asked upstream");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_an_export_has_its_entry() {
    let toy = exporting().await;
    let house = house(&toy).await;
    let token = backend(&house, "exporter");
    let (place, manifest) = waited(&house, &token, "/$export").await;
    house.get(&token, &files(&manifest)[0].1).await;
    house.ask(Method::DELETE, &token, &place, &[], "").await;
    house.get(&token, &place).await;
    kick_off(&house, "", "/$export").await;
    let entries = house.entries().await;
    let statuses: Vec<u64> = entries.iter().map(|entry| entry["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [202, 202, 200, 200, 202, 404, 401]);
}
