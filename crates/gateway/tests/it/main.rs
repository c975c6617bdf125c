//! The whole walk in one process: real policy, shelf and log in a temporary folder, and a toy upstream that answers more
//! than it was asked, so that nothing but the bridge keeps anything back.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first fault, and says where"
)]

mod authority;
mod batch;
mod bound;
mod bulk;
mod conditional;
mod door;
mod emergency;
mod faults;
mod feeds;
mod floods;
mod house;
mod identity;
mod leak_hunt;
mod lessons;
mod oracle;
mod outbound;
mod pages;
mod patient;
mod public;
mod reading;
mod refill;
mod safety;
mod scheduler;
mod stream;
mod thousands;
mod upstream;
mod writes;
