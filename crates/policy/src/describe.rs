//! Rules, conditions and reasons in words, as pages, tables and refusals say them.

use std::fmt::Write as _;

use crate::decision::{Condition, DenialReason, Duty, Exemption};
use crate::elements::Elements;
use crate::mask;
use crate::record::Period;
use crate::rules::{NoRelation, Patients, Terms};

/// Whose data, and what is asked where no relation is known: `patients with a relation; others go to review`.
#[must_use]
pub fn whose(terms: &Terms, no_relation: NoRelation) -> String {
    let mut text = if terms.emergency {
        "any patient, while emergency access is open".to_owned()
    } else {
        terms.patients.phrase().to_owned()
    };
    if terms.patients == Patients::Related && !terms.emergency {
        if !terms.relations.is_empty() {
            let _ = write!(text, " by {}", terms.relations.join(" or "));
        }
        text.push_str(match no_relation {
            NoRelation::Review => "; others go to review",
            NoRelation::Ask => "; reason asked for others",
            NoRelation::Refuse => "; nobody else's",
        });
    }
    if terms.only_count {
        text.push_str("; only how many");
    }
    text.push_str(&circumstances(terms));
    text
}

/// Organizations, exposures, hours and dates; empty if there are none.
#[must_use]
pub fn circumstances(terms: &Terms) -> String {
    let mut text = String::new();
    if !terms.organizations.is_empty() {
        let _ = write!(text, "; only {}", terms.organizations.join(" or "));
    }
    if !terms.exposures.is_empty() {
        let names: Vec<&str> = terms.exposures.iter().map(|exposure| exposure.name()).collect();
        let _ = write!(text, "; only while the api is {}", names.join(" or "));
    }
    if let Some(hours) = terms.hours {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let _ =
            write!(text, "; {}-{} at UTC{:+}", clock(hours.from), clock(hours.until), f32::from(hours.offset) / 60.0);
    }
    if let (Some(from), until) = (terms.from, terms.until) {
        text.push_str(&dates(Period { from, until }));
    } else if let Some(until) = terms.until {
        let _ = write!(text, "; until {}", until.to_instant());
    }
    text
}

fn dates(period: Period) -> String {
    let until = period.until.map_or_else(String::new, |until| format!(" until {}", until.to_instant()));
    format!("; from {}{until}", period.from.to_instant())
}

/// The named elements in order, or `whole`; what is masked with its mask, what is under a profile with its name.
#[must_use]
pub fn elements(elements: &Elements) -> String {
    let named = match elements.named() {
        None if elements.profile().is_some() => "everything".to_owned(),
        None => "whole".to_owned(),
        Some(named) if named.is_empty() => "nothing".to_owned(),
        Some(named) => named.iter().map(|path| element(path)).collect::<Vec<_>>().join(", "),
    };
    match elements.profile() {
        Some(profile) => format!("under {} ({}): {named}", profile.name(), profile.clause()),
        None => named,
    }
}

/// A path, with its mask in words.
fn element(path: &str) -> String {
    match mask::split(path) {
        (path, Some(mask)) => format!("{path} as {}", mask.name()),
        (path, None) => path.to_owned(),
    }
}

/// A condition on a resource.
#[must_use]
pub fn condition(one: &Condition) -> String {
    let ids = |ids: &[bascule_fhir::Id]| ids.iter().map(bascule_fhir::Id::as_str).collect::<Vec<_>>().join(", ");
    match one {
        Condition::InCompartment { of, ids: these } => format!("it is in the compartment of {of} {}", ids(these)),
        Condition::Matches { any_of } => {
            let all = |pairs: &Vec<(String, String)>| {
                pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" and ")
            };
            format!("it matches {}", any_of.iter().map(all).collect::<Vec<_>>().join(" or "))
        }
        Condition::IsOneOf(these) => format!("it is {}", ids(these)),
        Condition::HasLabel(labels) => {
            let codes: Vec<&str> = labels.iter().map(|label| label.code.as_str()).collect();
            format!("it is labelled {}", codes.join(" or "))
        }
        Condition::Not(all) => format!("not ({})", all.iter().map(condition).collect::<Vec<_>>().join(" and ")),
        Condition::AnyOf(alternatives) => {
            let all = |conditions: &Vec<Condition>| conditions.iter().map(condition).collect::<Vec<_>>().join(" and ");
            format!("({})", alternatives.iter().map(all).collect::<Vec<_>>().join(", or "))
        }
    }
}

