//! The name of a parameter taken apart: modifier, chain, `_has`, inclusion, control. Equality on whole names has
//! let `_has:Observation:…` and `_include:iterate` slip past gateways; nobody here compares names unparsed.

use std::fmt;

use super::{Control, Special};
use crate::{ResourceType, search};

/// Links of a chain or hops of `_has` at most.
pub const CHAIN_LINKS_MAX: usize = 8;

/// What a parameter's name asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterName {
    /// `code`, `code:text`, `subject:Patient`.
    Plain {
        /// The search parameter.
        code: String,
        /// How it is compared.
        modifier: Option<Modifier>,
    },
    /// `subject:Patient.organization.name:exact`: through references.
    Chain {
        /// The references that are followed, at least one.
        links: Vec<Link>,
        /// The search parameter at the end.
        code: String,
        /// How it is compared.
        modifier: Option<Modifier>,
    },
    /// `_has:Observation:patient:code`: by what points here.
    Has {
        /// The references that are followed backwards, at least one.
        hops: Vec<Hop>,
        /// What the last of them must match; never `Has`, inclusion, control or special.
        rest: Box<ParameterName>,
    },
    /// `_include`, `_revinclude`, with or without `:iterate`; the value is an [`Include`](super::Include).
    Include {
        /// `_revinclude`.
        reverse: bool,
        /// `:iterate` (and R3's `:recurse`).
        iterate: bool,
    },
    /// How the answer is made.
    Control(Control),
    /// A filter that is no search parameter of a type.
    Special(Special),
}

/// One reference of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The reference parameter.
    pub code: String,
    /// The type that it must point at, if the chain says so.
    pub target: Option<ResourceType>,
}

/// One step of `_has`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The type that points here.
    pub resource: ResourceType,
    /// By which of its reference parameters.
    pub reference: String,
}

/// How a value is compared (R4, 3.1.1.4.0.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Modifier {
    /// `:missing`
    Missing,
    /// `:exact`
    Exact,
    /// `:contains`
    Contains,
    /// `:text`
    Text,
    /// `:not`
    Not,
    /// `:in`
    In,
    /// `:not-in`
    NotIn,
    /// `:below`
    Below,
    /// `:above`
    Above,
    /// `:of-type`
    OfType,
    /// `:identifier`
    Identifier,
    /// `:Patient`
    Type(ResourceType),
}

/// Why a name or an inclusion has none of FHIR's forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    /// No search parameter could be called so.
    Code,
    /// No modifier of R4.
    Modifier,
    /// No type of R4; the nearest if one is near.
    Type {
        /// What was meant, perhaps.
        did_you_mean: Option<&'static str>,
    },
    /// Not `_has:Type:reference:parameter`.
    HasShape,
    /// More than [`CHAIN_LINKS_MAX`].
    TooDeep,
    /// Not `Type:parameter` or `Type:parameter:Target`.
    IncludeShape,
}

impl NameError {
    pub(super) fn unknown_type(name: &str) -> Self {
        Self::Type { did_you_mean: ResourceType::nearest(name).map(ResourceType::name) }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code => f.write_str("is not the name of a search parameter: letters, digits, `-`, `_`"),
            Self::Modifier => f.write_str(
                "has an unknown modifier; R4 has missing, exact, contains, text, not, in, not-in, below, above, of-type, \
                 identifier and the name of a type",
            ),
            Self::Type { did_you_mean: Some(near) } => write!(f, "names an unknown type; did you mean `{near}`?"),
            Self::Type { did_you_mean: None } => f.write_str("names a type that R4 does not have"),
            Self::HasShape => f.write_str("is not `_has:Type:reference:parameter`"),
            Self::TooDeep => write!(f, "follows more than {CHAIN_LINKS_MAX} references"),
            Self::IncludeShape => f.write_str("is not `Type:parameter` or `Type:parameter:Target`"),
        }
    }
}

impl std::error::Error for NameError {}

