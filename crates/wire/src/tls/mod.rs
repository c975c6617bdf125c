//! TLS on both sides: 1.2 and 1.3 only, one provider, certificates from PEM files.

mod clients;
pub mod development;
mod load;
mod reload;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub(crate) use clients::Clients;
pub use load::certificate_days_left;
pub use reload::ReloadableTls;

use crate::Identity;

/// Where the operating systems that we know keep their authorities, by the first that exists.
const SYSTEM_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The files of a TLS listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM chain, leaf first.
    pub certificate: PathBuf,
    /// PEM key of the leaf.
    pub key: PathBuf,
    /// PEM authorities of clients' certificates; `None` asks clients for none. A client without a certificate still
    /// connects: whether it needs one is decided where its request is.
    pub client_ca: Option<PathBuf>,
    /// Whether clients may also show certificates of no authority (self-signed ones): only that they hold the key is proved then.
    pub self_signed_clients: bool,
}

/// Why TLS cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{file}: {why}")]
    File {
        /// Which.
        file: PathBuf,
        /// What the system says.
        why: String,
    },
    /// A file does not hold what it should.
    #[error("{file}: {why}")]
    Malformed {
        /// Which, or what it was meant for.
        file: PathBuf,
        /// What is wrong, and the mend.
        why: String,
    },
    /// A certificate's time is over, or has not come.
    #[error("{file}: the certificate is not valid now: {why}")]
    NotValidNow {
        /// Which.
        file: PathBuf,
        /// From or until when.
        why: String,
    },
    /// The library refuses key, chain or settings.
    #[error("TLS refuses the settings: {0}")]
    Refused(String),
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

/// The server's side of these files.
pub(crate) fn server_config(files: &TlsFiles) -> Result<Served, TlsError> {
    let chain = load::chain(&files.certificate)?;
    let key = load::key(&files.key)?;
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12])?;
    let authorities = files.client_ca.as_ref().map(|file| roots(load::chain(file)?, file)).transpose()?;
    let clients = Clients::new(authorities, files.self_signed_clients, &provider())?;
    let builder = match &clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(clients.verifier()),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| TlsError::Malformed {
        file: files.key.clone(),
        why: format!("key and certificate do not go together: {error}"),
    })?;
    config.alpn_protocols = alpn();
    Ok(Served { config: Arc::new(config), clients })
}

/// A listener's side, as it was read.
#[derive(Clone)]
pub(crate) struct Served {
    /// For handshakes.
    pub(crate) config: Arc<ServerConfig>,
    /// For the certificates that clients showed in them.
    pub(crate) clients: Option<Clients>,
}

/// The client's side.
pub(crate) fn client_config(ca_pem: Option<&str>, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, TlsError> {
    let authorities = match ca_pem {
        Some(pem) => roots(load::chain_of(pem.as_bytes(), "ca".as_ref())?, "ca".as_ref())?,
        None => system_roots(),
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(authorities);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = load::chain_of(identity.certificate_pem.as_bytes(), "client certificate".as_ref())?;
            let key = load::key_of(identity.key_pem.as_bytes(), "client key".as_ref())?;
            builder.with_client_auth_cert(chain, key)?
        }
    };
    config.alpn_protocols = alpn();
    Ok(Arc::new(config))
}

fn alpn() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn roots(
    chain: Vec<rustls_pki_types::CertificateDer<'static>>,
    file: &std::path::Path,
) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in chain {
        store.add(certificate).map_err(|error| TlsError::Malformed {
            file: file.to_owned(),
            why: format!("not a certificate authority: {error}"),
        })?;
    }
    Ok(store)
}

/// What the operating system trusts; empty, so that nothing verifies, if it is not found.
fn system_roots() -> RootCertStore {
    let mut store = RootCertStore::empty();
    let found = SYSTEM_AUTHORITIES.iter().find_map(|file| load::chain(file.as_ref()).ok());
    store.add_parsable_certificates(found.unwrap_or_default());
    store
}
