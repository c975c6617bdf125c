//! Depression: a questionnaire, a medicine, and talks by video whose notes are kept apart.

use serde_json::{Value, json};

use super::super::chart::{Chart, Kind, Label, Visit};
use super::super::code::{Code, icd, loinc, refer, snomed};
use super::super::house::THERAPIST;
use super::super::moment::{Moment, plus_days};
use super::documents::{PROGRESS, note};
use super::medicine::{Course, SERTRALINE, prescribe};

const DEPRESSION: (Code, Code) = (snomed("370143000", "Depression"), icd("F33.1", "Depression, moderate"));
const PHQ9: Code = loinc("44261-6", "PHQ-9 score");

/// The nine things asked, each answered from 0 to 3; our wording.
const QUESTIONS: [(&str, &str); 9] = [
    ("44250-9", "Little joy in doing things"),
    ("44255-8", "Feeling down"),
    ("44259-0", "Sleeping badly or too much"),
    ("44254-1", "Little energy"),
    ("44251-7", "Eating badly or too much"),
    ("44258-2", "Thinking badly of yourself"),
    ("44252-5", "Hard to concentrate"),
    ("44253-3", "Slow or restless"),
    ("44260-8", "Thoughts of not being here"),
];

pub(super) fn tell(chart: &mut Chart<'_>) {
    let Some(since) = chart.person.problems.depression else { return };
    chart.under(Label::MentalHealth, |chart| {
        chart.problem(DEPRESSION.0, since, None);
        let recent = since.max(plus_days(chart.anchor, -420));
        let days = chart.days(recent, 60, 6);
        for (day, nth) in days.into_iter().zip(0_u32..) {
            talk(chart, day, nth);
        }
    });
}

fn talk(chart: &mut Chart<'_>, day: time::Date, nth: u32) {
    let visit = chart.visit(Kind::Video, &THERAPIST, Moment::at(day, 16, 0), DEPRESSION);
    if nth.is_multiple_of(2) {
        let answers = questionnaire(chart, &visit, nth);
        let score = chart.dice.about((15.0 - f64::from(nth)).max(5.0), 2.0);
        chart.score(&visit, PHQ9, score, Some(&answers));
    }
    if nth == 0 {
        prescribe(chart, &visit, &SERTRALINE, Course::Lasting);
    }
    chart.under(Label::PsychotherapyNote, |chart| {
        note(
            chart,
            &visit,
            PROGRESS,
            "What was said in this hour stays between the two who spoke. Themes: sleep, work, a quarrel that is over.",
        );
    });
}

fn questionnaire(chart: &mut Chart<'_>, visit: &Visit, nth: u32) -> String {
    let items: Vec<Value> = QUESTIONS
        .iter()
        .map(|(code, say)| {
            let level = usize::try_from(chart.dice.between(0, if nth < 3 { 2 } else { 1 })).unwrap_or(0);
            let answer = [("LA6568-5", "Not at all"), ("LA6569-3", "Several days"), ("LA6570-1", "More than half the days")];
            let (answer, words) = answer.get(level).copied().unwrap_or(("LA6568-5", "Not at all"));
            json!({"linkId": format!("/{code}"), "text": say, "answer": [{"valueCoding": loinc(answer, words).coding()}]})
        })
        .collect();
    let body = json!({
        "profile": "us-core-questionnaireresponse",
        "questionnaire": "http://loinc.org/q/44249-1",
        "status": "completed",
        "subject": chart.subject(),
        "encounter": refer(&visit.reference),
        "authored": visit.start.text(),
        "author": chart.subject(),
        "item": items,
    });
    chart.add("QuestionnaireResponse", body)
}
