//! The walk over an object: every token is looked at, every element is kept or left out as its mask says.

use std::borrow::Cow;

use crate::absent::SUBSETTED;
use crate::fault::{Fault, Flaw};
use crate::keys::{Key, Keys, Seen};
use crate::log::Log;
use crate::mask::{Edge, Mask, Node, NodeKind, Print, Role, Value};
use crate::plan::Plan;
use crate::slices::{Series, Slices};
use crate::token::{Cursor, Text, unescape};
use crate::trail::Trail;

/// What walks: a reader, a writer, and what is remembered on the way.
pub(crate) struct Walk<'w> {
    pub(crate) cursor: Cursor<'w>,
    pub(crate) slices: Slices<'w>,
    pub(crate) plan: &'w Plan<'w>,
    pub(crate) log: &'w mut Log,
    pub(crate) keys: &'w mut Keys,
    pub(crate) facts: Facts<'w>,
    pub(crate) trail: Trail,
    depth: usize,
    /// Whether the tag array that was read last has the tag already.
    pub(crate) subsetted: bool,
}

/// What a resource says of itself.
#[derive(Debug, Default)]
pub(crate) struct Facts<'w> {
    pub(crate) id: Option<Text>,
    pub(crate) version: Option<Text>,
    /// References at paths that place the resource in compartments, with the bits of these.
    pub(crate) references: Vec<(u8, Cow<'w, str>)>,
    /// Of a Bundle entry: what became of its resource.
    pub(crate) entry: Option<Verdict>,
    /// Of a Bundle entry: the address that its request was for.
    pub(crate) request_url: Option<Text>,
}

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is on the way out.
    Kept,
    /// Nothing of it is to leave; whatever was written of it has to be rolled back.
    Emptied,
}

/// What became of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It leaves.
    Kept,
    /// Its type is not granted.
    NotGranted,
    /// It does not meet the conditions.
    OutsideConditions,
    /// It does not say what it is.
    UnknownType,
}

impl<'w> Walk<'w> {
    /// A walk from where `cursor` stands.
    pub(crate) fn new(
        cursor: Cursor<'w>,
        out: &'w mut Vec<u8>,
        plan: &'w Plan<'w>,
        log: &'w mut Log,
        keys: &'w mut Keys,
    ) -> Self {
        let slices = Slices::new(cursor.bytes(), out);
        let (facts, trail) = (Facts::default(), Trail::default());
        Self { cursor, slices, plan, log, keys, facts, trail, depth: 0, subsetted: false }
    }

    /// The object of `node` whose `{`, at `open`, was just taken. Says where it ends.
    pub(crate) fn object(&mut self, mask: &Mask, node: &Node, open: usize) -> Result<(Fate, usize), Fault> {
        self.descend()?;
        let mut series = Series::after(open + 1);
        let mut seen = self.keys.open(node.edges.len());
        let close = match self.cursor.token()? {
            (close, b'}') => close,
            first => self.members(mask, node, first, &mut series, &mut seen)?,
        };
        let fate = self.complete(node, &mut series, &seen);
        self.keys.close(&seen);
        self.ascend();
        if fate == Fate::Kept {
            self.slices.close(close);
        }
        Ok((fate, close + 1))
    }

    /// The members of an object, the first of which begins with the token `next`; the place of the `}`.
    fn members(
        &mut self,
        mask: &Mask,
        node: &Node,
        mut next: (usize, u8),
        series: &mut Series,
        seen: &mut Seen,
    ) -> Result<usize, Fault> {
        loop {
            self.member(mask, node, next, series, seen)?;
            if let Some(quote) = self.cursor.comma_and_quote() {
                next = (quote, b'"');
                continue;
            }
            match self.cursor.token()? {
                (_, b',') => next = self.cursor.token()?,
                (close, b'}') => return Ok(close),
                _ => return Err(Fault::Malformed(Flaw::NoMemberEnd)),
            }
        }
    }

    /// The key that begins with the token `next`, and its colon.
    #[inline(always)]
    pub(crate) fn key(&mut self, next: (usize, u8)) -> Result<Text, Fault> {
        let (start, b'"') = next else { return Err(Fault::Malformed(Flaw::NoKey)) };
        let key = self.cursor.text(start)?;
        self.cursor.expect(b':', Flaw::NoColon)?;
        Ok(key)
    }

    /// One member, which begins with the token `next`. Mostly it is the one that is expected, spelled as expected.
    #[inline(always)]
    fn member(
        &mut self,
        mask: &Mask,
        node: &Node,
        next: (usize, u8),
        series: &mut Series,
        seen: &mut Seen,
    ) -> Result<(), Fault> {
        if let (open, b'"') = next
            && let Some((number, edge, key)) = node.guess(seen.before)
            && let Some(text) = self.cursor.spelled(open, key)
        {
            return self.known_member(mask, node, text, (number, edge), series, seen);
        }
        self.other_member(mask, node, next, series, seen)
    }

    /// As [`Walk::member`], whatever it is.
    #[inline(never)]
    fn other_member(
        &mut self,
        mask: &Mask,
        node: &Node,
        next: (usize, u8),
        series: &mut Series,
        seen: &mut Seen,
    ) -> Result<(), Fault> {
        let key = self.key(next)?;
        let raw = self.cursor.slice(key);
        if key.escaped {
            let plain = unescape(raw);
            return self.named_member(mask, node, key, (Print::of(&plain), &plain), series, seen);
        }
        let print = Print::at(self.cursor.bytes(), key.start, key.end);
        self.named_member(mask, node, key, (print, raw), series, seen)
    }

