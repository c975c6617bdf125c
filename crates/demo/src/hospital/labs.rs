//! The laboratory: tests with units and ranges, panels, orders, specimens and reports.

use serde_json::{Value, json};

use super::chart::{Chart, Visit};
use super::code::{Code, decimal, hl7, loinc, quantity, refer, refer_named, snomed, with};
use super::house::PATHOLOGIST;

/// A test of the laboratory: unit (UCUM), reference range, digits after the point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Test {
    pub(super) code: Code,
    unit: &'static str,
    low: Option<f64>,
    high: Option<f64>,
    places: usize,
}

const fn test(code: Code, unit: &'static str, low: Option<f64>, high: Option<f64>, places: usize) -> Test {
    Test { code, unit, low, high, places }
}

pub(super) const HBA1C: Test = test(loinc("4548-4", "Hemoglobin A1c"), "%", Some(4.0), Some(5.6), 1);
pub(super) const GLUCOSE: Test = test(loinc("2345-7", "Glucose"), "mg/dL", Some(70.0), Some(99.0), 0);
pub(super) const CREATININE: Test = test(loinc("2160-0", "Creatinine"), "mg/dL", Some(0.6), Some(1.3), 2);
pub(super) const EGFR: Test =
    test(loinc("98979-8", "Kidney filtration (eGFR)"), "mL/min/{1.73_m2}", Some(60.0), None, 0);
pub(super) const SODIUM: Test = test(loinc("2951-2", "Sodium"), "mmol/L", Some(135.0), Some(145.0), 0);
pub(super) const POTASSIUM: Test = test(loinc("2823-3", "Potassium"), "mmol/L", Some(3.5), Some(5.1), 1);
pub(super) const ALT: Test = test(loinc("1742-6", "Liver enzyme ALT"), "U/L", Some(7.0), Some(45.0), 0);
pub(super) const ALBUMIN_RATIO: Test =
    test(loinc("9318-7", "Urine albumin to creatinine"), "mg/g{creat}", None, Some(30.0), 0);
pub(super) const CHOLESTEROL: Test = test(loinc("2093-3", "Cholesterol, total"), "mg/dL", None, Some(200.0), 0);
pub(super) const HDL: Test = test(loinc("2085-9", "HDL cholesterol"), "mg/dL", Some(40.0), None, 0);
pub(super) const LDL: Test = test(loinc("13457-7", "LDL cholesterol"), "mg/dL", None, Some(130.0), 0);
pub(super) const TRIGLYCERIDES: Test = test(loinc("2571-8", "Triglycerides"), "mg/dL", None, Some(150.0), 0);
pub(super) const WHITE_CELLS: Test = test(loinc("6690-2", "White blood cells"), "10*3/uL", Some(4.0), Some(11.0), 1);
pub(super) const HEMOGLOBIN: Test = test(loinc("718-7", "Hemoglobin"), "g/dL", Some(12.0), Some(17.0), 1);
pub(super) const PLATELETS: Test = test(loinc("777-3", "Platelets"), "10*3/uL", Some(150.0), Some(400.0), 0);
pub(super) const CD4: Test = test(loinc("24467-3", "CD4 T-cells"), "{cells}/uL", Some(500.0), Some(1400.0), 0);
pub(super) const HIV_COPIES: Test = test(loinc("20447-9", "HIV viral load"), "{copies}/mL", None, Some(20.0), 0);
pub(super) const NATRIURETIC: Test = test(loinc("33762-6", "NT-proBNP"), "pg/mL", None, Some(450.0), 0);

/// A panel: what is ordered, and under which name it is reported.
pub(super) const METABOLIC: Code = loinc("24323-8", "Comprehensive metabolic panel");
pub(super) const LIPIDS: Code = loinc("57698-3", "Lipid panel");
pub(super) const BLOOD_COUNT: Code = loinc("58410-2", "Complete blood count");
pub(super) const DIABETES_PANEL: Code = loinc("55399-0", "Diabetes panel");
pub(super) const HIV_PANEL: Code = loinc("20447-9", "HIV viral load and CD4 cells");

