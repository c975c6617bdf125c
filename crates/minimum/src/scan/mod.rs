//! The index: where a JSON text cannot be read on byte by byte.
//!
//! Who reads JSON from its start always stands before a byte that says what comes, but in two places: in a string, whose
//! end may be far, and before whitespace. One pass over blocks of 64 bytes finds where to go from there: the quote that
//! closes a string, and the first byte after whitespace outside strings. These places are the *jumps*, and a reader
//! takes them in order, one for each string and one for each whitespace. Text without whitespace has no more of them
//! than strings. The pass can stop after any block and go on when more bytes have come.

mod block;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod simd;

use block::Masks;

use crate::fault::{Fault, Flaw};
use crate::token::Place;

/// Bytes in a block.
pub(crate) const BLOCK_BYTES: usize = 64;

/// Jumps and escapes in a window of bytes, and what the next block must know of the one before.
#[derive(Debug, Default)]
pub(crate) struct Index {
    jumps: Places,
    escapes: Places,
    scanned: usize,
    carry: Carry,
}

/// Places in a window, ascending.
#[derive(Debug, Default)]
struct Places {
    /// The first `count` are places; the rest is room, always enough for one more block.
    room: Vec<u32>,
    count: usize,
}

/// What one block tells the next.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Carry {
    in_string: u64,
    escaped: u64,
    blank: u64,
    /// Whether a control character was where none may stand.
    control: u64,
}

impl Index {
    /// Indexes the whole blocks of `window` that are not indexed yet, and, if it is the `last`, the rest too.
    pub(crate) fn extend(&mut self, window: &[u8], last: bool) -> Result<(), Fault> {
        if u32::try_from(window.len()).is_err() {
            return Err(Fault::TooLarge);
        }
        let fresh = window.get(self.scanned..).unwrap_or_default();
        let (blocks, rest) = fresh.as_chunks::<BLOCK_BYTES>();
        self.blocks(blocks);
        if last && !rest.is_empty() {
            let mut padded = [b' '; BLOCK_BYTES];
            for (to, from) in padded.iter_mut().zip(rest) {
                *to = *from;
            }
            self.blocks(&[padded]);
        }
        if self.carry.control == 0 { Ok(()) } else { Err(Fault::Malformed(Flaw::Control)) }
    }

    /// Forgets everything but its room: what comes next is another text.
    pub(crate) const fn restart(&mut self) {
        self.jumps.count = 0;
        self.escapes.count = 0;
        self.scanned = 0;
        self.carry = Carry { in_string: 0, escaped: 0, blank: 0, control: 0 };
    }

    /// Where to go on from strings and from whitespace, ascending.
    pub(crate) fn jumps(&self) -> &[u32] {
        self.jumps.known()
    }

    /// Where escapes in strings start (the backslash), ascending.
    pub(crate) fn escapes(&self) -> &[u32] {
        self.escapes.known()
    }

    /// Forgets what lies before `done` of the window.
    pub(crate) fn forget(&mut self, done: Place) {
        let by = u32::try_from(done.at).unwrap_or(u32::MAX);
        self.jumps.shift(done.jump, by);
        self.escapes.shift(self.escapes().partition_point(|at| *at < by), by);
        self.scanned = self.scanned.saturating_sub(done.at);
    }

    /// How many bytes of the window are indexed.
    pub(crate) const fn scanned(&self) -> usize {
        self.scanned
    }

    /// As [`Index::extend`] with all there is, by the scalar twin.
    #[cfg(fuzzing)]
    pub(crate) fn extend_plainly(&mut self, text: &[u8]) -> Result<(), Fault> {
        for chunk in text.chunks(BLOCK_BYTES) {
            let mut padded = [b' '; BLOCK_BYTES];
            for (to, from) in padded.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.block(&scalar::masks(&padded), prefix_xor, spill);
        }
        if self.carry.control == 0 { Ok(()) } else { Err(Fault::Malformed(Flaw::Control)) }
    }

