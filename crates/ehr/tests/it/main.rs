//! The server as a client sees it: requests through its router, answers as JSON.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod examples;
mod interactions;
mod linked;
mod loading;
mod modifiers;
mod naive;
mod operations;
mod outcomes;
mod paging;
mod search;
mod support;
mod transaction;