impl Chart<'_> {
    /// A panel of the visit: order, specimen, results, report. The reference of the report is the answer.
    pub(super) fn panel(&mut self, visit: &Visit, panel: Code, results: &[(Test, f64)]) -> String {
        let order = self.order(visit, panel, snomed("108252007", "Laboratory procedure"));
        let specimen = self.specimen(visit);
        let said: Vec<Value> = results
            .iter()
            .map(|(test, value)| refer_named(&self.lab(visit, &specimen, test, *value), test.code.say))
            .collect();
        let body = json!({
            "profile": "us-core-diagnosticreport-lab",
            "identifier": [self.identifier("report")],
            "basedOn": [refer(&order)],
            "status": "final",
            "category": [hl7("v2-0074", "LAB", "Laboratory")],
            "code": panel.concept(),
            "subject": self.subject(),
            "encounter": refer(&visit.reference),
            "effectiveDateTime": visit.during(),
            "issued": visit.start.later(1500).text(),
            "performer": [refer_named("Organization/cedar-lab", "Cedar Reference Laboratory")],
            "resultsInterpreter": [PATHOLOGIST.refer()],
            "specimen": [refer(&specimen)],
            "result": said,
        });
        self.add("DiagnosticReport", body)
    }

    /// A ServiceRequest of the visit, carried out.
    pub(super) fn order(&mut self, visit: &Visit, what: Code, category: Code) -> String {
        let body = json!({
            "profile": "us-core-servicerequest",
            "identifier": [self.identifier("order")],
            "status": "completed", "intent": "order",
            "category": [category.concept()],
            "code": what.concept(),
            "subject": self.subject(),
            "encounter": refer(&visit.reference),
            "occurrenceDateTime": visit.during(),
            "authoredOn": visit.start.text(),
            "requester": visit.with.refer(),
            "reasonReference": [refer(&visit.diagnosis)],
        });
        self.add("ServiceRequest", body)
    }

    fn specimen(&mut self, visit: &Visit) -> String {
        let body = json!({
            "profile": "us-core-specimen",
            "identifier": [self.identifier("specimen")],
            "status": "available",
            "type": snomed("122555007", "Venous blood").concept(),
            "subject": self.subject(),
            "collection": {"collectedDateTime": visit.during()},
        });
        self.add("Specimen", body)
    }

    fn lab(&mut self, visit: &Visit, specimen: &str, test: &Test, value: f64) -> String {
        let body = self.lab_body(visit, specimen, test);
        // A tube that was shaken gives no potassium; the chart says so instead of a number.
        if test.code.code == POTASSIUM.code.code && self.dice.chance(4) {
            let reason = hl7("data-absent-reason", "error", "The specimen could not be measured");
            return self.add("Observation", with(body, "dataAbsentReason", reason));
        }
        let (flag, say) = test.flag(value);
        let meaning = json!([hl7("v3-ObservationInterpretation", flag, say)]);
        let body = with(body, "valueQuantity", quantity(value, test.places, test.unit));
        let body = with(with(body, "interpretation", meaning), "referenceRange", json!([test.range()]));
        self.add("Observation", body)
    }

    fn lab_body(&mut self, visit: &Visit, specimen: &str, test: &Test) -> Value {
        json!({
            "profile": "us-core-observation-lab",
            "status": "final",
            "category": [hl7("observation-category", "laboratory", "Laboratory")],
            "code": test.code.concept(),
            "subject": self.subject(),
            "encounter": refer(&visit.reference),
            "effectiveDateTime": visit.during(),
            "issued": visit.start.later(1440).text(),
            "performer": [refer_named("Organization/cedar-lab", "Cedar Reference Laboratory")],
            "specimen": refer(specimen),
        })
    }
}

impl Test {
    fn flag(&self, value: f64) -> (&'static str, &'static str) {
        if self.low.is_some_and(|low| value < low) {
            ("L", "Low")
        } else if self.high.is_some_and(|high| value > high) {
            ("H", "High")
        } else {
            ("N", "Normal")
        }
    }

    fn range(&self) -> Value {
        let bound = |value: f64| quantity(value, self.places, self.unit);
        let text = match (self.low, self.high) {
            (Some(low), Some(high)) => format!("{} to {}", self.plain(low), self.plain(high)),
            (Some(low), None) => format!("{} or more", self.plain(low)),
            (None, Some(high)) => format!("{} or less", self.plain(high)),
            (None, None) => String::new(),
        };
        let range = json!({"type": hl7("referencerange-meaning", "normal", "Normal range"), "text": text});

        let range = match self.low {
            Some(low) => with(range, "low", bound(low)),
            None => range,
        };
        match self.high {
            Some(high) => with(range, "high", bound(high)),
            None => range,
        }
    }

    fn plain(&self, value: f64) -> String {
        decimal(value, self.places).to_string()
    }
}
