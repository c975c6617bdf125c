//! Consents that the chart keeps: read from the upstream of an API, kept on the shelf, and relied on no longer than the
//! configuration says.
//!
//! A Consent that is written through the bridge is read back before its writer is answered, and so acts on the next
//! request. One that is changed in the chart itself acts when it is next polled.

mod groups;
mod moment;
mod read;

pub use groups::{Groups, members, named};
pub(crate) use moment::{first_of, last_of};
pub use read::{Origin, Read, read};

/// The name of the feed of an API's consents, on the shelf.
#[must_use]
pub fn feed(api: &str) -> String {
    format!("consents of {api}")
}
