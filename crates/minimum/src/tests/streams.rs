//! A body that comes in pieces is filtered like one that is held.

use std::sync::LazyLock;

use bascule_policy::Narrowing;

use super::support::{PUBLIC, UPSTREAM, grants, in_compartment, page};
use crate::filter::Filter;
use crate::limits::Limits;
use crate::masks::Masks;
use crate::release::release_narrowed;
use crate::reply::{Reply, Shape};
use crate::rewrite::Rewrite;
use crate::withheld::Withheld;

const LIMITS: Limits =
    Limits { resource_bytes_max: 400, depth_max: 40, listed_resources_max: 100, withheld_paths_max: 50 };

static MASKS: LazyLock<Masks> = LazyLock::new(Masks::default);

/// What leaves of a body that comes in these pieces.
fn streamed(narrowing: &Narrowing, shape: Shape, pieces: &[&[u8]]) -> Result<Vec<u8>, Withheld> {
    let (masks, rewrite) = (&*MASKS, Rewrite::new(UPSTREAM, PUBLIC, &page));
    let mut filter = Filter::narrowed(masks, narrowing, shape, &rewrite, &LIMITS);
    let mut out = Vec::new();
    for piece in pieces {
        filter.push(piece, &mut out)?;
    }
    filter.finish(&mut out)?;
    Ok(out)
}

fn held(narrowing: &Narrowing, shape: Shape, body: &[u8]) -> Result<Vec<u8>, Withheld> {
    let (masks, rewrite) = (&*MASKS, Rewrite::new(UPSTREAM, PUBLIC, &page));
    release_narrowed(masks, narrowing, Reply { body, shape }, &rewrite, &LIMITS).map(crate::Released::into_body)
}

/// However the body is cut, what leaves is the same; if it fails, it fails.
#[track_caller]
fn check(narrowing: &Narrowing, shape: Shape, body: &str) {
    let body = body.as_bytes();
    let expected = held(narrowing, shape, body);
    for cut in 0..=body.len() {
        let (first, second) = body.split_at(cut);
        let found = streamed(narrowing, shape, &[first, second]);
        assert_eq!(found.as_ref().ok(), expected.as_ref().ok(), "cut at {cut}: {found:?}");
    }
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(streamed(narrowing, shape, &bytes).ok(), expected.ok(), "byte by byte");
}

fn narrowing() -> Narrowing {
    let patient =
        in_compartment(grants(&[("Patient", "name identifier"), ("Observation", "*")]), "Patient", &["1", "2"]);
    Narrowing { types: patient.types.into_iter().chain(grants(&[("Practitioner", "name")]).types).collect(), ..patient }
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"1","name":[{"family":"Ünïcode 😀 \u00e9\ud83d\ude00\\","given":["a\"b"]}],"birthDate":"1980-01-01","multipleBirthInteger":1}"#;
const OBSERVATION: &str = r#"{ "id":"o", "status":"final", "valueQuantity":{"value":-1.50e+3}, "code":{}, "subject":{"reference":"http://ehr.internal/fhir/Patient/2"}, "resourceType":"Observation" }"#;

