//! The leading patients: the same persons in every hospital, so that a text, a test or a welcome can count on them.

use time::Date;

use super::super::moment::{plus_days, plus_years};
use super::super::names::{self, Culture, Name};
use super::household::Bond;
use super::{Bone, Person, Problems, Sex, Smoking};

/// How many there are.
pub(in super::super) const COUNT: u32 = 12;

/// Grandfather, father, mother, son and daughter; three of them bear the same name.
const FAMILY: [u32; 5] = [3, 4, 5, 6, 7];

const CASTELLANOS: Name = ("Castellanos Rey", "Castellanos Rey");
const MATEO: Name = ("Mateo", "Mateo");

/// The leading patient of that number, if it is one.
pub(super) fn plan(number: u32, anchor: Date) -> Option<Person> {
    let ago = |days: i64| Some(plus_days(anchor, -days));
    let none = Problems::default();
    let person = match number {
        0 => {
            let problems = Problems {
                diabetes: ago(2400),
                hypertension: ago(1900),
                lipids: ago(1500),
                penicillin_allergy: true,
                ..none
            };
            one(
                number,
                &names::FRENCH,
                ("Amélie", "Amélie"),
                ("Vasterœuil", "Vasterœuil"),
                Sex::Female,
                (54, anchor),
                problems,
            )
        }
        1 => {
            let problems = Problems {
                asthma: ago(2100),
                fracture: Some((Bone::Forearm, plus_days(anchor, -214))),
                peanut_allergy: true,
                ..none
            };
            one(number, &names::ARABIC, ("يوسف", "Yusuf"), ("الزهيري", "Al-Zuhairi"), Sex::Male, (33, anchor), problems)
        }
        2 => {
            let problems = Problems { depression: ago(700), ..none };
            let mut nurse = one(
                number,
                &names::ENGLISH,
                ("Maren", "Maren"),
                ("Holloway-Quist", "Holloway-Quist"),
                Sex::Female,
                (41, anchor),
                problems,
            );
            nurse.works_here_as = Some("quist");
            nurse
        }
        3..=7 => castellanos(number, anchor),
        8 => {
            let problems = Problems { pregnancy: ago(520), ..none };
            one(
                number,
                &names::ENGLISH,
                ("Imogen", "Imogen"),
                ("Larkspur", "Larkspur"),
                Sex::Female,
                (31, anchor),
                problems,
            )
        }
        9 => {
            let problems = Problems { hiv: ago(1400), ..none };
            one(
                number,
                &names::ENGLISH,
                ("Desmond", "Desmond"),
                ("Fairweather", "Fairweather"),
                Sex::Male,
                (47, anchor),
                problems,
            )
        }
        10 => {
            let problems = Problems { opioids: ago(820), depression: ago(900), ..none };
            one(
                number,
                &names::ENGLISH,
                ("Rufus", "Rufus"),
                ("Thistlewood", "Thistlewood"),
                Sex::Male,
                (38, anchor),
                problems,
            )
        }
        11 => {
            let problems = Problems {
                heart_failure: ago(1300),
                hypertension: ago(3000),
                fracture: Some((Bone::Hip, plus_days(anchor, -410))),
                ..none
            };
            let mut gone = one(
                number,
                &names::ENGLISH,
                ("Edith", "Edith"),
                ("Winterbourne", "Winterbourne"),
                Sex::Female,
                (86, anchor),
                problems,
            );
            gone.death = ago(96);
            gone
        }
        _ => return None,
    };
    Some(person)
}

fn one(
    number: u32,
    culture: &'static Culture,
    given: Name,
    family: Name,
    sex: Sex,
    (age, anchor): (i32, Date),
    problems: Problems,
) -> Person {
    Person {
        number,
        culture,
        given,
        family,
        sex,
        birth: plus_days(plus_years(anchor, -age), -i64::from(number * 17 + 60)),
        death: None,
        smoking: if number % 3 == 1 { Smoking::Former } else { Smoking::Never },
        problems,
        street: format!("{} Lighthouse Road", 12 + number * 2),
        kin: Vec::new(),
        works_here_as: None,
    }
}

fn castellanos(number: u32, anchor: Date) -> Person {
    let [grandfather, father, mother, son, daughter] = FAMILY;
    let ago = |days: i64| Some(plus_days(anchor, -days));
    let none = Problems::default();
    let lucia = ("Lucía", "Lucía");
    let ines = ("Inés", "Inés");
    let (given, sex, age, problems, kin) = match number {
        3 => (
            MATEO,
            Sex::Male,
            78,
            Problems { hypertension: ago(2900), diabetes: ago(1200), ..none },
            vec![(father, Bond::Child)],
        ),
        4 => {
            let kin =
                vec![(grandfather, Bond::Father), (mother, Bond::Spouse), (son, Bond::Child), (daughter, Bond::Child)];
            (MATEO, Sex::Male, 46, Problems { hypertension: ago(500), ..none }, kin)
        }
        5 => (
            lucia,
            Sex::Female,
            43,
            Problems { asthma: ago(2000), ..none },
            vec![(father, Bond::Spouse), (son, Bond::Child), (daughter, Bond::Child)],
        ),
        6 => {
            let kin = vec![
                (mother, Bond::Mother),
                (father, Bond::Father),
                (grandfather, Bond::Grandfather),
                (daughter, Bond::Sibling),
            ];
            (MATEO, Sex::Male, 12, Problems { asthma: ago(1500), peanut_allergy: true, ..none }, kin)
        }
        _ => {
            let kin = vec![
                (mother, Bond::Mother),
                (father, Bond::Father),
                (grandfather, Bond::Grandfather),
                (son, Bond::Sibling),
            ];
            (ines, Sex::Female, 2, none, kin)
        }
    };
    let mut person = one(number, &names::SPANISH, given, CASTELLANOS, sex, (age, anchor), problems);
    person.street = String::from("7 Lighthouse Road");
    person.kin = kin;
    person
}
