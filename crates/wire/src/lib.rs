//! The door-kit: bodies, TLS, listeners with their limits, and the pooled client.
//!
//! Generics end here: what passes between doors is `Request<Body>` and `Response<Body>`. It knows no policy, no
//! FHIR and no log; whoever listens or asks upstream brings those.

pub mod body;
pub mod client;
mod connector;
pub mod dial;
pub mod inflate;
pub mod serve;
mod stall;
pub mod streams;
pub mod tls;

pub use body::{Body, BodyError, boxed, collect, empty, full};
pub use client::{Client, ClientError, ClientSettings, Identity};
pub use dial::{Dialer, accept_tls};
pub use inflate::inflate;
pub use serve::{ListenLimits, Peer, serve};
pub use streams::{Stream, StreamLimits, serve_streams};
pub use tls::{ReloadableTls, TlsError, TlsFiles};
