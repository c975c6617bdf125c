//! What is said to the log about sign-ins, grants and keys. Ids only: no token, code, secret or password.

/// Something that an auditor wants to see. Each is durable before the answer leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmartEvent {
    /// Somebody signed in.
    SignedIn {
        /// Who.
        user: String,
        /// The session.
        session: String,
        /// `password`, `password+otp`, `passkey`, `sealed secret`, `federated`, …
        method: &'static str,
    },
    /// Somebody could not sign in.
    SignInRefused {
        /// Who, if the login is known.
        user: Option<String>,
        /// `unknown`, `password`, `disabled`, `throttled`, `otp`, `passkey`, `passkey-copied`, …
        because: &'static str,
    },
    /// A sealed emergency account was opened.
    SealBroken {
        /// The account.
        user: String,
        /// Whether a drill was announced.
        drill: bool,
    },
    /// An account was linked to a record by a code on paper.
    Linked {
        /// Whose account.
        user: String,
        /// The API.
        api: String,
        /// The patient there.
        patient: String,
        /// `self`, `parent`, …
        kind: String,
    },
    /// A code on paper was not accepted.
    LinkRefused {
        /// Who tried.
        user: String,
        /// `code`, `throttled`.
        because: &'static str,
    },
    /// Somebody signed out.
    SignedOut {
        /// Who.
        user: String,
        /// The session.
        session: String,
    },
    /// A person let an app in, and a code was issued.
    CodeIssued {
        /// Who.
        user: String,
        /// The app.
        client: String,
        /// The grant.
        grant: String,
        /// What was granted.
        scope: String,
        /// The patient in context.
        patient: Option<String>,
    },
    /// An authorization request was refused, by the person or by us.
    AuthorizationRefused {
        /// Who, if somebody had signed in.
        user: Option<String>,
        /// The app, if known.
        client: Option<String>,
        /// The OAuth error code.
        error: &'static str,
        /// The sentence.
        said: String,
    },
    /// Tokens were given.
    TokenIssued {
        /// The app.
        client: String,
        /// The user, if one stands behind it.
        user: Option<String>,
        /// The grant.
        grant: String,
        /// A name for the access token.
        token_id: String,
        /// `authorization_code`, `refresh_token`, `client_credentials`.
        grant_type: &'static str,
        /// What the token may.
        scope: String,
        /// Whether it is bound to a key or certificate.
        bound: bool,
    },
    /// Tokens were refused.
    TokenRefused {
        /// The app, if it named itself.
        client: Option<String>,
        /// The OAuth error code.
        error: &'static str,
        /// The sentence.
        said: String,
    },
    /// A code or refresh token was used twice; its grant was ended.
    Replayed {
        /// The app.
        client: String,
        /// The user, if one stands behind it.
        user: Option<String>,
        /// The grant.
        grant: String,
        /// `code`, `refresh_token`.
        what: &'static str,
    },
    /// A grant or token was ended.
    Revoked {
        /// Who did it: the user, or the client.
        by: String,
        /// The app whose it was.
        client: String,
        /// The user whose it was, if one stands behind it.
        user: Option<String>,
        /// The grant.
        grant: String,
    },
    /// A token was looked up by a resource server.
    Introspected {
        /// Who asked.
        by: String,
        /// The token's name, if it is active.
        token_id: Option<String>,
    },
    /// An EHR put a launch ready.
    LaunchMade {
        /// Who.
        by: String,
        /// The app to be launched.
        client: String,
        /// The patient in context.
        patient: Option<String>,
    },
    /// A provider said that somebody has left, and what they had here was ended.
    ProviderEnded {
        /// The provider's name.
        provider: String,
        /// `logout at provider`, `no longer at provider`.
        because: &'static str,
        /// Sessions that ended.
        sessions: usize,
        /// Grants that ended.
        grants: usize,
    },
    /// A signing key was made.
    KeyMade {
        /// Its `kid`.
        key: String,
        /// `RS256`, …
        algorithm: &'static str,
    },
    /// A clinician gave a reason, or opened emergency access.
    AccessOpened {
        /// Who.
        user: String,
        /// Through which client; `None` is a page of the bridge.
        client: Option<String>,
        /// `access-reason`, `emergency-access`.
        kind: &'static str,
        /// The API.
        api: String,
        /// The patient, if one is known.
        patient: Option<String>,
        /// The reason's code.
        reason: String,
        /// Whether the person has just proved themselves a second time.
        stepped_up: bool,
        /// Until when.
        until: String,
    },
    /// A client, user or registration was changed over HTTP.
    RecordChanged {
        /// Who did it.
        by: String,
        /// `client`, `user`, `second factor`, …
        what: &'static str,
        /// Its id.
        id: String,
    },
}

impl SmartEvent {
    /// A word for it, stable, for logs and queries.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SignedIn { .. } => "signed-in",
            Self::SignInRefused { .. } => "sign-in-refused",
            Self::SealBroken { .. } => "seal-broken",
            Self::Linked { .. } => "linked",
            Self::LinkRefused { .. } => "link-refused",
            Self::SignedOut { .. } => "signed-out",
            Self::CodeIssued { .. } => "code-issued",
            Self::AuthorizationRefused { .. } => "authorization-refused",
            Self::TokenIssued { .. } => "token-issued",
            Self::TokenRefused { .. } => "token-refused",
            Self::Replayed { .. } => "replayed",
            Self::Revoked { .. } => "revoked",
            Self::Introspected { .. } => "introspected",
            Self::LaunchMade { .. } => "launch-made",
            Self::ProviderEnded { .. } => "provider-ended",
            Self::KeyMade { .. } => "key-made",
            Self::AccessOpened { kind, .. } => kind,
            Self::RecordChanged { .. } => "record-changed",
        }
    }
}
