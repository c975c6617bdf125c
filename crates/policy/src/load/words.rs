//! Single words of a policy file and what they stand for; a word that stands for nothing is a fault with a mend.

use bascule_fhir::{InteractionKind, ResourceType, Timestamp};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::fault::{nearest, suggest};
use crate::label::Label;
use crate::purpose::{PURPOSES, is_purpose};
use crate::read::{Reader, Section, Word};
use crate::rules::{Hours, Keeps, NoRelation, Patients};
use crate::{Exposure, RecipientClass};

pub(super) fn resource(word: &Word, reader: &mut Reader<'_>) -> Option<ResourceType> {
    let found = ResourceType::parse(&word.text);
    if found.is_none() {
        let mend = suggest(&word.text, ResourceType::all().map(ResourceType::name));
        reader.fault(word.span.clone(), format!("no such resource type: `{}`", word.text), mend);
    }
    found
}

pub(super) fn interaction(word: &Word, reader: &mut Reader<'_>) -> Option<InteractionKind> {
    match InteractionKind::parse(&word.text) {
        Some(InteractionKind::Batch | InteractionKind::Transaction) => {
            let message = format!("`{}` is not granted: each of its entries is decided by itself", word.text);
            reader.fault(word.span.clone(), message, "grant what the entries do");
            None
        }
        Some(InteractionKind::Capabilities) => {
            reader.fault(word.span.clone(), "`capabilities` needs no grant", "remove it");
            None
        }
        Some(InteractionKind::Operation) => {
            reader.fault(
                word.span.clone(),
                "an operation is granted by its name",
                "write operations = [\"everything\"]",
            );
            None
        }
        Some(kind) => Some(kind),
        None => {
            let mend = suggest(&word.text, InteractionKind::ALL.into_iter().map(InteractionKind::name));
            reader.fault(word.span.clone(), format!("no such interaction: `{}`", word.text), mend);
            None
        }
    }
}

pub(super) fn purpose(word: &Word, reader: &mut Reader<'_>) -> Option<String> {
    if is_purpose(&word.text) {
        return Some(word.text.clone());
    }
    let mend = nearest(&word.text, PURPOSES.iter().map(|(code, _)| *code))
        .map_or_else(|| purpose_by_meaning(&word.text), |near| format!("did you mean `{near}`?"));
    reader.fault(word.span.clone(), format!("no such purpose of use: `{}`", word.text), mend);
    None
}

fn purpose_by_meaning(text: &str) -> String {
    let meant = PURPOSES.iter().find(|(_, meaning)| meaning.eq_ignore_ascii_case(text));
    meant.map_or_else(String::new, |(code, _)| format!("did you mean `{code}`?"))
}

pub(super) fn patients(word: &Word, reader: &mut Reader<'_>) -> Option<Patients> {
    let words = Patients::ALL.map(|one| (one.name(), one));
    choice(word, &words, "no such group of patients", reader)
}

pub(super) fn no_relation(word: &Word, reader: &mut Reader<'_>) -> Option<NoRelation> {
    let words = NoRelation::ALL.map(|one| (one.name(), one));
    choice(word, &words, "`no-relation` cannot be", reader)
}

pub(super) fn keeps(word: &Word, reader: &mut Reader<'_>) -> Option<Keeps> {
    let words = Keeps::ALL.map(|one| (one.name(), one));
    choice(word, &words, "`keeps` cannot be", reader)
}

pub(super) fn exposure(word: &Word, reader: &mut Reader<'_>) -> Option<Exposure> {
    let words = Exposure::ALL.map(|one| (one.name(), one));
    choice(word, &words, "no such exposure", reader)
}

#[allow(dead_code)]
pub(super) fn class(word: &Word, reader: &mut Reader<'_>) -> Option<RecipientClass> {
    let words = RecipientClass::ALL.map(|one| (one.name(), one));
    choice(word, &words, "no such class of recipient", reader)
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    word: &Word,
    words: &[(&'static str, T)],
    wrong: &str,
    reader: &mut Reader<'_>,
) -> Option<T> {
    let found = words.iter().find(|(name, _)| *name == word.text).map(|(_, value)| *value);
    if found.is_none() {
        let near = suggest(&word.text, words.iter().map(|(name, _)| *name));
        let all = words.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | ");
        let mend = if near.is_empty() { format!("choose one of {all}") } else { near };
        reader.fault(word.span.clone(), format!("{wrong}: `{}`", word.text), mend);
    }
    found
}

pub(super) fn label(word: &Word, reader: &mut Reader<'_>) -> Option<Label> {
    let found = Label::parse(&word.text);
    if found.is_none() {
        let mend = "write it as `system|code`, as http://terminology.hl7.org/CodeSystem/v3-ActCode|SUD";
        reader.fault(word.span.clone(), format!("`{}` is no security label", word.text), mend);
    }
    found
}

/// `07:00-19:00`, with an offset from UTC if it is not UTC: `07:00-19:00 -05:00`.
pub(super) fn hours(word: &Word, reader: &mut Reader<'_>) -> Option<Hours> {
    let found = parse_hours(&word.text);
    if found.is_none() {
        let mend = "write them as \"07:00-19:00 -05:00\"";
        reader.fault(word.span.clone(), format!("`{}` are no hours of the day", word.text), mend);
    }
    found
}

fn parse_hours(text: &str) -> Option<Hours> {
    let (span, offset) = text.split_once(' ').unwrap_or((text, "+00:00"));
    let (from, until) = span.split_once('-')?;
    let east = match offset.split_at_checked(1)? {
        ("+", rest) => i16::try_from(minute_of(rest)?).ok()?,
        ("-", rest) => -i16::try_from(minute_of(rest)?).ok()?,
        _ => return None,
    };
    Some(Hours { from: minute_of(from)?, until: minute_of(until)?, offset: east })
}

fn minute_of(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    if hour.len() != 2 || minute.len() != 2 {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

pub(super) fn moment(section: &mut Section<'_>, key: &'static str, reader: &mut Reader<'_>) -> Option<Timestamp> {
    let (datetime, span) = section.moment(key, reader)?;
    let parsed = OffsetDateTime::parse(&datetime.to_string(), &Rfc3339).ok();
    if parsed.is_none() {
        reader.fault(
            span,
            format!("`{datetime}` is no instant"),
            "give it a time and an offset, as 2027-01-31T00:00:00Z",
        );
    }
    parsed.map(|moment| Timestamp::from_seconds(moment.unix_timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_strict() {
        assert_eq!(parse_hours("07:00-19:00"), Some(Hours { from: 420, until: 1140, offset: 0 }));
        assert_eq!(parse_hours("22:00-06:00 -05:00"), Some(Hours { from: 1320, until: 360, offset: -300 }));
        for wrong in ["7-19", "07:00", "25:00-26:00", "07:00-19:60", "07:00-19:00 CET", ""] {
            assert_eq!(parse_hours(wrong), None, "{wrong}");
        }
    }
}
