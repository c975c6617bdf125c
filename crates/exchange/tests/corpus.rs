//! Messages that others made (`BASCULE_SHARED/data/hl7v2`): what each becomes, or why it is not taken; the committed table
//! `corpus.txt` says it message by message, with the segments that are left out.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot read its files fails")]

#[path = "../../hl7/tests/collection/mod.rs"]
mod collection;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bascule_exchange::map::{Known, MapFault, Partner, map, needs};
use bascule_hl7::{Limits, Message, split};
use collection::{files, unframed};
use expect_test::expect_file;
use serde_json::{Value, json};

fn partner() -> Partner {
    Partner {
        name: "sender".into(),
        base: "http://sender.example".into(),
        authorities: BTreeMap::new(),
        offset_minutes: 0,
    }
}

fn known() -> Known {
    let patient = |id: &str| Some(json!({ "resourceType": "Patient", "id": id, "meta": { "versionId": "1" } }));
    Known { patient: patient("kept"), merged: patient("gone"), orders: BTreeMap::new() }
}

fn tally(bundle: &Value) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in bundle["entry"].as_array().unwrap() {
        *kinds.entry(entry["resource"]["resourceType"].as_str().unwrap()).or_default() += 1;
    }
    kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}

fn judge(bytes: &[u8]) -> String {
    let message = match Message::read(bytes, &Limits::default()) {
        Ok(message) => message,
        Err(fault) => return format!("refused: {fault}"),
    };
    let mapped = needs(&message, &partner()).and_then(|_| map(&message, &partner(), &known()));
    match mapped {
        Err(fault) => format!("refused: {fault}"),
        Ok(mapped) => {
            let left: Vec<String> = mapped.left.iter().map(|(name, count)| format!("{count} {name}")).collect();
            let left = if left.is_empty() { String::new() } else { format!("; left: {}", left.join(", ")) };
            format!("{}: {}{left}", message.kind().unwrap(), tally(&mapped.bundle))
        }
    }
}

#[test]
fn every_message_becomes_a_transaction_or_is_refused_with_a_reason() {
    let Some((root, paths)) = files() else { return };
    let mut table = String::new();
    for path in &paths {
        let name = path.strip_prefix(&root).unwrap().display();
        for bytes in unframed(std::fs::read(path).unwrap()) {
            let pieces = split(&bytes).map(|batches| batches.messages().map(judge).collect::<Vec<_>>());
            for line in pieces.unwrap_or_else(|fault| vec![format!("refused: {fault}")]) {
                let _ = writeln!(table, "{name}\t{line}");
            }
        }
    }
    expect_file!["corpus.txt"].assert_eq(&table);
}

#[test]
fn the_same_message_becomes_the_same_transaction() {
    let bytes = b"MSH|^~\\&|LAB|L|EHR|H|20260101120000||ORU^R01|1|P|2.5.1\rPID|1||7^^^GHH\rOBR|1|p1|f1|718-7^Hemoglobin^LN|||20260101||||||||||||||||||F\rOBX|1|NM|718-7^Hemoglobin^LN||14.2|g/dL^^UCUM|12-16|N|||F\r";
    let once = || map(&Message::read(bytes, &Limits::default()).unwrap(), &partner(), &known()).unwrap();
    assert_eq!(once().bundle, once().bundle);
    assert!(once().left.is_empty(), "{:?}", once().left);
}

#[test]
fn a_result_for_a_patient_whom_the_chart_lacks_waits() {
    let bytes = b"MSH|^~\\&|LAB|L|EHR|H|20260101120000||ORU^R01|1|P|2.5.1\rPID|1||7^^^GHH||Doe^Jane\rOBR|1|p1|f1|x\r";
    let message = Message::read(bytes, &Limits::default()).unwrap();
    assert_eq!(needs(&message, &partner()).unwrap().patient.len(), 1);
    assert_eq!(map(&message, &partner(), &Known::default()).unwrap_err(), MapFault::UnknownPatient);
}
