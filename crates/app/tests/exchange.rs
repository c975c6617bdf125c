//! A laboratory sends HL7 v2 over MLLP; the physician sees the result in the chart. The real binary from outside: the wire, the
//! queue, the bridge, the EHR and the log.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bascule_hl7::{Deframer, Event, frame};
use serde_json::Value;

use crate::support::Demo;

const DELIVERED_WITHIN: Duration = Duration::from_secs(60);

/// A patient of the demo and an order of theirs, as the EHR has them.
struct Order {
    patient: String,
    mrn: String,
    number: String,
}

async fn order(demo: &Demo) -> Order {
    let orders = demo.raw("/ServiceRequest?subject=Patient/p0001&_count=1").await.json();
    let number = orders["entry"][0]["resource"]["identifier"][0]["value"].as_str().unwrap().to_owned();
    let patient = demo.raw("/Patient/p0001").await.json();
    let mrn = patient["identifier"][0]["value"].as_str().unwrap().to_owned();
    Order { patient: "p0001".to_owned(), mrn, number }
}

fn result(control_id: &str, mrn: &str, order: &str, filler: &str, value: &str, status: &str) -> String {
    [
        format!("MSH|^~\\&|LIS|MERCYLAB|EHR|MERCY|20260301120000||ORU^R01^ORU_R01|{control_id}|P|2.5.1"),
        format!("PID|1||{mrn}^^^MERCY^MR||Doe^Ignored^By^Design"),
        format!("OBR|1|{order}^ORDERS|{filler}^LIS|718-7^Hemoglobin^LN|||20260301113000|||||||||||||||20260301115500||LAB|{status}"),
        format!("OBX|1|NM|718-7^Hemoglobin [Mass/volume] in Blood^LN||{value}|g/dL^^UCUM|12.0-16.0|N|||{status}|||20260301113000"),
    ]
    .join("\r")
        + "\r"
}

/// Sends messages over one connection, one after the other; the codes of the acknowledgements.
fn send(demo: &Demo, messages: &[String]) -> Vec<String> {
    let mut stream = TcpStream::connect(demo.state["mllp"].as_str().unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    messages.iter().map(|message| exchange(&mut stream, message)).collect()
}

fn exchange(stream: &mut TcpStream, message: &str) -> String {
    stream.write_all(&frame(message.as_bytes())).unwrap();
    let (mut deframer, mut buffer) = (Deframer::new(1 << 16), [0; 4_096]);
    loop {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "closed without an acknowledgement");
        match deframer.push(&buffer[..count]).into_iter().next() {
            Some(Event::Frame(bytes)) => {
                let text = String::from_utf8(bytes).unwrap();
                return text.split("MSA|").nth(1).unwrap()[..2].to_owned();
            }
            Some(fault) => panic!("{fault:?}"),
            None => {}
        }
    }
}

fn queue(demo: &Demo, state: &str) -> Value {
    let (status, out, error) = demo.run(&["exchange", "queue", "--state", state, "--json", "--config", &demo.config()]);
    assert_eq!(status, 0, "{error}");
    serde_json::from_str(&out).unwrap()
}

