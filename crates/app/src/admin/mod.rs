//! Records are changed through one handler, by the running house or, if none runs, by the command that takes its lock.

mod act;
mod audit;
pub(crate) mod exchange;
pub(crate) mod filed;
pub(crate) mod http;
mod mode;
mod observed;
mod parties;
pub(crate) mod people;
pub(crate) mod policy;
pub(crate) mod records;
mod reviews;
pub(crate) mod socket;

pub(crate) use act::{Act, LogSubject, Outcome};
