//! No real-looking person: social security numbers, telephone numbers outside the range kept for fiction, mail
//! addresses at domains that exist.

use super::Fault;

/// Endings of domains that are kept for examples (RFC 2606, RFC 6761).
const EXAMPLE_DOMAINS: [&str; 6] = ["example", "example.com", "example.org", "example.net", "test", "invalid"];

pub(super) fn faults(name: &str, content: &str) -> Vec<Fault> {
    let mut all = Vec::new();
    for (line, number) in content.lines().zip(1..) {
        for word in line.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-.@_+".contains(letter))) {
            all.extend(fault(word.trim_matches(['.', '-'])).map(|what| Fault::new(name, number, what)));
        }
    }
    all
}

fn fault(word: &str) -> Option<&'static str> {
    if is_social_security(word) {
        Some("looks like a social security number; use one that is never given, beginning with 999")
    } else if is_telephone(word) {
        Some("looks like a telephone number; use 555 and 01 after the area code")
    } else if is_mail(word) {
        Some("looks like a mail address; use the domain `example.org`")
    } else {
        None
    }
}

/// Three, two and four digits; areas 000, 666 and from 900 on are never given.
fn is_social_security(word: &str) -> bool {
    let Some([area, _, _]) = digits(word, &[3, 2, 4]) else { return false };
    !(area == "000" || area == "666" || area.starts_with('9'))
}

/// Three, three and four digits; exchanges 555 are fiction.
fn is_telephone(word: &str) -> bool {
    let Some([area, exchange, _]) = digits(word, &[3, 3, 4]) else { return false };
    !(exchange == "555" || area == "555" || area.starts_with(['0', '1']))
}

/// The three groups of digits of these lengths, between `-` or `.`.
fn digits<'a>(word: &'a str, lengths: &[usize; 3]) -> Option<[&'a str; 3]> {
    let groups: Vec<&str> = word.split(['-', '.']).collect();
    let groups: [&str; 3] = groups.try_into().ok()?;
    let fit = groups
        .iter()
        .zip(lengths)
        .all(|(group, length)| group.len() == *length && group.bytes().all(|byte| byte.is_ascii_digit()));
    fit.then_some(groups)
}

fn is_mail(word: &str) -> bool {
    let Some((person, domain)) = word.split_once('@') else { return false };
    let Some((_, ending)) = domain.rsplit_once('.') else { return false };
    let written = !person.is_empty() && ending.len() >= 2 && ending.bytes().all(|byte| byte.is_ascii_alphabetic());
    let example = EXAMPLE_DOMAINS
        .iter()
        .any(|kept| domain.strip_suffix(kept).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
    written && !example
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Put together here, so that this file is tidy.
    fn check(parts: &[&str], expected: bool) {
        let word = parts.concat();
        assert_eq!(!faults("a.md", &format!("x \"{word}\", y")).is_empty(), expected, "{word}");
    }

    #[test]
    fn numbers_that_may_be_somebodys_are_found() {
        check(&["123-4", "5-6789"], true);
        check(&["999-4", "5-6789"], false);
        check(&["617-26", "7-1234"], true);
        check(&["617-555-0142"], false);
        check(&["2026-11-24"], false);
        check(&["1.2.840.10008"], false);
    }

    #[test]
    fn mail_addresses_that_may_be_somebodys_are_found() {
        check(&["somebody", "@", "hospital.com"], true);
        check(&["somebody@mercy.example"], false);
        check(&["somebody@example.org"], false);
        check(&["somebody", "@", "badexample.org"], true);
        check(&["@appointment-times.a"], false);
    }
}
