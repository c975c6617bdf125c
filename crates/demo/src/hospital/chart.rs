//! A chart while it is written: what every story adds its resources to. It gives the ids, the labels and the links.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use time::Date;

use super::code::{Code, hl7_coding, identifier, refer, refer_named};
use super::dice::{Dice, Seed, Table};
use super::house::{self, Staff};
use super::moment::Moment;
use super::person::Person;

mod visit;

pub(super) use visit::{Kind, Visit};

/// Why what is written now needs more protection than the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    /// 42 CFR Part 2.
    SubstanceUse,
    Hiv,
    PsychotherapyNote,
    MentalHealth,
    /// Sexuality and the wish for children.
    Sexuality,
    /// A patient who works here.
    Employee,
}

impl Label {
    /// The security labels: how confidential, and what is sensitive about it.
    fn labels(self) -> Vec<Value> {
        let act = |code, say| hl7_coding("v3-ActCode", code, say);
        let level = |code, say| hl7_coding("v3-Confidentiality", code, say);
        match self {
            Self::SubstanceUse => vec![
                level("R", "restricted"),
                act("ETH", "substance abuse information"),
                act("42CFRPart2", "42 CFR Part 2"),
            ],
            Self::Hiv => vec![level("R", "restricted"), act("HIV", "HIV/AIDS information")],
            Self::PsychotherapyNote => vec![level("V", "very restricted"), act("PSYTHPN", "psychotherapy note")],
            Self::MentalHealth => vec![level("R", "restricted"), act("PSY", "psychiatry information")],
            Self::Sexuality => {
                vec![level("R", "restricted"), act("SEX", "sexuality and reproductive health information")]
            }
            Self::Employee => vec![level("R", "restricted"), act("EMP", "employee information")],
        }
    }
}

/// One patient's resources, as far as they are told.
pub(super) struct Chart<'a> {
    pub(super) person: &'a Person,
    pub(super) anchor: Date,
    pub(super) seed: Seed,
    pub(super) dice: Dice,
    resources: Vec<Value>,
    numbers: BTreeMap<&'static str, u32>,
    labels: Vec<Label>,
}

impl<'a> Chart<'a> {
    pub(super) fn new(person: &'a Person, seed: Seed, anchor: Date) -> Self {
        let dice = Dice::new(seed, Table::Chart, person.number);
        Self { person, anchor, seed, dice, resources: Vec::new(), numbers: BTreeMap::new(), labels: Vec::new() }
    }

    /// Adds a resource with the next id of its type; its reference is the answer.
    pub(super) fn add(&mut self, kind: &'static str, body: Value) -> String {
        let number = self.numbers.entry(kind).or_insert(0);
        *number += 1;
        let id = format!("{}-{}-{number}", self.person.id(), kind.to_lowercase());
        self.add_as(kind, &id, body)
    }

    /// Adds a resource under an id of its own.
    pub(super) fn add_as(&mut self, kind: &'static str, id: &str, body: Value) -> String {
        let mut whole = Map::new();
        whole.insert("resourceType".into(), json!(kind));
        whole.insert("id".into(), json!(id));
        let Value::Object(mut body) = body else { return format!("{kind}/{id}") };
        let meta = self.meta(body.remove("profile"));
        if !meta.is_empty() {
            whole.insert("meta".into(), Value::Object(meta));
        }
        body.retain(|key, value| !value.is_null() && key != "resourceType" && key != "id");
        whole.append(&mut body);
        self.resources.push(Value::Object(whole));
        format!("{kind}/{id}")
    }

    /// `meta` from the US Core profile's name (the last part of its address) and the labels in force.
    fn meta(&self, profile: Option<Value>) -> Map<String, Value> {
        let mut meta = Map::new();
        if let Some(Value::String(name)) = profile {
            meta.insert("profile".into(), json!([format!("http://hl7.org/fhir/us/core/StructureDefinition/{name}")]));
        }
        let security: Vec<Value> = self.labels.iter().flat_map(|label| label.labels()).collect();
        if !security.is_empty() {
            meta.insert("security".into(), Value::Array(security));
        }
        meta
    }

