//! UDAP (HL7 UDAP Security): registration and authentication of clients by certificates of a community that is trusted.
//!
//! A client proves itself with a chain (`x5c`) in the header of what it signs; the chain must lead to an anchor of the
//! community, and the leaf must bear the client's URI.

use bascule_crypto::certificate::{Anchors, Certificate, CertificateError};
use bascule_fhir::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::client_auth::{Assertion, check_claims, seconds};
use crate::jose::{self, SigningAlgorithm, SigningKey};
use crate::refusal::Refusal;
use crate::server::{ApiBase, Server};
use crate::tls_auth::jwk;
use crate::{ClientMetadata, OauthError, Scopes};

/// The one version that there is.
pub const VERSION: &str = "1";
/// The extension that says on whose behalf a backend asks.
pub const B2B: &str = "hl7-b2b";
/// A software statement holds at most so long, in seconds.
const STATEMENT_SECONDS_MAX: i64 = 300;
/// Signed metadata holds so long, in seconds: made anew on every request.
const METADATA_SECONDS: i64 = 86_400;
/// Characters of the longest `jti`.
const JTI_CHARACTERS_MAX: usize = 256;
/// Purposes of use of one request.
const PURPOSES_MAX: usize = 16;

/// A community of UDAP, and what its clients may have here.
#[derive(Debug, Clone)]
pub struct Community {
    /// Its URI; a client may ask for its metadata by it.
    pub uri: Option<String>,
    /// Whom it trusts.
    pub anchors: Anchors,
    /// The most that its clients may be granted.
    pub scope: Scopes,
    /// Whether a person must approve each registration.
    pub approve: bool,
    /// Whether its apps may go without PKCE: they prove themselves with a certificate, and some of them know no better.
    pub pkce_optional: bool,
    /// Role names of its clients' own access.
    pub roles: Vec<String>,
    /// The organization that its clients belong to.
    pub organization: Option<String>,
    /// Certifications that are understood, by URI.
    pub certifications: Vec<String>,
}

/// A verified certificate chain and what was signed with it.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The leaf.
    pub certificate: Certificate,
    /// The claims.
    pub claims: Map<String, Value>,
}

/// The chain of a token's `x5c`.
fn chain(header: &Map<String, Value>) -> Option<Vec<Vec<u8>>> {
    let list = header.get("x5c")?.as_array().filter(|list| !list.is_empty())?;
    list.iter().map(|one| STANDARD.decode(one.as_str()?).ok()).collect()
}

/// Verifies a token by the chain in its header.
///
/// # Errors
/// A sentence that says what is amiss.
pub fn verify(token: &str, anchors: &Anchors, now: Timestamp) -> Result<Signed, String> {
    let said = jose::unverified(token).map_err(|error| error.to_string())?;
    for name in ["jwk", "jku", "x5u"] {
        if said.header.contains_key(name) {
            return Err(format!("the header `{name}` is not accepted"));
        }
    }
    let algorithm = jose::algorithm(&said.header, &SigningAlgorithm::ALL).map_err(|error| error.to_string())?;
    let chain = chain(&said.header).ok_or("the header `x5c` is missing, or is no list of certificates")?;
    let certificate = anchors.verify(&chain, now.seconds()).map_err(|error: CertificateError| error.to_string())?;
    let verified =
        jose::verify_with_key(token, &jwk(&certificate.key), algorithm).map_err(|error| error.to_string())?;
    Ok(Signed { certificate, claims: verified.claims })
}

/// What a software statement asks for.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The client's URI: its name in the community.
    pub uri: String,
    /// What it is to be registered as; `None` cancels its registration.
    pub metadata: Option<ClientMetadata>,
    /// The identifier that may be used once.
    pub jti: String,
    /// Until when it must be remembered.
    pub remember_until: Timestamp,
}

