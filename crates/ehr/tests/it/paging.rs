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

/// Visits of one patient after the other, a day apart; every tenth lasts a week, every thousandth has not ended.
mod visits {
    use serde_json::{Value, json};
    use time::{Date, Duration, Month};

    pub(super) const ALL: i64 = 9_000;

    pub(super) struct Visit {
        pub(super) number: i64,
        pub(super) family: &'static str,
        pub(super) status: &'static str,
        pub(super) start: Date,
        /// Nothing: it goes on.
        pub(super) end: Option<Date>,
    }

    pub(super) fn all() -> Vec<Visit> {
        (0..ALL).map(visit).collect()
    }

    fn visit(number: i64) -> Visit {
        let start = Date::from_calendar_date(2000, Month::January, 1).unwrap() + Duration::days(number * 7_919 % 3_000);
        let length = Duration::days(if number % 10 == 0 { 7 } else { 0 });
        let end = (number % 1_000 != 999).then_some(start + length);
        let family = if number / 150 % 2 == 0 { "Even" } else { "Odd" };
        Visit { number, family, status: if number % 9 == 0 { "planned" } else { "finished" }, start, end }
    }

    pub(super) fn resources() -> impl Iterator<Item = Value> {
        let patients = (0..ALL / 150).map(|number| {
            let family = if number % 2 == 0 { "Even" } else { "Odd" };
            json!({ "resourceType": "Patient", "id": format!("p{number}"), "name": [{ "family": family }] })
        });
        patients.chain(all().into_iter().map(|visit| {
            let Visit { number, status, start, end, .. } = visit;
            let mut period = json!({ "start": start.to_string() });
            if let Some(end) = end {
                period["end"] = json!(end.to_string());
            }
            json!({ "resourceType": "Encounter", "id": format!("e{number}"), "status": status, "class": { "code": "AMB" },
                    "subject": { "reference": format!("Patient/p{}", number / 150) }, "period": period })
        }))
    }
}

/// Answers too large to be gathered: the ways to a page that only they take must find the same, in the same order.
#[tokio::test]
async fn large_answers_are_what_a_plain_reading_finds() {
    let client = Client::new();
    let lines: String = visits::resources().map(|one| format!("{one}\n")).collect();
    let done = client.send("POST", "$import", &[("content-type", "application/fhir+ndjson")], lines).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let all = visits::all();
    let names = |those: Vec<&visits::Visit>| -> Vec<String> {
        those.iter().map(|visit| format!("Encounter/e{}", visit.number)).collect()
    };
    let odd = |visit: &&visits::Visit| visit.family == "Odd";
    let expect = names(all.iter().filter(odd).collect());
    assert!(expect.len() > 4_000);
    for count in [13, 1_000] {
        let path = format!("Encounter?subject:Patient.family=odd&_count={count}");
        let mut found = walk_some(&client, &path, expect.len().min(40 * count)).await;
        found.truncate(expect.len());
        assert_eq!(found, expect[..found.len()], "{path}");
        assert!(found.len() >= expect.len().min(40 * count), "{path}: {}", found.len());
    }
    let sieved = names(all.iter().filter(odd).filter(|visit| visit.status == "finished").collect());
    assert_eq!(walk(&client, "Encounter?subject:Patient.family=odd&status=finished&_count=700").await, sieved);
    assert_eq!(
        walk(&client, "Encounter?status=finished&subject:Patient.family=odd,even&_count=1000").await.len(),
        8_000
    );
    let (from, until) = (time::macros::date!(2001 - 01 - 01), time::macros::date!(2004 - 01 - 01));
    let reaches = |visit: &&visits::Visit| visit.start < until && visit.end.is_none_or(|end| end >= from);
    let mut within: Vec<_> = all.iter().filter(reaches).collect();
    assert!(within.len() > 3_000);
    let range = "Encounter?date=ge2001-01-01&date=lt2004-01-01";
    assert_eq!(walk(&client, &format!("{range}&_count=1000")).await, names(within.clone()));
    within.sort_by_key(|visit| (visit.start, visit.number));
    assert_eq!(walk(&client, &format!("{range}&_sort=date&_count=900")).await, names(within.clone()));
    within.sort_by_key(|visit| std::cmp::Reverse((visit.end.unwrap_or(time::Date::MAX), visit.number)));
    assert_eq!(walk(&client, &format!("{range}&_sort=-date&_count=900")).await, names(within.clone()));
    // Without long ones the far side of the range bounds the walk as well.
    let short = |visit: &&visits::Visit| visit.end == Some(visit.start) && visit.start >= from && visit.start < until;
    let mut those: Vec<_> = all.iter().filter(short).collect();
    those.sort_by_key(|visit| (visit.start, visit.number));
    for visit in all.iter().filter(|visit| visit.end != Some(visit.start)) {
        let _gone = client.send("DELETE", &format!("Encounter/e{}", visit.number), &[], "").await;
    }
    assert_eq!(walk(&client, &format!("{range}&_sort=date&_count=900")).await, names(those.clone()));
    those.sort_by_key(|visit| std::cmp::Reverse((visit.start, visit.number)));
    assert_eq!(walk(&client, &format!("{range}&_sort=-date&_count=900")).await, names(those));
}

/// The first pages, until there are so many.
async fn walk_some(client: &Client, path: &str, enough: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(url) = next.filter(|_| names.len() < enough) {
        let answer = client.get(&url).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        names.extend(answer.names());
        next = answer.link("next");
    }
    names
}
