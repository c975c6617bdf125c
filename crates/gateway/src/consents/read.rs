//! A FHIR R4 `Consent` as what decides. Whatever cannot be understood closes: a permit that asks for more than we can tell
//! is none, a denial loses the part that we cannot tell, and so denies more.

use std::collections::BTreeMap;

use bascule_fhir::{Id, Reference, ResourceType, Timestamp};
use bascule_policy::Label;
use bascule_policy::party::Consent;
use bascule_policy::record::Period;
use serde_json::Value;

use super::groups::{Groups, is_collective};
use super::moment::{first_of, last_of};

const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const RESOURCE_TYPES: &str = "http://hl7.org/fhir/resource-types";
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
/// From the least confidential to the most.
const CONFIDENTIALITIES: [&str; 6] = ["U", "L", "M", "N", "R", "V"];
/// Provisions nested in each other at most; what lies deeper is not understood.
const DEPTH_MAX: usize = 6;
/// Actions that are a use or a disclosure.
const ACTIONS: [&str; 4] = ["access", "use", "disclose", "correct"];

/// Where a Consent comes from, and how the chart's names are understood.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The API.
    pub api: &'a str,
    /// Bases below which a reference may stand for a resource of it.
    pub bases: &'a [&'a str],
    /// Which organization each reference or identifier of the chart stands for.
    pub organizations: &'a BTreeMap<String, String>,
    /// Who the care teams, groups and positions of the chart are today.
    pub groups: &'a Groups,
}

/// A Consent, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Its logical id.
    pub id: Id,
    /// What it says; nothing if it is not active, or not about privacy or research.
    pub says: Vec<Consent>,
}

/// Reads one; `None` if it is none, or has no id or no patient of the API.
#[must_use]
pub fn read(resource: &Value, origin: &Origin<'_>) -> Option<Read> {
    if resource.get("resourceType").and_then(Value::as_str) != Some("Consent") {
        return None;
    }
    let id = Id::parse(resource.get("id")?.as_str()?)?;
    let patient = local(resource.get("patient")?, origin).filter(|(kind, _)| *kind == ResourceType::PATIENT)?.1;
    let is_active = resource.get("status").and_then(Value::as_str) == Some("active");
    let says = if is_active { said(resource, &Reader { origin, patient }) } else { Vec::new() };
    Some(Read { id, says })
}

struct Reader<'a> {
    origin: &'a Origin<'a>,
    patient: Id,
}

/// What a Consent is about.
enum Scope {
    Privacy,
    Research,
    /// Treatment, advance directives: nothing about who may see what.
    Other,
    /// A scope that we do not know: it permits nothing.
    Unknown,
}

fn said(resource: &Value, reader: &Reader<'_>) -> Vec<Consent> {
    let scope = scope(resource);
    if matches!(scope, Scope::Other) {
        return Vec::new();
    }
    let nothing = Value::Object(serde_json::Map::new());
    let root = resource.get("provision").unwrap_or(&nothing);
    let base = match root.get("type").and_then(Value::as_str) {
        Some("permit") => Some(true),
        Some("deny") => Some(false),
        _ => base_rule(resource),
    };
    let mut says = match base {
        Some(permit) => reader.provision(root, permit, 0).into_iter().collect(),
        None => reader.apart(root),
    };
    for consent in &mut says {
        match scope {
            Scope::Research if consent.purposes.is_empty() => consent.purposes = vec!["HRESCH".to_owned()],
            _ => {}
        }
    }
    says.retain(|consent| !(consent.permit && matches!(scope, Scope::Unknown)));
    says
}

fn scope(resource: &Value) -> Scope {
    let codes = codings(resource.pointer("/scope/coding"));
    match codes.iter().map(|(_, code)| *code).find(|code| !code.is_empty()) {
        Some("patient-privacy") => Scope::Privacy,
        Some("research") => Scope::Research,
        Some("treatment" | "adr") => Scope::Other,
        _ => Scope::Unknown,
    }
}

/// What the policy that a Consent refers to says where no provision does.
fn base_rule(resource: &Value) -> Option<bool> {
    let codes = codings(resource.pointer("/policyRule/coding"));
    codes.iter().find_map(|(_, code)| match *code {
        "OPTIN" | "OPTINR" => Some(true),
        "OPTOUT" | "OPTOUTE" => Some(false),
        _ => None,
    })
}

/// System and code of each coding.
fn codings(codings: Option<&Value>) -> Vec<(&str, &str)> {
    codings
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|coding| {
            let system = coding.get("system").and_then(Value::as_str).unwrap_or_default();
            (system, coding.get("code").and_then(Value::as_str).unwrap_or_default())
        })
        .collect()
}

