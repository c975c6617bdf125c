//! The client's door: the request's walk, upstream connections, SMART endpoints over HTTP.

pub mod settings;

mod apis;
mod capability;
mod headers;
mod narrow;
mod outcome;
mod pages;
mod rewrite;
mod upstream;

pub use settings::{ApiSettings, Limits, Settings, UpstreamCredential, UpstreamSettings};
