//! Tests of the whole filter: short texts first, then the lessons, then everything at once against a naive twin.

mod bundles;
pub(crate) mod data;
mod described;
mod elements;
mod leaks;
mod lessons;
mod made;
mod oracle;
mod profiles;
mod streams;
mod strict;
pub(crate) mod support;
mod validated;
