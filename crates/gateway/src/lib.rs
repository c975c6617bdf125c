//! The client's door: the request's walk, upstream connections, SMART endpoints over HTTP.

pub mod settings;
pub mod smart;

pub use settings::{ApiSettings, Limits, Settings, UpstreamCredential, UpstreamSettings};
