//! X.509 certificates of others: what one says, and whether a chain of them leads to an anchor at a given time. Parsing and path
//! validation are the libraries'; time and revocation lists come in as arguments.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as Parsed;

use crate::digest::{Sha256, sha256};

/// Certificates of one chain.
pub const CHAIN_MAX: usize = 8;
/// Bytes of one certificate.
pub const CERTIFICATE_BYTES_MAX: usize = 16_384;

/// Why a certificate is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not X.509, too long, or with a key that we do not use.
    #[error("not an X.509 certificate with an RSA, P-256 or P-384 key")]
    Malformed,
    /// Not PEM, or nothing in it.
    #[error("not PEM with the block that is expected")]
    Pem,
    /// Its time is over, or has not come.
    #[error("a certificate of the chain is not valid now")]
    NotValidNow,
    /// Revoked, or nobody can say.
    #[error("a certificate of the chain is revoked, or its revocation list has expired")]
    Revoked,
    /// No path.
    #[error("the chain leads to no anchor that is trusted here")]
    Untrusted,
}

/// A public key, as its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA.
    Rsa {
        /// The modulus, without leading zeros.
        modulus: Vec<u8>,
        /// The exponent, without leading zeros.
        exponent: Vec<u8>,
    },
    /// An elliptic curve of the JWK names.
    Ec {
        /// `P-256`, `P-384`
        curve: &'static str,
        /// The coordinate x.
        x: Vec<u8>,
        /// The coordinate y.
        y: Vec<u8>,
    },
}

/// What a certificate says. It proves nothing by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Of the whole, in DER.
    pub sha256: Sha256,
    /// The subject as RFC 4514 writes it.
    pub subject: String,
    /// Subject alternative names: DNS names.
    pub dns: Vec<String>,
    /// Subject alternative names: URIs.
    pub uris: Vec<String>,
    /// Subject alternative names: addresses, in their bytes.
    pub addresses: Vec<Vec<u8>>,
    /// Subject alternative names: e-mail.
    pub emails: Vec<String>,
    /// The key.
    pub key: PublicKey,
    /// Until when it holds, in seconds since 1970.
    pub not_after: i64,
}

impl Certificate {
    /// Reads one.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`].
    pub fn read(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::Malformed);
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
        if !rest.is_empty() {
            return Err(CertificateError::Malformed);
        }
        let mut certificate = Self {
            sha256: sha256(der),
            subject: subject(&parsed),
            dns: Vec::new(),
            uris: Vec::new(),
            addresses: Vec::new(),
            emails: Vec::new(),
            key: key(&parsed)?,
            not_after: parsed.validity().not_after.timestamp(),
        };
        let names = parsed.subject_alternative_name().map_err(|_| CertificateError::Malformed)?;
        for name in names.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(name) => certificate.dns.push((*name).to_owned()),
                GeneralName::URI(uri) => certificate.uris.push((*uri).to_owned()),
                GeneralName::IPAddress(bytes) => certificate.addresses.push(bytes.to_vec()),
                GeneralName::RFC822Name(name) => certificate.emails.push((*name).to_owned()),
                _ => {}
            }
        }
        Ok(certificate)
    }
}

/// RFC 4514: the last name first, values escaped.
fn subject(parsed: &X509Certificate<'_>) -> String {
    let names: Vec<String> = parsed
        .subject()
        .iter_rdn()
        .map(|set| {
            let pairs = set.iter().map(|one| {
                let oid = one.attr_type().to_id_string();
                let kind = ATTRIBUTES.iter().find(|(known, _)| *known == oid).map_or(oid.as_str(), |(_, short)| short);
                format!("{kind}={}", escaped(one.as_str().unwrap_or_default()))
            });
            pairs.collect::<Vec<_>>().join("+")
        })
        .collect();
    names.into_iter().rev().collect::<Vec<_>>().join(",")
}

