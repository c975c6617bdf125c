//! A synthetic hospital: seed, number of patients and an anchor date in, FHIR R4 resources out, patient by patient.
//!
//! Nobody in it is real. Codes are those of LOINC, SNOMED CT, RxNorm and CVX; their wording here is our own.

mod admin;
mod chart;
mod code;
mod cohort;
mod dice;
mod house;
mod labs;
mod measures;
mod moment;
mod names;
mod ndjson;
mod person;
mod planned;
mod stories;
#[cfg(test)]
mod tests;

use serde_json::Value;
use time::Date;

use crate::cast::Cast;

pub use dice::Seed;
pub use ndjson::{NdjsonError, Tally, write_ndjson};

/// How many patients `bascule demo` makes when nothing else is asked.
pub const PATIENTS_DEFAULT: u32 = 200;

/// The most patients one hospital is made of: ids are numbered with six digits.
pub const PATIENTS_MAX: u32 = 999_999;

/// How many leading patients are the same in every hospital.
pub const LEADING: u32 = person::LEADING;

/// A synthetic hospital. A value: nothing is made before it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Hospital {
    seed: Seed,
    patients: u32,
    anchor: Date,
}

impl Hospital {
    /// The hospital of this seed, with `patients` patients (at most [`PATIENTS_MAX`]), on the day `anchor`.
    #[must_use]
    pub fn new(seed: Seed, patients: u32, anchor: Date) -> Self {
        Self { seed, patients: patients.min(PATIENTS_MAX), anchor }
    }

    /// Every resource: first the house and its staff, then patient by patient, last the groups. At any time only
    /// one patient's chart is in memory.
    pub fn generate(seed: Seed, patients: u32, anchor: Date) -> impl Iterator<Item = Value> {
        Self::new(seed, patients, anchor).resources()
    }

    /// As [`Hospital::generate`], from a hospital at hand.
    pub fn resources(self) -> impl Iterator<Item = Value> {
        house::resources(self.anchor)
            .into_iter()
            .chain((0..self.patients).flat_map(move |number| self.chart(number)))
            .chain(cohort::groups(self))
    }

    /// All resources of the patient `number` (from 0), the Patient first.
    #[must_use]
    pub fn chart(self, number: u32) -> Vec<Value> {
        stories::tell(&self.person(number), self.seed, self.anchor)
    }

    /// Id and name of the patient `number`, without a chart being made.
    #[must_use]
    pub fn patient(self, number: u32) -> (String, String) {
        let person = self.person(number);
        (person.id(), person.name())
    }

    /// How many patients it has.
    #[must_use]
    pub fn patients(self) -> u32 {
        self.patients
    }

    /// The leading patients and staff that are in every hospital, whom a welcome can name.
    #[must_use]
    pub fn cast() -> Cast {
        Cast::leading()
    }

    fn person(self, number: u32) -> person::Person {
        person::Person::plan(self.seed, number, self.patients, self.anchor)
    }
}
