//! A token request: which grant, and whether the code or refresh token that it shows may be redeemed.

use bascule_fhir::Timestamp;

use crate::refusal::{OauthError, Refusal};
use crate::server::Server;
use crate::{AuthMethod, ClientMetadata, Context, GrantType, Parameters, Requested, Scope, Scopes, pkce};

/// What is asked of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRequest {
    /// Tokens for a code.
    Code {
        /// The code.
        code: String,
        /// The redirect URI of the authorization request.
        redirect_uri: Option<String>,
        /// The PKCE verifier.
        verifier: Option<String>,
    },
    /// New tokens for an old grant.
    Refresh {
        /// The refresh token.
        token: String,
        /// A narrower scope.
        scope: Option<String>,
    },
    /// A client's own access.
    ClientCredentials {
        /// What is asked.
        scope: Option<String>,
    },
}

impl TokenRequest {
    /// Reads a token request.
    ///
    /// # Errors
    /// `invalid_request`, `unsupported_grant_type`.
    pub fn read(parameters: &Parameters) -> Result<Self, Refusal> {
        if let Some(fault) = parameters.fault() {
            return Err(Refusal::request(fault));
        }
        let text = |name: &str| parameters.value(name).map(str::to_owned);
        let needed = |name: &str| text(name).ok_or_else(|| Refusal::request(format!("`{name}` is missing")));
        match GrantType::parse(&needed("grant_type")?) {
            Some(GrantType::AuthorizationCode) => Ok(Self::Code {
                code: needed("code")?,
                redirect_uri: text("redirect_uri"),
                verifier: text("code_verifier"),
            }),
            Some(GrantType::RefreshToken) => {
                Ok(Self::Refresh { token: needed("refresh_token")?, scope: text("scope") })
            }
            Some(GrantType::ClientCredentials) => Ok(Self::ClientCredentials { scope: text("scope") }),
            None => Err(Refusal::new(
                OauthError::UnsupportedGrantType,
                "`grant_type` must be `authorization_code`, `refresh_token` or `client_credentials`",
            )),
        }
    }

    /// Its grant type.
    #[must_use]
    pub const fn grant_type(&self) -> GrantType {
        match self {
            Self::Code { .. } => GrantType::AuthorizationCode,
            Self::Refresh { .. } => GrantType::RefreshToken,
            Self::ClientCredentials { .. } => GrantType::ClientCredentials,
        }
    }
}

/// Whether the client may use this grant type at all.
///
/// # Errors
/// `unauthorized_client`.
pub fn may_use(metadata: &ClientMetadata, grant: GrantType) -> Result<(), Refusal> {
    if metadata.grant_types.contains(&grant) {
        return Ok(());
    }
    let said = format!("this client is not registered for `{}`", grant.name());
    Err(Refusal::new(OauthError::UnauthorizedClient, said))
}

/// A code as the shelf knows it, reduced to what decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeFacts<'a> {
    /// To whom it was given.
    pub client: &'a str,
    /// Where it was sent.
    pub redirect_uri: &'a str,
    /// The PKCE challenge.
    pub challenge: &'a str,
    /// The key to which it is bound.
    pub dpop_key: Option<&'a str>,
    /// When it stops.
    pub expires: Timestamp,
    /// Whether it was redeemed.
    pub used: bool,
    /// Whether its grant was ended.
    pub ended: bool,
}

/// Why a code or refresh token is not redeemed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRedeemed {
    /// Only that.
    Refused(Refusal),
    /// It was used before, by the client whose it is: everything given for it must be ended.
    Replayed(Refusal),
}

impl From<Refusal> for NotRedeemed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Whether a code may be redeemed by this client with this request.
///
/// # Errors
/// [`NotRedeemed`].
pub fn check_code(
    facts: &CodeFacts<'_>,
    client: &str,
    redirect_uri: Option<&str>,
    verifier: Option<&str>,
    dpop_key: Option<&str>,
    now: Timestamp,
) -> Result<(), NotRedeemed> {
    let unknown = || Refusal::grant("the code is not known, or has expired");
    if facts.client != client {
        return Err(unknown().into());
    }
    if facts.used {
        return Err(NotRedeemed::Replayed(Refusal::grant("the code was used before; what was given for it is ended")));
    }
    if facts.expires <= now || facts.ended {
        return Err(unknown().into());
    }
    match redirect_uri {
        Some(uri) if uri == facts.redirect_uri => {}
        Some(_) => return Err(Refusal::grant("`redirect_uri` is not the one of the authorization request").into()),
        None => return Err(Refusal::request("`redirect_uri` is missing").into()),
    }
    if facts.dpop_key.is_some() && facts.dpop_key != dpop_key {
        return Err(Refusal::new(OauthError::InvalidDpopProof, "the code is bound to another DPoP key").into());
    }
    if facts.challenge.is_empty() {
        // A UDAP app that began without PKCE: a verifier now would be somebody else's.
        return match verifier {
            None => Ok(()),
            Some(_) => Err(Refusal::grant("`code_verifier` does not belong to this code").into()),
        };
    }
    pkce::verify(verifier, facts.challenge).map_err(|error| Refusal::grant(error.to_string()).into())
}

