//! An OAuth client's metadata, as RFC 7591 writes it, and what we add (members that begin with `bascule_`).

use serde_json::{Map, Value, json};
use url::Url;

use crate::jose::SigningAlgorithm;
use crate::scope::ScopeError;
use crate::tls_auth::TlsName;
use crate::{Scope, Scopes};

/// Redirect URIs, origins, contacts: entries in one list.
const LIST_ENTRIES_MAX: usize = 64;
/// Bytes of one text member.
const TEXT_BYTES_MAX: usize = 2_048;

/// How a client proves itself at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// A public client: only its redirect URI and PKCE.
    None,
    /// A secret in HTTP Basic.
    SecretBasic,
    /// A secret in the form.
    SecretPost,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
    /// A certificate of an authority, by its name (RFC 8705 section 2.1).
    TlsClientAuth,
    /// A certificate that is registered itself (RFC 8705 section 2.2).
    SelfSignedTlsClientAuth,
}

impl AuthMethod {
    /// All of them, in the order in which discovery names them.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::SecretBasic,
        Self::SecretPost,
        Self::PrivateKeyJwt,
        Self::TlsClientAuth,
        Self::SelfSignedTlsClientAuth,
    ];

    /// The name of RFC 7591.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SecretBasic => "client_secret_basic",
            Self::SecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
        }
    }

    /// The method of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether a shared secret is its proof.
    #[must_use]
    pub const fn uses_secret(self) -> bool {
        matches!(self, Self::SecretBasic | Self::SecretPost)
    }
}

/// What a client may ask the token endpoint for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantType {
    /// `authorization_code`
    AuthorizationCode,
    /// `refresh_token`
    RefreshToken,
    /// `client_credentials`
    ClientCredentials,
}

impl GrantType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials];

    /// The name of RFC 6749.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }

    /// The grant type of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.name() == name)
    }
}

/// Why metadata is refused. Each names the member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Not a JSON object.
    #[error("client metadata is a JSON object (RFC 7591 section 2)")]
    NotAnObject,
    /// A member of the wrong type, too long or too many.
    #[error("`{member}`: {expected}")]
    Member {
        /// Its name.
        member: String,
        /// What should stand there.
        expected: String,
    },
    /// A redirect URI that we never redirect to.
    #[error("`redirect_uris`: `{uri}`: {reason}")]
    RedirectUri {
        /// As given.
        uri: String,
        /// Why not.
        reason: String,
    },
    /// Members that contradict one another.
    #[error("{0}")]
    Contradiction(String),
}

impl MetadataError {
    /// The error code of RFC 7591 section 3.2.2.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RedirectUri { .. } => "invalid_redirect_uri",
            _ => "invalid_client_metadata",
        }
    }
}

/// A client's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientMetadata {
    /// Shown to people.
    pub client_name: String,
    /// Where codes may be sent; compared exactly.
    pub redirect_uris: Vec<String>,
    /// How it proves itself.
    pub auth_method: AuthMethod,
    /// What it may ask for.
    pub grant_types: Vec<GrantType>,
    /// The most that it may be granted.
    pub scope: Scopes,
    /// Its public keys, a JWK set, by value.
    pub jwks: Option<Value>,
    /// Its public keys, by address.
    pub jwks_uri: Option<String>,
    /// Where an EHR launches it.
    pub launch_uri: Option<String>,
    /// Its home page.
    pub client_uri: Option<String>,
    /// A picture.
    pub logo_uri: Option<String>,
    /// Whom to call.
    pub contacts: Vec<String>,
    /// Its terms.
    pub tos_uri: Option<String>,
    /// Its privacy policy.
    pub policy_uri: Option<String>,
    /// Where a browser may be sent after logout; compared exactly.
    pub post_logout_redirect_uris: Vec<String>,
    /// RFC 9449: its tokens must be bound to a key.
    pub dpop_bound: bool,
    /// RFC 8705: its tokens must be bound to its certificate.
    pub certificate_bound: bool,
    /// RFC 8705: the name that its certificate must bear.
    pub tls_name: Option<TlsName>,
    /// What its id_tokens are signed with.
    pub id_token_algorithm: SigningAlgorithm,
    /// The URI that its UDAP certificate must bear.
    pub udap: Option<String>,
    /// Whether it may go without PKCE; only a UDAP app that its community lets.
    pub pkce_optional: bool,
    /// RFC 9126: it must push its authorization requests.
    pub pushed_only: bool,
    /// Browser origins that may read our answers.
    pub origins: Vec<String>,
    /// Names of APIs that it may reach; empty is all that the server offers it.
    pub apis: Vec<String>,
    /// Role names for its own access (`client_credentials`).
    pub roles: Vec<String>,
    /// Purpose of use of its own access.
    pub purpose: Option<String>,
    /// Whether a person is asked for consent; an app of the house itself may go without.
    pub consent: bool,
    /// Whether it is a resource server that may introspect tokens of other clients.
    pub introspects: bool,
    /// Members that we do not know; registration ignores them, an administrator is told.
    pub unknown: Vec<String>,
}

