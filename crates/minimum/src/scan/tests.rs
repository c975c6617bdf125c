//! The index against what is plain: the scalar masks, a byte-by-byte scanner, and any cut of the text.

use proptest::prelude::*;

use super::{BLOCK_BYTES, Index, scalar};

/// Token and escape positions by the rules of JSON, one byte after the other.
fn naive(text: &[u8]) -> (Vec<u32>, Vec<u32>) {
    let (mut tokens, mut escapes) = (Vec::new(), Vec::new());
    let (mut inside, mut escaped, mut in_scalar) = (false, false, false);
    for (at, byte) in text.iter().enumerate() {
        let at = u32::try_from(at).unwrap();
        if std::mem::take(&mut escaped) {
            if !inside {
                if !in_scalar && !b"{}[]:, \t\r\n".contains(byte) {
                    tokens.push(at);
                }
                if b"{}[]:,".contains(byte) {
                    tokens.push(at);
                }
                in_scalar = !b"{}[]:, \t\r\n".contains(byte);
            }
            continue;
        }
        escaped = *byte == b'\\';
        if inside {
            if escaped {
                escapes.push(at);
            }
            if *byte == b'"' {
                tokens.push(at);
                inside = false;
            }
            continue;
        }
        match byte {
            b'"' => {
                tokens.push(at);
                inside = true;
                in_scalar = false;
            }
            b'{' | b'}' | b'[' | b']' | b':' | b',' => {
                tokens.push(at);
                in_scalar = false;
            }
            b' ' | b'\t' | b'\r' | b'\n' => in_scalar = false,
            _ => {
                if !in_scalar {
                    tokens.push(at);
                }
                in_scalar = true;
            }
        }
    }
    (tokens, escapes)
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
    fn the_index_is_what_a_byte_by_byte_scanner_finds(text in texts()) {
        let mut index = Index::default();
        let _ = index.extend(&text, true);
        let (tokens, escapes) = naive(&text);
        prop_assert_eq!(index.tokens(), &tokens[..]);
        prop_assert_eq!(index.escapes(), &escapes[..]);
    }

    #[test]
    fn the_index_does_not_depend_on_how_the_text_comes(text in texts(), cut in 0_usize..260) {
        let mut whole = Index::default();
        let expected = whole.extend(&text, true);
        let mut pieces = Index::default();
        let _ = pieces.extend(text.get(..cut.min(text.len())).unwrap(), false);
        prop_assert_eq!(pieces.extend(&text, true), expected);
        prop_assert_eq!(whole.tokens(), pieces.tokens());
        prop_assert_eq!(whole.escapes(), pieces.escapes());
    }
}