/// A refresh token as the shelf knows it, reduced to what decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshFacts<'a> {
    /// To whom it was given.
    pub client: &'a str,
    /// When it stops.
    pub expires: Timestamp,
    /// When it was used.
    pub used: Option<Timestamp>,
    /// Whether its grant was ended, or its user may no longer act.
    pub ended: bool,
}

/// Whether a refresh token may be used by this client.
///
/// # Errors
/// [`NotRedeemed`].
pub fn check_refresh(
    facts: &RefreshFacts<'_>,
    client: &str,
    server: &Server,
    now: Timestamp,
) -> Result<(), NotRedeemed> {
    let unknown = || Refusal::grant("the refresh token is not known, or is no longer valid");
    if facts.client != client {
        return Err(unknown().into());
    }
    if let Some(used) = facts.used {
        let grace = used.plus_seconds(server.lifetimes.reuse_grace_seconds);
        return Err(if now < grace {
            Refusal::grant("the refresh token was just used: use the one that came in its place").into()
        } else {
            NotRedeemed::Replayed(Refusal::grant("the refresh token was used before; the grant is ended"))
        });
    }
    if facts.ended || facts.expires <= now {
        return Err(unknown().into());
    }
    Ok(())
}

/// The scopes of the access token at a refresh: all of the grant, or the part that is asked.
///
/// # Errors
/// `invalid_scope` if something is asked that was not granted.
pub fn narrowed(granted: &Scopes, asked: Option<&str>) -> Result<Scopes, Refusal> {
    let Some(asked) = asked else { return Ok(granted.clone()) };
    let invalid = |said: &str| Refusal::new(OauthError::InvalidScope, said);
    let asked: Scopes = asked.parse().map_err(|_| invalid("`scope` holds a word that is no scope"))?;
    if asked.is_empty() || !asked.is_within(granted) {
        return Err(invalid("`scope` goes beyond what was granted"));
    }
    Ok(asked)
}

/// What of a backend's request can be granted: `system/` scopes within its registration. Writing is granted only if
/// its registration says so; a request for nothing but what is not allowed is refused.
///
/// # Errors
/// `invalid_scope` if nothing is left.
pub fn backend_scopes(metadata: &ClientMetadata, asked: Option<&str>) -> Result<Scopes, Refusal> {
    let invalid = |said: String| Refusal::new(OauthError::InvalidScope, said);
    if asked.is_none() && metadata.udap.is_some() {
        // UDAP B2B: without a scope, all that is registered.
        let all = metadata.scope.only(|scope| matches!(scope, Scope::Resource { context: Context::System, .. }));
        return if all.is_empty() { Err(invalid("this client has no system scope".into())) } else { Ok(all) };
    }
    let asked = asked.ok_or_else(|| invalid("`scope` is missing".into()))?;
    let requested = Requested::parse(asked).map_err(|error| invalid(error.to_string()))?;
    let system = |scope: &Scope| {
        matches!(scope, Scope::Resource { context: Context::System, .. } | Scope::OrchestrateLaunch | Scope::Provision)
    };
    let granted = requested.scopes.only(system).intersect(&metadata.scope);
    if granted.is_empty() {
        let may = metadata.scope.only(system);
        return Err(invalid(format!("none of the scopes asked for can be granted; this client may ask for: {may}")));
    }
    Ok(granted)
}

