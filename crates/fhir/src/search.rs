//! The search parameters of R4: which each type has, of what kind, and where in the resource its values lie.
//!
//! A table, parsed once. Expressions are reduced to the type: `subject.where(resolve() is Patient)`, without the
//! leading `Observation.`; they stand on the resource.

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use crate::ResourceType;
use crate::fhirpath::Expression;

/// One search parameter as one type has it.
#[derive(Debug)]
pub struct SearchParameter {
    /// The type that it is defined for; `Resource` and `DomainResource` for those that every type has.
    pub base: &'static str,
    /// Its name in a query: `code`, `_lastUpdated`.
    pub code: &'static str,
    /// How its values are compared.
    pub kind: SearchKind,
    /// FHIRPath standing on the resource; empty for `_text`, `_content` and `_query`.
    pub expression: &'static str,
    /// The types that a reference may point at; empty for the other kinds.
    pub targets: Vec<ResourceType>,
    /// The parts of a composite, in the order of their values; empty for the other kinds.
    pub components: Vec<Component>,
    definition: &'static str,
    parsed: OnceLock<Option<Expression>>,
}

/// One part of a composite parameter.
#[derive(Debug)]
pub struct Component {
    /// The parameter that it is one value of.
    pub code: &'static str,
    /// How its values are compared.
    pub kind: SearchKind,
    /// FHIRPath standing on each result of the composite's own expression (`%resource` is the resource).
    pub expression: &'static str,
    definition: &'static str,
    parsed: OnceLock<Option<Expression>>,
}

/// How a parameter's values are written and compared (R4, 3.1.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SearchKind {
    /// `system|code`.
    Token,
    /// Begins with, without case and accents.
    String,
    /// Another resource.
    Reference,
    /// A moment or a period, with a prefix.
    Date,
    /// A number with a unit, with a prefix.
    Quantity,
    /// A number, with a prefix.
    Number,
    /// A URI, whole.
    Uri,
    /// Several of one element together, joined by `$`.
    Composite,
    /// A way of its own (`Location.near`).
    Special,
}

impl SearchKind {
    /// The word in FHIR's definitions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::String => "string",
            Self::Reference => "reference",
            Self::Date => "date",
            Self::Quantity => "quantity",
            Self::Number => "number",
            Self::Uri => "uri",
            Self::Composite => "composite",
            Self::Special => "special",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Token,
            Self::String,
            Self::Reference,
            Self::Date,
            Self::Quantity,
            Self::Number,
            Self::Uri,
            Self::Composite,
            Self::Special,
        ]
        .into_iter()
        .find(|kind| kind.name() == word)
    }
}

impl SearchParameter {
    /// The expression, parsed at the first call; nothing for `_text`, `_content` and `_query`.
    #[must_use]
    pub fn parsed(&self) -> Option<&Expression> {
        self.parsed.get_or_init(|| Expression::parse(self.expression).ok()).as_ref()
    }

    /// The canonical URL of its definition, as a CapabilityStatement names it.
    #[must_use]
    pub fn definition(&self) -> String {
        if self.definition.is_empty() {
            format!("{CANONICAL}{}-{}", self.base, self.code.trim_start_matches('_'))
        } else {
            format!("{CANONICAL}{}", self.definition)
        }
    }
}

impl Component {
    /// The expression, parsed at the first call.
    #[must_use]
    pub fn parsed(&self) -> Option<&Expression> {
        self.parsed.get_or_init(|| Expression::parse(self.expression).ok()).as_ref()
    }

    /// The canonical URL of the part's definition.
    #[must_use]
    pub fn definition(&self) -> String {
        format!("{CANONICAL}{}", self.definition)
    }
}

const CANONICAL: &str = "http://hl7.org/fhir/SearchParameter/";

/// The parameter of that name on that type; `_id` and its like are found on every type.
#[must_use]
pub fn parameter(resource: ResourceType, code: &str) -> Option<&'static SearchParameter> {
    TABLE
        .of(resource)
        .into_iter()
        .find_map(|own| own.binary_search_by(|parameter| parameter.code.cmp(code)).ok().and_then(|at| own.get(at)))
}

/// Every parameter of a type: its own by name, then those that every type has.
pub fn parameters(resource: ResourceType) -> impl Iterator<Item = &'static SearchParameter> {
    TABLE.of(resource).into_iter().flatten()
}

/// The parameter of that name on every type (`_id`, `_lastUpdated`, …), for a search of the whole system.
#[must_use]
pub fn common(code: &str) -> Option<&'static SearchParameter> {
    TABLE.based_on("Resource").iter().find(|parameter| parameter.code == code)
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::parse(include_str!("tables/search.txt")));

/// All parameters, sorted by base and code, and where those of each type stand.
struct Table {
    rows: Vec<SearchParameter>,
    own: Vec<Range<usize>>,
}

