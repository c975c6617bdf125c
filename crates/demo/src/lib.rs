//! The other bank, peopled: a synthetic hospital and a patient's portal.
//!
//! Nothing here knows the bridge from inside; the portal speaks to it over the wire like anybody. The hospital is pure:
//! a seed and an anchor date give the same bytes on every machine.

pub mod cast;
pub mod hospital;
pub mod portal;

pub use hospital::{Hospital, Seed};
pub use portal::{Portal, PortalSettings};