impl ParameterName {
    /// Takes a name apart. Whether the type has such a parameter is another question
    /// ([`search::parameter`](crate::search::parameter)).
    ///
    /// # Errors
    ///
    /// A name of none of FHIR's forms.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        match name {
            "_include" => return Ok(Self::Include { reverse: false, iterate: false }),
            "_include:iterate" | "_include:recurse" => return Ok(Self::Include { reverse: false, iterate: true }),
            "_revinclude" => return Ok(Self::Include { reverse: true, iterate: false }),
            "_revinclude:iterate" | "_revinclude:recurse" => return Ok(Self::Include { reverse: true, iterate: true }),
            _ => {}
        }
        if let Some(control) = Control::parse(name) {
            return Ok(Self::Control(control));
        }
        if let Some(special) = Special::parse(name) {
            return Ok(Self::Special(special));
        }
        let stem = name.split([':', '.']).next().unwrap_or(name);
        if stem == "_has" {
            return has(name);
        }
        let reserved = ["_include", "_revinclude"].contains(&stem) || Control::parse(stem).is_some();
        if reserved || Special::parse(stem).is_some() {
            return Err(NameError::Modifier);
        }
        plain_or_chain(name)
    }

    /// Whether it decides which resources match (and so tells of their elements).
    #[must_use]
    pub const fn filters(&self) -> bool {
        !matches!(self, Self::Control(_) | Self::Include { .. })
    }
}

/// `_has:Type:reference:rest`, where the rest may be another `_has`.
fn has(name: &str) -> Result<ParameterName, NameError> {
    let mut hops = Vec::new();
    let mut rest = name;
    while let Some(tail) = rest.strip_prefix("_has:") {
        let mut parts = tail.splitn(3, ':');
        let (Some(resource), Some(reference), Some(after)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NameError::HasShape);
        };
        if hops.len() == CHAIN_LINKS_MAX {
            return Err(NameError::TooDeep);
        }
        let resource = ResourceType::parse(resource).ok_or_else(|| NameError::unknown_type(resource))?;
        hops.push(Hop { resource, reference: code(reference)? });
        rest = after;
    }
    if hops.is_empty() {
        return Err(NameError::HasShape);
    }
    match ParameterName::parse(rest)? {
        rest @ (ParameterName::Plain { .. } | ParameterName::Chain { .. }) => {
            Ok(ParameterName::Has { hops, rest: Box::new(rest) })
        }
        _ => Err(NameError::HasShape),
    }
}

fn plain_or_chain(name: &str) -> Result<ParameterName, NameError> {
    let (chain, last) = match name.rsplit_once('.') {
        Some((chain, last)) => (Some(chain), last),
        None => (None, name),
    };
    let (code, modifier) = match last.split_once(':') {
        Some((name, modifier)) => (code(name)?, Some(Modifier::parse(modifier)?)),
        None => (code(last)?, None),
    };
    let Some(chain) = chain else { return Ok(ParameterName::Plain { code, modifier }) };
    let links = chain.split('.').map(link).collect::<Result<Vec<Link>, NameError>>()?;
    let odd_end = code.starts_with('_') && (Special::parse(&code).is_some() || search::common(&code).is_none());
    if odd_end || links.iter().any(|link| link.code.starts_with('_')) {
        return Err(NameError::Code);
    }
    if links.len() > CHAIN_LINKS_MAX {
        return Err(NameError::TooDeep);
    }
    Ok(ParameterName::Chain { links, code, modifier })
}

fn link(text: &str) -> Result<Link, NameError> {
    match text.split_once(':') {
        Some((name, target)) => {
            let target = ResourceType::parse(target).ok_or_else(|| NameError::unknown_type(target))?;
            Ok(Link { code: code(name)?, target: Some(target) })
        }
        None => Ok(Link { code: code(text)?, target: None }),
    }
}

fn code(text: &str) -> Result<String, NameError> {
    if is_code(text) { Ok(text.to_owned()) } else { Err(NameError::Code) }
}

/// Letters, digits, `-` and `_`, beginning with a letter or `_`.
pub(super) fn is_code(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

impl Modifier {
    const WORDS: [(&'static str, Self); 11] = [
        ("missing", Self::Missing),
        ("exact", Self::Exact),
        ("contains", Self::Contains),
        ("text", Self::Text),
        ("not", Self::Not),
        ("in", Self::In),
        ("not-in", Self::NotIn),
        ("below", Self::Below),
        ("above", Self::Above),
        ("of-type", Self::OfType),
        ("identifier", Self::Identifier),
    ];

    fn parse(word: &str) -> Result<Self, NameError> {
        let known = Self::WORDS.iter().find(|(name, _)| *name == word).map(|(_, modifier)| *modifier);
        known.or_else(|| ResourceType::parse(word).map(Self::Type)).ok_or(NameError::Modifier)
    }

    /// The word after the colon.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Type(resource) => resource.name(),
            other => Self::WORDS.iter().find(|(_, modifier)| *modifier == other).map_or("", |(name, _)| name),
        }
    }
}

