//! A mask: which elements of one resource type leave, compiled to a graph.
//!
//! A node stands for an object of one FHIR type in one state of the grant; an edge for an element of it. Recursion
//! (`Questionnaire.item.item`, extensions in extensions) is a cycle. Finding an edge costs one hash and one compare.

use std::sync::atomic::{AtomicU16, Ordering};

use crate::masking::Masked;
use crate::spelled::Spelled;

/// The graph. Node 0 is the resource.
#[derive(Debug)]
pub(crate) struct Mask {
    pub(crate) nodes: Vec<Node>,
}

/// An object of one type in one state of the grant.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) edges: Vec<Edge>,
    /// The JSON names of the edges.
    names: Vec<Box<str>>,
    /// A table without collisions: number plus one, 0 is free. Its length is a power of two.
    slots: Box<[u16]>,
    /// What makes it so.
    seed: u64,
    /// The prints of these.
    prints: Box<[Print]>,
    /// Which edge came last after the edge of that number minus one (the first: at the start). Members mostly come in
    /// the order in which they came before, and who guesses right need not wait for the table.
    follows: Box<[AtomicU16]>,
    /// Whether elements that R4 does not know, and objects without members, leave.
    pub(crate) verbatim: bool,
    /// Elements that R4 requires here and that may be missing when the grant is done.
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
    /// Nothing, but it leaves only with a value or with extensions: the address alone says nothing (R4, ext-1).
    Extension,
}

/// Elements of which one has to be there if one was: an object of which none leaves gets a text in their place. Mostly
/// it is a single element that R4 requires; some invariants of R4 ask for one of several.
#[derive(Debug)]
pub(crate) struct Required {
    /// Each element: the edges of its JSON names (`value[x]` has many, and each primitive has `_name`), and
    /// `"code":{"extension":[…masked…]}`.
    pub(crate) elements: Vec<(Vec<u16>, Box<str>)>,
    /// The edges of an element that excuses them: if it was there and is withheld, they count as having been there.
    pub(crate) excuse: Vec<u16>,
}

/// An element of an object: all that is mostly asked of it, in one line of the processor's cache.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Edge {
    spelled: Spelled,
    pub(crate) value: Value,
    pub(crate) role: Role,
    /// Whether it leaves (perhaps in part).
    pub(crate) keep: bool,
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
    /// Something else stands in its place.
    Masked(Masked),
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
    /// The edge of the element of that JSON name, with the name.
    pub(crate) fn new(name: &str, keep: bool, value: Value, role: Role) -> (Box<str>, Self) {
        (name.into(), Self { spelled: Spelled::of(name), value, role, keep })
    }

    /// Whether it is worth a line that it does not leave: not what is only watched.
    pub(crate) const fn is_told(&self) -> bool {
        !matches!(self.role, Role::EntryResource)
    }
}

impl Node {
    /// A node with these edges, findable.
    pub(crate) fn new(named_edges: Vec<(Box<str>, Edge)>) -> Self {
        let (names, edges): (Vec<Box<str>>, Vec<Edge>) = named_edges.into_iter().unzip();
        let prints: Box<[Print]> = names.iter().map(|name| Print::of(name.as_bytes())).collect();
        let mut length = (edges.len() * 4).next_power_of_two();
        let mut seed = FIRST_SEED;
        // In a table of n² places half of all seeds will do, so this ends.
        loop {
            for _ in 0..SEEDS_TRIED {
                if let Some(slots) = placed(&prints, seed, length) {
                    let follows = (0..=edges.len()).map(|number| AtomicU16::new(u16::try_from(number).unwrap_or(0)));
                    let follows = follows.collect();
                    return Self { edges, names, prints, slots, seed, follows, ..Self::default() };
                }
                seed = seed.wrapping_mul(FIRST_SEED) | 1;
            }
            length *= 2;
        }
    }

    /// The edge of that name, with that print, and its number.
    #[inline(always)]
    pub(crate) fn find(&self, print: Print, key: &[u8]) -> Option<(usize, &Edge)> {
        let at = print.slot(self.seed, self.slots.len());
        let number = usize::from(*self.slots.get(at)?).checked_sub(1)?;
        let edge = self.edges.get(number)?;
        let found = *self.prints.get(number)? == print && (print.is_all() || self.is_named(number, key));
        found.then_some((number, edge))
    }

    /// The number of the edge that mostly comes there, the edge, and how its key is spelled. `before` is 0 at the start
    /// of an object, else one more than the number of the edge that came before.
    #[inline(always)]
    pub(crate) fn guess(&self, before: usize) -> Option<(usize, &Edge, &Spelled)> {
        let guess = usize::from(self.follows.get(before)?.load(Ordering::Relaxed));
        let edge = self.edges.get(guess)?;
        Some((guess, edge, &edge.spelled))
    }

