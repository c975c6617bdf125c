//! The values of a parameter as tests on its rows, by kind and modifier.

use bascule_fhir::{Id, ResourceType, SearchKind, ucum};

use super::clause::{Condition, RowTest, Table};
use super::values::{Prefix, split, unescape};
use crate::Refusal;
use crate::index::fold::fold;
use crate::index::reference::{Target, target};
use crate::index::{Indexed, Part, decimal, moment};

/// Which rows each value of a parameter asks for.
pub(crate) fn tests(
    indexed: &Indexed,
    modifier: Option<&str>,
    value: &str,
    base: &str,
) -> Result<Vec<RowTest>, Refusal> {
    let mut all = Vec::new();
    for one in split(value, ',') {
        if one.is_empty() {
            return Err(empty(indexed.parameter.code));
        }
        all.extend(test(indexed, modifier, one, base)?);
    }
    Ok(all)
}

fn empty(name: &str) -> Refusal {
    Refusal::invalid(format!("`{name}` has an empty value: give one, or leave the parameter out"))
}

fn test(indexed: &Indexed, modifier: Option<&str>, value: &str, base: &str) -> Result<Vec<RowTest>, Refusal> {
    let conditions = match (indexed.parameter.kind, modifier) {
        (SearchKind::Token, Some("of-type")) => {
            let condition = of_type(value)?;
            return Ok(vec![RowTest { parameter: indexed.beside, condition }]);
        }
        (SearchKind::Reference, Some("identifier")) => {
            return Ok(vec![RowTest { parameter: indexed.beside, condition: token(value) }]);
        }
        (SearchKind::Quantity, None) => {
            if let Some(condition) = canonical(value)? {
                return Ok(vec![RowTest { parameter: indexed.beside, condition }]);
            }
            vec![ordered(SearchKind::Quantity, value)?]
        }
        (SearchKind::Token, Some("text")) => vec![Condition::Display(fold(&unescape(value)))],
        (SearchKind::Token, None | Some("not")) => with_implied(indexed, token(value)),
        (SearchKind::String, None) => vec![Condition::StartsWith(fold(&unescape(value)))],
        (SearchKind::String, Some("exact")) => vec![Condition::Exact(unescape(value))],
        (SearchKind::String, Some("contains")) => vec![Condition::Contains(fold(&unescape(value)))],
        (SearchKind::Uri, None) => vec![Condition::Uri(unescape(value))],
        (SearchKind::Uri, Some("below")) => vec![Condition::UriBelow(unescape(value))],
        (SearchKind::Uri, Some("above")) => vec![Condition::UriAbove(unescape(value))],
        (SearchKind::Reference, modifier) => reference(indexed, modifier, &unescape(value), base)?,
        (kind, None) => vec![ordered(kind, value)?],
        (kind, Some(modifier)) => return Err(wrong_modifier(indexed.parameter.code, kind, modifier)),
    };
    Ok(conditions.into_iter().map(|condition| RowTest { parameter: indexed.code, condition }).collect())
}

/// A modifier that its kind does not have is refused: to ignore it would widen the answer.
pub(crate) fn wrong_modifier(name: &str, kind: SearchKind, modifier: &str) -> Refusal {
    let has = match kind {
        SearchKind::Token => "missing, not, text, of-type, in, not-in, above, below",
        SearchKind::String => "missing, exact, contains",
        SearchKind::Reference => "missing, identifier, a resource type, or a chain (.)",
        SearchKind::Uri => "missing, above, below",
        _ => "missing",
    };
    let kind = kind.name();
    Refusal::unsupported(format!("`{name}` is a {kind} parameter and has no modifier `:{modifier}`; it has: {has}"))
}

/// `code`, `system|code`, `|code`, `system|`.
pub(crate) fn token(value: &str) -> Condition {
    match split(value, '|').as_slice() {
        [code] => Condition::Code(unescape(code)),
        [system, ""] => Condition::System(unescape(system)),
        [system, rest @ ..] => Condition::SystemCode(unescape(system), unescape(&rest.join("|"))),
        [] => Condition::Code(String::new()),
    }
}

/// The condition; and, if it names the system that a bare `code` has by its binding, the same without a system, as the element
/// has it.
pub(super) fn with_implied(indexed: &Indexed, condition: Condition) -> Vec<Condition> {
    let bare = match &condition {
        Condition::SystemCode(system, code) if indexed.implied.contains(&system.as_str()) => {
            Some(Condition::SystemCode(String::new(), code.clone()))
        }
        Condition::System(system) if indexed.implied.contains(&system.as_str()) => {
            Some(Condition::System(String::new()))
        }
        _ => None,
    };
    std::iter::once(condition).chain(bare).collect()
}

/// `system|code|value`
fn of_type(value: &str) -> Result<Condition, Refusal> {
    match split(value, '|').as_slice() {
        [system, code, value] if !code.is_empty() && !value.is_empty() => {
            let code = format!("{}|{}", unescape(code), unescape(value));
            Ok(if system.is_empty() { Condition::Code(code) } else { Condition::SystemCode(unescape(system), code) })
        }
        _ => Err(Refusal::invalid("`:of-type` asks for system|code|value")),
    }
}

