//! What the token endpoint answers, what an id_token says, and what introspection tells.

use bascule_crypto::Secret;
use bascule_crypto::digest::{sha256, sha384};
use bascule_fhir::{Id, ResourceType, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::authorize::{ACR_ONE_FACTOR, ACR_TWO_FACTORS};
use crate::jose::{JoseError, SigningAlgorithm, SigningKey};
use crate::server::{ApiBase, Server};
use crate::{Binding, Grant, LaunchContext, Scope, Scopes, TokenRecord};

/// The user as tokens name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `sub`
    pub id: String,
    /// `name`, for `profile`.
    pub name: String,
    /// The own resource.
    pub fhir_user: Option<(ResourceType, Id)>,
}

/// What a token response is made of.
#[derive(Debug)]
pub struct TokenResponse<'a> {
    /// The access token.
    pub access_token: &'a Secret,
    /// Seconds until it stops.
    pub expires_in: i64,
    /// What it may.
    pub scopes: &'a Scopes,
    /// To what it is bound.
    pub binding: Option<&'a Binding>,
    /// The refresh token.
    pub refresh_token: Option<&'a Secret>,
    /// The signed id_token.
    pub id_token: Option<&'a str>,
    /// The launch context.
    pub context: &'a LaunchContext,
    /// Whether a person gave it; a backend has no context.
    pub by_person: bool,
    /// Where the look of the house is described.
    pub style_url: &'a str,
}

impl TokenResponse<'_> {
    /// The JSON of RFC 6749 section 5.1 and SMART App Launch.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut out = Map::new();
        let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
        let kind = if matches!(self.binding, Some(Binding::DpopKey(_))) { "DPoP" } else { "Bearer" };
        out.insert("access_token".into(), json!(text(self.access_token)));
        out.insert("token_type".into(), json!(kind));
        out.insert("expires_in".into(), json!(self.expires_in));
        out.insert("scope".into(), json!(self.scopes.to_string()));
        let mut put = |name: &str, value: Option<Value>| {
            value.into_iter().for_each(|value| drop(out.insert(name.to_owned(), value)));
        };
        put("refresh_token", self.refresh_token.map(|token| json!(text(token))));
        put("id_token", self.id_token.map(|token| json!(token)));
        let context = self.context;
        put("patient", context.patient.as_ref().map(|id| json!(id.as_str())));
        put("encounter", context.encounter.as_ref().map(|id| json!(id.as_str())));
        put("fhirContext", (!context.fhir_context.is_empty()).then(|| json!(context.fhir_context)));
        put("intent", context.intent.as_ref().map(|intent| json!(intent)));
        put("tenant", context.tenant.as_ref().map(|tenant| json!(tenant)));
        if self.by_person {
            put("need_patient_banner", Some(json!(context.need_patient_banner.unwrap_or(true))));
            put("smart_style_url", Some(json!(self.style_url)));
        }
        Value::Object(out)
    }
}

/// Makes an id_token, if the grant has `openid`. `second_factor`: how the person had proved themselves.
///
/// # Errors
/// [`JoseError::Key`].
pub fn id_token(
    key: &SigningKey,
    server: &Server,
    grant: &Grant,
    subject: &Subject,
    access_token: &Secret,
    second_factor: bool,
    now: Timestamp,
) -> Result<Option<String>, JoseError> {
    if !grant.scopes.has(&Scope::OpenId) {
        return Ok(None);
    }
    let api = grant.apis.first().and_then(|name| server.api(name));
    let mut claims = subject_claims(server, api, &grant.scopes, subject);
    let mut put = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    put("aud", json!(grant.client));
    put("iat", json!(now.seconds()));
    put("exp", json!(now.seconds() + server.lifetimes.id_token_seconds));
    put("at_hash", json!(access_token_hash(access_token, key.algorithm())));
    if let Some(at) = grant.authenticated {
        put("auth_time", json!(at.seconds()));
        put("acr", json!(if second_factor { ACR_TWO_FACTORS } else { ACR_ONE_FACTOR }));
    }
    if let Some(nonce) = &grant.nonce {
        put("nonce", json!(nonce));
    }
    if let Some(session) = &grant.session {
        put("sid", json!(session));
    }
    key.sign(&Value::Object(claims), "JWT").map(Some)
}

