//! The index against what is plain: the scalar masks, a byte-by-byte scanner, and any cut of the text.

use proptest::prelude::*;

use super::{BLOCK_BYTES, Index, scalar};

/// Jumps and escapes by the rules of JSON, one byte after the other.
fn naive(text: &[u8]) -> (Vec<u32>, Vec<u32>) {
    let (mut jumps, mut escapes) = (Vec::new(), Vec::new());
    let (mut inside, mut escaped, mut blank) = (false, false, false);
    for (at, byte) in text.iter().enumerate() {
        let at = u32::try_from(at).unwrap();
        let literal = std::mem::replace(&mut escaped, false);
        escaped = *byte == b'\\' && !literal;
        if inside {
            if escaped {
                escapes.push(at);
            }
            if *byte == b'"' && !literal {
                jumps.push(at);
                inside = false;
            }
            continue;
        }
        let was_blank = std::mem::replace(&mut blank, *byte <= b' ');
        if was_blank && !blank {
            jumps.push(at);
        }
        inside = *byte == b'"' && !literal;
    }
    (jumps, escapes)
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![
        Just(b'"'),
        Just(b'\\'),
        Just(b'{'),
        Just(b'}'),
        Just(b'['),
        Just(b']'),
        Just(b':'),
        Just(b','),
        Just(b' '),
        Just(b'\n'),
        Just(b'a'),
        Just(b'1'),
        Just(b';'),
        Just(b'Z'),
        Just(0xc3_u8),
        any::<u8>().prop_map(|byte| byte.max(0x20)),
    ];
    proptest::collection::vec(bytes, 0..260)
}

/// Texts of quotes and control characters.
fn controls() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![8 => Just(b'"'), 60 => Just(b'a'), 4 => Just(b' '), 1 => 0_u8..0x20, 2 => Just(b'\n')];
    proptest::collection::vec(bytes, 0..200)
}

/// Whether a control character stands in a string, or one that is no whitespace outside.
fn naive_foul(text: &[u8]) -> bool {
    let mut inside = false;
    text.iter().any(|byte| {
        inside ^= *byte == b'"';
        *byte < b' ' && (inside || !matches!(byte, b'\t' | b'\n' | b'\r'))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn vector_and_scalar_masks_are_the_same(block in proptest::array::uniform32(any::<[u8; 2]>())) {
        let mut bytes = [0_u8; BLOCK_BYTES];
        for (pair, two) in bytes.chunks_mut(2).zip(block) {
            pair.copy_from_slice(&two);
        }
        let expected = scalar::masks(&bytes);
        #[cfg(target_arch = "x86_64")]
        for found in super::simd::every_masks(&bytes) {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_processor_multiplies_as_shifts_do(bits in any::<u64>()) {
        #[cfg(target_arch = "x86_64")]
        prop_assert_eq!(super::simd::prefix(bits).unwrap_or(super::prefix_xor(bits)), super::prefix_xor(bits));
    }

    #[test]
    fn control_characters_stand_only_where_json_lets_them(text in controls()) {
        let foul = naive_foul(&text);
        prop_assert_eq!(Index::default().extend(&text, true).is_err(), foul);
    }

    #[test]
    fn the_index_is_what_a_byte_by_byte_scanner_finds(text in texts()) {
        let mut index = Index::default();
        let _ = index.extend(&text, true);
        let (jumps, escapes) = naive(&text);
        prop_assert_eq!(index.jumps(), &jumps[..]);
        prop_assert_eq!(index.escapes(), &escapes[..]);
    }

    #[test]
    fn the_index_does_not_depend_on_how_the_text_comes(text in texts(), cut in 0_usize..260) {
        let mut whole = Index::default();
        let expected = whole.extend(&text, true);
        let mut pieces = Index::default();
        let _ = pieces.extend(text.get(..cut.min(text.len())).unwrap(), false);
        prop_assert_eq!(pieces.extend(&text, true), expected);
        prop_assert_eq!(whole.jumps(), pieces.jumps());
        prop_assert_eq!(whole.escapes(), pieces.escapes());
    }
}
