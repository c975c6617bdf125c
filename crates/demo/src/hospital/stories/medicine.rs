//! Medicines: the order, and each time the pharmacy hands it over.

use serde_json::{Value, json};

use super::super::admin::bill::bill_dispense;
use super::super::chart::{Chart, Visit};
use super::super::code::{Code, hl7, quantity, refer, refer_named, rxnorm, snomed, with};
use super::super::house::PHARMACIST;
use super::super::moment::{Moment, plus_days};

/// A medicine and how it is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Medicine {
    pub(super) code: Code,
    /// What the label says.
    take: &'static str,
    /// Units of one dose.
    each: u32,
    times_a_day: u32,
    /// What is counted: a UCUM annotation.
    unit: &'static str,
    route: Code,
    /// Days that one dispense lasts.
    supply_days: u32,
    cents: i64,
}

const fn medicine(code: Code, take: &'static str, times_a_day: u32, supply_days: u32, cents: i64) -> Medicine {
    Medicine { code, take, each: 1, times_a_day, unit: "{tbl}", route: BY_MOUTH, supply_days, cents }
}

const BY_MOUTH: Code = snomed("26643006", "By mouth");

/// What the house keeps a list of; other medicines are named by their code alone.
static LISTED: [Code; 3] = [ATORVASTATIN.code, ALBUTEROL.code, IRON.code];

pub(super) const METFORMIN: Medicine =
    medicine(rxnorm("861007", "Metformin 500 mg tablet"), "Take one tablet twice a day with meals", 2, 90, 1_400);
pub(super) const LISINOPRIL: Medicine =
    medicine(rxnorm("314076", "Lisinopril 10 mg tablet"), "Take one tablet each morning", 1, 90, 1_100);
pub(super) const ATORVASTATIN: Medicine =
    medicine(rxnorm("617310", "Atorvastatin 20 mg tablet"), "Take one tablet each evening", 1, 90, 1_900);
pub(super) const FUROSEMIDE: Medicine =
    medicine(rxnorm("313988", "Furosemide 40 mg tablet"), "Take one tablet each morning", 1, 90, 1_200);
pub(super) const SERTRALINE: Medicine =
    medicine(rxnorm("312941", "Sertraline 50 mg tablet"), "Take one tablet each morning", 1, 90, 1_600);
pub(super) const DOLUTEGRAVIR: Medicine =
    medicine(rxnorm("1433873", "Dolutegravir 50 mg tablet"), "Take one tablet once a day", 1, 90, 189_000);
pub(super) const EMTRICITABINE_TENOFOVIR: Medicine = medicine(
    rxnorm("476556", "Emtricitabine 200 mg and tenofovir 300 mg tablet"),
    "Take one tablet once a day",
    1,
    90,
    54_000,
);
pub(super) const BUPRENORPHINE: Medicine = Medicine {
    code: rxnorm("351267", "Buprenorphine 8 mg and naloxone 2 mg tablet under the tongue"),
    take: "Let one tablet melt under the tongue twice a day",
    each: 1,
    times_a_day: 2,
    unit: "{tbl}",
    route: snomed("37839007", "Under the tongue"),
    supply_days: 30,
    cents: 8_900,
};
pub(super) const IBUPROFEN: Medicine = medicine(
    rxnorm("197805", "Ibuprofen 400 mg tablet"),
    "Take one tablet up to three times a day with food, for pain",
    3,
    10,
    700,
);
pub(super) const ACETAMINOPHEN: Medicine = Medicine {
    code: rxnorm("313782", "Acetaminophen 325 mg tablet"),
    take: "Take two tablets up to three times a day, for pain",
    each: 2,
    times_a_day: 3,
    unit: "{tbl}",
    route: BY_MOUTH,
    supply_days: 10,
    cents: 600,
};
pub(super) const TRIMETHOPRIM: Medicine = medicine(
    rxnorm("198335", "Sulfamethoxazole 800 mg and trimethoprim 160 mg tablet"),
    "Take one tablet twice a day until all are gone",
    2,
    5,
    900,
);
pub(super) const IRON: Medicine = medicine(
    rxnorm("310325", "Ferrous sulfate 325 mg tablet"),
    "Take one tablet once a day, not with milk",
    1,
    90,
    800,
);
pub(super) const AMOXICILLIN: Medicine = Medicine {
    code: rxnorm("308191", "Amoxicillin 500 mg capsule"),
    take: "Take one capsule three times a day until all are gone",
    each: 1,
    times_a_day: 3,
    unit: "{capsule}",
    route: BY_MOUTH,
    supply_days: 10,
    cents: 1_000,
};
pub(super) const AZITHROMYCIN: Medicine = medicine(
    rxnorm("308460", "Azithromycin 250 mg tablet"),
    "Take one tablet once a day until all are gone",
    1,
    6,
    1_500,
);
pub(super) const ALBUTEROL: Medicine = Medicine {
    code: rxnorm("745752", "Albuterol inhaler, 90 micrograms a puff"),
    take: "Breathe in two puffs when it is hard to breathe, up to four times a day",
    each: 2,
    times_a_day: 1,
    unit: "{inhalation}",
    route: snomed("447694001", "Breathed in"),
    supply_days: 100,
    cents: 4_800,
};

