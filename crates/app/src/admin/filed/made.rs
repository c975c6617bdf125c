//! From what an administrator says to a record, or to a sentence with the mend.

use bascule_fhir::{Id, ResourceType, Timestamp};
use bascule_policy::Label;
use bascule_policy::party::Consent;
use bascule_policy::purpose::{PURPOSES, is_purpose};
use bascule_policy::record::{Authorization, Hold, Period, Representation, Restriction};
use bascule_store::filed::{Born, Filed, Kind, Record, Represented};
use bascule_store::random;
use bascule_store::user::parse_reference;
use serde::{Deserialize, Serialize};

use super::Add;
use crate::admin::records::{Records, Refused};
use crate::day::{end_of_day, start_of_day};

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
/// Grounds of representation.
pub(crate) const BASES: [&str; 8] = [
    "parent",
    "guardian-of-minor",
    "guardian",
    "health-care-proxy",
    "power-of-attorney",
    "executor",
    "court-order",
    "other",
];

/// The kinds of records, as they cross the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Names {
    Consent,
    Restriction,
    Authorization,
    Representation,
    Hold,
}

impl From<Names> for Kind {
    fn from(name: Names) -> Self {
        match name {
            Names::Consent => Self::Consent,
            Names::Restriction => Self::Restriction,
            Names::Authorization => Self::Authorization,
            Names::Representation => Self::Representation,
            Names::Hold => Self::Hold,
        }
    }
}

impl Names {
    /// The act's name in the audit entry.
    pub(crate) const fn act(self, act: &super::FiledAct) -> &'static str {
        use super::FiledAct as Act;
        match (self, act) {
            (Self::Consent, Act::Add { .. }) => "consent-add",
            (Self::Consent, Act::End { .. }) => "consent-end",
            (Self::Consent, Act::Import { .. }) => "consent-import",
            (Self::Consent, _) => "consent-list",
            (Self::Restriction, Act::Add { .. }) => "restriction-add",
            (Self::Restriction, Act::End { .. }) => "restriction-end",
            (Self::Restriction, Act::Import { .. }) => "restriction-import",
            (Self::Restriction, _) => "restriction-list",
            (Self::Authorization, Act::Add { .. }) => "authorization-add",
            (Self::Authorization, Act::End { .. }) => "authorization-end",
            (Self::Authorization, Act::Import { .. }) => "authorization-import",
            (Self::Authorization, _) => "authorization-list",
            (Self::Representation, Act::Add { .. }) => "representation-add",
            (Self::Representation, Act::End { .. }) => "representation-end",
            (Self::Representation, Act::Import { .. }) => "representation-import",
            (Self::Representation, Act::Suspend { suspended: true, .. }) => "representation-suspend",
            (Self::Representation, Act::Suspend { .. }) => "representation-restore",
            (Self::Representation, Act::List { .. }) => "representation-list",
            (Self::Hold, Act::Add { .. }) => "hold-add",
            (Self::Hold, Act::End { .. }) => "hold-end",
            (Self::Hold, Act::Import { .. }) => "hold-import",
            (Self::Hold, _) => "hold-list",
        }
    }
}

impl Records {
    /// The record that was asked for.
    pub(super) fn made(&self, kind: Kind, add: Add, by: &str, now: Timestamp) -> Result<Filed, Refused> {
        let id = add.id.clone().map_or_else(random::id, Ok)?;
        let (api, patient) = self.patient(&add.patient)?;
        let period = period(&add, now)?;
        let record = match kind {
            Kind::Consent => Record::Consent(consent(&add, patient, period)?),
            Kind::Restriction => Record::Restriction(restriction(&add, &id, patient, period)?),
            Kind::Authorization => Record::Authorization(self.authorization(&add, &id, patient, period)?),
            Kind::Representation => Record::Representation(self.representation(&add, &id, patient, period)?),
            Kind::Hold => Record::Hold(hold(&add, &id, patient, period)?),
        };
        let source = add.source.unwrap_or_else(|| "registrar".to_owned());
        Ok(Filed { id, api, record, source, filed_by: by.to_owned(), filed_at: now, ended: None })
    }

    /// `API/ID`, or `ID` in the first API.
    pub(in crate::admin) fn patient(&self, text: &str) -> Result<(String, Id), Refused> {
        let (api, id) = text.split_once('/').unwrap_or((&self.api, text));
        if !self.apis.iter().any(|known| known == api) {
            let known = self.apis.join(", ");
            return Err(Refused(format!("there is no API `{api}`; write API/ID, with one of {known}")));
        }
        let id = Id::parse(id).ok_or_else(|| Refused(format!("`{id}` is not a FHIR id")))?;
        Ok((api.to_owned(), id))
    }

    fn authorization(&self, add: &Add, id: &str, patient: Id, period: Period) -> Result<Authorization, Refused> {
        let recipient = required(add.recipient.as_ref(), "--recipient", "the organization or client that it names")?;
        let known = self.store.organization(&recipient)?.is_some() || self.store.client(&recipient)?.is_some();
        if !known {
            return Err(Refused(format!("there is no organization or client `{recipient}`")));
        }
        if period.until.is_none() {
            return Err(Refused("an authorization has an end (164.508(c)(1)(v)): --until DAY".to_owned()));
        }
        let psychotherapy_notes = add.psychotherapy_notes;
        Ok(Authorization { id: id.to_owned(), patient, recipient, psychotherapy_notes, period })
    }

