//! A fault in a file that somebody wrote: where it stands, what is wrong, how to mend it; and how it is shown.

use std::fmt::{self, Write as _};
use std::ops::Range;

/// One fault of a configuration or policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named to the reader.
    pub file: String,
    /// The bytes of the offending text.
    pub span: Range<usize>,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// What is wrong, naming the offending text.
    pub message: String,
    /// How to mend it; may be empty.
    pub mend: String,
    excerpt: String,
    width: usize,
}

impl Fault {
    /// A fault at `span` of `text`, which is the content of `file`.
    #[must_use]
    pub fn at(file: &str, text: &str, span: Range<usize>, message: impl Into<String>, mend: impl Into<String>) -> Self {
        let start = floor(text, span.start);
        let end = floor(text, span.end).max(start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| start + at);
        let excerpt = text.get(line_start..line_end).unwrap_or_default().trim_end_matches('\r');
        let marked = text.get(start..end.min(line_end)).unwrap_or_default();
        Self {
            file: file.to_owned(),
            span: start..end,
            line: before.matches('\n').count() + 1,
            column: text.get(line_start..start).unwrap_or_default().chars().count() + 1,
            message: message.into(),
            mend: mend.into(),
            excerpt: excerpt.replace('\t', " "),
            width: marked.chars().count().max(1),
        }
    }

    /// The same fault with the marked text blotted out where the line is shown: for a secret that stands where it must not.
    #[must_use]
    pub fn hiding_the_text(mut self) -> Self {
        let marked = self.column - 1..self.column - 1 + self.width;
        let blot = |(place, letter)| if marked.contains(&place) { '*' } else { letter };
        self.excerpt = self.excerpt.chars().enumerate().map(blot).collect();
        self
    }

    /// A fault of a whole file, or of no file at all.
    #[must_use]
    pub fn of_file(file: &str, message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::at(file, "", 0..0, message, mend)
    }
}

/// Shown as a compiler shows it: message, place, the line, a mark under the text, the mend beside the mark.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        if self.excerpt.is_empty() {
            write!(f, "  --> {}", self.file)?;
            return if self.mend.is_empty() { Ok(()) } else { write!(f, "\n   = {}", self.mend) };
        }
        let gutter = " ".repeat(self.line.to_string().len());
        writeln!(f, "{gutter}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{} | {}", self.line, self.excerpt)?;
        let mark = format!("{}{}", " ".repeat(self.column - 1), "^".repeat(self.width));
        write!(f, "{}", format!("{gutter} | {mark} {}", self.mend).trim_end())
    }
}

/// All faults in the order of their files and places, and a last line that counts them.
#[must_use]
pub fn render(faults: &[Fault], outcome: &str) -> String {
    let mut sorted: Vec<&Fault> = faults.iter().collect();
    sorted.sort_by_key(|fault| (fault.file.as_str(), fault.span.start));
    let mut out = String::new();
    for fault in &sorted {
        let _ = writeln!(out, "{fault}");
    }
    let plural = if sorted.len() == 1 { "error" } else { "errors" };
    let _ = writeln!(out, "{} {plural}. {outcome}", sorted.len());
    out
}

/// `did you mean …?`, if one of the candidates is near enough to be a slip of it.
#[must_use]
pub fn suggest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, candidates).map_or_else(String::new, |near| format!("did you mean `{near}`?"))
}

/// The candidate that `wrong` is most probably a slip of.
#[must_use]
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&wrong.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|left, right| left.0.total_cmp(&right.0).then_with(|| right.1.cmp(left.1)))
        .map(|(_, candidate)| candidate)
}

/// Likeness (Jaro-Winkler, 0 to 1) from which a candidate is offered.
const NEAR: f64 = 0.84;

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_fault_shows_line_mark_and_mend() {
        let text = "[role.scheduler]\nelements = [\"startt\"]\n";
        let at = text.find("\"startt\"").unwrap();
        let fault = Fault::at(
            "scheduler.toml",
            text,
            at..at + 8,
            "no such element: `Appointment.startt`",
            "did you mean `start`?",
        );
        expect![[r#"
            error: no such element: `Appointment.startt`
             --> scheduler.toml:2:13
              |
            2 | elements = ["startt"]
              |             ^^^^^^^^ did you mean `start`?"#]]
        .assert_eq(&fault.to_string());
    }

    #[test]
    fn columns_count_characters_and_spans_may_end_anywhere() {
        let text = "title = \"Ärzte\"\nü";
        let fault = Fault::at("a.toml", text, 9..11, "x", "");
        assert_eq!((fault.line, fault.column), (1, 10));
        let last = Fault::at("a.toml", text, 900..901, "x", "");
        assert_eq!((last.line, last.column), (2, 2));
    }

    #[test]
    fn a_secret_is_not_shown_back() {
        let text = "bearer = \"hunter2\"";
        let shown =
            Fault::at("a.toml", text, 9..18, "a secret is written here", "name it").hiding_the_text().to_string();
        assert!(!shown.contains("hunter2") && shown.contains("bearer = *********"), "{shown}");
    }

    #[test]
    fn faults_are_sorted_and_counted() {
        let text = "a\nb\n";
        let faults = [Fault::at("x", text, 2..3, "second", ""), Fault::at("x", text, 0..1, "first", "")];
        let shown = render(&faults, "Nothing was started.");
        assert!(shown.find("first") < shown.find("second"));
        assert!(shown.ends_with("2 errors. Nothing was started.\n"));
    }

    #[test]
    fn only_near_names_are_offered() {
        assert_eq!(suggest("startt", ["start", "end", "status"]), "did you mean `start`?");
        assert_eq!(suggest("Obsrvation", ["Observation", "Patient"]), "did you mean `Observation`?");
        assert_eq!(suggest("zzz", ["start", "end"]), "");
    }
}