impl ClientMetadata {
    /// Reads RFC 7591 metadata.
    ///
    /// # Errors
    /// [`MetadataError`], naming the member.
    pub fn parse(value: &Value) -> Result<Self, MetadataError> {
        let mut members = Members(value.as_object().cloned().ok_or(MetadataError::NotAnObject)?);
        let redirect_uris = members.texts("redirect_uris")?;
        redirect_uris.iter().try_for_each(|uri| redirect_uri(uri))?;
        let auth_method = match members.text("token_endpoint_auth_method")? {
            None => AuthMethod::SecretBasic,
            Some(name) => AuthMethod::parse(&name)
                .ok_or_else(|| wrong("token_endpoint_auth_method", "a method that discovery names"))?,
        };
        let grant_types = members.grant_types()?;
        members.response_types()?;
        let scope = members.scope()?;
        let jwks = members.key_set()?;
        let metadata = Self {
            client_name: members.text("client_name")?.unwrap_or_default(),
            redirect_uris,
            auth_method,
            grant_types,
            scope,
            jwks,
            jwks_uri: members.web_uri("jwks_uri")?,
            launch_uri: members.web_uri("initiate_login_uri")?,
            client_uri: members.web_uri("client_uri")?,
            logo_uri: members.web_uri("logo_uri")?,
            contacts: members.texts("contacts")?,
            tos_uri: members.web_uri("tos_uri")?,
            policy_uri: members.web_uri("policy_uri")?,
            post_logout_redirect_uris: members.texts("post_logout_redirect_uris")?,
            dpop_bound: members.flag("dpop_bound_access_tokens", false)?,
            certificate_bound: members.flag("tls_client_certificate_bound_access_tokens", false)?,
            tls_name: members.tls_name()?,
            id_token_algorithm: members.id_token_algorithm()?,
            udap: members.text("bascule_udap")?,
            pkce_optional: members.flag("bascule_pkce_optional", false)?,
            pushed_only: members.flag("require_pushed_authorization_requests", false)?,
            origins: members.origins()?,
            apis: members.texts("bascule_apis")?,
            roles: members.texts("bascule_roles")?,
            purpose: members.text("bascule_purpose")?,
            consent: members.flag("bascule_consent", true)?,
            introspects: members.flag("bascule_introspects", false)?,
            unknown: members.rest(),
        };
        metadata.check()?;
        Ok(metadata)
    }

