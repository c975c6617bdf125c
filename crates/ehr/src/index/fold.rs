//! Strings as search compares them: without case, accents and needless space.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The folded form: compatibility-decomposed, marks removed, lower case, inner space single.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return spaced(text.chars().map(|character| character.to_ascii_lowercase()), text.len());
    }
    let plain = text.nfkd().filter(|character| !is_combining_mark(*character)).flat_map(char::to_lowercase);
    spaced(plain, text.len())
}

fn spaced(characters: impl Iterator<Item = char>, length: usize) -> String {
    let mut folded = String::with_capacity(length);
    for character in characters {
        if !character.is_whitespace() {
            folded.push(character);
        } else if !folded.is_empty() && !folded.ends_with(' ') {
            folded.push(' ');
        }
    }
    if folded.ends_with(' ') {
        folded.pop();
    }
    folded
}

/// The least string above every string that begins with `prefix`, for a range over an index.
pub(crate) fn after(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_space_do_not_count() {
        assert_eq!(fold("  Éva   MÜLLER\n"), "eva muller");
        assert_eq!(fold("Straße"), "straße");
        assert_eq!(fold("Νίκος"), "νικος");
        assert_eq!(fold("ﬁeld"), "field");
        assert_eq!(fold(""), "");
    }
}
