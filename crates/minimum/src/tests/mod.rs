//! Tests of the whole filter: short texts first, then the lessons, then everything at once against a naive twin.

mod bundles;
mod data;
mod elements;
mod leaks;
mod lessons;
mod made;
mod oracle;
mod streams;
pub(crate) mod support;
