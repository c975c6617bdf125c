//! The real binary, from outside: one test binary, so that it is linked once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test ends at its first surprise; the lints' own exemption ends at functions that are not tests themselves"
)]

mod audit;
mod bulk;
mod care;
mod crash;
mod exchange;
mod mapped;
mod masks;
mod observe;
mod panel;
mod people;
mod policy_change;
mod policy_load;
mod reload;
mod roads;
mod support;
mod synthea;
mod twenty_questions;
mod visit;
mod walks;
mod witness;
