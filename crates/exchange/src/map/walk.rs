//! The way of a message through the mapping: what it needs to know, and what it becomes.

use std::collections::BTreeMap;

use bascule_hl7::Message;
use serde_json::Value;

use super::draft::{Draft, Mapped};
use super::fault::{MapFault, content};
use super::identifier::{Identifier, of_cx, of_ei};
use super::partner::Partner;
use super::{
    admission, appointment, charge, document, immunization, medication, merge, order, patient, provenance, result,
};

/// What a message speaks of and the chart may already have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// PID-3, and PID-2 if PID-3 is empty; any of them finds the patient.
    pub patient: Vec<Identifier>,
    /// MRG-1: the patient that is merged into the first.
    pub merged: Vec<Identifier>,
    /// Orders that results and documents answer: placer's and filler's numbers.
    pub orders: Vec<Identifier>,
}

/// What the chart has of it.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The one patient with one of the identifiers, as the chart has it.
    pub patient: Option<Value>,
    /// The one patient that is merged into it.
    pub merged: Option<Value>,
    /// References to orders, by number: `ServiceRequest/7`.
    pub orders: BTreeMap<Identifier, String>,
}

/// What must be looked up before `map`.
///
/// # Errors
/// `Kind` if no mapping is written for it; `Content` if it names no patient.
pub fn needs(message: &Message<'_>, partner: &Partner) -> Result<Needs, MapFault> {
    family(message)?;
    let pid = message.first("PID").ok_or(content("PID", "the message has no PID segment; say whom it concerns"))?;
    let mut patient = of_cx(pid.field(3), partner);
    if patient.is_empty() {
        patient = of_cx(pid.field(2), partner);
    }
    if patient.is_empty() {
        return Err(content("PID-3", "no identifier; send the patient's number and who gave it"));
    }
    let merged = message.first("MRG").map(|mrg| of_cx(mrg.field(1), partner)).unwrap_or_default();
    Ok(Needs { patient, merged, orders: orders(message, partner) })
}

fn orders(message: &Message<'_>, partner: &Partner) -> Vec<Identifier> {
    let numbered = |name| message.segments().iter().filter(move |segment| segment.name() == name);
    let mut all: Vec<Identifier> = numbered("ORC")
        .chain(numbered("OBR"))
        .flat_map(|segment| [of_ei(segment.field(2), partner, "placer"), of_ei(segment.field(3), partner, "filler")])
        .flatten()
        .collect();
    all.sort();
    all.dedup();
    all
}

/// The transaction that a message becomes.
///
/// # Errors
/// As `needs`; `UnknownPatient` if the chart lacks the patient and the message does not admit one; `Content` with the place.
pub fn map(message: &Message<'_>, partner: &Partner, known: &Known) -> Result<Mapped, MapFault> {
    let family = family(message)?;
    needs(message, partner)?;
    let mut draft = Draft::new(partner, &message.encode());
    let subject = match family {
        Family::Admission => patient::admitted(message, known, &mut draft)?,
        _ => patient::referred(message, known, &mut draft)?,
    };
    match family {
        Family::Admission => admission::map(message, &subject, &mut draft)?,
        Family::Merge => merge::map(message, known, &mut draft)?,
        Family::Order => order::map(message, &subject, &mut draft)?,
        Family::Result => result::map(message, &subject, known, &mut draft)?,
        Family::Document => document::map(message, &subject, known, &mut draft)?,
        Family::Schedule => appointment::map(message, &subject, &mut draft)?,
        Family::Charge => charge::map(message, &subject, &mut draft)?,
        Family::Immunization => immunization::map(message, &subject, &mut draft)?,
        Family::Prescription => medication::requests(message, &subject, &mut draft)?,
        Family::Dispense => medication::dispenses(message, &subject, &mut draft)?,
    }
    provenance::write(message, &mut draft)?;
    Ok(draft.finish(message.segments().iter().map(|segment| segment.name().to_owned())))
}

enum Family {
    Admission,
    Merge,
    Order,
    Result,
    Document,
    Schedule,
    Charge,
    Immunization,
    Prescription,
    Dispense,
}

fn family(message: &Message<'_>) -> Result<Family, MapFault> {
    let kind = message.kind()?;
    Ok(match (kind.code.as_str(), kind.event.as_str()) {
        ("ADT", "A34" | "A40") => Family::Merge,
        (
            "ADT",
            "A01" | "A02" | "A03" | "A04" | "A05" | "A06" | "A07" | "A08" | "A11" | "A12" | "A13" | "A28" | "A31",
        ) => Family::Admission,
        ("ORM" | "OML" | "OMG" | "OMI", _) => Family::Order,
        ("ORU" | "OUL", _) => Family::Result,
        ("MDM", _) => Family::Document,
        ("SIU", "S12" | "S13" | "S14" | "S15" | "S16" | "S17" | "S26") => Family::Schedule,
        ("DFT", _) => Family::Charge,
        ("VXU", _) => Family::Immunization,
        ("RDE", _) => Family::Prescription,
        ("RDS", _) => Family::Dispense,
        _ => return Err(MapFault::Kind { kind: kind.to_string() }),
    })
}