    /// A member whose key has been read.
    #[inline(always)]
    pub(crate) fn named_member(
        &mut self,
        mask: &Mask,
        node: &Node,
        text: Text,
        (print, name): (Print, &[u8]),
        series: &mut Series,
        seen: &mut Seen,
    ) -> Result<(), Fault> {
        match node.find_after(seen.before, print, name) {
            Some(found) => self.known_member(mask, node, text, found, series, seen),
            None => self.unknown_member(node, text, name, series, seen),
        }
    }

    /// A member that R4 knows.
    #[inline(always)]
    fn known_member(
        &mut self,
        mask: &Mask,
        node: &Node,
        text: Text,
        (number, edge): (usize, &Edge),
        series: &mut Series,
        seen: &mut Seen,
    ) -> Result<(), Fault> {
        seen.before = number + 1;
        self.keys.see(seen, number)?;
        let mark = self.slices.mark();
        if edge.keep {
            self.slices.keep(series, text.start - 1);
            let (fate, end) = match edge.value {
                Value::Primitive => self.primitive(edge.role, node.verbatim)?,
                _ => self.deeper(mask, node, edge, number, text)?,
            };
            if fate == Fate::Kept {
                self.keys.wrote(seen, number);
                series.kept(end);
                return Ok(());
            }
            self.slices.roll_back(mark);
            self.slices.skip(series);
        } else {
            self.slices.skip(series);
            let after = self.slices.mark();
            match edge.value {
                // What does not leave may still decide on the resource, or be wanted in the record.
                Value::Object(_) => self.deeper(mask, node, edge, number, text).map(drop)?,
                Value::Primitive if edge.role != Role::None => self.primitive(edge.role, true).map(drop)?,
                _ => self.pass().map(drop)?,
            }
            self.slices.roll_back(after);
        }
        if edge.is_told() {
            let step = self.trail.enter(number, text);
            self.log.withhold(&self.trail, self.cursor.bytes());
            self.trail.leave(step);
        }
        Ok(())
    }

    /// The value of an edge that is no primitive.
    fn deeper(
        &mut self,
        mask: &Mask,
        node: &Node,
        edge: &Edge,
        number: usize,
        text: Text,
    ) -> Result<(Fate, usize), Fault> {
        let step = self.trail.enter(number, text);
        let found = self.value(mask, node, edge)?;
        self.trail.leave(step);
        Ok(found)
    }

    /// A member that R4 does not know.
    #[inline(never)]
    fn unknown_member(
        &mut self,
        node: &Node,
        text: Text,
        name: &[u8],
        series: &mut Series,
        seen: &mut Seen,
    ) -> Result<(), Fault> {
        let place = if text.escaped { None } else { Some((text.start, text.end)) };
        self.keys.see_other(seen, self.cursor.bytes(), Key { bytes: name, place })?;
        if node.verbatim {
            self.slices.keep(series, text.start - 1);
            let end = self.pass()?;
            series.kept(end);
            return Ok(());
        }
        self.slices.skip(series);
        self.pass()?;
        self.log.withhold_unknown(&self.trail, self.cursor.bytes());
        Ok(())
    }

    /// Adds what the end of an object has to add, or finds that nothing of the object is left.
    fn complete(&mut self, node: &Node, series: &mut Series, seen: &Seen) -> Fate {
        if node.verbatim {
            return Fate::Kept;
        }
        match node.kind {
            NodeKind::Plain if series.empty => return Fate::Emptied,
            NodeKind::Parameter if !self.has_more_than(node, seen, &[b"name"]) => return Fate::Emptied,
            NodeKind::Extension if !self.has_more_than(node, seen, &[b"url", b"id"]) => return Fate::Emptied,
            NodeKind::Plain | NodeKind::Parameter | NodeKind::Extension => {}
            NodeKind::Resource => {
                self.add_missing(node, "meta", &[r#""meta":{"tag":["#, SUBSETTED, "]}"], series, seen)
            }
            NodeKind::Meta => self.add_missing(node, "tag", &[r#""tag":["#, SUBSETTED, "]"], series, seen),
        }
        for required in &node.required {
            let wrote = |edges: &[u16]| edges.iter().any(|edge| self.keys.has_written(seen, usize::from(*edge)));
            let had = |edges: &[u16]| edges.iter().any(|edge| self.keys.has_seen(seen, usize::from(*edge)));
            let elements = &required.elements;
            let missed = had(&required.excuse) && !wrote(&required.excuse);
            let due = elements.iter().find(|(edges, _)| had(edges)).or_else(|| elements.first().filter(|_| missed));
            if let Some((_, text)) = due
                && !elements.iter().any(|(edges, _)| wrote(edges))
            {
                self.slices.add(series, &[text]);
            }
        }
        Fate::Kept
    }

    fn add_missing(&mut self, node: &Node, name: &str, member: &[&str], series: &mut Series, seen: &Seen) {
        let written = node
            .find(Print::of(name.as_bytes()), name.as_bytes())
            .is_some_and(|(edge, _)| self.keys.has_written(seen, edge));
        if !written {
            self.slices.add(series, member);
        }
    }

    fn has_more_than(&self, node: &Node, seen: &Seen, names: &[&[u8]]) -> bool {
        let is_named = |number| names.iter().any(|name| node.is_named(number, name));
        (0..node.edges.len()).any(|number| self.keys.has_written(seen, number) && !is_named(number))
    }

    /// One object or array further in.
    #[inline(always)]
    pub(crate) fn descend(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > self.plan.limits.depth_max { Err(Fault::TooDeep) } else { Ok(()) }
    }

    /// And out again.
    #[inline(always)]
    pub(crate) const fn ascend(&mut self) {
        self.depth -= 1;
    }
}
