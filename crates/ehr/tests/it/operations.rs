//! `$everything`, `$export`, `$import`, `$docref`.

use bascule_ehr::Access;
use serde_json::{Value, json};

use crate::support::{Answer, BASE, Client};

fn data() -> Vec<Value> {
    let observation = |id: &str, subject: &str, date: &str| json!({ "resourceType": "Observation", "id": id, "status": "final", "code": { "coding": [{ "code": id }] }, "subject": { "reference": subject }, "effectiveDateTime": date, "performer": [{ "reference": "Practitioner/dr" }] });
    vec![
        json!({ "resourceType": "Organization", "id": "org", "name": "Mercy" }),
        json!({ "resourceType": "Organization", "id": "other", "name": "Other" }),
        json!({ "resourceType": "Practitioner", "id": "dr" }),
        json!({ "resourceType": "Patient", "id": "a", "managingOrganization": { "reference": "Organization/org" }, "link": [{ "other": { "reference": "Patient/b" }, "type": "seealso" }] }),
        json!({ "resourceType": "Patient", "id": "b" }),
        observation("oa", "Patient/a", "2020-01-01"),
        observation("oa2", "Patient/a", "2022-01-01"),
        observation("ob", "Patient/b", "2020-01-01"),
        json!({ "resourceType": "Group", "id": "g", "type": "person", "actual": true, "member": [
            { "entity": { "reference": "Patient/a" } }, { "entity": { "reference": "Patient/b" }, "inactive": true }] }),
        json!({ "resourceType": "DocumentReference", "id": "d1", "status": "current", "subject": { "reference": "Patient/a" }, "date": "2020-01-01T00:00:00Z",
            "type": { "coding": [{ "system": "http://loinc.org", "code": "34133-9" }] }, "content": [{ "attachment": { "contentType": "text/plain" } }], "context": { "period": { "start": "2019-01-01", "end": "2019-12-31" } } }),
        json!({ "resourceType": "DocumentReference", "id": "d2", "status": "current", "subject": { "reference": "Patient/a" }, "date": "2021-01-01T00:00:00Z",
            "content": [{ "attachment": { "contentType": "text/plain" } }], "context": { "period": { "start": "2020-01-01", "end": "2020-12-31" } } }),
    ]
}

async fn client() -> Client {
    let client = Client::new();
    client.store(&data()).await;
    client
}

#[tokio::test]
async fn everything_is_the_compartment_and_what_it_refers_to() {
    let client = client().await;
    client
        .finds(
            "Patient/a/$everything",
            &[
                "DocumentReference/d1",
                "DocumentReference/d2",
                "Group/g",
                "Observation/oa",
                "Observation/oa2",
                "Organization/org",
                "Patient/a",
                "Practitioner/dr",
            ],
        )
        .await;
    client.finds("Patient/a/$everything?_type=Observation&start=2021-01-01", &["Observation/oa2"]).await;
    client
        .finds("Patient/a/$everything?_type=Observation,Organization&end=2021", &["Observation/oa", "Organization/org"])
        .await;
    assert_eq!(client.get("Patient/none/$everything").await.status, 404);
    let mut names = Vec::new();
    let mut next = Some("Patient/a/$everything?_count=3".to_owned());
    while let Some(url) = next {
        let page = client.get(&url).await;
        names.extend(page.names());
        next = page.link("next");
    }
    assert_eq!(names, client.get("Patient/a/$everything").await.names());
}

