//! The parsed table of elements: read once, without copying its words.

use std::sync::LazyLock;

use super::{Element, Type};
use crate::ResourceType;

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| Table::parse(include_str!("../tables/elements.txt")));

/// Every type, sorted by name.
pub(super) struct Table {
    pub(super) types: Vec<Type>,
    resources: Vec<Option<usize>>,
}

impl Table {
    pub(super) fn find(&self, name: &str) -> Option<&Type> {
        self.index(name).and_then(|at| self.types.get(at))
    }

    pub(super) fn of(&self, resource: ResourceType) -> Option<&Type> {
        let at = self.resources.get(resource.index()).copied().flatten()?;
        self.types.get(at)
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.types.binary_search_by(|one| one.name.cmp(name)).ok()
    }

    fn parse(text: &'static str) -> Self {
        let mut types: Vec<Type> = Vec::with_capacity(700);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix('@') {
                Some(head) => types.push(head_of(head)),
                None => {
                    if let (Some(open), Some(element)) = (types.last_mut(), element(line)) {
                        open.elements.push(element);
                    }
                }
            }
        }
        types.sort_by_key(|one| one.name);
        let mut table = Self { types, resources: Vec::new() };
        table.resources = ResourceType::all().map(|resource| table.index(resource.name())).collect();
        table.inherit();
        table.link();
        table
    }

    /// Puts the elements of the bases before a type's own.
    fn inherit(&mut self) {
        let whole: Vec<Vec<Element>> = self.types.iter().map(|one| self.inherited(one)).collect();
        for (one, elements) in self.types.iter_mut().zip(whole) {
            one.elements = elements;
        }
    }

    fn inherited(&self, one: &Type) -> Vec<Element> {
        let mut all = one.base.and_then(|base| self.find(base)).map(|base| self.inherited(base)).unwrap_or_default();
        all.extend(one.elements.iter().cloned());
        all
    }

    /// Numbers the types of the elements and sorts each type's names.
    fn link(&mut self) {
        let names: Vec<&'static str> = self.types.iter().map(|one| one.name).collect();
        for one in &mut self.types {
            for element in &mut one.elements {
                element.kind = names
                    .binary_search(&element.type_name)
                    .ok()
                    .and_then(|at| u16::try_from(at).ok())
                    .unwrap_or(u16::MAX);
            }
            let mut order: Vec<(&'static str, u16)> =
                one.elements.iter().zip(0_u16..).map(|(element, at)| (element.name, at)).collect();
            order.sort_unstable();
            one.by_name = order.into_iter().map(|(_, at)| at).collect();
        }
    }
}

fn head_of(head: &'static str) -> Type {
    let (name, base) = head.split_once(' ').map_or((head, None), |(name, base)| (name, Some(base)));
    let primitive = name.starts_with('!');
    Type { name: name.trim_start_matches('!'), base, primitive, elements: Vec::new(), by_name: Vec::new() }
}

fn element(line: &'static str) -> Option<Element> {
    let mut fields = line.split('\t');
    let name = fields.next()?;
    let (type_name, targets) = split_targets(fields.next()?);
    let (min, max) = cardinality(fields.next().unwrap_or_default());
    let flags = fields.next().unwrap_or_default();
    let stem = flags.trim_start_matches(|flag: char| flag.is_ascii_uppercase());
    Some(Element {
        name,
        choice: stem.parse().ok().and_then(|length: usize| name.get(..length)),
        type_name,
        min,
        max,
        summary: flags.contains('S'),
        modifier: flags.contains('M'),
        plain: flags.contains('P'),
        targets,
        value_set: fields.next().unwrap_or_default(),
        kind: u16::MAX,
    })
}

/// `Reference(Patient|Group)` as its two parts.
fn split_targets(field: &'static str) -> (&'static str, &'static str) {
    field.split_once('(').map_or((field, ""), |(name, rest)| (name, rest.trim_end_matches(')')))
}

/// `1..*`; nothing is `0..1`.
fn cardinality(field: &str) -> (u32, Option<u32>) {
    let (min, max) = field.split_once("..").unwrap_or(("0", "1"));
    (min.parse().unwrap_or(0), max.parse().ok())
}
