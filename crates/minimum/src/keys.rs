//! Which keys an object has already shown: the same key twice is a refusal, because two readers may believe
//! different ones.

use std::collections::HashSet;

use crate::fault::Fault;
use crate::mask::Print;

/// Above this many unknown keys in one object, a set is used instead of a list.
const LISTED_KEYS_MAX: usize = 24;

/// The keys of the objects that are open, innermost last.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// For each open object with more than 64 known keys, bits by edge number from the 64th on: seen, then written.
    bits: Vec<u64>,
    /// Keys that were written with escapes, as they read.
    others: Vec<Box<[u8]>>,
    /// Print and place in the window of keys that are no edge; a key that was escaped has its number in `others`.
    listed: Vec<(Print, usize, usize)>,
    /// All of them, of open objects that have very many.
    many: Vec<HashSet<Box<[u8]>>>,
}

/// The keys of one open object.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Bits by edge number of the first 64.
    seen: u64,
    written: u64,
    /// Where the bits of the others begin, and how many words they have.
    bits: usize,
    words: usize,
    listed: usize,
    /// Whether its other keys are in a set: the last one in `many` while it is the innermost.
    many: bool,
    /// One more than the number of the edge that came last; 0 at the start.
    pub(crate) before: usize,
}

impl Keys {
    /// An object opens that has `edges` known keys.
    #[inline(always)]
    pub(crate) fn open(&mut self, edges: usize) -> Seen {
        let words = if edges > 64 { self.open_wide(edges) } else { 0 };
        Seen {
            seen: 0,
            written: 0,
            bits: self.bits.len() - 2 * words,
            words,
            listed: self.listed.len(),
            many: false,
            before: 0,
        }
    }

    #[cold]
    fn open_wide(&mut self, edges: usize) -> usize {
        let words = (edges - 64).div_ceil(64);
        self.bits.resize(self.bits.len() + 2 * words, 0);
        words
    }

    /// It closes.
    #[inline(always)]
    pub(crate) fn close(&mut self, seen: &Seen) {
        if seen.words != 0 {
            self.bits.truncate(seen.bits);
        }
        if self.listed.len() != seen.listed {
            self.close_listed(seen);
        }
    }

    fn close_listed(&mut self, seen: &Seen) {
        self.listed.truncate(seen.listed);
        if seen.many {
            self.many.pop();
        }
    }

    /// Everything is closed, whatever was open.
    pub(crate) fn clear(&mut self) {
        self.bits.clear();
        self.listed.clear();
        self.others.clear();
        self.many.clear();
    }

    /// The known key number `edge` is there.
    #[inline(always)]
    pub(crate) fn see(&mut self, seen: &mut Seen, edge: usize) -> Result<(), Fault> {
        let bit = 1_u64 << (edge % 64);
        let word = if edge < 64 {
            &mut seen.seen
        } else {
            self.bits.get_mut(seen.bits + edge / 64 - 1).ok_or(Fault::TooLarge)?
        };
        if *word & bit != 0 {
            return Err(Fault::DuplicateKey);
        }
        *word |= bit;
        Ok(())
    }

    /// The known key number `edge` has been written.
    #[inline(always)]
    pub(crate) fn wrote(&mut self, seen: &mut Seen, edge: usize) {
        let bit = 1_u64 << (edge % 64);
        if edge < 64 {
            seen.written |= bit;
        } else if let Some(word) = self.bits.get_mut(seen.bits + seen.words + edge / 64 - 1) {
            *word |= bit;
        }
    }

    /// Whether the known key number `edge` was there.
    pub(crate) fn has_seen(&self, seen: &Seen, edge: usize) -> bool {
        if edge < 64 { seen.seen >> edge & 1 != 0 } else { self.bit(seen.bits, edge) }
    }

    /// Whether the known key number `edge` has been written.
    pub(crate) fn has_written(&self, seen: &Seen, edge: usize) -> bool {
        if edge < 64 { seen.written >> edge & 1 != 0 } else { self.bit(seen.bits + seen.words, edge) }
    }

    fn bit(&self, base: usize, edge: usize) -> bool {
        self.bits.get(base + edge / 64 - 1).is_some_and(|word| word & 1 << (edge % 64) != 0)
    }

    /// A key that is no edge is there, at `start..end` of the window if `plain` is what stands there.
    #[inline(always)]
    pub(crate) fn see_other(&mut self, seen: &mut Seen, window: &[u8], key: Key<'_>) -> Result<(), Fault> {
        if seen.many {
            let many = self.many.last_mut().ok_or(Fault::TooLarge)?;
            return if many.insert(key.bytes.into()) { Ok(()) } else { Err(Fault::DuplicateKey) };
        }
        let print = Print::of(key.bytes);
        let listed = self.listed.get(seen.listed..).unwrap_or_default();
        let same = |(other, start, end): &(Print, usize, usize)| {
            *other == print && (print.is_all() || self.key(window, *start, *end) == key.bytes)
        };
        if listed.iter().any(same) {
            return Err(Fault::DuplicateKey);
        }
        if listed.len() >= LISTED_KEYS_MAX {
            let all = listed.iter().map(|(_, start, end)| self.key(window, *start, *end).into());
            let all = all.chain([key.bytes.into()]).collect();
            self.many.push(all);
            seen.many = true;
            return Ok(());
        }
        match key.place {
            Some((start, end)) => self.listed.push((print, start, end)),
            None => {
                self.others.push(key.bytes.into());
                self.listed.push((print, usize::MAX, self.others.len() - 1));
            }
        }
        Ok(())
    }

    fn key<'k>(&'k self, window: &'k [u8], start: usize, end: usize) -> &'k [u8] {
        if start == usize::MAX {
            return self.others.get(end).map(|key| &**key).unwrap_or_default();
        }
        window.get(start..end).unwrap_or_default()
    }
}

/// A key as it reads, and where it stands if it stands there as it reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'k> {
    pub(crate) bytes: &'k [u8],
    pub(crate) place: Option<(usize, usize)>,
}