    fn check(&self) -> Result<(), MetadataError> {
        let no = |text: &str| Err(MetadataError::Contradiction(text.to_owned()));
        let code = self.grant_types.contains(&GrantType::AuthorizationCode);
        if code && self.redirect_uris.is_empty() {
            return no("`authorization_code` needs at least one entry in `redirect_uris`");
        }
        if self.auth_method == AuthMethod::None && self.grant_types.contains(&GrantType::ClientCredentials) {
            return no("a public client cannot use `client_credentials`: choose `private_key_jwt`");
        }
        let by_key = matches!(self.auth_method, AuthMethod::PrivateKeyJwt | AuthMethod::SelfSignedTlsClientAuth);
        if by_key && self.udap.is_none() && self.jwks.is_none() && self.jwks_uri.is_none() {
            return no("this `token_endpoint_auth_method` needs `jwks` or `jwks_uri`");
        }
        if self.udap.is_some() && self.auth_method != AuthMethod::PrivateKeyJwt {
            return no("a UDAP client proves itself by `private_key_jwt` with its certificate");
        }
        if self.pkce_optional && self.udap.is_none() {
            return no("only a UDAP app may go without PKCE");
        }
        if (self.auth_method == AuthMethod::TlsClientAuth) != self.tls_name.is_some() {
            return no("`tls_client_auth` needs exactly one `tls_client_auth_…` member (RFC 8705 section 2.1.2)");
        }
        if self.jwks.is_some() && self.jwks_uri.is_some() {
            return no("give `jwks` or `jwks_uri`, not both (RFC 7591 section 2)");
        }
        Ok(())
    }

    /// As RFC 7591 JSON, with our members; what is empty or the default is left out.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| {
            let empty = match &value {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Array(list) => list.is_empty(),
                _ => false,
            };
            if !empty {
                out.insert(name.to_owned(), value);
            }
        };
        let code = self.grant_types.contains(&GrantType::AuthorizationCode);
        put("client_name", json!(self.client_name));
        put("redirect_uris", json!(self.redirect_uris));
        put("token_endpoint_auth_method", json!(self.auth_method.name()));
        put("grant_types", json!(self.grant_types.iter().map(|grant| grant.name()).collect::<Vec<_>>()));
        put("response_types", json!(if code { vec!["code"] } else { vec![] }));
        put("scope", json!(self.scope.to_string()));
        put("jwks", self.jwks.clone().unwrap_or_default());
        put("jwks_uri", json!(self.jwks_uri));
        put("initiate_login_uri", json!(self.launch_uri));
        put("client_uri", json!(self.client_uri));
        put("logo_uri", json!(self.logo_uri));
        put("contacts", json!(self.contacts));
        put("tos_uri", json!(self.tos_uri));
        put("policy_uri", json!(self.policy_uri));
        put("post_logout_redirect_uris", json!(self.post_logout_redirect_uris));
        put("dpop_bound_access_tokens", if self.dpop_bound { json!(true) } else { Value::Null });
        put(
            "tls_client_certificate_bound_access_tokens",
            if self.certificate_bound { json!(true) } else { Value::Null },
        );
        if let Some((member, value)) = self.tls_name.as_ref().map(TlsName::member) {
            put(member, json!(value));
        }
        let usual = self.id_token_algorithm == SigningAlgorithm::Rs256;
        let algorithm = if usual { Value::Null } else { json!(self.id_token_algorithm.name()) };
        put("id_token_signed_response_alg", algorithm);
        put("bascule_udap", json!(self.udap));
        put("bascule_pkce_optional", if self.pkce_optional { json!(true) } else { Value::Null });
        put("require_pushed_authorization_requests", if self.pushed_only { json!(true) } else { Value::Null });
        put("bascule_origins", json!(self.origins));
        put("bascule_apis", json!(self.apis));
        put("bascule_roles", json!(self.roles));
        put("bascule_purpose", json!(self.purpose));
        put("bascule_consent", if self.consent { Value::Null } else { json!(false) });
        put("bascule_introspects", if self.introspects { json!(true) } else { Value::Null });
        out
    }

    /// Whether a code may be sent there: the same bytes as a registered one. For a native app's loopback address the
    /// port is free (RFC 8252 section 7.3).
    #[must_use]
    pub fn may_redirect_to(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|known| known == uri || same_but_for_loopback_port(known, uri))
    }

    /// Whether this browser origin may read our answers: a registered one, or that of a public client's own address.
    #[must_use]
    pub fn has_origin(&self, origin: &str) -> bool {
        let own = |uri: &String| Url::parse(uri).is_ok_and(|url| url.origin().ascii_serialization() == origin);
        self.origins.iter().any(|known| known == origin)
            || (self.auth_method == AuthMethod::None && origin != "null" && self.redirect_uris.iter().any(own))
    }

    /// Whether a refresh token may be given for this scope.
    #[must_use]
    pub fn may_refresh(&self, scopes: &Scopes) -> bool {
        self.grant_types.contains(&GrantType::RefreshToken)
            && (scopes.has(&Scope::OfflineAccess) || scopes.has(&Scope::OnlineAccess))
    }
}