    /// As [`Node::find`]; what comes there is what will be guessed.
    #[inline(always)]
    pub(crate) fn find_after(&self, before: usize, print: Print, key: &[u8]) -> Option<(usize, &Edge)> {
        let (number, edge) = self.find(print, key)?;
        let (follows, number_there) = (self.follows.get(before)?, u16::try_from(number).unwrap_or(0));
        if follows.load(Ordering::Relaxed) != number_there {
            follows.store(number_there, Ordering::Relaxed);
        }
        Some((number, edge))
    }

    /// Whether that is the name of the edge of that number.
    pub(crate) fn is_named(&self, number: usize, name: &[u8]) -> bool {
        self.names.get(number).is_some_and(|own| own.as_bytes() == name)
    }
}

/// What is compared of a key: its ends and its length. Up to sixteen bytes that is all of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Print {
    first: u64,
    last: u64,
    /// 255 is that or more.
    length: u8,
}

impl PartialEq for Print {
    /// All at once: three branches would cost more than three comparisons.
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.first ^ other.first | self.last ^ other.last | u64::from(self.length ^ other.length) == 0
    }
}

impl Eq for Print {}

impl Print {
    /// The print of a key.
    pub(crate) fn of(key: &[u8]) -> Self {
        let first = key.iter().take(8).rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let last = key.last_chunk::<8>().filter(|_| key.len() > 8).map_or(0, |last| u64::from_le_bytes(*last));
        Self { first, last, length: u8::try_from(key.len()).unwrap_or(u8::MAX) }
    }

    /// The print of the key that stands at `start..end` of the window, mostly without a branch.
    #[inline(always)]
    pub(crate) fn at(window: &[u8], start: usize, end: usize) -> Self {
        let length = end.wrapping_sub(start);
        let eight = |from: usize| window.get(from..)?.first_chunk::<8>().map(|eight| u64::from_le_bytes(*eight));
        let (Some(first), Some(last)) = (eight(start), eight(end.wrapping_sub(8))) else {
            return Self::of(window.get(start..end).unwrap_or_default());
        };
        let kept = u64::MAX >> (64 - 8 * length.clamp(1, 8));
        let none = 0_u64.wrapping_sub(u64::from(length != 0));
        let long = 0_u64.wrapping_sub(u64::from(length > 8));
        Self { first: first & kept & none, last: last & long, length: u8::try_from(length).unwrap_or(u8::MAX) }
    }

    /// Whether two keys of this print are the same key.
    #[inline(always)]
    pub(crate) const fn is_all(self) -> bool {
        self.length <= 16
    }

    #[inline(always)]
    fn slot(self, seed: u64, length: usize) -> usize {
        let mixed = (self.first ^ self.last.rotate_left(29) ^ u64::from(self.length) << 56).wrapping_mul(seed);
        usize::try_from(mixed >> 40).unwrap_or(0) & length.wrapping_sub(1)
    }
}

/// An odd number without a pattern.
const FIRST_SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Seeds that are tried before a larger table is.
const SEEDS_TRIED: usize = 32;

/// Prints in a table of that length under that seed, if no two of them meet.
fn placed(prints: &[Print], seed: u64, length: usize) -> Option<Box<[u16]>> {
    let mut slots = vec![0_u16; length].into_boxed_slice();
    for (number, print) in prints.iter().enumerate() {
        let slot = slots.get_mut(print.slot(seed, length)).filter(|slot| **slot == 0)?;
        *slot = u16::try_from(number + 1).ok()?;
    }
    Some(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(name: &str) -> (Box<str>, Edge) {
        Edge::new(name, true, Value::Opaque, Role::None)
    }

    fn number_of(node: &Node, name: &str) -> Option<usize> {
        node.find(Print::of(name.as_bytes()), name.as_bytes()).map(|(number, _)| number)
    }

    #[test]
    fn every_edge_is_found_and_nothing_else() {
        let names: Vec<String> = (0..300).map(|number| format!("element{number}")).collect();
        let node = Node::new(names.iter().map(|name| edge(name)).collect());
        for (number, name) in names.iter().enumerate() {
            assert_eq!(number_of(&node, name), Some(number));
        }
        assert_eq!(number_of(&node, "element300"), None);
        assert_eq!(number_of(&node, ""), None);
        assert_eq!(number_of(&Node::new(Vec::new()), "x"), None);
    }

    #[test]
    fn long_names_that_differ_only_in_the_middle_are_told_apart() {
        let (one, two) = ("conditionally1PresentedByAll", "conditionally2PresentedByAll");
        let node = Node::new(vec![edge(one)]);
        assert_eq!(number_of(&node, one), Some(0));
        assert_eq!(number_of(&node, two), None);
    }

    #[test]
    fn a_print_does_not_depend_on_what_stands_around_the_key() {
        let window = b"{\"0123456789abcdefghijklmnop\":\"x\"}     ";
        for start in 0..window.len() {
            for end in start..window.len() {
                assert_eq!(Print::at(window, start, end), Print::of(&window[start..end]), "{start}..{end}");
            }
        }
    }
}
