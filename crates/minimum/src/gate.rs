//! Whether a unit is there in full, told from its brackets alone, going on where the last look stopped.

use crate::scan::Index;
use crate::token::Place;

/// A look for the end of a unit.
#[derive(Debug)]
pub(crate) struct Gate {
    next: Place,
    /// What it stands in, if it has to go on from there.
    within: Within,
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

/// What a look may have stopped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    Text,
    Blank,
}

impl Gate {
    /// A look at the unit that begins at `from`.
    pub(crate) const fn new(from: Place, alone: bool) -> Self {
        Self { next: from, within: Within::Nothing, depth: 0, comma: false, begun: false, alone, start: 0, end: 0 }
    }

    /// Looks on; where what follows the unit begins, once the unit is there in full. `base` is where the window begins
    /// in the stream.
    pub(crate) fn look(&mut self, window: &[u8], index: &Index, base: u64) -> Option<Place> {
        let window = window.get(..index.scanned()).unwrap_or(window);
        loop {
            if self.within != Within::Nothing {
                let to = *index.jumps().get(self.next.jump)? as usize;
                let past = usize::from(self.within == Within::Text);
                self.next = Place { at: to + past, jump: self.next.jump + 1 };
                self.within = Within::Nothing;
                if past == 1 {
                    self.end = base + self.next.at as u64;
                }
                continue;
            }
            match *window.get(self.next.at)? {
                ..=b' ' => self.within = Within::Blank,
                byte => {
                    if self.token(byte, base + self.next.at as u64) {
                        return Some(self.next);
                    }
                }
            }
        }
    }

    /// Takes `byte`, which stands at `place` of the stream: whether the unit is over.
    fn token(&mut self, byte: u8, place: u64) -> bool {
        if !self.begun && !self.comma && byte == b',' {
            self.comma = true;
            self.next.at += 1;
            return false;
        }
        if !self.begun {
            self.begun = true;
            self.start = place;
        }
        match byte {
            b'{' | b'[' => self.depth += 1,
            b',' | b'}' | b']' if self.depth == 0 => return true,
            b'}' | b']' => self.depth -= 1,
            b'"' => self.within = Within::Text,
            _ => {}
        }
        self.end = place + 1;
        self.next.at += 1;
        self.alone && self.depth == 0 && self.within == Within::Nothing
    }

    /// Bytes of the unit so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Bytes of the unit if it goes on until `place` of the stream.
    pub(crate) const fn bytes_until(&self, place: u64) -> u64 {
        if self.begun { place.saturating_sub(self.start) } else { 0 }
    }

    /// The first bytes of the window and the first jumps of the index are gone.
    pub(crate) const fn forget(&mut self, done: Place) {
        self.next.at = self.next.at.saturating_sub(done.at);
        self.next.jump = self.next.jump.saturating_sub(done.jump);
    }
}
