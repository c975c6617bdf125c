//! Chance that repeats: the same seed, room and number give the same throws on every machine and in every version.
//!
//! Only the raw ChaCha stream of the library is used; how a throw becomes a choice is written here, so that an
//! update of a library never changes the bytes of a hospital.

use std::fmt;
use std::str::FromStr;

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// From which everything in a hospital follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// The seed of this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl FromStr for Seed {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the dice are thrown for. Each has streams of its own, so a new story never changes who the patients are.
#[derive(Clone, Copy)]
pub(super) enum Table {
    Household,
    Alone,
    Person,
    Chart,
}

/// A run of throws.
pub(super) struct Dice(ChaCha20Rng);

impl Dice {
    pub(super) fn new(seed: Seed, table: Table, number: u32) -> Self {
        let mut stream = ChaCha20Rng::seed_from_u64(seed.0);
        stream.set_stream(((table as u64) << 32) | u64::from(number));
        Self(stream)
    }

    /// Throws that follow from a number alone, for what must not depend on who asks.
    pub(super) fn fixed(number: u32) -> Self {
        Self::new(Seed(0), Table::Alone, number)
    }

    /// Evenly one of `0..count`; 0 if `count` is 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let wide = u128::from(self.0.next_u64()) * (count as u128);
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// Evenly one of `low..=high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = usize::try_from(high - low + 1).unwrap_or(0);
        low + i64::try_from(self.below(span)).unwrap_or(0)
    }

    /// True in `percent` of a hundred throws.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Evenly one of a table's rows; an empty table does not compile.
    #[expect(clippy::indexing_slicing, reason = "`below(N)` is less than N, and N > 0 is checked at compile time")]
    pub(super) fn pick<T: Copy, const N: usize>(&mut self, rows: &[T; N]) -> T {
        const { assert!(N > 0, "a table to pick from has a row") };
        rows[self.below(N)]
    }

    /// About `centre`, at most `spread` away, the middle likelier: the mean of three throws.
    pub(super) fn about(&mut self, centre: f64, spread: f64) -> f64 {
        let throws: usize = (0..3).map(|_| self.below(2001)).sum();
        #[expect(clippy::cast_precision_loss, reason = "at most 6000")]
        let offset = throws as f64 / 3000.0 - 1.0;
        centre + offset * spread
    }

    /// A number of 64 bits, for identifiers.
    pub(super) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same() {
        let throws = |seed| {
            let mut dice = Dice::new(Seed::new(seed), Table::Person, 7);
            [dice.below(1000), dice.below(1000), dice.below(1000)]
        };
        assert_eq!(throws(1), throws(1));
        assert_ne!(throws(1), throws(2));
    }

    #[test]
    fn about_stays_within_its_spread() {
        let mut dice = Dice::new(Seed::new(3), Table::Chart, 0);
        assert!((0..500).map(|_| dice.about(7.0, 2.0)).all(|value| (5.0..=9.0).contains(&value)));
    }

    #[test]
    fn between_reaches_both_ends() {
        let mut dice = Dice::new(Seed::new(3), Table::Chart, 0);
        let throws: Vec<i64> = (0..200).map(|_| dice.between(-1, 1)).collect();
        assert!(throws.contains(&-1) && throws.contains(&1) && throws.iter().all(|value| value.abs() <= 1));
    }
}
