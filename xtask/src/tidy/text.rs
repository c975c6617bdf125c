//! What every file is to look like.

use super::Fault;

/// Lines of a source file at most; a longer one holds two nouns.
const LINES_MAX: usize = 700;

/// Folders of machines and people that no file of the project may name. Written in two parts, so that this file is tidy.
const MACHINE_PATHS: [(&str, &str); 5] =
    [("/wo", "rk/"), ("/ho", "me/"), ("/ro", "ot/"), ("/Us", "ers/"), ("C:\\Us", "ers")];

pub(super) fn faults(name: &str, content: &str) -> Vec<Fault> {
    let mut all = machine_paths(name, content);
    if is_source(name) {
        all.extend(head(name, content));
        all.extend(length(name, content));
    }
    all
}

/// Rust sources; tables that `xtask gen` makes are not read by people.
fn is_source(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ending == "rs") && !name.contains("/tables/")
}

fn head(name: &str, content: &str) -> Option<Fault> {
    let headed = content.lines().next().is_some_and(|first| first.starts_with("//! "));
    (!headed).then(|| Fault::new(name, 1, "the file has no head; begin with a `//!` line saying what it is for"))
}

fn length(name: &str, content: &str) -> Option<Fault> {
    let lines = content.lines().count();
    let what = || format!("{lines} lines, more than {LINES_MAX}; give its second noun a file of its own");
    (lines > LINES_MAX).then(|| Fault::new(name, lines, what()))
}

fn machine_paths(name: &str, content: &str) -> Vec<Fault> {
    let mut all = Vec::new();
    for (line, number) in content.lines().zip(1..) {
        for (first, second) in MACHINE_PATHS {
            if names_root(line, &format!("{first}{second}")) {
                all.push(Fault::new(
                    name,
                    number,
                    "a path of one machine; write it relative, or read it from a setting",
                ));
            }
        }
    }
    all
}

/// Whether the path stands at a beginning, not inside another (`https://host/work/…`).
fn names_root(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        before.is_none_or(|letter| !(letter.is_alphanumeric() || matches!(letter, '/' | '.' | '-' | '_' | '}' | '~')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, content: &str, expected: &[usize]) {
        let lines: Vec<usize> = faults(name, content).iter().map(|fault| fault.line).collect();
        assert_eq!(lines, expected, "{name}");
    }

    #[test]
    fn a_source_has_a_head() {
        check("a.rs", "//! What it is for.\n", &[]);
        check("a.rs", "use x;\n//! Late.\n", &[1]);
        check("a.rs", "", &[1]);
        check("a.md", "text", &[]);
    }

    #[test]
    fn a_source_is_not_overlong_unless_generated() {
        let long = format!("//! Long.\n{}", "x\n".repeat(LINES_MAX));
        check("a.rs", &long, &[LINES_MAX + 1]);
        check("crates/fhir/src/tables/a.rs", &long, &[]);
    }

    #[test]
    fn a_path_of_a_machine_is_found() {
        let (first, second) = MACHINE_PATHS[0];
        check("a.md", &format!("fine\nsee {first}{second}x\n\"{first}{second}\""), &[2, 3]);
        check("a.md", &format!("https://example.org{first}{second}x"), &[]);
        check("a.md", &format!("{{base}}{first}{second}x"), &[]);
    }
}
