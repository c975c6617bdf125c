//! What independent conformance suites assert of an authorization server, group by group, against the real router and
//! a real store in a temporary folder. A test's name, or a row of its table, bears the ids of `docs/conformance.md`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

#[path = "../it/authority.rs"]
mod authority;
mod authority_of;
mod house;

mod as_asymmetric;
mod bs_backend;
mod co_cors;
mod d_discovery;
mod ehr_relay;
mod el_ehr_launch;
mod federation;
mod gp_gaps;
mod guessing;
mod in_introspection;
mod key_rotation;
mod link_codes;
mod mutual_tls;
mod negative;
mod ng_invalid;
mod oi_openid;
mod page;
mod pages;
mod pc_public;
mod pk_pkce;
mod product;
mod registration;
mod rf_refresh;
mod rv_revocation;
mod sc_scopes;
mod sealed_accounts;
mod sender_constrained;
mod sl_standalone;
mod step_up;
mod ud_udap;
