//! `[consent.API]`, `[labels]`, `[tokens]`, `[relations]` and `[representation]`: what the policy says beside its roles.

use std::collections::BTreeMap;

use super::lists::Lists;
use super::words;
use crate::Exposure;
use crate::label::Label;
use crate::read::{Reader, Section, Word};
use crate::rules::Settings;

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/// Codes of [`ACT_CODE`] that mark records of substance use treatment.
const PART2: [&str; 7] = ["42CFRPart2", "SUD", "ETH", "ETHUD", "OPIOIDUD", "ALCUD", "SUDPT"];

/// The code of [`ACT_CODE`] that marks psychotherapy notes.
const PSYCHOTHERAPY: [&str; 1] = ["PSYTHPN"];
/// Labels of services to which a minor may consent alone in most states, of v3-ActCode; a site names its own.
const MINOR_CONSENTED: [&str; 10] =
    ["SEX", "STD", "HIV", "42CFRPart2", "SUD", "ETH", "ETHUD", "OPIOIDUD", "ALCUD", "SUDPT"];

/// Purposes that need no consent unless the policy says otherwise: treatment, payment, operations, and what a patient
/// or the law asks for. Research is not among them.
const CONSENT_DEFAULT: [&str; 21] = [
    "TREAT",
    "ETREAT",
    "BTG",
    "CAREMGT",
    "COC",
    "HPAYMT",
    "CLMATTCH",
    "COVERAGE",
    "ELIGDTRM",
    "REMITADV",
    "HOPERAT",
    "PATADMIN",
    "HQUALIMP",
    "HCOMPL",
    "HSYSADMIN",
    "PATRQT",
    "FAMRQT",
    "PWATRNY",
    "PUBHLTH",
    "DISASTER",
    "THREAT",
];

/// A feed of relations older than this is not known, unless the policy says otherwise.
const RELATIONS_AGE_MINUTES_MAX: u64 = 24 * 60;

/// A parent's representation ends at this birthday, unless the policy says otherwise.
const MAJORITY_YEARS: u8 = 18;
/// Emergency access ends after so long, unless the policy says otherwise; it can be opened again.
const EMERGENCY_MINUTES: u64 = 4 * 60;
/// A reason for access without a known relation serves for a shift, unless the policy says otherwise.
const REASON_MINUTES: u64 = 12 * 60;
/// More than a day is no emergency, and no shift.
const CARE_MINUTES_MAX: u64 = 24 * 60;

/// Settings as far as they were read.
#[derive(Default)]
pub(super) struct Draft {
    consent_default: BTreeMap<Option<String>, Vec<String>>,
    part2: Option<Vec<Label>>,
    psychotherapy: Option<Vec<Label>>,
    minor_consented: Option<Vec<Label>>,
    relations_age_minutes_max: Option<u64>,
    sender_constrained: Option<Vec<Exposure>>,
    without_consents: BTreeMap<String, Vec<String>>,
    majority_years: Option<u8>,
    emergency_minutes_max: Option<u64>,
    reason_minutes_max: Option<u64>,
}

impl Draft {
    pub(super) fn read(&mut self, top: &mut Section<'_>, lists: &Lists, reader: &mut Reader<'_>) {
        if let Some(consent) = top.section("consent", reader) {
            for (api, section) in consent.named_sections(reader) {
                lists.api(&api, reader);
                self.consent(&api, section, reader);
            }
        }
        if let Some(mut labels) = top.section("labels", reader) {
            let span = labels.span();
            for (key, slot) in [
                ("part-2", &mut self.part2),
                ("psychotherapy-notes", &mut self.psychotherapy),
                ("minor-consented", &mut self.minor_consented),
            ] {
                let Some(words) = labels.words(key, reader) else { continue };
                if slot.is_some() {
                    reader.fault(span.clone(), format!("the labels `{key}` are set in two files"), "set them once");
                }
                *slot = Some(words.iter().filter_map(|word| words::label(word, reader)).collect());
            }
            labels.finish(reader);
        }
        if let Some(mut tokens) = top.section("tokens", reader) {
            let span = tokens.span();
            let words = tokens.words("sender-constrained", reader).unwrap_or_default();
            let exposures = words.iter().filter_map(|word| words::exposure(word, reader)).collect();
            if self.sender_constrained.replace(exposures).is_some() {
                reader.fault(span, "`tokens` is set in two files", "set it once");
            }
            tokens.finish(reader);
        }
        if let Some(mut relations) = top.section("relations", reader) {
            if let Some(minutes) = relations.number("age-minutes-max", reader) {
                self.relations_age_minutes_max = Some(minutes);
            }
            relations.finish(reader);
        }
        self.care(top, reader);
        if let Some(mut representation) = top.section("representation", reader) {
            self.representation(&mut representation, reader);
            representation.finish(reader);
        }
    }