/// `at_hash` of OpenID Connect Core 3.1.3.6: the left half of the digest that the algorithm signs.
fn access_token_hash(token: &Secret, algorithm: SigningAlgorithm) -> String {
    match algorithm {
        SigningAlgorithm::Rs256 | SigningAlgorithm::Es256 => {
            URL_SAFE_NO_PAD.encode(sha256(token.expose()).split_at(16).0)
        }
        SigningAlgorithm::Rs384 | SigningAlgorithm::Es384 => {
            URL_SAFE_NO_PAD.encode(sha384(token.expose()).split_at(24).0)
        }
    }
}

/// `iss`, `sub`, and what the scopes let be said of the user. Also the answer of the userinfo endpoint.
#[must_use]
pub fn subject_claims(
    server: &Server,
    api: Option<&ApiBase>,
    scopes: &Scopes,
    subject: &Subject,
) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("iss".into(), json!(server.issuer));
    claims.insert("sub".into(), json!(subject.id));
    if let Some(url) = fhir_user(api, subject).filter(|_| scopes.has(&Scope::FhirUser)) {
        claims.insert("fhirUser".into(), json!(url));
    }
    if scopes.has(&Scope::Profile) {
        claims.insert("name".into(), json!(subject.name));
        if let Some(url) = fhir_user(api, subject) {
            claims.insert("profile".into(), json!(url));
        }
    }
    claims
}

fn fhir_user(api: Option<&ApiBase>, subject: &Subject) -> Option<String> {
    let (resource, id) = subject.fhir_user.as_ref()?;
    Some(format!("{}/{resource}/{id}", api?.base))
}

/// What introspection tells of an active token (RFC 7662, SMART App Launch "Token Introspection").
#[must_use]
pub fn introspection(
    server: &Server,
    record: &TokenRecord,
    binding: Option<&Binding>,
    subject: Option<&Subject>,
    context: &LaunchContext,
) -> Value {
    let api = record.apis.first().and_then(|name| server.api(name));
    let mut out = match subject {
        Some(subject) => subject_claims(server, api, &record.scopes, subject),
        None => Map::from_iter([("iss".to_owned(), json!(server.issuer)), ("sub".to_owned(), json!(record.client))]),
    };
    let mut put = |name: &str, value: Option<Value>| {
        value.into_iter().for_each(|value| drop(out.insert(name.to_owned(), value)));
    };
    put("active", Some(json!(true)));
    put("client_id", Some(json!(record.client)));
    put("scope", Some(json!(record.scopes.to_string())));
    put("exp", Some(json!(record.expires.seconds())));
    put("token_type", Some(json!(if matches!(binding, Some(Binding::DpopKey(_))) { "DPoP" } else { "Bearer" })));
    let bases: Vec<&str> =
        record.apis.iter().filter_map(|name| server.api(name)).map(|api| api.base.as_str()).collect();
    put("aud", Some(if let [one] = bases.as_slice() { json!(one) } else { json!(bases) }));
    put("patient", record.patient.as_ref().map(|id| json!(id.as_str())));
    put("encounter", record.encounter.as_ref().map(|id| json!(id.as_str())));
    put("fhirContext", (!context.fhir_context.is_empty()).then(|| json!(context.fhir_context)));
    put("intent", context.intent.as_ref().map(|intent| json!(intent)));
    put("cnf", binding.map(confirmation));
    Value::Object(out)
}

/// What introspection tells of every other token: nothing.
#[must_use]
pub fn inactive() -> Value {
    json!({"active": false})
}

