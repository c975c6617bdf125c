//! Who lives together: four consecutive patients share the throws that decide it.

use super::super::dice::{Dice, Seed, Table};
use super::super::names::{Culture, Name};
use super::{Sex, leading};

/// What another patient of the household is to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Bond {
    Mother,
    Father,
    Grandfather,
    Child,
    Spouse,
    Sibling,
}

/// Patients of one block decide together who lives with whom.
const BLOCK: u32 = 4;

/// What the household settles about one of its members.
pub(super) struct Place {
    pub(super) culture: &'static Culture,
    pub(super) family: Name,
    pub(super) street: String,
    pub(super) sex: Option<Sex>,
    /// Years of age, from and to.
    pub(super) age: (i64, i64),
    pub(super) kin: Vec<(u32, Bond)>,
}

/// The place of the patient `number`, who is not one of the leading ones.
pub(super) fn place(seed: Seed, number: u32) -> Place {
    let offset = number - leading::COUNT.min(number);
    let (block, seat) = (offset / BLOCK, offset % BLOCK);
    let mut dice = Dice::new(seed, Table::Household, block);
    let first = number - seat;
    match dice.below(5) {
        0 => family(&mut dice, first, seat),
        1 if seat < 2 => couple(&mut dice, first, seat),
        _ => alone(seed, number),
    }
}

/// Mother, father and two children.
fn family(dice: &mut Dice, first: u32, seat: u32) -> Place {
    let culture = Culture::by_chance(dice);
    let (mother, father, older, younger) = (first, first + 1, first + 2, first + 3);
    let (sex, age, kin) = match seat {
        0 => (Some(Sex::Female), (28, 44), vec![(father, Bond::Spouse), (older, Bond::Child), (younger, Bond::Child)]),
        1 => (Some(Sex::Male), (28, 46), vec![(mother, Bond::Spouse), (older, Bond::Child), (younger, Bond::Child)]),
        2 => (None, (4, 9), vec![(mother, Bond::Mother), (father, Bond::Father), (younger, Bond::Sibling)]),
        _ => (None, (0, 3), vec![(mother, Bond::Mother), (father, Bond::Father), (older, Bond::Sibling)]),
    };
    Place { culture, family: culture.family(dice), street: street(dice), sex, age, kin }
}

/// Two who grew old together; the other two of the block live alone.
fn couple(dice: &mut Dice, first: u32, seat: u32) -> Place {
    let culture = Culture::by_chance(dice);
    let (name, home) = (culture.family(dice), street(dice));
    let (sex, age, other) = if seat == 0 { (Sex::Female, (55, 84), first + 1) } else { (Sex::Male, (55, 88), first) };
    Place { culture, family: name, street: home, sex: Some(sex), age, kin: vec![(other, Bond::Spouse)] }
}

fn alone(seed: Seed, number: u32) -> Place {
    let mut dice = Dice::new(seed, Table::Alone, number);
    let culture = Culture::by_chance(&mut dice);
    let family = culture.family(&mut dice);
    Place { culture, family, street: street(&mut dice), sex: None, age: (20, 90), kin: Vec::new() }
}

fn street(dice: &mut Dice) -> String {
    let name = dice.pick(&[
        "Alder Lane",
        "Beacon Hill Road",
        "Cannery Row",
        "Driftwood Way",
        "Juniper Street",
        "Mill Pond Close",
        "Old Quay",
        "Saltmarsh Avenue",
    ]);
    format!("{} {name}", dice.between(2, 198))
}
