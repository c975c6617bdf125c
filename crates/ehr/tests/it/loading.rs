//! Loading with the index put off: the same answers as with the index kept, whole when loading returns, and built by the
//! next opening if the process ended in between.

use bascule_ehr::{EhrError, LoadItem};
use serde_json::{Value, json};

use crate::support::Client;

fn items(all: &[Value]) -> Vec<Result<LoadItem, EhrError>> {
    all.iter()
        .enumerate()
        .map(|(at, value)| Ok(LoadItem { place: format!("item {at}"), text: value.to_string().into_bytes() }))
        .collect()
}

const ASKED: [&str; 9] = [
    "Observation?code=718-7",
    "Observation?subject:Patient.family=Miller",
    "Observation?_sort=-date",
    "Patient?_content=tulips",
    "Patient?family=mil",
    "Patient?_has:Observation:patient:code=718-7",
    "Observation?value-quantity=gt5",
    "Location?near=52.5|13.4|50|km",
    "Observation?value-quantity=54|http://unitsofmeasure.org|g/L",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_index_built_afterwards_answers_like_one_that_was_kept() {
    let all = crate::search::data();
    let (kept, built) = (Client::new(), Client::new());
    tokio::task::block_in_place(|| {
        kept.ehr.load(items(&all).into_iter(), |_| {}).unwrap();
        let mut indexed = 0;
        let summary = built.ehr.load_then_index(items(&all).into_iter(), |_| {}, |count| indexed = count).unwrap();
        assert_eq!((summary.created, indexed), (all.len() as u64, all.len() as u64));
        let again = built.ehr.load_then_index(items(&all).into_iter(), |_| {}, |_| {}).unwrap();
        assert_eq!((again.created, again.unchanged), (0, all.len() as u64));
    });
    for path in ASKED {
        let (one, other) = (kept.get(path).await, built.get(path).await);
        assert_eq!((one.status, one.names()), (other.status, other.names()), "{path}");
    }
    let changed = json!({ "resourceType": "Patient", "id": all[0]["id"], "name": [{ "family": "Other" }] });
    assert!(built.put(&changed).await.status.is_success());
    assert!(
        built
            .get("Patient?family=Other")
            .await
            .names()
            .contains(&format!("Patient/{}", changed["id"].as_str().unwrap()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn references_by_search_are_resolved_before_the_index_is_there() {
    let client = Client::new();
    let doctor =
        json!({ "resourceType": "Practitioner", "id": "dr", "identifier": [{ "system": "npi", "value": "1" }] });
    let bundle = |condition: &str| {
        json!({ "resourceType": "Bundle", "type": "transaction", "entry": [{ "fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
            "resource": { "resourceType": "Encounter", "status": "finished", "class": { "code": "AMB" }, "subject": { "reference": condition },
                "participant": [{ "individual": { "reference": "Practitioner?identifier=npi|1" } }] },
            "request": { "method": "POST", "url": "Encounter" } }] })
    };
    let all = [doctor, bundle("Patient/p"), bundle("Patient?identifier=mrn|1")];
    let load = || client.ehr.load_then_index(items(&all).into_iter(), |_| {}, |_| {}).unwrap();
    let summary = tokio::task::block_in_place(load);
    assert_eq!((summary.created, summary.refused), (2, 1), "{:?}", summary.refusals);
    assert!(summary.refusals[0].1.contains("Patient by a search"), "{:?}", summary.refusals);
    assert_eq!(client.get("Encounter?practitioner=Practitioner/dr").await.names().len(), 1);
}

/// The state of a file whose load ended before its index was built, or while it was.
async fn interrupted(state: &str) {
    let client = Client::new();
    client.store(&crate::search::data()).await;
    let expect = client.get("Observation?code=718-7").await.names();
    assert!(!expect.is_empty());
    let connection = rusqlite::Connection::open(client.file()).unwrap();
    connection.execute("UPDATE setting SET value = ?1 WHERE name = 'index'", [state]).unwrap();
    connection
        .execute_batch("DELETE FROM token; DROP INDEX date_low; INSERT INTO words (words) VALUES ('delete-all')")
        .unwrap();
    drop(connection);
    assert!(client.get("Observation?code=718-7").await.names().is_empty());
    let client = client.again();
    for path in ASKED {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
    assert_eq!(client.get("Observation?code=718-7").await.names(), expect);
    let connection = rusqlite::Connection::open(client.file()).unwrap();
    let indexes: i64 = connection
        .query_row(
            "SELECT COUNT(*) FROM sqlite_schema WHERE name IN ('date_low', 'date_high', 'reference_from')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(indexes, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_put_off_is_built_at_the_next_opening() {
    interrupted("put off").await;
    interrupted("1 of an older program").await;
}

/// Killed in the middle: what was indexed stays, the rest follows.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_being_built_is_gone_on_with() {
    let client = Client::new();
    client.store(&crate::search::data()).await;
    let connection = rusqlite::Connection::open(client.file()).unwrap();
    let edition: String =
        connection.query_row("SELECT value FROM setting WHERE name = 'index'", [], |row| row.get(0)).unwrap();
    let middle: i64 = connection.query_row("SELECT MAX(pk) / 2 FROM resource", [], |row| row.get(0)).unwrap();
    for table in ["token", "string", "reference", "uri", "date", "number", "quantity"] {
        connection.execute(&format!("DELETE FROM {table} WHERE pk > ?1"), [middle]).unwrap();
    }
    connection.execute("DELETE FROM words WHERE rowid > ?1", [middle]).unwrap();
    // A sign that what is there already is not made again.
    connection.execute("DELETE FROM string WHERE pk <= ?1", [middle]).unwrap();
    connection
        .execute("UPDATE setting SET value = ?1 WHERE name = 'index'", [format!("building {edition} {middle}")])
        .unwrap();
    drop(connection);
    let client = client.again();
    let connection = rusqlite::Connection::open(client.file()).unwrap();
    let count = |sql: &str| connection.query_row(sql, [middle], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT COUNT(*) FROM string WHERE pk <= ?1"), 0);
    assert!(count("SELECT COUNT(*) FROM token WHERE pk > ?1") > 0);
    let now: String =
        connection.query_row("SELECT value FROM setting WHERE name = 'index'", [], |row| row.get(0)).unwrap();
    assert_eq!(now, edition);
}

/// While the index is not whole, reading by id works and everything that needs it is put off.
#[tokio::test(flavor = "multi_thread")]
async fn until_the_index_is_whole_searches_are_asked_to_wait() {
    let client = Client::new();
    client.store(&[json!({ "resourceType": "Patient", "id": "p" })]).await;
    let (asked, asking) = tokio::sync::oneshot::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let ehr = client.ehr.clone();
    let loading = tokio::task::spawn_blocking(move || {
        let mut asked = Some(asked);
        let items = (0..2).map(move |at| {
            if at == 1 {
                asked.take().unwrap().send(()).unwrap();
                wait.recv().unwrap();
            }
            let text = format!("{{\"resourceType\":\"Patient\",\"id\":\"n{at}\"}}").into_bytes();
            Ok(LoadItem { place: String::new(), text })
        });
        ehr.load_then_index(items, |_| {}, |_| {}).unwrap()
    });
    asking.await.unwrap();
    for (method, path) in
        [("GET", "Patient"), ("DELETE", "Patient/p"), ("GET", "Patient/p/$everything"), ("GET", "$export")]
    {
        let answer = client.send(method, path, &[("prefer", "respond-async")], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "10"), "{path}");
        assert_eq!(answer.json()["issue"][0]["code"], "transient");
    }
    assert_eq!(client.get("Patient/p").await.status, 200);
    assert_eq!(client.get("metadata").await.status, 200);
    go.send(()).unwrap();
    assert_eq!(loading.await.unwrap().created, 2);
    client.finds("Patient", &["Patient/n0", "Patient/n1", "Patient/p"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_text_that_was_off_is_there_once_it_is_on() {
    let client = Client::with(|settings| settings.full_text = false);
    client.store(&crate::search::data()).await;
    assert_eq!(client.get("Patient?_content=tulips").await.status, 400);
    let client = client.again();
    assert_eq!(client.get("Patient?_content=tulips").await.status, 200);
}
