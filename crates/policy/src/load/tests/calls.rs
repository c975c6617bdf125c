//! Slips of a grant of calls, and what is said of each.

use std::collections::BTreeMap;

use expect_test::expect;

use super::{check, load};
use crate::{ApiKind, Policy, PolicyFile};

const ROLE: &str = "[role.desk]\ntitle = \"Desk\"\npurpose = [\"HOPERAT\"]\n";

fn grant(kind: &str, lines: &str) -> String {
    format!("{ROLE}[[role.desk.{kind}]]\napi = \"x\"\n{lines}")
}

const REST: &str = "operations = [\"GET /visits\"]\ncounts-as = \"Appointment\"\nshows = [\"start\"]\n";

#[test]
fn sound_grants_load() {
    for (kind, lines) in [
        ("rest", REST),
        ("rest", "operations = [\"DELETE /visits/{id}\"]\ncounts-as = \"Appointment\"\n"),
        ("rest", "operations = [\"GET /pdf\"]\ncounts-as = \"DocumentReference\"\nopaque = [\"application/pdf\"]\n"),
        ("dicomweb", "interactions = [\"query\"]\nshows = [\"(0010,0010)\"]\nsearch = [\"StudyDate\"]\n"),
        ("dicomweb", "interactions = [\"store\"]\nopaque = [\"application/dicom\"]\n"),
        ("hl7v2", "receives = [\"ADT^*\"]\ncounts-as = \"Patient\"\nshows = [\"PID-3\", \"ZPI\"]\n"),
    ] {
        let faults = load(&[&grant(kind, lines)]).err();
        assert!(faults.is_none(), "{lines}: {faults:?}");
    }
}

