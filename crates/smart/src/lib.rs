//! SMART on FHIR and OAuth 2.0 as values: scopes, grants, tokens, PKCE, discovery document.
//!
//! Pure: no socket, clock, store or randomness. A door brings facts as values; `authenticate` makes of
//! them a [`Principal`], the only maker of one.

pub mod as_client;
pub mod authorize;
pub mod binding;
pub mod client;
pub mod client_auth;
pub mod consent;
pub mod discovery;
pub mod dpop;
pub mod event;
pub mod external;
pub mod federation;
pub mod grant;
pub mod id_token;
pub mod jose;
pub mod parameters;
pub mod pkce;
pub mod principal;
pub mod refusal;
pub mod scope;
pub mod server;
pub mod tls_auth;
pub mod token_request;
pub mod token_response;
pub mod totp;
pub mod udap;

pub use binding::{Binding, HeldToken, NotPossessed, Possession, Scheme};
pub use client::{AuthMethod, ClientMetadata, GrantType, MetadataError};
pub use event::SmartEvent;
pub use grant::{Grant, LaunchContext};
pub use parameters::Parameters;
pub use principal::{Credentials, Origin, Principal, TokenRecord, Unauthenticated, authenticate};
pub use refusal::{OauthError, Refusal};
pub use scope::{Context, Requested, Rights, Scope, Scopes};
pub use server::{ApiBase, Lifetimes, Server};
