//! The masks of a block by vector instructions of x86-64: the one place of this workspace that holds `unsafe`.
//!
//! Why: the filter has to keep up with a network card on one core, and looking at bytes one by one does not. What is
//! unsafe is loading 32 bytes through a pointer into an array of 64 that is borrowed for as long, and calling a
//! function compiled for AVX2 after the processor has said that it has AVX2. The scalar twin is the oracle of the
//! tests and of the fuzz target.
#![expect(unsafe_code, reason = "see the head of the file")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
};

use super::block::Masks;
use super::{BLOCK_BYTES, Index};

/// Takes every block into the index, by the widest instructions that the processor has.
pub(super) fn blocks(index: &mut Index, blocks: &[[u8; BLOCK_BYTES]]) {
    if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("bmi1") {
        // SAFETY: the processor has just said that it knows these instructions.
        unsafe { blocks_avx2(index, blocks) }
    } else {
        for block in blocks {
            index.block(&masks_sse2(block));
        }
    }
}

#[target_feature(enable = "avx2,bmi1,popcnt")]
fn blocks_avx2(index: &mut Index, blocks: &[[u8; BLOCK_BYTES]]) {
    for block in blocks {
        index.block(&masks_avx2(block));
    }
}

#[inline]
#[target_feature(enable = "avx2,bmi1,popcnt")]
fn masks_avx2(block: &[u8; BLOCK_BYTES]) -> Masks {
    let (low, high) = block.split_at(BLOCK_BYTES / 2);
    let (low, high) = (half_avx2(low), half_avx2(high));
    let join = |low: u32, high: u32| opaque(u64::from(low) | u64::from(high) << 32);
    Masks {
        quote: join(low[0], high[0]),
        backslash: join(low[1], high[1]),
        operator: join(low[2], high[2]),
        space: join(low[3], high[3]),
        control: join(low[4], high[4]),
    }
}

/// The same bits, of whose making the compiler knows nothing: it would take masks apart again and work on each bit.
#[inline(always)]
fn opaque(mut bits: u64) -> u64 {
    // SAFETY: there is no instruction.
    unsafe { std::arch::asm!("/* {0} */", inout(reg) bits, options(pure, nomem, nostack, preserves_flags)) };
    bits
}

/// Quote, backslash, operator, space and control of 32 bytes.
#[inline]
#[target_feature(enable = "avx2,bmi1,popcnt")]
fn half_avx2(half: &[u8]) -> [u32; 5] {
    debug_assert_eq!(half.len(), 32);
    // SAFETY: `half` is half of a block, 32 bytes; the load asks for no alignment.
    let bytes: __m256i = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
    let is = |byte: u8| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte.cast_signed()));
    let bits = |vector: __m256i| _mm256_movemask_epi8(vector).cast_unsigned();
    // `[` and `{`, `]` and `}` differ in one bit, which no other byte of interest shares with them.
    let folded = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
    let folded_is = |byte: u8| _mm256_cmpeq_epi8(folded, _mm256_set1_epi8(byte.cast_signed()));
    let brackets = _mm256_or_si256(folded_is(b'{'), folded_is(b'}'));
    let marks = _mm256_or_si256(is(b':'), is(b','));
    let lines = _mm256_or_si256(is(b'\n'), is(b'\r'));
    let blanks = _mm256_or_si256(is(b' '), is(b'\t'));
    let control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
    [
        bits(is(b'"')),
        bits(is(b'\\')),
        bits(_mm256_or_si256(brackets, marks)),
        bits(_mm256_or_si256(lines, blanks)),
        bits(control),
    ]
}

fn masks_sse2(block: &[u8; BLOCK_BYTES]) -> Masks {
    let mut masks = Masks::default();
    for (quarter, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
        let [quote, backslash, operator, space, control] = quarter_sse2(bytes);
        let place = quarter * 16;
        masks.quote |= quote << place;
        masks.backslash |= backslash << place;
        masks.operator |= operator << place;
        masks.space |= space << place;
        masks.control |= control << place;
    }
    masks
}

/// As [`half_avx2`], of 16 bytes, by instructions that every x86-64 has.
#[inline]
fn quarter_sse2(quarter: &[u8; 16]) -> [u64; 5] {
    // SAFETY: `quarter` is 16 bytes; the load asks for no alignment; SSE2 belongs to x86-64.
    unsafe {
        let bytes: __m128i = _mm_loadu_si128(quarter.as_ptr().cast());
        let is = |byte: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte.cast_signed()));
        let bits = |vector: __m128i| u64::from(_mm_movemask_epi8(vector).cast_unsigned());
        let folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        let folded_is = |byte: u8| _mm_cmpeq_epi8(folded, _mm_set1_epi8(byte.cast_signed()));
        let brackets = _mm_or_si128(folded_is(b'{'), folded_is(b'}'));
        let marks = _mm_or_si128(is(b':'), is(b','));
        let lines = _mm_or_si128(is(b'\n'), is(b'\r'));
        let blanks = _mm_or_si128(is(b' '), is(b'\t'));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        [
            bits(is(b'"')),
            bits(is(b'\\')),
            bits(_mm_or_si128(brackets, marks)),
            bits(_mm_or_si128(lines, blanks)),
            bits(control),
        ]
    }
}

/// The masks by every way that this processor knows.
#[cfg(test)]
pub(super) fn every_masks(block: &[u8; BLOCK_BYTES]) -> Vec<Masks> {
    let mut all = vec![masks_sse2(block)];
    if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("bmi1") {
        // SAFETY: the processor has just said that it knows these instructions.
        all.push(unsafe { masks_avx2(block) });
    }
    all
}
