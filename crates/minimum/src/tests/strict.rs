//! Strictness of the reader, next to a parser that builds a tree: what that refuses stays, wherever whitespace stands.

use bascule_policy::Narrowing;
use serde_json::Value;

use super::support::{filter, grants};
use crate::reply::Shape;

const BODY: &str = r#"{"resourceType":"Patient","id":"p","active":true,"name":[{"given":["A\"\u00e9","B"]},{"family":"C"}],"multipleBirthInteger":-1.5e+3,"unknown":[null,{"a":{}}],"contact":[],"birthDate":"1980"}"#;

fn narrowing() -> Narrowing {
    grants(&[("Patient", "name multipleBirth[x] active")])
}

/// `text` with `blank` before and after every token.
fn spread(text: &str, blank: &str) -> String {
    let (mut inside, mut escaped, mut spread) = (false, false, String::new());
    for character in text.chars() {
        let opens = character == '"' && !inside;
        let around = !inside && "{}[]:,".contains(character);
        if opens || around {
            spread.push_str(blank);
        }
        spread.push(character);
        let closes = character == '"' && inside && !escaped;
        if around || closes {
            spread.push_str(blank);
        }
        inside = (inside || opens) && !closes;
        escaped = inside && character == '\\' && !escaped;
    }
    spread
}

fn left(body: &[u8]) -> Option<Value> {
    let left = filter(&narrowing(), Shape::Resource, body).ok()?;
    Some(serde_json::from_slice(left.body()).unwrap())
}

#[test]
fn whitespace_changes_nothing() {
    let expected = left(BODY.as_bytes());
    assert!(expected.is_some());
    for blank in [" ", "\t", "\r\n", "  \n\n\t ", &" ".repeat(64), &"\n".repeat(129)] {
        assert_eq!(left(spread(BODY, blank).as_bytes()), expected, "{blank:?}");
    }
}

#[test]
fn what_a_tree_parser_refuses_stays() {
    for body in [BODY.to_owned(), spread(BODY, " ")] {
        for place in 0..=body.len() {
            for inserted in
                ["x", "\"", ",", ":", "{", "}", "[", "]", "1", "-", "\\", " ", "\u{1}", "\u{b}", "null", ",\"", "\":"]
            {
                check(&[&body.as_bytes()[..place], inserted.as_bytes(), &body.as_bytes()[place..]].concat());
            }
            for taken in 1..4_usize.min(body.len() - place) {
                check(&[&body.as_bytes()[..place], &body.as_bytes()[place + taken..]].concat());
            }
        }
    }
}

fn check(body: &[u8]) {
    if serde_json::from_slice::<Value>(body).is_err() {
        assert_eq!(left(body), None, "{}", String::from_utf8_lossy(body));
    }
}