async fn finish(client: &Client, begun: &Answer) -> Answer {
    assert_eq!(begun.status, 202, "{}", begun.text);
    let url = begun.header("content-location").to_owned();
    for _ in 0..600 {
        let state = client.get(&url).await;
        if state.status != 202 {
            return state;
        }
        assert!(!state.header("x-progress").is_empty());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the job does not end");
}

async fn export(client: &Client, path: &str) -> Value {
    let begun = client.send("GET", path, &[("prefer", "respond-async"), ("accept", "application/fhir+json")], "").await;
    let done = finish(client, &begun).await;
    assert_eq!((done.status.as_u16(), done.header("content-type")), (200, "application/json"), "{}", done.text);
    assert!(!done.header("expires").is_empty());
    done.json()
}

/// `Type/id` of all lines.
async fn lines(client: &Client, manifest: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for output in manifest["output"].as_array().unwrap() {
        let file = client.get(output["url"].as_str().unwrap()).await;
        assert!(file.header("content-type").starts_with("application/fhir+ndjson"));
        assert_eq!(output["count"], file.text.lines().count());
        for line in file.text.lines() {
            let resource: Value = serde_json::from_str(line).unwrap();
            assert_eq!(resource["resourceType"], output["type"]);
            names.push(format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap()));
        }
    }
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_what_it_is_asked_for() {
    let client = client().await;
    let all = export(&client, "$export").await;
    assert_eq!(lines(&client, &all).await.len(), data().len());
    assert_eq!(all["request"], format!("{BASE}/$export"));
    assert_eq!(all["requiresAccessToken"], false);
    let patients = export(&client, "Patient/$export?_type=Patient,Observation,Organization").await;
    assert_eq!(
        lines(&client, &patients).await,
        ["Observation/oa", "Observation/oa2", "Observation/ob", "Organization/org", "Patient/a", "Patient/b"]
    );
    let group = export(&client, "Group/g/$export").await;
    let group = lines(&client, &group).await;
    assert!(group.contains(&"Patient/a".to_owned()) && group.contains(&"Practitioner/dr".to_owned()));
    assert!(!group.contains(&"Patient/b".to_owned()) && !group.contains(&"Observation/ob".to_owned()));
    let filtered = export(&client, "Patient/$export?_type=Observation&_typeFilter=Observation%3Fcode%3Doa").await;
    assert_eq!(lines(&client, &filtered).await, ["Observation/oa"]);
    let since = all["transactionTime"].as_str().unwrap();
    assert!(export(&client, &format!("$export?_since={since}")).await["output"].as_array().unwrap().is_empty());
    client.send("DELETE", "Observation/ob", &[], "").await;
    client.store(&[json!({ "resourceType": "Patient", "id": "new" })]).await;
    let fresh = export(&client, &format!("$export?_since={since}")).await;
    assert_eq!(lines(&client, &fresh).await, ["Patient/new"]);
    let deleted = client.get(fresh["deleted"][0]["url"].as_str().unwrap()).await;
    assert!(deleted.text.contains("Observation/ob"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_refused_cancelled_and_guarded() {
    let client = Client::with(|settings| settings.access = Access::Bearer("word".to_owned()));
    let bearer = ("authorization", "Bearer word");
    let asynchronous = ("prefer", "respond-async");
    assert_eq!(client.send("GET", "$export", &[asynchronous], "").await.status, 401);
    assert_eq!(client.send("GET", "$export", &[bearer], "").await.status, 400);
    for query in ["_outputFormat=parquet", "_since=yesterday", "_type=Nobody", "_typeFilter=x", "nonsense=1"] {
        assert_eq!(
            client.send("GET", &format!("$export?{query}"), &[bearer, asynchronous], "").await.status,
            400,
            "{query}"
        );
    }
    for format in ["application/fhir%2Bndjson", "application/ndjson", "ndjson"] {
        let begun = client.send("GET", &format!("$export?_outputFormat={format}"), &[bearer, asynchronous], "").await;
        assert_eq!(begun.status, 202);
        let url = begun.header("content-location").to_owned();
        assert_eq!(client.get(&url).await.status, 401);
        assert_eq!(client.send("DELETE", &url, &[bearer], "").await.status, 202);
        let gone = client.send("GET", &url, &[bearer], "").await;
        assert_eq!((gone.status.as_u16(), gone.json()["resourceType"].clone()), (404, json!("OperationOutcome")));
    }
    assert_eq!(client.send("GET", "_jobs/..%2F..%2Fetc/passwd", &[bearer], "").await.status, 404);
    assert_eq!(client.send("GET", "Group/none/$export", &[bearer], "").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_expires() {
    let client = Client::with(|settings| settings.export_seconds_max = -1);
    let begun = client.send("GET", "$export", &[("prefer", "respond-async")], "").await;
    assert_eq!(client.get(begun.header("content-location")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_takes_lines() {
    let client = Client::new();
    let ndjson = [("content-type", "application/fhir+ndjson")];
    let body =
        "{\"resourceType\":\"Patient\",\"id\":\"a\"}\n\n{\"resourceType\":\"Patient\",\"id\":\"b\",\"gender\":\"x\"}\n";
    let done = client.send("POST", "$import", &ndjson, body).await;
    assert_eq!(done.status, 422);
    assert!(done.text.contains("1 created") && done.text.contains("line 3"), "{}", done.text);
    client.finds("Patient", &["Patient/a"]).await;
    let begun = client.send("POST", "$import", &[ndjson[0], ("prefer", "respond-async")], body).await;
    let done = finish(&client, &begun).await.json();
    assert_eq!((done["output"]["unchanged"].clone(), done["output"]["refused"].clone()), (json!(1), json!(1)));
    let manifest = json!({ "resourceType": "Parameters", "parameter": [] });
    assert_eq!(client.post("$import", &manifest).await.status, 400);
}

/// What is under way when the client gives up is written; what comes after it is not read.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_stops_midway() {
    const LINES: usize = 60_000;
    let client = Client::new();
    let body: String = (0..LINES)
        .map(|at| format!("{{\"resourceType\":\"Basic\",\"id\":\"b{at}\",\"code\":{{\"text\":\"x\"}}}}\n"))
        .collect();
    let headers = [("content-type", "application/fhir+ndjson"), ("prefer", "respond-async")];
    let begun = client.send("POST", "$import", &headers, body).await;
    let url = begun.header("content-location").to_owned();
    assert_eq!(client.send("DELETE", &url, &[], "").await.status, 202);
    assert_eq!(client.get(&url).await.status, 404);
    let stored = || client.ehr.count_by_type().unwrap().iter().map(|(_, count)| *count).sum::<u64>();
    let mut before = stored();
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let now = stored();
        if now == before {
            break;
        }
        before = now;
    }
    assert!(before < LINES as u64 / 2, "{before} of {LINES} were written after the import was given up");
}

#[tokio::test]
async fn docref_gives_the_newest_or_those_of_a_time() {
    let client = client().await;
    client.finds("DocumentReference/$docref?patient=a", &["DocumentReference/d2"]).await;
    client
        .finds("DocumentReference/$docref?patient=a&start=2019-02-01&end=2019-03-01", &["DocumentReference/d1"])
        .await;
    client
        .finds(
            "DocumentReference/$docref?patient=a&start=2019-01-01",
            &["DocumentReference/d1", "DocumentReference/d2"],
        )
        .await;
    client
        .finds(
            "DocumentReference/$docref?patient=a&start=2019-01-01&type=http://loinc.org|34133-9",
            &["DocumentReference/d1"],
        )
        .await;
    assert_eq!(client.get("DocumentReference/$docref").await.status, 400);
}
