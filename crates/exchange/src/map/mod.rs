//! From an HL7 v2 message to a FHIR R4 transaction, after HL7's *v2-to-FHIR* implementation guide.
//!
//! Two steps, with the world between them: [`needs`] says which patients and orders the message speaks of, the door looks them
//! up in the chart, [`map`] makes the transaction. A patient is found by identifier and never by name. Every resource has an
//! identifier of its sender's making and is written by a conditional update, so that the same message sent twice changes nothing.

mod admission;
mod appointment;
mod charge;
mod code;
mod document;
mod draft;
mod fault;
mod identifier;
mod immunization;
mod insurance;
mod medication;
mod merge;
mod note;
mod object;
mod order;
mod partner;
mod patient;
mod person;
mod provenance;
mod result;
mod value;
mod walk;

pub use draft::{Identity, Mapped};
pub use fault::MapFault;
pub use identifier::Identifier;
pub use partner::Partner;
pub use walk::{Known, Needs, map, needs};