    fn care(&mut self, top: &mut Section<'_>, reader: &mut Reader<'_>) {
        let Some(mut care) = top.section("care", reader) else { return };
        let span = care.span();
        for (key, slot) in [
            ("emergency-minutes-max", &mut self.emergency_minutes_max),
            ("reason-minutes-max", &mut self.reason_minutes_max),
        ] {
            let Some(minutes) = care.number(key, reader) else { continue };
            if !(1..=CARE_MINUTES_MAX).contains(&minutes) {
                let message = format!("`{key}` is {minutes}");
                reader.fault(span.clone(), message, format!("write 1 to {CARE_MINUTES_MAX} minutes"));
            }
            *slot = Some(minutes);
        }
        care.finish(reader);
    }

    fn representation(&mut self, section: &mut Section<'_>, reader: &mut Reader<'_>) {
        let Some(years) = section.number("ends-at-age", reader) else { return };
        match u8::try_from(years) {
            Ok(years @ 10..=25) => self.majority_years = Some(years),
            _ => reader.fault(section.span(), "`ends-at-age` is not between 10 and 25", "write ends-at-age = 18"),
        }
    }

    fn consent(&mut self, api: &Word, mut section: Section<'_>, reader: &mut Reader<'_>) {
        let mut purposes = |key: &'static str, reader: &mut Reader<'_>| {
            let words = section.words(key, reader)?;
            Some(words.iter().filter_map(|word| words::purpose(word, reader)).collect::<Vec<_>>())
        };
        let (default, without) = (purposes("default", reader), purposes("without-consents", reader));
        section.finish(reader);
        let says_only_the_other = default.is_none() && without.is_some();
        if let Some(without) = without {
            self.without_consents.insert(api.text.clone(), without);
        }
        if says_only_the_other {
            return;
        }
        let purposes = default.unwrap_or_default();
        if self.consent_default.insert(Some(api.text.clone()), purposes).is_some() {
            reader.fault(api.span.clone(), format!("consent for `{}` is set in two files", api.text), "set it once");
        }
    }

    pub(super) fn finish(mut self) -> Settings {
        self.consent_default.entry(None).or_insert_with(|| CONSENT_DEFAULT.map(str::to_owned).to_vec());
        let part2 = self.part2.unwrap_or_else(|| act_codes(&PART2));
        let psychotherapy = self.psychotherapy.unwrap_or_else(|| act_codes(&PSYCHOTHERAPY));
        let minor_consented = self.minor_consented.unwrap_or_else(|| act_codes(&MINOR_CONSENTED));
        Settings {
            consent_default: self.consent_default,
            sensitive: part2.iter().chain(&psychotherapy).cloned().collect(),
            part2: part2.into(),
            psychotherapy: psychotherapy.into(),
            minor_consented: minor_consented.into(),
            relations_age_minutes_max: self.relations_age_minutes_max.unwrap_or(RELATIONS_AGE_MINUTES_MAX),
            sender_constrained: self.sender_constrained.unwrap_or_default(),
            without_consents: self.without_consents,
            majority_years: self.majority_years.unwrap_or(MAJORITY_YEARS),
            emergency_minutes_max: self.emergency_minutes_max.unwrap_or(EMERGENCY_MINUTES),
            reason_minutes_max: self.reason_minutes_max.unwrap_or(REASON_MINUTES),
        }
    }
}

fn act_codes(codes: &[&str]) -> Vec<Label> {
    codes.iter().map(|code| Label { system: ACT_CODE.to_owned(), code: (*code).to_owned() }).collect()
}
