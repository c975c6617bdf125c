//! Principal + what is asked + facts = permit or denial; the rules and their validation.
//!
//! The only room that says yes or no to anybody. It owns API, exposure, mode, organization, agreement, consent and
//! relation as values. Pure.

pub mod administer;
pub mod api;
pub mod call;
pub mod change;
pub mod decision;
pub mod describe;
pub mod diff;
pub mod elements;
pub mod explain;
pub mod facts;
pub mod fault;
pub mod label;
pub mod load;
pub mod mask;
pub mod observed;
pub mod party;
pub mod policy;
pub mod profile;
pub mod purpose;
pub mod read;
pub mod record;
pub mod rules;
pub mod shipped;
pub mod who_may;
pub mod write;

mod decide;
mod safety;
mod schema;
mod search;
mod table;

pub use api::{Api, ApiKind, Exposure, Mode};
pub use decide::Disclosure;
pub use decision::{
    Asked, Condition, Denial, DenialReason, Duty, Exemption, Lane, Narrowing, Permit, TotalRule, TypeNarrowing,
};
pub use elements::{ElementPath, Elements, Shown};
pub use facts::{Fact, Facts, Needs};
pub use label::Label;
pub use load::PolicyFile;
pub use mask::Mask;
pub use party::RecipientClass;
pub use policy::Policy;
pub use profile::{Profile, Treatment};
pub use safety::SAFETY_TYPES;
pub use schema::is_definition;
pub use write::WriteNarrowing;
