//! A development authority and its server certificates, made on the first start and found again on the next.
//!
//! Whoever reads `ca.key` can pose as any server to those who trust `ca.pem`; it never leaves the folder, and the
//! folder is readable by its owner alone. Production brings its own files instead.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::{TlsError, TlsFiles, load};

const AUTHORITY_DAYS: i64 = 3_650;
const SERVER_DAYS: i64 = 90;
/// With fewer days left, a certificate is made anew.
const RENEW_DAYS: i64 = 30;

/// What [`ensure`] found or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevelopmentTls {
    /// PEM text of the authority, for clients to trust.
    pub ca_pem: String,
    /// The file of it.
    pub ca_file: PathBuf,
    /// PEM file of the server's certificate.
    pub certificate: PathBuf,
    /// PEM file of the server's key.
    pub key: PathBuf,
}

impl DevelopmentTls {
    /// The files as a listener takes them.
    #[must_use]
    pub fn files(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            client_ca: None,
            self_signed_clients: false,
        }
    }
}

/// Finds or makes, in `folder`, an authority and a server certificate for `names` (host names and IP addresses).
/// What is there stays as it is unless it nears its end, is damaged, or is for other names.
///
/// # Errors
/// [`TlsError`] if the folder cannot be written or a name is not one.
pub fn ensure(folder: &Path, names: &[&str]) -> Result<DevelopmentTls, TlsError> {
    let file = |name: &str| folder.join(name);
    let made = DevelopmentTls {
        ca_pem: String::new(),
        ca_file: file("ca.pem"),
        certificate: file("server.pem"),
        key: file("server.key"),
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(folder, &error))?;
    let ca_key = file("ca.key");
    let renewed = !lasts(&made.ca_file) || !ca_key.exists();
    if renewed {
        make_authority(&made.ca_file, &ca_key)?;
    }
    let ca_pem = text(&made.ca_file)?;
    if renewed || !lasts(&made.certificate) || !made.key.exists() || !is_for(&made.certificate, names) {
        make_server(&made, &ca_pem, &text(&ca_key)?, names)?;
    }
    Ok(DevelopmentTls { ca_pem, ..made })
}

fn make_authority(certificate: &Path, key: &Path) -> Result<(), TlsError> {
    let mut parameters = lasting(CertificateParams::default(), AUTHORITY_DAYS);
    parameters.distinguished_name = named("Bascule development authority");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pair = KeyPair::generate().map_err(refused)?;
    let made = parameters.self_signed(&pair).map_err(refused)?;
    write(key, &pair.serialize_pem())?;
    write(certificate, &made.pem())
}

fn make_server(made: &DevelopmentTls, ca_pem: &str, ca_key_pem: &str, names: &[&str]) -> Result<(), TlsError> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut parameters = lasting(CertificateParams::new(names.clone()).map_err(refused)?, SERVER_DAYS);
    parameters.distinguished_name = named(names.first().map_or("localhost", String::as_str));
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    let ca_key = KeyPair::from_pem(ca_key_pem).map_err(refused)?;
    let issuer = Issuer::from_ca_cert_pem(ca_pem, ca_key).map_err(refused)?;
    let pair = KeyPair::generate().map_err(refused)?;
    let certificate = parameters.signed_by(&pair, &issuer).map_err(refused)?;
    write(&made.key, &pair.serialize_pem())?;
    write(&made.certificate, &certificate.pem())
}

fn lasting(mut parameters: CertificateParams, days: i64) -> CertificateParams {
    let now = OffsetDateTime::from_unix_timestamp(load::now_seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    parameters.not_before = now - Duration::hours(1);
    parameters.not_after = now + Duration::days(days);
    parameters
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn lasts(certificate: &Path) -> bool {
    load::certificate_days_left(certificate).is_ok_and(|days| days >= RENEW_DAYS)
}

/// Whether the certificate's names are exactly these.
fn is_for(certificate: &Path, names: &[&str]) -> bool {
    let Ok(chain) = load::chain(certificate) else { return false };
    let leaf = chain.first().map(AsRef::as_ref).unwrap_or_default();
    let Ok((_, parsed)) = X509Certificate::from_der(leaf) else { return false };
    let Ok(Some(alternatives)) = parsed.subject_alternative_name() else { return false };
    let mut has: Vec<String> = alternatives.value.general_names.iter().filter_map(printed).collect();
    let mut wants: Vec<String> = names.iter().map(ToString::to_string).collect();
    has.sort();
    wants.sort();
    has == wants
}

fn printed(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|octets| std::net::IpAddr::from(octets).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|octets| std::net::IpAddr::from(octets).to_string()),
        },
        _ => None,
    }
}

fn text(file: &Path) -> Result<String, TlsError> {
    fs::read_to_string(file).map_err(|error| failed(file, &error))
}

/// Writes beside, then renames: a stop midway leaves the old file whole. Readable by its owner alone.
fn write(file: &Path, text: &str) -> Result<(), TlsError> {
    let beside = file.with_extension("new");
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut open| open.write_all(text.as_bytes()).and_then(|()| open.sync_all()))
        .and_then(|()| fs::rename(&beside, file));
    written.map_err(|error| failed(file, &error))
}

fn failed(file: &Path, error: &std::io::Error) -> TlsError {
    TlsError::File { file: file.to_owned(), why: error.to_string() }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function of map_err")]
fn refused(error: rcgen::Error) -> TlsError {
    TlsError::Refused(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_start_finds_what_the_first_made() {
        let folder = tempfile::tempdir().unwrap();
        let first = ensure(folder.path(), &["localhost", "127.0.0.1", "::1"]).unwrap();
        let bytes = fs::read(&first.certificate).unwrap();
        let second = ensure(folder.path(), &["localhost", "127.0.0.1", "::1"]).unwrap();
        assert_eq!(first, second);
        assert_eq!(bytes, fs::read(&second.certificate).unwrap());
    }

    #[test]
    fn other_names_renew_the_server_but_not_the_authority() {
        let folder = tempfile::tempdir().unwrap();
        let first = ensure(folder.path(), &["localhost"]).unwrap();
        let bytes = fs::read(&first.certificate).unwrap();
        let second = ensure(folder.path(), &["bridge.example"]).unwrap();
        assert_eq!(first.ca_pem, second.ca_pem);
        assert_ne!(bytes, fs::read(&second.certificate).unwrap());
    }

    #[test]
    fn a_certificate_near_its_end_is_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let made = ensure(folder.path(), &["localhost"]).unwrap();
        let pair = KeyPair::generate().unwrap();
        let short = lasting(CertificateParams::new(vec!["localhost".to_owned()]).unwrap(), RENEW_DAYS - 1);
        write(&made.certificate, &short.self_signed(&pair).unwrap().pem()).unwrap();
        ensure(folder.path(), &["localhost"]).unwrap();
        assert!(load::certificate_days_left(&made.certificate).unwrap() >= SERVER_DAYS - 1);
    }

    #[test]
    fn keys_are_readable_by_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let made = ensure(folder.path(), &["localhost"]).unwrap();
        for file in [made.key, folder.path().join("ca.key")] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