/// Reads the software statement of a registration (UDAP DCR section 3).
///
/// # Errors
/// `invalid_software_statement`, `invalid_client_metadata`, `unapproved_software_statement`.
pub fn statement(request: &Value, community: &Community, endpoint: &str, now: Timestamp) -> Result<Statement, Refusal> {
    let invalid =
        |said: &str| Refusal::new(OauthError::InvalidSoftwareStatement, format!("software statement: {said}"));
    if request.get("udap").and_then(Value::as_str) != Some(VERSION) {
        return Err(Refusal::new(OauthError::InvalidClientMetadata, "`udap` must be \"1\""));
    }
    let token = request.get("software_statement").and_then(Value::as_str).ok_or_else(|| invalid("it is missing"))?;
    let signed = verify(token, &community.anchors, now).map_err(|said| match said.contains("anchor") {
        true => Refusal::new(OauthError::UnapprovedSoftwareStatement, format!("software statement: {said}")),
        false => invalid(&said),
    })?;
    let claims = &signed.claims;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let uri = text("iss").ok_or_else(|| invalid("`iss` is missing"))?;
    if !signed.certificate.uris.iter().any(|known| known == uri) {
        return Err(invalid("`iss` is not a URI of the certificate"));
    }
    if text("sub") != Some(uri) {
        return Err(invalid("`sub` must be `iss`"));
    }
    if text("aud") != Some(endpoint) {
        return Err(invalid("`aud` must be the registration endpoint"));
    }
    let (expires, issued) = (seconds(claims.get("exp")), seconds(claims.get("iat")));
    let (Some(expires), Some(issued)) = (expires, issued) else { return Err(invalid("`exp` or `iat` is missing")) };
    let leeway = 30;
    if expires <= now.seconds() - leeway || issued > now.seconds() + leeway || expires - issued > STATEMENT_SECONDS_MAX
    {
        return Err(invalid("it has expired, lies ahead, or holds for more than five minutes"));
    }
    let jti = text("jti").filter(|jti| jti.chars().count() <= JTI_CHARACTERS_MAX);
    let jti = jti.ok_or_else(|| invalid("`jti` is missing or too long"))?.to_owned();
    let remember_until = Timestamp::from_seconds(expires + leeway + 1);
    let metadata = metadata(claims, uri, community)?;
    Ok(Statement { uri: uri.to_owned(), metadata, jti, remember_until })
}

/// The members of a statement as client metadata; an empty list of grant types cancels.
fn metadata(claims: &Map<String, Value>, uri: &str, community: &Community) -> Result<Option<ClientMetadata>, Refusal> {
    let wrong = |said: String| Refusal::new(OauthError::InvalidClientMetadata, said);
    let grants = claims.get("grant_types").and_then(Value::as_array);
    let grants = grants.ok_or_else(|| wrong("`grant_types` is missing".into()))?;
    if grants.is_empty() {
        return Ok(None);
    }
    let has = |name: &str| grants.iter().any(|grant| grant == name);
    if has("authorization_code") && has("client_credentials") {
        return Err(wrong("`authorization_code` and `client_credentials` are registered one by one".into()));
    }
    if claims.get("token_endpoint_auth_method").and_then(Value::as_str) != Some("private_key_jwt") {
        return Err(wrong("`token_endpoint_auth_method` must be `private_key_jwt`".into()));
    }
    if claims.get("client_name").and_then(Value::as_str).is_none_or(|name| name.trim().is_empty()) {
        return Err(wrong("`client_name` is missing".into()));
    }
    if has("authorization_code") {
        let types = claims.get("response_types").and_then(Value::as_array);
        if types.is_none_or(|types| !types.iter().any(|one| one == "code")) {
            return Err(wrong("`response_types` must hold `code`".into()));
        }
        if claims.get("logo_uri").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(wrong("`logo_uri` is missing".into()));
        }
    }
    let wanted = [
        "client_name",
        "redirect_uris",
        "grant_types",
        "response_types",
        "contacts",
        "logo_uri",
        "client_uri",
        "tos_uri",
        "policy_uri",
        "token_endpoint_auth_method",
        "scope",
    ];
    let mut members: Map<String, Value> =
        wanted.into_iter().filter_map(|name| Some((name.to_owned(), claims.get(name)?.clone()))).collect();
    members.insert("bascule_udap".into(), json!(uri));
    members.insert("bascule_roles".into(), json!(community.roles));
    if community.pkce_optional && has("authorization_code") {
        members.insert("bascule_pkce_optional".into(), json!(true));
    }
    let asked = crate::Requested::parse(claims.get("scope").and_then(Value::as_str).unwrap_or_default());
    let asked = asked.map_err(|error| wrong(format!("`scope`: {error}")))?;
    let granted = asked.scopes.intersect(&community.scope);
    if granted.is_empty() {
        return Err(wrong("`scope`: nothing of it is offered here".into()));
    }
    members.insert("scope".into(), json!(granted.to_string()));
    let metadata = ClientMetadata::parse(&Value::Object(members)).map_err(|error| wrong(error.to_string()))?;
    Ok(Some(metadata))
}

