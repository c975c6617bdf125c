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
mod crash;
mod exchange;
mod mapped;
mod people;
mod policy_change;
mod reload;
mod roads;
mod support;
mod synthea;
mod visit;
mod walks;
mod witness;