/// The name as it stands in a query.
impl fmt::Display for ParameterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |f: &mut fmt::Formatter<'_>, code: &str, modifier: &Option<Modifier>| {
            f.write_str(code)?;
            modifier.map_or(Ok(()), |modifier| write!(f, ":{}", modifier.name()))
        };
        match self {
            Self::Plain { code, modifier } => end(f, code, modifier),
            Self::Chain { links, code, modifier } => {
                for link in links {
                    f.write_str(&link.code)?;
                    link.target.map_or(Ok(()), |target| write!(f, ":{target}"))?;
                    f.write_str(".")?;
                }
                end(f, code, modifier)
            }
            Self::Has { hops, rest } => {
                for hop in hops {
                    write!(f, "_has:{}:{}:", hop.resource, hop.reference)?;
                }
                write!(f, "{rest}")
            }
            Self::Include { reverse, iterate } => {
                f.write_str(if *reverse { "_revinclude" } else { "_include" })?;
                f.write_str(if *iterate { ":iterate" } else { "" })
            }
            Self::Control(control) => f.write_str(control.name()),
            Self::Special(special) => f.write_str(special.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str) {
        let shown = match ParameterName::parse(name) {
            Ok(parsed) => {
                assert_eq!(ParameterName::parse(&parsed.to_string()).as_ref(), Ok(&parsed));
                let kind = match &parsed {
                    ParameterName::Plain { .. } => "plain",
                    ParameterName::Chain { .. } => "chain",
                    ParameterName::Has { .. } => "has",
                    ParameterName::Include { .. } => "include",
                    ParameterName::Control(_) => "control",
                    ParameterName::Special(_) => "special",
                };
                format!("{kind} {parsed}")
            }
            Err(fault) => format!("{fault:?}"),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn every_form_is_known() {
        check("code", "plain code");
        check("code:not-in", "plain code:not-in");
        check("subject:Patient", "plain subject:Patient");
        check("_id", "plain _id");
        check("_tag:not", "plain _tag:not");
        check("subject:Patient.name:exact", "chain subject:Patient.name:exact");
        check("subject.organization.name", "chain subject.organization.name");
        check("patient._id", "chain patient._id");
        check("_has:Observation:patient:code", "has _has:Observation:patient:code");
        check(
            "_has:Observation:patient:_has:AuditEvent:entity:agent:Practitioner.name",
            "has _has:Observation:patient:_has:AuditEvent:entity:agent:Practitioner.name",
        );
        check("_include:recurse", "include _include:iterate");
        check("_revinclude", "include _revinclude");
        check("_sort", "control _sort");
        check("_filter", "special _filter");
        check("_text", "special _text");
    }

    #[test]
    fn other_forms_are_refused() {
        check("", "Code");
        check("name:", "Modifier");
        check("name:fuzzy", "Modifier");
        check("name:exact:text", "Modifier");
        check(".name", "Code");
        check("subject.", "Code");
        check("subject:Pateint.name", "Type { did_you_mean: Some(\"Patient\") }");
        check("subject:missing.name", "Type { did_you_mean: None }");
        check("_has", "HasShape");
        check("_has:Observation:patient", "HasShape");
        check("_has.x", "HasShape");
        check("_has:Observation:patient:_count", "HasShape");
        check("_has:Foo:patient:code", "Type { did_you_mean: None }");
        check("_include:all", "Modifier");
        check("_sort:asc", "Modifier");
        check("_filter.name", "Modifier");
        check("na me", "Code");
        check("subject._filter", "Code");
        check("subject._has:Observation:patient:code", "Modifier");
        check("_list.name", "Modifier");
        check("a.a.a.a.a.a.a.a.a", "chain a.a.a.a.a.a.a.a.a");
        check(&["a"; CHAIN_LINKS_MAX + 2].join("."), "TooDeep");
    }

    #[test]
    fn what_filters_is_told_from_what_shapes() {
        let filters = |name: &str| ParameterName::parse(name).unwrap().filters();
        assert!(filters("code") && filters("_filter") && filters("_has:Observation:patient:code") && filters("_text"));
        assert!(!filters("_count") && !filters("_include"));
    }
}
