//! What is measured and asked at a visit: vital signs, growth of children, tobacco, questionnaires.

use serde_json::{Value, json};

use super::chart::{Chart, Visit};
use super::code::{Code, hl7, loinc, quantity, refer, snomed, with};
use super::person::{Sex, Smoking};

impl Chart<'_> {
    /// One vital sign.
    pub(super) fn vital(&mut self, visit: &Visit, profile: &str, code: Code, value: (f64, usize, &str)) -> String {
        let body = self.vital_body(visit, profile, code);
        let body = with(body, "valueQuantity", quantity(value.0, value.1, value.2));
        self.add("Observation", body)
    }

    /// Blood pressure, of which both numbers are one Observation.
    pub(super) fn pressure(&mut self, visit: &Visit, systolic: f64, diastolic: f64) -> String {
        let body = self.vital_body(visit, "us-core-blood-pressure", loinc("85354-9", "Blood pressure"));
        let part = |code: Code, value| json!({"code": code.concept(), "valueQuantity": quantity(value, 0, "mm[Hg]")});
        let parts = json!([
            part(loinc("8480-6", "Systolic blood pressure"), systolic),
            part(loinc("8462-4", "Diastolic blood pressure"), diastolic),
        ]);
        self.add("Observation", with(body, "component", parts))
    }

    fn vital_body(&mut self, visit: &Visit, profile: &str, code: Code) -> Value {
        json!({
            "profile": profile,
            "status": "final",
            "category": [hl7("observation-category", "vital-signs", "Vital signs")],
            "code": code.concept(),
            "subject": self.subject(),
            "encounter": refer(&visit.reference),
            "effectiveDateTime": visit.during(),
            "performer": [visit.with.refer()],
        })
    }

    /// The usual measurements of a visit, by age and by what the patient has.
    pub(super) fn vitals(&mut self, visit: &Visit) {
        let age = f64::from(self.person.age_on(visit.start.day).max(0));
        let grown = (age / 18.0).min(1.0);
        let tall = if self.person.sex == Sex::Female { 164.0 } else { 177.0 };
        let height = (52.0 + (tall - 52.0) * grown + f64::from(self.person.number % 13) - 6.0).max(50.0);
        let heavy = if self.person.problems.diabetes.is_some() { 30.5 } else { 24.5 };
        let index = self.dice.about(16.0 + (heavy - 16.0) * grown, 1.2);
        self.vital(visit, "us-core-body-height", loinc("8302-2", "Height"), (height, 1, "cm"));
        self.vital(
            visit,
            "us-core-body-weight",
            loinc("29463-7", "Weight"),
            (index * height * height / 10_000.0, 1, "kg"),
        );
        if age >= 20.0 {
            self.vital(visit, "us-core-bmi", loinc("39156-5", "Body mass index"), (index, 1, "kg/m2"));
        } else {
            self.growth(visit, age);
        }
        let pulse = self.dice.about(100.0 - 30.0 * grown, 9.0);
        self.vital(visit, "us-core-heart-rate", loinc("8867-4", "Heart rate"), (pulse, 0, "/min"));
        if age >= 3.0 {
            let strained = self.person.problems.hypertension.is_some_and(|since| since <= visit.start.day);
            let systolic = self.dice.about(if strained { 138.0 } else { 98.0 + 20.0 * grown }, 12.0);
            let diastolic = self.dice.about(systolic * 0.62, 5.0);
            self.pressure(visit, systolic, diastolic);
        }
    }

    /// Where a child stands among children of the same age.
    fn growth(&mut self, visit: &Visit, age: f64) {
        let percentile = self.dice.about(52.0, 38.0);
        if age >= 2.0 {
            let code = loinc("59576-9", "Body mass index, percentile for age");
            self.vital(visit, "pediatric-bmi-for-age", code, (percentile, 0, "%"));
            return;
        }
        let code = loinc("77606-2", "Weight for length, percentile");
        self.vital(visit, "pediatric-weight-for-height", code, (percentile, 0, "%"));
        let around = self.dice.about(38.0 + age * 8.0, 1.5);
        self.vital(visit, "us-core-head-circumference", loinc("9843-4", "Head circumference"), (around, 1, "cm"));
        let code = loinc("8289-1", "Head circumference, percentile");
        let percentile = self.dice.about(50.0, 35.0);
        self.vital(visit, "head-occipital-frontal-circumference-percentile", code, (percentile, 0, "%"));
    }

    /// Temperature, breath and oxygen, of those who feel ill.
    pub(super) fn ill_vitals(&mut self, visit: &Visit, fever: bool) {
        let warm = self.dice.about(if fever { 38.7 } else { 36.8 }, 0.4);
        self.vital(visit, "us-core-body-temperature", loinc("8310-5", "Body temperature"), (warm, 1, "Cel"));
        let breath = self.dice.about(17.0, 3.0);
        self.vital(visit, "us-core-respiratory-rate", loinc("9279-1", "Breathing rate"), (breath, 0, "/min"));
        self.saturation(visit);
    }

    /// Oxygen saturation, which has two codes.
    fn saturation(&mut self, visit: &Visit) {
        let [new, old] = [loinc("59408-5", "Oxygen saturation"), loinc("2708-6", "Oxygen saturation")];
        let body = self.vital_body(visit, "us-core-pulse-oximetry", new);
        let both = json!({"coding": [new.coding(), old.coding()], "text": new.say});
        let value = quantity(self.dice.about(97.0, 2.0).min(100.0), 0, "%");
        let part = |code: Code, value| json!({"code": code.concept(), "valueQuantity": value});
        let given = json!([
            part(loinc("3151-8", "Oxygen given, flow"), quantity(0.0, 0, "L/min")),
            part(loinc("3150-6", "Oxygen in the air breathed"), quantity(21.0, 0, "%")),
        ]);
        let body = with(with(body, "code", both), "valueQuantity", value);
        self.add("Observation", with(body, "component", given));
    }

    /// Whether the patient smokes.
    pub(super) fn smoking(&mut self, visit: &Visit) {
        let answer = match self.person.smoking {
            Smoking::Never => snomed("266919005", "Never smoked"),
            Smoking::Former => snomed("8517006", "Used to smoke"),
            Smoking::Daily => snomed("449868002", "Smokes every day"),
        };
        self.asked(
            visit,
            "us-core-smokingstatus",
            "social-history",
            loinc("72166-2", "Tobacco smoking status"),
            &answer.concept(),
        );
    }

    /// An answer given at a desk, coded.
    pub(super) fn asked(
        &mut self,
        visit: &Visit,
        profile: &str,
        category: &str,
        question: Code,
        answer: &Value,
    ) -> String {
        let body = json!({
            "profile": profile,
            "status": "final",
            "category": [hl7("observation-category", category, category_say(category))],
            "code": question.concept(),
            "subject": self.subject(),
            "encounter": refer(&visit.reference),
            "effectiveDateTime": visit.during(),
            "issued": visit.start.later(15).text(),
            "performer": [visit.with.refer()],
            "valueCodeableConcept": answer,
        });
        self.add("Observation", body)
    }

    /// The score of a questionnaire.
    pub(super) fn score(&mut self, visit: &Visit, questionnaire: Code, score: f64, from: Option<&str>) -> String {
        let body = json!({
            "profile": "us-core-observation-screening-assessment",
            "status": "final",
            "category": [hl7("observation-category", "survey", "Survey")],
            "code": questionnaire.concept(),
            "subject": self.subject(),
            "encounter": refer(&visit.reference),
            "effectiveDateTime": visit.during(),
            "performer": [visit.with.refer()],
            "valueQuantity": quantity(score, 0, "{score}"),
            "derivedFrom": from.map(|answers| vec![refer(answers)]),
        });
        self.add("Observation", body)
    }
}

fn category_say(category: &str) -> &str {
    match category {
        "social-history" => "Social history",
        "survey" => "Survey",
        "laboratory" => "Laboratory",
        other => other,
    }
}