/// The short names of RFC 4514 section 3.
const ATTRIBUTES: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (index, letter) in value.chars().enumerate() {
        let edge = (letter == ' ' && (index == 0 || index == last)) || (letter == '#' && index == 0);
        if edge || matches!(letter, '"' | '+' | ',' | ';' | '<' | '>' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

fn key(parsed: &X509Certificate<'_>) -> Result<PublicKey, CertificateError> {
    let trimmed = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
    match parsed.public_key().parsed().map_err(|_| CertificateError::Malformed)? {
        Parsed::RSA(key) => Ok(PublicKey::Rsa { modulus: trimmed(key.modulus), exponent: trimmed(key.exponent) }),
        Parsed::EC(point) => {
            let (curve, width) = match point.data().len() {
                65 => ("P-256", 32),
                97 => ("P-384", 48),
                _ => return Err(CertificateError::Malformed),
            };
            let whole = point.data().strip_prefix(&[4]).ok_or(CertificateError::Malformed)?;
            let (x, y) = whole.split_at_checked(width).ok_or(CertificateError::Malformed)?;
            Ok(PublicKey::Ec { curve, x: x.to_vec(), y: y.to_vec() })
        }
        _ => Err(CertificateError::Malformed),
    }
}

/// Authorities that are trusted for something, and the lists of what they revoked.
#[derive(Debug, Clone, Default)]
pub struct Anchors {
    anchors: Vec<TrustAnchor<'static>>,
    revoked: Vec<Vec<u8>>,
}

impl Anchors {
    /// The authorities of PEM text.
    ///
    /// # Errors
    /// [`CertificateError::Pem`], [`CertificateError::Malformed`].
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let certificates = chain_from_pem(pem)?;
        let anchors = certificates.iter().map(|der| {
            let der = CertificateDer::from(der.as_slice());
            let anchor = webpki::anchor_from_trusted_cert(&der).map_err(|_| CertificateError::Malformed)?;
            Ok(anchor.to_owned())
        });
        Ok(Self { anchors: anchors.collect::<Result<_, _>>()?, revoked: Vec::new() })
    }

    /// The same with revocation lists of PEM text. From then on each issuer of a chain must have a list here that has not
    /// expired.
    ///
    /// # Errors
    /// [`CertificateError::Pem`], [`CertificateError::Malformed`].
    pub fn with_revoked(mut self, pem: &str) -> Result<Self, CertificateError> {
        let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem.as_bytes()).collect();
        let lists = lists.ok().filter(|lists| !lists.is_empty()).ok_or(CertificateError::Pem)?;
        for list in lists {
            BorrowedCertRevocationList::from_der(&list).map_err(|_| CertificateError::Malformed)?;
            self.revoked.push(list.as_ref().to_vec());
        }
        Ok(self)
    }

    /// Verifies that a chain, leaf first, leads to an anchor at `now` (seconds since 1970), and reads its leaf.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify(&self, chain: &[Vec<u8>], now: i64) -> Result<Certificate, CertificateError> {
        let (leaf, others) = chain.split_first().ok_or(CertificateError::Malformed)?;
        if chain.len() > CHAIN_MAX || chain.iter().any(|one| one.len() > CERTIFICATE_BYTES_MAX) {
            return Err(CertificateError::Malformed);
        }
        let read = Certificate::read(leaf)?;
        let der = CertificateDer::from(leaf.as_slice());
        let others: Vec<CertificateDer<'_>> = others.iter().map(|one| CertificateDer::from(one.as_slice())).collect();
        let end = EndEntityCert::try_from(&der).map_err(|_| CertificateError::Malformed)?;
        let parsed = self.revoked.iter().map(|list| {
            let list = BorrowedCertRevocationList::from_der(list).map_err(|_| CertificateError::Revoked)?;
            Ok(CertRevocationList::from(list))
        });
        let parsed: Vec<CertRevocationList<'_>> = parsed.collect::<Result<_, CertificateError>>()?;
        let lists: Vec<&CertRevocationList<'_>> = parsed.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|builder| {
            builder
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        let seconds = u64::try_from(now).map_err(|_| CertificateError::NotValidNow)?;
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        end.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &self.anchors,
            &others,
            time,
            KeyUsage::client_auth(),
            revocation,
            None,
        )
        .map_err(|error| sort(&error))?;
        Ok(read)
    }
}

fn sort(error: &webpki::Error) -> CertificateError {
    use webpki::Error as E;
    match error {
        E::CertExpired { .. } | E::CertNotValidYet { .. } | E::InvalidCertValidity => CertificateError::NotValidNow,
        E::CertRevoked | E::UnknownRevocationStatus | E::CrlExpired { .. } => CertificateError::Revoked,
        _ => CertificateError::Untrusted,
    }
}

/// The certificates of PEM text, in its order.
///
/// # Errors
/// [`CertificateError::Pem`] if there is none.
pub fn chain_from_pem(pem: &str) -> Result<Vec<Vec<u8>>, CertificateError> {
    let chain: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(CertificateError::Pem)?;
    Ok(chain.into_iter().map(|one| one.as_ref().to_vec()).collect())
}