/// A list that narrows a provision, as far as it was understood.
enum Narrowed<T> {
    /// It names these; none is "any".
    To(Vec<T>),
    /// Some of it was not understood.
    Partly(Vec<T>),
}

impl<T> Narrowed<T> {
    /// For a permit: what was understood, if that is anything. For a denial: all of it, or any.
    fn closed(self, permit: bool) -> Option<Vec<T>> {
        match self {
            Self::To(all) => Some(all),
            Self::Partly(some) if permit => (!some.is_empty()).then_some(some),
            Self::Partly(_) => Some(Vec::new()),
        }
    }
}

fn narrowed<'v, T>(values: Option<&'v Value>, understand: impl Fn(&'v Value) -> Option<Vec<T>>) -> Narrowed<T> {
    let mut all = Vec::new();
    let mut partly = false;
    for value in values.and_then(Value::as_array).into_iter().flatten() {
        match understand(value) {
            Some(mut understood) => all.append(&mut understood),
            None => partly = true,
        }
    }
    if partly { Narrowed::Partly(all) } else { Narrowed::To(all) }
}

impl Reader<'_> {
    /// Provisions that stand each for itself, since the root says neither yes nor no.
    fn apart(&self, root: &Value) -> Vec<Consent> {
        let period = self.period(root, false).unwrap_or(ALWAYS);
        let nested = self.nested(root, 0);
        nested.into_iter().filter_map(|consent| within(period, consent)).collect()
    }

    /// Every nested provision; one without a type denies.
    fn nested(&self, value: &Value, depth: usize) -> Vec<Consent> {
        let values = value.get("provision").and_then(Value::as_array).into_iter().flatten();
        let permits = |value: &Value| value.get("type").and_then(Value::as_str) == Some("permit");
        values.filter_map(|value| self.provision(value, permits(value), depth + 1)).collect()
    }

    fn provision(&self, value: &Value, permit: bool, depth: usize) -> Option<Consent> {
        let has_nested = value.get("provision").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
        let too_deep = depth >= DEPTH_MAX && has_nested;
        let cannot_tell = ["code", "dataPeriod"].iter().any(|name| value.get(*name).is_some());
        if permit && (too_deep || cannot_tell || !self.acts(value)) {
            return None;
        }
        let period = self.period(value, permit)?;
        let mut consent = Consent {
            patient: self.patient.clone(),
            permit,
            actors: self.actors(value).closed(permit)?,
            from: period.from,
            until: period.until,
            types: types(value).closed(permit)?,
            items: self.items(value).closed(permit)?,
            purposes: purposes(value).closed(permit)?,
            labels: labels(value, permit).closed(permit)?,
            exceptions: Vec::new(),
        };
        if !too_deep {
            consent.exceptions = self.exceptions(value, &consent, depth);
        }
        Some(consent)
    }

    /// What says otherwise within a provision. One that says the same adds nothing, but what it denies within is kept.
    fn exceptions(&self, value: &Value, outer: &Consent, depth: usize) -> Vec<Consent> {
        let mut exceptions = Vec::new();
        for nested in self.nested(value, depth) {
            if nested.permit != outer.permit {
                exceptions.push(nested);
            } else if nested.permit {
                let denied = nested.exceptions.iter().filter_map(|denied| denied.clone().within(&nested));
                exceptions.extend(denied);
            }
        }
        exceptions
    }

    /// Whether it names an action that is a use or a disclosure; none named is every action.
    fn acts(&self, value: &Value) -> bool {
        let Some(actions) = value.get("action").and_then(Value::as_array) else { return true };
        let named = |action: &Value| codings(action.get("coding")).iter().any(|(_, code)| ACTIONS.contains(code));
        actions.is_empty() || actions.iter().any(named)
    }

    /// `None` for a permit whose time cannot be read; a denial acts always then.
    fn period(&self, value: &Value, permit: bool) -> Option<Period> {
        let Some(period) = value.get("period") else { return Some(ALWAYS) };
        let part = |name: &str, read: fn(&str) -> Option<Timestamp>| match period.get(name).and_then(Value::as_str) {
            None => Some(None),
            Some(text) => read(text).map(Some),
        };
        match (part("start", first_of), part("end", last_of)) {
            (Some(from), Some(until)) => Some(Period { from: from.unwrap_or(ALWAYS.from), until }),
            _ if permit => None,
            _ => Some(ALWAYS),
        }
    }

    fn actors(&self, value: &Value) -> Narrowed<String> {
        narrowed(value.get("actor"), |actor| self.actors_of(actor.get("reference")?))
    }

    /// An actor, or all of those for whom it stands. One that stands for nobody is not understood: nobody would be anybody.
    fn actors_of(&self, reference: &Value) -> Option<Vec<String>> {
        let collective = local(reference, self.origin).filter(|(kind, _)| is_collective(*kind));
        let Some((kind, id)) = collective else { return self.actor(reference).map(|actor| vec![actor]) };
        let members = self.origin.groups.get(&format!("{kind}/{id}"))?;
        let all: Option<Vec<String>> = members.iter().map(|member| self.actor(member)).collect();
        all.filter(|all| !all.is_empty())
    }

    /// A name that a decision understands: an organization's id, or `ehr/Practitioner/17`. What stands for others within
    /// what stands for others is not understood.
    fn actor(&self, reference: &Value) -> Option<String> {
        let organizations = self.origin.organizations;
        if let Some((kind, id)) = local(reference, self.origin) {
            let written = format!("{kind}/{id}");
            return match kind.name() {
                "Organization" => Some(organizations.get(&written).cloned().unwrap_or(written)),
                "Device" => Some(written),
                _ if is_collective(kind) => None,
                _ => Some(format!("{}/{written}", self.origin.api)),
            };
        }
        let part = |name: &str| reference.get("identifier")?.get(name)?.as_str();
        let identifier = format!("{}|{}", part("system")?, part("value")?);
        Some(organizations.get(&identifier).cloned().unwrap_or(identifier))
    }

    fn items(&self, value: &Value) -> Narrowed<(ResourceType, Id)> {
        narrowed(value.get("data"), |data| {
            let is_instance = data.get("meaning").and_then(Value::as_str) == Some("instance");
            let item = local(data.get("reference")?, self.origin)?;
            is_instance.then(|| vec![item])
        })
    }
}

