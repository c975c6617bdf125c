//! The one shelf: everything durable, one file per subject.
//!
//! Each subject's page says who is trusted with it: what an attacker who can rewrite it could do.

pub mod keys;
pub mod log;
