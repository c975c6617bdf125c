//! The masks of a block, byte by byte: plain enough to believe, so that the fast twin is checked against it.

use super::BLOCK_BYTES;
use super::block::Masks;

/// The masks of `block`.
#[cfg_attr(
    all(target_arch = "x86_64", not(test), not(fuzzing)),
    expect(dead_code, reason = "the oracle of the vector twin in tests; the code of other machines")
)]
pub(crate) fn masks(block: &[u8; BLOCK_BYTES]) -> Masks {
    let mut masks = Masks::default();
    for (place, byte) in block.iter().enumerate() {
        let bit = 1_u64 << place;
        match byte {
            b'"' => masks.quote |= bit,
            b'\\' => masks.backslash |= bit,
            b'\t' | b'\n' | b'\r' => masks.line |= bit,
            _ => {}
        }
        if *byte <= b' ' {
            masks.blank |= bit;
        }
        if *byte < b' ' {
            masks.control |= bit;
        }
    }
    masks
}
