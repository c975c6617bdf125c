//! The formats of R4's primitive types.

use bascule_fhir::Id;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::index::moment;

/// Strings of a resource, in bytes.
const STRING_BYTES_MAX: usize = 1024 * 1024;

/// What is wrong with a value of a primitive type, and how it should look; nothing if it is right.
pub(super) fn fault(type_name: &str, value: &Value) -> Option<String> {
    match type_name {
        "boolean" => (!value.is_boolean()).then(|| "must be true or false, without quotes".to_owned()),
        "integer" | "unsignedInt" | "positiveInt" => integer(type_name, value),
        "decimal" => (!value.is_number()).then(|| "must be a number, without quotes".to_owned()),
        _ => match value {
            Value::String(text) => text_fault(type_name, text),
            _ => Some(format!("must be a {type_name} in quotes")),
        },
    }
}

fn integer(type_name: &str, value: &Value) -> Option<String> {
    let least = match type_name {
        "positiveInt" => 1,
        "unsignedInt" => 0,
        _ => i64::from(i32::MIN),
    };
    let fits = value.as_i64().is_some_and(|number| (least..=i64::from(i32::MAX)).contains(&number));
    (!fits).then(|| format!("must be a whole number from {least} to {}, without quotes", i32::MAX))
}

fn text_fault(type_name: &str, text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("must not be empty: leave the element out".to_owned());
    }
    let wrong = |right: bool, mend: &str| (!right).then(|| mend.to_owned());
    match type_name {
        "id" => wrong(Id::parse(text).is_some(), "must have 1 to 64 letters, digits, `-` and `.`"),
        "code" => wrong(is_code(text), "must be a code: no space at its ends, single spaces within"),
        "date" => wrong(is_date(text), "must be YYYY, YYYY-MM or YYYY-MM-DD"),
        "dateTime" => {
            wrong(is_date(text) || is_instant(text), "must be a date, or YYYY-MM-DDThh:mm:ss with Z or ±hh:mm")
        }
        "instant" => wrong(is_instant(text), "must be YYYY-MM-DDThh:mm:ss with Z or ±hh:mm"),
        "time" => wrong(is_time(text), "must be hh:mm:ss"),
        "uri" | "url" | "canonical" => wrong(!text.contains(char::is_whitespace), "must be a URI, without spaces"),
        "oid" => wrong(is_oid(text), "must be urn:oid: and the digits of an OID"),
        "uuid" => wrong(is_uuid(text), "must be urn:uuid: and a lower-case UUID"),
        "base64Binary" => wrong(is_base64(text), "must be base64"),
        "string" | "markdown" if text.len() > STRING_BYTES_MAX => Some("must not be longer than 1 MiB".to_owned()),
        "string" | "markdown" => wrong(!text.trim().is_empty(), "must not be blank: leave the element out"),
        _ => None,
    }
}

fn is_code(text: &str) -> bool {
    let is_space = |letter: char| letter.is_whitespace();
    !text.starts_with(is_space)
        && !text.ends_with(is_space)
        && !text.contains("  ")
        && !text.contains(['\t', '\n', '\r'])
}

fn is_date(text: &str) -> bool {
    matches!(text.len(), 4 | 7 | 10) && moment::parse(text).is_some()
}

fn is_instant(text: &str) -> bool {
    let Some((day, time)) = text.split_once('T') else { return false };
    let zoned = time.ends_with('Z') || time.rfind(['+', '-']).is_some_and(|at| time.len() - at == 6);
    let clock = time.split(['Z', '+', '-']).next().unwrap_or_default();
    day.len() == 10 && zoned && is_time(clock) && moment::parse(text).is_some()
}

fn is_time(text: &str) -> bool {
    let clock = text.split('.').next().unwrap_or_default();
    let shaped = clock.len() == 8
        && clock.bytes().enumerate().all(|(at, byte)| match at {
            2 | 5 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
    shaped && !text.ends_with('.') && moment::parse(&format!("2000-01-01T{text}Z")).is_some()
}

fn is_oid(text: &str) -> bool {
    let digits = text.strip_prefix("urn:oid:");
    digits.is_some_and(|digits| {
        digits.starts_with(['0', '1', '2'])
            && digits.split('.').count() > 1
            && digits.split('.').all(|arc| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn is_uuid(text: &str) -> bool {
    text.strip_prefix("urn:uuid:")
        .is_some_and(|uuid| uuid.len() == 36 && uuid::Uuid::parse_str(uuid).is_ok() && uuid == uuid.to_lowercase())
}

fn is_base64(text: &str) -> bool {
    if !text.contains(char::is_whitespace) {
        return STANDARD.decode(text).is_ok();
    }
    let packed: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    STANDARD.decode(packed).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(type_name: &str, right: &[Value], wrong: &[Value]) {
        for value in right {
            assert_eq!(fault(type_name, value), None, "{type_name} {value}");
        }
        for value in wrong {
            assert!(fault(type_name, value).is_some(), "{type_name} {value}");
        }
    }

    #[test]
    fn each_primitive_has_its_format() {
        check("boolean", &[json!(true)], &[json!("true"), json!(1)]);
        check("integer", &[json!(-5), json!(0)], &[json!(1.5), json!("1"), json!(3_000_000_000_i64)]);
        check("positiveInt", &[json!(1)], &[json!(0), json!(-1)]);
        check("unsignedInt", &[json!(0)], &[json!(-1)]);
        check("decimal", &[json!(1.50), json!(1)], &[json!("1.5")]);
        check("id", &[json!("a-1.B")], &[json!("a_1"), json!("")]);
        check("code", &[json!("a b")], &[json!(" a"), json!("a  b"), json!("a ")]);
        check(
            "date",
            &[json!("2020"), json!("2020-02"), json!("2020-02-29")],
            &[json!("2021-02-29"), json!("2020-1-1"), json!("2020-01-01T00:00:00Z")],
        );
        check(
            "dateTime",
            &[json!("2020"), json!("2020-01-01T10:00:00+01:00"), json!("2020-01-01T10:00:00.123Z")],
            &[json!("2020-01-01T10:00:00"), json!("2020-01-01T10:00Z"), json!("x")],
        );
        check("instant", &[json!("2020-01-01T10:00:00Z")], &[json!("2020-01-01")]);
        check(
            "time",
            &[json!("10:00:00"), json!("10:00:00.5")],
            &[json!("10:00"), json!("25:00:00"), json!("10:00:00Z")],
        );
        check("uri", &[json!("urn:x")], &[json!("a b"), json!(5)]);
        check("oid", &[json!("urn:oid:1.2.3")], &[json!("1.2.3"), json!("urn:oid:1..3")]);
        check(
            "uuid",
            &[json!("urn:uuid:c757873d-ec9a-4326-a141-556f43239520")],
            &[json!("c757873d-ec9a-4326-a141-556f43239520")],
        );
        check("base64Binary", &[json!("aGk="), json!("aG k=")], &[json!("a"), json!("%%%%")]);
        check("string", &[json!("x")], &[json!(""), json!("  "), json!(1)]);
    }
}
