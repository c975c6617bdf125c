//! Principal + what is asked + facts = permit or denial; the rules and their validation.
//!
//! The only room that says yes or no to anybody. It owns API, exposure, mode, organization, agreement, consent and
//! relation as values. Pure.

pub mod api;
pub mod decision;
pub mod elements;
pub mod facts;
pub mod party;

pub use api::{Api, ApiKind, Exposure, Mode};
pub use decision::{Asked, Condition, Denial, DenialReason, Narrowing, Permit, TotalRule, TypeNarrowing};
pub use elements::{ElementPath, Elements};
pub use facts::{Fact, Facts, Needs};