/// Whether a client that proves nothing is one that may: a public one.
#[must_use]
pub fn is_public(metadata: &ClientMetadata) -> bool {
    metadata.auth_method == AuthMethod::None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn facts() -> CodeFacts<'static> {
        CodeFacts {
            client: "app",
            redirect_uri: "https://app.example/back",
            challenge: CHALLENGE,
            dpop_key: None,
            expires: NOW.plus_seconds(1),
            used: false,
            ended: false,
        }
    }

    fn redeem(facts: &CodeFacts<'_>, client: &str, uri: Option<&str>, verifier: Option<&str>) -> &'static str {
        match check_code(facts, client, uri, verifier, None, NOW) {
            Ok(()) => "given",
            Err(NotRedeemed::Replayed(_)) => "replayed",
            Err(NotRedeemed::Refused(refusal)) => refusal.error.code(),
        }
    }

    #[test]
    fn a_code_is_redeemed_by_its_client_with_its_address_and_verifier() {
        let (uri, verifier) = (Some("https://app.example/back"), Some(VERIFIER));
        assert_eq!(redeem(&facts(), "app", uri, verifier), "given");
        assert_eq!(redeem(&facts(), "other", uri, verifier), "invalid_grant");
        assert_eq!(redeem(&facts(), "app", Some("https://app.example/other"), verifier), "invalid_grant");
        assert_eq!(redeem(&facts(), "app", None, verifier), "invalid_request");
        assert_eq!(redeem(&facts(), "app", uri, None), "invalid_grant");
        assert_eq!(redeem(&facts(), "app", uri, Some(CHALLENGE)), "invalid_grant");
        assert_eq!(redeem(&CodeFacts { expires: NOW, ..facts() }, "app", uri, verifier), "invalid_grant");
        assert_eq!(redeem(&CodeFacts { ended: true, ..facts() }, "app", uri, verifier), "invalid_grant");
        assert_eq!(redeem(&CodeFacts { dpop_key: Some("k"), ..facts() }, "app", uri, verifier), "invalid_dpop_proof");
    }

    #[test]
    fn gp_11_a_used_code_ends_what_it_gave_but_only_for_its_own_client() {
        let used = CodeFacts { used: true, ..facts() };
        let (uri, verifier) = (Some("https://app.example/back"), Some(VERIFIER));
        assert_eq!(redeem(&used, "app", uri, verifier), "replayed");
        assert_eq!(redeem(&used, "other", uri, verifier), "invalid_grant");
    }

    #[test]
    fn a_refresh_token_used_twice_ends_the_grant_after_a_short_grace() {
        let server = Server::new("https://bridge.example", vec![]);
        let check = |used: Option<i64>, client: &str, ended: bool| {
            let facts = RefreshFacts {
                client: "app",
                expires: NOW.plus_seconds(1),
                used: used.map(|ago| NOW.plus_seconds(-ago)),
                ended,
            };
            match check_refresh(&facts, client, &server, NOW) {
                Ok(()) => "given",
                Err(NotRedeemed::Replayed(_)) => "replayed",
                Err(NotRedeemed::Refused(_)) => "refused",
            }
        };
        assert_eq!(check(None, "app", false), "given");
        assert_eq!(check(None, "app", true), "refused");
        assert_eq!(check(None, "other", false), "refused");
        assert_eq!(check(Some(3), "app", false), "refused");
        assert_eq!(check(Some(10), "app", false), "replayed");
        assert_eq!(check(Some(10), "other", false), "refused");
    }

    #[test]
    fn gp_13_a_refresh_narrows_and_never_widens() {
        let granted: Scopes = "openid patient/*.rs offline_access".parse().unwrap();
        let narrow = |asked| narrowed(&granted, asked).map(|scopes| scopes.to_string()).map_err(|r| r.error.code());
        assert_eq!(narrow(None).as_deref(), Ok("openid patient/*.rs offline_access"));
        assert_eq!(narrow(Some("patient/Observation.r")).as_deref(), Ok("patient/Observation.r"));
        assert_eq!(narrow(Some("patient/*.cruds")), Err("invalid_scope"));
        assert_eq!(narrow(Some("user/*.rs")), Err("invalid_scope"));
        assert_eq!(narrow(Some("nonsense")), Err("invalid_scope"));
    }

    #[test]
    fn bt_7_to_bt_13_backend_scopes() {
        let value = json!({"grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": []}, "scope": "system/*.rs"});
        let metadata = ClientMetadata::parse(&value).unwrap();
        let ask = |scope| backend_scopes(&metadata, scope).map(|s| s.to_string()).map_err(|r| r.error.code());
        assert_eq!(ask(None), Err("invalid_scope"));
        assert_eq!(ask(Some("launch fhirUser")), Err("invalid_scope"));
        assert_eq!(ask(Some("system/*.read")).as_deref(), Ok("system/*.read"));
        assert_eq!(ask(Some("system/*.rs")).as_deref(), Ok("system/*.rs"));
        assert_eq!(ask(Some("system/*.unknown")), Err("invalid_scope"));
        assert_eq!(ask(Some("system/Unknown.rs")), Err("invalid_scope"));
        for write in ["system/*.write", "system/*.c", "system/*.u", "system/*.d", "system/*.cud", "system/Patient.cu"] {
            assert_eq!(ask(Some(write)), Err("invalid_scope"), "{write}");
        }
        assert_eq!(ask(Some("system/*.*")).as_deref(), Ok("system/*.read"));
        assert_eq!(
            ask(Some("system/Patient.read system/Group.rs system/Nothing.rs patient/*.rs")).as_deref(),
            Ok("system/Patient.read system/Group.rs")
        );
    }

    #[test]
    fn a_token_request_is_read_or_refused() {
        let read = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            TokenRequest::read(&Parameters::of(pairs)).map_err(|refusal| refusal.error.code())
        };
        assert_eq!(read(&[]), Err("invalid_request"));
        assert_eq!(read(&[("grant_type", "not_a_grant_type")]), Err("unsupported_grant_type"));
        assert_eq!(read(&[("grant_type", "password")]), Err("unsupported_grant_type"));
        assert_eq!(read(&[("grant_type", "authorization_code")]), Err("invalid_request"));
        assert_eq!(read(&[("grant_type", "refresh_token")]), Err("invalid_request"));
        assert_eq!(
            read(&[("grant_type", "refresh_token"), ("refresh_token", "a"), ("refresh_token", "b")]),
            Err("invalid_request")
        );
        assert!(read(&[("grant_type", "client_credentials")]).is_ok());
    }
}