    fn representation(&self, add: &Add, id: &str, patient: Id, period: Period) -> Result<Represented, Refused> {
        let login = required(add.user.as_ref(), "--user", "who stands for the patient")?;
        let missing = || Refused(format!("there is no user `{login}`; see `bascule user list`"));
        let user = self.store.user_by_login(&login)?.ok_or_else(missing)?;
        let basis = required(add.basis.as_ref(), "--basis", "parent, guardian, health-care-proxy, …")?;
        if !BASES.contains(&basis.as_str()) {
            return Err(Refused(format!("there is no basis `{basis}`; choose one of {}", BASES.join(", "))));
        }
        let born = add.born.as_deref().map(born).transpose()?;
        let of_minor = matches!(basis.as_str(), "parent" | "guardian-of-minor");
        if of_minor && born.is_none() && period.until.is_none() {
            let said = "a representation of a minor ends when the child comes of age: --born DAY, or --until DAY";
            return Err(Refused(said.to_owned()));
        }
        let record = Representation {
            id: id.to_owned(),
            user: user.id,
            patient,
            basis,
            document: required(add.document.as_ref(), "--document", "the paper that shows it")?,
            scope: types(&add.types)?,
            period,
            verified_by: required(add.verified_by.as_ref(), "--verified-by", "who saw the paper")?,
            suspended: false,
        };
        let label = add.label.clone().unwrap_or_else(|| format!("{} ({})", record.patient, record.basis));
        Ok(Represented { record, label, born })
    }
}

fn consent(add: &Add, patient: Id, period: Period) -> Result<Consent, Refused> {
    let permit = match add.decision.as_deref() {
        Some("permit") => true,
        Some("deny") => false,
        _ => return Err(Refused("say what the patient said: --permit or --deny".to_owned())),
    };
    Ok(Consent {
        patient,
        permit,
        actors: add.towards.clone(),
        from: period.from,
        until: period.until,
        types: types(&add.types)?,
        items: Vec::new(),
        purposes: purposes(&add.purposes)?,
        labels: labels(&add.labels)?,
        exceptions: Vec::new(),
    })
}

fn restriction(add: &Add, id: &str, patient: Id, period: Period) -> Result<Restriction, Refused> {
    Ok(Restriction {
        id: id.to_owned(),
        patient,
        towards: add.towards.clone(),
        health_plans: add.health_plans,
        purposes: purposes(&add.purposes)?,
        types: types(&add.types)?,
        labels: labels(&add.labels)?,
        period,
    })
}

fn hold(add: &Add, id: &str, patient: Id, period: Period) -> Result<Hold, Refused> {
    let item = required(add.item.as_ref(), "--item", "what is withheld, e.g. Observation/o1")?;
    let item = parse_reference(&item)
        .ok_or_else(|| Refused(format!("`{item}` is not a reference; write `Observation/o1`")))?;
    let no_end = || Refused("a hold without an end is not one: --until DAY".to_owned());
    let until = period.until.ok_or_else(no_end)?;
    let review = required(add.review.as_ref(), "--review", "the day on which it is looked at again")?;
    let review = start_of_day(&review).ok_or_else(|| not_a_day(&review))?;
    if review > until {
        return Err(Refused("the review comes after the end".to_owned()));
    }
    Ok(Hold {
        id: id.to_owned(),
        patient,
        item,
        ground: required(add.ground.as_ref(), "--ground", "with its citation, e.g. \"164.524(a)(3)(i)\"")?,
        by: required(add.by.as_ref(), "--by", "the licensed professional who decided")?,
        from: period.from,
        until,
        review,
    })
}

fn period(add: &Add, now: Timestamp) -> Result<Period, Refused> {
    let from = match &add.from {
        None => now,
        Some(day) => start_of_day(day).ok_or_else(|| not_a_day(day))?,
    };
    let until = match &add.until {
        None => None,
        Some(day) => Some(end_of_day(day).ok_or_else(|| not_a_day(day))?),
    };
    if until.is_some_and(|until| until <= from) {
        return Err(Refused("it would end before it begins".to_owned()));
    }
    Ok(Period { from, until })
}

fn required(value: Option<&String>, flag: &str, what: &str) -> Result<String, Refused> {
    let said = value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    said.ok_or_else(|| Refused(format!("{flag} is missing: {what}")))
}

fn born(day: &str) -> Result<Born, Refused> {
    start_of_day(day).and_then(|_| Born::parse(day)).ok_or_else(|| not_a_day(day))
}

fn not_a_day(day: &str) -> Refused {
    Refused(format!("`{day}` is not a day; write 2026-12-31"))
}

fn types(names: &[String]) -> Result<Vec<ResourceType>, Refused> {
    let one = |name: &String| {
        ResourceType::parse(name).ok_or_else(|| {
            let mend = bascule_policy::fault::suggest(name, ResourceType::all().map(ResourceType::name));
            Refused(format!("no such resource type: `{name}`; {mend}"))
        })
    };
    names.iter().map(one).collect()
}

fn purposes(codes: &[String]) -> Result<Vec<String>, Refused> {
    let one = |code: &String| match is_purpose(code) {
        true => Ok(code.clone()),
        false => {
            let mend = bascule_policy::fault::suggest(code, PURPOSES.iter().map(|(code, _)| *code));
            Err(Refused(format!("no such purpose of use: `{code}`; {mend}")))
        }
    };
    codes.iter().map(one).collect()
}

/// `system|code`, or a code of HL7's `ActCode`.
fn labels(texts: &[String]) -> Result<Vec<Label>, Refused> {
    let one = |text: &String| {
        let whole = if text.contains('|') { text.clone() } else { format!("{ACT_CODE}|{text}") };
        Label::parse(&whole).ok_or_else(|| Refused(format!("`{text}` is not a label; write system|code, or SUD")))
    };
    texts.iter().map(one).collect()
}
