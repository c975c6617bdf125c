//! The walk over a Bundle, one unit at a time: a member of the Bundle, or an entry. Between units nothing is held, so
//! a Bundle of any size passes.

use bascule_fhir::ResourceType;
use bascule_policy::TotalRule;

use crate::condition::Known;
use crate::fault::{Fault, Flaw};
use crate::mask::{Mask, Node, Print, Value};
use crate::slices::Series;
use crate::token::{Text, unescape};
use crate::walk::{Facts, Fate, Verdict, Walk};

/// Members of a Bundle, at most.
const MEMBERS_MAX: usize = 64;

/// What stands in the place of an answer to a batch entry that does not leave: absent and forbidden look the same.
const ABSENT_ANSWER: &[u8] = br#"{"response":{"status":"404 Not Found"}}"#;

/// How far a Bundle has been read.
#[derive(Debug)]
pub(crate) struct Bundle {
    at: At,
    /// Whether its entries answer those of a batch, place by place.
    answers: bool,
    /// Whether no member has been written yet.
    empty: bool,
    /// Whether `"entry":[` has been written.
    entries: bool,
    keys: Vec<Box<[u8]>>,
    total: Option<Box<[u8]>>,
    withheld_before: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    FirstMember,
    Member,
    FirstEntry,
    Entry,
    End,
}

impl Bundle {
    /// A Bundle whose `{` was just taken, and written. `answers` if its entries are those of a batch; `withheld`
    /// resources have been counted so far.
    pub(crate) const fn new(answers: bool, withheld: u64) -> Self {
        Self {
            at: At::FirstMember,
            answers,
            empty: true,
            entries: false,
            keys: Vec::new(),
            total: None,
            withheld_before: withheld,
        }
    }

    /// Whether its `}` has been taken, and written.
    pub(crate) fn is_over(&self) -> bool {
        self.at == At::End
    }

    /// Whether the next unit is an entry.
    pub(crate) const fn is_among_entries(&self) -> bool {
        matches!(self.at, At::FirstEntry | At::Entry)
    }

    /// Takes one unit, with the comma before it. A fault leaves the Bundle as it was.
    pub(crate) fn step(&mut self, walk: &mut Walk<'_>) -> Result<(), Fault> {
        match (self.at, walk.cursor.token()?) {
            (At::FirstMember, (_, b'}')) | (At::Member, (_, b'}')) => self.end(walk),
            (At::FirstMember, next) => self.member(walk, next),
            (At::Member, (_, b',')) => {
                let next = walk.cursor.token()?;
                self.member(walk, next)
            }
            (At::FirstEntry, (_, b']')) | (At::Entry, (_, b']')) => {
                if self.entries {
                    walk.slices.write(b"]");
                }
                self.at = At::Member;
                Ok(())
            }
            (At::FirstEntry, next) => self.entry(walk, next),
            (At::Entry, (_, b',')) => {
                let next = walk.cursor.token()?;
                self.entry(walk, next)
            }
            _ => Err(Fault::Malformed(Flaw::BundleGoesOn)),
        }
    }

    /// The unit that begins here was larger than may be held and has been passed by.
    pub(crate) const fn passed_by(&mut self) {
        self.at = At::Entry;
    }

    /// Writes in the place of an entry that does not leave what has to stand there.
    pub(crate) fn withheld(&mut self, walk: &mut Walk<'_>) {
        walk.log.withheld_resources += 1;
        if self.answers {
            self.before_entry(walk);
            walk.slices.write(ABSENT_ANSWER);
            self.wrote_entry();
        }
    }

    fn end(&mut self, walk: &mut Walk<'_>) -> Result<(), Fault> {
        let counted = match walk.plan.total {
            TotalRule::Exact => walk.log.withheld_resources == self.withheld_before,
            TotalRule::Only => true,
            TotalRule::Absent => false,
        };
        if let Some(total) = self.total.take().filter(|_| counted) {
            self.before_member(walk);
            walk.slices.write(b"\"total\":");
            walk.slices.write(&total);
        }
        walk.slices.write(b"}");
        self.at = At::End;
        Ok(())
    }

    fn member(&mut self, walk: &mut Walk<'_>, next: (usize, u8)) -> Result<(), Fault> {
        let text = walk.key(next)?;
        let key = walk.plain(text);
        if self.keys.contains(&key) {
            return Err(Fault::DuplicateKey);
        }
        if self.keys.len() >= MEMBERS_MAX {
            return Err(Fault::Malformed(Flaw::BundleMembers));
        }
        if &*key == b"entry" {
            walk.cursor.expect(b'[', Flaw::Entries)?;
            self.at = At::FirstEntry;
        } else {
            match &*key {
                b"link" => self.links(walk, text)?,
                b"total" => self.total(walk)?,
                _ => self.other(walk, text, &key)?,
            }
            self.at = At::Member;
        }
        self.keys.push(key);
        Ok(())
    }

    /// A member without a rule of its own: as the mask of the envelope says.
    fn other(&mut self, walk: &mut Walk<'_>, text: Text, key: &[u8]) -> Result<(), Fault> {
        let plan = walk.plan;
        let node = plan.envelope.nodes.first().ok_or(Fault::UnknownType)?;
        let mut series = Series::after(text.start - 1);
        series.empty = self.empty;
        let mut seen = walk.keys.open(node.edges.len());
        walk.trail.begin("Bundle");
        walk.named_member(&plan.envelope, node, text, (Print::of(key), key), &mut series, &mut seen)?;
        walk.keys.close(&seen);
        walk.slices.stop(series.end());
        self.empty = series.empty;
        walk.bound(text.start)
    }