async fn emptied(demo: &Demo) {
    let start = Instant::now();
    while queue(demo, "waiting").as_array().is_some_and(|rows| !rows.is_empty()) {
        assert!(start.elapsed() < DELIVERED_WITHIN, "still waiting: {} {}", queue(demo, "waiting"), demo.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_result_reaches_the_physicians_chart_once_and_in_order() {
    let mut demo = Demo::start(&["--patients", "12"]);
    let order = order(&demo).await;
    let send_all = [
        result("m1", &order.mrn, &order.number, "f1", "13.1", "P"),
        result("m2", &order.mrn, &order.number, "f1", "14.2", "F"),
        result("m2", &order.mrn, &order.number, "f1", "14.2", "F"),
    ];
    assert_eq!(send(&demo, &send_all), ["AA", "AA", "AA"]);
    emptied(&demo).await;
    assert_eq!(queue(&demo, "dead"), Value::Array(Vec::new()), "{}", demo.log());

    let doctor = demo.token("dr.halvorsen");
    let found = demo
        .get(
            &doctor,
            &format!("/fhir/Observation?patient={}&code=http://loinc.org|718-7&date=2026-03-01", order.patient),
        )
        .await
        .json();
    let entries: Vec<&Value> = found["entry"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["resource"]["resourceType"] == "Observation")
        .collect();
    assert_eq!(entries.len(), 1, "one result, the corrected one: {found}");
    let observation = &entries[0]["resource"];
    assert_eq!(
        (observation["status"].as_str(), observation["valueQuantity"]["value"].to_string()),
        (Some("final"), "14.2".to_owned())
    );
    let reports =
        demo.get(&doctor, &format!("/fhir/DiagnosticReport?patient={}&date=2026-03-01", order.patient)).await.json();
    let report = &reports["entry"][0]["resource"];
    assert_eq!(
        report["result"][0]["reference"].as_str().unwrap(),
        format!("Observation/{}", observation["id"].as_str().unwrap())
    );
    assert!(report["basedOn"][0]["reference"].as_str().unwrap().starts_with("ServiceRequest/p0001"), "{report}");

    let (status, out, error) =
        demo.run(&["audit", "search", "--client", "mercy-lab", "--json", "--config", &demo.config()]);
    assert_eq!(status, 0, "{error}");
    for act in ["message-received", "message-delivered", "transaction"] {
        assert!(out.contains(act), "no {act} in the log: {out}");
    }
    let (status, _, error) = demo.run(&["audit", "verify", "--config", &demo.config()]);
    assert_eq!(status, 0, "{error}");
}

#[tokio::test]
async fn what_is_not_agreed_waits_for_a_person_or_stays_with_its_sender() {
    let demo = Demo::start(&["--patients", "12"]);
    let order = order(&demo).await;
    let refused = [
        result("r1", &order.mrn, &order.number, "f1", "1", "F").replace("MERCYLAB", "STRANGER"),
        result("r2", &order.mrn, &order.number, "f1", "1", "F").replace("ORU^R01^ORU_R01", "ADT^A01^ADT_A01"),
        result("r3", "", &order.number, "f1", "1", "F"),
    ];
    assert_eq!(send(&demo, &refused), ["AR", "AE", "AE"]);
    let waits = [
        result("w1", "MRN-NOBODY", &order.number, "f2", "1", "F"),
        result("w2", &order.mrn, "no-such-order", "f3", "1", "F"),
    ];
    assert_eq!(send(&demo, &waits), ["AA", "AA"]);
    emptied(&demo).await;
    let dead = queue(&demo, "dead");
    assert_eq!(dead.as_array().unwrap().len(), 2, "{dead}");
    assert!(dead.to_string().contains("no order of this patient"), "{dead}");
    for row in dead.as_array().unwrap() {
        assert!(!row.to_string().contains("MRN-NOBODY") && !row.to_string().contains("no-such-order"), "{row}");
    }
    let mended = demo.folder.path().join("mended.hl7");
    std::fs::write(&mended, result("w2", &order.mrn, &order.number, "f3", "1", "F")).unwrap();
    let number = dead.as_array().unwrap().iter().find(|row| row["control_id"] == "w2").unwrap()["number"].to_string();
    let (status, _, error) = demo.run(&[
        "exchange",
        "replay",
        &number,
        "--mended",
        &mended.display().to_string(),
        "--config",
        &demo.config(),
    ]);
    assert_eq!(status, 0, "{error}");
    emptied(&demo).await;
    assert_eq!(queue(&demo, "dead").as_array().unwrap().len(), 1);
    assert!(!demo.log().contains("MRN-"), "a number of a patient is in the trace");
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_chart_after_a_kill() {
    let mut demo = Demo::start(&["--patients", "12"]);
    let order = order(&demo).await;
    let messages: Vec<String> = (0..20)
        .map(|n| result(&format!("k{n}"), &order.mrn, &order.number, &format!("k{n}"), &format!("{n}.5"), "F"))
        .collect();
    let codes = send(&demo, &messages);
    assert!(codes.iter().all(|code| code == "AA"), "{codes:?}");
    demo.kill();
    demo.start_again();
    emptied(&demo).await;
    let raw = demo
        .raw(&format!("/Observation?subject=Patient/{}&code=718-7&date=2026-03-01&_summary=count", order.patient))
        .await
        .json();
    assert_eq!(raw["total"], 20, "{raw} {}", queue(&demo, "dead"));
}
