//! The words of an expression.

use super::ExpressionError;

/// One word and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) word: Word,
}

/// What a word is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// A name or keyword; backquoted names too.
    Name(String),
    /// `'text'`
    Text(String),
    /// `12`, `1.5`
    Number(String),
    /// `.`, `(`, `[`, `|`, `=`, `!=`, `$this`, `%resource`, …
    Sign(&'static str),
}

const SIGNS: [&str; 13] = ["$this", "%resource", "%context", "!=", ".", "(", ")", "[", "]", "{", "}", "|", "="];

/// The words in order.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ExpressionError> {
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let (word, after) = word(first, rest).ok_or(ExpressionError { at, expected: "a FHIRPath word" })?;
        all.push(Token { at, word });
        rest = after.trim_start();
    }
    Ok(all)
}

/// The first word and what follows it.
fn word(first: char, text: &str) -> Option<(Word, &str)> {
    match first {
        '\'' => quoted(text, '\'').map(|(text, rest)| (Word::Text(text), rest)),
        '`' => quoted(text, '`').map(|(text, rest)| (Word::Name(text), rest)),
        letter if letter.is_ascii_alphabetic() || letter == '_' => {
            let (name, rest) = split_while(text, |letter| letter.is_ascii_alphanumeric() || letter == '_');
            Some((Word::Name(name.to_owned()), rest))
        }
        digit if digit.is_ascii_digit() => Some(number(text)),
        _ => SIGNS.into_iter().find_map(|sign| text.strip_prefix(sign).map(|rest| (Word::Sign(sign), rest))),
    }
}

/// `12`, or `1.5` if a digit follows the point.
fn number(text: &str) -> (Word, &str) {
    let (whole, rest) = split_while(text, |letter| letter.is_ascii_digit());
    if let Some(tail) = rest.strip_prefix('.') {
        let (fraction, after) = split_while(tail, |letter| letter.is_ascii_digit());
        if !fraction.is_empty() {
            return (Word::Number(format!("{whole}.{fraction}")), after);
        }
    }
    (Word::Number(whole.to_owned()), rest)
}

fn split_while(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|letter| !belongs(letter)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The text between quotes, with `\` before what is meant literally.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut letters = text.chars();
    letters.next();
    let mut inner = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => inner.push(unescaped(letters.next()?)?),
            letter if letter == quote => return Some((inner, letters.as_str())),
            letter => inner.push(letter),
        }
    }
    None
}

fn unescaped(letter: char) -> Option<char> {
    match letter {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'f' => Some('\u{c}'),
        '\'' | '"' | '`' | '\\' | '/' => Some(letter),
        _ => None,
    }
}
