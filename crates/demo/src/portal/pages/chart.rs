//! Small pictures of values: where one stands in its range, and how it moved. SVG, drawn on the server.

use maud::{Markup, html};

use super::super::record::{Point, Range, Series};
use super::super::words::Clock;

const BAR_WIDTH: f64 = 132.0;
const LINE_WIDTH: f64 = 180.0;
const LINE_HEIGHT: f64 = 48.0;
/// Room for a dot at the edges.
const MARGIN: f64 = 5.0;

/// Values between which a picture stretches.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    from: f64,
    to: f64,
}

impl Scale {
    /// Around all values and the bounds of the range, with some air.
    fn around(values: impl Iterator<Item = f64>, range: Option<&Range>) -> Option<Self> {
        let bounds = range.into_iter().flat_map(|range| [range.low, range.high]).flatten();
        let (mut from, mut to) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.chain(bounds) {
            (from, to) = (from.min(value), to.max(value));
        }
        if !(from.is_finite() && to.is_finite()) {
            return None;
        }
        let air = ((to - from) * 0.25).max(to.abs() * 0.02).max(0.01);
        Some(Self { from: from - air, to: to + air })
    }

    /// Where a value is, from 0 to 1.
    fn place(self, value: f64) -> f64 {
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }
}

/// One value within its range: a band and a dot.
pub(super) fn bar(value: f64, range: &Range) -> Option<Markup> {
    let scale = Scale::around([value].into_iter(), Some(range))?;
    let from = range.low.map_or(0.0, |low| scale.place(low)) * BAR_WIDTH;
    let to = range.high.map_or(1.0, |high| scale.place(high)) * BAR_WIDTH;
    let dot = MARGIN + scale.place(value) * (BAR_WIDTH - 2.0 * MARGIN);
    Some(html! {
        svg.range viewBox="0 0 132 14" width="132" height="14" aria-hidden="true" focusable="false" {
            rect.track x="0" y="5" width="132" height="4" rx="2" {}
            rect.band x=(round(from)) y="5" width=(round(to - from)) height="4" rx="2" {}
            circle.dot cx=(round(dot)) cy="7" r="5" {}
        }
    })
}

/// How a test moved: a line for each number in its values, the range behind them.
pub(super) fn line(series: &Series, clock: Clock) -> Option<Markup> {
    let points: Vec<(f64, &Point)> =
        series.points.iter().filter_map(|point| Some((point.when?.place(), point))).collect();
    let (first, last) = (points.first()?, points.last()?);
    let lines = last.1.numbers.len();
    if points.len() < 2 || lines == 0 {
        return None;
    }
    let scale =
        Scale::around(points.iter().flat_map(|(_, point)| point.numbers.iter().copied()), series.range.as_ref())?;
    let across = Scale { from: first.0, to: last.0.max(first.0 + 1.0) };
    let place = |day: f64, value: f64| {
        let x = MARGIN + across.place(day) * (LINE_WIDTH - 2.0 * MARGIN);
        let y = MARGIN + (1.0 - scale.place(value)) * (LINE_HEIGHT - 2.0 * MARGIN);
        (x, y)
    };
    let paths: Vec<Vec<(f64, f64)>> = (0..lines)
        .map(|row| points.iter().filter_map(|(day, point)| Some(place(*day, *point.numbers.get(row)?))).collect())
        .collect();
    Some(html! {
        svg.trend viewBox="0 0 180 48" width="180" height="48" role="img" aria-label=(spoken(series, clock)) {
            @if let Some(range) = &series.range { (band(range, scale)) }
            @for path in &paths {
                polyline points=(path.iter().map(|(x, y)| format!("{},{}", round(*x), round(*y))).collect::<Vec<_>>().join(" ")) {}
                @if let Some((x, y)) = path.last() { circle.dot cx=(round(*x)) cy=(round(*y)) r="3" {} }
            }
        }
    })
}

fn band(range: &Range, scale: Scale) -> Markup {
    let height = |value: f64| MARGIN + (1.0 - scale.place(value)) * (LINE_HEIGHT - 2.0 * MARGIN);
    let (top, bottom) = (range.high.map_or(0.0, height), range.low.map_or(LINE_HEIGHT, height));
    html! { rect.band x="0" y=(round(top)) width="180" height=(round((bottom - top).max(0.0))) {} }
}

/// The line in words, for those who hear the page.
fn spoken(series: &Series, clock: Clock) -> String {
    let at = |point: &Point| {
        let when = point.when.map(|when| when.short(clock)).unwrap_or_default();
        format!("{} {} on {when}", point.words, series.unit)
    };
    match (series.points.first(), series.points.last()) {
        (Some(first), Some(last)) => format!("{} values, from {} to {}", series.points.len(), at(first), at(last)),
        _ => String::new(),
    }
}

fn round(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_far_out_stays_on_the_picture() {
        let range = Range { low: Some(4.0), high: Some(5.6), words: String::new() };
        let scale = Scale::around([400.0].into_iter(), Some(&range)).unwrap();
        assert!(scale.place(400.0) < 1.0 && scale.place(4.0) > 0.0);
    }

    #[test]
    fn a_value_that_never_moved_has_a_scale_too() {
        let scale = Scale::around([0.0, 0.0].into_iter(), None).unwrap();
        assert!((scale.place(0.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn nothing_has_no_scale() {
        assert_eq!(Scale::around([].into_iter(), None), None);
    }
}