fn same_but_for_loopback_port(known: &str, uri: &str) -> bool {
    let (Ok(known), Ok(mut asked)) = (Url::parse(known), Url::parse(uri)) else { return false };
    let loopback = |url: &Url| {
        url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "[::1]")) && url.username().is_empty()
    };
    if !loopback(&known) || !loopback(&asked) || asked.as_str() != uri || asked.password().is_some() {
        return false;
    }
    asked.set_port(known.port()).is_ok() && asked == known
}

fn redirect_uri(uri: &str) -> Result<(), MetadataError> {
    let no = |reason: &str| Err(MetadataError::RedirectUri { uri: uri.to_owned(), reason: reason.to_owned() });
    let Ok(url) = Url::parse(uri) else { return no("not an absolute URI") };
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        _ if uri.contains('#') => no("a fragment is not allowed (RFC 6749 section 3.1.2)"),
        _ if uri.chars().any(|c| c.is_control() || c.is_whitespace()) => no("it holds a blank or control character"),
        "https" => Ok(()),
        "http" if local => Ok(()),
        "http" => no("plain http is allowed for loopback addresses only"),
        "javascript" | "data" | "file" | "blob" | "about" | "vbscript" => no("this scheme is never redirected to"),
        scheme if scheme.contains('.') => Ok(()),
        _ => no("a private scheme is a reversed domain name, as `org.example.app:/back` (RFC 8252 section 7.1)"),
    }
}

fn wrong(member: &str, expected: &str) -> MetadataError {
    MetadataError::Member { member: member.to_owned(), expected: expected.to_owned() }
}

/// The members of the object that nobody has read yet.
struct Members(Map<String, Value>);