fn reference(indexed: &Indexed, modifier: Option<&str>, value: &str, base: &str) -> Result<Vec<Condition>, Refusal> {
    let code = indexed.parameter.code;
    if let Some(modifier) = modifier {
        let Some(resource) = ResourceType::parse(modifier) else {
            return Err(wrong_modifier(code, SearchKind::Reference, modifier));
        };
        let id = value.strip_prefix(&format!("{resource}/")).unwrap_or(value);
        return match Id::parse(id) {
            Some(id) => Ok(vec![Condition::Target(resource, id.as_str().to_owned())]),
            None => Err(Refusal::invalid(format!("`{code}:{modifier}` asks for an id"))),
        };
    }
    Ok(match target(value, base) {
        Target::Here(resource, id) => vec![Condition::Target(resource, id)],
        Target::Contained => {
            return Err(Refusal::invalid(format!("`{code}` cannot be searched by a contained resource")));
        }
        Target::Elsewhere(text) => match (Id::parse(&text), indexed.parameter.targets.as_slice()) {
            (Some(id), [only]) => vec![Condition::Target(*only, id.as_str().to_owned()), Condition::Uri(text)],
            (Some(id), all) => {
                vec![Condition::TargetId(all.to_vec(), id.as_str().to_owned()), Condition::Uri(text)]
            }
            (None, _) if text.contains('|') => vec![Condition::Uri(text)],
            (None, _) => vec![Condition::UriVersions(text.clone()), Condition::Uri(text)],
        },
    })
}

/// Dates, numbers and quantities.
fn ordered(kind: SearchKind, value: &str) -> Result<Condition, Refusal> {
    let (prefix, rest) = Prefix::read(value)?;
    match kind {
        SearchKind::Date => moment::parse(rest).map(|span| Condition::Date(prefix, span)).ok_or_else(|| {
            Refusal::invalid("a date is YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm[:ss[.f]][Z|±hh:mm]")
        }),
        SearchKind::Number => decimal::parse(&unescape(rest))
            .map(|number| Condition::Number(prefix, number))
            .ok_or_else(|| Refusal::invalid("a number is written like 100, 0.5 or 1e2")),
        SearchKind::Quantity => quantity(prefix, rest),
        _ => Err(Refusal::unsupported(format!("a {} parameter is not compared by a plain value", kind.name()))),
    }
}

/// `number`, `number|system|code`, `number||code`.
fn quantity(prefix: Prefix, value: &str) -> Result<Condition, Refusal> {
    let parts = split(value, '|');
    let number = parts.first().copied().and_then(decimal::parse);
    let number = number.ok_or_else(|| Refusal::invalid("a quantity is number, number|system|code or number||code"))?;
    let unit = match parts.as_slice() {
        [_] | [_, "", ""] => None,
        [_, "", code] => Some((None, unescape(code))),
        [_, system, code] => Some((Some(unescape(system)), unescape(code))),
        _ => return Err(Refusal::invalid("a quantity is number, number|system|code or number||code")),
    };
    Ok(Condition::Quantity(prefix, number, unit))
}

/// The same in the base units of UCUM, if a unit of it is named that converts: `5 mg` finds `0.005 g`.
fn canonical(value: &str) -> Result<Option<Condition>, Refusal> {
    let Condition::Quantity(prefix, _, Some((Some(system), code))) = ordered(SearchKind::Quantity, value)? else {
        return Ok(None);
    };
    let Some(ucum::Canonical { shift, factor, unit }) = ucum::canonical(&code).filter(|_| system == ucum::SYSTEM)
    else {
        return Ok(None);
    };
    let (_, rest) = Prefix::read(value)?;
    let number = split(rest, '|').first().and_then(|number| decimal::scaled(number, shift, factor));
    Ok(number.map(|number| Condition::Quantity(prefix, number, Some((Some(system), unit)))))
}

/// A part of a composite, of that value.
pub(crate) fn part(part: &Part, value: &str, base: &str) -> Result<RowTest, Refusal> {
    if part.kind == SearchKind::Quantity
        && let Some(condition) = canonical(value)?
    {
        return Ok(RowTest { parameter: part.beside, condition });
    }
    let condition = part_condition(part.kind, value, base)?;
    Ok(RowTest { parameter: part.code, condition })
}

fn part_condition(kind: SearchKind, value: &str, base: &str) -> Result<Condition, Refusal> {
    Ok(match kind {
        SearchKind::Token => token(value),
        SearchKind::String => Condition::StartsWith(fold(&unescape(value))),
        SearchKind::Uri => Condition::Uri(unescape(value)),
        SearchKind::Reference => match target(&unescape(value), base) {
            Target::Here(resource, id) => Condition::Target(resource, id),
            Target::Elsewhere(text) => match Id::parse(&text) {
                Some(id) => Condition::TargetId(ResourceType::all().collect(), id.as_str().to_owned()),
                None => Condition::Uri(text),
            },
            Target::Contained => return Err(Refusal::invalid("a composite cannot name a contained resource")),
        },
        other => ordered(other, value)?,
    })
}

/// The tables in which rows of a kind may be.
pub(crate) fn tables(kind: SearchKind) -> Vec<Table> {
    match kind {
        SearchKind::Token => vec![Table::Token],
        SearchKind::String => vec![Table::String],
        SearchKind::Reference => vec![Table::Reference, Table::Uri],
        SearchKind::Uri => vec![Table::Uri],
        SearchKind::Date => vec![Table::Date],
        SearchKind::Number => vec![Table::Number],
        SearchKind::Quantity => vec![Table::Quantity],
        SearchKind::Composite | SearchKind::Special => Vec::new(),
    }
}