    /// Tells a part of the story under a label.
    pub(super) fn under(&mut self, label: Label, tell: impl FnOnce(&mut Self)) {
        self.labels.push(label);
        tell(self);
        self.labels.pop();
    }

    /// `Patient/…`
    pub(super) fn patient(&self) -> String {
        format!("Patient/{}", self.person.id())
    }

    /// A reference to the patient, with the name as display.
    pub(super) fn subject(&self) -> Value {
        refer_named(&self.patient(), &self.person.name())
    }

    /// From the beginning of the chart, to the end of the patient's life if it has ended.
    pub(super) fn period(&self) -> Value {
        let start = super::moment::date(self.person.first_day(self.anchor));
        match self.person.death {
            Some(death) => json!({"start": start, "end": super::moment::date(death)}),
            None => json!({"start": start}),
        }
    }

    /// The family physician of this patient.
    pub(super) fn physician(&self) -> &'static Staff {
        let row = self.person.number as usize % house::FAMILY_PHYSICIANS.len();
        house::FAMILY_PHYSICIANS.get(row).unwrap_or(&house::HOSPITALIST)
    }

    /// Whether something can happen to this patient on `day`: inside the chart, before today, in life.
    pub(super) fn open_on(&self, day: Date) -> bool {
        day >= self.person.first_day(self.anchor) && day < self.person.last_day(self.anchor)
    }

    /// The days on which something that began at `since` and comes every `step` days came, oldest first.
    pub(super) fn days(&mut self, since: Date, step: i64, jitter: i64) -> Vec<Date> {
        let mut days = Vec::new();
        let mut day = since;
        while day < self.person.last_day(self.anchor) {
            let shifted = super::moment::working_day(super::moment::plus_days(day, self.dice.between(0, jitter)));
            if self.open_on(shifted) {
                days.push(shifted);
            }
            day = super::moment::plus_days(day, step);
        }
        days
    }

    /// A moment within office hours of `day`.
    pub(super) fn office_hour(&mut self, day: Date) -> Moment {
        let hour = u16::try_from(self.dice.between(8, 15)).unwrap_or(8);
        Moment::at(day, hour, self.dice.pick(&[0, 15, 30, 45]))
    }

    /// The identifier of a resource in the hospital's numbering of that kind.
    pub(super) fn identifier(&mut self, kind: &str) -> Value {
        let number = self.dice.number() % 1_000_000_000;
        identifier(kind, &format!("{}-{number:09}", self.person.id()))
    }

    /// A Condition of the problem list; `until` closes it.
    pub(super) fn problem(&mut self, what: Code, since: Date, until: Option<Date>) -> String {
        let active = if until.is_some() { ("resolved", "Resolved") } else { ("active", "Active") };
        let body = json!({
            "profile": "us-core-condition-problems-health-concerns",
            "extension": [{
                "url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate",
                "valueDateTime": super::moment::date(since),
            }],
            "text": super::code::narrative(&format!("{}, since {}", what.say, super::moment::date(since))),
            "clinicalStatus": super::code::hl7("condition-clinical", active.0, active.1),
            "verificationStatus": super::code::hl7("condition-ver-status", "confirmed", "Confirmed"),
            "category": [super::code::hl7("condition-category", "problem-list-item", "Problem list")],
            "code": what.concept(),
            "subject": self.subject(),
            "onsetDateTime": super::moment::date(since),
            "abatementDateTime": until.map(super::moment::date),
            "recordedDate": super::moment::date(since),
            "recorder": refer(&self.physician().reference()),
        });
        self.add("Condition", body)
    }

    /// Every resource, in the order in which they were told.
    pub(super) fn into_resources(self) -> Vec<Value> {
        self.resources
    }

    pub(super) fn resources(&self) -> &[Value] {
        &self.resources
    }
}
