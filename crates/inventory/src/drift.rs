//! Drift: where what was declared and what was seen differ, each with the first evidence.

/// An endpoint that somebody declared: in the configuration, or in a description that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The method, in capitals.
    pub method: String,
    /// The path template, its parameters in braces under any name.
    pub template: String,
    /// Whether it is declared as no longer to be used.
    pub deprecated: bool,
}

/// An endpoint that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method, in capitals.
    pub method: String,
    /// The template that was learned.
    pub template: String,
    /// When it was seen first, in microseconds since 1970.
    pub first_micros: i64,
    /// How often it was seen.
    pub count: u64,
}

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift<'a> {
    /// Seen, and not declared.
    Shadow(&'a Seen),
    /// Declared as no longer to be used, and still used: the declaration, and the use that was earliest.
    Zombie(&'a Declared, &'a Seen),
    /// Declared, and not seen.
    Dead(&'a Declared),
}

/// All that differs between the two: first what was seen, in its order, then what was not, in the order of the declarations.
///
/// A seen endpoint belongs to the declared one that says most about it: a word that is the same counts more than a parameter, the
/// earlier part more than the later.
#[must_use]
pub fn drift<'a>(declared: &'a [Declared], seen: &'a [Seen]) -> Vec<Drift<'a>> {
    let mut all = Vec::new();
    let mut uses: Vec<Option<&Seen>> = vec![None; declared.len()];
    for one in seen {
        let best = declared.iter().zip(uses.iter_mut()).filter_map(|(declared, first)| {
            (declared.method == one.method)
                .then(|| likeness(&declared.template, &one.template))?
                .map(|like| (like, first))
        });
        match best.max_by(|left, right| left.0.cmp(&right.0)) {
            None => all.push(Drift::Shadow(one)),
            Some((_, first)) if first.is_none_or(|first| one.first_micros < first.first_micros) => *first = Some(one),
            Some(_) => {}
        }
    }
    for (declared, first) in declared.iter().zip(uses) {
        match first {
            None if !declared.deprecated => all.push(Drift::Dead(declared)),
            Some(first) if declared.deprecated => all.push(Drift::Zombie(declared, first)),
            // Used as declared; or retired, and nobody uses it.
            _ => {}
        }
    }
    all
}

/// For each part whether it is the same word; nothing if the seen template does not follow the declared one. A seen parameter
/// follows a declared parameter only: that it was learned from many values says nothing of one word.
fn likeness(declared: &str, seen: &str) -> Option<Vec<bool>> {
    let (declared, seen) = (parts(declared), parts(seen));
    if declared.len() != seen.len() {
        return None;
    }
    declared
        .iter()
        .zip(&seen)
        .map(|(declared, seen)| match (is_parameter(declared), is_parameter(seen)) {
            (true, _) => Some(false),
            (false, false) if declared == seen => Some(true),
            (false, _) => None,
        })
        .collect()
}

fn parts(template: &str) -> Vec<&str> {
    template.split('/').filter(|part| !part.is_empty()).collect()
}

/// `{id}`, and also `{id}.json` or `v{version}`, as descriptions have them.
fn is_parameter(part: &str) -> bool {
    part.find('{').is_some_and(|open| part.rfind('}').is_some_and(|close| open < close))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(text: &str) -> Declared {
        let (method, rest) = text.split_once(' ').unwrap();
        let deprecated = rest.ends_with(" deprecated");
        Declared { method: method.into(), template: rest.trim_end_matches(" deprecated").into(), deprecated }
    }

    fn seen(text: &str, first_micros: i64) -> Seen {
        let (method, template) = text.split_once(' ').unwrap();
        Seen { method: method.into(), template: template.into(), first_micros, count: 1 }
    }

    #[track_caller]
    fn check(declarations: &[&str], sightings: &[&str], expect: &[&str]) {
        let declarations: Vec<_> = declarations.iter().map(|text| declared(text)).collect();
        let sightings: Vec<_> = sightings.iter().zip(1..).map(|(text, at)| seen(text, at)).collect();
        let found: Vec<String> = drift(&declarations, &sightings)
            .into_iter()
            .map(|drift| match drift {
                Drift::Shadow(seen) => format!("shadow {} at {}", seen.template, seen.first_micros),
                Drift::Zombie(declared, seen) => format!("zombie {} at {}", declared.template, seen.first_micros),
                Drift::Dead(declared) => format!("dead {} {}", declared.method, declared.template),
            })
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn what_is_as_declared_is_no_drift() {
        check(&["GET /Patient/{id}", "GET /old deprecated"], &["GET /Patient/{number}", "GET /Patient/abc"], &[]);
    }

    #[test]
    fn each_kind_comes_with_its_evidence() {
        check(
            &["GET /a", "DELETE /a", "GET /old/{id} deprecated"],
            &["GET /a", "GET /debug", "GET /old/{uuid}", "GET /old/{number}"],
            &["shadow /debug at 2", "dead DELETE /a", "zombie /old/{id} at 3"],
        );
    }

    #[test]
    fn a_word_counts_more_than_a_parameter() {
        check(
            &["GET /users/{id}", "GET /users/me deprecated"],
            &["GET /users/me"],
            &["dead GET /users/{id}", "zombie /users/me at 1"],
        );
    }

    #[test]
    fn a_learned_parameter_does_not_follow_a_declared_word() {
        check(
            &["GET /users/me"],
            &["GET /users/{name}", "GET /users"],
            &["shadow /users/{name} at 1", "shadow /users at 2", "dead GET /users/me"],
        );
    }
}