/// What a registered client is told.
#[must_use]
pub fn registered(client: &str, metadata: Option<&ClientMetadata>, statement: &str) -> Value {
    let mut said = metadata.map(ClientMetadata::to_json).unwrap_or_default();
    for inner in ["bascule_udap", "bascule_roles", "bascule_pkce_optional"] {
        said.remove(inner);
    }
    said.entry("grant_types").or_insert_with(|| json!([]));
    said.insert("client_id".into(), json!(client));
    said.insert("software_statement".into(), json!(statement));
    Value::Object(said)
}

/// A backend's statement on whose behalf it asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OnBehalf {
    /// The code of the first purpose of use.
    pub purpose: Option<String>,
}

/// Verifies the client assertion of a UDAP client, and reads its `hl7-b2b` extension.
///
/// # Errors
/// `invalid_client`, or `invalid_grant` if the extension is amiss.
pub fn verify_assertion(
    assertion: &str,
    client: &str,
    uri: &str,
    anchors: &Anchors,
    server: &Server,
    now: Timestamp,
) -> Result<(Assertion, Option<OnBehalf>), Refusal> {
    let no = |said: &str| Refusal::client(format!("client assertion: {said}"));
    let signed = verify(assertion, anchors, now).map_err(|said| no(&said))?;
    if !signed.certificate.uris.iter().any(|known| known == uri) {
        return Err(no("its certificate does not bear the client's URI"));
    }
    let checked = check_claims(&signed.claims, client, server, now)?;
    let extension = signed.claims.get("extensions").and_then(|all| all.get(B2B));
    Ok((checked, extension.map(on_behalf).transpose()?))
}

fn on_behalf(extension: &Value) -> Result<OnBehalf, Refusal> {
    let no = |said: &str| Refusal::grant(format!("`{B2B}`: {said}"));
    let text = |name: &str| extension.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if text("version") != Some(VERSION) {
        return Err(no("`version` must be \"1\""));
    }
    text("organization_id").ok_or_else(|| no("`organization_id` is missing"))?;
    let purposes = extension.get("purpose_of_use").and_then(Value::as_array);
    let purposes =
        purposes.filter(|all| !all.is_empty() && all.len() <= PURPOSES_MAX && all.iter().all(Value::is_string));
    let first = purposes.and_then(|all| all.first()?.as_str()).ok_or_else(|| no("`purpose_of_use` is missing"))?;
    let code = first.rsplit(['#', '|']).next().unwrap_or(first);
    let sound = !code.is_empty() && code.len() <= 32 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !sound {
        return Err(no("`purpose_of_use` holds no code"));
    }
    Ok(OnBehalf { purpose: Some(code.to_owned()) })
}

/// `{base}/.well-known/udap` of an API. `chain` is our certificate, leaf first, in DER, whose leaf bears the base as a URI.
///
/// # Errors
/// A sentence for the log: the metadata cannot be signed.
pub fn metadata_of(
    api: &ApiBase,
    server: &Server,
    community: &Community,
    (key, chain): (&SigningKey, &[Vec<u8>]),
    id: &str,
    now: Timestamp,
) -> Result<Value, String> {
    let endpoints = json!({
        "authorization_endpoint": server.endpoint("authorize"), "token_endpoint": server.endpoint("token"),
        "registration_endpoint": server.endpoint("udap/register"),
    });
    let mut claims = endpoints.clone();
    if let Some(members) = claims.as_object_mut() {
        members.insert("iss".into(), json!(api.base));
        members.insert("sub".into(), json!(api.base));
        members.insert("iat".into(), json!(now.seconds()));
        members.insert("exp".into(), json!(now.seconds() + METADATA_SECONDS));
        members.insert("jti".into(), json!(id));
    }
    let signed = key.sign_with_chain(&claims, chain).map_err(|error| error.to_string())?;
    let algorithms: Vec<&str> =
        [SigningAlgorithm::Rs256, SigningAlgorithm::Rs384, SigningAlgorithm::Es256, SigningAlgorithm::Es384]
            .map(SigningAlgorithm::name)
            .to_vec();
    let mut said = json!({
        "udap_versions_supported": [VERSION],
        "udap_profiles_supported": ["udap_dcr", "udap_authn", "udap_authz"],
        "udap_authorization_extensions_supported": [B2B],
        "udap_authorization_extensions_required": [B2B],
        "udap_certifications_supported": community.certifications,
        "udap_certifications_required": [],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "scopes_supported": community.scope.to_string().split(' ').collect::<Vec<_>>(),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "registration_endpoint_jwt_signing_alg_values_supported": algorithms,
        "signed_metadata": signed,
    });
    if let (Some(said), Some(endpoints)) = (said.as_object_mut(), endpoints.as_object()) {
        said.extend(endpoints.clone());
    }
    Ok(said)
}