/// A reason, for a stranger: what is missing, never anything of the data.
#[must_use]
pub fn reason(reason: &DenialReason) -> String {
    match reason {
        DenialReason::ScopeMissing { wanted } => format!("no scope of the token covers this; `{wanted}` would"),
        DenialReason::NotGranted { interaction, resource } => format!("no role grants {interaction} of {resource}"),
        DenialReason::ParameterNotGranted { parameter } => {
            format!("the parameter `{parameter}` is not granted or not known")
        }
        DenialReason::ElementNotGranted { element } => format!("the element `{element}` may not be written"),
        DenialReason::OutsideCompartment => "the patient asked about is not one whose data this may reach".to_owned(),
        DenialReason::NotSenderConstrained { exposure } => {
            format!("{exposure} APIs take only tokens that are bound to a key or certificate of the caller")
        }
        DenialReason::Agreement { missing } => format!("what is missing: {missing}"),
        DenialReason::Consent => "a consent, restriction or label does not let this pass".to_owned(),
        DenialReason::Purpose { asserted } => format!("the purpose of use `{asserted}` is not allowed here"),
        DenialReason::FactUnknown { fact } => format!("{fact} could not be had, and unknown denies"),
        DenialReason::ReasonAsked { .. } => "no relation with this patient is known: say why, and go on".to_owned(),
        DenialReason::NotSupported { mend } => mend.clone(),
    }
}

/// What to do about a reason.
#[must_use]
pub fn mend(reason: &DenialReason) -> &'static str {
    match reason {
        DenialReason::ScopeMissing { .. } => "ask for that scope when the app is authorized",
        DenialReason::NotGranted { .. } => {
            "ask the security officer for a role that grants it, or ask for something else"
        }
        DenialReason::ParameterNotGranted { .. } => "search by a parameter whose element is granted",
        DenialReason::ElementNotGranted { .. } => "leave the element as it is",
        DenialReason::OutsideCompartment => {
            "choose the patient when the app is launched; another's record needs a representation or a link on file"
        }
        DenialReason::NotSenderConstrained { .. } => "ask for the token with a DPoP proof or a client certificate",
        DenialReason::Agreement { .. } => "record it: `bascule organization`, `bascule agreement`",
        DenialReason::Consent => "a consent on file that names the recipient, the purpose and the label would",
        DenialReason::Purpose { .. } => "assert a purpose that the role and the agreement name, or none",
        DenialReason::FactUnknown { .. } => "try again; if it stays, the store or a feed is down",
        DenialReason::ReasonAsked { .. } => "give a reason; the access then goes to review",
        DenialReason::NotSupported { .. } => "ask in the other way",
    }
}

/// Why minimum necessary does not act.
#[must_use]
pub fn exemption(exemption: &Exemption) -> String {
    match exemption {
        Exemption::TreatingProvider { organization, verified } => {
            format!("164.502(b)(2)(i): treating provider {organization}, verified {}", verified.to_instant())
        }
        Exemption::Individual => "164.502(b)(2)(ii): the individual".to_owned(),
        Exemption::Authorization { id } => format!("164.502(b)(2)(iii): authorization {id}"),
        Exemption::RequiredByLaw { citation } => format!("164.502(b)(2)(v): required by {citation}"),
    }
}

/// What must happen beside.
#[must_use]
pub fn duty(duty: &Duty) -> String {
    match duty {
        Duty::Review { why } => format!("goes to review: {why}"),
        Duty::PanelSuspended => {
            "the panel is suspended, since the feed of relations is stale; goes to review".to_owned()
        }
        Duty::Emergency { stepped_up: true, .. } => "emergency access: in the privacy officer's digest".to_owned(),
        Duty::Emergency { stepped_up: false, .. } => {
            "emergency access without a second proof: flagged, in the privacy officer's digest".to_owned()
        }
        Duty::ReviewUnlessRelated { .. } => {
            "goes to review if it turns out to be about a patient without a relation".to_owned()
        }
        Duty::Part2Notice { .. } => "the notice of 42 CFR 2.32 travels with what is labelled".to_owned(),
    }
}
