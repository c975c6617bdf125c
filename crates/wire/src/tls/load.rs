//! Reads certificates and keys out of PEM, and says how long they hold.

use std::path::Path;
use std::time::SystemTime;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::TlsError;

const SECONDS_A_DAY: i64 = 86_400;

/// The certificates of a PEM file, in its order; at least one.
pub(super) fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    chain_of(&read(file)?, file)
}

/// The certificates of PEM text; `file` is what errors name.
pub(super) fn chain_of(pem: &[u8], file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let malformed = |why: String| TlsError::Malformed { file: file.to_owned(), why };
    let chain = chain.map_err(|error| malformed(format!("not PEM: {error}")))?;
    if chain.is_empty() {
        return Err(malformed("no `BEGIN CERTIFICATE` in it".to_owned()));
    }
    Ok(chain)
}

/// The first private key of a PEM file.
pub(super) fn key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    key_of(&read(file)?, file)
}

/// The first private key of PEM text.
pub(super) fn key_of(pem: &[u8], file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|error| TlsError::Malformed { file: file.to_owned(), why: format!("no private key in it: {error}") })
}

/// How many whole days the first certificate of a PEM file still holds; negative once it has ended.
///
/// # Errors
/// [`TlsError`] if the file cannot be read or holds no certificate, or if its time has not come yet.
pub fn certificate_days_left(file: &Path) -> Result<i64, TlsError> {
    days_left(&chain(file)?, file)
}

pub(super) fn days_left(chain: &[CertificateDer<'static>], file: &Path) -> Result<i64, TlsError> {
    let leaf = chain.first().map(AsRef::as_ref).unwrap_or_default();
    let (_, certificate) = X509Certificate::from_der(leaf)
        .map_err(|error| TlsError::Malformed { file: file.to_owned(), why: format!("not X.509: {error}") })?;
    let now = now_seconds();
    let from = certificate.validity().not_before.timestamp();
    if from > now {
        let why = format!("it begins in {} s; is the clock right?", from - now);
        return Err(TlsError::NotValidNow { file: file.to_owned(), why });
    }
    Ok((certificate.validity().not_after.timestamp() - now).div_euclid(SECONDS_A_DAY))
}

/// This door's clock, for certificates only.
#[expect(clippy::disallowed_methods, reason = "wire is a door: the validity of certificates is read against the clock")]
pub(super) fn now_seconds() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or_default()
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| TlsError::File { file: file.to_owned(), why: error.to_string() })
}
