//! Observations as series: each test once, its values in the order of time, against its reference range.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::words::When;
use super::read::{concept, display, first_when, list, number, text};

/// How a value stands to its reference range, as the laboratory says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Flag {
    Normal,
    Low,
    High,
    /// Worth a look, and neither low nor high.
    Abnormal,
    /// Nothing was said.
    None,
}

/// The usual values.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Range {
    pub(in super::super) low: Option<f64>,
    pub(in super::super) high: Option<f64>,
    /// `4.0 to 5.6`
    pub(in super::super) words: String,
}

/// One value.
#[derive(Debug, Clone)]
pub(in super::super) struct Point {
    pub(in super::super) when: Option<When>,
    /// As it is shown: `6.8`, `132/84`, `Positive`.
    pub(in super::super) words: String,
    /// The numbers in it, one per line of a chart.
    pub(in super::super) numbers: Vec<f64>,
    pub(in super::super) flag: Flag,
}

/// A test and its values, oldest first.
#[derive(Debug, Clone)]
pub(in super::super) struct Series {
    pub(in super::super) name: String,
    pub(in super::super) unit: String,
    pub(in super::super) range: Option<Range>,
    pub(in super::super) points: Vec<Point>,
    pub(in super::super) performer: Option<String>,
}

impl Series {
    /// The newest value.
    pub(in super::super) fn latest(&self) -> Option<&Point> {
        self.points.last()
    }

    /// Whether the newest value is worth a look.
    pub(in super::super) fn stands_out(&self) -> bool {
        self.latest().is_some_and(|point| matches!(point.flag, Flag::Low | Flag::High | Flag::Abnormal))
    }
}

/// Groups Observations by test; the test with the newest value first.
pub(in super::super) fn series(observations: &[Value]) -> Vec<Series> {
    let mut by_test: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for body in observations.iter().filter(|body| is_valid(body)) {
        by_test.entry(test_key(body)).or_default().push(body);
    }
    let mut all: Vec<Series> = by_test.into_values().filter_map(|bodies| one(bodies)).collect();
    all.sort_by_key(|series| std::cmp::Reverse(series.latest().and_then(|point| point.when)));
    all
}

/// Whether it is a result: not withdrawn, not still to come.
fn is_valid(body: &Value) -> bool {
    matches!(text(body, "/status"), Some("final" | "amended" | "corrected" | "preliminary"))
}

fn test_key(body: &Value) -> String {
    let coding = list(body, "/code/coding").first();
    let code = coding.map(|coding| {
        format!("{}|{}", text(coding, "/system").unwrap_or_default(), text(coding, "/code").unwrap_or_default())
    });
    code.or_else(|| concept(body, "/code")).unwrap_or_default()
}

fn one(mut bodies: Vec<&Value>) -> Option<Series> {
    bodies.sort_by_key(|body| taken(body));
    let newest = *bodies.last()?;
    let points: Vec<Point> = bodies.iter().filter_map(|body| point(body)).collect();
    if points.is_empty() {
        return None;
    }
    Some(Series {
        name: concept(newest, "/code").unwrap_or_else(|| String::from("Result")),
        unit: unit(newest),
        range: range(newest),
        points,
        performer: display(newest, "/performer/0"),
    })
}

fn taken(body: &Value) -> Option<When> {
    first_when(body, &["/effectiveDateTime", "/effectivePeriod/start", "/effectiveInstant", "/issued"])
}

fn point(body: &Value) -> Option<Point> {
    let (words, numbers) = value(body)?;
    Some(Point { when: taken(body), words, numbers, flag: flag(body) })
}

fn value(body: &Value) -> Option<(String, Vec<f64>)> {
    if let Some((words, value)) = number(body, "/valueQuantity/value") {
        let comparator = text(body, "/valueQuantity/comparator").unwrap_or_default();
        return Some((format!("{comparator}{words}"), vec![value]));
    }
    let parts: Vec<(String, f64)> =
        list(body, "/component").iter().filter_map(|part| number(part, "/valueQuantity/value")).collect();
    if !parts.is_empty() {
        let words = parts.iter().map(|part| part.0.clone()).collect::<Vec<_>>().join("/");
        return Some((words, parts.into_iter().map(|part| part.1).collect()));
    }
    let words = concept(body, "/valueCodeableConcept")
        .or_else(|| text(body, "/valueString").map(str::to_owned))
        .or_else(|| body.get("valueInteger").map(Value::to_string))
        .or_else(|| first_when(body, &["/valueDateTime"]).map(When::long));
    words.map(|words| (words, Vec::new()))
}

