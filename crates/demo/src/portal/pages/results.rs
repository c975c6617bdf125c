//! Results: each test once, newest value first, with its range and how it moved.

use maud::{Markup, html};

use super::super::record::{Flag, Point, Series};
use super::layout::{Frame, Tab, day, head, missing, nothing};
use super::{Part, chart};

/// What the page shows.
pub(in super::super) struct Results {
    pub(in super::super) laboratory: Part<Vec<Series>>,
    pub(in super::super) measured: Part<Vec<Series>>,
}

/// The page of results.
pub(in super::super) fn results(frame: Frame<'_>, parts: &Results) -> Markup {
    frame.page(Tab::Results, &html! {
        (head("Results", "The newest value of each test, against what is usual. A value outside its range is a question for your doctor, not an answer."))
        section aria-labelledby="laboratory" { h2 #laboratory { "Laboratory" } (tests(frame, &parts.laboratory)) }
        section aria-labelledby="measured" { h2 #measured { "Measured at visits" } (tests(frame, &parts.measured)) }
    })
}

fn tests(frame: Frame<'_>, part: &Part<Vec<Series>>) -> Markup {
    let all = match part {
        Ok(all) => all,
        Err(trouble) => return missing(trouble),
    };
    if all.is_empty() {
        return nothing("Nothing here yet. Results appear as soon as they are sent.");
    }
    let (outside, usual): (Vec<&Series>, Vec<&Series>) = all.iter().partition(|series| series.stands_out());
    html! {
        div.cards { @for series in outside.into_iter().chain(usual) { (card(frame, series)) } }
    }
}

fn card(frame: Frame<'_>, series: &Series) -> Markup {
    let Some(latest) = series.latest() else { return html! {} };
    html! {
        article.card.test {
            header { h3 { (series.name) } p.small { (day(latest.when, frame.clock)) } }
            p.value { strong { (latest.words) } " " span.unit { (series.unit) } " " (chip(latest.flag)) }
            @if let (Some(value), Some(range)) = (single(latest), &series.range) {
                p.usual { (chart::bar(value, range).unwrap_or_default()) span.small { "usual: " (range.words) } }
            }
            @if let Some(line) = chart::line(series, frame.clock) {
                div.moved { (line) (before(frame, series)) }
                (history(frame, series))
            }
        }
    }
}

/// The value, if it is a single number.
fn single(point: &Point) -> Option<f64> {
    match point.numbers.as_slice() {
        [value] => Some(*value),
        _ => None,
    }
}

fn before(frame: Frame<'_>, series: &Series) -> Markup {
    let earlier = series.points.iter().rev().nth(1);
    html! {
        @if let Some(earlier) = earlier {
            p.small { "before: " (earlier.words) @if let Some(when) = earlier.when { ", " (when.distance(frame.clock)) } }
        }
    }
}

fn history(frame: Frame<'_>, series: &Series) -> Markup {
    html! {
        details {
            summary { "All " (series.points.len()) " values" span.hidden { " of " (series.name) } }
            table {
                thead { tr { th scope="col" { "Date" } th scope="col" { "Value" } th scope="col" { "Compared" } } }
                tbody {
                    @for point in series.points.iter().rev() {
                        tr { td { (day(point.when, frame.clock)) } td { (point.words) " " (series.unit) } td { (chip(point.flag)) } }
                    }
                }
            }
            @if let Some(performer) = &series.performer { p.small { "Measured by " bdi { (performer) } } }
        }
    }
}

/// One line for the first page.
pub(super) fn row(frame: Frame<'_>, series: &Series) -> Markup {
    let Some(latest) = series.latest() else { return html! {} };
    html! {
        div.row {
            div.what { strong { (series.name) } span.small { (day(latest.when, frame.clock)) } }
            @if let (Some(value), Some(range)) = (single(latest), &series.range) { (chart::bar(value, range).unwrap_or_default()) }
            div.figure { span.number { (latest.words) } " " span.unit { (series.unit) } }
            (chip(latest.flag))
        }
    }
}

/// How a value stands, in a word and a color; the word alone suffices.
fn chip(flag: Flag) -> Markup {
    let (class, words) = match flag {
        Flag::Normal => ("chip good", "usual"),
        Flag::Low => ("chip watch", "below usual"),
        Flag::High => ("chip watch", "above usual"),
        Flag::Abnormal => ("chip watch", "unusual"),
        Flag::None => return html! { span.chip.blank {} },
    };
    html! { span class=(class) { (words) } }
}
