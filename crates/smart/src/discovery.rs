//! The documents by which clients find us: SMART configuration, OpenID configuration, the extension in the
//! CapabilityStatement.

use serde_json::{Value, json};

use crate::authorize::ACR_VALUES;
use crate::jose::SigningAlgorithm;
use crate::server::Server;
use crate::{AuthMethod, GrantType, dpop};

/// What we do, in SMART's words.
pub const CAPABILITIES: [&str; 20] = [
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-passthrough-banner",
    "context-passthrough-style",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
];

/// Scopes that any app may try; the whole grammar is larger.
const SCOPES: [&str; 15] = [
    "openid",
    "fhirUser",
    "profile",
    "launch",
    "launch/patient",
    "offline_access",
    "online_access",
    "patient/*.rs",
    "patient/*.cruds",
    "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
    "patient/*.read",
    "user/*.rs",
    "user/*.cruds",
    "user/*.read",
    "system/*.rs",
];

/// `{base}/.well-known/smart-configuration`.
#[must_use]
pub fn smart_configuration(server: &Server) -> Value {
    let mut out = common(server);
    if let Some(members) = out.as_object_mut() {
        members.insert("management_endpoint".into(), json!(server.endpoint("apps")));
        members.insert("capabilities".into(), json!(CAPABILITIES));
    }
    out
}

/// `{issuer}/.well-known/openid-configuration` (also `oauth-authorization-server`, RFC 8414).
#[must_use]
pub fn openid_configuration(server: &Server) -> Value {
    let mut out = common(server);
    if let Some(members) = out.as_object_mut() {
        members.insert("userinfo_endpoint".into(), json!(server.endpoint("userinfo")));
        members.insert("end_session_endpoint".into(), json!(server.endpoint("logout")));
        members.insert("subject_types_supported".into(), json!(["public"]));
        members.insert("id_token_signing_alg_values_supported".into(), json!(["RS256", "ES384"]));
        let claims = [
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "acr",
            "nonce",
            "at_hash",
            "sid",
            "name",
            "profile",
            "fhirUser",
        ];
        members.insert("claims_supported".into(), json!(claims));
        members.insert("acr_values_supported".into(), json!(ACR_VALUES));
        members.insert("claims_parameter_supported".into(), json!(false));
        members.insert("request_parameter_supported".into(), json!(false));
        members.insert("request_uri_parameter_supported".into(), json!(false));
        members.insert("prompt_values_supported".into(), json!(["none", "login", "consent", "select_account"]));
    }
    out
}

fn common(server: &Server) -> Value {
    let names = |algorithms: &[SigningAlgorithm]| algorithms.iter().map(|a| a.name()).collect::<Vec<_>>();
    let offered = |method: &AuthMethod| match method {
        AuthMethod::TlsClientAuth => server.mutual_tls.by_authority,
        AuthMethod::SelfSignedTlsClientAuth => server.mutual_tls.self_signed,
        _ => true,
    };
    let methods: Vec<&str> = AuthMethod::ALL.iter().filter(|method| offered(method)).map(|one| one.name()).collect();
    let mut out = json!({
        "issuer": server.issuer,
        "jwks_uri": server.endpoint("jwks"),
        "authorization_endpoint": server.endpoint("authorize"),
        "token_endpoint": server.endpoint("token"),
        "introspection_endpoint": server.endpoint("introspect"),
        "revocation_endpoint": server.endpoint("revoke"),
        "pushed_authorization_request_endpoint": server.endpoint("par"),
        "grant_types_supported": GrantType::ALL.map(GrantType::name),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": names(&server.assertion_algorithms),
        "scopes_supported": SCOPES,
        "dpop_signing_alg_values_supported": names(&dpop::ALGORITHMS),
        "tls_client_certificate_bound_access_tokens": true,
        "authorization_response_iss_parameter_supported": true,
    });
    if let (Some(members), Some(url)) = (out.as_object_mut(), &server.mutual_tls.url) {
        let at = |name: &str| format!("{url}/oauth/{name}");
        let aliases = json!({
            "token_endpoint": at("token"), "introspection_endpoint": at("introspect"),
            "revocation_endpoint": at("revoke"), "pushed_authorization_request_endpoint": at("par"),
        });
        members.insert("mtls_endpoint_aliases".into(), aliases);
    }
    if let Some(members) = out.as_object_mut().filter(|_| server.registration) {
        members.insert("registration_endpoint".into(), json!(server.endpoint("register")));
    }
    out
}

/// The `security` of a CapabilityStatement's `rest` (SMART App Launch 1.0 style, which PyPI fhirclient still reads).
#[must_use]
pub fn capability_security(server: &Server) -> Value {
    let mut addresses = vec![
        ("authorize", "authorize"),
        ("token", "token"),
        ("introspect", "introspect"),
        ("revoke", "revoke"),
        ("manage", "apps"),
    ];
    if server.registration {
        addresses.push(("register", "register"));
    }
    let extensions: Vec<Value> =
        addresses.iter().map(|(url, name)| json!({"url": url, "valueUri": server.endpoint(name)})).collect();
    json!({
        "cors": true,
        "service": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
            "code": "SMART-on-FHIR", "display": "SMART-on-FHIR"}]}],
        "extension": [{
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": extensions}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server::new("https://b.example/", vec![])
    }

    #[test]
    fn d_5_to_d_22_the_members_that_suites_look_for() {
        let found = smart_configuration(&server());
        for name in ["authorization_endpoint", "token_endpoint", "issuer", "jwks_uri", "introspection_endpoint"] {
            assert!(found[name].as_str().is_some_and(|url| url.starts_with("https://b.example")), "{name}");
        }
        let list = |name: &str| found[name].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect::<Vec<_>>();
        assert!(list("grant_types_supported").contains(&"authorization_code"));
        assert_eq!(list("code_challenge_methods_supported"), ["S256"]);
        for name in [
            "launch-standalone",
            "client-public",
            "client-confidential-symmetric",
            "client-confidential-asymmetric",
            "sso-openid-connect",
            "context-standalone-patient",
            "permission-offline",
            "permission-patient",
            "authorize-post",
            "permission-v2",
            "permission-v1",
            "launch-ehr",
            "context-banner",
            "context-style",
            "context-ehr-patient",
            "context-ehr-encounter",
            "permission-user",
        ] {
            assert!(list("capabilities").contains(&name), "{name}");
        }
        for scope in list("scopes_supported") {
            assert!(scope.parse::<crate::Scope>().is_ok(), "{scope}");
        }
    }

    #[test]
    fn d_17_both_documents_name_the_same_addresses() {
        let (found, old) = (smart_configuration(&server()), capability_security(&server()));
        let names = [
            ("authorize", "authorization_endpoint"),
            ("token", "token_endpoint"),
            ("introspect", "introspection_endpoint"),
            ("revoke", "revocation_endpoint"),
            ("manage", "management_endpoint"),
        ];
        for (url, name) in names {
            let uris = old["extension"][0]["extension"].as_array().unwrap();
            let uri = uris.iter().find(|uri| uri["url"] == url).unwrap();
            assert_eq!(uri["valueUri"], found[name], "{name}");
        }
    }

    #[test]
    fn registration_is_named_only_when_it_is_open() {
        assert!(smart_configuration(&server()).get("registration_endpoint").is_none());
        let open = Server { registration: true, ..server() };
        assert_eq!(smart_configuration(&open)["registration_endpoint"], "https://b.example/oauth/register");
    }
}
