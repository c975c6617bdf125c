//! The walk over a value: primitive, object, array, or something to pass by.

use crate::absent::SUBSETTED;
use crate::fault::{Fault, Flaw};
use crate::keys::Key;
use crate::mask::{Edge, Holder, Mask, Node, Role, Value};
use crate::masking::{Coded, Masked};
use crate::slices::Series;
use crate::token::{Text, unescape};
use crate::walk::{Fate, Verdict, Walk};

const NO_VALUE: Fault = Fault::Malformed(Flaw::NoValue);
const NO_ITEM_END: Fault = Fault::Malformed(Flaw::NoItemEnd);

impl Walk<'_> {
    /// The value of `edge`, an element of `node`. Says what became of it and where it ends.
    #[inline(always)]
    pub(crate) fn value(&mut self, mask: &Mask, node: &Node, edge: &Edge) -> Result<(Fate, usize), Fault> {
        match edge.value {
            Value::Primitive => self.primitive(edge.role, node.verbatim),
            Value::Object(number) | Value::Sibling(number) => self.objects(mask, number, edge, node.verbatim),
            Value::Resource(holder) => self.resources(holder, edge.role),
            Value::Opaque => self.pass().map(|end| (Fate::Kept, end)),
            Value::Masked(masked) => self.masked(masked, edge.role),
        }
    }

    /// A value in the place of which something else leaves, or nothing. What it says of its resource is noted all the
    /// same.
    #[cold]
    fn masked(&mut self, masked: Masked, role: Role) -> Result<(Fate, usize), Fault> {
        let (at, byte) = self.cursor.token()?;
        let end = if byte == b'"' {
            let text = self.cursor.text(at)?;
            self.note(role, text);
            text.end + 1
        } else {
            self.pass_from(at, byte)?
        };
        let coded = match role {
            Role::Id => Coded::Id,
            Role::Reference(_) => Coded::Reference,
            _ => Coded::Text,
        };
        let bytes = self.cursor.bytes().get(at..end).unwrap_or_default();
        let value = serde_json::from_slice(bytes).map_err(|_| NO_VALUE)?;
        let Some(instead) = masked.of(&value, self.trail.root, coded, self.plan.rewrite) else {
            return Ok((Fate::Emptied, end));
        };
        self.slices.replace(at, end, instead.to_string().as_bytes());
        Ok((Fate::Kept, end))
    }

    /// A primitive or an array of them.
    #[inline(always)]
    pub(crate) fn primitive(&mut self, role: Role, verbatim: bool) -> Result<(Fate, usize), Fault> {
        let (at, byte) = self.cursor.token()?;
        match byte {
            b'"' => {
                let text = self.cursor.text(at)?;
                if role != Role::None {
                    self.act(role, text);
                }
                Ok((Fate::Kept, text.end + 1))
            }
            b'[' => self.primitives(at, role, verbatim),
            b'{' => {
                let end = self.pass_from(at, byte)?;
                Ok((unless(verbatim), end))
            }
            _ => {
                let end = self.cursor.scalar(at)?;
                let null = byte == b'n' && !verbatim;
                Ok((if null { Fate::Emptied } else { Fate::Kept }, end))
            }
        }
    }

    /// An array of primitives. It is emptied by anything that is none, and if nothing but `null` is in it.
    #[cold]
    fn primitives(&mut self, open: usize, role: Role, verbatim: bool) -> Result<(Fate, usize), Fault> {
        self.descend()?;
        let (mut some, mut foreign) = (false, false);
        let mut next = self.cursor.token()?;
        let close = if next.1 == b']' {
            next.0
        } else {
            loop {
                match next {
                    (at, b'"') => {
                        let text = self.cursor.text(at)?;
                        self.act(role, text);
                        some = true;
                    }
                    (at, b'{' | b'[') => {
                        self.pass_from(at, next.1)?;
                        foreign = true;
                    }
                    (at, byte) => {
                        self.cursor.scalar(at)?;
                        some |= byte != b'n';
                    }
                }
                match self.cursor.token()? {
                    (_, b',') => next = self.cursor.token()?,
                    (close, b']') => break close,
                    _ => return Err(NO_ITEM_END),
                }
            }
        };
        self.ascend();
        debug_assert!(close > open);
        let kept = verbatim || (some && !foreign);
        Ok((if kept { Fate::Kept } else { Fate::Emptied }, close + 1))
    }

    /// Does what the role of a string asks for.
    fn act(&mut self, role: Role, text: Text) {
        self.note(role, text);
        if matches!(role, Role::Reference(_) | Role::Address | Role::RequestUrl) {
            self.rewrite(text);
        }
    }

    /// Notes what a string of that role says of the resource.
    fn note(&mut self, role: Role, text: Text) {
        match role {
            Role::Id => self.facts.id = Some(text),
            Role::Version => self.facts.version = Some(text),
            Role::Reference(0) | Role::Address => {}
            Role::Reference(bits) => {
                let reference = self.text(text);
                self.facts.references.push((bits, reference));
            }
            Role::RequestUrl => self.facts.request_url = Some(text),
            Role::TagCode => self.subsetted |= self.cursor.slice(text) == b"SUBSETTED",
            Role::None | Role::Meta | Role::Tag | Role::EntryResource => {}
        }
    }

    /// Turns an address below the upstream's base into one below ours.
    fn rewrite(&mut self, text: Text) {
        let raw = self.cursor.slice(text);
        let rewrite = self.plan.rewrite;
        if text.escaped {
            let plain = unescape(raw);
            if let Some(rest) = rewrite.below_upstream(&plain) {
                let rest = String::from_utf8_lossy(rest);
                let whole = serde_json::Value::String(format!("{}{rest}", rewrite.public_base()));
                self.slices.replace(text.start - 1, text.end + 1, whole.to_string().as_bytes());
            }
        } else if let Some(rest) = rewrite.below_upstream(raw) {
            let start = text.end - rest.len();
            self.slices.replace(text.start, start, self.plan.public_base_json.as_bytes());
        }
    }

    /// An object of the node of that number, or an array of them.
    #[inline(always)]
    fn objects(&mut self, mask: &Mask, number: u32, edge: &Edge, verbatim: bool) -> Result<(Fate, usize), Fault> {
        let node = mask.nodes.get(number as usize).ok_or(Fault::Malformed(Flaw::NoNode))?;
        let (at, byte) = self.cursor.token()?;
        match byte {
            b'{' if edge.role != Role::Tag => self.object(mask, node, at),
            b'[' if edge.role != Role::Meta => self.object_array(mask, node, at, edge),
            _ => {
                let end = self.pass_from(at, byte)?;
                Ok((unless(verbatim), end))
            }
        }
    }

    /// An array of objects. Items of which nothing is left are left out, or become `null` where places count.
    fn object_array(&mut self, mask: &Mask, node: &Node, open: usize, edge: &Edge) -> Result<(Fate, usize), Fault> {
        self.descend()?;
        self.subsetted = false;
        let placed = matches!(edge.value, Value::Sibling(_));
        let mut series = Series::after(open + 1);
        let mut some = node.verbatim;
        let mut next = self.cursor.token()?;
        let close = if next.1 == b']' {
            next.0
        } else {
            loop {
                some |= self.item(mask, node, next, placed, &mut series)?;
                match self.cursor.token()? {
                    (_, b',') => next = self.cursor.token()?,
                    (close, b']') => break close,
                    _ => return Err(NO_ITEM_END),
                }
            }
        };
        self.ascend();
        if edge.role == Role::Tag {
            if !self.subsetted {
                self.slices.add(&mut series, &[SUBSETTED]);
            }
            some = true;
        }
        if some {
            self.slices.close(close);
        }
        Ok((if some { Fate::Kept } else { Fate::Emptied }, close + 1))
    }

    /// One item of an array of objects; whether something of it is kept.
    #[inline(always)]
    fn item(
        &mut self,
        mask: &Mask,
        node: &Node,
        (at, byte): (usize, u8),
        placed: bool,
        series: &mut Series,
    ) -> Result<bool, Fault> {
        let mark = self.slices.mark();
        self.slices.keep(series, at);
        let (fate, end) = match byte {
            b'{' => self.object(mask, node, at)?,
            _ => (unless(node.verbatim), self.pass_from(at, byte)?),
        };
        if fate == Fate::Kept {
            series.kept(end);
            return Ok(true);
        }
        self.slices.roll_back(mark);
        self.slices.skip(series);
        if placed {
            self.slices.add(series, &["null"]);
        }
        Ok(false)
    }

    /// A resource or an array of resources, each with its own mask.
    fn resources(&mut self, holder: Holder, role: Role) -> Result<(Fate, usize), Fault> {
        let (at, byte) = self.cursor.token()?;
        match byte {
            b'{' => {
                let (verdict, end) = self.resource(at, holder)?;
                if role == Role::EntryResource {
                    self.facts.entry = Some(verdict);
                }
                Ok((if verdict == Verdict::Kept { Fate::Kept } else { Fate::Emptied }, end))
            }
            b'[' if role != Role::EntryResource => self.resource_array(at, holder),
            _ => {
                let end = self.pass_from(at, byte)?;
                if role == Role::EntryResource {
                    self.facts.entry = Some(Verdict::UnknownType);
                }
                Ok((unless(holder == Holder::Whole), end))
            }
        }
    }

    fn resource_array(&mut self, open: usize, holder: Holder) -> Result<(Fate, usize), Fault> {
        self.descend()?;
        let mut series = Series::after(open + 1);
        let mut next = self.cursor.token()?;
        let close = if next.1 == b']' {
            next.0
        } else {
            loop {
                self.resource_item(next, holder, &mut series)?;
                match self.cursor.token()? {
                    (_, b',') => next = self.cursor.token()?,
                    (close, b']') => break close,
                    _ => return Err(NO_ITEM_END),
                }
            }
        };
        self.ascend();
        let kept = holder == Holder::Whole || !series.empty;
        if kept {
            self.slices.close(close);
        }
        Ok((if kept { Fate::Kept } else { Fate::Emptied }, close + 1))
    }

    fn resource_item(&mut self, (at, byte): (usize, u8), holder: Holder, series: &mut Series) -> Result<(), Fault> {
        let mark = self.slices.mark();
        self.slices.keep(series, at);
        let (verdict, end) = match byte {
            b'{' => self.resource(at, holder)?,
            _ if holder == Holder::Whole => (Verdict::Kept, self.pass_from(at, byte)?),
            _ => (Verdict::UnknownType, self.pass_from(at, byte)?),
        };
        if verdict == Verdict::Kept {
            series.kept(end);
        } else {
            self.slices.roll_back(mark);
            self.slices.skip(series);
        }
        Ok(())
    }

    /// Any value, checked and not looked into. Says where it ends.
    #[inline(always)]
    pub(crate) fn pass(&mut self) -> Result<usize, Fault> {
        let (at, byte) = self.cursor.token()?;
        self.pass_from(at, byte)
    }

    /// As [`Walk::pass`], with the first token already taken.
    #[inline(always)]
    pub(crate) fn pass_from(&mut self, at: usize, byte: u8) -> Result<usize, Fault> {
        match byte {
            b'"' => self.cursor.text(at).map(|text| text.end + 1),
            b'{' => self.pass_object(),
            b'[' => self.pass_array(),
            b'}' | b']' | b':' | b',' => Err(NO_VALUE),
            _ => self.cursor.scalar(at),
        }
    }

    fn pass_object(&mut self) -> Result<usize, Fault> {
        self.descend()?;
        let mut seen = self.keys.open(0);
        let mut next = self.cursor.token()?;
        let close = if next.1 == b'}' {
            next.0
        } else {
            loop {
                let text = self.key(next)?;
                let raw = self.cursor.slice(text);
                if text.escaped {
                    let plain = unescape(raw);
                    self.keys.see_other(&mut seen, self.cursor.bytes(), Key { bytes: &plain, place: None })?;
                } else {
                    let place = Some((text.start, text.end));
                    self.keys.see_other(&mut seen, self.cursor.bytes(), Key { bytes: raw, place })?;
                }
                self.pass()?;
                match self.cursor.token()? {
                    (_, b',') => next = self.cursor.token()?,
                    (close, b'}') => break close,
                    _ => return Err(Fault::Malformed(Flaw::NoMemberEnd)),
                }
            }
        };
        self.keys.close(&seen);
        self.ascend();
        Ok(close + 1)
    }

    fn pass_array(&mut self) -> Result<usize, Fault> {
        self.descend()?;
        let mut next = self.cursor.token()?;
        let close = if next.1 == b']' {
            next.0
        } else {
            loop {
                self.pass_from(next.0, next.1)?;
                match self.cursor.token()? {
                    (_, b',') => next = self.cursor.token()?,
                    (close, b']') => break close,
                    _ => return Err(NO_ITEM_END),
                }
            }
        };
        self.ascend();
        Ok(close + 1)
    }
}

/// What is not what R4 says it is leaves only where everything leaves.
const fn unless(verbatim: bool) -> Fate {
    if verbatim { Fate::Kept } else { Fate::Emptied }
}
