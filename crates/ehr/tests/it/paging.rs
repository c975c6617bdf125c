//! Pages: complete, without repetition, stable while others write.

use serde_json::json;

use crate::support::Client;

async fn walk(client: &Client, path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(url) = next {
        let answer = client.get(&url).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        names.extend(answer.names());
        next = answer.link("next");
    }
    names
}

#[tokio::test]
async fn pages_are_the_whole_in_order_whatever_the_sort() {
    let client = Client::new();
    let all: Vec<_> = (0..25)
        .map(|at| json!({ "resourceType": "Patient", "id": format!("p{at:02}"), "name": [{ "family": format!("F{}", at % 4) }], "birthDate": format!("19{:02}-01-01", 50 + at % 7) }))
        .collect();
    client.store(&all).await;
    client.store(&[json!({ "resourceType": "Patient", "id": "nobody" })]).await;
    pages_are_whole(&client, 26).await;
    let last = client.get("Patient?_sort=family&_count=100").await.names();
    assert_eq!(last.last().unwrap(), "Patient/nobody");
}

/// Enough that the index of the sort key is walked, and some that have several values or none.
#[tokio::test]
async fn so_are_those_of_a_large_answer() {
    let client = Client::new();
    let lines: String = (0..3_300)
        .map(|at| {
            let mut patient = json!({ "resourceType": "Patient", "id": format!("p{at:04}"), "birthDate": format!("19{:02}-01-01", at % 90) });
            if at % 3 != 0 {
                patient["name"] = json!([{ "family": format!("F{}", at % 40) }, { "family": format!("F{}", at % 7) }]);
            }
            if at % 5 != 0 {
                patient["gender"] = json!(["male", "female", "other"][at % 3]);
            }
            format!("{patient}\n")
        })
        .collect();
    let done = client.send("POST", "$import", &[("content-type", "application/fhir+ndjson")], lines).await;
    assert_eq!(done.status, 200, "{}", done.text);
    for sort in ["gender", "-gender", "family", "-family", "birthdate", "-birthdate", "_id", "-_lastUpdated"] {
        let found = walk(&client, &format!("Patient?_count=700&_sort={sort}")).await;
        let distinct: std::collections::BTreeSet<_> = found.iter().collect();
        assert_eq!((found.len(), distinct.len()), (3_300, 3_300), "{sort}");
        // Two keys are sorted by gathering: the order must be the same.
        let other = if sort.starts_with('-') { "-_id" } else { "_id" };
        let gathered = walk(&client, &format!("Patient?_count=1000&_sort={sort},{other}")).await;
        assert_eq!(found, gathered, "{sort}");
    }
    let men = walk(&client, "Patient?_count=500&_sort=-birthdate&gender=male").await;
    assert_eq!(men.len(), 880);
}

async fn pages_are_whole(client: &Client, count: usize) {
    for sort in [
        "",
        "_sort=family",
        "_sort=-family",
        "_sort=birthdate,-family",
        "_sort=-_lastUpdated",
        "_sort=_id",
        "_sort=-birthdate,_id",
    ] {
        let whole = client.get(&format!("Patient?_count=100&{sort}")).await.names();
        assert_eq!(whole.len(), count);
        assert_eq!(walk(client, &format!("Patient?_count=4&{sort}")).await, whole, "{sort}");
    }
}

#[tokio::test]
async fn what_comes_while_paging_does_not_move_the_pages() {
    let client = Client::new();
    let patient = |id: &str| json!({ "resourceType": "Patient", "id": id });
    client.store(&["a", "b", "c", "d"].map(patient)).await;
    let first = client.get("Patient?_count=2").await;
    assert_eq!(first.json()["total"], 4);
    client.store(&["e"].map(patient)).await;
    client.send("DELETE", "Patient/a", &[], "").await;
    let second = client.get(&first.link("next").unwrap()).await;
    assert_eq!(second.names(), ["Patient/c", "Patient/d"]);
    assert_eq!(second.link("next"), None);
    assert_eq!(client.get("Patient?_cursor=nonsense").await.status, 400);
}

#[tokio::test]
async fn totals_are_told_as_asked() {
    let client = Client::new();
    let patient = |id: &str| json!({ "resourceType": "Patient", "id": id });
    client.store(&["a", "b", "c"].map(patient)).await;
    let count = client.get("Patient?_summary=count").await.json();
    assert_eq!((count["total"].clone(), count.get("entry")), (json!(3), None));
    assert_eq!(client.get("Patient?_count=0").await.json()["total"], 3);
    assert_eq!(client.get("Patient?_total=none").await.json().get("total"), None);
    assert_eq!(client.get("Patient?_total=accurate&_count=1").await.json()["total"], 3);
}
