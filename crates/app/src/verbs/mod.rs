//! One file for each verb of the command line.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod client_key;
pub(crate) mod demo_data;
pub(crate) mod ehr;
mod evidence;
pub(crate) mod exchange;
pub(crate) mod explain;
mod filed;
pub(crate) mod policy;
pub(crate) mod records;
mod records_remote;
pub(crate) mod review;
pub(crate) mod serve;
