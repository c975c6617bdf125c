//! Who asks. The proof of this floor: only [`authenticate`] makes a [`Principal`].

use bascule_fhir::{Id, ResourceType, Timestamp};

use crate::Scopes;

/// What the door found about the presented token, as values. The door has compared digests and read the shelf;
/// whether it suffices is decided here.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The record of the presented access token; `None` if none was presented or none is known.
    pub token: Option<TokenRecord>,
    /// Whether any credential was presented at all (tells `401` without from `401` with `invalid_token`).
    pub presented: bool,
    /// The caller's network address, for the sealed part of the audit entry.
    pub address: String,
    /// The caller's `User-Agent`, for the sealed part of the audit entry, cut to a bound by the door.
    pub user_agent: String,
}

/// An access token as the shelf keeps it: never the token, only what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// A name for the token that is not the token (for audit and revocation).
    pub token_id: String,
    /// The OAuth client.
    pub client: String,
    /// The organization that owns the client, if recorded.
    pub organization: Option<String>,
    /// The APIs it is for (names from the inventory).
    pub apis: Vec<String>,
    /// What was granted.
    pub scopes: Scopes,
    /// Role names: the user's if there is a user, else the client's.
    pub roles: Vec<String>,
    /// The user, if one signed in.
    pub user: Option<String>,
    /// The user's own resource (`fhirUser`).
    pub fhir_user: Option<(ResourceType, Id)>,
    /// The patient in context.
    pub patient: Option<Id>,
    /// The encounter in context.
    pub encounter: Option<Id>,
    /// Purpose of use that the client stated when it asked for the token, if any (`HOPERAT`, `TREAT`, …).
    pub purpose: Option<String>,
    /// When it stops.
    pub expires: Timestamp,
    /// Whether token, client and user stand (not revoked, disabled, locked), as the shelf says now.
    pub active: bool,
    /// Where the token comes from, and whether a copy of it would be worth anything.
    pub origin: Origin,
}

/// Where a token comes from. The default is a bearer token of our own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The external issuer that made it; `None` for our own.
    pub issuer: Option<String>,
    /// Whether it is bound to a key or certificate that the caller proved to hold.
    pub bound: bool,
}

/// Why there is no principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// No credential at all.
    #[error("no access token was presented")]
    Missing,
    /// Unknown or malformed.
    #[error("the access token is not known here")]
    Unknown,
    /// Past its time.
    #[error("the access token has expired")]
    Expired,
    /// Revoked, or its client or user was disabled.
    #[error("the access token is no longer valid")]
    Revoked,
    /// For another API.
    #[error("the access token is for another API")]
    WrongAudience,
}

/// Who asks: a client, perhaps with a user, a role, a patient in context.
///
/// ```compile_fail
/// // Nobody outside this file can make one.
/// let forged = bascule_smart::Principal { token: todo!(), address: String::new(), user_agent: String::new() };
/// ```
#[derive(Debug, Clone)]
pub struct Principal {
    token: TokenRecord,
    address: String,
    user_agent: String,
}

/// Makes a principal of what the door found.
///
/// # Errors
/// [`Unauthenticated`], by the first thing that is amiss.
pub fn authenticate(credentials: Credentials, api: &str, now: Timestamp) -> Result<Principal, Unauthenticated> {
    let Credentials { token, presented, address, user_agent } = credentials;
    let Some(token) = token else {
        return Err(if presented { Unauthenticated::Unknown } else { Unauthenticated::Missing });
    };
    if !token.active {
        return Err(Unauthenticated::Revoked);
    }
    if token.expires <= now {
        return Err(Unauthenticated::Expired);
    }
    if !token.apis.iter().any(|name| name == api) {
        return Err(Unauthenticated::WrongAudience);
    }
    Ok(Principal { token, address, user_agent })
}

impl Principal {
    /// The OAuth client.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.token.client
    }

    /// The token's name (not the token).
    #[must_use]
    pub fn token_id(&self) -> &str {
        &self.token.token_id
    }

    /// The organization that owns the client.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.token.organization.as_deref()
    }

    /// The user, if one signed in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.token.user.as_deref()
    }

    /// The APIs that the token is for. The patient in context was chosen in the first; in another, the person is
    /// known by an identity link only.
    #[must_use]
    pub fn apis(&self) -> &[String] {
        &self.token.apis
    }

    /// Role names.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.token.roles
    }

    /// Granted scopes.
    #[must_use]
    pub const fn scopes(&self) -> &Scopes {
        &self.token.scopes
    }

    /// The patient in context.
    #[must_use]
    pub const fn patient(&self) -> Option<&Id> {
        self.token.patient.as_ref()
    }

    /// The encounter in context.
    #[must_use]
    pub const fn encounter(&self) -> Option<&Id> {
        self.token.encounter.as_ref()
    }

    /// The user's own resource.
    #[must_use]
    pub const fn fhir_user(&self) -> Option<&(ResourceType, Id)> {
        self.token.fhir_user.as_ref()
    }

    /// The external issuer of the token, if we did not make it.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.token.origin.issuer.as_deref()
    }

    /// Whether the token is bound to a key or certificate that the caller proved to hold.
    #[must_use]
    pub const fn is_sender_constrained(&self) -> bool {
        self.token.origin.bound
    }

    /// The purpose of use stated with the token.
    #[must_use]
    pub fn purpose(&self) -> Option<&str> {
        self.token.purpose.as_deref()
    }

    /// The caller's network address (a HIPAA identifier: sealed parts only).
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The caller's user agent (sealed parts only).
    #[must_use]
    pub fn user_agent(&self) -> &str {
        &self.user_agent
    }
}