fn unit(body: &Value) -> String {
    let own = text(body, "/valueQuantity/unit");
    own.or_else(|| list(body, "/component").iter().find_map(|part| text(part, "/valueQuantity/unit")))
        .unwrap_or_default()
        .to_owned()
}

fn flag(body: &Value) -> Flag {
    let codes = list(body, "/interpretation")
        .iter()
        .flat_map(|concept| list(concept, "/coding"))
        .filter_map(|coding| text(coding, "/code"));
    for code in codes {
        match code {
            "N" => return Flag::Normal,
            "L" | "LL" => return Flag::Low,
            "H" | "HH" => return Flag::High,
            "A" | "AA" => return Flag::Abnormal,
            _ => {}
        }
    }
    by_range(body).unwrap_or(Flag::None)
}

/// Where the laboratory gave a range and no word, the range decides.
fn by_range(body: &Value) -> Option<Flag> {
    let (_, value) = number(body, "/valueQuantity/value")?;
    let range = range(body)?;
    let low = range.low.is_some_and(|low| value < low);
    let high = range.high.is_some_and(|high| value > high);
    Some(if low {
        Flag::Low
    } else if high {
        Flag::High
    } else {
        Flag::Normal
    })
}

fn range(body: &Value) -> Option<Range> {
    let range = list(body, "/referenceRange").first()?;
    let (low, high) = (number(range, "/low/value"), number(range, "/high/value"));
    let words = match (text(range, "/text"), &low, &high) {
        (Some(text), _, _) => text.to_owned(),
        (None, Some(low), Some(high)) => format!("{} to {}", low.0, high.0),
        (None, Some(low), None) => format!("{} or more", low.0),
        (None, None, Some(high)) => format!("{} or less", high.0),
        (None, None, None) => return None,
    };
    Some(Range { low: low.map(|bound| bound.1), high: high.map(|bound| bound.1), words })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lab(day: &str, value: f64) -> Value {
        json!({
            "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}], "text": "HbA1c"},
            "effectiveDateTime": day, "valueQuantity": {"value": value, "unit": "%"},
            "referenceRange": [{"low": {"value": 4}, "high": {"value": 5.6}}],
        })
    }

    #[test]
    fn values_of_one_test_are_one_series_in_the_order_of_time() {
        let all = series(&[lab("2026-03-02", 7.1), lab("2025-03-02", 8.0)]);
        assert_eq!(all.len(), 1);
        let words: Vec<&str> = all[0].points.iter().map(|point| point.words.as_str()).collect();
        assert_eq!(words, ["8.0", "7.1"]);
    }

    #[test]
    fn the_range_decides_where_the_laboratory_said_nothing() {
        assert_eq!(series(&[lab("2026-03-02", 7.1)])[0].points[0].flag, Flag::High);
        assert_eq!(series(&[lab("2026-03-02", 5.0)])[0].points[0].flag, Flag::Normal);
    }

    #[test]
    fn a_withdrawn_result_is_not_shown() {
        let mut body = lab("2026-03-02", 7.1);
        body["status"] = json!("entered-in-error");
        assert!(series(&[body]).is_empty());
    }

    #[test]
    fn blood_pressure_is_one_value_of_two_numbers() {
        let part = |value| json!({"valueQuantity": {"value": value, "unit": "mmHg"}});
        let body = json!({"status": "final", "code": {"text": "Blood pressure"}, "component": [part(132), part(84)]});
        let all = series(&[body]);
        assert_eq!((all[0].points[0].words.as_str(), all[0].unit.as_str()), ("132/84", "mmHg"));
        assert_eq!(all[0].points[0].numbers, [132.0, 84.0]);
    }

    #[test]
    fn a_digit_after_the_point_is_kept() {
        let body: Value =
            serde_json::from_str(r#"{"status":"final","code":{"text":"x"},"valueQuantity":{"value":7.0}}"#).unwrap();
        assert_eq!(series(&[body])[0].points[0].words, "7.0");
    }
}
