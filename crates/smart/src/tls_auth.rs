//! Client authentication by mutual TLS (RFC 8705 section 2): the certificate that the handshake proved, against the registration.

use bascule_crypto::certificate::{Certificate, PublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::{AuthMethod, ClientMetadata};

/// The one name that a client's certificate must bear (section 2.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsName {
    /// `tls_client_auth_subject_dn`: RFC 4514.
    SubjectDn(String),
    /// `tls_client_auth_san_dns`
    Dns(String),
    /// `tls_client_auth_san_uri`
    Uri(String),
    /// `tls_client_auth_san_ip`
    Ip(String),
    /// `tls_client_auth_san_email`
    Email(String),
}

/// Makes a name of a member's text.
pub(crate) type MakeName = fn(String) -> TlsName;

impl TlsName {
    /// The members of RFC 8705, each with its maker.
    pub(crate) const MEMBERS: [(&'static str, MakeName); 5] = [
        ("tls_client_auth_subject_dn", Self::SubjectDn),
        ("tls_client_auth_san_dns", Self::Dns),
        ("tls_client_auth_san_uri", Self::Uri),
        ("tls_client_auth_san_ip", Self::Ip),
        ("tls_client_auth_san_email", Self::Email),
    ];

    /// The member and its value.
    #[must_use]
    pub fn member(&self) -> (&'static str, &str) {
        match self {
            Self::SubjectDn(name) => ("tls_client_auth_subject_dn", name),
            Self::Dns(name) => ("tls_client_auth_san_dns", name),
            Self::Uri(name) => ("tls_client_auth_san_uri", name),
            Self::Ip(name) => ("tls_client_auth_san_ip", name),
            Self::Email(name) => ("tls_client_auth_san_email", name),
        }
    }

    fn is_in(&self, certificate: &Certificate) -> bool {
        match self {
            Self::SubjectDn(name) => normal(name) == normal(&certificate.subject),
            Self::Dns(name) => certificate.dns.iter().any(|known| known.eq_ignore_ascii_case(name)),
            Self::Uri(name) => certificate.uris.iter().any(|known| known == name),
            Self::Email(name) => certificate.emails.iter().any(|known| known == name),
            Self::Ip(name) => {
                let parsed = url::Host::parse(name).or_else(|_| url::Host::parse(&format!("[{name}]")));
                let bytes = match parsed {
                    Ok(url::Host::Ipv4(address)) => address.octets().to_vec(),
                    Ok(url::Host::Ipv6(address)) => address.octets().to_vec(),
                    _ => return false,
                };
                certificate.addresses.contains(&bytes)
            }
        }
    }
}

/// A distinguished name with one spelling: no blanks around separators, attribute types in capitals.
fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut value = false;
    let mut escaped = false;
    for letter in name.chars() {
        match letter {
            _ if escaped => {
                out.push(letter);
                escaped = false;
            }
            '\\' => {
                out.push(letter);
                escaped = true;
            }
            ',' | '+' => {
                out.truncate(out.trim_end().len());
                out.push(letter);
                value = false;
            }
            '=' if !value => {
                out.truncate(out.trim_end().len());
                out.push(letter);
                value = true;
            }
            ' ' if out.ends_with([',', '+', '=']) || out.is_empty() => {}
            _ if value => out.push(letter),
            _ => out.extend(letter.to_uppercase()),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Checks the certificate of the connection against the registration. `verified` says whether its chain leads to an authority
/// of the listener.
///
/// # Errors
/// `invalid_client`.
pub fn verify(metadata: &ClientMetadata, certificate: &Certificate, verified: bool) -> Result<(), Refusal> {
    let no = |said: &str| Err(Refusal::client(format!("client certificate: {said}")));
    match metadata.auth_method {
        AuthMethod::TlsClientAuth if !verified => no("it is of no authority that is trusted here"),
        AuthMethod::TlsClientAuth => match &metadata.tls_name {
            Some(name) if name.is_in(certificate) => Ok(()),
            _ => no("it does not bear the registered name"),
        },
        AuthMethod::SelfSignedTlsClientAuth => Ok(()),
        _ => no("this client is not registered for mutual TLS"),
    }
}

/// Checks a self-signed certificate against the client's registered keys: one of them holds it (`x5c`), or is its key.
///
/// # Errors
/// `invalid_client`.
pub fn verify_registered(keys: &Value, der: &[u8], certificate: &Certificate) -> Result<(), Refusal> {
    let whole = STANDARD.encode(der);
    let own = jwk(&certificate.key);
    let known = keys.get("keys").and_then(Value::as_array).into_iter().flatten().any(|key| {
        let listed = key.get("x5c").and_then(|chain| chain.get(0)).and_then(Value::as_str) == Some(&whole);
        listed || ["kty", "crv", "x", "y", "n", "e"].iter().all(|name| key.get(name) == own.get(name))
    });
    if known { Ok(()) } else { Err(Refusal::client("client certificate: it is not one that is registered")) }
}

/// A certificate's key as a JWK.
#[must_use]
pub fn jwk(key: &PublicKey) -> Value {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match key {
        PublicKey::Rsa { modulus, exponent } => json!({"kty": "RSA", "n": text(modulus), "e": text(exponent)}),
        PublicKey::Ec { curve, x, y } => json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y)}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Certificate {
        Certificate {
            sha256: [1; 32],
            subject: "CN=lab.example,O=Riverside Lab\\, Inc.,C=US".into(),
            dns: vec!["lab.example".into()],
            uris: vec!["https://lab.example/fhir".into()],
            addresses: vec![vec![192, 0, 2, 7]],
            emails: vec!["it@lab.example".into()],
            key: PublicKey::Ec { curve: "P-256", x: vec![1; 32], y: vec![2; 32] },
            not_after: 2_000_000_000,
        }
    }

    fn check(name: TlsName, verified: bool) -> bool {
        let (member, value) = name.member();
        let metadata = ClientMetadata::parse(&json!({"grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "tls_client_auth", (member): value}))
        .unwrap();
        verify(&metadata, &certificate(), verified).is_ok()
    }

    #[test]
    fn one_registered_name_must_be_in_the_certificate() {
        for name in [
            TlsName::Dns("LAB.example".into()),
            TlsName::Uri("https://lab.example/fhir".into()),
            TlsName::Ip("192.0.2.7".into()),
            TlsName::Email("it@lab.example".into()),
            TlsName::SubjectDn("cn = lab.example, o=Riverside Lab\\, Inc., C=US".into()),
        ] {
            assert!(check(name.clone(), true), "{name:?}");
            assert!(!check(name, false), "of an unknown authority");
        }
        for name in [
            TlsName::Dns("evil.example".into()),
            TlsName::Dns("sub.lab.example".into()),
            TlsName::Uri("https://lab.example/fhir/".into()),
            TlsName::Ip("192.0.2.8".into()),
            TlsName::Ip("lab.example".into()),
            TlsName::SubjectDn("CN=lab.example".into()),
            TlsName::SubjectDn("C=US,O=Riverside Lab\\, Inc.,CN=lab.example".into()),
            TlsName::SubjectDn("CN=lab.example,O=Riverside Lab, Inc.,C=US".into()),
        ] {
            assert!(!check(name.clone(), true), "{name:?}");
        }
    }

    #[test]
    fn a_self_signed_certificate_is_known_by_itself_or_by_its_key() {
        let key = jwk(&certificate().key);
        assert!(verify_registered(&json!({"keys": [key]}), b"der", &certificate()).is_ok());
        let listed = json!({"keys": [{"kty": "EC", "x5c": [STANDARD.encode(b"der")]}]});
        assert!(verify_registered(&listed, b"der", &certificate()).is_ok());
        for other in
            [json!({"keys": []}), json!({"keys": [{"kty": "EC"}]}), json!({"keys": [{"x5c": ["eA=="]}]}), json!({})]
        {
            assert!(verify_registered(&other, b"der", &certificate()).is_err(), "{other}");
        }
    }
}
