//! The masks of a block by vector instructions of x86-64: the one place of this workspace that holds `unsafe`.
//!
//! Why: the filter has to keep up with a network card on one core, and looking at bytes one by one does not. What is
//! unsafe is loading bytes through a pointer into an array of 64 that is borrowed for as long, and calling a function
//! compiled for instructions after the processor has said that it has them. The scalar twin is the oracle of the
//! tests and of the fuzz target.
#![expect(unsafe_code, reason = "see the head of the file")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_clmulepi64_si128, _mm_cmpeq_epi8, _mm_cvtsi128_si64, _mm_loadu_si128, _mm_min_epu8,
    _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8, _mm256_cmpeq_epi8, _mm256_loadu_si256,
    _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm512_add_epi32, _mm512_castsi512_si128,
    _mm512_cmpeq_epi8_mask, _mm512_cmple_epu8_mask, _mm512_cvtepu8_epi32, _mm512_loadu_si512,
    _mm512_maskz_compress_epi8, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_storeu_si512,
};

use super::block::Masks;
use super::{BLOCK_BYTES, Index, SPILLED, prefix_xor, spill};

/// Takes every block into the index, by the widest instructions that the processor has.
pub(super) fn blocks(index: &mut Index, blocks: &[[u8; BLOCK_BYTES]]) {
    if has_avx512() {
        // SAFETY: the processor has just said that it knows these instructions.
        unsafe { blocks_avx512(index, blocks) }
    } else if has_avx2() {
        // SAFETY: as above.
        unsafe { blocks_avx2(index, blocks) }
    } else {
        for block in blocks {
            index.block(&masks_sse2(block), prefix_xor, spill);
        }
    }
}

fn has_avx2() -> bool {
    std::is_x86_feature_detected!("avx2")
        && std::is_x86_feature_detected!("bmi1")
        && std::is_x86_feature_detected!("pclmulqdq")
}

fn has_avx512() -> bool {
    has_avx2()
        && std::is_x86_feature_detected!("avx512f")
        && std::is_x86_feature_detected!("avx512bw")
        && std::is_x86_feature_detected!("avx512vbmi2")
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi1,popcnt,pclmulqdq")]
fn blocks_avx512(index: &mut Index, blocks: &[[u8; BLOCK_BYTES]]) {
    for block in blocks {
        index.block(
            &masks_avx512(block),
            |bits| prefix_clmul(bits),
            |slots, base, bits| spill_avx512(slots, base, bits),
        );
    }
}

#[target_feature(enable = "avx2,bmi1,popcnt,pclmulqdq")]
fn blocks_avx2(index: &mut Index, blocks: &[[u8; BLOCK_BYTES]]) {
    for block in blocks {
        index.block(&masks_avx2(block), |bits| prefix_clmul(bits), spill);
    }
}

/// As [`prefix_xor`], by a multiplication without carries.
#[inline]
#[target_feature(enable = "pclmulqdq")]
fn prefix_clmul(bits: u64) -> u64 {
    let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits.cast_signed()), _mm_set1_epi8(-1));
    _mm_cvtsi128_si64(product).cast_unsigned()
}

/// The numbers of the bytes of a block.
const NUMBERS: [u8; BLOCK_BYTES] = {
    let mut numbers = [0; BLOCK_BYTES];
    let mut rest: &mut [u8] = &mut numbers;
    let mut number = 0;
    while let [first, others @ ..] = rest {
        *first = number;
        number += 1;
        rest = others;
    }
    numbers
};

