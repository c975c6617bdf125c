//! What we sign when we are the one who asks: a client assertion for another's token endpoint, a subject token for an
//! exchange, the acting user for an upstream that wants to know.

use bascule_fhir::Timestamp;
use serde_json::{Value, json};

use crate::Principal;
use crate::jose::{JoseError, SigningKey};

/// How long an assertion of ours holds, in seconds: the time of one request.
const ASSERTION_SECONDS: i64 = 60;
/// How long a statement about the acting user holds, in seconds.
const STATEMENT_SECONDS: i64 = 60;

/// A client assertion (RFC 7523, SMART Backend Services). `id` must never have been used before.
///
/// # Errors
/// [`JoseError::Key`].
pub fn client_assertion(
    key: &SigningKey,
    client: &str,
    audience: &str,
    id: &str,
    now: Timestamp,
) -> Result<String, JoseError> {
    let claims = json!({
        "iss": client, "sub": client, "aud": audience, "jti": id,
        "iat": now.seconds(), "exp": now.seconds() + ASSERTION_SECONDS,
    });
    key.sign(&claims, "JWT")
}

/// Who acts, for an upstream: the user if there is one, else the client, under which roles and for which purpose. Only
/// what the walk has proved stands in it; no patient does.
#[must_use]
pub fn acting_user(principal: &Principal, issuer: &str, audience: &str, id: &str, now: Timestamp) -> Value {
    let mut claims = json!({
        "iss": issuer, "aud": audience, "jti": id, "iat": now.seconds(), "exp": now.seconds() + STATEMENT_SECONDS,
        "sub": principal.user().unwrap_or_else(|| principal.client()),
        "client_id": principal.client(), "roles": principal.roles(),
    });
    let optional = [
        ("fhirUser", principal.fhir_user().map(|(resource, id)| format!("{resource}/{id}"))),
        ("organization", principal.organization().map(str::to_owned)),
        ("purpose", principal.purpose().map(str::to_owned)),
    ];
    if let Some(members) = claims.as_object_mut() {
        members.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credentials, Origin, TokenRecord, authenticate};

    fn principal(user: Option<&str>) -> Principal {
        let token = TokenRecord {
            token_id: "t1".into(),
            client: "app".into(),
            organization: Some("clinic".into()),
            apis: vec!["ehr".into()],
            scopes: crate::Scopes::default(),
            roles: vec!["physician".into()],
            user: user.map(str::to_owned),
            fhir_user: None,
            patient: bascule_fhir::Id::parse("p1"),
            encounter: None,
            purpose: Some("TREAT".into()),
            expires: Timestamp::from_seconds(1_000),
            active: true,
            origin: Origin::default(),
        };
        let credentials =
            Credentials { token: Some(token), presented: true, address: String::new(), user_agent: String::new() };
        authenticate(credentials, "ehr", Timestamp::from_seconds(1)).unwrap()
    }

    #[test]
    fn the_acting_user_is_named_and_no_patient() {
        let now = Timestamp::from_seconds(100);
        let claims = acting_user(&principal(Some("u1")), "https://b.example", "https://ehr.example", "r1", now);
        assert_eq!(claims["sub"], "u1");
        assert_eq!(claims["aud"], "https://ehr.example");
        assert_eq!(claims["exp"], 160);
        assert!(!claims.to_string().contains("p1"));
        let system = acting_user(&principal(None), "https://b.example", "https://ehr.example", "r1", now);
        assert_eq!(system["sub"], "app");
    }
}
