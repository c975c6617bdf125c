//! The index: where the tokens of a JSON text stand.
//!
//! One pass over blocks of 64 bytes finds every quote that opens or closes a string, every bracket, colon and comma
//! outside strings, and the first byte of every number or word. Nothing that is not whitespace lies outside a
//! string without a token, so whoever walks the tokens in order has looked at the whole text. The pass can stop
//! after any block and go on when more bytes have come.

mod block;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod simd;

use block::Masks;

use crate::fault::Fault;

/// Bytes in a block.
pub(crate) const BLOCK_BYTES: usize = 64;

/// Positions of tokens and escapes in a window of bytes, and what the next block must know of the one before.
#[derive(Debug, Default)]
pub(crate) struct Index {
    tokens: Places,
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
    scalar: u64,
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
        if self.carry.control == 0 { Ok(()) } else { Err(Fault::Malformed("a control character in a string")) }
    }

    /// Forgets everything but its room: what comes next is another text.
    pub(crate) const fn restart(&mut self) {
        self.tokens.count = 0;
        self.escapes.count = 0;
        self.scanned = 0;
        self.carry = Carry { in_string: 0, escaped: 0, scalar: 0, control: 0 };
    }

    /// Where tokens start, ascending, from the start of the window.
    pub(crate) fn tokens(&self) -> &[u32] {
        self.tokens.known()
    }

    /// Where escapes in strings start (the backslash), ascending.
    pub(crate) fn escapes(&self) -> &[u32] {
        self.escapes.known()
    }

    /// Forgets the first `bytes` of the window and the first `tokens` of the index, which lie in them.
    pub(crate) fn forget(&mut self, bytes: usize, tokens: usize) {
        let by = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.tokens.shift(tokens, by);
        self.escapes.shift(self.escapes().partition_point(|at| *at < by), by);
        self.scanned = self.scanned.saturating_sub(bytes);
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
            self.block(&scalar::masks(&padded));
        }
        if self.carry.control == 0 { Ok(()) } else { Err(Fault::Malformed("a control character in a string")) }
    }

    #[cfg(target_arch = "x86_64")]
    fn blocks(&mut self, blocks: &[[u8; BLOCK_BYTES]]) {
        simd::blocks(self, blocks);
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn blocks(&mut self, blocks: &[[u8; BLOCK_BYTES]]) {
        for block in blocks {
            self.block(&scalar::masks(block));
        }
    }

    /// Takes one block, told by its masks.
    #[inline(always)]
    fn block(&mut self, masks: &Masks) {
        let base = u32::try_from(self.scanned).unwrap_or(u32::MAX);
        let found = self.carry.find(masks);
        self.tokens.push(base, found.tokens);
        if found.escapes != 0 {
            self.escapes.push(base, found.escapes);
        }
        self.scanned += BLOCK_BYTES;
    }
}

/// What a block holds once strings are told from what is outside.
struct Found {
    tokens: u64,
    escapes: u64,
}

impl Carry {
    #[inline(always)]
    fn find(&mut self, masks: &Masks) -> Found {
        let escaped = self.escaped_bytes(masks.backslash);
        let quotes = masks.quote & !escaped;
        let inside = prefix_xor(quotes) ^ self.in_string;
        self.in_string = 0_u64.wrapping_sub(inside >> 63);
        self.control |= masks.control & inside;
        let outside = !(inside | quotes);
        let scalars = outside & !masks.operator & !masks.space;
        let starts = scalars & !(scalars << 1 | self.scalar);
        self.scalar = scalars >> 63;
        Found { tokens: quotes | masks.operator & outside | starts, escapes: masks.backslash & !escaped & inside }
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
const STEP: usize = 8;

impl Places {
    fn known(&self) -> &[u32] {
        self.room.get(..self.count).unwrap_or_default()
    }

    /// Appends the place of every set bit.
    #[inline(always)]
    fn push(&mut self, base: u32, bits: u64) {
        if self.room.len() < self.count + BLOCK_BYTES {
            self.grow();
        }
        let (mut rest, mut from) = (bits, self.count);
        while rest != 0 {
            let Some(slots) = self.room.get_mut(from..).and_then(|room| room.first_chunk_mut::<STEP>()) else { return };
            for slot in slots {
                *slot = base.wrapping_add(rest.trailing_zeros());
                rest &= rest.wrapping_sub(1);
            }
            from += STEP;
        }
        self.count += usize::try_from(bits.count_ones()).unwrap_or(0);
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