impl Members {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, MetadataError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= TEXT_BYTES_MAX => Ok(Some(text)),
            Some(_) => Err(wrong(name, &format!("a text of at most {TEXT_BYTES_MAX} bytes"))),
        }
    }

    fn texts(&mut self, name: &str) -> Result<Vec<String>, MetadataError> {
        let expected = || wrong(name, &format!("a list of at most {LIST_ENTRIES_MAX} texts"));
        let list = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) if list.len() <= LIST_ENTRIES_MAX => list,
            Some(_) => return Err(expected()),
        };
        list.into_iter()
            .map(|value| match value {
                Value::String(text) if text.len() <= TEXT_BYTES_MAX => Ok(text),
                _ => Err(expected()),
            })
            .collect()
    }

    fn flag(&mut self, name: &str, default: bool) -> Result<bool, MetadataError> {
        match self.take(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(wrong(name, "true or false")),
        }
    }

    fn tls_name(&mut self) -> Result<Option<TlsName>, MetadataError> {
        let mut found = None;
        for (member, make) in TlsName::MEMBERS {
            let Some(text) = self.text(member)?.filter(|text| !text.is_empty()) else { continue };
            if found.replace(make(text)).is_some() {
                return Err(wrong(member, "one name only: leave out the other `tls_client_auth_…` member"));
            }
        }
        Ok(found)
    }

    fn id_token_algorithm(&mut self) -> Result<SigningAlgorithm, MetadataError> {
        let name = "id_token_signed_response_alg";
        match self.text(name)?.as_deref() {
            None | Some("RS256") => Ok(SigningAlgorithm::Rs256),
            Some("ES384") => Ok(SigningAlgorithm::Es384),
            Some(_) => Err(wrong(name, "`RS256` or `ES384`")),
        }
    }

    fn web_uri(&mut self, name: &str) -> Result<Option<String>, MetadataError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let local = |url: &Url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match Url::parse(&text) {
            Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && local(&url)) => Ok(Some(text)),
            _ => Err(wrong(name, "an https address")),
        }
    }

    fn grant_types(&mut self) -> Result<Vec<GrantType>, MetadataError> {
        let names = self.texts("grant_types")?;
        if names.is_empty() {
            return Ok(vec![GrantType::AuthorizationCode]);
        }
        let unknown = || wrong("grant_types", "`authorization_code`, `refresh_token`, `client_credentials`");
        names.iter().map(|name| GrantType::parse(name).ok_or_else(unknown)).collect()
    }

    fn response_types(&mut self) -> Result<(), MetadataError> {
        match self.texts("response_types")?.iter().all(|name| name == "code") {
            true => Ok(()),
            false => Err(wrong("response_types", "`code` only: the implicit grant is not offered")),
        }
    }

    fn scope(&mut self) -> Result<Scopes, MetadataError> {
        let text = match self.take("scope") {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(_) => return Err(wrong("scope", "scopes with a blank between")),
        };
        text.parse().map_err(|error: ScopeError| wrong("scope", &error.to_string()))
    }

    fn key_set(&mut self) -> Result<Option<Value>, MetadataError> {
        let Some(set) = self.take("jwks") else { return Ok(None) };
        let keys = set.get("keys").and_then(Value::as_array).filter(|keys| keys.len() <= LIST_ENTRIES_MAX);
        let keys = keys.ok_or_else(|| wrong("jwks", "a JWK set: {\"keys\": [...]}"))?;
        let private = ["d", "p", "q", "dp", "dq", "qi", "k"];
        if keys.iter().any(|key| private.iter().any(|member| key.get(member).is_some())) {
            return Err(wrong(
                "jwks",
                "public keys only: this set holds a private or symmetric key, which must be replaced",
            ));
        }
        Ok(Some(set))
    }

    fn origins(&mut self) -> Result<Vec<String>, MetadataError> {
        let origins = self.texts("bascule_origins")?;
        let sound = |origin: &String| {
            Url::parse(origin).is_ok_and(|url| url.origin().is_tuple() && url.origin().ascii_serialization() == *origin)
        };
        match origins.iter().all(sound) {
            true => Ok(origins),
            false => Err(wrong("bascule_origins", "origins as a browser sends them: `https://app.example`, no path")),
        }
    }

    /// What was not read; without those of RFC 7591 that are known and of no effect here.
    fn rest(self) -> Vec<String> {
        const NO_EFFECT: [&str; 9] = [
            "client_id",
            "client_secret",
            "client_id_issued_at",
            "client_secret_expires_at",
            "software_id",
            "software_version",
            "application_type",
            "token_endpoint_auth_signing_alg",
            "bascule_organization",
        ];
        self.0.into_iter().map(|(name, _)| name).filter(|name| !NO_EFFECT.contains(&name.as_str())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: Value) -> Result<ClientMetadata, String> {
        ClientMetadata::parse(&value).map_err(|error| error.to_string())
    }

    fn app(redirect: &str) -> Result<ClientMetadata, String> {
        parse(json!({"client_name": "App", "redirect_uris": [redirect], "token_endpoint_auth_method": "none"}))
    }

    #[test]
    fn what_is_read_is_written_again() {
        let value = json!({
            "client_name": "Portal", "redirect_uris": ["https://portal.example/back"],
            "token_endpoint_auth_method": "client_secret_basic",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "scope": "openid patient/*.rs", "dpop_bound_access_tokens": true,
            "bascule_origins": ["https://portal.example"], "bascule_apis": ["ehr"], "bascule_consent": false,
        });
        assert_eq!(Value::Object(parse(value.clone()).unwrap().to_json()), value);
    }

    #[test]
    fn redirect_uris_that_could_leak_a_code_are_refused() {
        for sound in ["https://a.example/b", "http://127.0.0.1:8080/b", "http://localhost/b", "org.example.app:/back"] {
            assert!(app(sound).is_ok(), "{sound}");
        }
        for leak in [
            "http://a.example/b",
            "https://a.example/b#x",
            "javascript:alert(1)",
            "data:text/html,x",
            "/b",
            "myapp:/b",
            "https://a.example/ b",
            "file:///etc/passwd",
        ] {
            assert!(app(leak).is_err(), "{leak}");
        }
    }

    #[test]
    fn a_redirect_uri_is_compared_exactly() {
        let client = app("https://a.example/back").unwrap();
        assert!(client.may_redirect_to("https://a.example/back"));
        for other in [
            "https://a.example/back/",
            "https://a.example/back?x=1",
            "https://A.example/back",
            "https://a.example:443/back",
            "https://a.example/backdoor",
            "https://x@a.example/back",
            "",
        ] {
            assert!(!client.may_redirect_to(other), "{other}");
        }
    }

    #[test]
    fn only_a_loopback_port_is_free() {
        let client = app("http://127.0.0.1/back").unwrap();
        assert!(client.may_redirect_to("http://127.0.0.1:49152/back"));
        assert!(!client.may_redirect_to("http://127.0.0.1:49152/other"));
        assert!(!client.may_redirect_to("http://user:p@127.0.0.1:49152/back"));
        assert!(!client.may_redirect_to("http://127.0.0.1.evil.example:49152/back"));
        let client = app("http://localhost:3000/back").unwrap();
        assert!(!client.may_redirect_to("http://localhost:3001/back"));
    }

    #[test]
    fn a_certificate_is_known_by_one_name() {
        let client = |members: Value| {
            let mut all =
                json!({"grant_types": ["client_credentials"], "token_endpoint_auth_method": "tls_client_auth"});
            all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            parse(all)
        };
        let dns = json!({"tls_client_auth_san_dns": "lab.example"});
        assert_eq!(client(dns).unwrap().to_json()["tls_client_auth_san_dns"], "lab.example");
        assert!(client(json!({})).is_err());
        assert!(client(json!({"tls_client_auth_san_dns": "a", "tls_client_auth_san_uri": "b"})).is_err());
        assert!(app("https://a.example/b").is_ok_and(|app| app.tls_name.is_none()));
    }

    #[test]
    fn contradictions_are_named() {
        let backend = json!({"grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt"});
        assert!(parse(backend).unwrap_err().contains("`jwks` or `jwks_uri`"));
        assert!(parse(json!({})).unwrap_err().contains("redirect_uris"));
        let public = json!({"grant_types": ["client_credentials"], "token_endpoint_auth_method": "none"});
        assert!(parse(public).unwrap_err().contains("public client"));
    }

    #[test]
    fn a_private_key_in_the_set_is_refused() {
        let set = json!({"keys": [{"kty": "EC", "crv": "P-384", "x": "a", "y": "b", "d": "secret"}]});
        let client = json!({"grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt",
            "jwks": set});
        let said = parse(client).unwrap_err();
        assert!(said.contains("private") && !said.contains("secret"), "{said}");
    }

    #[test]
    fn unknown_members_are_named_and_do_no_harm() {
        let client = json!({"redirect_uris": ["https://a.example/b"], "software_id": "x", "bascule_role": ["admin"]});
        assert_eq!(parse(client).unwrap().unknown, ["bascule_role"]);
    }

    #[test]
    fn wrong_types_are_refused() {
        for client in [
            json!([]),
            json!({"redirect_uris": "https://a.example/b"}),
            json!({"redirect_uris": [1]}),
            json!({"redirect_uris": ["https://a.example/b"], "scope": ["openid"]}),
            json!({"redirect_uris": ["https://a.example/b"], "scope": "patient/Nothing.rs"}),
            json!({"redirect_uris": ["https://a.example/b"], "dpop_bound_access_tokens": "yes"}),
            json!({"redirect_uris": ["https://a.example/b"], "response_types": ["token"]}),
            json!({"redirect_uris": ["https://a.example/b"], "grant_types": ["password"]}),
            json!({"redirect_uris": ["https://a.example/b"], "bascule_origins": ["https://a.example/"]}),
        ] {
            assert!(parse(client.clone()).is_err(), "{client}");
        }
    }
}
