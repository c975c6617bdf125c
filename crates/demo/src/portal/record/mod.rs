//! FHIR resources as what a person wants to read. Pure: values in, plain words out; what is missing is left out.

mod appointments;
mod documents;
mod health;
mod looks;
mod medicines;
mod messages;
mod patient;
mod read;
mod results;

pub(super) use appointments::{Appointment, Status, appointment, appointments};
pub(super) use documents::{Attachment, Document, attachment, document, documents};
pub(super) use health::{Allergy, Condition, Vaccine, allergies, conditions, vaccines};
pub(super) use looks::{Look, Looks, looks};
pub(super) use medicines::{Medicine, medicines};
pub(super) use messages::{Message, TOPIC_SYSTEM, TOPICS, messages};
pub(super) use patient::{Patient, patient};
pub(super) use results::{Flag, Point, Range, Series, series};
