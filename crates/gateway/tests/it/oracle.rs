//! No oracle: what is hidden and what is absent take the same path, ask the same of the upstream, and come back alike: status,
//! headers, size, and time. A leaky control shows that the time would be seen.

use std::sync::Arc;
use std::time::Instant;

use bascule_gateway::Limits;
use http::Method;
use serde_json::{Value, json};

use crate::house::{Answer, Caller, House, hospital};
use crate::upstream::{Asked, Toy, answer, reply};

/// An upstream that searches truly by `_id`, `patient` and `subject`, and takes a moment longer over what is there.
async fn truthful(moment_ms: u64) -> Toy {
    Toy::answering(hospital(), move |resources, asked, base| {
        let (path, query) = asked.address.split_once('?').unwrap_or((&asked.address, ""));
        let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
        if asked.method == "GET" && steps.len() == 1 {
            return searched(resources, steps.first().unwrap(), query);
        }
        let there = resources.iter().any(|one| steps.contains(&one["id"].as_str().unwrap()));
        std::thread::sleep(std::time::Duration::from_millis(if there { moment_ms } else { 0 }));
        answer(resources, &asked.method, path, &asked.body, base)
    })
    .await
}

fn searched(resources: &[Value], kind: &str, query: &str) -> http::Response<bascule_wire::Body> {
    let decoded = query.replace("%2F", "/").replace("%2C", ",");
    let fits = |one: &&Value| {
        one["resourceType"] == kind
            && decoded.split('&').filter_map(|pair| pair.split_once('=')).all(|(name, value)| match name {
                "_id" => value.split(',').any(|id| one["id"] == id),
                "patient" | "subject" => value.split(',').any(|of| one.to_string().contains(&format!("\"{of}\""))),
                _ => true,
            })
    };
    let entries: Vec<Value> =
        resources.iter().filter(fits).map(|one| json!({ "resource": one, "search": { "mode": "match" } })).collect();
    reply(200, json!({ "resourceType": "Bundle", "type": "searchset", "total": entries.len(), "entry": entries }), &[])
}

fn patient(house: &House) -> String {
    house.token(&Caller {
        roles: &["patient"],
        scopes: "patient/*.cruds",
        patient: Some("a"),
        fhir_user: Some("Patient/a"),
        purpose: "PATRQT",
    })
}

/// Everything about an answer but the names of the request, with the id that was asked for taken out.
fn shape(answer: &Answer, id: &str) -> (u16, Vec<(String, String)>, String) {
    let request = answer.headers["x-request-id"].to_str().unwrap().to_owned();
    let plain = |text: &str| text.replace(&request, "REQUEST").replace(id, "ID");
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "audit-receipt"))
        .map(|(name, value)| (name.to_string(), plain(value.to_str().unwrap())))
        .collect();
    headers.sort();
    (answer.status, headers, plain(&answer.text))
}

fn calls(asked: &[Asked], id: &str) -> Vec<(String, String)> {
    let mut calls: Vec<_> = asked.iter().map(|one| (one.method.clone(), one.address.replace(id, "ID"))).collect();
    calls.sort(); // The entries of a batch walk at the same time.
    calls
}

/// Method, address with `ID` in it, headers, and the body for an id.
type Road<'r> = (Method, &'r str, Vec<(&'r str, &'r str)>, &'r dyn Fn(&str) -> String);

#[tokio::test(flavor = "multi_thread")]
async fn lesson_12_hidden_and_absent_are_alike_on_every_road() {
    let toy = truthful(0).await;
    let house = House::before(toy.address).await;
    let token = patient(&house);
    let fhir = ("content-type", "application/fhir+json");
    let patch = ("content-type", "application/json-patch+json");
    let version = ("if-match", "W/\"1\"");
    let cancel = r#"[{"op":"replace","path":"/status","value":"cancelled"}]"#;
    let appointment = |id: &str| json!({ "resourceType": "Appointment", "id": id, "status": "cancelled" }).to_string();
    let batch = |id: &str| {
        let entry = |url: String| json!({ "request": { "method": "GET", "url": url } });
        let entries = [entry(format!("Observation/{id}")), entry(format!("Observation?_id={id}"))];
        json!({ "resourceType": "Bundle", "type": "batch", "entry": entries }).to_string()
    };
    let cancelling = |_: &str| cancel.to_owned();
    let nothing = |_: &str| String::new();
    let roads: Vec<Road<'_>> = vec![
        (Method::GET, "/Observation/ID", vec![], &nothing),
        (Method::GET, "/Observation/ID?_summary=true", vec![], &nothing),
        (Method::GET, "/Observation/ID/_history/1", vec![], &nothing),
        (Method::GET, "/Observation?_id=ID", vec![], &nothing),
        (Method::GET, "/Observation?_id=ID&_total=accurate", vec![], &nothing),
        (Method::GET, "/Observation?_id=ID&_summary=count", vec![], &nothing),
        (Method::GET, "/Observation?_id=ID&_sort=-date", vec![], &nothing),
        (Method::GET, "/Observation?_id=ID&_include=Observation:subject", vec![], &nothing),
        (Method::POST, "", vec![fhir], &batch),
        (Method::PATCH, "/Appointment/ID", vec![patch, version], &cancelling),
        (Method::PUT, "/Appointment/ID", vec![fhir, version], &appointment),
        (Method::DELETE, "/Appointment/ID", vec![], &nothing),
    ];
    for (method, road, headers, body) in roads {
        let hidden = if road.starts_with("/App") { "ab" } else { "ob" };
        let mut found = Vec::new();
        for id in [hidden, "zz"] {
            toy.asked();
            let road = road.replace("ID", id);
            let answer = house.ask(method.clone(), &token, &road, &headers, &body(id)).await;
            found.push((shape(&answer, id), calls(&toy.asked(), id)));
        }
        assert_eq!(found[0], found[1], "{method} {road}");
    }
}