/// The house's list as resources.
pub(in super::super) fn list() -> impl Iterator<Item = Value> {
    LISTED.iter().map(|medicine| {
        json!({
            "resourceType": "Medication", "id": format!("rx-{}", medicine.code),
            "meta": {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-medication"]},
            "code": medicine.concept(), "status": "active",
        })
    })
}

impl Medicine {
    /// How many units one dispense holds.
    fn units(&self) -> f64 {
        f64::from(self.each * self.times_a_day * self.supply_days)
    }

    /// The medicine as a resource of its own, for those that the house keeps a list of.
    fn listed(&self) -> Option<String> {
        let at = LISTED.iter().find(|listed| listed.code == self.code.code)?;
        Some(format!("Medication/rx-{}", at.code))
    }

    /// `medication[x]`: a reference to the list, or the code itself, so that both roads exist.
    fn said(&self) -> (&'static str, Value) {
        match self.listed() {
            Some(reference) => ("medicationReference", refer_named(&reference, self.code.say)),
            None => ("medicationCodeableConcept", self.code.concept()),
        }
    }

    fn dosage(&self) -> Value {
        json!([{
            "sequence": 1, "text": self.take,
            "timing": {"repeat": {"frequency": self.times_a_day, "period": 1, "periodUnit": "d"}},
            "route": self.route.concept(),
            "doseAndRate": [{"type": hl7("dose-rate-type", "ordered", "Ordered"), "doseQuantity": quantity(f64::from(self.each), 0, self.unit)}],
        }])
    }
}

/// Whether a course of medicine goes on, or was for some days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    Lasting,
    Short,
}

/// Orders a medicine at a visit; it is handed over until today, or once.
pub(super) fn prescribe(chart: &mut Chart<'_>, visit: &Visit, medicine: &Medicine, course: Course) -> String {
    let alive = chart.person.death.is_none();
    let status = if course == Course::Lasting && alive { "active" } else { "completed" };
    let refills = if course == Course::Lasting { 3 } else { 0 };
    let units = medicine.units();
    let body = json!({
        "profile": "us-core-medicationrequest",
        "identifier": [chart.identifier("prescription")],
        "status": status, "intent": "order",
        "category": [hl7("medicationrequest-category", "community", "Community")],
        "reportedBoolean": false,
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "authoredOn": visit.start.text(),
        "requester": visit.with.refer(),
        "reasonReference": [refer(&visit.diagnosis)],
        "dosageInstruction": medicine.dosage(),
        "dispenseRequest": {
            "numberOfRepeatsAllowed": refills,
            "quantity": quantity(units, 0, medicine.unit),
            "expectedSupplyDuration": quantity(f64::from(medicine.supply_days), 0, "d"),
        },
    });
    let (key, said) = medicine.said();
    let request = chart.add("MedicationRequest", with(body, key, said));
    hand_over(chart, visit, medicine, &request, course);
    request
}

fn hand_over(chart: &mut Chart<'_>, visit: &Visit, medicine: &Medicine, request: &str, course: Course) {
    // A lasting medicine would fill the chart: the pharmacy's last year is enough.
    let mut day = plus_days(visit.start.day, 1);
    let recent = plus_days(chart.anchor, -365);
    let mut first = true;
    while chart.open_on(day) {
        if first || day >= recent {
            let moment = Moment::at(day, 17, 20);
            dispense(chart, visit, medicine, request, (moment, first));
            bill_dispense(chart, medicine.code, moment, medicine.cents);
        }
        first = false;
        if course == Course::Short {
            return;
        }
        day = plus_days(day, i64::from(medicine.supply_days.max(90)));
    }
}

fn dispense(chart: &mut Chart<'_>, visit: &Visit, medicine: &Medicine, request: &str, (moment, first): (Moment, bool)) {
    let fill = if first { ("FF", "First fill") } else { ("RF", "Refill") };
    let units = medicine.units();
    let body = json!({
        "profile": "us-core-medicationdispense",
        "identifier": [chart.identifier("dispense")],
        "status": "completed",
        "subject": chart.subject(),
        "context": refer(&visit.reference),
        "performer": [{"actor": PHARMACIST.refer()}],
        "location": refer_named("Location/pharmacy", "Corner Pharmacy, Main Street"),
        "authorizingPrescription": [refer(request)],
        "type": hl7("v3-ActCode", fill.0, fill.1),
        "quantity": quantity(units, 0, medicine.unit),
        "daysSupply": quantity(f64::from(medicine.supply_days), 0, "d"),
        "whenPrepared": moment.text(),
        "whenHandedOver": moment.later(10).text(),
        "dosageInstruction": medicine.dosage(),
    });
    let (key, said) = medicine.said();
    chart.add("MedicationDispense", with(body, key, said));
}