    #[cfg(target_arch = "x86_64")]
    fn blocks(&mut self, blocks: &[[u8; BLOCK_BYTES]]) {
        simd::blocks(self, blocks);
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn blocks(&mut self, blocks: &[[u8; BLOCK_BYTES]]) {
        for block in blocks {
            self.block(&scalar::masks(block), prefix_xor, spill);
        }
    }

    /// Takes one block, told by its masks. `prefix` is [`prefix_xor`] or does the same, and `spill` is [`spill`] or does
    /// the same.
    #[inline(always)]
    fn block(&mut self, masks: &Masks, prefix: impl Fn(u64) -> u64, spill: impl Fn(&mut [u32; SPILLED], u32, u64)) {
        let base = u32::try_from(self.scanned).unwrap_or(u32::MAX);
        let found = self.carry.find(masks, prefix);
        self.jumps.push(base, found.jumps, spill);
        if found.escapes != 0 {
            self.escapes.push(base, found.escapes, self::spill);
        }
        self.scanned += BLOCK_BYTES;
    }
}

/// What a block holds once strings are told from what is outside.
struct Found {
    jumps: u64,
    escapes: u64,
}

impl Carry {
    #[inline(always)]
    fn find(&mut self, masks: &Masks, prefix: impl Fn(u64) -> u64) -> Found {
        let escaped = self.escaped_bytes(masks.backslash);
        let quotes = masks.quote & !escaped;
        // From each quote that opens up to the byte before the one that closes.
        let inside = prefix(quotes) ^ self.in_string;
        self.in_string = 0_u64.wrapping_sub(inside >> 63);
        if masks.control != 0 {
            self.control |= masks.control & (inside | !masks.line);
        }
        let closing = quotes & !inside;
        let blank = masks.blank & !inside;
        let after_blank = !blank & (blank << 1 | self.blank);
        self.blank = blank >> 63;
        Found { jumps: closing | after_blank, escapes: masks.backslash & !escaped & inside }
    }

    /// The bytes that a backslash before them escapes.
    #[inline(always)]
    fn escaped_bytes(&mut self, backslash: u64) -> u64 {
        if backslash == 0 {
            let escaped = self.escaped;
            self.escaped = 0;
            return escaped;
        }
        let mut escaped = 0_u64;
        let mut carry = self.escaped;
        let mut rest = backslash | carry;
        // A run at a time: escapes are rare enough that a loop over backslashes costs nothing.
        while rest != 0 {
            let at = rest.trailing_zeros();
            let bit = 1_u64 << at;
            rest &= rest - 1;
            if carry & bit != 0 {
                escaped |= bit;
                carry &= !bit;
                continue;
            }
            let next = bit << 1;
            if next == 0 {
                self.escaped = 1;
                return escaped;
            }
            carry |= next;
            rest |= next;
        }
        self.escaped = 0;
        escaped
    }
}

/// Every bit from an odd-numbered set bit up to the next: whether a byte is inside a string.
#[inline(always)]
const fn prefix_xor(bits: u64) -> u64 {
    let bits = bits ^ bits << 1;
    let bits = bits ^ bits << 2;
    let bits = bits ^ bits << 4;
    let bits = bits ^ bits << 8;
    let bits = bits ^ bits << 16;
    bits ^ bits << 32
}

/// Places written at a time: more than a block usually has is written for nothing, which is cheaper than asking.
const SPILLED: usize = 16;

/// Writes the places of the first 16 bits that are set, and then anything.
#[inline(always)]
fn spill(slots: &mut [u32; SPILLED], base: u32, bits: u64) {
    let mut rest = bits;
    let (few, more) = slots.split_at_mut(SPILLED / 2);
    for slot in few {
        *slot = base.wrapping_add(rest.trailing_zeros());
        rest &= rest.wrapping_sub(1);
    }
    if rest != 0 {
        for slot in more {
            *slot = base.wrapping_add(rest.trailing_zeros());
            rest &= rest.wrapping_sub(1);
        }
    }
}

impl Places {
    fn known(&self) -> &[u32] {
        self.room.get(..self.count).unwrap_or_default()
    }

    /// Appends the place of every set bit.
    #[inline(always)]
    fn push(&mut self, base: u32, bits: u64, spill: impl Fn(&mut [u32; SPILLED], u32, u64)) {
        if self.room.len() < self.count + BLOCK_BYTES {
            self.grow();
        }
        let mut rest = bits;
        loop {
            let room = self.room.get_mut(self.count..).and_then(|room| room.first_chunk_mut::<SPILLED>());
            let Some(slots) = room else { return };
            spill(slots, base, rest);
            let count = usize::try_from(rest.count_ones()).unwrap_or(0);
            self.count += count.min(SPILLED);
            if count <= SPILLED {
                return;
            }
            for _ in 0..SPILLED {
                rest &= rest.wrapping_sub(1);
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        let length = (self.room.len() * 2).max(4_096);
        self.room.resize(length, 0);
    }

    /// Drops the first `count` places and moves the others down.
    fn shift(&mut self, count: usize, by: u32) {
        let count = count.min(self.count);
        self.room.copy_within(count..self.count, 0);
        self.count -= count;
        for place in self.room.iter_mut().take(self.count) {
            *place -= by.min(*place);
        }
    }
}

#[cfg(test)]
mod tests;
