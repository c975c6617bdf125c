//! Whether a unit is there in full, told from its brackets alone, going on where the last look stopped.

use crate::scan::Index;

/// A look for the end of a unit.
#[derive(Debug)]
pub(crate) struct Gate {
    /// The next token to look at.
    next: usize,
    depth: u32,
    /// Whether the comma before the unit has been seen.
    comma: bool,
    /// Whether the unit itself has begun.
    begun: bool,
    /// Whether the unit is one object, which ends with its own bracket: not a key and a value.
    alone: bool,
    /// Where the unit begins and where the last token looked at ends, in bytes of the stream.
    start: u64,
    end: u64,
}

impl Gate {
    /// A look at the unit that begins at token number `from`.
    pub(crate) const fn new(from: usize, alone: bool) -> Self {
        Self { next: from, depth: 0, comma: false, begun: false, alone, start: 0, end: 0 }
    }

    /// Looks on; the number of the first token after the unit, once the unit is there in full. `base` is where the
    /// window begins in the stream.
    pub(crate) fn look(&mut self, window: &[u8], index: &Index, base: u64) -> Option<usize> {
        while let Some(at) = index.tokens().get(self.next) {
            let byte = window.get(*at as usize).copied().unwrap_or_default();
            let place = base + u64::from(*at);
            if !self.begun && !self.comma && byte == b',' {
                self.comma = true;
                self.next += 1;
                continue;
            }
            if !self.begun {
                self.begun = true;
                self.start = place;
            }
            match byte {
                b'{' | b'[' => self.depth += 1,
                b',' if self.depth == 0 => return Some(self.next),
                b'}' | b']' if self.depth == 0 => return Some(self.next),
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
            self.end = place + 1;
            self.next += 1;
            if self.alone && self.depth == 0 {
                return Some(self.next);
            }
        }
        None
    }

    /// Bytes of the unit so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Bytes of the unit if it goes on until `place` of the stream.
    pub(crate) const fn bytes_until(&self, place: u64) -> u64 {
        if self.begun { place.saturating_sub(self.start) } else { 0 }
    }

    /// The first `tokens` of the index are gone.
    pub(crate) fn forget(&mut self, tokens: usize) {
        self.next = self.next.saturating_sub(tokens);
    }
}
