//! A visit: the Encounter, the diagnosis it was for, its past Appointment, and what it is billed as.

use serde_json::{Value, json};

use super::super::admin;
use super::super::code::{Code, ICD10, hl7, hl7_coding, refer, refer_named, snomed};
use super::super::house::{Staff, location_name};
use super::super::moment::Moment;
use super::Chart;

/// What sort of visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Wellness,
    WellChild,
    FollowUp,
    Symptom,
    Emergency,
    Inpatient,
    Prenatal,
    Video,
}

struct Sort {
    class: (&'static str, &'static str),
    what: Code,
    minutes: u32,
    /// What the visit itself costs.
    cents: i64,
}

impl Kind {
    fn sort(self) -> Sort {
        const AMBULATORY: (&str, &str) = ("AMB", "ambulatory");
        let (class, what, minutes, cents) = match self {
            Self::Wellness => (AMBULATORY, snomed("185349003", "Check-up visit"), 40, 21_500),
            Self::WellChild => (AMBULATORY, snomed("410620009", "Well child visit"), 30, 16_400),
            Self::FollowUp => (AMBULATORY, snomed("390906007", "Follow-up visit"), 20, 13_200),
            Self::Symptom => (AMBULATORY, snomed("185345009", "Visit for a symptom"), 20, 14_800),
            Self::Emergency => (("EMER", "emergency"), snomed("50849002", "Emergency department visit"), 190, 98_000),
            Self::Inpatient => {
                (("IMP", "inpatient encounter"), snomed("183452005", "Emergency hospital admission"), 5_600, 1_240_000)
            }
            Self::Prenatal => (AMBULATORY, snomed("424619006", "Prenatal visit"), 25, 15_900),
            Self::Video => (("VR", "virtual"), snomed("448337001", "Video visit"), 50, 12_500),
        };
        Sort { class, what, minutes, cents }
    }

    fn institutional(self) -> bool {
        matches!(self, Self::Emergency | Self::Inpatient)
    }
}

/// A visit that has been told; stories hang their resources on it.
#[derive(Debug, Clone)]
pub(in super::super) struct Visit {
    /// `Encounter/…`
    pub(in super::super) reference: String,
    pub(in super::super) start: Moment,
    pub(in super::super) end: Moment,
    pub(in super::super) with: &'static Staff,
    /// What it was and what for, in a line.
    pub(in super::super) about: String,
    /// `Condition/…`, the diagnosis.
    pub(in super::super) diagnosis: String,
}

impl Visit {
    /// The moment at which an observation of this visit was made.
    pub(in super::super) fn during(&self) -> String {
        self.start.later(10).text()
    }
}

impl Chart<'_> {
    /// Tells a visit for a reason: coded for the problem (SNOMED) and for the bill (ICD-10-CM).
    pub(in super::super) fn visit(
        &mut self,
        kind: Kind,
        with: &'static Staff,
        start: Moment,
        reason: (Code, Code),
    ) -> Visit {
        let sort = kind.sort();
        let end = start.later(sort.minutes);
        let reference = self.encounter(kind, with, (start, end), reason.0);
        let diagnosis = self.diagnosis(&reference, with, start, reason);
        self.link_diagnosis(&reference, &diagnosis);
        // A check-up has no problem: its reason is the check-up itself.
        let check_up = reason.0.system == ICD10;
        let about = if check_up { sort.what.say.to_owned() } else { format!("{}: {}", sort.what.say, reason.0.say) };
        let visit = Visit { reference, start, end, with, about, diagnosis };
        if !kind.institutional() {
            self.kept_appointment(&visit, &sort, reason.0);
        }
        admin::bill(self, &visit, sort.what, sort.cents, kind.institutional());
        visit
    }

    fn encounter(&mut self, kind: Kind, with: &'static Staff, (start, end): (Moment, Moment), reason: Code) -> String {
        let sort = kind.sort();
        let period = json!({"start": start.text(), "end": end.text()});
        let discharge =
            kind.institutional().then(|| json!({"dischargeDisposition": hl7("discharge-disposition", "home", "Home")}));
        let body = json!({
            "profile": "us-core-encounter",
            "identifier": [self.identifier("encounter")],
            "status": "finished",
            "class": hl7_coding("v3-ActCode", sort.class.0, sort.class.1),
            "type": [sort.what.concept()],
            "subject": self.subject(),
            "participant": [{
                "type": [hl7("v3-ParticipationType", "PPRF", "primary performer")],
                "period": period, "individual": with.refer(),
            }],
            "period": period,
            "reasonCode": [reason.concept()],
            "hospitalization": discharge,
            "location": [{"location": refer_named(&format!("Location/{}", with.location), location_name(with.location)), "status": "completed"}],
            "serviceProvider": refer_named("Organization/mercy", "Mercy Hospital"),
        });
        self.add("Encounter", body)
    }

    fn diagnosis(
        &mut self,
        encounter: &str,
        with: &'static Staff,
        start: Moment,
        (problem, billed): (Code, Code),
    ) -> String {
        let codings =
            if problem.code == billed.code { vec![billed.coding()] } else { vec![problem.coding(), billed.coding()] };
        let body = json!({
            "profile": "us-core-condition-encounter-diagnosis",
            "clinicalStatus": hl7("condition-clinical", "resolved", "Resolved"),
            "verificationStatus": hl7("condition-ver-status", "confirmed", "Confirmed"),
            "category": [hl7("condition-category", "encounter-diagnosis", "Encounter diagnosis")],
            "code": {"coding": codings, "text": problem.say},
            "subject": self.subject(),
            "encounter": refer(encounter),
            "onsetDateTime": start.text(),
            "abatementDateTime": start.text(),
            "recordedDate": super::super::moment::date(start.day),
            "recorder": refer(&with.reference()),
        });
        self.add("Condition", body)
    }

    fn link_diagnosis(&mut self, encounter: &str, diagnosis: &str) {
        let id = encounter.trim_start_matches("Encounter/");
        let found = self.resources.iter_mut().rev().find(|body| body["id"] == id);
        if let Some(body) = found.and_then(Value::as_object_mut) {
            let diagnosis = json!([{
                "condition": refer(diagnosis),
                "use": hl7("diagnosis-role", "AD", "Admission diagnosis"),
                "rank": 1,
            }]);
            body.insert("diagnosis".into(), diagnosis);
        }
    }

    fn kept_appointment(&mut self, visit: &Visit, sort: &Sort, reason: Code) {
        let actors: Vec<Value> = [self.subject(), visit.with.refer()]
            .into_iter()
            .map(|actor| json!({"actor": actor, "required": "required", "status": "accepted"}))
            .collect();
        let body = json!({
            "status": "fulfilled",
            "serviceType": [sort.what.concept()],
            "appointmentType": hl7("v2-0276", "ROUTINE", "Routine appointment"),
            "reasonCode": [reason.concept()],
            "description": visit.about,
            "start": visit.start.text(),
            "end": visit.end.text(),
            "minutesDuration": sort.minutes,
            "created": Moment::at(super::super::moment::plus_days(visit.start.day, -12), 9, 0).text(),
            "participant": actors,
        });
        self.add("Appointment", body);
    }
}
