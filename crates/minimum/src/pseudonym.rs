//! Codes in the place of identifiers.
//!
//! A *random* code is drawn in the order in which values come, from a seed that is thrown away with the table: there is no
//! way from a value to its code but the table itself, so the code is not derived from the person (45 CFR 164.514(c)).
//! One table is made for one answer, or for all the files of one export, so that references still lead somewhere.
//!
//! A *keyed* code is the same in every answer, because it is computed from the value and a key. That is derived from the
//! person, and so only what an expert has determined (164.514(b)(1)) is let out with it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bascule_crypto::Secret;
use bascule_crypto::digest::{Sha256, hmac_sha256};
use bascule_crypto::hex;

/// Bytes of a code, before it is written in hexadecimal.
const CODE_BYTES: usize = 16;

/// Gives out codes.
pub struct Pseudonyms(Kind);

enum Kind {
    Random { seed: Secret, given: Mutex<HashMap<Box<[u8]>, u64>>, codes_max: usize },
    Keyed(Secret),
}

impl Pseudonyms {
    /// Random codes, of at most `codes_max` values (some hundred bytes each); a value beyond has none, and stays. `seed`
    /// is fresh randomness that nobody keeps.
    #[must_use]
    pub fn random(seed: [u8; 32], codes_max: usize) -> Self {
        Self(Kind::Random { seed: Secret::new(seed), given: Mutex::default(), codes_max })
    }

    /// Codes made with a key, for what an expert has determined. Two recipients need two keys, or they can put together
    /// what they got.
    #[must_use]
    pub const fn keyed(key: Secret) -> Self {
        Self(Kind::Keyed(key))
    }

    /// Whether the codes are made with a key.
    #[must_use]
    pub const fn are_keyed(&self) -> bool {
        matches!(self.0, Kind::Keyed(_))
    }

    /// The code of a value of that kind.
    pub(crate) fn code(&self, kind: &[u8], value: &[u8]) -> Option<String> {
        let whole: Vec<u8> = [kind, b"/", value].concat();
        match &self.0 {
            Kind::Keyed(key) => Some(written(&hmac_sha256(key, &whole))),
            Kind::Random { seed, given, codes_max } => {
                let mut given = given.lock().unwrap_or_else(PoisonError::into_inner);
                let next = given.len();
                let number = match given.get(whole.as_slice()) {
                    Some(number) => *number,
                    None if next >= *codes_max => return None,
                    None => {
                        let number = u64::try_from(next).ok()?;
                        given.insert(whole.into_boxed_slice(), number);
                        number
                    }
                };
                Some(written(&hmac_sha256(seed, &number.to_be_bytes())))
            }
        }
    }
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.are_keyed() { "Pseudonyms(keyed)" } else { "Pseudonyms(random)" })
    }
}

fn written(digest: &Sha256) -> String {
    hex::encode(digest.get(..CODE_BYTES).unwrap_or(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_code_depends_on_the_order_and_not_on_the_value() {
        let (one, other) = (Pseudonyms::random([7; 32], 10), Pseudonyms::random([7; 32], 10));
        assert_eq!(one.code(b"Patient", b"1"), other.code(b"Patient", b"2"), "the first is the first, whoever it is");
        assert_eq!(one.code(b"Patient", b"1"), one.code(b"Patient", b"1"));
        assert_ne!(one.code(b"Patient", b"1"), one.code(b"Encounter", b"1"));
        assert_ne!(one.code(b"Patient", b"1"), Pseudonyms::random([8; 32], 10).code(b"Patient", b"1"));
    }

    #[test]
    fn a_full_table_gives_no_more_codes() {
        let table = Pseudonyms::random([7; 32], 1);
        assert!(table.code(b"Patient", b"1").is_some() && table.code(b"Patient", b"2").is_none());
        assert!(table.code(b"Patient", b"1").is_some(), "and still knows those it gave");
    }

    #[test]
    fn a_keyed_code_is_the_same_everywhere_under_one_key() {
        let keyed = |key: &[u8]| Pseudonyms::keyed(Secret::new(key)).code(b"Patient", b"1");
        assert_eq!(keyed(b"k"), keyed(b"k"));
        assert_ne!(keyed(b"k"), keyed(b"l"));
    }
}
