//! The inside of a value: FHIR's own separators `,` `$` `|` and the `\` that takes their meaning away
//! (R4, 3.1.1.4.0.2).

/// The values between commas, any of which may match; escapes are kept for [`unescape`].
#[must_use]
pub fn alternatives(value: &str) -> Vec<&str> {
    split(value, b',')
}

/// The parts of a composite value between `$`; escapes are kept.
#[must_use]
pub fn components(value: &str) -> Vec<&str> {
    split(value, b'$')
}

/// A token as its system (nothing before `|`: any; an empty one: no system) and its code, unescaped.
#[must_use]
pub fn token(value: &str) -> (Option<String>, String) {
    match split(value, b'|').as_slice() {
        [code] => (None, unescape(code)),
        [system, ..] => {
            let code = value.get(system.len() + 1..).unwrap_or_default();
            (Some(unescape(system)), unescape(code))
        }
        [] => (None, String::new()),
    }
}

/// The text without its escapes: `a\,b` is `a,b`. A `\` before anything else stays.
#[must_use]
pub fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut letters = value.chars().peekable();
    while let Some(letter) = letters.next() {
        match letters.peek() {
            Some(next @ (',' | '$' | '|' | '\\')) if letter == '\\' => {
                text.push(*next);
                letters.next();
            }
            _ => text.push(letter),
        }
    }
    text
}

fn split(value: &str, separator: u8) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, byte) in value.bytes().enumerate() {
        if byte == separator && !escaped {
            parts.extend(value.get(start..at));
            start = at + 1;
        }
        escaped = byte == b'\\' && !escaped;
    }
    parts.extend(value.get(start..));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_split_unless_escaped() {
        assert_eq!(alternatives(r"a,b\,c,d\\,e"), ["a", r"b\,c", r"d\\", "e"]);
        assert_eq!(alternatives(""), [""]);
        assert_eq!(components("8480-6$gt5.4|http://u|mg"), ["8480-6", "gt5.4|http://u|mg"]);
        assert_eq!(unescape(r"a\,b\$c\|d\\e\f"), r"a,b$c|d\e\f");
    }

    #[test]
    fn a_token_has_any_system_none_or_one() {
        assert_eq!(token("x"), (None, "x".into()));
        assert_eq!(token("|x"), (Some(String::new()), "x".into()));
        assert_eq!(token("http://s|x"), (Some("http://s".into()), "x".into()));
        assert_eq!(token("http://s|"), (Some("http://s".into()), String::new()));
        assert_eq!(token(r"a\|b"), (None, "a|b".into()));
        assert_eq!(token("s|c|d"), (Some("s".into()), "c|d".into()));
    }
}
