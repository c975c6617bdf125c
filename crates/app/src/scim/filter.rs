//! Filters of searches (RFC 7644 section 3.4.2.2): comparisons joined by `and` and `or`, without groups.

use serde_json::Value;

use super::error::ScimError;

/// Characters of a filter.
const CHARACTERS_MAX: usize = 2_000;
/// Comparisons in one filter.
const COMPARISONS_MAX: usize = 32;

/// A filter: any of the lists of which all hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter(Vec<Vec<Comparison>>);

#[derive(Debug, Clone, PartialEq)]
struct Comparison {
    path: Vec<String>,
    operator: Operator,
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Pr,
}

impl Filter {
    /// Reads one.
    pub(super) fn parse(text: &str) -> Result<Self, ScimError> {
        if text.len() > CHARACTERS_MAX {
            return Err(ScimError::filter(format!("a filter has at most {CHARACTERS_MAX} characters")));
        }
        let words = words(text)?;
        let mut words = words.into_iter().peekable();
        let mut any = vec![Vec::new()];
        let mut count = 0;
        loop {
            let comparison = comparison(&mut words)?;
            count += 1;
            if count > COMPARISONS_MAX {
                return Err(ScimError::filter(format!("a filter has at most {COMPARISONS_MAX} comparisons")));
            }
            if let Some(all) = any.last_mut() {
                all.push(comparison);
            }
            match words.next() {
                None => return Ok(Self(any)),
                Some(Word::Plain(word)) if word.eq_ignore_ascii_case("and") => {}
                Some(Word::Plain(word)) if word.eq_ignore_ascii_case("or") => any.push(Vec::new()),
                Some(_) => return Err(ScimError::filter("comparisons are joined by `and` or `or`")),
            }
        }
    }

    /// Whether a resource, as it is shown, is meant.
    pub(super) fn holds(&self, resource: &Value) -> bool {
        self.0.iter().any(|all| all.iter().all(|comparison| comparison.holds(resource)))
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Word {
    Plain(String),
    Text(String),
}

fn words(text: &str) -> Result<Vec<Word>, ScimError> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if rest.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let value = values.next().and_then(Result::ok);
            let value = value.ok_or_else(|| ScimError::filter("a text does not end"))?;
            let end = values.byte_offset();
            words.push(Word::Text(value));
            rest = rest.get(end..).unwrap_or_default().trim_start();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            if word.contains(['(', ')', '[', ']', '"']) {
                return Err(ScimError::filter("groups and nested filters are not offered"));
            }
            words.push(Word::Plain(word.to_owned()));
            rest = after.trim_start();
        }
    }
    Ok(words)
}

fn comparison(words: &mut impl Iterator<Item = Word>) -> Result<Comparison, ScimError> {
    let (Some(Word::Plain(path)), Some(Word::Plain(operator))) = (words.next(), words.next()) else {
        return Err(ScimError::filter("write `userName eq \"name\"`"));
    };
    let operator = match operator.to_ascii_lowercase().as_str() {
        "eq" => Operator::Eq,
        "ne" => Operator::Ne,
        "co" => Operator::Co,
        "sw" => Operator::Sw,
        "ew" => Operator::Ew,
        "pr" => Operator::Pr,
        _ => return Err(ScimError::filter("the operators are eq, ne, co, sw, ew and pr")),
    };
    let value = match operator {
        Operator::Pr => Value::Null,
        _ => match words.next() {
            Some(Word::Text(text)) => Value::String(text),
            Some(Word::Plain(word)) => {
                serde_json::from_str(&word).map_err(|_| ScimError::filter("a text stands in quotation marks"))?
            }
            None => return Err(ScimError::filter("a value is missing")),
        },
    };
    let path = path.rsplit(':').next().unwrap_or_default().split('.').map(str::to_owned).collect();
    Ok(Comparison { path, operator, value })
}

impl Comparison {
    fn holds(&self, resource: &Value) -> bool {
        let found = at(resource, &self.path);
        let any = |test: &dyn Fn(&Value) -> bool| found.iter().any(|value| test(value));
        match self.operator {
            Operator::Pr => any(&|value| !value.is_null() && value.as_str() != Some("")),
            Operator::Eq => any(&|value| same(value, &self.value)),
            Operator::Ne => !any(&|value| same(value, &self.value)),
            Operator::Co => any(&|value| self.text(value, |text, part| text.contains(part))),
            Operator::Sw => any(&|value| self.text(value, |text, part| text.starts_with(part))),
            Operator::Ew => any(&|value| self.text(value, |text, part| text.ends_with(part))),
        }
    }

    fn text(&self, value: &Value, test: impl Fn(&str, &str) -> bool) -> bool {
        match (value.as_str(), self.value.as_str()) {
            (Some(text), Some(part)) => test(&text.to_lowercase(), &part.to_lowercase()),
            _ => false,
        }
    }
}

/// Texts compare without case, as user names and addresses do.
fn same(one: &Value, other: &Value) -> bool {
    match (one.as_str(), other.as_str()) {
        (Some(one), Some(other)) => one.to_lowercase() == other.to_lowercase(),
        _ => one == other,
    }
}

/// The values at a path; a list stands for each of its members, and a member that is an object for its `value`.
fn at<'v>(value: &'v Value, path: &[String]) -> Vec<&'v Value> {
    match (value, path) {
        (Value::Array(list), _) => list.iter().flat_map(|member| at(member, path)).collect(),
        (Value::Object(members), []) => members.get("value").into_iter().collect(),
        (value, []) => vec![value],
        (Value::Object(members), [name, rest @ ..]) => {
            let found = members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| at(value, rest)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(filter: &str, expected: Result<bool, &str>) {
        let resource = json!({
            "userName": "Amal.Noor", "externalId": "x-1", "active": true,
            "emails": [{"value": "amal@mercy.example", "type": "work"}], "name": {"familyName": "Noor"},
        });
        match (Filter::parse(filter), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.holds(&resource), expected, "{filter}"),
            (Err(found), Err(expected)) => assert!(format!("{found:?}").contains(expected), "{filter}: {found:?}"),
            (found, expected) => panic!("{filter}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn filters_find_what_they_name() {
        check("userName eq \"amal.noor\"", Ok(true));
        check("userName eq \"somebody\"", Ok(false));
        check("urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"Amal.Noor\"", Ok(true));
        check("externalId eq \"x-1\" and active eq true", Ok(true));
        check("externalId eq \"x-1\" and active eq false", Ok(false));
        check("externalId eq \"no\" or name.familyName sw \"No\"", Ok(true));
        check("emails co \"mercy\"", Ok(true));
        check("emails.value ew \"example\"", Ok(true));
        check("nickName pr", Ok(false));
        check("emails pr", Ok(true));
        check("userName ne \"x\"", Ok(true));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for (filter, said) in [
            ("", "write"),
            ("userName", "write"),
            ("userName like \"x\"", "operators"),
            ("userName eq", "missing"),
            ("userName eq amal", "quotation"),
            ("userName eq \"open", "does not end"),
            ("(userName eq \"a\")", "groups"),
            ("userName eq \"a\" userName eq \"b\"", "joined"),
        ] {
            check(filter, Err(said));
        }
        check(&"x".repeat(CHARACTERS_MAX + 1), Err("characters"));
    }
}