impl Table {
    fn parse(text: &'static str) -> Self {
        let mut base = "";
        let mut rows = Vec::with_capacity(2_000);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix('@') {
                Some(name) => base = name,
                None => rows.extend(row(base, line)),
            }
        }
        rows.sort_by(|left, right| (left.base, left.code).cmp(&(right.base, right.code)));
        let own = ResourceType::all().map(|resource| range(&rows, resource.name())).collect();
        Self { rows, own }
    }

    /// What a type has: its own, then what it has as a type with narrative, then what every type has.
    fn of(&self, resource: ResourceType) -> [&[SearchParameter]; 3] {
        let own = self.own.get(resource.index()).and_then(|range| self.rows.get(range.clone()));
        let narrative = if resource.is_domain_resource() { self.based_on("DomainResource") } else { &[] };
        [own.unwrap_or_default(), narrative, self.based_on("Resource")]
    }

    fn based_on(&self, base: &str) -> &[SearchParameter] {
        self.rows.get(range(&self.rows, base)).unwrap_or_default()
    }
}

fn range(rows: &[SearchParameter], base: &str) -> Range<usize> {
    rows.partition_point(|row| row.base < base)..rows.partition_point(|row| row.base <= base)
}

fn row(base: &'static str, line: &'static str) -> Option<SearchParameter> {
    let mut fields = line.split('\t');
    Some(SearchParameter {
        base,
        code: fields.next()?,
        kind: SearchKind::parse(fields.next()?)?,
        expression: fields.next().unwrap_or_default(),
        targets: targets(fields.next().unwrap_or_default()),
        definition: fields.next().unwrap_or_default(),
        components: fields.filter_map(component).collect(),
        parsed: OnceLock::new(),
    })
}

fn targets(field: &str) -> Vec<ResourceType> {
    if field == "*" {
        return ResourceType::all().collect();
    }
    field.split(',').filter_map(ResourceType::parse).collect()
}

fn component(field: &'static str) -> Option<Component> {
    let mut parts = field.split('~');
    Some(Component {
        code: parts.next()?,
        kind: SearchKind::parse(parts.next()?)?,
        expression: parts.next()?,
        definition: parts.next()?,
        parsed: OnceLock::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(resource: &str, code: &str) -> &'static SearchParameter {
        parameter(ResourceType::parse(resource).unwrap(), code).unwrap()
    }

    #[test]
    fn every_line_of_the_table_is_a_parameter() {
        let lines = include_str!("tables/search.txt").lines().filter(|line| !line.starts_with(['#', '@'])).count();
        assert_eq!(TABLE.rows.len(), lines);
    }

    #[test]
    fn a_shared_parameter_has_the_expression_of_its_type() {
        assert_eq!(of("Observation", "code").expression, "code");
        assert_eq!(of("AllergyIntolerance", "code").expression, "code | reaction.substance");
        assert_eq!(of("Appointment", "patient").expression, "participant.actor.where(resolve() is Patient)");
        assert_eq!(of("Patient", "deceased").expression, "deceased.exists() and deceased != false");
        assert_eq!(of("InsurancePlan", "name").expression, "name | alias");
    }

    #[test]
    fn references_name_their_targets() {
        assert_eq!(of("Observation", "patient").targets, [ResourceType::PATIENT]);
        assert_eq!(of("Provenance", "target").targets.len(), ResourceType::COUNT);
        assert!(of("Observation", "code").targets.is_empty());
    }

    #[test]
    fn a_composite_names_its_parts_in_order() {
        let parts = &of("Observation", "code-value-quantity").components;
        assert_eq!(parts.iter().map(|part| part.code).collect::<Vec<_>>(), ["code", "value-quantity"]);
        assert_eq!(parts[1].kind, SearchKind::Quantity);
        assert_eq!(parts[1].expression, "value.ofType(Quantity)");
        for composite in TABLE.rows.iter().filter(|row| row.kind == SearchKind::Composite) {
            assert!(composite.components.len() >= 2, "{} of {}", composite.code, composite.base);
        }
    }

    #[test]
    fn every_type_has_the_common_ones_and_only_those_with_narrative_have_text() {
        for resource in ResourceType::all() {
            for code in ["_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_content"] {
                assert!(parameter(resource, code).is_some(), "{resource} {code}");
            }
        }
        assert!(parameter(ResourceType::PATIENT, "_text").is_some());
        assert!(parameter(ResourceType::BUNDLE, "_text").is_none());
        assert!(common("_id").is_some());
        assert!(common("code").is_none());
    }

    #[test]
    fn an_unknown_name_is_no_parameter() {
        assert!(parameter(ResourceType::PATIENT, "Name").is_none());
        assert!(parameter(ResourceType::PATIENT, "").is_none());
        assert!(parameter(ResourceType::PATIENT, "code").is_none());
    }

    #[test]
    fn definitions_are_the_published_urls() {
        assert_eq!(of("Observation", "code").definition(), "http://hl7.org/fhir/SearchParameter/clinical-code");
        assert_eq!(of("Account", "owner").definition(), "http://hl7.org/fhir/SearchParameter/Account-owner");
        assert_eq!(of("Account", "_id").definition(), "http://hl7.org/fhir/SearchParameter/Resource-id");
    }
}
