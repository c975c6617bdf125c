//! One file for each verb of the command line.

pub(crate) mod check;
pub(crate) mod records;
