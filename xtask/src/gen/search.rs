//! The table of search parameters: per type, each with its expression reduced to that type.
//!
//! A line is `code TAB kind TAB expression TAB targets TAB definition`, then one field for each component of a
//! composite: `code~kind~expression~definition`. `*` as targets is every type; the definition is left empty when it
//! is `Type-code`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde_json::Value;

use super::definitions::{Definitions, list, text, texts};

/// The body of `search.txt`.
pub(crate) fn table(definitions: &Definitions) -> Result<String, String> {
    let every = definitions.concrete();
    let by_url: HashMap<&str, &Value> =
        definitions.search_parameters.iter().map(|parameter| (text(parameter, "url"), parameter)).collect();
    let listed = definitions.listed_parameters();
    let mut types: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for parameter in &definitions.search_parameters {
        for base in texts(parameter, "base") {
            if every.contains(&base) && !listed.contains(&(base, text(parameter, "code"))) {
                continue;
            }
            let line = line(base, parameter, &by_url, every.len())?;
            if types.entry(base).or_default().insert(text(parameter, "code"), line).is_some() {
                return Err(format!("{base} defines `{}` twice", text(parameter, "code")));
            }
        }
    }
    let mut body = String::new();
    for (base, lines) in types {
        let _ = writeln!(body, "@{base}");
        for line in lines.values() {
            let _ = writeln!(body, "{line}");
        }
    }
    Ok(body)
}

fn line(base: &str, parameter: &Value, by_url: &HashMap<&str, &Value>, every: usize) -> Result<String, String> {
    let code = text(parameter, "code");
    let expression = reduce(base, text(parameter, "expression"));
    if expression.is_empty() && !["_text", "_content", "_query"].contains(&code) {
        return Err(format!("{base}.{code} has no expression for that type: {}", text(parameter, "expression")));
    }
    let mut fields = vec![
        code.to_owned(),
        text(parameter, "type").to_owned(),
        expression,
        targets(parameter, every),
        definition(base, parameter),
    ];
    for component in list(parameter, "component") {
        let url = text(component, "definition");
        let part = by_url.get(url).ok_or_else(|| format!("{base}.{code}: no component {url}"))?;
        let expression = component_expression(base, text(component, "expression"));
        let expression = corrected(base, text(part, "code"), &expression);
        fields.push(format!("{}~{}~{expression}~{}", text(part, "code"), text(part, "type"), text(part, "id")));
    }
    Ok(fields.join("\t").trim_end().to_owned())
}

/// Two slips of the published definitions: `DocumentReference.relationship` exchanges the expressions of its
/// components (a reference would be looked for in a code), and `DateTime` is no FHIR type.
fn corrected(base: &str, component: &str, expression: &str) -> String {
    match (base, component) {
        ("DocumentReference", "relatesto") => "target".to_owned(),
        ("DocumentReference", "relation") => "code".to_owned(),
        _ => expression.replace("ofType(DateTime)", "ofType(dateTime)"),
    }
}

/// `*` for every type (R4 lists them one by one; the two lists differ by types added later).
fn targets(parameter: &Value, every: usize) -> String {
    let targets = texts(parameter, "target");
    if targets.len() + 5 > every { "*".to_owned() } else { targets.join(",") }
}

fn definition(base: &str, parameter: &Value) -> String {
    let id = text(parameter, "id");
    let usual = format!("{base}-{}", text(parameter, "code").trim_start_matches('_'));
    if id == usual { String::new() } else { id.to_owned() }
}

/// The parts of a union that start at `base`, without that name: `subject.where(resolve() is Patient)`.
fn reduce(base: &str, expression: &str) -> String {
    let parts: Vec<String> = expression.split('|').filter_map(|part| relative(base, part.trim())).collect();
    parts.join(" | ")
}

/// One part as seen from `base`; nothing if it starts elsewhere.
fn relative(base: &str, part: &str) -> Option<String> {
    let plain = unwrap_brackets(part);
    if plain == base {
        return Some("$this".to_owned());
    }
    if plain.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        return Some(plain);
    }
    let rest = plain.strip_prefix(base)?.strip_prefix('.')?;
    Some(rest.replace(&format!(" {base}."), " "))
}

/// `(A.b.ofType(C)).d` as `A.b.ofType(C).d`.
fn unwrap_brackets(part: &str) -> String {
    let Some(inner) = part.strip_prefix('(') else { return part.to_owned() };
    let mut depth = 1_u32;
    for (at, letter) in inner.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let (head, tail) = inner.split_at(at);
            return format!("{head}{}", tail.trim_start_matches(')'));
        }
    }
    part.to_owned()
}

/// A component's expression stands already on the composite's; only brackets and a stray type name go.
fn component_expression(base: &str, expression: &str) -> String {
    let parts: Vec<String> = expression
        .split('|')
        .map(|part| relative(base, part.trim()).unwrap_or_else(|| unwrap_brackets(part.trim())))
        .collect();
    parts.join(" | ")
}
