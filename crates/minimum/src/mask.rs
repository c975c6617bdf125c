//! A mask: which elements of one resource type leave, compiled to a graph.
//!
//! A node stands for an object of one FHIR type in one state of the grant; an edge for an element of it. Recursion
//! (`Questionnaire.item.item`, extensions in extensions) is a cycle. Finding an edge costs one hash and one compare.

/// The graph. Node 0 is the resource.
#[derive(Debug)]
pub(crate) struct Mask {
    pub(crate) nodes: Vec<Node>,
}

/// An object of one type in one state of the grant.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) edges: Vec<Edge>,
    /// Open addressing over the edges. Its length is a power of two.
    slots: Box<[Slot]>,
    /// Whether elements that R4 does not know, and objects without members, leave.
    pub(crate) verbatim: bool,
    /// Elements that R4 requires here and the grant withholds.
    pub(crate) required: Vec<Required>,
    pub(crate) kind: NodeKind,
}

/// What the end of an object has to add.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeKind {
    /// Only what [`Node::required`] says.
    #[default]
    Plain,
    /// `meta`, unless there was one.
    Resource,
    /// `tag`, unless there was one.
    Meta,
    /// Nothing, but it leaves only with more than its `name`.
    Parameter,
}

/// A required element that is withheld: an object that had it gets `text` in its place.
#[derive(Debug)]
pub(crate) struct Required {
    /// The edges of its JSON names (`value[x]` has many, and each primitive has `_name`).
    pub(crate) edges: Vec<u16>,
    /// `"code":{"extension":[…masked…]}`
    pub(crate) text: Box<str>,
}

/// An element of an object.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) name: Box<str>,
    /// Whether it leaves (perhaps in part).
    pub(crate) keep: bool,
    pub(crate) value: Value,
    pub(crate) role: Role,
}

/// What an element holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// A string, number or boolean, or an array of them.
    Primitive,
    /// An object, or an array of objects, of the node of that number.
    Object(u32),
    /// As `Object`, but an item without members becomes `null`: these are the `_name` siblings of arrays.
    Sibling(u32),
    /// A resource, or an array of resources.
    Resource(Holder),
    /// Anything, not looked into.
    Opaque,
}

/// What holds a resource, and so decides how it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A Bundle or Parameters: it leaves as if it came alone.
    Envelope,
    /// A resource of which `contained` is named: it leaves as its own type may, on the conditions of its holder.
    Contained,
    /// A resource that leaves whole: it leaves as it is.
    Whole,
}

/// What else is to be done with a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing.
    None,
    /// `id` of the resource.
    Id,
    /// `meta.versionId` of the resource.
    Version,
    /// `Reference.reference`, at a path of the compartments of these bits.
    Reference(u8),
    /// An address that may be below the upstream's base.
    Address,
    /// `meta` of the resource.
    Meta,
    /// `meta.tag` of the resource.
    Tag,
    /// `meta.tag.code` of the resource.
    TagCode,
    /// `Bundle.entry.resource`: what becomes of it decides on the entry.
    EntryResource,
    /// `Bundle.entry.request.url`: tells of which resource an entry without one speaks.
    RequestUrl,
}

impl Edge {
    /// Whether it is worth a line that it does not leave: not what is only watched.
    pub(crate) const fn is_told(&self) -> bool {
        !matches!(self.role, Role::EntryResource)
    }
}

impl Node {
    /// A node with these edges, findable.
    pub(crate) fn new(edges: Vec<Edge>) -> Self {
        let length = (edges.len() * 2).next_power_of_two().max(4);
        let mut slots = vec![Slot::default(); length].into_boxed_slice();
        for (number, edge) in edges.iter().enumerate() {
            let print = Print::of(edge.name.as_bytes());
            let mut at = print.slot(length);
            while slots.get(at).is_some_and(|slot| slot.number != 0) {
                at = (at + 1) & (length - 1);
            }
            if let (Some(slot), Ok(number)) = (slots.get_mut(at), u32::try_from(number + 1)) {
                *slot = Slot { print, number };
            }
        }
        Self { edges, slots, ..Self::default() }
    }

    /// The edge of that name and its number.
    #[inline(always)]
    pub(crate) fn find(&self, key: &[u8]) -> Option<(usize, &Edge)> {
        let print = Print::of(key);
        let length = self.slots.len();
        let mut at = print.slot(length);
        loop {
            let slot = self.slots.get(at)?;
            let number = (slot.number as usize).checked_sub(1)?;
            if slot.print == print {
                let edge = self.edges.get(number)?;
                if print.is_all() || edge.name.as_bytes() == key {
                    return Some((number, edge));
                }
            }
            at = (at + 1) & (length - 1);
        }
    }
}

/// A place in the table of a node.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    print: Print,
    /// The number of the edge, plus one; 0 is free.
    number: u32,
}

/// What is compared of a key: its ends and its length. Up to sixteen bytes that is all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Print {
    first: u64,
    last: u64,
    length: u32,
}

impl Print {
    #[inline(always)]
    pub(crate) fn of(key: &[u8]) -> Self {
        let (first, last) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
                (Some(first), Some(last)) => {
                    (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)))
                }
                _ => key.iter().fold((0, 0), |(sum, last), byte| (sum << 8 | u64::from(*byte), last)),
            },
        };
        Self { first, last, length: u32::try_from(key.len()).unwrap_or(u32::MAX) }
    }

    /// Whether two keys of this print are the same key.
    #[inline(always)]
    pub(crate) const fn is_all(self) -> bool {
        self.length <= 16
    }

    #[inline(always)]
    fn slot(self, length: usize) -> usize {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = (self.first ^ self.last.rotate_left(29) ^ u64::from(self.length) << 56).wrapping_mul(ODD);
        usize::try_from(mixed >> 32).unwrap_or(0) & (length - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(name: &str) -> Edge {
        Edge { name: name.into(), keep: true, value: Value::Opaque, role: Role::None }
    }

    #[test]
    fn every_edge_is_found_and_nothing_else() {
        let names: Vec<String> = (0..300).map(|number| format!("element{number}")).collect();
        let node = Node::new(names.iter().map(|name| edge(name)).collect());
        for (number, name) in names.iter().enumerate() {
            assert_eq!(node.find(name.as_bytes()).map(|(found, _)| found), Some(number));
        }
        assert!(node.find(b"element300").is_none());
        assert!(node.find(b"").is_none());
        assert!(Node::new(Vec::new()).find(b"x").is_none());
    }
}
