//! A bulk export through the real binary, out of the embedded EHR: what is granted of every patient, and nothing else.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::support::{Answer, Demo};

/// What the scheduling app may export here.
const GRANTS: &str = r#"
[[role.scheduler.grant]]
resource   = "Appointment"
operations = ["export"]
elements   = ["@appointment-times", "participant.actor.reference"]

[[role.scheduler.grant]]
resource   = "Patient"
operations = ["export"]
elements   = ["id", "name"]
"#;

async fn count(demo: &Demo, kind: &str) -> usize {
    let answer = demo.raw(&format!("/{kind}?_summary=count")).await;
    usize::try_from(answer.json()["total"].as_u64().unwrap()).unwrap()
}

/// The manifest, once the export is done.
async fn done(demo: &Demo, token: &str, place: &str) -> Value {
    for _ in 0..300 {
        let answer = demo.get(token, place).await;
        if answer.status == 200 {
            return answer.json();
        }
        assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the export does not end");
}

fn lines(file: &Answer) -> Vec<Value> {
    assert_eq!(file.status, 200, "{}", String::from_utf8_lossy(&file.body));
    assert_eq!(file.headers["content-type"], "application/fhir+ndjson");
    String::from_utf8_lossy(&file.body).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_brings_what_is_granted_of_every_patient_and_nothing_else() {
    let mut demo = Demo::start(&["--patients", "12"]);
    demo.kill();
    let file = demo.data().join("policy/scheduler.toml");
    let shipped = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, shipped + GRANTS).unwrap();
    demo.start_again();
    let token = demo.token("scheduler-app");
    let bearer = format!("Bearer {token}");
    let kick_off =
        [("authorization", bearer.as_str()), ("accept", "application/fhir+json"), ("prefer", "respond-async")];
    let refused = demo.send(Method::GET, "/fhir/$export?_type=Observation", &kick_off, None).await;
    assert_eq!(refused.status, 403);
    let begun = demo.send(Method::GET, "/fhir/$export?_type=Patient,Appointment", &kick_off, None).await;
    assert_eq!(begun.status, 202, "{}", String::from_utf8_lossy(&begun.body));
    let place = begun.headers["content-location"].to_str().unwrap().to_owned();
    let manifest = done(&demo, &token, &place).await;
    let other = demo.token("auditor-counts");
    assert_eq!(demo.get(&other, &place).await.status, 403, "another client's address");
    let (mut patients, mut appointments, mut last) = (0, 0, String::new());
    for file in manifest["output"].as_array().unwrap() {
        last = file["url"].as_str().unwrap().to_owned();
        for resource in lines(&demo.get(&token, &last).await) {
            let names: Vec<&str> = resource.as_object().unwrap().keys().map(String::as_str).collect();
            let text = resource.to_string();
            assert!(!text.contains("\"display\"") && !text.contains("birthDate"), "{text}");
            match file["type"].as_str().unwrap() {
                "Patient" => {
                    patients += 1;
                    assert!(
                        names.iter().all(|name| ["resourceType", "id", "meta", "name"].contains(name)),
                        "{names:?}"
                    );
                }
                _ => appointments += 1,
            }
        }
    }
    assert_eq!(patients, count(&demo, "Patient").await, "every patient");
    let all = count(&demo, "Appointment").await;
    assert!(appointments > 10 && appointments < all, "{appointments} of {all}: what 42 CFR part 2 protects stays");
    let ended = demo.send(Method::DELETE, &place, &[("authorization", bearer.as_str())], None).await;
    assert_eq!(ended.status, 202);
    assert_eq!(demo.get(&token, &place).await.status, 404);
    assert_eq!(demo.get(&token, &last).await.status, 404);
    println!("{patients} patients, {appointments} of {all} appointments came");
}

/// What the clinic may export here: the patients of a group.
const CLINIC: &str = r#"
[[role.outside-provider.grant]]
resource   = "Patient"
operations = ["export-group", "export-patients"]
elements   = ["id", "gender"]

[[role.outside-provider.grant]]
resource   = "Group"
operations = ["export-group"]
elements   = ["id"]
"#;

/// A group of two of the demo's patients.
const GROUP: &str = r#"{"resourceType":"Group","id":"walk-group","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/p0002"}},{"entity":{"reference":"Patient/p0005"}}]}"#;

/// The ids of the patients that an export brings.
async fn patients(demo: &Demo, token: &str, begun: Answer) -> Vec<String> {
    assert_eq!(begun.status, 202, "{}", String::from_utf8_lossy(&begun.body));
    let place = begun.headers["content-location"].to_str().unwrap().to_owned();
    let mut ids = Vec::new();
    for file in done(demo, token, &place).await["output"].as_array().unwrap() {
        for resource in lines(&demo.get(token, file["url"].as_str().unwrap()).await) {
            if resource["resourceType"] == "Patient" {
                ids.push(resource["id"].as_str().unwrap().to_owned());
            }
        }
    }
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn bd_10_the_patients_of_a_groups_export_are_its_members() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("group.ndjson");
    std::fs::write(&file, format!("{GROUP}\n")).unwrap();
    let mut demo = Demo::start(&["--patients", "12", "--load", &file.display().to_string()]);
    demo.kill();
    let file = demo.data().join("policy/outside-provider.toml");
    let shipped = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, shipped + CLINIC).unwrap();
    demo.start_again();
    let token = demo.token("eastside-clinic");
    demo.settled(&token, "/fhir/Patient/p0001").await;
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "application/fhir+json"),
        ("prefer", "respond-async"),
        ("content-type", "application/fhir+json"),
    ];
    let of_group = demo.send(Method::GET, "/fhir/Group/walk-group/$export?_type=Patient", &headers[..3], None).await;
    assert_eq!(patients(&demo, &token, of_group).await, ["p0002", "p0005"]);
    let named = r#"{"resourceType":"Parameters","parameter":[{"name":"_type","valueString":"Patient"},{"name":"patient","valueReference":{"reference":"Patient/p0003"}}]}"#;
    let of_one = demo.send(Method::POST, "/fhir/Patient/$export", &headers, Some(named.into())).await;
    assert_eq!(patients(&demo, &token, of_one).await, ["p0003"]);
    let system = demo.send(Method::GET, "/fhir/$export?_type=Patient", &headers[..3], None).await;
    assert_eq!(system.status, 403, "not the whole system");
}
