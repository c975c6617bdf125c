//! The element paths that the FHIRPath of a search parameter walks: `telecom.where(system='email')` reads `telecom`
//! and `telecom.system`. What is not understood gives no paths, and its parameter then needs the whole resource.

/// The dotted paths that an expression reads, in its order; `None` if it cannot be told.
pub(super) fn paths(expression: &str) -> Option<Vec<String>> {
    let mut scan = Scan { rest: expression, found: Vec::new() };
    scan.whole("")?;
    scan.rest.is_empty().then_some(scan.found).filter(|found| !found.is_empty())
}

struct Scan<'a> {
    rest: &'a str,
    found: Vec<String>,
}

impl<'a> Scan<'a> {
    /// Terms joined by `|` or an operator, until the end or a closing bracket.
    fn whole(&mut self, base: &str) -> Option<()> {
        loop {
            self.term(base)?;
            self.space();
            if self.rest.is_empty() || self.rest.starts_with(')') {
                return Some(());
            }
            self.operator()?;
        }
    }

    fn operator(&mut self) -> Option<()> {
        let known = ["|", "!=", "=", "and ", "or ", "is "];
        let rest = known.iter().find_map(|operator| self.rest.strip_prefix(operator))?;
        self.rest = rest;
        Some(())
    }

    /// A literal, a bracket, or a path with functions.
    fn term(&mut self, base: &str) -> Option<()> {
        self.space();
        if let Some(rest) = self.rest.strip_prefix('\'') {
            self.rest = rest.split_once('\'')?.1;
            return Some(());
        }
        self.path(base)
    }

    fn path(&mut self, base: &str) -> Option<()> {
        let mut at = base.to_owned();
        let mut steps = 0_usize;
        loop {
            let name = self.name()?;
            if self.rest.starts_with('(') {
                self.rest = self.rest.get(1..)?;
                self.function(name, &mut at)?;
            } else if steps == 0 && is_word(name) {
                return Some(());
            } else {
                at = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
            }
            steps += 1;
            match self.rest.strip_prefix('.') {
                Some(rest) => self.rest = rest,
                None => break,
            }
        }
        if at != base {
            self.found.push(at);
        }
        Some(())
    }

    /// A function's argument, after its bracket was opened.
    fn function(&mut self, name: &str, at: &mut String) -> Option<()> {
        match name {
            "ofType" | "as" => {
                let kind = self.name()?;
                let mut letters = kind.chars();
                let first = letters.next()?.to_ascii_uppercase();
                *at = format!("{at}{first}{}", letters.as_str());
            }
            "where" => self.whole(at)?,
            "exists" | "resolve" | "first" => {}
            _ => return None,
        }
        self.space();
        self.rest = self.rest.strip_prefix(')')?;
        Some(())
    }

    fn name(&mut self) -> Option<&'a str> {
        let end = self.rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

/// Names that are no elements: `false`, and types after `is`.
fn is_word(name: &str) -> bool {
    matches!(name, "true" | "false")
        || name.starts_with(|letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: &[&str]) {
        let found = paths(expression).unwrap_or_default();
        assert_eq!(found, expected, "{expression}");
    }

    #[test]
    fn paths_of_r4_expressions() {
        check("code", &["code"]);
        check("code | reaction.substance", &["code", "reaction.substance"]);
        check("participant.actor.where(resolve() is Patient)", &["participant.actor"]);
        check("telecom.where(system='email')", &["telecom.system", "telecom"]);
        check(
            "relatedArtifact.where(type='composed-of').resource",
            &["relatedArtifact.type", "relatedArtifact.resource"],
        );
        check("value.ofType(Quantity)", &["valueQuantity"]);
        check("value.ofType(CodeableConcept).text", &["valueCodeableConcept.text"]);
        check("deceased.exists() and deceased != false", &["deceased", "deceased"]);
    }

    #[test]
    fn what_is_not_understood_gives_nothing() {
        check("$this", &[]);
        check("", &[]);
        check("name.matches('x')", &[]);
        check("extension('http://x').value", &[]);
        check("name.where(use='official'", &[]);
    }
}