/// How far apart two samples are, in standard deviations (Mann and Whitney's U).
fn apart(left: &[f64], right: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> =
        left.iter().map(|one| (*one, true)).chain(right.iter().map(|one| (*one, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ranks: f64 =
        all.iter().zip(1_u32..).filter(|((_, of_left), _)| *of_left).map(|(_, rank)| f64::from(rank)).sum();
    let (m, n) = (left.len() as f64, right.len() as f64);
    let u = ranks - m * (m + 1.0) / 2.0;
    (u - m * n / 2.0) / (m * n * (m + n + 1.0) / 12.0).sqrt()
}

/// Times of pairs of reads, hidden and absent, in microseconds.
async fn times(house: Arc<House>, pairs: usize, workers: usize) -> (Vec<f64>, Vec<f64>) {
    let tasks: Vec<_> = (0..workers)
        .map(|worker| {
            let house = Arc::clone(&house);
            tokio::spawn(async move {
                let (mut hidden, mut absent, mut token) = (Vec::new(), Vec::new(), String::new());
                for at in 0..pairs / workers {
                    if at % 50 == 0 {
                        token = patient(&house); // None ends before the pairs do.
                    }
                    // In turn, so that nothing that changes with time falls on one of them only.
                    let order = if (at + worker) % 2 == 0 { [true, false] } else { [false, true] };
                    for is_hidden in order {
                        let begun = Instant::now();
                        let answer =
                            house.get(&token, if is_hidden { "/Observation/ob" } else { "/Observation/zz" }).await;
                        let took = begun.elapsed().as_secs_f64() * 1e6;
                        // A busy machine may lose a connection; what is not answered is not compared.
                        match (answer.status, is_hidden) {
                            (404, true) => hidden.push(took),
                            (404, false) => absent.push(took),
                            (502 | 504, _) => {}
                            (status, _) => panic!("{status}: {}", answer.text),
                        }
                    }
                }
                (hidden, absent)
            })
        })
        .collect();
    let (mut hidden, mut absent) = (Vec::new(), Vec::new());
    for task in tasks {
        let (more_hidden, more_absent) = task.await.unwrap();
        hidden.extend(more_hidden);
        absent.extend(more_absent);
    }
    assert!(hidden.len() + absent.len() > pairs * 2 * 95 / 100, "{} and {} answers", hidden.len(), absent.len());
    (hidden, absent)
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_12_the_time_does_not_tell_hidden_from_absent() {
    let long = std::env::var_os("BASCULE_LONG").is_some();
    let (pairs, workers, moment_ms) = if long { (5_000, 25, 4) } else { (160, 8, 80) };
    // The upstream takes a moment longer over what is there; the floor stands above what either takes on a busy machine.
    let toy = truthful(moment_ms).await;
    let upstream = format!("http://{}/fhir", toy.address);
    let limits = |absent_floor_ms| Limits { absent_floor_ms, ..Limits::default() };
    let house = Arc::new(House::with(&upstream, limits(400)).await);
    let (hidden, absent) = times(Arc::clone(&house), pairs, workers).await;
    let told = apart(&hidden, &absent);
    let leaky = Arc::new(House::with(&upstream, limits(0)).await);
    let (hidden, absent) = times(leaky, pairs, workers).await;
    let control = apart(&hidden, &absent);
    println!("{pairs} pairs: {told:.2} standard deviations apart, the leaky control {control:.2}");
    assert!(control > 4.0, "without the floor the time tells: {control}");
    assert!(told.abs() < 4.0, "with it the time does not: {told}");
}
