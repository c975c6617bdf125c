//! Who a patient is, decided before anything is told about them: household, name, years, illnesses.
//!
//! A plan is cheap and needs nobody else's, so any chart can name another patient (a mother, a member of a group)
//! without that patient's chart being made.

use time::Date;

use super::dice::{Dice, Seed, Table};
use super::moment::{age_in_years, plus_days, plus_years};
use super::names::{Culture, Name};

mod household;
mod leading;

pub(super) use household::Bond;
pub(super) use leading::COUNT as LEADING;

/// How many years before the anchor the charts of the leading patients begin.
const LEADING_YEARS: i32 = 3;

/// How many years before the anchor all other charts begin.
const YEARS: i32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sex {
    Female,
    Male,
}

impl Sex {
    /// As `Patient.gender` has it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Female => "female",
            Self::Male => "male",
        }
    }
}

/// How somebody holds it with tobacco.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Smoking {
    Never,
    Former,
    Daily,
}

/// A bone that broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bone {
    Forearm,
    Ankle,
    Hip,
}

/// Since when somebody has what. `None`: does not have it.
#[derive(Debug, Clone, Default)]
pub(super) struct Problems {
    pub(super) diabetes: Option<Date>,
    pub(super) hypertension: Option<Date>,
    pub(super) lipids: Option<Date>,
    pub(super) asthma: Option<Date>,
    pub(super) depression: Option<Date>,
    pub(super) hiv: Option<Date>,
    pub(super) opioids: Option<Date>,
    pub(super) heart_failure: Option<Date>,
    /// The day on which a pregnancy began.
    pub(super) pregnancy: Option<Date>,
    pub(super) fracture: Option<(Bone, Date)>,
    pub(super) penicillin_allergy: bool,
    pub(super) peanut_allergy: bool,
}

/// A patient.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) number: u32,
    pub(super) culture: &'static Culture,
    pub(super) given: Name,
    pub(super) family: Name,
    pub(super) sex: Sex,
    pub(super) birth: Date,
    pub(super) death: Option<Date>,
    pub(super) smoking: Smoking,
    pub(super) problems: Problems,
    /// Street and number, shared by a household.
    pub(super) street: String,
    /// Patients of the same household, by number, and what they are to this one.
    pub(super) kin: Vec<(u32, Bond)>,
    /// The Practitioner that this patient is too.
    pub(super) works_here_as: Option<&'static str>,
}

impl Person {
    /// The patient `number` of a hospital of `patients`.
    pub(super) fn plan(seed: Seed, number: u32, patients: u32, anchor: Date) -> Self {
        let mut person = leading::plan(number, anchor).unwrap_or_else(|| Self::by_chance(seed, number, anchor));
        person.kin.retain(|(other, _)| *other < patients);
        person
    }

    /// The logical id of the patient `number`.
    pub(super) fn id_of(number: u32) -> String {
        format!("p{:04}", number + 1)
    }

    pub(super) fn id(&self) -> String {
        Self::id_of(self.number)
    }

    pub(super) fn age_on(&self, day: Date) -> i32 {
        age_in_years(self.birth, day)
    }

    /// The whole name as its bearer writes it.
    pub(super) fn name(&self) -> String {
        self.culture.whole(self.given.0, self.family.0)
    }

    /// The last day on which anything can happen to this patient.
    pub(super) fn last_day(&self, anchor: Date) -> Date {
        self.death.map_or(anchor, |death| death.min(anchor))
    }

    /// The first day of the chart.
    pub(super) fn first_day(&self, anchor: Date) -> Date {
        let years = if self.number < LEADING { LEADING_YEARS } else { YEARS };
        plus_years(anchor, -years).max(self.birth)
    }

    fn by_chance(seed: Seed, number: u32, anchor: Date) -> Self {
        let place = household::place(seed, number);
        let mut dice = Dice::new(seed, Table::Person, number);
        let sex = match place.sex {
            Some(sex) => sex,
            None if dice.chance(51) => Sex::Female,
            None => Sex::Male,
        };
        let age = dice.between(place.age.0, place.age.1);
        let birth = plus_days(anchor, -(age * 365 + dice.between(20, 340)));
        let given = if sex == Sex::Female { place.culture.woman(&mut dice) } else { place.culture.man(&mut dice) };
        let mut person = Self {
            number,
            culture: place.culture,
            given,
            family: place.family,
            sex,
            birth,
            death: None,
            smoking: smoking(&mut dice, age),
            problems: Problems::default(),
            street: place.street,
            kin: place.kin,
            works_here_as: None,
        };
        person.fall_ill(&mut dice, age, anchor);
        person
    }

    /// Illnesses as likely as they are at that age, roughly; then, for some of the old, an end.
    fn fall_ill(&mut self, dice: &mut Dice, age: i64, anchor: Date) {
        let since = |dice: &mut Dice, percent: usize| {
            let days = dice.between(40, 2_900).min(age * 365);
            dice.chance(percent).then(|| plus_days(anchor, -days))
        };
        let adult = age >= 20;
        let old = age >= 50;
        self.problems = Problems {
            diabetes: since(
                dice,
                if old {
                    24
                } else if adult {
                    7
                } else {
                    0
                },
            ),
            hypertension: since(
                dice,
                if old {
                    45
                } else if adult {
                    12
                } else {
                    0
                },
            ),
            lipids: since(dice, if old { 35 } else { 0 }),
            asthma: since(dice, if adult { 8 } else { 14 }),
            depression: since(dice, if adult { 14 } else { 0 }),
            hiv: since(dice, if adult { 3 } else { 0 }),
            opioids: since(dice, if adult { 4 } else { 0 }),
            heart_failure: since(dice, if age >= 70 { 20 } else { 0 }),
            pregnancy: None,
            fracture: None,
            penicillin_allergy: dice.chance(9),
            peanut_allergy: dice.chance(4),
        };
        let fertile = self.sex == Sex::Female && (21..=43).contains(&age);
        let began = dice.between(30, 900);
        self.problems.pregnancy = (fertile && dice.chance(35)).then(|| plus_days(anchor, -began));
        if self.problems.pregnancy.is_some() {
            // What is given here for blood pressure harms a child; such patients are another hospital's.
            self.problems.hypertension = None;
        }
        let bone = if age >= 68 { Bone::Hip } else { dice.pick(&[Bone::Forearm, Bone::Ankle]) };
        let broke = dice.between(60, 690).min(age * 365);
        self.problems.fracture = dice.chance(14).then(|| (bone, plus_days(anchor, -broke)));
        let died = dice.between(15, 600);
        self.death = (age >= 62 && dice.chance(14)).then(|| plus_days(anchor, -died));
    }
}

fn smoking(dice: &mut Dice, age: i64) -> Smoking {
    if age < 20 {
        return Smoking::Never;
    }
    dice.pick(&[Smoking::Never, Smoking::Never, Smoking::Never, Smoking::Former, Smoking::Former, Smoking::Daily])
}