/// As [`spill`], without a loop: the numbers of the bytes whose bits are set move together.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2")]
fn spill_avx512(slots: &mut [u32; SPILLED], base: u32, bits: u64) {
    // SAFETY: there are 64 numbers; the load asks for no alignment.
    let numbers = unsafe { _mm512_loadu_si512(NUMBERS.as_ptr().cast()) };
    let first = _mm512_castsi512_si128(_mm512_maskz_compress_epi8(bits, numbers));
    let places = _mm512_add_epi32(_mm512_cvtepu8_epi32(first), _mm512_set1_epi32(base.cast_signed()));
    // SAFETY: there are 16 slots of 4 bytes; the store asks for no alignment.
    unsafe { _mm512_storeu_si512(slots.as_mut_ptr().cast(), places) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn masks_avx512(block: &[u8; BLOCK_BYTES]) -> Masks {
    // SAFETY: a block is 64 bytes; the load asks for no alignment.
    let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
    let is = |byte: u8| _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte.cast_signed()));
    let up_to = |byte: u8| _mm512_cmple_epu8_mask(bytes, _mm512_set1_epi8(byte.cast_signed()));
    let control = up_to(0x1f);
    let line = if control == 0 { 0 } else { is(b'\t') | is(b'\n') | is(b'\r') };
    Masks { quote: is(b'"'), backslash: is(b'\\'), blank: up_to(b' '), control, line }
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
        blank: join(low[2], high[2]),
        control: join(low[3], high[3]),
        line: join(low[4], high[4]),
    }
}

/// The same bits, of whose making the compiler knows nothing: it would take masks apart again and work on each bit.
#[inline(always)]
fn opaque(mut bits: u64) -> u64 {
    // SAFETY: there is no instruction.
    unsafe { std::arch::asm!("/* {0} */", inout(reg) bits, options(pure, nomem, nostack, preserves_flags)) };
    bits
}

/// Quote, backslash, blank, control and line of 32 bytes.
#[inline]
#[target_feature(enable = "avx2,bmi1,popcnt")]
fn half_avx2(half: &[u8]) -> [u32; 5] {
    debug_assert_eq!(half.len(), 32);
    // SAFETY: `half` is half of a block, 32 bytes; the load asks for no alignment.
    let bytes: __m256i = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
    let is = |byte: u8| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte.cast_signed()));
    let up_to = |byte: u8| _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(byte.cast_signed())), bytes);
    let bits = |vector: __m256i| _mm256_movemask_epi8(vector).cast_unsigned();
    let control = bits(up_to(0x1f));
    let lines = || bits(_mm256_or_si256(is(b'\t'), _mm256_or_si256(is(b'\n'), is(b'\r'))));
    let line = if control == 0 { 0 } else { lines() };
    [bits(is(b'"')), bits(is(b'\\')), bits(up_to(b' ')), control, line]
}

fn masks_sse2(block: &[u8; BLOCK_BYTES]) -> Masks {
    let mut masks = Masks::default();
    for (quarter, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
        let [quote, backslash, blank, control, line] = quarter_sse2(bytes);
        let place = quarter * 16;
        masks.quote |= quote << place;
        masks.backslash |= backslash << place;
        masks.blank |= blank << place;
        masks.control |= control << place;
        masks.line |= line << place;
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
        let up_to = |byte: u8| _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(byte.cast_signed())), bytes);
        let bits = |vector: __m128i| u64::from(_mm_movemask_epi8(vector).cast_unsigned());
        let line = _mm_or_si128(is(b'\t'), _mm_or_si128(is(b'\n'), is(b'\r')));
        [bits(is(b'"')), bits(is(b'\\')), bits(up_to(b' ')), bits(up_to(0x1f)), bits(line)]
    }
}

/// The masks by every way that this processor knows.
#[cfg(test)]
pub(super) fn every_masks(block: &[u8; BLOCK_BYTES]) -> Vec<Masks> {
    let mut all = vec![masks_sse2(block)];
    if has_avx2() {
        // SAFETY: the processor has just said that it knows these instructions.
        all.push(unsafe { masks_avx2(block) });
    }
    if has_avx512() {
        // SAFETY: as above.
        all.push(unsafe { masks_avx512(block) });
    }
    all
}

/// The bits between quotes, as the processor's multiplication has it.
#[cfg(test)]
pub(super) fn prefix(bits: u64) -> Option<u64> {
    // SAFETY: the processor has just said that it knows these instructions.
    has_avx2().then(|| unsafe { prefix_clmul(bits) })
}
