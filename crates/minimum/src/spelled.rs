//! How a key stands in nearly every text: between quotes and right before its colon, so that all of it is compared at
//! once, before anybody knows where it ends.

/// A key between its quotes, and the colon after it: as it stands in nearly every text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spelled {
    /// The bytes of it, and zeros.
    text: [u64; SPELLED_WORDS],
    /// How many bytes that are; 0 if it is too long to be compared at once.
    bytes: u8,
}

/// Words of eight bytes that are compared of a key at once.
const SPELLED_WORDS: usize = 3;

/// Bytes that are compared of a key at once.
pub(crate) const SPELLED_BYTES: usize = SPELLED_WORDS * 8;

/// Bytes around a key: two quotes and a colon.
const AROUND_KEY: usize = 3;

/// Which bits of a word are those of its first bytes, by their number.
const FIRST_BYTES: [u64; 9] =
    [0, 0xff, 0xffff, 0xff_ffff, 0xffff_ffff, 0xff_ffff_ffff, 0xffff_ffff_ffff, 0xff_ffff_ffff_ffff, u64::MAX];

/// Which bits of three words are those of their first bytes, by their number.
const CARE: [[u64; SPELLED_WORDS]; SPELLED_BYTES + 1] = {
    let mut all = [[0; SPELLED_WORDS]; SPELLED_BYTES + 1];
    let mut rest: &mut [[u64; SPELLED_WORDS]] = &mut all;
    let mut bytes = 0;
    while let [care, others @ ..] = rest {
        *care = [first_bytes(bytes), first_bytes(bytes.saturating_sub(8)), first_bytes(bytes.saturating_sub(16))];
        rest = others;
        bytes += 1;
    }
    all
};

const fn first_bytes(count: usize) -> u64 {
    match FIRST_BYTES.as_slice().split_at_checked(count) {
        Some((_, [bits, ..])) => *bits,
        _ => u64::MAX,
    }
}

impl Spelled {
    /// How a key is spelled.
    pub(crate) fn of(key: &str) -> Self {
        let mut text = [0_u8; SPELLED_BYTES];
        let spelled = format!("\"{key}\":");
        let bytes = u8::try_from(spelled.len()).ok().filter(|_| spelled.len() <= SPELLED_BYTES).unwrap_or(0);
        text.iter_mut().zip(spelled.bytes().take(usize::from(bytes))).for_each(|(byte, from)| *byte = from);
        Self { text: words(&text), bytes }
    }

    /// The length of the key, if the bytes are this key, its quotes and a colon, whatever follows.
    #[inline(always)]
    pub(crate) fn begins(&self, bytes: &[u8; SPELLED_BYTES]) -> Option<usize> {
        let [a, b, c] = words(bytes);
        let [text_a, text_b, text_c] = self.text;
        let [care_a, care_b, care_c] = *CARE.get(usize::from(self.bytes))?;
        // One word tells most keys; of the others two branches would cost more.
        if (a ^ text_a) & care_a != 0 || (b ^ text_b) & care_b | (c ^ text_c) & care_c != 0 {
            return None;
        }
        usize::from(self.bytes).checked_sub(AROUND_KEY)
    }
}

#[inline(always)]
fn words(bytes: &[u8; SPELLED_BYTES]) -> [u64; SPELLED_WORDS] {
    let mut words = [0; SPELLED_WORDS];
    for (word, eight) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*eight);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_spelled_between_quotes_and_before_a_colon() {
        let begins = |key: &str, text: &str| {
            let mut bytes = [b'x'; SPELLED_BYTES];
            bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
            Spelled::of(key).begins(&bytes).is_some_and(|length| length == key.len())
        };
        assert!(
            begins("id", r#""id":"1""#)
                && begins("", r#""":"1""#)
                && begins("effectiveDateTime", r#""effectiveDateTime":"1""#)
        );
        for other in [
            r#""id" :"1""#,
            r#""ix":"1""#,
            r#""i":"1""#,
            r#""idd":"1""#,
            r#"'id":"1""#,
            r#""id"x"1""#,
            r#""\u0069d":"1""#,
        ] {
            assert!(!begins("id", other), "{other}");
        }
        let long = "x".repeat(SPELLED_BYTES);
        assert!(!begins(&long, &format!("\"{long}\":")));
    }
}