fn types(value: &Value) -> Narrowed<ResourceType> {
    narrowed(value.get("class"), |class| {
        let system = class.get("system").and_then(Value::as_str).unwrap_or(RESOURCE_TYPES);
        let code = class.get("code")?.as_str()?;
        (system == RESOURCE_TYPES).then(|| ResourceType::parse(code)).flatten().map(|kind| vec![kind])
    })
}

fn purposes(value: &Value) -> Narrowed<String> {
    narrowed(value.get("purpose"), |purpose| {
        let system = purpose.get("system").and_then(Value::as_str).unwrap_or(ACT_REASON);
        let code = purpose.get("code")?.as_str()?;
        let known = system == ACT_REASON && bascule_policy::purpose::is_purpose(code);
        known.then(|| vec![code.to_owned()])
    })
}

/// Confidentiality is a mark on a scale: a permit reaches up to it, a denial from it upwards.
fn labels(value: &Value, permit: bool) -> Narrowed<Label> {
    narrowed(value.get("securityLabel"), |label| {
        let (system, code) = (label.get("system")?.as_str()?, label.get("code")?.as_str()?);
        let one = |code: &str| Label::parse(&format!("{system}|{code}"));
        if system != CONFIDENTIALITY {
            return one(code).map(|label| vec![label]);
        }
        let at = CONFIDENTIALITIES.iter().position(|known| *known == code)?;
        let on_side = |index: usize| if permit { index <= at } else { index >= at };
        let codes = CONFIDENTIALITIES.iter().enumerate().filter(|(index, _)| on_side(*index));
        codes.map(|(_, code)| one(code)).collect()
    })
}

const ALWAYS: Period = Period { from: Timestamp::from_micros(i64::MIN), until: None };

fn within(period: Period, consent: Consent) -> Option<Consent> {
    let outer = Consent { from: period.from, until: period.until, ..open(&consent) };
    consent.within(&outer)
}

/// A provision about everything.
fn open(like: &Consent) -> Consent {
    Consent {
        patient: like.patient.clone(),
        permit: like.permit,
        actors: Vec::new(),
        from: ALWAYS.from,
        until: None,
        types: Vec::new(),
        items: Vec::new(),
        purposes: Vec::new(),
        labels: Vec::new(),
        exceptions: Vec::new(),
    }
}

/// Type and id of a reference to a resource of the API.
pub(super) fn local(element: &Value, origin: &Origin<'_>) -> Option<(ResourceType, Id)> {
    let reference = Reference::of(element)?;
    let found = origin.bases.iter().find_map(|base| reference.local(base).map(|(kind, id)| (kind, id.clone())));
    found.or_else(|| reference.local("").map(|(kind, id)| (kind, id.clone())))
}

#[cfg(test)]
mod tests;