fn bundle(resources: &[&str]) -> String {
    let entries: Vec<String> = resources
        .iter()
        .map(|one| format!(r#"{{"fullUrl":"http://ehr.internal/fhir/A/1","resource":{one}}}"#))
        .collect();
    format!(
        r#" {{"type":"searchset","resourceType":"Bundle","total":12,"meta":{{"lastUpdated":"2020"}},"link":[{{"relation":"next","url":"http://x"}}],"zebra":[1,{{"a":null}}],"entry":[{}],"timestamp":"2020" }} "#,
        entries.join(" , ")
    )
}

#[test]
fn a_bundle_cut_anywhere_is_the_same() {
    check(&narrowing(), Shape::Bundle, &bundle(&[PATIENT, OBSERVATION, r#"{"resourceType":"Device"}"#, PATIENT]));
    check(&narrowing(), Shape::Bundle, &bundle(&[]));
    check(
        &narrowing(),
        Shape::Bundle,
        r#"{"entr\u0079":[{"resource":{"resourceType":"Practitioner","id":"p"}}],"resourceType":"Bundle"}"#,
    );
    check(
        &narrowing(),
        Shape::BatchResponse,
        &bundle(&[PATIENT, r#"{"resourceType":"Device"}"#, &bundle(&[PATIENT]).replace('\n', " ")]),
    );
}

#[test]
fn a_resource_cut_anywhere_is_the_same() {
    check(&narrowing(), Shape::Resource, PATIENT);
    check(&narrowing(), Shape::Resource, OBSERVATION);
    check(&narrowing(), Shape::Resource, &OBSERVATION.replace("Patient/2", "Patient/3"));
}

#[test]
fn lines_cut_anywhere_are_the_same() {
    check(
        &narrowing(),
        Shape::Ndjson,
        &format!("{PATIENT}\n{OBSERVATION}\r\n\n{{\"resourceType\":\"Device\"}}\n{PATIENT}"),
    );
    check(&narrowing(), Shape::Ndjson, &format!("{PATIENT}\n{OBSERVATION}\n"));
}

#[test]
fn what_is_too_large_is_left_out_however_it_comes() {
    let large = PATIENT.replace("1980-01-01", &"x".repeat(400));
    let deep = PATIENT.replace(r#""1980-01-01""#, &format!("[{}]", r#"{"a":"b"},"#.repeat(60).trim_end_matches(',')));
    for large in [large, deep] {
        check(&narrowing(), Shape::Bundle, &bundle(&[PATIENT, &large, OBSERVATION]));
        check(&narrowing(), Shape::Bundle, &bundle(&[&large]));
        check(&narrowing(), Shape::BatchResponse, &bundle(&[&large, PATIENT]));
        check(&narrowing(), Shape::Ndjson, &format!("{PATIENT}\n{large}\n{OBSERVATION}"));
        check(&narrowing(), Shape::Resource, &large);
        assert_eq!(held(&narrowing(), Shape::Resource, large.as_bytes()), Err(Withheld::TooLarge));
        let left = held(&narrowing(), Shape::Bundle, bundle(&[PATIENT, &large]).as_bytes()).unwrap();
        assert_eq!(String::from_utf8(left).unwrap().matches("family").count(), 1);
    }
    let unreadable =
        PATIENT.replace(r#""1980-01-01""#, &format!("[{}]", r#"{"a":"b" "c"},"#.repeat(60).trim_end_matches(',')));
    check(&narrowing(), Shape::Bundle, &bundle(&[PATIENT, &unreadable, OBSERVATION]));
    check(
        &narrowing(),
        Shape::Bundle,
        &bundle(&[PATIENT]).replace("[1,", &format!("[{},", "1,".repeat(300).trim_end_matches(','))),
    );
}

#[test]
fn faults_are_faults_however_they_come() {
    let sound = bundle(&[PATIENT, OBSERVATION]);
    for body in [
        sound.replace("final", "fin\u{1}al"),
        sound.replace(r#""code":{}"#, r#""code":{]"#),
        sound.replace(r#""code":{}"#, r#""code":{},"code":{}"#),
        sound.replace("12", "012"),
        sound.replace("12", "tru"),
        sound.replace(r#""total""#, r#""type""#),
        sound.trim_end().trim_end_matches('}').to_owned(),
        format!("{sound}x"),
        format!("{sound}{{}}"),
        sound.replace(" , ", "  "),
        sound.replace(" , ", " ,, "),
        sound.replace("-1.50e+3", "-1.50e+"),
    ] {
        assert_ne!(body, sound);
        assert!(held(&narrowing(), Shape::Bundle, body.as_bytes()).is_err(), "{body}");
        check(&narrowing(), Shape::Bundle, &body);
    }
}

#[test]
fn a_character_cut_in_two_is_one_and_half_a_character_is_none() {
    let body = PATIENT.as_bytes();
    let at = PATIENT.find('😀').unwrap() + 2;
    assert!(streamed(&narrowing(), Shape::Resource, &[&body[..at], &body[at..]]).is_ok());
    let mut broken = body.to_vec();
    broken.remove(at);
    for cut in 0..broken.len() {
        assert_eq!(streamed(&narrowing(), Shape::Resource, &[&broken[..cut], &broken[cut..]]), Err(Withheld::NotUtf8));
    }
}

#[test]
fn after_a_fault_nothing_more_comes_out() {
    let (masks, rewrite) = (&*MASKS, Rewrite::new(UPSTREAM, PUBLIC, &page));
    let narrowing = narrowing();
    let mut filter = Filter::narrowed(masks, &narrowing, Shape::Bundle, &rewrite, &LIMITS);
    let mut out = Vec::new();
    let entry = format!(r#"{{"resource":{PATIENT}}},"#);
    filter.push(br#"{"resourceType":"Bundle","entry":["#, &mut out).unwrap();
    filter.push(entry.repeat(3).as_bytes(), &mut out).unwrap();
    let before = out.len();
    assert!(before > 100, "some of it has left");
    assert!(filter.push(format!("]]{}{entry}", " ".repeat(100)).repeat(2).as_bytes(), &mut out).is_err());
    assert!(filter.push(entry.as_bytes(), &mut out).is_err());
    assert_eq!(out.len(), before);
    assert!(filter.finish(&mut out).is_err());
}

#[test]
fn broken_lines_are_left_out_however_they_come() {
    for broken in ["{", "]", "\u{1}", r#"{"resourceType":"Patient","id":"1","id":"1"}"#, r#""a"#, "{}{}"] {
        check(&narrowing(), Shape::Ndjson, &format!("{broken}\n{PATIENT}\n{broken}\n{OBSERVATION}\n{broken}\n"));
    }
    check(&narrowing(), Shape::Ndjson, &format!("{PATIENT}\n{PATIENT}").replace("}\n", "\n"));
    check(&narrowing(), Shape::Ndjson, PATIENT.trim_end_matches('}'));
}

#[test]
fn memory_is_that_of_one_resource() {
    let (masks, rewrite) = (&*MASKS, Rewrite::new(UPSTREAM, PUBLIC, &page));
    let narrowing = grants(&[("Practitioner", "name")]);
    let mut filter = Filter::narrowed(masks, &narrowing, Shape::Bundle, &rewrite, &LIMITS);
    let mut out = Vec::new();
    filter
        .push(br#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Practitioner"}}"#, &mut out)
        .unwrap();
    let entry =
        format!(r#",{{"resource":{{"resourceType":"Practitioner","id":"{}"}}}}{}"#, "x".repeat(200), " ".repeat(100));
    let huge = "y".repeat(100_000);
    for round in 0..2_000 {
        out.clear();
        filter.push(entry.as_bytes(), &mut out).unwrap();
        if round % 100 == 0 {
            filter.push(br#",{"resource":{"resourceType":"Practitioner","id":""#, &mut out).unwrap();
            filter.push(huge.as_bytes(), &mut out).unwrap();
            filter.push(huge.as_bytes(), &mut out).unwrap();
            assert!(filter.held_bytes() < 2_000, "{}", filter.held_bytes());
            filter.push(br#""}}"#, &mut out).unwrap();
        }
        let _ = filter.take_resources();
        assert!(filter.held_bytes() < 2_000, "{}", filter.held_bytes());
    }
    filter.push(b"]}", &mut out).unwrap();
    let finished = filter.finish(&mut out).unwrap();
    assert_eq!(finished.withheld_resources(), 20);
}

#[test]
fn a_flood_of_nothing_is_not_held() {
    let (masks, rewrite) = (&*MASKS, Rewrite::new(UPSTREAM, PUBLIC, &page));
    let narrowing = grants(&[("Practitioner", "name")]);
    let spaces = " ".repeat(1 << 20);
    for begun in [r#"{"resourceType":"Bundle","entry":["#, r#"{"resourceType":"Bundle","#, "{", ""] {
        let mut filter = Filter::narrowed(masks, &narrowing, Shape::Bundle, &rewrite, &LIMITS);
        let mut out = Vec::new();
        filter.push(begun.as_bytes(), &mut out).unwrap();
        for _ in 0..4 {
            let _ = filter.push(spaces.as_bytes(), &mut out);
            assert!(filter.held_bytes() < 400_000, "{}", filter.held_bytes());
        }
    }
}

#[test]
fn the_list_of_what_left_has_to_be_taken() {
    let (masks, rewrite) = (&*MASKS, Rewrite::new(UPSTREAM, PUBLIC, &page));
    let narrowing = narrowing();
    let mut filter = Filter::narrowed(masks, &narrowing, Shape::Ndjson, &rewrite, &LIMITS);
    let mut out = Vec::new();
    let lines = format!("{PATIENT}\n").repeat(90);
    filter.push(lines.as_bytes(), &mut out).unwrap();
    assert!(filter.take_resources().len() >= 89, "the last one may still be in the window");
    filter.push(lines.as_bytes(), &mut out).unwrap();
    assert_eq!(filter.push(lines.as_bytes(), &mut out), Err(Withheld::TooMany));
}
