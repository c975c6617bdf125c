//! What happens to everybody: check-ups with measurements and blood, and the pictures that an age asks for.

use serde_json::json;
use time::Date;

use super::super::chart::{Chart, Kind, Label, Visit};
use super::super::code::{Code, icd, loinc, snomed};
use super::super::labs;
use super::super::moment::plus_years;
use super::super::person::Sex;
use super::documents::{PROGRESS, note};
use super::imaging::{MAMMOGRAM, Picture, picture};

const CHECK_UP: (Code, Code) = (icd("Z00.00", "Check-up of an adult"), icd("Z00.00", "Check-up of an adult"));
const WELL_CHILD: (Code, Code) = (icd("Z00.129", "Check-up of a child"), icd("Z00.129", "Check-up of a child"));

static OCCUPATIONS: [&str; 8] =
    ["Teacher", "Boat builder", "Cook", "Bus driver", "Bookkeeper", "Gardener", "Software tester", "Librarian"];
static ORIENTATIONS: [Code; 6] = [
    snomed("20430005", "Heterosexual"),
    snomed("20430005", "Heterosexual"),
    snomed("20430005", "Heterosexual"),
    snomed("20430005", "Heterosexual"),
    snomed("38628009", "Homosexual"),
    snomed("42035005", "Bisexual"),
];
static WISHES: [Code; 3] = [
    snomed("454391000124108", "Wants no child"),
    snomed("454381000124105", "Not sure whether a child is wanted"),
    snomed("454401000124105", "Wants a child"),
];

pub(super) fn tell(chart: &mut Chart<'_>) {
    let from = chart.person.first_day(chart.anchor);
    let first = super::super::moment::plus_days(from, chart.dice.between(10, 200));
    let step = if chart.person.age_on(chart.anchor) < 3 { 120 } else { 365 };
    for day in chart.days(first, step, 25) {
        if chart.person.age_on(day) < 18 { child(chart, day) } else { adult(chart, day) }
    }
}

fn child(chart: &mut Chart<'_>, day: Date) {
    let start = chart.office_hour(day);
    let visit = chart.visit(Kind::WellChild, chart.physician(), start, WELL_CHILD);
    chart.vitals(&visit);
    note(chart, &visit, PROGRESS, "Growing as expected. Eats, sleeps and plays well.");
}

fn adult(chart: &mut Chart<'_>, day: Date) {
    let start = chart.office_hour(day);
    let visit = chart.visit(Kind::Wellness, chart.physician(), start, CHECK_UP);
    chart.vitals(&visit);
    chart.smoking(&visit);
    let retired = chart.person.age_on(day) >= 67;
    let occupation =
        if retired { snomed("105493001", "Retired") } else { snomed("160903007", "Works full time") }.concept();
    chart.asked(&visit, "us-core-simple-observation", "social-history", loinc("67875-5", "Employment"), &occupation);
    blood(chart, &visit);
    about_oneself(chart, &visit);
    if chart.person.sex == Sex::Female && chart.person.age_on(day) >= 45 && day > plus_years(chart.anchor, -2) {
        breasts(chart, &visit);
    }
    note(
        chart,
        &visit,
        PROGRESS,
        "Check-up without surprises. We spoke about sleep, movement and what vaccines are due.",
    );
}

/// What US Core wants asked once in a while: occupation, orientation, and whether a child is wished for.
fn about_oneself(chart: &mut Chart<'_>, visit: &Visit) {
    let work = if chart.person.works_here_as.is_some() { "Nurse" } else { chart.dice.pick(&OCCUPATIONS) };
    let occupation = json!({"text": work});
    chart.asked(visit, "us-core-observation-occupation", "social-history", loinc("11341-5", "Occupation"), &occupation);
    let fertile = chart.person.sex == Sex::Female && (18..46).contains(&chart.person.age_on(visit.start.day));
    chart.under(Label::Sexuality, |chart| {
        let orientation = chart.dice.pick(&ORIENTATIONS).concept();
        let question = loinc("76690-7", "Sexual orientation");
        chart.asked(visit, "us-core-observation-sexual-orientation", "social-history", question, &orientation);
        if fertile {
            let wish = chart.dice.pick(&WISHES).concept();
            let question = loinc("86645-9", "Wish for a child in the next year");
            chart.asked(visit, "us-core-observation-pregnancyintent", "social-history", question, &wish);
        }
    });
}

fn blood(chart: &mut Chart<'_>, visit: &Visit) {
    let sweet = if chart.person.problems.diabetes.is_some() { 148.0 } else { 90.0 };
    let values = [
        (labs::GLUCOSE, chart.dice.about(sweet, 11.0)),
        (labs::SODIUM, chart.dice.about(140.0, 4.0)),
        (labs::POTASSIUM, chart.dice.about(4.3, 0.6)),
        (labs::CREATININE, chart.dice.about(0.92, 0.24)),
        (labs::ALT, chart.dice.about(26.0, 14.0)),
    ];
    chart.panel(visit, labs::METABOLIC, &values);
    let counts = [
        (labs::WHITE_CELLS, chart.dice.about(6.8, 2.4)),
        (labs::HEMOGLOBIN, chart.dice.about(13.9, 1.8)),
        (labs::PLATELETS, chart.dice.about(255.0, 80.0)),
    ];
    chart.panel(visit, labs::BLOOD_COUNT, &counts);
}

fn breasts(chart: &mut Chart<'_>, visit: &Visit) {
    let views = Picture {
        what: loinc("24606-6", "Mammogram, screening"),
        modality: ("MG", "Mammography"),
        class: MAMMOGRAM,
        site: snomed("76752008", "Breast"),
        images: 4,
    };
    picture(chart, visit, &views, "Nothing suspicious on either side. Again in two years.");
}