    fn total(&mut self, walk: &mut Walk<'_>) -> Result<(), Fault> {
        let (at, byte) = walk.cursor.token()?;
        if !byte.is_ascii_digit() {
            return Err(Fault::Malformed(Flaw::Total));
        }
        let end = walk.cursor.scalar(at)?;
        self.total = walk.cursor.bytes().get(at..end).map(Box::from);
        Ok(())
    }

    /// Links are made anew from their relation and address, as the rewrite says.
    fn links(&mut self, walk: &mut Walk<'_>, text: Text) -> Result<(), Fault> {
        let (at, byte) = walk.cursor.token()?;
        let end = walk.pass_from(at, byte)?;
        walk.bound(text.start)?;
        let links = walk.cursor.bytes().get(at..end).map(serde_json::from_slice::<serde_json::Value>);
        let links = links.and_then(Result::ok).unwrap_or_default();
        let mut kept = Vec::new();
        for link in links.as_array().into_iter().flatten() {
            let word = |name: &str| link.get(name).and_then(serde_json::Value::as_str);
            let (Some(relation), Some(url)) = (word("relation"), word("url")) else { continue };
            if let Some(url) = walk.plan.rewrite.link(relation, url) {
                kept.push(serde_json::json!({ "relation": relation, "url": url }));
            }
        }
        if !kept.is_empty() {
            self.before_member(walk);
            walk.slices.write(b"\"link\":");
            walk.slices.write(serde_json::Value::Array(kept).to_string().as_bytes());
        }
        Ok(())
    }

    fn entry(&mut self, walk: &mut Walk<'_>, (at, byte): (usize, u8)) -> Result<(), Fault> {
        let (mark, log_mark) = (walk.slices.mark(), walk.log.mark());
        let (entries, empty) = (self.entries, self.empty);
        walk.facts = Facts::default();
        walk.trail.begin("Bundle.entry");
        if byte != b'{' {
            return Err(Fault::Malformed(Flaw::Entry));
        }
        self.before_entry(walk);
        let found = walk.entry(at, self.answers);
        (self.entries, self.empty) = (entries, empty);
        let (kept, end) = found?;
        if kept && end - at <= walk.plan.limits.resource_bytes_max {
            walk.slices.stop(end);
            self.wrote_entry();
        } else {
            walk.slices.roll_back(mark);
            walk.log.roll_back(log_mark);
            self.withheld(walk);
        }
        self.at = At::Entry;
        Ok(())
    }

    fn before_member(&mut self, walk: &mut Walk<'_>) {
        if !self.empty {
            walk.slices.write(b",");
        }
        self.empty = false;
    }

    fn before_entry(&mut self, walk: &mut Walk<'_>) {
        if self.entries {
            walk.slices.write(b",");
        } else {
            self.before_member(walk);
            walk.slices.write(b"\"entry\":[");
        }
    }

    const fn wrote_entry(&mut self) {
        self.entries = true;
        self.empty = false;
    }
}

impl Walk<'_> {
    /// A Bundle in a Bundle.
    pub(crate) fn nested_bundle(&mut self, open: usize) -> Result<(Verdict, usize), Fault> {
        self.descend()?;
        self.slices.stop(open);
        self.slices.write(b"{");
        let facts = std::mem::take(&mut self.facts);
        let step = self.trail.begin("Bundle");
        let mut bundle = Bundle::new(false, self.log.withheld_resources);
        while !bundle.is_over() {
            bundle.step(self)?;
        }
        self.facts = facts;
        self.trail.go_back(step);
        self.ascend();
        Ok((Verdict::Kept, self.cursor.place().at))
    }

    /// The entry whose `{` was just taken: whether it leaves, and where it ends.
    fn entry(&mut self, at: usize, answers: bool) -> Result<(bool, usize), Fault> {
        let plan = self.plan;
        let (mask, node) = entry_node(&plan.envelope).ok_or(Fault::UnknownType)?;
        self.slices.start(at);
        let (fate, end) = self.object(mask, node, at)?;
        let leaves = match self.facts.entry {
            Some(verdict) => verdict == Verdict::Kept,
            None => answers || self.speaks_of_granted(),
        };
        Ok((leaves && fate == Fate::Kept, end))
    }

    /// Whether an entry without a resource (a deletion in a history) tells of one that may leave.
    fn speaks_of_granted(&self) -> bool {
        let Some(url) = self.facts.request_url else { return false };
        let url = self.text(url);
        let Some((resource, id)) = self.plan.rewrite.target(url.as_bytes()) else { return false };
        let (resource, id) = (String::from_utf8_lossy(resource), String::from_utf8_lossy(id));
        let Some(resource) = ResourceType::parse(&resource) else { return false };
        let known = Known::new(resource, Some(&id), &[], None, self.plan.rewrite);
        self.plan.granted(resource).is_some_and(|granted| known.meets(&granted.checks))
    }

    /// What a key reads.
    fn plain(&self, text: Text) -> Box<[u8]> {
        let raw = self.cursor.slice(text);
        if text.escaped { unescape(raw).into_boxed_slice() } else { raw.into() }
    }

    /// A member of a Bundle that began at `start` ends here: it must not be larger than may be held.
    fn bound(&self, start: usize) -> Result<(), Fault> {
        let length = self.cursor.place().at.saturating_sub(start);
        if length > self.plan.limits.resource_bytes_max { Err(Fault::TooLarge) } else { Ok(()) }
    }
}

fn entry_node(envelope: &Mask) -> Option<(&Mask, &Node)> {
    let (_, edge) = envelope.nodes.first()?.find(Print::of(b"entry"), b"entry")?;
    let Value::Object(number) = edge.value else { return None };
    Some((envelope, envelope.nodes.get(number as usize)?))
}
