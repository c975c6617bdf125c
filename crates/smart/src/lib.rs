//! SMART on FHIR and OAuth 2.0 as values: scopes, grants, tokens, PKCE, discovery document.
//!
//! Pure: no socket, clock, store or randomness. A door brings facts as values; `authenticate` makes of
//! them a [`Principal`], the only maker of one.

pub mod binding;
pub mod client;
pub mod grant;
pub mod jose;
pub mod principal;
pub mod scope;

pub use binding::{Binding, HeldToken, NotPossessed, Possession, Scheme};
pub use client::{AuthMethod, ClientMetadata, GrantType, MetadataError};
pub use grant::{Grant, LaunchContext};
pub use principal::{Credentials, Principal, TokenRecord, Unauthenticated, authenticate};
pub use scope::{Context, Rights, Scope, Scopes};
