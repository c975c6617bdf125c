//! Minimum necessary: lets out of a body only what a permit names, on the bytes as they pass.
//!
//! The way of a body: [`scan`] finds the ends of its strings and of its
//! whitespace, [`token`] reads on from there, [`machine`] takes it unit by unit (a Bundle's member or entry, a line,
//! a resource), [`walk`] holds each element against the [`mask`] that [`compile`] made of the grant, and [`slices`]
//! puts together what leaves. No document tree is built; what leaves are slices of what came.
//!
//! A resource is read to its end before any of it leaves. What cannot be read stays, whole.

mod absent;
mod bound;
mod bundle;
mod compile;
mod condition;
mod described;
mod fault;
mod filter;
mod gate;
mod keys;
mod limits;
mod lines;
mod log;
mod machine;
mod mask;
mod masking;
mod masks;
mod matches;
#[cfg(fuzzing)]
pub mod open;
mod plan;
mod pseudonym;
mod release;
mod released;
mod reply;
mod resource;
mod rewrite;
mod scan;
mod slices;
mod spelled;
mod table;
mod token;
mod trail;
mod value;
mod walk;
mod withheld;
mod zip;

#[cfg(test)]
mod tests;

pub use described::{Described, DescribedFault};
pub use filter::{Filter, Finished};
pub use limits::Limits;
pub use log::ReleasedResource;
pub use masking::Masking;
pub use masks::Masks;
pub use pseudonym::Pseudonyms;
pub use release::release;
pub use released::Released;
pub use reply::{Reply, Shape};
pub use rewrite::Rewrite;
pub use withheld::Withheld;