#[test]
fn every_slip_is_marked_and_mended() {
    let lines = "operations = [\"GETT /visits\"]\ncounts-as = \"Apointment\"\nshows = [\"a..b\"]\nopaque = [\"pdf\"]\nserch = [\"x\"]\n";
    check(
        &[&grant("rest", lines)],
        &expect![[r#"
            error: `GETT /visits` is no operation: `GETT` is no method
             --> policy/0.toml:6:15
              |
            6 | operations = ["GETT /visits"]
              |               ^^^^^^^^^^^^^^ write it as "GET /visits/{id}", with one of GET, POST, PUT, PATCH, DELETE
            error: no such resource type: `Apointment`
             --> policy/0.toml:7:13
              |
            7 | counts-as = "Apointment"
              |             ^^^^^^^^^^^^ did you mean `Appointment`?
            error: `a..b` is no path of a property
             --> policy/0.toml:8:10
              |
            8 | shows = ["a..b"]
              |          ^^^^^^ write the names of properties with dots between them; arrays are gone through without a word
            error: `pdf` is no media type
             --> policy/0.toml:9:11
              |
            9 | opaque = ["pdf"]
              |           ^^^^^ write it in small letters without parameters: "application/pdf"
            error: unknown key `serch` in `role.desk.rest[0]`
              --> policy/0.toml:10:1
               |
            10 | serch = ["x"]
               | ^^^^^ did you mean `search`?
            5 errors. Nothing was started.
        "#]],
    );
    check(
        &[&grant("dicomweb", "interactions = [\"querry\", \"retrieve\"]\nshows = [\"PatientNam\"]\n")],
        &expect![[r#"
            error: `role.desk.dicomweb[0]` lets whole instances pass and does not say so
             --> policy/0.toml:4:1
              |
            4 | [[role.desk.dicomweb]]
              | ^^^^^^^^^^^^^^^^^^^^^^ write opaque = ["application/dicom"]
            error: `role.desk.dicomweb[0]` has `shows` and nothing that shows
             --> policy/0.toml:4:1
              |
            4 | [[role.desk.dicomweb]]
              | ^^^^^^^^^^^^^^^^^^^^^^ remove `shows`
            error: `querry` is no transaction of DICOMweb
             --> policy/0.toml:6:17
              |
            6 | interactions = ["querry", "retrieve"]
              |                 ^^^^^^^^ choose one of query, metadata, retrieve, rendered, store
            error: no such attribute: `PatientNam`
             --> policy/0.toml:7:10
              |
            7 | shows = ["PatientNam"]
              |          ^^^^^^^^^^^^ did you mean `PatientName`?
            4 errors. Nothing was started.
        "#]],
    );
    check(
        &[&grant("hl7v2", "sends = [\"ORU\"]\nsearch = [\"PID-3\"]\ncounts-as = \"Patient\"\nwrites = [\"PIDD\"]\n")],
        &expect![[r#"
            error: a message is not searched for
             --> policy/0.toml:4:1
              |
            4 | [[role.desk.hl7v2]]
              | ^^^^^^^^^^^^^^^^^^^ remove `search`
            error: `ORU` is no type of message
             --> policy/0.toml:6:10
              |
            6 | sends = ["ORU"]
              |          ^^^^^ write type and event as in MSH-9: "ORU^R01", or "ORU^*"
            error: no such segment: `PIDD`
             --> policy/0.toml:9:11
              |
            9 | writes = ["PIDD"]
              |           ^^^^^^ did you mean `PID`?
            3 errors. Nothing was started.
        "#]],
    );
}

#[test]
fn what_is_let_do_is_said_to_the_end() {
    for (lines, says) in [
        ("operations = [\"GET /visits\"]\ncounts-as = \"Slot\"\n", "lets see and does not say what"),
        (
            "operations = [\"POST /visits\"]\ncounts-as = \"Slot\"\nshows = [\"id\"]\n",
            "lets write and does not say what",
        ),
        ("operations = [\"GET /visits\"]\nshows = [\"id\"]\n", "as which type of FHIR it counts"),
        ("counts-as = \"Slot\"\nshows = [\"id\"]\n", "lets do nothing"),
        ("operations = [\"GET /v\", \"GET /v\"]\ncounts-as = \"Slot\"\nshows = [\"id\"]\n", "named twice"),
        (
            "operations = [\"GET /v\"]\ncounts-as = \"Slot\"\nshows = [\"id\"]\nwrites = [\"id\"]\n",
            "nothing that writes",
        ),
        ("operations = [\"GET /v\"]\ncounts-as = \"Slot\"\nshows = [\"id\"]\nemergency = true\n", "does not treat"),
        (
            "operations = [\"GET /v\"]\ncounts-as = \"Slot\"\npatients = \"own\"\nshows = [\"id\"]\n",
            "lies in no patient's compartment",
        ),
    ] {
        let faults = load(&[&grant("rest", lines)]).unwrap_err();
        assert!(faults.iter().any(|fault| fault.message.contains(says)), "{lines}: {faults:?}");
    }
    let twice = format!("{}{}", grant("rest", REST), grant("rest", REST).replace(ROLE, ""));
    assert!(load(&[&twice]).unwrap_err()[0].message.contains("says the same"));
    let both =
        format!("{ROLE}[[role.desk.deny]]\napi = \"x\"\nresource = \"Slot\"\nnames = [\"a\"]\nsearch = [\"b\"]\n");
    assert!(load(&[&both]).unwrap_err()[0].message.contains("one kind of thing"));
}

#[test]
fn a_grant_in_the_words_of_another_kind_is_refused() {
    let load = |text: &str, kind: ApiKind| {
        let files = [PolicyFile { name: "p.toml".to_owned(), text: text.to_owned() }];
        Policy::load_for(&files, &BTreeMap::from([("x".to_owned(), kind)]))
    };
    assert!(load(&grant("rest", REST), ApiKind::Rest).is_ok());
    let faults = load(&grant("rest", REST), ApiKind::Dicomweb).unwrap_err();
    assert!(
        faults[0].message.contains("speaks dicomweb") && faults[0].mend == "write [[role.NAME.dicomweb]]",
        "{faults:?}"
    );
    let fhir = grant("grant", "resource = \"Slot\"\ninteractions = [\"read\"]\nelements = \"*\"\n");
    assert!(load(&fhir, ApiKind::Fhir).is_ok());
    assert!(load(&fhir, ApiKind::Rest).unwrap_err()[0].message.contains("speaks rest"));
}
