//! Escape sequences in text (2.7): delimiters, line breaks, hexadecimal data; highlighting is dropped.

use crate::{Charset, Delimiters};

/// The text that `raw` stands for. A sequence that is not known, or has no end, stays as it is written: nothing is lost.
#[must_use]
pub fn unescape(raw: &str, delimiters: Delimiters, charset: Charset) -> String {
    let Some(mark) = delimiters.escape.map(char::from) else { return raw.to_owned() };
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once(mark) {
        text.push_str(before);
        let Some((sequence, next)) = after.split_once(mark) else {
            text.push(mark);
            rest = after;
            continue;
        };
        match meaning(sequence, delimiters, charset) {
            Some(meant) => {
                text.push_str(&meant);
                rest = next;
            }
            None => {
                text.push(mark);
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

fn meaning(sequence: &str, delimiters: Delimiters, charset: Charset) -> Option<String> {
    let byte = |byte: Option<u8>| byte.map(|byte| char::from(byte).to_string());
    match sequence {
        "F" => byte(Some(delimiters.field)),
        "S" => byte(Some(delimiters.component)),
        "R" => byte(Some(delimiters.repetition)),
        "T" => byte(delimiters.subcomponent),
        "E" => byte(delimiters.escape),
        "P" => byte(delimiters.truncation),
        "H" | "N" => Some(String::new()),
        ".br" | ".sp" | ".ce" => Some("\n".to_owned()),
        ".fi" | ".nf" => Some(String::new()),
        _ => counted(sequence).or_else(|| hexadecimal(sequence, charset)),
    }
}

/// `.sp3`, `.in4`, `.ti2`, `.sk5`: vertical space becomes line breaks, horizontal space becomes spaces, at most 100.
fn counted(sequence: &str) -> Option<String> {
    let number = |name: &str| sequence.strip_prefix(name)?.trim_start_matches('+').parse::<usize>().ok();
    if let Some(lines) = number(".sp") {
        return Some("\n".repeat(lines.min(100)));
    }
    if let Some(spaces) = number(".sk") {
        return Some(" ".repeat(spaces.min(100)));
    }
    (number(".in").is_some() || number(".ti").is_some()).then(String::new)
}

fn hexadecimal(sequence: &str, charset: Charset) -> Option<String> {
    let digits = sequence.strip_prefix('X')?.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let bytes: Option<Vec<u8>> = digits
        .chunks_exact(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    let bytes = bytes?;
    if let Some(read) = charset.decode(&bytes) {
        return Some(read.into_owned());
    }
    Some(Charset::Latin1.decode(&bytes)?.into_owned())
}

/// `text` as it is written in a field: delimiters and line breaks escaped.
#[must_use]
pub fn escape(text: &str, delimiters: Delimiters) -> String {
    let Some(mark) = delimiters.escape.map(char::from) else {
        return text.replace(['\r', '\n'], " ");
    };
    let mut written = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\r' && letters.peek() == Some(&'\n') {
            continue;
        }
        match code(letter, delimiters) {
            Some(code) => {
                written.push(mark);
                written.push_str(code);
                written.push(mark);
            }
            None => written.push(letter),
        }
    }
    written
}

fn code(letter: char, delimiters: Delimiters) -> Option<&'static str> {
    let is = |byte: Option<u8>| byte.map(char::from) == Some(letter);
    match letter {
        '\r' | '\n' => Some(".br"),
        _ if is(Some(delimiters.field)) => Some("F"),
        _ if is(Some(delimiters.component)) => Some("S"),
        _ if is(Some(delimiters.repetition)) => Some("R"),
        _ if is(delimiters.subcomponent) => Some("T"),
        _ if is(delimiters.escape) => Some("E"),
        _ if is(delimiters.truncation) => Some("P"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, text: &str) {
        assert_eq!(unescape(raw, Delimiters::default(), Charset::Utf8), text);
    }

    #[test]
    fn delimiters_come_back() {
        check(r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f");
    }

    #[test]
    fn line_breaks_and_highlighting_are_read() {
        check(r"one\.br\two \H\three\N\", "one\ntwo three");
        check(r"a\.sp2\b\.sk3\c\.in+4\d", "a\n\nb   cd");
    }

    #[test]
    fn hexadecimal_bytes_are_characters_of_the_set() {
        check(r"caf\XC3A9\", "café");
        assert_eq!(unescape(r"caf\XE9\", Delimiters::default(), Charset::Latin1), "café");
    }

    #[test]
    fn what_is_not_a_sequence_stays_as_it_is_written() {
        for raw in [r"C:\temp\new", r"half \", r"\X4\", r"\Zabc\", r"\.sp99999999999999999999999\"] {
            check(raw, raw);
        }
    }

    #[test]
    fn what_is_escaped_comes_back() {
        let text = "a|b^c~d&e\\f\ng";
        check(&escape(text, Delimiters::default()), text);
        assert_eq!(escape("a\r\nb", Delimiters::default()), r"a\.br\b");
    }
}