fn confirmation(binding: &Binding) -> Value {
    match binding {
        Binding::DpopKey(key) => json!({"jkt": key}),
        Binding::Certificate(digest) => json!({"x5t#S256": URL_SAFE_NO_PAD.encode(digest)}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        let api =
            ApiBase { name: "ehr".into(), base: "https://b.example/fhir".into(), fhir: true, title: String::new() };
        Server::new("https://b.example", vec![api])
    }

    fn subject() -> Subject {
        let fhir_user = ResourceType::parse("Practitioner").zip(Id::parse("7"));
        Subject { id: "u1".into(), name: "Dr. Okafor".into(), fhir_user }
    }

    #[test]
    fn a_response_has_the_types_that_clients_check() {
        let response = TokenResponse {
            access_token: &Secret::new("at"),
            expires_in: 3_600,
            scopes: &"openid patient/*.rs".parse().unwrap(),
            binding: None,
            refresh_token: Some(&Secret::new("rt")),
            id_token: None,
            context: &LaunchContext { patient: Id::parse("p1"), ..LaunchContext::default() },
            by_person: true,
            style_url: "https://b.example/oauth/style.json",
        };
        let expected = json!({"access_token": "at", "token_type": "Bearer", "expires_in": 3600,
            "scope": "openid patient/*.rs", "refresh_token": "rt", "patient": "p1", "need_patient_banner": true,
            "smart_style_url": "https://b.example/oauth/style.json"});
        assert_eq!(response.to_json(), expected);
    }

    #[test]
    fn a_backend_gets_no_context() {
        let response = TokenResponse {
            access_token: &Secret::new("at"),
            expires_in: 300,
            scopes: &"system/*.rs".parse().unwrap(),
            binding: Some(&Binding::DpopKey("k".into())),
            refresh_token: None,
            id_token: None,
            context: &LaunchContext::default(),
            by_person: false,
            style_url: "x",
        };
        let expected = json!({"access_token": "at", "token_type": "DPoP", "expires_in": 300, "scope": "system/*.rs"});
        assert_eq!(response.to_json(), expected);
    }

    #[test]
    fn claims_follow_the_scopes() {
        let server = server();
        let claims = |scopes: &str| {
            Value::Object(subject_claims(&server, server.api("ehr"), &scopes.parse().unwrap(), &subject()))
        };
        assert_eq!(claims("openid"), json!({"iss": "https://b.example", "sub": "u1"}));
        assert_eq!(claims("openid fhirUser")["fhirUser"], "https://b.example/fhir/Practitioner/7");
        assert_eq!(claims("openid profile")["name"], "Dr. Okafor");
    }

    #[test]
    fn in_an_introspection_answer_has_what_the_token_has() {
        let record = TokenRecord {
            token_id: "t".into(),
            client: "app".into(),
            organization: None,
            apis: vec!["ehr".into()],
            scopes: "openid fhirUser patient/*.rs".parse().unwrap(),
            roles: vec![],
            user: Some("u1".into()),
            fhir_user: subject().fhir_user,
            patient: Id::parse("p1"),
            encounter: None,
            purpose: None,
            expires: Timestamp::from_seconds(99),
            active: true,
            origin: crate::Origin::default(),
        };
        let said = introspection(
            &server(),
            &record,
            Some(&Binding::Certificate([0; 32])),
            Some(&subject()),
            &LaunchContext::default(),
        );
        assert_eq!(said["active"], true);
        assert_eq!((&said["iss"], &said["sub"]), (&json!("https://b.example"), &json!("u1")));
        assert_eq!(said["scope"], "openid fhirUser patient/*.rs");
        assert_eq!((&said["patient"], &said["exp"]), (&json!("p1"), &json!(99)));
        assert_eq!(said["cnf"]["x5t#S256"], "A".repeat(43));
        assert_eq!(said["aud"], "https://b.example/fhir");
        assert_eq!(inactive(), json!({"active": false}));
    }
}
